/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "controller.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "announcement.h"
#include "attachment.h"
#include "bridge.h"
#include "ctl-bridge.h"
#include "ctl-detach.h"
#include "ctl-sessions.h"
#include "database.h"
#include "device-link.h"
#include "device-tunnel.h"
#include "guard.h"
#include "holder.h"
#include "permanent.h"
#include "identity.h"
#include "introduction.h"
#include "jsonrpc.h"
#include "lan.h"
#include "lease.h"
#include "link.h"
#include "mapping.h"
#include "mapping-query.h"
#include "mediator.h"
#include "method.h"
#include "methods.h"
#include "names.h"
#include "neighbour.h"
#include "network.h"
#include "next-hop.h"
#include "openflow-link.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "policy.h"
#include "record.h"
#include "roaming.h"
#include "session-path.h"
#include "timeval.h"
#include "too-big.h"
#include "transfer.h"
#include "tunnel-path.h"
#include "upkeep.h"
#include "util.h"
#include "refresh.h"

VLOG_DEFINE_THIS_MODULE(controller);

/* Packets from bridges handled in one turn. */
#define PACKETS_MAX 256

/* Policy no longer has 'device': its transfers are aborted.  It goes when it
 * has been told so, and that waits for the database. */
static void
leave(struct controller *c, struct device *device)
{
    char *reason = xasprintf("policy no longer has device %s", device->name);
    char *name;

    if (!device->leaving) {
        VLOG_INFO("%s: %s", device->name, reason);
        device->leaving = true;
        transfers_device_gone(c->transfers, device->name, reason);
        mediator_act(c);
    }
    if (!transfers_involve(c->transfers, device->name)) {
        holders_forget(c->holders, device->name, LLONG_MAX);
        device_links_forget(c->links, device, reason);
        session_cache_mark(&c->sessions, device->name);
        session_cache_sweep(&c->sessions, device->name);
        upkeep_place_changed(c->upkeep, device->name);
        upkeep_tunnels_changed(c->upkeep, device->name);
        name = xstrdup(device->name);
        device_tunnels_destroy(device);
        device_remove(&c->devices, device);
        refresh_device_gone(c, name);
        free(name);
    }
    free(reason);
}

/* Makes all modules agree with c->policy. */
static void
configure(struct controller *c)
{
    const struct shash_node *node;
    struct device *device;

    SHASH_FOR_EACH(node, &c->policy->devices) {
        if (!device_find(&c->devices, node->name)) {
            device_add(&c->devices, node->name);
        }
    }
    HMAP_FOR_EACH_SAFE(device, node, &c->devices.devices) {
        if (!shash_find(&c->policy->devices, device->name)) {
            leave(c, device);
        } else {
            device->leaving = false;
            if (attachment_recheck(device, c->policy, time_msec())) {
                upkeep_place_changed(c->upkeep, device->name);
            }
        }
    }
    leases_configure(c->leases, c->policy, time_msec());
    network_configure(c->network, c->policy);
    mappings_configure(c);
    names_configure(c);
    next_hops_configure(c);
    device_links_configure(c->links, c->policy);
    HMAP_FOR_EACH(device, node, &c->devices.devices) {
        device_tunnels_recheck(c, device);
    }
    for (const struct bridge *bridge = network_next(c->network, NULL); bridge;
         bridge = network_next(c->network, bridge)) {
        refresh_bridge(c, bridge_get_name(bridge));
    }
}

static void
create_modules(struct controller *c)
{
    c->network = network_create();
    c->links = device_links_create();
    devices_init(&c->devices);
    session_cache_init(&c->sessions);
    c->leases = leases_create();
    c->holders = holders_create();
    c->permanents = permanents_create();
    c->mappings = mappings_create();
    mapping_queries_init(c);
    c->names = names_create();
    leases_write_changes(c->leases);
    c->records = record_store_create(c->database);
    c->upkeep = upkeep_create(c->database);
    c->transfers = transfers_create();
    session_paths_init(c);
    c->neighbours = neighbours_create();
    ovs_list_init(&c->waiting);
    c->tunnel_paths = tunnel_paths_create();
    ovs_list_init(&c->prepares);
    ovs_list_init(&c->detaches);
    ovs_list_init(&c->session_lists);
    ovs_list_init(&c->introductions);
}

static void
destroy_modules(struct controller *c, bool detach)
{
    struct device *device;

    ctl_bridge_destroy(c);
    ctl_detach_destroy(c);
    ctl_sessions_destroy(c);
    introductions_destroy(c);
    tunnel_paths_destroy(c->tunnel_paths);
    next_hops_destroy(c);
    session_paths_destroy(c);
    transfers_destroy(c->transfers);
    upkeep_destroy(c->upkeep);
    record_store_destroy(c->records);
    holders_destroy(c->holders);
    permanents_destroy(c->permanents);
    mapping_queries_destroy(c);
    names_destroy(c->names);
    mappings_destroy(c->mappings);
    leases_destroy(c->leases);
    session_cache_destroy(&c->sessions);
    device_links_destroy(c->links);
    HMAP_FOR_EACH(device, node, &c->devices.devices) {
        device_tunnels_destroy(device);
    }
    devices_destroy(&c->devices);
    network_destroy(c->network, detach);
}

