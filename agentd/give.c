/* SPDX-License-Identifier: Apache-2.0 */

/* The transferring device's half of a transfer.
 *
 *                 move                           (the session is OWNER's: the
 *                   |                             application goes on until
 *            INTRODUCING ---refused, 5 s-----+    PAUSING, its peer until
 *                   | introduced             |    FROZEN)
 *             CONNECTING                     |
 *                   | connected, or relayed  |
 *               OFFERED -----refused, 30 s---+
 *                   | accepted (PREPARING at |
 *                   |  once, PAUSE at `go',  |
 *                   |  if it stops quickly)  |
 *               PAUSING -----1 s-------------+---> as it was; RESUME
 *                   | paused (with nothing   |
 *                   |  in flight: at once)   |
 *              SETTLING                      |
 *                   | acknowledged, or 1 s   |
 *             PREPARING -----refused, 2 s,---+
 *                   | go     aborted(e+1)
 *                   |
 *                FROZEN ---- aborted(e+1) ----> thaw: RESUMED -- 1 s, and
 *                   |                             drained, or 30 s --> end
 *                   |  \---- 15 min without an answer: LOST, ended silently
 *                   | released(e+1)
 *              DRAINING -- quiet, or 1 s --> end
 *
 * Until the answer to `prepare', losing the controller ends it too.
 * After `go' only the controller ends it.  In FROZEN it is asked each 100 ms,
 * with backoff. */

#include <config.h>

#include "handover.h"

#include <errno.h>
#include <limits.h>

#include "agent.h"
#include "app-link.h"
#include "app-send.h"
#include "controller-link.h"
#include "epochs.h"
#include "events.h"
#include "identity.h"
#include "jsonrpc.h"
#include "keeper.h"
#include "lan.h"
#include "link.h"
#include "message.h"
#include "next-hops.h"
#include "openvswitch/vlog.h"
#include "settle.h"
#include "socket-state.h"
#include "timeval.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(give);

/* Milliseconds without a late packet after which draining may end; on a plain
 * LAN, where somebody may have missed the first announcement, after the
 * second. */
#define DRAIN_QUIET 250
#define DRAIN_QUIET_LAN 2500
/* Milliseconds during which a target that does not expect us yet is offered
 * the session again. */
#define OFFER_AGAIN 1000
#define OFFER_PAUSE 20
/* Milliseconds between two "resumed" by way of the controller. */
#define RESUMED_AGAIN 500

/* The end, for whoever asked for the move. */
void
give_tell_asker(struct handover *h, int error, const char *reason)
{
    if (h->caller) {
        if (error) {
            app_send_call_error(h->caller, error, reason);
        } else {
            struct json *row = json_object_create();

            message_put_uuid(row, "session", &h->session_id);
            message_put_string(row, "device", h->other);
            message_put_uuid(row, "transfer", &h->transfer);
            message_put_integer(row, "epoch", h->epoch + 1);
            app_send_rows(h->caller, json_array_create_1(row));
        }
        h->caller = NULL;
    }
    if (h->mover) {
        struct session s = { .id = h->session_id, .address = h->address };

        app_send_session(h->mover, APP_MOVED, &s, NULL, NULL, error, reason);
        h->mover = NULL;
    }
}

void
give_hold_new_connections(struct session *s, bool hold)
{
    for (size_t i = 0; i < s->n_sockets; i++) {
        char *error = NULL;

        if (socket_state_hold_new(s->sockets[i].fd, hold, &error)) {
            VLOG_WARN("%s", error);
        }
        free(error);
        s->sockets[i].held = hold;
    }
}

/* The target may send what it caught: we are here.  If our agent died, or the
 * controller between us, it has waited for that.  By way of a controller that
 * is away, or has no connection with the target yet, nothing arrives. */
