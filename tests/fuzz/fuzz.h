/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_TESTS_FUZZ_H
#define BATON_TESTS_FUZZ_H 1

/* For fuzz targets: libFuzzer's entry point, and reading an input piece by
 * piece.  A target is run by `make check-fuzz`. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What must hold for any input. */
#define fuzz_check(CONDITION)                                          \
    do {                                                               \
        if (!(CONDITION)) {                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, \
                    #CONDITION);                                       \
            abort();                                                   \
        }                                                              \
    } while (0)

struct fuzz_input {
    const uint8_t *data;
    size_t n;
};

/* Next byte, or 0 when there is none. */
static inline uint8_t
fuzz_u8(struct fuzz_input *in)
{
    if (!in->n) {
        return 0;
    }
    in->n--;
    return *in->data++;
}

/* Takes the next 'n' bytes, or what there is: malloc'd, so that a byte too
 * far is noticed.  Stores how many. */
static inline uint8_t *
fuzz_bytes(struct fuzz_input *in, size_t n, size_t *taken)
{
    uint8_t *copy;

    *taken = n < in->n ? n : in->n;
    copy = malloc(*taken ? *taken : 1);
    fuzz_check(copy != NULL);
    if (*taken) {
        memcpy(copy, in->data, *taken);
    }
    in->data += *taken;
    in->n -= *taken;
    return copy;
}

#endif /* tests/fuzz/fuzz.h */
