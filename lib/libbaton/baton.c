/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "baton/baton.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "channel.h"
#include "session.h"

_Static_assert(BATON_FDS_MAX == APP_SOCKETS_MAX, "sockets of a session");
_Static_assert(BATON_STATE_MAX == APP_STATE_MAX, "bytes of state");

#define OPEN_TIMEOUT_MS 30000

/* A message that came while another one was waited for, or that the library
 * itself says because no agent will. */
struct pending {
    struct pending *next;
    size_t n_fds;
    int fds[APP_FDS_MAX];
    struct app_message msg; /* Allocated only as far as it is filled. */
};

struct baton {
    struct channel *channel;
    char service[APP_NAME_LEN];
    char error[512];
    struct baton_session *sessions;
    uint64_t last_open; /* Number of the last OPEN. */
    struct pending *head, **tail;

    /* What the last event lent to the application. */
    char reason[APP_REASON_LEN];
    int fds[APP_FDS_MAX];
    void *state; /* Mapped. */
    size_t state_len;

    struct app_message msg; /* Too large for a stack. */
};

static _Thread_local char open_error[512];

static int __attribute__((format(printf, 3, 4)))
fail(struct baton *b, int error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(b ? b->error : open_error, sizeof open_error, format, args);
    va_end(args);
    errno = error;
    return -1;
}

const char *
baton_error(const struct baton *b)
{
    return b ? b->error : open_error;
}

static int64_t
now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static void
push_pending(struct baton *b, const struct app_message *msg, const int *fds,
             size_t n_fds)
{
    size_t n = APP_MESSAGE_MIN + msg->text_len;
    struct pending *p = malloc(offsetof(struct pending, msg) + n);

    if (!p) {
        app_fds_close(fds, n_fds);
        return;
    }
    p->next = NULL;
    memcpy(&p->msg, msg, n);
    p->n_fds = n_fds;
    if (n_fds) {
        memcpy(p->fds, fds, n_fds * sizeof *fds);
    }
    *b->tail = p;
    b->tail = &p->next;
    channel_wake(b->channel);
}

static bool
pop_pending(struct baton *b, struct app_message *msg, int *fds, size_t *n_fds)
{
    struct pending *p = b->head;

    if (!p) {
        return false;
    }
    memcpy(msg, &p->msg, APP_MESSAGE_MIN + p->msg.text_len);
    msg->text[msg->text_len] = '\0';
    memcpy(fds, p->fds, p->n_fds * sizeof *fds);
    *n_fds = p->n_fds;
    b->head = p->next;
    if (!b->head) {
        b->tail = &b->head;
    }
    free(p);
    return true;
}

/* Says to the application, at its next baton_next_event(), what no agent can
 * say any more. */
static void
say_instead(struct baton_session *s, enum app_message_type type, int error,
            const char *reason)
{
    struct app_message msg;

    session_message(s, &msg, type);
    msg.error = error;
    APP_STRING_PUT(msg.reason, reason);
    push_pending(s->baton, &msg, NULL, 0);
}

static void
send_hello(struct baton *b)
{
    struct app_message msg;

    app_message_init(&msg, APP_HELLO);
    APP_STRING_PUT(msg.service, b->service);
    APP_STRING_PUT(msg.name, program_invocation_short_name);
    for (struct baton_session *s = b->sessions; s; s = s->next) {
        msg.socket += s->state != SESSION_GONE && s->state != SESSION_REFUSED;
    }
    channel_send(b->channel, &msg, NULL, 0);
}

/* A new agent: shows it what there is. */
static void
introduce(struct baton *b)
{
    send_hello(b);
    for (struct baton_session *s = b->sessions; s; s = s->next) {
        session_present(s, b->channel);
        if (s->state == SESSION_REFUSED) {
            say_instead(s, APP_GONE, ECONNRESET,
                        "refused, and the agent "
                        "was started anew");
        }
        if (s->moving) {
            if (s->state == SESSION_OWNER) {
                say_instead(s, APP_MOVED, ECONNRESET,
                            "the agent was started "
                            "anew before the move had begun");
            } else {
                s->move_lost = true;
            }
        }
    }
}

/* Opening. */

/* Is descriptor 3 a connection to the agent that started this program? */
static int
inherited_socket(void)
{
    const char *pid = getenv("LISTEN_PID");
    const char *fds = getenv("LISTEN_FDS");
    const char *names = getenv("LISTEN_FDNAMES");

    if (!pid || !fds || !names || strtol(pid, NULL, 10) != getpid()
        || strcmp(fds, "1") || strcmp(names, "baton")
        || fcntl(3, F_GETFD) < 0) {
        return -1;
    }
    /* Neither a second baton_open() nor a child shall take it again. */
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    fcntl(3, F_SETFD, FD_CLOEXEC);
    return 3;
}