void
give_say_resumed(struct handover *h)
{
    static const char message[] = "{\"msg\":\"resumed\"}";

    if (!handover_send(h, PEER_MESSAGE, message, strlen(message))) {
        h->relay = true;
        handover_send(h, PEER_MESSAGE, message, strlen(message));
    }
    h->say_again = (h->relay && !h->drained ? time_msec() + RESUMED_AGAIN
                                            : LLONG_MAX);
}

/* Ends a transfer before `go': everything is as it was. */
void
give_fail(struct handover *h, int error, const char *reason)
{
    struct agent *agent = h->agent;
    struct session *s = h->session;
    bool paused = h->pausing != 0;

    if (h->state != GIVE_INTRODUCING) {
        handover_send_controller(h, "withdraw", reason);
    }
    events_add(h->agent, &h->session_id, s->uid, "did not move to %s: %s",
               h->other, reason);
    if (paused) {
        struct note note;

        give_hold_new_connections(s, false);
        handover_deliver(h);
        handover_get_note(h, NOTE_OWNER, s->epoch, &note);
        app_send_session(s->conn, APP_RESUME, s, &note, h->agent->note_key,
                         error, reason);
    }
    give_tell_asker(h, error, reason);
    if (h->state == GIVE_PREPARING) {
        /* Inbound traffic may have been redirected: what the target caught
         * comes back, at the latest when it no longer waits for the state: a
         * controller that was killed tells it nothing. */
        give_say_resumed(h);
        s->handover = NULL;
        h->session = NULL;
        handover_stop_catching(h);
        handover_set_state(h, GIVE_RESUMED,
                           HANDOVER_STATE_TIMEOUT + HANDOVER_DRAIN_TIMEOUT);
    } else {
        handover_destroy(h);
        settle_after_move(agent, s);
    }
    if (!s->conn) {
        /* Its application ended it meanwhile. */
        keeper_end(agent, s);
    }
}

static bool
check_can_move(const struct session *s, const char *self, const char *target,
               const char *service, char **errorp)
{
    if (s->handover) {
        *errorp = xasprintf("the session is moving %s %s already",
                            handover_is_giving(s->handover) ? "to" : "from",
                            s->handover->other);
        return false;
    }
    if (s->ending || !s->conn) {
        *errorp = xstrdup("the session is ending");
        return false;
    }
    if (!message_name_is_valid(target)) {
        *errorp = xasprintf("\"%s\" is not the name of a device", target);
        return false;
    }
    if (service[0] && !message_name_is_valid(service)) {
        *errorp = xasprintf("\"%s\" is not the name of a service", service);
        return false;
    }
    if (!strcmp(target, self)) {
        *errorp = xstrdup("the session is on this device");
        return false;
    }
    for (size_t i = 0; i < s->n_sockets; i++) {
        if (socket_state_check(s->sockets[i].fd, errorp)) {
            return false;
        }
    }
    return true;
}

bool
give_start(struct agent *agent, struct session *s, const char *target,
           const char *service, struct app_conn *mover,
           struct app_conn *caller, char **errorp)
{
    struct json *params;
    struct handover *h;

    *errorp = NULL;
    if (s->handover
        && give_later(s->handover, target, service, mover, caller)) {
        return true;
    }
    if (!check_can_move(s, identity_get_name(agent->identity), target, service,
                        errorp)) {
        return false;
    }
    /* What is left of its coming here stays: late packets of that transfer
     * still come, and belong into this kernel as long as it has the sockets. */
    if (!controller_link_is_registered(agent->controller)) {
        *errorp = xasprintf(
            "no controller: %s",
            link_get_error(controller_link_get(agent->controller)));
        return false;
    }

    h = handover_create(agent, GIVE_INTRODUCING);
    h->session = s;
    h->session_id = s->id;
    h->address = s->address;
    h->epoch = s->epoch;
    h->other = xstrdup(target);
    h->uid = s->uid;
    h->mover = mover;
    h->caller = caller;
    ovs_strlcpy(h->name, s->name, sizeof h->name);
    ovs_strlcpy(h->service, *service ? service : s->service,
                sizeof h->service);
    s->handover = h;
    ovs_list_push_back(&agent->introducing, &h->list_node);
    handover_set_state(h, GIVE_INTRODUCING, HANDOVER_INTRODUCE_TIMEOUT);
    handover_step(h, "move");

