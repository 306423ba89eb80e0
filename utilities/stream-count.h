/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_STREAM_COUNT_H
#define BATON_STREAM_COUNT_H 1

/* Counting numbered packets: which are lost, came twice, or came late.
 *
 * A packet is a header, with the number and which stream it is of, and filling
 * that depends on the number, so that wrong bytes show.  Counting starts with
 * the first packet seen; one that is older than STREAM_WINDOW before the
 * newest is "stale", and nothing else is known of it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "state-bytes.h"

#define STREAM_HEADER 24 /* Bytes; the least size of a packet. */
#define STREAM_PACKET_MAX 9000
#define STREAM_WINDOW 16384 /* Numbers; a multiple of 8. */

struct stream_count {
    bool started;
    uint32_t stream;         /* Which one is counted. */
    uint64_t first, highest; /* Numbers. */
    uint64_t received;       /* Different packets. */
    uint64_t duplicated;
    uint64_t reordered; /* After one with a higher number. */
    uint64_t stale;
    uint64_t wrong; /* Packets with wrong bytes, or not ours. */
    uint8_t seen[STREAM_WINDOW / 8]; /* By number, modulo. */
};

/* Writes packet 'number' of 'size' bytes. */
void stream_packet(uint8_t *, size_t size, uint32_t stream, uint64_t number,
                   uint64_t time_ns);

/* Counts a packet.  Returns true, and its number, if it is a new one. */
bool stream_count(struct stream_count *, const uint8_t *, size_t,
                  uint64_t *number);
uint64_t stream_count_lost(const struct stream_count *);
/* Finds the newest run of numbers below '*last' that are missing, within
 * STREAM_WINDOW of the newest: from '*first' to '*last'.  False: none. */
bool stream_count_missing(const struct stream_count *, uint64_t *first,
                          uint64_t *last);

void stream_count_encode(const struct stream_count *, struct state_writer *);
void stream_count_decode(struct stream_count *, struct state_reader *);

#endif /* utilities/stream-count.h */
