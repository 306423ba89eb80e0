/* SPDX-License-Identifier: Apache-2.0 */

/* Segments that a connection being restored gets from its own kernel, as if
 * from the peer: what no socket option can bring about.  Urgent marks, the
 * peer's FIN, the acknowledgment of ours, a round trip time.
 *
 * What the kernel answers to them does not leave, because output is closed. */

#include "socket-state-private.h"

#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define SETTLE_TRIES 200 /* Looks, 50 us apart: 10 ms. */
#define INITIAL_CWND 10  /* Segments. */

/* us.  See primer_rtt(). */
#define RTT_UNKNOWN 10000
#define RTT_FAR 50000
#define RTT_NEARER 1000
#define RTT_LOCAL 200 /* Less than what we can tell. */
#define RTT_MAX 1000000
#define RTT_EXCESS 30 /* What it takes here. */

static int
set_timestamp(int fd, uint32_t value, char **errorp)
{
    int error = socket_set_int(fd, SOL_TCP, TCP_TIMESTAMP, value);
    if (error) {
        return socket_error(errorp, error, "cannot set the timestamp");
    }
    return 0;
}

/* A restored socket knows nothing of the path: its retransmission timeout is
 * 3 s, and its tail loss probe comes after 1 s, until data that it sends by
 * itself is acknowledged.  One segment that was lost while the session moved
 * would cost that second.  So some bytes of no meaning go in front of the send
 * queue, as if they had been sent, and this kernel gets an acknowledgment for
 * them, as if from the peer, that echoes a timestamp as old as the round trip
 * time was.  They are segments enough to open the congestion window to where
 * it was.  To the peer they are old, and they are never sent.
 *
 * Returns the number of bytes, or 0 for no primer. */
size_t
socket_replay_primer_size(const struct socket_tcp *t)
{
    uint32_t most = SOCKET_PRIMER_MAX / t->mss;
    uint32_t segments = t->cwnd > INITIAL_CWND ? t->cwnd - INITIAL_CWND : 0;

    return segments ? (segments < most ? segments : most) * t->mss : 1;
}

/* The round trip time that the socket is to know, in us.  Where timers do not
 * depend on it, it is the least one, and less than that: the way from here may
 * be shorter, and a segment that is acknowledged sooner than ever before does
 * not count for the detection of losses. */
static uint32_t
primer_rtt(const struct socket_tcp *t)
{
    uint32_t least = t->min_rtt_us;

    if (!t->srtt_us) {
        return RTT_UNKNOWN;
    } else if (t->srtt_us >= RTT_FAR || !least) {
        return t->srtt_us < RTT_MAX ? t->srtt_us : RTT_MAX;
    }
    least = least < RTT_FAR ? least : RTT_FAR;
    return (least < RTT_LOCAL        ? 1
            : least / 2 < RTT_NEARER ? least / 2
                                     : least - RTT_NEARER);
}

/* The unit of bit 0 is not part of the time, so what was captured may be one
 * less than what the peer has seen. */
static uint32_t
timestamp(const struct socket_tcp *t)
{
    return t->timestamp + 2;
}

/* The receive window open enough for our own segments, the send window shut.
 * 'rcv_nxt': what has been received by now. */
int
socket_replay_shut_window(int fd, const struct socket_tcp *t, uint32_t rcv_nxt)
{
    struct tcp_repair_window window = {
        .snd_wl1 = rcv_nxt - 1,
        .snd_wnd = 0,
        .max_window = t->window.max_window,
        .rcv_wnd = 65535,
        .rcv_wup = rcv_nxt,
    };
    return socket_set_window(fd, &window);
}

/* Our kernel works on a segment before sendto() returns, or soon after. */
static int
settle(int fd, uint8_t state, int outq, uint32_t *min_rtt)
{
    struct timespec pause = { 0, 50000 };
    struct tcp_info tcp;
    int now;

    for (int i = 0; i < SETTLE_TRIES; i++) {
        if (i) {
            nanosleep(&pause, NULL);
        }
        if (socket_get_tcp_info(fd, &tcp) || ioctl(fd, SIOCOUTQ, &now)) {
            return errno;
        } else if (tcp.tcpi_state == state && now == outq) {
            *min_rtt = tcp.tcpi_min_rtt;
            return 0;
        }
    }
    return ETIMEDOUT;
}

/* Brings a segment from the peer: 'fin', and acknowledging up to 'ack'.  For
 * a moment timestamps count microseconds, so that the echo can tell a short
 * time. */
