/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "database-read.h"

#include <stdlib.h>

#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "ovsdb-idl.h"
#include "schemas/baton-all-idl.h"
#include "util.h"
#include "uuid.h"

static void
put_integer(struct json *object, const char *name, long long int n)
{
    json_object_put(object, name, json_integer_create(n));
}

static struct json *
read_controller(const struct ovsdb_idl *idl)
{
    const struct batonall_controller *row = batonall_controller_first(idl);
    struct json *object = json_object_create();

    json_object_put_string(object, "active", row ? row->active : "");
    put_integer(object, "generation", row ? row->generation : 0);
    return object;
}

static struct json *
read_devices(const struct ovsdb_idl *idl)
{
    struct json *array = json_array_create_empty();
    const struct batonall_device *row;

    BATONALL_DEVICE_FOR_EACH(row, idl)
    {
        struct json *object = json_object_create();

        json_object_put_string(object, "name", row->name);
        json_object_put_string(object, "bridge", row->bridge);
        json_object_put_string(object, "port", row->port);
        json_object_put_string(object, "mac", row->mac);
        json_array_add(array, object);
    }
    return array;
}

static struct json *
read_leases(const struct ovsdb_idl *idl)
{
    struct json *array = json_array_create_empty();
    const struct batonall_lease *row;

    BATONALL_LEASE_FOR_EACH(row, idl)
    {
        struct json *object = json_object_create();

        json_object_put_string(object, "block", row->block);
        json_object_put_string(object, "pool", row->pool);
        json_object_put_string(object, "bridge", row->bridge);
        json_object_put_string(object, "device", row->device);
        json_object_put_string(object, "state", row->state);
        json_array_add(array, object);
    }
    return array;
}

static struct json *
read_sessions(const struct ovsdb_idl *idl)
{
    struct json *array = json_array_create_empty();
    const struct batonall_session *row;

    BATONALL_SESSION_FOR_EACH(row, idl)
    {
        struct json *object = json_object_create();

        json_object_put_format(object, "session", UUID_FMT,
                               UUID_ARGS(&row->session));
        json_object_put_string(object, "address", row->address);
        json_object_put_string(object, "name", row->name);
        json_object_put_string(object, "service", row->service);
        json_object_put_string(object, "owner", row->owner);
        json_object_put_string(object, "home", row->home);
        put_integer(object, "epoch", row->epoch);
        json_object_put_string(object, "onward", row->onward);
        json_object_put_string(object, "state",
                               row->ended ? "ended" : "moved");
        json_array_add(array, object);
    }
    return array;
}

char *
database_read(const char *remote, struct json **objectp)
{
    struct ovsdb_idl *idl = ovsdb_idl_create(remote, &batonall_idl_class, true,
                                             false);
    struct json *object;

    /* Any server of a cluster will do to look. */
    ovsdb_idl_set_leader_only(idl, false);
    while (!ovsdb_idl_has_ever_connected(idl)) {
        ovsdb_idl_run(idl);
        if (!ovsdb_idl_is_alive(idl)) {
            int error = ovsdb_idl_get_last_error(idl);

            ovsdb_idl_destroy(idl);
            return xasprintf("%s: no database (%s)", remote,
                             ovs_retval_to_string(error));
        }
        if (!ovsdb_idl_has_ever_connected(idl)) {
            ovsdb_idl_wait(idl);
            poll_block();
        }
    }
    object = json_object_create();
    json_object_put(object, "controller", read_controller(idl));
    json_object_put(object, "devices", read_devices(idl));
    json_object_put(object, "leases", read_leases(idl));
    json_object_put(object, "sessions", read_sessions(idl));
    ovsdb_idl_destroy(idl);
    *objectp = object;
    return NULL;
}
