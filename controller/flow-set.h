/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_FLOW_SET_H
#define BATON_FLOW_SET_H 1

/* Flows as plain data, and sets of them keyed by table, priority and match.
 * Knows nothing of sessions or switches. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/match.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/types.h"

/* One flow that a bridge should have. */
struct baton_flow {
    struct hmap_node node; /* In struct flow_set. */
    uint8_t table_id;      /* Absolute. */
    uint16_t priority;
    struct minimatch match;
    uint64_t cookie;
    struct ofpact *ofpacts; /* Owned. */
    size_t ofpacts_len;
    /* Seconds without a packet after which the switch lets the flow go, and
     * says so; 0: never. */
    uint16_t idle_timeout;
};

/* The key's hash.  Also for a table, priority and match that are not (yet) in
 * a flow. */
uint32_t flow_key_hash(uint8_t table_id, uint16_t priority,
                       const struct minimatch *);
bool flow_key_equal(const struct baton_flow *, uint8_t table_id,
                    uint16_t priority, const struct minimatch *);

void baton_flow_destroy(struct baton_flow *);
/* Same cookie, actions and timeout?  Says nothing of the key. */
bool baton_flow_does_same(const struct baton_flow *,
                          const struct baton_flow *);
/* In the syntax of ovs-ofctl. */
void baton_flow_format(const struct baton_flow *, struct ds *);

struct flow_set {
    struct hmap flows; /* Of "struct baton_flow"s, owned. */
};

void flow_set_init(struct flow_set *);
void flow_set_destroy(struct flow_set *);
void flow_set_swap(struct flow_set *, struct flow_set *);
struct baton_flow *flow_set_find(const struct flow_set *,
                                 const struct baton_flow *);
size_t flow_set_count(const struct flow_set *);

/* Adds a flow with copies of 'match' and of the n bytes of actions; one with
 * the same key that was there goes.  Returns the flow, which has no timeout. */
struct baton_flow *flow_set_add(struct flow_set *, uint8_t table_id,
                                uint16_t priority, uint64_t cookie,
                                const struct match *, const struct ofpact *,
                                size_t ofpacts_len);
/* Takes a flow out of the set and hands it to the caller. */
struct baton_flow *flow_set_steal(struct flow_set *, struct baton_flow *);

#endif /* controller/flow-set.h */
