/* SPDX-License-Identifier: Apache-2.0 */

/* What the other device, the controller and the application say of a transfer,
 * checked and handed to its half. */

#include <config.h>

#include "handover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "app-link.h"
#include "epochs.h"
#include "jsonrpc.h"
#include "link.h"
#include "message.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(handover_hear);

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
    } else if (frame->type == PEER_DRAINED) {
        give_handle_drained(h);
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
    const char *from = message_get_name(&m, "from");
    bytes = message_get_blob(&m, "frame", PEER_FRAME_MAX, &n);
    char *error = message_finish(&m);

    h = error ? NULL : handover_find(agent, &transfer);
    if (h && strcmp(from, h->other)) {
        VLOG_INFO_RL(&peer_rl,
                     "device %s sent a relayed frame about transfer " UUID_FMT
                     ", which is not one between us: ignored",
                     from, UUID_ARGS(&transfer));
    } else if (h && peer_frame_parse(bytes, n, h->other, &frame)) {
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
    if (epoch < epochs_highest(agent, &session)) {
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
    epochs_note(agent, &session, epoch);
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
