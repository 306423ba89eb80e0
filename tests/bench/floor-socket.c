/* SPDX-License-Identifier: Apache-2.0 */

/* The sockets' part of the floor: capture and restore between two namespaces,
 * with nothing around it.
 *
 * usage: floor-socket tcp|udp BYTES COUNT
 *
 * The sockets are those of a session of pulse (with BYTES, half of them unread
 * in one connection, half unsent in another) or of baton-stream.  What is not
 * capture and restore (addresses, routes) is not counted.  Prints
 * microseconds, one line a move. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "../system/move-net.h"
#include "socket-state.h"

#define SESSION_PORT 5000
#define PEER_PORT 6000
#define MAX_SOCKETS 2

static int sockets[MAX_SOCKETS];
static int n_sockets;

static void
die(const char *what)
{
    fprintf(stderr, "floor-socket: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void
check(int error, const char *text)
{
    if (error) {
        fprintf(stderr, "floor-socket: %s\n", text ? text : strerror(error));
        exit(EXIT_FAILURE);
    }
}

static double
now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1e6 + ts.tv_nsec / 1e3;
}

/* Making the sockets. */

static void
set_option(int fd, int option, int value)
{
    if (setsockopt(fd, SOL_SOCKET, option, &value, sizeof value)) {
        die("setsockopt");
    }
}

static int
bound_socket(int type, const struct sockaddr_storage *ss)
{
    int fd = socket(ss->ss_family, type | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        die("socket");
    }
    set_option(fd, SO_REUSEADDR, 1);
    if (bind(fd, (const struct sockaddr *) ss, sizeof(struct sockaddr_in))) {
        die("bind");
    }
    return fd;
}

static void
send_bytes(int fd, int n)
{
    char *bytes = calloc(1, n + 1);

    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (int done = 0, len; done < n; done += len) {
        len = send(fd, bytes + done, n - done, MSG_NOSIGNAL);
        if (len < 0 && errno == EAGAIN) {
            usleep(1000);
            len = 0;
        } else if (len < 0) {
            die("send");
        }
    }
    free(bytes);
}

/* One connection; of the bytes that are to wait in it, 'unread' here, 'unsent'
 * because the peer has no room. */
static void
add_connection(int unread, int unsent)
{
    struct sockaddr_storage local, peer;
    int n = n_sockets;

    net_session_address(AF_INET, false, SESSION_PORT + n, &local);
    net_peer_address(AF_INET, false, PEER_PORT + n, &peer);
    net_enter(NET_PEER);
    int listener = bound_socket(SOCK_STREAM, &peer);
    if (unsent) {
        set_option(listener, SO_RCVBUF, 1);
    }
    if (listen(listener, 1)) {
        die("listen");
    }
    net_enter(NET_DEVICE0);
    int fd = bound_socket(SOCK_STREAM, &local);
    if (unread) {
        set_option(fd, SO_RCVBUFFORCE, 4 * unread);
    }
    if (unsent) {
        set_option(fd, SO_SNDBUFFORCE, 8 * unsent);
    }
    if (connect(fd, (struct sockaddr *) &peer, sizeof(struct sockaddr_in))) {
        die("connect");
    }
    int far = accept(listener, NULL, NULL); /* Stays open. */
    if (far < 0) {
        die("accept");
    }
    send_bytes(far, unread);
    send_bytes(fd, unsent);
    for (int waiting = 0; waiting < unread; usleep(1000)) {
        if (ioctl(fd, SIOCINQ, &waiting)) {
            die("SIOCINQ");
        }
    }
    sockets[n_sockets++] = fd;
}

static void
add_datagram_socket(void)
{
    struct sockaddr_storage local, peer;

    net_session_address(AF_INET, false, SESSION_PORT, &local);
    net_peer_address(AF_INET, false, PEER_PORT, &peer);
    net_enter(NET_DEVICE0);
    int fd = bound_socket(SOCK_DGRAM, &local);
    if (connect(fd, (struct sockaddr *) &peer, sizeof(struct sockaddr_in))) {
        die("connect");
    }
    sockets[n_sockets++] = fd;
}

/* Moving. */

static double
capture_all(struct socket_state *states[])
{
    double begin = now_us();

    for (int i = 0; i < n_sockets; i++) {
        char *error = NULL;

        check(socket_state_freeze(sockets[i], &error), error);
        check(socket_state_capture(sockets[i], &states[i], &error), error);
    }
    return now_us() - begin;
}

/* Not counted: an agent makes these long before. */
static void
make_catchers(bool datagram, int catchers[])
{
    struct sockaddr_storage local, peer;
    char *error = NULL;

    catchers[0] = catchers[1] = -1;
    if (datagram) {
        net_session_address(AF_INET, false, SESSION_PORT, &local);
        net_peer_address(AF_INET, false, PEER_PORT, &peer);
        check(socket_state_catcher(&local, &peer, NET_MARK, &catchers[0],
                                   &error),
              error);
    }
}

static double
restore_all(struct socket_state *states[], const int catchers[])
{
    double begin = now_us();

    for (int i = 0; i < n_sockets; i++) {
        char *error = NULL;

        check(socket_state_restore(states[i], catchers[i], NET_MARK,
                                   &sockets[i], &error),
              error);
    }
    return now_us() - begin;
}

static double
unmute_all(struct socket_state *states[])
{
    double begin = now_us();

    for (int i = 0; i < n_sockets; i++) {
        char *error = NULL;

        check(socket_state_unmute(sockets[i], states[i], &error), error);
    }
    return now_us() - begin;
}

static double
move(enum net_place from, enum net_place to, bool datagram)
{
    struct socket_state *states[MAX_SOCKETS];
    int old[MAX_SOCKETS], catchers[MAX_SOCKETS];
    double us;

    net_bind_address(to, true);
    net_close_output(from, true);
    net_close_output(to, true);
    net_enter(to);
    make_catchers(datagram, catchers);
    memcpy(old, sockets, sizeof old);
    us = capture_all(states) + restore_all(states, catchers);
    for (int i = 0; i < n_sockets; i++) {
        socket_state_discard(old[i], NULL);
        close(old[i]);
    }
    net_bind_address(from, false);
    net_close_output(from, false);
    net_redirect(to);
    net_close_output(to, false);
    net_enter(to);
    us += unmute_all(states);
    for (int i = 0; i < n_sockets; i++) {
        socket_state_destroy(states[i]);
    }
    return us;
}

int
main(int argc, char *argv[])
{
    if (argc != 4) {
        fprintf(stderr, "usage: floor-socket tcp|udp BYTES COUNT\n");
        return 2;
    }
    bool datagram = !strcmp(argv[1], "udp");
    int bytes = atoi(argv[2]), count = atoi(argv[3]);

    net_init();
    if (datagram) {
        add_datagram_socket();
    } else {
        add_connection(bytes / 2, 0);
        if (bytes) {
            add_connection(0, bytes / 2);
        }
    }
    for (int i = 0; i < count; i++) {
        printf("%.1f\n", move(i % 2, (i + 1) % 2, datagram));
    }
    return 0;
}
