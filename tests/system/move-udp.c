/* SPDX-License-Identifier: Apache-2.0 */

/* Cases: UDP sockets, and datagrams that arrive while they move. */

#include "move-test.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int
open_udp(int family, bool mapped, bool connected)
{
    struct sockaddr_storage ss;

    net_enter(NET_DEVICE0);
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    net_session_address(family, mapped, PORT, &ss);
    CHECK(!bind(fd, (struct sockaddr *) &ss, address_len(&ss)));
    if (connected) {
        net_peer_address(family, mapped, PORT + 1, &ss);
        CHECK(!connect(fd, (struct sockaddr *) &ss, address_len(&ss)));
    }
    return fd;
}

static int
open_udp_peer(int family)
{
    struct sockaddr_storage ss;

    net_enter(NET_PEER);
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    net_peer_address(family, false, PORT + 1, &ss);
    CHECK(!bind(fd, (struct sockaddr *) &ss, address_len(&ss)));
    net_session_address(family, false, PORT, &ss);
    CHECK(!connect(fd, (struct sockaddr *) &ss, address_len(&ss)));
    return fd;
}

/* Puts an IP packet for this host into its kernel. */
static void
deliver(int family, const uint8_t *packet, size_t n)
{
    struct sockaddr_storage ss;
    int on = 1;

    net_session_address(family, false, 0, &ss);
    int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    if (family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof on);
    }
    CHECK(sendto(fd, packet, n, 0, (struct sockaddr *) &ss, address_len(&ss))
          == n);
    close(fd);
}

struct udp_move {
    int family;
    bool mapped, connected;
};

/* Takes what waits at the old place to the new one. */
static size_t
relay(const struct udp_move *m, int from_fd, enum net_place to)
{
    static uint8_t packet[65575];
    size_t count = 0, n;

    for (;;) {
        int error = socket_state_take_datagram(from_fd, packet, sizeof packet,
                                               &n, NULL);
        if (error) {
            CHECK(error == EAGAIN);
            return count;
        }
        net_enter(to);
        deliver(m->mapped ? AF_INET : m->family, packet, n);
        count++;
    }
}

/* Moves a UDP socket as an agent does: a catcher first, the old socket as
 * catcher of what is late. */
static void
move_udp(const struct udp_move *m, enum net_place *place, int *fd)
{
    enum net_place from = *place;
    enum net_place to = from == NET_DEVICE0 ? NET_DEVICE1 : NET_DEVICE0;
    struct socket_state_info info;
    struct socket_state *state = NULL;
    uint8_t *bytes = NULL;
    int catcher = -1, new = -1;
    size_t n;

    CALL(socket_state_check(*fd, errorp));
    CALL(socket_state_inspect(*fd, &info, errorp));
    CHECK(info.kind == SOCKET_STATE_UDP);
    net_close_output(to, true);
    net_bind_address(to, true);
    net_enter(to);
    CALL(socket_state_catcher(&info.local, &info.peer, NET_MARK, &catcher,
                              errorp));
    net_redirect(to);
    net_close_output(from, true);
    CALL(socket_state_freeze(*fd, errorp));
    CALL(socket_state_capture(*fd, &state, errorp));
    CALL(socket_state_encode(state, &bytes, &n, errorp));
    socket_state_destroy(state);
    CALL(socket_state_decode(bytes, n, &state, errorp));
    free(bytes);
    net_enter(to);
    CALL(socket_state_restore(state, catcher, NET_MARK, &new, errorp));
    CHECK(new == catcher);
    net_close_output(to, false);
    net_enter(to);
    CALL(socket_state_unmute(new, state, errorp));
    relay(m, *fd, to);
    sleep_ms(5);
    relay(m, *fd, to);
    CALL(socket_state_settle(new, errorp));
    CALL(socket_state_discard(*fd, errorp));
    close(*fd);
    net_bind_address(from, false);
    net_close_output(from, false);
    socket_state_destroy(state);
    *fd = new;
    *place = to;
}

#define STREAM_N 3000

static pid_t
start_stream(int peer)
{
    pid_t pid = fork();
    if (!pid) {
        for (uint32_t i = 0; i < STREAM_N; i++) {
            if (send(peer, &i, sizeof i, 0) != sizeof i) {
                _exit(1);
            }
            usleep(100);
        }
        _exit(0);
    }
    return pid;
}

static void
count_stream(int fd, uint8_t *seen)
{
    uint32_t i;
    while (recv(fd, &i, sizeof i, MSG_DONTWAIT) == sizeof i) {
        CHECK(i < STREAM_N);
        if (i < STREAM_N && seen[i] < 255) {
            seen[i]++;
        }
    }
}

