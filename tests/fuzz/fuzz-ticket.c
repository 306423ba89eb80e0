/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "ticket.h"

#include "fuzz.h"
#include "state-seal.h"
#include "util.h"
#include "wire.h"

static const uint8_t key[SEAL_KEY_LEN];
static const uint8_t x[SEAL_HASH_LEN];
static const struct ticket_terms terms = {
    .sa_id = 1,
    .transfer = { { 1, 2, 3, 4 } },
    .session = { { 5, 6, 7, 8 } },
    .address = { { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1 } } },
    .epoch = 9,
    .from = "laptop",
    .to = "tv",
};

/* A ticket of any bytes. */
static void
fuzz_raw_ticket(struct fuzz_input *in)
{
    struct ticket_secret secret;
    size_t n;
    uint8_t *ticket = fuzz_bytes(in, SIZE_MAX, &n);

    free(ticket_open(ticket, n, &terms, key, &secret));
    free(ticket);
}

/* A good ticket, changed in places: it opens only if it came out the same. */
static void
fuzz_changed_ticket(struct fuzz_input *in)
{
    struct ticket_secret secret = { .onward = ONWARD_BACK, .depth = 1 }, out;
    uint8_t good[TICKET_MAX], ticket[TICKET_MAX];
    size_t n = ticket_seal(&terms, key, &secret, good);
    char *error;

    memcpy(ticket, good, n);
    while (in->n) {
        size_t ofs = fuzz_u8(in);

        ticket[MIN(ofs, n - 1)] ^= fuzz_u8(in);
    }
    error = ticket_open(ticket, n, &terms, key, &out);
    fuzz_check(!error == !memcmp(ticket, good, n));
    free(error);
}

static struct state_opener *
open_state(uint64_t size_max)
{
    uint8_t wrapped[STATE_WRAP_LEN], session_key[SEAL_KEY_LEN];
    struct state_opener *o;

    state_sealer_destroy(
        state_sealer_new(key, key, &terms.transfer, x, 0, wrapped));
    o = state_opener_new(key, &terms.transfer, x, wrapped, size_max,
                         session_key);
    fuzz_check(o != NULL);
    return o;
}

/* Chunks of any bytes. */
static void
fuzz_raw_chunks(struct fuzz_input *in)
{
    struct state_opener *o = open_state(4096);
    size_t n;

    while (in->n) {
        uint8_t *body = fuzz_bytes(in, fuzz_u8(in), &n);

        fuzz_check(!state_opener_chunk(o, body, n)); /* Nobody's seal. */
        free(body);
    }
    fuzz_check(!state_opener_finish(o, &n) && !n);
    state_opener_destroy(o);
}

/* A transferring device that knows the key and lies: chunks well sealed, with
 * any index, last flag, total and length.  What is taken is what the protocol
 * allows, neither more nor less. */
static void
fuzz_sealed_chunks(struct fuzz_input *in)
{
    static const uint8_t plain[256];
    uint8_t ikm[2 * SEAL_KEY_LEN] = { 0 }, info[14 + SEAL_HASH_LEN];
    uint8_t salt[16], state_key[SEAL_KEY_LEN];
    uint64_t total = 0, done = 0, size_max = fuzz_u8(in);
    struct state_opener *o = open_state(size_max);
    uint32_t index = 0;
    bool ok = true, whole = false;
    size_t n;

    wire_put_bytes(wire_put_bytes(info, "baton state v1", 14), x, sizeof x);
    wire_put_uuid(salt, &terms.transfer);
    seal_hkdf(ikm, sizeof ikm, salt, sizeof salt, info, sizeof info,
              state_key);

    while (in->n) {
        uint32_t its_index = index + (int8_t) fuzz_u8(in);
        uint64_t its_total = fuzz_u8(in);
        uint8_t last = fuzz_u8(in);
        uint8_t nonce[SEAL_NONCE_LEN], ad[SEAL_HASH_LEN + 13];
        uint8_t body[256 + STATE_CHUNK_OVERHEAD];

        n = fuzz_u8(in);
        wire_put_u32(wire_put_u64(nonce, 0), its_index);
        wire_put_u64(wire_put_u8(wire_put_u32(wire_put_bytes(ad, x, sizeof x),
                                              its_index),
                                 last),
                     its_total);
        seal_encrypt(state_key, nonce, ad, sizeof ad, plain, n,
                     wire_put_u64(body, its_total));

        total = index || !ok ? total : its_total;
        ok = ok && !whole && its_index == index && its_total == total
             && total <= size_max && n <= total - done && (n || !total)
             && last == (done + n == total);
        fuzz_check(state_opener_chunk(o, body, n + STATE_CHUNK_OVERHEAD)
                   == ok);
        if (ok) {
            done += n;
            index++;
            whole = done == total;
        }
        fuzz_check(!state_opener_finish(o, &n) == !(ok && whole));
        fuzz_check(n == (ok && whole ? total : 0));
    }
    state_opener_destroy(o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fuzz_input in = { data, n };

    switch (fuzz_u8(&in) % 4) {
    case 0: fuzz_raw_ticket(&in); break;
    case 1: fuzz_changed_ticket(&in); break;
    case 2: fuzz_raw_chunks(&in); break;
    case 3: fuzz_sealed_chunks(&in); break;
    }
    return 0;
}
