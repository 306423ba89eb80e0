/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_SETTLE_H
#define BATON_SETTLE_H 1

/* Where the addresses of this device's sessions are bound: on the interface by
 * which their packets come, not on the loopback, where they wait while they
 * are nobody's. */

struct agent;
struct session;

/* Binds the address of a session that is ours where the others are. */
void settle_address(struct agent *, struct session *);
/* A move of the session has come to nothing: does for it what waited for the
 * end of the one by which it came, if that has passed meanwhile. */
void settle_after_move(struct agent *, struct session *);
/* Settles those whose tunnel has opened. */
void settle_run(struct agent *);

#endif /* agentd/settle.h */
