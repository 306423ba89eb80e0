/* SPDX-License-Identifier: Apache-2.0 */

/* A connection's way in: made again, muted.
 *
 * Everything that the connection owes ends up in the kernel's socket, so that
 * whoever holds a descriptor of it can unmute it, also when the process that
 * restored it is gone:
 *
 *  1. bind, sequence numbers, connect: all in repair mode, no packet.
 *  2. the receive queue; what was sent, as sent; our FIN, as sent.
 *  3. an acknowledgment (see socket_replay_primer_size()) and, if it had
 *     come, the peer's FIN, as a segment that this kernel gets from itself.
 *  4. what was never sent, written as any data, but into a closed send
 *     window, so that none of it leaves.
 *  5. the windows as they were.
 *
 * Urgent bytes come as segments from ourselves, too. */

#include "socket-state-private.h"

#include <errno.h>
#include <unistd.h>

#define MAXSEG_MAX 32767 /* What TCP_MAXSEG takes. */
#define STRICT_TRIES 2

/* Space beside the data that a buffer needs: the kernel's bookkeeping, the
 * primer. */
static uint32_t
buffer_for(size_t queue)
{
    return queue + queue / 2 + 2 * SOCKET_PRIMER_MAX;
}

/* Sizes before connect(), which takes the windows' bounds from them. */
int
socket_restore_buffers(int fd, const struct socket_state *state, char **errorp)
{
    uint32_t rcv = buffer_for(state->info.recv_queue);
    /* Refilled by other pieces than it was filled by, a queue may cost the
     * kernel a multiple of its bytes; see socket_settle_buffers(). */
    uint32_t snd = buffer_for(3 * state->info.send_queue);

    /* The option's argument is half of what is set. */
    rcv = state->rcvbuf > rcv ? state->rcvbuf : rcv;
    snd = state->sndbuf > snd ? state->sndbuf : snd;
    int error = socket_set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, rcv / 2);
    if (!error) {
        error = socket_set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, snd / 2);
    }
    if (error) {
        return socket_error(errorp, error, "cannot set buffer sizes");
    }
    return 0;
}

/* Exact sizes where the application had set them; autotuning where not.  What
 * the queue needed is more than the kernel had allowed: left at that, an
 * application that fills its buffer before each move would have a larger one
 * after it. */
void
socket_settle_buffers(int fd, const struct socket_state *state)
{
    int lock = 0;

    if (state->rcvbuf_locked) {
        socket_set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, state->rcvbuf / 2);
        lock |= SOCK_RCVBUF_LOCK;
    }
    socket_set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, state->sndbuf / 2);
    if (state->sndbuf_locked) {
        lock |= SOCK_SNDBUF_LOCK;
    }
    socket_set_int(fd, SOL_SOCKET, SO_BUF_LOCK, lock);
}

/* Binds, also where the address is not there yet ('*borrowed' is then true).
 * IP_FREEBIND would do for bind() on IPv4, but not for connect(). */
int
socket_bind(int fd, const struct sockaddr_storage *local, bool *borrowed,
            char **errorp)
{
    const struct sockaddr *sa = (const struct sockaddr *) local;
    socklen_t len = socket_address_len(local);

    *borrowed = false;
    if (!bind(fd, sa, len)) {
        return 0;
    }
    if (errno == EADDRNOTAVAIL) {
        *borrowed = true;
        int error = socket_set_int(fd, SOL_IP, IP_TRANSPARENT, 1);
        if (!error && local->ss_family == AF_INET6) {
            error = socket_set_int(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
        }
        if (!error && !bind(fd, sa, len)) {
            return 0;
        }
    }
    return socket_error(errorp, errno, "cannot bind to the session's address");
}

void
socket_bind_settle(int fd, const struct sockaddr_storage *local, bool borrowed)
{
    if (borrowed) {
        if (local->ss_family == AF_INET6) {
            socket_set_int(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 0);
        }
        socket_set_int(fd, SOL_IP, IP_TRANSPARENT, 0);
    }
}

int
socket_set_mark(int fd, uint32_t mark, char **errorp)
{
    int error = socket_set_int(fd, SOL_SOCKET, SO_MARK, mark);
    if (error) {
        return socket_error(errorp, error, "cannot set the socket's mark");
    }
    return 0;
}

static int
set_seq(int fd, int queue, uint32_t seq)
{
    int error = socket_set_int(fd, SOL_TCP, TCP_REPAIR_QUEUE, queue);
    if (!error) {
        error = socket_set_int(fd, SOL_TCP, TCP_QUEUE_SEQ, seq);
    }
    return error;
}

static int
set_options(int fd, const struct socket_tcp *t)
{
    struct tcp_repair_opt opts[4];
    size_t n = 0;

    opts[n++] = (struct tcp_repair_opt){ 2 /* MSS */, t->mss };
    if (t->wscale) {
        opts[n++] = (struct tcp_repair_opt){
            3 /* Window scale. */, t->snd_wscale | t->rcv_wscale << 16
        };
    }
    if (t->sack) {
        opts[n++] = (struct tcp_repair_opt){ 4, 0 };
    }
    if (t->timestamps) {
        opts[n++] = (struct tcp_repair_opt){ 8, 0 };
    }
    if (setsockopt(fd, SOL_TCP, TCP_REPAIR_OPTIONS, opts, n * sizeof *opts)) {
        return errno;
    }
    return 0;
}

/* Writes into the selected queue. */
static int
refill(int fd, const uint8_t *data, size_t size)
{
    while (size) {
        ssize_t n = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n <= 0) {
            return n ? errno : EIO;
        }
        data += n;
        size -= n;
    }
    return 0;
}

