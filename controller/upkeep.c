/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "upkeep.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "database.h"
#include "database-op.h"
#include "device.h"
#include "flow.h"
#include "holder-rows.h"
#include "holder.h"
#include "lease.h"
#include "neighbour.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "packets.h"
#include "schemas/baton-idl.h"
#include "smap.h"
#include "sset.h"
#include "tunnel-store.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(upkeep);

#define RETRY_MS 200

struct upkeep_lease {
    struct ovs_list node; /* In struct upkeep. */
    struct lease_block block;
};

struct upkeep {
    struct database *database; /* Not owned. */
    struct ovsdb_idl_index *by_block, *by_name;
    struct sset places;    /* Devices whose place is to be written. */
    struct sset next_hops; /* Bridges whose next hops are. */
    struct sset tunnels;   /* Devices whose tunnels are. */
    uint64_t holders;      /* Of those that were written. */

    /* On its way. */
    struct database_txn *txn;
    struct json *ops;
    struct ovs_list leases;   /* struct upkeep_lease */
    struct sset sent;         /* Devices. */
    struct sset sent_hops;    /* Bridges. */
    struct sset sent_tunnels; /* Devices. */
    uint64_t sent_holders;

    uint64_t seqno;
    long long int now;      /* Milliseconds, of the last run. */
    long long int retry_at; /* Milliseconds. */
};

struct upkeep *
upkeep_create(struct database *database)
{
    struct upkeep *upkeep = xzalloc(sizeof *upkeep);

    upkeep->database = database;
    upkeep->by_block = database_get_indexes(database)->block;
    upkeep->by_name = database_get_indexes(database)->device;
    sset_init(&upkeep->places);
    sset_init(&upkeep->sent);
    sset_init(&upkeep->next_hops);
    sset_init(&upkeep->sent_hops);
    sset_init(&upkeep->tunnels);
    sset_init(&upkeep->sent_tunnels);
    ovs_list_init(&upkeep->leases);
    upkeep->retry_at = LLONG_MIN;
    return upkeep;
}

static void
clear_sent(struct upkeep *upkeep)
{
    struct upkeep_lease *ul;

    LIST_FOR_EACH_POP(ul, node, &upkeep->leases) {
        free(ul);
    }
    sset_clear(&upkeep->sent);
    sset_clear(&upkeep->sent_hops);
    sset_clear(&upkeep->sent_tunnels);
    database_txn_destroy(upkeep->txn);
    upkeep->txn = NULL;
    json_destroy(upkeep->ops);
    upkeep->ops = NULL;
}

void
upkeep_destroy(struct upkeep *upkeep)
{
    if (upkeep) {
        clear_sent(upkeep);
        sset_destroy(&upkeep->places);
        sset_destroy(&upkeep->sent);
        sset_destroy(&upkeep->next_hops);
        sset_destroy(&upkeep->sent_hops);
        sset_destroy(&upkeep->tunnels);
        sset_destroy(&upkeep->sent_tunnels);
        free(upkeep);
    }
}

/* Loading. */

static void
load_place(const struct batondb_device *row, struct devices *devices)
{
    struct device *device = device_find(devices, row->name);
    struct eth_addr mac;

    if (!device || !eth_addr_from_string(row->mac, &mac)) {
        return; /* Policy no longer has it. */
    }
    memset(&device->place, 0, sizeof device->place);
    device->place.known = true;
    device->place.port = u16_to_ofp(row->ofport);
    device->place.mac = mac;
    device->place.vlan = row->vlan;
    ovs_strlcpy(device->place.bridge, row->bridge,
                sizeof device->place.bridge);
    ovs_strlcpy(device->place.port_name, row->port,
                sizeof device->place.port_name);
}

static void
load_next_hop(const struct batondb_next_hop *row,
              struct neighbours *neighbours, long long int now)
{
    struct in6_addr address;
    struct eth_addr mac;
    ovs_be32 ip4;

    if (ip_parse(row->address, &ip4)) {
        in6_addr_set_mapped_ipv4(&address, ip4);
    } else if (!ipv6_parse(row->address, &address)) {
        return;
    }
    if (eth_addr_from_string(row->mac, &mac)) {
        neighbours_learn(neighbours, row->bridge, &address, row->gateway, mac,
                         now);
    }
}

void
upkeep_load(struct upkeep *upkeep, struct leases *leases,
            struct devices *devices, struct neighbours *neighbours,
            struct holders *holders, long long int now)
{
    const struct batondb_next_hop *next_hop;
    const struct ovsdb_idl *idl = database_get_idl(upkeep->database);
    const struct batondb_device *device;
    const struct batondb_lease *lease;

    BATONDB_LEASE_FOR_EACH(lease, idl)
    {
        enum lease_state state = strcmp(lease->state, "leased") ? LEASE_RESTING
                                                                : LEASE_LEASED;

        if (!leases_load(leases, lease->pool, lease->bridge, lease->device,
                         lease->block, state, now)) {
            VLOG_WARN("lease of \"%s\" in the database is no block",
                      lease->block);
        }
    }
    BATONDB_DEVICE_FOR_EACH(device, idl)
    {
        load_place(device, devices);
    }
    BATONDB_NEXT_HOP_FOR_EACH(next_hop, idl)
    {
        load_next_hop(next_hop, neighbours, now);
    }
    tunnel_store_load(idl, devices);
    holder_rows_load(idl, holders, leases, devices, now);
}