    params = json_object_create();
    message_put_uuid(params, "session", &s->id);
    message_put_address(params, "address", &s->address);
    message_put_integer(params, "epoch", s->epoch);
    message_put_string(params, "name", s->name);
    message_put_string(params, "target", target);
    message_put_string(params, "service", h->service);
    if (s->give_onward[0]) {
        message_put_string(params, "onward", s->give_onward);
    }
    json_object_put(params, "next_hops", next_hops_of(s));
    h->introduce_id = link_request(controller_link_get(agent->controller),
                                   "introduce", params);
    return true;
}

static void
give_introduced(struct handover *h, const struct json *result)
{
    struct message m = MESSAGE_INITIALIZER(result);
    struct uuid transfer;

    message_get_uuid(&m, "transfer", &transfer);
    uint64_t epoch = message_get_integer(&m, "epoch", 0, UINT64_C(1) << 53);
    const char *endpoint = message_get_string(&m, "endpoint", 128);
    const char *certificate = message_get_lines(&m, "certificate", 16384);
    const char *onward = message_get_string(&m, "onward",
                                            ONWARD_STRING_LEN - 1);
    uint64_t state_bytes = handover_get_state_bytes(&m);
    char *error = message_finish(&m);

    if (!error && !onward_from_string(onward, &h->onward)) {
        error = xstrdup("the controller names no right to pass on");
    }
    if (!error && handover_find(h->agent, &transfer)) {
        error = xstrdup("the controller uses one transfer's name twice");
    }
    if (error) {
        give_fail(h, EPROTO, error);
        free(error);
        return;
    }
    ovs_list_remove(&h->list_node);
    h->transfer = transfer;
    h->epoch = epoch;
    h->session->epoch = epoch;
    h->session->introduced = true;
    epochs_note(h->agent, &h->session_id, epoch);
    h->endpoint = xstrdup(endpoint);
    h->other_certificate = xstrdup(certificate);
    h->state_bytes = state_bytes;
    h->sa_id = controller_link_get_sa_id(h->agent->controller);
    memcpy(h->sa_key, controller_link_get_sa_key(h->agent->controller),
           sizeof h->sa_key);
    hmap_insert(&h->agent->handovers, &h->node, uuid_hash(&transfer));
    handover_step(h, "introduced");
    handover_set_state(h, GIVE_CONNECTING, HANDOVER_CONNECT_TIMEOUT);
    peers_connect(h->agent->peers, h->other, h->endpoint);
}

void
give_withdraw_late(struct agent *agent, const struct json *result)
{
    struct message m = MESSAGE_INITIALIZER(result);
    struct json *params;
    struct uuid transfer;

    message_get_uuid(&m, "transfer", &transfer);
    message_get_string(&m, "endpoint", 128);
    char *error = message_finish(&m);

    if (error) {
        free(error);
        return;
    }
    params = json_object_create();
    message_put_uuid(params, "transfer", &transfer);
    message_put_string(params, "reason", "the introduction came too late");
    link_notify(controller_link_get(agent->controller), "withdraw", params);
}

void
give_handle_message(struct handover *h, const char *kind,
                    const struct json *json)
{
    if (!strcmp(kind, "accept") && h->state == GIVE_OFFERED) {
        give_accepted(h, json);
    } else if (!strcmp(kind, "refuse") && h->state == GIVE_OFFERED) {
        struct message m = MESSAGE_INITIALIZER(json);
        const char *code = message_get_string(&m, "code", 64);
        const char *why = message_get_string(&m, "reason", 1024);
        char *reason;

        free(message_finish(&m));
        if (!strcmp(code, "not-expected")
            && h->deadline - time_msec()
                   > HANDOVER_OFFER_TIMEOUT - OFFER_AGAIN) {
            h->say_again = time_msec() + OFFER_PAUSE;
            return;
        }
        reason = xasprintf("%s refused: %s", h->other, why);
        give_fail(h, EACCES, reason);
        free(reason);
    }
}

