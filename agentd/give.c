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
 *                FROZEN ---- aborted(e+1) ----> thaw: RESUMED -- 1 s --> end
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

#include "address.h"
#include "agent.h"
#include "app-link.h"
#include "app-send.h"
#include "controller-link.h"
#include "events.h"
#include "foreign-route.h"
#include "identity.h"
#include "jsonrpc.h"
#include "link.h"
#include "message.h"
#include "next-hops.h"
#include "openvswitch/vlog.h"
#include "permanent.h"
#include "socket-state.h"
#include "timeval.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(give);

/* Milliseconds without a late packet after which draining may end. */
#define DRAIN_QUIET 250
/* Milliseconds during which a target that does not expect us yet is offered
 * the session again. */
#define OFFER_AGAIN 1000
#define OFFER_PAUSE 20

/* The end, for whoever asked for the move. */
static void
tell_asker(struct handover *h, int error, const char *reason)
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

/* The target may send what it caught: we are here.  If our agent died, it has
 * waited for that. */
static void
say_resumed(struct handover *h)
{
    static const char message[] = "{\"msg\":\"resumed\"}";

    if (!handover_send(h, PEER_MESSAGE, message, strlen(message))) {
        h->relay = true;
        handover_send(h, PEER_MESSAGE, message, strlen(message));
    }
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
    tell_asker(h, error, reason);
    if (h->state == GIVE_PREPARING) {
        /* Inbound traffic may have been redirected: what the target caught
         * comes back, at the latest when it no longer waits for the state: a
         * controller that was killed tells it nothing. */
        say_resumed(h);
        s->handover = NULL;
        h->session = NULL;
        handover_stop_catching(h);
        handover_set_state(h, GIVE_RESUMED,
                           HANDOVER_STATE_TIMEOUT + HANDOVER_DRAIN_TIMEOUT);
    } else {
        handover_destroy(h);
    }
    if (!s->conn) {
        /* Its application ended it meanwhile. */
        agent_end_session(agent, s);
    }
}

