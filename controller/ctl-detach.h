/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_CTL_DETACH_H
#define BATON_CTL_DETACH_H 1

/* "baton/detach [--force] BRIDGE" and "baton/attach BRIDGE".
 *
 * A bridge that is detached has nothing of ours: no flow, no meter, no tunnel
 * port of `bridge prepare', no connection.  What it should have is kept in
 * mind, and it gets that when it is attached again.  Meanwhile it counts as
 * one that is away: nothing moves to, from or over it.
 *
 * It stays so whatever becomes of policy, as long as that has the bridge, but
 * a controller that starts, or takes the lead, attaches what policy has. */

struct controller;

void ctl_detach_register(struct controller *);
void ctl_detach_run(struct controller *);
void ctl_detach_wait(const struct controller *);
void ctl_detach_destroy(struct controller *);

#endif /* controller/ctl-detach.h */
