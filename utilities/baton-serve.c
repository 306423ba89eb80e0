/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* An HTTP/1.1 server of files whose every connection can move to the
 * baton-serve of another device, in the middle of a response. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "baton/baton.h"
#include "serve-redirect.h"
#include "serve-session.h"

#define SWEEP_MS 1000

struct server {
    struct baton *baton;
    int root_fd;
    int epoll_fd; /* baton_fd(), signals, running sessions. */
    int signal_fd;
    struct serving *servings;
    int listener; /* With --mapped: on the wildcard address; else -1. */
    struct redirector *redirector; /* With --redirect; else NULL. */
    bool had_session;              /* For --once. */
    int64_t swept_ms;

    /* Options. */
    const char *socket;
    const char *root;
    const char *service;
    const char *name;
    int family;
    int rate; /* Bytes a second of a connection; 0: no limit. */
    uint16_t port;
    bool permanent;    /* On the device's own address. */
    bool mapped;       /* Sessions are what the bridge maps. */
    uint16_t redirect; /* Where clients are sent to a session from; or 0. */
    bool accept;
    bool open;
    bool once;
};

static void
print_end(const char *what, const struct sockaddr_storage *ss)
{
    char host[INET6_ADDRSTRLEN], port[8];

    if (!getnameinfo((const struct sockaddr *) ss, sizeof *ss, host,
                     sizeof host, port, sizeof port,
                     NI_NUMERICHOST | NI_NUMERICSERV)) {
        printf("%s %s %s", what, host, port);
    }
}

static void
say(const char *what, const struct serving *sv)
{
    const struct baton_session_info *info = baton_session_info(sv->session);
    struct sockaddr_storage ss = info->address;
    char text[INET6_ADDRSTRLEN];

    inet_ntop(ss.ss_family,
              ss.ss_family == AF_INET
                  ? (void *) &((struct sockaddr_in *) &ss)->sin_addr
                  : (void *) &((struct sockaddr_in6 *) &ss)->sin6_addr,
              text, sizeof text);
    printf("%saddress %s port %u session %s", what, text, sv->port, info->id);
    if (info->mapping) {
        print_end(" permanent", &info->mapping->permanent);
        print_end(" correspondent", &info->mapping->correspondent);
    }
    putchar('\n');
    fflush(stdout);
}

static struct serving *
add_serving(struct server *server, struct baton_session *session)
{
    struct serving *sv = serving_create(session);

    if (sv) {
        sv->next = server->servings;
        server->servings = sv;
        server->had_session = true;
    }
    return sv;
}

static void
set_running(struct server *server, struct serving *sv, bool running)
{
    if (sv->running != running) {
        sv->running = running;
        serve_watch(server->epoll_fd, running ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
                    sv->epoll_fd, EPOLLIN, sv);
    }
}

