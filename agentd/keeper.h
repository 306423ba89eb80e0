/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_KEEPER_H
#define BATON_KEEPER_H 1

/* Keeps the sessions that are this device's: tells the controller of them, and
 * ends them. */

#include <stdint.h>

struct agent;
struct json;
struct session;

/* The controller is told of a session that was opened here or came. */
void keeper_announce(struct agent *, const struct session *);
/* The same, again and again until the controller has answered: what it knows
 * may be news to us. */
void keeper_announce_surely(struct agent *, struct session *);
/* It has. */
void keeper_was_announced(struct session *);
/* The same as an object of a registration. */
struct json *keeper_announcement(const struct session *);

/* Tells the application of a session that is open; 'number' is that of its
 * request. */
void keeper_tell_opened(struct agent *, const struct session *,
                        uint64_t number);

/* Ends 'session' here: its application has closed it, or is gone.  The
 * address stays bound until its connections had time to close. */
void keeper_end(struct agent *, struct session *);
/* Forgets 'session' without more: it has moved, or was lost. */
void keeper_drop(struct agent *, struct session *);

void keeper_run(struct agent *);
void keeper_wait(const struct agent *);

#endif /* agentd/keeper.h */
