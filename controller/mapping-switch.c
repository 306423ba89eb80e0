/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "mapping-private.h"

#include <string.h>

#include "bridge.h"
#include "controller.h"
#include "flow-news.h"
#include "mapping-packet.h"
#include "network.h"
#include "packets.h"
#include "record.h"
#include "timeval.h"
#include "util.h"

/* What switches say of mapped sessions: packets that are news, flows that were
 * found, idle or counted. */

/* Milliseconds within which both directions count as idle at once. */
#define IDLE_TOGETHER 5000

/* A copy of a packet of a session's, translated. */
void
mapping_handle_news(struct controller *c, const struct bridge_packet *packet)
{
    struct mapping_service *service;
    struct mapping_packet mp;
    struct mapping *m;
    int side;

    if (!mapping_packet_read(packet->data, packet->size, &mp)) {
        return;
    }
    m = mapping_table_find_address(c->mappings, &mp.dst);
    side = MAPPING_IN;
    if (!m) {
        side = MAPPING_OUT;
        service = mapping_service_find(c->mappings->services, mp.protocol,
                                       &mp.src, mp.src_port);
        m = service ? mapping_table_find_tuple(c->mappings, service, &mp.dst,
                                               mp.dst_port)
                    : NULL;
    }
    if (!m || mapping_is_waiting(m)) {
        return;
    }
    m->sides[side].fin |= (mp.tcp_flags & TCP_FIN) != 0;
    if (mp.tcp_flags & TCP_RST
        || (m->sides[MAPPING_IN].fin && m->sides[MAPPING_OUT].fin)) {
        mapping_ask_over(c, m);
    } else if (side == MAPPING_IN && m->state == MAPPING_HALF_OPEN) {
        mapping_set_state(m, MAPPING_OPEN);
        mapping_set_flows(c, m);
    }
}

/* A copy. */
void
mapping_handle_fragment(struct controller *c,
                        const struct bridge_packet *packet)
{
    struct mapping_packet mp;

    if (mapping_packet_read_fragment(packet->data, packet->size, &mp)) {
        mapping_services_note_fragment(c->mappings->services, mp.protocol,
                                       &mp.dst, &mp.src);
    }
}

void
mapping_translate_error(const struct controller *c, void *frame, size_t size)
{
    const struct mapping_packet *q;
    struct mapping_error error;
    struct mapping *m;

    if (!mapping_error_read(frame, size, &error)) {
        return;
    }
    q = &error.quoted;
    if (ipv6_addr_equals(&error.dst, &q->src)) {
        struct flow_mapping flow = { .protocol = q->protocol,
                                     .permanent = q->src,
                                     .port = q->src_port,
                                     .correspondent = q->dst,
                                     .correspondent_port = q->dst_port };

        m = mapping_table_find_flow(c->mappings, &flow);
        if (m && !mapping_is_waiting(m)) {
            mapping_error_set(frame, size, false, &m->address);
            return;
        }
    }
    if (ipv6_addr_equals(&error.src, &q->dst)) {
        m = mapping_table_find_address(c->mappings, &error.src);
        if (m) {
            mapping_error_set(frame, size, true, &m->service->flows.permanent);
        }
    }
}

static void
adopt(struct controller *c, const char *bridge,
      const struct flow_news_item *item)
{
    const struct flow_mapping *flow = &item->mapping;
    struct mapping_service *service = mapping_service_find(
        c->mappings->services, flow->protocol, &flow->permanent, flow->port);
    struct record view;
    const struct record *record;
    struct mapping *m;

    if (item->kind != BATON_FLOW_MAPPED_IN || !service || !service->keep
        || strcmp(service->bridge, bridge)
        || mapping_table_find_address(c->mappings, &flow->address)
        || mapping_table_find_tuple(c->mappings, service, &flow->correspondent,
                                    flow->correspondent_port)
        || service->n_sessions >= service->max_sessions) {
        return;
    }
    m = mapping_create(c->mappings, service, &flow->correspondent,
                       flow->correspondent_port);
    mapping_set_address(c->mappings, m, &flow->address);
    mapping_set_state(m, flow->half_open ? MAPPING_HALF_OPEN : MAPPING_OPEN);
    m->since -= item->seconds * 1000LL;
    record = record_find_address(c->records, &flow->address, &view);
    if (record) {
        mapping_set_session(c->mappings, m, &record->session);
    } else {
        const struct session *session = session_find_address(
            &c->sessions, &flow->address, service->device);

        if (session) {
            mapping_set_session(c->mappings, m, &session->id);
        }
    }
    mapping_set_flows(c, m);
}

