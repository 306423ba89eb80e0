/* SPDX-License-Identifier: Apache-2.0 */

/* The target's half of a transfer.
 *
 *              expect (from the controller)
 *                   |
 *              EXPECTED ------ 30 s, unexpect ------> end
 *                   | offer --- refused by policy, application, memory --> end
 *             POSTPONED   (an application starts; our own draining must end)
 *                   | reserve: output closed, address and catchers in place
 *               WAITING ------ 5 s, unexpect -------+
 *                   | state: checked, restored, handed to the application
 *                 MUTED ------ 1 s, refused --------+-> discard: RETURNING
 *                   | ready                         |   (told that it is over,
 *               CLAIMED ------ aborted(e+1) --------+   and quiet, or 1 s: end;
 *                   |                                   T away: KEEPING, 30 s)
 *                   | owned(e+1)        (asks; no end of its own)
 *                 OWNED ------ drained, or 2 s -----> end: an ordinary session
 *
 * Until `owned' nothing with the session's source leaves: a routing rule
 * closes output of the address, which is bound on the loopback, where neither
 * ARP nor neighbour discovery speaks of it.  It stays so in RETURNING, while
 * the switch may still bring packets: they go to the transferring device.  If
 * its agent has died meanwhile, they wait until the next one says "resumed";
 * in KEEPING nothing of the session is left here but them. */

#include <config.h>

#include "handover.h"

#include <errno.h>
#include <unistd.h>

#include "address.h"
#include "agent.h"
#include "app-send.h"
#include "controller-link.h"
#include "epochs.h"
#include "events.h"
#include "keeper.h"
#include "lan.h"
#include "link.h"
#include "message.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "permanent.h"
#include "settle.h"
#include "socket-state.h"
#include "timeval.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(take);

/* Expectations and offers at once: what a controller gone mad costs us. */
#define MAX_EXPECTED 256
/* Milliseconds for which late packets are taken after `owned': longer than
 * they are sent. */
#define OWNED_TIMEOUT (HANDOVER_DRAIN_TIMEOUT + 1000)
#define OWNED_TIMEOUT_LAN (HANDOVER_DRAIN_TIMEOUT_LAN + 1000)
/* Milliseconds without a late packet after which RETURNING may end. */
#define RETURN_QUIET 250

void
take_expect(struct agent *agent, const struct json *params)
{
    struct message m = MESSAGE_INITIALIZER(params);
    struct uuid transfer, session;
    struct in6_addr address;
    struct handover *h;

    message_get_uuid(&m, "transfer", &transfer);
    message_get_uuid(&m, "session", &session);
    message_get_address(&m, "address", &address);
    uint64_t epoch = message_get_integer(&m, "epoch", 0, UINT64_C(1) << 53);
    const char *from = message_get_name(&m, "from");
    const char *endpoint = message_get_string(&m, "endpoint", 128);
    const char *certificate = message_get_lines(&m, "certificate", 16384);
    const char *name = message_get_string(&m, "name", APP_NAME_LEN - 1);
    const char *service = message_get_string(&m, "service", APP_NAME_LEN - 1);
    struct foreign_route visit;
    const char *tunnel;
    unsigned int permanent = 0;

    if (params && shash_find(json_object(params), "permanent")) {
        permanent = message_get_integer(&m, "permanent", 1, 86400);
    }
    foreign_route_read(&m, &visit, &tunnel);
    struct in6_addr mapped = in6addr_any;
    if (message_get_optional_string(&m, "mapped", INET6_ADDRSTRLEN)) {
        message_get_address(&m, "mapped", &mapped);
    }
    uint64_t state_bytes = handover_get_state_bytes(&m);
    char *error = message_finish(&m);

    if (error) {
        VLOG_WARN("the controller's \"expect\" has the wrong form: %s", error);
        free(error);
        return;
    }
    if (handover_find(agent, &transfer)
        || hmap_count(&agent->handovers) >= MAX_EXPECTED
        || epoch < epochs_highest(agent, &session)) {
        return;
    }
    h = handover_create(agent, TAKE_EXPECTED);
    h->transfer = transfer;
    h->session_id = session;
    h->address = address;
    h->visit = visit;
    ovs_strlcpy(h->tunnel, tunnel, sizeof h->tunnel);
    h->state_bytes = state_bytes;
    h->epoch = epoch;
    h->other = xstrdup(from);
    h->other_certificate = xstrdup(certificate);
    h->endpoint = xstrdup(endpoint);
    ovs_strlcpy(h->name, name, sizeof h->name);
    ovs_strlcpy(h->service, service, sizeof h->service);
    h->permanent_lease = permanent;
    h->mapped = mapped;
    hmap_insert(&agent->handovers, &h->node, uuid_hash(&transfer));
    epochs_note(agent, &session, epoch);
    handover_set_state(h, TAKE_EXPECTED, HANDOVER_EXPECT_TIMEOUT);
}

