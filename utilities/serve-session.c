/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "serve-session.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define IDLE_MS 75000 /* Then a silent client is closed. */
#define LINGER_MS 5000
#define REDIRECTED_IDLE_MS 10000 /* The client comes no more. */
#define STATE_VERSION 2

int64_t
serve_now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

void
serve_watch(int epoll_fd, int op, int fd, uint32_t events, void *data)
{
    struct epoll_event ev = { .events = events, .data.ptr = data };

    if (epoll_ctl(epoll_fd, op, fd, &ev)) {
        perror("baton-serve: epoll_ctl");
        exit(EXIT_FAILURE);
    }
}

static void
set_accepting(struct serving *sv)
{
    bool room = sv->n_conns < SERVING_CONNS_MAX;

    if (room != sv->accepting && sv->listener >= 0) {
        sv->accepting = room;
        serve_watch(sv->epoll_fd, EPOLL_CTL_MOD, sv->listener,
                    room ? EPOLLIN : 0, NULL);
    }
}

static void
watch_conn(struct serving *sv, struct serve_conn *c, int op)
{
    serve_watch(sv->epoll_fd, op, c->fd,
                serve_conn_wants(c) == SERVE_WRITE ? EPOLLOUT : EPOLLIN, c);
}

static void
close_conn(struct serving *sv, size_t i)
{
    struct serve_conn *c = sv->conns[i];

    /* The agent's duplicate would keep it in the set. */
    epoll_ctl(sv->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
    if (sv->session) {
        baton_session_remove(sv->session, c->fd);
    }
    serve_conn_destroy(c);
    sv->n_conns--;
    memmove(&sv->conns[i], &sv->conns[i + 1],
            (sv->n_conns - i) * sizeof *sv->conns);
    set_accepting(sv);
}

static size_t
find_conn(const struct serving *sv, const struct serve_conn *c)
{
    size_t i = 0;

    while (i < sv->n_conns && sv->conns[i] != c) {
        i++;
    }
    return i;
}

bool
serving_add(struct serving *sv, int fd)
{
    struct serve_conn *c;

    if (sv->n_conns >= SERVING_CONNS_MAX) {
        return false;
    }
    serve_conn_prepare(fd);
    c = serve_conn_create(fd, serve_now_ms());
    if (!c || (sv->session && baton_session_add(sv->session, fd))) {
        free(c);
        return false;
    }
    sv->conns[sv->n_conns++] = c;
    watch_conn(sv, c, EPOLL_CTL_ADD);
    return true;
}

bool
serving_is_over(struct serving *sv, int64_t now_ms)
{
    if (sv->n_conns || !sv->used_ms) {
        sv->used_ms = now_ms;
    }
    return (!sv->n_conns
            && (sv->listener < 0
                || (sv->redirected
                    && now_ms - sv->used_ms >= REDIRECTED_IDLE_MS)));
}

void
serving_accept(struct serving *sv)
{
    while (sv->listener >= 0 && sv->n_conns < SERVING_CONNS_MAX) {
        int fd = accept4(sv->listener, NULL, NULL,
                         SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0) {
            return;
        }
        if (!serving_add(sv, fd)) {
            close(fd);
        }
    }
    set_accepting(sv);
}

struct serving *
serving_create(struct baton_session *session)
{
    struct serving *sv = calloc(1, sizeof *sv);

    if (sv) {
        sv->session = session;
        sv->listener = -1;
        sv->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    }
    return sv;
}

void
serving_destroy(struct serving *sv)
{
    while (sv->n_conns) {
        serve_conn_destroy(sv->conns[--sv->n_conns]);
    }
    if (sv->listener >= 0) {
        close(sv->listener);
    }
    close(sv->epoll_fd);
    baton_session_end(sv->session);
    free(sv);
}

int
serving_listen(struct serving *sv, uint16_t port)
{
    struct sockaddr_storage ss;
    socklen_t len;
    int on = 1;
    in_port_t *portp;
    int fd;

    ss = baton_session_info(sv->session)->address;
    if (ss.ss_family == AF_INET) {
        len = sizeof(struct sockaddr_in);
        portp = &((struct sockaddr_in *) &ss)->sin_port;
    } else {
        len = sizeof(struct sockaddr_in6);
        portp = &((struct sockaddr_in6 *) &ss)->sin6_port;
    }
    *portp = htons(port);
    fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return errno;
    }
    sv->listener = fd;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *) &ss, len) || listen(fd, SERVING_CONNS_MAX)
        || getsockname(fd, (struct sockaddr *) &ss, &len)) {
        return errno;
    }
    sv->port = ntohs(*portp);
    sv->accepting = true;
    serve_watch(sv->epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN, NULL);
    return 0;
}

