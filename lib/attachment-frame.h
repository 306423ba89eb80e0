/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_ATTACHMENT_FRAME_H
#define BATON_ATTACHMENT_FRAME_H 1

/* The frames by which a device proves its place on a bridge: see
 * "Attachment frames" in Documentation/wire-protocol.rst.  Pure functions on
 * bytes, for both daemons. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/types.h"
#include "openvswitch/uuid.h"
#include "seal.h"

#define ATTACHMENT_ETH_TYPE 0x88b5
#define ATTACHMENT_NONCE_LEN 16
#define ATTACHMENT_FRAME_LEN (14 + 4 + 2 + 8 + ATTACHMENT_NONCE_LEN + 32)

enum attachment_kind {
    ATTACHMENT_ANSWER = 1, /* Device to controller: I am here. */
    ATTACHMENT_PROBE = 2,  /* Controller to device: really? */
    ATTACHMENT_FLUSH = 3,  /* Device to controller, nonce = transfer: what
                                 * the session sent has gone before this. */
    /* Through a tunnel that ends at the device, both as large as fits. */
    ATTACHMENT_TUNNEL_PROBE = 4,  /* Controller to device: are you there? */
    ATTACHMENT_TUNNEL_ANSWER = 5, /* Device to controller, same nonce. */
};

struct attachment_frame {
    struct eth_addr src, dst;
    enum attachment_kind kind;
    uint64_t sa_id;
    uint8_t nonce[ATTACHMENT_NONCE_LEN];
    uint8_t mac[SEAL_HASH_LEN]; /* The HMAC. */
};

/* Writes ATTACHMENT_FRAME_LEN bytes, with its HMAC made with 'sa_key'.  To the
 * controller 'dst' is ignored: the group address. */
void attachment_frame_compose(const struct attachment_frame *,
                              const uint8_t sa_key[SEAL_KEY_LEN],
                              uint8_t frame[ATTACHMENT_FRAME_LEN]);
/* False if the form is wrong.  Does not look at the HMAC.  Behind a frame that
 * went through a tunnel anything may follow; it need not be there. */
bool attachment_frame_parse(const void *frame, size_t n,
                            struct attachment_frame *);
/* Of ATTACHMENT_FLUSH, which has it for a nonce. */
struct uuid attachment_frame_transfer(const struct attachment_frame *);
bool attachment_frame_verify(const struct attachment_frame *,
                             const uint8_t sa_key[SEAL_KEY_LEN]);

#endif /* lib/attachment-frame.h */
