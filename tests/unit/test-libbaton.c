/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "baton/baton.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app-link.h"
#include "app-socket.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/util.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

/* An agent that plays, in a process of its own.  What it does with a session
 * is in the name of the device that it is moved to:
 *
 *     away     PAUSE, and after PAUSED: GONE, MOVED
 *     stay     PAUSE, and after PAUSED: RESUME, MOVED with an error
 *     back     as "away", then ARRIVED with the sockets and the state
 *     die      PAUSE, and after PAUSED the agent is gone
 *     never    ERROR
 */

static char dir[] = "/tmp/test-libbaton.XXXXXX";
static char *path;

struct fake {
    int fds[APP_FDS_MAX]; /* Sockets that were added. */
    size_t n_fds;
    int state;
    char device[APP_NAME_LEN];
    unsigned int n_opened;
};

static void
reply(struct app_event *ev, enum app_message_type type, int error,
      const char *reason)
{
    struct app_message m;

    app_message_init(&m, type);
    memcpy(m.session, ev->msg.session, sizeof m.session);
    m.error = error;
    m.socket = type == APP_ERROR ? ev->msg.socket : 0;
    APP_STRING_PUT(m.reason, reason);
    app_conn_send(ev->conn, &m, NULL, 0);
}

static void
fake_open(struct fake *f, struct app_event *ev)
{
    struct app_message m;

    if (!strcmp(ev->msg.name, "silent")) {
        return;
    } else if (!strcmp(ev->msg.name, "full")) {
        reply(ev, APP_ERROR, EADDRNOTAVAIL, "no address is left");
        return;
    }
    app_message_init(&m, APP_OPENED);
    memset(m.session, ++f->n_opened, sizeof m.session);
    m.family = ev->msg.family;
    m.socket = ev->msg.socket;
    m.note_len = 4;
    memcpy(m.note, "note", 4);
    if (m.family == AF_INET) {
        inet_pton(AF_INET6, "::ffff:127.0.0.1", &m.address);
    } else {
        inet_pton(AF_INET6, "::1", &m.address);
    }
    app_conn_send(ev->conn, &m, NULL, 0);
}

static void
fake_paused(struct fake *f, struct app_event *ev)
{
    struct app_message m;
    int fds[APP_FDS_MAX];

    if (!strcmp(f->device, "die")) {
        _exit(0);
    } else if (!strcmp(f->device, "stay")) {
        reply(ev, APP_RESUME, EHOSTUNREACH, "television is away");
        reply(ev, APP_MOVED, EHOSTUNREACH, "television is away");
        return;
    }
    reply(ev, APP_MOVED, 0, "");
    reply(ev, APP_GONE, 0, "moved");
    if (!strcmp(f->device, "back")) {
        app_message_init(&m, APP_ARRIVED);
        memset(m.session, 99, sizeof m.session);
        APP_STRING_PUT(m.name, "returned");
        inet_pton(AF_INET6, "::ffff:127.0.0.1", &m.address);
        m.family = AF_INET;
        m.n_sockets = f->n_fds;
        m.flags = ev->n_fds ? APP_FLAG_STATE : 0;
        memcpy(fds, f->fds, f->n_fds * sizeof *fds);
        if (ev->n_fds) {
            fds[f->n_fds] = ev->fds[0];
        }
        app_conn_send(ev->conn, &m, fds, f->n_fds + ev->n_fds);
    }
}

static void
fake_present(struct app_event *ev)
{
    char *text = xasprintf("%s %u sockets%s%s, note %.*s", ev->msg.name,
                           ev->msg.n_sockets,
                           ev->msg.flags & APP_FLAG_PAUSED ? " paused" : "",
                           ev->msg.flags & APP_FLAG_STATE ? " state" : "",
                           (int) ev->msg.note_len, ev->msg.note);

    reply(ev, ev->msg.flags & APP_FLAG_PAUSED ? APP_RESUME : APP_PAUSE, 0,
          text);
    free(text);
}

