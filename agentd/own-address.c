/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "own-address.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "announcement.h"
#include "netlink.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "route-request.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(own_address);

/* After the rules of address.c, before "main". */
#define PREFERENCE_SOURCE 7002
/* Of the routes with the temporary address as source. */
#define TABLE 7183
#define FOREVER UINT32_MAX

static bool
attr_is(const struct nlattr *attr, const struct in6_addr *address)
{
    struct in6_addr found;

    return (route_request_get_address(attr, address_family(address), &found)
            && ipv6_addr_equals(&found, address));
}

/* Addresses. */

static void
take_found(struct own_address *own, const struct ofpbuf *msg)
{
    const struct ifaddrmsg *hdr = ofpbuf_at(msg, NLMSG_HDRLEN, sizeof *hdr);
    const struct nlattr *local;
    char ifname[IF_NAMESIZE];

    if (!hdr) {
        return;
    }
    local = route_request_find(msg, sizeof *hdr, IFA_LOCAL);
    if (!local) {
        local = route_request_find(msg, sizeof *hdr, IFA_ADDRESS);
    }
    if (attr_is(local, &own->address) && if_indextoname(hdr->ifa_index, ifname)
        && strcmp(ifname, "lo")) {
        own->plen = hdr->ifa_prefixlen;
        ovs_strlcpy(own->ifname, ifname, sizeof own->ifname);
    }
}

int
own_address_find(const struct in6_addr *address, struct own_address *own)
{
    struct route_dump dump;
    struct ofpbuf msg;
    int error;

    memset(own, 0, sizeof *own);
    own->address = *address;
    route_dump_start(&dump, RTM_GETADDR, address_family(address),
                     sizeof(struct ifaddrmsg));
    while (route_dump_next(&dump, &msg)) {
        take_found(own, &msg);
    }
    error = route_dump_done(&dump);
    return error ? error : own->ifname[0] ? 0 : ENOENT;
}

/* Adds 'address' beside 'own', changes it, or deletes it. */
static int
change_address(uint16_t type, const struct own_address *own,
               const struct in6_addr *address, uint32_t preferred)
{
    bool new = type == RTM_NEWADDR;
    int family = address_family(address);
    unsigned int ifindex = if_nametoindex(own->ifname);
    struct ofpbuf *request;
    struct ifaddrmsg *hdr;

    if (!ifindex) {
        return ENODEV;
    }
    request = route_request_new(type, new ? NLM_F_CREATE | NLM_F_REPLACE : 0);
    hdr = nl_msg_put_uninit(request, sizeof *hdr);
    memset(hdr, 0, sizeof *hdr);
    hdr->ifa_family = family;
    hdr->ifa_prefixlen = own->plen;
    hdr->ifa_index = ifindex;
    route_request_put_address(request, IFA_LOCAL, address);
    route_request_put_address(request, IFA_ADDRESS, address);
    if (new &&family == AF_INET) {
        ovs_be32 ip = in6_addr_get_mapped_ipv4(address);

        nl_msg_put_be32(request, IFA_BROADCAST,
                        own->plen < 31 ? ip | ~be32_prefix_mask(own->plen)
                                       : ip);
    } else if (new) {
        struct ifa_cacheinfo info = {
            .ifa_prefered = preferred,
            .ifa_valid = FOREVER,
        };

        nl_msg_put_u32(request, IFA_FLAGS, IFA_F_NODAD);
        nl_msg_put_unspec(request, IFA_CACHEINFO, &info, sizeof info);
    }
    return route_request_transact(request, new ? EEXIST : EADDRNOTAVAIL);
}

