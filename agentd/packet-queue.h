/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_PACKET_QUEUE_H
#define BATON_PACKET_QUEUE_H 1

/* Packets of one session that wait, in order and bounded; and their form in
 * a "late packets" frame of the peer link. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

struct packet_queue {
    struct packet_queue_item {
        uint8_t *data;
        size_t size;
    } * items;
    size_t n, allocated;
    size_t bytes;
    uint64_t dropped; /* For want of room. */
};

#define PACKET_QUEUE_MAX 65536 /* Packets. */
#define PACKET_QUEUE_BYTES (64u << 20)

void packet_queue_init(struct packet_queue *);
void packet_queue_clear(struct packet_queue *);
void packet_queue_uninit(struct packet_queue *);

/* Copies 'size' bytes of 'data'. */
void packet_queue_put(struct packet_queue *, const void *data, size_t size);
/* Takes over malloc'd 'data'. */
void packet_queue_take(struct packet_queue *, uint8_t *data, size_t size);

/* Writes packets from '*pos' on as the body of one frame, 64 KiB at the most
 * if more than one, and moves '*pos'.  Returns malloc'd bytes, or NULL when
 * there is none left. */
uint8_t *packet_queue_to_frame(const struct packet_queue *, size_t *pos,
                               size_t *len);

/* Adds the packets of a frame's body that are for 'address'.  False if the
 * body has not the form of one. */
bool packet_queue_from_frame(struct packet_queue *, const uint8_t *body,
                             size_t len, const struct in6_addr *address);

#endif /* agentd/packet-queue.h */
