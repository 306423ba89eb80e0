/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* Two links over TLS on the loopback.  The time is the test's. */

#include "link.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>

#include "jsonrpc.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "stream.h"
#include "tls.h"
#include "unit.h"

static long long int now = 1000000;
static struct pstream *listener;
static char *target;

long long int __wrap_time_msec(void);
long long int
__wrap_time_msec(void)
{
    return now;
}

/* When connections were attempted. */
static long long int opened[10];
static size_t n_opened;

int __real_stream_open(const char *, struct stream **, uint8_t);
int __wrap_stream_open(const char *, struct stream **, uint8_t);
int
__wrap_stream_open(const char *name, struct stream **stream, uint8_t dscp)
{
    if (n_opened < ARRAY_SIZE(opened)) {
        opened[n_opened++] = now;
    }
    return __real_stream_open(name, stream, dscp);
}

/* Real time: the loopback needs some. */
#define PATIENCE 3000

static bool
eventually(struct link *a, struct link *b, bool (*done)(void))
{
    for (int i = 0; i < PATIENCE; i++) {
        if (a) {
            link_run(a);
        }
        if (b) {
            link_run(b);
        }
        if (done()) {
            return true;
        }
        usleep(1000);
    }
    return false;
}

static struct link *active, *passive;
static struct stream *raw;
static struct jsonrpc_msg *got;

static void
open_listener(void)
{
    CU_ASSERT_FATAL(!pstream_open("pssl:0:127.0.0.1", &listener, 0));
    target = xasprintf("ssl:127.0.0.1:%u",
                       ntohs(pstream_get_bound_port(listener)));
}

static void
close_all(void)
{
    link_close(active);
    link_close(passive);
    stream_close(raw);
    jsonrpc_msg_destroy(got);
    pstream_close(listener);
    free(target);
    active = passive = NULL;
    raw = NULL;
    got = NULL;
    listener = NULL;
    target = NULL;
}

static const char *expected_role;

/* Accepts as controller c1. */
static void
accept_one(void)
{
    struct stream *stream;

    if (!passive && listener && !pstream_accept(listener, &stream)) {
        passive = link_accept(stream, expected_role);
    }
}

static bool
both_connected(void)
{
    tls_become("c1");
    accept_one();
    return (passive && link_is_connected(active)
            && link_is_connected(passive));
}

static void
connect_both(void)
{
    expected_role = "device/";
    tls_become("c1");
    open_listener();
    tls_become("laptop");
    active = link_open(target, "controller/");
    link_run(active);
    for (int i = 0; i < PATIENCE && !both_connected(); i++) {
        link_run(active);
        if (passive) {
            link_run(passive);
        }
        usleep(1000);
    }
    CU_ASSERT_FATAL(both_connected());
}

static bool
passive_got(void)
{
    got = got ? got : link_recv(passive);
    return got != NULL;
}

static bool
active_got(void)
{
    got = got ? got : link_recv(active);
    return got != NULL;
}

static void
forget(void)
{
    jsonrpc_msg_destroy(got);
    got = NULL;
}

static void
test_talk(void)
{
    struct json *params = json_object_create();
    uint64_t id;

    connect_both();
    CU_ASSERT_STRING_EQUAL(link_get_peer(active), "c1");
    CU_ASSERT_STRING_EQUAL(link_get_peer(passive), "laptop");
    CU_ASSERT_EQUAL(link_get_seqno(active), 1);

    json_object_put_string(params, "a", "b");
    id = link_request(active, "question", params);
    CU_ASSERT(id != 0);
    CU_ASSERT_FATAL(eventually(active, passive, passive_got));
    CU_ASSERT_STRING_EQUAL(got->method, "question");
    CU_ASSERT_PTR_NOT_NULL(link_msg_params(got));
    CU_ASSERT_EQUAL(link_msg_id(got), 0);
    link_reply(passive, got, json_object_create());
    forget();
    CU_ASSERT_FATAL(eventually(active, passive, active_got));
    CU_ASSERT_EQUAL(link_msg_id(got), id);
    CU_ASSERT_EQUAL(got->type, JSONRPC_REPLY);
    forget();

    id = link_request(active, "question", json_object_create());
    CU_ASSERT_FATAL(eventually(active, passive, passive_got));
    link_reply_error(passive, got, "policy", "%s may not", "laptop");
    forget();
    CU_ASSERT_FATAL(eventually(active, passive, active_got));
    CU_ASSERT_EQUAL(link_msg_id(got), id);
    CU_ASSERT_STRING_EQUAL(link_msg_error_code(got), "policy");
    CU_ASSERT_STRING_EQUAL(link_msg_error_reason(got), "laptop may not");
    forget();

    link_notify(passive, "word", json_object_create());
    CU_ASSERT_FATAL(eventually(active, passive, active_got));
    CU_ASSERT_EQUAL(got->type, JSONRPC_NOTIFY);
    close_all();
}

