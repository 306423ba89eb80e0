/* SPDX-License-Identifier: Apache-2.0 */

/* Without root: the serialized form against all that a liar could send, what
 * is refused, UDP on the loopback. */

#include "socket-state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

/* Offsets in the serialized form; see socket-encode.c. */
#define OFS_VERSION 4
#define OFS_KIND 5
#define OFS_FAMILY 6
#define OFS_FLAGS 7
#define OFS_LOCAL 8
#define OFS_PEER 26
#define OFS_CC_LEN 56

struct bytes {
    uint8_t data[512];
    size_t n;
};

static void
put(struct bytes *b, uint64_t value, size_t n)
{
    while (n--) {
        b->data[b->n++] = value >> 8 * n;
    }
}

static void
put_v4(struct bytes *b, uint16_t port, uint32_t address)
{
    put(b, port, 2);
    put(b, 0, 8);
    put(b, 0xffff, 4);
    put(b, address, 4);
}

struct tcp_words {
    uint32_t timestamp, snd_end, rcv_end;
    uint32_t snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup;
    uint32_t urgent_offset, srtt, min_rtt, cwnd;
    uint32_t unacked, unsent, recv_queue, send_queue;
};

static const struct tcp_words good_words = {
    .timestamp = 1000,
    .snd_end = 5000,
    .rcv_end = 7000,
    .snd_wl1 = 6999,
    .snd_wnd = 65535,
    .max_window = 65535,
    .rcv_wnd = 65535,
    .rcv_wup = 7000,
    .srtt = 300,
    .min_rtt = 100,
    .cwnd = 10,
    .unacked = 1,
    .unsent = 3,
    .recv_queue = 4,
    .send_queue = 6,
};

/* A connection, as another machine might send it. */
static void
make_tcp(struct bytes *b, uint8_t state, uint8_t flags, uint8_t urgent,
         uint16_t mss, const struct tcp_words *w)
{
    const uint32_t words[] = {
        w->timestamp,     w->snd_end,    w->rcv_end,    w->snd_wl1,
        w->snd_wnd,       w->max_window, w->rcv_wnd,    w->rcv_wup,
        w->urgent_offset, w->srtt,       w->min_rtt,    w->cwnd,
        w->unacked,       w->unsent,     w->recv_queue, w->send_queue,
    };

    b->n = 0;
    put(b, 0x42536f63, 4);
    put(b, 1, 1);
    put(b, SOCKET_STATE_TCP, 1);
    put(b, 4, 1);
    put(b, 1, 1);
    put_v4(b, 80, 0x0a090909);
    put_v4(b, 4711, 0x0a090001);
    put(b, 131072, 4);
    put(b, 87040, 4);
    put(b, 0, 4);
    put(b, 5, 1);
    memcpy(b->data + b->n, "cubic", 5);
    b->n += 5;
    put(b, 1, 2); /* Options: TCP_NODELAY. */
    put(b, 44, 2);
    put(b, 1, 8);
    put(b, state, 1);
    put(b, flags, 1);
    put(b, 7, 1);
    put(b, 7, 1);
    put(b, urgent, 1);
    put(b, 0, 1);
    put(b, mss, 2);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        put(b, words[i], 4);
    }
    for (size_t i = 0; i < 10; i++) {
        put(b, 'a' + i, 1);
    }
}

static void
make_good(struct bytes *b)
{
    make_tcp(b, TCP_ESTABLISHED, 7, 0, 1460, &good_words);
}

static int
decode(const uint8_t *data, size_t n, struct socket_state **state)
{
    char *error = NULL;
    /* Exactly as long as it is, so that reading beyond it is seen. */
    uint8_t *copy = malloc(n ? n : 1);
    if (n) {
        memcpy(copy, data, n);
    }
    int retval = socket_state_decode(copy, n, state, &error);
    free(copy);
    CU_ASSERT(!retval == !error);
    CU_ASSERT(!retval == !!*state);
    free(error);
    return retval;
}

