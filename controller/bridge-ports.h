/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_BRIDGE_PORTS_H
#define BATON_BRIDGE_PORTS_H 1

/* The ports of a bridge, as it tells them. */

#include <stdbool.h>

#include "openvswitch/hmap.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/shash.h"

struct bridge_port {
    struct hmap_node node; /* In 'by_number'. */
    ofp_port_t number;
    char *name;
    bool is_up; /* Link and administrator say so. */
};

struct bridge_ports {
    struct hmap by_number; /* Of "struct bridge_port"s, owned. */
    struct shash by_name;  /* The same. */
    unsigned int seqno;    /* Changes with any change. */
};

void bridge_ports_init(struct bridge_ports *);
void bridge_ports_destroy(struct bridge_ports *);
void bridge_ports_clear(struct bridge_ports *);

/* Takes up a description or a status change. */
void bridge_ports_update(struct bridge_ports *,
                         const struct ofputil_phy_port *, bool deleted);

/* NULL if there is none. */
const struct bridge_port *bridge_ports_find(const struct bridge_ports *,
                                            ofp_port_t);
const struct bridge_port *
bridge_ports_find_by_name(const struct bridge_ports *, const char *name);

#endif /* controller/bridge-ports.h */
