/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "foreign-route.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "hash.h"
#include "message.h"
#include "netlink.h"
#include "openvswitch/hmap.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "route-request.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(foreign_route);

/* A table's number is this and the MTU, or the key of a tunnel of this host's
 * own, so that a rule tells all. */
#define TABLE_BASE 0xba700000u
#define TUNNEL_TABLE_BASE 0xb7000000u
#define TUNNEL_TABLE_MASK 0xff000000u

/* Around those of address.c. */
#define PREFERENCE_MARKED 6999
#define PREFERENCE_OPEN 7002

/* Of the gateway that stands for the bridge: nobody's, and not looked for. */
#define GATEWAY_IP4 0xa9feba70u /* 169.254.186.112 */
static const struct in6_addr gateway_ip6 = {
    .s6_addr = { 0xfe, 0x80, [14] = 0xba, 0x70 }
};

struct visitor {
    struct hmap_node node; /* In 'visitors', by 'address'. */
    struct in6_addr address;
    uint32_t table;
};

static struct hmap visitors = HMAP_INITIALIZER(&visitors);

static uint32_t
hash_address(const struct in6_addr *address)
{
    return hash_bytes(address, sizeof *address, 0);
}

static struct visitor *
find_visitor(const struct in6_addr *address)
{
    struct visitor *v;

    HMAP_FOR_EACH_WITH_HASH(v, node, hash_address(address), &visitors) {
        if (ipv6_addr_equals(&v->address, address)) {
            return v;
        }
    }
    return NULL;
}

/* Netlink. */

static void
put_gateway(struct ofpbuf *request, uint16_t type, int family)
{
    if (family == AF_INET) {
        nl_msg_put_be32(request, type, htonl(GATEWAY_IP4));
    } else {
        nl_msg_put_in6_addr(request, type, &gateway_ip6);
    }
}

static int
change_rule(bool add, const struct in6_addr *address, uint32_t table,
            bool marked)
{
    struct ofpbuf *request = route_request_new(
        add ? RTM_NEWRULE : RTM_DELRULE, add ? NLM_F_CREATE | NLM_F_EXCL : 0);
    struct fib_rule_hdr *hdr = nl_msg_put_uninit(request, sizeof *hdr);

    memset(hdr, 0, sizeof *hdr);
    hdr->family = address_family(address);
    hdr->action = FR_ACT_TO_TBL;
    hdr->src_len = hdr->family == AF_INET ? 32 : 128;
    route_request_put_address(request, FRA_SRC, address);
    nl_msg_put_u32(request, FRA_PRIORITY,
                   marked ? PREFERENCE_MARKED : PREFERENCE_OPEN);
    nl_msg_put_u8(request, FRA_PROTOCOL, ADDRESS_PROTOCOL);
    nl_msg_put_u32(request, FRA_TABLE, table);
    if (marked) {
        nl_msg_put_u32(request, FRA_FWMARK, ADDRESS_MARK);
        nl_msg_put_u32(request, FRA_FWMASK, UINT32_MAX);
    }
    return route_request_transact(request, add ? EEXIST : ENOENT);
}

static int
add_route(int family, uint32_t table, unsigned int ifindex, uint32_t mtu)
{
    struct ofpbuf *request = route_request_new(RTM_NEWROUTE,
                                               NLM_F_CREATE | NLM_F_REPLACE);
    struct rtmsg *hdr = nl_msg_put_uninit(request, sizeof *hdr);
    size_t metrics;

    memset(hdr, 0, sizeof *hdr);
    hdr->rtm_family = family;
    hdr->rtm_protocol = ADDRESS_PROTOCOL;
    hdr->rtm_scope = RT_SCOPE_UNIVERSE;
    hdr->rtm_type = RTN_UNICAST;
    hdr->rtm_flags = RTNH_F_ONLINK;
    nl_msg_put_u32(request, RTA_TABLE, table);
    nl_msg_put_u32(request, RTA_OIF, ifindex);
    put_gateway(request, RTA_GATEWAY, family);
    metrics = nl_msg_start_nested(request, RTA_METRICS);
    nl_msg_put_u32(request, RTAX_MTU, mtu);
    nl_msg_end_nested(request, metrics);
    return route_request_transact(request, 0);
}

static int
del_route(int family, uint32_t table)
{
    struct ofpbuf *request = route_request_new(RTM_DELROUTE, 0);
    struct rtmsg *hdr = nl_msg_put_uninit(request, sizeof *hdr);

    memset(hdr, 0, sizeof *hdr);
    hdr->rtm_family = family;
    hdr->rtm_protocol = ADDRESS_PROTOCOL;
    hdr->rtm_scope = RT_SCOPE_NOWHERE;
    nl_msg_put_u32(request, RTA_TABLE, table);
    return route_request_transact(request, ESRCH);
}

/* 'mac' NULL: deletes it. */
static int
change_neighbour(int family, unsigned int ifindex, const struct eth_addr *mac)
{
    struct ofpbuf *request = route_request_new(
        mac ? RTM_NEWNEIGH : RTM_DELNEIGH,
        mac ? NLM_F_CREATE | NLM_F_REPLACE : 0);
    struct ndmsg *hdr = nl_msg_put_uninit(request, sizeof *hdr);

    memset(hdr, 0, sizeof *hdr);
    hdr->ndm_family = family;
    hdr->ndm_ifindex = ifindex;
    hdr->ndm_state = NUD_PERMANENT;
    put_gateway(request, NDA_DST, family);
    if (mac) {
        nl_msg_put_unspec(request, NDA_LLADDR, mac, sizeof *mac);
    }
    return route_request_transact(request, mac ? 0 : ENOENT);
}