static void
fake_handle(struct fake *f, struct app_event *ev)
{
    switch ((int) ev->msg.type) {
    case APP_OPEN: fake_open(f, ev); break;
    case APP_ADD:
        if (f->n_fds >= 3) {
            reply(ev, APP_ERROR, EPERM, "three are enough");
            break;
        }
        f->fds[f->n_fds++] = ev->fds[0];
        ev->n_fds = 0;
        break;
    case APP_MOVE:
        ovs_strlcpy(f->device, ev->msg.device, sizeof f->device);
        if (!strcmp(f->device, "never")) {
            reply(ev, APP_ERROR, EPERM, "policy");
        } else {
            reply(ev, APP_PAUSE, 0, "");
        }
        break;
    case APP_PAUSED: fake_paused(f, ev); break;
    case APP_READY: reply(ev, APP_OWNED, 0, ""); break;
    case APP_REFUSE:
        if (!strcmp(f->device, "away")) {
            reply(ev, APP_RESUME, EBUSY, ev->msg.reason);
            reply(ev, APP_MOVED, EBUSY, ev->msg.reason);
        } else {
            reply(ev, APP_GONE, ECANCELED, ev->msg.reason);
        }
        break;
    case APP_PRESENT: fake_present(ev); break;
    default: break;
    }
}

static void OVS_NO_RETURN
fake_agent(int ready_fd)
{
    struct fake f = { .state = -1 };
    struct app_server *server;
    struct app_event ev;
    char *error;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (app_server_open(path, &server, &error)) {
        _exit(1);
    }
    ignore(write(ready_fd, "", 1));
    for (;;) {
        app_server_run(server);
        while (app_server_next(server, &ev)) {
            fake_handle(&f, &ev);
            app_fds_close(ev.fds, ev.n_fds);
            free(ev.fds);
        }
        while (app_server_next_closed(server)) {
            continue;
        }
        app_server_wait(server);
        poll_block();
    }
}

static pid_t
start_agent(void)
{
    int ready[2];
    pid_t pid;
    char c;

    ignore(pipe(ready));
    pid = fork();
    if (!pid) {
        fake_agent(ready[1]);
    }
    close(ready[1]);
    CU_ASSERT_EQUAL_FATAL(read(ready[0], &c, 1), 1);
    close(ready[0]);
    return pid;
}

static void
stop_agent(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static struct baton *
open_baton(void)
{
    struct baton *b = baton_open(path, "music");

    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    return b;
}

/* Waits for an event the way an application does. */
static enum baton_event_type
next(struct baton *b, struct baton_event *ev, int ms)
{
    struct pollfd pfd = { .fd = baton_fd(b), .events = POLLIN };
    long long int end = time_wall_msec() + ms;

    for (;;) {
        long long int left = end - time_wall_msec();

        if (poll(&pfd, 1, MAX(left, 0)) > 0 && baton_next_event(b, ev)) {
            return ev->type;
        } else if (left <= 0) {
            return BATON_NONE;
        }
    }
}
#define EXPECT(B, EV, TYPE) CU_ASSERT_EQUAL_FATAL(next(B, EV, 3000), TYPE)

static int
bound_socket(const char *address)
{
    struct sockaddr_in sin = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    inet_pton(AF_INET, address, &sin.sin_addr);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *) &sin, sizeof sin), 0);
    return fd;
}

static void
test_no_agent(void)
{
    CU_ASSERT_PTR_NULL(baton_open(path, NULL));
    CU_ASSERT_EQUAL(errno, ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(baton_error(NULL), "baton-agentd"));
}

