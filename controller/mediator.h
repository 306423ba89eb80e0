/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_MEDIATOR_H
#define BATON_MEDIATOR_H 1

/* Between the state machine of transfers, which only wants things done, and
 * the records, bridges and devices: carries out its actions and feeds it what
 * came of them.  Keeps the bridges' flows as records, leases and places say.
 *
 * After each event mediator_act() does all that can be done at once, so that
 * what follows from a message leaves in the same turn. */

#include <stdbool.h>

struct controller;
struct device;
struct in6_addr;
struct jsonrpc_msg;
struct network_event;
struct record;
struct transfer;
struct uuid;

/* Carries out what transfers want, until they want no more. */
void mediator_act(struct controller *);
/* The same, and deadlines, barriers and expired leases. */
void mediator_run(struct controller *);
void mediator_wait(struct controller *);

/* A bridge was lost, synchronised, or made anew. */
void mediator_bridge_event(struct controller *, const struct network_event *);
/* Sets anew the flows of what points to 'device', but for its sessions if it is
 * in a new place: these follow it by roaming.h. */
void mediator_place_changed(struct controller *, const struct device *);
/* There is no device of that name any more: its sessions have no flows. */
void mediator_device_gone(struct controller *, const char *name);
/* Sets the flows of all blocks and sessions whose home is 'bridge'. */
void mediator_refresh_bridge(struct controller *, const char *bridge);
/* As the record says. */
void mediator_refresh_session(struct controller *, const struct record *);

/* Answers 'device' about a transfer of a session begun at 'epoch', which has
 * been decided: 'record' is above that epoch. */
void mediator_answer(struct controller *, struct device *,
                     const struct uuid *transfer, const struct record *,
                     bool target);
/* "pending". */
void mediator_answer_pending(struct device *, const struct uuid *transfer);
/* Nothing comes, or goes, by 'transfer'. */
void mediator_unexpect(struct device *, const struct uuid *transfer,
                       const char *reason);

/* A moved session that had ended when we started: its address rests once more,
 * as nobody knows for how long it did. */
void mediator_session_rests(struct controller *, const struct record *);
/* The session ended at its owner: its flows go, its address rests. */
void mediator_session_ended(struct controller *, const struct uuid *session,
                            const struct in6_addr *);

#endif /* controller/mediator.h */
