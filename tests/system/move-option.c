/* SPDX-License-Identifier: Apache-2.0 */

/* Cases: options, buffer sizes, segment sizes, listeners. */

#include "move-test.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct wanted {
    int level, name, value;
    bool v6; /* Only there. */
};

static const struct wanted wanted[] = {
    { SOL_SOCKET, SO_KEEPALIVE, 1, false },
    { IPPROTO_TCP, TCP_KEEPIDLE, 77, false },
    { IPPROTO_TCP, TCP_KEEPINTVL, 7, false },
    { IPPROTO_TCP, TCP_KEEPCNT, 5, false },
    { IPPROTO_TCP, TCP_NODELAY, 1, false },
    { IPPROTO_TCP, TCP_USER_TIMEOUT, 34567, false },
    { IPPROTO_TCP, TCP_NOTSENT_LOWAT, 16384, false },
    { SOL_SOCKET, SO_OOBINLINE, 1, false },
    { SOL_SOCKET, SO_RCVLOWAT, 2, false },
    { SOL_SOCKET, SO_PEEK_OFF, 3, false },
    { SOL_SOCKET, SO_REUSEADDR, 1, false },
    { SOL_SOCKET, SO_REUSEPORT, 1, false },
    { IPPROTO_IP, IP_TOS, 0x48, false },
    { IPPROTO_IP, IP_TTL, 33, false },
    { IPPROTO_IPV6, IPV6_TCLASS, 0x28, true },
    { IPPROTO_IPV6, IPV6_UNICAST_HOPS, 44, true },
};
#define N_WANTED (sizeof wanted / sizeof *wanted)

static int
get(int fd, int level, int name)
{
    int value = -12345;
    socklen_t len = sizeof value;
    getsockopt(fd, level, name, &value, &len);
    return value;
}

static void
set(int fd, int level, int name, int value)
{
    CHECK(!setsockopt(fd, level, name, &value, sizeof value));
}

