/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "whole.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
#include "app-link.h"
#include "app-send.h"
#include "app-socket.h"
#include "epochs.h"
#include "events.h"
#include "handover.h"
#include "keeper.h"
#include "message.h"
#include "note.h"
#include "onward-store.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "permanent.h"
#include "service.h"
#include "session.h"
#include "socket-state.h"
#include "util.h"
#include "uuid.h"
#include "whole-note.h"
#include "whole-state.h"

VLOG_DEFINE_THIS_MODULE(whole);

struct member {
    struct ovs_list node; /* In struct bundle. */
    struct app_conn *conn;
    char service[APP_NAME_LEN];
    char name[APP_NAME_LEN];
    uint64_t cookies[APP_SOCKETS_MAX]; /* SO_COOKIE of its sockets. */
    size_t n_cookies;
    bool done;    /* Has answered PAUSE or ARRIVED. */
    int state_fd; /* Its state, with PAUSED; or -1. */
};

/* One whole address. */
struct bundle {
    struct ovs_list node; /* In struct whole. */
    struct uuid session;
    struct ovs_list members;
    bool pausing;     /* PAUSE was passed on. */
    bool arriving;    /* ARRIVED was passed on. */
    bool had_members; /* It ends with the last one. */
};

struct whole {
    int fd;                /* Our end. */
    struct app_conn *conn; /* The agent's. */
    struct ovs_list bundles;
};

static struct app_message msg; /* Large; one is enough. */

int
whole_open(struct agent *agent, char **errorp)
{
    struct whole *whole = xzalloc(sizeof *whole);
    struct app_message *hello = &msg;
    int error;

    agent->whole = whole;
    ovs_list_init(&whole->bundles);
    error = app_server_connect(agent->apps, &whole->conn, &whole->fd);
    if (!error) {
        app_message_init(hello, APP_HELLO);
        error = app_socket_send(whole->fd, hello, NULL, 0);
    }
    if (error) {
        *errorp = xasprintf("cannot make a connection with ourselves: %s",
                            ovs_strerror(error));
    }
    return error;
}

struct app_conn *
whole_conn(const struct agent *agent)
{
    return agent->whole->conn;
}

static struct bundle *
find_bundle(const struct agent *agent, const struct uuid *session)
{
    struct bundle *b;

    LIST_FOR_EACH(b, node, &agent->whole->bundles) {
        if (uuid_equals(&b->session, session)) {
            return b;
        }
    }
    return NULL;
}

static struct bundle *
get_bundle(struct agent *agent, const struct uuid *session)
{
    struct bundle *b = find_bundle(agent, session);

    if (!b) {
        b = xzalloc(sizeof *b);
        b->session = *session;
        ovs_list_init(&b->members);
        ovs_list_push_back(&agent->whole->bundles, &b->node);
    }
    return b;
}

static void
forget_state(struct member *member)
{
    if (member->state_fd >= 0) {
        close(member->state_fd);
        member->state_fd = -1;
    }
}

static struct member *
add_member(struct bundle *b, struct app_conn *conn, const char *service,
           const char *name)
{
    struct member *member = xzalloc(sizeof *member);

    member->conn = conn;
    member->state_fd = -1;
    ovs_strlcpy(member->service, service, sizeof member->service);
    ovs_strlcpy(member->name, name, sizeof member->name);
    ovs_list_push_back(&b->members, &member->node);
    return member;
}

static void
remove_member(struct member *member)
{
    ovs_list_remove(&member->node);
    forget_state(member);
    free(member);
}

static void
destroy_bundle(struct bundle *b)
{
    struct member *member;

    LIST_FOR_EACH_SAFE(member, node, &b->members) {
        remove_member(member);
    }
    ovs_list_remove(&b->node);
    free(b);
}

void
whole_close(struct agent *agent)
{
    struct bundle *b;

    if (agent->whole) {
        LIST_FOR_EACH_SAFE(b, node, &agent->whole->bundles) {
            destroy_bundle(b);
        }
        if (agent->whole->fd >= 0) {
            close(agent->whole->fd);
        }
        free(agent->whole);
        agent->whole = NULL;
    }
}

static struct member *
find_member(const struct bundle *b, const struct app_conn *conn)
{
    struct member *member;

    LIST_FOR_EACH(member, node, &b->members) {
        if (member->conn == conn) {
            return member;
        }
    }
    return NULL;
}

