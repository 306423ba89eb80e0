/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_TICKET_H
#define BATON_TICKET_H 1

/* Ticket, claim proof and sealed state of a transfer: the formulas of
 * Documentation/wire-protocol.rst, pure functions on bytes. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "openvswitch/uuid.h"
#include "seal.h"

/* What a transfer is about, the same at all three parties. */
struct ticket_terms {
    uint64_t sa_id;             /* T's security association. */
    struct uuid transfer;
    struct uuid session;
    struct in6_addr address;
    uint64_t epoch;             /* At which the transfer began. */
    const char *from;           /* T's device name. */
    const char *to;             /* G's. */
};

enum onward { ONWARD_NONE, ONWARD_BACK, ONWARD_GROUP, ONWARD_ANY };

struct ticket_secret {
    uint8_t session_key[SEAL_KEY_LEN];
    enum onward onward;
    uint8_t depth;
};

#define TICKET_MAX 512          /* Bytes: AD, sealed part, tag. */

/* Returns the ticket's length. */
size_t ticket_seal(const struct ticket_terms *, const uint8_t sa_key[],
                   const struct ticket_secret *, uint8_t ticket[TICKET_MAX]);
/* Opens 'ticket', which must have been sealed under these very terms.
 * Returns NULL, or what is wrong, which the caller frees. */
char *ticket_open(const uint8_t *ticket, size_t n, const struct ticket_terms *,
                  const uint8_t sa_key[], struct ticket_secret *);

/* X of wire-protocol.rst. */
void ticket_bind(const struct ticket_terms *,
                 const uint8_t t_point[SEAL_POINT_LEN],
                 const uint8_t g_point[SEAL_POINT_LEN],
                 uint8_t x[SEAL_HASH_LEN]);

void ticket_proof(const struct ticket_terms *,
                  const uint8_t session_key[SEAL_KEY_LEN],
                  const uint8_t ticket_hash[SEAL_HASH_LEN],
                  const void *nonce, size_t nonce_len,
                  uint8_t proof[SEAL_HASH_LEN]);

/* Sealing of the state, T's side and G's. */
#define STATE_CHUNK_MAX 65536   /* Bytes of plain text in a chunk. */
#define STATE_WRAP_LEN (SEAL_KEY_LEN + SEAL_TAG_LEN)

struct state_sealer;
struct state_sealer *state_sealer_new(const uint8_t secret[SEAL_KEY_LEN],
                                      const uint8_t session_key[SEAL_KEY_LEN],
                                      const struct uuid *transfer,
                                      const uint8_t x[SEAL_HASH_LEN],
                                      uint64_t total,
                                      uint8_t wrapped[STATE_WRAP_LEN]);
/* Seals the next n <= STATE_CHUNK_MAX bytes; 'out' takes n + SEAL_TAG_LEN. */
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
/* Feeds the next sealed chunk.  Returns false if it does not open, comes out
 * of order, or exceeds 'size_max'.  The total length is the sealer's word,
 * carried by each chunk's first 8 bytes in clear and authenticated. */
bool state_opener_chunk(struct state_opener *, const void *sealed, size_t n);
/* The whole plain text once the last chunk came, else NULL; owned by the
 * opener until it is destroyed, which wipes it. */
const uint8_t *state_opener_finish(const struct state_opener *, size_t *n);
void state_opener_destroy(struct state_opener *);

#endif /* lib/ticket.h */
