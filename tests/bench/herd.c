/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* Many sessions that do nothing: what is measured is their moves.
 *
 * usage: herd [COUNT ADDRESS PORT]
 *        herd --sink PORT
 *
 * Opens COUNT sessions over IPv6, each with one TCP connection to the sink,
 * and takes those that come.  On SIGUSR1 it says a word on each of those that
 * it has, and prints how many they are; the sink then prints how many
 * connections said just one word. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "baton/baton.h"

#define WORD "word"
#define MAX_CONNECTIONS 8192

static int signal_fd;

static void __attribute__((noreturn)) die(const char *what, const char *why)
{
    fprintf(stderr, "herd: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static void
init_signals(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* 0: none. */
static int
next_signal(void)
{
    struct signalfd_siginfo info;

    return read(signal_fd, &info, sizeof info) == sizeof info
               ? (int) info.ssi_signo
               : 0;
}

/* The sink. */

struct connection {
    size_t n; /* Bytes that came. */
    bool ended, wrong;
};
static struct connection connections[MAX_CONNECTIONS];
static struct pollfd pfds[MAX_CONNECTIONS + 2];
static size_t n_connections;

static void
read_connection(size_t i)
{
    struct connection *c = &connections[i];
    char bytes[64];
    ssize_t n = recv(pfds[i + 2].fd, bytes, sizeof bytes, 0);

    if (n <= 0) {
        c->ended = true;
        close(pfds[i + 2].fd);
        pfds[i + 2].fd = -1;
        return;
    }
    for (ssize_t j = 0; j < n; j++, c->n++) {
        c->wrong |= c->n >= strlen(WORD) || bytes[j] != WORD[c->n];
    }
}

static void
print_sink(void)
{
    size_t good = 0, ended = 0;

    for (size_t i = 0; i < n_connections; i++) {
        const struct connection *c = &connections[i];

        good += c->n == strlen(WORD) && !c->wrong && !c->ended;
        ended += c->ended;
    }
    printf("{\"connections\":%zu,\"good\":%zu,\"ended\":%zu}\n", n_connections,
           good, ended);
    fflush(stdout);
}

static void
accept_connection(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0 || n_connections >= MAX_CONNECTIONS) {
        die("accept", strerror(errno));
    }
    pfds[2 + n_connections++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

static int
run_sink(uint16_t port)
{
    struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
                                 .sin6_port = htons(port) };
    int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (listener < 0 || bind(listener, (struct sockaddr *) &sin6, sizeof sin6)
        || listen(listener, 1024)) {
        die("listen", strerror(errno));
    }
    printf("ready\n");
    fflush(stdout);
    pfds[0] = (struct pollfd){ .fd = signal_fd, .events = POLLIN };
    pfds[1] = (struct pollfd){ .fd = listener, .events = POLLIN };
    for (;;) {
        poll(pfds, 2 + n_connections, -1);
        for (size_t i = 0; i < n_connections; i++) {
            if (pfds[i + 2].revents) {
                read_connection(i);
            }
        }
        if (pfds[1].revents) {
            accept_connection(listener);
        }
        int signal_number = next_signal();
        if (signal_number == SIGUSR1) {
            print_sink();
        } else if (signal_number) {
            return EXIT_SUCCESS;
        }
    }
}

/* The herd. */

struct animal {
    struct animal *next;
    struct baton_session *session;
    int fd;
};

static struct baton *baton;
static struct animal *animals;

static void
add_animal(struct baton_session *session, int fd)
{
    struct animal *a = malloc(sizeof *a);

    if (!a) {
        die("malloc", strerror(errno));
    }
    *a = (struct animal){ animals, session, fd };
    animals = a;
}

static void
drop_animal(struct baton_session *session)
{
    for (struct animal **p = &animals; *p; p = &(*p)->next) {
        struct animal *a = *p;

        if (a->session == session) {
            close(a->fd);
            *p = a->next;
            free(a);
            break;
        }
    }
    baton_session_end(session);
}

static void
open_session(const struct sockaddr_in6 *sink)
{
    struct baton_session *session = baton_session_open(baton, "herd", AF_INET6,
                                                       NULL);
    struct sockaddr_storage local;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (!session) {
        die("no session", baton_error(baton));
    }
    local = baton_session_info(session)->address;
    if (fd < 0
        || bind(fd, (struct sockaddr *) &local, sizeof(struct sockaddr_in6))
        || connect(fd, (const struct sockaddr *) sink, sizeof *sink)) {
        die("connect", strerror(errno));
    }
    if (baton_session_add(session, fd)) {
        die("add", baton_error(baton));
    }
    add_animal(session, fd);
}

static void
run_baton(void)
{
    struct baton_event ev;

    while (baton_next_event(baton, &ev) > 0) {
        switch (ev.type) {
        case BATON_PAUSE:
            baton_session_answer(ev.session, NULL, NULL, 0);
            break;
        case BATON_ARRIVED:
            add_animal(ev.session, ev.n_fds ? ev.fds[0] : -1);
            baton_session_answer(ev.session, NULL, NULL, 0);
            break;
        case BATON_GONE: drop_animal(ev.session); break;
        case BATON_REJECTED: die("rejected", ev.reason);
        case BATON_OWNED:
        case BATON_RESUME:
        case BATON_MOVED:
        case BATON_NONE:
        default: break;
        }
    }
}

static void
say_words(void)
{
    size_t n = 0;

    for (const struct animal *a = animals; a; a = a->next) {
        n += send(a->fd, WORD, strlen(WORD), MSG_NOSIGNAL) > 0;
    }
    printf("{\"sessions\":%zu}\n", n);
    fflush(stdout);
}

static int
run_herd(void)
{
    for (;;) {
        struct pollfd fds[2] = { { .fd = signal_fd, .events = POLLIN },
                                 { .fd = baton_fd(baton), .events = POLLIN } };

        poll(fds, 2, -1);
        run_baton();
        int signal_number = next_signal();
        if (signal_number == SIGUSR1) {
            say_words();
        } else if (signal_number) {
            return EXIT_SUCCESS;
        }
    }
}

int
main(int argc, char *argv[])
{
    struct sockaddr_in6 sink = { .sin6_family = AF_INET6 };
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    init_signals();
    if (argc == 3 && !strcmp(argv[1], "--sink")) {
        return run_sink(atoi(argv[2]));
    } else if (argc != 1
               && (argc != 4
                   || inet_pton(AF_INET6, argv[2], &sink.sin6_addr) != 1)) {
        fprintf(stderr, "usage: herd [COUNT ADDRESS PORT] | --sink PORT\n");
        return 2;
    }
    baton = baton_open(NULL, "herd");
    if (!baton) {
        die("baton_open", baton_error(NULL));
    }
    if (argc == 4) {
        sink.sin6_port = htons(atoi(argv[3]));
        for (int i = atoi(argv[1]); i > 0; i--) {
            open_session(&sink);
        }
    }
    printf("ready\n");
    fflush(stdout);
    return run_herd();
}
