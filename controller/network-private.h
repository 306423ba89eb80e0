/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_NETWORK_PRIVATE_H
#define BATON_NETWORK_PRIVATE_H 1

/* What network.c, network-flows.c and network-tunnel.c share. */

#include "network-site.h"
#include "network.h"
#include "openvswitch/list.h"
#include "sset.h"

struct network {
    struct ovs_list sites;     /* struct network_site */
    struct ovs_list listeners; /* struct listener */
    struct ovs_list events;    /* struct queued_event */
    struct sset lans;          /* Names of plain LANs. */
};

/* NULL if there is none of that name. */
struct network_site *network_find_site(const struct network *,
                                       const char *name);

#endif /* controller/network-private.h */
