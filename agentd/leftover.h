/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_LEFTOVER_H
#define BATON_LEFTOVER_H 1

/* Addresses, routes and rules that a former agent of this host left: they wait
 * for the applications to show their sessions, for a while. */

#include <netinet/in.h>

struct agent;

void leftovers_open(struct agent *);
void leftovers_run(struct agent *);
void leftovers_wait(const struct agent *);

/* The interface to which a former agent bound 'address'; empty string if it
 * did not. */
const char *leftover_find(const struct agent *, const struct in6_addr *);

/* Takes away what a former agent left of 'address', which the controller says
 * is another device's and no application has shown. */
void leftover_reclaim(struct agent *, const struct in6_addr *);

#endif /* agentd/leftover.h */
