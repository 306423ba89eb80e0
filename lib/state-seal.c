/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "state-seal.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/uuid.h"
#include "util.h"
#include "wire.h"

#define WRAP_LABEL "baton wrap v1"
#define STATE_LABEL "baton state v1"
#define CHUNK_AD_LEN (SEAL_HASH_LEN + 4 + 1 + 8)

/* Where both sides are in the stream of chunks. */
struct progress {
    uint8_t key[SEAL_KEY_LEN]; /* The state key. */
    uint8_t x[SEAL_HASH_LEN];
    uint64_t total, done; /* Bytes of plain text. */
    uint32_t index;       /* Of the next chunk. */
    bool last;            /* The last chunk is done. */
};

struct state_sealer {
    struct progress at;
};

struct state_opener {
    struct progress at;
    uint64_t size_max;
    uint8_t *plain; /* NULL before the first chunk. */
    bool broken;
};

static const uint8_t zero_nonce[SEAL_NONCE_LEN];

static void
derive(const void *ikm, size_t ikm_len, const struct uuid *transfer,
       const char *label, const uint8_t x[SEAL_HASH_LEN],
       uint8_t key[SEAL_KEY_LEN])
{
    uint8_t salt[16], info[sizeof STATE_LABEL + SEAL_HASH_LEN];
    uint8_t *p = wire_put_bytes(info, label, strlen(label));

    p = wire_put_bytes(p, x, SEAL_HASH_LEN);
    wire_put_uuid(salt, transfer);
    seal_hkdf(ikm, ikm_len, salt, sizeof salt, info, p - info, key);
}

static void
progress_init(struct progress *at, const uint8_t secret[SEAL_KEY_LEN],
              const uint8_t session_key[SEAL_KEY_LEN],
              const struct uuid *transfer, const uint8_t x[SEAL_HASH_LEN])
{
    uint8_t ikm[2 * SEAL_KEY_LEN];

    memcpy(ikm, secret, SEAL_KEY_LEN);
    memcpy(ikm + SEAL_KEY_LEN, session_key, SEAL_KEY_LEN);
    derive(ikm, sizeof ikm, transfer, STATE_LABEL, x, at->key);
    seal_wipe(ikm, sizeof ikm);
    memcpy(at->x, x, SEAL_HASH_LEN);
}

/* Nonce and associated data of the next chunk, which brings 'n' bytes. */
static void
progress_next(const struct progress *at, size_t n,
              uint8_t nonce[SEAL_NONCE_LEN], uint8_t ad[CHUNK_AD_LEN])
{
    uint8_t *p = wire_put_bytes(ad, at->x, SEAL_HASH_LEN);

    p = wire_put_u32(p, at->index);
    p = wire_put_u8(p, at->done + n == at->total);
    wire_put_u64(p, at->total);

    wire_put_u32(wire_put_u64(nonce, 0), at->index);
}

static void
progress_advance(struct progress *at, size_t n)
{
    at->done += n;
    at->index++;
    at->last = at->done == at->total;
}

/* May a chunk of 'n' bytes come now?  Only a state without bytes has a chunk
 * without bytes, so no state has more chunks than bytes. */
static bool
progress_allows(const struct progress *at, size_t n)
{
    return !at->last && n <= STATE_CHUNK_MAX && n <= at->total - at->done
           && (n > 0 || !at->total) && at->index < UINT32_MAX;
}

struct state_sealer *
state_sealer_new(const uint8_t secret[SEAL_KEY_LEN],
                 const uint8_t session_key[SEAL_KEY_LEN],
                 const struct uuid *transfer, const uint8_t x[SEAL_HASH_LEN],
                 uint64_t total, uint8_t wrapped[STATE_WRAP_LEN])
{
    struct state_sealer *s = xzalloc(sizeof *s);
    uint8_t key[SEAL_KEY_LEN];

    derive(secret, SEAL_KEY_LEN, transfer, WRAP_LABEL, x, key);
    seal_encrypt(key, zero_nonce, NULL, 0, session_key, SEAL_KEY_LEN, wrapped);
    seal_wipe(key, sizeof key);

    progress_init(&s->at, secret, session_key, transfer, x);
    s->at.total = total;
    return s;
}

void
state_sealer_chunk(struct state_sealer *s, const void *plain, size_t n,
                   void *out)
{
    uint8_t nonce[SEAL_NONCE_LEN], ad[CHUNK_AD_LEN];

    ovs_assert(progress_allows(&s->at, n));
    progress_next(&s->at, n, nonce, ad);
    seal_encrypt(s->at.key, nonce, ad, sizeof ad, plain, n,
                 wire_put_u64(out, s->at.total));
    progress_advance(&s->at, n);
}

void
state_sealer_destroy(struct state_sealer *s)
{
    if (s) {
        seal_wipe(s, sizeof *s);
        free(s);
    }
}

struct state_opener *
state_opener_new(const uint8_t secret[SEAL_KEY_LEN],
                 const struct uuid *transfer, const uint8_t x[SEAL_HASH_LEN],
                 const uint8_t wrapped[STATE_WRAP_LEN], uint64_t size_max,
                 uint8_t session_key[SEAL_KEY_LEN])
{
    struct state_opener *o;
    uint8_t key[SEAL_KEY_LEN];
    bool ok;

    derive(secret, SEAL_KEY_LEN, transfer, WRAP_LABEL, x, key);
    ok = seal_decrypt(key, zero_nonce, NULL, 0, wrapped, STATE_WRAP_LEN,
                      session_key);
    seal_wipe(key, sizeof key);
    if (!ok) {
        return NULL;
    }
    o = xzalloc(sizeof *o);
    progress_init(&o->at, secret, session_key, transfer, x);
    o->size_max = MIN(size_max, STATE_TOTAL_MAX);
    return o;
}

/* The first chunk says how much will come. */
static bool
opener_begin(struct state_opener *o, uint64_t total)
{
    if (total > o->size_max) {
        return false;
    }
    o->plain = malloc(total ? total : 1);
    o->at.total = total;
    return o->plain != NULL;
}

static bool
opener_feed(struct state_opener *o, const uint8_t *body, size_t n)
{
    uint8_t nonce[SEAL_NONCE_LEN], ad[CHUNK_AD_LEN];
    uint64_t total;

    if (n < STATE_CHUNK_OVERHEAD) {
        return false;
    }
    total = wire_get_u64(body);
    n -= STATE_CHUNK_OVERHEAD;
    if ((!o->plain && !opener_begin(o, total)) || total != o->at.total
        || !progress_allows(&o->at, n)) {
        return false;
    }
    progress_next(&o->at, n, nonce, ad);
    if (!seal_decrypt(o->at.key, nonce, ad, sizeof ad, body + 8,
                      n + SEAL_TAG_LEN, o->plain + o->at.done)) {
        return false;
    }
    progress_advance(&o->at, n);
    return true;
}

bool
state_opener_chunk(struct state_opener *o, const void *body, size_t n)
{
    if (!o->broken && !opener_feed(o, body, n)) {
        o->broken = true;
    }
    return !o->broken;
}

const uint8_t *
state_opener_finish(const struct state_opener *o, size_t *n)
{
    if (o->broken || !o->at.last) {
        *n = 0;
        return NULL;
    }
    *n = o->at.total;
    return o->plain;
}

void
state_opener_destroy(struct state_opener *o)
{
    if (o) {
        if (o->plain) {
            /* Nothing was written beyond 'done': a wrong chunk is wiped where
             * it was opened. */
            seal_wipe(o->plain, o->at.done);
            free(o->plain);
        }
        seal_wipe(o, sizeof *o);
        free(o);
    }
}
