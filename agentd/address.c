/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "address.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "foreign-route.h"
#include "host-settings.h"
#include "netlink-socket.h"
#include "netlink.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "route-request.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(address);

/* Preferences of our rules: after "local" (0), long before "main" (32766). */
#define PREFERENCE_MARK 7000
#define PREFERENCE_CLOSED 7001

/* Of our local routes for IPv6: behind the kernel's, which has 0. */
#define LOCAL_ROUTE_METRIC 1

/* Microseconds for which the kernel's is looked for, and of sleep before each
 * time. */
#define LOCAL_ROUTE_TIMEOUT 300000
#define LOCAL_ROUTE_INTERVAL 20
#define LOCAL_ROUTE_INTERVAL_MAX 1000

/* Rules. */

static struct ofpbuf *
rule_request(uint16_t type, int family, uint8_t action, uint32_t preference)
{
    bool new = type == RTM_NEWRULE;
    struct ofpbuf *request = route_request_new(
        type, new ? NLM_F_CREATE | NLM_F_EXCL : 0);
    struct fib_rule_hdr *hdr = nl_msg_put_uninit(request, sizeof *hdr);

    memset(hdr, 0, sizeof *hdr);
    hdr->family = family;
    hdr->action = action;
    nl_msg_put_u32(request, FRA_PRIORITY, preference);
    nl_msg_put_u8(request, FRA_PROTOCOL, ADDRESS_PROTOCOL);
    return request;
}

static int
mark_rule(uint16_t type, int family)
{
    struct ofpbuf *request = rule_request(type, family, FR_ACT_TO_TBL,
                                          PREFERENCE_MARK);

    nl_msg_put_u32(request, FRA_FWMARK, ADDRESS_MARK);
    nl_msg_put_u32(request, FRA_FWMASK, UINT32_MAX);
    nl_msg_put_u32(request, FRA_TABLE, RT_TABLE_MAIN);
    return route_request_transact(request,
                                  type == RTM_NEWRULE ? EEXIST : ENOENT);
}

static int
closing_rule(uint16_t type, const struct in6_addr *address)
{
    int family = address_family(address);
    struct ofpbuf *request = rule_request(type, family, FR_ACT_BLACKHOLE,
                                          PREFERENCE_CLOSED);
    struct fib_rule_hdr *hdr = ofpbuf_at_assert(request, NLMSG_HDRLEN,
                                                sizeof *hdr);

    hdr->src_len = family == AF_INET ? 32 : 128;
    route_request_put_address(request, FRA_SRC, address);
    return route_request_transact(request,
                                  type == RTM_NEWRULE ? EEXIST : ENOENT);
}

int
address_close_output(const struct in6_addr *address)
{
    return closing_rule(RTM_NEWRULE, address);
}

int
address_open_output(const struct in6_addr *address)
{
    return closing_rule(RTM_DELRULE, address);
}

/* Route lookup. */

struct found_route {
    int type;                 /* RTN_*. */
    int protocol;             /* RTPROT_*. */
    int ifindex;              /* 0: none. */
    uint32_t mtu;             /* 0: the interface's. */
    struct in6_addr next_hop; /* in6addr_any: on link. */
};

static void
parse_route(const struct ofpbuf *reply, struct found_route *route)
{
    const struct rtmsg *hdr = ofpbuf_at(reply, NLMSG_HDRLEN, sizeof *hdr);
    const struct nlattr *oif = route_request_find(reply, sizeof *hdr, RTA_OIF);
    const struct nlattr *gateway = route_request_find(reply, sizeof *hdr,
                                                      RTA_GATEWAY);
    const struct nlattr *metrics = route_request_find(reply, sizeof *hdr,
                                                      RTA_METRICS);
    const struct nlattr *mtu = (metrics
                                    ? nl_attr_find_nested(metrics, RTAX_MTU)
                                    : NULL);

    memset(route, 0, sizeof *route);
    route->type = hdr ? hdr->rtm_type : RTN_UNSPEC;
    route->protocol = hdr ? hdr->rtm_protocol : RTPROT_UNSPEC;
    route->ifindex = oif ? nl_attr_get_u32(oif) : 0;
    route->mtu = mtu ? nl_attr_get_u32(mtu) : 0;
    if (gateway) {
        route_request_get_address(gateway, hdr->rtm_family, &route->next_hop);
    }
}

/* Where the kernel would send packets for 'peer'.  If 'ifindex' is nonzero: by
 * that interface, and as its table says, in which a local address is at its
 * own interface and not at "lo". */