struct baton *
baton_open(const char *path, const char *service)
{
    struct baton *b = calloc(1, sizeof *b);
    int error, sock = -1;

    if (!b) {
        fail(NULL, ENOMEM, "no memory");
        return NULL;
    }
    b->tail = &b->head;
    if (!path) {
        sock = inherited_socket();
        path = getenv("BATON_SOCKET");
        if (!path || !path[0]) {
            path = BATON_RUNDIR "/" APP_PROTOCOL_SOCKET;
        }
        if (sock >= 0 && !service) {
            service = getenv("BATON_SERVICE");
        }
    }
    if (service && strlen(service) >= sizeof b->service) {
        fail(NULL, EINVAL, "%.70s...: name of a service too long", service);
        free(b);
        errno = EINVAL;
        return NULL;
    }
    APP_STRING_PUT(b->service, service);
    error = channel_open(path, sock, &b->channel);
    if (error) {
        free(b);
        fail(NULL, error, "%s: cannot connect to the agent: %s%s", path,
             strerror(error),
             error == ENOENT || error == ECONNREFUSED
                 ? "; does baton-agentd run?"
                 : "");
        return NULL;
    }
    send_hello(b);
    return b;
}

static void
release_event(struct baton *b)
{
    if (b->state) {
        munmap(b->state, b->state_len);
        b->state = NULL;
    }
}

void
baton_close(struct baton *b)
{
    size_t n_fds;

    if (!b) {
        return;
    }
    release_event(b);
    while (pop_pending(b, &b->msg, b->fds, &n_fds)) {
        app_fds_close(b->fds, n_fds);
    }
    while (b->sessions) {
        struct baton_session *s = b->sessions;

        b->sessions = s->next;
        session_destroy(s);
    }
    channel_close(b->channel);
    free(b);
}

int
baton_fd(const struct baton *b)
{
    return channel_fd(b->channel);
}

/* Events. */

static struct baton_session *
find_session(struct baton *b, const uint8_t id[16])
{
    struct baton_session *s = b->sessions;

    while (s && memcmp(s->id, id, sizeof s->id)) {
        s = s->next;
    }
    return s;
}

static void
add_session(struct baton *b, struct baton_session *s)
{
    s->next = b->sessions;
    b->sessions = s;
}

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

/* Answers the agent that 's' (NULL: 'id') is not wanted. */
static void
decline(struct baton *b, const uint8_t id[16], enum app_message_type type,
        const char *reason)
{
    struct app_message msg;

    app_message_init(&msg, type);
    memcpy(msg.session, id, sizeof msg.session);
    APP_STRING_PUT(msg.reason, reason);
    channel_send(b->channel, &msg, NULL, 0);
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
    struct baton_session *s = find_session(b, b->msg.session);
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
        decline(b, b->msg.session, APP_REFUSE,
                problem ? problem : "no memory");
        app_fds_close(b->fds, n_fds);
        release_event(b);
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
    add_session(b, s);
    ev->fds = b->fds;
    ev->n_fds = n;
    ev->state = b->state ? b->state : "";
    ev->state_len = b->state ? b->state_len : 0;
    return event(b, ev, BATON_ARRIVED, s);
}

static void
send_paused(struct baton_session *s)
{
    struct app_message msg;

    session_message(s, &msg, APP_PAUSED);
    msg.flags = s->state_fd >= 0 ? APP_FLAG_STATE : 0;
    channel_send(s->baton->channel, &msg, &s->state_fd, s->state_fd >= 0);
}

static bool
handle_pause(struct baton_session *s, struct baton_event *ev)
{
    switch (s->state) {
    case SESSION_OWNER:
        s->state = SESSION_PAUSING;
        return event(s->baton, ev, BATON_PAUSE, s);
    case SESSION_PAUSED:
        send_paused(s); /* A new agent, that asks again. */
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
        say_instead(s, APP_MOVED, s->baton->msg.error, s->baton->msg.reason);
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
        fail(b, b->msg.error, "%s", b->msg.reason);
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
        decline(b, b->msg.session, APP_END, "came too late");
        return false;
    }
    s = find_session(b, b->msg.session);
    if (s) {
        return handle_session(s, ev);
    }
    if (b->msg.type == APP_ERROR) {
        fail(b, b->msg.error, "%s", b->msg.reason);
    }
    return false;
}

