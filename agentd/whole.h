/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_WHOLE_H
#define BATON_WHOLE_H 1

/* The applications of a whole address.
 *
 * A session has one application.  A permanent address is one session too, but
 * several applications may have offered sockets on it.  To the rest of the
 * agent they are one: this module plays that one, at the other end of a
 * connection like any (struct app_conn), and passes on to its *members*, the
 * real ones, what it is told:
 *
 *     PAUSE     to each; PAUSED once all have paused, with one state made of
 *               theirs
 *     ARRIVED   the state is taken apart again: to each its sockets and its
 *               own state; READY once all are ready
 *     others    to each
 *
 * So a whole address moves as a session does, by the same state machines.
 * What goes before the offer is accepted, finding or starting the applications
 * at the target, is asked for separately: their services are in the offer
 * ("parts").  Of one service there is one member at the most.
 *
 * An address without a member moves alone.  An address that came with members
 * ends here when the last one has ended. */

#include <stdbool.h>

struct agent;
struct app_conn;
struct app_event;
struct json;
struct json_array;
struct note;
struct session;
struct uuid;
struct whole;

int whole_open(struct agent *, char **errorp);
void whole_close(struct agent *);
void whole_run(struct agent *);
void whole_wait(struct agent *);

/* The one application of all sessions that are whole addresses. */
struct app_conn *whole_conn(const struct agent *);

/* From applications.  OPEN with APP_FLAG_PERMANENT: */
void whole_handle_open(struct agent *, const struct app_event *);
/* A message about 's', a whole address.  False: to be handled as of any
 * session; the sender is a member. */
bool whole_handle_app(struct agent *, struct session *, struct app_event *);
/* PRESENT, after the agent was started again.  Takes the descriptors. */
void whole_handle_present(struct agent *, struct app_event *,
                          const struct note *);
void whole_conn_closed(struct agent *, struct app_conn *);

/* For transfers. */

/* Puts "parts", the services of the members, into an offer of 's'. */
void whole_put_parts(const struct agent *, const struct session *,
                     struct json *offer);
/* Finds or starts applications for what comes.  On failure returns false and a
 * sentence, which the caller frees. */
bool whole_expect(struct agent *, const struct uuid *session,
                  const struct json_array *parts, const char *from,
                  char **reasonp);
/* Have all of them said something? */
bool whole_is_ready(const struct agent *, const struct uuid *session);
/* It does not come after all, or is gone. */
void whole_forget(struct agent *, const struct uuid *session);
/* Ends it for all members. */
void whole_end(struct agent *, struct session *, const char *reason);

#endif /* agentd/whole.h */
