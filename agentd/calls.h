/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_CALLS_H
#define BATON_CALLS_H 1

/* What a person at the device asks, by `baton`: APP_CALL messages with JSON
 * text {"call": NAME, ...}, answered by APP_RESULT with {"rows": [...]} or
 * {"error": TEXT}. */

#include <stdbool.h>

#include <stdint.h>

struct agent;
struct app_conn;
struct app_event;
struct jsonrpc_msg;
struct session;

void calls_init(struct agent *);
void calls_destroy(struct agent *);
void calls_handle(struct agent *, const struct app_event *);
/* True if 'msg' answered what a call had asked the controller. */
bool calls_handle_controller(struct agent *, const struct jsonrpc_msg *);
/* The connection with the controller was lost. */
void calls_controller_lost(struct agent *);
void calls_conn_closed(struct agent *, struct app_conn *);

/* An application asks what the bridge translates of 's'. */
void calls_ask_mapping(struct agent *, struct app_conn *,
                       const struct session *, uint64_t number);

#endif /* agentd/calls.h */
