/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_AGENT_ATTACHMENT_H
#define BATON_AGENT_ATTACHMENT_H 1

/* The device's half of the proof of attachment: sends the answer frame out of
 * the interfaces, and hands up the nonces of probe frames that come back.
 * What comes out of a tunnel of this host's own (tunnel-ends.h) is answered
 * there and then. */

#include <stdbool.h>
#include <stdint.h>

#include "attachment-frame.h"
#include "openvswitch/uuid.h"

struct attachment;

/* 'ifnames' NULL-terminated, from --interface; empty: every Ethernet
 * interface that is up, but lo. */
struct attachment *attachment_open(const char *const *ifnames, char **errorp);
void attachment_close(struct attachment *);
void attachment_run(struct attachment *);
void attachment_wait(struct attachment *);

/* The given names, of which there may be none. */
const char *const *attachment_ifnames(const struct attachment *, size_t *n);
/* A tunnel's interface was made, or is gone: it takes no part in the rest. */
int attachment_add_tunnel(struct attachment *, const char *ifname);
void attachment_remove_tunnel(struct attachment *, const char *ifname);

/* Answers a challenge from each interface. */
void attachment_answer(struct attachment *, uint64_t sa_id,
                       const uint8_t sa_key[SEAL_KEY_LEN],
                       const uint8_t nonce[ATTACHMENT_NONCE_LEN]);

/* Sends a frame out of 'ifname' that tells the controller that all which this
 * host sent before has passed the bridge. */
void attachment_flush(struct attachment *, const char *ifname, uint64_t sa_id,
                      const uint8_t sa_key[SEAL_KEY_LEN],
                      const struct uuid *transfer);

/* Next probe received whose HMAC is right under 'sa_key' and whose SA id is
 * 'sa_id': its nonce, and the interface it came by.  False when none.  Answers
 * those of tunnels on the way. */
bool attachment_next_probe(struct attachment *, uint64_t sa_id,
                           const uint8_t sa_key[SEAL_KEY_LEN],
                           uint8_t nonce[ATTACHMENT_NONCE_LEN],
                           char ifname[16]);

#endif /* agentd/attachment.h */
