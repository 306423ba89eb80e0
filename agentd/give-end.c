/* SPDX-License-Identifier: Apache-2.0 */

/* How a transfer ends for the device that gives: thawed, released, lost. */

#include <config.h>

#include "handover.h"

#include <errno.h>
#include <limits.h>

#include "address.h"
#include "agent.h"
#include "app-send.h"
#include "events.h"
#include "foreign-route.h"
#include "keeper.h"
#include "lan.h"
#include "next-hops.h"
#include "openvswitch/vlog.h"
#include "permanent.h"
#include "settle.h"
#include "socket-state.h"
#include "timeval.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(give_end);

static void
give_thaw(struct handover *h, uint64_t epoch, const char *reason)
{
    struct session *s = h->session;
    struct note note;

    s->epoch = epoch;
    handover_collect(h);
    if (lan_is_plain(h->agent->lan)) {
        settle_address(h->agent, s);
    }
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
    give_tell_asker(h, ECANCELED, reason);
    give_say_resumed(h);
    handover_report(h);
    handover_stop_catching(h);
    s->handover = NULL;
    h->session = NULL;
    handover_stop_asking(h);
    handover_set_state(h, GIVE_RESUMED, HANDOVER_DRAIN_TIMEOUT);
    if (!s->conn) {
        keeper_end(h->agent, s);
    }
}

/* While it waits for late packets the address stays, but says nothing of
 * itself any more: neither ARP nor neighbour discovery speak of what is on the
 * loopback. */
void
give_hide_address(struct agent *agent, const struct session *s)
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
    give_tell_asker(h, 0, "moved");
    give_hide_address(h->agent, s);

    h->sockets = s->sockets;
    h->n_sockets = s->n_sockets;
    s->sockets = NULL;
    s->n_sockets = 0;
    h->endpoint = (free(h->endpoint), xstrdup(s->ifname));
    h->session = NULL;
    s->handover = NULL;
    keeper_drop(h->agent, s);
    handover_stop_asking(h);
    h->last_late = time_msec();
    handover_set_state(h, GIVE_DRAINING,
                       lan_is_plain(h->agent->lan) ? HANDOVER_DRAIN_TIMEOUT_LAN
                                                   : HANDOVER_DRAIN_TIMEOUT);
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

/* What comes back late is in, as a rule. */
static void
settle_resumed(struct handover *h)
{
    struct session *s = session_find(&h->agent->sessions, &h->session_id);

    h->settled = true;
    if (s && !s->handover) {
        settle_after_move(h->agent, s);
        /* The controller may have aborted it, and we not have heard that. */
        keeper_announce_surely(h->agent, s);
    }
}

static void
give_finish_resuming(struct handover *h)
{
    handover_destroy(h);
}

/* A target that was stopped, and goes on, still has what it caught. */
void
give_resume_timeout(struct handover *h)
{
    if (!h->settled) {
        settle_resumed(h);
        h->deadline = time_msec() + HANDOVER_RESUMED_TIMEOUT;
        if (!h->drained) {
            return;
        }
    }
    give_finish_resuming(h);
}

/* From when we have asked for `go', inbound traffic may be G's, which gives up
 * when it likes: also before `go' is here, or is read. */
static bool
may_come_back(const struct handover *h)
{
    return (h->state == GIVE_PREPARING || h->state == GIVE_FROZEN
            || h->state == GIVE_RESUMED);
}

void
give_handle_drained(struct handover *h)
{
    /* Perhaps before we have heard of the abort. */
    if (may_come_back(h)) {
        h->drained = true;
        h->say_again = LLONG_MAX;
    }
    if (h->state == GIVE_RESUMED && h->settled) {
        give_finish_resuming(h);
    }
}

/* Is there a kernel that what came back belongs into?  Frozen sockets would
 * answer. */
static bool
takes_late(const struct handover *h)
{
    const struct session *s = session_find(&h->agent->sessions,
                                           &h->session_id);

    return s
           && (!s->handover
               || (handover_is_giving(s->handover)
                   && s->handover->state < GIVE_FROZEN));
}

void
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
    give_tell_asker(h, ETIMEDOUT, "the controller did not answer");
    if (s->ifname[0]) {
        address_del(s->ifname, &h->address);
    }
    foreign_route_del(&h->address);
    address_open_output(&h->address);
    s->handover = NULL;
    h->session = NULL;
    keeper_drop(h->agent, s);
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
    if (!may_come_back(h)) {
        /* There is nothing that it could have caught for us. */
        return;
    }
    if (!packet_queue_from_frame(&h->packets, frame->body, frame->len,
                                 &h->address)) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

        VLOG_WARN_RL(&rl, "device %s sent late packets of the wrong form",
                     frame->from);
    }
    if (h->state == GIVE_RESUMED ? takes_late(h)
                                 : h->state == GIVE_PREPARING && !h->paused) {
        handover_deliver(h);
    } else if (h->state == GIVE_RESUMED) {
        h->packets.dropped += h->packets.n;
        packet_queue_clear(&h->packets);
    } else {
        /* There will be an abort, or no `go': not to be relayed back. */
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
