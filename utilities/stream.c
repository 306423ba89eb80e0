/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define BATCH 32      /* Datagrams received at once. */
#define BEHIND_MAX 64 /* Packets sent at once when late. */
#define SEC INT64_C(1000000000)
#define MISSING_MAX 16 /* Runs of numbers that are shown. */

static int64_t
clock_ns(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return ts.tv_sec * SEC + ts.tv_nsec;
}

int64_t
stream_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

void
stream_init(struct stream *s, uint32_t rate, uint16_t size, uint64_t limit)
{
    memset(s, 0, sizeof *s);
    s->fd = -1;
    s->rate = rate;
    s->size = size;
    s->limit = limit;
    s->gap_min_ns = INT64_MAX;
    if (getrandom(&s->id, sizeof s->id, 0) != sizeof s->id) {
        s->id = getpid();
    }
}

void
stream_destroy(struct stream *s)
{
    if (s->fd >= 0) {
        close(s->fd);
    }
    free(s->gaps);
}

void
stream_set_fd(struct stream *s, int fd)
{
    int on = 1, size = 4 << 20;

    s->fd = fd;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
}

void
stream_start(struct stream *s)
{
    s->due_ns = stream_now_ns();
}

/* Receiving. */

static void
note_arrival(struct stream *s, int64_t ns, uint64_t number)
{
    int64_t gap = s->last_ns ? ns - s->last_ns : 0;

    s->last_ns = ns;
    if (gap > s->gap_max_ns) {
        s->gap_max_ns = gap;
    }
    if (gap < s->gap_min_ns || s->n_gaps >= STREAM_GAPS_MAX) {
        return;
    }
    if (s->n_gaps >= s->allocated_gaps) {
        size_t n = 2 * s->allocated_gaps + 64;
        struct stream_gap *gaps = realloc(s->gaps, n * sizeof *gaps);

        if (!gaps) {
            return;
        }
        s->gaps = gaps;
        s->allocated_gaps = n;
    }
    s->gaps[s->n_gaps++] = (struct stream_gap){ ns, gap, number };
}

/* When the kernel got it, by CLOCK_MONOTONIC; 'offset' is what that is ahead
 * of CLOCK_REALTIME, in which the kernel says it. */
static int64_t
arrival_ns(struct msghdr *msg, int64_t offset, int64_t now)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
            struct timespec ts;

            memcpy(&ts, CMSG_DATA(c), sizeof ts);
            return ts.tv_sec * SEC + ts.tv_nsec + offset;
        }
    }
    return now;
}

void
stream_receive(struct stream *s)
{
    static uint8_t bytes[BATCH][STREAM_PACKET_MAX];
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(struct timespec))];
    } control[BATCH];
    struct sockaddr_storage from[BATCH];
    struct mmsghdr msgs[BATCH];
    struct iovec iovs[BATCH];
    int64_t now, offset;
    int n;

    memset(msgs, 0, sizeof msgs);
    for (int i = 0; i < BATCH; i++) {
        iovs[i] = (struct iovec){ bytes[i], sizeof bytes[i] };
        msgs[i].msg_hdr.msg_iov = &iovs[i];
        msgs[i].msg_hdr.msg_iovlen = 1;
        msgs[i].msg_hdr.msg_control = &control[i];
        msgs[i].msg_hdr.msg_controllen = sizeof control[i];
        msgs[i].msg_hdr.msg_name = &from[i];
        msgs[i].msg_hdr.msg_namelen = sizeof from[i];
    }
    n = recvmmsg(s->fd, msgs, BATCH, MSG_DONTWAIT, NULL);
    now = stream_now_ns();
    offset = now - clock_ns(CLOCK_REALTIME);
    for (int i = 0; i < n; i++) {
        uint64_t number;

        if (stream_count(&s->count, bytes[i], msgs[i].msg_len, &number)) {
            note_arrival(s, arrival_ns(&msgs[i].msg_hdr, offset, now), number);
            if (!s->peer.ss_family) {
                s->peer = from[i];
                stream_start(s);
            }
        }
    }
}

/* Sending. */

int64_t
stream_due(const struct stream *s)
{
    return s->rate && s->peer.ss_family && s->next < s->limit ? s->due_ns
                                                              : INT64_MAX;
}

void
stream_send(struct stream *s)
{
    static uint8_t packet[STREAM_PACKET_MAX];
    int64_t now = stream_now_ns();

    for (int i = 0; stream_due(s) <= now; i++) {
        ssize_t n;

        if (i >= BEHIND_MAX) {
            s->due_ns = now; /* Too late for all of them. */
            return;
        }
        stream_packet(packet, s->size, s->id, s->next, now);
        n = sendto(s->fd, packet, s->size, 0, (struct sockaddr *) &s->peer,
                   s->peer.ss_family == AF_INET ? sizeof(struct sockaddr_in)
                                                : sizeof(struct sockaddr_in6));
        if (n < 0) {
            /* Perhaps an error that an earlier one met; the number is not
             * used up. */
            s->due_ns += 100000;
            return;
        }
        s->next++;
        s->due_ns += SEC / s->rate;
    }
}

