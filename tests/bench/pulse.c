/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* An application whose session is moved while it is measured: one TCP
 * connection on which a record leaves each millisecond, or as much as goes
 * (--bulk); and bytes that wait.
 *
 * Of the bytes to be queued half lie unread in the receive queue of that
 * connection; the other half is in the send queue of a second one, whose
 * correspondent does not read.  On SIGUSR1 whoever has the session stops
 * sending, reads what lay there, checks it, and prints a summary; the
 * correspondent, pulse-far.c, checks the rest. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "baton/baton.h"
#include "pulse-data.h"
#include "pulse.h"
#include "state-bytes.h"

#define SEC INT64_C(1000000000)
#define BULK 65536   /* Bytes written at once with --bulk. */
#define FILL_MS 5000 /* To fill the queues, or to read them. */

static struct baton *baton;
static int epoll_fd, signal_fd;

/* The session that is here, if any. */
static struct baton_session *session;
static bool running; /* Ours now. */
static int records_fd = -1, unsent_fd = -1;
static int64_t due_ns; /* When the next record leaves. */

/* What travels. */
static bool bulk, finished;
static uint32_t queued; /* Bytes. */
static uint32_t interval_us = 1000;
static uint64_t sent; /* Bytes of PULSE_RECORDS. */

void
pulse_die(const char *what)
{
    fprintf(stderr, "pulse: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void __attribute__((noreturn)) die_baton(void)
{
    fprintf(stderr, "pulse: %s\n", baton_error(baton));
    exit(EXIT_FAILURE);
}

static int64_t
now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * SEC + ts.tv_nsec;
}

/* Opening. */

static void
set_option(int fd, int level, int option, int value)
{
    if (setsockopt(fd, level, option, &value, sizeof value)) {
        pulse_die("setsockopt");
    }
}

static int
connect_from(const struct sockaddr_storage *local,
             const struct sockaddr_in *peer)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        pulse_die("socket");
    }
    if (queued) {
        set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, 2 * queued);
        set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, 4 * queued);
    }
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (bind(fd, (const struct sockaddr *) local, sizeof(struct sockaddr_in))
        || connect(fd, (const struct sockaddr *) peer, sizeof *peer)) {
        pulse_die("connect");
    }
    return fd;
}

static void
set_nonblocking(int fd)
{
    if (fd >= 0) {
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    }
}

static int
queue_length(int fd, int which)
{
    int n = 0;

    if (fd >= 0 && ioctl(fd, which, &n)) {
        pulse_die("ioctl");
    }
    return n;
}

static void
fill_queues(void)
{
    uint32_t n = queued / 2, done = 0;
    uint8_t *bytes = malloc(n + 1);

    if (!bytes) {
        pulse_die("malloc");
    }
    pulse_fill(bytes, n, PULSE_UNSENT, 0);
    while (done < n) {
        struct pollfd pfd = { .fd = unsent_fd, .events = POLLOUT };
        ssize_t len = send(unsent_fd, bytes + done, n - done, MSG_NOSIGNAL);

        if (len > 0) {
            done += len;
        } else if (errno != EAGAIN || poll(&pfd, 1, FILL_MS) <= 0) {
            pulse_die("the send queue does not take all");
        }
    }
    free(bytes);
    for (int i = 0; queue_length(records_fd, SIOCINQ) < (int) n; i++) {
        if (i >= FILL_MS) {
            fprintf(stderr, "pulse: the receive queue has only %d bytes\n",
                    queue_length(records_fd, SIOCINQ));
            exit(EXIT_FAILURE);
        }
        usleep(1000);
    }
}

static void
set_running(bool on)
{
    struct epoll_event ev = { .events = EPOLLOUT };

    if (running != on) {
        running = on;
        if (bulk
            && epoll_ctl(epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
                         records_fd, &ev)) {
            pulse_die("epoll_ctl");
        }
        due_ns = now_ns();
    }
}