static int
receive(int fd, const struct socket_state *state, uint32_t ack, bool fin,
        char **errorp)
{
    struct socket_segment segment;
    uint32_t now = timestamp(&state->tcp) | 1;
    int raw;

    int error = socket_segment_open(&state->info.local, NULL, &raw, errorp);
    if (error) {
        return error;
    }
    memset(&segment, 0, sizeof segment);
    segment.from = &state->info.peer;
    segment.to = &state->info.local;
    segment.seq = state->tcp.rcv_end;
    segment.ack = ack;
    segment.flags = fin ? SOCKET_TH_FIN : 0;
    segment.timestamps = state->tcp.timestamps;
    segment.tsval = 0; /* Any of the peer's is newer than 0. */
    segment.tsecr = now - primer_rtt(&state->tcp);
    if (state->tcp.timestamps) {
        /* The last thing before: the time between counts. */
        error = set_timestamp(fd, now, errorp);
    }
    if (!error) {
        error = socket_segment_send(raw, &segment, errorp);
    }
    close(raw);
    return error;
}

/* Before all unread data is there: the byte at the mark. */
int
socket_replay_urgent(int fd, const struct socket_state *state, size_t primer,
                     char **errorp)
{
    const struct socket_tcp *t = &state->tcp;
    struct timespec pause = { 0, 50000 };
    struct socket_segment segment;
    uint32_t seq = socket_recv_start(state) + t->urgent_offset;

    int error = socket_replay_shut_window(fd, t, seq);
    if (error) {
        return socket_error(errorp, error, "cannot set the inner window");
    }
    memset(&segment, 0, sizeof segment);
    segment.from = &state->info.peer;
    segment.to = &state->info.local;
    segment.seq = seq;
    segment.ack = socket_send_start(state) - primer;
    segment.flags = SOCKET_TH_URG;
    segment.urgent_pointer = 1;
    segment.data = state->recv_data + t->urgent_offset;
    segment.size = 1;
    int raw;
    error = socket_segment_open(segment.to, NULL, &raw, errorp);
    if (error) {
        return error;
    }
    error = socket_segment_send(raw, &segment, errorp);
    close(raw);
    if (error) {
        return error;
    }
    for (int i = 0; i < SETTLE_TRIES; i++) {
        int now;
        if (i) {
            nanosleep(&pause, NULL);
        }
        error = socket_get_int(fd, SOL_TCP, TCP_QUEUE_SEQ, &now);
        if (error || now == seq + 1) {
            break;
        }
        error = ETIMEDOUT;
    }
    if (error) {
        return socket_error(errorp, error, "the urgent mark did not take");
    }
    if (t->urgent == SOCKET_URGENT_READ) {
        uint8_t byte;
        if (recv(fd, &byte, 1, MSG_OOB | MSG_DONTWAIT) != 1) {
            return socket_error(errorp, errno,
                                "the urgent byte cannot be taken");
        }
    }
    return 0;
}

/* With the send queue selected, a FIN is queued as sent and does not leave. */
static int
mark_fin_sent(int fd, char **errorp)
{
    int error = socket_set_int(fd, SOL_TCP, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE);
    if (!error && shutdown(fd, SHUT_WR)) {
        error = errno;
    }
    if (error) {
        return socket_error(errorp, error, "cannot repeat our FIN");
    }
    return 0;
}

/* Brings the connection from ESTABLISHED to its state, as far as FINs sent
 * and received do that, and has the primer acknowledged. */
int
socket_replay(int fd, const struct socket_state *state, size_t primer,
              bool strict, char **errorp)
{
    const struct socket_tcp *t = &state->tcp;
    uint32_t min_rtt = 0;
    bool ours_first = (t->state == ST_CLOSING && t->fin_sent)
                      || t->state == ST_FIN_WAIT1 || t->state == ST_FIN_WAIT2;
    bool mine = t->fin_sent || t->fin_acked;
    int sent = state->info.send_queue - state->info.unsent;
    int error = 0;

    if (mine && ours_first) {
        error = mark_fin_sent(fd, errorp);
    }
    if (!error && (primer || t->fin_received || t->fin_acked)) {
        uint8_t next = (t->fin_acked ? ST_FIN_WAIT2
                        : t->fin_received
                            ? (mine && ours_first ? ST_CLOSING : ST_CLOSE_WAIT)
                        : mine ? ST_FIN_WAIT1
                               : ST_ESTABLISHED);
        uint32_t ack = socket_send_start(state) + (t->fin_acked ? 1 : 0);

        error = socket_replay_shut_window(fd, t, t->rcv_end);
        if (error) {
            return socket_error(errorp, error, "cannot set inner window");
        }
        error = receive(fd, state, ack, t->fin_received, errorp);
        if (!error) {
            error = settle(fd, next,
                           sent + (mine && ours_first && !t->fin_acked),
                           &min_rtt);
            if (!error && strict && min_rtt > primer_rtt(t) + RTT_EXCESS) {
                error = EAGAIN; /* We were kept from working. */
            }
            if (error) {
                return socket_error(errorp, error,
                                    "a segment from ourselves did not take");
            }
        }
    }
    if (!error && mine && !ours_first) {
        error = mark_fin_sent(fd, errorp);
    }
    if (!error && t->timestamps) {
        error = set_timestamp(fd, timestamp(t), errorp);
    }
    return error;
}
