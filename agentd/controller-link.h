/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_CONTROLLER_LINK_H
#define BATON_CONTROLLER_LINK_H 1

/* The agent's conversation with the controller: keeps a link, registers on
 * each new connection, holds the security association, and answers the
 * controller's challenges about where this device is attached.
 *
 * All else is pulled by the caller:
 *
 *     controller_link_run(cl);
 *     while ((msg = controller_link_recv(cl))) { ... }
 *
 * Requests are made through controller_link_get(), which never is NULL, and
 * simply fail while there is no connection. */

#include <stdbool.h>
#include <stdint.h>

#include "openvswitch/types.h"
#include "seal.h"

struct attachment;
struct controller_link;
struct identity;
struct json;
struct jsonrpc_msg;
struct link;

#define CLAIM_NONCE_LEN 16

struct controller_link *controller_link_open(const char *target,
                                             const struct identity *,
                                             const char *endpoint,
                                             struct attachment *);
void controller_link_close(struct controller_link *);
const char *controller_link_get_target(const struct controller_link *);
/* Connects anew, by whatever address the host uses now, and registers with
 * another endpoint. */
void controller_link_move(struct controller_link *, const char *endpoint);
void controller_link_run(struct controller_link *);
void controller_link_wait(struct controller_link *);

struct link *controller_link_get(struct controller_link *);

/* The "sessions" and "highest" members of the next registration, taken over:
 * asked for when controller_link_wants_announcements(). */
bool controller_link_wants_announcements(const struct controller_link *);
void controller_link_register(struct controller_link *, struct json *sessions,
                              struct json *highest);

bool controller_link_is_registered(const struct controller_link *);
/* Did a controller say last that it does not want this device?  It has seen to
 * the bridges without it. */
bool controller_link_is_refused(const struct controller_link *);
/* Changes at each registration. */
unsigned int controller_link_get_seqno(const struct controller_link *);
/* The reply to the last registration, until the next; NULL before. */
const struct json *
controller_link_get_registration(const struct controller_link *);

/* Where the controller has proof that we are.  Empty string: nowhere. */
const char *controller_link_get_ifname(const struct controller_link *);

/* Is that a plain LAN, without a bridge of the controller's? */
bool controller_link_is_on_lan(const struct controller_link *);

/* The security association; valid while registered. */
uint64_t controller_link_get_sa_id(const struct controller_link *);
const uint8_t *controller_link_get_sa_key(const struct controller_link *);
const uint8_t *controller_link_get_nonce(const struct controller_link *);

/* Next message that is not the link's own affair; the caller owns it. */
struct jsonrpc_msg *controller_link_recv(struct controller_link *);

#endif /* agentd/controller-link.h */
