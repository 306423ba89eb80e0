/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "link.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "jsonrpc.h"
#include "message.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "random.h"
#include "reconnect.h"
#include "stream.h"
#include "timeval.h"
#include "tls-roles.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(link);

/* Bytes that may arrive without a message being complete: the registration of
 * a device with 16,384 sessions fits. */
#define LINK_MESSAGE_MAX (4u << 20)
/* Messages and bytes that may wait to be sent. */
#define LINK_BACKLOG_MSGS 20000
#define LINK_BACKLOG_BYTES (64u << 20)
/* Milliseconds of silence before an "echo". */
#define LINK_PROBE_INTERVAL 5000
/* Backoff between attempts to connect, in milliseconds: "reconnect" allows no
 * less than a second. */
#define LINK_BACKOFF_MIN 1000
#define LINK_BACKOFF_MAX 8000
/* Milliseconds that an accepted connection has for its handshake. */
#define LINK_HANDSHAKE_TIMEOUT 5000

/* libopenvswitch's jsonrpc module logs whole messages at DBG, and some of ours
 * carry keys: whatever level people ask for, before anything passes through it
 * the module is back at INFO.  (Ours says at DBG what passes, without what is
 * in it.) */
static void
hold_jsonrpc_level(void)
{
    static struct vlog_module *jsonrpc;

    if (!jsonrpc) {
        jsonrpc = vlog_module_from_name("jsonrpc");
    }
    if (!jsonrpc || !vlog_is_enabled(jsonrpc, VLL_DBG)) {
        return;
    }
    for (int i = 0; i < VLF_N_DESTINATIONS; i++) {
        if (vlog_get_level(jsonrpc, i) > VLL_INFO) {
            vlog_set_levels(jsonrpc, i, VLL_INFO);
        }
    }
    VLOG_INFO("debug messages of module jsonrpc would show keys: its level "
              "is INFO again");
}

struct link {
    char *name; /* Target, or stream name of the peer. */
    char *role; /* "controller/", ... */
    bool passive;
    struct reconnect *fsm; /* Passive links too, for probing. */

    struct stream *stream;  /* While the handshake lasts. */
    long long int deadline; /* For the handshake; time_msec(). */
    struct jsonrpc *rpc;    /* Afterwards. */
    char *peer;             /* Without role; NULL unless 'rpc'. */
    unsigned int mark;      /* Received bytes at the last message. */

    unsigned int seqno;
    uint64_t next_id;
    char *error; /* Why the last connection ended. */
};

static struct link *
link_create(const char *name, const char *role, bool passive)
{
    struct link *link = xzalloc(sizeof *link);
    long long int now = time_msec();

    tls_roles_enforce();
    link->name = xstrdup(name);
    link->role = xstrdup(role);
    link->passive = passive;
    link->next_id = 1;
    link->fsm = reconnect_create(now);
    reconnect_set_name(link->fsm, name);
    reconnect_set_quiet(link->fsm, true);
    /* Those who lose a controller at the same moment do not come back at one
     * and the same. */
    reconnect_set_backoff(
        link->fsm, LINK_BACKOFF_MIN - random_range(LINK_BACKOFF_MIN / 2),
        LINK_BACKOFF_MAX);
    reconnect_set_probe_interval(link->fsm, LINK_PROBE_INTERVAL);
    reconnect_enable(link->fsm, now);
    return link;
}

struct link *
link_open(const char *target, const char *role)
{
    return link_create(target, role, false);
}

struct link *
link_accept(struct stream *stream, const char *role)
{
    struct link *link = link_create(stream_get_name(stream), role, true);

    reconnect_connecting(link->fsm, time_msec());
    link->stream = stream;
    link->deadline = time_msec() + LINK_HANDSHAKE_TIMEOUT;
    return link;
}

void
link_close(struct link *link)
{
    if (link) {
        jsonrpc_close(link->rpc);
        stream_close(link->stream);
        reconnect_destroy(link->fsm);
        free(link->name);
        free(link->role);
        free(link->peer);
        free(link->error);
        free(link);
    }
}

