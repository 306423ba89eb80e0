/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "app-requests.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "agent.h"
#include "app-link.h"
#include "app-send.h"
#include "block.h"
#include "calls.h"
#include "controller-link.h"
#include "epochs.h"
#include "events.h"
#include "handover.h"
#include "keeper.h"
#include "lan.h"
#include "leftover.h"
#include "mapped.h"
#include "message.h"
#include "note.h"
#include "onward-store.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "permanent.h"
#include "settle.h"
#include "timeval.h"
#include "user-limit.h"
#include "util.h"
#include "uuid.h"
#include "whole.h"
#include "whole-note.h"

VLOG_DEFINE_THIS_MODULE(app_requests);

/* Milliseconds that an application waits for an address. */
#define OPEN_TIMEOUT 25000
/* Requests that may wait at once. */
#define MAX_OPENS 1024

/* An application that wants a session while no address is ready. */
struct open_request {
    struct ovs_list node; /* In agent->opens. */
    struct app_conn *conn;
    int family;      /* AF_INET or AF_INET6. */
    uint64_t number; /* The application's, for its answer. */
    bool asked;      /* block_take() has been tried. */
    char name[APP_NAME_LEN];
    long long int deadline; /* time_msec(). */
};

/* Opening. */

/* Why no session can be opened now, for people. */
static const char *
why_no_address(const struct agent *agent)
{
    return (!controller_link_is_registered(agent->controller)
                ? "there is no connection with the controller"
            : !controller_link_get_ifname(agent->controller)[0]
                ? "the device has not proved yet where it is attached"
                : "no session address is ready");
}

/* True if the request is settled, one way or the other. */
static bool
try_open(struct agent *agent, struct open_request *r)
{
    const char *ifname = controller_link_get_ifname(agent->controller);
    struct in6_addr address;
    struct session *s;
    struct uuid id;
    bool ready;
    int error;

    /* Each block_take() that fails makes the blocks prepare more. */
    ready = ifname[0]
            && (!r->asked || block_count_ready(agent->blocks, r->family));
    r->asked |= ready;
    if (!ready || block_take(agent->blocks, r->family, &address)) {
        if (time_msec() < r->deadline) {
            return false;
        }
        app_send_error(r->conn, NULL, r->number, EAGAIN,
                       why_no_address(agent));
        return true;
    }
    error = address_add(ifname, &address);
    if (error) {
        VLOG_ERR("%s: cannot add a session address: %s", ifname,
                 ovs_strerror(error));
        block_put(agent->blocks, &address);
        app_send_error(r->conn, NULL, r->number, error,
                       "the session's address could "
                       "not be added to the interface");
        return true;
    }
    address_wait(ifname, &address);
    lan_bound(agent->lan, &address);
    uuid_generate(&id);
    s = session_create(&agent->sessions, &id, &address, 0);
    s->conn = r->conn;
    s->uid = app_conn_uid(r->conn);
    s->from_block = true;
    ovs_strlcpy(s->ifname, ifname, sizeof s->ifname);
    ovs_strlcpy(s->name, r->name, sizeof s->name);
    ovs_strlcpy(s->service, app_conn_service(r->conn), sizeof s->service);
    keeper_tell_opened(agent, s, r->number);
    events_add(agent, &s->id, s->uid, "opened as \"%s\"", s->name);
    keeper_announce(agent, s);
    return true;
}

static bool
user_may_open(struct agent *agent, const struct app_event *event)
{
    uid_t uid = app_conn_uid(event->conn);
    const struct open_request *r;
    size_t n_waiting = 0;
    char *reason;

    LIST_FOR_EACH(r, node, &agent->opens) {
        n_waiting += app_conn_uid(r->conn) == uid;
    }
    if (!user_limit_permits(agent, uid, n_waiting, &reason)) {
        app_send_error(event->conn, NULL, event->msg.socket, EDQUOT, reason);
        free(reason);
        return false;
    }
    return true;
}

static void
handle_open(struct agent *agent, const struct app_event *event)
{
    struct open_request *r;

    if (event->msg.flags & APP_FLAG_PERMANENT) {
        whole_handle_open(agent, event);
        return;
    }
    if (event->msg.flags & APP_FLAG_MAPPED) {
        mapped_handle_open(agent, event);
        return;
    }
    if (!user_may_open(agent, event)) {
        return;
    }
    r = xzalloc(sizeof *r);
    r->conn = event->conn;
    r->family = event->msg.family == AF_INET6 ? AF_INET6 : AF_INET;
    r->number = event->msg.socket;
    ovs_strlcpy(r->name, event->msg.name, sizeof r->name);
    r->deadline = time_msec() + OPEN_TIMEOUT;
    if (try_open(agent, r)) {
        free(r);
    } else if (ovs_list_size(&agent->opens) >= MAX_OPENS) {
        app_send_error(r->conn, NULL, r->number, EAGAIN,
                       "too many applications wait for an address");
        free(r);
    } else {
        ovs_list_push_back(&agent->opens, &r->node);
    }
}

