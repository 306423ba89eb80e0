/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_CONTROLLER_CALL_H
#define BATON_CONTROLLER_CALL_H 1

/* Commands to a running baton-controller, through its control socket, and its
 * answers in JSON. */

struct json;

/* Sends 'command' with 'argv', which ends in null, to 'target': a socket (it
 * has a '/'), or the name under which a pidfile is in the run directory, or
 * null for $BATON_CONTROLLER or else "baton-controller".
 *
 * Returns null and stores the answer in '*replyp', for the caller to destroy,
 * or returns what is wrong and what to do, for the caller to free. */
char *controller_call(const char *target, const char *command, char *argv[],
                      struct json **replyp);

#endif /* utilities/controller-call.h */
