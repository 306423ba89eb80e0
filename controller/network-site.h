/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_NETWORK_SITE_H
#define BATON_NETWORK_SITE_H 1

/* One bridge of the network, and what policy says of it.  For network*.c
 * only. */

#include <stdbool.h>
#include <stddef.h>

#include "openvswitch/list.h"
#include "policy.h"
#include "session-flows.h"

struct bridge;
struct fail_mode;

/* One bridge, and what policy said of it when it was made. */
struct network_site {
    struct ovs_list node; /* In struct network. */
    struct bridge *bridge;
    char *name;
    char *target; /* Or NULL. */
    struct flow_layout layout;
    struct flow_prefix *prefixes; /* Pools. */
    size_t n_prefixes;
    struct flow_prefix *subnets;
    size_t n_subnets;
    struct flow_prefix *others; /* Pools of other bridges. */
    size_t n_others;

    /* As in policy; 'port_name' is copied. */
    struct policy_tunnel tunnel;
    bool maps;                   /* It has movable services. */
    struct fail_mode *fail_mode; /* NULL: its OVSDB is not known. */
    bool was_synchronised;
    unsigned int port_seqno;
    bool ports_known; /* It has told its ports, once. */
    bool dirty;       /* Set since the last flush. */
    bool keep;        /* For network_configure(). */
};

struct network_site *network_site_create(const struct policy_bridge *,
                                         const struct policy *);
/* With 'detach', Baton's flows are deleted from the bridge. */
void network_site_destroy(struct network_site *, bool detach);
/* Is it what policy says?  If not, it has to be made anew... */
bool network_site_is_same(const struct network_site *,
                          const struct policy_bridge *, const struct policy *);
/* ...but pools and subnets may change. */
void network_site_set_prefixes(struct network_site *, const struct policy *);
/* Is a permanent address with movable services on the bridge? */
bool network_site_has_movables(const char *bridge, const struct policy *);

/* The flows that do not depend on leases, places and sessions. */
void network_site_collect_pipeline(const struct network_site *,
                                   struct flow_set *);
void network_site_set_pipeline(struct network_site *);
/* Has the tunnel port come, or gone, or has it another number? */
bool network_site_look_for_tunnel(struct network_site *);

#endif /* controller/network-site.h */
