/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* An HTTP/1.1 server of files whose every connection can move to the
 * baton-serve of another device, in the middle of a response. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "baton/baton.h"
#include "serve-conn.h"

#define CONNS_MAX (BATON_FDS_MAX - 1) /* The listener is one, too. */
#define IDLE_MS 75000                 /* Then a silent client is closed. */
#define LINGER_MS 5000
#define SWEEP_MS 1000
#define STATE_VERSION 1

struct serving {
    struct serving *next;
    struct baton_session *session;
    bool running;   /* Ours now, neither paused nor muted. */
    bool accepting; /* There is room for more connections. */
    int epoll_fd;   /* Of the session's sockets.  In the server's
                                 * epoll set only while 'running': pausing is
                                 * one system call. */
    int listener;
    uint16_t port;
    /* In the order in which they were added to the session. */
    struct serve_conn *conns[CONNS_MAX];
    size_t n_conns;
};

struct server {
    struct baton *baton;
    int root_fd;
    int epoll_fd; /* baton_fd(), signals, running sessions. */
    int signal_fd;
    struct serving *servings;
    bool had_session; /* For --once. */
    int64_t swept_ms;

    /* Options. */
    const char *socket;
    const char *root;
    const char *service;
    const char *name;
    int family;
    uint16_t port;
    bool accept;
    bool open;
    bool once;
};

static int64_t
now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static void
watch(int epoll_fd, int op, int fd, uint32_t events, void *data)
{
    struct epoll_event ev = { .events = events, .data.ptr = data };

    if (epoll_ctl(epoll_fd, op, fd, &ev)) {
        perror("baton-serve: epoll_ctl");
        exit(EXIT_FAILURE);
    }
}

static void
say(const char *what, const struct serving *sv)
{
    char text[INET6_ADDRSTRLEN];
    struct sockaddr_storage ss;

    baton_session_address(sv->session, &ss);
    inet_ntop(ss.ss_family,
              ss.ss_family == AF_INET
                  ? (void *) &((struct sockaddr_in *) &ss)->sin_addr
                  : (void *) &((struct sockaddr_in6 *) &ss)->sin6_addr,
              text, sizeof text);
    printf("%saddress %s port %u session %s\n", what, text, sv->port,
           baton_session_id(sv->session));
    fflush(stdout);
}

/* Connections. */

static void
set_accepting(struct serving *sv)
{
    bool room = sv->n_conns < CONNS_MAX;

    if (room != sv->accepting) {
        sv->accepting = room;
        watch(sv->epoll_fd, EPOLL_CTL_MOD, sv->listener, room ? EPOLLIN : 0,
              NULL);
    }
}

static void
watch_conn(struct serving *sv, struct serve_conn *c, int op)
{
    watch(sv->epoll_fd, op, c->fd,
          serve_conn_wants(c) == SERVE_WRITE ? EPOLLOUT : EPOLLIN, c);
}

