/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* A numbered stream of UDP datagrams, both ways, that can move to the
 * baton-stream of another device; and, with --correspondent, a plain far end
 * that knows nothing of it. */

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "baton/baton.h"
#include "stream.h"

#define STATE_VERSION 1
#define SEC INT64_C(1000000000)

/* A stream, and the session that it belongs to. */
struct carrier {
    struct carrier *next;
    struct baton_session *session; /* NULL: the correspondent's. */
    bool running;                  /* Ours now, neither paused nor muted. */
    struct stream stream;
};

struct program {
    struct baton *baton; /* NULL: the correspondent. */
    int epoll_fd;
    int signal_fd;
    struct carrier *carriers;
    bool had_session; /* For --once. */
    int64_t end_ns;   /* INT64_MAX: none. */

    /* Options. */
    const char *socket;
    const char *service;
    const char *name;
    const char *json; /* File for the last summary. */
    struct sockaddr_storage peer;
    struct sockaddr_storage bind;
    int family;
    uint16_t port;
    uint32_t rate;
    uint16_t size;
    uint64_t limit;
    int64_t gap_ns;
    bool correspondent;
    bool unconnected;
    bool may_fragment;
    bool permanent; /* On the device's own address. */
    bool accept;
    bool open;
    bool once;
};

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
    va_list args;

    fprintf(stderr, "baton-stream: ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(EXIT_FAILURE);
}

static void
watch(struct program *p, int op, int fd, void *data)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = data };

    if (epoll_ctl(p->epoll_fd, op, fd, &ev)) {
        die("epoll_ctl: %s", strerror(errno));
    }
}

/* Carriers. */

static struct carrier *
carrier_create(struct program *p, struct baton_session *session)
{
    struct carrier *c = calloc(1, sizeof *c);

    if (!c) {
        die("no memory");
    }
    c->session = session;
    stream_init(&c->stream, p->rate, p->size, p->limit);
    c->stream.peer = p->peer;
    c->stream.gap_min_ns = p->gap_ns;
    c->next = p->carriers;
    p->carriers = c;
    return c;
}

static void
carrier_set_running(struct program *p, struct carrier *c, bool running)
{
    if (c->running != running) {
        c->running = running;
        watch(p, running ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, c->stream.fd, c);
        if (running) {
            stream_start(&c->stream);
        }
    }
}

static void
carrier_destroy(struct program *p, struct carrier *c)
{
    carrier_set_running(p, c, false);
    stream_destroy(&c->stream);
    if (c->session) {
        baton_session_end(c->session);
    }
    for (struct carrier **q = &p->carriers; *q; q = &(*q)->next) {
        if (*q == c) {
            *q = c->next;
            break;
        }
    }
    free(c);
}

static struct carrier *
find_carrier(struct program *p, const void *session_or_carrier)
{
    struct carrier *c = p->carriers;

    while (c && c != session_or_carrier && c->session != session_or_carrier) {
        c = c->next;
    }
    return c;
}

static void
say(const char *what, const struct carrier *c)
{
    char text[INET6_ADDRSTRLEN];
    union {
        struct sockaddr any;
        struct sockaddr_in sin;
        struct sockaddr_in6 sin6;
    } name = { .sin6 = { .sin6_family = AF_UNSPEC } };
    socklen_t len = sizeof name;
    in_port_t port;

    if (getsockname(c->stream.fd, &name.any, &len)) {
        return;
    }
    if (name.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &name.sin.sin_addr, text, sizeof text);
        port = name.sin.sin_port;
    } else {
        inet_ntop(AF_INET6, &name.sin6.sin6_addr, text, sizeof text);
        port = name.sin6.sin6_port;
    }
    printf("%saddress %s port %u", what, text, ntohs(port));
    if (c->session) {
        printf(" session %s", baton_session_info(c->session)->id);
    }
    putchar('\n');
    fflush(stdout);
}

static void
summarize(const struct carrier *c, FILE *file)
{
    stream_print(&c->stream,
                 c->session ? baton_session_info(c->session)->id : NULL, file);
}