static bool
accepts(const struct bytes *b)
{
    struct socket_state *state;
    bool ok = !decode(b->data, b->n, &state);
    socket_state_destroy(state);
    return ok;
}

/* What was accepted is written as it was read. */
static void
check_again(struct socket_state *state, const uint8_t *data, size_t n)
{
    uint8_t *bytes;
    size_t n_bytes;
    CU_ASSERT(!socket_state_encode(state, &bytes, &n_bytes, NULL));
    CU_ASSERT(n_bytes == n && !memcmp(bytes, data, n));
    free(bytes);
}

static void
test_good(void)
{
    struct socket_state_info info;
    struct socket_state *state;
    struct bytes b;

    make_good(&b);
    CU_ASSERT(!decode(b.data, b.n, &state));
    if (!state) {
        return;
    }
    socket_state_get_info(state, &info);
    CU_ASSERT(info.kind == SOCKET_STATE_TCP && info.family == AF_INET);
    CU_ASSERT(info.recv_queue == 4 && info.send_queue == 6);
    CU_ASSERT(info.unsent == 3);
    CU_ASSERT(ntohs(((struct sockaddr_in *) &info.local)->sin_port) == 80);
    CU_ASSERT(((struct sockaddr_in *) &info.peer)->sin_addr.s_addr
              == htonl(0x0a090001));
    check_again(state, b.data, b.n);
    socket_state_destroy(state);
}

static void
test_truncated(void)
{
    struct bytes b;

    make_good(&b);
    for (size_t n = b.n; n-- > 0;) {
        struct socket_state *state;
        CU_ASSERT(decode(b.data, n, &state) == EBADMSG);
    }
    put(&b, 0, 1);
    CU_ASSERT(!accepts(&b));
}

/* Every byte changed, in several ways; then a lot of changes at random. */
static void
test_mutated(void)
{
    struct bytes b, bad;
    uint32_t seed = 1;

    make_good(&b);
    for (size_t i = 0; i < b.n * 8 + 20000; i++) {
        struct socket_state *state;
        bad = b;
        if (i < b.n * 8) {
            bad.data[i / 8] ^= 1u << i % 8;
        } else {
            for (int j = 0; j < 3; j++) {
                seed = seed * 1664525 + 1013904223;
                bad.data[(seed >> 8) % bad.n] = seed >> 24;
            }
        }
        if (!decode(bad.data, bad.n, &state)) {
            /* Options may come in another order than ours. */
            uint8_t *bytes;
            size_t n;
            CU_ASSERT(!socket_state_encode(state, &bytes, &n, NULL));
            CU_ASSERT(n == bad.n);
            free(bytes);
        }
        socket_state_destroy(state);
    }
}

static void
refuse_byte(size_t ofs, uint8_t value)
{
    struct bytes b;
    make_good(&b);
    b.data[ofs] = value;
    CU_ASSERT(!accepts(&b));
}

static void
test_header(void)
{
    refuse_byte(0, 0);
    refuse_byte(OFS_VERSION, 0);
    refuse_byte(OFS_VERSION, 2);
    refuse_byte(OFS_KIND, 3);
    refuse_byte(OFS_KIND, SOCKET_STATE_TCP_LISTEN);
    refuse_byte(OFS_FAMILY, 0);
    refuse_byte(OFS_FAMILY, 5);
    refuse_byte(OFS_FLAGS, 8);
    refuse_byte(OFS_LOCAL + 2 + 5, 1); /* Not IPv4-mapped. */
    refuse_byte(OFS_PEER + 14, 224);   /* Multicast. */
    refuse_byte(OFS_PEER + 14, 255);
    refuse_byte(OFS_LOCAL + 14, 239);
    refuse_byte(OFS_CC_LEN, 16);
    refuse_byte(OFS_CC_LEN + 1, 'C');
    refuse_byte(OFS_CC_LEN + 3, 0);
}

