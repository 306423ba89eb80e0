/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "network.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "fail-mode.h"
#include "mapping-flows.h"
#include "packets.h"
#include "policy.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(network);

/* Milliseconds after which a listener that failed is tried again. */
#define NETWORK_RETRY 1000

/* Meters of guard violations and of attachment frames: numbers that nobody
 * else is likely to have taken. */
#define NETWORK_METER 0xba70
#define NETWORK_ATTACHMENT_METER 0xba71
#define NETWORK_SIZE_METER 0xba72
#define NETWORK_MAPPING_METER 0xba73

/* The key of each bridge's pipeline. */
static const struct uuid pipeline_key = { { 0xba70, 0, 0, 1 } };

/* One bridge, and what policy said of it when it was made. */
struct site {
    struct ovs_list node; /* In struct network. */
    struct bridge *bridge;
    char *name;
    char *target; /* Or NULL. */
    struct flow_layout layout;
    struct flow_prefix *prefixes; /* Pools. */
    size_t n_prefixes;
    struct flow_prefix *subnets;
    size_t n_subnets;
    struct flow_prefix *others; /* Pools of other bridges. */
    size_t n_others;

    /* As in policy; 'port_name' is copied. */
    struct policy_tunnel tunnel;
    bool maps;                   /* It has movable services. */
    struct fail_mode *fail_mode; /* NULL: its OVSDB is not known. */
    bool was_synchronised;
    unsigned int port_seqno;
    bool ports_known; /* It has told its ports, once. */
    bool dirty;       /* Set since the last flush. */
    bool keep;        /* For network_configure(). */
};

struct listener {
    struct ovs_list node; /* In struct network. */
    char *target;
    struct bridge_listener *listener; /* NULL: could not be opened. */
    long long int retry_at;           /* Milliseconds, while NULL. */
    bool keep;                        /* For network_configure(). */
};

struct queued_event {
    struct ovs_list node; /* In struct network. */
    struct network_event event;
};

struct network {
    struct ovs_list sites;     /* struct site */
    struct ovs_list listeners; /* struct listener */
    struct ovs_list events;    /* struct queued_event */
    struct sset lans;          /* Names of plain LANs. */
};

struct network *
network_create(void)
{
    struct network *network = xzalloc(sizeof *network);

    ovs_list_init(&network->sites);
    ovs_list_init(&network->listeners);
    ovs_list_init(&network->events);
    sset_init(&network->lans);
    return network;
}

static void
site_destroy(struct site *site, bool detach)
{
    ovs_list_remove(&site->node);
    bridge_destroy(site->bridge, detach);
    fail_mode_close(site->fail_mode);
    free(site->name);
    free(site->target);
    free(site->prefixes);
    free(site->subnets);
    free(site->others);
    free(site->tunnel.port_name);
    free(site);
}

static void
listener_destroy(struct listener *listener)
{
    ovs_list_remove(&listener->node);
    bridge_listener_close(listener->listener);
    free(listener->target);
    free(listener);
}

void
network_destroy(struct network *network, bool detach)
{
    if (network) {
        struct queued_event *event;
        struct listener *listener;
        struct site *site;

        LIST_FOR_EACH_SAFE(site, node, &network->sites) {
            site_destroy(site, detach);
        }
        LIST_FOR_EACH_SAFE(listener, node, &network->listeners) {
            listener_destroy(listener);
        }
        LIST_FOR_EACH_POP(event, node, &network->events) {
            free(event);
        }
        sset_destroy(&network->lans);
        free(network);
    }
}

static void
add_event(struct network *network, enum network_event_type type,
          const char *bridge)
{
    struct queued_event *event = xzalloc(sizeof *event);

    event->event.type = type;
    ovs_strlcpy(event->event.bridge, bridge, sizeof event->event.bridge);
    ovs_list_push_back(&network->events, &event->node);
}

static struct site *
find_site(const struct network *network, const char *name)
{
    struct site *site;

    LIST_FOR_EACH(site, node, &network->sites) {
        if (!strcmp(site->name, name)) {
            return site;
        }
    }
    return NULL;
}

