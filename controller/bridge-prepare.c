/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bridge-prepare.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "jsonrpc.h"
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
    struct jsonrpc_session *session;
    unsigned int seqno; /* Of 'session', when last looked at. */
    uint64_t datapath_id;
    struct policy_tunnel tunnel; /* 'port_name' copied. */
    enum state state;
    struct json *request_id; /* Of what is out, or NULL. */
    long long int deadline;  /* time_msec(). */
    char *error;
};

struct bridge_prepare *
bridge_prepare_start(const char *remote, uint64_t datapath_id,
                     const struct policy_tunnel *tunnel)
{
    struct bridge_prepare *bp = xzalloc(sizeof *bp);

    bp->session = jsonrpc_session_open(remote, true);
    bp->datapath_id = datapath_id;
    bp->tunnel = *tunnel;
    bp->tunnel.port_name = xstrdup(tunnel->port_name);
    bp->deadline = time_msec() + BRIDGE_PREPARE_TIMEOUT;
    return bp;
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
                           "\"columns\":[\"name\"]}]",
                           bp->datapath_id, port));
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

static void
change(struct bridge_prepare *bp, bool exists)
{
    const char *port = bp->tunnel.port_name;
    char *row = interface_row(&bp->tunnel);

    bp->state = CHANGING;
    if (exists) {
        transact(bp, xasprintf("[\"Open_vSwitch\","
                               "{\"op\":\"update\",\"table\":\"Interface\","
                               "\"where\":[[\"name\",\"==\",\"%s\"]],"
                               "\"row\":{%s}},"
                               "{\"op\":\"update\",\"table\":\"Port\","
                               "\"where\":[[\"name\",\"==\",\"%s\"]],"
                               "\"row\":{\"vlan_mode\":\"trunk\","
                               "\"trunks\":%d}}]",
                               port, row, port, NO_VLAN));
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
                           "\"vlan_mode\":\"trunk\",\"trunks\":%d}},"
                           "{\"op\":\"mutate\",\"table\":\"Bridge\","
                           "\"where\":[[\"datapath_id\",\"==\",\"%016" PRIx64
                           "\"]],\"mutations\":[[\"ports\",\"insert\","
                           "[\"named-uuid\",\"port\"]]]},"
                           "{\"op\":\"comment\",\"comment\":"
                           "\"baton-ctl bridge prepare\"}]",
                           port, row, port, NO_VLAN, bp->datapath_id));
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
    if (!bridges || !ports) {
        end(bp, xstrdup("the bridge's database gives no answer that is "
                        "understood"));
    } else if (!bridges->array.n) {
        end(bp, xasprintf("the database has no bridge with datapath id "
                          "%016" PRIx64,
                          bp->datapath_id));
    } else {
        change(bp, ports->array.n > 0);
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
            look(bp);
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