static void
test_addresses(void)
{
    struct bytes b;

    make_good(&b);
    memset(b.data + OFS_PEER, 0, 18); /* None. */
    CU_ASSERT(!accepts(&b));
    make_good(&b);
    memset(b.data + OFS_LOCAL, 0, 18);
    CU_ASSERT(!accepts(&b));
    make_good(&b);
    memset(b.data + OFS_LOCAL, 0, 2); /* No port. */
    CU_ASSERT(!accepts(&b));
    make_good(&b);
    memset(b.data + OFS_PEER + 14, 0, 4); /* 0.0.0.0. */
    CU_ASSERT(!accepts(&b));

    /* As IPv6: mapped is right, mixed is not, link-local is not. */
    make_good(&b);
    b.data[OFS_FAMILY] = 6;
    CU_ASSERT(accepts(&b));
    b.data[OFS_PEER + 2] = 0xfd;
    CU_ASSERT(!accepts(&b));
    b.data[OFS_LOCAL + 2] = 0xfd;
    CU_ASSERT(accepts(&b));
    b.data[OFS_PEER + 2] = 0xfe;
    b.data[OFS_PEER + 3] = 0x80;
    CU_ASSERT(!accepts(&b));
    b.data[OFS_PEER + 2] = 0xff;
    CU_ASSERT(!accepts(&b));
}

static void
test_states(void)
{
    struct tcp_words w = good_words, flushed = good_words;
    struct bytes b;

    flushed.unsent = 0;
    for (int state = 0; state < 256; state++) {
        bool moves = (state == TCP_ESTABLISHED || state == TCP_FIN_WAIT1
                      || state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK
                      || state == TCP_CLOSING);
        make_tcp(&b, state, 7, 0, 1460, &flushed);
        CU_ASSERT(accepts(&b) == moves);
    }
    /* Nothing is owed after our FIN was acknowledged. */
    w.unsent = 0;
    w.send_queue = 0;
    make_tcp(&b, TCP_FIN_WAIT2, 7, 0, 1460, &w);
    CU_ASSERT(!accepts(&b)); /* Bytes after the end. */
    b.n -= 6;
    CU_ASSERT(accepts(&b));
    /* A FIN is unsent behind unsent data, and only where there is one. */
    make_tcp(&b, TCP_FIN_WAIT1, 7 | 8, 0, 1460, &good_words);
    CU_ASSERT(accepts(&b));
    make_tcp(&b, TCP_FIN_WAIT1, 7, 0, 1460, &good_words);
    CU_ASSERT(!accepts(&b));
    make_tcp(&b, TCP_ESTABLISHED, 7 | 8, 0, 1460, &good_words);
    CU_ASSERT(!accepts(&b));
    make_tcp(&b, TCP_ESTABLISHED, 32, 0, 1460, &good_words);
    CU_ASSERT(!accepts(&b));
}

#define REFUSE_WORD(MEMBER, VALUE)                       \
    do {                                                 \
        struct tcp_words w_ = good_words;                \
        struct bytes b_;                                 \
        w_.MEMBER = VALUE;                               \
        make_tcp(&b_, TCP_ESTABLISHED, 7, 0, 1460, &w_); \
        CU_ASSERT(!accepts(&b_));                        \
    } while (0)

static void
test_words(void)
{
    struct tcp_words w = good_words;
    struct bytes b;

    REFUSE_WORD(unsent, 7);
    REFUSE_WORD(recv_queue, 5);
    REFUSE_WORD(send_queue, 5);
    REFUSE_WORD(recv_queue, SOCKET_STATE_QUEUE_MAX + 1);
    REFUSE_WORD(send_queue, UINT32_MAX);
    REFUSE_WORD(snd_wnd, 65536); /* Above max_window. */
    REFUSE_WORD(max_window, UINT32_MAX);
    REFUSE_WORD(rcv_wnd, (1u << 30) + 1);
    REFUSE_WORD(rcv_wup, 7001);
    REFUSE_WORD(snd_wl1, 7000 + 65536);
    REFUSE_WORD(urgent_offset, 1);
    make_tcp(&b, TCP_ESTABLISHED, 7, 0, 87, &good_words);
    CU_ASSERT(!accepts(&b));
    make_tcp(&b, TCP_ESTABLISHED, 3, 0, 1460, &good_words);
    CU_ASSERT(!accepts(&b)); /* Scale without scaling. */
    make_tcp(&b, TCP_ESTABLISHED, 7, 1, 1460, &good_words);
    CU_ASSERT(accepts(&b));
    w.urgent_offset = 4;
    make_tcp(&b, TCP_ESTABLISHED, 7, 1, 1460, &w);
    CU_ASSERT(!accepts(&b));
    make_tcp(&b, TCP_ESTABLISHED, 7, 3, 1460, &good_words);
    CU_ASSERT(!accepts(&b));
}

