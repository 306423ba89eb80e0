/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "handover.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "controller-link.h"
#include "fault.h"
#include "identity.h"
#include "late-packets.h"
#include "link.h"
#include "message.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(handover);

const char *
handover_state_to_string(enum handover_state state)
{
    switch (state) {
    case GIVE_INTRODUCING: return "introducing";
    case GIVE_CONNECTING: return "connecting";
    case GIVE_OFFERED: return "offered";
    case GIVE_PAUSING: return "pausing";
    case GIVE_SETTLING: return "settling";
    case GIVE_PREPARING: return "preparing";
    case GIVE_FROZEN: return "frozen";
    case GIVE_DRAINING: return "draining";
    case GIVE_RESUMED: return "resumed";
    case TAKE_EXPECTED: return "expected";
    case TAKE_POSTPONED: return "postponed";
    case TAKE_WAITING: return "waiting";
    case TAKE_MUTED: return "muted";
    case TAKE_CLAIMED: return "claimed";
    case TAKE_OWNED: return "owned";
    case TAKE_RETURNING: return "returning";
    case TAKE_KEEPING: return "keeping";
    default: return "unknown";
    }
}

bool
handover_is_giving(const struct handover *h)
{
    return h->state <= GIVE_RESUMED;
}

uint64_t
handover_get_state_bytes(struct message *m)
{
    return (m->object && m->object->type == JSON_OBJECT
                    && shash_find(json_object(m->object), "state_bytes")
                ? message_get_integer(m, "state_bytes", 1, UINT64_MAX)
                : UINT64_MAX);
}

struct handover *
handover_create(struct agent *agent, enum handover_state state)
{
    struct handover *h = xzalloc(sizeof *h);

    h->agent = agent;
    h->state = state;
    h->deadline = h->ask_at = h->say_again = LLONG_MAX;
    h->state_bytes = UINT64_MAX;
    packet_queue_init(&h->packets);
    return h;
}

void
handover_close_sockets(struct handover *h)
{
    for (size_t i = 0; i < h->n_sockets; i++) {
        close(h->sockets[i].fd);
    }
    free(h->sockets);
    h->sockets = NULL;
    h->n_sockets = 0;
}

void
handover_destroy(struct handover *h)
{
    VLOG_DBG("transfer " UUID_FMT ": %s, now over", UUID_ARGS(&h->transfer),
             handover_state_to_string(h->state));
    if (h->session) {
        h->session->handover = NULL;
    }
    if (h->state == GIVE_INTRODUCING) {
        ovs_list_remove(&h->list_node);
    } else {
        hmap_remove(&h->agent->handovers, &h->node);
    }
    give_later_fail(h, ECANCELED, "the session did not come");
    handover_stop_catching(h);
    packet_queue_uninit(&h->packets);
    handover_close_sockets(h);
    handoff_uninit(&h->handoff);
    state_opener_destroy(h->opener);
    seal_keypair_destroy(h->keypair);
    seal_wipe(h->sa_key, sizeof h->sa_key);
    seal_wipe(h->secret, sizeof h->secret);
    seal_wipe(h->session_key, sizeof h->session_key);
    free(h->other);
    free(h->other_certificate);
    free(h->endpoint);
    free(h->offered);
    /* Who goes through all handovers may have this one in its hand: one can
     * end another (take_reserve()). */
    h->ended = true;
    ovs_list_push_back(&h->agent->ended_handovers, &h->list_node);
}

void
handover_leave(struct handover *h)
{
    handover_say_left(h);
    handover_destroy(h);
}

void
handover_say_left(struct handover *h)
{
    struct link *link = controller_link_get(h->agent->controller);
    struct json *params = json_object_create();

    message_put_uuid(params, "transfer", &h->transfer);
    message_put_address(params, "address", &h->address);
    link_notify(link, "left", params);
}

void
handover_free_ended(struct agent *agent)
{
    struct handover *h;

    LIST_FOR_EACH_POP(h, list_node, &agent->ended_handovers) {
        free(h);
    }
}

struct handover *
handover_find(const struct agent *agent, const struct uuid *transfer)
{
    struct handover *h;

    HMAP_FOR_EACH_WITH_HASH(h, node, uuid_hash(transfer), &agent->handovers) {
        if (uuid_equals(&h->transfer, transfer)) {
            return h;
        }
    }
    return NULL;
}

