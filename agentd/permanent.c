/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "permanent-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "app-link.h"
#include "app-send.h"
#include "controller-link.h"
#include "epochs.h"
#include "events.h"
#include "handover.h"
#include "held-address.h"
#include "identity.h"
#include "jsonrpc.h"
#include "link.h"
#include "message.h"
#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "own-address.h"
#include "packets.h"
#include "permanent-store.h"
#include "session.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(permanent);

/* Milliseconds that applications have to show what they hold to an agent that
 * was started anew. */
#define SHOW_TIMEOUT 15000

/* The controller. */

/* What the controller says of one address of ours. */
static char *
take_registered(struct agent *agent, const struct json *json)
{
    struct message m = MESSAGE_INITIALIZER(json);
    struct in6_addr address;
    struct uuid session;
    struct permanent *p;

    message_get_uuid(&m, "session", &session);
    message_get_address(&m, "address", &address);
    uint64_t epoch = message_get_integer(&m, "epoch", 0, UINT64_C(1) << 53);
    const char *owner = message_get_name(&m, "owner");
    char *error = message_finish(&m);

    if (error) {
        return error;
    }
    p = permanent_find_session(agent, &session);
    if (!p) {
        p = xzalloc(sizeof *p);
        p->r.session = session;
        p->r.own.address = address;
        ovs_list_push_back(&agent->permanents->own, &p->node);
        /* An application may have shown it before we knew whose it is. */
        held_address_forget(agent, &session);
    }
    if (p->state == PERMANENT_HOME) {
        struct own_address own;
        bool here = !own_address_find(&address, &own);

        if (here) {
            p->r.own = own;
        }
        if (!strcmp(owner, identity_get_name(agent->identity))) {
            if (here) {
                permanent_make_session(agent, p, epoch);
            }
        } else if (here && !session_find(&agent->sessions, &session)) {
            /* The host's configuration has put it back. */
            p->state = PERMANENT_GIVING;
            permanent_left(agent, &address);
        }
    } else if (p->state == PERMANENT_GIVING && p->unsure) {
        p->unsure = false;
        p->deadline = time_msec() + SHOW_TIMEOUT;
        if (!strcmp(owner, identity_get_name(agent->identity))) {
            permanent_make_session(agent, p, epoch);
        }
    } else if (p->state == PERMANENT_ASLEEP) {
        /* Not at once: the bridge may not know yet that it is. */
        bool ours = !strcmp(owner, identity_get_name(agent->identity));

        p->ask_at = ours ? time_msec() : 0;
    }
    return NULL;
}

void
permanents_registered(struct agent *agent)
{
    struct message m = MESSAGE_INITIALIZER(
        controller_link_get_registration(agent->controller));
    const struct json_array *array = message_get_array(&m, "permanent", 256);
    /* It may be gone before we are through: the channel moves. */
    struct json *copy = json_array_create_empty();
    char *error = message_finish(&m);

    for (size_t i = 0; i < array->n && !error; i++) {
        json_array_add(copy, json_clone(array->elems[i]));
    }
    for (size_t i = 0; i < json_array(copy)->n && !error; i++) {
        error = take_registered(agent, json_array(copy)->elems[i]);
    }
    if (error) {
        VLOG_WARN("what the controller says of our addresses has the wrong "
                  "form: %s",
                  error);
        free(error);
    }
    json_destroy(copy);
    held_addresses_registered(agent);
}

static void
handle_wake(struct agent *agent, const struct json *params)
{
    struct message m = MESSAGE_INITIALIZER(params);
    struct permanent *p;
    struct uuid session;
    char *why;

    message_get_uuid(&m, "session", &session);
    uint64_t epoch = message_get_integer(&m, "epoch", 0, UINT64_C(1) << 53);
    const char *reason = message_get_optional_string(&m, "reason", 1024);
    char *error = message_finish(&m);

    p = error ? NULL : permanent_find_session(agent, &session);
    free(error);
    if (p) {
        why = xstrdup(reason ? reason : "the controller says so");
        permanent_wake_at(agent, p, epoch, why);
        free(why);
    }
}

static void
handle_recall(struct agent *agent, const struct json *params)
{
    struct message m = MESSAGE_INITIALIZER(params);
    struct session *s = NULL;
    struct uuid session;

    message_get_uuid(&m, "session", &session);
    const char *target = message_get_name(&m, "target");
    char *error = message_finish(&m);

    if (!error) {
        s = session_find(&agent->sessions, &session);
    }
    if (s && s->permanent && !permanent_is_home(agent, &session)) {
        events_add(agent, &session, s->uid, "asked for by %s", target);
        give_start(agent, s, target, "", NULL, NULL, &error);
    }
    if (error) {
        VLOG_INFO("an address that is asked for is not given back: %s", error);
        free(error);
    }
}

