/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_NEXT_HOP_H
#define BATON_NEXT_HOP_H 1

/* Between the table of next hops (neighbour.h) and the bridges: what devices
 * tell, what neighbours answer, and what waits for them. */

struct bridge;
struct bridge_packet;
struct controller;
struct device;
struct message;

/* After a reload: the gateways of the policy. */
void next_hops_configure(struct controller *);
/* "next_hops" of a transferring device's introduction, which may be absent. */
void next_hops_learn(struct controller *, const struct device *,
                     struct message *);
/* A packet of BATON_FLOW_NEIGHBOUR or BATON_FLOW_NEXT_HOP. */
void next_hops_handle_packet(struct controller *, struct bridge *,
                             const struct bridge_packet *);
/* The bridge has no flows. */
void next_hops_refresh_bridge(struct controller *, const char *bridge);

void next_hops_run(struct controller *);
void next_hops_wait(struct controller *);
void next_hops_destroy(struct controller *);

#endif /* controller/next-hop.h */
