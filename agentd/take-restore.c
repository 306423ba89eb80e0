/* SPDX-License-Identifier: Apache-2.0 */

/* The sockets of a session that came, made anew from their state. */

#include <config.h>

#include "handover.h"

#include <errno.h>
#include <unistd.h>

#include "address.h"
#include "agent.h"
#include "onward-store.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "socket-state.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(take_restore);

static bool
sockaddr_equals(const struct sockaddr_storage *a,
                const struct sockaddr_storage *b)
{
    if (a->ss_family != b->ss_family) {
        return false;
    } else if (a->ss_family == AF_INET) {
        const struct sockaddr_in *a4 = (const struct sockaddr_in *) a;
        const struct sockaddr_in *b4 = (const struct sockaddr_in *) b;

        return (a4->sin_port == b4->sin_port
                && a4->sin_addr.s_addr == b4->sin_addr.s_addr);
    } else if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *) a;
        const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *) b;

        return (a6->sin6_port == b6->sin6_port
                && ipv6_addr_equals(&a6->sin6_addr, &b6->sin6_addr));
    }
    return true;
}

/* Takes the catcher out of 'h' that stands where 'state' says; -1: none. */
static int
take_catcher(struct handover *h, const struct socket_state_info *info)
{
    for (size_t i = 0; i < h->n_sockets; i++) {
        struct sockaddr_storage local = { .ss_family = AF_UNSPEC };
        struct sockaddr_storage peer = { .ss_family = AF_UNSPEC };
        socklen_t len = sizeof local;
        int fd = h->sockets[i].fd;

        if (getsockname(fd, (struct sockaddr *) &local, &len)) {
            continue;
        }
        len = sizeof peer;
        if (getpeername(fd, (struct sockaddr *) &peer, &len)) {
            peer.ss_family = AF_UNSPEC;
        }
        if (sockaddr_equals(&local, &info->local)
            && sockaddr_equals(&peer, &info->peer)) {
            h->sockets[i] = h->sockets[--h->n_sockets];
            return fd;
        }
    }
    return -1;
}

char *
take_restore_sockets(struct handover *h)
{
    struct session *s = h->session;

    s->sockets = xcalloc(h->handoff.n_sockets + 1, sizeof *s->sockets);
    s->allocated_sockets = h->handoff.n_sockets;
    for (size_t i = 0; i < h->handoff.n_sockets; i++) {
        struct session_socket *socket = &s->sockets[s->n_sockets];
        const struct socket_state *state = h->handoff.sockets[i];
        socklen_t len = sizeof socket->cookie;
        struct socket_state_info info;
        char *error = NULL;
        int use_fd = -1;

        socket_state_get_info(state, &info);
        if (info.kind == SOCKET_STATE_UDP) {
            use_fd = take_catcher(h, &info);
        }
        if (socket_state_restore(state, use_fd, ADDRESS_MARK, &socket->fd,
                                 &error)) {
            if (use_fd >= 0) {
                close(use_fd);
            }
            return error;
        }
        /* As if the application had made it. */
        if (fchown(socket->fd, h->uid, -1)) {
            VLOG_WARN("a restored socket cannot be made uid %u's: %s",
                      (unsigned int) h->uid, ovs_strerror(errno));
        }
        socket->datagram = info.kind == SOCKET_STATE_UDP;
        getsockopt(socket->fd, SOL_SOCKET, SO_COOKIE, &socket->cookie, &len);
        s->n_sockets++;
    }
    return NULL;
}

struct session *
take_make_session(struct handover *h)
{
    struct session *s = session_create(&h->agent->sessions, &h->session_id,
                                       &h->address, h->epoch);

    ovs_strlcpy(s->name, h->name, sizeof s->name);
    ovs_strlcpy(s->service, h->service, sizeof s->service);
    ovs_strlcpy(s->ifname, "lo", sizeof s->ifname);
    s->conn = h->conn;
    s->uid = h->uid;
    s->permanent = h->permanent_lease != 0;
    s->mapped = ipv6_addr_is_set(&h->mapped);
    s->permanent_address = h->mapped;
    s->handover = h;
    onward_store_recall(h->agent, s);
    return s;
}