/* State. */

static void
encode_peer(const struct sockaddr_storage *ss, struct state_writer *w)
{
    if (ss->ss_family == AF_INET) {
        const struct sockaddr_in *sin = (const struct sockaddr_in *) ss;

        state_put_u(w, 4, 1);
        state_put(w, &sin->sin_addr, 4);
        state_put(w, &sin->sin_port, 2);
    } else if (ss->ss_family == AF_INET6) {
        const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *) ss;

        state_put_u(w, 6, 1);
        state_put(w, &sin6->sin6_addr, 16);
        state_put(w, &sin6->sin6_port, 2);
    } else {
        state_put_u(w, 0, 1);
    }
}

static void
decode_peer(struct sockaddr_storage *ss, struct state_reader *r)
{
    struct sockaddr_in *sin = (struct sockaddr_in *) ss;
    struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *) ss;
    unsigned int family = state_get_u(r, 1);
    const void *address = state_get(r, family == 4 ? 4 : family ? 16 : 0);
    const void *port = state_get(r, family ? 2 : 0);

    memset(ss, 0, sizeof *ss);
    if (r->failed || (family && family != 4 && family != 6)) {
        r->failed = true;
    } else if (family == 4) {
        sin->sin_family = AF_INET;
        memcpy(&sin->sin_addr, address, 4);
        memcpy(&sin->sin_port, port, 2);
    } else if (family == 6) {
        sin6->sin6_family = AF_INET6;
        memcpy(&sin6->sin6_addr, address, 16);
        memcpy(&sin6->sin6_port, port, 2);
    }
}

void
stream_encode(const struct stream *s, struct state_writer *w)
{
    encode_peer(&s->peer, w);
    state_put_u(w, s->id, 4);
    state_put_u(w, s->rate, 4);
    state_put_u(w, s->size, 2);
    state_put_u(w, s->next, 8);
    state_put_u(w, s->limit, 8);
    stream_count_encode(&s->count, w);
}

void
stream_decode(struct stream *s, struct state_reader *r)
{
    decode_peer(&s->peer, r);
    s->id = state_get_u(r, 4);
    s->rate = state_get_u(r, 4);
    s->size = state_get_u(r, 2);
    s->next = state_get_u(r, 8);
    s->limit = state_get_u(r, 8);
    stream_count_decode(&s->count, r);
    if (s->rate > 1000000 || s->size < STREAM_HEADER
        || s->size > STREAM_PACKET_MAX) {
        r->failed = true;
    }
}

/* The newest runs of numbers that did not come. */
static void
print_missing(const struct stream_count *c, FILE *file)
{
    uint64_t first, last = c->highest;

    fprintf(file, ",\"missing\":[");
    for (int i = 0; i < MISSING_MAX; i++) {
        if (!stream_count_missing(c, &first, &last)) {
            break;
        }
        fprintf(file, "%s[%" PRIu64 ",%" PRIu64 "]", i ? "," : "", first,
                last);
        last = first;
    }
    fprintf(file, "]");
}

void
stream_print(const struct stream *s, const char *session, FILE *file)
{
    const struct stream_count *c = &s->count;

    fprintf(file, "{");
    if (session) {
        fprintf(file, "\"session\":\"%s\",", session);
    }
    fprintf(file,
            "\"sent\":%" PRIu64 ",\"received\":%" PRIu64 ",\"lost\":%" PRIu64
            ",\"duplicated\":%" PRIu64 ",\"reordered\":%" PRIu64
            ",\"stale\":%" PRIu64 ",\"wrong\":%" PRIu64,
            s->next, c->received, stream_count_lost(c), c->duplicated,
            c->reordered, c->stale, c->wrong);
    if (c->started) {
        fprintf(file,
                ",\"first\":%" PRIu64 ",\"highest\":%" PRIu64
                ",\"gap_max_us\":%.1f",
                c->first, c->highest, s->gap_max_ns / 1e3);
        print_missing(c, file);
    }
    if (s->gap_min_ns != INT64_MAX) {
        fprintf(file, ",\"gaps\":[");
        for (size_t i = 0; i < s->n_gaps; i++) {
            const struct stream_gap *g = &s->gaps[i];

            fprintf(file,
                    "%s{\"at_us\":%.1f,\"gap_us\":%.1f,"
                    "\"number\":%" PRIu64 "}",
                    i ? "," : "", g->at_ns / 1e3, g->ns / 1e3, g->number);
        }
        fprintf(file, "]");
    }
    fprintf(file, "}\n");
    fflush(file);
}
