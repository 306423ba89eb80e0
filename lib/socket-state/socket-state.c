/* SPDX-License-Identifier: Apache-2.0 */

/* The public calls, by kind of socket, and what all rooms use. */

#include "socket-state-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
socket_error(char **errorp, int error, const char *format, ...)
{
    char *message = NULL;
    va_list args;

    if (!errorp) {
        return error;
    }
    *errorp = NULL;
    va_start(args, format);
    int n = vasprintf(&message, format, args);
    va_end(args);
    if (n < 0) {
        return error;
    }
    if (error == EOPNOTSUPP) { /* The message is the reason. */
        *errorp = message;
        return error;
    }
    if (asprintf(errorp, "%s: %s", message, strerror(error)) < 0) {
        *errorp = NULL;
    }
    free(message);
    return error;
}

int
socket_get_int(int fd, int level, int name, int *value)
{
    socklen_t len = sizeof *value;

    *value = 0;
    return getsockopt(fd, level, name, value, &len) ? errno : 0;
}

int
socket_set_int(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) ? errno : 0;
}

int
socket_get_tcp_info(int fd, struct tcp_info *info)
{
    socklen_t len = sizeof *info;

    memset(info, 0, sizeof *info);
    return getsockopt(fd, SOL_TCP, TCP_INFO, info, &len) ? errno : 0;
}

/* Switches repair mode.
 *
 * Entering it overwrites SO_REUSEADDR with 2 ("force"), leaving it with 0.  So
 * that the application's value outlives both, and even the process that
 * switched repair on, it is kept in the option itself meanwhile: 1 for 1, and
 * the kernel's 2 for 0. */
int
socket_repair(int fd, int mode)
{
    int reuse = 0;

    socket_get_int(fd, SOL_SOCKET, SO_REUSEADDR, &reuse);
    int error = socket_set_int(fd, SOL_TCP, TCP_REPAIR, mode);
    if (!error && reuse == 1) {
        socket_set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    }
    return error;
}

int
socket_set_window(int fd, const struct tcp_repair_window *window)
{
    return setsockopt(fd, SOL_TCP, TCP_REPAIR_WINDOW, window, sizeof *window)
               ? errno
               : 0;
}

uint32_t
socket_recv_start(const struct socket_state *state)
{
    return state->tcp.rcv_end - state->info.recv_queue;
}

uint32_t
socket_send_start(const struct socket_state *state)
{
    return state->tcp.snd_end - state->info.send_queue;
}

socklen_t
socket_address_len(const struct sockaddr_storage *ss)
{
    return (ss->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                      : sizeof(struct sockaddr_in));
}

uint16_t
socket_address_port(const struct sockaddr_storage *ss)
{
    return ntohs(ss->ss_family == AF_INET6
                     ? ((const struct sockaddr_in6 *) ss)->sin6_port
                     : ((const struct sockaddr_in *) ss)->sin_port);
}

bool
socket_address_equals(const struct sockaddr_storage *a,
                      const struct sockaddr_storage *b)
{
    if (a->ss_family != b->ss_family) {
        return false;
    } else if (!a->ss_family) {
        return true;
    } else if (socket_address_port(a) != socket_address_port(b)) {
        return false;
    } else if (a->ss_family == AF_INET6) {
        return IN6_ARE_ADDR_EQUAL(
            &((const struct sockaddr_in6 *) a)->sin6_addr,
            &((const struct sockaddr_in6 *) b)->sin6_addr);
    }
    return (((const struct sockaddr_in *) a)->sin_addr.s_addr
            == ((const struct sockaddr_in *) b)->sin_addr.s_addr);
}

int
socket_wire_family(const struct sockaddr_storage *ss)
{
    const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *) ss;

    return (ss->ss_family == AF_INET6
                    && !IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)
                ? AF_INET6
                : AF_INET);
}

int
socket_state_hold_new(int fd, bool enable, char **errorp)
{
    struct tcp_info tcp;

    if (socket_get_tcp_info(fd, &tcp) || tcp.tcpi_state != ST_LISTEN) {
        return 0;
    }
    return (enable ? socket_drop_new(fd, errorp)
                   : socket_drop_none(fd, errorp));
}

