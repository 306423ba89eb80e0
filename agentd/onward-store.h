/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_ONWARD_STORE_H
#define BATON_ONWARD_STORE_H 1

/* What is to be given along when a session moves that began on this device, as
 * its application or a person said (session_set_give_onward()), remembered
 * while the session is elsewhere, and for the agent that comes after: when it
 * is back, it is as it was.
 *
 *     onward_store_open(agent, state_dir);
 *     onward_store_set(agent, s);            after somebody has said it
 *     onward_store_recall(agent, s);         's' has come, or was found again
 *
 * Nothing is remembered of a session whose giver's word on it limits us. */

struct agent;
struct session;
struct uuid;

void onward_store_open(struct agent *, const char *state_dir);
void onward_store_close(struct agent *);
/* Writes what has changed. */
void onward_store_run(struct agent *);
void onward_store_wait(const struct agent *);

void onward_store_set(struct agent *, const struct session *);
void onward_store_recall(struct agent *, struct session *);
/* The session has ended here. */
void onward_store_forget(struct agent *, const struct uuid *session);

#endif /* agentd/onward-store.h */
