/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bridge-prepare.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "jsonrpc.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "packets.h"
#include "policy.h"
#include "timeval.h"
#include "util.h"

/* A VLAN that no frame may be in (IEEE 802.1Q, table 9-2). */
#define NO_VLAN 4095

/*   LOOKING -- rows of bridge and port --> CHANGING -- done --> ENDED */
enum state { LOOKING, CHANGING, ENDED };

struct bridge_prepare {
    bool undo;
    size_t n_undone; /* Ports. */
    struct jsonrpc_session *session;
    unsigned int seqno; /* Of 'session', when last looked at. */
    uint64_t datapath_id;
    struct policy_tunnel tunnel; /* 'port_name' copied. */
    enum state state;
    struct json *request_id; /* Of what is out, or NULL. */
    long long int deadline;  /* time_msec(). */
    char *error;
};

static struct bridge_prepare *
create(const char *remote, uint64_t datapath_id)
{
    struct bridge_prepare *bp = xzalloc(sizeof *bp);

    bp->session = jsonrpc_session_open(remote, true);
    bp->datapath_id = datapath_id;
    bp->deadline = time_msec() + BRIDGE_PREPARE_TIMEOUT;
    return bp;
}

struct bridge_prepare *
bridge_prepare_start(const char *remote, uint64_t datapath_id,
                     const struct policy_tunnel *tunnel)
{
    struct bridge_prepare *bp = create(remote, datapath_id);

    bp->tunnel = *tunnel;
    bp->tunnel.port_name = xstrdup(tunnel->port_name);
    return bp;
}

struct bridge_prepare *
bridge_prepare_undo(const char *remote, uint64_t datapath_id)
{
    struct bridge_prepare *bp = create(remote, datapath_id);

    bp->undo = true;
    return bp;
}

size_t
bridge_prepare_n_undone(const struct bridge_prepare *bp)
{
    return bp->n_undone;
}

void
bridge_prepare_destroy(struct bridge_prepare *bp)
{
    if (bp) {
        jsonrpc_session_close(bp->session);
        json_destroy(bp->request_id);
        free(bp->tunnel.port_name);
        free(bp->error);
        free(bp);
    }
}

static void
end(struct bridge_prepare *bp, char *error)
{
    bp->state = ENDED;
    bp->error = error;
}

/* Sends a transaction; takes 'text', which is JSON.  What is in it of policy's
 * are addresses and names without anything that JSON would have to escape. */
static void
transact(struct bridge_prepare *bp, char *text)
{
    struct json *params = json_from_string(text);

    json_destroy(bp->request_id);
    jsonrpc_session_send(
        bp->session,
        jsonrpc_create_request("transact", params, &bp->request_id));
    free(text);
}

static void
look(struct bridge_prepare *bp)
{
    const char *port = bp->tunnel.port_name;

    bp->state = LOOKING;
    transact(bp, xasprintf("[\"Open_vSwitch\","
                           "{\"op\":\"select\",\"table\":\"Bridge\","
                           "\"where\":[[\"datapath_id\",\"==\",\"%016" PRIx64
                           "\"]],\"columns\":[\"name\"]},"
                           "{\"op\":\"select\",\"table\":\"Port\","
                           "\"where\":[[\"name\",\"==\",\"%s\"]],"
                           "\"columns\":[\"external_ids\",\"vlan_mode\","
                           "\"trunks\"]},"
                           "{\"op\":\"select\",\"table\":\"Interface\","
                           "\"where\":[[\"name\",\"==\",\"%s\"]],"
                           "\"columns\":[\"type\",\"options\"]}]",
                           bp->datapath_id, port, port));
}

static char *
interface_row(const struct policy_tunnel *tunnel)
{
    char address[INET6_ADDRSTRLEN];
    char port[64] = "";

    ipv6_string_mapped(address, &tunnel->address);
    if (tunnel->udp_port) {
        snprintf(port, sizeof port, ",[\"dst_port\",\"%u\"]",
                 tunnel->udp_port);
    }
    return xasprintf("\"type\":\"%s\",\"options\":[\"map\","
                     "[[\"remote_ip\",\"flow\"],[\"key\",\"flow\"],"
                     "[\"local_ip\",\"%s\"]%s]]",
                     policy_tunnel_type_to_string(tunnel->type), address,
                     port);
}

