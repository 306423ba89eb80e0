/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_AGENT_CALL_H
#define BATON_AGENT_CALL_H 1

/* A person's question to the agent of this device: APP_CALL in
 * app-protocol.h, with a JSON object either way.
 *
 *     agent_call_open(path, &fd, &error)
 *     agent_call_send(fd, request, &error)
 *     agent_call_receive(fd, timeout, &reply, &error)     again for "watch"
 *
 * These wait.  They return 0 or a positive errno, and then a sentence in
 * '*errorp' that the caller frees. */

#include "openvswitch/json.h"

int agent_call_open(const char *path, int *fdp, char **errorp);
/* Does not take 'request'. */
int agent_call_send(int fd, const struct json *request, char **errorp);
/* 'timeout' in seconds, 0 for none.  The reply is an object without "error":
 * an error that the agent told is this function's. */
int agent_call_receive(int fd, int timeout, struct json **replyp,
                       char **errorp);

#endif /* utilities/agent-call.h */