static int
find_route(const struct in6_addr *peer, int ifindex, struct found_route *route)
{
    struct ofpbuf *request = route_request_new(RTM_GETROUTE, 0);
    struct rtmsg *hdr = nl_msg_put_uninit(request, sizeof *hdr);
    struct ofpbuf *reply;
    int error;

    memset(hdr, 0, sizeof *hdr);
    hdr->rtm_family = address_family(peer);
    hdr->rtm_dst_len = hdr->rtm_family == AF_INET ? 32 : 128;
    route_request_put_address(request, RTA_DST, peer);
    if (ifindex) {
        hdr->rtm_flags = RTM_F_FIB_MATCH;
        nl_msg_put_u32(request, RTA_OIF, ifindex);
    }
    error = nl_transact(NETLINK_ROUTE, request, &reply);
    ofpbuf_delete(request);
    if (!error) {
        parse_route(reply, route);
        ofpbuf_delete(reply);
    }
    return error;
}

/* Addresses. */

static int
change_address(bool new, unsigned int ifindex, bool loopback,
               const struct in6_addr *address)
{
    int family = address_family(address);
    struct ofpbuf *request = route_request_new(
        new ? RTM_NEWADDR : RTM_DELADDR, new ? NLM_F_CREATE | NLM_F_EXCL : 0);
    struct ifaddrmsg *hdr = nl_msg_put_uninit(request, sizeof *hdr);

    memset(hdr, 0, sizeof *hdr);
    hdr->ifa_family = family;
    hdr->ifa_prefixlen = family == AF_INET ? 32 : 128;
    hdr->ifa_index = ifindex;
    if (family == AF_INET) {
        /* Host scope: ARP is silent about it (see host-settings.h).  Elsewhere
         * not link scope: the kernel sorts that before the interface's own
         * address, and what comes first is the default source. */
        hdr->ifa_scope = loopback ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
    }
    route_request_put_address(request, IFA_LOCAL, address);
    route_request_put_address(request, IFA_ADDRESS, address);
    if (new) {
        nl_msg_put_u8(request, IFA_PROTO, ADDRESS_PROTOCOL);
        if (family == AF_INET6) {
            struct ifa_cacheinfo info = {
                .ifa_prefered = 0,
                .ifa_valid = UINT32_MAX,
            };

            nl_msg_put_u32(request, IFA_FLAGS,
                           IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
            nl_msg_put_unspec(request, IFA_CACHEINFO, &info, sizeof info);
        }
    }
    return route_request_transact(request, new ? EEXIST : EADDRNOTAVAIL);
}

/* The kernel leaves the local route of a new IPv6 address to a worker, which
 * comes to it after 20 us, or 20 ms and more (150 were seen) where others keep
 * the processors busy; what comes for the address meanwhile is lost.  So it gets
 * one of ours at once. */
static int
change_local_route(bool new, unsigned int ifindex,
                   const struct in6_addr *address)
{
    struct ofpbuf *request = route_request_new(
        new ? RTM_NEWROUTE : RTM_DELROUTE, new ? NLM_F_CREATE : 0);
    struct rtmsg *hdr = nl_msg_put_uninit(request, sizeof *hdr);

    memset(hdr, 0, sizeof *hdr);
    hdr->rtm_family = AF_INET6;
    hdr->rtm_dst_len = 128;
    hdr->rtm_table = RT_TABLE_LOCAL;
    hdr->rtm_protocol = ADDRESS_PROTOCOL;
    hdr->rtm_scope = RT_SCOPE_UNIVERSE;
    hdr->rtm_type = RTN_LOCAL;
    route_request_put_address(request, RTA_DST, address);
    nl_msg_put_u32(request, RTA_OIF, ifindex);
    nl_msg_put_u32(request, RTA_PRIORITY, LOCAL_ROUTE_METRIC);
    return route_request_transact(request, new ? EEXIST : ESRCH);
}

int
address_add(const char *ifname, const struct in6_addr *address)
{
    unsigned int ifindex = if_nametoindex(ifname);
    int error;

    if (!ifindex) {
        return ENODEV;
    }
    error = change_address(true, ifindex, !strcmp(ifname, "lo"), address);
    if (!error && address_family(address) == AF_INET6) {
        /* On a link that is down there is no route, the kernel's neither. */
        int no_route = change_local_route(true, ifindex, address);

        if (no_route) {
            VLOG_DBG("%s: no local route yet for the address just added (%s)",
                     ifname, ovs_strerror(no_route));
        }
    }
    return error;
}

/* The worker that makes the kernel's route joins the multicast group of
 * solicitations as well.  It wants this processor: hence the sleep, longer each
 * time, since a real-time process that comes back all the time leaves it
 * little.  On a link that is down it never comes. */
void
address_wait(const char *ifname, const struct in6_addr *address)
{
    long long int end = time_usec() + LOCAL_ROUTE_TIMEOUT;
    int ifindex = if_nametoindex(ifname);
    unsigned int interval = LOCAL_ROUTE_INTERVAL;

    if (address_family(address) == AF_INET) {
        return;
    }
    do {
        struct found_route route;

        usleep(interval);
        interval = MIN(interval * 2, LOCAL_ROUTE_INTERVAL_MAX);
        if (!find_route(address, ifindex, &route) && route.type == RTN_LOCAL
            && route.protocol == RTPROT_KERNEL && route.ifindex == ifindex) {
            return;
        }
    } while (time_usec() < end);
    VLOG_DBG("%s: nobody hears yet of the address just added", ifname);
}

int
address_del(const char *ifname, const struct in6_addr *address)
{
    unsigned int ifindex = if_nametoindex(ifname);

    if (!ifindex) {
        return 0;
    }
    if (address_family(address) == AF_INET6) {
        change_local_route(false, ifindex, address);
    }
    return change_address(false, ifindex, !strcmp(ifname, "lo"), address);
}

int
address_use_interface(const char *ifname, char **errorp)
{
    if (!if_nametoindex(ifname)) {
        if (errorp) {
            *errorp = xasprintf("%s: no such interface", ifname);
        }
        return ENODEV;
    }
    return host_settings_use_interface(ifname, errorp);
}

/* Start and end. */

int
address_init(char **errorp)
{
    static const int families[] = { AF_INET, AF_INET6 };

    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        int error = mark_rule(RTM_NEWRULE, families[i]);

        /* A kernel without IPv6 has no sessions over IPv6. */
        if (error && !(families[i] == AF_INET6 && error == EAFNOSUPPORT)) {
            if (errorp) {
                *errorp = xasprintf("cannot add the routing rule for mark "
                                    "%#x (%s); CAP_NET_ADMIN is needed",
                                    ADDRESS_MARK, ovs_strerror(error));
            }
            return error;
        }
    }
    return 0;
}

