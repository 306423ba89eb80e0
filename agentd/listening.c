/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "listening.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink-socket.h"
#include "netlink.h"
#include "openvswitch/ofpbuf.h"
#include "sock-diag.h"
#include "util.h"

static void
set_address(__be32 dst[4], const struct in6_addr *addr)
{
    if (IN6_IS_ADDR_V4MAPPED(addr)) {
        memcpy(dst, &addr->s6_addr[12], 4);
    } else {
        memcpy(dst, addr, sizeof *addr);
    }
}

bool
listening_at(uint8_t protocol, const struct in6_addr *local, uint16_t port,
             const struct in6_addr *peer, uint16_t peer_port)
{
    /* For UDP the kernel takes the two ends the other way round. */
    bool swap = protocol == IPPROTO_UDP;
    struct inet_diag_sockid id;
    struct inet_diag_msg msg;

    memset(&id, 0, sizeof id);
    set_address(swap ? id.idiag_dst : id.idiag_src, local);
    set_address(swap ? id.idiag_src : id.idiag_dst, peer);
    id.idiag_sport = htons(swap ? peer_port : port);
    id.idiag_dport = htons(swap ? port : peer_port);
    id.idiag_cookie[0] = id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    return (sock_diag_find(IN6_IS_ADDR_V4MAPPED(local) ? AF_INET : AF_INET6,
                           protocol, &id, &msg)
            && (protocol == IPPROTO_UDP || msg.idiag_state == TCP_LISTEN));
}

bool
listening_is_over(const struct in6_addr *local, uint16_t port,
                  const struct in6_addr *peer, uint16_t peer_port)
{
    struct inet_diag_sockid id;
    struct inet_diag_msg msg;
    int error;

    memset(&id, 0, sizeof id);
    set_address(id.idiag_src, local);
    set_address(id.idiag_dst, peer);
    id.idiag_sport = htons(port);
    id.idiag_dport = htons(peer_port);
    id.idiag_cookie[0] = id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    error = sock_diag_ask(IN6_IS_ADDR_V4MAPPED(local) ? AF_INET : AF_INET6,
                          IPPROTO_TCP, &id, &msg);
    if (error) {
        return error == ENOENT;
    }
    /* Without a connection the kernel tells of the listener. */
    return (msg.idiag_state == TCP_LISTEN || msg.idiag_state == TCP_TIME_WAIT
            || msg.idiag_state == TCP_LAST_ACK
            || msg.idiag_state == TCP_CLOSING || msg.idiag_state == TCP_CLOSE);
}

/* Connections that were closed here may wait long for their end: they are no
 * more than that. */
#define CONNECTED                                                            \
    ((1u << TCP_ESTABLISHED) | (1u << TCP_SYN_RECV) | (1u << TCP_CLOSE_WAIT) \
     | (1u << TCP_FIN_WAIT1))

bool
listening_is_connected(const struct in6_addr *local)
{
    uint64_t stub[NL_DUMP_BUFSIZE / 8];
    struct inet_diag_req_v2 *req;
    struct ofpbuf request, reply, buf;
    struct nl_dump dump;
    __be32 address[4] = { 0 };
    bool mapped = IN6_IS_ADDR_V4MAPPED(local);
    bool found = false;

    set_address(address, local);
    ofpbuf_init(&request, 0);
    nl_msg_put_nlmsghdr(&request, sizeof *req, SOCK_DIAG_BY_FAMILY,
                        NLM_F_REQUEST);
    req = ofpbuf_put_zeros(&request, sizeof *req);
    req->sdiag_protocol = IPPROTO_TCP;
    req->idiag_states = CONNECTED;
    /* An IPv6 socket may have IPv4 connections: their addresses are mapped. */
    for (int i = 0; i < (mapped ? 2 : 1) && !found; i++) {
        req->sdiag_family = i ? AF_INET : AF_INET6;
        nl_dump_start(&dump, NETLINK_SOCK_DIAG, &request);
        ofpbuf_use_stub(&buf, stub, sizeof stub);
        while (nl_dump_next(&dump, &reply, &buf)) {
            const struct inet_diag_msg *msg = ofpbuf_at(&reply, NLMSG_HDRLEN,
                                                        sizeof *msg);

            found |= (msg
                      && (msg->idiag_family == AF_INET
                              ? mapped && msg->id.idiag_src[0] == address[0]
                              : !memcmp(msg->id.idiag_src, local,
                                        sizeof *local)));
        }
        ofpbuf_uninit(&buf);
        nl_dump_done(&dump);
    }
    ofpbuf_uninit(&request);
    return found;
}