static void
test_options(void)
{
    size_t ofs = OFS_CC_LEN + 6; /* The count. */
    struct bytes b;

    make_good(&b);
    b.data[ofs + 1] = 2;
    CU_ASSERT(!accepts(&b)); /* Not that many. */
    make_good(&b);
    b.data[ofs] = 0xff;
    CU_ASSERT(!accepts(&b));
    make_good(&b);
    b.data[ofs + 3] = 200; /* Unknown. */
    CU_ASSERT(!accepts(&b));
    make_good(&b);
    b.data[ofs + 3] = 54; /* Of a listener. */
    CU_ASSERT(!accepts(&b));
    make_good(&b);
    b.data[ofs + 3] = 30; /* Of an IPv6 socket. */
    CU_ASSERT(!accepts(&b));
    make_good(&b);
    b.data[ofs + 11] = 2; /* No boolean. */
    CU_ASSERT(!accepts(&b));
    make_good(&b);
    b.data[ofs + 4] = 0x80; /* Negative. */
    CU_ASSERT(!accepts(&b));

    /* Twice the same. */
    make_good(&b);
    memmove(b.data + ofs + 12, b.data + ofs + 2, b.n - ofs - 2);
    b.data[ofs + 1] = 2;
    b.n += 10;
    CU_ASSERT(!accepts(&b));
}

static int
bound(int type, struct sockaddr_in *sin)
{
    socklen_t len = sizeof *sin;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    memset(sin, 0, sizeof *sin);
    sin->sin_family = AF_INET;
    sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CU_ASSERT(!bind(fd, (struct sockaddr *) sin, len));
    CU_ASSERT(!getsockname(fd, (struct sockaddr *) sin, &len));
    return fd;
}

static void
refused(int fd, int expected, const char *reason)
{
    char *error = NULL;
    CU_ASSERT(socket_state_check(fd, &error) == expected);
    CU_ASSERT(error && strstr(error, reason));
    free(error);
    CU_ASSERT(socket_state_check(fd, NULL) == expected);
}

static void
test_refused(void)
{
    struct sock_filter insn = BPF_STMT(BPF_RET | BPF_K, 0xffff);
    struct sock_fprog prog = { 1, &insn };
    struct sockaddr_in sin;
    int fds[2];

    CU_ASSERT(!pipe(fds));
    refused(fds[0], ENOTSOCK, "not a socket");
    close(fds[0]);
    close(fds[1]);
    refused(-1, EBADF, "not a socket");

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    refused(fd, EOPNOTSUPP, "IPv4");
    close(fd);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    refused(fd, EOPNOTSUPP, "CLOSED");
    close(fd);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    refused(fd, EOPNOTSUPP, "not bound");
    close(fd);

    fd = bound(SOCK_STREAM, &sin);
    CU_ASSERT(!listen(fd, 5));
    CU_ASSERT(!socket_state_check(fd, NULL));
    CU_ASSERT(
        !setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog));
    refused(fd, EOPNOTSUPP, "filter");
    CU_ASSERT(!setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &fd, sizeof fd));
    /* Our own filter is no reason. */
    CU_ASSERT(!socket_state_hold_new(fd, true, NULL));
    CU_ASSERT(!socket_state_check(fd, NULL));
    CU_ASSERT(!socket_state_hold_new(fd, false, NULL));
    close(fd);
}

