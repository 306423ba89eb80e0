/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "packet-queue.h"

#include <stdlib.h>
#include <string.h>

#include "late-packets.h"
#include "util.h"

#define FRAME_MAX 65536
/* What two bytes can say.  An IPv6 datagram can be 40 bytes larger. */
#define PACKET_MAX 65535

void
packet_queue_init(struct packet_queue *q)
{
    memset(q, 0, sizeof *q);
}

void
packet_queue_clear(struct packet_queue *q)
{
    for (size_t i = 0; i < q->n; i++) {
        free(q->items[i].data);
    }
    q->n = q->bytes = 0;
}

void
packet_queue_uninit(struct packet_queue *q)
{
    packet_queue_clear(q);
    free(q->items);
    q->items = NULL;
    q->allocated = 0;
}

void
packet_queue_take(struct packet_queue *q, uint8_t *data, size_t size)
{
    if (size > PACKET_MAX || q->n >= PACKET_QUEUE_MAX
        || q->bytes + size > PACKET_QUEUE_BYTES) {
        q->dropped++;
        free(data);
        return;
    }
    if (q->n >= q->allocated) {
        q->items = x2nrealloc(q->items, &q->allocated, sizeof *q->items);
    }
    q->items[q->n].data = data;
    q->items[q->n++].size = size;
    q->bytes += size;
}

void
packet_queue_put(struct packet_queue *q, const void *data, size_t size)
{
    packet_queue_take(q, xmemdup(data, size), size);
}

uint8_t *
packet_queue_to_frame(const struct packet_queue *q, size_t *pos, size_t *lenp)
{
    size_t len = 0;
    uint8_t *body;
    size_t end;

    for (end = *pos; end < q->n; end++) {
        size_t more = 2 + q->items[end].size;

        if (end > *pos && len + more > FRAME_MAX) {
            break;
        }
        len += more;
    }
    if (!len) {
        return NULL;
    }
    body = xmalloc(len);
    *lenp = len;
    for (uint8_t *p = body; *pos < end; ++*pos) {
        const struct packet_queue_item *item = &q->items[*pos];

        *p++ = item->size >> 8;
        *p++ = item->size;
        memcpy(p, item->data, item->size);
        p += item->size;
    }
    return body;
}

bool
packet_queue_from_frame(struct packet_queue *q, const uint8_t *body,
                        size_t len, const struct in6_addr *address)
{
    while (len) {
        size_t size;

        if (len < 2) {
            return false;
        }
        size = body[0] << 8 | body[1];
        body += 2;
        len -= 2;
        if (size > len) {
            return false;
        }
        if (late_packet_is_for(body, size, address)) {
            packet_queue_put(q, body, size);
        } else {
            q->dropped++;
        }
        body += size;
        len -= size;
    }
    return true;
}
