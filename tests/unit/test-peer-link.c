/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* The peer link over TLS on the loopback; the time is the test's. */

#include "peer-link.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "openvswitch/vlog.h"
#include "stream.h"
#include "tls.h"
#include "unit.h"
#include "uuid.h"
#include "wire.h"

static long long int now = 1000000;
static const struct uuid transfer = { { 1, 2, 3, 0xfffffffe } };

long long int __wrap_time_msec(void);
long long int
__wrap_time_msec(void)
{
    return now;
}

#define PATIENCE 3000 /* Milliseconds, real ones. */

static struct peers *here, *there; /* laptop and tv. */
static char *endpoint;             /* Of 'there'. */
static struct stream *raw;
static struct peer_frame frame;

static void
begin(void)
{
    tls_become("laptop");
    CU_ASSERT_FATAL(!peers_open("pssl:0:127.0.0.1", &here));
    CU_ASSERT_FATAL(!peers_open("pssl:0:127.0.0.1", &there));
    endpoint = peers_get_endpoint(there);
}

static void
end(void)
{
    stream_close(raw);
    raw = NULL;
    peers_close(here);
    peers_close(there);
    free(endpoint);
}

/* 'here' is the laptop, 'there' the TV. */
static void
run(void)
{
    if (raw) {
        stream_run(raw);
    }
    tls_become("laptop");
    peers_run(here);
    tls_become("tv");
    peers_run(there);
    usleep(500);
}

static void
connect_both(void)
{
    tls_become("laptop");
    peers_connect(here, "tv", endpoint);
    for (int i = 0; i < PATIENCE
                    && !(peers_is_connected(here, "tv")
                         && peers_is_connected(there, "laptop"));
         i++) {
        run();
    }
    CU_ASSERT_FATAL(peers_is_connected(here, "tv"));
    CU_ASSERT_FATAL(peers_is_connected(there, "laptop"));
}

static bool
next(struct peers *peers)
{
    for (int i = 0; i < PATIENCE; i++) {
        if (peers_next(peers, &frame)) {
            return true;
        }
        run();
    }
    return false;
}

static void
test_frames(void)
{
    uint8_t *large = xmalloc(PEER_FRAME_MAX - (PEER_HEADER_LEN - 4));
    size_t n = PEER_FRAME_MAX - (PEER_HEADER_LEN - 4);

    begin();
    CU_ASSERT_PTR_NOT_NULL(peers_get_error(here, "tv"));
    CU_ASSERT(!peers_send(here, "tv", PEER_DRAINED, &transfer, NULL, 0));
    connect_both();
    CU_ASSERT_PTR_NULL(peers_get_error(here, "tv"));

    memset(large, 'x', n);
    CU_ASSERT(peers_send(here, "tv", PEER_MESSAGE, &transfer, "{}", 2));
    CU_ASSERT(peers_send(here, "tv", PEER_STATE_CHUNK, &transfer, large, n));
    CU_ASSERT(peers_send(here, "tv", PEER_DRAINED, &transfer, NULL, 0));
    CU_ASSERT_FATAL(next(there));
    CU_ASSERT_EQUAL(frame.type, PEER_MESSAGE);
    CU_ASSERT(uuid_equals(&frame.transfer, &transfer));
    CU_ASSERT_STRING_EQUAL(frame.from, "laptop");
    CU_ASSERT_EQUAL(frame.len, 2);
    CU_ASSERT_STRING_EQUAL((char *) frame.body, "{}");
    peer_frame_uninit(&frame);
    CU_ASSERT_FATAL(next(there));
    CU_ASSERT_EQUAL(frame.type, PEER_STATE_CHUNK);
    CU_ASSERT_EQUAL(frame.len, n);
    CU_ASSERT(!memcmp(frame.body, large, n));
    peer_frame_uninit(&frame);
    CU_ASSERT_FATAL(next(there));
    CU_ASSERT_EQUAL(frame.type, PEER_DRAINED);
    CU_ASSERT_EQUAL(frame.len, 0);
    peer_frame_uninit(&frame);

    /* The other way, on the same connection. */
    CU_ASSERT(peers_send(there, "laptop", PEER_MESSAGE, &transfer, "{}", 2));
    CU_ASSERT_FATAL(next(here));
    CU_ASSERT_STRING_EQUAL(frame.from, "tv");
    peer_frame_uninit(&frame);
    free(large);
    end();
}

static void
expect_lost(struct peers *peers, const char *device)
{
    for (int i = 0; i < PATIENCE && peers_is_connected(peers, device); i++) {
        run();
    }
    CU_ASSERT(!peers_is_connected(peers, device));
    CU_ASSERT_PTR_NOT_NULL(peers_get_error(peers, device));
}