void
serving_encode(const struct serving *sv, struct state_writer *w)
{
    state_put_u(w, STATE_VERSION, 1);
    state_put_u(w, sv->port, 2);
    state_put_u(w, sv->listener < 0 ? 0 : sv->redirected ? 2 : 1, 1);
    state_put_u(w, sv->n_conns, 2);
    for (size_t i = 0; i < sv->n_conns; i++) {
        serve_conn_encode(sv->conns[i], w);
    }
}

/* Makes connections out of an event's descriptors and state.  Returns what is
 * wrong, or NULL.  Then all of the descriptors belong to 'sv'. */
const char *
serving_decode(struct serving *sv, int root_fd, const struct baton_event *ev)
{
    struct state_reader r = { .p = ev->state, .n = ev->state_len };
    unsigned int version = state_get_u(&r, 1);
    const char *problem;
    size_t n, n_listeners;

    sv->port = state_get_u(&r, 2);
    n_listeners = state_get_u(&r, 1);
    sv->redirected = n_listeners == 2;
    n_listeners = n_listeners != 0;
    n = state_get_u(&r, 2);
    if (r.failed || version != STATE_VERSION) {
        return "state of another version of baton-serve";
    } else if (n > SERVING_CONNS_MAX || ev->n_fds != n + n_listeners) {
        return "not as many sockets as connections";
    }
    for (size_t i = 0; i < n; i++) {
        int fd = ev->fds[n_listeners + i];
        struct serve_conn *c = serve_conn_decode(&r, fd, root_fd,
                                                 serve_now_ms(), &problem);

        if (!c) {
            return problem;
        }
        sv->conns[sv->n_conns++] = c;
        serve_conn_prepare(fd);
        watch_conn(sv, c, EPOLL_CTL_ADD);
    }
    if (!n_listeners) {
        return NULL;
    }
    sv->listener = ev->fds[0];
    fcntl(sv->listener, F_SETFL, O_NONBLOCK);
    sv->accepting = n < SERVING_CONNS_MAX;
    serve_watch(sv->epoll_fd, EPOLL_CTL_ADD, sv->listener,
                sv->accepting ? EPOLLIN : 0, NULL);
    return NULL;
}

void
serving_run_conn(struct serving *sv, struct serve_conn *c, int root_fd)
{
    enum serve_wants old = serve_conn_wants(c);
    enum serve_wants now = serve_conn_run(c, root_fd, serve_now_ms());

    if (now == SERVE_DONE) {
        close_conn(sv, find_conn(sv, c));
    } else if (now != old) {
        watch_conn(sv, c, EPOLL_CTL_MOD);
    }
}

bool
serving_has(const struct serving *sv, int fd)
{
    for (size_t i = 0; i < sv->n_conns; i++) {
        if (sv->conns[i]->fd == fd) {
            return true;
        }
    }
    return sv->listener == fd;
}

void
serving_close_fd(struct serving *sv, int fd)
{
    for (size_t i = 0; i < sv->n_conns; i++) {
        if (sv->conns[i]->fd == fd) {
            close_conn(sv, i);
            return;
        }
    }
}

void
serving_sweep(struct serving *sv, int64_t now)
{
    for (size_t i = sv->n_conns; i--;) {
        struct serve_conn *c = sv->conns[i];

        if (!c->answering
            && now - c->active_ms > (c->lingering ? LINGER_MS : IDLE_MS)) {
            close_conn(sv, i);
        }
    }
}
