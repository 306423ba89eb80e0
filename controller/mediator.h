/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_MEDIATOR_H
#define BATON_MEDIATOR_H 1

/* Between the state machine of transfers, which only wants things done, and
 * the records, bridges and devices: carries out its actions and feeds it what
 * came of them.
 *
 * After each event mediator_act() does all that can be done at once, so that
 * what follows from a message leaves in the same turn. */

#include <stdbool.h>

struct controller;
struct in6_addr;
struct network_event;
struct record;
struct uuid;

/* Carries out what transfers want, until they want no more. */
void mediator_act(struct controller *);
/* The same, and deadlines, barriers and expired leases. */
void mediator_run(struct controller *);
void mediator_wait(struct controller *);

/* A bridge was lost, synchronised, or made anew. */
void mediator_bridge_event(struct controller *, const struct network_event *);
/* A moved session that had ended when we started: its address rests once more,
 * as nobody knows for how long it did. */
void mediator_session_rests(struct controller *, const struct record *);
/* The session ended at its owner: its flows go, its address rests. */
void mediator_session_ended(struct controller *, const struct uuid *session,
                            const struct in6_addr *);

#endif /* controller/mediator.h */
