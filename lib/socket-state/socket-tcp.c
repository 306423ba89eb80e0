/* SPDX-License-Identifier: Apache-2.0 */

/* A connection's way out: freeze, capture, thaw, discard.
 *
 * The queues, in sequence numbers:
 *
 *     receive   copied_seq ... unread data ... rcv_end  [FIN]
 *     send      snd_una ... sent ... snd_nxt ... unsent ... snd_end  [FIN]
 *
 * TCP_QUEUE_SEQ tells the right end of each, FIN included; SIOCINQ and
 * SIOCOUTQ tell the lengths. */

#include "socket-state-private.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CAPTURE_TRIES 10 /* Until two looks agree. */

static int
attach_filter(int fd, struct sock_filter *insns, size_t n, char **errorp)
{
    struct sock_fprog prog = { n, insns };

    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog)) {
        return socket_error(errorp, errno, "cannot attach a socket filter");
    }
    return 0;
}

int
socket_drop_all(int fd, char **errorp)
{
    struct sock_filter insns[] = {
        BPF_STMT(BPF_LD | BPF_IMM, SOCKET_FILTER_MAGIC),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    return attach_filter(fd, insns, sizeof insns / sizeof *insns, errorp);
}

/* Drops segments with SYN and neither ACK, RST nor FIN.  A socket's filter
 * sees the packet from its TCP header on. */
int
socket_drop_new(int fd, char **errorp)
{
    struct sock_filter insns[] = {
        BPF_STMT(BPF_LD | BPF_IMM, SOCKET_FILTER_MAGIC + 1),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x17),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
    };
    return attach_filter(fd, insns, sizeof insns / sizeof *insns, errorp);
}

int
socket_drop_none(int fd, char **errorp)
{
    if (socket_set_int(fd, SOL_SOCKET, SO_DETACH_FILTER, 0)
        && errno != ENOENT) {
        return socket_error(errorp, errno, "cannot detach a socket filter");
    }
    return 0;
}

int
socket_tcp_freeze(int fd, char **errorp)
{
    int error = socket_drop_all(fd, errorp);
    if (error) {
        return error;
    }
    error = socket_repair(fd, TCP_REPAIR_ON);
    if (error) {
        socket_drop_none(fd, NULL);
        return socket_error(errorp, error, "cannot enter TCP_REPAIR");
    }
    return 0;
}

/* What has to be the same before and after the queues were read. */
struct look {
    uint32_t state;
    uint32_t snd_end, rcv_end; /* With FINs. */
    int inq, outq, unsent;
};

static int
select_queue(int fd, int queue)
{
    return socket_set_int(fd, SOL_TCP, TCP_REPAIR_QUEUE, queue);
}

static int
get_seq(int fd, int queue, uint32_t *seq)
{
    int value;
    int error = select_queue(fd, queue);
    if (!error) {
        error = socket_get_int(fd, SOL_TCP, TCP_QUEUE_SEQ, &value);
        *seq = value;
    }
    return error;
}

static int
look(int fd, struct look *l, struct tcp_info *tcp)
{
    memset(l, 0, sizeof *l);
    int error = get_seq(fd, TCP_SEND_QUEUE, &l->snd_end);
    if (!error) {
        error = get_seq(fd, TCP_RECV_QUEUE, &l->rcv_end);
    }
    if (!error
        && (ioctl(fd, SIOCOUTQ, &l->outq) || ioctl(fd, SIOCOUTQNSD, &l->unsent)
            || ioctl(fd, SIOCINQ, &l->inq))) {
        error = errno;
    }
    if (!error) {
        error = socket_get_tcp_info(fd, tcp);
        l->state = tcp->tcpi_state;
    }
    return error;
}

static int
reserve(uint8_t **data, void **buffer, size_t size)
{
    free(*buffer);
    *data = *buffer = size ? malloc(size) : NULL;
    return size && !*buffer ? ENOMEM : 0;
}

