/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "held-address.h"

#include <stdlib.h>

#include "agent.h"
#include "controller-link.h"
#include "events.h"
#include "handover.h"
#include "jsonrpc.h"
#include "link.h"
#include "message.h"
#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "session.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

/* Milliseconds that a lease of unknown length lasts, after a restart of the
 * agent, until the controller says: the shortest that there can be. */
#define UNKNOWN_LIFETIME 5000
/* Milliseconds before an unanswered question is asked again. */
#define ASK_INTERVAL 1000

struct held {
    struct ovs_list node; /* In struct held_addresses. */
    struct uuid session;
    long long int lifetime; /* Milliseconds. */
    long long int until;    /* time_msec(). */
    long long int renew_at; /* time_msec(). */
    long long int asked_at; /* time_msec(). */
    uint64_t request_id;    /* Of "renew", or 0. */
};

struct held_addresses {
    struct ovs_list list;
};

void
held_addresses_open(struct agent *agent)
{
    agent->held = xzalloc(sizeof *agent->held);
    ovs_list_init(&agent->held->list);
}

static void
held_free(struct held *held)
{
    ovs_list_remove(&held->node);
    free(held);
}

void
held_addresses_close(struct agent *agent)
{
    struct held *held;

    LIST_FOR_EACH_SAFE(held, node, &agent->held->list) {
        held_free(held);
    }
    free(agent->held);
    agent->held = NULL;
}

void
held_address_forget(struct agent *agent, const struct uuid *session)
{
    struct held *held;

    LIST_FOR_EACH_SAFE(held, node, &agent->held->list) {
        if (uuid_equals(&held->session, session)) {
            held_free(held);
        }
    }
}

void
held_address_add(struct agent *agent, const struct session *s,
                 unsigned int lifetime, long long int since)
{
    struct held *held;

    held_address_forget(agent, &s->id); /* An earlier stay. */
    held = xzalloc(sizeof *held);
    held->session = s->id;
    held->lifetime = lifetime ? lifetime * 1000LL : UNKNOWN_LIFETIME;
    held->until = since + held->lifetime;
    held->renew_at = lifetime ? since + held->lifetime / 3 : since;
    ovs_list_push_back(&agent->held->list, &held->node);
}

/* The lease is over, or another device has the address. */
static void
let_go(struct agent *agent, struct session *s, const char *reason)
{
    events_add(agent, &s->id, s->uid, "let go of: %s", reason);
    handover_discard_session(agent, s);
}

static void
renew(struct agent *agent, struct held *held, const struct session *s)
{
    struct json *params = json_object_create();

    message_put_uuid(params, "session", &s->id);
    message_put_integer(params, "epoch", s->epoch);
    held->asked_at = time_msec();
    held->renew_at = held->asked_at + MIN(held->lifetime / 6, ASK_INTERVAL);
    held->request_id = link_request(controller_link_get(agent->controller),
                                    "renew", params);
}

void
held_addresses_run(struct agent *agent)
{
    long long int now = time_msec();
    struct held *held;

    LIST_FOR_EACH_SAFE(held, node, &agent->held->list) {
        struct session *s = session_find(&agent->sessions, &held->session);

        if (!s) {
            held_free(held);
        } else if (s->handover || s->ending) {
            /* What is decided about it ends it here, or keeps it. */
        } else if (now >= held->until) {
            let_go(agent, s, "its lease was not renewed");
            held_free(held);
        } else if (now >= held->renew_at
                   && controller_link_is_registered(agent->controller)) {
            renew(agent, held, s);
        }
    }
}

void
held_addresses_wait(struct agent *agent)
{
    const struct held *held;

    LIST_FOR_EACH(held, node, &agent->held->list) {
        const struct session *s = session_find(&agent->sessions,
                                               &held->session);

        if (s && !s->handover && !s->ending) {
            poll_timer_wait_until(
                controller_link_is_registered(agent->controller)
                    ? MIN(held->until, held->renew_at)
                    : held->until);
        }
    }
}

void
held_addresses_registered(struct agent *agent)
{
    struct held *held;

    LIST_FOR_EACH(held, node, &agent->held->list) {
        held->request_id = 0;
        held->renew_at = time_msec();
    }
}

static void
handle_reply(struct agent *agent, struct held *held,
             const struct jsonrpc_msg *msg)
{
    struct session *s = session_find(&agent->sessions, &held->session);

    held->request_id = 0;
    if (msg->type == JSONRPC_REPLY) {
        struct message m = MESSAGE_INITIALIZER(msg->result);
        uint64_t lifetime = message_get_integer(&m, "lifetime", 1, 86400);
        char *error = message_finish(&m);

        if (!error) {
            held->lifetime = lifetime * 1000LL;
            held->until = held->asked_at + held->lifetime;
            held->renew_at = held->asked_at + held->lifetime / 3;
        }
        free(error);
    } else if (s && !s->handover) {
        let_go(agent, s, link_msg_error_reason(msg));
    }
}

bool
held_addresses_handle_reply(struct agent *agent, const struct jsonrpc_msg *msg)
{
    uint64_t id = link_msg_id(msg);
    struct held *held;

    LIST_FOR_EACH(held, node, &agent->held->list) {
        if (id && held->request_id == id) {
            handle_reply(agent, held, msg);
            return true;
        }
    }
    return false;
}