/* Ends the session that came too far: its connections, and what the
 * application has of it.  Datagram sockets go on as catchers. */
static void
end_session(struct handover *h, const char *reason)
{
    struct session *s = h->session;

    h->sockets = xrealloc(h->sockets, (h->n_sockets + s->n_sockets + 1)
                                          * sizeof *h->sockets);
    for (size_t i = 0; i < s->n_sockets; i++) {
        if (s->sockets[i].datagram) {
            h->sockets[h->n_sockets++] = s->sockets[i];
        } else {
            socket_state_discard(s->sockets[i].fd, NULL);
            close(s->sockets[i].fd);
        }
    }
    s->n_sockets = 0;
    app_send_session(h->conn, APP_GONE, s, NULL, NULL, ECANCELED, reason);
    s->handover = NULL;
    h->session = NULL;
    keeper_drop(h->agent, s);
}

/* Late packets go back to the transferring device at once, if the agent is
 * there that we have talked with; otherwise when one says that it is. */
static void
return_collected(struct handover *h)
{
    h->relay |= !peers_is_connected(h->agent->peers, h->other);
    if (!h->relay || h->resumed) {
        handover_relay_collected(h);
    }
}

void
take_handle_resumed(struct handover *h)
{
    if (h->state >= TAKE_WAITING) {
        h->resumed = true;
    }
    if (h->state == TAKE_RETURNING || h->state == TAKE_KEEPING) {
        return_collected(h);
    }
    if (h->state == TAKE_KEEPING) {
        h->deadline = time_msec();
    }
}

/* What the tap and the datagram sockets caught goes back to the transferring
 * device.  What that one relayed it still has.  Inbound traffic is that one's
 * again once the controller says that nothing is expected here any more: who
 * gives up by itself asks for that. */
static void
begin_returning(struct handover *h)
{
    packet_queue_clear(&h->packets);
    h->relayed = 0;
    handover_collect(h);
    h->last_late = time_msec();
    if (h->told) {
        handover_stop_asking(h);
    } else {
        handover_start_asking(h);
    }
    handover_set_state(h, TAKE_RETURNING,
                       h->told ? HANDOVER_DRAIN_TIMEOUT
                               : HANDOVER_LOST_TIMEOUT);
    return_collected(h);
}

/* The transfer is over; what the switch still brings comes soon. */
static void
returning_is_told(struct handover *h)
{
    if (!h->told) {
        h->told = true;
        handover_stop_asking(h);
        h->last_late = time_msec();
        h->deadline = h->last_late + HANDOVER_DRAIN_TIMEOUT;
    }
}