static bool
has_service(const struct bundle *b, const char *service)
{
    const struct member *member;

    LIST_FOR_EACH(member, node, &b->members) {
        if (!strcmp(member->service, service)) {
            return true;
        }
    }
    return false;
}

/* To the agent. */

static void
say(struct agent *agent, const struct uuid *session,
    enum app_message_type type, const char *reason, int state_fd)
{
    int error;

    app_message_init(&msg, type);
    session_id_to_bytes(session, msg.session);
    APP_STRING_PUT(msg.reason, reason);
    msg.flags = state_fd >= 0 ? APP_FLAG_STATE : 0;
    error = app_socket_send(agent->whole->fd, &msg, &state_fd, state_fd >= 0);
    if (error) {
        VLOG_ERR("cannot answer for the applications of an address: %s",
                 ovs_strerror(error));
    }
}

static bool
all_done(const struct bundle *b)
{
    const struct member *member;

    LIST_FOR_EACH(member, node, &b->members) {
        if (!member->done) {
            return false;
        }
    }
    return true;
}

/* Which of the session's sockets are the member's, in the session's order. */
static void
find_sockets(const struct session *s, const struct member *member,
             struct whole_part *part)
{
    for (size_t i = 0; i < s->n_sockets; i++) {
        for (size_t j = 0; j < member->n_cookies; j++) {
            if (s->sockets[i].cookie == member->cookies[j]) {
                part->sockets[part->n_sockets++] = i;
                break;
            }
        }
    }
}

static void
say_paused(struct agent *agent, struct bundle *b)
{
    const struct session *s = session_find(&agent->sessions, &b->session);
    struct whole_part *parts = xcalloc(ovs_list_size(&b->members) + 1,
                                       sizeof *parts);
    struct member *member;
    int state_fd, error;
    size_t n = 0;

    b->pausing = false;
    LIST_FOR_EACH(member, node, &b->members) {
        struct whole_part *part = &parts[n++];

        ovs_strlcpy(part->service, member->service, sizeof part->service);
        ovs_strlcpy(part->name, member->name, sizeof part->name);
        part->state_fd = member->state_fd;
        if (s) {
            find_sockets(s, member, part);
        }
    }
    if (s) {
        permanent_note_connections(agent, s);
    }
    error = whole_state_join(parts, n, &state_fd);
    if (error) {
        /* Not answered, the move fails. */
        VLOG_ERR("the state of an address's applications cannot be put "
                 "together: %s",
                 ovs_strerror(error));
    } else {
        say(agent, &b->session, APP_PAUSED, NULL, state_fd);
        close(state_fd);
    }
    free(parts);
}

static void
answer_if_done(struct agent *agent, struct bundle *b)
{
    if (!all_done(b)) {
        return;
    }
    if (b->pausing) {
        say_paused(agent, b);
    } else if (b->arriving) {
        b->arriving = false;
        say(agent, &b->session, APP_READY, NULL, -1);
    }
}

/* From the agent. */

/* Gives 'msg' to one application, as its own. */
static void
give(struct agent *agent, struct member *member, const int *fds, size_t n)
{
    APP_STRING_PUT(msg.name, member->name);
    APP_STRING_PUT(msg.service, member->service);
    whole_note_address(&msg, agent->note_key, app_conn_uid(member->conn),
                       member->service);
    app_conn_send(member->conn, &msg, fds, n);
}

/* Passes 'msg' on to all. */
static void
pass_on(struct agent *agent, struct bundle *b)
{
    struct member *member;

    LIST_FOR_EACH(member, node, &b->members) {
        give(agent, member, NULL, 0);
    }
}

static void
begin_pause(struct agent *agent, struct bundle *b)
{
    struct member *member;

    LIST_FOR_EACH(member, node, &b->members) {
        member->done = false;
        forget_state(member);
    }
    b->pausing = true;
    pass_on(agent, b);
    answer_if_done(agent, b); /* An address without members. */
}

static struct member *
find_service(const struct bundle *b, const char *service)
{
    struct member *member;

    LIST_FOR_EACH(member, node, &b->members) {
        if (!strcmp(member->service, service)) {
            return member;
        }
    }
    return NULL;
}