/* Reads the whole send queue.  A segment of which a part was acknowledged is
 * still there whole, so that more may come than is owed: the end counts. */
static int
peek_send_queue(int fd, struct socket_state *state, size_t want)
{
    state->info.send_queue = want;
    int error = reserve(&state->send_data, &state->send_buffer,
                        want ? want + SOCKET_PEEK_SLACK : 0);
    if (error || !want) {
        return error;
    }
    error = select_queue(fd, TCP_SEND_QUEUE);
    if (error) {
        return error;
    }
    ssize_t n = recv(fd, state->send_buffer, want + SOCKET_PEEK_SLACK,
                     MSG_PEEK | MSG_DONTWAIT);
    if (n < 0) {
        return errno;
    } else if (n < want) {
        return EAGAIN;
    }
    state->send_data += n - want;
    return 0;
}

static int
peek(int fd, uint8_t *data, size_t size, size_t *n)
{
    ssize_t retval = recv(fd, data, size, MSG_PEEK | MSG_DONTWAIT);
    *n = retval > 0 ? retval : 0;
    return retval < 0 ? errno : 0;
}

/* Reads the whole receive queue.  SO_OOBINLINE is on, so that an urgent byte
 * is read like others; but reading stops once where the mark is, and goes on
 * from there only by SO_PEEK_OFF. */
static int
peek_recv_queue(int fd, struct socket_state *state, size_t want)
{
    struct socket_tcp *t = &state->tcp;
    int at_mark = 0;
    size_t n, rest;

    t->urgent = SOCKET_URGENT_NONE;
    t->urgent_offset = 0;
    state->info.recv_queue = want;
    int error = reserve(&state->recv_data, &state->recv_buffer, want);
    if (error || !want) {
        return error;
    }
    error = select_queue(fd, TCP_RECV_QUEUE);
    if (!error) {
        error = peek(fd, state->recv_data, want, &n);
    }
    if (!error && n < want) {
        t->urgent = SOCKET_URGENT_UNREAD;
        t->urgent_offset = n;
        error = socket_set_int(fd, SOL_SOCKET, SO_PEEK_OFF, n);
        if (!error) {
            error = peek(fd, state->recv_data + n, want - n, &rest);
            socket_set_int(fd, SOL_SOCKET, SO_PEEK_OFF, -1);
        }
        if (!error && rest != want - n) {
            error = EAGAIN;
        }
    } else if (!error && !ioctl(fd, SIOCATMARK, &at_mark) && at_mark) {
        t->urgent = SOCKET_URGENT_UNREAD;
    }
    return error;
}

/* The options that reading needs otherwise than the application has them. */
struct aside {
    int peek_off, oob_inline;
};

static int
put_aside(int fd, struct aside *aside)
{
    aside->peek_off = -1;
    socket_get_int(fd, SOL_SOCKET, SO_PEEK_OFF, &aside->peek_off);
    if (aside->peek_off >= 0) {
        socket_set_int(fd, SOL_SOCKET, SO_PEEK_OFF, -1);
    }
    int error = socket_get_int(fd, SOL_SOCKET, SO_OOBINLINE,
                               &aside->oob_inline);
    if (!error && !aside->oob_inline) {
        error = socket_set_int(fd, SOL_SOCKET, SO_OOBINLINE, 1);
    }
    return error;
}

static void
put_back(int fd, const struct aside *aside)
{
    if (aside->peek_off >= 0) {
        socket_set_int(fd, SOL_SOCKET, SO_PEEK_OFF, aside->peek_off);
    }
    if (!aside->oob_inline) {
        socket_set_int(fd, SOL_SOCKET, SO_OOBINLINE, 0);
    }
}

/* Was the urgent byte taken out of line already?  (Peeking says so only while
 * SO_OOBINLINE is off.) */