/* Writing. */

void
upkeep_place_changed(struct upkeep *upkeep, const char *device)
{
    if (upkeep) {
        sset_add(&upkeep->places, device);
    }
}

void
upkeep_next_hops_changed(struct upkeep *upkeep, const char *bridge)
{
    if (upkeep) {
        sset_add(&upkeep->next_hops, bridge);
    }
}

void
upkeep_tunnels_changed(struct upkeep *upkeep, const char *device)
{
    if (upkeep) {
        sset_add(&upkeep->tunnels, device);
    }
}

static void
write_lease(struct upkeep *upkeep, const struct lease_block *block,
            const struct lease *lease, struct json *ops)
{
    struct batondb_lease *key = batondb_lease_index_init_row(upkeep->by_block);
    char *text = lease_block_to_string(&block->addr, block->plen);
    const struct batondb_lease *found;
    struct json *row = NULL;

    batondb_lease_index_set_block(key, text);
    found = batondb_lease_index_find(upkeep->by_block, key);
    batondb_lease_index_destroy_row(key);
    if (lease) {
        row = json_object_create();
        json_object_put_string(row, "pool", lease->pool);
        json_object_put_string(row, "bridge", lease->bridge);
        json_object_put_string(row, "device", lease->device);
        json_object_put_string(
            row, "state", lease->state == LEASE_LEASED ? "leased" : "resting");
        if (!found) {
            json_object_put_string(row, "block", text);
        }
    }
    if (lease || found) {
        database_op_add(ops, "Lease", found ? &found->header_.uuid : NULL,
                        row);
    }
    free(text);
}

static void
write_place(struct upkeep *upkeep, const char *name,
            const struct devices *devices, struct json *ops)
{
    struct batondb_device *key = batondb_device_index_init_row(
        upkeep->by_name);
    const struct device *device = device_find(devices, name);
    const struct batondb_device *found;
    struct json *row = NULL;

    batondb_device_index_set_name(key, name);
    found = batondb_device_index_find(upkeep->by_name, key);
    batondb_device_index_destroy_row(key);
    if (device && device->place.known) {
        const struct device_place *place = &device->place;
        char mac[ETH_ADDR_STRLEN + 1];

        snprintf(mac, sizeof mac, ETH_ADDR_FMT, ETH_ADDR_ARGS(place->mac));
        row = json_object_create();
        json_object_put_string(row, "bridge", place->bridge);
        json_object_put_string(row, "port", place->port_name);
        json_object_put(row, "ofport",
                        json_integer_create(ofp_to_u16(place->port)));
        json_object_put_string(row, "mac", mac);
        json_object_put(row, "vlan", json_integer_create(place->vlan));
        if (!found) {
            json_object_put_string(row, "name", name);
        }
    }
    if (row || found) {
        database_op_add(ops, "Device", found ? &found->header_.uuid : NULL,
                        row);
    }
}

/* Makes the rows of 'bridge' what 'neighbours' has of it. */
static void
write_next_hops(struct upkeep *upkeep, const char *bridge,
                const struct neighbours *neighbours, struct json *ops)
{
    const struct ovsdb_idl *idl = database_get_idl(upkeep->database);
    struct smap wanted = SMAP_INITIALIZER(&wanted);
    const struct batondb_next_hop *row;
    struct neighbour neighbour;
    struct smap_node *node;
    void *cookie = NULL;

    while (neighbours_next(neighbours, &cookie, &neighbour)) {
        char address[INET6_ADDRSTRLEN];

        if (!strcmp(neighbour.bridge, bridge)
            && !eth_addr_is_zero(neighbour.mac)) {
            smap_add_format(&wanted,
                            ipv6_string_mapped(address, &neighbour.address),
                            "%c" ETH_ADDR_FMT, neighbour.gateway ? 'g' : 'h',
                            ETH_ADDR_ARGS(neighbour.mac));
        }
    }
    BATONDB_NEXT_HOP_FOR_EACH(row, idl)
    {
        const char *value;

        if (strcmp(row->bridge, bridge)) {
            continue;
        }
        value = smap_get(&wanted, row->address);
        if (!value) {
            database_op_add(ops, "Next_Hop", &row->header_.uuid, NULL);
        } else if (strcmp(value + 1, row->mac)
                   || (*value == 'g') != row->gateway) {
            struct json *json = json_object_create();

            json_object_put(json, "gateway",
                            json_boolean_create(*value == 'g'));
            json_object_put_string(json, "mac", value + 1);
            database_op_add(ops, "Next_Hop", &row->header_.uuid, json);
        }
        smap_remove(&wanted, row->address);
    }
    SMAP_FOR_EACH(node, &wanted)
    {
        struct json *json = json_object_create();

        json_object_put_string(json, "bridge", bridge);
        json_object_put_string(json, "address", node->key);
        json_object_put(json, "gateway",
                        json_boolean_create(*node->value == 'g'));
        json_object_put_string(json, "mac", node->value + 1);
        database_op_add(ops, "Next_Hop", NULL, json);
    }
    smap_destroy(&wanted);
}