/* Pause and prepare. */

/* What is in flight is better acknowledged before the move than after it: a
 * restored socket has forgotten its round trip time, so what is lost then is
 * found late; and what was never sent need not travel.  The application has
 * stopped, the correspondent goes on to receive: this costs it nothing.
 *
 * Returns true once little is in flight, or what is does not become less; and
 * nothing is owed on connections that were closed, which cannot move. */
bool
give_is_settled(struct handover *h)
{
    struct session *s = h->session;
    size_t unsettled = 0;
    bool busy = false;

    for (size_t i = 0; i < s->n_sockets; i++) {
        struct socket_state_info info;

        if (s->sockets[i].datagram
            || socket_state_inspect(s->sockets[i].fd, &info, NULL)
            || info.kind != SOCKET_STATE_TCP) {
            continue;
        }
        unsettled += info.send_queue;
        /* A peer may hold back its acknowledgement of two segments. */
        busy |= (info.unacked_segments > 2
                 || (info.unsent && info.unacked_segments));
    }
    if (unsettled < h->unsettled || !h->progress) {
        h->unsettled = unsettled;
        h->progress = time_msec();
    }
    return ((!busy || time_msec() >= h->progress + HANDOVER_SETTLE_STALL)
            && !closing_owed(&s->closing));
}

/* Asks the application to stop. */
void
give_pause(struct handover *h)
{
    struct note note;

    h->pausing = time_usec();
    give_hold_new_connections(h->session, true);
    handover_get_note(h, NOTE_GIVING, h->epoch, &note);
    app_send_session(h->session->conn, APP_PAUSE, h->session, &note,
                     h->agent->note_key, 0, NULL);
}

void
give_handle_paused(struct handover *h, struct app_event *event)
{
    char *error = NULL;

    handover_step(h, "paused");
    h->paused = true;
    app_conn_has_stopped(event->conn, time_usec() - h->pausing);
    if (event->msg.flags & APP_FLAG_STATE && event->n_fds
        && handoff_state_from_fd(&h->handoff, event->fds[event->n_fds - 1],
                                 &error)) {
        give_fail(h, EINVAL, error);
        free(error);
        return;
    }
    if (h->state == GIVE_PAUSING) {
        handover_set_state(h, GIVE_SETTLING, HANDOVER_SETTLE_TIMEOUT);
        if (give_is_settled(h)) {
            give_prepare(h);
        }
    } else if (h->gone) {
        give_freeze(h);
    }
}

void
give_handle_refuse(struct handover *h, const char *reason)
{
    char *why = xasprintf("the application refused: %s", reason);

    give_fail(h, EBUSY, why);
    free(why);
}

/* Refused, "not-owner": an abort of an earlier move that this agent has not
 * heard of has raised the epoch, or else the session is another's. */
static void
learn_epoch(struct handover *h, const struct json *error)
{
    struct message m = MESSAGE_INITIALIZER(error);
    const char *owner = message_get_optional_string(&m, "owner",
                                                    MESSAGE_NAME_MAX);
    uint64_t epoch = owner ? message_get_integer(&m, "epoch", 0,
                                                 UINT64_C(1) << 53)
                           : 0;
    char *bad = message_finish(&m);

    if (!bad && owner
        && !strcmp(owner, identity_get_name(h->agent->identity))) {
        h->session->epoch = MAX(h->session->epoch, epoch);
    }
    free(bad);
}

