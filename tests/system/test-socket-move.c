/* SPDX-License-Identifier: Apache-2.0 */

/* Moves sockets of every kind between two hosts, with real packets, and looks
 * whether the peer could have noticed.
 *
 *     test-socket-move [CASE]...      as root; without, exits with status 77 */

#include "socket-state.h"
#include "move-net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PORT 4711

static const char *current;         /* Name of the case. */
static unsigned int failures, checks;

#define CHECK(CONDITION)                                                \
    do {                                                                \
        checks++;                                                       \
        if (!(CONDITION)) {                                             \
            printf("%s: line %d: %s\n", current, __LINE__, #CONDITION); \
            failures++;                                                 \
        }                                                               \
    } while (0)

static void
check_call(int error, char *message, int line)
{
    checks++;
    if (error) {
        printf("%s: line %d: %s (%s)\n", current, line,
               message ? message : "no reason", strerror(error));
        failures++;
    }
    free(message);
}
#define CALL(EXPRESSION)                                \
    do {                                                \
        char *message_ = NULL, **errorp = &message_;    \
        int error_ = (EXPRESSION);                      \
        check_call(error_, message_, __LINE__);         \
    } while (0)

static void
sleep_ms(int ms)
{
    struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };
    nanosleep(&ts, NULL);
}

static double
now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1e6 + ts.tv_nsec / 1e3;
}

static socklen_t
address_len(const struct sockaddr_storage *ss)
{
    return (ss->ss_family == AF_INET ? sizeof(struct sockaddr_in)
            : sizeof(struct sockaddr_in6));
}

/* A connection between the peer and the device that has the session. */
struct connection {
    int family;
    bool mapped;
    int device;                     /* The device's socket. */
    int peer;
    enum net_place place;           /* Where the session is. */
};

static int
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

static int
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

/* The peer connects to the device. */
static void
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

/* Ends without TIME_WAIT. */
static void
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

static void
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

/* Moves sockets to the other device.  'muted' is called, if nonnull, while
 * they are restored and muted there. */
static void
move(enum net_place *place, int *fds, size_t n,
     void (*muted)(const int *fds, size_t n))
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
        muted(new, n);
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

static void
go_home(enum net_place *place)
{
    if (*place != NET_DEVICE0) {
        net_bind_address(NET_DEVICE0, true);
        net_bind_address(NET_DEVICE1, false);
        net_redirect(NET_DEVICE0);
        *place = NET_DEVICE0;
    }
}

static void
move_connection(struct connection *c)
{
    move(&c->place, &c->device, 1, NULL);
}

static void
close_connection(struct connection *c)
{
    reset(c->device);
    reset(c->peer);
    go_home(&c->place);
}

/* Numbered bytes, so that a byte that is lost, doubled or out of order is
 * seen. */
static uint8_t
byte_at(size_t i)
{
    return (i * 2654435761u) >> 13;
}

static size_t
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

/* Reads up to 'n' bytes, waiting at most 'ms' for each. */
static size_t
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

/* Both directions carry data. */
static void
check_alive(struct connection *c)
{
    size_t in = 0, out = 0, in2 = 0, out2 = 0;

    double start = now_us();
    CHECK(write_some(c->device, &out, 10000) == 10000);
    CHECK(read_some(c->peer, &out2, 10000, 2000) == 10000);
    CHECK(write_some(c->peer, &in, 10000) == 10000);
    CHECK(read_some(c->device, &in2, 10000, 2000) == 10000);
    double took = now_us() - start;
    CHECK(took < 150000);
}

static void
test_idle(int family, bool mapped)
{
    struct connection c;

    open_connection(&c, family, mapped);
    for (int i = 0; i < 4; i++) {
        move_connection(&c);
        check_alive(&c);
    }
    close_connection(&c);
}

static void
test_idle_v4(void)
{
    test_idle(AF_INET, false);
}

static void
test_idle_v6(void)
{
    test_idle(AF_INET6, false);
}

static void
test_idle_mapped(void)
{
    test_idle(AF_INET6, true);
}

/* Unread, unacknowledged and unsent data: the peer does not read, so that
 * its window fills, and then nothing more can be sent. */
static void
test_queues(int family, size_t amount)
{
    struct connection c;
    size_t out = 0, in = 0, got_out = 0, got_in = 0;

    open_connection(&c, family, false);
    int size = 4 << 20;
    setsockopt(c.device, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    setsockopt(c.device, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    setsockopt(c.peer, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    write_some(c.device, &out, amount);
    write_some(c.peer, &in, amount);
    sleep_ms(20);

    for (int i = 0; i < 3; i++) {
        struct socket_state_info before, after;
        CALL(socket_state_inspect(c.device, &before, errorp));
        move_connection(&c);
        CALL(socket_state_inspect(c.device, &after, errorp));
        CHECK(before.recv_queue <= after.recv_queue);
        write_some(c.device, &out, 5000);
        write_some(c.peer, &in, 5000);
    }
    CHECK(read_some(c.peer, &got_out, out, 2000) == out);
    CHECK(read_some(c.device, &got_in, in, 2000) == in);
    check_alive(&c);
    close_connection(&c);
}

static void
test_queues_64k(void)
{
    test_queues(AF_INET, 65536);
}

static void
test_queues_64k_v6(void)
{
    test_queues(AF_INET6, 65536);
}

static void
test_queues_large(void)
{
    test_queues(AF_INET, 3 << 20);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    { "idle-v4", test_idle_v4 },
    { "idle-v6", test_idle_v6 },
    { "idle-mapped", test_idle_mapped },
    { "queues-64k", test_queues_64k },
    { "queues-64k-v6", test_queues_64k_v6 },
    { "queues-large", test_queues_large },
};

static bool
is_wanted(const char *name, int argc, char *argv[])
{
    for (int i = 1; i < argc; i++) {
        if (!strcmp(name, argv[i])) {
            return true;
        }
    }
    return argc == 1;
}

int
main(int argc, char *argv[])
{
    unsigned int n = 0, failed = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    net_init();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        current = cases[i].name;
        if (is_wanted(current, argc, argv)) {
            unsigned int before = failures;
            cases[i].run();
            n++;
            failed += failures != before;
        }
    }
    printf("socket-move: %u cases, %u failed, %u checks\n", n, failed,
           checks);
    return failed ? 1 : 0;
}
