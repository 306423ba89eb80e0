/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "flow-set.h"

#include <inttypes.h>

#include "hash.h"
#include "openvswitch/ofp-actions.h"
#include "packets.h"
#include "util.h"

uint32_t
flow_key_hash(uint8_t table_id, uint16_t priority,
              const struct minimatch *match)
{
    return minimatch_hash(match, hash_2words(table_id, priority));
}

bool
flow_key_equal(const struct baton_flow *flow, uint8_t table_id,
               uint16_t priority, const struct minimatch *match)
{
    return flow->table_id == table_id && flow->priority == priority
           && minimatch_equal(&flow->match, match);
}

static uint32_t
baton_flow_hash(const struct baton_flow *flow)
{
    return flow_key_hash(flow->table_id, flow->priority, &flow->match);
}

void
baton_flow_destroy(struct baton_flow *flow)
{
    if (flow) {
        minimatch_destroy(&flow->match);
        free(flow->ofpacts);
        free(flow);
    }
}

bool
baton_flow_does_same(const struct baton_flow *a, const struct baton_flow *b)
{
    return a->cookie == b->cookie && a->idle_timeout == b->idle_timeout
           && ofpacts_equal(a->ofpacts, a->ofpacts_len, b->ofpacts,
                            b->ofpacts_len);
}

void
baton_flow_format(const struct baton_flow *flow, struct ds *s)
{
    struct ofpact_format_params fp = { .s = s };

    ds_put_format(s, "cookie=%#" PRIx64 ", table=%" PRIu8 ", ", flow->cookie,
                  flow->table_id);
    minimatch_format(&flow->match, NULL, NULL, s, flow->priority);
    ds_put_cstr(s, " actions=");
    ofpacts_format(flow->ofpacts, flow->ofpacts_len, &fp);
}

void
flow_set_init(struct flow_set *set)
{
    hmap_init(&set->flows);
}

void
flow_set_destroy(struct flow_set *set)
{
    struct baton_flow *flow;

    HMAP_FOR_EACH_POP(flow, node, &set->flows) {
        baton_flow_destroy(flow);
    }
    hmap_destroy(&set->flows);
}

void
flow_set_swap(struct flow_set *a, struct flow_set *b)
{
    hmap_swap(&a->flows, &b->flows);
}

struct baton_flow *
flow_set_find(const struct flow_set *set, const struct baton_flow *key)
{
    struct baton_flow *flow;

    HMAP_FOR_EACH_WITH_HASH(flow, node, baton_flow_hash(key), &set->flows) {
        if (flow_key_equal(flow, key->table_id, key->priority, &key->match)) {
            return flow;
        }
    }
    return NULL;
}

size_t
flow_set_count(const struct flow_set *set)
{
    return hmap_count(&set->flows);
}

/* OpenFlow takes a match on a header for one on Ethernet packets.  Say so, as
 * the switch will when it tells its flows. */
static void
init_match(struct minimatch *dst, const struct match *match)
{
    const struct flow *masks = &match->wc.masks;

    if (masks->dl_type || masks->vlans[0].tci
        || !eth_addr_is_zero(masks->dl_src)
        || !eth_addr_is_zero(masks->dl_dst)) {
        struct match copy = *match;

        match_set_default_packet_type(&copy);
        minimatch_init(dst, &copy);
    } else {
        minimatch_init(dst, match);
    }
}

struct baton_flow *
flow_set_add(struct flow_set *set, uint8_t table_id, uint16_t priority,
             uint64_t cookie, const struct match *match,
             const struct ofpact *ofpacts, size_t ofpacts_len)
{
    struct baton_flow *flow = xmalloc(sizeof *flow);

    flow->table_id = table_id;
    flow->priority = priority;
    init_match(&flow->match, match);
    flow->cookie = cookie;
    flow->ofpacts = ofpacts_len ? xmemdup(ofpacts, ofpacts_len) : NULL;
    flow->ofpacts_len = ofpacts_len;
    flow->idle_timeout = 0;

    struct baton_flow *old = flow_set_find(set, flow);
    if (old) {
        baton_flow_destroy(flow_set_steal(set, old));
    }
    hmap_insert(&set->flows, &flow->node, baton_flow_hash(flow));
    return flow;
}

struct baton_flow *
flow_set_steal(struct flow_set *set, struct baton_flow *flow)
{
    hmap_remove(&set->flows, &flow->node);
    return flow;
}