/* The last address of 'family' that used 'table' has gone. */
static void
del_table(int family, uint32_t table)
{
    const struct visitor *v;
    bool other = false;

    HMAP_FOR_EACH(v, node, &visitors) {
        if (address_family(&v->address) == family) {
            if (v->table == table) {
                return;
            }
            other = true;
        }
    }
    del_route(family, table);
    if (!other) {
        struct if_nameindex *interfaces = if_nameindex();

        for (size_t i = 0; interfaces && interfaces[i].if_index; i++) {
            change_neighbour(family, interfaces[i].if_index, NULL);
        }
        if_freenameindex(interfaces);
    }
}

static void
del_rules(const struct in6_addr *address, uint32_t table)
{
    change_rule(false, address, table, false);
    change_rule(false, address, table, true);
    del_table(address_family(address), table);
}

/* Setting and deleting. */

void
foreign_route_read(struct message *m, struct foreign_route *route,
                   const char **tunnel)
{
    memset(route, 0, sizeof *route);
    *tunnel = "";
    if (message_get_optional_string(m, "gateway", ETH_ADDR_STRLEN)) {
        message_get_eth(m, "gateway", &route->gateway);
        route->mtu = message_get_integer(m, "mtu", FOREIGN_ROUTE_MTU_MIN,
                                         FOREIGN_ROUTE_MTU_MAX);
        if (message_get_optional_string(m, "tunnel", MESSAGE_NAME_MAX)) {
            *tunnel = message_get_name(m, "tunnel");
        }
    }
}

int
foreign_route_set(const char *ifname, const struct in6_addr *address,
                  const struct foreign_route *route)
{
    uint32_t table = route->key ? TUNNEL_TABLE_BASE | route->key
                                : TABLE_BASE + route->mtu;
    unsigned int ifindex = if_nametoindex(ifname);
    struct visitor *v = find_visitor(address);
    uint32_t old = v ? v->table : table;
    int error;

    if (!route->mtu) {
        foreign_route_del(address);
        return 0;
    }
    if (!ifindex) {
        return ENODEV;
    }
    if (v) {
        v->table = table;
    } else {
        foreign_route_adopt(address, table);
    }
    error = change_neighbour(address_family(address), ifindex,
                             &route->gateway);
    if (!error) {
        error = add_route(address_family(address), table, ifindex, route->mtu);
    }
    for (int marked = 0; marked < 2 && !error; marked++) {
        error = change_rule(true, address, table, marked);
    }
    if (old != table) {
        /* Never without a way out in between. */
        del_rules(address, old);
    }
    if (error) {
        VLOG_WARN("%s: no way out for a session of another subnet (%s)",
                  ifname, ovs_strerror(error));
        foreign_route_del(address);
    }
    return error;
}

void
foreign_route_del(const struct in6_addr *address)
{
    struct visitor *v = find_visitor(address);

    if (v) {
        uint32_t table = v->table;

        hmap_remove(&visitors, &v->node);
        free(v);
        del_rules(address, table);
    }
}

bool
foreign_route_has(const struct in6_addr *address)
{
    return find_visitor(address) != NULL;
}

static uint32_t
table_key(uint32_t table)
{
    return (table & TUNNEL_TABLE_MASK) == TUNNEL_TABLE_BASE
               ? table & ~TUNNEL_TABLE_MASK
               : 0;
}

uint32_t
foreign_route_get_key(const struct in6_addr *address)
{
    const struct visitor *v = find_visitor(address);

    return v ? table_key(v->table) : 0;
}

bool
foreign_route_find_key(uint32_t key, struct in6_addr *address)
{
    const struct visitor *v;

    HMAP_FOR_EACH(v, node, &visitors) {
        if (table_key(v->table) == key) {
            *address = v->address;
            return true;
        }
    }
    return false;
}

size_t
foreign_routes_of_key(uint32_t key, struct in6_addr **addresses)
{
    const struct visitor *v;
    size_t n = 0;

    *addresses = xmalloc(MAX(1, hmap_count(&visitors)) * sizeof **addresses);
    HMAP_FOR_EACH(v, node, &visitors) {
        if (table_key(v->table) == key) {
            (*addresses)[n++] = v->address;
        }
    }
    return n;
}

bool
foreign_route_is_table(uint32_t table)
{
    return (table_key(table)
            || (table >= TABLE_BASE + FOREIGN_ROUTE_MTU_MIN
                && table <= TABLE_BASE + FOREIGN_ROUTE_MTU_MAX));
}

void
foreign_route_adopt(const struct in6_addr *address, uint32_t table)
{
    if (!find_visitor(address)) {
        struct visitor *v = xmalloc(sizeof *v);

        v->address = *address;
        v->table = table;
        hmap_insert(&visitors, &v->node, hash_address(address));
    }
}

void
foreign_routes_forget(void)
{
    struct visitor *v;

    HMAP_FOR_EACH_POP(v, node, &visitors) {
        free(v);
    }
}