/* The value in a map column, or NULL. */
static const struct json *
map_get(const struct json *map, const char *key)
{
    const struct json *pairs = map->type == JSON_ARRAY && map->array.n == 2
                                   ? map->array.elems[1]
                                   : NULL;

    for (size_t i = 0;
         pairs && pairs->type == JSON_ARRAY && i < pairs->array.n; i++) {
        const struct json *pair = pairs->array.elems[i];

        if (pair->type == JSON_ARRAY && pair->array.n == 2
            && pair->array.elems[0]->type == JSON_STRING
            && pair->array.elems[1]->type == JSON_STRING
            && !strcmp(json_string(pair->array.elems[0]), key)) {
            return pair->array.elems[1];
        }
    }
    return NULL;
}

/* What a port was: of a port and its interface what we change.  As JSON that
 * is a string within JSON; empty if it is as we made it. */
static char *
former_mark(const struct bridge_prepare *bp, const struct json *port,
            const struct json *interface)
{
    static const char *const columns[] = { "vlan_mode", "trunks", "type",
                                           "options" };
    const struct json *ids = shash_find_data(json_object(port),
                                             "external_ids");
    struct json *former, *text;
    char *s, *quoted, *mark;

    if (!ids || map_get(ids, "baton-made") || map_get(ids, "baton-changed")) {
        return xstrdup("");
    }
    former = json_object_create();
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        const struct json *row = i < 2 ? port : interface;
        const struct json *value = shash_find_data(json_object(row),
                                                   columns[i]);

        if (value) {
            json_object_put(former, columns[i], json_deep_clone(value));
        }
    }
    s = json_to_string(former, JSSF_SORT);
    text = json_string_create(s);
    quoted = json_to_string(text, 0);
    mark = xasprintf(",{\"op\":\"mutate\",\"table\":\"Port\",\"where\":"
                     "[[\"name\",\"==\",\"%s\"]],\"mutations\":"
                     "[[\"external_ids\",\"insert\",[\"map\","
                     "[[\"baton-changed\",\"%016" PRIx64 "\"],"
                     "[\"baton-former\",%s]]]]]}",
                     bp->tunnel.port_name, bp->datapath_id, quoted);
    free(quoted);
    json_destroy(text);
    free(s);
    json_destroy(former);
    return mark;
}

/* 'mark': see former_mark(); NULL if there is no such port. */
static void
change(struct bridge_prepare *bp, const char *mark)
{
    const char *port = bp->tunnel.port_name;
    char *row = interface_row(&bp->tunnel);

    bp->state = CHANGING;
    if (mark) {
        transact(bp, xasprintf("[\"Open_vSwitch\","
                               "{\"op\":\"update\",\"table\":\"Interface\","
                               "\"where\":[[\"name\",\"==\",\"%s\"]],"
                               "\"row\":{%s}},"
                               "{\"op\":\"update\",\"table\":\"Port\","
                               "\"where\":[[\"name\",\"==\",\"%s\"]],"
                               "\"row\":{\"vlan_mode\":\"trunk\","
                               "\"trunks\":%d}}%s]",
                               port, row, port, NO_VLAN, mark));
    } else {
        transact(bp,
                 xasprintf("[\"Open_vSwitch\","
                           "{\"op\":\"insert\",\"table\":\"Interface\","
                           "\"uuid-name\":\"interface\","
                           "\"row\":{\"name\":\"%s\",%s}},"
                           "{\"op\":\"insert\",\"table\":\"Port\","
                           "\"uuid-name\":\"port\","
                           "\"row\":{\"name\":\"%s\",\"interfaces\":"
                           "[\"named-uuid\",\"interface\"],"
                           "\"external_ids\":[\"map\",[[\"baton-made\","
                           "\"%016" PRIx64 "\"]]],"
                           "\"vlan_mode\":\"trunk\",\"trunks\":%d}},"
                           "{\"op\":\"mutate\",\"table\":\"Bridge\","
                           "\"where\":[[\"datapath_id\",\"==\",\"%016" PRIx64
                           "\"]],\"mutations\":[[\"ports\",\"insert\","
                           "[\"named-uuid\",\"port\"]]]},"
                           "{\"op\":\"comment\",\"comment\":"
                           "\"baton-ctl bridge prepare\"}]",
                           port, row, port, bp->datapath_id, NO_VLAN,
                           bp->datapath_id));
    }
    free(row);
}

