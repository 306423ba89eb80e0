/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "packet-queue.h"

#include <stdlib.h>
#include <string.h>

#include "packets.h"
#include "unit.h"
#include "util.h"
#include "wire.h"

#define ADDRESS 0x0a010064

static struct in6_addr address;

/* A UDP packet of 'size' bytes, at least 28, to 'to'. */
static uint8_t *
make_packet(size_t size, uint32_t to)
{
    uint8_t *p = xzalloc(size);

    wire_put_u16(p, 0x4500);
    wire_put_u16(p + 2, size);
    wire_put_u16(p + 8, 64 << 8 | IPPROTO_UDP);
    wire_put_u32(p + 12, 0x0a010002);
    wire_put_u32(p + 16, to);
    wire_put_u16(p + 20, 4000);
    wire_put_u16(p + 22, 5000);
    wire_put_u16(p + 24, size - 20);
    return p;
}

static void
test_there_and_back(void)
{
    static const size_t sizes[] = { 28, 1500, 65535, 29, 40000, 40000, 28 };
    struct packet_queue out, in;
    size_t pos = 0, frames = 0, len;
    uint8_t *frame;

    packet_queue_init(&out);
    packet_queue_init(&in);
    CU_ASSERT_PTR_NULL(packet_queue_to_frame(&out, &pos, &len));
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        packet_queue_take(&out, make_packet(sizes[i], ADDRESS), sizes[i]);
    }
    while ((frame = packet_queue_to_frame(&out, &pos, &len))) {
        CU_ASSERT(len <= 65537);
        CU_ASSERT(packet_queue_from_frame(&in, frame, len, &address));
        /* Cut anywhere, it is of the wrong form or shorter by whole packets,
         * and nothing is read beyond. */
        if (len < 2000) {
            for (size_t n = 0; n < len; n++) {
                uint8_t *cut = xmemdup(frame, n + !n);
                struct packet_queue q;

                packet_queue_init(&q);
                CU_ASSERT(!n || q.n == 0);
                packet_queue_from_frame(&q, cut, n, &address);
                packet_queue_uninit(&q);
                free(cut);
            }
        }
        free(frame);
        frames++;
    }
    CU_ASSERT(frames >= 3 && frames < ARRAY_SIZE(sizes));
    CU_ASSERT_EQUAL_FATAL(in.n, ARRAY_SIZE(sizes));
    for (size_t i = 0; i < in.n; i++) {
        CU_ASSERT_EQUAL(in.items[i].size, sizes[i]);
        CU_ASSERT(!memcmp(in.items[i].data, out.items[i].data, sizes[i]));
    }
    CU_ASSERT_EQUAL(in.bytes, out.bytes);
    packet_queue_clear(&in);
    CU_ASSERT_EQUAL(in.bytes, 0);
    packet_queue_uninit(&in);
    packet_queue_uninit(&out);
}

static void
test_too_large(void)
{
    struct packet_queue q;
    size_t pos = 0, len;

    packet_queue_init(&q);
    packet_queue_take(&q, xzalloc(65536), 65536);
    CU_ASSERT_EQUAL(q.n, 0);
    CU_ASSERT_EQUAL(q.dropped, 1);
    CU_ASSERT_PTR_NULL(packet_queue_to_frame(&q, &pos, &len));
    packet_queue_uninit(&q);
}

static void
test_bounds(void)
{
    struct packet_queue q;

    packet_queue_init(&q);
    for (int i = 0; i < PACKET_QUEUE_MAX + 5; i++) {
        packet_queue_put(&q, "x", 1);
    }
    CU_ASSERT_EQUAL(q.n, PACKET_QUEUE_MAX);
    CU_ASSERT_EQUAL(q.dropped, 5);
    packet_queue_uninit(&q);

    packet_queue_init(&q);
    for (int i = 0; i < 1100; i++) {
        packet_queue_take(&q, xzalloc(65535), 65535);
    }
    CU_ASSERT(q.bytes <= PACKET_QUEUE_BYTES);
    CU_ASSERT_EQUAL(q.n + q.dropped, 1100);
    packet_queue_uninit(&q);
}

static void
test_of_others(void)
{
    uint8_t *packet = make_packet(28, ADDRESS + 1);
    struct packet_queue q;
    uint8_t frame[30];

    packet_queue_init(&q);
    wire_put_bytes(wire_put_u16(frame, 28), packet, 28);
    CU_ASSERT(packet_queue_from_frame(&q, frame, sizeof frame, &address));
    CU_ASSERT_EQUAL(q.n, 0);
    CU_ASSERT_EQUAL(q.dropped, 1);
    wire_put_u16(frame, 29);
    CU_ASSERT(!packet_queue_from_frame(&q, frame, sizeof frame, &address));
    wire_put_u16(frame, 0);
    CU_ASSERT(packet_queue_from_frame(&q, frame, 2, &address));
    CU_ASSERT(!packet_queue_from_frame(&q, frame, 1, &address));
    CU_ASSERT_EQUAL(q.n, 0);
    packet_queue_uninit(&q);
    free(packet);
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "there and back", test_there_and_back },
        { "too large", test_too_large },
        { "bounds", test_bounds },
        { "of others", test_of_others },
    };

    in6_addr_set_mapped_ipv4(&address, htonl(ADDRESS));
    return unit_run("packet-queue", tests, ARRAY_SIZE(tests));
}
