/* SPDX-License-Identifier: Apache-2.0 */

/* All transfers of an agent: each time around the main loop, when something is
 * lost, and after a restart. */

#include <config.h>

#include "handover.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "address.h"
#include "agent.h"
#include "app-link.h"
#include "app-send.h"
#include "controller-link.h"
#include "foreign-route.h"
#include "keeper.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "socket-state.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(handover_run);

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

/* What a controller that is away had redirected stays so until the next one
 * has looked at the bridge: until then late packets go on to come.  And those
 * that are here may have no other way than by the controller. */
static void
outlast_absence(struct handover *h)
{
    int timeout = h->state == TAKE_KEEPING ? HANDOVER_KEEP_TIMEOUT
                                           : HANDOVER_DRAIN_TIMEOUT;

    if ((h->state == GIVE_RESUMED || h->state == TAKE_RETURNING
         || h->state == TAKE_KEEPING
         || (h->state == GIVE_DRAINING && h->packets.n))
        && !controller_link_get_ifname(h->agent->controller)[0]
        && !controller_link_is_refused(h->agent->controller)
        && time_msec() < h->give_up_at) {
        h->last_late = time_msec();
        h->deadline = MAX(h->deadline, h->last_late + timeout);
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
        outlast_absence(h);
        if (handover_is_giving(h)) {
            give_run(h);
        } else {
            give_later_run(h);
            take_run(h);
        }
    }
    handover_free_ended(agent);
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
        } else if (h->state == GIVE_OFFERED || h->state == GIVE_RESUMED) {
            poll_timer_wait_until(h->say_again);
        }
        poll_timer_wait_until(MIN(h->deadline, h->ask_at));
        poll_timer_wait_until(give_later_deadline(h));
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
    keeper_drop(agent, s);
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
    handover_free_ended(agent);
}
