/* SPDX-License-Identifier: Apache-2.0 */

/* Cases: silence, loss on the way, thaw, discard, refusals. */

#include "move-test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Longer than the timers that could make a muted socket speak. */
static void
push(const int *fds, size_t n, void *c_)
{
    struct connection *c = c_;
    size_t in = 20000;

    CHECK(n == 1 && tcp_state(fds[0]) > 0);
    write_some(c->peer, &in, 20000);
    sleep_ms(700);
    make_deaf(c->peer, false);
}

/* Nothing leaves either side while nobody owns the session: unacknowledged
 * data whose timers end, data that arrives, keepalives. */
static void
silent(int family)
{
    struct connection c;
    size_t out = 0, in = 0, got_out = 0, got_in = 0;
    int on = 1;

    open_connection(&c, family, false);
    setsockopt(c.device, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(c.device, IPPROTO_TCP, TCP_KEEPIDLE, &on, sizeof on);
    make_deaf(c.peer, true);
    write_some(c.device, &out, 8000);
    write_some(c.peer, &in, 20000);
    sleep_ms(5);

    net_close_output(c.place, true);
    net_seen(c.place);
    net_enter(c.place);
    CALL(socket_state_freeze(c.device, errorp));
    sleep_ms(700);
    check_silent(c.place);
    net_close_output(c.place, false);
    net_enter(c.place);
    CALL(socket_state_thaw(c.device, errorp));

    move_sockets(&c.place, &c.device, 1, push, &c);
    in += 20000;
    double start = now_us();
    CHECK(read_some(c.peer, &got_out, out, 1000) == out);
    CHECK(read_some(c.device, &got_in, in, 2000) == in);
    double took = now_us() - start;
    if (took > 1e6) {
        printf("took %.0f us\n", took);
    }
    CHECK(took < 2e6);
    CHECK(!net_seen(NET_DEVICE1).rst);
    close_connection(&c);
}

static void
test_silent(void)
{
    silent(AF_INET);
    silent(AF_INET6);
}

/* What was in flight is lost, and the peer cannot tell that it is owed
 * something.  Nobody waits for the retransmission timeout: a session that moves
 * again within it would wait for ever. */
static void
loss(int family, size_t amount, int ms)
{
    struct socket_state *state = NULL;
    struct connection c;
    size_t out = 0, got_out = 0;
    int new = -1;

    open_connection(&c, family, false);
    check_alive(&c);
    make_deaf(c.peer, true);
    write_some(c.device, &out, amount);
    sleep_ms(1);
    net_close_output(NET_DEVICE0, true);
    net_bind_address(NET_DEVICE1, true);
    net_redirect(NET_DEVICE1);
    net_enter(NET_DEVICE0);
    CALL(socket_state_freeze(c.device, errorp));
    CALL(socket_state_capture(c.device, &state, errorp));
    CALL(socket_state_discard(c.device, errorp));
    close(c.device);
    make_deaf(c.peer, false);

    net_enter(NET_DEVICE1);
    double start = now_us();
    CALL(socket_state_restore(state, -1, 0, &new, errorp));
    sleep_ms(1);
    CALL(socket_state_unmute(new, NULL, errorp));
    CHECK(read_some(c.peer, &got_out, out, 1000) == out);
    double took = now_us() - start;
    if (took > ms * 1000) {
        printf("%zu bytes took %.0f us\n", amount, took);
    }
    CHECK(took <= ms * 1000);
    socket_state_destroy(state);
    c.device = new;
    c.place = NET_DEVICE1;
    net_bind_address(NET_DEVICE0, false);
    net_close_output(NET_DEVICE0, false);
    check_alive(&c);
    close_connection(&c);
}

static void
test_loss(void)
{
    loss(AF_INET, 100, 150);
    loss(AF_INET6, 1400, 150);
    loss(AF_INET, 3000, 150);
    loss(AF_INET, 14000, 150);
    loss(AF_INET6, 14000, 150);
}

/* Frozen and captured, then thawed, with packets lost meanwhile: the same
 * descriptor, and a duplicate of it, go on. */
static void
thaw(int family, bool half)
{
    struct connection c;
    struct socket_state *state = NULL;
    size_t out = 0, in = 0, got_out = 0, got_in = 0;
    uint8_t byte;

    open_connection(&c, family, false);
    int dup_fd = dup(c.device);
    make_deaf(c.peer, true);
    write_some(c.device, &out, 9000);
    write_some(c.peer, &in, 9000);
    sleep_ms(2);
    if (half) {
        make_deaf(c.peer, false);
        shutdown(c.peer, SHUT_WR);
        sleep_ms(2);
        CHECK(tcp_state(c.device) == TCP_CLOSE_WAIT);
    }

    net_close_output(c.place, true);
    net_enter(c.place);
    CALL(socket_state_freeze(c.device, errorp));
    for (int i = 0; i < 2; i++) {
        CALL(socket_state_capture(c.device, &state, errorp));
        struct socket_state_info info;
        socket_state_get_info(state, &info);
        CHECK(info.recv_queue == 9000);
        socket_state_destroy(state);
    }
    CHECK(recv(dup_fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EPERM);
    CHECK(send(dup_fd, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0);
    if (!half) {
        make_deaf(c.peer, false);
        write_some(c.peer, &in, 9000); /* Lost, at first. */
    }
    sleep_ms(20);
    net_close_output(c.place, false);
    net_seen(c.place);
    net_enter(c.place);
    CALL(socket_state_thaw(c.device, errorp));
    CALL(socket_state_check(c.device, errorp));

    write_some(dup_fd, &out, 9000);
    double start = now_us();
    CHECK(read_some(c.peer, &got_out, out, 1000) == out);
    CHECK(read_some(dup_fd, &got_in, in, 1000) == in);
    CHECK(now_us() - start < 600000);
    if (half) {
        CHECK(at_end(c.device));
    } else {
        check_alive(&c);
    }
    CHECK(!net_seen(NET_DEVICE0).rst);
    close(dup_fd);
    close_connection(&c);
}

static void
test_thaw(void)
{
    thaw(AF_INET, false);
    thaw(AF_INET6, false);
    thaw(AF_INET, true);
    thaw(AF_INET6, true);
}

/* The application's descriptor is dead, and the peer was told nothing. */
static void
discard(int family, bool frozen, bool half)
{
    struct connection c;
    struct pollfd p = { .events = POLLIN | POLLOUT };
    size_t out = 0, in = 0;
    uint8_t byte;

    open_connection(&c, family, false);
    make_deaf(c.peer, true);
    write_some(c.device, &out, 9000);
    write_some(c.peer, &in, 9000);
    if (half) {
        shutdown(c.device, SHUT_WR);
    }
    sleep_ms(5);
    int dup_fd = dup(c.device);
    /* Where there is no socket, the kernel would answer the peer. */
    net_redirect(NET_DEVICE1);
    net_seen(c.place);
    net_enter(c.place);
    if (frozen) {
        CALL(socket_state_freeze(c.device, errorp));
    }
    CALL(socket_state_discard(c.device, errorp));
    p.fd = dup_fd;
    CHECK(poll(&p, 1, 0) == 1 && p.revents & POLLHUP);
    CHECK(recv(dup_fd, &byte, 1, MSG_DONTWAIT) <= 0);
    CHECK(send(dup_fd, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0);
    close(dup_fd);
    close(c.device);
    c.device = -1;
    sleep_ms(300);
    check_silent(c.place);
    net_redirect(c.place);
    close_connection(&c);
}

static void
test_discard(void)
{
    for (int i = 0; i < 8; i++) {
        discard(i & 1 ? AF_INET6 : AF_INET, i & 2, i & 4);
    }
}

/* Restored before the address is there. */
static void
address_later(int family)
{
    struct connection c;
    struct socket_state *state = NULL;
    int new = -1;

    open_connection(&c, family, false);
    net_close_output(NET_DEVICE0, true);
    net_enter(NET_DEVICE0);
    CALL(socket_state_freeze(c.device, errorp));
    CALL(socket_state_capture(c.device, &state, errorp));
    net_close_output(NET_DEVICE1, true);
    net_seen(NET_DEVICE1);
    net_seen(NET_DEVICE0);
    net_enter(NET_DEVICE1);
    CALL(socket_state_restore(state, -1, NET_MARK, &new, errorp));
    sleep_ms(50);
    check_silent(NET_DEVICE1);
    int value = 1;
    socklen_t len = sizeof value;
    CHECK(!getsockopt(new, IPPROTO_IP, IP_TRANSPARENT, &value, &len)
          && !value);

    net_redirect(NET_DEVICE1);
    net_bind_address(NET_DEVICE1, true);
    net_close_output(NET_DEVICE1, false);
    net_enter(NET_DEVICE1);
    CALL(socket_state_unmute(new, NULL, errorp));
    socket_state_destroy(state);
    net_enter(NET_DEVICE0);
    CALL(socket_state_discard(c.device, errorp));
    close(c.device);
    net_bind_address(NET_DEVICE0, false);
    net_close_output(NET_DEVICE0, false);
    c.device = new;
    c.place = NET_DEVICE1;
    check_alive(&c);
    CHECK(!net_seen(NET_DEVICE0).packets);
    close_connection(&c);
}

static void
test_address_later(void)
{
    address_later(AF_INET);
    address_later(AF_INET6);
}

/* Muted, then given up: nothing is heard. */
static void
restored_discard(int family)
{
    struct connection c;
    struct socket_state *state = NULL;
    size_t out = 0;
    int new = -1;

    open_connection(&c, family, false);
    write_some(c.device, &out, 3 << 20);
    net_close_output(NET_DEVICE0, true);
    net_enter(NET_DEVICE0);
    CALL(socket_state_freeze(c.device, errorp));
    CALL(socket_state_capture(c.device, &state, errorp));
    net_bind_address(NET_DEVICE1, true);
    net_close_output(NET_DEVICE1, true);
    net_seen(NET_DEVICE1);
    net_enter(NET_DEVICE1);
    CALL(socket_state_restore(state, -1, NET_MARK, &new, errorp));
    CALL(socket_state_discard(new, errorp));
    close(new);
    net_close_output(NET_DEVICE1, false);
    sleep_ms(300);
    check_silent(NET_DEVICE1);
    net_bind_address(NET_DEVICE1, false);
    socket_state_destroy(state);

    net_close_output(NET_DEVICE0, false);
    net_enter(NET_DEVICE0);
    CALL(socket_state_thaw(c.device, errorp));
    size_t got = 0;
    CHECK(read_some(c.peer, &got, out, 1000) == out);
    check_alive(&c);
    close_connection(&c);
}

static void
test_restored_discard(void)
{
    restored_discard(AF_INET);
    restored_discard(AF_INET6);
}

static void
set_raw_capability(bool on)
{
    struct __user_cap_header_struct header = {
        .version = _LINUX_CAPABILITY_VERSION_3
    };
    struct __user_cap_data_struct data[2];

    CHECK(!syscall(SYS_capget, &header, data));
    if (on) {
        data[0].effective |= 1u << CAP_NET_RAW;
    } else {
        data[0].effective &= ~(1u << CAP_NET_RAW);
    }
    CHECK(!syscall(SYS_capset, &header, data));
}

/* Nobody lets us put segments into our own kernel: the connection moves, but
 * for what needs them. */
static void
test_no_injection(void)
{
    struct connection c;
    size_t out = 0, got_out = 0;

    open_connection(&c, AF_INET, false);
    write_some(c.device, &out, 3 << 20);
    set_raw_capability(false);
    move_connection(&c);
    CHECK(read_some(c.peer, &got_out, out, 1000) == out);
    check_alive(&c);
    set_raw_capability(true);
    move_connection(&c);
    check_alive(&c);
    close_connection(&c);
}

static void
refused(int fd, const char *reason)
{
    char *message = NULL;
    int error = socket_state_check(fd, &message);

    if (error != EOPNOTSUPP || !message || !strstr(message, reason)) {
        printf("\"%s\" instead of \"%s\"\n", message ? message : "", reason);
    }
    CHECK(error == EOPNOTSUPP && message && strstr(message, reason));
    free(message);
}

static void
test_refused(void)
{
    struct sockaddr_storage ss;
    struct connection c;

    open_connection(&c, AF_INET, false);
    net_enter(NET_DEVICE0);
    make_deaf(c.device, true);
    refused(c.device, "filter");
    make_deaf(c.device, false);
    CHECK(!setsockopt(c.device, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5));
    refused(c.device, "eth0");
    CHECK(!setsockopt(c.device, SOL_SOCKET, SO_BINDTODEVICE, "", 0));
    CALL(socket_state_check(c.device, errorp));
    check_alive(&c);
    shutdown(c.peer, SHUT_WR);
    shutdown(c.device, SHUT_WR);
    sleep_ms(5);
    refused(c.device, "CLOSED");
    close_connection(&c);

    net_enter(NET_DEVICE0);
    net_ip(NET_DEVICE0, "route add blackhole 10.8.0.0/16");
    net_ip(NET_DEVICE0, "neigh add 10.9.1.77 lladdr 02:00:00:00:00:77 dev "
                        "eth0");
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    net_session_address(AF_INET, false, 0, &ss);
    CHECK(!bind(fd, (struct sockaddr *) &ss, address_len(&ss)));
    struct sockaddr_in nowhere = { .sin_family = AF_INET,
                                   .sin_port = htons(9) };
    nowhere.sin_addr.s_addr = htonl(0x0a09014d);
    CHECK(connect(fd, (struct sockaddr *) &nowhere, sizeof nowhere));
    refused(fd, "SYN_SENT");
    CHECK(tcp_state(fd) == TCP_SYN_SENT);
    close(fd);

    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 262);
    if (fd >= 0) {
        refused(fd, "Multipath");
        close(fd);
    }
}

const struct move_case move_fault_cases[] = {
    { "silent", test_silent },
    { "loss", test_loss },
    { "thaw", test_thaw },
    { "discard", test_discard },
    { "address-later", test_address_later },
    { "restored-discard", test_restored_discard },
    { "no-injection", test_no_injection },
    { "refused", test_refused },
    { NULL, NULL },
};
