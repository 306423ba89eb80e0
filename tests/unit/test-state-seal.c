/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "state-seal.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/uuid.h"
#include "unit.h"
#include "util.h"
#include "wire.h"

#define TOTAL 1000
#define CHUNK 300
#define N_CHUNKS 4
#define BODY_MAX (CHUNK + STATE_CHUNK_OVERHEAD)

/* What a transfer's two sides know. */
static uint8_t secret[SEAL_KEY_LEN], session_key[SEAL_KEY_LEN];
static uint8_t x[SEAL_HASH_LEN];
static struct uuid transfer = { { 1, 2, 3, 4 } };

static uint8_t wrapped[STATE_WRAP_LEN];
static uint8_t plain[TOTAL];
static uint8_t bodies[N_CHUNKS][BODY_MAX];
static size_t body_len[N_CHUNKS];

static void
seal_all(uint64_t total)
{
    struct state_sealer *s = state_sealer_new(secret, session_key, &transfer,
                                              x, total, wrapped);

    for (size_t i = 0, ofs = 0; i < N_CHUNKS; i++) {
        size_t n = MIN(CHUNK, TOTAL - ofs);

        state_sealer_chunk(s, plain + ofs, n, bodies[i]);
        body_len[i] = n + STATE_CHUNK_OVERHEAD;
        ofs += n;
    }
    state_sealer_destroy(s);
}

static void
prepare(void)
{
    seal_random(secret, sizeof secret);
    seal_random(session_key, sizeof session_key);
    seal_random(x, sizeof x);
    seal_random(plain, sizeof plain);
    seal_all(TOTAL);
}

static struct state_opener *
open_new(uint64_t size_max)
{
    uint8_t key[SEAL_KEY_LEN];
    struct state_opener *o = state_opener_new(secret, &transfer, x, wrapped,
                                              size_max, key);

    CU_ASSERT_FATAL(o != NULL);
    CU_ASSERT(!memcmp(key, session_key, sizeof key));
    return o;
}

/* Feeds chunks in the order of the digits in 'order'.  Returns how many were
 * taken; stores whether the state was whole at the end. */
static size_t
feed(const char *order, uint64_t size_max, bool *whole)
{
    struct state_opener *o = open_new(size_max);
    size_t taken = 0, n;
    const uint8_t *out;

    for (; *order; order++) {
        size_t i = *order - '0';
        /* A copy of its own, so that ASan sees its end. */
        uint8_t *body = xmemdup(bodies[i], body_len[i]);

        taken += state_opener_chunk(o, body, body_len[i]);
        free(body);
    }
    out = state_opener_finish(o, &n);
    *whole = out != NULL;
    if (out) {
        CU_ASSERT(n == TOTAL && !memcmp(out, plain, TOTAL));
    }
    state_opener_destroy(o);
    return taken;
}

static void
test_whole(void)
{
    bool whole;

    prepare();
    CU_ASSERT(feed("0123", TOTAL, &whole) == 4 && whole);
    CU_ASSERT(feed("0123", UINT64_MAX, &whole) == 4 && whole);
}

static void
test_order(void)
{
    static const struct {
        const char *order;
        size_t taken;
    } cases[] = {
        { "", 0 },      { "012", 3 },   { "0", 1 },    /* Cut off. */
        { "1", 0 },     { "3", 0 },     { "123", 0 },  /* The first dropped. */
        { "023", 1 },   { "013", 2 },                  /* Another dropped. */
        { "0213", 1 },  { "1023", 0 },  { "0132", 2 }, /* Swapped. */
        { "00123", 1 }, { "01123", 2 },                /* Repeated. */
        { "01233", 4 }, { "01230", 4 },                /* After the last. */
        { "0012", 1 },
    };
    bool whole;

    prepare();
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CU_ASSERT(feed(cases[i].order, TOTAL, &whole) == cases[i].taken);
        CU_ASSERT(!whole);
    }
}

