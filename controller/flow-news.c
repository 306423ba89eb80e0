/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "flow-news.h"

#include <stdlib.h>

#include "byte-order.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

struct queued_item {
    struct ovs_list node; /* In struct flow_news. */
    struct flow_news_item item;
};

void
flow_news_init(struct flow_news *news)
{
    ovs_list_init(&news->items);
}

void
flow_news_destroy(struct flow_news *news)
{
    struct queued_item *queued;

    LIST_FOR_EACH_POP(queued, node, &news->items) {
        free(queued);
    }
}

bool
flow_news_is_empty(const struct flow_news *news)
{
    return ovs_list_is_empty(&news->items);
}

bool
flow_news_next(struct flow_news *news, struct flow_news_item *item)
{
    struct queued_item *queued;

    if (ovs_list_is_empty(&news->items)) {
        return false;
    }
    queued = CONTAINER_OF(ovs_list_pop_front(&news->items), struct queued_item,
                          node);
    *item = queued->item;
    free(queued);
    return true;
}

static void
add(struct flow_news *news, const struct flow_news_item *item)
{
    struct queued_item *queued = xmalloc(sizeof *queued);

    queued->item = *item;
    ovs_list_push_back(&news->items, &queued->node);
}

static enum baton_flow_kind
kind_of(uint64_t cookie)
{
    return cookie & 0xffff;
}

bool
flow_news_concerns(uint64_t cookie)
{
    return (cookie & BATON_COOKIE_MASK) == BATON_COOKIE
           && (kind_of(cookie) == BATON_FLOW_MAPPED_IN
               || kind_of(cookie) == BATON_FLOW_MAPPED_OUT);
}

bool
flow_news_handle_removed(struct flow_news *news, const struct ofp_header *oh,
                         uint8_t *table_id, uint16_t *priority,
                         struct minimatch *match)
{
    struct ofputil_flow_removed removed;
    struct flow_news_item item = { .type = FLOW_REMOVED };

    if (ofputil_decode_flow_removed(&removed, oh)
        || !flow_news_concerns(ntohll(removed.cookie))
        || removed.reason != OFPRR_IDLE_TIMEOUT) {
        return false;
    }
    item.kind = kind_of(ntohll(removed.cookie));
    if (!flows_mapping_read(item.kind, &removed.match, NULL, 0,
                            &item.mapping)) {
        return false;
    }
    item.packets = removed.packet_count;
    item.bytes = removed.byte_count;
    item.seconds = removed.duration_sec;
    add(news, &item);
    *table_id = removed.table_id;
    *priority = removed.priority;
    minimatch_init(match, &removed.match);
    return true;
}

static void
add_stats(struct flow_news *news, enum flow_news_type type, uint32_t xid,
          const struct ofputil_flow_stats *stats)
{
    struct flow_news_item item = { .type = type, .xid = xid };

    item.kind = kind_of(ntohll(stats->cookie));
    if (flow_news_concerns(ntohll(stats->cookie))
        && flows_mapping_read(item.kind, &stats->match, stats->ofpacts,
                              stats->ofpacts_len, &item.mapping)) {
        item.mapping.idle_s = stats->idle_timeout;
        item.packets = stats->packet_count;
        item.bytes = stats->byte_count;
        item.seconds = stats->duration_sec;
        add(news, &item);
    }
}

void
flow_news_found(struct flow_news *news, const struct ofputil_flow_stats *stats)
{
    add_stats(news, FLOW_FOUND, 0, stats);
}

void
flow_news_handle_stats(struct flow_news *news, const struct ofp_header *oh)
{
    struct ofpbuf msg = ofpbuf_const_initializer(oh, ntohs(oh->length));
    uint32_t xid = ntohl(oh->xid);
    uint64_t stub[1024 / 8];
    struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);
    struct ofputil_flow_stats stats;

    while (!ofputil_decode_flow_stats_reply(&stats, &msg, false, &ofpacts)) {
        add_stats(news, FLOW_COUNTED, xid, &stats);
    }
    ofpbuf_uninit(&ofpacts);
    if (!ofpmp_more(oh)) {
        struct flow_news_item item = { .type = FLOW_ALL, .xid = xid };

        add(news, &item);
    }
}

static struct ofpbuf *
ask(const struct match *match, uint64_t cookie, uint64_t cookie_mask,
    enum ofp_version version)
{
    struct ofputil_flow_stats_request request = {
        .match = *match,
        .cookie = htonll(cookie),
        .cookie_mask = htonll(cookie_mask),
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .table_id = OFPTT_ALL,
    };
    return ofputil_encode_flow_stats_request(
        &request, ofputil_protocol_from_ofp_version(version));
}

void
flow_news_ask(const struct flow_mapping *m, enum ofp_version version,
              struct ofpbuf *msgs[2])
{
    static const enum baton_flow_kind kinds[] = { BATON_FLOW_MAPPED_IN,
                                                  BATON_FLOW_MAPPED_OUT };
    const uint64_t mask = BATON_COOKIE_MASK | 0xffff;

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct match match;

        if (m) {
            flows_mapping_match(kinds[i], m, &match);
        } else {
            match_init_catchall(&match);
        }
        msgs[i] = ask(&match, BATON_COOKIE | kinds[i], mask, version);
    }
}