struct handover *
handover_find_draining(const struct agent *agent,
                       const struct in6_addr *address)
{
    struct handover *h;

    HMAP_FOR_EACH(h, node, &agent->handovers) {
        if ((h->state == GIVE_DRAINING || h->state == TAKE_RETURNING)
            && !memcmp(&h->address, address, sizeof *address)) {
            return h;
        }
    }
    return NULL;
}

bool
handover_holds(const struct agent *agent, const struct note *note)
{
    const struct handover *h;

    HMAP_FOR_EACH(h, node, &agent->handovers) {
        if ((h->state >= TAKE_WAITING && h->state != TAKE_KEEPING
             && !memcmp(&h->address, &note->address, sizeof h->address))
            || (note->role != NOTE_OWNER && h->state != TAKE_EXPECTED
                && uuid_equals(&h->transfer, &note->transfer))) {
            return true;
        }
    }
    return false;
}

void
handover_set_state(struct handover *h, enum handover_state state, int timeout)
{
    VLOG_DBG("transfer " UUID_FMT ": %s, now %s", UUID_ARGS(&h->transfer),
             handover_state_to_string(h->state),
             handover_state_to_string(state));
    h->state = state;
    h->deadline = timeout >= 0 ? time_msec() + timeout : LLONG_MAX;
    h->give_up_at = time_msec() + HANDOVER_LOST_TIMEOUT;
}

/* Times of one host compare whatever the process; OVS's time_usec() is wall
 * time. */
void
handover_step(struct handover *h, const char *name)
{
    struct timespec ts;

    fault_point(handover_is_giving(h) ? "give" : "take", name);
    if (h->n_steps < HANDOVER_MAX_STEPS) {
        clock_gettime(CLOCK_MONOTONIC, &ts);
        h->steps[h->n_steps].name = name;
        h->steps[h->n_steps++].us = ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
    }
}

void
handover_report(struct handover *h)
{
    struct json *params = json_object_create();
    struct json *counters = json_object_create();
    struct json *steps = json_array_create_empty();
    struct link *link = controller_link_get(h->agent->controller);
    struct late_stats stats = { .caught = 0 };

    for (size_t i = 0; i < h->n_steps; i++) {
        json_array_add(
            steps, json_array_create_2(json_string_create(h->steps[i].name),
                                       json_integer_create(h->steps[i].us)));
    }
    message_put_uuid(params, "transfer", &h->transfer);
    message_put_string(params, "boot", h->agent->boot_id);
    message_put_string(params, "role",
                       handover_is_giving(h) ? "transferring" : "target");
    json_object_put(params, "steps", steps);
    link_notify(link, "timeline", params);

    if (h->catch) {
        late_packets_get_stats(h->catch, &stats);
    }
    message_put_integer(counters, "caught", stats.caught);
    message_put_integer(counters, "relayed", h->n_relayed);
    message_put_integer(counters, "delivered", h->n_delivered);
    message_put_integer(counters, "dropped",
                        stats.dropped + h->packets.dropped);
    params = json_object_create();
    message_put_uuid(params, "transfer", &h->transfer);
    json_object_put(params, "counters", counters);
    link_notify(link, "log", params);
}

void
handover_get_terms(const struct handover *h, struct ticket_terms *terms)
{
    const char *self = identity_get_name(h->agent->identity);

    terms->sa_id = h->sa_id;
    terms->transfer = h->transfer;
    terms->session = h->session_id;
    terms->address = h->address;
    terms->epoch = h->epoch;
    terms->from = handover_is_giving(h) ? self : h->other;
    terms->to = handover_is_giving(h) ? h->other : self;
}

void
handover_get_note(const struct handover *h, enum note_role role,
                  uint64_t epoch, struct note *note)
{
    memset(note, 0, sizeof *note);
    note->role = role;
    note->session = h->session_id;
    note->transfer = h->transfer;
    note->address = h->address;
    note->epoch = epoch;
    note->uid = h->session ? h->session->uid : h->uid;
    note->from_block = h->session && h->session->from_block;
    note->permanent = h->session && h->session->permanent;
    if (h->session) {
        ovs_strlcpy(note->onward, h->session->onward, sizeof note->onward);
    }
    ovs_strlcpy(note->name, h->name, sizeof note->name);
    ovs_strlcpy(note->service, h->service, sizeof note->service);
    ovs_strlcpy(note->other, h->other, sizeof note->other);
}