/* What a policy keeps for Baton is enough. */
BUILD_ASSERT_DECL(BATON_N_TABLES <= POLICY_BRIDGE_TABLES);

static struct flow_layout
layout_of(const struct policy_bridge *pb, const struct policy *policy)
{
    struct flow_layout layout;

    memset(&layout, 0, sizeof layout);
    layout.first_table = pb->first_table;
    layout.forward_table = pb->forward_table;
    layout.packet_ins = policy->limits.packet_ins;
    if (layout.packet_ins) {
        layout.meter_id = NETWORK_METER;
        layout.attachment_meter_id = NETWORK_ATTACHMENT_METER;
        layout.size_meter_id = NETWORK_SIZE_METER;
        layout.mapping_meter_id = NETWORK_MAPPING_METER;
    }
    layout.tunnel_port = OFPP_NONE;
    if (pb->tunnel.type != POLICY_TUNNEL_NONE) {
        layout.tunnel_mtu = MIN(policy_tunnel_payload(&pb->tunnel),
                                UINT16_MAX - ETH_HEADER_LEN);
    }
    /* Locally administered, and the same after a restart. */
    eth_addr_from_uint64(pb->datapath_id & UINT64_C(0xffffffffff),
                         &layout.mac);
    layout.mac.ea[0] = 0x06;
    return layout;
}

static bool
same_tunnel(const struct policy_tunnel *a, const struct policy_tunnel *b)
{
    return (a->type == b->type
            && (a->type == POLICY_TUNNEL_NONE
                || (ipv6_addr_equals(&a->address, &b->address)
                    && a->udp_port == b->udp_port && a->mtu == b->mtu
                    && !strcmp(a->port_name, b->port_name))));
}

static bool
site_is_same(const struct site *site, const struct policy_bridge *pb,
             const struct policy *policy)
{
    struct flow_layout layout = layout_of(pb, policy);

    return (nullable_string_is_equal(site->target, pb->target)
            && bridge_get_datapath_id(site->bridge) == pb->datapath_id
            && site->layout.first_table == layout.first_table
            && site->layout.forward_table == layout.forward_table
            && site->layout.packet_ins == layout.packet_ins
            && same_tunnel(&site->tunnel, &pb->tunnel));
}

static void
collect_pipeline(const struct site *site, struct flow_set *flows)
{
    flows_pipeline(&site->layout, site->prefixes, site->n_prefixes, flows);
    flows_tunnel(&site->layout, site->subnets, site->n_subnets, flows);
    if (site->maps) {
        flows_mapping_pipeline(&site->layout, site->prefixes, site->n_prefixes,
                               flows);
    }
}

static void
set_pipeline(struct site *site)
{
    struct flow_set flows;

    flow_set_init(&flows);
    collect_pipeline(site, &flows);
    bridge_set(site->bridge, &pipeline_key, &flows);
    flow_set_destroy(&flows);
    site->dirty = true;
}

static void
set_prefixes(struct site *site, const struct policy *policy)
{
    const struct policy_bridge *pb = shash_find_data(&policy->bridges,
                                                     site->name);
    const struct shash_node *node;

    free(site->prefixes);
    site->prefixes = xcalloc(shash_count(&policy->pools) + 1,
                             sizeof *site->prefixes);
    site->n_prefixes = 0;
    free(site->others);
    site->others = xcalloc(shash_count(&policy->pools) + 1,
                           sizeof *site->others);
    site->n_others = 0;
    SHASH_FOR_EACH(node, &policy->pools) {
        const struct policy_pool *pool = node->data;

        bool own = !strcmp(pool->bridge->name, site->name);
        struct flow_prefix *prefix = own ? &site->prefixes[site->n_prefixes++]
                                         : &site->others[site->n_others++];

        prefix->addr = pool->prefix.addr;
        prefix->plen = pool->prefix.plen;
    }
    free(site->subnets);
    site->subnets = xcalloc(pb->n_subnets + 1, sizeof *site->subnets);
    site->n_subnets = pb->n_subnets;
    for (size_t i = 0; i < pb->n_subnets; i++) {
        site->subnets[i].addr = pb->subnets[i].addr;
        site->subnets[i].plen = pb->subnets[i].plen;
    }
}

