/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "tunnel-store.h"

#include <stdio.h>
#include <string.h>

#include "database.h"
#include "database-op.h"
#include "device.h"
#include "device-tunnel.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "packets.h"
#include "schemas/baton-idl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(tunnel_store);

void
tunnel_store_load(const struct ovsdb_idl *idl, struct devices *devices)
{
    const struct batondb_tunnel *row;

    BATONDB_TUNNEL_FOR_EACH(row, idl)
    {
        struct device *device = device_find(devices, row->device);
        struct in6_addr address;
        struct eth_addr mac;
        ovs_be32 ip4;

        if (ip_parse(row->address, &ip4)) {
            in6_addr_set_mapped_ipv4(&address, ip4);
        } else if (!ipv6_parse(row->address, &address)) {
            VLOG_WARN("tunnel of %s in the database has no address",
                      row->device);
            continue;
        }
        /* Policy may no longer have the device. */
        if (device && eth_addr_from_string(row->mac, &mac)) {
            device_tunnel_restore(device, row->bridge, row->vni, &address,
                                  mac);
        }
    }
}

static struct json *
row_of(const struct device_tunnel *t)
{
    struct json *row = json_object_create();
    char address[INET6_ADDRSTRLEN];
    char mac[ETH_ADDR_STRLEN + 1];

    snprintf(mac, sizeof mac, ETH_ADDR_FMT, ETH_ADDR_ARGS(t->mac));
    json_object_put(row, "vni", json_integer_create(t->key));
    json_object_put_string(row, "address",
                           ipv6_string_mapped(address, &t->address));
    json_object_put_string(row, "mac", mac);
    return row;
}

static const struct batondb_tunnel *
find_row(const struct ovsdb_idl *idl, const char *device, const char *bridge)
{
    const struct batondb_tunnel *row;

    BATONDB_TUNNEL_FOR_EACH(row, idl)
    {
        if (!strcmp(row->device, device) && !strcmp(row->bridge, bridge)) {
            return row;
        }
    }
    return NULL;
}

void
tunnel_store_write(const struct ovsdb_idl *idl, const struct devices *devices,
                   const char *name, struct json *ops)
{
    const struct device *device = device_find(devices, name);
    const struct batondb_tunnel *row;
    const struct device_tunnel *t;

    BATONDB_TUNNEL_FOR_EACH(row, idl)
    {
        t = device ? device_tunnel_find(device, row->bridge) : NULL;
        if (!strcmp(row->device, name) && (!t || !t->proved)) {
            database_op_add(ops, "Tunnel", &row->header_.uuid, NULL);
        }
    }
    if (!device) {
        return;
    }
    LIST_FOR_EACH(t, node, &device->tunnels) {
        if (t->proved) {
            struct json *columns = row_of(t);

            row = find_row(idl, name, t->bridge);
            if (!row) {
                json_object_put_string(columns, "device", name);
                json_object_put_string(columns, "bridge", t->bridge);
            }
            database_op_add(ops, "Tunnel", row ? &row->header_.uuid : NULL,
                            columns);
        }
    }
}
