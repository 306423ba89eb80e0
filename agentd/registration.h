/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_REGISTRATION_H
#define BATON_REGISTRATION_H 1

/* Registering with the controller: what this device has, and the controller's
 * word on who has which epoch. */

struct agent;
struct json;

/* Shows the controller what we have. */
void registration_send(struct agent *);
/* Takes its answer, which the link has. */
void registration_handle(struct agent *);
/* Its "epoch": what we hold at a lower one is another's, or has that epoch. */
void registration_handle_epoch(struct agent *, const struct json *params);

#endif /* agentd/registration.h */