/* Ends the connection, or the attempt to make one. 'error' as errno or EOF. */
static void
link_disconnect(struct link *link, int error, const char *reason)
{
    if (!link->stream && !link->rpc) {
        return;
    }
    if (link->rpc) {
        VLOG_INFO("%s: connection %s%s%s ended: %s", link->name,
                  link->peer ? "with " : "", link->role,
                  link->peer ? link->peer : "", reason);
    } else {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(6, 6);

        VLOG_INFO_RL(&rl, "%s: no connection: %s", link->name, reason);
    }
    if (link->rpc) {
        jsonrpc_close(link->rpc);
        link->rpc = NULL;
        link->seqno++;
    }
    stream_close(link->stream);
    link->stream = NULL;
    free(link->peer);
    link->peer = NULL;
    free(link->error);
    link->error = xstrdup(reason);
    reconnect_disconnected(link->fsm, time_msec(), error);
}

void
link_drop(struct link *link, const char *reason)
{
    link_disconnect(link, EPROTO, reason);
}

static void
link_start(struct link *link)
{
    int error;

    reconnect_connecting(link->fsm, time_msec());
    error = stream_open(link->name, &link->stream, DSCP_DEFAULT);
    if (error) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(6, 6);

        link->stream = NULL;
        VLOG_INFO_RL(&rl, "%s: no connection: %s", link->name,
                     ovs_strerror(error));
        reconnect_connect_failed(link->fsm, time_msec(), error);
    }
    link->deadline = time_msec() + LINK_HANDSHAKE_TIMEOUT;
}

static struct vlog_rate_limit refused_rl = VLOG_RATE_LIMIT_INIT(6, 6);

/* The handshake: who is there? */
static void
link_run_connecting(struct link *link)
{
    const char *id;
    int error;

    stream_run(link->stream);
    error = stream_connect(link->stream);
    if (error == EAGAIN) {
        if (time_msec() >= link->deadline) {
            link_disconnect(link, ETIMEDOUT, "handshake took too long");
        }
        return;
    } else if (error) {
        link_disconnect(link, error,
                        error == EPROTO
                            ? "TLS handshake failed, the log says why"
                            : ovs_retval_to_string(error));
        return;
    }

    id = stream_get_peer_id(link->stream);
    if (!id || strncmp(id, link->role, strlen(link->role))
        || !message_name_is_valid(id + strlen(link->role))) {
        char *reason = xasprintf("peer's certificate names \"%s\", not "
                                 "\"%sNAME\"",
                                 id ? id : "", link->role);

        VLOG_WARN_RL(&refused_rl, "%s: refused: %s", link->name, reason);
        link_disconnect(link, EPERM, reason);
        free(reason);
        return;
    }
    link->peer = xstrdup(id + strlen(link->role));
    link->rpc = jsonrpc_open(link->stream);
    jsonrpc_set_backlog_threshold(link->rpc, LINK_BACKLOG_MSGS,
                                  LINK_BACKLOG_BYTES);
    link->stream = NULL;
    link->mark = 0;
    link->seqno++;
    reconnect_connected(link->fsm, time_msec());
    VLOG_INFO("%s: connected with %s%s", link->name, link->role, link->peer);
}

void
link_run(struct link *link)
{
    hold_jsonrpc_level();
    if (link->rpc) {
        int error;

        jsonrpc_run(link->rpc);
        error = jsonrpc_get_status(link->rpc);
        if (error) {
            link_disconnect(link, error, ovs_retval_to_string(error));
        }
    }
    switch (reconnect_run(link->fsm, time_msec())) {
    case RECONNECT_CONNECT:
        if (!link->passive && !link->stream && !link->rpc) {
            link_start(link);
        }
        break;
    case RECONNECT_DISCONNECT:
        /* A handshake has a deadline of its own. */
        if (link->rpc) {
            link_disconnect(link, ETIMEDOUT, "the peer does not answer");
        }
        break;
    case RECONNECT_PROBE:
        if (link->rpc) {
            struct jsonrpc_msg *echo = jsonrpc_create_request(
                "echo", json_array_create_empty(), NULL);

            json_destroy(echo->id);
            echo->id = json_string_create("echo");
            jsonrpc_send(link->rpc, echo);
        }
        break;
    default: break;
    }
    if (link->stream) {
        link_run_connecting(link);
    }
}