/* Takes from the database what was so when the last controller ended, before
 * any bridge or device is talked to: bridges then only get what differs. */
static void
load(struct controller *c)
{
    const struct shash_node *node;
    struct record record = RECORD_WALK;

    SHASH_FOR_EACH(node, &c->policy->devices) {
        device_add(&c->devices, node->name);
    }
    leases_configure(c->leases, c->policy, time_msec());
    upkeep_load(c->upkeep, c->leases, &c->devices, c->neighbours, c->holders,
                time_msec());
    while (record_next(c->records, &record)) {
        if (record.ended) {
            mediator_session_rests(c, &record);
        } else {
            leases_hold(c->leases, &record.address);
        }
    }
    VLOG_INFO("%" PRIuSIZE " moved sessions and %" PRIuSIZE " leases are in "
              "the database",
              record_count(c->records), leases_count(c->leases));
}

/* Works while the database says that this controller leads. */
static void
run_term(struct controller *c)
{
    bool leads = database_leads(c->database);

    if (openflow_link_was_refused()) {
        /* After a restore the database may be behind the switches. */
        database_raise(c->database);
    }
    if (c->term && (!leads || database_get_term(c->database) != c->term)) {
        VLOG_WARN("%s: devices and bridges are left alone",
                  leads ? "a new generation"
                        : "this controller does not lead");
        destroy_modules(c, false);
        create_modules(c);
        c->term = 0;
    }
    if (!c->term && leads) {
        c->term = database_get_term(c->database);
        openflow_link_set_generation(database_get_generation(c->database));
        load(c);
        configure(c);
    }
}

struct controller *
controller_create(const char *policy_file, const char *private_key,
                  const char *certificate, const char *ca_cert,
                  const char *database, char **errorp)
{
    struct identity *identity;
    struct policy *policy;
    struct controller *c;

    policy = policy_load(policy_file, errorp);
    if (!policy) {
        return NULL;
    }
    identity = identity_load(private_key, certificate, ca_cert, errorp);
    if (!identity) {
        policy_destroy(policy);
        return NULL;
    }
    if (strcmp(identity_get_role(identity), "controller")) {
        *errorp = xasprintf("%s: the certificate names %s/%s, where "
                            "controller/NAME is needed",
                            certificate, identity_get_role(identity),
                            identity_get_name(identity));
        identity_destroy(identity);
        policy_destroy(policy);
        return NULL;
    }

    c = xzalloc(sizeof *c);
    c->policy_file = xstrdup(policy_file);
    c->policy = policy;
    c->identity = identity;
    c->database = database_create(database, identity_get_name(identity));
    create_modules(c);
    c->started = time_wall_msec();
    return c;
}

void
controller_destroy(struct controller *c, bool detach)
{
    if (c) {
        destroy_modules(c, detach);
        database_destroy(c->database);
        identity_destroy(c->identity);
        policy_destroy(c->policy);
        free(c->policy_file);
        free(c);
    }
}

char *
controller_reload(struct controller *c)
{
    struct policy *old = c->policy;
    struct policy *policy;
    char *error;

    policy = policy_load(c->policy_file, &error);
    if (!policy) {
        VLOG_WARN("policy not reloaded, the running one stays: %s", error);
        return error;
    }
    c->policy = policy;
    if (c->term) {
        configure(c);
    }
    policy_destroy(old);
    VLOG_INFO("%s: policy reloaded", c->policy_file);
    return NULL;
}

/* All that 'device' sent for the transfer has passed. */
static void
handle_flush(struct controller *c, const struct device *device,
             const struct uuid *transfer)
{
    struct transfer *t = transfers_find(c->transfers, transfer);

    if (t && !strcmp(t->from, device->name)) {
        transfer_flushed(c->transfers, t);
        mediator_act(c);
    }
}

