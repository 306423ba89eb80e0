/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "holder-rows.h"

#include "database.h"
#include "database-op.h"
#include "device.h"
#include "holder.h"
#include "lease.h"
#include "openvswitch/json.h"
#include "packets.h"
#include "schemas/baton-idl.h"
#include "smap.h"
#include "util.h"
#include "uuid.h"

static bool
parse_address(const char *s, struct in6_addr *address)
{
    ovs_be32 ip4;

    if (ip_parse(s, &ip4)) {
        in6_addr_set_mapped_ipv4(address, ip4);
        return true;
    }
    return ipv6_parse(s, address);
}

void
holder_rows_load(const struct ovsdb_idl *idl, struct holders *holders,
                 const struct leases *leases, const struct devices *devices,
                 long long int now)
{
    const struct batondb_holder *row;

    BATONDB_HOLDER_FOR_EACH(row, idl)
    {
        struct in6_addr address;

        if (parse_address(row->address, &address)
            && leases_is_permanent(leases, &address)
            && device_find(devices, row->device)) {
            holders_add(holders, &address, row->device, &row->transfer, now);
            holders_keep(holders, &address, row->device);
        }
    }
}

/* The rows that there should be: the transfer, by "ADDRESS DEVICE". */
static void
gather(const struct holders *holders, struct smap *wanted)
{
    struct holder_kept kept;
    void *cookie = NULL;

    while (holders_next_kept(holders, &cookie, &kept)) {
        char address[INET6_ADDRSTRLEN];
        char *key;

        ipv6_string_mapped(address, &kept.address);
        key = xasprintf("%s %s", address, kept.device);
        smap_add_nocopy(wanted, key,
                        xasprintf(UUID_FMT, UUID_ARGS(&kept.transfer)));
    }
}

static struct json *
row_of(const char *key, const char *transfer)
{
    char *address = xstrdup(key);
    char *device = strchr(address, ' ');
    struct json *row = json_object_create();
    struct uuid uuid;

    *device++ = '\0';
    uuid_from_string(&uuid, transfer);
    json_object_put_string(row, "address", address);
    json_object_put_string(row, "device", device);
    json_object_put(row, "transfer", database_uuid_to_json(&uuid));
    free(address);
    return row;
}

void
holder_rows_write(const struct ovsdb_idl *idl, const struct holders *holders,
                  struct json *ops)
{
    struct smap wanted = SMAP_INITIALIZER(&wanted);
    const struct batondb_holder *row;
    const struct smap_node *node;

    gather(holders, &wanted);
    BATONDB_HOLDER_FOR_EACH(row, idl)
    {
        char *key = xasprintf("%s %s", row->address, row->device);
        const char *transfer = smap_get(&wanted, key);
        struct uuid uuid;

        if (transfer && uuid_from_string(&uuid, transfer)
            && uuid_equals(&uuid, &row->transfer)) {
            smap_remove(&wanted, key);
        } else {
            /* One of another transfer is a new one. */
            struct json *op = database_op("delete", "Holder");

            database_op_where(op, "_uuid",
                              database_uuid_to_json(&row->header_.uuid));
            json_array_add(ops, op);
        }
        free(key);
    }
    SMAP_FOR_EACH(node, &wanted)
    {
        struct json *op = database_op("insert", "Holder");

        json_object_put(op, "row", row_of(node->key, node->value));
        json_array_add(ops, op);
    }
    smap_destroy(&wanted);
}
