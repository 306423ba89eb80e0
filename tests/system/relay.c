/* SPDX-License-Identifier: Apache-2.0 */

/* A TCP relay whose connections move: what comes to PORT of a session's
 * address goes to a server elsewhere, over a second connection of the same
 * session.  So programs that know nothing of Baton, at both ends, have their
 * streams moved in the middle, both directions at full speed.
 *
 * usage: relay PORT SERVER SERVER-PORT     opens a session, and waits for more
 *        relay                             waits for sessions
 *
 * The session's sockets: the listener, the clients' and the servers', in any
 * order.  State: where the server is, and for each pair which sockets it has,
 * and the bytes that are between them. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "baton/baton.h"

#define MAX_PAIRS 40
#define CHUNK 65536

struct way {      /* One direction of a pair. */
    uint32_t n;   /* Bytes in 'data' ... */
    uint8_t eof;  /* Nothing more comes ... */
    uint8_t shut; /* ... and it was said. */
    uint8_t data[CHUNK];
};

struct carried {
    in_port_t ports[2]; /* Client's, and ours to the server; 0: none yet. */
    struct way ways[2]; /* From fds[i] to fds[!i]. */
};

struct pair {
    int fds[2]; /* Client's, server's; -1: not connected yet. */
    struct carried carried;
};

struct relay {
    struct baton *baton;
    struct baton_session *session; /* One at a time; NULL: none. */
    bool running;
    int listener;
    struct pair *pairs[MAX_PAIRS];
    size_t n;
    struct sockaddr_in server;
};

static void
die(const char *what)
{
    fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void
add(struct relay *r, int fd)
{
    fcntl(fd, F_SETFL, O_NONBLOCK);
    if (baton_session_add(r->session, fd)) {
        die(baton_error(r->baton));
    }
}

/* False if nobody waits. */
static bool
accept_client(struct relay *r)
{
    struct sockaddr_in peer = { .sin_port = 0 };
    socklen_t len = sizeof peer;
    int client = accept(r->listener, (struct sockaddr *) &peer, &len);

    if (client < 0) {
        return false;
    }
    if (r->n >= MAX_PAIRS) {
        fprintf(stderr, "relay: too many clients\n");
        close(client);
        return true;
    }
    struct pair *pair = calloc(1, sizeof *pair);
    pair->fds[0] = client;
    pair->fds[1] = -1;
    pair->carried.ports[0] = peer.sin_port;
    r->pairs[r->n++] = pair;
    add(r, client);
    return true;
}

/* Not while the session moves: half a connection does not move. */
static bool
connect_server(struct relay *r, struct pair *pair)
{
    struct sockaddr_storage local;
    socklen_t len = sizeof local;

    local = baton_session_info(r->session)->address;
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server, (struct sockaddr *) &local, sizeof r->server)
        || connect(server, (struct sockaddr *) &r->server, sizeof r->server)
        || getsockname(server, (struct sockaddr *) &local, &len)) {
        perror("relay: no way to the server");
        close(server);
        return false;
    }
    pair->fds[1] = server;
    pair->carried.ports[1] = ((struct sockaddr_in *) &local)->sin_port;
    add(r, server);
    return true;
}

/* Returns false if the connection broke. */
static bool
forward(struct pair *pair, int i)
{
    struct way *way = &pair->carried.ways[i];

    if (way->n < CHUNK && !way->eof) {
        ssize_t got = recv(pair->fds[i], way->data + way->n, CHUNK - way->n,
                           0);
        if (got < 0 && errno != EAGAIN) {
            perror("relay: recv");
            return false;
        }
        way->eof = !got;
        way->n += got > 0 ? got : 0;
    }
    if (way->n) {
        ssize_t sent = send(pair->fds[!i], way->data, way->n, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) {
            perror("relay: send");
            return false;
        }
        if (sent > 0) {
            way->n -= sent;
            memmove(way->data, way->data + sent, way->n);
        }
    }
    if (way->eof && !way->n && !way->shut) {
        shutdown(pair->fds[!i], SHUT_WR);
        way->shut = true;
    }
    return true;
}

static void
close_pair(struct relay *r, size_t i, bool in_session)
{
    for (int j = 0; j < 2 && r->pairs[i]->fds[j] >= 0; j++) {
        if (in_session) {
            baton_session_remove(r->session, r->pairs[i]->fds[j]);
        }
        close(r->pairs[i]->fds[j]);
    }
    free(r->pairs[i]);
    memmove(&r->pairs[i], &r->pairs[i + 1], (--r->n - i) * sizeof *r->pairs);
}

static void
forward_all(struct relay *r)
{
    for (size_t i = 0; i < r->n;) {
        struct pair *pair = r->pairs[i];
        bool good = (pair->fds[1] >= 0 || connect_server(r, pair))
                    && forward(pair, 0) && forward(pair, 1);
        if (!good
            || (pair->carried.ways[0].shut && pair->carried.ways[1].shut)) {
            close_pair(r, i, true);
        } else {
            i++;
        }
    }
}

static void
drop_all(struct relay *r)
{
    while (r->n) {
        close_pair(r, 0, false);
    }
    close(r->listener);
    baton_session_end(r->session);
    r->session = NULL;
    r->running = false;
}

static void
pause_session(struct relay *r)
{
    /* What waits on the listener is ours still. */
    while (accept_client(r)) {
        continue;
    }
    r->running = false;
    size_t size = sizeof r->server + r->n * sizeof(struct carried);
    uint8_t *state = malloc(size), *p = state;
    memcpy(p, &r->server, sizeof r->server);
    p += sizeof r->server;
    for (size_t i = 0; i < r->n; i++) {
        memcpy(p, &r->pairs[i]->carried, sizeof r->pairs[i]->carried);
        p += sizeof r->pairs[i]->carried;
    }
    if (baton_session_answer(r->session, NULL, state, size)) {
        die(baton_error(r->baton));
    }
    free(state);
}