static bool
handle_wake_reply(struct agent *agent, const struct jsonrpc_msg *msg)
{
    uint64_t id = link_msg_id(msg);
    struct permanent *p;

    LIST_FOR_EACH(p, node, &agent->permanents->own) {
        if (id && p->wake_id == id) {
            p->wake_id = 0;
            if (msg->type == JSONRPC_ERROR && p->waker) {
                app_send_call_error(p->waker, EACCES,
                                    link_msg_error_reason(msg));
                p->waker = NULL;
            }
            return true;
        }
    }
    return false;
}

bool
permanents_handle_controller(struct agent *agent,
                             const struct jsonrpc_msg *msg)
{
    if (msg->type != JSONRPC_NOTIFY) {
        return handle_wake_reply(agent, msg)
               || held_addresses_handle_reply(agent, msg);
    } else if (!strcmp(msg->method, "wake")) {
        handle_wake(agent, link_msg_params(msg));
    } else if (!strcmp(msg->method, "recall")) {
        handle_recall(agent, link_msg_params(msg));
    } else {
        return false;
    }
    return true;
}

void
permanent_add_rows(const struct agent *agent, struct json *rows)
{
    const struct permanent *p;

    LIST_FOR_EACH(p, node, &agent->permanents->own) {
        if (p->state == PERMANENT_ASLEEP
            && !session_find(&agent->sessions, &p->r.session)) {
            struct json *row = json_object_create();

            message_put_uuid(row, "session", &p->r.session);
            message_put_string(row, "name", "permanent");
            message_put_address(row, "address", &p->r.own.address);
            message_put_string(row, "service", "");
            message_put_string(row, "onward", "");
            message_put_string(row, "state", "asleep");
            message_put_integer(row, "sockets", 0);
            message_put_integer(row, "epoch",
                                epochs_highest(agent, &p->r.session));
            message_put_boolean(row, "permanent", true);
            message_put_string(row, "since", "");
            json_array_add(rows, row);
        }
    }
}

/* The loop. */

void
permanents_open(struct agent *agent, const char *state_dir, const char *listen)
{
    struct permanents *ps = xzalloc(sizeof *ps);

    agent->permanents = ps;
    ovs_list_init(&ps->own);
    ps->listen = xstrdup(listen);
    ps->file = xasprintf("%s/permanent.json", state_dir);
    held_addresses_open(agent);
    permanent_load(agent);
}

void
permanents_close(struct agent *agent)
{
    struct permanents *ps = agent->permanents;
    struct permanent *p;

    if (ps) {
        LIST_FOR_EACH_POP(p, node, &ps->own) {
            permanent_record_clear(&p->r);
            free(p->target);
            free(p);
        }
        held_addresses_close(agent);
        free(ps->listen);
        free(ps->file);
        free(ps);
        agent->permanents = NULL;
    }
}

void
permanents_run(struct agent *agent)
{
    struct permanent *p;

    LIST_FOR_EACH(p, node, &agent->permanents->own) {
        if (p->state == PERMANENT_LENDING) {
            permanent_run_lending(agent, p);
        } else if (p->state == PERMANENT_GIVING) {
            permanent_run_giving(agent, p);
        } else if (p->state == PERMANENT_ASLEEP && p->ask_at
                   && time_msec() >= p->ask_at) {
            permanent_ask_to_wake(agent, p);
        }
    }
    held_addresses_run(agent);
}

void
permanents_wait(struct agent *agent)
{
    const struct permanent *p;

    LIST_FOR_EACH(p, node, &agent->permanents->own) {
        if (p->state == PERMANENT_LENDING
            || (p->state == PERMANENT_GIVING && p->deadline)) {
            poll_timer_wait_until(MAX(p->deadline, time_msec() + 100));
        } else if (p->state == PERMANENT_ASLEEP && p->ask_at) {
            poll_timer_wait_until(p->ask_at);
        }
    }
    held_addresses_wait(agent);
}

void
permanents_conn_closed(struct agent *agent, struct app_conn *conn)
{
    struct permanent *p;

    if (!agent->permanents) {
        return;
    }
    LIST_FOR_EACH(p, node, &agent->permanents->own) {
        p->mover = p->mover == conn ? NULL : p->mover;
        p->caller = p->caller == conn ? NULL : p->caller;
        p->waker = p->waker == conn ? NULL : p->waker;
    }
}
