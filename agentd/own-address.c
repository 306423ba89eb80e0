/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "own-address.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/if_packet.h>

#include "dp-packet.h"
#include "netlink-socket.h"
#include "netlink.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(own_address);

/* After the rules of address.c, before "main". */
#define PREFERENCE_SOURCE 7002
/* Of the routes with the temporary address as source. */
#define TABLE 7183
#define FOREVER UINT32_MAX

static int
family_of(const struct in6_addr *address)
{
    return IN6_IS_ADDR_V4MAPPED(address) ? AF_INET : AF_INET6;
}

static void
put_address(struct ofpbuf *request, uint16_t type,
            const struct in6_addr *address)
{
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        nl_msg_put_be32(request, type, in6_addr_get_mapped_ipv4(address));
    } else {
        nl_msg_put_in6_addr(request, type, address);
    }
}

static bool
attr_is(const struct nlattr *attr, const struct in6_addr *address)
{
    if (!attr) {
        return false;
    } else if (IN6_IS_ADDR_V4MAPPED(address)) {
        return nl_attr_get_size(attr) == 4
               && nl_attr_get_be32(attr) == in6_addr_get_mapped_ipv4(address);
    } else {
        return nl_attr_get_size(attr) == 16
               && !memcmp(nl_attr_get(attr), address, 16);
    }
}

static int
transact(struct ofpbuf *request, int harmless)
{
    int error = nl_transact(NETLINK_ROUTE, request, NULL);

    ofpbuf_delete(request);
    return error == harmless ? 0 : error;
}

static struct ofpbuf *
request_new(uint16_t type, uint16_t flags)
{
    struct ofpbuf *request = ofpbuf_new(256);

    nl_msg_put_nlmsghdr(request, 0, type, NLM_F_REQUEST | flags);
    return request;
}

/* Calls 'take' for each message of a dump; its first argument is 'aux'. */
static int
dump(uint16_t type, int family, size_t header_size,
     void (*take)(void *aux, const struct ofpbuf *), void *aux)
{
    uint64_t stub[NL_DUMP_BUFSIZE / 8];
    struct ofpbuf *request = request_new(type, 0);
    uint8_t *header = nl_msg_put_uninit(request, header_size);
    struct ofpbuf buf, reply;
    struct nl_dump nl;

    memset(header, 0, header_size);
    header[0] = family; /* The first byte of every header used here. */
    nl_dump_start(&nl, NETLINK_ROUTE, request);
    ofpbuf_delete(request);
    ofpbuf_use_stub(&buf, stub, sizeof stub);
    while (nl_dump_next(&nl, &reply, &buf)) {
        take(aux, &reply);
    }
    ofpbuf_uninit(&buf);
    return nl_dump_done(&nl);
}

/* Addresses. */

