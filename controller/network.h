/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_NETWORK_H
#define BATON_NETWORK_H 1

/* All bridges of the policy: their connections, the listeners for those that
 * connect to us, and which flows each should have.
 *
 *     network_configure(network, policy);    at start and after a reload
 *
 * and each time around the main loop:
 *
 *     network_run(network);
 *     while (network_next_event(network, &event)) { ... }
 *     while (network_next_packet(network, &bridge, &packet)) { ... }
 *
 * Flows are set by network_set_*(), and sent by network_flush().  Bridges are
 * named, so that nobody keeps a pointer over a reload. */

#include <stdbool.h>
#include <stdint.h>

#include "bridge.h"
#include "session-flows.h"

struct ds;
struct flow_mapping;
struct flow_movable;
struct network;
struct policy;

enum network_event_type {
    NETWORK_LOST, /* A synchronised bridge no longer is. */
    NETWORK_SYNCHRONISED,
    NETWORK_PORTS, /* Some port came, went or changed. */
    NETWORK_NEW,   /* Made by network_configure(): it has no
                                 * flows but the pipeline yet. */
};

struct network_event {
    enum network_event_type type;
    char bridge[64];
};

struct network *network_create(void);
/* With 'detach', Baton's flows are deleted from the bridges. */
void network_destroy(struct network *, bool detach);
void network_configure(struct network *, const struct policy *);

void network_run(struct network *);
void network_wait(struct network *);
bool network_next_event(struct network *, struct network_event *);
/* The caller frees 'packet->data'. */
bool network_next_packet(struct network *, struct bridge **,
                         struct bridge_packet *);

/* NULL if there is none of that name. */
struct bridge *network_find(const struct network *, const char *name);
/* Does policy have a plain LAN of that name, which has no bridge of ours?  All
 * that is set there is nothing, and done at once. */
bool network_is_lan(const struct network *, const char *name);
const struct flow_layout *network_layout(const struct network *,
                                         const char *name);
/* A walk; NULL gives the first. */
struct bridge *network_next(const struct network *, const struct bridge *);

/* Can sessions go from one bridge to the other?  Both have a tunnel port, of
 * one kind.  If not, stores a sentence in '*whyp' (if nonnull), which the
 * caller frees. */
bool network_has_tunnel(const struct network *, const char *from,
                        const char *to, char **whyp);
/* What 'bridge' has to offer: NULL if policy gives it no tunnel. */
const struct in6_addr *network_tunnel_address(const struct network *,
                                              const char *bridge);
/* Whose tunnels end at 'address'?  NULL: nobody's. */
const char *network_find_tunnel(const struct network *,
                                const struct in6_addr *address);

/* Each does nothing if there is no bridge of that name. */
void network_set_block(struct network *, const char *bridge,
                       const struct uuid *key, const struct in6_addr *,
                       unsigned int plen, const struct flow_place *lessee);
void network_set_session(struct network *, const char *bridge,
                         const struct uuid *key, const struct in6_addr *,
                         const struct flow_place *guard,
                         const struct flow_place *inbound);
void network_set_visitor(struct network *, const char *bridge,
                         const struct uuid *key, const struct in6_addr *,
                         const struct flow_place *home,
                         const struct flow_place *guard,
                         const struct flow_place *inbound);
void network_set_barred(struct network *, const char *bridge,
                        const struct uuid *key, const struct in6_addr *,
                        const struct eth_addr *macs, size_t n_macs);
void network_set_device(struct network *, const char *bridge,
                        const struct uuid *key, const struct flow_place *);
void network_set_next_hop(struct network *, const char *bridge,
                          const struct uuid *key,
                          const struct flow_prefix *dst, struct eth_addr mac);
/* See mapping-flows.h. */
void network_set_movable(struct network *, const char *bridge,
                         const struct uuid *key, const struct flow_movable *);
void network_set_passing(struct network *, const char *bridge,
                         const struct uuid *key, const struct flow_movable *,
                         const struct in6_addr *correspondent);
void network_set_mapping(struct network *, const char *bridge,
                         const struct uuid *key, const struct flow_mapping *);
/* Deletes what is under 'key'. */
void network_unset(struct network *, const char *bridge,
                   const struct uuid *key);
/* Sends what was set; returns what bridge_acked() will reach, or 0. */
uint64_t network_flush(struct network *, const char *bridge);
void network_flush_all(struct network *);

/* The pipeline and the pools of the bridge, for those who trace. */
void network_pipeline(const struct network *, const char *bridge,
                      struct flow_set *);

#endif /* controller/network.h */