/* The member 'name' of element 'i' of an answer, or NULL. */
static const struct json *
member(const struct json *result, size_t i, const char *name,
       enum json_type type)
{
    const struct json *element = result->type == JSON_ARRAY
                                         && i < result->array.n
                                     ? result->array.elems[i]
                                     : NULL;
    const struct json *value = element && element->type == JSON_OBJECT
                                   ? shash_find_data(json_object(element),
                                                     name)
                                   : NULL;

    return value && value->type == type ? value : NULL;
}

/* The first error in an answer, or NULL. */
static char *
find_error(const struct json *result)
{
    for (size_t i = 0; result->type == JSON_ARRAY && i < result->array.n;
         i++) {
        const struct json *error = member(result, i, "error", JSON_STRING);
        const struct json *details = member(result, i, "details", JSON_STRING);

        if (error) {
            return xasprintf("the bridge's database says: %s%s%s",
                             json_string(error), details ? ": " : "",
                             details ? json_string(details) : "");
        }
    }
    return NULL;
}

/* The first row of an answer to "select", or NULL. */
static const struct json *
first_row(const struct json *rows)
{
    return (rows && rows->array.n && rows->array.elems[0]->type == JSON_OBJECT
                ? rows->array.elems[0]
                : NULL);
}

/* Undoing. */

static void
look_for_marks(struct bridge_prepare *bp)
{
    bp->state = LOOKING;
    transact(bp, xasprintf("[\"Open_vSwitch\","
                           "{\"op\":\"select\",\"table\":\"Port\","
                           "\"where\":[[\"external_ids\",\"includes\","
                           "[\"map\",[[\"baton-made\",\"%016" PRIx64
                           "\"]]]]],\"columns\":[\"_uuid\"]},"
                           "{\"op\":\"select\",\"table\":\"Port\","
                           "\"where\":[[\"external_ids\",\"includes\","
                           "[\"map\",[[\"baton-changed\",\"%016" PRIx64
                           "\"]]]]],\"columns\":[\"_uuid\",\"name\","
                           "\"external_ids\"]}]",
                           bp->datapath_id, bp->datapath_id));
}

/* Has row 'text' set in 'table', of those of its columns that it has. */
static void
put_restoring(struct ds *ops, const char *table, const char *where,
              const struct json *former, const char *const columns[2])
{
    struct json *row = json_object_create();
    char *s;

    for (size_t i = 0; i < 2; i++) {
        const struct json *value = shash_find_data(json_object(former),
                                                   columns[i]);

        if (value) {
            json_object_put(row, columns[i], json_deep_clone(value));
        }
    }
    s = json_to_string(row, 0);
    ds_put_format(ops,
                  ",{\"op\":\"update\",\"table\":\"%s\",\"where\":%s,"
                  "\"row\":%s}",
                  table, where, s);
    free(s);
    json_destroy(row);
}

static bool
put_former(struct ds *ops, const struct json *row)
{
    static const char *const port_columns[] = { "vlan_mode", "trunks" };
    static const char *const interface_columns[] = { "type", "options" };
    const struct json *name = shash_find_data(json_object(row), "name");
    const struct json *ids = shash_find_data(json_object(row), "external_ids");
    const struct json *text = ids ? map_get(ids, "baton-former") : NULL;
    struct json *former;
    char *quoted, *where;

    if (!name || !text) {
        return false;
    }
    former = json_from_string(json_string(text));
    if (former->type != JSON_OBJECT) {
        json_destroy(former);
        return false;
    }
    quoted = json_to_string(name, 0);
    where = xasprintf("[[\"name\",\"==\",%s]]", quoted);
    put_restoring(ops, "Port", where, former, port_columns);
    put_restoring(ops, "Interface", where, former, interface_columns);
    ds_put_format(ops,
                  ",{\"op\":\"mutate\",\"table\":\"Port\",\"where\":%s,"
                  "\"mutations\":[[\"external_ids\",\"delete\",[\"set\","
                  "[\"baton-changed\",\"baton-former\"]]]]}",
                  where);
    free(where);
    free(quoted);
    json_destroy(former);
    return true;
}