/* Gives one application its part of what came.  'fds' are all sockets. */
static bool
send_part(struct agent *agent, const struct bundle *b,
          const struct whole_part *part, const int *fds, size_t n_fds)
{
    struct member *member = find_service(b, part->service);
    int part_fds[APP_FDS_MAX];
    size_t n = 0;

    if (!member) {
        return false;
    }
    ovs_strlcpy(member->name, part->name, sizeof member->name);
    member->done = false;
    member->n_cookies = 0;
    for (size_t i = 0; i < part->n_sockets; i++) {
        int fd = part->sockets[i] < n_fds ? fds[part->sockets[i]] : -1;
        uint64_t *cookie = &member->cookies[member->n_cookies];
        socklen_t len = sizeof *cookie;

        if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &len)) {
            return false;
        }
        member->n_cookies++;
        part_fds[n++] = fd;
    }
    msg.n_sockets = n;
    msg.flags = 0;
    if (part->state_fd >= 0) {
        msg.flags = APP_FLAG_STATE;
        part_fds[n++] = part->state_fd;
    }
    give(agent, member, part_fds, n);
    return true;
}

static void
begin_arrival(struct agent *agent, struct bundle *b, const int *fds,
              size_t n_fds)
{
    struct whole_part *parts = NULL;
    bool state = msg.flags & APP_FLAG_STATE && n_fds;
    size_t n_sockets = n_fds - state;
    size_t n = 0;
    bool ok;

    ok = state && !whole_state_split(fds[n_sockets], n_sockets, &parts, &n);
    for (size_t i = 0; ok && i < n; i++) {
        ok = send_part(agent, b, &parts[i], fds, n_sockets);
    }
    whole_parts_free(parts, n);
    if (!ok) {
        say(agent, &b->session, APP_REFUSE,
            "the state of the applications makes no sense", -1);
        return;
    }
    b->arriving = true;
    b->had_members = n > 0;
    answer_if_done(agent, b);
}

static void
handle_agent(struct agent *agent, const int *fds, size_t n_fds)
{
    struct uuid session;
    struct bundle *b;

    session_id_from_bytes(msg.session, &session);
    b = find_bundle(agent, &session);
    switch (msg.type) {
    case APP_PAUSE: begin_pause(agent, get_bundle(agent, &session)); break;
    case APP_ARRIVED:
        begin_arrival(agent, get_bundle(agent, &session), fds, n_fds);
        break;
    case APP_RESUME:
    case APP_OWNED:
    case APP_NOTE:
        if (b) {
            pass_on(agent, b);
        }
        break;
    case APP_GONE:
        if (b) {
            pass_on(agent, b);
            destroy_bundle(b);
        }
        break;
    default: break;
    }
}

void
whole_run(struct agent *agent)
{
    int fds[APP_FDS_MAX];
    size_t n_fds;

    while (!app_socket_recv(agent->whole->fd, &msg, fds, &n_fds)) {
        handle_agent(agent, fds, n_fds);
        app_fds_close(fds, n_fds);
    }
}

void
whole_wait(struct agent *agent)
{
    poll_fd_wait(agent->whole->fd, POLLIN);
}

/* From applications. */

void
whole_handle_open(struct agent *agent, const struct app_event *event)
{
    int family = event->msg.family == AF_INET6 ? AF_INET6 : AF_INET;
    const char *service = app_conn_service(event->conn);
    struct session *s = permanent_find_home(agent, family);
    const char *problem = NULL;
    char *reason = NULL;
    struct note note;
    struct bundle *b;

    if (!s) {
        problem = "this device has no permanent address of that family now, "
                  "or policy does not say so";
    } else if (!service[0]) {
        problem = "an application on a permanent address has to name a "
                  "service";
    } else if (s->handover) {
        problem = "the address is moving";
    } else if (has_service(get_bundle(agent, &s->id), service)) {
        problem = "an application of that service has the address already";
    }
    if (problem) {
        app_send_error(event->conn, NULL, event->msg.socket, EBUSY, problem);
        return;
    }
    /* A name that is taken keeps out whose it is. */
    if (app_conn_uid(event->conn)
        && !service_is_for(agent, service, app_conn_uid(event->conn),
                           &reason)) {
        app_send_error(event->conn, NULL, event->msg.socket, EPERM, reason);
        free(reason);
        return;
    }
    b = get_bundle(agent, &s->id);
    add_member(b, event->conn, service, event->msg.name);
    whole_note_make(s, app_conn_uid(event->conn), service, &note);
    app_send_opened(event->conn, s, &note, agent->note_key, event->msg.socket);
    events_add(agent, &s->id, app_conn_uid(event->conn),
               "opened as \"%s\" on the permanent address", event->msg.name);
}

