/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "permanent-private.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "agent.h"
#include "app-link.h"
#include "app-send.h"
#include "controller-link.h"
#include "epochs.h"
#include "events.h"
#include "handover.h"
#include "held-address.h"
#include "keeper.h"
#include "leftover.h"
#include "link.h"
#include "message.h"
#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/vlog.h"
#include "own-address.h"
#include "packets.h"
#include "permanent-store.h"
#include "session.h"
#include "timeval.h"
#include "util.h"
#include "whole.h"

VLOG_DEFINE_THIS_MODULE(permanent_wake);

/* Waking up: a permanent address is back, or asked for. */

/* Milliseconds before "wake" is asked for again. */
#define ASK_INTERVAL 1000

static void
answer_waker(struct agent *agent, struct permanent *p)
{
    struct app_conn *waker = p->waker;
    struct permanent *other;
    struct json *row;

    p->waker = NULL;
    LIST_FOR_EACH(other, node, &agent->permanents->own) {
        if (other->waker == waker) {
            return; /* Until the last is awake. */
        }
    }
    row = json_object_create();
    message_put_uuid(row, "session", &p->r.session);
    message_put_address(row, "address", &p->r.own.address);
    app_send_rows(waker, json_array_create_1(row));
}

static void
put_back(struct agent *agent, struct permanent *p)
{
    bool lent = !ipv6_addr_equals(&p->r.temporary, &in6addr_any);
    int error = own_address_put_back(&p->r.own, lent ? &p->r.temporary : NULL);

    if (error) {
        VLOG_ERR("%s: %s: the permanent address cannot be put back: %s",
                 p->r.own.ifname, permanent_text_of(p), ovs_strerror(error));
    }
    p->state = PERMANENT_HOME;
    p->ask_at = 0;
    permanent_save(agent);
    own_address_announce(&p->r.own);
    permanent_return_temporary(agent, p);
}

/* Closes what went away with the address and did not come back. */
static void
close_lost(struct permanent *p, const struct session *s)
{
    size_t n = 0;

    for (size_t i = 0; i < p->r.n_connections; i++) {
        const struct permanent_connection *c = &p->r.connections[i];

        if (!permanent_connection_is_among(c, s)) {
            permanent_connection_close(&p->r.own.address, c);
            n++;
        }
    }
    if (n) {
        VLOG_INFO("%s: %" PRIuSIZE " connections did not come back: closed",
                  permanent_text_of(p), n);
    }
    permanent_record_clear(&p->r);
}

static void
wake(struct agent *agent, struct permanent *p, struct session *s,
     const char *reason)
{
    put_back(agent, p);
    close_lost(p, s);
    events_add(agent, &p->r.session, 0,
               "the permanent address %s is awake: %s", permanent_text_of(p),
               reason);
    if (p->waker) {
        answer_waker(agent, p);
    }
}

bool
permanent_settle(struct agent *agent, struct session *s)
{
    struct permanent *p = permanent_find_session(agent, &s->id);

    if (!p) {
        return false;
    }
    s->onward[0] = '\0'; /* It began here. */
    if (p->state == PERMANENT_ASLEEP) {
        wake(agent, p, s, "it came back");
        address_del("lo", &s->address);
        ovs_strlcpy(s->ifname, p->r.own.ifname, sizeof s->ifname);
    }
    return true;
}

void
permanent_wake_at(struct agent *agent, struct permanent *p, uint64_t epoch,
                  const char *reason)
{
    if (p->state == PERMANENT_ASLEEP
        && !session_find(&agent->sessions, &p->r.session)
        && epoch >= epochs_highest(agent, &p->r.session)) {
        /* First, so that its epoch is announced on the new connection. */
        wake(agent, p, permanent_make_session(agent, p, epoch), reason);
    }
}

void
permanent_came(struct agent *agent, struct session *s,
               const struct handover *h)
{
    if (s->permanent && !permanent_is_home(agent, &s->id)) {
        /* Found after a restart: the claim was a former agent's. */
        held_address_add(agent, s, h->permanent_lease,
                         h->permanent_lease ? h->claimed_at : time_msec());
    }
}

void
permanent_found(struct agent *agent, struct session *s)
{
    if (!permanent_is_home(agent, &s->id)) {
        ovs_strlcpy(s->ifname, leftover_find(agent, &s->address),
                    sizeof s->ifname);
        held_address_add(agent, s, 0, time_msec());
    }
}

void
permanent_call_wake(struct agent *agent, struct app_conn *conn,
                    const char *address)
{
    struct link *link = controller_link_get(agent->controller);
    struct permanent *p;
    size_t n = 0;

    if (app_conn_uid(conn) && app_conn_uid(conn) != geteuid()) {
        app_send_call_error(conn, EPERM, "only root wakes an address");
        return;
    }
    LIST_FOR_EACH(p, node, &agent->permanents->own) {
        struct json *params;

        if (p->state != PERMANENT_ASLEEP || p->waker
            || (address && strcmp(address, permanent_text_of(p)))) {
            continue;
        }
        params = json_object_create();
        message_put_uuid(params, "session", &p->r.session);
        p->wake_id = link_request(link, "wake", params);
        if (p->wake_id) {
            p->waker = conn;
            n++;
        }
    }
    if (!n) {
        app_send_call_error(
            conn, ENOENT,
            controller_link_is_registered(agent->controller)
                ? "no permanent address of this device sleeps"
                : "there is no connection with the controller");
    }
}

bool
permanent_release(struct agent *agent, struct session *s)
{
    if (!s->permanent || permanent_is_home(agent, &s->id)) {
        return false;
    }
    whole_end(agent, s, "the address was released");
    keeper_end(agent, s);
    return true;
}

void
permanent_ask_to_wake(struct agent *agent, struct permanent *p)
{
    struct json *params;

    if (controller_link_is_registered(agent->controller)
        && !session_find(&agent->sessions, &p->r.session)) {
        params = json_object_create();
        message_put_uuid(params, "session", &p->r.session);
        p->wake_id = link_request(controller_link_get(agent->controller),
                                  "wake", params);
    }
    p->ask_at = time_msec() + ASK_INTERVAL;
}
