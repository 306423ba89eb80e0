/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_EVENTS_H
#define BATON_EVENTS_H 1

/* What happened to sessions here, for `baton log` and `baton watch`. */

#include <sys/types.h>

struct agent;
struct app_conn;
struct json;
struct uuid;

void events_init(struct agent *);
void events_destroy(struct agent *);

/* Also logs the text at INFO.  'uid': whose session it is; others than root
 * and that user do not see the event. */
void events_add(struct agent *, const struct uuid *session, uid_t uid,
                const char *format, ...) __attribute__((format(printf, 4, 5)));

/* An array of objects {time, session, event} that 'uid' may see. */
struct json *events_to_json(const struct agent *, uid_t uid);

/* From now on 'conn' gets each event as an APP_RESULT. */
void events_watch(struct agent *, struct app_conn *);
void events_conn_closed(struct agent *, struct app_conn *);

#endif /* agentd/events.h */