static void
look_at_urgent(int fd, struct socket_tcp *t, const struct aside *aside)
{
    uint8_t byte;

    if (t->urgent != SOCKET_URGENT_NONE && !aside->oob_inline
        && recv(fd, &byte, 1, MSG_OOB | MSG_PEEK | MSG_DONTWAIT) != 1) {
        t->urgent = SOCKET_URGENT_READ;
    }
}

static void
note_fins(struct socket_tcp *t, struct look *l, size_t *outq, size_t *unsent)
{
    bool sent = (t->state == ST_FIN_WAIT1 || t->state == ST_CLOSING
                 || t->state == ST_LAST_ACK);

    t->snd_end = l->snd_end;
    t->rcv_end = l->rcv_end;
    t->fin_acked = t->state == ST_FIN_WAIT2;
    t->fin_unsent = sent && l->unsent > 0;
    t->fin_sent = sent && !t->fin_unsent;
    t->fin_received = (t->state == ST_CLOSE_WAIT || t->state == ST_LAST_ACK
                       || t->state == ST_CLOSING);
    t->snd_end -= sent || t->fin_acked;
    t->rcv_end -= t->fin_received;
    *outq = l->outq - (sent && l->outq > 0);
    *unsent = l->unsent - t->fin_unsent;
}

static int
read_queues(int fd, struct socket_state *state, struct tcp_info *tcp)
{
    struct look before, after;
    size_t outq, unsent;

    int error = look(fd, &before, tcp);
    for (int i = 0; !error && i < CAPTURE_TRIES; i++) {
        state->tcp.state = before.state;
        note_fins(&state->tcp, &before, &outq, &unsent);
        if (before.inq > SOCKET_STATE_QUEUE_MAX
            || outq > SOCKET_STATE_QUEUE_MAX) {
            return EMSGSIZE;
        }
        if (before.state == ST_CLOSE) {
            return ENOTCONN; /* Reset since it was inspected. */
        }
        state->info.unsent = unsent;
        error = peek_recv_queue(fd, state, before.inq);
        if (!error) {
            error = peek_send_queue(fd, state, outq);
        }
        if (!error || error == EAGAIN) {
            int look_error = look(fd, &after, tcp);
            if (look_error) {
                return look_error;
            } else if (!error && !memcmp(&before, &after, sizeof before)) {
                return 0;
            }
            before = after;
            error = 0;
        }
    }
    return error ? error : EAGAIN;
}

static void
note_info(struct socket_state *state, const struct tcp_info *tcp)
{
    struct socket_tcp *t = &state->tcp;

    t->sack = tcp->tcpi_options & TCPI_OPT_SACK;
    t->timestamps = tcp->tcpi_options & TCPI_OPT_TIMESTAMPS;
    t->wscale = tcp->tcpi_options & TCPI_OPT_WSCALE;
    t->snd_wscale = t->wscale ? tcp->tcpi_snd_wscale : 0;
    t->rcv_wscale = t->wscale ? tcp->tcpi_rcv_wscale : 0;
    t->srtt_us = tcp->tcpi_rtt;
    t->min_rtt_us = tcp->tcpi_min_rtt == UINT32_MAX ? 0 : tcp->tcpi_min_rtt;
    t->cwnd = tcp->tcpi_snd_cwnd;
    state->info.unacked_segments = tcp->tcpi_unacked;
}

static int
read_numbers(int fd, struct socket_tcp *t, char **errorp)
{
    int mss, timestamp = 0;

    int error = socket_get_int(fd, SOL_TCP, TCP_MAXSEG, &mss);
    if (!error && t->timestamps) {
        error = socket_get_int(fd, SOL_TCP, TCP_TIMESTAMP, &timestamp);
    }
    socklen_t len = sizeof t->window;
    if (!error
        && getsockopt(fd, SOL_TCP, TCP_REPAIR_WINDOW, &t->window, &len)) {
        error = errno;
    }
    if (error) {
        return socket_error(errorp, error, "cannot read the windows");
    }
    t->mss = (mss > UINT16_MAX       ? UINT16_MAX
              : mss < SOCKET_MSS_MIN ? SOCKET_MSS_MIN
                                     : mss);
    t->timestamp = timestamp;
    return 0;
}