void
link_wait(struct link *link)
{
    if (link->rpc) {
        jsonrpc_wait(link->rpc);
        jsonrpc_recv_wait(link->rpc);
    } else if (link->stream) {
        stream_run_wait(link->stream);
        stream_connect_wait(link->stream);
        poll_timer_wait_until(link->deadline);
        return;
    }
    reconnect_wait(link->fsm, time_msec());
}

bool
link_is_connected(const struct link *link)
{
    return link->rpc != NULL;
}

bool
link_is_alive(const struct link *link)
{
    return !link->passive || link->rpc || link->stream;
}

unsigned int
link_get_seqno(const struct link *link)
{
    return link->seqno;
}

const char *
link_get_peer(const struct link *link)
{
    return link->peer;
}

const char *
link_get_name(const struct link *link)
{
    return link->name;
}

const char *
link_get_error(const struct link *link)
{
    return link->error ? link->error : "";
}

size_t
link_get_backlog(const struct link *link)
{
    return link->rpc ? jsonrpc_get_backlog(link->rpc) : 0;
}

/* Answers "echo" and swallows its answers; true if 'msg' was one. */
static bool
link_handle_echo(struct link *link, struct jsonrpc_msg *msg)
{
    if (msg->type == JSONRPC_REQUEST && !strcmp(msg->method, "echo")) {
        jsonrpc_send(link->rpc,
                     jsonrpc_create_reply(json_clone(msg->params), msg->id));
        return true;
    }
    return (msg->type == JSONRPC_REPLY && msg->id
            && msg->id->type == JSON_STRING
            && !strcmp(json_string(msg->id), "echo"));
}

static void
log_passing(const struct link *link, const char *what,
            const struct jsonrpc_msg *msg)
{
    if (VLOG_IS_DBG_ENABLED()) {
        char *id = msg->id ? json_to_string(msg->id, 0) : NULL;

        VLOG_DBG("%s: %s %s%s%s%s%s", link->name, what,
                 jsonrpc_msg_type_to_string(msg->type), msg->method ? " " : "",
                 msg->method ? msg->method : "", id ? ", id " : "",
                 id ? id : "");
        free(id);
    }
}

struct jsonrpc_msg *
link_recv(struct link *link)
{
    hold_jsonrpc_level();
    while (link->rpc) {
        struct jsonrpc_msg *msg;
        unsigned int received;
        int error;

        error = jsonrpc_recv(link->rpc, &msg);
        received = jsonrpc_get_received_bytes(link->rpc);
        if (error == EAGAIN) {
            reconnect_receive_attempted(link->fsm, time_msec());
            if (received - link->mark > LINK_MESSAGE_MAX) {
                link_drop(link, "message too long");
            } else {
                /* Without it silence is not noticed. */
                reconnect_receive_attempted(link->fsm, time_msec());
            }
            return NULL;
        } else if (error) {
            link_disconnect(link, error, ovs_retval_to_string(error));
            return NULL;
        }
        link->mark = received;
        reconnect_activity(link->fsm, time_msec());
        if (!link_handle_echo(link, msg)) {
            log_passing(link, "received", msg);
            return msg;
        }
        jsonrpc_msg_destroy(msg);
    }
    return NULL;
}

static void
link_send(struct link *link, struct jsonrpc_msg *msg)
{
    if (link->rpc) {
        hold_jsonrpc_level();
        log_passing(link, "sent", msg);
        jsonrpc_send(link->rpc, msg);
    } else {
        jsonrpc_msg_destroy(msg);
    }
}