static void
remove_serving(struct server *server, struct serving *sv)
{
    set_running(server, sv, false);
    for (struct serving **p = &server->servings; *p; p = &(*p)->next) {
        if (*p == sv) {
            *p = sv->next;
            break;
        }
    }
    serving_destroy(sv);
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

/* Returns NULL, after saying why, if there can be none. */
static struct serving *
open_session(struct server *server, int family)
{
    struct baton_session *session;
    struct serving *sv;
    int error;

    session = baton_session_open(
        server->baton, server->name,
        family | (server->permanent ? BATON_PERMANENT : 0), NULL);
    if (!session) {
        fprintf(stderr, "baton-serve: no session: %s\n",
                baton_error(server->baton));
        return NULL;
    }
    sv = add_serving(server, session);
    error = sv ? serving_listen(sv, server->port) : ENOMEM;
    if (error) {
        fprintf(stderr, "baton-serve: cannot listen on port %u: %s\n",
                server->port, strerror(error));
        goto error;
    }
    /* What it accepts inherits this, and so do their likes elsewhere. */
    if (server->rate) {
        setsockopt(sv->listener, SOL_SOCKET, SO_MAX_PACING_RATE, &server->rate,
                   sizeof server->rate);
    }
    if (baton_session_add(session, sv->listener)) {
        fprintf(stderr, "baton-serve: %s\n", baton_error(server->baton));
        goto error;
    }
    set_running(server, sv, true);
    say("", sv);
    return sv;

error:
    if (sv) {
        remove_serving(server, sv);
    } else {
        baton_session_end(session);
    }
    return NULL;
}

/* Redirecting. */

static void
listen_redirect(struct server *server)
{
    server->redirector = redirector_open(server->redirect);
    if (!server->redirector) {
        fprintf(stderr, "baton-serve: cannot listen on port %u: %s\n",
                server->redirect, strerror(errno));
        exit(EXIT_FAILURE);
    }
    serve_watch(server->epoll_fd, EPOLL_CTL_ADD,
                redirector_fd(server->redirector), EPOLLIN,
                &server->redirector);
    printf("redirecting from port %u\n", server->redirect);
    fflush(stdout);
}

/* Each client gets a session of its own, whose address it is told. */
static void
redirect(struct server *server)
{
    int family = AF_INET;

    redirector_run(server->redirector, serve_now_ms());
    while (redirector_next(server->redirector, &family)) {
        struct serving *sv = open_session(server, family);
        char origin[128], host[INET6_ADDRSTRLEN];
        struct sockaddr_storage ss;

        if (!sv) {
            redirector_answer(server->redirector, NULL);
            continue;
        }
        sv->redirected = true;
        ss = baton_session_info(sv->session)->address;
        getnameinfo((struct sockaddr *) &ss, sizeof ss, host, sizeof host,
                    NULL, 0, NI_NUMERICHOST);
        snprintf(origin, sizeof origin,
                 family == AF_INET ? "http://%s:%u" : "http://[%s]:%u", host,
                 sv->port);
        redirector_answer(server->redirector, origin);
    }
}

/* Listens on the device's own addresses, and on those that come. */
static void
listen_mapped(struct server *server)
{
    struct sockaddr_in6 any = { .sin6_family = AF_INET6,
                                .sin6_port = htons(server->port) };
    int on = 1, off = 0;

    server->listener = socket(AF_INET6,
                              SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(server->listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (server->rate) {
        setsockopt(server->listener, SOL_SOCKET, SO_MAX_PACING_RATE,
                   &server->rate, sizeof server->rate);
    }
    if (bind(server->listener, (struct sockaddr *) &any, sizeof any)
        || listen(server->listener, SOMAXCONN)) {
        fprintf(stderr, "baton-serve: cannot listen on port %u: %s\n",
                server->port, strerror(errno));
        exit(EXIT_FAILURE);
    }
    serve_watch(server->epoll_fd, EPOLL_CTL_ADD, server->listener, EPOLLIN,
                &server->listener);
    printf("listening on port %u\n", server->port);
    fflush(stdout);
}

/* The session that the bridge has made for a connection, or NULL. */
static struct baton_session *
adopt(struct server *server, int fd)
{
    struct sockaddr_in6 local = { .sin6_family = AF_UNSPEC };
    socklen_t len = sizeof local;
    char text[INET6_ADDRSTRLEN];
    bool ip4;

    if (getsockname(fd, (struct sockaddr *) &local, &len)) {
        return NULL;
    }
    ip4 = IN6_IS_ADDR_V4MAPPED(&local.sin6_addr);
    inet_ntop(ip4 ? AF_INET : AF_INET6, &local.sin6_addr.s6_addr[ip4 ? 12 : 0],
              text, sizeof text);
    return baton_session_open(server->baton, text,
                              (ip4 ? AF_INET : AF_INET6) | BATON_MAPPED, NULL);
}

static void
accept_mapped(struct server *server)
{
    int fd;

    while ((fd = accept4(server->listener, NULL, NULL,
                         SOCK_CLOEXEC | SOCK_NONBLOCK))
           >= 0) {
        struct baton_session *session = adopt(server, fd);
        struct serving *sv = add_serving(server, session);

        if (!sv || !serving_add(sv, fd)) {
            close(fd);
            if (sv) {
                remove_serving(server, sv);
            }
            continue;
        }
        sv->port = server->port;
        set_running(server, sv, true);
        if (session) {
            say("mapped ", sv);
        }
    }
}

static void
arrived(struct server *server, const struct baton_event *ev)
{
    struct serving *sv = add_serving(server, ev->session);
    const char *problem = sv ? serving_decode(sv, server->root_fd, ev)
                             : "no memory";

    if (!problem) {
        baton_session_answer(ev->session, NULL, NULL, 0);
        return;
    }
    fprintf(stderr, "baton-serve: refused session %s: %s\n",
            baton_session_info(ev->session)->id, problem);
    baton_session_answer(ev->session, problem, NULL, 0);
    /* What 'sv' has not taken over; it waits for BATON_GONE. */
    for (size_t i = 0; i < ev->n_fds; i++) {
        if (!sv || !serving_has(sv, ev->fds[i])) {
            close(ev->fds[i]);
        }
    }
}

static void
pause_session(struct server *server, struct serving *sv)
{
    struct state_writer w = { .n = 0 };

    set_running(server, sv, false);
    serving_accept(sv);
    serving_encode(sv, &w);
    if (w.failed || baton_session_answer(sv->session, NULL, w.p, w.n)) {
        fprintf(stderr, "baton-serve: cannot pause: %s\n",
                w.failed ? "no memory" : baton_error(server->baton));
    }
    free(w.p);
}

static void
own(struct server *server, struct serving *sv)
{
    set_running(server, sv, true);
    for (size_t i = sv->n_conns; i--;) {
        serving_run_conn(sv, sv->conns[i], server->root_fd);
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
                    baton_session_info(sv->session)->id, ev.reason);
        } else if (ev.type == BATON_OWNED) {
            own(server, sv);
            say("arrived ", sv);
        } else if (ev.type == BATON_GONE) {
            say("gone ", sv);
            remove_serving(server, sv);
        } else if (ev.type == BATON_REJECTED) {
            fprintf(stderr,
                    "baton-serve: the agent does not take a "
                    "socket: %s\n",
                    ev.reason);
            serving_close_fd(sv, ev.fds[0]);
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
            serving_accept(sv);
        } else {
            serving_run_conn(sv, c, server->root_fd);
        }
    }
}

/* A mapped session ends with its connection, one that a client was sent to when
 * that comes no more. */
static void
remove_those_over(struct server *server)
{
    for (struct serving *sv = server->servings, *next; sv; sv = next) {
        next = sv->next;
        if (sv->running && serving_is_over(sv, serve_now_ms())) {
            remove_serving(server, sv);
        }
    }
}

/* Closes connections whose clients have gone silent. */
static void
sweep(struct server *server)
{
    int64_t now = serve_now_ms();

    if (now - server->swept_ms < SWEEP_MS) {
        return;
    }
    server->swept_ms = now;
    for (struct serving *sv = server->servings; sv; sv = sv->next) {
        if (sv->running) {
            serving_sweep(sv, now);
        }
    }
    if (server->redirector) {
        redirect(server);
    }
}

static void
serve(struct server *server)
{
    struct epoll_event evs[8];

    for (;;) {
        bool signal = false;
        int n = epoll_wait(server->epoll_fd, evs, 8,
                           server->servings || server->redirector ? SWEEP_MS
                                                                  : -1);

        run_baton(server);
        for (int i = 0; i < n; i++) {
            if (evs[i].data.ptr == &server->signal_fd) {
                signal = true;
            } else if (evs[i].data.ptr == &server->listener) {
                accept_mapped(server);
            } else if (evs[i].data.ptr == &server->redirector) {
                redirect(server);
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
        remove_those_over(server);
        if (signal
            || (!server->servings && !server->mapped && !server->redirector
                && (!server->accept
                    || (server->once && server->had_session)))) {
            break;
        }
    }
    while (server->servings) {
        remove_serving(server, server->servings);
    }
}

static void
usage(void)
{
    printf(
        "baton-serve: HTTP server of files whose connections can move\n"
        "usage: baton-serve [OPTIONS]\n"
        "  --root=DIR       serve files below DIR (default: .)\n"
        "  --port=N         listen on port N (default: 8000)\n"
        "  --family=4|6     of the session address (default: 4)\n"
        "  --permanent      on the device's own address\n"
        "  --mapped         on all addresses; each connection that the bridge\n"
        "                   has mapped is a session (see mapping.rst)\n"
        "  --redirect=N     send each client that asks at port N to a session of\n"
        "                   its own, by HTTP 307\n"
        "  --service=NAME   name of the service (default: serve)\n"
        "  --name=NAME      name of the session (default: serve)\n"
        "  --rate=BYTES     a second, of each connection (default: no limit)\n"
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
        PERMANENT,
        MAPPED,
        REDIRECT,
        SERVICE,
        NAME,
        RATE,
        ACCEPT,
        OPEN,
        ONCE,
        SOCKET
    };
    static const struct option options[] = {
        { "root", required_argument, NULL, ROOT },
        { "port", required_argument, NULL, PORT },
        { "family", required_argument, NULL, FAMILY },
        { "permanent", no_argument, NULL, PERMANENT },
        { "mapped", no_argument, NULL, MAPPED },
        { "redirect", required_argument, NULL, REDIRECT },
        { "service", required_argument, NULL, SERVICE },
        { "name", required_argument, NULL, NAME },
        { "rate", required_argument, NULL, RATE },
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
        case REDIRECT:
            n = strtol(optarg, &end, 10);
            if (*end || end == optarg || n < (c == REDIRECT) || n > 65535) {
                fprintf(stderr, "baton-serve: %s: not a port\n", optarg);
                exit(EXIT_FAILURE);
            }
            *(c == PORT ? &server->port : &server->redirect) = n;
            break;
        case FAMILY:
            if (strcmp(optarg, "4") && strcmp(optarg, "6")) {
                fprintf(stderr, "baton-serve: --family is 4 or 6\n");
                exit(EXIT_FAILURE);
            }
            server->family = optarg[0] == '4' ? AF_INET : AF_INET6;
            break;
        case PERMANENT: server->permanent = true; break;
        case MAPPED: server->mapped = true; break;
        case SERVICE: server->service = optarg; break;
        case NAME: server->name = optarg; break;
        case RATE:
            n = strtol(optarg, &end, 10);
            if (*end || end == optarg || n <= 0 || n > INT_MAX) {
                fprintf(stderr, "baton-serve: %s: not a rate\n", optarg);
                exit(EXIT_FAILURE);
            }
            server->rate = n;
            break;
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
        .listener = -1,
    };
    sigset_t signals;

    parse_options(argc, argv, &server);
    /* sendfile() has no MSG_NOSIGNAL. */
    signal(SIGPIPE, SIG_IGN);
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
    serve_watch(server.epoll_fd, EPOLL_CTL_ADD, server.signal_fd, EPOLLIN,
                &server.signal_fd);
    serve_watch(server.epoll_fd, EPOLL_CTL_ADD, baton_fd(server.baton),
                EPOLLIN, &server);

    if (server.redirect) {
        listen_redirect(&server);
    } else if (server.mapped) {
        listen_mapped(&server);
    } else if ((!server.accept || server.open)
               && !open_session(&server, server.family)) {
        return EXIT_FAILURE;
    }
    serve(&server);
    redirector_close(server.redirector);
    baton_close(server.baton);
    close(server.epoll_fd);
    close(server.signal_fd);
    close(server.root_fd);
    return EXIT_SUCCESS;
}