static void
summarize_all(const struct program *p)
{
    for (const struct carrier *c = p->carriers; c; c = c->next) {
        summarize(c, stdout);
    }
}

/* The last word: also into --json's file. */
static void
finish(const struct program *p)
{
    FILE *file;

    summarize_all(p);
    if (!p->json) {
        return;
    }
    file = fopen(p->json, "w");
    if (!file) {
        die("%s: %s", p->json, strerror(errno));
    }
    for (const struct carrier *c = p->carriers; c; c = c->next) {
        summarize(c, file);
    }
    fclose(file);
}

/* Opening. */

static socklen_t
set_port(struct sockaddr_storage *ss, uint16_t port)
{
    if (ss->ss_family == AF_INET) {
        ((struct sockaddr_in *) ss)->sin_port = htons(port);
        return sizeof(struct sockaddr_in);
    } else {
        ((struct sockaddr_in6 *) ss)->sin6_port = htons(port);
        return sizeof(struct sockaddr_in6);
    }
}

static int
bound_socket(const struct program *p, struct sockaddr_storage *local,
             uint16_t port)
{
    int fd = socket(local->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t len = set_port(local, port);
    int never = IP_PMTUDISC_DONT;

    if (fd >= 0 && p->may_fragment
        && setsockopt(fd, SOL_IP, IP_MTU_DISCOVER, &never, sizeof never)) {
        die("IP_MTU_DISCOVER: %s", strerror(errno));
    }
    if (fd < 0 || bind(fd, (struct sockaddr *) local, len)) {
        die("port %u: %s", port, strerror(errno));
    }
    return fd;
}

static void
open_session(struct program *p)
{
    struct baton_session *session;
    struct sockaddr_storage local;
    struct carrier *c;
    int fd;

    session = baton_session_open(
        p->baton, p->name, p->family | (p->permanent ? BATON_PERMANENT : 0),
        NULL);
    if (!session) {
        die("no session: %s", baton_error(p->baton));
    }
    local = baton_session_info(session)->address;
    fd = bound_socket(p, &local, p->port);
    if (p->peer.ss_family && !p->unconnected
        && connect(fd, (struct sockaddr *) &p->peer, sizeof p->peer)) {
        die("cannot connect to the peer: %s", strerror(errno));
    }
    c = carrier_create(p, session);
    stream_set_fd(&c->stream, fd);
    if (baton_session_add(session, fd)) {
        die("%s", baton_error(p->baton));
    }
    p->had_session = true;
    carrier_set_running(p, c, true);
    say("", c);
}

static void
open_correspondent(struct program *p)
{
    struct carrier *c = carrier_create(p, NULL);

    if (!p->bind.ss_family) {
        p->bind.ss_family = p->peer.ss_family ? p->peer.ss_family : p->family;
    }
    stream_set_fd(&c->stream, bound_socket(p, &p->bind, p->port));
    carrier_set_running(p, c, true);
    say("", c);
}

/* Sessions' events. */

static void
pause_session(struct program *p, struct carrier *c)
{
    struct state_writer w = { .n = 0 };

    carrier_set_running(p, c, false);
    state_put_u(&w, STATE_VERSION, 1);
    stream_encode(&c->stream, &w);
    if (w.failed || baton_session_answer(c->session, NULL, w.p, w.n)) {
        fprintf(stderr, "baton-stream: cannot pause: %s\n",
                w.failed ? "no memory" : baton_error(p->baton));
    }
    free(w.p);
}

static void
arrived(struct program *p, const struct baton_event *ev)
{
    struct state_reader r = { .p = ev->state, .n = ev->state_len };
    struct carrier *c = carrier_create(p, ev->session);
    const char *problem = NULL;

    if (state_get_u(&r, 1) != STATE_VERSION || ev->n_fds != 1) {
        problem = "state of another version of baton-stream";
    } else {
        stream_decode(&c->stream, &r);
        problem = r.failed || r.n ? "state that makes no sense" : NULL;
    }
    p->had_session = true;
    for (size_t i = 0; i < ev->n_fds; i++) {
        if (i) {
            close(ev->fds[i]);
        } else {
            stream_set_fd(&c->stream, ev->fds[0]);
        }
    }
    if (!problem) {
        baton_session_answer(ev->session, NULL, NULL, 0);
        return;
    }
    fprintf(stderr, "baton-stream: refused session %s: %s\n",
            baton_session_info(ev->session)->id, problem);
    baton_session_answer(ev->session, problem, NULL, 0);
}

static void
own(struct program *p, struct carrier *c)
{
    carrier_set_running(p, c, true);
    stream_send(&c->stream);
}

static void
run_baton(struct program *p)
{
    struct baton_event ev;

    while (baton_next_event(p->baton, &ev) > 0) {
        struct carrier *c = ev.session ? find_carrier(p, ev.session) : NULL;

        if (ev.type == BATON_ARRIVED) {
            arrived(p, &ev);
        } else if (!c) {
            if (ev.type == BATON_GONE) {
                baton_session_end(ev.session);
            }
        } else if (ev.type == BATON_PAUSE) {
            pause_session(p, c);
        } else if (ev.type == BATON_RESUME) {
            own(p, c);
            fprintf(stderr, "baton-stream: session %s stays: %s\n",
                    baton_session_info(c->session)->id, ev.reason);
        } else if (ev.type == BATON_OWNED) {
            own(p, c);
            say("arrived ", c);
        } else if (ev.type == BATON_GONE) {
            printf("gone session %s\n", baton_session_info(c->session)->id);
            summarize(c, stdout);
            carrier_destroy(p, c);
        } else if (ev.type == BATON_REJECTED) {
            die("the agent does not take the socket: %s", ev.reason);
        }
    }
}

/* The loop. */

static int64_t
next_due(const struct program *p)
{
    int64_t due = p->end_ns;

    for (const struct carrier *c = p->carriers; c; c = c->next) {
        if (c->running && stream_due(&c->stream) < due) {
            due = stream_due(&c->stream);
        }
    }
    return due;
}

/* Returns the number of events, at 'due' at the latest. */
static int
wait_until(const struct program *p, int64_t due, struct epoll_event *evs,
           int n)
{
    int64_t left = due == INT64_MAX ? 0 : due - stream_now_ns();
    struct timespec ts = { .tv_sec = left > 0 ? left / SEC : 0,
                           .tv_nsec = left > 0 ? left % SEC : 0 };

    return epoll_pwait2(p->epoll_fd, evs, n, due == INT64_MAX ? NULL : &ts,
                        NULL);
}

/* Returns true if the program shall end. */
static bool
run_signal(struct program *p)
{
    struct signalfd_siginfo info;

    if (read(p->signal_fd, &info, sizeof info) == sizeof info
        && info.ssi_signo == SIGUSR1) {
        summarize_all(p);
        return false;
    }
    return true;
}

static void
run(struct program *p)
{
    bool end = false;

    while (!end) {
        struct epoll_event evs[8];
        int n = wait_until(p, next_due(p), evs, 8);

        if (p->baton) {
            run_baton(p);
        }
        for (int i = 0; i < n; i++) {
            if (evs[i].data.ptr == &p->signal_fd) {
                end |= run_signal(p);
            } else if (evs[i].data.ptr != p) {
                struct carrier *c = find_carrier(p, evs[i].data.ptr);

                if (c && c->running) {
                    stream_receive(&c->stream);
                }
            }
        }
        for (struct carrier *c = p->carriers; c; c = c->next) {
            if (c->running) {
                stream_send(&c->stream);
            }
        }
        end |= p->end_ns != INT64_MAX && stream_now_ns() >= p->end_ns;
        end |= !p->carriers && (!p->accept || (p->once && p->had_session));
    }
}

/* Options. */

static uint64_t
parse_number(const char *name, const char *s, uint64_t min, uint64_t max)
{
    char *end;
    unsigned long long n;

    errno = 0;
    n = strtoull(s, &end, 10);
    if (errno || *end || end == s || n < min || n > max) {
        die("--%s: %s: not a number from %" PRIu64 " to %" PRIu64, name, s,
            min, max);
    }
    return n;
}

/* ADDRESS:PORT, [ADDRESS]:PORT, or without port. */
static void
parse_address(const char *s, bool with_port, struct sockaddr_storage *ss)
{
    char address[64];
    const char *colon = with_port ? strrchr(s, ':') : NULL;
    size_t n = colon ? colon - s : strlen(s);

    if (s[0] == '[' && n && s[n - 1] == ']') {
        s++;
        n -= 2;
    }
    if (n >= sizeof address || (with_port && !colon)) {
        die("%s: not %s", s, with_port ? "ADDRESS:PORT" : "an address");
    }
    memcpy(address, s, n);
    address[n] = '\0';
    memset(ss, 0, sizeof *ss);
    if (inet_pton(AF_INET, address, &((struct sockaddr_in *) ss)->sin_addr)) {
        ss->ss_family = AF_INET;
    } else if (inet_pton(AF_INET6, address,
                         &((struct sockaddr_in6 *) ss)->sin6_addr)) {
        ss->ss_family = AF_INET6;
    } else {
        die("%s: not an IP address", address);
    }
    set_port(ss, colon ? parse_number("send", colon + 1, 1, 65535) : 0);
}

static void
usage(void)
{
    printf("baton-stream: numbered UDP stream that can move\n"
           "usage: baton-stream [OPTIONS]\n"
           "  --send=PEER:PORT   send there (default: to whoever sends)\n"
           "  --rate=PPS         packets a second (default: 0, only receive)\n"
           "  --size=N           bytes of payload (default: 200)\n"
           "  --count=N          stop sending after N packets\n"
           "  --duration=SEC     exit after SEC seconds\n"
           "  --port=N           local port (default: 9000)\n"
           "  --gap=USEC         report arrivals that far apart, one by one\n"
           "  --json=FILE        write the summary at the end to FILE, too\n"
           "of a session:\n"
           "  --family=4|6       of the session address (default: 4)\n"
           "  --permanent        on the device's own address\n"
           "  --service=NAME     name of the service (default: stream)\n"
           "  --name=NAME        name of the session (default: stream)\n"
           "  --unconnected      do not connect the socket to the peer\n"
           "  --may-fragment     let routers fragment (IPv4)\n"
           "  --accept           wait for sessions of other devices\n"
           "  --open             with --accept: open a session too\n"
           "  --once             with --accept: exit when none is left\n"
           "  --socket=FILE      socket of the agent\n"
           "of the far end:\n"
           "  --correspondent    plain UDP, no session\n"
           "  --bind=ADDRESS     local address\n"
           "other:\n"
           "  -h, --help         show this\n"
           "  -V, --version      show the version\n"
           "SIGUSR1 prints a summary in JSON, as the end does.\n");
    exit(EXIT_SUCCESS);
}

static void
parse_options(int argc, char *argv[], struct program *p)
{
    enum {
        SEND = 256,
        RATE,
        SIZE,
        COUNT,
        DURATION,
        PORT,
        GAP,
        JSON,
        FAMILY,
        PERMANENT,
        SERVICE,
        NAME,
        UNCONNECTED,
        MAY_FRAGMENT,
        ACCEPT,
        OPEN,
        ONCE,
        SOCKET,
        CORRESPONDENT,
        BIND
    };
    static const struct option options[] = {
        { "send", required_argument, NULL, SEND },
        { "rate", required_argument, NULL, RATE },
        { "size", required_argument, NULL, SIZE },
        { "count", required_argument, NULL, COUNT },
        { "duration", required_argument, NULL, DURATION },
        { "port", required_argument, NULL, PORT },
        { "gap", required_argument, NULL, GAP },
        { "json", required_argument, NULL, JSON },
        { "family", required_argument, NULL, FAMILY },
        { "permanent", no_argument, NULL, PERMANENT },
        { "service", required_argument, NULL, SERVICE },
        { "name", required_argument, NULL, NAME },
        { "unconnected", no_argument, NULL, UNCONNECTED },
        { "may-fragment", no_argument, NULL, MAY_FRAGMENT },
        { "accept", no_argument, NULL, ACCEPT },
        { "open", no_argument, NULL, OPEN },
        { "once", no_argument, NULL, ONCE },
        { "socket", required_argument, NULL, SOCKET },
        { "correspondent", no_argument, NULL, CORRESPONDENT },
        { "bind", required_argument, NULL, BIND },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
        switch (c) {
        case SEND: parse_address(optarg, true, &p->peer); break;
        case RATE: p->rate = parse_number("rate", optarg, 0, 1000000); break;
        case SIZE:
            p->size = parse_number("size", optarg, STREAM_HEADER,
                                   STREAM_PACKET_MAX);
            break;
        case COUNT:
            p->limit = parse_number("count", optarg, 0, UINT64_MAX);
            break;
        case DURATION:
            p->end_ns = stream_now_ns()
                        + SEC * parse_number("duration", optarg, 0, 1 << 30);
            break;
        case PORT: p->port = parse_number("port", optarg, 0, 65535); break;
        case GAP:
            p->gap_ns = 1000 * parse_number("gap", optarg, 0, 1 << 30);
            break;
        case JSON: p->json = optarg; break;
        case FAMILY:
            p->family = parse_number("family", optarg, 4, 6) == 6 ? AF_INET6
                                                                  : AF_INET;
            break;
        case PERMANENT: p->permanent = true; break;
        case SERVICE: p->service = optarg; break;
        case NAME: p->name = optarg; break;
        case UNCONNECTED: p->unconnected = true; break;
        case MAY_FRAGMENT: p->may_fragment = true; break;
        case ACCEPT: p->accept = true; break;
        case OPEN: p->open = true; break;
        case ONCE: p->once = true; break;
        case SOCKET: p->socket = optarg; break;
        case CORRESPONDENT: p->correspondent = true; break;
        case BIND: parse_address(optarg, false, &p->bind); break;
        case 'h': usage(); break;
        case 'V':
            printf("baton-stream (Baton) %s\n", PACKAGE_VERSION);
            exit(EXIT_SUCCESS);
        default: exit(EXIT_FAILURE);
        }
    }
    if (optind < argc) {
        die("%s: no arguments are taken; see --help", argv[optind]);
    }
    if (p->correspondent && (p->accept || p->open)) {
        die("--correspondent has no session");
    }
}

int
main(int argc, char *argv[])
{
    static struct program p = {
        .service = "stream",
        .name = "stream",
        .family = AF_INET,
        .port = 9000,
        .size = 200,
        .limit = UINT64_MAX,
        .gap_ns = INT64_MAX,
        .end_ns = INT64_MAX,
    };
    sigset_t signals;

    parse_options(argc, argv, &p);
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    prctl(PR_SET_TIMERSLACK, 1); /* Nanosecond: packets leave in time. */
    p.signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    p.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    watch(&p, EPOLL_CTL_ADD, p.signal_fd, &p.signal_fd);

    if (p.correspondent) {
        open_correspondent(&p);
    } else {
        p.baton = baton_open(p.socket, p.service);
        if (!p.baton) {
            die("%s", baton_error(NULL));
        }
        watch(&p, EPOLL_CTL_ADD, baton_fd(p.baton), &p);
        if (!p.accept || p.open) {
            open_session(&p);
        }
    }
    run(&p);
    finish(&p);
    while (p.carriers) {
        carrier_destroy(&p, p.carriers);
    }
    baton_close(p.baton);
    close(p.epoll_fd);
    close(p.signal_fd);
    return EXIT_SUCCESS;
}