static void
close_conn(struct serving *sv, size_t i)
{
    struct serve_conn *c = sv->conns[i];

    /* The agent's duplicate would keep it in the set. */
    epoll_ctl(sv->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
    baton_session_remove(sv->session, c->fd);
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

static void
accept_conns(struct serving *sv)
{
    while (sv->n_conns < CONNS_MAX) {
        struct serve_conn *c;
        int fd = accept4(sv->listener, NULL, NULL,
                         SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0) {
            return;
        }
        serve_conn_prepare(fd);
        c = serve_conn_create(fd, now_ms());
        if (!c || baton_session_add(sv->session, fd)) {
            close(fd);
            free(c);
            continue;
        }
        sv->conns[sv->n_conns++] = c;
        watch_conn(sv, c, EPOLL_CTL_ADD);
    }
    set_accepting(sv);
}

/* Sessions. */

static struct serving *
serving_create(struct server *server, struct baton_session *session)
{
    struct serving *sv = calloc(1, sizeof *sv);

    if (sv) {
        sv->session = session;
        sv->listener = -1;
        sv->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        sv->next = server->servings;
        server->servings = sv;
        server->had_session = true;
    }
    return sv;
}

static void
serving_set_running(struct server *server, struct serving *sv, bool running)
{
    if (sv->running != running) {
        sv->running = running;
        watch(server->epoll_fd, running ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
              sv->epoll_fd, EPOLLIN, sv);
    }
}

/* Closes its sockets, and ends the session, or what is left of it. */
static void
serving_destroy(struct server *server, struct serving *sv)
{
    serving_set_running(server, sv, false);
    while (sv->n_conns) {
        serve_conn_destroy(sv->conns[--sv->n_conns]);
    }
    if (sv->listener >= 0) {
        close(sv->listener);
    }
    close(sv->epoll_fd);
    baton_session_end(sv->session);
    for (struct serving **p = &server->servings; *p; p = &(*p)->next) {
        if (*p == sv) {
            *p = sv->next;
            break;
        }
    }
    free(sv);
}

static struct serving *
find_serving(struct server *server, const struct baton_session *session)
{
    struct serving *sv = server->servings;

    while (sv && sv->session != session) {
        sv = sv->next;
    }
    return sv;
}

static int
listen_at(struct serving *sv, uint16_t port)
{
    struct sockaddr_storage ss;
    socklen_t len;
    int on = 1;
    in_port_t *portp;
    int fd;

    baton_session_address(sv->session, &ss);
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
    if (bind(fd, (struct sockaddr *) &ss, len) || listen(fd, CONNS_MAX)
        || getsockname(fd, (struct sockaddr *) &ss, &len)) {
        return errno;
    }
    sv->port = ntohs(*portp);
    sv->accepting = true;
    watch(sv->epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN, NULL);
    return 0;
}

static void
open_session(struct server *server)
{
    struct baton_session *session;
    struct serving *sv;
    int error;

    session = baton_session_open(server->baton, server->name, server->family);
    if (!session) {
        fprintf(stderr, "baton-serve: no session: %s\n",
                baton_error(server->baton));
        exit(EXIT_FAILURE);
    }
    sv = serving_create(server, session);
    error = sv ? listen_at(sv, server->port) : ENOMEM;
    if (error) {
        fprintf(stderr, "baton-serve: cannot listen on port %u: %s\n",
                server->port, strerror(error));
        exit(EXIT_FAILURE);
    }
    if (baton_session_add(session, sv->listener)) {
        fprintf(stderr, "baton-serve: %s\n", baton_error(server->baton));
        exit(EXIT_FAILURE);
    }
    serving_set_running(server, sv, true);
    say("", sv);
}

static void
serving_encode(const struct serving *sv, struct state_writer *w)
{
    state_put_u(w, STATE_VERSION, 1);
    state_put_u(w, sv->port, 2);
    state_put_u(w, sv->n_conns, 2);
    for (size_t i = 0; i < sv->n_conns; i++) {
        serve_conn_encode(sv->conns[i], w);
    }
}

/* Makes connections out of an event's descriptors and state.  Returns what is
 * wrong, or NULL.  Then all of the descriptors belong to 'sv'. */
static const char *
serving_decode(struct server *server, struct serving *sv,
               const struct baton_event *ev)
{
    struct state_reader r = { .p = ev->state, .n = ev->state_len };
    unsigned int version = state_get_u(&r, 1);
    const char *problem;
    size_t n;

    sv->port = state_get_u(&r, 2);
    n = state_get_u(&r, 2);
    if (r.failed || version != STATE_VERSION) {
        return "state of another version of baton-serve";
    } else if (n > CONNS_MAX || ev->n_fds != n + 1) {
        return "not as many sockets as connections";
    }
    for (size_t i = 0; i < n; i++) {
        int fd = ev->fds[i + 1];
        struct serve_conn *c = serve_conn_decode(&r, fd, server->root_fd,
                                                 now_ms(), &problem);

        if (!c) {
            return problem;
        }
        sv->conns[sv->n_conns++] = c;
        serve_conn_prepare(fd);
        watch_conn(sv, c, EPOLL_CTL_ADD);
    }
    sv->listener = ev->fds[0];
    fcntl(sv->listener, F_SETFL, O_NONBLOCK);
    sv->accepting = n < CONNS_MAX;
    watch(sv->epoll_fd, EPOLL_CTL_ADD, sv->listener,
          sv->accepting ? EPOLLIN : 0, NULL);
    return NULL;
}

/* Events. */

static void
arrived(struct server *server, const struct baton_event *ev)
{
    struct serving *sv = serving_create(server, ev->session);
    const char *problem = sv ? serving_decode(server, sv, ev) : "no memory";

    if (!problem) {
        baton_ready(ev->session);
        return;
    }
    fprintf(stderr, "baton-serve: refused session %s: %s\n",
            baton_session_id(ev->session), problem);
    baton_refuse(ev->session, problem);
    /* What 'sv' has not taken over; it waits for BATON_GONE. */
    for (size_t i = sv ? sv->n_conns + 1 : 0; i < ev->n_fds; i++) {
        close(ev->fds[i]);
    }
    if (sv && ev->n_fds && sv->listener < 0) {
        close(ev->fds[0]);
    }
}

static void
run_conn(struct server *server, struct serving *sv, struct serve_conn *c)
{
    enum serve_wants old = serve_conn_wants(c);
    enum serve_wants now = serve_conn_run(c, server->root_fd, now_ms());

    if (now == SERVE_DONE) {
        close_conn(sv, find_conn(sv, c));
    } else if (now != old) {
        watch_conn(sv, c, EPOLL_CTL_MOD);
    }
}

static void
pause_session(struct server *server, struct serving *sv)
{
    struct state_writer w = { .n = 0 };

    serving_set_running(server, sv, false);
    accept_conns(sv);
    serving_encode(sv, &w);
    if (w.failed || baton_paused(sv->session, w.p, w.n)) {
        fprintf(stderr, "baton-serve: cannot pause: %s\n",
                w.failed ? "no memory" : baton_error(server->baton));
    }
    free(w.p);
}

static void
rejected(struct serving *sv, const struct baton_event *ev)
{
    fprintf(stderr, "baton-serve: the agent does not take a socket: %s\n",
            ev->reason);
    for (size_t i = 0; i < sv->n_conns; i++) {
        if (sv->conns[i]->fd == ev->fds[0]) {
            close_conn(sv, i);
            return;
        }
    }
}

static void
own(struct server *server, struct serving *sv)
{
    serving_set_running(server, sv, true);
    for (size_t i = sv->n_conns; i--;) {
        run_conn(server, sv, sv->conns[i]);
    }
}

static void
run_baton(struct server *server)
{
    struct baton_event ev;

    while (baton_next_event(server->baton, &ev) > 0) {
        struct serving *sv = find_serving(server, ev.session);

        if (ev.type == BATON_ARRIVED) {
            arrived(server, &ev);
        } else if (!sv) {
            if (ev.type == BATON_GONE) {
                baton_session_end(ev.session);
            }
        } else if (ev.type == BATON_PAUSE) {
            pause_session(server, sv);
        } else if (ev.type == BATON_RESUME) {
            own(server, sv);
            fprintf(stderr, "baton-serve: session %s stays: %s\n",
                    baton_session_id(sv->session), ev.reason);
        } else if (ev.type == BATON_OWNED) {
            own(server, sv);
            say("arrived ", sv);
        } else if (ev.type == BATON_GONE) {
            say("gone ", sv);
            serving_destroy(server, sv);
        } else if (ev.type == BATON_REJECTED) {
            rejected(sv, &ev);
        }
    }
}

static bool
baton_has_something(struct server *server)
{
    struct pollfd pfd = { .fd = baton_fd(server->baton), .events = POLLIN };

    return poll(&pfd, 1, 0) > 0;
}

static void
run_serving(struct server *server, struct serving *sv)
{
    struct epoll_event evs[32];
    int n = epoll_wait(sv->epoll_fd, evs, 32, 0);

    /* A pause does not wait for other connections' turn. */
    for (int i = 0; i < n && !baton_has_something(server); i++) {
        struct serve_conn *c = evs[i].data.ptr;

        if (!c) {
            accept_conns(sv);
        } else {
            run_conn(server, sv, c);
        }
    }
}

/* Closes connections whose clients have gone silent. */
static void
sweep(struct server *server)
{
    int64_t now = now_ms();

    if (now - server->swept_ms < SWEEP_MS) {
        return;
    }
    server->swept_ms = now;
    for (struct serving *sv = server->servings; sv; sv = sv->next) {
        for (size_t i = sv->running ? sv->n_conns : 0; i--;) {
            struct serve_conn *c = sv->conns[i];

            if (!c->answering
                && now - c->active_ms > (c->lingering ? LINGER_MS : IDLE_MS)) {
                close_conn(sv, i);
            }
        }
    }
}

static void
serve(struct server *server)
{
    struct epoll_event evs[8];

    for (;;) {
        bool signal = false;
        int n = epoll_wait(server->epoll_fd, evs, 8,
                           server->servings ? SWEEP_MS : -1);

        run_baton(server);
        for (int i = 0; i < n; i++) {
            if (evs[i].data.ptr == &server->signal_fd) {
                signal = true;
            } else if (evs[i].data.ptr != server) {
                /* It may have been paused, or be gone, since. */
                struct serving *sv = server->servings;

                while (sv && sv != evs[i].data.ptr) {
                    sv = sv->next;
                }
                if (sv && sv->running) {
                    run_serving(server, sv);
                }
            }
        }
        sweep(server);
        if (signal
            || (!server->servings
                && (!server->accept
                    || (server->once && server->had_session)))) {
            break;
        }
    }
    while (server->servings) {
        serving_destroy(server, server->servings);
    }
}

static void
usage(void)
{
    printf("baton-serve: HTTP server of files whose connections can move\n"
           "usage: baton-serve [OPTIONS]\n"
           "  --root=DIR       serve files below DIR (default: .)\n"
           "  --port=N         listen on port N (default: 8000)\n"
           "  --family=4|6     of the session address (default: 4)\n"
           "  --service=NAME   name of the service (default: serve)\n"
           "  --name=NAME      name of the session (default: serve)\n"
           "  --accept         wait for sessions of other devices\n"
           "  --open           with --accept: open a session too\n"
           "  --once           with --accept: exit when no session is left\n"
           "  --socket=FILE    socket of the agent\n"
           "  -h, --help       show this\n"
           "  -V, --version    show the version\n");
    exit(EXIT_SUCCESS);
}

static void
parse_options(int argc, char *argv[], struct server *server)
{
    enum {
        ROOT = 256,
        PORT,
        FAMILY,
        SERVICE,
        NAME,
        ACCEPT,
        OPEN,
        ONCE,
        SOCKET
    };
    static const struct option options[] = {
        { "root", required_argument, NULL, ROOT },
        { "port", required_argument, NULL, PORT },
        { "family", required_argument, NULL, FAMILY },
        { "service", required_argument, NULL, SERVICE },
        { "name", required_argument, NULL, NAME },
        { "accept", no_argument, NULL, ACCEPT },
        { "open", no_argument, NULL, OPEN },
        { "once", no_argument, NULL, ONCE },
        { "socket", required_argument, NULL, SOCKET },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    char *end;
    long n;
    int c;

    while ((c = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
        switch (c) {
        case ROOT: server->root = optarg; break;
        case PORT:
            n = strtol(optarg, &end, 10);
            if (*end || end == optarg || n < 0 || n > 65535) {
                fprintf(stderr, "baton-serve: %s: not a port\n", optarg);
                exit(EXIT_FAILURE);
            }
            server->port = n;
            break;
        case FAMILY:
            if (strcmp(optarg, "4") && strcmp(optarg, "6")) {
                fprintf(stderr, "baton-serve: --family is 4 or 6\n");
                exit(EXIT_FAILURE);
            }
            server->family = optarg[0] == '4' ? AF_INET : AF_INET6;
            break;
        case SERVICE: server->service = optarg; break;
        case NAME: server->name = optarg; break;
        case ACCEPT: server->accept = true; break;
        case OPEN: server->open = true; break;
        case ONCE: server->once = true; break;
        case SOCKET: server->socket = optarg; break;
        case 'h': usage(); break;
        case 'V':
            printf("baton-serve (Baton) %s\n", PACKAGE_VERSION);
            exit(EXIT_SUCCESS);
        default: exit(EXIT_FAILURE);
        }
    }
    if (optind < argc) {
        fprintf(stderr,
                "baton-serve: %s: no arguments are taken; see "
                "--help\n",
                argv[optind]);
        exit(EXIT_FAILURE);
    }
}

int
main(int argc, char *argv[])
{
    static struct server server = {
        .root = ".",
        .service = "serve",
        .name = "serve",
        .family = AF_INET,
        .port = 8000,
    };
    sigset_t signals;

    parse_options(argc, argv, &server);
    server.root_fd = open(server.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (server.root_fd < 0) {
        fprintf(stderr, "baton-serve: %s: %s\n", server.root, strerror(errno));
        return EXIT_FAILURE;
    }
    server.baton = baton_open(server.socket, server.service);
    if (!server.baton) {
        fprintf(stderr, "baton-serve: %s\n", baton_error(NULL));
        return EXIT_FAILURE;
    }

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    server.signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
    server.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    watch(server.epoll_fd, EPOLL_CTL_ADD, server.signal_fd, EPOLLIN,
          &server.signal_fd);
    watch(server.epoll_fd, EPOLL_CTL_ADD, baton_fd(server.baton), EPOLLIN,
          &server);

    if (!server.accept || server.open) {
        open_session(&server);
    }
    serve(&server);
    baton_close(server.baton);
    close(server.epoll_fd);
    close(server.signal_fd);
    close(server.root_fd);
    return EXIT_SUCCESS;
}