/* Is a permanent address with movable services on the bridge? */
static bool
has_movables(const char *bridge, const struct policy *policy)
{
    const struct shash_node *mn, *dn;

    SHASH_FOR_EACH(mn, &policy->movables) {
        SHASH_FOR_EACH(dn, &policy->devices) {
            const struct policy_device *device = dn->data;

            for (size_t i = 0; i < device->n_permanent; i++) {
                if (!strcmp(device->permanent[i].bridge->name, bridge)
                    && policy_movable_is_at(policy, mn->data, device->name,
                                            &device->permanent[i].addr)) {
                    return true;
                }
            }
        }
    }
    return false;
}

static void
open_fail_mode(struct site *site, const struct policy_bridge *pb)
{
    char *remote = fail_mode_guess_remote(pb->target);

    if (remote) {
        site->fail_mode = fail_mode_open(remote, pb->datapath_id);
        free(remote);
    } else {
        VLOG_INFO("%s: its fail_mode cannot be seen from here; it must be "
                  "\"secure\"",
                  site->name);
    }
}

/* Transfers by way of the bridge are to hear that it is gone. */
static void
forsake(struct network *network, struct site *site)
{
    if (site->was_synchronised) {
        add_event(network, NETWORK_LOST, site->name);
    }
    site_destroy(site, true);
}

static void
configure_bridge(struct network *network, const struct policy_bridge *pb,
                 const struct policy *policy)
{
    struct site *site = find_site(network, pb->name);
    bool detached = site && bridge_is_detached(site->bridge);

    if (site && !site_is_same(site, pb, policy)) {
        forsake(network, site);
        site = NULL;
    }
    if (!site) {
        site = xzalloc(sizeof *site);
        site->name = xstrdup(pb->name);
        site->target = nullable_xstrdup(pb->target);
        site->layout = layout_of(pb, policy);
        site->tunnel = pb->tunnel;
        site->tunnel.port_name = nullable_xstrdup(pb->tunnel.port_name);
        site->bridge = bridge_create(pb->name, pb->target, pb->datapath_id,
                                     &site->layout);
        if (detached) {
            bridge_detach(site->bridge);
        }
        open_fail_mode(site, pb);
        ovs_list_push_back(&network->sites, &site->node);
        add_event(network, NETWORK_NEW, pb->name);
    }
    site->keep = true;
}

static void
configure_listener(struct network *network, const char *target)
{
    struct listener *listener;

    LIST_FOR_EACH(listener, node, &network->listeners) {
        if (!strcmp(listener->target, target)) {
            listener->keep = true;
            return;
        }
    }
    listener = xzalloc(sizeof *listener);
    listener->target = xstrdup(target);
    listener->keep = true;
    ovs_list_push_back(&network->listeners, &listener->node);
}

void
network_configure(struct network *network, const struct policy *policy)
{
    const struct shash_node *node;
    struct listener *listener;
    const char *target;
    struct site *site;

    LIST_FOR_EACH(site, node, &network->sites) {
        site->keep = false;
    }
    LIST_FOR_EACH(listener, node, &network->listeners) {
        listener->keep = false;
    }
    sset_clear(&network->lans);
    SHASH_FOR_EACH(node, &policy->bridges) {
        if (policy_find_lan(policy, node->name)) {
            sset_add(&network->lans, node->name);
        } else {
            configure_bridge(network, node->data, policy);
        }
    }
    SSET_FOR_EACH(target, &policy->bridges_listen) {
        configure_listener(network, target);
    }
    LIST_FOR_EACH_SAFE(site, node, &network->sites) {
        if (site->keep) {
            set_prefixes(site, policy);
            site->maps = has_movables(site->name, policy);
            set_pipeline(site);
        } else {
            VLOG_INFO("%s: bridge is no longer in the policy", site->name);
            forsake(network, site);
        }
    }
    LIST_FOR_EACH_SAFE(listener, node, &network->listeners) {
        if (!listener->keep) {
            listener_destroy(listener);
        }
    }
}

