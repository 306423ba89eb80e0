/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "app-link.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app-socket.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/util.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

static char dir[] = "/tmp/test-app-link.XXXXXX";
static char *path;
static struct app_server *server;

static int
client(void)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    ovs_strlcpy(sun.sun_path, path, sizeof sun.sun_path);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *) &sun, sizeof sun),
                          0);
    return fd;
}

static void
say(int fd, enum app_message_type type, const int *fds, size_t n,
    uint32_t flags)
{
    struct app_message m;

    app_message_init(&m, type);
    m.flags = flags;
    if (type == APP_PRESENT) {
        m.n_sockets = n;
    }
    APP_STRING_PUT(m.service, type == APP_HELLO ? "music" : "");
    CU_ASSERT_EQUAL(app_socket_send(fd, &m, fds, n), 0);
}

/* One turn of an agent's main loop, for up to 'ms'. */
static bool
turn(struct app_event *ev, int ms)
{
    long long int end = time_msec() + ms;

    for (;;) {
        app_server_run(server);
        if (app_server_next(server, ev)) {
            return true;
        }
        if (time_msec() >= end) {
            return false;
        }
        app_server_wait(server);
        poll_timer_wait_until(end);
        poll_block();
    }
}

static bool
closed_within(int ms)
{
    struct app_event ev;
    long long int end = time_msec() + ms;

    do {
        if (turn(&ev, 10)) {
            app_fds_close(ev.fds, ev.n_fds);
            free(ev.fds);
        }
        if (app_server_next_closed(server)) {
            return true;
        }
    } while (time_msec() < end);
    return false;
}

static void
expect_error(int fd, int error)
{
    struct app_message m;
    int fds[APP_FDS_MAX];
    size_t n;

    CU_ASSERT_EQUAL(app_socket_recv(fd, &m, fds, &n), 0);
    CU_ASSERT_EQUAL(m.type, APP_ERROR);
    CU_ASSERT_EQUAL(m.error, error);
    CU_ASSERT(m.reason[0] != '\0');
}

static void
begin(void)
{
    char *error;

    CU_ASSERT_EQUAL_FATAL(app_server_open(path, &server, &error), 0);
}

static void
end(void)
{
    app_server_close(server);
    server = NULL;
}

static void
test_one_agent(void)
{
    struct app_server *other;
    char *error;

    begin();
    CU_ASSERT_EQUAL(app_server_open(path, &other, &error), EADDRINUSE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "another agent"));
    free(error);
    end();
    begin();
    end();
}

static void
test_stale_socket(void)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    struct app_server *other;
    char *error;

    ovs_strlcpy(sun.sun_path, path, sizeof sun.sun_path);
    CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *) &sun, sizeof sun), 0);
    CU_ASSERT_EQUAL(listen(fd, 1), 0);
    CU_ASSERT_EQUAL(app_server_open(path, &other, &error), EADDRINUSE);
    free(error);
    close(fd);
    begin(); /* The file is still there: stale. */
    end();
    CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);

    fd = open(path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    CU_ASSERT_EQUAL(app_server_open(path, &other, &error), EEXIST);
    free(error);
    unlink(path);
}

static void
test_messages(void)
{
    struct app_message m;
    struct app_event ev;
    int fds[APP_FDS_MAX];
    size_t n;
    int fd, state;

    begin();
    fd = client();
    say(fd, APP_HELLO, NULL, 0, 0);
    CU_ASSERT_FATAL(turn(&ev, 1000));
    CU_ASSERT_EQUAL(ev.msg.type, APP_HELLO);
    CU_ASSERT_STRING_EQUAL(app_conn_service(ev.conn), "music");
    CU_ASSERT_EQUAL(app_conn_pid(ev.conn), getpid());
    CU_ASSERT_EQUAL(app_conn_uid(ev.conn), geteuid());
    CU_ASSERT_PTR_EQUAL(app_server_find(server, "music", -1), ev.conn);
    CU_ASSERT_PTR_EQUAL(app_server_find(server, "music", geteuid()), ev.conn);
    CU_ASSERT_PTR_NULL(app_server_find(server, "music", 12345));
    CU_ASSERT_PTR_NULL(app_server_find(server, "", -1));

    CU_ASSERT_EQUAL(app_state_create("hello", 5, &state), 0);
    say(fd, APP_PAUSED, &state, 1, APP_FLAG_STATE);
    CU_ASSERT_FATAL(turn(&ev, 1000));
    CU_ASSERT_EQUAL(ev.msg.type, APP_PAUSED);
    CU_ASSERT_EQUAL(ev.n_fds, 1);
    app_message_init(&m, APP_ARRIVED);
    m.n_sockets = 1;
    app_conn_send(ev.conn, &m, ev.fds, 1);
    app_fds_close(ev.fds, ev.n_fds);
    free(ev.fds);
    CU_ASSERT_EQUAL(app_socket_recv(fd, &m, fds, &n), 0);
    CU_ASSERT_EQUAL(m.type, APP_ARRIVED);
    CU_ASSERT_EQUAL(n, 1);
    app_fds_close(fds, n);

    for (int i = 0; i < APP_FDS_MAX; i++) {
        fds[i] = state;
    }
    say(fd, APP_PRESENT, fds, APP_SOCKETS_MAX, 0);
    CU_ASSERT_FATAL(turn(&ev, 1000));
    CU_ASSERT_EQUAL(ev.n_fds, APP_SOCKETS_MAX);
    app_fds_close(ev.fds, ev.n_fds);
    free(ev.fds);

    close(state);
    close(fd);
    CU_ASSERT(closed_within(1000));
    end();
}

