/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "trace.h"

#include <stdlib.h>
#include <string.h>

#include "controller.h"
#include "flow.h"
#include "lease.h"
#include "mediator.h"
#include "message.h"
#include "network.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/ofp-actions.h"
#include "packets.h"
#include "record.h"
#include "transfer.h"
#include "util.h"

/* Tables that a packet may pass: more than there are. */
#define TRACE_MAX_HOPS 16

/* A correspondent's: any port and MAC address that are no device's. */
#define TRACE_PORT u16_to_ofp(0xfe00)
static const struct eth_addr trace_mac
    = { { { 0x02, 0x00, 0x00, 0x00, 0x00, 0xfe } } };

/* Moves all of 'src' into 'dst'. */
static void
merge(struct flow_set *dst, struct flow_set *src)
{
    struct baton_flow *flow;

    HMAP_FOR_EACH_SAFE (flow, node, &src->flows) {
        hmap_remove(&src->flows, &flow->node);
        hmap_insert(&dst->flows, &flow->node, flow->node.hash);
    }
    flow_set_destroy(src);
}

static struct flow_place
place_of(const struct controller *c, const char *device, const char *bridge)
{
    return device_flow_place(device ? device_find(&c->devices, device) : NULL,
                             bridge);
}

/* The flows of 'bridge' that can matter to 'addr': the same functions, from
 * the same records, as the bridge's. */
static void
collect_flows(const struct controller *c, const char *bridge,
              const struct in6_addr *addr, struct flow_set *all)
{
    const struct flow_layout *layout = network_layout(c->network, bridge);
    const struct record *record = record_find_address(c->records, addr);
    const struct lease *lease = leases_find(c->leases, addr);
    const struct transfer *t = NULL, *gone = NULL;
    struct flow_set flows;

    network_pipeline(c->network, bridge, all);
    if (lease && lease->state == LEASE_LEASED) {
        struct flow_prefix prefix = { lease->addr, lease->plen };
        struct flow_place place = place_of(c, lease->device, bridge);

        flow_set_init(&flows);
        flows_block(layout, &prefix, &place, &flows);
        merge(all, &flows);
    }
    while ((t = transfers_next_live(c->transfers, t))) {
        if (ipv6_addr_equals(&t->address, addr)
            && t->state != TRANSFER_SETTLED) {
            gone = t;
        }
    }
    if (record || gone) {
        const char *guard = !gone ? record->owner
                            : gone->state == TRANSFER_GONE
                                ? gone->from : transfer_winner(gone);
        const char *inbound = !gone ? record->owner
                              : gone->state == TRANSFER_GONE
                                  ? gone->to : transfer_winner(gone);
        struct flow_place g = place_of(c, guard, bridge);
        struct flow_place i = place_of(c, inbound, bridge);

        flow_set_init(&flows);
        flows_session(layout, addr, &g, &i, &flows);
        merge(all, &flows);
    }
}

static const struct baton_flow *
lookup(const struct flow_set *flows, uint8_t table_id,
       const struct flow *packet)
{
    const struct baton_flow *best = NULL;
    const struct baton_flow *flow;

    HMAP_FOR_EACH (flow, node, &flows->flows) {
        if (flow->table_id == table_id
            && (!best || flow->priority > best->priority)
            && minimatch_matches_flow(&flow->match, packet)) {
            best = flow;
        }
    }
    return best;
}

static char *
actions_to_string(const struct baton_flow *flow)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct ofpact_format_params params = { .s = &s };

    ofpacts_format(flow->ofpacts, flow->ofpacts_len, &params);
    return ds_steal_cstr(&s);
}

/* Applies what changes where 'packet' goes; returns the next table, or -1, and
 * then '*end' says where the packet ends. */
