/* SPDX-License-Identifier: Apache-2.0 */

/* Cases: connections with and without data in their queues. */

#include "move-test.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

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

/* More is unsent than the application has asked for since. */
static void
test_queues_lowat(void)
{
    int size = 4 << 20, lowat = 16384;
    size_t out = 0, got_out = 0;
    struct connection c;

    open_connection(&c, AF_INET, false);
    setsockopt(c.device, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    write_some(c.device, &out, 3 << 20);
    setsockopt(c.device, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat);
    sleep_ms(20);
    for (int i = 0; i < 2; i++) {
        socklen_t len = sizeof lowat;

        move_connection(&c);
        lowat = 0;
        getsockopt(c.device, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, &len);
        CHECK(lowat == 16384);
    }
    CHECK(read_some(c.peer, &got_out, out, 2000) == out);
    check_alive(&c);
    close_connection(&c);
}

const struct move_case move_data_cases[] = {
    { "idle-v4", test_idle_v4 },
    { "idle-v6", test_idle_v6 },
    { "idle-mapped", test_idle_mapped },
    { "queues-64k", test_queues_64k },
    { "queues-64k-v6", test_queues_64k_v6 },
    { "queues-large", test_queues_large },
    { "queues-lowat", test_queues_lowat },
    { NULL, NULL },
};
