/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "tunnel-interface.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "route-request.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(tunnel_interface);

#define KIND "vxlan"
#define ALIAS_PREFIX "baton tunnel to "

void
tunnel_interface_name(uint32_t key, char ifname[16])
{
    snprintf(ifname, 16, TUNNEL_NAME_PREFIX "%06x", key & TUNNEL_KEY_MAX);
}

/* A request about the interface of index 'ifindex', or 0. */
static struct ofpbuf *
link_request(uint16_t type, uint16_t flags, unsigned int ifindex,
             unsigned int set, unsigned int change)
{
    struct ofpbuf *request = route_request_new(type, flags);
    struct ifinfomsg *hdr = nl_msg_put_uninit(request, sizeof *hdr);

    memset(hdr, 0, sizeof *hdr);
    hdr->ifi_family = AF_UNSPEC;
    hdr->ifi_index = ifindex;
    hdr->ifi_flags = set;
    hdr->ifi_change = change;
    return request;
}

/* What only holds for VXLAN. */
static void
put_vxlan(struct ofpbuf *request, const struct tunnel_interface *t, bool new)
{
    bool ip4 = IN6_IS_ADDR_V4MAPPED(&t->peer);
    size_t info, data;

    info = nl_msg_start_nested(request, IFLA_LINKINFO);
    nl_msg_put_string(request, IFLA_INFO_KIND, KIND);
    data = nl_msg_start_nested(request, IFLA_INFO_DATA);
    if (new) {
        nl_msg_put_u32(request, IFLA_VXLAN_ID, t->key);
        route_request_put_address(
            request, ip4 ? IFLA_VXLAN_GROUP : IFLA_VXLAN_GROUP6, &t->peer);
        nl_msg_put_be16(request, IFLA_VXLAN_PORT, htons(t->udp_port));
        nl_msg_put_u8(request, IFLA_VXLAN_LEARNING, 0);
        /* It would not get through in fragments. */
        nl_msg_put_u8(request, IFLA_VXLAN_DF, ip4 ? VXLAN_DF_SET : 0);
        /* RFC 7348 wants none; IPv6 does, and that is the default. */
        if (ip4) {
            nl_msg_put_u8(request, IFLA_VXLAN_UDP_CSUM, 0);
        }
    }
    route_request_put_address(
        request, ip4 ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6, &t->local);
    nl_msg_end_nested(request, data);
    nl_msg_end_nested(request, info);
}

static int
create(const struct tunnel_interface *t)
{
    struct ofpbuf *request = link_request(RTM_NEWLINK,
                                          NLM_F_CREATE | NLM_F_EXCL, 0, 0, 0);

    nl_msg_put_string(request, IFLA_IFNAME, t->ifname);
    nl_msg_put_u32(request, IFLA_MTU, t->mtu);
    nl_msg_put_unspec(request, IFLA_ADDRESS, &t->mac, sizeof t->mac);
    put_vxlan(request, t, true);
    return route_request_transact(request, 0);
}

/* What cannot be said before it is there, and must be before it is up. */
static int
describe(const struct tunnel_interface *t, unsigned int ifindex)
{
    struct ofpbuf *request = link_request(RTM_SETLINK, 0, ifindex, IFF_NOARP,
                                          IFF_NOARP | IFF_MULTICAST);
    char *alias = xasprintf(ALIAS_PREFIX "%s", t->bridge);
    size_t spec, inet6;

    nl_msg_put_string(request, IFLA_IFALIAS, alias);
    free(alias);
    if (!access("/proc/sys/net/ipv6", F_OK)) {
        spec = nl_msg_start_nested(request, IFLA_AF_SPEC);
        inet6 = nl_msg_start_nested(request, AF_INET6);
        nl_msg_put_u8(request, IFLA_INET6_ADDR_GEN_MODE,
                      IN6_ADDR_GEN_MODE_NONE);
        nl_msg_end_nested(request, inet6);
        nl_msg_end_nested(request, spec);
    }
    return route_request_transact(request, 0);
}

int
tunnel_interface_add(const struct tunnel_interface *t)
{
    unsigned int ifindex;
    int error;

    tunnel_interface_del(t->ifname);
    error = create(t);
    if (error) {
        return error;
    }
    ifindex = if_nametoindex(t->ifname);
    error = describe(t, ifindex);
    if (!error) {
        error = route_request_transact(
            link_request(RTM_SETLINK, 0, ifindex, IFF_UP, IFF_UP), 0);
    }
    if (error) {
        tunnel_interface_del(t->ifname);
    }
    return error;
}

