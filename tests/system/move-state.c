/* SPDX-License-Identifier: Apache-2.0 */

/* Cases: half-closed connections, and urgent data. */

#include "move-test.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SIOCATMARK
#define SIOCATMARK 0x8905
#endif

/* What was done before the move; the order is that of the steps. */
#define DEVICE_WRITES 0x001u /* Arrives. */
#define PEER_WRITES 0x002u   /* Stays unread. */
#define PEER_SHUTS 0x004u
#define PEER_DEAF 0x008u /* Loses all that follows. */
#define DEVICE_WRITES_AGAIN 0x010u
#define DEVICE_FILLS 0x020u /* More than the peer's window. */
#define DEVICE_SHUTS 0x040u
#define PEER_SHUTS_LATE 0x080u

struct half {
    const char *name;
    int family;
    unsigned int steps;
    int state;
};

static const struct half halves[] = {
    { "fin-wait1-v4", AF_INET, PEER_DEAF | DEVICE_SHUTS, TCP_FIN_WAIT1 },
    { "fin-wait1-data", AF_INET,
      DEVICE_WRITES | PEER_WRITES | PEER_DEAF | DEVICE_WRITES_AGAIN
          | DEVICE_SHUTS,
      TCP_FIN_WAIT1 },
    { "fin-wait1-data-v6", AF_INET6,
      DEVICE_WRITES | PEER_WRITES | PEER_DEAF | DEVICE_WRITES_AGAIN
          | DEVICE_SHUTS,
      TCP_FIN_WAIT1 },
    { "fin-wait1-unsent", AF_INET, PEER_WRITES | DEVICE_FILLS | DEVICE_SHUTS,
      TCP_FIN_WAIT1 },
    { "fin-wait2", AF_INET, PEER_WRITES | DEVICE_SHUTS, TCP_FIN_WAIT2 },
    { "fin-wait2-v6", AF_INET6, DEVICE_WRITES | PEER_WRITES | DEVICE_SHUTS,
      TCP_FIN_WAIT2 },
    { "close-wait", AF_INET, PEER_SHUTS, TCP_CLOSE_WAIT },
    { "close-wait-data", AF_INET,
      PEER_WRITES | PEER_SHUTS | PEER_DEAF | DEVICE_WRITES_AGAIN,
      TCP_CLOSE_WAIT },
    { "close-wait-data-v6", AF_INET6,
      PEER_WRITES | PEER_SHUTS | PEER_DEAF | DEVICE_WRITES_AGAIN,
      TCP_CLOSE_WAIT },
    { "close-wait-unsent", AF_INET, PEER_WRITES | PEER_SHUTS | DEVICE_FILLS,
      TCP_CLOSE_WAIT },
    { "last-ack", AF_INET,
      PEER_WRITES | PEER_SHUTS | PEER_DEAF | DEVICE_WRITES_AGAIN
          | DEVICE_SHUTS,
      TCP_LAST_ACK },
    { "last-ack-v6", AF_INET6, PEER_SHUTS | PEER_DEAF | DEVICE_SHUTS,
      TCP_LAST_ACK },
    { "last-ack-unsent", AF_INET, PEER_SHUTS | DEVICE_FILLS | DEVICE_SHUTS,
      TCP_LAST_ACK },
    { "closing", AF_INET,
      PEER_WRITES | PEER_DEAF | DEVICE_SHUTS | PEER_SHUTS_LATE, TCP_CLOSING },
    { "closing-data-v6", AF_INET6,
      PEER_WRITES | PEER_DEAF | DEVICE_WRITES_AGAIN | DEVICE_SHUTS
          | PEER_SHUTS_LATE,
      TCP_CLOSING },
};

struct half_run {
    const struct half *half;
    struct connection c;
    size_t out, in; /* Written by the device, the peer. */
};

static void
half_prepare(struct half_run *r)
{
    unsigned int steps = r->half->steps;

    if (steps & DEVICE_WRITES) {
        write_some(r->c.device, &r->out, 20000);
    }
    if (steps & PEER_WRITES) {
        write_some(r->c.peer, &r->in, 20000);
    }
    if (steps & PEER_SHUTS) {
        shutdown(r->c.peer, SHUT_WR);
    }
    sleep_ms(5);
    if (steps & PEER_DEAF) {
        make_deaf(r->c.peer, true);
    }
    if (steps & DEVICE_WRITES_AGAIN) {
        write_some(r->c.device, &r->out, 12000);
    }
    if (steps & DEVICE_FILLS) {
        int size = 4 << 20;
        setsockopt(r->c.device, SOL_SOCKET, SO_SNDBUFFORCE, &size,
                   sizeof size);
        write_some(r->c.device, &r->out, 3 << 20);
    }
    if (steps & DEVICE_SHUTS) {
        shutdown(r->c.device, SHUT_WR);
    }
    sleep_ms(r->half->state == TCP_FIN_WAIT2 ? 60 : 5);
    if (steps & PEER_SHUTS_LATE) {
        shutdown(r->c.peer, SHUT_WR);
        sleep_ms(5);
    }
}

static void
half_muted(const int *fds, size_t n, void *r_)
{
    struct half_run *r = r_;

    CHECK(n == 1 && tcp_state(fds[0]) == r->half->state);
    if (r->half->steps & PEER_DEAF) {
        make_deaf(r->c.peer, false);
    }
}