static void
options(int family)
{
    struct linger linger = { 1, 17 }, got_linger = { 0, 0 };
    struct timeval tv = { 3, 250000 }, got_tv = { 0, 0 };
    struct connection c;
    char cc[16] = "";
    socklen_t len;

    open_connection(&c, family, false);
    for (size_t i = 0; i < N_WANTED; i++) {
        if (!wanted[i].v6 || family == AF_INET6) {
            set(c.device, wanted[i].level, wanted[i].name, wanted[i].value);
        }
    }
    setsockopt(c.device, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    setsockopt(c.device, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    CHECK(!setsockopt(c.device, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
    set(c.device, SOL_SOCKET, SO_RCVBUF, 100000);
    fcntl(c.device, F_SETFL, O_NONBLOCK);

    for (int i = 0; i < 2; i++) {
        move_connection(&c);
        for (size_t j = 0; j < N_WANTED; j++) {
            if (wanted[j].v6 && family != AF_INET6) {
                continue;
            }
            int value = get(c.device, wanted[j].level, wanted[j].name);
            if (value != wanted[j].value) {
                printf("level %d option %d is %d\n", wanted[j].level,
                       wanted[j].name, value);
            }
            CHECK(value == wanted[j].value);
        }
        len = sizeof got_linger;
        getsockopt(c.device, SOL_SOCKET, SO_LINGER, &got_linger, &len);
        CHECK(got_linger.l_onoff && got_linger.l_linger == 17);
        len = sizeof got_tv;
        getsockopt(c.device, SOL_SOCKET, SO_RCVTIMEO, &got_tv, &len);
        CHECK(got_tv.tv_sec == 3 && got_tv.tv_usec == 252000);
        len = sizeof cc;
        getsockopt(c.device, IPPROTO_TCP, TCP_CONGESTION, cc, &len);
        CHECK(!strcmp(cc, "reno"));
        CHECK(get(c.device, SOL_SOCKET, SO_RCVBUF) == 200000);
        CHECK(get(c.device, SOL_SOCKET, SO_BUF_LOCK) == 2);
        CHECK(fcntl(c.device, F_GETFL) & O_NONBLOCK);
    }
    check_alive(&c);
    close_connection(&c);
}

static void
test_options(void)
{
    options(AF_INET);
    options(AF_INET6);
}

/* What nobody set stays as it is, and buffers go on growing by themselves. */
static void
test_defaults(void)
{
    struct connection c;

    open_connection(&c, AF_INET, false);
    set(c.device, SOL_SOCKET, SO_REUSEADDR, 0);
    move_connection(&c);
    CHECK(get(c.device, SOL_SOCKET, SO_REUSEADDR) == 0);
    CHECK(get(c.device, SOL_SOCKET, SO_KEEPALIVE) == 0);
    CHECK(get(c.device, SOL_SOCKET, SO_BUF_LOCK) == 0);
    CHECK(get(c.device, SOL_SOCKET, SO_MARK) == 0);
    CHECK(get(c.device, IPPROTO_IP, IP_TRANSPARENT) == 0);
    CHECK(get(c.device, IPPROTO_TCP, TCP_NODELAY) == 0);
    CHECK(!(fcntl(c.device, F_GETFL) & O_NONBLOCK));
    check_alive(&c);
    close_connection(&c);
}

/* Window scale, SACK, timestamps, segment sizes, as negotiated. */
static void
test_negotiated(void)
{
    struct tcp_info before, after;
    socklen_t len = sizeof before;
    struct connection c;

    open_connection(&c, AF_INET, false);
    getsockopt(c.device, IPPROTO_TCP, TCP_INFO, &before, &len);
    for (int i = 0; i < 2; i++) {
        move_connection(&c);
        getsockopt(c.device, IPPROTO_TCP, TCP_INFO, &after, &len);
        CHECK(before.tcpi_options == after.tcpi_options);
        CHECK(before.tcpi_snd_wscale == after.tcpi_snd_wscale);
        CHECK(before.tcpi_rcv_wscale == after.tcpi_rcv_wscale);
        CHECK(before.tcpi_snd_mss == after.tcpi_snd_mss);
        check_alive(&c);
    }
    close_connection(&c);
}

/* A listener with a connection that waits: new ones are held, it is accepted,
 * and both move; a new one that begins meanwhile is answered afterwards. */
static void
listener(int family, bool mapped)
{
    enum net_place place = NET_DEVICE0;
    int peers[2], fds[2];

    net_enter(place);
    fds[0] = open_listener(family, mapped, PORT);
    peers[0] = connect_from_peer(mapped ? AF_INET : family, PORT);
    sleep_ms(2);
    struct socket_state_info info;
    CALL(socket_state_inspect(fds[0], &info, errorp));
    CHECK(info.kind == SOCKET_STATE_TCP_LISTEN && info.pending == 1);
    CALL(socket_state_hold_new(fds[0], true, errorp));
    fds[1] = accept4(fds[0], NULL, NULL, SOCK_CLOEXEC);
    CHECK(fds[1] >= 0);

    struct sockaddr_storage to;
    net_enter(NET_PEER);
    net_session_address(mapped ? AF_INET : family, false, PORT, &to);
    peers[1] = socket(mapped ? AF_INET : family,
                      SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(connect(peers[1], (struct sockaddr *) &to, address_len(&to))
          && errno == EINPROGRESS);
    sleep_ms(2);
    CALL(socket_state_inspect(fds[0], &info, errorp));
    CHECK(!info.pending);

    /* Once with the connection first, once with the listener first. */
    move_sockets(&place, fds, 2, NULL, NULL);
    int swap = fds[0];
    fds[0] = fds[1];
    fds[1] = swap;
    move_sockets(&place, fds, 2, NULL, NULL);
    CHECK(get(fds[1], SOL_SOCKET, SO_REUSEADDR) == 1);
    int accepted = accept4(fds[1], NULL, NULL, SOCK_CLOEXEC);
    CHECK(accepted >= 0);
    struct connection c = { family, mapped, accepted, peers[1], place };
    check_alive(&c);
    c.device = fds[0];
    c.peer = peers[0];
    check_alive(&c);
    CALL(socket_state_check(accepted, errorp));
    reset(accepted);
    reset(fds[0]);
    reset(peers[0]);
    reset(peers[1]);
    close(fds[1]);
    go_home(&place);
}

static void
test_listener(void)
{
    listener(AF_INET, false);
    listener(AF_INET6, false);
    listener(AF_INET6, true);
}

/* Held, and then let go: as if nothing had been. */
static void
test_listener_thaw(void)
{
    net_enter(NET_DEVICE0);
    int fd = open_listener(AF_INET, false, PORT);
    struct socket_state *state = NULL;

    CALL(socket_state_hold_new(fd, true, errorp));
    CALL(socket_state_freeze(fd, errorp));
    CALL(socket_state_capture(fd, &state, errorp));
    socket_state_destroy(state);
    CALL(socket_state_thaw(fd, errorp));
    int peer = connect_from_peer(AF_INET, PORT);
    int device = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    struct connection c = { AF_INET, false, device, peer, NET_DEVICE0 };
    check_alive(&c);

    /* One that nobody accepted cannot be carried. */
    int other = connect_from_peer(AF_INET, PORT);
    sleep_ms(2);
    CHECK(socket_state_capture(fd, &state, NULL) == EBUSY);
    reset(other);
    reset(peer);
    reset(device);
    close(fd);
}

/* Two connections of one port, one of them behind in the other's way. */
static void
test_two_of_a_port(void)
{
    enum net_place place = NET_DEVICE0;
    int peers[2], fds[2];

    net_enter(place);
    int fd = open_listener(AF_INET, false, PORT);
    for (int i = 0; i < 2; i++) {
        peers[i] = connect_from_peer(AF_INET, PORT);
        fds[i] = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        set(fds[i], SOL_SOCKET, SO_REUSEADDR, i);
    }
    close(fd);
    for (int i = 0; i < 2; i++) {
        move_sockets(&place, fds, 2, NULL, NULL);
        CHECK(get(fds[0], SOL_SOCKET, SO_REUSEADDR) == 0);
        CHECK(get(fds[1], SOL_SOCKET, SO_REUSEADDR) == 1);
    }
    for (int i = 0; i < 2; i++) {
        struct connection c = { AF_INET, false, fds[i], peers[i], place };
        check_alive(&c);
        reset(fds[i]);
        reset(peers[i]);
    }
}

const struct move_case move_option_cases[] = {
    { "options", test_options },
    { "defaults", test_defaults },
    { "negotiated", test_negotiated },
    { "listener", test_listener },
    { "listener-thaw", test_listener_thaw },
    { "two-of-a-port", test_two_of_a_port },
    { NULL, NULL },
};
