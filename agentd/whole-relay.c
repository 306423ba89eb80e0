/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "whole-relay.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
#include "app-link.h"
#include "app-socket.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "permanent.h"
#include "session.h"
#include "util.h"
#include "whole-members.h"
#include "whole-note.h"
#include "whole-state.h"
#include "whole.h"

VLOG_DEFINE_THIS_MODULE(whole_relay);

static struct app_message msg; /* Large; one is enough. */

/* To the agent. */

void
whole_say(struct agent *agent, const struct uuid *session,
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
all_done(const struct whole_bundle *b)
{
    const struct whole_member *member;

    LIST_FOR_EACH(member, node, &b->members) {
        if (!member->done) {
            return false;
        }
    }
    return true;
}

/* Which of the session's sockets are the member's, in the session's order. */
static void
find_sockets(const struct session *s, const struct whole_member *member,
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
say_paused(struct agent *agent, struct whole_bundle *b)
{
    const struct session *s = session_find(&agent->sessions, &b->session);
    struct whole_part *parts = xcalloc(ovs_list_size(&b->members) + 1,
                                       sizeof *parts);
    struct whole_member *member;
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
        whole_say(agent, &b->session, APP_PAUSED, NULL, state_fd);
        close(state_fd);
    }
    free(parts);
}

void
whole_answer_if_done(struct agent *agent, struct whole_bundle *b)
{
    if (!all_done(b)) {
        return;
    }
    if (b->pausing) {
        say_paused(agent, b);
    } else if (b->arriving) {
        b->arriving = false;
        whole_say(agent, &b->session, APP_READY, NULL, -1);
    }
}

/* From the agent. */

/* Gives 'msg' to one application, as its own. */
static void
give(struct agent *agent, struct whole_member *member, const int *fds,
     size_t n)
{
    APP_STRING_PUT(msg.name, member->name);
    APP_STRING_PUT(msg.service, member->service);
    whole_note_address(&msg, agent->note_key, app_conn_uid(member->conn),
                       member->service);
    app_conn_send(member->conn, &msg, fds, n);
}

/* Passes 'msg' on to all. */
static void
pass_on(struct agent *agent, struct whole_bundle *b)
{
    struct whole_member *member;

    LIST_FOR_EACH(member, node, &b->members) {
        give(agent, member, NULL, 0);
    }
}

void
whole_say_gone(struct agent *agent, struct whole_bundle *b, const char *reason)
{
    app_message_init(&msg, APP_GONE);
    session_id_to_bytes(&b->session, msg.session);
    msg.error = ECONNABORTED;
    APP_STRING_PUT(msg.reason, reason);
    pass_on(agent, b);
}

static void
begin_pause(struct agent *agent, struct whole_bundle *b)
{
    struct whole_member *member;

    LIST_FOR_EACH(member, node, &b->members) {
        member->done = false;
        whole_member_forget_state(member);
    }
    b->pausing = true;
    pass_on(agent, b);
    whole_answer_if_done(agent, b); /* An address without members. */
}

/* Gives one application its part of what came.  'fds' are all sockets. */
static bool
send_part(struct agent *agent, const struct whole_bundle *b,
          const struct whole_part *part, const int *fds, size_t n_fds)
{
    struct whole_member *member = whole_member_of_service(b, part->service);
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
begin_arrival(struct agent *agent, struct whole_bundle *b, const int *fds,
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
        whole_say(agent, &b->session, APP_REFUSE,
                  "the state of the applications makes no sense", -1);
        return;
    }
    b->arriving = true;
    b->had_members = n > 0;
    whole_answer_if_done(agent, b);
}

static void
handle_agent(struct agent *agent, const int *fds, size_t n_fds)
{
    struct uuid session;
    struct whole_bundle *b;

    session_id_from_bytes(msg.session, &session);
    b = whole_bundle_find(agent, &session);
    switch (msg.type) {
    case APP_PAUSE:
        begin_pause(agent, whole_bundle_get(agent, &session));
        break;
    case APP_ARRIVED:
        begin_arrival(agent, whole_bundle_get(agent, &session), fds, n_fds);
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
            whole_bundle_destroy(b);
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
