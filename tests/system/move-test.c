/* SPDX-License-Identifier: Apache-2.0 */

#include "move-test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *current; /* Name of the case. */
static unsigned int failures, checks;

void
check_begin(const char *name)
{
    current = name;
}

unsigned int
check_failures(void)
{
    return failures;
}

unsigned int
check_count(void)
{
    return checks;
}

void
check(bool ok, const char *what, const char *file, int line)
{
    const char *slash = strrchr(file, '/');

    checks++;
    if (!ok) {
        printf("%s: %s:%d: %s\n", current, slash ? slash + 1 : file, line,
               what);
        failures++;
    }
}

void
check_call(int error, char *message, const char *file, int line)
{
    check(!error, message ? message : "a call failed", file, line);
    free(message);
}

void
sleep_ms(int ms)
{
    struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };
    nanosleep(&ts, NULL);
}

double
now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1e6 + ts.tv_nsec / 1e3;
}

socklen_t
address_len(const struct sockaddr_storage *ss)
{
    return (ss->ss_family == AF_INET ? sizeof(struct sockaddr_in)
                                     : sizeof(struct sockaddr_in6));
}

int
open_listener(int family, bool mapped, uint16_t port)
{
    struct sockaddr_storage ss;
    int on = 1;

    net_session_address(family, mapped, port, &ss);
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    CHECK(!bind(fd, (struct sockaddr *) &ss, address_len(&ss)));
    CHECK(!listen(fd, 8));
    return fd;
}

int
connect_from_peer(int family, uint16_t port)
{
    struct sockaddr_storage local, ss;

    net_enter(NET_PEER);
    net_session_address(family, false, port, &ss);
    net_peer_address(family, false, 0, &local);
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(!bind(fd, (struct sockaddr *) &local, address_len(&local)));
    CHECK(!connect(fd, (struct sockaddr *) &ss, address_len(&ss)));
    return fd;
}

void
open_connection(struct connection *c, int family, bool mapped)
{
    memset(c, 0, sizeof *c);
    c->family = family;
    c->mapped = mapped;
    c->place = NET_DEVICE0;
    net_enter(c->place);
    int listener = open_listener(family, mapped, PORT);
    c->peer = connect_from_peer(mapped ? AF_INET : family, PORT);
    c->device = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(c->device >= 0);
    close(listener);
}

void
reset(int fd)
{
    struct linger linger = { 1, 0 };
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        close(fd);
    }
}

/* Gives 'state' the form in which another machine gets it. */
static struct socket_state *
pass(struct socket_state *state)
{
    struct socket_state *copy = NULL;
    uint8_t *bytes = NULL;
    size_t n;

    CALL(socket_state_encode(state, &bytes, &n, errorp));
    socket_state_destroy(state);
    CALL(socket_state_decode(bytes, n, &copy, errorp));
    free(bytes);
    return copy;
}

void
check_silent(enum net_place place)
{
    struct net_seen seen = net_seen(place);
    if (seen.packets) {
        printf("%s: %u packets left device %d: %u RST, %u FIN, %u data\n",
               current, seen.packets, place, seen.rst, seen.fin, seen.data);
    }
    CHECK(!seen.packets);
}

static enum net_place
other(enum net_place place)
{
    return place == NET_DEVICE0 ? NET_DEVICE1 : NET_DEVICE0;
}