static void
open_session(const struct sockaddr_in *peer)
{
    struct sockaddr_storage local;
    char text[INET_ADDRSTRLEN];

    session = baton_session_open(baton, "pulse", AF_INET, NULL);
    if (!session) {
        die_baton();
    }
    local = baton_session_info(session)->address;
    records_fd = connect_from(&local, peer);
    set_nonblocking(records_fd);
    if (queued) {
        unsent_fd = connect_from(&local, peer);
        set_nonblocking(unsent_fd);
        fill_queues();
    }
    if (baton_session_add(session, records_fd)
        || (queued && baton_session_add(session, unsent_fd))) {
        die_baton();
    }
    inet_ntop(AF_INET, &((struct sockaddr_in *) &local)->sin_addr, text,
              sizeof text);
    printf("address %s unread %d unsent %d session %s\n", text,
           queue_length(records_fd, SIOCINQ),
           queue_length(unsent_fd, SIOCOUTQ), baton_session_info(session)->id);
    fflush(stdout);
    set_running(true);
}

/* Sending. */

/* Returns false if the queue is full. */
static bool
send_some(size_t n)
{
    uint8_t bytes[BULK];
    ssize_t len;

    pulse_fill(bytes, n, PULSE_RECORDS, sent);
    len = send(records_fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (len < 0) {
        if (errno != EAGAIN) {
            pulse_die("send");
        }
        return false;
    }
    sent += len;
    return (size_t) len == n;
}

static void
send_due(void)
{
    int64_t now = now_ns();

    if (!running || finished) {
        return;
    } else if (bulk) {
        send_some(BULK);
    } else if (due_ns <= now) {
        /* What is behind is not made good for. */
        send_some(PULSE_RECORD);
        due_ns += interval_us * INT64_C(1000);
        if (due_ns <= now) {
            due_ns = now + interval_us * INT64_C(1000);
        }
    }
}

/* The end. */

static uint32_t
read_unread(uint64_t *wrong)
{
    static uint8_t bytes[65536];
    uint32_t offset = 0;

    while (offset < queued / 2) {
        struct pollfd pfd = { .fd = records_fd, .events = POLLIN };
        ssize_t n = recv(records_fd, bytes, sizeof bytes, 0);

        if (n > 0) {
            *wrong += pulse_wrong(bytes, n, PULSE_UNREAD, offset);
            offset += n;
        } else if (!n || errno != EAGAIN || poll(&pfd, 1, FILL_MS) <= 0) {
            break;
        }
    }
    return offset;
}

static void
finish(void)
{
    uint64_t wrong = 0;
    uint32_t n;

    if (!running || finished) {
        return;
    }
    set_running(false);
    finished = true;
    n = read_unread(&wrong);
    printf("{\"sent\":%" PRIu64 ",\"unread\":%" PRIu32 ",\"wrong\":%" PRIu64
           "}\n",
           sent, n, wrong);
    fflush(stdout);
    shutdown(records_fd, SHUT_WR);
    if (unsent_fd >= 0) {
        shutdown(unsent_fd, SHUT_WR);
    }
}

/* The session's events. */

static void
pause_session(void)
{
    struct state_writer w = { .n = 0 };

    set_running(false);
    state_put_u(&w, bulk, 1);
    state_put_u(&w, finished, 1);
    state_put_u(&w, queued, 4);
    state_put_u(&w, interval_us, 4);
    state_put_u(&w, sent, 8);
    if (w.failed || baton_session_answer(session, NULL, w.p, w.n)) {
        die_baton();
    }
    free(w.p);
}

static void
take_session(const struct baton_event *ev)
{
    struct state_reader r = { .p = ev->state, .n = ev->state_len };

    if (session) {
        baton_session_answer(ev->session, "one session at a time", NULL, 0);
        return;
    }
    session = ev->session;
    bulk = state_get_u(&r, 1);
    finished = state_get_u(&r, 1);
    queued = state_get_u(&r, 4);
    interval_us = state_get_u(&r, 4);
    sent = state_get_u(&r, 8);
    if (r.failed || ev->n_fds != (queued ? 2 : 1)) {
        fprintf(stderr, "pulse: a state that makes no sense\n");
        exit(EXIT_FAILURE);
    }
    records_fd = ev->fds[0];
    unsent_fd = queued ? ev->fds[1] : -1;
    set_nonblocking(records_fd);
    set_nonblocking(unsent_fd);
    baton_session_answer(session, NULL, NULL, 0);
}

static void
drop_session(void)
{
    set_running(false);
    close(records_fd);
    if (unsent_fd >= 0) {
        close(unsent_fd);
    }
    records_fd = unsent_fd = -1;
    baton_session_end(session);
    session = NULL;
}

static void
run_baton(void)
{
    struct baton_event ev;

    while (baton_next_event(baton, &ev) > 0) {
        switch (ev.type) {
        case BATON_PAUSE: pause_session(); break;
        case BATON_ARRIVED: take_session(&ev); break;
        case BATON_OWNED:
        case BATON_RESUME:
            set_running(true);
            send_due();
            break;
        case BATON_GONE:
            if (ev.session == session) {
                drop_session();
            } else {
                baton_session_end(ev.session);
            }
            break;
        case BATON_REJECTED:
            fprintf(stderr, "pulse: %s\n", ev.reason);
            exit(EXIT_FAILURE);
        case BATON_MOVED:
        case BATON_NONE:
        default: break;
        }
    }
}

/* The loop. */

static void
wait_for_events(struct epoll_event *ev)
{
    bool pulsing = running && !bulk && !finished;
    int64_t left = pulsing ? due_ns - now_ns() : 0;
    struct timespec ts = { .tv_sec = left > 0 ? left / SEC : 0,
                           .tv_nsec = left > 0 ? left % SEC : 0 };

    epoll_pwait2(epoll_fd, ev, 1, pulsing ? &ts : NULL, NULL);
}

static void
run(void)
{
    struct signalfd_siginfo info;

    for (;;) {
        struct epoll_event ev;

        wait_for_events(&ev);
        run_baton();
        send_due();
        if (read(signal_fd, &info, sizeof info) == sizeof info) {
            if (info.ssi_signo != SIGUSR1) {
                return;
            }
            finish();
        }
    }
}

static void
watch(int fd)
{
    struct epoll_event ev = { .events = EPOLLIN };

    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev)) {
        pulse_die("epoll_ctl");
    }
}

