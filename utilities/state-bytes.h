/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_STATE_BYTES_H
#define BATON_STATE_BYTES_H 1

/* Writing and reading the bytes in which an application's state travels, in
 * network order.
 *
 * A writer grows; 'failed' says that memory ran out.  A reader that is asked
 * for more than there is gives zeros and sets 'failed': ask for everything,
 * look once. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct state_writer {
    uint8_t *p; /* For the caller to free. */
    size_t n, allocated;
    bool failed;
};

struct state_reader {
    const uint8_t *p;
    size_t n;
    bool failed;
};

static inline void
state_put(struct state_writer *w, const void *bytes, size_t n)
{
    if (w->allocated - w->n < n) {
        size_t allocated = 2 * w->allocated + n + 256;
        uint8_t *p = realloc(w->p, allocated);

        if (!p) {
            w->failed = true;
            return;
        }
        w->p = p;
        w->allocated = allocated;
    }
    if (n) {
        memcpy(w->p + w->n, bytes, n);
        w->n += n;
    }
}

static inline void
state_put_u(struct state_writer *w, uint64_t x, size_t n)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < n; i++) {
        bytes[i] = x >> 8 * (n - 1 - i);
    }
    state_put(w, bytes, n);
}

/* Points into the reader's bytes; NULL if there are fewer. */
static inline const void *
state_get(struct state_reader *r, size_t n)
{
    const uint8_t *p = r->p;

    if (r->failed || r->n < n) {
        r->failed = true;
        return NULL;
    }
    r->p += n;
    r->n -= n;
    return p;
}

static inline uint64_t
state_get_u(struct state_reader *r, size_t n)
{
    const uint8_t *p = state_get(r, n);
    uint64_t x = 0;

    for (size_t i = 0; p && i < n; i++) {
        x = x << 8 | p[i];
    }
    return x;
}

#endif /* utilities/state-bytes.h */
