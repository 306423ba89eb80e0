/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "next-hops.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "address.h"
#include "foreign-route.h"
#include "message.h"
#include "netlink-socket.h"
#include "netlink.h"
#include "openvswitch/json.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "session.h"
#include "socket-state.h"
#include "util.h"

/* A session with more peers than that has the others asked for. */
#define NEXT_HOPS_MAX 32

struct hops {
    struct json *array;
    struct in6_addr addresses[NEXT_HOPS_MAX];
    size_t n;
};

/* Is the kernel's entry one that says where the neighbour is? */
static bool
is_usable(const struct ndmsg *hdr)
{
    return hdr->ndm_state
           & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE
              | NUD_PERMANENT);
}

static struct eth_addr
look_up(int ifindex, const struct in6_addr *address)
{
    struct eth_addr mac = eth_addr_zero;
    struct ofpbuf *request = ofpbuf_new(128);
    struct ofpbuf *reply;
    const struct nlattr *lladdr;
    struct ndmsg *hdr;
    int error;

    nl_msg_put_nlmsghdr(request, 0, RTM_GETNEIGH, NLM_F_REQUEST);
    hdr = nl_msg_put_uninit(request, sizeof *hdr);
    memset(hdr, 0, sizeof *hdr);
    hdr->ndm_ifindex = ifindex;
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        hdr->ndm_family = AF_INET;
        nl_msg_put_be32(request, NDA_DST, in6_addr_get_mapped_ipv4(address));
    } else {
        hdr->ndm_family = AF_INET6;
        nl_msg_put_in6_addr(request, NDA_DST, address);
    }
    error = nl_transact(NETLINK_ROUTE, request, &reply);
    ofpbuf_delete(request);
    if (error) {
        return mac;
    }
    hdr = ofpbuf_at(reply, NLMSG_HDRLEN, sizeof *hdr);
    lladdr = hdr && is_usable(hdr)
                 ? nl_attr_find(reply, NLMSG_HDRLEN + sizeof *hdr, NDA_LLADDR)
                 : NULL;
    if (lladdr && nl_attr_get_size(lladdr) == ETH_ADDR_LEN) {
        mac = nl_attr_get_eth_addr(lladdr);
    }
    ofpbuf_delete(reply);
    return mac;
}

static void
add_route(struct hops *hops, const struct in6_addr *peer)
{
    struct address_route route;
    struct json *json;
    bool gateway;

    if (address_route(peer, &route) || !strcmp(route.ifname, "lo")) {
        return;
    }
    gateway = !ipv6_addr_equals(&route.next_hop, &in6addr_any);
    if (!gateway) {
        route.next_hop = *peer;
    }
    for (size_t i = 0; i < hops->n; i++) {
        if (ipv6_addr_equals(&hops->addresses[i], &route.next_hop)) {
            return;
        }
    }
    if (hops->n >= NEXT_HOPS_MAX) {
        return;
    }
    hops->addresses[hops->n++] = route.next_hop;
    json = json_object_create();
    message_put_address(json, "address", &route.next_hop);
    message_put_eth(json, "mac", look_up(route.ifindex, &route.next_hop));
    message_put_boolean(json, "gateway", gateway);
    json_array_add(hops->array, json);
}

static bool
get_peer(const struct session_socket *socket, struct in6_addr *peer)
{
    struct socket_state_info info;

    if (socket_state_inspect(socket->fd, &info, NULL)) {
        return false;
    } else if (info.peer.ss_family == AF_INET) {
        in6_addr_set_mapped_ipv4(
            peer, ((const struct sockaddr_in *) &info.peer)->sin_addr.s_addr);
        return true;
    } else if (info.peer.ss_family == AF_INET6) {
        *peer = ((const struct sockaddr_in6 *) &info.peer)->sin6_addr;
        return true;
    }
    return false;
}

struct json *
next_hops_of(const struct session *s)
{
    struct hops hops = { .array = json_array_create_empty() };
    struct in6_addr peer;

    if (foreign_route_has(&s->address)) {
        return hops.array;
    }
    for (size_t i = 0; i < s->n_sockets; i++) {
        if (get_peer(&s->sockets[i], &peer)) {
            add_route(&hops, &peer);
        }
    }
    /* An address of documentation's, which is nobody's: by the default
     * route. */
    if (IN6_IS_ADDR_V4MAPPED(&s->address)) {
        in6_addr_set_mapped_ipv4(&peer, htonl(0xc6336401));
        add_route(&hops, &peer);
    } else if (ipv6_parse("2001:db8::1", &peer)) {
        add_route(&hops, &peer);
    }
    return hops.array;
}