/* A member has ended, with its sockets. */
static void
end_member(struct agent *agent, struct bundle *b, struct member *member)
{
    struct session *s = session_find(&agent->sessions, &b->session);
    bool frozen = s && s->handover && handover_is_giving(s->handover)
                  && s->handover->state >= GIVE_FROZEN;

    if (s && !frozen) {
        for (size_t i = 0; i < member->n_cookies; i++) {
            session_remove_socket(s, member->cookies[i]);
        }
    }
    remove_member(member);
    answer_if_done(agent, b);
    if (ovs_list_is_empty(&b->members) && b->had_members && s
        && !permanent_is_home(agent, &s->id)) {
        /* With the last of what moved here the address goes home. */
        say(agent, &b->session, APP_END, NULL, -1);
    }
}

static void
member_answered(struct agent *agent, struct bundle *b, struct member *member,
                struct app_event *event)
{
    bool paused = event->msg.type == APP_PAUSED;

    if (member->done || (paused ? !b->pausing : !b->arriving)) {
        VLOG_DBG("an application answered about a move that is over");
        return;
    }
    member->done = true;
    if (paused && event->msg.flags & APP_FLAG_STATE && event->n_fds) {
        member->state_fd = event->fds[event->n_fds - 1];
        event->fds[event->n_fds - 1] = -1;
    }
    answer_if_done(agent, b);
}

bool
whole_handle_app(struct agent *agent, struct session *s,
                 struct app_event *event)
{
    struct bundle *b = find_bundle(agent, &s->id);
    struct member *member = b ? find_member(b, event->conn) : NULL;

    if (event->conn == agent->whole->conn) {
        return false;
    }
    if (!member) {
        if (event->msg.type != APP_END) {
            app_send_error(event->conn, s, event->msg.socket, ENOENT,
                           "no such session");
        }
        return true;
    }
    switch (event->msg.type) {
    case APP_PAUSED:
    case APP_READY: member_answered(agent, b, member, event); return true;
    case APP_REFUSE:
        say(agent, &b->session, APP_REFUSE, event->msg.reason, -1);
        return true;
    case APP_END: end_member(agent, b, member); return true;
    case APP_MOVE:
    case APP_ONWARD:
        if (app_conn_uid(event->conn)) {
            app_send_error(event->conn, s, event->msg.socket, EPERM,
                           "only root moves a whole address");
            return true;
        }
        return false;
    case APP_ADD:
        if (member->n_cookies < APP_SOCKETS_MAX) {
            member->cookies[member->n_cookies++] = event->msg.socket;
        }
        return false;
    case APP_REMOVE:
        for (size_t i = 0; i < member->n_cookies; i++) {
            if (member->cookies[i] == event->msg.socket) {
                member->cookies[i] = member->cookies[--member->n_cookies];
                return false;
            }
        }
        return true; /* Not its own. */
    default: return true;
    }
}

/* A socket of a transfer that was decided, the session being ours, before its
 * application showed it. */
static void
go_on(int fd, enum note_role role)
{
    char *error = NULL;

    if (role == NOTE_GIVING ? socket_state_thaw(fd, &error)
                            : socket_state_unmute(fd, NULL, &error)) {
        VLOG_WARN("%s", error);
    }
    free(error);
}