/* Puts a socket that came where it belongs. */
static bool
place(struct relay *r, int fd)
{
    struct sockaddr_in local, peer;
    socklen_t len = sizeof local;

    if (getsockname(fd, (struct sockaddr *) &local, &len)) {
        return false;
    }
    len = sizeof peer;
    if (getpeername(fd, (struct sockaddr *) &peer, &len)) {
        r->listener = fd;
        return true;
    }
    for (size_t i = 0; i < r->n; i++) {
        struct pair *pair = r->pairs[i];
        for (int j = 0; j < 2; j++) {
            if (pair->fds[j] < 0
                && pair->carried.ports[j]
                       == (j ? local.sin_port : peer.sin_port)) {
                pair->fds[j] = fd;
                return true;
            }
        }
    }
    return false;
}

static void
arrive(struct relay *r, const struct baton_event *ev)
{
    size_t rest = ev->state_len - sizeof r->server;
    const uint8_t *p = ev->state;

    if (r->session || ev->state_len < sizeof r->server
        || rest % sizeof(struct carried)
        || rest / sizeof(struct carried) > MAX_PAIRS) {
        fprintf(stderr, "relay: a session that cannot be taken\n");
        for (size_t i = 0; i < ev->n_fds; i++) {
            close(ev->fds[i]);
        }
        baton_session_answer(ev->session, "the relay cannot take this session",
                             NULL, 0);
        return;
    }
    r->session = ev->session;
    memcpy(&r->server, p, sizeof r->server);
    p += sizeof r->server;
    for (r->n = 0; r->n < rest / sizeof(struct carried); r->n++) {
        struct pair *pair = r->pairs[r->n] = calloc(1, sizeof *pair);
        memcpy(&pair->carried, p, sizeof pair->carried);
        p += sizeof pair->carried;
        pair->fds[0] = pair->fds[1] = -1;
    }
    for (size_t i = 0; i < ev->n_fds; i++) {
        if (!place(r, ev->fds[i])) {
            fprintf(stderr, "relay: a socket that belongs nowhere\n");
            exit(EXIT_FAILURE);
        }
    }
    if (baton_session_answer(r->session, NULL, NULL, 0)) {
        die(baton_error(r->baton));
    }
}

static void
handle_events(struct relay *r)
{
    struct baton_event ev;

    while (baton_next_event(r->baton, &ev) > 0) {
        switch (ev.type) {
        case BATON_PAUSE: pause_session(r); break;
        case BATON_RESUME:
        case BATON_OWNED: r->running = true; break;
        case BATON_GONE:
            if (ev.session == r->session) {
                drop_all(r);
            } else {
                baton_session_end(ev.session);
            }
            break;
        case BATON_ARRIVED: arrive(r, &ev); break;
        case BATON_REJECTED: fprintf(stderr, "relay: %s\n", ev.reason); break;
        case BATON_MOVED:
        case BATON_NONE:
        default: break;
        }
    }
}

static void
open_session(struct relay *r, char *argv[])
{
    struct sockaddr_storage local;
    char text[INET_ADDRSTRLEN];
    int on = 1;

    r->server.sin_family = AF_INET;
    r->server.sin_port = htons(atoi(argv[3]));
    if (inet_pton(AF_INET, argv[2], &r->server.sin_addr) != 1) {
        errno = EINVAL;
        die(argv[2]);
    }
    r->session = baton_session_open(r->baton, "relay", AF_INET, NULL);
    if (!r->session) {
        die(baton_error(r->baton));
    }
    local = baton_session_info(r->session)->address;
    struct sockaddr_in *sin = (struct sockaddr_in *) &local;
    sin->sin_port = htons(atoi(argv[1]));
    r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(r->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(r->listener, (struct sockaddr *) sin, sizeof *sin)
        || listen(r->listener, 16)) {
        die("listen");
    }
    add(r, r->listener);
    r->running = true;
    printf("address %s port %s session %s\n",
           inet_ntop(AF_INET, &sin->sin_addr, text, sizeof text), argv[1],
           baton_session_info(r->session)->id);
    fflush(stdout);
}

/* Waits until there is something to do. */
static void
wait_for_work(struct relay *r)
{
    struct pollfd pfds[2 + 2 * MAX_PAIRS];
    size_t n = 0;

    pfds[n++] = (struct pollfd){ baton_fd(r->baton), POLLIN, 0 };
    if (r->running) {
        pfds[n++] = (struct pollfd){ r->listener, POLLIN, 0 };
        for (size_t i = 0; i < r->n; i++) {
            const struct pair *pair = r->pairs[i];
            for (int j = 0; j < 2; j++) {
                const struct way *in = &pair->carried.ways[j];
                short events = 0;
                events |= in->n < CHUNK && !in->eof ? POLLIN : 0;
                events |= pair->carried.ways[!j].n ? POLLOUT : 0;
                pfds[n++] = (struct pollfd){ events ? pair->fds[j] : -1,
                                             events, 0 };
            }
        }
    }
    poll(pfds, n, -1);
}

int
main(int argc, char *argv[])
{
    static struct relay r;

    if (argc != 1 && argc != 4) {
        fprintf(stderr, "usage: relay [PORT SERVER SERVER-PORT]\n");
        return 2;
    }
    r.baton = baton_open(NULL, "relay");
    if (!r.baton) {
        die("baton_open");
    }
    if (argc == 4) {
        open_session(&r, argv);
    }
    for (;;) {
        handle_events(&r);
        if (r.running) {
            accept_client(&r);
            forward_all(&r);
        }
        wait_for_work(&r);
    }
}