/* A copy for a fault on purpose. */
static struct jsonrpc_msg *
clone_msg(const struct jsonrpc_msg *msg)
{
    struct jsonrpc_msg *copy = xmemdup(msg, sizeof *msg);

    copy->method = nullable_xstrdup(msg->method);
    copy->params = json_nullable_clone(msg->params);
    copy->result = json_nullable_clone(msg->result);
    copy->error = json_nullable_clone(msg->error);
    copy->id = json_nullable_clone(msg->id);
    return copy;
}

/* Sends 'msg', the wire protocol's 'name' and 'suffix', unless a test wants
 * something else. */
static void
send_named(struct link *link, struct jsonrpc_msg *msg, const char *name,
           const char *suffix OVS_UNUSED)
{
    switch (fault_message(name, suffix)) {
    case FAULT_DROP: jsonrpc_msg_destroy(msg); return;
    case FAULT_REPEAT: link_send(link, clone_msg(msg)); break;
    case FAULT_SEND: break;
    }
    link_send(link, msg);
}

void
link_notify(struct link *link, const char *method, struct json *params)
{
    send_named(link,
               jsonrpc_create_notify(method, json_array_create_1(params)),
               method, "");
}

uint64_t
link_request(struct link *link, const char *method, struct json *params)
{
    struct jsonrpc_msg *msg;
    uint64_t id;

    if (!link->rpc) {
        json_destroy(params);
        return 0;
    }
    id = link->next_id++;
    msg = jsonrpc_create_request(method, json_array_create_1(params), NULL);
    json_destroy(msg->id);
    msg->id = json_integer_create(id);
    send_named(link, msg, method, "");
    return id;
}

void
link_reply(struct link *link, const struct jsonrpc_msg *request,
           struct json *result)
{
    send_named(link, jsonrpc_create_reply(result, request->id),
               request->method, "-reply");
}

void
link_reply_error(struct link *link, const struct jsonrpc_msg *request,
                 const char *code, const char *format, ...)
{
    struct json *error = json_object_create();
    va_list args;
    char *reason;

    va_start(args, format);
    reason = xvasprintf(format, args);
    va_end(args);
    json_object_put_string(error, "code", code);
    json_object_put_string(error, "reason", reason);
    free(reason);
    link_reply_error_object(link, request, error);
}

void
link_reply_error_object(struct link *link, const struct jsonrpc_msg *request,
                        struct json *error)
{
    send_named(link, jsonrpc_create_error(error, request->id), request->method,
               "-error");
}

const struct json *
link_msg_params(const struct jsonrpc_msg *msg)
{
    const struct json *params = msg->params;

    return (params && params->type == JSON_ARRAY && params->array.n == 1
                    && params->array.elems[0]->type == JSON_OBJECT
                ? params->array.elems[0]
                : NULL);
}

uint64_t
link_msg_id(const struct jsonrpc_msg *msg)
{
    return ((msg->type == JSONRPC_REPLY || msg->type == JSONRPC_ERROR)
                    && msg->id && msg->id->type == JSON_INTEGER
                    && json_integer(msg->id) > 0
                ? json_integer(msg->id)
                : 0);
}

static const char *
error_member(const struct jsonrpc_msg *msg, const char *name,
             const char *default_)
{
    if (msg->error && msg->error->type == JSON_OBJECT) {
        const struct json *member = shash_find_data(json_object(msg->error),
                                                    name);

        if (member && member->type == JSON_STRING) {
            return json_string(member);
        }
    }
    return default_;
}

const char *
link_msg_error_code(const struct jsonrpc_msg *msg)
{
    return error_member(msg, "code", "unknown");
}

const char *
link_msg_error_reason(const struct jsonrpc_msg *msg)
{
    return error_member(msg, "reason", "the other side gave no reason");
}