static bool
check_can_move(const struct session *s, const char *self, const char *target,
               char **errorp)
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
    if (!check_can_move(s, identity_get_name(agent->identity), target,
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
    const char *certificate = message_get_string(&m, "certificate", 16384);
    const char *onward = message_get_string(&m, "onward",
                                            ONWARD_STRING_LEN - 1);
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
    agent_note_epoch(h->agent, &h->session_id, epoch);
    h->endpoint = xstrdup(endpoint);
    h->other_certificate = xstrdup(certificate);
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
            h->offer_again = time_msec() + OFFER_PAUSE;
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

/* The decision. */

static void
give_thaw(struct handover *h, uint64_t epoch, const char *reason)
{
    struct session *s = h->session;
    struct note note;

    s->epoch = epoch;
    handover_collect(h);
    /* First, so that the sockets' first words are heard. */
    address_open_output(&h->address);
    for (size_t i = 0; i < s->n_sockets; i++) {
        char *error = NULL;

        if (socket_state_thaw(s->sockets[i].fd, &error)) {
            VLOG_ERR("session " UUID_FMT ": %s", UUID_ARGS(&s->id), error);
            free(error);
        }
    }
    handover_deliver(h);
    give_hold_new_connections(s, false);
    handover_step(h, "thawed");

    handover_get_note(h, NOTE_OWNER, epoch, &note);
    app_send_session(s->conn, APP_RESUME, s, &note, h->agent->note_key,
                     ECANCELED, reason);
    events_add(h->agent, &h->session_id, s->uid, "did not move to %s: %s",
               h->other, reason);
    tell_asker(h, ECANCELED, reason);
    say_resumed(h);
    handover_report(h);
    handover_stop_catching(h);
    s->handover = NULL;
    h->session = NULL;
    handover_stop_asking(h);
    handover_set_state(h, GIVE_RESUMED, HANDOVER_DRAIN_TIMEOUT);
    if (!s->conn) {
        agent_end_session(h->agent, s);
    }
}

/* While it waits for late packets the address stays, but says nothing of
 * itself any more: neither ARP nor neighbour discovery speak of what is on the
 * loopback. */
static void
hide_address(struct agent *agent, const struct session *s)
{
    int error;

    if (!s->ifname[0] || !strcmp(s->ifname, "lo")) {
        return;
    }
    error = address_add("lo", &s->address);
    if (error) {
        VLOG_WARN("%s: cannot hide an address that was given away: %s",
                  s->ifname, ovs_strerror(error));
    } else {
        address_del(s->ifname, &s->address);
        permanent_hide(agent, &s->address);
    }
}

static void
give_released(struct handover *h, uint64_t epoch)
{
    struct session *s = h->session;

    handover_step(h, "released");
    handover_collect(h);
    handover_relay_collected(h);
    for (size_t i = 0; i < s->n_sockets; i++) {
        char *error = NULL;

        /* Datagram sockets go on as catchers until the switch is quiet. */
        if (!s->sockets[i].datagram
            && socket_state_discard(s->sockets[i].fd, &error)) {
            VLOG_WARN("%s", error);
        }
        free(error);
    }
    app_send_session(s->conn, APP_GONE, s, NULL, NULL, 0, "moved");
    events_add(h->agent, &h->session_id, s->uid, "moved to %s, epoch %" PRIu64,
               h->other, epoch);
    tell_asker(h, 0, "moved");
    hide_address(h->agent, s);

    h->sockets = s->sockets;
    h->n_sockets = s->n_sockets;
    s->sockets = NULL;
    s->n_sockets = 0;
    h->endpoint = (free(h->endpoint), xstrdup(s->ifname));
    h->session = NULL;
    s->handover = NULL;
    agent_drop_session(h->agent, s);
    handover_stop_asking(h);
    h->last_late = time_msec();
    handover_set_state(h, GIVE_DRAINING, HANDOVER_DRAIN_TIMEOUT);
}

/* The switch has gone quiet, or must have: lets go of everything. */
void
give_finish_draining(struct handover *h)
{
    for (size_t i = 0; i < h->n_sockets; i++) {
        if (h->sockets[i].datagram) {
            socket_state_discard(h->sockets[i].fd, NULL);
        }
    }
    handover_collect(h);
    handover_relay_collected(h);
    handover_send(h, PEER_DRAINED, NULL, 0);
    handover_step(h, "drained");
    handover_report(h);
    handover_close_sockets(h);
    if (h->endpoint && h->endpoint[0]) {
        address_del(h->endpoint, &h->address);
    }
    address_del("lo", &h->address);
    foreign_route_del(&h->address);
    permanent_left(h->agent, &h->address); /* Before it could speak again. */
    address_open_output(&h->address);
    handover_leave(h);
}

/* What came back late is in. */
static void
give_finish_resuming(struct handover *h)
{
    struct session *s = session_find(&h->agent->sessions, &h->session_id);

    if (s && !s->handover) {
        session_settle_sockets(s);
        /* The controller may have aborted it, and we not have heard that. */
        agent_announce(h->agent, s);
    }
    handover_destroy(h);
}

static void
give_lost(struct handover *h)
{
    struct session *s = h->session;

    VLOG_ERR("session " UUID_FMT ": the controller did not answer for %d "
             "minutes; the session is lost",
             UUID_ARGS(&s->id), HANDOVER_LOST_TIMEOUT / 60000);
    for (size_t i = 0; i < s->n_sockets; i++) {
        socket_state_discard(s->sockets[i].fd, NULL);
    }
    app_send_session(s->conn, APP_GONE, s, NULL, NULL, ETIMEDOUT,
                     "the controller did not answer");
    events_add(h->agent, &h->session_id, s->uid,
               "lost: the controller did "
               "not answer");
    tell_asker(h, ETIMEDOUT, "the controller did not answer");
    if (s->ifname[0]) {
        address_del(s->ifname, &h->address);
    }
    foreign_route_del(&h->address);
    address_open_output(&h->address);
    s->handover = NULL;
    h->session = NULL;
    agent_drop_session(h->agent, s);
    handover_leave(h);
}

void
give_decided(struct handover *h, enum handover_outcome outcome, uint64_t epoch,
             const char *reason)
{
    if (outcome == HANDOVER_OWNED) {
        VLOG_WARN("transfer " UUID_FMT
                  ": the controller calls us owner of what "
                  "we give",
                  UUID_ARGS(&h->transfer));
    } else if (h->state == GIVE_FROZEN) {
        if (outcome == HANDOVER_RELEASED) {
            give_released(h, epoch);
        } else {
            give_thaw(h, epoch, reason ? reason : "aborted");
        }
    } else if (h->session && outcome == HANDOVER_ABORTED) {
        h->session->epoch = epoch;
        give_fail(h, ECANCELED, reason ? reason : "aborted");
    } else if (h->state == GIVE_RESUMED && outcome == HANDOVER_ABORTED) {
        /* Given up already; but every abort raises the epoch. */
        struct session *s = session_find(&h->agent->sessions, &h->session_id);

        if (s) {
            s->epoch = MAX(s->epoch, epoch);
        }
    }
}

/* What G had caught comes back after an abort. */
void
give_handle_late(struct handover *h, const struct peer_frame *frame)
{
    if (h->state != GIVE_FROZEN && h->state != GIVE_RESUMED) {
        /* There is nothing that it could have caught for us. */
        return;
    }
    if (!packet_queue_from_frame(&h->packets, frame->body, frame->len,
                                 &h->address)) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

        VLOG_WARN_RL(&rl, "device %s sent late packets of the wrong form",
                     frame->from);
    }
    if (h->state == GIVE_RESUMED) {
        handover_deliver(h);
    } else {
        /* The abort is on its way: not to be relayed back. */
        h->relayed = h->packets.n;
    }
}

void
give_app_gone(struct handover *h)
{
    if (h->state < GIVE_FROZEN) {
        give_fail(h, ECONNRESET, "the application has ended");
    }
    /* Frozen: it is the controller's to decide; the agent's descriptors keep
     * the sockets. */
}

void
give_adopt(struct handover *h)
{
    struct session *s = h->session;

    handover_catch(h);
    address_close_output(&h->address);
    ovs_strlcpy(h->name, s->name, sizeof h->name);
    handover_set_state(h, GIVE_FROZEN, HANDOVER_LOST_TIMEOUT);
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
    case GIVE_RESUMED: give_finish_resuming(h); break;
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
    } else if (h->state == GIVE_OFFERED && time_msec() >= h->offer_again) {
        h->offer_again = LLONG_MAX;
        give_offer(h);
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
            && time_msec() >= h->last_late + DRAIN_QUIET) {
            give_finish_draining(h);
        }
    }
}