static void
take_found(void *own_, const struct ofpbuf *msg)
{
    const struct ifaddrmsg *hdr = ofpbuf_at(msg, NLMSG_HDRLEN, sizeof *hdr);
    struct own_address *own = own_;
    const struct nlattr *local;
    char ifname[IF_NAMESIZE];

    if (!hdr) {
        return;
    }
    local = nl_attr_find(msg, NLMSG_HDRLEN + sizeof *hdr, IFA_LOCAL);
    if (!local) {
        local = nl_attr_find(msg, NLMSG_HDRLEN + sizeof *hdr, IFA_ADDRESS);
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
    int error;

    memset(own, 0, sizeof *own);
    own->address = *address;
    error = dump(RTM_GETADDR, family_of(address), sizeof(struct ifaddrmsg),
                 take_found, own);
    return error ? error : own->ifname[0] ? 0 : ENOENT;
}

/* Adds 'address' beside 'own', changes it, or deletes it. */
static int
change_address(uint16_t type, const struct own_address *own,
               const struct in6_addr *address, uint32_t preferred)
{
    bool new = type == RTM_NEWADDR;
    int family = family_of(address);
    unsigned int ifindex = if_nametoindex(own->ifname);
    struct ofpbuf *request;
    struct ifaddrmsg *hdr;

    if (!ifindex) {
        return ENODEV;
    }
    request = request_new(type, new ? NLM_F_CREATE | NLM_F_REPLACE : 0);
    hdr = nl_msg_put_uninit(request, sizeof *hdr);
    memset(hdr, 0, sizeof *hdr);
    hdr->ifa_family = family;
    hdr->ifa_prefixlen = own->plen;
    hdr->ifa_index = ifindex;
    put_address(request, IFA_LOCAL, address);
    put_address(request, IFA_ADDRESS, address);
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
    return transact(request, new ? EEXIST : EADDRNOTAVAIL);
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
take_route(void *copy_, const struct ofpbuf *msg)
{
    const struct rtmsg *hdr = ofpbuf_at(msg, NLMSG_HDRLEN, sizeof *hdr);
    struct route_copy *copy = copy_;
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
    request = request_new(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
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
        put_address(request, RTA_PREFSRC, copy->source);
    }
    error = transact(request, EEXIST);
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
    int error = dump(RTM_GETROUTE, AF_INET, sizeof(struct rtmsg), take_route,
                     &copy);

    return error ? error : copy.error;
}

static void
take_flush(void *requests_, const struct ofpbuf *msg)
{
    const struct rtmsg *hdr = ofpbuf_at(msg, NLMSG_HDRLEN, sizeof *hdr);

    if (hdr && table_of(msg, hdr) == TABLE) {
        struct ofpbuf *request = ofpbuf_clone(msg);
        struct nlmsghdr *nlmsg = ofpbuf_at_assert(request, 0, sizeof *nlmsg);

        nlmsg->nlmsg_type = RTM_DELROUTE;
        nlmsg->nlmsg_flags = NLM_F_REQUEST;
        transact(request, ESRCH);
    }
}

static int
source_rule(uint16_t type)
{
    bool new = type == RTM_NEWRULE;
    struct ofpbuf *request = request_new(type,
                                         new ? NLM_F_CREATE | NLM_F_EXCL : 0);
    struct fib_rule_hdr *hdr = nl_msg_put_uninit(request, sizeof *hdr);

    memset(hdr, 0, sizeof *hdr);
    hdr->family = AF_INET;
    hdr->action = FR_ACT_TO_TBL;
    hdr->src_len = 32;
    nl_msg_put_u32(request, FRA_PRIORITY, PREFERENCE_SOURCE);
    nl_msg_put_be32(request, FRA_SRC, htonl(INADDR_ANY));
    nl_msg_put_u32(request, FRA_TABLE, TABLE);
    return transact(request, new ? EEXIST : ENOENT);
}

/* The whole. */

int
own_address_lend(const struct own_address *own,
                 const struct in6_addr *temporary)
{
    bool v4 = family_of(temporary) == AF_INET;
    int error = change_address(RTM_NEWADDR, own, temporary, FOREVER);

    if (!error && v4) {
        promote_secondaries(own->ifname);
        dump(RTM_GETROUTE, AF_INET, sizeof(struct rtmsg), take_flush, NULL);
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
    if (family_of(temporary) == AF_INET) {
        int error = source_rule(RTM_DELRULE);

        dump(RTM_GETROUTE, AF_INET, sizeof(struct rtmsg), take_flush, NULL);
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

    if (!error && temporary && family_of(&own->address) == AF_INET) {
        /* Those that went with the address. */
        copy_routes(own, TABLE, RT_TABLE_MAIN, &own->address);
    }
    return error;
}

/* Announcement. */

static int
announce_arp(const struct own_address *own, int fd, struct eth_addr mac)
{
    ovs_be32 ip = in6_addr_get_mapped_ipv4(&own->address);
    uint64_t stub[128 / 8];
    struct dp_packet packet;
    int error = 0;

    dp_packet_use_stub(&packet, stub, sizeof stub);
    compose_arp(&packet, ARP_OP_REQUEST, mac, eth_addr_zero, true, ip, ip);
    if (send(fd, dp_packet_data(&packet), dp_packet_size(&packet), 0) < 0) {
        error = errno;
    }
    dp_packet_uninit(&packet);
    return error;
}

static int
announce_nd(const struct own_address *own, int fd, struct eth_addr mac)
{
    static const struct in6_addr all_nodes = {
        { { 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } }
    };
    struct eth_addr to = { { { 0x33, 0x33, 0, 0, 0, 1 } } };
    uint64_t stub[256 / 8];
    struct dp_packet packet;
    int error = 0;

    dp_packet_use_stub(&packet, stub, sizeof stub);
    compose_nd_na(&packet, mac, to, &own->address, &all_nodes,
                  htonl(ND_RSO_OVERRIDE));
    if (send(fd, dp_packet_data(&packet), dp_packet_size(&packet), 0) < 0) {
        error = errno;
    }
    dp_packet_uninit(&packet);
    return error;
}

int
own_address_announce(const struct own_address *own)
{
    struct sockaddr_ll sll = {
        .sll_family = AF_PACKET,
        .sll_ifindex = (int) if_nametoindex(own->ifname),
    };
    struct ifreq ifr;
    struct eth_addr mac;
    int error, fd;

    fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    memset(&ifr, 0, sizeof ifr);
    ovs_strlcpy(ifr.ifr_name, own->ifname, sizeof ifr.ifr_name);
    if (bind(fd, (struct sockaddr *) &sll, sizeof sll)
        || ioctl(fd, SIOCGIFHWADDR, &ifr)) {
        error = errno;
    } else {
        memcpy(&mac, ifr.ifr_hwaddr.sa_data, sizeof mac);
        error = family_of(&own->address) == AF_INET
                    ? announce_arp(own, fd, mac)
                    : announce_nd(own, fd, mac);
    }
    close(fd);
    return error;
}