static int
make_connection(int fd, const struct socket_state *state, uint32_t mark,
                size_t *primer, bool *borrowed, char **errorp)
{
    const struct socket_tcp *t = &state->tcp;
    int error = socket_options_apply(fd, state, SOCKET_STAGE_BIND, errorp);
    if (error) {
        return error;
    }
    /* Forced reuse: other connections of this port are no conflict. */
    error = socket_set_int(fd, SOL_TCP, TCP_REPAIR, TCP_REPAIR_ON);
    if (error) {
        return socket_error(errorp, error, "cannot enter TCP_REPAIR");
    }
    error = socket_bind(fd, &state->info.local, borrowed, errorp);
    if (!error && *borrowed) {
        *primer = 0; /* No way in for our own segments. */
    }
    if (!error) {
        error = socket_restore_buffers(fd, state, errorp);
    }
    if (!error && mark) {
        error = socket_set_mark(fd, mark, errorp);
    }
    if (error) {
        return error;
    }

    error = set_seq(fd, TCP_RECV_QUEUE, socket_recv_start(state));
    if (!error) {
        error = set_seq(fd, TCP_SEND_QUEUE,
                        socket_send_start(state) - *primer);
    }
    if (!error) {
        /* connect() takes the segments' size from this, and never asks
         * again. */
        int mss = t->mss > MAXSEG_MAX ? MAXSEG_MAX : t->mss;
        error = socket_set_int(fd, SOL_TCP, TCP_MAXSEG, mss);
    }
    if (!error
        && connect(fd, (const struct sockaddr *) &state->info.peer,
                   socket_address_len(&state->info.peer))) {
        error = errno;
    }
    if (error) {
        return socket_error(errorp, error, "cannot connect in TCP_REPAIR");
    }

    /* Changing the mark drops the route, so that from here on output obeys
     * the routing rules. */
    if (mark) {
        error = socket_set_mark(fd, 0, errorp);
    }
    if (!error) {
        error = set_options(fd, t);
        if (!error) {
            error = socket_set_int(fd, SOL_TCP, TCP_MAXSEG, 0);
        }
        if (error) {
            return socket_error(errorp, error, "cannot set TCP options");
        }
    }
    return error;
}

static int
fill_recv_queue(int fd, const struct socket_state *state, size_t primer,
                char **errorp)
{
    const struct socket_tcp *t = &state->tcp;
    const uint8_t *data = state->recv_data;
    size_t size = state->info.recv_queue;

    if (!size) {
        return 0;
    }
    int error = socket_set_int(fd, SOL_TCP, TCP_REPAIR_QUEUE, TCP_RECV_QUEUE);
    if (!error && t->urgent != SOCKET_URGENT_NONE) {
        error = refill(fd, data, t->urgent_offset);
        if (!error) {
            error = socket_replay_urgent(fd, state, primer, errorp);
            if (error) {
                return error;
            }
        }
        data += t->urgent_offset + 1;
        size -= t->urgent_offset + 1;
    }
    if (!error) {
        error = refill(fd, data, size);
    }
    if (error) {
        return socket_error(errorp, error, "cannot refill the receive queue");
    }
    return 0;
}

static int
fill_send_queue(int fd, const struct socket_state *state, size_t primer,
                char **errorp)
{
    static const uint8_t zeros[SOCKET_PRIMER_MAX];
    int error = socket_set_int(fd, SOL_TCP, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE);
    if (!error) {
        error = refill(fd, zeros, primer);
    }
    if (!error) {
        error = refill(fd, state->send_data,
                       state->info.send_queue - state->info.unsent);
    }
    if (error) {
        return socket_error(errorp, error, "cannot refill the send queue");
    }
    return 0;
}