void
take_finish_returning(struct handover *h)
{
    handover_collect(h);
    return_collected(h);
    for (size_t i = 0; i < h->n_sockets; i++) {
        socket_state_discard(h->sockets[i].fd, NULL);
    }
    handover_close_sockets(h);
    address_del("lo", &h->address);
    foreign_route_del(&h->address);
    address_open_output(&h->address);
    if (h->packets.n) {
        handover_stop_catching(h);
        handover_say_left(h);
        handover_set_state(h, TAKE_KEEPING, HANDOVER_KEEP_TIMEOUT);
    } else {
        handover_send(h, PEER_DRAINED, NULL, 0);
        handover_leave(h);
    }
}

void
take_fail(struct handover *h, const char *reason)
{
    events_add(h->agent, &h->session_id, h->uid, "did not come from %s: %s",
               h->other, reason);
    if (h->session) {
        end_session(h, reason);
    }
    h->conn = NULL;
    give_later_fail(h, ECANCELED, reason);
    if (h->n_steps) {
        handover_report(h);
    }
    if (h->state < TAKE_WAITING) {
        handover_leave(h);
    } else {
        begin_returning(h);
    }
}

void
take_refuse(struct handover *h, const char *code, const char *format, ...)
{
    struct json *json = json_object_create();
    va_list args;
    char *reason;

    va_start(args, format);
    reason = xvasprintf(format, args);
    va_end(args);
    message_put_string(json, "msg", "refuse");
    message_put_string(json, "code", code);
    message_put_string(json, "reason", reason);
    handover_send_message(h, json);
    take_fail(h, reason);
    free(reason);
}

/* The state. */

/* The whole state is here: restores it, and shows it to the application. */
static void
take_state(struct handover *h, const uint8_t *bytes, size_t n)
{
    struct note note;
    char *error = NULL;
    int state_fd = -1;

    handover_step(h, "state");
    if (!handoff_decode(bytes, n, &h->handoff, &error)) {
        error = handoff_check(&h->handoff, &h->address);
    }
    if (!error && session_find(&h->agent->sessions, &h->session_id)) {
        error = xstrdup("the session is here already");
    }
    if (!error) {
        h->session = take_make_session(h);
        error = take_restore_sockets(h);
    }
    if (!error && h->handoff.app_len) {
        state_fd = handoff_state_to_fd(&h->handoff);
        if (state_fd < 0) {
            error = xasprintf("cannot pass on the application's state: %s",
                              ovs_strerror(-state_fd));
        }
    }
    if (error) {
        VLOG_WARN("transfer " UUID_FMT " from %s: %s", UUID_ARGS(&h->transfer),
                  h->other, error);
        handover_send_controller(h, "decline", error);
        take_fail(h, error);
        free(error);
        return;
    }
    memcpy(h->ticket_hash, h->handoff.ticket_hash, sizeof h->ticket_hash);
    handover_step(h, "restored");
    handover_set_state(h, TAKE_MUTED, HANDOVER_READY_TIMEOUT);
    handover_get_note(h, NOTE_TAKING, h->epoch, &note);
    app_send_arrived(h->conn, h->session, &note, h->agent->note_key, state_fd);
    if (state_fd >= 0) {
        close(state_fd);
    }
}

static void
take_handle_chunk(struct handover *h, const struct peer_frame *frame)
{
    const uint8_t *state;
    size_t n;

    if (!h->opener
        || !state_opener_chunk(h->opener, frame->body, frame->len)) {
        handover_send_controller(h, "decline", "the state does not open");
        take_fail(h, "the state does not open");
        return;
    }
    state = state_opener_finish(h->opener, &n);
    if (state) {
        take_state(h, state, n);
    }
}

static void
take_handle_late(struct handover *h, const struct peer_frame *frame)
{
    if (!packet_queue_from_frame(&h->packets, frame->body, frame->len,
                                 &h->address)) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

        VLOG_WARN_RL(&rl, "device %s sent late packets of the wrong form",
                     frame->from);
    }
    if (h->state == TAKE_OWNED) {
        handover_deliver(h);
        lan_remind(h->agent, &h->address); /* Somebody has not heard. */
    }
}