static void
expect_refused(const char *device, const char *where)
{
    tls_become("laptop");
    peers_connect(here, device, where);
    for (int i = 0; i < PATIENCE && !peers_get_error(here, device); i++) {
        run();
    }
    CU_ASSERT(!peers_is_connected(here, device));
    CU_ASSERT_PTR_NOT_NULL(peers_get_error(here, device));
}

static void
test_wrong_name(void)
{
    begin();
    expect_refused("phone", endpoint);
    CU_ASSERT_STRING_EQUAL(peers_get_error(here, "phone"),
                           "the peer's certificate names somebody else");
    CU_ASSERT(!peers_send(here, "phone", PEER_DRAINED, &transfer, NULL, 0));
    end();
}

/* The other device chooses its endpoint, and may choose badly. */
static void
test_bad_endpoints(void)
{
    static const char *const endpoints[] = {
        "tcp:127.0.0.1:1", "unix:/tmp/x", "fd:0", "ssl:", "",
        "ssl:256.1.1.1:1",
    };

    begin();
    for (size_t i = 0; i < ARRAY_SIZE(endpoints); i++) {
        expect_refused("tv", endpoints[i]);
        now += 2000;
        run();
    }
    end();
}

static void
connect_raw(const char *name)
{
    int error = EAGAIN;

    tls_become(name);
    CU_ASSERT_FATAL(!stream_open(endpoint, &raw, 0));
    for (int i = 0; i < PATIENCE && error == EAGAIN; i++) {
        run();
        error = stream_connect(raw);
    }
    CU_ASSERT_EQUAL_FATAL(error, 0);
}

static void
test_role_refused(void)
{
    char byte;
    int n = -EAGAIN;

    begin();
    connect_raw("c1");
    for (int i = 0; i < PATIENCE && n == -EAGAIN; i++) {
        run();
        n = stream_recv(raw, &byte, 1);
    }
    CU_ASSERT(n <= 0 && n != -EAGAIN);
    CU_ASSERT(!peers_is_connected(there, "c1"));
    end();
}

static void
test_hostile_frames(void)
{
    static const struct {
        uint32_t length;
        uint8_t type;
    } headers[] = {
        { 0, PEER_MESSAGE },          { 16, PEER_MESSAGE },
        { (1u << 20) + 1, 1 },        { UINT32_MAX, PEER_MESSAGE },
        { PEER_HEADER_LEN - 4, 0 },   { PEER_HEADER_LEN - 4, 6 },
        { PEER_HEADER_LEN - 4, 255 }, { 0x80000000, PEER_STATE_CHUNK },
    };

    for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
        uint8_t header[PEER_HEADER_LEN] = { 0 };

        begin();
        connect_raw("tv");
        for (int j = 0; j < PATIENCE && !peers_is_connected(there, "tv");
             j++) {
            run();
        }
        CU_ASSERT(peers_is_connected(there, "tv"));
        wire_put_u8(wire_put_u32(header, headers[i].length), headers[i].type);
        CU_ASSERT_EQUAL(stream_send(raw, header, sizeof header),
                        sizeof header);
        expect_lost(there, "tv");
        CU_ASSERT(!peers_next(there, &frame));
        end();
    }
}

/* A frame of which one byte comes at a time, and never the last. */
static void
test_slow_frame(void)
{
    uint8_t bytes[PEER_HEADER_LEN + 4] = { 0 };

    begin();
    connect_raw("tv");
    wire_put_u8(wire_put_u32(bytes, sizeof bytes - 4), PEER_MESSAGE);
    for (size_t i = 0; i < sizeof bytes; i++) {
        CU_ASSERT(!peers_next(there, &frame));
        CU_ASSERT_EQUAL(stream_send(raw, bytes + i, 1), 1);
        run();
        run();
    }
    CU_ASSERT(next(there));
    CU_ASSERT_EQUAL(frame.len, 4);
    peer_frame_uninit(&frame);
    CU_ASSERT_EQUAL(stream_send(raw, bytes, 12), 12);
    run();
    now += 300000;
    expect_lost(there, "tv");
    end();
}