static void
start(const struct sockaddr_in *peer)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    prctl(PR_SET_TIMERSLACK, 1); /* Nanosecond: records leave in time. */
    signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    baton = baton_open(NULL, "pulse");
    if (!baton) {
        fprintf(stderr, "pulse: %s\n", baton_error(NULL));
        exit(EXIT_FAILURE);
    }
    watch(signal_fd);
    watch(baton_fd(baton));
    if (peer->sin_port) {
        open_session(peer);
    } else {
        printf("ready\n");
        fflush(stdout);
    }
}

static void __attribute__((noreturn)) usage(void)
{
    fprintf(stderr, "usage: pulse --far=PORT [--queued=BYTES]\n"
                    "       pulse [--open=ADDRESS:PORT [--queued=BYTES] "
                    "[--bulk]]\n");
    exit(2);
}

static void
parse_peer(char *s, struct sockaddr_in *peer)
{
    char *colon = strchr(s, ':');

    if (colon) {
        *colon = '\0';
        peer->sin_port = htons(atoi(colon + 1));
    }
    if (!colon || inet_pton(AF_INET, s, &peer->sin_addr) != 1) {
        usage();
    }
}

int
main(int argc, char *argv[])
{
    static const struct option options[] = {
        { "far", required_argument, NULL, 'f' },
        { "open", required_argument, NULL, 'o' },
        { "queued", required_argument, NULL, 'q' },
        { "bulk", no_argument, NULL, 'b' },
        { NULL, 0, NULL, 0 },
    };
    struct sockaddr_in peer = { .sin_family = AF_INET };
    int c, far = 0;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'f': far = atoi(optarg); break;
        case 'o': parse_peer(optarg, &peer); break;
        case 'q': queued = atoi(optarg); break;
        case 'b': bulk = true; break;
        default: usage();
        }
    }
    if (far) {
        pulse_far(far, queued);
    }
    start(&peer);
    run();
    if (session) {
        drop_session();
    }
    baton_close(baton);
    return EXIT_SUCCESS;
}
