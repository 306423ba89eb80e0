/* SPDX-License-Identifier: Apache-2.0 */

/* Listening sockets.
 *
 * TCP_REPAIR does not work on them, so a restored one is muted by a filter
 * that drops all. */

#include "socket-state-private.h"

#include <errno.h>
#include <unistd.h>

int
socket_listen_capture(int fd, struct socket_state *state, char **errorp)
{
    struct tcp_info tcp;

    int error = socket_get_tcp_info(fd, &tcp);
    if (error) {
        return socket_error(errorp, error, "cannot read TCP_INFO");
    }
    if (tcp.tcpi_unacked) {
        return socket_error(errorp, EBUSY, "%u connections were not accepted",
                            tcp.tcpi_unacked);
    }
    state->backlog = tcp.tcpi_sacked;
    return socket_options_capture(fd, state, errorp);
}

int
socket_listen_restore(const struct socket_state *state, int *fdp,
                      char **errorp)
{
    bool borrowed = false;

    int fd = socket(state->info.family, SOCK_STREAM | SOCK_CLOEXEC,
                    IPPROTO_TCP);
    if (fd < 0) {
        return socket_error(errorp, errno, "cannot make a socket");
    }
    int error = socket_drop_all(fd, errorp);
    if (!error) {
        error = socket_options_apply(fd, state, SOCKET_STAGE_BIND, errorp);
    }
    if (!error) {
        /* Connections of the same port may already be here. */
        socket_set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        error = socket_bind(fd, &state->info.local, &borrowed, errorp);
    }
    if (!error) {
        error = socket_restore_buffers(fd, state, errorp);
    }
    if (!error) {
        error = socket_options_apply(fd, state, SOCKET_STAGE_CONNECTED,
                                     errorp);
    }
    if (!error && listen(fd, state->backlog)) {
        error = socket_error(errorp, errno, "cannot listen");
    }
    if (error) {
        close(fd);
        return error;
    }
    socket_settle_buffers(fd, state);
    socket_bind_settle(fd, &state->info.local, borrowed);
    if (!socket_options_reuse(state)) {
        socket_set_int(fd, SOL_SOCKET, SO_REUSEADDR, 0);
    }
    *fdp = fd;
    return 0;
}

/* Accepted connections stay; those that nobody accepted are reset, which is
 * heard only while output is open. */
int
socket_listen_discard(int fd, char **errorp)
{
    struct sockaddr none = { .sa_family = AF_UNSPEC };

    int error = socket_drop_all(fd, errorp);
    if (error) {
        return error;
    }
    /* The application may keep the descriptor: others may have the port. */
    socket_set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (connect(fd, &none, sizeof none)) {
        return socket_error(errorp, errno, "cannot stop listening");
    }
    return 0;
}
