/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_CTL_BRIDGE_H
#define BATON_CTL_BRIDGE_H 1

/* What an operator asks about bridges, and has done to them: "baton/show"'s
 * part, and "baton/bridge-prepare BRIDGE". */

struct bridge;
struct controller;
struct json;

void ctl_bridge_register(struct controller *);
struct json *ctl_show_bridge(const struct controller *, const struct bridge *);
/* The tunnels between bridges that are in use, as an array. */
struct json *ctl_show_tunnels(const struct controller *);

void ctl_bridge_run(struct controller *);
void ctl_bridge_wait(const struct controller *);
void ctl_bridge_destroy(struct controller *);

#endif /* controller/ctl-bridge.h */