static bool
active_lost(void)
{
    return !link_is_connected(active);
}

/* Silence is probed, and no answer is the end of it. */
/* Messages may carry keys: at no level are they in the log. */
static void
test_contents_are_not_logged(void)
{
    static const char *const asked[] = { "dbg", "jsonrpc:file:dbg" };
    char file[] = "/tmp/test-link.XXXXXX";
    char text[8192];
    size_t n;

    connect_both();
    CU_ASSERT_FATAL(!close(mkstemp(file)));
    CU_ASSERT_FATAL(!vlog_set_log_file(file));
    for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
        struct json *params = json_object_create();

        vlog_set_levels(NULL, VLF_CONSOLE, VLL_OFF);
        char *error = vlog_set_levels_from_string(asked[i]);
        CU_ASSERT_PTR_NULL(error);
        vlog_set_levels(NULL, VLF_CONSOLE, VLL_OFF);
        json_object_put_string(params, "sa_key", "s3cret");
        link_notify(active, "sa", params);
        CU_ASSERT_FATAL(eventually(active, passive, passive_got));
        forget();
    }
    vlog_set_levels(NULL, VLF_FILE, VLL_INFO);

    FILE *stream = fopen(file, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
    n = fread(text, 1, sizeof text - 1, stream);
    fclose(stream);
    unlink(file);
    text[n] = '\0';
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "sent notification sa"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "received notification sa"));
    CU_ASSERT_PTR_NULL(strstr(text, "s3cret"));
    close_all();
}

static void
test_echo(void)
{
    connect_both();
    for (int i = 0; i < 4; i++) {
        now += 5000;
        link_run(active);
        for (int j = 0; j < 50; j++) {
            CU_ASSERT_PTR_NULL(link_recv(passive));
            CU_ASSERT_PTR_NULL(link_recv(active));
            link_run(active);
            link_run(passive);
            usleep(1000);
        }
        CU_ASSERT(link_is_connected(active));
    }
    /* The other side falls silent. */
    now += 5000;
    CU_ASSERT_PTR_NULL(link_recv(active));
    link_run(active);
    CU_ASSERT(link_is_connected(active));
    now += 5000;
    CU_ASSERT_PTR_NULL(link_recv(active));
    link_run(active);
    CU_ASSERT(active_lost());
    CU_ASSERT_STRING_EQUAL(link_get_error(active), "the peer does not answer");
    CU_ASSERT_EQUAL(link_get_seqno(active), 2);
    CU_ASSERT_EQUAL(link_request(active, "x", json_object_create()), 0);
    link_notify(active, "x", json_object_create());
    close_all();
}

static bool
passive_dead(void)
{
    accept_one();
    return passive && !link_is_alive(passive);
}

static void
test_role_refused(void)
{
    /* A device that takes another device for its controller. */
    expected_role = "device/";
    tls_become("tv");
    open_listener();
    tls_become("laptop");
    active = link_open(target, "controller/");
    for (int i = 0; i < PATIENCE && !link_get_error(active)[0]; i++) {
        link_run(active);
        accept_one();
        if (passive) {
            link_run(passive);
        }
        usleep(1000);
    }
    CU_ASSERT(!link_is_connected(active));
    CU_ASSERT_EQUAL(link_get_seqno(active), 0);
    CU_ASSERT_PTR_NULL(link_get_peer(active));
    close_all();

    /* A controller to which a controller's certificate comes. */
    expected_role = "device/";
    tls_become("tv");
    open_listener();
    tls_become("c1");
    active = link_open(target, "device/");
    link_run(active);
    tls_become("tv");
    CU_ASSERT(eventually(active, NULL, passive_dead)
              || eventually(active, passive, passive_dead));
    CU_ASSERT(strstr(link_get_error(passive), "names") != NULL);
    close_all();
}

static bool
active_failed(void)
{
    tls_become("rogue");
    accept_one();
    return link_get_error(active)[0] != '\0';
}