void
give_handle_reply(struct handover *h, const struct jsonrpc_msg *msg)
{
    bool introduced = h->state == GIVE_INTRODUCING;

    h->introduce_id = h->prepare_id = 0;
    if (msg->type == JSONRPC_ERROR) {
        if (introduced) {
            learn_epoch(h, msg->error);
        }
        if (introduced || h->state == GIVE_PREPARING) {
            give_fail(h, EACCES, link_msg_error_reason(msg));
        }
    } else if (introduced) {
        give_introduced(h, msg->result);
    } else if (h->state == GIVE_PREPARING) {
        h->gone = true;
        handover_step(h, "go");
        if (!h->pausing) {
            give_pause(h);
        }
        if (h->paused) {
            give_freeze(h);
        } else {
            h->deadline = time_msec() + HANDOVER_PAUSE_TIMEOUT;
        }
    }
    /* A late `go' is ignored. */
}

/* The application has stopped reading: a datagram that waits in its socket
 * could be the last that fits. */
static void
collect_datagrams(struct handover *h)
{
    struct late_catch *catch = h->catch;

    h->catch = NULL;
    handover_collect(h);
    h->catch = catch;
}

static void
give_timeout(struct handover *h)
{
    switch (h->state) {
    case GIVE_INTRODUCING:
        give_fail(h, ETIMEDOUT, "the controller did not answer");
        break;
    case GIVE_CONNECTING:
        h->relay = true;
        give_offer(h);
        break;
    case GIVE_OFFERED:
        /* Perhaps there is nobody any more at the connection's other end. */
        peers_drop(h->agent->peers, h->other, "an offer was not answered");
        give_fail(h, ETIMEDOUT, "the target did not answer the offer");
        break;
    case GIVE_PAUSING:
        give_fail(h, ETIMEDOUT, "the application did not pause");
        break;
    case GIVE_SETTLING: give_prepare(h); break;
    case GIVE_PREPARING:
        give_fail(h, ETIMEDOUT,
                  h->gone ? "the application did not pause"
                          : "the controller did not answer");
        break;
    case GIVE_FROZEN: give_lost(h); break;
    case GIVE_DRAINING: give_finish_draining(h); break;
    case GIVE_RESUMED: give_resume_timeout(h); break;
    case TAKE_EXPECTED:
    case TAKE_POSTPONED:
    case TAKE_WAITING:
    case TAKE_MUTED:
    case TAKE_CLAIMED:
    case TAKE_OWNED:
    case TAKE_RETURNING:
    case TAKE_KEEPING:
    default: OVS_NOT_REACHED();
    }
}

void
give_run(struct handover *h)
{
    if (time_msec() >= h->deadline) {
        give_timeout(h);
    } else if (h->state == GIVE_CONNECTING) {
        if (peers_is_connected(h->agent->peers, h->other)) {
            handover_step(h, "connected");
            give_offer(h);
        } else if (peers_get_error(h->agent->peers, h->other)) {
            VLOG_INFO("no connection with device %s (%s): frames go by way "
                      "of the controller",
                      h->other, peers_get_error(h->agent->peers, h->other));
            h->relay = true;
            give_offer(h);
        }
    } else if (h->state == GIVE_OFFERED && !h->relay
               && !peers_is_connected(h->agent->peers, h->other)) {
        VLOG_INFO("the connection with device %s was lost: frames go by way "
                  "of the controller",
                  h->other);
        h->relay = true;
        give_offer(h);
    } else if (h->state == GIVE_OFFERED && time_msec() >= h->say_again) {
        h->say_again = LLONG_MAX;
        give_offer(h);
    } else if (h->state == GIVE_RESUMED && time_msec() >= h->say_again) {
        give_say_resumed(h);
    } else if (h->state == GIVE_PREPARING && h->paused) {
        collect_datagrams(h);
    } else if (h->state == GIVE_SETTLING) {
        collect_datagrams(h);
        if (give_is_settled(h)) {
            give_prepare(h);
        }
    } else if (h->state == GIVE_FROZEN || h->state == GIVE_DRAINING) {
        handover_collect(h);
        handover_relay_collected(h);
        if (h->state == GIVE_DRAINING
            && time_msec() >= h->last_late
                                  + (lan_is_plain(h->agent->lan)
                                         ? DRAIN_QUIET_LAN
                                         : DRAIN_QUIET)) {
            give_finish_draining(h);
        }
    }
}