void
move_sockets(enum net_place *place, int *fds, size_t n, move_muted *muted,
             void *aux)
{
    enum net_place from = *place, to = other(from);
    struct socket_state *states[8];
    int new[8];

    net_enter(from);
    for (size_t i = 0; i < n; i++) {
        CALL(socket_state_check(fds[i], errorp));
    }
    net_close_output(from, true);
    net_seen(from);
    net_enter(from);
    for (size_t i = 0; i < n; i++) {
        CALL(socket_state_freeze(fds[i], errorp));
    }
    for (size_t i = 0; i < n; i++) {
        CALL(socket_state_capture(fds[i], &states[i], errorp));
        states[i] = pass(states[i]);
    }
    sleep_ms(5);
    check_silent(from);

    net_close_output(to, true);
    net_bind_address(to, true);
    net_redirect(to);
    net_seen(to);
    net_enter(to);
    for (size_t i = 0; i < n; i++) {
        CALL(socket_state_restore(states[i], -1, NET_MARK, &new[i], errorp));
    }
    if (muted) {
        muted(new, n, aux);
    }
    sleep_ms(5);
    check_silent(to);
    check_silent(from);

    net_close_output(to, false);
    net_enter(to);
    for (size_t i = 0; i < n; i++) {
        CALL(socket_state_unmute(new[i], states[i], errorp));
        socket_state_destroy(states[i]);
    }

    net_enter(from);
    for (size_t i = 0; i < n; i++) {
        CALL(socket_state_discard(fds[i], errorp));
        close(fds[i]);
        fds[i] = new[i];
    }
    sleep_ms(5);
    check_silent(from);
    net_bind_address(from, false);
    net_close_output(from, false);
    check_silent(from);
    *place = to;
}

void
go_home(enum net_place *place)
{
    if (*place != NET_DEVICE0) {
        net_bind_address(NET_DEVICE0, true);
        net_bind_address(NET_DEVICE1, false);
        net_redirect(NET_DEVICE0);
        *place = NET_DEVICE0;
    }
}

void
move_connection(struct connection *c)
{
    move_sockets(&c->place, &c->device, 1, NULL, NULL);
}

void
close_connection(struct connection *c)
{
    reset(c->device);
    reset(c->peer);
    go_home(&c->place);
}

static uint8_t
byte_at(size_t i)
{
    return (i * 2654435761u) >> 13;
}

size_t
write_some(int fd, size_t *position, size_t n)
{
    uint8_t buffer[65536];
    size_t done = 0;

    while (done < n) {
        size_t size = n - done < sizeof buffer ? n - done : sizeof buffer;
        for (size_t i = 0; i < size; i++) {
            buffer[i] = byte_at(*position + i);
        }
        ssize_t sent = send(fd, buffer, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent <= 0) {
            break;
        }
        *position += sent;
        done += sent;
    }
    return done;
}

size_t
read_some(int fd, size_t *position, size_t n, int ms)
{
    uint8_t buffer[65536];
    size_t done = 0;

    while (done < n) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        size_t size = n - done < sizeof buffer ? n - done : sizeof buffer;
        if (poll(&p, 1, ms) <= 0) {
            break;
        }
        ssize_t got = recv(fd, buffer, size, MSG_DONTWAIT);
        if (got <= 0) {
            break;
        }
        for (size_t i = 0; i < got; i++) {
            if (buffer[i] != byte_at(*position + i)) {
                printf("%s: wrong byte at %zu\n", current, *position + i);
                failures++;
                return done;
            }
        }
        *position += got;
        done += got;
    }
    return done;
}

void
check_alive(struct connection *c)
{
    size_t in = 0, out = 0, in2 = 0, out2 = 0;

    double start = now_us();
    CHECK(write_some(c->device, &out, 10000) == 10000);
    CHECK(read_some(c->peer, &out2, 10000, 2000) == 10000);
    CHECK(write_some(c->peer, &in, 10000) == 10000);
    CHECK(read_some(c->device, &in2, 10000, 2000) == 10000);
    double took = now_us() - start;
    CHECK(took < 600000);
}

bool
at_end(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    uint8_t byte;
    return poll(&p, 1, 1000) == 1 && !recv(fd, &byte, 1, MSG_DONTWAIT);
}

int
tcp_state(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len)
               ? -1
               : info.tcpi_state;
}

void
make_deaf(int fd, bool deaf)
{
    struct sock_filter insn = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog prog = { 1, &insn };
    int off = 0;

    if (deaf) {
        CHECK(
            !setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog));
    } else {
        CHECK(!setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &off, sizeof off));
    }
}