void
whole_handle_present(struct agent *agent, struct app_event *event,
                     const struct note *note)
{
    const char *service = app_conn_service(event->conn);
    struct session *s = session_find(&agent->sessions, &note->session);
    bool first = !s;
    bool late = s && s->epoch != note->epoch;
    struct member *member;
    struct bundle *b;

    if (!s) {
        s = session_create(&agent->sessions, &note->session, &note->address,
                           note->epoch);
        s->conn = agent->whole->conn;
        s->permanent = true;
        /* Not silent meanwhile, as others are: it may be the device's own. */
        s->doubtful = (note->role == NOTE_OWNER
                       && note->epoch < epochs_highest(agent, &s->id));
        ovs_strlcpy(s->name, "permanent", sizeof s->name);
        ovs_strlcpy(s->onward, note->onward, sizeof s->onward);
        onward_store_recall(agent, s);
        permanent_found(agent, s);
    }
    b = get_bundle(agent, &s->id);
    b->had_members = true;
    member = add_member(b, event->conn, service, event->msg.name);
    member->done = true;
    if (event->msg.flags & APP_FLAG_STATE && event->n_fds && !late) {
        member->state_fd = event->fds[event->n_fds - 1];
        event->fds[event->n_fds - 1] = -1;
    }
    for (size_t i = 0; i < event->msg.n_sockets && i < event->n_fds; i++) {
        char *error = NULL;
        int fd = event->fds[i];
        uint64_t cookie;
        socklen_t len = sizeof cookie;

        event->fds[i] = -1;
        if (!getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len)) {
            member->cookies[member->n_cookies++] = cookie;
        }
        if (session_adopt_socket(s, app_conn_uid(event->conn), fd, &error)) {
            VLOG_WARN("session " UUID_FMT ": a socket is left out: %s",
                      UUID_ARGS(&s->id), error);
            free(error);
        } else if (late) {
            go_on(fd, note->role);
        }
    }
    if (late) {
        struct note new_note;

        whole_note_make(s, app_conn_uid(event->conn), service, &new_note);
        app_send_session(event->conn,
                         note->role == NOTE_GIVING ? APP_RESUME : APP_OWNED, s,
                         &new_note, agent->note_key, ECANCELED,
                         "the agent was started again");
    } else if (note->role != NOTE_OWNER && !s->handover) {
        struct note common;

        whole_note_common(note, &common);
        handover_adopt(agent, s, &common);
    } else if (first) {
        keeper_announce(agent, s);
    }
}

void
whole_conn_closed(struct agent *agent, struct app_conn *conn)
{
    struct bundle *b;

    if (!agent->whole) {
        return;
    }
    LIST_FOR_EACH_SAFE(b, node, &agent->whole->bundles) {
        struct member *member = find_member(b, conn);

        if (member) {
            if (b->arriving && !member->done) {
                say(agent, &b->session, APP_REFUSE,
                    "the application has ended", -1);
            }
            end_member(agent, b, member);
        }
    }
}

/* For transfers. */

void
whole_put_parts(const struct agent *agent, const struct session *s,
                struct json *offer)
{
    const struct bundle *b = find_bundle(agent, &s->id);
    struct json *parts = json_array_create_empty();
    const struct member *member;

    if (b) {
        LIST_FOR_EACH(member, node, &b->members) {
            json_array_add(parts, json_string_create(member->service));
        }
    }
    json_object_put(offer, "parts", parts);
}

bool
whole_expect(struct agent *agent, const struct uuid *session,
             const struct json_array *parts, const char *from, char **reasonp)
{
    struct bundle *b;

    whole_forget(agent, session);
    b = get_bundle(agent, session);
    *reasonp = NULL;
    for (size_t i = 0; i < parts->n && !*reasonp; i++) {
        const char *service = parts->elems[i]->type == JSON_STRING
                                  ? json_string(parts->elems[i])
                                  : "";
        struct app_conn *conn;

        if (!message_name_is_valid(service) || has_service(b, service)) {
            *reasonp = xasprintf("\"%s\" is no service, or named twice",
                                 service);
        } else if (service_find_application(agent, service, from, &conn,
                                            reasonp)) {
            add_member(b, conn, service, "");
        }
    }
    if (*reasonp) {
        destroy_bundle(b);
        return false;
    }
    return true;
}

bool
whole_is_ready(const struct agent *agent, const struct uuid *session)
{
    const struct bundle *b = find_bundle(agent, session);
    const struct member *member;

    if (b) {
        LIST_FOR_EACH(member, node, &b->members) {
            if (!app_conn_is_ready(member->conn)) {
                return false;
            }
        }
    }
    return true;
}

void
whole_forget(struct agent *agent, const struct uuid *session)
{
    struct bundle *b = find_bundle(agent, session);

    if (b) {
        destroy_bundle(b);
    }
}

void
whole_end(struct agent *agent, struct session *s, const char *reason)
{
    struct bundle *b = find_bundle(agent, &s->id);

    if (b) {
        app_message_init(&msg, APP_GONE);
        session_id_to_bytes(&s->id, msg.session);
        msg.error = ECONNABORTED;
        APP_STRING_PUT(msg.reason, reason);
        pass_on(agent, b);
        destroy_bundle(b);
    }
}