/* A direction was without packets for as long as its flow may be.  The session
 * is over if the other one was, too: each TCP segment has its answer, so they
 * are idle together; of one-way datagrams one is always idle.  Otherwise the
 * flow comes again. */
static void
handle_idle(struct controller *c, const char *bridge,
            const struct flow_news_item *item)
{
    bool in = item->kind == BATON_FLOW_MAPPED_IN;
    struct mapping *m = in ? mapping_table_find_flow(c->mappings,
                                                     &item->mapping)
                           : mapping_table_find_address(
                               c->mappings, &item->mapping.address);
    struct mapping_side *side, *other;
    long long int now = time_msec();
    struct flow_mapping flow;

    if (!m || mapping_is_waiting(m) || strcmp(m->service->bridge, bridge)) {
        return;
    }
    side = &m->sides[in ? MAPPING_IN : MAPPING_OUT];
    other = &m->sides[in ? MAPPING_OUT : MAPPING_IN];
    side->packets += item->packets;
    side->bytes += item->bytes;
    side->live_packets = side->live_bytes = 0;
    mapping_to_flow(m, &flow);
    if (in && m->state == MAPPING_HALF_OPEN) {
        mapping_end(c, m, true, "nothing came after its first packet");
    } else if (other->idle_at
               && (now - other->idle_at < IDLE_TOGETHER
                   || (!item->packets
                       && now - other->idle_at < flow.idle_s * 1000LL))) {
        mapping_end(c, m, true,
                    m->state == MAPPING_CLOSING
                        ? "both ends have closed"
                        : "no packet for its idle time");
    } else {
        side->idle_at = now;
    }
}

static void
take_counters(struct controller *c, const struct flow_news_item *item)
{
    struct mapping *m = mapping_table_find_address(c->mappings,
                                                   &item->mapping.address);

    if (m) {
        bool in = item->kind == BATON_FLOW_MAPPED_IN;
        struct mapping_side *side = &m->sides[in ? MAPPING_IN : MAPPING_OUT];

        side->live_packets = item->packets;
        side->live_bytes = item->bytes;
    }
}

static void
note_counted(struct mappings *ms, const char *bridge, uint32_t xid)
{
    struct counted *counted;

    if (ms->n_counted >= ms->allocated_counted) {
        ms->counted = x2nrealloc(ms->counted, &ms->allocated_counted,
                                 sizeof *ms->counted);
    }
    counted = &ms->counted[ms->n_counted++];
    ovs_strlcpy(counted->bridge, bridge, sizeof counted->bridge);
    counted->xid = xid;
}

bool
mappings_was_counted(const struct mappings *ms, const char *bridge,
                     uint32_t xid)
{
    for (size_t i = 0; i < ms->n_counted; i++) {
        if (ms->counted[i].xid == xid
            && !strcmp(ms->counted[i].bridge, bridge)) {
            return true;
        }
    }
    return false;
}

void
mapping_run_news(struct controller *c, struct bridge *bridge)
{
    struct flow_news *news = bridge_get_news(bridge);
    struct flow_news_item item;

    while (flow_news_next(news, &item)) {
        if (item.type == FLOW_FOUND) {
            adopt(c, bridge_get_name(bridge), &item);
        } else if (item.type == FLOW_REMOVED) {
            handle_idle(c, bridge_get_name(bridge), &item);
        } else if (item.type == FLOW_COUNTED) {
            take_counters(c, &item);
        } else if (item.type == FLOW_ALL) {
            note_counted(c->mappings, bridge_get_name(bridge), item.xid);
        }
    }
}