int
socket_state_freeze(int fd, char **errorp)
{
    struct socket_state_info info;

    int error = socket_state_inspect(fd, &info, errorp);
    if (error) {
        return error;
    }
    switch (info.kind) {
    case SOCKET_STATE_TCP: return socket_tcp_freeze(fd, errorp);
    case SOCKET_STATE_TCP_LISTEN: return socket_drop_all(fd, errorp);
    case SOCKET_STATE_UDP:
    default: return socket_udp_freeze(fd, errorp);
    }
}

static int
capture(int fd, struct socket_state *state, char **errorp)
{
    int error = socket_state_inspect(fd, &state->info, errorp);
    if (error) {
        return error;
    }
    int flags = fcntl(fd, F_GETFL);
    state->nonblock = flags >= 0 && flags & O_NONBLOCK;
    switch (state->info.kind) {
    case SOCKET_STATE_TCP: return socket_tcp_capture(fd, state, errorp);
    case SOCKET_STATE_TCP_LISTEN:
        return socket_listen_capture(fd, state, errorp);
    case SOCKET_STATE_UDP:
    default: return socket_udp_capture(fd, state, errorp);
    }
}

int
socket_state_capture(int fd, struct socket_state **statep, char **errorp)
{
    struct socket_state *state = calloc(1, sizeof *state);

    *statep = NULL;
    if (!state) {
        return socket_error(errorp, ENOMEM, "cannot capture a socket");
    }
    int error = capture(fd, state, errorp);
    if (error) {
        socket_state_destroy(state);
        return error;
    }
    *statep = state;
    return 0;
}

int
socket_state_thaw(int fd, char **errorp)
{
    struct socket_state_info info;

    int error = socket_state_inspect(fd, &info, errorp);
    if (error || info.kind == SOCKET_STATE_UDP) {
        return error;
    }
    error = socket_drop_none(fd, errorp);
    if (!error && info.kind == SOCKET_STATE_TCP) {
        error = socket_tcp_speak(fd, errorp);
    }
    return error;
}

int
socket_state_discard(int fd, char **errorp)
{
    struct socket_state_info info;

    int error = socket_state_inspect(fd, &info, errorp);
    if (error) {
        return error;
    }
    switch (info.kind) {
    case SOCKET_STATE_TCP: return socket_tcp_discard(fd, errorp);
    case SOCKET_STATE_TCP_LISTEN: return socket_listen_discard(fd, errorp);
    case SOCKET_STATE_UDP:
    default: return socket_udp_discard(fd, errorp);
    }
}

void
socket_state_destroy(struct socket_state *state)
{
    if (state) {
        free(state->recv_buffer);
        free(state->send_buffer);
        free(state);
    }
}

void
socket_state_get_info(const struct socket_state *state,
                      struct socket_state_info *info)
{
    *info = state->info;
}

int
socket_state_restore(const struct socket_state *state, int use_fd,
                     uint32_t mark, int *fdp, char **errorp)
{
    int fd = -1;
    int error;

    *fdp = -1;
    if (use_fd >= 0 && state->info.kind != SOCKET_STATE_UDP) {
        return socket_error(errorp, EINVAL, "only UDP sockets are caught");
    }
    switch (state->info.kind) {
    case SOCKET_STATE_TCP:
        error = socket_tcp_restore(state, mark, &fd, errorp);
        break;
    case SOCKET_STATE_TCP_LISTEN:
        error = socket_listen_restore(state, &fd, errorp);
        break;
    case SOCKET_STATE_UDP:
    default:
        error = socket_udp_restore(state, use_fd, mark, &fd, errorp);
        break;
    }
    if (!error && state->nonblock) {
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    }
    *fdp = error ? -1 : fd;
    return error;
}

int
socket_state_unmute(int fd, const struct socket_state *state, char **errorp)
{
    (void) state;
    return socket_state_thaw(fd, errorp);
}
