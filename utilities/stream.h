/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_STREAM_H
#define BATON_STREAM_H 1

/* One numbered stream of UDP datagrams, in both directions, on one socket.
 *
 * Does not know sessions: baton-stream runs the same over a session's socket
 * and, for the correspondent, over an ordinary one.  'fd' is nonblocking. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "state-bytes.h"
#include "stream-count.h"

#define STREAM_GAPS_MAX 65536

/* A time without arrivals. */
struct stream_gap {
    int64_t at_ns;   /* CLOCK_MONOTONIC, of its end. */
    int64_t ns;      /* How long. */
    uint64_t number; /* Of the packet that ended it. */
};

struct stream {
    int fd;

    /* Sending. */
    struct sockaddr_storage peer; /* ss_family 0: whoever sends to us. */
    uint32_t id;                  /* Of the packets we send. */
    uint32_t rate;                /* A second; 0: only receives. */
    uint16_t size;                /* Bytes of UDP payload. */
    uint64_t next;                /* Number of the next packet. */
    uint64_t limit;               /* How many to send; UINT64_MAX: no end. */
    int64_t due_ns;               /* CLOCK_MONOTONIC: when to send it. */

    /* Receiving. */
    struct stream_count count;
    int64_t last_ns;    /* Of the last arrival; 0: none. */
    int64_t gap_min_ns; /* Shorter ones are not kept. */
    int64_t gap_max_ns; /* The longest of all. */
    struct stream_gap *gaps;
    size_t n_gaps, allocated_gaps;
};

int64_t stream_now_ns(void);
void stream_init(struct stream *, uint32_t rate, uint16_t size,
                 uint64_t limit);
void stream_destroy(struct stream *); /* Closes 'fd'. */

/* Makes 'fd' what a stream needs (nonblocking, timestamps, buffers). */
void stream_set_fd(struct stream *, int fd);

/* Starts anew to keep time: nothing that was due before is sent at once. */
void stream_start(struct stream *);

void stream_receive(struct stream *);
/* Sends what is due. */
void stream_send(struct stream *);
/* When stream_send() should be called; INT64_MAX: never. */
int64_t stream_due(const struct stream *);

void stream_encode(const struct stream *, struct state_writer *);
void stream_decode(struct stream *, struct state_reader *);

/* One line of JSON. */
void stream_print(const struct stream *, const char *session, FILE *);

#endif /* utilities/stream.h */