void
take_handle_frame(struct handover *h, const struct peer_frame *frame)
{
    if (h->state < TAKE_WAITING || h->state >= TAKE_RETURNING) {
        return;
    }
    switch (frame->type) {
    case PEER_WRAPPED_KEY:
        if (h->state == TAKE_WAITING && !h->opener
            && frame->len == STATE_WRAP_LEN) {
            h->opener = state_opener_new(
                h->secret, &h->transfer, h->x, frame->body,
                MIN(h->size_max, h->state_bytes), h->session_key);
        }
        break;
    case PEER_STATE_CHUNK:
        if (h->state == TAKE_WAITING) {
            take_handle_chunk(h, frame);
        }
        break;
    case PEER_LATE_PACKETS: take_handle_late(h, frame); break;
    case PEER_DRAINED:
        if (h->state == TAKE_OWNED) {
            h->deadline = time_msec();
        }
        break;
    case PEER_MESSAGE:
    default: break;
    }
}

/* Claim. */

void
take_handle_ready(struct handover *h)
{
    struct controller_link *controller = h->agent->controller;
    struct json *params = json_object_create();
    uint8_t proof[SEAL_HASH_LEN];
    struct ticket_terms terms;

    handover_step(h, "ready");
    handover_get_terms(h, &terms);
    ticket_proof(&terms, h->session_key, h->ticket_hash,
                 controller_link_get_nonce(controller), CLAIM_NONCE_LEN,
                 proof);
    seal_wipe(h->session_key, sizeof h->session_key);
    message_put_uuid(params, "transfer", &h->transfer);
    message_put_bytes(params, "proof", proof, sizeof proof);
    handover_set_state(h, TAKE_CLAIMED, -1);
    h->claimed_at = time_msec();
    link_notify(controller_link_get(controller), "claim", params);
    handover_step(h, "claim");
    handover_start_asking(h);
}

void
take_handle_refuse(struct handover *h, const char *reason)
{
    char *why = xasprintf("the application refused: %s", reason);

    if (h->state == TAKE_POSTPONED) {
        take_refuse(h, "application", "%s", why);
        free(why);
        return;
    }
    handover_send_controller(h, "decline", why);
    take_fail(h, why);
    free(why);
}

void
take_unexpect(struct handover *h, const char *reason)
{
    /* After `claim' only a decision ends it. */
    if (h->state < TAKE_CLAIMED) {
        h->told = true;
        take_fail(h, reason);
    } else if (h->state == TAKE_RETURNING) {
        returning_is_told(h);
    }
}

/* The decision. */

static void
take_owned(struct handover *h, uint64_t epoch)
{
    struct session *s = h->session;
    struct packet_queue own;
    struct note note;

    handover_step(h, "owned");
    handover_stop_asking(h);
    s->epoch = epoch;
    onward_to_string(h->onward, s->onward);
    permanent_came(h->agent, s, h);

    /* Datagrams that reached our sockets came after those that T relayed:
     * they wait behind them. */
    own = h->packets;
    packet_queue_init(&h->packets);
    {
        struct session_socket *sockets = h->sockets;
        size_t n_sockets = h->n_sockets;

        h->sockets = s->sockets;
        h->n_sockets = s->n_sockets;
        handover_collect(h);
        h->sockets = sockets;
        h->n_sockets = n_sockets;
    }
    for (size_t i = 0; i < h->packets.n; i++) {
        packet_queue_take(&own, h->packets.items[i].data,
                          h->packets.items[i].size);
    }
    own.dropped += h->packets.dropped;
    h->packets.n = h->packets.bytes = 0;
    packet_queue_uninit(&h->packets);
    h->packets = own;

    address_open_output(&h->address);
    lan_bound(h->agent->lan, &h->address);
    for (size_t i = 0; i < s->n_sockets; i++) {
        const struct socket_state *state = i < h->handoff.n_sockets
                                               ? h->handoff.sockets[i]
                                               : NULL;
        char *error = NULL;

        if (socket_state_unmute(s->sockets[i].fd, state, &error)) {
            VLOG_ERR("session " UUID_FMT ": %s", UUID_ARGS(&s->id), error);
            free(error);
        }
    }
    handover_step(h, "unmuted");
    handover_get_note(h, NOTE_OWNER, epoch, &note);
    app_send_session(s->conn, APP_OWNED, s, &note, h->agent->note_key, 0,
                     NULL);
    handover_deliver(h);
    handover_step(h, "delivered");

    events_add(h->agent, &s->id, s->uid, "came from %s, epoch %" PRIu64,
               h->other, epoch);
    handover_report(h);
    handover_stop_catching(h);
    handoff_uninit(&h->handoff);
    handover_close_sockets(h);
    s->handover = NULL;
    h->session = NULL;
    handover_set_state(h, TAKE_OWNED,
                       lan_is_plain(h->agent->lan) ? OWNED_TIMEOUT_LAN
                                                   : OWNED_TIMEOUT);
    if (lan_is_plain(h->agent->lan)) {
        /* Nobody else answers those who ask for it. */
        settle_address(h->agent, s);
    }
    keeper_announce(h->agent, s);
    if (!s->conn) {
        keeper_end(h->agent, s);
    }
    give_later_start(h, s);
}