static void
test_open(void)
{
    pid_t pid = start_agent();
    struct baton *b = open_baton();
    struct baton_session *s, *s6;
    struct sockaddr_storage ss;
    struct baton_event ev;

    s = baton_session_open(b, "film", AF_INET, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    ss = baton_session_info(s)->address;
    CU_ASSERT_EQUAL(ss.ss_family, AF_INET);
    CU_ASSERT_EQUAL(((struct sockaddr_in *) &ss)->sin_addr.s_addr,
                    htonl(0x7f000001));
    CU_ASSERT_STRING_EQUAL(baton_session_info(s)->id,
                           "01010101-0101-0101-0101-010101010101");
    s6 = baton_session_open(b, "film", AF_INET6, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s6);
    ss = baton_session_info(s6)->address;
    CU_ASSERT(IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *) &ss)->sin6_addr));
    CU_ASSERT_PTR_NULL(baton_session_open(b, "full", AF_INET, NULL));
    CU_ASSERT_EQUAL(errno, EADDRNOTAVAIL);
    CU_ASSERT_STRING_EQUAL(baton_error(b), "no address is left");
    CU_ASSERT_PTR_NULL(baton_session_open(b, "film", AF_UNIX, NULL));
    CU_ASSERT_EQUAL(next(b, &ev, 0), BATON_NONE);
    baton_session_end(s6);
    baton_close(b);
    stop_agent(pid);
}

static void
test_sockets(void)
{
    pid_t pid = start_agent();
    struct baton *b = open_baton();
    struct baton_session *s = baton_session_open(b, "film", AF_INET, NULL);
    int other = bound_socket("127.0.0.2");
    struct baton_event ev;
    int fds[4];

    for (int i = 0; i < 4; i++) {
        fds[i] = bound_socket("127.0.0.1");
        CU_ASSERT_EQUAL(baton_session_add(s, fds[i]), 0);
    }
    CU_ASSERT_EQUAL(baton_session_add(s, fds[0]), -1);
    CU_ASSERT_EQUAL(errno, EEXIST);
    CU_ASSERT_EQUAL(baton_session_add(s, other), -1);
    CU_ASSERT_EQUAL(errno, EINVAL);
    CU_ASSERT_EQUAL(baton_session_add(s, STDIN_FILENO), -1);
    EXPECT(b, &ev, BATON_REJECTED);
    CU_ASSERT_EQUAL(ev.fds[0], fds[3]);
    CU_ASSERT_EQUAL(ev.error, EPERM);
    CU_ASSERT_STRING_EQUAL(ev.reason, "three are enough");
    CU_ASSERT_EQUAL(baton_session_remove(s, fds[3]), -1);
    CU_ASSERT_EQUAL(baton_session_remove(s, fds[1]), 0);
    for (int i = 0; i < 4; i++) {
        close(fds[i]);
    }
    close(other);
    baton_close(b);
    stop_agent(pid);
}