int
baton_next_event(struct baton *b, struct baton_event *ev)
{
    size_t n_fds;
    int error;

    release_event(b);
    memset(ev, 0, sizeof *ev);
    for (;;) {
        if (pop_pending(b, &b->msg, b->fds, &n_fds)) {
            error = 0;
        } else {
            error = channel_recv(b->channel, &b->msg, b->fds, &n_fds);
        }
        if (error == EISCONN) {
            introduce(b);
        } else if (error == EMFILE) {
            decline(b, b->msg.session, APP_REFUSE,
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

/* Sessions. */

/* Waits for the answer to OPEN number 'id'.  0: it is in b->msg. */
static int
wait_opened(struct baton *b, uint64_t id, int64_t deadline)
{
    while (now_ms() < deadline) {
        size_t n_fds;
        int error = channel_recv(b->channel, &b->msg, b->fds, &n_fds);

        if (error == EAGAIN) {
            channel_wait(b->channel, deadline - now_ms());
        } else if (error == EISCONN) {
            introduce(b);
            return ECONNRESET;
        } else if (!error) {
            if ((b->msg.type == APP_OPENED || b->msg.type == APP_ERROR)
                && b->msg.socket == id) {
                app_fds_close(b->fds, n_fds);
                return 0;
            }
            push_pending(b, &b->msg, b->fds, n_fds);
        }
    }
    return ETIMEDOUT;
}

struct baton_session *
baton_session_open(struct baton *b, const char *name, int family)
{
    int64_t deadline = now_ms() + OPEN_TIMEOUT_MS;
    struct baton_session *s;
    int error;

    if (family != AF_INET && family != AF_INET6) {
        fail(b, EAFNOSUPPORT, "sessions are of AF_INET or AF_INET6");
        return NULL;
    } else if (!name || strlen(name) >= APP_NAME_LEN) {
        fail(b, EINVAL, "the name of a session has at most %d characters",
             APP_NAME_LEN - 1);
        return NULL;
    }
    do {
        /* Without an agent this is lost, and asked again of the next. */
        app_message_init(&b->msg, APP_OPEN);
        b->msg.family = family;
        b->msg.socket = ++b->last_open;
        APP_STRING_PUT(b->msg.name, name);
        channel_send(b->channel, &b->msg, NULL, 0);
        error = wait_opened(b, b->last_open, deadline);
    } while (error == ECONNRESET);
    if (b->head) {
        channel_wake(b->channel);
    }

    if (error) {
        fail(b, error, "the agent did not answer in %d seconds",
             OPEN_TIMEOUT_MS / 1000);
        return NULL;
    } else if (b->msg.type == APP_ERROR) {
        fail(b, b->msg.error ? b->msg.error : EPROTO, "%s", b->msg.reason);
        return NULL;
    }
    b->msg.family = family;
    APP_STRING_PUT(b->msg.name, name);
    s = session_create(b, &b->msg);
    if (!s) {
        decline(b, b->msg.session, APP_END, "no memory");
        fail(b, ENOMEM, "no memory");
        return NULL;
    }
    add_session(b, s);
    return s;
}

int
baton_session_address(const struct baton_session *s,
                      struct sockaddr_storage *ss)
{
    memset(ss, 0, sizeof *ss);
    ss->ss_family = s->family;
    if (s->family == AF_INET) {
        struct sockaddr_in *sin = (struct sockaddr_in *) ss;

        memcpy(&sin->sin_addr, &s->address.s6_addr[12], 4);
    } else {
        ((struct sockaddr_in6 *) ss)->sin6_addr = s->address;
    }
    return 0;
}

const char *
baton_session_id(const struct baton_session *s)
{
    return s->id_text;
}

/* Sends 'msg' about 's'.  No agent now is not an error: the next one will be
 * shown the session as it is. */
static int
tell(struct baton_session *s, const struct app_message *msg, const int *fds,
     size_t n_fds)
{
    int error = channel_send(s->baton->channel, msg, fds, n_fds);

    return error && error != ENOTCONN ? fail(
               s->baton, error, "cannot tell the agent: %s", strerror(error))
                                      : 0;
}

/* May sockets be added and removed? */
static int
check_open(struct baton_session *s)
{
    return s->state == SESSION_OWNER || s->state == SESSION_PAUSING ? 0
           : s->state == SESSION_GONE
               ? fail(s->baton, ECONNABORTED, "the session is gone")
               : fail(s->baton, EBUSY, "the session is being moved");
}

int
baton_session_add(struct baton_session *s, int fd)
{
    struct app_message msg;
    const char *problem;
    uint64_t cookie;
    int error;

    if (check_open(s)) {
        return -1;
    }
    error = session_socket_cookie(fd, &cookie);
    if (error) {
        return fail(s->baton, error, "descriptor %d: %s", fd, strerror(error));
    } else if (session_find_cookie(s, cookie) >= 0) {
        return fail(s->baton, EEXIST,
                    "descriptor %d: the socket is in the "
                    "session already",
                    fd);
    } else if (s->n_sockets >= APP_SOCKETS_MAX) {
        return fail(s->baton, ENOSPC, "a session has at most %d sockets",
                    APP_SOCKETS_MAX);
    }
    problem = session_check_socket(s, fd);
    if (problem) {
        return fail(s->baton, EINVAL, "descriptor %d: %s", fd, problem);
    }
    session_message(s, &msg, APP_ADD);
    msg.socket = cookie;
    if (tell(s, &msg, &fd, 1)) {
        return -1;
    }
    /* A closed socket's number may have come again. */
    int i = session_find_socket(s, fd);
    if (i >= 0) {
        session_remove_socket(s, i);
    }
    s->sockets[s->n_sockets].fd = fd;
    s->sockets[s->n_sockets++].cookie = cookie;
    return 0;
}

int
baton_session_remove(struct baton_session *s, int fd)
{
    int i = session_find_socket(s, fd);
    struct app_message msg;

    if (check_open(s)) {
        return -1;
    } else if (i < 0) {
        return fail(s->baton, ENOENT, "descriptor %d is not in the session",
                    fd);
    }
    session_message(s, &msg, APP_REMOVE);
    msg.socket = s->sockets[i].cookie;
    session_remove_socket(s, i);
    return tell(s, &msg, NULL, 0);
}

int
baton_session_move(struct baton_session *s, const char *device,
                   const char *service)
{
    struct baton *b = s->baton;
    struct app_message msg;
    int error;

    if (check_open(s)) {
        return -1;
    } else if (s->moving || s->state != SESSION_OWNER) {
        return fail(b, EBUSY, "the session is being moved");
    } else if (!device || !device[0] || strlen(device) >= APP_NAME_LEN
               || (service && strlen(service) >= APP_NAME_LEN)) {
        return fail(b, EINVAL, "no name of a device or service");
    }
    session_message(s, &msg, APP_MOVE);
    APP_STRING_PUT(msg.device, device);
    APP_STRING_PUT(msg.service, service ? service : b->service);
    error = channel_send(b->channel, &msg, NULL, 0);
    if (error) {
        return fail(b, error, "cannot tell the agent: %s", strerror(error));
    }
    s->moving = true;
    return 0;
}

int
baton_paused(struct baton_session *s, const void *state, size_t n)
{
    int error;

    if (s->state != SESSION_PAUSING) {
        return fail(s->baton, EINVAL, "nobody asked the session to pause");
    } else if (n > BATON_STATE_MAX) {
        return fail(s->baton, EMSGSIZE,
                    "the state of a session has at most "
                    "%u bytes",
                    BATON_STATE_MAX);
    }
    if (n) {
        error = app_state_create(state, n, &s->state_fd);
        if (error) {
            return fail(s->baton, error, "the state cannot be kept: %s",
                        strerror(error));
        }
    }
    s->state = SESSION_PAUSED;
    send_paused(s);
    return 0;
}

int
baton_ready(struct baton_session *s)
{
    struct app_message msg;

    if (s->state != SESSION_ARRIVED) {
        return fail(s->baton, EINVAL, "the session is not one that arrives");
    }
    s->state = SESSION_READY;
    session_message(s, &msg, APP_READY);
    return tell(s, &msg, NULL, 0);
}

int
baton_refuse(struct baton_session *s, const char *reason)
{
    if (s->state != SESSION_ARRIVED) {
        return fail(s->baton, EINVAL, "the session is not one that arrives");
    }
    s->state = SESSION_REFUSED;
    decline(s->baton, s->id, APP_REFUSE, reason);
    return 0;
}

void
baton_session_end(struct baton_session *s)
{
    if (!s) {
        return;
    }
    if (s->state != SESSION_GONE) {
        decline(s->baton, s->id, APP_END, NULL);
    }
    for (struct baton_session **p = &s->baton->sessions; *p; p = &(*p)->next) {
        if (*p == s) {
            *p = s->next;
            break;
        }
    }
    session_destroy(s);
}
