/* SPDX-License-Identifier: Apache-2.0 */

/* UDP sockets: their options move; their datagrams are taken out one by one,
 * as packets. */

#include "socket-state-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* While datagrams are caught, a receive buffer has this much more than its
 * application wants: bytes, as getsockopt() tells them.  So the application's
 * size can still be read, by anybody who has the descriptor.  (Larger ones than
 * this are cut.) */
#define CATCHER_BUFFER (16 << 20)

static int
set_rcvbuf(int fd, int size, char **errorp)
{
    /* The kernel doubles what it is given. */
    int error = socket_set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, size / 2);
    if (error) {
        return socket_error(errorp, error, "cannot set a buffer's size");
    }
    return 0;
}

int
socket_udp_freeze(int fd, char **errorp)
{
    int size;

    int error = socket_get_int(fd, SOL_SOCKET, SO_RCVBUF, &size);
    if (error) {
        return socket_error(errorp, error, "cannot read a buffer's size");
    }
    return (size >= CATCHER_BUFFER
                ? 0
                : set_rcvbuf(fd, CATCHER_BUFFER + size, errorp));
}

int
socket_state_settle(int fd, char **errorp)
{
    struct socket_state_info info;
    int size;

    int error = socket_state_inspect(fd, &info, errorp);
    if (error || info.kind != SOCKET_STATE_UDP) {
        return error;
    }
    error = socket_get_int(fd, SOL_SOCKET, SO_RCVBUF, &size);
    if (error) {
        return socket_error(errorp, error, "cannot read a buffer's size");
    }
    return (size < CATCHER_BUFFER
                ? 0
                : set_rcvbuf(fd, size - CATCHER_BUFFER, errorp));
}

int
socket_udp_capture(int fd, struct socket_state *state, char **errorp)
{
    int error = socket_options_capture(fd, state, errorp);
    if (!error && state->rcvbuf >= CATCHER_BUFFER) {
        state->rcvbuf -= CATCHER_BUFFER;
    }
    state->info.recv_queue = 0;
    state->info.send_queue = 0;
    return error;
}

/* 'state' may be null: options before bind() are then not known. */
static int
udp_open(const struct sockaddr_storage *local,
         const struct sockaddr_storage *peer, const struct socket_state *state,
         uint32_t mark, int *fdp, char **errorp)
{
    bool borrowed = false;

    int fd = socket(local->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
    if (fd < 0) {
        return socket_error(errorp, errno, "cannot make a socket");
    }
    int error = 0;
    set_rcvbuf(fd, CATCHER_BUFFER, NULL);
    /* Several sockets of an application may share the port. */
    socket_set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (state) {
        error = socket_options_apply(fd, state, SOCKET_STAGE_BIND, errorp);
        socket_set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    }
    if (!error) {
        error = socket_bind(fd, local, &borrowed, errorp);
    }
    if (!error && peer && peer->ss_family) {
        if (mark) {
            error = socket_set_mark(fd, mark, errorp);
        }
        if (!error
            && connect(fd, (const struct sockaddr *) peer,
                       socket_address_len(peer))) {
            error = socket_error(errorp, errno, "cannot connect");
        }
        if (!error && mark) {
            error = socket_set_mark(fd, 0, errorp);
        }
    }
    if (error) {
        close(fd);
        return error;
    }
    socket_bind_settle(fd, local, borrowed);
    *fdp = fd;
    return 0;
}

int
socket_state_catcher(const struct sockaddr_storage *local,
                     const struct sockaddr_storage *peer, uint32_t mark,
                     int *fdp, char **errorp)
{
    *fdp = -1;
    if (local->ss_family != AF_INET && local->ss_family != AF_INET6) {
        return socket_error(errorp, EAFNOSUPPORT, "not an IP address");
    }
    return udp_open(local, peer, NULL, mark, fdp, errorp);
}

/* Is 'fd' the catcher of what 'state' describes? */
static int
udp_compare(int fd, const struct socket_state *state, char **errorp)
{
    struct socket_state_info info = { 0 };

    int error = socket_state_inspect(fd, &info, errorp);
    if (error) {
        return error;
    }
    if (info.kind != SOCKET_STATE_UDP || info.family != state->info.family
        || !socket_address_equals(&info.local, &state->info.local)
        || !socket_address_equals(&info.peer, &state->info.peer)) {
        return socket_error(errorp, EINVAL,
                            "the state is not that of its catcher");
    }
    return 0;
}

int
socket_udp_restore(const struct socket_state *state, int use_fd, uint32_t mark,
                   int *fdp, char **errorp)
{
    int fd = use_fd;

    int error = (use_fd >= 0 ? udp_compare(use_fd, state, errorp)
                             : udp_open(&state->info.local, &state->info.peer,
                                        state, mark, &fd, errorp));
    if (!error && use_fd >= 0) {
        error = socket_options_apply(fd, state, SOCKET_STAGE_BIND, NULL);
    }
    if (!error) {
        error = socket_options_apply(fd, state, SOCKET_STAGE_CONNECTED,
                                     errorp);
    }
    if (error) {
        if (use_fd < 0 && fd >= 0) {
            close(fd);
        }
        return error;
    }
    socket_set_int(fd, SOL_SOCKET, SO_REUSEADDR, socket_options_reuse(state));
    socket_set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, state->sndbuf / 2);
    /* Late datagrams are still to come. */
    set_rcvbuf(fd, CATCHER_BUFFER + state->rcvbuf, NULL);
    *fdp = fd;
    return 0;
}