/* Each of these is refused, and ends the connection. */
static void
bad(void (*send_it)(int fd))
{
    struct app_event ev;
    int fd = client();

    say(fd, APP_HELLO, NULL, 0, 0);
    CU_ASSERT(turn(&ev, 1000));
    send_it(fd);
    CU_ASSERT(!turn(&ev, 10));
    expect_error(fd, EPROTO);
    CU_ASSERT(closed_within(1000));
    close(fd);
}

static void
bad_hello_again(int fd)
{
    say(fd, APP_HELLO, NULL, 0, 0);
}

static void
bad_type(int fd)
{
    say(fd, APP_OWNED, NULL, 0, 0);
}

static void
bad_fds(int fd)
{
    say(fd, APP_ADD, NULL, 0, 0);
}

static void
bad_state(int fd)
{
    say(fd, APP_PAUSED, &fd, 1, APP_FLAG_STATE);
}

static void
bad_version(int fd)
{
    struct app_message m;

    app_message_init(&m, APP_OPEN);
    m.version++;
    CU_ASSERT_EQUAL(app_socket_send(fd, &m, NULL, 0), 0);
}

static void
bad_string(int fd)
{
    struct app_message m;

    app_message_init(&m, APP_OPEN);
    memset(m.name, 'x', sizeof m.name);
    CU_ASSERT_EQUAL(app_socket_send(fd, &m, NULL, 0), 0);
}

static void
bad_length(int fd)
{
    CU_ASSERT_EQUAL(send(fd, "x", 1, 0), 1);
}

static void
bad_note(int fd)
{
    struct app_message m;

    app_message_init(&m, APP_PRESENT);
    m.note_len = APP_NOTE_LEN + 1;
    CU_ASSERT_EQUAL(app_socket_send(fd, &m, NULL, 0), 0);
}

static void
bad_service(int fd)
{
    struct app_message m;

    app_message_init(&m, APP_MOVE);
    APP_STRING_PUT(m.service, "a b");
    CU_ASSERT_EQUAL(app_socket_send(fd, &m, NULL, 0), 0);
}

static void
bad_device(int fd)
{
    struct app_message m;

    app_message_init(&m, APP_MOVE);
    APP_STRING_PUT(m.device, "tv\n");
    CU_ASSERT_EQUAL(app_socket_send(fd, &m, NULL, 0), 0);
}

/* ADDs 'fd' under the number of 'other'. */
static void
add_socket(int fd, int other)
{
    socklen_t len = sizeof(uint64_t);
    struct app_message m;

    app_message_init(&m, APP_ADD);
    CU_ASSERT_EQUAL(getsockopt(other, SOL_SOCKET, SO_COOKIE, &m.socket, &len),
                    0);
    CU_ASSERT_EQUAL(app_socket_send(fd, &m, &fd, 1), 0);
}

static void
bad_cookie(int fd)
{
    int other = socket(AF_INET, SOCK_DGRAM, 0);

    add_socket(fd, other);
    close(other);
}