void
app_requests_run(struct agent *agent)
{
    struct open_request *r;

    LIST_FOR_EACH_SAFE(r, node, &agent->opens) {
        if (try_open(agent, r)) {
            ovs_list_remove(&r->node);
            free(r);
        }
    }
}

void
app_requests_wait(struct agent *agent)
{
    struct open_request *r;

    LIST_FOR_EACH(r, node, &agent->opens) {
        poll_timer_wait_until(r->deadline);
    }
}

void
app_requests_destroy(struct agent *agent)
{
    struct open_request *r;

    LIST_FOR_EACH_POP(r, node, &agent->opens) {
        free(r);
    }
}

/* After the agent was started again. */

static struct session *
present_session(struct agent *agent, struct app_event *event,
                const struct note *note)
{
    struct session *s = session_create(&agent->sessions, &note->session,
                                       &note->address, note->epoch);

    s->conn = event->conn;
    s->uid = note->uid;
    s->from_block = note->from_block;
    ovs_strlcpy(s->name, note->name, sizeof s->name);
    ovs_strlcpy(s->service, note->service, sizeof s->service);
    ovs_strlcpy(s->onward, note->onward, sizeof s->onward);
    onward_store_recall(agent, s);
    ovs_strlcpy(s->ifname, leftover_find(agent, &note->address),
                sizeof s->ifname);
    if (!s->ifname[0] && !address_add("lo", &s->address)) {
        /* Taken away, since nobody had shown it for so long. */
        ovs_strlcpy(s->ifname, "lo", sizeof s->ifname);
    }
    for (size_t i = 0; i < event->msg.n_sockets && i < event->n_fds; i++) {
        char *error = NULL;
        int fd = event->fds[i];

        event->fds[i] = -1;
        if (session_adopt_socket(s, app_conn_uid(event->conn), fd, &error)) {
            VLOG_WARN("session " UUID_FMT ": a socket is left out: %s",
                      UUID_ARGS(&s->id), error);
            free(error);
        }
    }
    return s;
}

static void
refuse_shown(const struct app_event *event, const struct session *shown,
             int error, const char *reason)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

    VLOG_INFO_RL(&rl,
                 "session " UUID_FMT ", which an application shows, is "
                 "not taken: %s",
                 UUID_ARGS(&shown->id), reason);
    app_send_session(event->conn, APP_GONE, shown, NULL, NULL, error, reason);
}

static void
handle_present(struct agent *agent, struct app_event *event)
{
    struct in6_addr permanent = in6addr_any;
    struct session shown;
    struct session *s;
    struct note note;

    memset(&shown, 0, sizeof shown);
    session_id_from_bytes(event->msg.session, &shown.id);
    if (!note_read(&event->msg, agent->note_key, &note)
        || !uuid_equals(&note.session, &shown.id)
        || (note.uid != app_conn_uid(event->conn) && app_conn_uid(event->conn))
        || (note.permanent
            && !whole_note_is_of(&note, app_conn_service(event->conn)))) {
        refuse_shown(event, &shown, EPERM,
                     "this device's agent does not know the session");
        return;
    }
    s = session_find(&agent->sessions, &note.session);
    if (s && mapped_is_placeholder(s)) {
        permanent = s->permanent_address;
        session_destroy(&agent->sessions, s);
        s = NULL;
    }
    if (note.permanent
        && (s ? s->permanent
                    && (s->epoch == note.epoch
                        || (note.role != NOTE_OWNER && !s->handover
                            && s->epoch == note.epoch + 1))
              : !handover_holds(agent, &note))) {
        whole_handle_present(agent, event, &note);
        return;
    }
    if (s || note.permanent
        || session_find_address(&agent->sessions, &note.address)
        || handover_holds(agent, &note)) {
        refuse_shown(event, &shown, EEXIST, "the session is another's now");
        return;
    }
    s = present_session(agent, event, &note);
    s->mapped = ipv6_addr_is_set(&permanent);
    s->permanent_address = permanent;
    if (s->from_block) {
        block_reserve(agent->blocks, &s->address);
    }
    events_add(agent, &s->id, s->uid, "found again, %s",
               note.role == NOTE_OWNER    ? "owned"
               : note.role == NOTE_GIVING ? "being given away"
                                          : "being taken");
    if (note.role != NOTE_OWNER) {
        handover_adopt(agent, s, &note);
        return;
    }
    /* The former agent may have been about to ask it to pause. */
    give_hold_new_connections(s, false);
    /* The application was slower than the controller, which has decided what
     * the former agent had begun: perhaps for us.  It is silent until the
     * controller has said so (invariant I8). */
    s->doubtful = note.epoch < epochs_highest(agent, &note.session);
    if (s->doubtful) {
        address_close_output(&s->address);
    } else {
        address_open_output(&s->address);
        settle_address(agent, s);
    }
    keeper_announce_surely(agent, s);
}

