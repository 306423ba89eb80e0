/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_APP_SEND_H
#define BATON_APP_SEND_H 1

/* Messages from the agent to an application, put together.  Each does nothing
 * if 'conn' is NULL. */

#include <stddef.h>

#include "app-protocol.h"

struct app_conn;
struct json;
struct note;
struct session;
struct uuid;

/* 'number' is the "socket" of what it answers. */
void app_send_error(struct app_conn *, const struct session *, uint64_t number,
                    int error, const char *reason);

/* Answers OPEN. */
void app_send_opened(struct app_conn *, const struct session *,
                     const struct note *, const uint8_t note_key[],
                     uint64_t number);

/* A message about 'session' with its note, and with a reason or NULL. */
void app_send_session(struct app_conn *, enum app_message_type,
                      const struct session *, const struct note *,
                      const uint8_t note_key[], int error, const char *reason);

/* ARRIVED: with the session's sockets and, unless negative, 'state_fd'. */
void app_send_arrived(struct app_conn *, const struct session *,
                      const struct note *, const uint8_t note_key[],
                      int state_fd);

/* Answers MAPPING. */
void app_send_mapped(struct app_conn *, const struct uuid *session,
                     uint64_t number, int error, const struct app_mapping *);

/* Answers a CALL: {"rows": ROWS} (taken), or {"error": REASON}. */
void app_send_rows(struct app_conn *, struct json *rows);
void app_send_call_error(struct app_conn *, int error, const char *reason);

#endif /* agentd/app-send.h */
