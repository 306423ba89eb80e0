/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_PLACEMENT_H
#define BATON_PLACEMENT_H 1

/* Where this device is attached, and what its sessions need there: they are
 * bound to the interface that leads to the bridge, and leave it as the
 * controller says ("placed"), which knows whether the bridge is their home.
 *
 *     placement_open(agent);
 *
 * and each time around the main loop, after the controller's link has run:
 *
 *     placement_run(agent);
 *     placement_wait(agent);
 *
 * An interface whose link comes up may lead elsewhere than before: the
 * controller is asked to look ("attach"). */

#include <stdbool.h>

struct agent;
struct jsonrpc_msg;

void placement_open(struct agent *);
void placement_close(struct agent *);
void placement_run(struct agent *);
void placement_wait(struct agent *);

/* True if 'msg' was about that. */
bool placement_handle_controller(struct agent *, const struct jsonrpc_msg *);

#endif /* agentd/placement.h */
