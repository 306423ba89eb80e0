/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "flow-message.h"

#include "byte-order.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-bundle.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

/* All or nothing, in order. */
#define BUNDLE_FLAGS (OFPBF_ATOMIC | OFPBF_ORDERED)

static struct ofpbuf *
encode(const struct baton_flow *flow, struct ofputil_flow_mod *fm,
       enum ofp_version version)
{
    fm->match = flow->match; /* Shallow: only looked at. */
    fm->priority = flow->priority;
    fm->table_id = flow->table_id;
    fm->buffer_id = UINT32_MAX;
    fm->out_port = OFPP_ANY;
    fm->out_group = OFPG_ANY;
    return ofputil_encode_flow_mod(fm,
                                   ofputil_protocol_from_ofp_version(version));
}

/* The length of the meter among the flow's actions, where it comes first. */
static size_t
meter_length(const struct baton_flow *flow)
{
    return flow->ofpacts_len && flow->ofpacts->type == OFPACT_METER
               ? OFPACT_ALIGN(flow->ofpacts->len)
               : 0;
}

static struct ofpact *
skip_ofpacts(const struct baton_flow *flow, size_t skip)
{
    /* A flow without actions has none, and nothing is added to NULL. */
    return skip ? ALIGNED_CAST(struct ofpact *, (char *) flow->ofpacts + skip)
                : flow->ofpacts;
}

/* Reports to the controller have their meter inside: without it. */
static void
forgo_meters(struct ofpact *ofpacts, size_t ofpacts_len)
{
    struct ofpact *a;

    OFPACT_FOR_EACH(a, ofpacts, ofpacts_len) {
        if (a->type == OFPACT_CONTROLLER) {
            ofpact_get_CONTROLLER(a)->meter_id = NX_CTLR_NO_METER;
        }
    }
}

struct ofpbuf *
flow_message_add(const struct baton_flow *flow, bool meters,
                 enum ofp_version version)
{
    size_t skip = meters ? 0 : meter_length(flow);
    size_t n = flow->ofpacts_len - skip;
    struct ofpact *copy = meters || !n ? NULL
                                       : xmemdup(skip_ofpacts(flow, skip), n);
    struct ofputil_flow_mod fm = {
        .command = OFPFC_ADD,
        .new_cookie = htonll(flow->cookie),
        .idle_timeout = flow->idle_timeout,
        .flags = flow->idle_timeout ? OFPUTIL_FF_SEND_FLOW_REM : 0,
        .ofpacts = copy ? copy : skip_ofpacts(flow, skip),
        .ofpacts_len = n,
    };
    if (copy) {
        forgo_meters(copy, n);
    }
    struct ofpbuf *msg = encode(flow, &fm, version);
    free(copy);
    return msg;
}

struct ofpbuf *
flow_message_delete(const struct baton_flow *flow, uint64_t cookie,
                    uint64_t cookie_mask, enum ofp_version version)
{
    struct ofputil_flow_mod fm = {
        .command = OFPFC_DELETE_STRICT,
        .cookie = htonll(cookie),
        .cookie_mask = htonll(cookie_mask),
        .new_cookie = OVS_BE64_MAX,
    };
    return encode(flow, &fm, version);
}

struct ofpbuf *
flow_message_delete_all(uint64_t cookie, uint64_t cookie_mask,
                        enum ofp_version version)
{
    struct ofputil_flow_mod fm = {
        .command = OFPFC_DELETE,
        .cookie = htonll(cookie),
        .cookie_mask = htonll(cookie_mask),
        .new_cookie = OVS_BE64_MAX,
    };
    struct baton_flow all = { .table_id = OFPTT_ALL };

    minimatch_init_catchall(&all.match);
    struct ofpbuf *msg = encode(&all, &fm, version);
    minimatch_destroy(&all.match);
    return msg;
}

struct ofpbuf *
flow_message_dump(uint64_t cookie, uint64_t cookie_mask, uint8_t table_id,
                  enum ofp_version version)
{
    struct ofputil_flow_stats_request request = {
        .match = MATCH_CATCHALL_INITIALIZER,
        .cookie = htonll(cookie),
        .cookie_mask = htonll(cookie_mask),
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .table_id = table_id,
    };
    return ofputil_encode_flow_stats_request(
        &request, ofputil_protocol_from_ofp_version(version));
}

bool
flow_message_matches_stats(const struct baton_flow *flow,
                           const struct ofputil_flow_stats *stats, bool meters,
                           enum ofp_version version)
{
    if (stats->cookie != htonll(flow->cookie)
        || stats->idle_timeout != flow->idle_timeout || stats->hard_timeout) {
        return false;
    }

    /* What was decoded has padding of any value, so this compares what would
     * be sent. */
    size_t skip = meters ? 0 : meter_length(flow);
    struct ofpbuf ours, theirs;
    ofpbuf_init(&ours, 256);
    ofpbuf_init(&theirs, 256);
    size_t n = flow->ofpacts_len - skip;
    struct ofpact *copy = n ? xmemdup(skip_ofpacts(flow, skip), n) : NULL;
    if (!meters) {
        forgo_meters(copy, n);
    }
    ofpacts_put_openflow_instructions(copy, n, &ours, version);
    free(copy);
    ofpacts_put_openflow_instructions(stats->ofpacts, stats->ofpacts_len,
                                      &theirs, version);
    bool same = ofpbuf_equal(&ours, &theirs);
    ofpbuf_uninit(&ours);
    ofpbuf_uninit(&theirs);
    return same;
}

struct ofpbuf *
flow_message_meter(uint32_t meter_id, uint32_t rate, uint16_t command,
                   enum ofp_version version)
{
    struct ofputil_meter_band band = {
        .type = OFPMBT13_DROP,
        .rate = rate,
        .burst_size = rate,
    };
    struct ofputil_meter_mod mm = {
        .command = command,
        .meter = {
            .meter_id = meter_id,
            .flags = OFPMF13_PKTPS | OFPMF13_BURST | OFPMF13_STATS,
            .n_bands = command != OFPMC13_DELETE,
            .bands = &band,
        },
    };
    return ofputil_encode_meter_mod(version, &mm);
}

struct ofpbuf *
flow_message_bundle_ctrl(uint32_t bundle_id, uint16_t type,
                         enum ofp_version version)
{
    struct ofputil_bundle_ctrl_msg ctrl = {
        .bundle_id = bundle_id,
        .type = type,
        .flags = BUNDLE_FLAGS,
    };
    return ofputil_encode_bundle_ctrl_request(version, &ctrl);
}

struct ofpbuf *
flow_message_bundle_add(uint32_t bundle_id, struct ofpbuf *msg,
                        enum ofp_version version)
{
    struct ofputil_bundle_add_msg add = {
        .bundle_id = bundle_id,
        .flags = BUNDLE_FLAGS,
        .msg = msg->data,
    };
    struct ofpbuf *wrapped = ofputil_encode_bundle_add(version, &add);

    ofpbuf_delete(msg);
    return wrapped;
}
