/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_AGENT_NAMES_H
#define BATON_AGENT_NAMES_H 1

/* The zone of this device ("laptop.move.example"), if policy lets devices
 * answer for themselves: each question for the address of a movable service
 * gets a session address made for it, here and at once (see told.h), with the
 * controller's limits.  It is answered at the device's permanent addresses.
 * What the controller says of it comes with a registration, and stays. */

struct agent;
struct names;

struct names *names_create(void);
void names_destroy(struct names *);
void names_registered(struct agent *);
void names_run(struct agent *);
void names_wait(const struct agent *);

#endif /* agentd/names.h */
