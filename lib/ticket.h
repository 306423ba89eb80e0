/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_TICKET_H
#define BATON_TICKET_H 1

/* Ticket and claim proof of a transfer: the formulas of
 * Documentation/wire-protocol.rst, pure functions on bytes.  The state of the
 * session is sealed by state-seal. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "onward.h"
#include "openvswitch/uuid.h"
#include "seal.h"

/* What a transfer is about, the same at all three parties.  The names are
 * valid ones (message_name_is_valid()), checked when they arrived. */
struct ticket_terms {
    uint64_t sa_id; /* T's security association. */
    struct uuid transfer;
    struct uuid session;
    struct in6_addr address;
    uint64_t epoch;   /* At which the transfer began. */
    const char *from; /* T's device name. */
    const char *to;   /* G's. */
};

struct ticket_secret {
    uint8_t session_key[SEAL_KEY_LEN];
    enum onward onward; /* What G may do with it: see onward.h. */
    uint8_t depth;
};

#define TICKET_MAX 512 /* Bytes: AD, sealed part, tag. */

/* Returns the ticket's length. */
size_t ticket_seal(const struct ticket_terms *,
                   const uint8_t sa_key[SEAL_KEY_LEN],
                   const struct ticket_secret *, uint8_t ticket[TICKET_MAX]);
/* Opens 'ticket', which must have been sealed under these very terms.
 * Returns NULL, or what is wrong, which the caller frees; then the secret is
 * all zeros. */
char *ticket_open(const uint8_t *ticket, size_t n, const struct ticket_terms *,
                  const uint8_t sa_key[SEAL_KEY_LEN], struct ticket_secret *);

/* X of wire-protocol.rst. */
void ticket_bind(const struct ticket_terms *,
                 const uint8_t t_point[SEAL_POINT_LEN],
                 const uint8_t g_point[SEAL_POINT_LEN],
                 uint8_t x[SEAL_HASH_LEN]);

/* What G signs when it accepts an offer. */
#define TICKET_ACCEPT_LEN (15 + 16 + SEAL_HASH_LEN)
void ticket_accept(const struct uuid *transfer, const uint8_t x[SEAL_HASH_LEN],
                   uint8_t text[TICKET_ACCEPT_LEN]);

void ticket_proof(const struct ticket_terms *,
                  const uint8_t session_key[SEAL_KEY_LEN],
                  const uint8_t ticket_hash[SEAL_HASH_LEN], const void *nonce,
                  size_t nonce_len, uint8_t proof[SEAL_HASH_LEN]);

#endif /* lib/ticket.h */