/* Connects a dead socket to the loopback address.  Otherwise, while somebody
 * still holds it, it would take the datagrams of the next one that is bound to
 * the same port of the same address. */
static int
point_away(int fd)
{
    struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
    struct sockaddr_in *sin = (struct sockaddr_in *) &ss;
    struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *) &ss;
    socklen_t len = sizeof ss;

    if (getsockname(fd, (struct sockaddr *) &ss, &len)) {
        return errno;
    }
    if (ss.ss_family == AF_INET) {
        sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else if (socket_wire_family(&ss) == AF_INET6) {
        sin6->sin6_addr = in6addr_loopback;
    } else {
        memcpy(sin6->sin6_addr.s6_addr + 12, "\177\0\0\1", 4);
    }
    if (!connect(fd, (struct sockaddr *) &ss, len)) {
        return 0;
    }
    /* The address may be gone already. */
    socket_set_int(fd, SOL_IP, IP_TRANSPARENT, 1);
    int error = connect(fd, (struct sockaddr *) &ss, len) ? errno : 0;
    socket_set_int(fd, SOL_IP, IP_TRANSPARENT, 0);
    return error;
}

/* There is no repair mode to disconnect in.  Bound to the loopback interface,
 * nothing that an application still writes leaves; shut down, it wakes up and
 * reads end of file.  What has been received by then can still be taken. */
int
socket_udp_discard(int fd, char **errorp)
{
    int error = point_away(fd);
    if (error) {
        return socket_error(errorp, error, "cannot point a UDP socket away");
    }
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3)) {
        return socket_error(errorp, errno, "cannot mute a UDP socket");
    }
    socket_set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    shutdown(fd, SHUT_RDWR);
    return 0;
}

int
socket_state_take_datagram(int fd, uint8_t *packet, size_t size, size_t *n,
                           char **errorp)
{
    struct sockaddr_storage local, from;
    socklen_t len = sizeof local;

    *n = 0;
    if (getsockname(fd, (struct sockaddr *) &local, &len)) {
        return socket_error(errorp, errno, "cannot read a socket's address");
    }
    size_t headroom = socket_udp_headroom(socket_wire_family(&local));
    if (size <= headroom) {
        return socket_error(errorp, EMSGSIZE, "no room for a datagram");
    }
    struct iovec iov = { packet + headroom, size - headroom };
    struct msghdr msg = {
        .msg_name = &from,
        .msg_namelen = sizeof from,
        .msg_iov = &iov,
        .msg_iovlen = 1,
    };
    ssize_t payload;
    do {
        /* An ICMP error that the application has not seen comes first. */
        payload = recvmsg(fd, &msg, MSG_DONTWAIT);
    } while (payload < 0 && errno != EAGAIN && errno != EBADF
             && errno != ENOTSOCK && errno != EINVAL && errno != EFAULT);
    if (payload < 0) {
        if (errno == EAGAIN) {
            if (errorp) {
                *errorp = NULL;
            }
            return EAGAIN;
        }
        return socket_error(errorp, errno, "cannot read a datagram");
    }
    if (msg.msg_flags & MSG_TRUNC
        || socket_wire_family(&from) != socket_wire_family(&local)) {
        return socket_error(errorp, EMSGSIZE, "a datagram is too large");
    }
    *n = socket_udp_packet(packet, &from, &local, payload);
    return 0;
}
