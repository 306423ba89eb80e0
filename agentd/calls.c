/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "calls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "app-link.h"
#include "app-send.h"
#include "controller-link.h"
#include "events.h"
#include "handover.h"
#include "jsonrpc.h"
#include "link.h"
#include "message.h"
#include "onward-store.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "permanent.h"
#include "timeval.h"
#include "util.h"

/* People who may wait for the controller at once. */
#define MAX_CALLS 64

/* A person who waits for the controller's answer. */
struct call {
    struct ovs_list node; /* In agent->calls. */
    struct app_conn *conn;
    uint64_t request_id;
    const char *member; /* Of the answer: an array. */

    /* An application, which asked about one of its mapped sessions. */
    bool one;
    struct uuid session;
    uint64_t number;
};

void
calls_init(struct agent *agent)
{
    ovs_list_init(&agent->calls);
}

void
calls_destroy(struct agent *agent)
{
    struct call *call;

    LIST_FOR_EACH_POP(call, node, &agent->calls) {
        free(call);
    }
}

static const char *
session_state_name(const struct session *s)
{
    return (s->ending                         ? "ending"
            : !s->handover                    ? "here"
            : handover_is_giving(s->handover) ? "leaving"
                                              : "coming");
}

static void
call_sessions(struct agent *agent, struct app_conn *conn)
{
    struct json *rows = json_array_create_empty();
    const struct session *s;

    HMAP_FOR_EACH(s, id_node, &agent->sessions.by_id) {
        struct json *row;
        char *since;

        if (app_conn_uid(conn) && app_conn_uid(conn) != s->uid) {
            continue;
        }
        row = json_object_create();
        since = xastrftime_msec("%Y-%m-%d %H:%M:%S", s->since, false);
        message_put_uuid(row, "session", &s->id);
        message_put_string(row, "name", s->name);
        message_put_address(row, "address", &s->address);
        message_put_string(row, "service", s->service);
        message_put_integer(row, "sockets", s->n_sockets);
        message_put_integer(row, "epoch", s->epoch);
        message_put_string(row, "onward",
                           s->give_onward[0] ? s->give_onward
                           : s->onward[0]    ? s->onward
                                             : "");
        message_put_string(row, "state", session_state_name(s));
        message_put_string(row, "since", since);
        message_put_boolean(row, "permanent", s->permanent);
        json_array_add(rows, row);
        free(since);
    }
    permanent_add_rows(agent, rows);
    app_send_rows(conn, rows);
}

static void
fail(struct call *call, int error, const char *reason)
{
    if (call->one) {
        app_send_mapped(call->conn, &call->session, call->number, error, NULL);
    } else {
        app_send_call_error(call->conn, error, reason);
    }
    free(call);
}

/* Asks the controller, with 'params' (taken), for the array 'member'. */
static void
ask_controller(struct agent *agent, const struct call *proto,
               const char *method, struct json *params)
{
    struct link *link = controller_link_get(agent->controller);
    struct call *call = xmemdup(proto, sizeof *proto);

    call->member = method;
    if (ovs_list_size(&agent->calls) >= MAX_CALLS) {
        json_destroy(params);
        fail(call, EBUSY, "too many questions at once");
        return;
    }
    call->request_id = link_request(link, method, params);
    if (!call->request_id) {
        char *reason = xasprintf("no controller: %s", link_get_error(link));

        fail(call, ENOTCONN, reason);
        free(reason);
        return;
    }
    ovs_list_push_back(&agent->calls, &call->node);
}

static void
call_controller(struct agent *agent, struct app_conn *conn, const char *method)
{
    struct call call = { .conn = conn };

    ask_controller(agent, &call, method, json_object_create());
}

void
calls_ask_mapping(struct agent *agent, struct app_conn *conn,
                  const struct session *s, uint64_t number)
{
    struct json *params = json_object_create();
    struct call call = {
        .conn = conn, .one = true, .session = s->id, .number = number
    };

    message_put_uuid(params, "session", &s->id);
    ask_controller(agent, &call, "mappings", params);
}

static void
call_move(struct agent *agent, struct app_conn *conn, struct message *m)
{
    const char *what = message_get_string(m, "session", 128);
    const char *device = message_get_string(m, "device", MESSAGE_NAME_MAX);
    const char *service = message_get_optional_string(m, "service",
                                                      MESSAGE_NAME_MAX);
    const char *onward = message_get_optional_string(m, "onward",
                                                     ONWARD_STRING_LEN - 1);
    char *error = message_finish(m);
    struct session *s = error ? NULL
                              : session_lookup(&agent->sessions, what, &error);

    if (s && app_conn_uid(conn) && app_conn_uid(conn) != s->uid) {
        error = xstrdup("the session belongs to another user");
    } else if (s && onward && !session_set_give_onward(s, onward)) {
        error = xasprintf("\"%s\" is no right to pass on; "
                          "expected " ONWARD_EXPECTED,
                          onward);
    } else if (s && onward) {
        onward_store_set(agent, s);
    }
    if (error) {
        /* Nothing is moved. */
    } else if (s && permanent_is_to_lend(agent, s)) {
        permanent_move(agent, s, device, NULL, conn, &error);
    } else if (s) {
        give_start(agent, s, device, service ? service : "", NULL, conn,
                   &error);
    }
    if (error) {
        app_send_call_error(conn, EINVAL, error);
        free(error);
    }
}