void
address_exit(void)
{
    mark_rule(RTM_DELRULE, AF_INET);
    mark_rule(RTM_DELRULE, AF_INET6);
    host_settings_restore();
}

/* Leftovers. */

struct leftovers {
    struct address_leftover *array;
    size_t n, allocated;
};

static struct address_leftover *
leftovers_add(struct leftovers *list, const struct in6_addr *address,
              const char *ifname)
{
    struct address_leftover *leftover;

    if (list->n >= list->allocated) {
        list->array = x2nrealloc(list->array, &list->allocated,
                                 sizeof *list->array);
    }
    leftover = &list->array[list->n++];
    memset(leftover, 0, sizeof *leftover);
    leftover->address = *address;
    ovs_strlcpy(leftover->ifname, ifname, sizeof leftover->ifname);
    return leftover;
}

static void
leftovers_take_address(struct leftovers *list, const struct ofpbuf *msg)
{
    const struct ifaddrmsg *hdr = ofpbuf_at(msg, NLMSG_HDRLEN, sizeof *hdr);
    const struct nlattr *proto = route_request_find(msg, sizeof *hdr,
                                                    IFA_PROTO);
    const struct nlattr *local = route_request_find(msg, sizeof *hdr,
                                                    IFA_LOCAL);
    struct in6_addr address;
    char ifname[IF_NAMESIZE];

    if (!local) {
        local = route_request_find(msg, sizeof *hdr, IFA_ADDRESS);
    }
    if (hdr && proto && nl_attr_get_u8(proto) == ADDRESS_PROTOCOL
        && route_request_get_address(local, hdr->ifa_family, &address)
        && if_indextoname(hdr->ifa_index, ifname)) {
        leftovers_add(list, &address, ifname);
    }
}

