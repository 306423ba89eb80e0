/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_STATE_SEAL_H
#define BATON_STATE_SEAL_H 1

/* Sealing of a session's state between the transferring device (sealer) and
 * the target (opener): "Ticket, state and proof" of
 * Documentation/wire-protocol.rst.
 *
 *     T: s = state_sealer_new(..., total, wrapped);   wrapped: frame type 2
 *        state_sealer_chunk(s, bytes, n, out);        out: body of type 3
 *        ... until 'total' bytes went; total 0 is one chunk of 0 bytes
 *        state_sealer_destroy(s);
 *     G: o = state_opener_new(..., wrapped, ...);
 *        state_opener_chunk(o, body, n) as bodies arrive
 *        state = state_opener_finish(o, &n);          NULL: more must come
 *        state_opener_destroy(o);
 *
 * A chunk opens only in its place: index, last flag and total length are
 * authenticated, so nothing can be cut off, repeated or put in another order.
 * Both wipe what they hold when destroyed; each accepts NULL there. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "seal.h"

struct uuid;

#define STATE_TOTAL_MAX (UINT64_C(1) << 30) /* More no opener takes. */
#define STATE_CHUNK_MAX 65536 /* Bytes of plain text in a chunk. */
/* Bytes that a chunk's frame body has beside its plain text. */
#define STATE_CHUNK_OVERHEAD (8 + SEAL_TAG_LEN)
#define STATE_WRAP_LEN (SEAL_KEY_LEN + SEAL_TAG_LEN)

struct state_sealer;
/* 'secret' is what seal_ecdh() gave, 'x' what ticket_bind() gave.  Stores the
 * session key, sealed to G, in 'wrapped'. */
struct state_sealer *state_sealer_new(const uint8_t secret[SEAL_KEY_LEN],
                                      const uint8_t session_key[SEAL_KEY_LEN],
                                      const struct uuid *transfer,
                                      const uint8_t x[SEAL_HASH_LEN],
                                      uint64_t total,
                                      uint8_t wrapped[STATE_WRAP_LEN]);
/* Seals the next n <= STATE_CHUNK_MAX bytes, of the 'total' that were
 * promised; 'out' takes n + STATE_CHUNK_OVERHEAD. */
void state_sealer_chunk(struct state_sealer *, const void *plain, size_t n,
                        void *out);
void state_sealer_destroy(struct state_sealer *);

struct state_opener;
/* NULL if 'wrapped' does not open. */
struct state_opener *state_opener_new(const uint8_t secret[SEAL_KEY_LEN],
                                      const struct uuid *transfer,
                                      const uint8_t x[SEAL_HASH_LEN],
                                      const uint8_t wrapped[STATE_WRAP_LEN],
                                      uint64_t size_max,
                                      uint8_t session_key[SEAL_KEY_LEN]);
/* Feeds the next chunk's frame body.  Returns false if it does not open, comes
 * out of order, or its total exceeds 'size_max' (the total length is the
 * sealer's word, in clear in the body's first 8 bytes, and authenticated).
 * Once false, always false. */
bool state_opener_chunk(struct state_opener *, const void *body, size_t n);
/* The whole plain text once the last chunk came, else NULL; owned by the
 * opener. */
const uint8_t *state_opener_finish(const struct state_opener *, size_t *n);
void state_opener_destroy(struct state_opener *);

#endif /* lib/state-seal.h */