static void
handle_packet(struct controller *c, struct bridge *bridge,
              const struct bridge_packet *packet)
{
    struct device *device, *loser;
    struct uuid transfer;

    if (packet->kind == BATON_FLOW_ATTACHMENT) {
        device = attachment_parse_flush(&c->devices, bridge, packet,
                                        time_msec(), &transfer);
        if (device) {
            handle_flush(c, device, &transfer);
            return;
        }
        loser = attachment_handle_frame(&c->devices, c->network, c->policy,
                                        bridge, packet, time_msec());
        if (loser) {
            refresh_place_changed(c, loser);
        }
    } else if (packet->kind == BATON_FLOW_PROBE) {
        if (device_tunnels_handle_packet(c, bridge, packet, &device,
                                         &transfer)) {
            if (device) {
                handle_flush(c, device, &transfer);
            }
            return;
        }
        tunnel_paths_handle_packet(c->tunnel_paths, c->network, bridge, packet,
                                   time_msec());
    } else if (packet->kind == BATON_FLOW_TOO_BIG) {
        too_big_handle_packet(c, bridge, packet);
    } else if (packet->kind == BATON_FLOW_NEIGHBOUR
               || packet->kind == BATON_FLOW_NEXT_HOP) {
        next_hops_handle_packet(c, bridge, packet);
    } else if (packet->kind == BATON_FLOW_GUARD_VIOLATION) {
        guard_handle_packet(c, bridge, packet);
    } else {
        mapping_handle_packet(c, bridge, packet);
    }
}

static void
run_network(struct controller *c)
{
    struct bridge_packet packet;
    struct network_event event;
    struct bridge *bridge;

    network_run(c->network);
    while (network_next_event(c->network, &event)) {
        mediator_bridge_event(c, &event);
    }
    for (int i = 0; i < PACKETS_MAX; i++) {
        if (!network_next_packet(c->network, &bridge, &packet)) {
            return;
        }
        handle_packet(c, bridge, &packet);
        free(packet.data);
    }
    poll_immediate_wake();
}

static void
run_links(struct controller *c)
{
    struct device_conn *conn;
    struct jsonrpc_msg *msg;
    struct device *device;

    device_links_run(c->links);
    while ((conn = device_links_next(c->links, &msg))) {
        methods_dispatch(c, conn, msg);
        jsonrpc_msg_destroy(msg);
    }
    while ((device = device_links_next_lost(c->links))) {
        char *reason = xasprintf("device %s lost its connection",
                                 device->name);

        VLOG_INFO("%s: connection lost", device->name);
        device_disconnected(device);
        transfers_device_lost(c->transfers, device->name, reason);
        refresh_device_lost(c, device);
        free(reason);
        mediator_act(c);
    }
}

/* Tunnels of the device's own have come, gone or changed. */
static void
follow_tunnels(struct controller *c, struct device *device)
{
    struct device_place former;
    char bridge[64];

    device->tunnels_moved = false;
    refresh_place_changed(c, device);
    while (device_tunnels_next_moved(device, bridge, &former)) {
        roaming_follow(c, device, bridge, &former);
    }
}

static void
run_devices(struct controller *c)
{
    long long int now = time_msec();
    unsigned int lifetime = c->policy->sa_lifetime_s;
    struct device *device;

    HMAP_FOR_EACH_SAFE(device, node, &c->devices.devices) {
        if (device->leaving) {
            leave(c, device);
            continue;
        }
        if (device->link && device->sa.expires - now < lifetime * 250LL) {
            device_renew_sa(&c->devices, device, lifetime, now);
            methods_send_sa(c, device);
        }
        if (!lan_challenge(c, device, now)) {
            attachment_run(device, c->network, now);
        }
        device_tunnels_run(c, device);
        if (device->tunnels_moved) {
            follow_tunnels(c, device);
        }
    }
}

void
controller_run(struct controller *c)
{
    database_run(c->database);
    run_term(c);
    if (!c->term) {
        return;
    }
    run_network(c);
    run_links(c);
    run_devices(c);
    announcements_run(c);
    permanents_run(c);
    mappings_run(c);
    mapping_queries_run(c);
    names_run(c);
    mediator_run(c);
    methods_run(c);
    next_hops_run(c);
    tunnel_paths_run(c->tunnel_paths, c->network, time_msec());
    introductions_run(c);
    ctl_bridge_run(c);
    ctl_detach_run(c);
    ctl_sessions_run(c);
}

void
controller_wait(struct controller *c)
{
    long long int deadline = tunnel_paths_next_deadline(c->tunnel_paths);
    const struct device *device;

    database_wait(c->database);
    if (!c->term) {
        return;
    }
    network_wait(c->network);
    device_links_wait(c->links);
    mediator_wait(c);
    next_hops_wait(c);
    introductions_wait(c);
    permanents_wait(c);
    mappings_wait(c);
    mapping_queries_wait(c);
    names_wait(c);
    ctl_bridge_wait(c);
    ctl_detach_wait(c);
    ctl_sessions_wait(c);
    HMAP_FOR_EACH(device, node, &c->devices.devices) {
        if (device->link) {
            deadline = MIN(deadline, attachment_next_deadline(device));
            deadline = MIN(deadline, device_tunnels_next_deadline(device));
            deadline = MIN(deadline, device->sa.expires
                                         - c->policy->sa_lifetime_s * 250LL);
            if (device->reclaim_at) {
                deadline = MIN(deadline, device->reclaim_at);
            }
        }
    }
    if (deadline != LLONG_MAX) {
        poll_timer_wait_until(deadline);
    }
}