/* A listener needs no root. */
static void
test_listener(void)
{
    struct socket_state *state = NULL, *copy = NULL;
    struct socket_state_info info;
    struct sockaddr_in sin;
    uint8_t *bytes = NULL;
    int new = -1;
    size_t n = 0;

    int fd = bound(SOCK_STREAM, &sin);
    CU_ASSERT(!listen(fd, 17));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    CU_ASSERT(!socket_state_freeze(fd, NULL));
    CU_ASSERT(!socket_state_capture(fd, &state, NULL));
    CU_ASSERT(!socket_state_encode(state, &bytes, &n, NULL));
    CU_ASSERT(!socket_state_decode(bytes, n, &copy, NULL));
    if (copy) {
        check_again(copy, bytes, n);
        socket_state_get_info(copy, &info);
        CU_ASSERT(info.kind == SOCKET_STATE_TCP_LISTEN);
        CU_ASSERT(!memcmp(&info.local, &sin, sizeof sin));
        CU_ASSERT(!socket_state_discard(fd, NULL));
        if (!geteuid()) {
            CU_ASSERT(!socket_state_restore(copy, -1, 0, &new, NULL));
            CU_ASSERT(!socket_state_inspect(new, &info, NULL));
            CU_ASSERT(info.kind == SOCKET_STATE_TCP_LISTEN);
            CU_ASSERT(fcntl(new, F_GETFL) & O_NONBLOCK);
            close(new);
        }
    }
    socket_state_destroy(state);
    socket_state_destroy(copy);
    free(bytes);
    close(fd);
}

/* A datagram comes out as the packet that brought it. */
static void
test_take_datagram(void)
{
    struct sockaddr_in a, b;
    uint8_t packet[65575];
    size_t n = 0;

    int from = bound(SOCK_DGRAM, &a);
    int to = bound(SOCK_DGRAM, &b);
    CU_ASSERT(socket_state_take_datagram(to, packet, sizeof packet, &n, NULL)
              == EAGAIN);
    CU_ASSERT(sendto(from, "hello", 5, 0, (struct sockaddr *) &b, sizeof b)
              == 5);
    CU_ASSERT(
        !socket_state_take_datagram(to, packet, sizeof packet, &n, NULL));
    CU_ASSERT(n == 33 && packet[0] == 0x45 && packet[9] == IPPROTO_UDP);
    CU_ASSERT(!memcmp(packet + 12, &a.sin_addr, 4));
    CU_ASSERT(!memcmp(packet + 16, &b.sin_addr, 4));
    CU_ASSERT(!memcmp(packet + 20, &a.sin_port, 2));
    CU_ASSERT(!memcmp(packet + 22, &b.sin_port, 2));
    CU_ASSERT(!memcmp(packet + 28, "hello", 5));
    uint32_t total = 0;
    for (int i = 0; i < 20; i += 2) {
        total += packet[i] << 8 | packet[i + 1];
    }
    CU_ASSERT((total & 0xffff) + (total >> 16) == 0xffff);
    total = IPPROTO_UDP + 13 + ('o' << 8);
    for (int i = 12; i < 32; i += 2) {
        total += packet[i] << 8 | packet[i + 1];
    }
    CU_ASSERT((total & 0xffff) + (total >> 16) == 0xffff);

    CU_ASSERT(sendto(from, "hello", 5, 0, (struct sockaddr *) &b, sizeof b)
              == 5);
    CU_ASSERT(socket_state_take_datagram(to, packet, 30, &n, NULL)
              == EMSGSIZE);
    CU_ASSERT(!n);
    close(from);
    close(to);
}

static const struct unit_test tests[] = {
    { "good", test_good },
    { "truncated", test_truncated },
    { "mutated", test_mutated },
    { "header", test_header },
    { "addresses", test_addresses },
    { "states", test_states },
    { "words", test_words },
    { "options", test_options },
    { "refused", test_refused },
    { "listener", test_listener },
    { "take datagram", test_take_datagram },
};

int
main(void)
{
    return unit_run("socket-state", tests, sizeof tests / sizeof *tests);
}