/* The devices' authority does not make controllers. */
static void
test_authority_refused(void)
{
    expected_role = "device/";
    tls_become("rogue");
    open_listener();
    tls_become("laptop");
    active = link_open(target, "controller/");
    link_run(active);
    for (int i = 0; i < PATIENCE && !active_failed(); i++) {
        link_run(active);
        if (passive) {
            link_run(passive);
        }
        usleep(1000);
    }
    CU_ASSERT(link_get_error(active)[0] != '\0');
    CU_ASSERT_EQUAL(link_get_seqno(active), 0);
    close_all();

    /* It neither comes in. */
    expected_role = "controller/";
    tls_become("c1");
    open_listener();
    tls_become("rogue");
    active = link_open(target, "controller/");
    link_run(active);
    tls_become("c1");
    CU_ASSERT(eventually(active, NULL, passive_dead)
              || eventually(active, passive, passive_dead));
    CU_ASSERT_EQUAL(link_get_seqno(passive), 0);
    close_all();
}

/* A peer with a good certificate that sends bytes of its own. */
static void
connect_raw(void)
{
    expected_role = "device/";
    tls_become("c1");
    open_listener();
    tls_become("laptop");
    CU_ASSERT_FATAL(!stream_open(target, &raw, 0));
    tls_become("c1");
    for (int i = 0; i < PATIENCE; i++) {
        stream_run(raw);
        stream_connect(raw);
        accept_one();
        if (passive) {
            link_run(passive);
            if (link_is_connected(passive)) {
                break;
            }
        }
        usleep(1000);
    }
    CU_ASSERT_FATAL(passive && link_is_connected(passive));
}

static bool
raw_send(const void *p_, size_t n)
{
    const char *p = p_;

    for (int i = 0; i < PATIENCE && n && link_is_connected(passive); i++) {
        int retval = stream_send(raw, p, n);

        stream_run(raw);
        if (retval > 0) {
            p += retval;
            n -= retval;
            continue;
        } else if (retval != -EAGAIN) {
            return false;
        }
        link_run(passive);
        forget();
        got = link_recv(passive);
        usleep(1000);
    }
    return !n;
}

static void
test_too_long(void)
{
    size_t n = 6 << 20;
    char *text = xmalloc(n);

    connect_raw();
    memset(text, 'a', n);
    text[0] = '"';
    raw_send(text, n);
    for (int i = 0; i < PATIENCE && link_is_connected(passive); i++) {
        stream_run(raw);
        link_run(passive);
        CU_ASSERT_PTR_NULL(link_recv(passive));
        usleep(1000);
    }
    CU_ASSERT(!link_is_alive(passive));
    CU_ASSERT_STRING_EQUAL(link_get_error(passive), "message too long");
    free(text);
    close_all();
}

static void
test_garbage(void)
{
    static const char *const texts[] = {
        "[1, 2",    "{\"method\": 7, \"params\": [], \"id\": null}",
        "hello",    "{\"id\": 1}",
        "[[[[[[[[", "\x80\xff\x01",
        "{} {} {}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        connect_raw();
        CU_ASSERT(raw_send(texts[i], strlen(texts[i])));
        for (int j = 0; j < 20 && link_is_connected(passive); j++) {
            link_run(passive);
            stream_run(raw);
            CU_ASSERT_PTR_NULL(link_recv(passive));
            usleep(1000);
        }
        close_all();
    }
}

static bool
passive_closed(void)
{
    if (passive && !got) {
        got = link_recv(passive);
    }
    return passive && !link_is_alive(passive);
}

static void
test_messages_of_odd_forms(void)
{
    static const char *const texts[] = {
        "{\"method\":\"m\",\"params\":[],\"id\":null}",
        "{\"method\":\"m\",\"params\":[1],\"id\":null}",
        "{\"method\":\"m\",\"params\":[{},{}],\"id\":null}",
        "{\"error\":\"text\",\"result\":null,\"id\":5}",
        "{\"error\":{\"code\":7},\"result\":null,\"id\":-5}",
        "{\"error\":null,\"result\":7,\"id\":{}}",
        "{\"error\":null,\"result\":7,\"id\":99999999999999999999}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        connect_raw();
        CU_ASSERT(raw_send(texts[i], strlen(texts[i])));
        for (int j = 0; j < PATIENCE && !passive_got() && !passive_closed();
             j++) {
            stream_run(raw);
            link_run(passive);
            usleep(1000);
        }
        if (got) {
            CU_ASSERT_PTR_NULL(link_msg_params(got));
            CU_ASSERT_EQUAL(link_msg_id(got), i == 3 ? 5 : 0);
            CU_ASSERT_PTR_NOT_NULL(link_msg_error_code(got));
            CU_ASSERT_PTR_NOT_NULL(link_msg_error_reason(got));
        }
        close_all();
    }
}