/* The session is an ordinary one now: its address goes where the others
 * are. */
static void
take_finish(struct handover *h)
{
    struct session *s = session_find(&h->agent->sessions, &h->session_id);

    /* It may be on its way to yet another device: then it is frozen, or will
     * be, and its sockets have their room again. */
    if (s && !s->handover) {
        session_settle_sockets(s);
        settle_address(h->agent, s);
    }
    handover_destroy(h);
}

void
take_decided(struct handover *h, enum handover_outcome outcome, uint64_t epoch,
             const char *reason)
{
    if (h->state == TAKE_RETURNING) {
        returning_is_told(h);
    } else if (h->state >= TAKE_OWNED) {
        return;
    } else if (outcome == HANDOVER_OWNED && h->state == TAKE_CLAIMED) {
        take_owned(h, epoch);
    } else if (outcome == HANDOVER_ABORTED) {
        h->told = true;
        take_fail(h, reason ? reason : "aborted");
    } else {
        VLOG_WARN("transfer " UUID_FMT ": unexpected decision",
                  UUID_ARGS(&h->transfer));
    }
}

void
take_adopt(struct handover *h)
{
    address_close_output(&h->address);
    address_add("lo", &h->address);
    ovs_strlcpy(h->session->ifname, "lo", sizeof h->session->ifname);
    handover_catch(h);
    handover_set_state(h, TAKE_CLAIMED, -1);
}

void
take_run(struct handover *h)
{
    if (h->state == TAKE_POSTPONED && time_msec() < h->deadline) {
        take_reserve(h);
        return;
    }
    if (h->state == TAKE_RETURNING) {
        handover_collect(h);
        return_collected(h);
        if (time_msec() >= (h->told
                                ? MIN(h->deadline, h->last_late + RETURN_QUIET)
                                : h->deadline)) {
            take_finish_returning(h);
        }
        return;
    }
    if (time_msec() < h->deadline) {
        return;
    }
    if (h->state == TAKE_KEEPING) {
        if (h->packets.n) {
            VLOG_INFO("%s did not come back for %" PRIuSIZE " late packets",
                      h->other, h->packets.n);
        }
        handover_destroy(h);
    } else if (h->state == TAKE_OWNED) {
        take_finish(h);
    } else if (h->state == TAKE_EXPECTED) {
        handover_leave(h);
    } else if (h->state == TAKE_POSTPONED) {
        take_refuse(h, "not-ready", "the device did not get ready for it");
    } else {
        const char *reason = h->state == TAKE_MUTED
                                 ? "the application did not get ready"
                                 : "the state did not come";

        handover_send_controller(h, "decline", reason);
        take_fail(h, reason);
    }
}