static void
call_release(struct agent *agent, struct app_conn *conn, struct message *m)
{
    const char *what = message_get_string(m, "session", 128);
    char *error = message_finish(m);
    struct session *s = error ? NULL
                              : session_lookup(&agent->sessions, what, &error);

    if (s && app_conn_uid(conn) && app_conn_uid(conn) != s->uid) {
        error = xstrdup("the session belongs to another user");
    } else if (s && s->handover) {
        error = xstrdup("the session is moving");
    } else if (s && !permanent_release(agent, s)) {
        error = xstrdup("it is no address of another device's that is here");
    }
    if (error) {
        app_send_call_error(conn, EINVAL, error);
        free(error);
    } else {
        app_send_rows(conn, json_array_create_empty());
    }
}

static void
call_wake(struct agent *agent, struct app_conn *conn, struct message *m)
{
    const char *address = message_get_optional_string(m, "address", 64);
    char *error = message_finish(m);

    if (error) {
        app_send_call_error(conn, EINVAL, error);
        free(error);
    } else {
        permanent_call_wake(agent, conn, address);
    }
}

void
calls_handle(struct agent *agent, const struct app_event *event)
{
    struct json *json = json_from_string(event->msg.text_len ? event->msg.text
                                                             : "");
    struct message m = MESSAGE_INITIALIZER(json);
    const char *name = message_get_string(&m, "call", 32);
    char *error = message_finish(&m);

    if (error) {
        app_send_call_error(event->conn, EINVAL, error);
        free(error);
    } else if (!strcmp(name, "sessions")) {
        call_sessions(agent, event->conn);
    } else if (!strcmp(name, "devices")) {
        call_controller(agent, event->conn, "devices");
    } else if (!strcmp(name, "mappings")) {
        call_controller(agent, event->conn, "mappings");
    } else if (!strcmp(name, "move")) {
        call_move(agent, event->conn, &m);
    } else if (!strcmp(name, "release")) {
        call_release(agent, event->conn, &m);
    } else if (!strcmp(name, "wake")) {
        call_wake(agent, event->conn, &m);
    } else if (!strcmp(name, "log")) {
        app_send_rows(event->conn,
                      events_to_json(agent, app_conn_uid(event->conn)));
    } else if (!strcmp(name, "watch")) {
        events_watch(agent, event->conn);
    } else {
        app_send_call_error(event->conn, ENOSYS,
                            "the agent does not know this command");
    }
    json_destroy(json);
}

/* What a person may see: of mappings, those of that person's sessions. */
static bool
may_see(const struct agent *agent, const struct call *call,
        const struct json *row)
{
    struct message m = MESSAGE_INITIALIZER(row);
    const struct session *s;
    struct uuid session;

    if (strcmp(call->member, "mappings") || !app_conn_uid(call->conn)) {
        return true;
    }
    message_get_uuid(&m, "session", &session);
    free(message_finish(&m));
    s = session_find(&agent->sessions, &session);
    return s && s->uid == app_conn_uid(call->conn);
}

static void
answer_one(const struct call *call, const struct json_array *rows)
{
    struct message m = MESSAGE_INITIALIZER(rows->n ? rows->elems[0] : NULL);
    struct app_mapping mapping;
    char *error;

    memset(&mapping, 0, sizeof mapping);
    message_get_address(&m, "permanent", &mapping.permanent);
    message_get_address(&m, "correspondent", &mapping.correspondent);
    mapping.port = message_get_integer(&m, "port", 0, UINT16_MAX);
    mapping.correspondent_port = message_get_integer(&m, "correspondent_port",
                                                     0, UINT16_MAX);
    const char *owner = message_get_string(&m, "owner", APP_NAME_LEN - 1);
    mapping.since = message_get_integer(&m, "since", 0, INT64_MAX);
    mapping.packets_in = message_get_integer(&m, "packets_in", 0, INT64_MAX);
    mapping.bytes_in = message_get_integer(&m, "bytes_in", 0, INT64_MAX);
    mapping.packets_out = message_get_integer(&m, "packets_out", 0, INT64_MAX);
    mapping.bytes_out = message_get_integer(&m, "bytes_out", 0, INT64_MAX);
    error = message_finish(&m);
    if (!error) {
        ovs_strlcpy(mapping.owner, owner, sizeof mapping.owner);
    }
    app_send_mapped(call->conn, &call->session, call->number,
                    error ? ENOENT : 0, error ? NULL : &mapping);
    free(error);
}

static void
answer(const struct agent *agent, const struct call *call,
       const struct json *result)
{
    struct message m = MESSAGE_INITIALIZER(result);
    const struct json_array *array = message_get_array(&m, call->member,
                                                       1 << 20);

    free(message_finish(&m));
    if (call->one) {
        answer_one(call, array);
    } else {
        struct json *rows = json_array_create_empty();

        for (size_t i = 0; i < array->n; i++) {
            if (may_see(agent, call, array->elems[i])) {
                json_array_add(rows, json_clone(array->elems[i]));
            }
        }
        app_send_rows(call->conn, rows);
    }
}

bool
calls_handle_controller(struct agent *agent, const struct jsonrpc_msg *msg)
{
    uint64_t id = link_msg_id(msg);
    struct call *call;

    LIST_FOR_EACH(call, node, &agent->calls) {
        if (id && call->request_id == id) {
            ovs_list_remove(&call->node);
            if (msg->type == JSONRPC_REPLY) {
                answer(agent, call, msg->result);
                free(call);
            } else {
                fail(call, EACCES, link_msg_error_reason(msg));
            }
            return true;
        }
    }
    return false;
}

void
calls_controller_lost(struct agent *agent)
{
    struct call *call;

    LIST_FOR_EACH_POP(call, node, &agent->calls) {
        fail(call, ENOTCONN, "the connection with the controller was lost");
    }
}

void
calls_conn_closed(struct agent *agent, struct app_conn *conn)
{
    struct call *call;

    LIST_FOR_EACH_SAFE(call, node, &agent->calls) {
        if (call->conn == conn) {
            ovs_list_remove(&call->node);
            free(call);
        }
    }
}