/* The rest. */

static void
handle_add(struct session *s, struct app_event *event)
{
    char *error = NULL;
    int retval, fd;

    if (event->n_fds != 1) {
        app_send_error(event->conn, s, event->msg.socket, EINVAL,
                       "ADD takes one descriptor");
        return;
    }
    if (s->handover
        && (s->handover->paused || s->handover->state >= GIVE_FROZEN)
        && handover_is_giving(s->handover)) {
        app_send_error(event->conn, s, event->msg.socket, EBUSY,
                       "the session is moving");
        return;
    }
    fd = event->fds[0];
    event->fds[0] = -1;
    retval = session_add_socket(s, app_conn_uid(event->conn), fd, &error);
    if (retval) {
        app_send_error(event->conn, s, event->msg.socket, retval, error);
        free(error);
    }
}

static void
handle_onward(struct agent *agent, struct session *s,
              const struct app_event *event)
{
    if (session_set_give_onward(s, event->msg.name)) {
        onward_store_set(agent, s);
    } else {
        app_send_error(event->conn, s, event->msg.socket, EINVAL,
                       "no right to pass on; expected " ONWARD_EXPECTED);
    }
}

static void
handle_move(struct agent *agent, struct session *s,
            const struct app_event *event)
{
    char *error;
    bool begun;

    begun = permanent_is_to_lend(agent, s)
                ? permanent_move(agent, s, event->msg.device, event->conn,
                                 NULL, &error)
                : give_start(agent, s, event->msg.device,
                             s->permanent ? "" : event->msg.service,
                             event->conn, NULL, &error);
    if (!begun) {
        app_send_session(event->conn, APP_MOVED, s, NULL, NULL, EINVAL, error);
        free(error);
    }
}

static void
handle_about_session(struct agent *agent, struct app_event *event)
{
    struct session *s;
    struct uuid id;

    session_id_from_bytes(event->msg.session, &id);
    s = session_find(&agent->sessions, &id);
    if (s && s->permanent && whole_handle_app(agent, s, event)) {
        return;
    }
    if (!s
        || (app_conn_uid(event->conn) && !s->permanent
            && app_conn_uid(event->conn) != s->uid)) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);
        struct session shown = { .id = id };

        VLOG_DBG_RL(&rl,
                    "message %d about session " UUID_FMT ", which is not "
                    "here",
                    event->msg.type, UUID_ARGS(&id));
        if (event->msg.type != APP_END) {
            app_send_error(event->conn, &shown, event->msg.socket, ENOENT,
                           "no such session");
        }
        return;
    }
    switch (event->msg.type) {
    case APP_ADD: handle_add(s, event); break;
    case APP_REMOVE:
        if (!s->handover || s->handover->state < GIVE_FROZEN) {
            session_remove_socket(s, event->msg.socket);
        }
        break;
    case APP_ONWARD: handle_onward(agent, s, event); break;
    case APP_MOVE: handle_move(agent, s, event); break;
    case APP_MAPPING:
        calls_ask_mapping(agent, event->conn, s, event->msg.socket);
        break;
    case APP_PAUSED:
    case APP_READY:
    case APP_REFUSE: handover_handle_app(agent, s, event); break;
    case APP_END:
        if (event->conn == s->conn) {
            struct handover *h = s->handover;

            keeper_end(agent, s);
            if (h && handover_is_giving(h)) {
                give_app_gone(h);
            }
        }
        break;
    default: break;
    }
}

void
app_requests_handle(struct agent *agent, struct app_event *event)
{
    switch (event->msg.type) {
    case APP_HELLO: break;
    case APP_OPEN: handle_open(agent, event); break;
    case APP_PRESENT: handle_present(agent, event); break;
    case APP_CALL: calls_handle(agent, event); break;
    default: handle_about_session(agent, event); break;
    }
    for (size_t i = 0; i < event->n_fds; i++) {
        if (event->fds[i] >= 0) {
            close(event->fds[i]);
        }
    }
    free(event->fds);
}

void
app_requests_conn_closed(struct agent *agent, struct app_conn *conn)
{
    struct open_request *r;
    struct session *s;

    LIST_FOR_EACH_SAFE(r, node, &agent->opens) {
        if (r->conn == conn) {
            ovs_list_remove(&r->node);
            free(r);
        }
    }
    handover_conn_closed(agent, conn);
    permanents_conn_closed(agent, conn);
    whole_conn_closed(agent, conn);
    HMAP_FOR_EACH_SAFE(s, id_node, &agent->sessions.by_id) {
        if (s->conn == conn) {
            keeper_end(agent, s);
        }
    }
    calls_conn_closed(agent, conn);
    events_conn_closed(agent, conn);
}