static void
promote_secondaries(const char *ifname)
{
    char *file = xasprintf("/proc/sys/net/ipv4/conf/%s/promote_secondaries",
                           ifname);
    int fd = open(file, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, "1\n", 2) != 2) {
        VLOG_WARN("%s: cannot be set (%s): other addresses of the subnet go "
                  "with the permanent one",
                  file, ovs_strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    free(file);
}

/* Routes (IPv4). */

struct route_copy {
    const struct own_address *own;
    uint32_t ifindex;
    uint32_t from, to;             /* Tables. */
    const struct in6_addr *source; /* Of the copies; NULL: not changed. */
    int error;
};

static uint32_t
table_of(const struct ofpbuf *msg, const struct rtmsg *hdr)
{
    const struct nlattr *table = nl_attr_find(msg, NLMSG_HDRLEN + sizeof *hdr,
                                              RTA_TABLE);

    return table ? nl_attr_get_u32(table) : hdr->rtm_table;
}

/* Adds the route of 'msg', if it is one of our interface in table
 * 'copy->from', to 'copy->to'. */
static void
take_route(struct route_copy *copy, const struct ofpbuf *msg)
{
    const struct rtmsg *hdr = ofpbuf_at(msg, NLMSG_HDRLEN, sizeof *hdr);
    const struct nlattr *oif, *nla;
    struct ofpbuf *request;
    struct rtmsg *new;
    size_t left;
    int error;

    if (!hdr || hdr->rtm_type != RTN_UNICAST || hdr->rtm_flags & RTM_F_CLONED
        || table_of(msg, hdr) != copy->from) {
        return;
    }
    oif = nl_attr_find(msg, NLMSG_HDRLEN + sizeof *hdr, RTA_OIF);
    if (!oif || nl_attr_get_u32(oif) != copy->ifindex) {
        return;
    }
    if (copy->to == RT_TABLE_MAIN && hdr->rtm_protocol == RTPROT_KERNEL) {
        return; /* The kernel's own affair. */
    }
    request = route_request_new(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
    new = nl_msg_put_uninit(request, sizeof *new);
    *new = *hdr;
    new->rtm_table = copy->to < 256 ? copy->to : RT_TABLE_UNSPEC;
    new->rtm_flags &= RTNH_F_ONLINK;
    NL_ATTR_FOR_EACH(nla, left, ofpbuf_at(msg, NLMSG_HDRLEN + sizeof *hdr, 0),
                     msg->size - NLMSG_HDRLEN - sizeof *hdr) {
        uint16_t type = nl_attr_type(nla);

        if (type != RTA_TABLE && type != RTA_PREFSRC && type != RTA_CACHEINFO
            && type != RTA_PREF) {
            nl_msg_put_unspec(request, nla->nla_type, nl_attr_get(nla),
                              nl_attr_get_size(nla));
        }
    }
    nl_msg_put_u32(request, RTA_TABLE, copy->to);
    if (copy->source) {
        route_request_put_address(request, RTA_PREFSRC, copy->source);
    }
    error = route_request_transact(request, EEXIST);
    copy->error = copy->error ? copy->error : error;
}

static int
copy_routes(const struct own_address *own, uint32_t from, uint32_t to,
            const struct in6_addr *source)
{
    struct route_copy copy = {
        .own = own,
        .ifindex = if_nametoindex(own->ifname),
        .from = from,
        .to = to,
        .source = source,
    };
    struct route_dump dump;
    struct ofpbuf msg;
    int error;

    route_dump_start(&dump, RTM_GETROUTE, AF_INET, sizeof(struct rtmsg));
    while (route_dump_next(&dump, &msg)) {
        take_route(&copy, &msg);
    }
    error = route_dump_done(&dump);
    return error ? error : copy.error;
}

/* Deletes the routes of TABLE. */
static void
flush_table(void)
{
    struct route_dump dump;
    struct ofpbuf msg;

    route_dump_start(&dump, RTM_GETROUTE, AF_INET, sizeof(struct rtmsg));
    while (route_dump_next(&dump, &msg)) {
        const struct rtmsg *hdr = ofpbuf_at(&msg, NLMSG_HDRLEN, sizeof *hdr);

        if (hdr && table_of(&msg, hdr) == TABLE) {
            struct ofpbuf *request = ofpbuf_clone(&msg);
            struct nlmsghdr *nlmsg = ofpbuf_at_assert(request, 0,
                                                      sizeof *nlmsg);

            nlmsg->nlmsg_type = RTM_DELROUTE;
            nlmsg->nlmsg_flags = NLM_F_REQUEST;
            route_request_transact(request, ESRCH);
        }
    }
    route_dump_done(&dump);
}

static int
source_rule(uint16_t type)
{
    bool new = type == RTM_NEWRULE;
    struct ofpbuf *request = route_request_new(
        type, new ? NLM_F_CREATE | NLM_F_EXCL : 0);
    struct fib_rule_hdr *hdr = nl_msg_put_uninit(request, sizeof *hdr);

    memset(hdr, 0, sizeof *hdr);
    hdr->family = AF_INET;
    hdr->action = FR_ACT_TO_TBL;
    hdr->src_len = 32;
    nl_msg_put_u32(request, FRA_PRIORITY, PREFERENCE_SOURCE);
    nl_msg_put_be32(request, FRA_SRC, htonl(INADDR_ANY));
    nl_msg_put_u32(request, FRA_TABLE, TABLE);
    return route_request_transact(request, new ? EEXIST : ENOENT);
}

/* The whole. */

int
own_address_lend(const struct own_address *own,
                 const struct in6_addr *temporary)
{
    bool v4 = address_family(temporary) == AF_INET;
    int error = change_address(RTM_NEWADDR, own, temporary, FOREVER);

    if (!error && v4) {
        promote_secondaries(own->ifname);
        flush_table();
        error = copy_routes(own, RT_TABLE_MAIN, TABLE, temporary);
        if (!error) {
            error = source_rule(RTM_NEWRULE);
        }
    } else if (!error) {
        error = change_address(RTM_NEWADDR, own, &own->address, 0);
    }
    return error;
}

int
own_address_prefer(const struct own_address *own,
                   const struct in6_addr *temporary)
{
    if (address_family(temporary) == AF_INET) {
        int error = source_rule(RTM_DELRULE);

        flush_table();
        return error;
    }
    /* Deprecated instead of the other. */
    return change_address(RTM_NEWADDR, own, temporary, 0);
}

int
own_address_stop_lending(const struct own_address *own,
                         const struct in6_addr *temporary)
{
    return change_address(RTM_DELADDR, own, temporary, FOREVER);
}

int
own_address_take_away(const struct own_address *own)
{
    return change_address(RTM_DELADDR, own, &own->address, FOREVER);
}

int
own_address_put_back(const struct own_address *own,
                     const struct in6_addr *temporary)
{
    int error = change_address(RTM_NEWADDR, own, &own->address, FOREVER);

    if (!error && temporary && address_family(&own->address) == AF_INET) {
        /* Those that went with the address. */
        copy_routes(own, TABLE, RT_TABLE_MAIN, &own->address);
    }
    return error;
}

/* Announcement. */

int
own_address_announce(const struct own_address *own)
{
    int fd = announcement_open();
    int error;

    if (fd < 0) {
        return -fd;
    }
    error = announcement_send(fd, own->ifname, &own->address);
    close(fd);
    return error;
}