static int
apply(const struct controller *c, const char *bridge,
      const struct baton_flow *flow, struct flow *packet, char **end)
{
    const struct bridge *br = network_find(c->network, bridge);
    const struct ofpact *a;
    const char *port;
    int next = -1;

    OFPACT_FOR_EACH (a, flow->ofpacts, flow->ofpacts_len) {
        if (a->type == OFPACT_GOTO_TABLE) {
            next = ofpact_get_GOTO_TABLE(a)->table_id;
        } else if (a->type == OFPACT_RESUBMIT) {
            next = ofpact_get_RESUBMIT(a)->table_id;
        } else if (a->type == OFPACT_SET_ETH_DST) {
            packet->dl_dst = ofpact_get_SET_ETH_DST(a)->mac;
        } else if (a->type == OFPACT_CONTROLLER) {
            free(*end);
            *end = xstrdup("the controller");
        } else if (a->type == OFPACT_OUTPUT) {
            ofp_port_t ofp_port = ofpact_get_OUTPUT(a)->port;

            port = bridge_port_to_name(br, ofp_port);
            free(*end);
            *end = ofp_port == OFPP_NORMAL  ? xstrdup("NORMAL")
                   : ofp_port == OFPP_IN_PORT
                       ? xstrdup("back out of its port")
                   : ofp_port == OFPP_CONTROLLER ? xstrdup("the controller")
                   : xasprintf("port %s", port ? port : "(gone)");
        }
    }
    return next;
}

static struct json *
trace_packet(const struct controller *c, const char *bridge,
             const struct flow_set *flows, struct flow *packet)
{
    const struct flow_layout *layout = network_layout(c->network, bridge);
    struct json *object = json_object_create();
    struct json *hops = json_array_create_empty();
    int table_id = layout->first_table;
    char *end = NULL;

    for (int i = 0; table_id >= 0 && i < TRACE_MAX_HOPS; i++) {
        const struct baton_flow *flow = lookup(flows, table_id, packet);
        struct json *hop;
        char *s;

        if (!flow) {
            free(end);
            end = i && table_id == layout->forward_table
                      ? xasprintf("table %d", table_id)
                      : xasprintf("dropped: nothing matches in table %d",
                                  table_id);
            break;
        }
        hop = json_object_create();
        message_put_integer(hop, "table", table_id);
        message_put_integer(hop, "priority", flow->priority);
        s = minimatch_to_string(&flow->match, NULL, OFP_DEFAULT_PRIORITY);
        message_put_string(hop, "match", s);
        free(s);
        s = actions_to_string(flow);
        message_put_string(hop, "actions", s);
        free(s);
        json_array_add(hops, hop);
        table_id = apply(c, bridge, flow, packet, &end);
    }
    json_object_put(object, "hops", hops);
    message_put_string(object, "end", end ? end : "dropped");
    free(end);
    return object;
}

static void
set_address(struct flow *packet, const struct in6_addr *addr, bool source)
{
    if (IN6_IS_ADDR_V4MAPPED(addr)) {
        packet->dl_type = htons(ETH_TYPE_IP);
        *(source ? &packet->nw_src : &packet->nw_dst)
            = in6_addr_get_mapped_ipv4(addr);
    } else {
        packet->dl_type = htons(ETH_TYPE_IPV6);
        *(source ? &packet->ipv6_src : &packet->ipv6_dst) = *addr;
    }
    packet->nw_proto = IPPROTO_TCP;
    packet->nw_ttl = 64;
}

struct json *
trace_address(const struct controller *c, const struct in6_addr *addr)
{
    const char *bridge = leases_home_bridge(c->leases, addr);
    const char *owner = mediator_owner(c, addr);
    struct json *object = json_object_create();
    struct flow_place place;
    struct flow_set flows;
    struct flow packet;

    message_put_address(object, "address", addr);
    message_put_string(object, "bridge", bridge ? bridge : "");
    message_put_string(object, "owner", owner ? owner : "");
    if (!bridge || !network_find(c->network, bridge)) {
        message_put_string(object, "note",
                           "no pool of a bridge has this address");
        return object;
    }

    flow_set_init(&flows);
    collect_flows(c, bridge, addr, &flows);
    place = place_of(c, owner, bridge);

    memset(&packet, 0, sizeof packet);
    set_address(&packet, addr, false);
    packet.in_port.ofp_port = TRACE_PORT;
    packet.dl_src = trace_mac;
    packet.dl_dst = place.mac;
    json_object_put(object, "to", trace_packet(c, bridge, &flows, &packet));

    memset(&packet, 0, sizeof packet);
    set_address(&packet, addr, true);
    packet.in_port.ofp_port = place.port;
    packet.dl_src = place.mac;
    packet.dl_dst = trace_mac;
    json_object_put(object, "from", trace_packet(c, bridge, &flows, &packet));

    flow_set_destroy(&flows);
    return object;
}
