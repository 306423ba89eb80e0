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
#include "openvswitch/vlog.h"
#include "packets.h"
#include "permanent.h"
#include "service.h"
#include "session.h"
#include "socket-state.h"
#include "util.h"
#include "uuid.h"
#include "whole-members.h"
#include "whole-note.h"
#include "whole-relay.h"

VLOG_DEFINE_THIS_MODULE(whole);

int
whole_open(struct agent *agent, char **errorp)
{
    struct whole *whole = xzalloc(sizeof *whole);
    static struct app_message hello; /* Large. */
    int error;

    agent->whole = whole;
    ovs_list_init(&whole->bundles);
    error = app_server_connect(agent->apps, &whole->conn, &whole->fd);
    if (!error) {
        app_message_init(&hello, APP_HELLO);
        error = app_socket_send(whole->fd, &hello, NULL, 0);
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

void
whole_close(struct agent *agent)
{
    struct whole_bundle *b;

    if (agent->whole) {
        LIST_FOR_EACH_SAFE(b, node, &agent->whole->bundles) {
            whole_bundle_destroy(b);
        }
        if (agent->whole->fd >= 0) {
            close(agent->whole->fd);
        }
        free(agent->whole);
        agent->whole = NULL;
    }
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
    struct whole_bundle *b;

    if (!s) {
        problem = "this device has no permanent address of that family now, "
                  "or policy does not say so";
    } else if (!service[0]) {
        problem = "an application on a permanent address has to name a "
                  "service";
    } else if (s->handover) {
        problem = "the address is moving";
    } else if (whole_member_of_service(whole_bundle_get(agent, &s->id),
                                       service)) {
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
    b = whole_bundle_get(agent, &s->id);
    whole_member_add(b, event->conn, service, event->msg.name);
    whole_note_make(s, app_conn_uid(event->conn), service, &note);
    app_send_opened(event->conn, s, &note, agent->note_key, event->msg.socket);
    events_add(agent, &s->id, app_conn_uid(event->conn),
               "opened as \"%s\" on the permanent address", event->msg.name);
}

/* A member has ended, with its sockets. */
static void
end_member(struct agent *agent, struct whole_bundle *b,
           struct whole_member *member)
{
    struct session *s = session_find(&agent->sessions, &b->session);
    bool frozen = s && s->handover && handover_is_giving(s->handover)
                  && s->handover->state >= GIVE_FROZEN;

    if (s && !frozen) {
        for (size_t i = 0; i < member->n_cookies; i++) {
            session_remove_socket(s, member->cookies[i]);
        }
    }
    whole_member_remove(member);
    whole_answer_if_done(agent, b);
    if (ovs_list_is_empty(&b->members) && b->had_members && s
        && !permanent_is_home(agent, &s->id)) {
        /* With the last of what moved here the address goes home. */
        whole_say(agent, &b->session, APP_END, NULL, -1);
    }
}

static void
member_answered(struct agent *agent, struct whole_bundle *b,
                struct whole_member *member, struct app_event *event)
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
    whole_answer_if_done(agent, b);
}

bool
whole_handle_app(struct agent *agent, struct session *s,
                 struct app_event *event)
{
    struct whole_bundle *b = whole_bundle_find(agent, &s->id);
    struct whole_member *member = b ? whole_member_find(b, event->conn) : NULL;

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
        whole_say(agent, &b->session, APP_REFUSE, event->msg.reason, -1);
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
    struct whole_member *member;
    struct whole_bundle *b;

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
    b = whole_bundle_get(agent, &s->id);
    b->had_members = true;
    member = whole_member_add(b, event->conn, service, event->msg.name);
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
    struct whole_bundle *b;

    if (!agent->whole) {
        return;
    }
    LIST_FOR_EACH_SAFE(b, node, &agent->whole->bundles) {
        struct whole_member *member = whole_member_find(b, conn);

        if (member) {
            if (b->arriving && !member->done) {
                whole_say(agent, &b->session, APP_REFUSE,
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
    const struct whole_bundle *b = whole_bundle_find(agent, &s->id);
    struct json *parts = json_array_create_empty();
    const struct whole_member *member;

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
    struct whole_bundle *b;

    whole_forget(agent, session);
    b = whole_bundle_get(agent, session);
    *reasonp = NULL;
    for (size_t i = 0; i < parts->n && !*reasonp; i++) {
        const char *service = parts->elems[i]->type == JSON_STRING
                                  ? json_string(parts->elems[i])
                                  : "";
        struct app_conn *conn;

        if (!message_name_is_valid(service)
            || whole_member_of_service(b, service)) {
            *reasonp = xasprintf("\"%s\" is no service, or named twice",
                                 service);
        } else if (service_find_application(agent, service, from, &conn,
                                            reasonp)) {
            whole_member_add(b, conn, service, "");
        }
    }
    if (*reasonp) {
        whole_bundle_destroy(b);
        return false;
    }
    return true;
}

bool
whole_is_ready(const struct agent *agent, const struct uuid *session)
{
    const struct whole_bundle *b = whole_bundle_find(agent, session);
    const struct whole_member *member;

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
    struct whole_bundle *b = whole_bundle_find(agent, session);

    if (b) {
        whole_bundle_destroy(b);
    }
}

void
whole_end(struct agent *agent, struct session *s, const char *reason)
{
    struct whole_bundle *b = whole_bundle_find(agent, &s->id);

    if (b) {
        whole_say_gone(agent, b, reason);
        whole_bundle_destroy(b);
    }
}