static void
send_changes(struct upkeep *upkeep, struct leases *leases,
             const struct devices *devices,
             const struct neighbours *neighbours,
             const struct holders *holders)
{
    struct json *ops = json_array_create_empty();
    const struct lease *lease;
    struct lease_block block;
    const char *name;

    while (leases_next_unwritten(leases, &block, &lease)) {
        struct upkeep_lease *ul = xzalloc(sizeof *ul);

        ul->block = block;
        ovs_list_push_back(&upkeep->leases, &ul->node);
        write_lease(upkeep, &block, lease, ops);
    }
    SSET_FOR_EACH(name, &upkeep->places) {
        write_place(upkeep, name, devices, ops);
    }
    SSET_FOR_EACH(name, &upkeep->next_hops) {
        write_next_hops(upkeep, name, neighbours, ops);
    }
    SSET_FOR_EACH(name, &upkeep->tunnels) {
        tunnel_store_write(database_get_idl(upkeep->database), devices, name,
                           ops);
    }
    if (holders_seqno(holders) != upkeep->holders) {
        holder_rows_write(database_get_idl(upkeep->database), holders, ops);
    }
    upkeep->sent_holders = holders_seqno(holders);
    sset_swap(&upkeep->places, &upkeep->sent);
    sset_swap(&upkeep->next_hops, &upkeep->sent_hops);
    sset_swap(&upkeep->tunnels, &upkeep->sent_tunnels);
    if (json_array(ops)->n) {
        upkeep->ops = json_clone(ops);
        upkeep->txn = database_begin(upkeep->database, ops);
    } else {
        json_destroy(ops);
        clear_sent(upkeep);
        upkeep->holders = upkeep->sent_holders;
    }
}

/* Has everything been written?  An update of a row that is not there any more
 * was composed when the replica still showed it. */
static bool
all_done(const struct upkeep *upkeep)
{
    const struct json_array *ops = json_array(upkeep->ops);

    if (database_txn_status(upkeep->txn) != DATABASE_DONE) {
        return false;
    }
    for (size_t i = 0; i < ops->n; i++) {
        const struct json *op = shash_find_data(json_object(ops->elems[i]),
                                                "op");

        if (!strcmp(json_string(op), "update")
            && !database_result_count(database_txn_result(upkeep->txn, i))) {
            return false;
        }
    }
    return true;
}

static void
handle_end(struct upkeep *upkeep, struct leases *leases, long long int now)
{
    bool done = all_done(upkeep);
    const struct upkeep_lease *ul;
    const char *name;

    LIST_FOR_EACH(ul, node, &upkeep->leases) {
        if (done) {
            leases_written(leases, &ul->block);
        } else {
            leases_write_again(leases, &ul->block);
        }
    }
    if (done) {
        upkeep->holders = upkeep->sent_holders;
    } else {
        /* The replica may only have to catch up. */
        SSET_FOR_EACH(name, &upkeep->sent) {
            sset_add(&upkeep->places, name);
        }
        SSET_FOR_EACH(name, &upkeep->sent_hops) {
            sset_add(&upkeep->next_hops, name);
        }
        SSET_FOR_EACH(name, &upkeep->sent_tunnels) {
            sset_add(&upkeep->tunnels, name);
        }
        upkeep->retry_at = now + RETRY_MS;
    }
    clear_sent(upkeep);
    upkeep->seqno++;
}

void
upkeep_run(struct upkeep *upkeep, struct leases *leases,
           const struct devices *devices, const struct neighbours *neighbours,
           const struct holders *holders, long long int now)
{
    if (!upkeep) {
        return;
    }
    upkeep->now = now;
    if (upkeep->txn && database_txn_ended(upkeep->txn)) {
        handle_end(upkeep, leases, now);
    }
    if (!upkeep->txn && now >= upkeep->retry_at
        && database_is_ready(upkeep->database)) {
        send_changes(upkeep, leases, devices, neighbours, holders);
    }
}

void
upkeep_wait(const struct upkeep *upkeep, const struct leases *leases,
            const struct holders *holders)
{
    if (!upkeep) {
        return;
    }
    if (upkeep->txn) {
        if (database_txn_ended(upkeep->txn)) {
            poll_immediate_wake();
        }
    } else if ((leases_any_unwritten(leases) || !sset_is_empty(&upkeep->places)
                || !sset_is_empty(&upkeep->next_hops)
                || !sset_is_empty(&upkeep->tunnels)
                || holders_seqno(holders) != upkeep->holders)
               && database_is_ready(upkeep->database)) {
        if (upkeep->now < upkeep->retry_at) {
            poll_timer_wait_until(upkeep->retry_at);
        } else {
            poll_immediate_wake();
        }
    }
}

uint64_t
upkeep_get_seqno(const struct upkeep *upkeep)
{
    return upkeep ? upkeep->seqno : 0;
}
