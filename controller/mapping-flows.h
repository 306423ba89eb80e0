/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_MAPPING_FLOWS_H
#define BATON_MAPPING_FLOWS_H 1

/* The flows of MAPPING and MAPPED, as session-flows.h has those of the other
 * tables: pure functions.
 *
 * A movable service is one that correspondents find at a device's permanent
 * address.  The first packet of each of them goes to the controller, which
 * makes a session address for it; two flows then translate, for this
 * correspondent alone:
 *
 *     in     correspondent:p -> permanent:port    to session address:port
 *     out    session address -> correspondent     from the permanent address
 *
 * What was translated passes MAPPED, a few flows for all sessions, from which
 * the controller gets a copy of what it wants to know: a FIN, a RST, and while
 * a session is *half open* what shows that the correspondent is real.
 *
 * Both flows have an idle timeout, and the switch says when it was reached.
 * Their matches and actions are all that there is to know of a mapping:
 * flows_mapping_read() has it back from a switch that kept them while no
 * controller was there.
 *
 * Packets to a movable service and from session addresses look at all of their
 * source also where no mapping is found.  Otherwise the switch could answer
 * from its cache, for up to 10 ms after a mapping was made, for packets that
 * have one.  Where none will be made, because the service is flooded, they do
 * not: each source would be another flow in that cache. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/match.h"
#include "openvswitch/types.h"
#include "session-flows.h"

struct ofpact;

/* One session that began on a permanent address.  Ports in host byte order. */
struct flow_mapping {
    uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP. */
    struct in6_addr permanent;
    uint16_t port;
    struct in6_addr correspondent;
    uint16_t correspondent_port;
    struct in6_addr address; /* The session's. */
    bool half_open;
    uint16_t idle_s;
};

void flows_mapping(const struct flow_layout *, const struct flow_mapping *,
                   struct flow_set *);

/* A service at one address. */
struct flow_movable {
    uint8_t protocol;
    struct in6_addr permanent;
    uint16_t port;
    bool open; /* New sessions are mapped. */
};
void flows_movable(const struct flow_layout *, const struct flow_movable *,
                   struct flow_set *);

/* New sessions of 'correspondent' with that service are not mapped. */
void flows_movable_passes(const struct flow_layout *,
                          const struct flow_movable *,
                          const struct in6_addr *correspondent,
                          struct flow_set *);

/* What all of them need: 'pools' are where session addresses come from. */
void flows_mapping_pipeline(const struct flow_layout *,
                            const struct flow_prefix *pools, size_t n_pools,
                            struct flow_set *);

/* From the match of a flow of 'kind' (BATON_FLOW_MAPPED_IN or _OUT), and from
 * its actions (NULL: without), to what they are of.  Of _OUT there are no
 * ports.  False if it is none of ours. */
bool flows_mapping_read(enum baton_flow_kind, const struct match *,
                        const struct ofpact *, size_t ofpacts_len,
                        struct flow_mapping *);

/* The matches of a mapping's two flows, to ask for them. */
void flows_mapping_match(enum baton_flow_kind, const struct flow_mapping *,
                         struct match *);

#endif /* controller/mapping-flows.h */