void
tunnel_interface_del(const char *ifname)
{
    unsigned int ifindex = if_nametoindex(ifname);
    int error;

    if (!ifindex) {
        return;
    }
    error = route_request_transact(link_request(RTM_DELLINK, 0, ifindex, 0, 0),
                                   ENODEV);
    if (error) {
        VLOG_WARN("%s: cannot be deleted (%s)", ifname, ovs_strerror(error));
    }
}

int
tunnel_interface_set_local(const struct tunnel_interface *t)
{
    struct ofpbuf *request = link_request(RTM_NEWLINK, 0,
                                          if_nametoindex(t->ifname), 0, 0);

    put_vxlan(request, t, false);
    return route_request_transact(request, 0);
}

int
tunnel_local_address(const struct in6_addr *peer, struct in6_addr *local)
{
    bool ip4 = IN6_IS_ADDR_V4MAPPED(peer);
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(9) };
    struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
                                 .sin6_port = htons(9),
                                 .sin6_addr = *peer };
    struct sockaddr *sa = ip4 ? (struct sockaddr *) &sin
                              : (struct sockaddr *) &sin6;
    socklen_t len = ip4 ? sizeof sin : sizeof sin6;
    int error = 0;
    int fd;

    if (ip4) {
        sin.sin_addr.s_addr = in6_addr_get_mapped_ipv4(peer);
    }
    /* Nothing is sent: the kernel chooses the source. */
    fd = socket(ip4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    if (connect(fd, sa, len) || getsockname(fd, sa, &len)) {
        error = errno;
    } else if (ip4) {
        in6_addr_set_mapped_ipv4(local, sin.sin_addr.s_addr);
    } else {
        *local = sin6.sin6_addr;
    }
    close(fd);
    return error;
}

/* What is there. */

static const struct nlattr *
find_nested(const struct nlattr *attr, uint16_t type)
{
    return attr ? nl_attr_find_nested(attr, type) : NULL;
}

static bool
get_end(const struct nlattr *data, uint16_t type4, uint16_t type6,
        struct in6_addr *address)
{
    return (
        route_request_get_address(find_nested(data, type4), AF_INET, address)
        || route_request_get_address(find_nested(data, type6), AF_INET6,
                                     address));
}

/* Is 'msg' about one of ours? */
static bool
parse(const struct ofpbuf *msg, struct tunnel_interface *t)
{
    const size_t header = sizeof(struct ifinfomsg);
    const struct nlattr *name = route_request_find(msg, header, IFLA_IFNAME);
    const struct nlattr *alias = route_request_find(msg, header, IFLA_IFALIAS);
    const struct nlattr *mac = route_request_find(msg, header, IFLA_ADDRESS);
    const struct nlattr *mtu = route_request_find(msg, header, IFLA_MTU);
    const struct nlattr *info = route_request_find(msg, header, IFLA_LINKINFO);
    const struct nlattr *kind = find_nested(info, IFLA_INFO_KIND);
    const struct nlattr *data = find_nested(info, IFLA_INFO_DATA);
    const struct nlattr *id = find_nested(data, IFLA_VXLAN_ID);
    const struct nlattr *port = find_nested(data, IFLA_VXLAN_PORT);

    memset(t, 0, sizeof *t);
    if (!name || !alias || !mac || nl_attr_get_size(mac) != sizeof t->mac
        || !mtu || !kind || strcmp(nl_attr_get_string(kind), KIND) || !id
        || !port
        || strncmp(nl_attr_get_string(name), TUNNEL_NAME_PREFIX,
                   strlen(TUNNEL_NAME_PREFIX))
        || strncmp(nl_attr_get_string(alias), ALIAS_PREFIX,
                   strlen(ALIAS_PREFIX))
        || !get_end(data, IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6, &t->peer)
        || !get_end(data, IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6, &t->local)) {
        return false;
    }
    ovs_strlcpy(t->ifname, nl_attr_get_string(name), sizeof t->ifname);
    ovs_strlcpy(t->bridge, nl_attr_get_string(alias) + strlen(ALIAS_PREFIX),
                sizeof t->bridge);
    t->mac = nl_attr_get_eth_addr(mac);
    t->mtu = nl_attr_get_u32(mtu);
    t->key = nl_attr_get_u32(id);
    t->udp_port = ntohs(nl_attr_get_be16(port));
    return true;
}

int
tunnel_interface_list(struct tunnel_interface **array, size_t *n)
{
    struct tunnel_interface t;
    struct route_dump dump;
    size_t allocated = 0;
    struct ofpbuf msg;

    *array = NULL;
    *n = 0;
    route_dump_start(&dump, RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg));
    while (route_dump_next(&dump, &msg)) {
        if (parse(&msg, &t)) {
            if (*n >= allocated) {
                *array = x2nrealloc(*array, &allocated, sizeof **array);
            }
            (*array)[(*n)++] = t;
        }
    }
    return route_dump_done(&dump);
}
