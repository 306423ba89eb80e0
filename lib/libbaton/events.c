/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

/* What the agent says, as events for the application. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "handle.h"

static bool
event(struct baton *b, struct baton_event *ev, enum baton_event_type type,
      struct baton_session *s)
{
    ev->type = type;
    ev->session = s;
    if (type == BATON_RESUME || type == BATON_GONE || type == BATON_MOVED
        || type == BATON_REJECTED) {
        ev->error = b->msg.error;
        memcpy(b->reason, b->msg.reason, sizeof b->reason);
        ev->reason = b->reason;
    }
    return true;
}

static const char *
map_state(struct baton *b, int fd)
{
    size_t n;
    void *p;

    if (app_state_check(fd, BATON_STATE_MAX, &n)) {
        return "the state is not a sealed memfd";
    }
    if (n) {
        p = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            return "no memory for the state";
        }
        b->state = p;
        b->state_len = n;
    }
    return NULL;
}

static bool
handle_arrived(struct baton *b, size_t n_fds, struct baton_event *ev)
{
    bool has_state = b->msg.flags & APP_FLAG_STATE;
    size_t n = b->msg.n_sockets;
    struct baton_session *s = handle_find_session(b, b->msg.session);
    const char *problem = NULL;

    if (n_fds != n + has_state) {
        problem = "wrong number of descriptors";
    } else if (s && s->state != SESSION_GONE) {
        problem = "the application has this session already";
    } else if (has_state) {
        problem = map_state(b, b->fds[n]);
    }
    s = problem ? NULL : session_create(b, &b->msg);
    if (!s) {
        handle_decline(b, b->msg.session, APP_REFUSE,
                       problem ? problem : "no memory");
        app_fds_close(b->fds, n_fds);
        handle_release_event(b);
        return false;
    }
    if (has_state) {
        close(b->fds[n]);
    }
    s->state = SESSION_ARRIVED;
    s->n_sockets = n;
    for (size_t i = 0; i < n; i++) {
        s->sockets[i].fd = b->fds[i];
        session_socket_cookie(b->fds[i], &s->sockets[i].cookie);
    }
    handle_add_session(b, s);
    ev->fds = b->fds;
    ev->n_fds = n;
    ev->state = b->state ? b->state : "";
    ev->state_len = b->state ? b->state_len : 0;
    return event(b, ev, BATON_ARRIVED, s);
}

static bool
handle_pause(struct baton_session *s, struct baton_event *ev)
{
    switch (s->state) {
    case SESSION_OWNER:
        s->state = SESSION_PAUSING;
        return event(s->baton, ev, BATON_PAUSE, s);
    case SESSION_PAUSED:
        handle_send_paused(s); /* A new agent, that asks again. */
        return false;
    case SESSION_PAUSING:
    case SESSION_ARRIVED:
    case SESSION_READY:
    case SESSION_REFUSED:
    case SESSION_GONE:
    default: return false;
    }
}

static bool
is_paused(const struct baton_session *s)
{
    return s->state == SESSION_PAUSING || s->state == SESSION_PAUSED;
}

/* The transfer that a MOVED should have told of has ended, and who would have
 * told was killed. */
static void
tell_lost_move(struct baton_session *s)
{
    if (s->move_lost) {
        handle_say_instead(s, APP_MOVED, s->baton->msg.error,
                           s->baton->msg.reason);
    }
}

static bool
handle_about_socket(struct baton_session *s, struct baton_event *ev)
{
    struct baton *b = s->baton;
    int i = b->msg.socket ? session_find_cookie(s, b->msg.socket) : -1;

    if (i < 0) {
        if (!b->msg.socket && s->moving) {
            s->moving = s->move_lost = false;
            return event(b, ev, BATON_MOVED, s);
        }
        handle_fail(b, b->msg.error, "%s", b->msg.reason);
        return false;
    }
    b->fds[0] = s->sockets[i].fd;
    session_remove_socket(s, i);
    ev->fds = b->fds;
    ev->n_fds = 1;
    return event(b, ev, BATON_REJECTED, s);
}

/* A message about a session that is here.  Returns true if it is one for the
 * application. */
static bool
handle_session(struct baton_session *s, struct baton_event *ev)
{
    struct baton *b = s->baton;
    enum app_message_type type = b->msg.type;

    if (b->msg.note_len) {
        session_set_note(s, &b->msg);
    }
    if (type == APP_PAUSE) {
        return handle_pause(s, ev);
    } else if (type == APP_RESUME && is_paused(s)) {
        s->state = SESSION_OWNER;
        session_forget_state(s);
        tell_lost_move(s);
        return event(b, ev, BATON_RESUME, s);
    } else if (type == APP_GONE && s->state != SESSION_GONE) {
        s->state = SESSION_GONE;
        session_forget_state(s);
        s->n_sockets = 0;
        tell_lost_move(s);
        return event(b, ev, BATON_GONE, s);
    } else if (type == APP_OWNED
               && (s->state == SESSION_ARRIVED || s->state == SESSION_READY)) {
        s->state = SESSION_OWNER;
        return event(b, ev, BATON_OWNED, s);
    } else if (type == APP_MOVED && s->moving) {
        s->moving = s->move_lost = false;
        return event(b, ev, BATON_MOVED, s);
    } else if (type == APP_ERROR) {
        return handle_about_socket(s, ev);
    }
    return false;
}

static bool
handle(struct baton *b, size_t n_fds, struct baton_event *ev)
{
    struct baton_session *s;

    memset(ev, 0, sizeof *ev);
    if (b->msg.type == APP_ARRIVED) {
        return handle_arrived(b, n_fds, ev);
    }
    app_fds_close(b->fds, n_fds); /* No other one brings any. */
    if (b->msg.type == APP_OPENED) {
        /* Nobody waits for it any more. */
        handle_decline(b, b->msg.session, APP_END, "came too late");
        return false;
    }
    s = handle_find_session(b, b->msg.session);
    if (s) {
        return handle_session(s, ev);
    }
    if (b->msg.type == APP_ERROR) {
        handle_fail(b, b->msg.error, "%s", b->msg.reason);
    }
    return false;
}

int
baton_next_event(struct baton *b, struct baton_event *ev)
{
    size_t n_fds;
    int error;

    handle_release_event(b);
    memset(ev, 0, sizeof *ev);
    for (;;) {
        if (handle_pop(b, &b->msg, b->fds, &n_fds)) {
            error = 0;
        } else {
            error = channel_recv(b->channel, &b->msg, b->fds, &n_fds);
        }
        if (error == EISCONN) {
            handle_introduce(b);
        } else if (error == EMFILE) {
            handle_decline(b, b->msg.session, APP_REFUSE,
                           "the application has too many open files");
        } else if (error == EAGAIN) {
            return 0;
        } else if (!error && handle(b, n_fds, ev)) {
            if (b->head) {
                channel_wake(b->channel);
            }
            return 1;
        }
    }
}
