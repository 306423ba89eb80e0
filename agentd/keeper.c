/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "keeper.h"

#include <string.h>

#include "address.h"
#include "agent.h"
#include "app-send.h"
#include "block.h"
#include "controller-link.h"
#include "events.h"
#include "foreign-route.h"
#include "link.h"
#include "message.h"
#include "note.h"
#include "onward-store.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "timeval.h"
#include "util.h"

/* Milliseconds for which an ended session's connections may close. */
#define END_LINGER 3000
/* Sessions whose addresses go before others have their turn. */
#define MAX_ENDED 32
/* Milliseconds after which an announcement without an answer is repeated. */
#define ANNOUNCE_AGAIN 1000

struct json *
keeper_announcement(const struct session *s)
{
    struct json *json = json_object_create();

    message_put_uuid(json, "session", &s->id);
    message_put_address(json, "address", &s->address);
    message_put_integer(json, "epoch", s->epoch);
    message_put_string(json, "name", s->name);
    message_put_string(json, "service", s->service);
    message_put_string(json, "state", "owner");
    if (s->mapped) {
        message_put_address(json, "permanent", &s->permanent_address);
    }
    message_put_boolean(json, "visits", foreign_route_has(&s->address));
    return json;
}

void
keeper_announce(struct agent *agent, const struct session *s)
{
    if (controller_link_is_registered(agent->controller)) {
        link_notify(controller_link_get(agent->controller), "announce",
                    keeper_announcement(s));
    }
}

void
keeper_announce_surely(struct agent *agent, struct session *s)
{
    if (controller_link_is_registered(agent->controller)) {
        struct json *params = keeper_announcement(s);

        message_put_boolean(params, "confirm", true);
        link_notify(controller_link_get(agent->controller), "announce",
                    params);
    }
    if (!s->announce_at) {
        ovs_list_push_back(&agent->sessions.announcing, &s->announce_node);
    }
    s->announce_at = time_msec() + ANNOUNCE_AGAIN;
}

void
keeper_was_announced(struct session *s)
{
    s->announce_at = 0;
    ovs_list_remove(&s->announce_node);
    ovs_list_init(&s->announce_node);
}

void
keeper_tell_opened(struct agent *agent, const struct session *s,
                   uint64_t number)
{
    struct note note;

    memset(&note, 0, sizeof note);
    note.role = NOTE_OWNER;
    note.session = s->id;
    note.address = s->address;
    note.epoch = s->epoch;
    note.uid = s->uid;
    note.from_block = s->from_block;
    ovs_strlcpy(note.name, s->name, sizeof note.name);
    ovs_strlcpy(note.service, s->service, sizeof note.service);
    app_send_opened(s->conn, s, &note, agent->note_key, number);
}

void
keeper_end(struct agent *agent, struct session *s)
{
    if (s->ending || s->handover) {
        /* What a handover holds, it ends. */
        s->conn = NULL;
        return;
    }
    session_close_sockets(s);
    s->ending = time_msec() + END_LINGER;
    ovs_list_push_back(&agent->sessions.ending, &s->ending_node);
    if (s->conn || (!s->mapped && !s->told_s)) {
        events_add(agent, &s->id, s->uid, "ended");
    }
    s->conn = NULL;
}

/* The connections have closed: the address goes back. */
static void
finish_ending(struct agent *agent, struct session *s)
{
    struct json *params = json_object_create();

    if (s->ifname[0]) {
        address_del(s->ifname, &s->address);
    }
    foreign_route_del(&s->address);
    message_put_uuid(params, "session", &s->id);
    message_put_address(params, "address", &s->address);
    message_put_integer(params, "epoch", s->epoch);
    link_notify(controller_link_get(agent->controller), "ended", params);
    if (s->epoch || s->introduced) {
        /* It rests by the controller's clock, which knows where else the
         * address was. */
        block_moved(agent->blocks, &s->address);
    } else {
        block_put(agent->blocks, &s->address);
    }
    onward_store_forget(agent, &s->id);
    session_destroy(&agent->sessions, s);
}

void
keeper_drop(struct agent *agent, struct session *s)
{
    block_moved(agent->blocks, &s->address);
    session_destroy(&agent->sessions, s);
}

/* What moves is asked about, not announced. */
static bool
must_announce(const struct session *s)
{
    return !s->ending && !s->handover;
}

/* The one whose address is to go next. */
static struct session *
next_ending(const struct agent *agent)
{
    const struct ovs_list *ending = &agent->sessions.ending;

    return (ovs_list_is_empty(ending)
                ? NULL
                : CONTAINER_OF(ovs_list_front(ending), struct session,
                               ending_node));
}

void
keeper_run(struct agent *agent)
{
    struct session *s;

    for (int i = 0;
         i < MAX_ENDED && (s = next_ending(agent)) && time_msec() >= s->ending;
         i++) {
        finish_ending(agent, s);
    }
    LIST_FOR_EACH(s, announce_node, &agent->sessions.announcing) {
        if (must_announce(s) && time_msec() >= s->announce_at) {
            keeper_announce_surely(agent, s);
        }
    }
}

void
keeper_wait(const struct agent *agent)
{
    const struct session *s = next_ending(agent);

    if (s) {
        poll_timer_wait_until(s->ending);
    }
    LIST_FOR_EACH(s, announce_node, &agent->sessions.announcing) {
        if (must_announce(s)) {
            poll_timer_wait_until(s->announce_at);
        }
    }
}