/* Everything arrives, both ends close, and the connection is over. */
static void
half_finish(struct half_run *r)
{
    bool peer_shut = r->half->steps & (PEER_SHUTS | PEER_SHUTS_LATE);
    bool device_shut = r->half->steps & DEVICE_SHUTS;
    size_t got_out = 0, got_in = 0;

    if (!peer_shut) {
        write_some(r->c.peer, &r->in, 10000);
        shutdown(r->c.peer, SHUT_WR);
    }
    if (!device_shut) {
        write_some(r->c.device, &r->out, 10000);
        shutdown(r->c.device, SHUT_WR);
    }
    double start = now_us();
    CHECK(read_some(r->c.peer, &got_out, r->out, 2000) == r->out);
    CHECK(at_end(r->c.peer));
    CHECK(read_some(r->c.device, &got_in, r->in, 2000) == r->in);
    CHECK(at_end(r->c.device));
    double took = now_us() - start;
    if (took > 500000) {
        printf("%s took %.0f ms\n", r->half->name, took / 1000);
    }
    CHECK(took < 500000);
    sleep_ms(5);
    CHECK(tcp_state(r->c.device) == TCP_CLOSE);
    CHECK(tcp_state(r->c.peer) == TCP_CLOSE);
    /* Whose FIN came first has no socket any more, but TIME_WAIT. */
    close(r->c.device);
    close(r->c.peer);
    r->c.device = r->c.peer = -1;
}

static void
half_run(const struct half *half)
{
    struct half_run r;
    struct net_seen seen;

    memset(&r, 0, sizeof r);
    r.half = half;
    open_connection(&r.c, half->family, false);
    half_prepare(&r);
    CHECK(tcp_state(r.c.device) == half->state);
    move_sockets(&r.c.place, &r.c.device, 1, half_muted, &r);
    half_finish(&r);
    seen = net_seen(NET_DEVICE1);
    CHECK(!seen.rst);
    seen = net_seen(NET_DEVICE0);
    CHECK(!seen.rst);
    close_connection(&r.c);
}

static void
test_half_closed(void)
{
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
        check_begin(halves[i].name);
        half_run(&halves[i]);
    }
}

/* The application shut down reading: the peer may go on writing. */
static void
test_shut_rd(void)
{
    struct connection c;
    struct pollfd p = { .events = POLLRDHUP };

    open_connection(&c, AF_INET, false);
    shutdown(c.device, SHUT_RD);
    move_connection(&c);
    p.fd = c.device;
    CHECK(poll(&p, 1, 0) == 1 && p.revents & POLLRDHUP);
    CHECK(tcp_state(c.device) == TCP_ESTABLISHED);
    close_connection(&c);
}

/* Seven bytes, the urgent one among them at 'offset'; read in line or out of
 * it, before or after the move. */
static void
urgent(int family, int offset, bool in_line, bool taken)
{
    struct connection c;
    char text[8] = "abcdefg", got[8] = "", byte = 0;
    int on = 1, at_mark = 0;

    open_connection(&c, family, false);
    if (in_line) {
        setsockopt(c.device, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
    }
    CHECK(offset == 0 || send(c.peer, text, offset, 0) == offset);
    CHECK(send(c.peer, text + offset, 1, MSG_OOB) == 1);
    CHECK(offset == 6 || send(c.peer, text + offset + 1, 6 - offset, 0) > 0);
    sleep_ms(5);
    if (taken) {
        CHECK(recv(c.device, &byte, 1, MSG_OOB) == 1);
        CHECK(byte == text[offset]);
    }
    for (int i = 0; i < 2; i++) {
        move_connection(&c);
    }

    if (!in_line && !taken) {
        CHECK(recv(c.device, &byte, 1, MSG_OOB | MSG_DONTWAIT) == 1);
        CHECK(byte == text[offset]);
    } else {
        CHECK(recv(c.device, &byte, 1, MSG_OOB | MSG_DONTWAIT) < 0);
    }
    CHECK(recv(c.device, got, offset ? offset : 1, MSG_DONTWAIT)
          == (offset ? offset : 1));
    if (offset) {
        CHECK(!memcmp(got, text, offset));
        CHECK(!ioctl(c.device, SIOCATMARK, &at_mark) && at_mark);
    }
    int rest = 7 - offset - !in_line - !offset;
    if (rest) {
        memset(got, 0, sizeof got);
        CHECK(recv(c.device, got, sizeof got, MSG_DONTWAIT) == rest);
        CHECK(!memcmp(got, text + 7 - rest, rest));
    }
    check_alive(&c);
    close_connection(&c);
}

static void
test_urgent(void)
{
    for (int i = 0; i < 2; i++) {
        int family = i ? AF_INET6 : AF_INET;
        urgent(family, 3, false, false);
        urgent(family, 0, false, false);
        urgent(family, 6, false, false);
        urgent(family, 3, false, true);
        urgent(family, 3, true, false);
        urgent(family, 0, true, false);
    }
}

const struct move_case move_state_cases[] = {
    { "half-closed", test_half_closed },
    { "shut-rd", test_shut_rd },
    { "urgent", test_urgent },
    { NULL, NULL },
};
