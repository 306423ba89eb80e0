/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "handover.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "address.h"
#include "agent.h"
#include "app-link.h"
#include "app-send.h"
#include "controller-link.h"
#include "fault.h"
#include "foreign-route.h"
#include "identity.h"
#include "jsonrpc.h"
#include "late-packets.h"
#include "link.h"
#include "message.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "socket-state.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(handover);

bool
handover_is_giving(const struct handover *h)
{
    return h->state <= GIVE_RESUMED;
}

struct handover *
handover_create(struct agent *agent, enum handover_state state)
{
    struct handover *h = xzalloc(sizeof *h);

    h->agent = agent;
    h->state = state;
    h->deadline = h->ask_at = h->offer_again = LLONG_MAX;
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

static void
free_ended(struct agent *agent)
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
    h->state = state;
    h->deadline = timeout >= 0 ? time_msec() + timeout : LLONG_MAX;
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

bool
handover_send(struct handover *h, enum peer_frame_type type, const void *body,
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
    message_put_bytes(params, "frame", frame, n);
    link_notify(controller_link_get(h->agent->controller), "relay", params);
    free(frame);
    return true;
}

bool
handover_send_message(struct handover *h, struct json *json)
{
    char *s = json_to_string(json, 0);
    bool ok = handover_send(h, PEER_MESSAGE, s, strlen(s));

    free(s);
    json_destroy(json);
    return ok;
}

void
handover_send_controller(struct handover *h, const char *method,
                         const char *reason)
{
    struct json *params = json_object_create();

    message_put_uuid(params, "transfer", &h->transfer);
    if (reason) {
        message_put_string(params, "reason", reason);
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

void
handover_ask(struct handover *h)
{
    struct json *params = json_object_create();

    message_put_uuid(params, "transfer", &h->transfer);
    message_put_uuid(params, "session", &h->session_id);
    message_put_address(params, "address", &h->address);
    message_put_integer(params, "epoch", h->epoch);
    message_put_string(params, "role",
                       handover_is_giving(h) ? "transferring" : "target");
    link_notify(controller_link_get(h->agent->controller), "ask", params);
    h->ask_interval = MIN(h->ask_interval * 2, HANDOVER_ASK_MAX);
    h->ask_at = time_msec() + h->ask_interval;
}

/* Late packets. */

void
handover_catch(struct handover *h)
{
    if (!h->catch) {
        h->catch = late_packets_catch(h->agent->taps, &h->address, false);
    }
}

void
handover_stop_catching(struct handover *h)
{
    if (h->catch) {
        late_packets_release(h->catch);
        h->catch = NULL;
    }
}

void
handover_collect(struct handover *h)
{
    static uint8_t buffer[65600];
    const struct session_socket *sockets = h->sockets;
    size_t n_sockets = h->n_sockets;
    struct late_packet packet;
    size_t before = h->packets.n;

    while (h->catch && late_packets_next(h->catch, &packet)) {
        packet_queue_take(&h->packets, packet.data, packet.size);
    }
    if (handover_is_giving(h) && h->session) {
        sockets = h->session->sockets;
        n_sockets = h->session->n_sockets;
    }
    for (size_t i = 0; i < n_sockets; i++) {
        size_t n;

        while (sockets[i].datagram
               && !socket_state_take_datagram(sockets[i].fd, buffer,
                                              sizeof buffer, &n, NULL)) {
            packet_queue_put(&h->packets, buffer, n);
        }
    }
    if (h->packets.n > before) {
        h->last_late = time_msec();
    }
}

void
handover_relay_collected(struct handover *h)
{
    uint8_t *body;
    size_t len;

    size_t before = h->relayed;

    while ((body = packet_queue_to_frame(&h->packets, &h->relayed, &len))) {
        if (!handover_send(h, PEER_LATE_PACKETS, body, len)) {
            /* The connection was lost: the controller has one. */
            h->relay = true;
            handover_send(h, PEER_LATE_PACKETS, body, len);
        }
        free(body);
    }
    h->n_relayed += h->relayed - before;
    if (h->state > GIVE_FROZEN) {
        /* No abort will want them. */
        packet_queue_clear(&h->packets);
        h->relayed = 0;
    }
}

/* Into our own kernel, in order, once. */
void
handover_deliver(struct handover *h)
{
    for (size_t i = 0; i < h->packets.n; i++) {
        int error = late_packets_deliver(h->agent->taps, &h->address,
                                         h->packets.items[i].data,
                                         h->packets.items[i].size);

        if (error) {
            static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

            VLOG_WARN_RL(&rl, "a late packet could not be delivered: %s",
                         ovs_strerror(error));
            h->packets.dropped++;
        } else {
            h->n_delivered++;
        }
    }
    packet_queue_clear(&h->packets);
}

/* The loop. */

void
handover_controller_lost(struct agent *agent)
{
    static const char reason[] = "the connection with the controller was lost";
    struct handover *h;

    LIST_FOR_EACH_SAFE(h, list_node, &agent->introducing) {
        give_fail(h, ENOTCONN, reason);
    }
    HMAP_FOR_EACH_SAFE(h, node, &agent->handovers) {
        if (!h->ended && h->state <= GIVE_PREPARING && !h->gone) {
            give_fail(h, ENOTCONN, reason);
        }
    }
}

void
handover_run(struct agent *agent)
{
    bool registered = controller_link_is_registered(agent->controller);
    struct handover *h;

    if (agent->registered && !registered) {
        handover_controller_lost(agent);
    }
    agent->registered = registered;

    LIST_FOR_EACH_SAFE(h, list_node, &agent->introducing) {
        give_run(h);
    }
    HMAP_FOR_EACH_SAFE(h, node, &agent->handovers) {
        if (h->ended) {
            continue;
        }
        if (time_msec() >= h->ask_at) {
            handover_ask(h);
        }
        if (handover_is_giving(h)) {
            give_run(h);
        } else {
            give_later_run(h);
            take_run(h);
        }
    }
    free_ended(agent);
}

static bool
is_catching_datagrams(const struct handover *h)
{
    return ((h->state == GIVE_PREPARING && h->paused)
            || h->state == GIVE_SETTLING || h->state == GIVE_FROZEN
            || h->state == GIVE_DRAINING || h->state == TAKE_RETURNING);
}

void
handover_wait(struct agent *agent)
{
    struct handover *h;

    LIST_FOR_EACH(h, list_node, &agent->introducing) {
        poll_timer_wait_until(h->deadline);
    }
    HMAP_FOR_EACH(h, node, &agent->handovers) {
        const struct session_socket *sockets = h->sockets;
        size_t n_sockets = h->n_sockets;

        if (h->session) {
            sockets = h->session->sockets;
            n_sockets = h->session->n_sockets;
        }
        for (size_t i = 0; is_catching_datagrams(h) && i < n_sockets; i++) {
            if (sockets[i].datagram) {
                poll_fd_wait(sockets[i].fd, POLLIN);
            }
        }
        if (h->state == GIVE_SETTLING) {
            poll_timer_wait(1);
        } else if (h->state == TAKE_POSTPONED) {
            poll_timer_wait(5);
        } else if (h->state == GIVE_CONNECTING || h->state == GIVE_DRAINING
                   || h->state == TAKE_RETURNING) {
            poll_timer_wait(50);
        } else if (h->state == GIVE_OFFERED) {
            poll_timer_wait_until(h->offer_again);
        }
        poll_timer_wait_until(MIN(h->deadline, h->ask_at));
        poll_timer_wait_until(give_later_deadline(h));
    }
}

/* What another device can make us say. */
static struct vlog_rate_limit peer_rl = VLOG_RATE_LIMIT_INIT(5, 20);

static void
handle_peer_message(struct handover *h, const struct peer_frame *frame)
{
    struct json *json = json_from_string((const char *) frame->body);
    struct message m = MESSAGE_INITIALIZER(json);
    const char *kind = message_get_string(&m, "msg", 16);
    char *error = message_finish(&m);

    if (error) {
        VLOG_WARN_RL(&peer_rl,
                     "device %s sent a message of the wrong form: %s",
                     frame->from, error);
        free(error);
    } else if (handover_is_giving(h)) {
        give_handle_message(h, kind, json);
    } else if (!strcmp(kind, "offer")) {
        take_handle_offer(h, json);
    } else if (!strcmp(kind, "resumed")) {
        take_handle_resumed(h);
    } else {
        VLOG_WARN_RL(&peer_rl, "device %s sent an unexpected \"%s\"",
                     frame->from, kind);
    }
    json_destroy(json);
}

static bool
is_offer(const struct peer_frame *frame)
{
    struct json *json = json_from_string((const char *) frame->body);
    struct message m = MESSAGE_INITIALIZER(json);
    bool offer = !strcmp(message_get_string(&m, "msg", 16), "offer");

    free(message_finish(&m));
    json_destroy(json);
    return offer;
}

/* The controller announces before it introduces, but on another connection:
 * an offer may overtake its announcement.  It will be made again.  Nothing
 * else is answered, or two agents that have both forgotten a transfer would
 * refuse each other's refusals for ever. */
static void
refuse_unexpected(struct agent *agent, const struct peer_frame *frame)
{
    static const char refusal[] =
        "{\"msg\":\"refuse\",\"code\":\"not-expected\","
        "\"reason\":\"the controller has not announced the transfer, or took it back\"}";

    peers_send(agent->peers, frame->from, PEER_MESSAGE, &frame->transfer,
               refusal, strlen(refusal));
}

void
handover_handle_frame(struct agent *agent, const struct peer_frame *frame)
{
    struct handover *h = handover_find(agent, &frame->transfer);

    if (!h || strcmp(h->other, frame->from)) {
        VLOG_INFO_RL(
            &peer_rl,
            "device %s sent a frame of type %d about transfer " UUID_FMT
            ", which is not one between us: ignored",
            frame->from, frame->type, UUID_ARGS(&frame->transfer));
        if (!h && frame->type == PEER_MESSAGE && is_offer(frame)) {
            refuse_unexpected(agent, frame);
        }
        return;
    }
    if (frame->type == PEER_MESSAGE) {
        handle_peer_message(h, frame);
    } else if (!handover_is_giving(h)) {
        take_handle_frame(h, frame);
    } else if (frame->type == PEER_LATE_PACKETS) {
        give_handle_late(h, frame);
    }
}

static void
handle_relay(struct agent *agent, const struct json *params)
{
    struct message m = MESSAGE_INITIALIZER(params);
    struct peer_frame frame;
    struct handover *h;
    struct uuid transfer;
    uint8_t *bytes;
    size_t n;

    message_get_uuid(&m, "transfer", &transfer);
    bytes = message_get_blob(&m, "frame", PEER_FRAME_MAX, &n);
    char *error = message_finish(&m);

    h = error ? NULL : handover_find(agent, &transfer);
    if (h && peer_frame_parse(bytes, n, h->other, &frame)) {
        h->relay = true;
        if (uuid_equals(&frame.transfer, &transfer)) {
            handover_handle_frame(agent, &frame);
        }
        peer_frame_uninit(&frame);
    } else {
        VLOG_INFO_RL(&peer_rl, "relayed frame ignored: %s",
                     error ? error
                     : h   ? "wrong form"
                           : "unknown transfer");
    }
    free(error);
    free(bytes);
}

/* An abort of what this agent, or the one before it, has given up before the
 * decision: the session is here, at the new epoch.  Were it another's by now,
 * we would have heard a higher one. */
static void
raise_epoch(struct agent *agent, const struct uuid *session, uint64_t epoch)
{
    struct session *s = session_find(&agent->sessions, session);

    if (s && (!s->handover || handover_is_giving(s->handover))) {
        s->epoch = MAX(s->epoch, epoch);
    }
}

static void
handle_decision(struct agent *agent, enum handover_outcome outcome,
                const struct json *params)
{
    struct message m = MESSAGE_INITIALIZER(params);
    struct uuid transfer, session;
    struct handover *h;
    const char *reason, *onward;
    uint64_t epoch;

    message_get_uuid(&m, "transfer", &transfer);
    message_get_uuid(&m, "session", &session);
    onward = message_get_optional_string(&m, "onward", ONWARD_STRING_LEN - 1);
    epoch = message_get_integer(&m, "epoch", 0, UINT64_C(1) << 53);
    reason = message_get_optional_string(&m, "reason", 1024);
    char *error = message_finish(&m);

    if (error) {
        VLOG_WARN("the controller's decision has the wrong form: %s", error);
        free(error);
        return;
    }
    if (epoch < agent_highest_epoch(agent, &session)) {
        VLOG_INFO("an old decision (epoch %" PRIu64 ") about session " UUID_FMT
                  " is ignored",
                  epoch, UUID_ARGS(&session));
        return;
    }
    h = handover_find(agent, &transfer);
    if (h && uuid_equals(&h->session_id, &session) && epoch > h->epoch) {
        if (handover_is_giving(h)) {
            give_decided(h, outcome, epoch, reason);
        } else {
            /* For people; the controller goes by its own record. */
            if (!onward || !onward_from_string(onward, &h->onward)) {
                h->onward = (struct onward_right){ ONWARD_NONE, 0 };
            }
            take_decided(h, outcome, epoch, reason);
        }
    } else if (!h && outcome == HANDOVER_ABORTED) {
        raise_epoch(agent, &session, epoch);
    }
    agent_note_epoch(agent, &session, epoch);
}

static void
handle_unexpect(struct agent *agent, const struct json *params)
{
    struct message m = MESSAGE_INITIALIZER(params);
    struct uuid transfer;
    struct handover *h;
    const char *reason;

    message_get_uuid(&m, "transfer", &transfer);
    reason = message_get_optional_string(&m, "reason", 1024);
    free(message_finish(&m));
    h = handover_find(agent, &transfer);
    if (h && !handover_is_giving(h)) {
        take_unexpect(h, reason ? reason : "the other device withdrew");
    } else if (h && h->state < GIVE_PREPARING) {
        give_fail(h, ECANCELED,
                  reason ? reason : "the controller withdrew it");
    }
}

/* The controller is there, but cannot decide yet: it is not what
 * HANDOVER_LOST_TIMEOUT waits for. */
static void
handle_pending(struct agent *agent, const struct json *params)
{
    struct message m = MESSAGE_INITIALIZER(params);
    struct uuid transfer;
    struct handover *h;

    message_get_uuid(&m, "transfer", &transfer);
    free(message_finish(&m));
    h = handover_find(agent, &transfer);
    if (h && h->state == GIVE_FROZEN) {
        h->deadline = time_msec() + HANDOVER_LOST_TIMEOUT;
    }
}

static struct handover *
find_request(struct agent *agent, uint64_t id)
{
    struct handover *h;

    LIST_FOR_EACH(h, list_node, &agent->introducing) {
        if (h->introduce_id == id) {
            return h;
        }
    }
    HMAP_FOR_EACH(h, node, &agent->handovers) {
        if (h->prepare_id == id) {
            return h;
        }
    }
    return NULL;
}

bool
handover_handle_controller(struct agent *agent, const struct jsonrpc_msg *msg)
{
    const struct json *params;

    if (msg->type == JSONRPC_REPLY || msg->type == JSONRPC_ERROR) {
        uint64_t id = link_msg_id(msg);
        struct handover *h = id ? find_request(agent, id) : NULL;

        if (h) {
            give_handle_reply(h, msg);
        } else if (msg->type == JSONRPC_REPLY) {
            give_withdraw_late(agent, msg->result);
        }
        return h != NULL;
    }

    params = msg->type == JSONRPC_NOTIFY ? link_msg_params(msg) : NULL;
    if (!params) {
        return false;
    } else if (!strcmp(msg->method, "expect")) {
        take_expect(agent, params);
    } else if (!strcmp(msg->method, "unexpect")) {
        handle_unexpect(agent, params);
    } else if (!strcmp(msg->method, "owned")) {
        handle_decision(agent, HANDOVER_OWNED, params);
    } else if (!strcmp(msg->method, "released")) {
        handle_decision(agent, HANDOVER_RELEASED, params);
    } else if (!strcmp(msg->method, "aborted")) {
        handle_decision(agent, HANDOVER_ABORTED, params);
    } else if (!strcmp(msg->method, "relay")) {
        handle_relay(agent, params);
    } else if (!strcmp(msg->method, "pending")) {
        handle_pending(agent, params);
    } else {
        return false;
    }
    return true;
}

void
handover_handle_app(struct agent *agent OVS_UNUSED, struct session *s,
                    struct app_event *event)
{
    struct handover *h = s->handover;

    if (!h || event->conn != (handover_is_giving(h) ? s->conn : h->conn)) {
        VLOG_DBG("an application answered about a move that is over");
    } else if (event->msg.type == APP_PAUSED && h->pausing && !h->paused
               && (h->state == GIVE_PAUSING || h->state == GIVE_PREPARING)) {
        give_handle_paused(h, event);
    } else if (event->msg.type == APP_READY && h->state == TAKE_MUTED) {
        take_handle_ready(h);
    } else if (event->msg.type == APP_REFUSE && h->pausing && !h->paused
               && (h->state == GIVE_PAUSING || h->state == GIVE_PREPARING)) {
        give_handle_refuse(h, event->msg.reason);
    } else if (event->msg.type == APP_REFUSE && h->state == TAKE_MUTED) {
        take_handle_refuse(h, event->msg.reason);
    }
}

void
handover_conn_closed(struct agent *agent, struct app_conn *conn)
{
    struct handover *h;

    LIST_FOR_EACH_SAFE(h, list_node, &agent->introducing) {
        h->mover = h->mover == conn ? NULL : h->mover;
        h->caller = h->caller == conn ? NULL : h->caller;
        if (h->session->conn == conn) {
            give_app_gone(h);
        }
    }
    HMAP_FOR_EACH_SAFE(h, node, &agent->handovers) {
        if (h->ended) {
            continue;
        }
        h->mover = h->mover == conn ? NULL : h->mover;
        h->caller = h->caller == conn ? NULL : h->caller;
        give_later_conn_closed(h, conn);
        if (handover_is_giving(h)) {
            if (h->session && h->session->conn == conn) {
                give_app_gone(h);
            }
        } else if (h->conn == conn) {
            h->conn = NULL;
            if (h->state >= TAKE_POSTPONED && h->state <= TAKE_MUTED) {
                take_handle_refuse(h, "the application has ended");
            }
        }
    }
}

void
handover_registered(struct agent *agent)
{
    struct handover *h;

    HMAP_FOR_EACH(h, node, &agent->handovers) {
        if (h->ask_at != LLONG_MAX) {
            handover_start_asking(h);
            handover_ask(h);
        }
    }
}

void
handover_adopt(struct agent *agent, struct session *s, const struct note *note)
{
    struct handover *h = handover_create(
        agent, note->role == NOTE_GIVING ? GIVE_FROZEN : TAKE_CLAIMED);

    h->transfer = note->transfer;
    h->session_id = note->session;
    h->address = note->address;
    h->epoch = note->epoch;
    h->other = xstrdup(note->other);
    h->uid = note->uid;
    h->claimed_before = true;
    ovs_strlcpy(h->name, note->name, sizeof h->name);
    ovs_strlcpy(h->service, note->service, sizeof h->service);
    h->session = s;
    h->conn = s->conn;
    s->handover = h;
    hmap_insert(&agent->handovers, &h->node, uuid_hash(&h->transfer));
    if (handover_is_giving(h)) {
        give_adopt(h);
    } else {
        take_adopt(h);
    }
    handover_start_asking(h);
    handover_ask(h);
}

void
handover_discard_session(struct agent *agent, struct session *s)
{
    address_close_output(&s->address);
    for (size_t i = 0; i < s->n_sockets; i++) {
        char *error = NULL;

        if (socket_state_discard(s->sockets[i].fd, &error)) {
            VLOG_WARN("%s", error);
            free(error);
        }
    }
    app_send_session(s->conn, APP_GONE, s, NULL, NULL, ESTALE,
                     "another device has the session");
    if (s->ifname[0]) {
        address_del(s->ifname, &s->address);
    }
    foreign_route_del(&s->address);
    address_open_output(&s->address);
    agent_drop_session(agent, s);
}

void
handover_destroy_all(struct agent *agent)
{
    struct handover *h;

    LIST_FOR_EACH_SAFE(h, list_node, &agent->introducing) {
        handover_destroy(h);
    }
    HMAP_FOR_EACH_SAFE(h, node, &agent->handovers) {
        handover_destroy(h);
    }
    free_ended(agent);
}