/* shutdown(SHUT_RD) by the application leaves no other trace. */
static bool
is_shut_for_reading(int fd, const struct socket_tcp *t)
{
    struct pollfd p = { .fd = fd, .events = POLLRDHUP };
    return (!t->fin_received && poll(&p, 1, 0) == 1 && p.revents & POLLRDHUP);
}

int
socket_tcp_capture(int fd, struct socket_state *state, char **errorp)
{
    struct tcp_info tcp;
    struct aside aside;
    int repair;

    int error = socket_get_int(fd, SOL_TCP, TCP_REPAIR, &repair);
    if (error || !repair) {
        return socket_error(errorp, EINVAL, "the socket is not frozen");
    }
    error = socket_options_capture(fd, state, errorp);
    if (error) {
        return error;
    }

    error = put_aside(fd, &aside);
    if (!error) {
        error = read_queues(fd, state, &tcp);
    }
    put_back(fd, &aside);
    /* Otherwise what the application writes is taken and never sent. */
    select_queue(fd, TCP_NO_QUEUE);
    if (state->tcp.state == ST_CLOSE) {
        return socket_error(errorp, ENOTCONN,
                            "the connection has just been closed");
    } else if (error) {
        return socket_error(errorp, error, "cannot read the queues");
    }
    look_at_urgent(fd, &state->tcp, &aside);
    note_info(state, &tcp);
    state->tcp.shut_rd = is_shut_for_reading(fd, &state->tcp);
    return read_numbers(fd, &state->tcp, errorp);
}

/* In repair mode, disconnecting sends nothing: the application finds
 * ECONNABORTED. */
int
socket_tcp_discard(int fd, char **errorp)
{
    struct sockaddr none = { .sa_family = AF_UNSPEC };
    int repair;

    int error = socket_get_int(fd, SOL_TCP, TCP_REPAIR, &repair);
    if (!error && !repair) {
        error = socket_repair(fd, TCP_REPAIR_ON);
    }
    if (!error) {
        error = select_queue(fd, TCP_NO_QUEUE);
    }
    if (!error && connect(fd, &none, sizeof none)) {
        error = errno;
    }
    if (error) {
        return socket_error(errorp, error, "cannot end the connection");
    }
    return 0;
}

/* Bytes that were sent and are not acknowledged, without a FIN. */
static size_t
owed(const struct look *l, bool *fin)
{
    bool sent = (l->state == ST_FIN_WAIT1 || l->state == ST_CLOSING
                 || l->state == ST_LAST_ACK);
    size_t n = l->outq > l->unsent ? l->outq - l->unsent : 0;

    *fin = sent && !l->unsent && n;
    return n - *fin;
}

/* Makes 'segment' the last segment of 'most' bytes of data that is owed: data,
 * FIN, or both.  The data lies in '*buffer', which the caller frees. */
static int
take_owed(int fd, const struct look *l, size_t most,
          struct socket_segment *segment, void **buffer)
{
    bool fin;
    size_t all_owed = owed(l, &fin), all = l->outq - fin;
    size_t n = all_owed < most ? all_owed : most;
    size_t before = all_owed - n;
    uint8_t *data;

    segment->seq = l->snd_end - l->outq + before;
    segment->flags = fin ? SOCKET_TH_FIN : 0;
    if (!n) {
        return 0;
    }
    int error = reserve(&data, buffer, all + SOCKET_PEEK_SLACK);
    if (!error) {
        error = select_queue(fd, TCP_SEND_QUEUE);
    }
    if (!error) {
        ssize_t got = recv(fd, data, all + SOCKET_PEEK_SLACK,
                           MSG_PEEK | MSG_DONTWAIT);
        if (got < (ssize_t) all) {
            return got < 0 ? errno : EIO;
        }
        segment->data = data + (got - all) + before;
        segment->size = n;
    }
    return error;
}

