/* SPDX-License-Identifier: Apache-2.0 */
#include "stream-count.h"

static const uint8_t magic[4] = { 'B', 'S', 'T', 'R' };

/* Byte 'i' of the filling of packet 'number': all of the number is in it. */
static uint8_t
filling(uint64_t number, size_t i)
{
    return (number * UINT64_C(0x9e3779b97f4a7c15) >> 56) + i;
}

static void
put_u(uint8_t *p, uint64_t x, size_t n)
{
    while (n--) {
        p[n] = x;
        x >>= 8;
    }
}

static uint64_t
get_u(const uint8_t *p, size_t n)
{
    uint64_t x = 0;

    while (n--) {
        x = x << 8 | *p++;
    }
    return x;
}

void
stream_packet(uint8_t *p, size_t size, uint32_t stream, uint64_t number,
              uint64_t time_ns)
{
    memcpy(p, magic, sizeof magic);
    put_u(p + 4, stream, 4);
    put_u(p + 8, number, 8);
    put_u(p + 16, time_ns, 8);
    for (size_t i = STREAM_HEADER; i < size; i++) {
        p[i] = filling(number, i);
    }
}

static bool
packet_is_right(const uint8_t *p, size_t size)
{
    uint64_t number;

    if (size < STREAM_HEADER || memcmp(p, magic, sizeof magic)) {
        return false;
    }
    number = get_u(p + 8, 8);
    for (size_t i = STREAM_HEADER; i < size; i++) {
        if (p[i] != filling(number, i)) {
            return false;
        }
    }
    return number < UINT64_MAX / 2;
}

static bool
test_and_set(struct stream_count *c, uint64_t number)
{
    uint8_t *byte = &c->seen[number % STREAM_WINDOW / 8];
    uint8_t bit = 1u << number % 8;
    bool was = *byte & bit;

    *byte |= bit;
    return was;
}

/* Makes room in the window for numbers up to 'number'. */
static void
advance(struct stream_count *c, uint64_t number)
{
    if (number - c->highest >= STREAM_WINDOW) {
        memset(c->seen, 0, sizeof c->seen);
    } else {
        for (uint64_t i = c->highest + 1; i <= number; i++) {
            c->seen[i % STREAM_WINDOW / 8] &= ~(1u << i % 8);
        }
    }
    c->highest = number;
}

bool
stream_count(struct stream_count *c, const uint8_t *p, size_t size,
             uint64_t *numberp)
{
    uint64_t number;

    if (!packet_is_right(p, size)
        || (c->started && get_u(p + 4, 4) != c->stream)) {
        c->wrong++;
        return false;
    }
    number = *numberp = get_u(p + 8, 8);
    if (!c->started) {
        c->started = true;
        c->stream = get_u(p + 4, 4);
        c->first = c->highest = number;
    } else if (number > c->highest) {
        advance(c, number);
    } else if (c->highest - number >= STREAM_WINDOW) {
        c->stale++;
        return false;
    } else if (number != c->highest) {
        if (!test_and_set(c, number)) {
            c->reordered++;
            c->received++;
            if (number < c->first) {
                c->first = number;
            }
            return true;
        }
        c->duplicated++;
        return false;
    }
    if (test_and_set(c, number)) {
        c->duplicated++;
        return false;
    }
    c->received++;
    return true;
}

uint64_t
stream_count_lost(const struct stream_count *c)
{
    return c->started ? c->highest - c->first + 1 - c->received : 0;
}

static bool
is_seen(const struct stream_count *c, uint64_t number)
{
    return c->seen[number % STREAM_WINDOW / 8] & 1u << number % 8;
}

bool
stream_count_missing(const struct stream_count *c, uint64_t *firstp,
                     uint64_t *lastp)
{
    uint64_t oldest = c->first;
    uint64_t number = *lastp;

    if (!c->started) {
        return false;
    }
    if (c->highest - oldest >= STREAM_WINDOW) {
        oldest = c->highest - STREAM_WINDOW + 1;
    }
    do {
        if (number <= oldest) {
            return false;
        }
        number--;
    } while (is_seen(c, number));
    *lastp = number;
    while (number > oldest && !is_seen(c, number - 1)) {
        number--;
    }
    *firstp = number;
    return true;
}

void
stream_count_encode(const struct stream_count *c, struct state_writer *w)
{
    state_put_u(w, c->started, 1);
    state_put_u(w, c->stream, 4);
    state_put_u(w, c->first, 8);
    state_put_u(w, c->highest, 8);
    state_put_u(w, c->received, 8);
    state_put_u(w, c->duplicated, 8);
    state_put_u(w, c->reordered, 8);
    state_put_u(w, c->stale, 8);
    state_put_u(w, c->wrong, 8);
    state_put(w, c->seen, sizeof c->seen);
}

void
stream_count_decode(struct stream_count *c, struct state_reader *r)
{
    const void *seen;

    c->started = state_get_u(r, 1);
    c->stream = state_get_u(r, 4);
    c->first = state_get_u(r, 8);
    c->highest = state_get_u(r, 8);
    c->received = state_get_u(r, 8);
    c->duplicated = state_get_u(r, 8);
    c->reordered = state_get_u(r, 8);
    c->stale = state_get_u(r, 8);
    c->wrong = state_get_u(r, 8);
    seen = state_get(r, sizeof c->seen);
    if (seen) {
        memcpy(c->seen, seen, sizeof c->seen);
    }
    if (c->highest < c->first || c->highest >= UINT64_MAX / 2) {
        r->failed = true;
    }
}