/* What arrives in one turn is bounded, however much is sent. */
static void
test_flood(void)
{
    size_t n = 1 << 19, sent = 0, got = 0, most = 0;
    uint8_t *body = xzalloc(n);

    begin();
    connect_both();
    for (; sent < 24; sent++) {
        CU_ASSERT(
            peers_send(here, "tv", PEER_STATE_CHUNK, &transfer, body, n));
    }
    for (int i = 0; i < PATIENCE && got < sent; i++) {
        size_t bytes = 0;

        run();
        while (peers_next(there, &frame)) {
            bytes += frame.len;
            got++;
            peer_frame_uninit(&frame);
        }
        most = MAX(most, bytes);
    }
    CU_ASSERT_EQUAL(got, sent);
    CU_ASSERT(most <= (4u << 20) + n);
    free(body);
    end();
}

static void
test_too_much_waits(void)
{
    size_t n = 1 << 20;
    uint8_t *body = xzalloc(n);
    int i;

    begin();
    connect_both();
    for (i = 0; i < 100; i++) {
        if (!peers_send(here, "tv", PEER_STATE_CHUNK, &transfer, body,
                        n - 17)) {
            break;
        }
    }
    CU_ASSERT(i >= 64 && i < 100);
    CU_ASSERT(!peers_is_connected(here, "tv"));
    free(body);
    end();
}

/* Connections without a certificate do not keep those with one out. */
static void
test_crowd(void)
{
    struct sockaddr_in sin = { .sin_family = AF_INET };
    unsigned int port;
    int fds[300];

    begin();
    CU_ASSERT_FATAL(ovs_scan(endpoint, "ssl:127.0.0.1:%u", &port));
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sin.sin_port = htons(port);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        CU_ASSERT(!connect(fds[i], (struct sockaddr *) &sin, sizeof sin));
        if (i % 8 == 7) {
            run();
        }
    }
    connect_both();
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        close(fds[i]);
    }
    end();
}

/* A device gets no more than four connections: the oldest ends. */
static void
test_many_of_one_device(void)
{
    struct stream *streams[6];
    int open = 0;

    begin();
    for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
        connect_raw("tv");
        for (int j = 0; j < 20; j++) {
            run();
        }
        streams[i] = raw;
        raw = NULL;
    }
    for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
        char byte;

        stream_run(streams[i]);
        open += stream_recv(streams[i], &byte, 1) == -EAGAIN;
        stream_close(streams[i]);
    }
    CU_ASSERT_EQUAL(open, 4);
    end();
}

static void
test_time(void)
{
    begin();
    /* Nobody answers. */
    tls_become("laptop");
    peers_connect(here, "tv", endpoint);
    peers_run(here);
    now += 2000;
    peers_run(here);
    CU_ASSERT_STRING_EQUAL(peers_get_error(here, "tv"), "no answer");

    connect_both();
    now += 299999;
    run();
    CU_ASSERT(peers_is_connected(here, "tv"));
    now++;
    run();
    CU_ASSERT(!peers_is_connected(here, "tv"));

    connect_both();
    peers_drop(here, "tv", "it does not answer");
    CU_ASSERT(!peers_is_connected(here, "tv"));
    peers_wait(here);
    end();
}

static void
test_parse(void)
{
    uint8_t *bytes;
    size_t n;

    bytes = peer_frame_compose(PEER_MESSAGE, &transfer, "abc", 3, &n);
    CU_ASSERT_EQUAL(n, PEER_HEADER_LEN + 3);
    CU_ASSERT_FATAL(peer_frame_parse(bytes, n, "tv", &frame));
    CU_ASSERT_EQUAL(frame.len, 3);
    CU_ASSERT(uuid_equals(&frame.transfer, &transfer));
    CU_ASSERT_STRING_EQUAL(frame.from, "tv");
    peer_frame_uninit(&frame);
    for (size_t i = 0; i < n; i++) {
        CU_ASSERT(!peer_frame_parse(bytes, i, "tv", &frame));
    }
    bytes[4] = 0;
    CU_ASSERT(!peer_frame_parse(bytes, n, "tv", &frame));
    free(bytes);
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "frames", test_frames },
        { "wrong name", test_wrong_name },
        { "bad endpoints", test_bad_endpoints },
        { "role refused", test_role_refused },
        { "hostile frames", test_hostile_frames },
        { "slow frame", test_slow_frame },
        { "flood", test_flood },
        { "too much waits", test_too_much_waits },
        { "crowd", test_crowd },
        { "many of one device", test_many_of_one_device },
        { "time", test_time },
        { "parse", test_parse },
    };
    int retval;

    signal(SIGPIPE, SIG_IGN);
    if (!tls_begin()) {
        fprintf(stderr, "baton-pki failed\n");
        return 1;
    }
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_EMER);
    retval = unit_run("peer-link", tests, ARRAY_SIZE(tests));
    tls_end();
    return retval;
}
