/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "next-hop.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "bridge.h"
#include "controller.h"
#include "device.h"
#include "dp-packet.h"
#include "flow.h"
#include "lease.h"
#include "message.h"
#include "neighbour.h"
#include "network.h"
#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "policy.h"
#include "record.h"
#include "session-path.h"
#include "sset.h"
#include "timeval.h"
#include "tunnel-path.h"
#include "upkeep.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(next_hop);

/* Next hops that a device may tell at once. */
#define LEARN_MAX 64
/* Packets that wait for an answer, in all, and for how long (ms). */
#define WAITING_MAX 256
#define WAITING_MS 3000
/* Milliseconds between looks at which bridges have sessions away. */
#define ACTIVE_PERIOD 10000

/* A packet whose next hop is being asked for. */
struct waiting {
    struct ovs_list node; /* In struct controller. */
    char bridge[64];
    struct in6_addr dst;
    ofp_port_t in_port;
    void *data;
    size_t size;
    long long int until; /* Milliseconds. */
};

void
next_hops_configure(struct controller *c)
{
    const struct shash_node *node;

    SHASH_FOR_EACH(node, &c->policy->bridges) {
        const struct policy_bridge *pb = node->data;

        for (size_t i = 0; i < pb->n_gateways; i++) {
            neighbours_learn(c->neighbours, pb->name, &pb->gateways[i], true,
                             eth_addr_zero, time_msec());
        }
    }
}

static const struct policy_bridge *
policy_bridge(const struct controller *c, const char *bridge)
{
    return shash_find_data(&c->policy->bridges, bridge);
}

static bool
is_on_link(const struct policy_bridge *pb, const struct in6_addr *addr)
{
    for (size_t i = 0; pb && i < pb->n_subnets; i++) {
        if (policy_prefix_contains(&pb->subnets[i], addr)) {
            return true;
        }
    }
    return IN6_IS_ADDR_LINKLOCAL(addr);
}

/* Does policy name another gateway of that family? */
static bool
has_gateway(const struct policy_bridge *pb, const struct in6_addr *addr)
{
    for (size_t i = 0; pb && i < pb->n_gateways; i++) {
        if (!IN6_IS_ADDR_V4MAPPED(&pb->gateways[i])
                == !IN6_IS_ADDR_V4MAPPED(addr)
            && !ipv6_addr_equals(&pb->gateways[i], addr)) {
            return true;
        }
    }
    return false;
}

void
next_hops_learn(struct controller *c, const struct device *device,
                struct message *m)
{
    const char *bridge = device->place.bridge;
    const struct policy_bridge *pb = policy_bridge(c, bridge);
    struct message own = MESSAGE_INITIALIZER(m->object);
    const struct json_array *array;

    if (!device->place.known || !network_tunnel_address(c->network, bridge)) {
        return;
    }
    array = message_get_array(&own, "next_hops", LEARN_MAX);
    for (size_t i = 0; i < array->n; i++) {
        struct message em = MESSAGE_INITIALIZER(array->elems[i]);
        struct eth_addr mac = eth_addr_zero;
        struct in6_addr address;
        bool gateway;
        char *error;

        message_get_address(&em, "address", &address);
        message_get_eth(&em, "mac", &mac);
        gateway = message_get_boolean(&em, "gateway");
        error = message_finish(&em);
        if (!error && is_on_link(pb, &address)
            && !(gateway && has_gateway(pb, &address))) {
            neighbours_learn(c->neighbours, bridge, &address, gateway, mac,
                             time_msec());
        }
        free(error);
    }
    free(message_finish(&own));
}

/* Packets. */

static void
waiting_destroy(struct waiting *w)
{
    ovs_list_remove(&w->node);
    free(w->data);
    free(w);
}

/* What waited for 'address' goes on: the bridge knows the way now, or will
 * when it gets there. */
static void
release(struct controller *c, struct bridge *bridge,
        const struct in6_addr *address, bool gateway)
{
    const char *name = bridge_get_name(bridge);
    const struct policy_bridge *pb = policy_bridge(c, name);
    struct waiting *w;

    LIST_FOR_EACH_SAFE(w, node, &c->waiting) {
        if (!strcmp(w->bridge, name)
            && (ipv6_addr_equals(&w->dst, address)
                || (gateway && !is_on_link(pb, &w->dst)))) {
            bridge_send_past_guard(bridge, w->in_port, w->data, w->size);
            waiting_destroy(w);
        }
    }
}

static void
carry_out(struct controller *c)
{
    struct neighbour_action action;

    while (neighbours_next_action(c->neighbours, &action)) {
        struct bridge *bridge = network_find(c->network, action.bridge);
        const struct flow_layout *layout = network_layout(c->network,
                                                          action.bridge);
        struct dp_packet packet;

        if (!bridge || !layout) {
            continue;
        }
        switch (action.type) {
        case NEIGHBOUR_ASK:
            dp_packet_init(&packet, 0);
            neighbour_compose(&packet, &action.address, layout->mac);
            bridge_send_forward(bridge, dp_packet_data(&packet),
                                dp_packet_size(&packet));
            dp_packet_uninit(&packet);
            break;

        case NEIGHBOUR_SET:
            network_set_next_hop(c->network, action.bridge, &action.key,
                                 &action.dst, action.mac);
            network_flush(c->network, action.bridge);
            upkeep_next_hops_changed(c->upkeep, action.bridge);
            release(c, bridge, &action.address, action.dst.plen != 128);
            break;

        case NEIGHBOUR_UNSET:
            network_unset(c->network, action.bridge, &action.key);
            network_flush(c->network, action.bridge);
            upkeep_next_hops_changed(c->upkeep, action.bridge);
            break;
        }
    }
}