static void
test_move(void)
{
    pid_t pid = start_agent();
    struct baton *b = open_baton();
    struct baton_session *s = baton_session_open(b, "film", AF_INET, NULL);
    int fd = bound_socket("127.0.0.1");
    static char state[BATON_STATE_MAX];
    struct baton_event ev;

    memset(state, 'x', sizeof state);
    CU_ASSERT_EQUAL(baton_session_add(s, fd), 0);
    CU_ASSERT_EQUAL(baton_session_answer(s, NULL, "", 0), -1);
    CU_ASSERT_EQUAL(baton_session_answer(s, NULL, NULL, 0), -1);

    CU_ASSERT_EQUAL(baton_session_move(s, "never", NULL), 0);
    CU_ASSERT_EQUAL(baton_session_move(s, "never", NULL), -1);
    EXPECT(b, &ev, BATON_MOVED);
    CU_ASSERT_EQUAL(ev.error, EPERM);
    CU_ASSERT_STRING_EQUAL(ev.reason, "policy");

    CU_ASSERT_EQUAL(baton_session_move(s, "stay", NULL), 0);
    EXPECT(b, &ev, BATON_PAUSE);
    CU_ASSERT_PTR_EQUAL(ev.session, s);
    CU_ASSERT_EQUAL(baton_session_answer(s, NULL, state, sizeof state + 1),
                    -1);
    CU_ASSERT_EQUAL(errno, EMSGSIZE);
    CU_ASSERT_EQUAL(baton_session_answer(s, NULL, NULL, 0), 0);
    CU_ASSERT_EQUAL(baton_session_add(s, STDIN_FILENO), -1);
    CU_ASSERT_EQUAL(errno, EBUSY);
    EXPECT(b, &ev, BATON_RESUME);
    CU_ASSERT_EQUAL(ev.error, EHOSTUNREACH);
    EXPECT(b, &ev, BATON_MOVED);
    CU_ASSERT_STRING_EQUAL(ev.reason, "television is away");

    CU_ASSERT_EQUAL(baton_session_move(s, "away", NULL), 0);
    EXPECT(b, &ev, BATON_PAUSE);
    CU_ASSERT_EQUAL(baton_session_answer(s, "it is exciting", NULL, 0), 0);
    EXPECT(b, &ev, BATON_RESUME);
    CU_ASSERT_STRING_EQUAL(ev.reason, "it is exciting");
    EXPECT(b, &ev, BATON_MOVED);
    CU_ASSERT_EQUAL(ev.error, EBUSY);

    CU_ASSERT_EQUAL(baton_session_move(s, "back", NULL), 0);
    EXPECT(b, &ev, BATON_PAUSE);
    CU_ASSERT_EQUAL(baton_session_answer(s, NULL, state, sizeof state), 0);
    EXPECT(b, &ev, BATON_MOVED);
    CU_ASSERT_EQUAL(ev.error, 0);
    EXPECT(b, &ev, BATON_GONE);
    baton_session_end(ev.session);
    close(fd);

    EXPECT(b, &ev, BATON_ARRIVED);
    CU_ASSERT_EQUAL_FATAL(ev.n_fds, 1);
    CU_ASSERT_EQUAL_FATAL(ev.state_len, sizeof state);
    CU_ASSERT_EQUAL(memcmp(ev.state, state, sizeof state), 0);
    fd = ev.fds[0];
    s = ev.session;
    CU_ASSERT_EQUAL(baton_session_answer(s, NULL, NULL, 0), 0);
    EXPECT(b, &ev, BATON_OWNED);

    CU_ASSERT_EQUAL(baton_session_move(s, "back", "music"), 0);
    EXPECT(b, &ev, BATON_PAUSE);
    CU_ASSERT_EQUAL(baton_session_answer(s, NULL, NULL, 0), 0);
    EXPECT(b, &ev, BATON_MOVED);
    EXPECT(b, &ev, BATON_GONE);
    close(fd);
    baton_session_end(ev.session);
    EXPECT(b, &ev, BATON_ARRIVED);
    CU_ASSERT_EQUAL(ev.state_len, 0);
    close(ev.fds[0]);
    CU_ASSERT_EQUAL(baton_session_answer(ev.session, "no memory", NULL, 0), 0);
    EXPECT(b, &ev, BATON_GONE);
    CU_ASSERT_STRING_EQUAL(ev.reason, "no memory");
    baton_session_end(ev.session);
    baton_close(b);
    stop_agent(pid);
}

/* The agent is killed and started again, and is shown everything. */
static void
test_reconnect(void)
{
    pid_t pid = start_agent();
    struct baton *b = open_baton();
    struct baton_session *s = baton_session_open(b, "film", AF_INET, NULL);
    int fd = bound_socket("127.0.0.1");
    int closed = bound_socket("127.0.0.1");
    struct baton_event ev;

    CU_ASSERT_EQUAL(baton_session_add(s, closed), 0);
    CU_ASSERT_EQUAL(baton_session_add(s, fd), 0);
    close(closed); /* Without a word. */
    CU_ASSERT_EQUAL(baton_session_move(s, "die", NULL), 0);
    EXPECT(b, &ev, BATON_PAUSE);
    CU_ASSERT_EQUAL(baton_session_answer(s, NULL, "abc", 3), 0);
    CU_ASSERT_EQUAL(next(b, &ev, 100), BATON_NONE);
    stop_agent(pid);
    CU_ASSERT_EQUAL(next(b, &ev, 100), BATON_NONE);
    CU_ASSERT_EQUAL(baton_session_move(s, "away", NULL), -1);

    pid = start_agent();
    EXPECT(b, &ev, BATON_RESUME);
    CU_ASSERT_STRING_EQUAL(ev.reason,
                           "film 1 sockets paused state, note note");
    EXPECT(b, &ev, BATON_MOVED);
    CU_ASSERT_EQUAL(baton_session_move(s, "stay", NULL), 0);
    EXPECT(b, &ev, BATON_PAUSE);
    stop_agent(pid);

    /* Killed between PAUSE and PAUSED. */
    CU_ASSERT_EQUAL(next(b, &ev, 50), BATON_NONE);
    CU_ASSERT_EQUAL(baton_session_answer(s, NULL, "abc", 3), 0);
    pid = start_agent();
    EXPECT(b, &ev, BATON_RESUME);
    EXPECT(b, &ev, BATON_MOVED);
    stop_agent(pid);

    /* Opened while there is no agent. */
    CU_ASSERT_EQUAL(next(b, &ev, 50), BATON_NONE);
    pid = start_agent();
    CU_ASSERT_PTR_NOT_NULL(baton_session_open(b, "two", AF_INET, NULL));
    EXPECT(b, &ev, BATON_PAUSE);
    baton_close(b);
    close(fd);
    stop_agent(pid);
}