/* Somebody connects and says nothing. */
static void
test_handshake_takes_too_long(void)
{
    struct sockaddr_in sin = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    expected_role = "device/";
    tls_become("c1");
    open_listener();
    sin.sin_port = pstream_get_bound_port(listener);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CU_ASSERT_FATAL(!connect(fd, (struct sockaddr *) &sin, sizeof sin));
    for (int i = 0; i < PATIENCE && !passive; i++) {
        accept_one();
        usleep(1000);
    }
    CU_ASSERT_FATAL(passive != NULL);
    link_run(passive);
    CU_ASSERT(link_is_alive(passive));
    now += 4999;
    link_run(passive);
    CU_ASSERT(link_is_alive(passive));
    now += 1;
    link_run(passive);
    CU_ASSERT(!link_is_alive(passive));
    close(fd);
    close_all();
}

/* Nobody listens: pauses between attempts double, from 1 s up to 8 s. */
static void
test_backoff(void)
{
    static const int pauses[] = { 1000, 2000, 4000, 8000, 8000 };

    tls_become("c1");
    open_listener();
    pstream_close(listener);
    listener = NULL;
    tls_become("laptop");
    active = link_open(target, "controller/");
    n_opened = 0;
    for (int i = 0; i < 6000 && n_opened < ARRAY_SIZE(opened); i++) {
        size_t before = n_opened;

        link_run(active);
        if (n_opened > before) {
            usleep(5000); /* The refusal arrives. */
            link_run(active);
        }
        now += 10;
    }
    for (size_t i = 0; i < ARRAY_SIZE(pauses); i++) {
        long long int pause = opened[i + 1] - opened[i];

        CU_ASSERT(pause >= pauses[i] && pause <= pauses[i] + 20);
    }
    CU_ASSERT(link_is_alive(active));
    CU_ASSERT(link_get_error(active)[0] != '\0');
    close_all();
}

static bool
connected_again(void)
{
    tls_become("c1");
    if (passive && !link_is_alive(passive)) {
        link_close(passive);
        passive = NULL;
    }
    accept_one();
    return passive && link_is_connected(active) && link_is_connected(passive);
}

static void
test_reconnects(void)
{
    connect_both();
    link_drop(active, "a reason");
    CU_ASSERT(active_lost());
    CU_ASSERT_STRING_EQUAL(link_get_error(active), "a reason");
    CU_ASSERT_EQUAL(link_get_seqno(active), 2);
    CU_ASSERT(link_is_alive(active));
    CU_ASSERT(eventually(active, passive, passive_closed));
    tls_become("laptop");
    for (int i = 0; i < 20 && !link_is_connected(active); i++) {
        tls_become("laptop");
        link_run(active);
        now += 100;
        link_run(active);
        for (int j = 0; j < 100 && !connected_again(); j++) {
            link_run(active);
            if (passive) {
                link_run(passive);
            }
            usleep(1000);
        }
    }
    CU_ASSERT(link_is_connected(active));
    CU_ASSERT_EQUAL(link_get_seqno(active), 3);
    link_wait(active);
    poll_immediate_wake();
    poll_block();
    close_all();
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "talk", test_talk },
        { "contents are not logged", test_contents_are_not_logged },
        { "echo", test_echo },
        { "role refused", test_role_refused },
        { "authority refused", test_authority_refused },
        { "too long", test_too_long },
        { "garbage", test_garbage },
        { "odd forms", test_messages_of_odd_forms },
        { "handshake takes too long", test_handshake_takes_too_long },
        { "backoff", test_backoff },
        { "reconnects", test_reconnects },
    };
    int retval;

    signal(SIGPIPE, SIG_IGN);
    if (!tls_begin()) {
        fprintf(stderr, "baton-pki failed\n");
        return 1;
    }
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_EMER);
    retval = unit_run("link", tests, ARRAY_SIZE(tests));
    tls_end();
    return retval;
}
