/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_APP_CHECK_H
#define BATON_APP_CHECK_H 1

/* What applications send, looked at before anything is done with it.  They are
 * any user's: what they say goes to the controller, to other devices, into
 * logs and onto terminals. */

#include <stdbool.h>

struct app_event;

/* Returns what is wrong with the form of 'event', or NULL.  'said_hello' tells
 * whether its connection has said HELLO before.
 *
 * Names and reasons, which are for people, are made fit for them: what is no
 * UTF-8, or a control character, becomes a question mark. */
const char *app_check_event(struct app_event *event, bool said_hello);

#endif /* agentd/app-check.h */
