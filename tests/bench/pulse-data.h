/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PULSE_DATA_H
#define PULSE_DATA_H 1

/* Bytes that both ends of a connection know, by their place in the stream: a
 * byte that is lost, twice or wrong shows at once. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Which stream. */
enum { PULSE_RECORDS = 1, PULSE_UNREAD, PULSE_UNSENT };

static inline uint64_t
pulse_word(uint32_t stream, uint64_t number)
{
    uint64_t x = number + ((uint64_t) stream << 56);

    /* The finalizer of splitmix64. */
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static inline void
pulse_fill(uint8_t *p, size_t n, uint32_t stream, uint64_t offset)
{
    while (n) {
        uint64_t word = pulse_word(stream, offset / 8);
        size_t skip = offset % 8;
        size_t len = n < 8 - skip ? n : 8 - skip;

        memcpy(p, (uint8_t *) &word + skip, len);
        p += len;
        n -= len;
        offset += len;
    }
}

/* How many are not what they should be. */
static inline size_t
pulse_wrong(const uint8_t *p, size_t n, uint32_t stream, uint64_t offset)
{
    size_t wrong = 0;

    while (n) {
        uint8_t expected[4096];
        size_t len = n < sizeof expected ? n : sizeof expected;

        pulse_fill(expected, len, stream, offset);
        if (memcmp(p, expected, len)) {
            for (size_t i = 0; i < len; i++) {
                wrong += p[i] != expected[i];
            }
        }
        p += len;
        n -= len;
        offset += len;
    }
    return wrong;
}

#endif /* tests/bench/pulse-data.h */