/* Frames. */

static bool
send_frame(struct handover *h, enum peer_frame_type type, const void *body,
           size_t len)
{
    struct json *params;
    uint8_t *frame;
    size_t n;

    if (!h->relay) {
        if (peers_send(h->agent->peers, h->other, type, &h->transfer, body,
                       len)) {
            return true;
        } else if (type != PEER_LATE_PACKETS) {
            return false;
        }
        /* The other agent may be a new one, which has no connection with us
         * yet; what was caught is not to be lost for that. */
    }
    frame = peer_frame_compose(type, &h->transfer, body, len, &n);
    params = json_object_create();
    message_put_uuid(params, "transfer", &h->transfer);
    message_put_uuid(params, "session", &h->session_id);
    message_put_string(params, "to", h->other);
    message_put_bytes(params, "frame", frame, n);
    link_notify(controller_link_get(h->agent->controller), "relay", params);
    free(frame);
    return true;
}

/* The same, unless a test wants something else of the message 'name'. */
static bool
send_named(struct handover *h, const char *name, enum peer_frame_type type,
           const void *body, size_t len)
{
    switch (fault_message(name, "")) {
    case FAULT_DROP: return true;
    case FAULT_REPEAT: send_frame(h, type, body, len); break;
    case FAULT_SEND: break;
    }
    return send_frame(h, type, body, len);
}

bool
handover_send(struct handover *h, enum peer_frame_type type, const void *body,
              size_t len)
{
    switch (type) {
    case PEER_WRAPPED_KEY:
        return send_named(h, "wrapped-key", type, body, len);
    case PEER_STATE_CHUNK:
        return send_named(h, "state-chunk", type, body, len);
    case PEER_DRAINED: return send_named(h, "drained", type, body, len);
    case PEER_MESSAGE:
    case PEER_LATE_PACKETS: /* What is in them is nobody's to lose. */
    default: return send_frame(h, type, body, len);
    }
}

bool
handover_send_message(struct handover *h, struct json *json)
{
    const struct json *kind = shash_find_data(json_object(json), "msg");
    char *s = json_to_string(json, 0);
    bool ok = send_named(h, json_string(kind), PEER_MESSAGE, s, strlen(s));

    free(s);
    json_destroy(json);
    return ok;
}

/* Bytes of a reason that the controller takes. */
#define REASON_MAX 255

void
handover_send_controller(struct handover *h, const char *method,
                         const char *reason)
{
    struct json *params = json_object_create();

    message_put_uuid(params, "transfer", &h->transfer);
    if (reason) {
        message_put_text(params, "reason", reason, REASON_MAX);
    }
    link_notify(controller_link_get(h->agent->controller), method, params);
}

/* Asking. */

void
handover_start_asking(struct handover *h)
{
    h->ask_interval = HANDOVER_ASK_MIN;
    h->ask_at = time_msec() + h->ask_interval;
}

void
handover_stop_asking(struct handover *h)
{
    h->ask_at = LLONG_MAX;
}

static void
ask_again_later(struct handover *h)
{
    h->ask_interval = MIN(h->ask_interval * 2, HANDOVER_ASK_MAX);
    h->ask_at = time_msec() + h->ask_interval;
}

void
handover_ask(struct handover *h)
{
    struct json *params;

    if (h->state == TAKE_RETURNING) {
        /* Until the controller has heard it, and says so. */
        handover_send_controller(h, "decline", "it was given up before");
        ask_again_later(h);
        return;
    }
    params = json_object_create();

    message_put_uuid(params, "transfer", &h->transfer);
    message_put_uuid(params, "session", &h->session_id);
    message_put_address(params, "address", &h->address);
    message_put_integer(params, "epoch", h->epoch);
    message_put_string(params, "role",
                       handover_is_giving(h) ? "transferring" : "target");
    link_notify(controller_link_get(h->agent->controller), "ask", params);
    ask_again_later(h);
}
