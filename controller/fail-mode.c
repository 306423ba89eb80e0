/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "fail-mode.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "jsonrpc.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(fail_mode);

#define PERIOD 5000 /* Milliseconds between questions. */

struct fail_mode {
    struct jsonrpc_session *session;
    unsigned int seqno; /* Of 'session', when last looked at. */
    uint64_t datapath_id;
    struct json *request_id; /* Of the question that is out; or NULL. */
    long long int next;      /* time_msec() of the next question. */
    char *refusal;
};

char *
fail_mode_guess_remote(const char *target)
{
    size_t len = target ? strlen(target) : 0;
    const char *slash = target ? strrchr(target, '/') : NULL;

    return (slash && !strncmp(target, "unix:", 5) && len > 5
                    && !strcmp(target + len - 5, ".mgmt")
                ? xasprintf("%.*s/db.sock", (int) (slash - target), target)
                : NULL);
}

struct fail_mode *
fail_mode_open(const char *remote, uint64_t datapath_id)
{
    struct fail_mode *fm = xzalloc(sizeof *fm);

    fm->session = jsonrpc_session_open(remote, true);
    fm->datapath_id = datapath_id;
    return fm;
}

void
fail_mode_close(struct fail_mode *fm)
{
    if (fm) {
        jsonrpc_session_close(fm->session);
        json_destroy(fm->request_id);
        free(fm->refusal);
        free(fm);
    }
}

static void
ask(struct fail_mode *fm)
{
    struct json *op = json_object_create();
    struct json *columns = json_array_create_2(
        json_string_create("name"), json_string_create("fail_mode"));
    struct jsonrpc_msg *request;
    char id[17];

    snprintf(id, sizeof id, "%016" PRIx64, fm->datapath_id);
    json_object_put_string(op, "op", "select");
    json_object_put_string(op, "table", "Bridge");
    json_object_put(op, "where",
                    json_array_create_1(json_array_create_3(
                        json_string_create("datapath_id"),
                        json_string_create("=="), json_string_create(id))));
    json_object_put(op, "columns", columns);
    json_destroy(fm->request_id);
    request = jsonrpc_create_request(
        "transact",
        json_array_create_2(json_string_create("Open_vSwitch"), op),
        &fm->request_id);
    jsonrpc_session_send(fm->session, request);
    fm->next = time_msec() + PERIOD;
}

/* The member 'name' of an object of 'type', or NULL. */
static const struct json *
member(const struct json *json, const char *name, enum json_type type)
{
    const struct json *value = json && json->type == JSON_OBJECT
                                   ? shash_find_data(json_object(json), name)
                                   : NULL;

    return value && value->type == type ? value : NULL;
}

static void
handle_answer(struct fail_mode *fm, const struct json *result)
{
    const struct json *rows = result && result->type == JSON_ARRAY
                                      && result->array.n
                                  ? member(result->array.elems[0], "rows",
                                           JSON_ARRAY)
                                  : NULL;
    const struct json *row = rows && rows->array.n ? rows->array.elems[0]
                                                   : NULL;
    const struct json *name = member(row, "name", JSON_STRING);
    /* Not set: an empty set, which is an array. */
    const struct json *mode = member(row, "fail_mode", JSON_STRING);
    char *refusal = NULL;

    if (row && (!mode || strcmp(json_string(mode), "secure"))) {
        refusal = xasprintf("fail_mode is %s; `ovs-vsctl set-fail-mode %s "
                            "secure'",
                            mode ? json_string(mode) : "not set",
                            name ? json_string(name) : "BRIDGE");
    }
    free(fm->refusal);
    fm->refusal = refusal;
}

void
fail_mode_run(struct fail_mode *fm)
{
    struct jsonrpc_msg *msg;

    jsonrpc_session_run(fm->session);
    if (jsonrpc_session_get_seqno(fm->session) != fm->seqno) {
        fm->seqno = jsonrpc_session_get_seqno(fm->session);
        fm->next = LLONG_MIN;
    }
    while ((msg = jsonrpc_session_recv(fm->session))) {
        if (msg->type == JSONRPC_REPLY && fm->request_id
            && json_equal(msg->id, fm->request_id)) {
            handle_answer(fm, msg->result);
        }
        jsonrpc_msg_destroy(msg);
    }
    if (jsonrpc_session_is_connected(fm->session) && time_msec() >= fm->next) {
        ask(fm);
    }
}

void
fail_mode_wait(struct fail_mode *fm)
{
    jsonrpc_session_wait(fm->session);
    jsonrpc_session_recv_wait(fm->session);
    if (jsonrpc_session_is_connected(fm->session)) {
        poll_timer_wait_until(fm->next);
    }
}

const char *
fail_mode_get_refusal(const struct fail_mode *fm)
{
    return fm->refusal;
}