static void
test_too_big(void)
{
    bool whole;

    prepare();
    CU_ASSERT(feed("0123", TOTAL - 1, &whole) == 0 && !whole);
    CU_ASSERT(feed("0123", 0, &whole) == 0 && !whole);

    /* A sealer that promised more than it sent. */
    seal_all(TOTAL + 1);
    CU_ASSERT(feed("0123", UINT64_MAX, &whole) == 4 && !whole);
    /* What no host has memory for. */
    seal_all(UINT64_MAX);
    CU_ASSERT(feed("0123", UINT64_MAX, &whole) == 0 && !whole);
}

/* A total that changes on the way, each chunk's in agreement with itself. */
static void
test_total_changes(void)
{
    uint8_t body[BODY_MAX];
    bool whole;

    prepare();
    seal_all(TOTAL + 5);
    memcpy(body, bodies[1], sizeof body);
    seal_all(TOTAL);
    memcpy(bodies[1], body, sizeof body);
    CU_ASSERT(feed("0123", UINT64_MAX, &whole) == 1 && !whole);
}

static void
test_changed(void)
{
    bool whole;

    prepare();
    for (size_t i = 0; i < body_len[1]; i++) {
        bodies[1][i] ^= 1 << (i % 8);
        CU_ASSERT(feed("0123", UINT64_MAX, &whole) == 1 && !whole);
        bodies[1][i] ^= 1 << (i % 8);
    }
    for (size_t n = 0; n < BODY_MAX; n++) {
        body_len[0] = n;
        CU_ASSERT(feed("0123", TOTAL, &whole) == 0 && !whole);
    }
    body_len[0] = BODY_MAX;
    CU_ASSERT(feed("0123", TOTAL, &whole) == 4 && whole);
}

static void
test_empty(void)
{
    uint8_t body[STATE_CHUNK_OVERHEAD];
    struct state_sealer *s;
    struct state_opener *o;
    size_t n;

    prepare();
    s = state_sealer_new(secret, session_key, &transfer, x, 0, wrapped);
    state_sealer_chunk(s, NULL, 0, body);
    state_sealer_destroy(s);

    o = open_new(0);
    CU_ASSERT_PTR_NULL(state_opener_finish(o, &n));
    CU_ASSERT(state_opener_chunk(o, body, sizeof body));
    CU_ASSERT(state_opener_finish(o, &n) != NULL && n == 0);
    CU_ASSERT(!state_opener_chunk(o, body, sizeof body));
    CU_ASSERT_PTR_NULL(state_opener_finish(o, &n));
    state_opener_destroy(o);
    state_opener_destroy(NULL);
    state_sealer_destroy(NULL);
}

/* A chunk without bytes where some are owed would make endless work. */
static void
test_empty_chunk(void)
{
    static const uint8_t zero_nonce[SEAL_NONCE_LEN];
    uint8_t ikm[64], info[14 + SEAL_HASH_LEN], salt[16], key[SEAL_KEY_LEN];
    uint8_t ad[SEAL_HASH_LEN + 13], body[STATE_CHUNK_OVERHEAD];
    struct state_opener *o;

    prepare();
    memcpy(ikm, secret, 32);
    memcpy(ikm + 32, session_key, 32);
    wire_put_bytes(wire_put_bytes(info, "baton state v1", 14), x, sizeof x);
    wire_put_uuid(salt, &transfer);
    seal_hkdf(ikm, sizeof ikm, salt, sizeof salt, info, sizeof info, key);
    wire_put_u64(wire_put_u8(wire_put_u32(wire_put_bytes(ad, x, 32), 0), 0),
                 TOTAL);
    seal_encrypt(key, zero_nonce, ad, sizeof ad, NULL, 0,
                 wire_put_u64(body, TOTAL));

    o = open_new(TOTAL);
    CU_ASSERT(!state_opener_chunk(o, body, sizeof body));
    state_opener_destroy(o);

    /* That it was sealed as the opener would want it: one with bytes opens. */
    wire_put_u64(body, TOTAL);
    o = open_new(TOTAL);
    {
        uint8_t full[BODY_MAX];

        seal_encrypt(key, zero_nonce, ad, sizeof ad, plain, CHUNK,
                     wire_put_u64(full, TOTAL));
        CU_ASSERT(!memcmp(full, bodies[0], sizeof full));
        CU_ASSERT(state_opener_chunk(o, full, sizeof full));
    }
    state_opener_destroy(o);
}