static void
test_inherited(void)
{
    char *pid_text = xasprintf("%ld", (long int) getpid());
    pid_t pid = start_agent();
    struct baton *b;
    int pair[2];
    struct app_message m;
    int fds[APP_FDS_MAX];
    size_t n;

    CU_ASSERT_EQUAL(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    for (int i = 0; i < 2; i++) {
        int old = pair[i];

        pair[i] = fcntl(old, F_DUPFD, 10);
        close(old);
    }
    int saved = fcntl(3, F_DUPFD, 10);
    dup2(pair[1], 3);
    setenv("LISTEN_PID", pid_text, 1);
    setenv("LISTEN_FDS", "1", 1);
    setenv("LISTEN_FDNAMES", "baton", 1);
    setenv("BATON_SOCKET", path, 1);
    setenv("BATON_SERVICE", "film", 1);
    b = baton_open(NULL, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    CU_ASSERT_PTR_NULL(getenv("LISTEN_PID"));
    CU_ASSERT_EQUAL(app_socket_recv(pair[0], &m, fds, &n), 0);
    CU_ASSERT_EQUAL(m.type, APP_HELLO);
    CU_ASSERT_STRING_EQUAL(m.service, "film");
    baton_close(b);

    b = baton_open(NULL, NULL); /* Once only: this one is $BATON_SOCKET's. */
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    CU_ASSERT_PTR_NOT_NULL(baton_session_open(b, "x", AF_INET, NULL));
    baton_close(b);
    if (saved >= 0) {
        dup2(saved, 3);
        close(saved);
    }
    close(pair[0]);
    close(pair[1]);
    free(pid_text);
    stop_agent(pid);
}

/* What a peer said before it was killed is heard, also if it had not read
 * what it was told. */
static void
test_last_words(void)
{
    int fds[APP_FDS_MAX];
    struct app_message m;
    int pair[2];
    size_t n;

    CU_ASSERT_EQUAL(
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
    app_message_init(&m, APP_ADD);
    CU_ASSERT_EQUAL(app_socket_send(pair[0], &m, NULL, 0), 0);
    app_message_init(&m, APP_PAUSE);
    CU_ASSERT_EQUAL(app_socket_send(pair[1], &m, NULL, 0), 0);
    close(pair[1]);
    CU_ASSERT_EQUAL(app_socket_recv(pair[0], &m, fds, &n), 0);
    CU_ASSERT_EQUAL(m.type, APP_PAUSE);
    CU_ASSERT_EQUAL(app_socket_recv(pair[0], &m, fds, &n), ECONNRESET);
    close(pair[0]);
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
    suite = CU_add_suite("libbaton", NULL, NULL);
    CU_add_test(suite, "no agent", test_no_agent);
    CU_add_test(suite, "open", test_open);
    CU_add_test(suite, "sockets", test_sockets);
    CU_add_test(suite, "move", test_move);
    CU_add_test(suite, "reconnect", test_reconnect);
    CU_add_test(suite, "inherited", test_inherited);
    CU_add_test(suite, "last words", test_last_words);
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