/* Where a segment is owed, it is sent again: if it was lost, the kernel
 * would do so only after 200 ms, and its timers begin anew with each move.  A
 * session that moved on within that time, and again, would never send it.
 *
 * Where more is owed, the last segment is sent, as the kernel's tail loss probe
 * would some ticks later.  That tries once, and may meet the closed output; and
 * what answers it does not count when it comes sooner than the least round trip
 * time known here, as on a host that was too busy while the primer was taken.
 * Either costs a retransmission timeout.
 *
 * Otherwise we send one byte before what the peer expects, so that it answers
 * with what it has: what the kernel's own probe does, which there is only in
 * ESTABLISHED. */
static int
remind(int fd, char **errorp)
{
    struct tcp_repair_window window;
    struct socket_state_info info;
    struct socket_segment segment;
    socklen_t len = sizeof window;
    void *buffer = NULL;
    struct tcp_info tcp;
    struct look l;
    int timestamp = 0;
    bool fin = false;

    memset(&segment, 0, sizeof segment);
    int error = socket_state_inspect(fd, &info, errorp);
    if (!error) {
        error = look(fd, &l, &tcp);
    }
    if (!error) {
        error = socket_get_int(fd, SOL_TCP, TCP_TIMESTAMP, &timestamp);
    }
    if (!error && getsockopt(fd, SOL_TCP, TCP_REPAIR_WINDOW, &window, &len)) {
        error = errno;
    }
    size_t n = error ? 0 : owed(&l, &fin);
    size_t most = (error || tcp.tcpi_snd_mss > SOCKET_SEGMENT_MAX
                       ? SOCKET_SEGMENT_MAX
                       : tcp.tcpi_snd_mss);
    if (!error && (n || fin)) {
        error = take_owed(fd, &l, most, &segment, &buffer);
    } else if (!error && l.state != ST_ESTABLISHED) {
        segment.seq = l.snd_end - l.outq - 1;
    } else {
        error = error ? error : EALREADY; /* The kernel will do it. */
    }
    select_queue(fd, TCP_NO_QUEUE);
    if (error) {
        goto out;
    }
    /* Like the kernel's, or the peer would believe in another window. */
    uint32_t left = window.rcv_wup + window.rcv_wnd - l.rcv_end;
    left = (int32_t) left > 0 ? left : 0;
    left >>= tcp.tcpi_options & TCPI_OPT_WSCALE ? tcp.tcpi_rcv_wscale : 0;
    segment.from = &info.local;
    segment.to = &info.peer;
    segment.ack = l.rcv_end;
    segment.window = left < UINT16_MAX ? left : UINT16_MAX;
    segment.timestamps = tcp.tcpi_options & TCPI_OPT_TIMESTAMPS;
    segment.tsval = timestamp & ~1u;
    int raw;
    error = socket_segment_open(&info.peer, &info.local, &raw, errorp);
    if (!error) {
        error = socket_segment_send(raw, &segment, errorp);
        close(raw);
    }
out:
    free(buffer);
    return error;
}

int
socket_tcp_speak(int fd, char **errorp)
{
    int cork = 0;

    remind(fd, NULL); /* At worst a timer does it. */
    int error = socket_repair(fd, TCP_REPAIR_OFF);
    if (error) {
        return socket_error(errorp, error, "cannot leave TCP_REPAIR");
    }
    /* Uncorking sends what waits unsent, now and not when a timer ends. */
    socket_get_int(fd, SOL_TCP, TCP_CORK, &cork);
    socket_set_int(fd, SOL_TCP, TCP_CORK, 0);
    if (cork) {
        socket_set_int(fd, SOL_TCP, TCP_CORK, 1);
    }
    return 0;
}