/* A numbered stream: each datagram arrives once, whatever moves. */
static void
stream(const struct udp_move *m)
{
    static uint8_t seen[STREAM_N];
    enum net_place place = NET_DEVICE0;
    unsigned int lost = 0, twice = 0, moves = 0;
    int status;

    memset(seen, 0, sizeof seen);
    int fd = open_udp(m->family, m->mapped, m->connected);
    int size = 4 << 20; /* Enough while ip runs. */
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    int peer = open_udp_peer(m->mapped ? AF_INET : m->family);
    pid_t pid = start_stream(peer);
    do {
        sleep_ms(20);
        count_stream(fd, seen);
        move_udp(m, &place, &fd);
        moves++;
    } while (!waitpid(pid, &status, WNOHANG));
    CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
    sleep_ms(20);
    count_stream(fd, seen);
    for (size_t i = 0; i < STREAM_N; i++) {
        lost += !seen[i];
        twice += seen[i] > 1;
    }
    if (lost || twice) {
        printf("%u lost, %u twice, %u moves\n", lost, twice, moves);
    }
    CHECK(!lost && !twice && moves > 1);

    /* And back. */
    struct sockaddr_storage to;
    net_peer_address(m->family, m->mapped, PORT + 1, &to);
    uint32_t number = 4711;
    CHECK(sendto(fd, &number, sizeof number, 0,
                 m->connected ? NULL : (struct sockaddr *) &to,
                 m->connected ? 0 : address_len(&to))
          == sizeof number);
    sleep_ms(5);
    number = 0;
    CHECK(recv(peer, &number, sizeof number, MSG_DONTWAIT) == sizeof number
          && number == 4711);
    close(fd);
    close(peer);
    go_home(&place);
}

static void
test_udp_stream(void)
{
    const struct udp_move moves[] = {
        { AF_INET, false, false },  { AF_INET, false, true },
        { AF_INET6, false, false }, { AF_INET6, false, true },
        { AF_INET6, true, false },  { AF_INET6, true, true },
    };
    for (size_t i = 0; i < sizeof moves / sizeof *moves; i++) {
        stream(&moves[i]);
    }
}

/* The largest datagram, and an empty one. */
static void
large(int family)
{
    struct udp_move m = { family, false, false };
    static uint8_t data[65507], got[65536];
    enum net_place place = NET_DEVICE0;
    size_t size = family == AF_INET ? 65507 : 65487;

    for (size_t i = 0; i < size; i++) {
        data[i] = i * 7 >> 3;
    }
    int fd = open_udp(family, false, false);
    int peer = open_udp_peer(family);
    CHECK(send(peer, data, size, 0) == size);
    CHECK(send(peer, data, 0, 0) == 0);
    sleep_ms(5);
    move_udp(&m, &place, &fd);
    sleep_ms(5);
    CHECK(recv(fd, got, sizeof got, MSG_DONTWAIT) == size);
    CHECK(!memcmp(got, data, size));
    CHECK(recv(fd, got, sizeof got, MSG_DONTWAIT) == 0);
    close(fd);
    close(peer);
    go_home(&place);
}

static void
test_udp_large(void)
{
    large(AF_INET);
    large(AF_INET6);
}

static void
test_udp_options(void)
{
    struct udp_move m = { AF_INET, false, true };
    enum net_place place = NET_DEVICE0;
    int on = 1, tos = 0x48, ttl = 9, size = 70000, value;
    socklen_t len = sizeof value;

    int fd = open_udp(AF_INET, false, true);
    setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
    setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof tos);
    setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl);
    setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    for (int i = 0; i < 2; i++) {
        move_udp(&m, &place, &fd);
        CHECK(!getsockopt(fd, SOL_SOCKET, SO_BROADCAST, &value, &len)
              && value == 1);
        CHECK(!getsockopt(fd, IPPROTO_IP, IP_TOS, &value, &len)
              && value == tos);
        CHECK(!getsockopt(fd, IPPROTO_IP, IP_TTL, &value, &len)
              && value == ttl);
        CHECK(!getsockopt(fd, IPPROTO_IP, IP_PKTINFO, &value, &len)
              && value == 1);
        CHECK(!getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, &len)
              && value == 2 * size);
        CHECK(!getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, &len)
              && value == 2 * size);
        CHECK(!getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, &len)
              && value == 0);
    }
    close(fd);
}

/* A dead UDP socket is heard no more, and hears no more. */
static void
udp_discard(int family)
{
    struct sockaddr_storage to;
    uint8_t byte = 0;

    int fd = open_udp(family, false, false);
    int peer = open_udp_peer(family);
    net_seen(NET_DEVICE0);
    net_enter(NET_DEVICE0);
    CALL(socket_state_discard(fd, errorp));
    net_peer_address(family, false, PORT + 1, &to);
    sendto(fd, &byte, 1, MSG_DONTWAIT, (struct sockaddr *) &to,
           address_len(&to));
    CHECK(recv(fd, &byte, 1, 0) == 0);
    sleep_ms(5);
    CHECK(!net_seen(NET_DEVICE0).packets);
    CHECK(recv(peer, &byte, 1, MSG_DONTWAIT) < 0);
    close(fd);
    close(peer);
}

static void
test_udp_discard(void)
{
    udp_discard(AF_INET);
    udp_discard(AF_INET6);
}

const struct move_case move_udp_cases[] = {
    { "udp-stream", test_udp_stream },
    { "udp-large", test_udp_large },
    { "udp-options", test_udp_options },
    { "udp-discard", test_udp_discard },
    { NULL, NULL },
};
