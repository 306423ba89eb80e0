/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "stream-count.h"

#include "unit.h"
#include "util.h"

static struct stream_count count;

static bool
come(uint64_t number)
{
    uint8_t packet[64];
    uint64_t got;
    bool is_new;

    stream_packet(packet, sizeof packet, 7, number, 0);
    is_new = stream_count(&count, packet, sizeof packet, &got);
    if (is_new) {
        CU_ASSERT_EQUAL(got, number);
    }
    return is_new;
}

static void
expect(uint64_t received, uint64_t lost, uint64_t duplicated,
       uint64_t reordered)
{
    CU_ASSERT_EQUAL(count.received, received);
    CU_ASSERT_EQUAL(stream_count_lost(&count), lost);
    CU_ASSERT_EQUAL(count.duplicated, duplicated);
    CU_ASSERT_EQUAL(count.reordered, reordered);
}

static void
begin(void)
{
    memset(&count, 0, sizeof count);
}

static void
test_counting(void)
{
    begin();
    expect(0, 0, 0, 0);
    CU_ASSERT(come(10));
    expect(1, 0, 0, 0);
    CU_ASSERT(!come(10));
    expect(1, 0, 1, 0);
    CU_ASSERT(come(13));
    expect(2, 2, 1, 0);
    CU_ASSERT(come(12));
    expect(3, 1, 1, 1);
    CU_ASSERT(!come(12));
    expect(3, 1, 2, 1);
    CU_ASSERT(come(8)); /* Before the first. */
    expect(4, 2, 2, 2);
}

static void
expect_missing(uint64_t *last, uint64_t first, uint64_t last_missing)
{
    uint64_t got;

    CU_ASSERT(stream_count_missing(&count, &got, last));
    CU_ASSERT_EQUAL(got, first);
    CU_ASSERT_EQUAL(*last, last_missing);
    *last = got;
}

static void
test_missing(void)
{
    uint64_t last, first;

    begin();
    last = 7;
    CU_ASSERT(!stream_count_missing(&count, &first, &last));
    come(3);
    last = 3;
    CU_ASSERT(!stream_count_missing(&count, &first, &last));
    come(5);
    come(9);
    last = 9;
    expect_missing(&last, 6, 8);
    expect_missing(&last, 4, 4);
    CU_ASSERT(!stream_count_missing(&count, &first, &last));
    come(2 * STREAM_WINDOW);
    last = 2 * STREAM_WINDOW;
    expect_missing(&last, STREAM_WINDOW + 1, 2 * STREAM_WINDOW - 1);
    CU_ASSERT(!stream_count_missing(&count, &first, &last));
}

static void
test_window(void)
{
    begin();
    for (uint64_t i = 0; i < 5 * STREAM_WINDOW; i++) {
        CU_ASSERT(come(i));
    }
    expect(5 * STREAM_WINDOW, 0, 0, 0);
    CU_ASSERT(!come(4 * STREAM_WINDOW));
    CU_ASSERT(!come(0));
    CU_ASSERT_EQUAL(count.stale, 1);
    CU_ASSERT(come(100 * STREAM_WINDOW)); /* All seen ones are forgotten. */
    CU_ASSERT(come(100 * STREAM_WINDOW - 1));
    CU_ASSERT(come(99 * STREAM_WINDOW + 1));
    CU_ASSERT(!come(99 * STREAM_WINDOW));
    CU_ASSERT_EQUAL(count.stale, 2);
    expect(5 * STREAM_WINDOW + 3, 95 * STREAM_WINDOW - 2, 1, 2);
}

static void
test_wrong(void)
{
    uint8_t packet[64];
    uint64_t number;

    begin();
    come(1);
    for (size_t i = 0; i < sizeof packet; i++) {
        stream_packet(packet, sizeof packet, 7, 2, 0);
        packet[i] ^= 0x80;
        /* The time is nobody's business; and after that it is known. */
        CU_ASSERT_EQUAL(stream_count(&count, packet, sizeof packet, &number),
                        i == 16);
    }
    stream_packet(packet, sizeof packet, 7, 2, 0);
    CU_ASSERT(!stream_count(&count, packet, STREAM_HEADER - 1, &number));
    CU_ASSERT_EQUAL(count.wrong, sizeof packet - 8 + 1);
}

static void
test_state(void)
{
    struct state_writer w = { .n = 0 };
    struct stream_count before;
    struct state_reader r;

    begin();
    come(5);
    come(9);
    come(7);
    before = count;
    stream_count_encode(&count, &w);
    for (size_t n = 0; n <= w.n; n++) {
        begin();
        r = (struct state_reader){ .p = w.p, .n = n };
        stream_count_decode(&count, &r);
        CU_ASSERT_EQUAL(r.failed, n < w.n);
    }
    CU_ASSERT_EQUAL(r.n, 0);
    CU_ASSERT_EQUAL(count.highest, before.highest);
    CU_ASSERT(!come(7));
    CU_ASSERT(come(8));
    expect(4, 1, 1, 2);
    free(w.p);
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "counting", test_counting }, { "missing", test_missing },
        { "window", test_window },     { "wrong bytes", test_wrong },
        { "state", test_state },
    };

    return unit_run("stream-count", tests, ARRAY_SIZE(tests));
}
