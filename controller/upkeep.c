/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "upkeep.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "database.h"
#include "device.h"
#include "flow.h"
#include "lease.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "packets.h"
#include "schemas/baton-idl.h"
#include "sset.h"
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
    struct sset places; /* Devices whose place is to be written. */

    /* On its way. */
    struct database_txn *txn;
    struct json *ops;
    struct ovs_list leases; /* struct upkeep_lease */
    struct sset sent;       /* Devices. */

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
    ovs_strlcpy(device->place.bridge, row->bridge,
                sizeof device->place.bridge);
    ovs_strlcpy(device->place.port_name, row->port,
                sizeof device->place.port_name);
}

void
upkeep_load(struct upkeep *upkeep, struct leases *leases,
            struct devices *devices, long long int now)
{
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
}

/* Writing. */

void
upkeep_place_changed(struct upkeep *upkeep, const char *device)
{
    if (upkeep) {
        sset_add(&upkeep->places, device);
    }
}

/* Adds to 'ops' what makes 'row' the columns of the row of 'table' whose id is
 * 'uuid'; NULL: a new row. */
static void
add_op(struct json *ops, const char *table, const struct uuid *uuid,
       struct json *row)
{
    struct json *op = database_op(!row   ? "delete"
                                  : uuid ? "update"
                                         : "insert",
                                  table);

    if (uuid) {
        database_op_where(op, "_uuid", database_uuid_to_json(uuid));
    }
    if (row) {
        json_object_put(op, "row", row);
    }
    json_array_add(ops, op);
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
        add_op(ops, "Lease", found ? &found->header_.uuid : NULL, row);
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
        if (!found) {
            json_object_put_string(row, "name", name);
        }
    }
    if (row || found) {
        add_op(ops, "Device", found ? &found->header_.uuid : NULL, row);
    }
}

static void
send_changes(struct upkeep *upkeep, struct leases *leases,
             const struct devices *devices)
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
    sset_swap(&upkeep->places, &upkeep->sent);
    if (json_array(ops)->n) {
        upkeep->ops = json_clone(ops);
        upkeep->txn = database_begin(upkeep->database, ops);
    } else {
        json_destroy(ops);
        clear_sent(upkeep);
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
    if (!done) {
        /* The replica may only have to catch up. */
        SSET_FOR_EACH(name, &upkeep->sent) {
            sset_add(&upkeep->places, name);
        }
        upkeep->retry_at = now + RETRY_MS;
    }
    clear_sent(upkeep);
    upkeep->seqno++;
}

void
upkeep_run(struct upkeep *upkeep, struct leases *leases,
           const struct devices *devices, long long int now)
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
        send_changes(upkeep, leases, devices);
    }
}

void
upkeep_wait(const struct upkeep *upkeep, const struct leases *leases)
{
    if (!upkeep) {
        return;
    }
    if (upkeep->txn) {
        if (database_txn_ended(upkeep->txn)) {
            poll_immediate_wake();
        }
    } else if ((leases_any_unwritten(leases)
                || !sset_is_empty(&upkeep->places))
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