/* Data that was never sent, and a FIN behind it.  Out of repair mode for a
 * moment, while the send window is shut. */
static int
fill_unsent(int fd, const struct socket_state *state, char **errorp)
{
    const struct socket_tcp *t = &state->tcp;
    size_t unsent = state->info.unsent;
    int lowat;

    if (!unsent && !t->fin_unsent) {
        return 0;
    }
    /* It bounds what send() takes, and not what was taken in one call. */
    int lowat_error = socket_get_int(fd, SOL_TCP, TCP_NOTSENT_LOWAT, &lowat);
    if (!lowat_error) {
        socket_set_int(fd, SOL_TCP, TCP_NOTSENT_LOWAT, -1);
    }
    int error = socket_replay_shut_window(fd, t, t->rcv_end + t->fin_received);
    if (!error) {
        error = socket_repair(fd, TCP_REPAIR_OFF_NO_WP);
    }
    if (!error) {
        error = refill(fd, state->send_data + state->info.send_queue - unsent,
                       unsent);
    }
    if (!error && t->fin_unsent && shutdown(fd, SHUT_WR)) {
        error = errno;
    }
    int error2 = socket_repair(fd, TCP_REPAIR_ON);
    if (!lowat_error) {
        socket_set_int(fd, SOL_TCP, TCP_NOTSENT_LOWAT, lowat);
    }
    if (error || error2) {
        return socket_error(errorp, error ? error : error2,
                            "cannot refill the unsent queue");
    }
    return 0;
}

static int
restore_window(int fd, const struct socket_tcp *t, char **errorp)
{
    uint32_t rcv_nxt = t->rcv_end + t->fin_received;
    struct tcp_repair_window window = t->window;

    /* The kernel's own conditions; a state from elsewhere may not meet
     * them. */
    if (window.max_window < window.snd_wnd) {
        window.max_window = window.snd_wnd;
    }
    if ((int32_t) (window.rcv_wup - rcv_nxt) > 0) {
        window.rcv_wup = rcv_nxt;
    }
    if ((int32_t) (window.snd_wl1 - (rcv_nxt + window.rcv_wnd)) > 0) {
        window.snd_wl1 = rcv_nxt;
    }
    int error = socket_set_window(fd, &window);
    if (error) {
        return socket_error(errorp, error, "cannot set the windows");
    }
    return 0;
}

static int
try_restore(const struct socket_state *state, uint32_t mark, size_t primer,
            bool strict, int *fdp, char **errorp)
{
    const struct socket_tcp *t = &state->tcp;
    bool borrowed = false;

    int fd = socket(state->info.family, SOCK_STREAM | SOCK_CLOEXEC,
                    IPPROTO_TCP);
    if (fd < 0) {
        return socket_error(errorp, errno, "cannot make a socket");
    }
    int error = make_connection(fd, state, mark, &primer, &borrowed, errorp);
    if (!error) {
        error = fill_recv_queue(fd, state, primer, errorp);
    }
    if (!error) {
        error = fill_send_queue(fd, state, primer, errorp);
    }
    if (!error) {
        error = socket_replay(fd, state, primer, strict, errorp);
    }
    if (!error) {
        error = socket_options_apply(fd, state, SOCKET_STAGE_CONNECTED,
                                     errorp);
    }
    if (!error) {
        error = fill_unsent(fd, state, errorp);
    }
    if (!error) {
        error = restore_window(fd, t, errorp);
    }
    if (error) {
        socket_tcp_discard(fd, NULL);
        close(fd);
        return error;
    }
    socket_set_int(fd, SOL_TCP, TCP_REPAIR_QUEUE, TCP_NO_QUEUE);
    socket_settle_buffers(fd, state);
    socket_bind_settle(fd, &state->info.local, borrowed);
    if (t->shut_rd) {
        shutdown(fd, SHUT_RD);
    }
    if (socket_options_reuse(state)) {
        socket_set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    }
    *fdp = fd;
    return 0;
}

/* The primer makes a connection better, but a host whose firewall keeps our
 * own segments from us gets it without. */
int
socket_tcp_restore(const struct socket_state *state, uint32_t mark, int *fdp,
                   char **errorp)
{
    size_t primer = socket_replay_primer_size(&state->tcp);
    int error = EAGAIN;

    for (int i = 0; i < STRICT_TRIES && error == EAGAIN; i++) {
        error = try_restore(state, mark, primer, true, fdp, NULL);
    }
    if (error == EAGAIN) {
        error = try_restore(state, mark, primer, false, fdp, NULL);
    }
    return error ? try_restore(state, mark, 0, false, fdp, errorp) : 0;
}