static void
test_cookie(void)
{
    struct app_event ev;
    int fd;

    begin();
    fd = client();
    say(fd, APP_HELLO, NULL, 0, 0);
    CU_ASSERT_FATAL(turn(&ev, 1000));
    add_socket(fd, fd);
    CU_ASSERT_FATAL(turn(&ev, 1000));
    CU_ASSERT_EQUAL(ev.msg.type, APP_ADD);
    app_fds_close(ev.fds, ev.n_fds);
    free(ev.fds);
    close(fd);
    end();
}

/* What is not fit for logs, terminals or JSON does not get in. */
static void
test_names(void)
{
    static const char *const names[][2] = {
        { "caf\xc3\xa9", "caf\xc3\xa9" },
        { "a\033[31m\nb\177", "a?[31m?b?" },
        { "caf\xe9", "caf?" },
        { "caf\xc3\xa9\xc2\x9b"
          "2J",
          "caf\xc3\xa9??2J" },
    };
    struct app_event ev;
    int fd;

    begin();
    fd = client();
    say(fd, APP_HELLO, NULL, 0, 0);
    CU_ASSERT_FATAL(turn(&ev, 1000));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct app_message m;

        app_message_init(&m, APP_REFUSE);
        APP_STRING_PUT(m.name, names[i][0]);
        APP_STRING_PUT(m.reason, names[i][0]);
        CU_ASSERT_EQUAL(app_socket_send(fd, &m, NULL, 0), 0);
        CU_ASSERT_FATAL(turn(&ev, 1000));
        CU_ASSERT_STRING_EQUAL(ev.msg.name, names[i][1]);
        CU_ASSERT_STRING_EQUAL(ev.msg.reason, names[i][1]);
    }
    close(fd);
    end();
}

/* Without a descriptor for it, a connection waits; the agent does not spin. */
static void
test_no_descriptors(void)
{
    struct rlimit old, none;
    long long int start;
    struct app_event ev;
    int turns = 0;
    int fd;

    begin();
    CU_ASSERT(!turn(&ev, 0)); /* Opens what poll_block() needs. */
    fd = client();
    say(fd, APP_HELLO, NULL, 0, 0);
    CU_ASSERT_EQUAL(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 0;
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (start = time_msec(); time_msec() < start + 250; turns++) {
        app_server_run(server);
        CU_ASSERT(!app_server_next(server, &ev));
        app_server_wait(server);
        none.rlim_cur = 64; /* poll() takes no more than may be open. */
        setrlimit(RLIMIT_NOFILE, &none);
        poll_block();
        none.rlim_cur = 0;
        setrlimit(RLIMIT_NOFILE, &none);
    }
    CU_ASSERT(turns < 20);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &old), 0);
    CU_ASSERT_FATAL(turn(&ev, 1000));
    CU_ASSERT_EQUAL(ev.msg.type, APP_HELLO);
    close(fd);
    end();
}

static void
test_bad(void)
{
    struct app_event ev;
    int fd;

    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    begin();
    bad(bad_hello_again);
    bad(bad_type);
    bad(bad_fds);
    bad(bad_state);
    bad(bad_version);
    bad(bad_string);
    bad(bad_length);
    bad(bad_note);
    bad(bad_service);
    bad(bad_device);
    bad(bad_cookie);

    fd = client();
    say(fd, APP_OPEN, NULL, 0, 0);
    CU_ASSERT(!turn(&ev, 10));
    expect_error(fd, EPROTO);
    CU_ASSERT(closed_within(1000));
    close(fd);
    end();
}

/* What does not fit into the socket waits, in order. */
static void
test_queue(void)
{
    struct app_message m;
    struct app_event ev;
    int fds[APP_FDS_MAX];
    size_t n;
    int fd;

    begin();
    fd = client();
    say(fd, APP_HELLO, NULL, 0, 0);
    CU_ASSERT_FATAL(turn(&ev, 1000));
    for (int i = 0; i < 200; i++) {
        app_message_init(&m, APP_RESULT);
        m.error = i;
        m.text_len = APP_TEXT_LEN - 1;
        memset(m.text, 'x', m.text_len);
        app_conn_send(ev.conn, &m, &fd, i % 10 == 0);
    }
    for (int i = 0; i < 200;) {
        int error = app_socket_recv(fd, &m, fds, &n);

        if (error == EAGAIN) {
            struct app_event none;

            CU_ASSERT(!turn(&none, 1));
            continue;
        }
        CU_ASSERT_EQUAL_FATAL(error, 0);
        CU_ASSERT_EQUAL(m.error, i);
        CU_ASSERT_EQUAL(n, i % 10 == 0);
        app_fds_close(fds, n);
        i++;
    }
    for (int i = 0; i < 3000; i++) {
        app_conn_send(ev.conn, &m, NULL, 0);
    }
    CU_ASSERT(closed_within(1000)); /* Nobody reads: too much. */
    close(fd);
    end();
}