static void
run_listener(struct network *network, struct listener *listener)
{
    struct bridge **bridges;
    struct site *site;
    size_t n = 0;

    if (!listener->listener && time_msec() >= listener->retry_at) {
        int error = bridge_listener_open(listener->target,
                                         &listener->listener);

        if (error) {
            static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(6, 6);

            listener->listener = NULL;
            listener->retry_at = time_msec() + NETWORK_RETRY;
            VLOG_ERR_RL(&rl, "%s: cannot listen for bridges (%s)",
                        listener->target, ovs_strerror(error));
        }
    }
    if (!listener->listener) {
        return;
    }

    bridges = xcalloc(ovs_list_size(&network->sites) + 1, sizeof *bridges);
    LIST_FOR_EACH(site, node, &network->sites) {
        bridges[n++] = site->bridge;
    }
    bridge_listener_run(listener->listener, bridges, n);
    free(bridges);
}

/* The tunnel port came, or went, or has another number. */
static bool
look_for_tunnel(struct site *site)
{
    ofp_port_t port = (site->tunnel.port_name ? bridge_port_from_name(
                           site->bridge, site->tunnel.port_name)
                                              : OFPP_NONE);

    /* While the bridge is away its ports are not known: nothing changes. */
    if (port == site->layout.tunnel_port
        || !bridge_is_connected(site->bridge)) {
        return false;
    }
    site->layout.tunnel_port = port;
    bridge_set_tunnel_port(site->bridge, port);
    set_pipeline(site);
    return true;
}

static void
run_site(struct network *network, struct site *site)
{
    bool synchronised;

    if (site->fail_mode) {
        fail_mode_run(site->fail_mode);
        bridge_refuse(site->bridge, fail_mode_get_refusal(site->fail_mode));
    }
    bridge_run(site->bridge);
    synchronised = bridge_is_synchronised(site->bridge);
    if (synchronised != site->was_synchronised) {
        site->was_synchronised = synchronised;
        add_event(network, synchronised ? NETWORK_SYNCHRONISED : NETWORK_LOST,
                  site->name);
    }
    if (bridge_get_port_seqno(site->bridge) != site->port_seqno) {
        bool first = !site->ports_known && bridge_is_connected(site->bridge);

        site->port_seqno = bridge_get_port_seqno(site->bridge);
        site->ports_known |= first;
        if (look_for_tunnel(site) || first) {
            /* All that points into it is to be set anew. */
            add_event(network, NETWORK_NEW, site->name);
        }
        add_event(network, NETWORK_PORTS, site->name);
    }
}

void
network_run(struct network *network)
{
    struct listener *listener;
    struct site *site;

    LIST_FOR_EACH(listener, node, &network->listeners) {
        run_listener(network, listener);
    }
    LIST_FOR_EACH(site, node, &network->sites) {
        run_site(network, site);
    }
}

void
network_wait(struct network *network)
{
    struct listener *listener;
    struct site *site;

    LIST_FOR_EACH(listener, node, &network->listeners) {
        if (listener->listener) {
            bridge_listener_wait(listener->listener);
        } else {
            poll_timer_wait_until(listener->retry_at);
        }
    }
    LIST_FOR_EACH(site, node, &network->sites) {
        bridge_wait(site->bridge);
        if (site->fail_mode) {
            fail_mode_wait(site->fail_mode);
        }
    }
    if (!ovs_list_is_empty(&network->events)) {
        poll_immediate_wake();
    }
}

bool
network_next_event(struct network *network, struct network_event *event)
{
    struct queued_event *queued;

    if (ovs_list_is_empty(&network->events)) {
        return false;
    }
    queued = CONTAINER_OF(ovs_list_pop_front(&network->events),
                          struct queued_event, node);
    *event = queued->event;
    free(queued);
    return true;
}

bool
network_next_packet(struct network *network, struct bridge **bridge,
                    struct bridge_packet *packet)
{
    struct site *site;

    LIST_FOR_EACH(site, node, &network->sites) {
        if (bridge_next_packet(site->bridge, packet)) {
            *bridge = site->bridge;
            return true;
        }
    }
    return false;
}