static void
keep_waiting(struct controller *c, const char *bridge,
             const struct bridge_packet *packet, const struct in6_addr *dst)
{
    struct waiting *w;

    if (ovs_list_size(&c->waiting) >= WAITING_MAX) {
        return;
    }
    w = xzalloc(sizeof *w);
    ovs_strlcpy(w->bridge, bridge, sizeof w->bridge);
    w->dst = *dst;
    w->in_port = packet->in_port;
    w->data = xmemdup(packet->data, packet->size);
    w->size = packet->size;
    w->until = time_msec() + WAITING_MS;
    ovs_list_push_back(&c->waiting, &w->node);
}

static void
handle_unknown(struct controller *c, struct bridge *bridge,
               const struct bridge_packet *packet)
{
    const char *name = bridge_get_name(bridge);
    struct dp_packet dp;
    struct in6_addr dst;
    struct eth_addr mac;
    struct flow flow;

    dp_packet_use_const(&dp, packet->data, packet->size);
    flow_extract(&dp, &flow);
    if (flow.dl_type == htons(ETH_TYPE_IP)) {
        in6_addr_set_mapped_ipv4(&dst, flow.nw_dst);
        if (ip_is_multicast(flow.nw_dst) || flow.nw_dst == OVS_BE32_MAX) {
            return;
        }
    } else if (flow.dl_type == htons(ETH_TYPE_IPV6)
               && !IN6_IS_ADDR_MULTICAST(&flow.ipv6_dst)) {
        dst = flow.ipv6_dst;
    } else {
        return;
    }
    if (neighbours_want(c->neighbours, name, &dst,
                        is_on_link(policy_bridge(c, name), &dst), &mac,
                        time_msec())) {
        /* Its flow is there; a stale megaflow sent it here. */
        bridge_send_past_guard(bridge, packet->in_port, packet->data,
                               packet->size);
    } else {
        keep_waiting(c, name, packet, &dst);
    }
}

void
next_hops_handle_packet(struct controller *c, struct bridge *bridge,
                        const struct bridge_packet *packet)
{
    struct in6_addr address;
    struct eth_addr mac;

    if (packet->kind == BATON_FLOW_NEXT_HOP) {
        handle_unknown(c, bridge, packet);
    } else if (neighbour_parse(packet->data, packet->size, &address, &mac)) {
        neighbours_answer(c->neighbours, bridge_get_name(bridge), &address,
                          mac, time_msec());
    }
    neighbours_run(c->neighbours, time_msec());
    carry_out(c);
}

void
next_hops_refresh_bridge(struct controller *c, const char *bridge)
{
    neighbours_refresh(c->neighbours, bridge);
    carry_out(c);
}

/* The loop. */

/* Between which bridges do sessions go?  Their tunnels, and the next hops at
 * their homes, are kept fresh. */
static void
look_for_activity(struct controller *c)
{
    struct sset active = SSET_INITIALIZER(&active);
    const struct bridge *bridge = NULL;
    struct record record = RECORD_WALK;

    while (record_next(c->records, &record)) {
        const char *home = leases_home_bridge(c->leases, &record.address);
        const struct device *owner = device_find(&c->devices, record.owner);

        if (!record.ended && home && owner
            && session_path_tunnel(owner, home)) {
            sset_add(&active, home); /* The tunnel keeps itself fresh. */
        } else if (!record.ended && home
                   && session_path_is_foreign(owner, home)) {
            sset_add(&active, home);
            tunnel_paths_want(c->tunnel_paths, home, owner->place.bridge,
                              time_msec());
            tunnel_paths_want(c->tunnel_paths, owner->place.bridge, home,
                              time_msec());
        }
    }
    while ((bridge = network_next(c->network, bridge))) {
        const char *name = bridge_get_name(bridge);

        neighbours_set_active(c->neighbours, name,
                              sset_contains(&active, name), time_msec());
    }
    sset_destroy(&active);
}

void
next_hops_run(struct controller *c)
{
    struct waiting *w;

    if (time_msec() >= c->next_hops_look) {
        c->next_hops_look = time_msec() + ACTIVE_PERIOD;
        look_for_activity(c);
    }
    neighbours_run(c->neighbours, time_msec());
    carry_out(c);
    LIST_FOR_EACH_SAFE(w, node, &c->waiting) {
        if (time_msec() < w->until) {
            break;
        }
        waiting_destroy(w);
    }
}

void
next_hops_wait(struct controller *c)
{
    long long int deadline = neighbours_next_deadline(c->neighbours);

    if (deadline != LLONG_MAX) {
        poll_timer_wait_until(MIN(deadline, c->next_hops_look));
    }
}

void
next_hops_destroy(struct controller *c)
{
    struct waiting *w;

    LIST_FOR_EACH_SAFE(w, node, &c->waiting) {
        waiting_destroy(w);
    }
    neighbours_destroy(c->neighbours);
}
