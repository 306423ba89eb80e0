/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "baton/baton.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "handle.h"

_Static_assert(BATON_FDS_MAX == APP_SOCKETS_MAX, "sockets of a session");
_Static_assert(BATON_STATE_MAX == APP_STATE_MAX, "bytes of state");

#define OPEN_TIMEOUT_MS 30000
#define MAPPING_TIMEOUT_MS 3000

const char *
baton_error(const struct baton *b)
{
    return b ? b->error : handle_open_error;
}

static int64_t
now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
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
        handle_fail(NULL, ENOMEM, "no memory");
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
        handle_fail(NULL, EINVAL, "%.70s...: name of a service too long",
                    service);
        free(b);
        errno = EINVAL;
        return NULL;
    }
    APP_STRING_PUT(b->service, service);
    error = channel_open(path, sock, &b->channel);
    if (error) {
        free(b);
        handle_fail(NULL, error, "%s: cannot connect to the agent: %s%s", path,
                    strerror(error),
                    error == ENOENT || error == ECONNREFUSED
                        ? "; does baton-agentd run?"
                        : "");
        return NULL;
    }
    handle_send_hello(b);
    return b;
}

void
baton_close(struct baton *b)
{
    size_t n_fds;

    if (!b) {
        return;
    }
    handle_release_event(b);
    while (handle_pop(b, &b->msg, b->fds, &n_fds)) {
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

/* Sessions. */

/* Waits for the answer to OPEN or MAPPING number 'id'.  0: it is in b->msg. */
static int
wait_answer(struct baton *b, enum app_message_type type, uint64_t id,
            int64_t deadline)
{
    while (now_ms() < deadline) {
        size_t n_fds;
        int error = channel_recv(b->channel, &b->msg, b->fds, &n_fds);

        if (error == EAGAIN) {
            channel_wait(b->channel, deadline - now_ms());
        } else if (error == EISCONN) {
            handle_introduce(b);
            return ECONNRESET;
        } else if (!error) {
            if ((b->msg.type == type || b->msg.type == APP_ERROR)
                && b->msg.socket == id) {
                app_fds_close(b->fds, n_fds);
                return 0;
            }
            handle_push(b, &b->msg, b->fds, n_fds);
        }
    }
    return ETIMEDOUT;
}

struct baton_session *
baton_session_open(struct baton *b, const char *name, int family,
                   const char *onward)
{
    int64_t deadline = now_ms() + OPEN_TIMEOUT_MS;
    uint32_t flags = (family & BATON_PERMANENT ? APP_FLAG_PERMANENT : 0)
                     | (family & BATON_MAPPED ? APP_FLAG_MAPPED : 0);
    struct onward_right right;
    struct baton_session *s;
    int error;

    family &= ~(BATON_PERMANENT | BATON_MAPPED);
    if (family != AF_INET && family != AF_INET6) {
        handle_fail(b, EAFNOSUPPORT, "sessions are of AF_INET or AF_INET6");
        return NULL;
    } else if (!name || strlen(name) >= APP_NAME_LEN) {
        handle_fail(b, EINVAL,
                    "the name of a session has at most %d characters",
                    APP_NAME_LEN - 1);
        return NULL;
    } else if (onward && !onward_from_string(onward, &right)) {
        handle_fail(b, EINVAL,
                    "\"%s\" is no right to pass on; "
                    "expected " ONWARD_EXPECTED,
                    onward);
        return NULL;
    }
    do {
        /* Without an agent this is lost, and asked again of the next. */
        app_message_init(&b->msg, APP_OPEN);
        b->msg.family = family;
        b->msg.flags = flags;
        b->msg.socket = ++b->last_open;
        APP_STRING_PUT(b->msg.name, name);
        channel_send(b->channel, &b->msg, NULL, 0);
        error = wait_answer(b, APP_OPENED, b->last_open, deadline);
    } while (error == ECONNRESET);
    if (b->head) {
        channel_wake(b->channel);
    }

    if (error) {
        handle_fail(b, error, "the agent did not answer in %d seconds",
                    OPEN_TIMEOUT_MS / 1000);
        return NULL;
    } else if (b->msg.type == APP_ERROR) {
        handle_fail(b, b->msg.error ? b->msg.error : EPROTO, "%s",
                    b->msg.reason);
        return NULL;
    }
    b->msg.family = family;
    if (!(flags & APP_FLAG_MAPPED)) { /* That one has a name. */
        APP_STRING_PUT(b->msg.name, name);
    }
    s = session_create(b, &b->msg);
    if (!s) {
        handle_decline(b, b->msg.session, APP_END, "no memory");
        handle_fail(b, ENOMEM, "no memory");
        return NULL;
    }
    handle_add_session(b, s);
    if (onward) {
        onward_to_string(right, s->onward);
        session_tell_onward(s, b->channel);
    }
    return s;
}

/* Asks what the bridge translates of 's'. */
static void
ask_mapping(struct baton_session *s)
{
    int64_t deadline = now_ms() + MAPPING_TIMEOUT_MS;
    struct baton *b = s->baton;
    struct app_mapping mapping;
    struct app_message msg;
    bool there;

    session_message(s, &msg, APP_MAPPING);
    msg.socket = ++b->last_open;
    there = !channel_send(b->channel, &msg, NULL, 0)
            && !wait_answer(b, APP_MAPPED, b->last_open, deadline)
            && b->msg.type == APP_MAPPED && !b->msg.error
            && b->msg.text_len == sizeof mapping;
    if (there) {
        memcpy(&mapping, b->msg.text, sizeof mapping);
    }
    session_set_mapping(s, there ? &mapping : NULL);
    if (b->head) {
        channel_wake(b->channel);
    }
}

const struct baton_session_info *
baton_session_info(const struct baton_session *s_)
{
    struct baton_session *s = (struct baton_session *) s_;

    if (s->mapped && s->state == SESSION_OWNER) {
        ask_mapping(s);
    }
    return &s->info;
}

/* Sends 'msg' about 's'.  No agent now is not an error: the next one will be
 * shown the session as it is. */
static int
tell(struct baton_session *s, const struct app_message *msg, const int *fds,
     size_t n_fds)
{
    int error = channel_send(s->baton->channel, msg, fds, n_fds);

    return error && error != ENOTCONN ? handle_fail(
               s->baton, error, "cannot tell the agent: %s", strerror(error))
                                      : 0;
}

/* May sockets be added and removed? */
static int
check_open(struct baton_session *s)
{
    return s->state == SESSION_OWNER || s->state == SESSION_PAUSING ? 0
           : s->state == SESSION_GONE
               ? handle_fail(s->baton, ECONNABORTED, "the session is gone")
               : handle_fail(s->baton, EBUSY, "the session is being moved");
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
        return handle_fail(s->baton, error, "descriptor %d: %s", fd,
                           strerror(error));
    } else if (session_find_cookie(s, cookie) >= 0) {
        return handle_fail(s->baton, EEXIST,
                           "descriptor %d: the socket is in the "
                           "session already",
                           fd);
    } else if (s->n_sockets >= APP_SOCKETS_MAX) {
        return handle_fail(s->baton, ENOSPC,
                           "a session has at most %d sockets",
                           APP_SOCKETS_MAX);
    }
    problem = session_check_socket(s, fd);
    if (problem) {
        return handle_fail(s->baton, EINVAL, "descriptor %d: %s", fd, problem);
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
        return handle_fail(s->baton, ENOENT,
                           "descriptor %d is not in the session", fd);
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
        return handle_fail(b, EBUSY, "the session is being moved");
    } else if (!device || !device[0] || strlen(device) >= APP_NAME_LEN
               || (service && strlen(service) >= APP_NAME_LEN)) {
        return handle_fail(b, EINVAL, "no name of a device or service");
    }
    session_message(s, &msg, APP_MOVE);
    APP_STRING_PUT(msg.device, device);
    APP_STRING_PUT(msg.service, service ? service : b->service);
    error = channel_send(b->channel, &msg, NULL, 0);
    if (error) {
        return handle_fail(b, error, "cannot tell the agent: %s",
                           strerror(error));
    }
    s->moving = true;
    return 0;
}

/* The answer to BATON_PAUSE. */
static int
answer_pause(struct baton_session *s, const void *state, size_t n)
{
    int error;

    if (n > BATON_STATE_MAX) {
        return handle_fail(s->baton, EMSGSIZE,
                           "the state of a session has at most "
                           "%u bytes",
                           BATON_STATE_MAX);
    }
    if (n) {
        error = app_state_create(state, n, &s->state_fd);
        if (error) {
            return handle_fail(s->baton, error, "the state cannot be kept: %s",
                               strerror(error));
        }
    }
    s->state = SESSION_PAUSED;
    handle_send_paused(s);
    return 0;
}

/* The answer to BATON_ARRIVED. */
static int
answer_arrived(struct baton_session *s, size_t n)
{
    struct app_message msg;

    if (n) {
        return handle_fail(s->baton, EINVAL,
                           "a session that arrives takes no state");
    }
    s->state = SESSION_READY;
    session_message(s, &msg, APP_READY);
    return tell(s, &msg, NULL, 0);
}

int
baton_session_answer(struct baton_session *s, const char *refusal,
                     const void *state, size_t n)
{
    if (s->state != SESSION_PAUSING && s->state != SESSION_ARRIVED) {
        return handle_fail(s->baton, EINVAL, "nobody asked about the session");
    } else if (refusal) {
        /* PAUSING ends by BATON_RESUME. */
        if (s->state == SESSION_ARRIVED) {
            s->state = SESSION_REFUSED;
        }
        handle_decline(s->baton, s->id, APP_REFUSE, refusal);
        return 0;
    }
    return (s->state == SESSION_PAUSING ? answer_pause(s, state, n)
                                        : answer_arrived(s, n));
}

void
baton_session_end(struct baton_session *s)
{
    if (!s) {
        return;
    }
    if (s->state != SESSION_GONE) {
        handle_decline(s->baton, s->id, APP_END, NULL);
    }
    for (struct baton_session **p = &s->baton->sessions; *p; p = &(*p)->next) {
        if (*p == s) {
            *p = s->next;
            break;
        }
    }
    session_destroy(s);
}
