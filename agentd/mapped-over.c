/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "mapped-over.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "controller-link.h"
#include "jsonrpc.h"
#include "link.h"
#include "listening.h"
#include "message.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "session.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(mapped_over);
static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(12, 12);

/* Milliseconds until the kernel is asked again, each time that the connection
 * is not over: a FIN or RST may come through a tunnel, or a second time. */
static const int delays[] = { 100, 900, 4000 };

struct mapped_over {
    struct hmap questions;   /* By session. */
    long long int next_look; /* time_msec(). */
};

struct question {
    struct hmap_node node; /* In struct mapped_over, by 'session'. */
    struct uuid session;
    struct in6_addr correspondent;
    uint16_t port, correspondent_port;
    size_t n_looks;
    long long int look_at; /* time_msec(). */
};

struct mapped_over *
mapped_over_create(void)
{
    struct mapped_over *over = xzalloc(sizeof *over);

    hmap_init(&over->questions);
    over->next_look = LLONG_MAX;
    return over;
}

void
mapped_over_destroy(struct mapped_over *over)
{
    struct question *q;

    if (!over) {
        return;
    }
    HMAP_FOR_EACH_POP(q, node, &over->questions) {
        free(q);
    }
    hmap_destroy(&over->questions);
    free(over);
}

static bool
is_asked(const struct mapped_over *over, const struct uuid *session)
{
    const struct question *q;

    HMAP_FOR_EACH_WITH_HASH(q, node, uuid_hash(session), &over->questions) {
        if (uuid_equals(&q->session, session)) {
            return true;
        }
    }
    return false;
}

static void
tell(struct agent *agent, const struct session *s)
{
    struct json *params = json_object_create();

    message_put_uuid(params, "session", &s->id);
    message_put_address(params, "address", &s->address);
    link_notify(controller_link_get(agent->controller), "is-over", params);
}

/* True if there is nothing more to be found out. */
static bool
look(struct agent *agent, struct question *q)
{
    const struct session *s = session_find(&agent->sessions, &q->session);

    if (!s || s->ending || s->handover) {
        return true; /* Its end is told; or its connection is nowhere now. */
    } else if (listening_is_over(&s->address, q->port, &q->correspondent,
                                 q->correspondent_port)) {
        tell(agent, s);
        return true;
    } else if (q->n_looks >= ARRAY_SIZE(delays)) {
        return true;
    }
    q->look_at = time_msec() + delays[q->n_looks++];
    return false;
}

static void
run_question(struct agent *agent, struct question *q)
{
    struct mapped_over *over = agent->mapped_over;

    if (time_msec() < q->look_at || !look(agent, q)) {
        over->next_look = MIN(over->next_look, q->look_at);
    } else {
        hmap_remove(&over->questions, &q->node);
        free(q);
    }
}

static void
handle_over(struct agent *agent, const struct json *params)
{
    struct mapped_over *over = agent->mapped_over;
    struct message m = MESSAGE_INITIALIZER(params);
    struct question q = { .n_looks = 0 };
    char *error;

    message_get_uuid(&m, "session", &q.session);
    q.port = message_get_integer(&m, "port", 1, UINT16_MAX);
    message_get_address(&m, "correspondent", &q.correspondent);
    q.correspondent_port = message_get_integer(&m, "correspondent_port", 0,
                                               UINT16_MAX);
    error = message_finish(&m);
    if (error) {
        VLOG_WARN_RL(&rl, "over: %s", error);
        free(error);
    } else if (session_find(&agent->sessions, &q.session)
               && !is_asked(over, &q.session)) {
        /* There are no more questions than sessions. */
        struct question *copy = xmemdup(&q, sizeof q);

        hmap_insert(&over->questions, &copy->node, uuid_hash(&q.session));
        run_question(agent, copy);
    }
}

bool
mapped_over_handle_controller(struct agent *agent,
                              const struct jsonrpc_msg *msg)
{
    if (msg->type != JSONRPC_NOTIFY || strcmp(msg->method, "over")) {
        return false;
    }
    handle_over(agent, link_msg_params(msg));
    return true;
}

void
mapped_over_run(struct agent *agent)
{
    struct mapped_over *over = agent->mapped_over;
    struct question *q;

    if (time_msec() < over->next_look) {
        return;
    }
    over->next_look = LLONG_MAX;
    HMAP_FOR_EACH_SAFE(q, node, &over->questions) {
        run_question(agent, q);
    }
}

void
mapped_over_wait(const struct agent *agent)
{
    if (agent->mapped_over->next_look != LLONG_MAX) {
        poll_timer_wait_until(agent->mapped_over->next_look);
    }
}