static void
test_rate(void)
{
    struct app_event ev;
    int n_sent = 0, n_got = 0;
    int fd;

    begin();
    fd = client();
    say(fd, APP_HELLO, NULL, 0, 0);
    CU_ASSERT_FATAL(turn(&ev, 1000));
    while (n_sent < 7000) {
        struct app_message m;

        app_message_init(&m, APP_READY);
        if (!app_socket_send(fd, &m, NULL, 0)) {
            n_sent++;
        } else if (turn(&ev, 100)) {
            n_got++;
        }
    }
    while (n_got < n_sent && turn(&ev, 1000)) {
        n_got++;
    }
    CU_ASSERT_EQUAL(n_got, n_sent); /* Slowed, none dropped. */
    close(fd);
    end();
}

static void
test_start(void)
{
    char *argv[] = { "/bin/sh", "-c",
                     "test $LISTEN_PID = $$ && test $LISTEN_FDS = 1 && "
                     "test $LISTEN_FDNAMES = baton && "
                     "test $BATON_SERVICE = film && "
                     "test -S $BATON_SOCKET && ! test -e /proc/self/fd/4 && "
                     ": > $BATON_SOCKET.ok",
                     NULL };
    char *bad_argv[] = { "/nonexistent/program", NULL };
    char *relative[] = { "sh", NULL };
    struct app_conn *conn, *bad_conn;
    struct app_event ev;
    char *mark = xasprintf("%s.ok", path);
    char *error = NULL;

    begin();
    CU_ASSERT_EQUAL_FATAL(
        app_server_start(server, "film", argv, -1, &conn, &error), 0);
    CU_ASSERT_PTR_EQUAL(app_server_find(server, "film", -1), conn);
    CU_ASSERT(!turn(&ev, 300));
    CU_ASSERT_PTR_EQUAL(app_server_next_closed(server), conn);
    CU_ASSERT_EQUAL(unlink(mark), 0);
    free(mark);

    CU_ASSERT_EQUAL(
        app_server_start(server, "film", bad_argv, -1, &bad_conn, &error),
        ENOENT);
    free(error);
    CU_ASSERT_EQUAL(
        app_server_start(server, "film", relative, -1, &bad_conn, &error),
        EINVAL);
    free(error);
    end();
}

static void
test_too_many(void)
{
    int fds[APP_CONNS_PER_UID * 16 + 1];
    int max = APP_CONNS_PER_UID * (geteuid() ? 1 : 16);
    struct app_event ev;

    begin();
    for (int i = 0; i <= max; i++) {
        fds[i] = client();
        if (i % 32 == 31) {
            CU_ASSERT(!turn(&ev, 0));
        }
    }
    CU_ASSERT(!turn(&ev, 10));
    expect_error(fds[max], EUSERS);
    CU_ASSERT(closed_within(1000));
    app_fds_close(fds, max + 1);
    end();
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    unsigned int n_failed;
    CU_pSuite suite;

    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    if (!mkdtemp(dir)) {
        return 1;
    }
    path = xasprintf("%s/agent.sock", dir);

    CU_initialize_registry();
    suite = CU_add_suite("app-link", NULL, NULL);
    CU_add_test(suite, "one agent", test_one_agent);
    CU_add_test(suite, "stale socket", test_stale_socket);
    CU_add_test(suite, "messages", test_messages);
    CU_add_test(suite, "bad messages", test_bad);
    CU_add_test(suite, "cookie", test_cookie);
    CU_add_test(suite, "names", test_names);
    CU_add_test(suite, "no descriptors", test_no_descriptors);
    CU_add_test(suite, "queue", test_queue);
    CU_add_test(suite, "rate", test_rate);
    CU_add_test(suite, "start", test_start);
    CU_add_test(suite, "too many", test_too_many);
    CU_basic_set_mode(CU_BRM_SILENT);
    CU_basic_run_tests();
    CU_basic_show_failures(CU_get_failure_list());
    n_failed = CU_get_number_of_failures();
    CU_cleanup_registry();

    char *lock = xasprintf("%s.lock", path);
    unlink(path);
    unlink(lock);
    rmdir(dir);
    free(lock);
    free(path);
    return n_failed != 0;
}