struct bridge *
network_find(const struct network *network, const char *name)
{
    const struct site *site = find_site(network, name);

    return site ? site->bridge : NULL;
}

bool
network_is_lan(const struct network *network, const char *name)
{
    return sset_contains(&network->lans, name);
}

const struct flow_layout *
network_layout(const struct network *network, const char *name)
{
    const struct site *site = find_site(network, name);

    return site ? &site->layout : NULL;
}

struct bridge *
network_next(const struct network *network, const struct bridge *bridge)
{
    const struct site *site;
    bool next = !bridge;

    LIST_FOR_EACH(site, node, &network->sites) {
        if (next) {
            return site->bridge;
        }
        next = site->bridge == bridge;
    }
    return NULL;
}

static void
set_flows(struct site *site, const struct uuid *key, struct flow_set *flows)
{
    bridge_set(site->bridge, key, flows);
    flow_set_destroy(flows);
    site->dirty = true;
}

void
network_set_block(struct network *network, const char *bridge,
                  const struct uuid *key, const struct in6_addr *addr,
                  unsigned int plen, const struct flow_place *lessee)
{
    struct site *site = find_site(network, bridge);

    if (site) {
        struct flow_prefix prefix = { .addr = *addr, .plen = plen };
        struct flow_set flows;

        flow_set_init(&flows);
        flows_block(&site->layout, &prefix, lessee, &flows);
        set_flows(site, key, &flows);
    }
}

void
network_set_session(struct network *network, const char *bridge,
                    const struct uuid *key, const struct in6_addr *addr,
                    const struct flow_place *guard,
                    const struct flow_place *inbound)
{
    struct site *site = find_site(network, bridge);

    if (site) {
        struct flow_set flows;

        flow_set_init(&flows);
        flows_session(&site->layout, addr, guard, inbound, &flows);
        set_flows(site, key, &flows);
    }
}

void
network_set_visitor(struct network *network, const char *bridge,
                    const struct uuid *key, const struct in6_addr *addr,
                    const struct flow_place *home,
                    const struct flow_place *guard,
                    const struct flow_place *inbound)
{
    struct site *site = find_site(network, bridge);

    if (site) {
        struct flow_set flows;

        flow_set_init(&flows);
        flows_visitor(&site->layout, addr, home, guard, inbound, &flows);
        set_flows(site, key, &flows);
    }
}

void
network_set_barred(struct network *network, const char *bridge,
                   const struct uuid *key, const struct in6_addr *addr,
                   const struct eth_addr *macs, size_t n_macs)
{
    struct site *site = find_site(network, bridge);

    if (site) {
        struct flow_set flows;

        flow_set_init(&flows);
        flows_barred(&site->layout, addr, macs, n_macs, &flows);
        set_flows(site, key, &flows);
    }
}

void
network_set_device(struct network *network, const char *bridge,
                   const struct uuid *key, const struct flow_place *place)
{
    struct site *site = find_site(network, bridge);

    if (site) {
        struct flow_set flows;

        flow_set_init(&flows);
        flows_device(&site->layout, place, site->others, site->n_others,
                     &flows);
        set_flows(site, key, &flows);
    }
}

void
network_set_next_hop(struct network *network, const char *bridge,
                     const struct uuid *key, const struct flow_prefix *dst,
                     struct eth_addr mac)
{
    struct site *site = find_site(network, bridge);

    if (site) {
        struct flow_set flows;

        flow_set_init(&flows);
        flows_next_hop(&site->layout, dst, mac, &flows);
        set_flows(site, key, &flows);
    }
}

void
network_set_movable(struct network *network, const char *bridge,
                    const struct uuid *key, const struct flow_movable *movable)
{
    struct site *site = find_site(network, bridge);

    if (site) {
        struct flow_set flows;

        flow_set_init(&flows);
        flows_movable(&site->layout, movable, &flows);
        set_flows(site, key, &flows);
    }
}

