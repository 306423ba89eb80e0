/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_CTL_SESSIONS_H
#define BATON_CTL_SESSIONS_H 1

/* "baton/sessions": those that devices announced, and those that moved.
 *
 * What a session is called, its owner announces.  Of those that moved and
 * whose owner is away only the database knows it, which is asked; without it
 * they are listed all the same. */

struct controller;

void ctl_sessions_register(struct controller *);
void ctl_sessions_run(struct controller *);
void ctl_sessions_wait(const struct controller *);
void ctl_sessions_destroy(struct controller *);

#endif /* controller/ctl-sessions.h */