/* An address that is bound on two interfaces is in the list twice. */
static void
leftovers_take_rule(struct leftovers *list, const struct ofpbuf *msg)
{
    const struct fib_rule_hdr *hdr = ofpbuf_at(msg, NLMSG_HDRLEN, sizeof *hdr);
    const struct nlattr *proto = route_request_find(msg, sizeof *hdr,
                                                    FRA_PROTOCOL);
    const struct nlattr *src = route_request_find(msg, sizeof *hdr, FRA_SRC);
    const struct nlattr *table = route_request_find(msg, sizeof *hdr,
                                                    FRA_TABLE);
    struct in6_addr address;
    bool found = false;
    bool closed;

    if (!hdr || !proto || nl_attr_get_u8(proto) != ADDRESS_PROTOCOL
        || !route_request_get_address(src, hdr->family, &address)) {
        return;
    }
    closed = hdr->action == FR_ACT_BLACKHOLE;
    if (!closed && table && foreign_route_is_table(nl_attr_get_u32(table))) {
        foreign_route_adopt(&address, nl_attr_get_u32(table));
    }
    for (size_t i = 0; i < list->n; i++) {
        if (IN6_ARE_ADDR_EQUAL(&list->array[i].address, &address)) {
            list->array[i].output_closed |= closed;
            found = true;
        }
    }
    if (!found) {
        leftovers_add(list, &address, "")->output_closed = closed;
    }
}

static int
leftovers_dump_addresses(struct leftovers *list)
{
    struct route_dump dump;
    struct ofpbuf msg;

    route_dump_start(&dump, RTM_GETADDR, AF_UNSPEC, sizeof(struct ifaddrmsg));
    while (route_dump_next(&dump, &msg)) {
        leftovers_take_address(list, &msg);
    }
    return route_dump_done(&dump);
}

static int
leftovers_dump_rules(struct leftovers *list, int family)
{
    struct route_dump dump;
    struct ofpbuf msg;
    int error;

    route_dump_start(&dump, RTM_GETRULE, family, sizeof(struct fib_rule_hdr));
    while (route_dump_next(&dump, &msg)) {
        leftovers_take_rule(list, &msg);
    }
    error = route_dump_done(&dump);
    return family == AF_INET6 && error == EAFNOSUPPORT ? 0 : error;
}

int
address_list_leftovers(struct address_leftover **leftoversp, size_t *n)
{
    struct leftovers list = { NULL, 0, 0 };
    int error;

    error = leftovers_dump_addresses(&list);
    if (!error) {
        error = leftovers_dump_rules(&list, AF_INET);
    }
    if (!error) {
        error = leftovers_dump_rules(&list, AF_INET6);
    }
    if (error) {
        free(list.array);
        list.array = NULL;
        list.n = 0;
    }
    *leftoversp = list.array;
    *n = list.n;
    return error;
}

/* Routes. */

static int
link_get(int ifindex, struct address_route *route)
{
    struct ofpbuf *request = route_request_new(RTM_GETLINK, 0);
    struct ifinfomsg *hdr = nl_msg_put_uninit(request, sizeof *hdr);
    const struct nlattr *name, *mac, *mtu;
    struct ofpbuf *reply;
    int error;

    memset(hdr, 0, sizeof *hdr);
    hdr->ifi_index = ifindex;
    error = nl_transact(NETLINK_ROUTE, request, &reply);
    ofpbuf_delete(request);
    if (error) {
        return error;
    }
    name = route_request_find(reply, sizeof *hdr, IFLA_IFNAME);
    mac = route_request_find(reply, sizeof *hdr, IFLA_ADDRESS);
    mtu = route_request_find(reply, sizeof *hdr, IFLA_MTU);
    if (!name || !mtu) {
        error = EPROTO;
    } else {
        ovs_strlcpy(route->ifname, nl_attr_get_string(name),
                    sizeof route->ifname);
        if (mac && nl_attr_get_size(mac) == ETH_ADDR_LEN) {
            route->mac = nl_attr_get_eth_addr(mac);
        }
        route->mtu = nl_attr_get_u32(mtu);
    }
    ofpbuf_delete(reply);
    return error;
}

int
address_route(const struct in6_addr *peer, struct address_route *route)
{
    struct found_route found;
    int error;

    memset(route, 0, sizeof *route);
    error = find_route(peer, 0, &found);
    if (!error && !found.ifindex) {
        error = ENETUNREACH;
    }
    if (!error) {
        route->ifindex = found.ifindex;
        route->next_hop = found.next_hop;
        error = link_get(found.ifindex, route);
    }
    if (!error && found.mtu) {
        route->mtu = MIN(route->mtu, found.mtu);
    }
    return error;
}

bool
address_is_local(const struct in6_addr *address)
{
    struct found_route route;

    return !find_route(address, 0, &route) && route.type == RTN_LOCAL;
}
