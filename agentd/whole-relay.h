/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_WHOLE_RELAY_H
#define BATON_WHOLE_RELAY_H 1

/* Plays the one application that a whole address has for the agent: passes on
 * to its members what it is told, and answers when all of them have.  For
 * whole.c only. */

#include "app-protocol.h"

struct agent;
struct uuid;
struct whole_bundle;

/* Tells the agent.  'reason' may be NULL; 'state_fd' stays the caller's, -1:
 * none. */
void whole_say(struct agent *, const struct uuid *session,
               enum app_message_type, const char *reason, int state_fd);
/* Answers what is asked, if all members have. */
void whole_answer_if_done(struct agent *, struct whole_bundle *);
/* Tells all members that the session is gone. */
void whole_say_gone(struct agent *, struct whole_bundle *, const char *reason);

#endif /* agentd/whole-relay.h */