static void
undo(struct bridge_prepare *bp, const struct json *made,
     const struct json *changed)
{
    struct ds ops = DS_EMPTY_INITIALIZER;

    ds_put_cstr(&ops, "[\"Open_vSwitch\"");
    for (size_t i = 0; i < made->array.n; i++) {
        const struct json *row = made->array.elems[i];
        const struct json *uuid = row->type == JSON_OBJECT ? shash_find_data(
                                      json_object(row), "_uuid")
                                                           : NULL;

        if (uuid) {
            char *s = json_to_string(uuid, 0);

            ds_put_format(&ops,
                          ",{\"op\":\"mutate\",\"table\":\"Bridge\","
                          "\"where\":[[\"datapath_id\",\"==\",\"%016" PRIx64
                          "\"]],\"mutations\":[[\"ports\",\"delete\",%s]]}",
                          bp->datapath_id, s);
            free(s);
            bp->n_undone++;
        }
    }
    for (size_t i = 0; i < changed->array.n; i++) {
        const struct json *row = changed->array.elems[i];

        bp->n_undone += row->type == JSON_OBJECT && put_former(&ops, row);
    }
    ds_put_cstr(&ops, ",{\"op\":\"comment\",\"comment\":"
                      "\"baton-ctl detach\"}]");
    bp->state = CHANGING;
    transact(bp, ds_steal_cstr(&ops));
}

static void
handle_answer(struct bridge_prepare *bp, const struct json *result)
{
    char *error = find_error(result);

    if (error || bp->state == CHANGING) {
        end(bp, error);
        return;
    }

    const struct json *bridges = member(result, 0, "rows", JSON_ARRAY);
    const struct json *ports = member(result, 1, "rows", JSON_ARRAY);
    const struct json *interfaces = member(result, 2, "rows", JSON_ARRAY);
    if (bp->undo && bridges && ports) {
        if (bridges->array.n || ports->array.n) {
            undo(bp, bridges, ports);
        } else {
            end(bp, NULL);
        }
    } else if (!bridges || !ports || !interfaces
               || !first_row(ports) != !first_row(interfaces)) {
        end(bp, xstrdup("the bridge's database gives no answer that is "
                        "understood"));
    } else if (!bridges->array.n) {
        end(bp, xasprintf("the database has no bridge with datapath id "
                          "%016" PRIx64,
                          bp->datapath_id));
    } else {
        const struct json *port = first_row(ports);
        char *mark = port ? former_mark(bp, port, first_row(interfaces))
                          : NULL;

        change(bp, mark);
        free(mark);
    }
}

void
bridge_prepare_run(struct bridge_prepare *bp)
{
    struct jsonrpc_msg *msg;

    if (bp->state == ENDED) {
        return;
    }
    jsonrpc_session_run(bp->session);
    if (jsonrpc_session_get_seqno(bp->session) != bp->seqno) {
        bp->seqno = jsonrpc_session_get_seqno(bp->session);
        if (jsonrpc_session_is_connected(bp->session)) {
            if (bp->undo) {
                look_for_marks(bp);
            } else {
                look(bp);
            }
        }
    }
    while (bp->state != ENDED && (msg = jsonrpc_session_recv(bp->session))) {
        if (bp->request_id && msg->id && json_equal(msg->id, bp->request_id)) {
            if (msg->type == JSONRPC_REPLY) {
                handle_answer(bp, msg->result);
            } else if (msg->type == JSONRPC_ERROR) {
                end(bp, xstrdup("the bridge's database refuses"));
            }
        }
        jsonrpc_msg_destroy(msg);
    }
    if (bp->state != ENDED && time_msec() >= bp->deadline) {
        end(bp, xasprintf("%s: the bridge's database does not answer",
                          jsonrpc_session_get_name(bp->session)));
    }
}

void
bridge_prepare_wait(const struct bridge_prepare *bp)
{
    if (bp->state == ENDED) {
        poll_immediate_wake();
    } else {
        jsonrpc_session_wait(bp->session);
        jsonrpc_session_recv_wait(bp->session);
        poll_timer_wait_until(bp->deadline);
    }
}

bool
bridge_prepare_is_done(const struct bridge_prepare *bp, const char **errorp)
{
    *errorp = bp->error;
    return bp->state == ENDED;
}
