/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "trace-private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bridge.h"
#include "byte-order.h"
#include "controller.h"
#include "flow.h"
#include "guard.h"
#include "lease.h"
#include "mapping.h"
#include "message.h"
#include "neighbour.h"
#include "network.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/meta-flow.h"
#include "openvswitch/ofp-actions.h"
#include "packets.h"
#include "record.h"
#include "session-path.h"
#include "transfer.h"
#include "util.h"

/* Flows that a packet may meet: more than there are tables. */
#define TRACE_MAX_HOPS 32
/* Bridges on its way: at the most two. */
#define TRACE_MAX_BRIDGES 3

/* A correspondent's: any port and MAC address that are no device's. */
#define TRACE_PORT u16_to_ofp(0xfe00)
static const struct eth_addr trace_mac = { { { 0x02, 0x00, 0x00, 0x00, 0x00,
                                               0xfe } } };

void
trace_merge(struct flow_set *dst, struct flow_set *src)
{
    struct baton_flow *flow;

    HMAP_FOR_EACH_SAFE(flow, node, &src->flows) {
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

static void
find_subject(const struct controller *c, const struct in6_addr *addr,
             struct trace_subject *subject)
{
    struct record view;
    const struct record *record = record_find_address(c->records, addr, &view);
    const struct transfer *t = NULL;

    memset(subject, 0, sizeof *subject);
    subject->address = *addr;
    subject->home = leases_home_bridge(c->leases, addr);
    subject->owner = guard_owner(c, addr);
    if (record) {
        subject->moved = true;
        subject->session = record->session;
        subject->guard = subject->inbound = subject->owner;
    }
    while ((t = transfers_next_live(c->transfers, t))) {
        if (ipv6_addr_equals(&t->address, addr)
            && t->state != TRANSFER_SETTLED) {
            bool gone = t->state == TRANSFER_GONE;

            subject->moved = true;
            subject->session = t->session;
            subject->guard = gone ? t->from : transfer_winner(t);
            subject->inbound = gone ? t->to : transfer_winner(t);
        }
    }
}

/* The next hops that the bridge knows. */
static void
collect_next_hops(const struct controller *c, const char *bridge,
                  struct flow_set *all)
{
    const struct flow_layout *layout = network_layout(c->network, bridge);
    struct neighbour neighbour;
    void *cookie = NULL;

    while (neighbours_next(c->neighbours, &cookie, &neighbour)) {
        struct flow_set flows;

        if (strcmp(neighbour.bridge, bridge)
            || eth_addr_is_zero(neighbour.mac)) {
            continue;
        }
        flow_set_init(&flows);
        flows_next_hop(layout, &neighbour.dst, neighbour.mac, &flows);
        trace_merge(all, &flows);
    }
}

/* The flows of 'bridge' that can matter to the subject: the same functions,
 * from the same records, as the bridge's. */
static void
collect_flows(const struct controller *c, const char *bridge,
              const struct trace_subject *subject, struct flow_set *all)
{
    const struct flow_layout *layout = network_layout(c->network, bridge);
    const struct lease *lease = leases_find(c->leases, &subject->address);
    struct flow_set flows;

    network_pipeline(c->network, bridge, all);
    collect_next_hops(c, bridge, all);
    if (lease && lease->state == LEASE_LEASED
        && !strcmp(lease->bridge, bridge)) {
        struct flow_prefix prefix = { lease->addr, lease->plen };
        struct flow_place place = place_of(c, lease->device, bridge);

        flow_set_init(&flows);
        flows_block(layout, &prefix, &place, &flows);
        trace_merge(all, &flows);
    }
    trace_mapping_flows(c, bridge, &subject->address, all);
    if (subject->moved) {
        flow_set_init(&flows);
        session_path_flows(c, bridge, subject->home, &subject->session,
                           &subject->address, subject->guard, subject->inbound,
                           &flows);
        trace_merge(all, &flows);
    }
}

static const struct baton_flow *
lookup(const struct flow_set *flows, uint8_t table_id,
       const struct flow *packet)
{
    const struct baton_flow *best = NULL;
    const struct baton_flow *flow;

    HMAP_FOR_EACH(flow, node, &flows->flows) {
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

/* A packet on its way. */
struct trace {
    const struct controller *c;
    const struct bridge *bridge;
    const struct flow_layout *layout;
    const struct flow_set *flows;
    struct flow packet;
    struct json *hops; /* Array: flows met. */
    int n_hops;
    char *end;      /* Where it ends, so far, or NULL. */
    bool in_tunnel; /* It goes on where the tunnel ends. */
};

static void
set_end(struct trace *t, char *end)
{
    free(t->end);
    t->end = end;
}

/* The far end of the tunnel that the packet goes into. */
static struct in6_addr
tunnel_peer(const struct trace *t)
{
    struct in6_addr peer = t->packet.tunnel.ipv6_dst;

    if (t->packet.tunnel.ip_dst) {
        in6_addr_set_mapped_ipv4(&peer, t->packet.tunnel.ip_dst);
    }
    return peer;
}

static char *
describe_tunnel(const struct trace *t)
{
    struct in6_addr peer = tunnel_peer(t);
    const char *to = network_find_tunnel(t->c->network, &peer);
    char address[INET6_ADDRSTRLEN];

    return xasprintf("port %s, tunnel to %s at %s, key %" PRIu64,
                     bridge_port_to_name(t->bridge, t->layout->tunnel_port),
                     to ? to : "the device",
                     ipv6_string_mapped(address, &peer),
                     ntohll(t->packet.tunnel.tun_id));
}

static void
output(struct trace *t, ofp_port_t port)
{
    const char *name = bridge_port_to_name(t->bridge, port);

    t->in_tunnel = (port == t->layout->tunnel_port
                    && flow_layout_has_tunnel(t->layout));
    if (t->in_tunnel) {
        set_end(t, describe_tunnel(t));
    } else if (port == OFPP_NORMAL) {
        set_end(t, xstrdup("NORMAL"));
    } else if (port == OFPP_IN_PORT) {
        set_end(t, xstrdup("back out of its port"));
    } else if (port == OFPP_CONTROLLER) {
        set_end(t, xstrdup("the controller"));
    } else if (port == OFPP_NONE) {
        set_end(t, xstrdup("dropped: its device is not attached"));
    } else {
        set_end(t, xasprintf("port %s", name ? name : "(gone)"));
    }
}

static void
move_register(struct trace *t, const struct ofpact_reg_move *move)
{
    union mf_subvalue value;

    mf_read_subfield(&move->src, &t->packet, &value);
    mf_write_subfield_flow(&move->dst, &value, &t->packet);
}

static void trace_table(struct trace *, uint8_t table_id);

/* Does what 'flow' says, as far as it matters to where the packet goes.  What
 * is cloned goes elsewhere. */
static void
trace_actions(struct trace *t, const struct baton_flow *flow)
{
    const struct ofpact *a;

    OFPACT_FOR_EACH(a, flow->ofpacts, flow->ofpacts_len) {
        if (a->type == OFPACT_GOTO_TABLE) {
            trace_table(t, ofpact_get_GOTO_TABLE(a)->table_id);
        } else if (a->type == OFPACT_RESUBMIT) {
            trace_table(t, ofpact_get_RESUBMIT(a)->table_id);
        } else if (a->type == OFPACT_SET_FIELD) {
            const struct ofpact_set_field *set = ofpact_get_SET_FIELD(a);

            mf_set_flow_value_masked(set->field, set->value,
                                     ofpact_set_field_mask(set), &t->packet);
        } else if (a->type == OFPACT_REG_MOVE) {
            move_register(t, ofpact_get_REG_MOVE(a));
        } else if (a->type == OFPACT_OUTPUT_REG) {
            output(t, u16_to_ofp(mf_get_subfield(
                          &ofpact_get_OUTPUT_REG(a)->src, &t->packet)));
        } else if (a->type == OFPACT_OUTPUT) {
            output(t, ofpact_get_OUTPUT(a)->port);
        } else if (a->type == OFPACT_CONTROLLER) {
            output(t, OFPP_CONTROLLER);
        }
    }
}

static void
trace_table(struct trace *t, uint8_t table_id)
{
    const struct baton_flow *flow = lookup(t->flows, table_id, &t->packet);
    struct json *hop;
    char *s;

    if (!flow || ++t->n_hops > TRACE_MAX_HOPS) {
        if (table_id == t->layout->forward_table) {
            set_end(t, xasprintf("table %d", table_id));
        }
        return;
    }
    hop = json_object_create();
    message_put_string(hop, "bridge", bridge_get_name(t->bridge));
    message_put_integer(hop, "table", table_id);
    message_put_integer(hop, "priority", flow->priority);
    s = minimatch_to_string(&flow->match, NULL, OFP_DEFAULT_PRIORITY);
    message_put_string(hop, "match", s);
    free(s);
    s = actions_to_string(flow);
    message_put_string(hop, "actions", s);
    free(s);
    json_array_add(t->hops, hop);
    trace_actions(t, flow);
}

/* What the other end of the tunnel makes of it: the same packet, and where it
 * came from. */
static bool
cross_tunnel(struct trace *t, const char **bridgep)
{
    const struct in6_addr *here = network_tunnel_address(t->c->network,
                                                         *bridgep);
    struct in6_addr peer = tunnel_peer(t);
    const struct flow_layout *layout;
    struct flow next = t->packet;

    *bridgep = network_find_tunnel(t->c->network, &peer);
    layout = *bridgep ? network_layout(t->c->network, *bridgep) : NULL;
    if (!here || !layout || !flow_layout_has_tunnel(layout)) {
        return false;
    }
    memset(next.regs, 0, sizeof next.regs);
    memset(&next.tunnel, 0, sizeof next.tunnel);
    next.tunnel.tun_id = t->packet.tunnel.tun_id;
    if (IN6_IS_ADDR_V4MAPPED(here)) {
        next.tunnel.ip_src = in6_addr_get_mapped_ipv4(here);
    } else {
        next.tunnel.ipv6_src = *here;
    }
    next.in_port.ofp_port = layout->tunnel_port;
    t->packet = next;
    return true;
}

static struct json *
follow(const struct controller *c, const char *bridge,
       const struct trace_subject *subject, const struct flow *packet)
{
    struct json *object = json_object_create();
    struct ds end = DS_EMPTY_INITIALIZER;
    struct trace t = {
        .c = c,
        .packet = *packet,
        .hops = json_array_create_empty(),
    };

    for (int i = 0; i < TRACE_MAX_BRIDGES; i++) {
        struct flow_set flows;

        flow_set_init(&flows);
        collect_flows(c, bridge, subject, &flows);
        t.bridge = network_find(c->network, bridge);
        t.layout = network_layout(c->network, bridge);
        t.flows = &flows;
        t.in_tunnel = false;
        t.n_hops = 0;
        set_end(&t, NULL);
        trace_table(&t, t.layout->first_table);
        flow_set_destroy(&flows);
        if (end.length || t.in_tunnel) {
            ds_put_format(&end, "%s%s: ", end.length ? "; " : "", bridge);
        }
        ds_put_cstr(&end, t.end ? t.end : "dropped");
        if (!t.in_tunnel || !cross_tunnel(&t, &bridge)) {
            break;
        }
    }
    json_object_put(object, "hops", t.hops);
    message_put_string(object, "end", ds_cstr(&end));
    ds_destroy(&end);
    free(t.end);
    return object;
}

void
trace_set_address(struct flow *packet, const struct in6_addr *addr,
                  bool source)
{
    if (IN6_IS_ADDR_V4MAPPED(addr)) {
        packet->dl_type = htons(ETH_TYPE_IP);
        *(source ? &packet->nw_src
                 : &packet->nw_dst) = in6_addr_get_mapped_ipv4(addr);
    } else {
        packet->dl_type = htons(ETH_TYPE_IPV6);
        *(source ? &packet->ipv6_src : &packet->ipv6_dst) = *addr;
    }
    packet->nw_ttl = 64;
}

struct json *
trace_packet(const struct controller *c, const char *bridge,
             const struct trace_subject *subject, const struct flow *packet_)
{
    struct flow packet = *packet_;

    packet.in_port.ofp_port = TRACE_PORT;
    packet.dl_src = trace_mac;
    return follow(c, bridge, subject, &packet);
}

static struct json *
trace_to(const struct controller *c, const struct trace_subject *subject,
         const struct mapping *m, const struct flow_place *place)
{
    struct flow packet;

    memset(&packet, 0, sizeof packet);
    packet.nw_proto = IPPROTO_TCP;
    trace_set_address(&packet, &subject->address, false);
    packet.dl_dst = place->mac;
    if (m) {
        trace_mapping_set(c, m, false, &packet);
    }
    return trace_packet(c, subject->home, subject, &packet);
}

static struct json *
trace_from(const struct controller *c, const struct trace_subject *subject,
           const struct mapping *m, const char *at,
           const struct flow_place *place)
{
    struct flow packet;

    memset(&packet, 0, sizeof packet);
    packet.nw_proto = IPPROTO_TCP;
    trace_set_address(&packet, &subject->address, true);
    packet.in_port.ofp_port = place->port;
    packet.dl_src = place->mac;
    packet.dl_dst = trace_mac;
    if (place->key) {
        packet.tunnel.tun_id = htonll(place->key);
        if (IN6_IS_ADDR_V4MAPPED(&place->peer)) {
            packet.tunnel.ip_src = in6_addr_get_mapped_ipv4(&place->peer);
        } else {
            packet.tunnel.ipv6_src = place->peer;
        }
    }
    if (m) {
        trace_mapping_set(c, m, true, &packet);
    }
    return follow(c, at, subject, &packet);
}

static void
put_both_ways(const struct controller *c, const struct trace_subject *subject,
              const struct mapping *m, struct json *object)
{
    /* To a device with a tunnel of its own the home bridge is the last. */
    const char *at = session_path_bridge(c, subject->owner, subject->home);
    struct flow_place place;

    at = network_find(c->network, at) ? at : subject->home;
    place = session_path_place(c, subject->owner, at, &subject->session);
    message_put_string(object, "owner", subject->owner ? subject->owner : "");
    json_object_put(object, "to", trace_to(c, subject, m, &place));
    json_object_put(object, "from", trace_from(c, subject, m, at, &place));
}

void
trace_both_ways(const struct controller *c, const struct in6_addr *addr,
                const struct mapping *m, struct json *object)
{
    struct trace_subject subject;

    find_subject(c, addr, &subject);
    put_both_ways(c, &subject, m, object);
}

struct json *
trace_address(const struct controller *c, const struct in6_addr *addr)
{
    struct json *object = json_object_create();
    struct trace_subject subject;

    find_subject(c, addr, &subject);
    message_put_address(object, "address", addr);
    message_put_string(object, "bridge", subject.home ? subject.home : "");
    if (!subject.home || !network_find(c->network, subject.home)) {
        message_put_string(object, "owner",
                           subject.owner ? subject.owner : "");
        message_put_string(object, "note",
                           "no pool of a bridge has this address");
        return object;
    }
    put_both_ways(c, &subject, mapping_find_address(c->mappings, addr),
                  object);
    trace_mapping_put(c, &subject, object);
    return object;
}