static void
check_wrap_refused(void)
{
    static const uint8_t zeros[SEAL_KEY_LEN];
    uint8_t key[SEAL_KEY_LEN];

    memset(key, 0xee, sizeof key);
    CU_ASSERT_PTR_NULL(
        state_opener_new(secret, &transfer, x, wrapped, TOTAL, key));
    CU_ASSERT(!memcmp(key, zeros, sizeof key));
}

static void
test_wrap(void)
{
    prepare();
    for (size_t i = 0; i < sizeof wrapped; i++) {
        wrapped[i] ^= 1;
        check_wrap_refused();
        wrapped[i] ^= 1;
    }
    secret[5] ^= 1;
    check_wrap_refused();
    secret[5] ^= 1;
    x[5] ^= 1;
    check_wrap_refused();
    x[5] ^= 1;
    transfer.parts[2] ^= 1;
    check_wrap_refused();
    transfer.parts[2] ^= 1;
}

/* Who knows the session key but not the ECDH secret (the controller) reads
 * nothing: the chunks of one secret do not open under another's. */
static void
test_secret_needed(void)
{
    uint8_t other_wrapped[STATE_WRAP_LEN];
    struct state_opener *o;

    prepare();
    secret[0] ^= 1;
    state_sealer_destroy(state_sealer_new(secret, session_key, &transfer, x,
                                          TOTAL, other_wrapped));
    memcpy(wrapped, other_wrapped, sizeof wrapped);
    o = open_new(TOTAL);
    CU_ASSERT(!state_opener_chunk(o, bodies[0], body_len[0]));
    state_opener_destroy(o);
}

static void
test_large(void)
{
    size_t total = 3 * STATE_CHUNK_MAX + 1;
    uint8_t *in = xmalloc(total);
    uint8_t *body = xmalloc(STATE_CHUNK_MAX + STATE_CHUNK_OVERHEAD);
    struct state_sealer *s;
    struct state_opener *o;
    const uint8_t *out;
    size_t n;

    prepare();
    seal_random(in, total);
    s = state_sealer_new(secret, session_key, &transfer, x, total, wrapped);
    o = open_new(total);
    for (size_t ofs = 0; ofs < total; ofs += STATE_CHUNK_MAX) {
        n = MIN(STATE_CHUNK_MAX, total - ofs);
        state_sealer_chunk(s, in + ofs, n, body);
        CU_ASSERT(state_opener_chunk(o, body, n + STATE_CHUNK_OVERHEAD));
    }
    out = state_opener_finish(o, &n);
    CU_ASSERT_FATAL(out != NULL);
    CU_ASSERT(n == total && !memcmp(in, out, total));
    state_sealer_destroy(s);
    state_opener_destroy(o);
    free(body);
    free(in);
}

static const struct unit_test tests[] = {
    { "a state arrives whole", test_whole },
    { "cut off, dropped, swapped, repeated", test_order },
    { "too big", test_too_big },
    { "a total that changes", test_total_changes },
    { "any bit changed", test_changed },
    { "a state without bytes", test_empty },
    { "a chunk without bytes", test_empty_chunk },
    { "the wrapped key", test_wrap },
    { "the session key alone opens nothing", test_secret_needed },
    { "chunks of the largest size", test_large },
};

int
main(void)
{
    return unit_run("state-seal", tests, ARRAY_SIZE(tests));
}
