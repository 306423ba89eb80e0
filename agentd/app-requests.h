/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_APP_REQUESTS_H
#define BATON_APP_REQUESTS_H 1

/* What applications ask of the agent, message by message: opening sessions,
 * adding sockets, moving, ending; and what they show after the agent was
 * started again.  Only the user that opened a session, or root, is obeyed. */

#include <stdint.h>

struct agent;
struct app_conn;
struct app_event;
struct session;

/* Takes over the event's descriptors. */
void app_requests_handle(struct agent *, struct app_event *);
void app_requests_conn_closed(struct agent *, struct app_conn *);
/* Applications that wait for an address. */
void app_requests_run(struct agent *);
void app_requests_wait(struct agent *);
void app_requests_destroy(struct agent *);

#endif /* agentd/app-requests.h */
