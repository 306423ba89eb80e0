/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_GUARD_H
#define BATON_GUARD_H 1

/* What becomes of a packet that a bridge's source guard refused: an owner's,
 * or a former owner's that was on its way, is passed on; any other is counted
 * and goes nowhere. */

struct bridge;
struct bridge_packet;
struct controller;
struct in6_addr;

void guard_handle_packet(struct controller *, struct bridge *,
                         const struct bridge_packet *);

/* Who may send from 'addr': the record's owner, or the lessee; or NULL. */
const char *guard_owner(const struct controller *,
                        const struct in6_addr *addr);

#endif /* controller/guard.h */