void
network_set_passing(struct network *network, const char *bridge,
                    const struct uuid *key, const struct flow_movable *movable,
                    const struct in6_addr *correspondent)
{
    struct site *site = find_site(network, bridge);

    if (site) {
        struct flow_set flows;

        flow_set_init(&flows);
        flows_movable_passes(&site->layout, movable, correspondent, &flows);
        set_flows(site, key, &flows);
    }
}

void
network_set_mapping(struct network *network, const char *bridge,
                    const struct uuid *key, const struct flow_mapping *mapping)
{
    struct site *site = find_site(network, bridge);

    if (site) {
        struct flow_set flows;

        flow_set_init(&flows);
        flows_mapping(&site->layout, mapping, &flows);
        set_flows(site, key, &flows);
    }
}

/* Tunnels. */

/* 'far': it is the tunnel's other end, of which it may not be known yet whether
 * it has its port.  Then that is believed: after a start the bridges come one by
 * one, and flows into the tunnel that are there are to stay. */
static const struct site *
find_tunnel_site(const struct network *network, const char *name, bool far,
                 char **whyp)
{
    const struct site *site = find_site(network, name);

    if (!site || site->tunnel.type == POLICY_TUNNEL_NONE) {
        *whyp = xasprintf("policy gives %s %s no tunnel",
                          network_is_lan(network, name) ? "lan" : "bridge",
                          name);
        return NULL;
    } else if (!flow_layout_has_tunnel(&site->layout)
               && (site->ports_known || !far)) {
        *whyp = xasprintf("bridge %s has no port %s: `baton-ctl bridge "
                          "prepare %s'",
                          name, site->tunnel.port_name, name);
        return NULL;
    }
    return site;
}

bool
network_has_tunnel(const struct network *network, const char *from,
                   const char *to, char **whyp)
{
    const struct site *a, *b = NULL;
    char *why = NULL;

    a = find_tunnel_site(network, from, false, &why);
    if (a) {
        b = find_tunnel_site(network, to, true, &why);
    }
    if (a && b
        && (a->tunnel.type != b->tunnel.type
            || a->tunnel.udp_port != b->tunnel.udp_port
            || IN6_IS_ADDR_V4MAPPED(&a->tunnel.address)
                   != IN6_IS_ADDR_V4MAPPED(&b->tunnel.address)
            || a->tunnel.mtu != b->tunnel.mtu)) {
        why = xasprintf("the tunnels of bridges %s and %s are of different "
                        "kinds",
                        from, to);
    }
    if (whyp) {
        *whyp = why;
    } else {
        free(why);
    }
    return !why;
}

const struct in6_addr *
network_tunnel_address(const struct network *network, const char *bridge)
{
    const struct site *site = find_site(network, bridge);

    return (site && site->tunnel.type != POLICY_TUNNEL_NONE
                ? &site->tunnel.address
                : NULL);
}

const char *
network_find_tunnel(const struct network *network,
                    const struct in6_addr *address)
{
    const struct site *site;

    LIST_FOR_EACH(site, node, &network->sites) {
        if (site->tunnel.type != POLICY_TUNNEL_NONE
            && ipv6_addr_equals(&site->tunnel.address, address)) {
            return site->name;
        }
    }
    return NULL;
}

void
network_unset(struct network *network, const char *bridge,
              const struct uuid *key)
{
    struct site *site = find_site(network, bridge);

    if (site) {
        struct flow_set flows;

        flow_set_init(&flows);
        set_flows(site, key, &flows);
    }
}

uint64_t
network_flush(struct network *network, const char *bridge)
{
    struct site *site = find_site(network, bridge);

    if (!site) {
        return 0;
    }
    site->dirty = false;
    return bridge_flush(site->bridge);
}

void
network_flush_all(struct network *network)
{
    struct site *site;

    LIST_FOR_EACH(site, node, &network->sites) {
        if (site->dirty) {
            site->dirty = false;
            bridge_flush(site->bridge);
        }
    }
}

void
network_pipeline(const struct network *network, const char *bridge,
                 struct flow_set *flows)
{
    const struct site *site = find_site(network, bridge);

    if (site) {
        collect_pipeline(site, flows);
    }
}
