/* SPDX-License-Identifier: Apache-2.0 */

/* The socket options that move along, as one table.
 *
 * An option whose value is the usual default is not carried.  What is not in
 * the table stays behind on purpose: marks, device bindings, and whatever
 * gives a socket rights that its application may not have at the target. */

#include "socket-state-private.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

/* Newer than some C libraries. */
#ifndef SO_RXQ_OVFL
#define SO_RXQ_OVFL 40
#endif
#define TCP_RTO_MAX_MS_OPT 44 /* Linux 6.15. */
#define TCP_RTO_MIN_US_OPT 45 /* Linux 6.18. */
#define TCP_DELACK_MAX_US_OPT 46

enum option_type {
    TYPE_INT,
    TYPE_LINGER,  /* Seconds, -1: off. */
    TYPE_TIMEVAL, /* Microseconds, 0: none. */
};

/* Which sockets have an option. */
#define ON_TCP (1u << SOCKET_STATE_TCP)
#define ON_LISTEN (1u << SOCKET_STATE_TCP_LISTEN)
#define ON_UDP (1u << SOCKET_STATE_UDP)
#define ON_STREAM (ON_TCP | ON_LISTEN)
#define ON_ALL (ON_STREAM | ON_UDP)
#define ON_V6 0x100u /* Only AF_INET6 sockets. */

struct option {
    uint16_t id; /* In the serialized form: for good. */
    int level, name;
    enum option_type type;
    unsigned int on;
    enum socket_stage stage;
    int64_t usual, min, max;
};

#define CONNECTED SOCKET_STAGE_CONNECTED
#define BOOLEAN 0, 0, 1

static const struct option options[] = {
    { 1, SOL_SOCKET, SO_REUSEADDR, TYPE_INT, ON_ALL, SOCKET_STAGE_BIND,
      BOOLEAN },
    { 2, SOL_SOCKET, SO_REUSEPORT, TYPE_INT, ON_ALL, SOCKET_STAGE_BIND,
      BOOLEAN },
    { 3, IPPROTO_IPV6, IPV6_V6ONLY, TYPE_INT, ON_ALL | ON_V6,
      SOCKET_STAGE_BIND, BOOLEAN },
    { 4, SOL_SOCKET, SO_BROADCAST, TYPE_INT, ON_UDP, CONNECTED, BOOLEAN },
    { 5, SOL_SOCKET, SO_OOBINLINE, TYPE_INT, ON_STREAM, CONNECTED, BOOLEAN },
    { 6, SOL_SOCKET, SO_LINGER, TYPE_LINGER, ON_STREAM, CONNECTED, -1, -1,
      INT_MAX / 1000 },
    { 7, SOL_SOCKET, SO_RCVLOWAT, TYPE_INT, ON_STREAM, CONNECTED, 1, 1,
      SOCKET_STATE_QUEUE_MAX },
    { 8, SOL_SOCKET, SO_RCVTIMEO, TYPE_TIMEVAL, ON_ALL, CONNECTED, 0, 0,
      INT64_C(1) << 52 },
    { 9, SOL_SOCKET, SO_SNDTIMEO, TYPE_TIMEVAL, ON_ALL, CONNECTED, 0, 0,
      INT64_C(1) << 52 },
    { 10, SOL_SOCKET, SO_TIMESTAMP, TYPE_INT, ON_UDP, CONNECTED, BOOLEAN },
    { 11, SOL_SOCKET, SO_TIMESTAMPNS, TYPE_INT, ON_UDP, CONNECTED, BOOLEAN },
    { 12, SOL_SOCKET, SO_RXQ_OVFL, TYPE_INT, ON_UDP, CONNECTED, BOOLEAN },
    { 13, SOL_SOCKET, SO_ZEROCOPY, TYPE_INT, ON_ALL, CONNECTED, BOOLEAN },
    /* -1 where an application has not set it; see socket-tcp.c. */
    { 14, SOL_SOCKET, SO_PEEK_OFF, TYPE_INT, ON_TCP | ON_UDP, CONNECTED, -1,
      -1, SOCKET_STATE_QUEUE_MAX },
    /* -1: as fast as it goes. */
    { 16, SOL_SOCKET, SO_MAX_PACING_RATE, TYPE_INT, ON_STREAM, CONNECTED, -1,
      -1, INT_MAX },

    { 20, SOL_IP, IP_TOS, TYPE_INT, ON_ALL, CONNECTED, 0, 0, 255 },
    { 21, SOL_IP, IP_TTL, TYPE_INT, ON_ALL, CONNECTED, 64, 1, 255 },
    { 22, SOL_IP, IP_MTU_DISCOVER, TYPE_INT, ON_ALL, CONNECTED, 1, 0, 5 },
    { 23, SOL_IP, IP_RECVERR, TYPE_INT, ON_ALL, CONNECTED, BOOLEAN },
    { 24, SOL_IP, IP_PKTINFO, TYPE_INT, ON_UDP, CONNECTED, BOOLEAN },
    { 25, SOL_IP, IP_RECVTTL, TYPE_INT, ON_UDP, CONNECTED, BOOLEAN },
    { 26, SOL_IP, IP_RECVTOS, TYPE_INT, ON_UDP, CONNECTED, BOOLEAN },
    { 27, SOL_IP, IP_RECVORIGDSTADDR, TYPE_INT, ON_UDP, CONNECTED, BOOLEAN },

    { 30, IPPROTO_IPV6, IPV6_TCLASS, TYPE_INT, ON_ALL | ON_V6, CONNECTED, 0, 0,
      255 },
    { 31, IPPROTO_IPV6, IPV6_UNICAST_HOPS, TYPE_INT, ON_ALL | ON_V6, CONNECTED,
      64, 1, 255 },
    { 32, IPPROTO_IPV6, IPV6_MTU_DISCOVER, TYPE_INT, ON_ALL | ON_V6, CONNECTED,
      1, 0, 5 },
    { 33, IPPROTO_IPV6, IPV6_RECVERR, TYPE_INT, ON_ALL | ON_V6, CONNECTED,
      BOOLEAN },
    { 34, IPPROTO_IPV6, IPV6_RECVPKTINFO, TYPE_INT, ON_UDP | ON_V6, CONNECTED,
      BOOLEAN },
    { 35, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, TYPE_INT, ON_UDP | ON_V6, CONNECTED,
      BOOLEAN },
    { 36, IPPROTO_IPV6, IPV6_RECVTCLASS, TYPE_INT, ON_UDP | ON_V6, CONNECTED,
      BOOLEAN },

    /* After IP_TOS, which sets it too. */
    { 15, SOL_SOCKET, SO_PRIORITY, TYPE_INT, ON_ALL, CONNECTED, 0, 0, 6 },

    /* Values of keepalive before keepalive itself. */
    { 40, SOL_TCP, TCP_KEEPIDLE, TYPE_INT, ON_STREAM, CONNECTED, 7200, 1,
      32767 },
    { 41, SOL_TCP, TCP_KEEPINTVL, TYPE_INT, ON_STREAM, CONNECTED, 75, 1,
      32767 },
    { 42, SOL_TCP, TCP_KEEPCNT, TYPE_INT, ON_STREAM, CONNECTED, 9, 1, 127 },
    { 43, SOL_SOCKET, SO_KEEPALIVE, TYPE_INT, ON_STREAM, CONNECTED, BOOLEAN },
    { 44, SOL_TCP, TCP_NODELAY, TYPE_INT, ON_STREAM, CONNECTED, BOOLEAN },
    { 45, SOL_TCP, TCP_CORK, TYPE_INT, ON_STREAM, CONNECTED, BOOLEAN },
    { 46, SOL_TCP, TCP_USER_TIMEOUT, TYPE_INT, ON_STREAM, CONNECTED, 0, 0,
      INT_MAX },
    { 47, SOL_TCP, TCP_LINGER2, TYPE_INT, ON_STREAM, CONNECTED, 60, -1, 120 },
    { 48, SOL_TCP, TCP_NOTSENT_LOWAT, TYPE_INT, ON_STREAM, CONNECTED, -1, -1,
      INT_MAX },
    { 49, SOL_TCP, TCP_THIN_LINEAR_TIMEOUTS, TYPE_INT, ON_STREAM, CONNECTED,
      BOOLEAN },
    { 50, SOL_TCP, TCP_INQ, TYPE_INT, ON_STREAM, CONNECTED, BOOLEAN },
    { 51, SOL_TCP, TCP_RTO_MAX_MS_OPT, TYPE_INT, ON_STREAM, CONNECTED, 120000,
      1000, 120000 },
    { 52, SOL_TCP, TCP_RTO_MIN_US_OPT, TYPE_INT, ON_STREAM, CONNECTED, 200000,
      8000, 200000 },
    { 53, SOL_TCP, TCP_DELACK_MAX_US_OPT, TYPE_INT, ON_STREAM, CONNECTED,
      200000, 8000, 200000 },
    { 54, SOL_TCP, TCP_DEFER_ACCEPT, TYPE_INT, ON_LISTEN, CONNECTED, 0, 0,
      255 },
    { 55, SOL_TCP, TCP_SYNCNT, TYPE_INT, ON_LISTEN, CONNECTED, 6, 1, 127 },
    { 56, SOL_TCP, TCP_MAXSEG, TYPE_INT, ON_LISTEN, CONNECTED, 536, 88,
      32767 },
    { 57, SOL_TCP, TCP_FASTOPEN, TYPE_INT, ON_LISTEN, CONNECTED, 0, 0, 65535 },
};
#define N_OPTIONS (sizeof options / sizeof *options)
_Static_assert(N_OPTIONS <= SOCKET_N_OPTIONS_MAX, "bit map too small");

/* Congestion controls that a target takes from another device: Linux's. */
static const char *congestion_names[] = {
    "bbr",      "bic",   "cdg",      "cubic",    "dctcp", "highspeed",
    "htcp",     "hybla", "illinois", "lp",       "nv",    "reno",
    "scalable", "vegas", "veno",     "westwood", "yeah",
};

bool
socket_congestion_is_known(const char *name)
{
    for (size_t i = 0; i < sizeof congestion_names / sizeof *congestion_names;
         i++) {
        if (!strcmp(name, congestion_names[i])) {
            return true;
        }
    }
    return false;
}

static bool
option_is_on(const struct option *o, const struct socket_state_info *info)
{
    return (o->on & (1u << info->kind)
            && (!(o->on & ON_V6) || info->family == AF_INET6));
}

static int
option_get(int fd, const struct option *o, int64_t *value)
{
    struct linger linger;
    struct timeval tv;
    int number = 0;
    void *p = &number;
    socklen_t len = sizeof number;

    if (o->type == TYPE_LINGER) {
        p = &linger;
        len = sizeof linger;
    } else if (o->type == TYPE_TIMEVAL) {
        p = &tv;
        len = sizeof tv;
    }
    if (getsockopt(fd, o->level, o->name, p, &len)) {
        return errno;
    }
    switch (o->type) {
    case TYPE_INT: *value = number; break;
    case TYPE_LINGER: *value = linger.l_onoff ? linger.l_linger : -1; break;
    case TYPE_TIMEVAL:
        *value = tv.tv_sec * INT64_C(1000000) + tv.tv_usec;
        break;
    }
    return 0;
}

static int
option_set(int fd, const struct option *o, int64_t value)
{
    struct linger linger = { value >= 0, value >= 0 ? value : 0 };
    struct timeval tv = { value / 1000000, value % 1000000 };
    int number = value;
    const void *p = &number;
    socklen_t len = sizeof number;

    if (o->type == TYPE_LINGER) {
        p = &linger;
        len = sizeof linger;
    } else if (o->type == TYPE_TIMEVAL) {
        p = &tv;
        len = sizeof tv;
    }
    return setsockopt(fd, o->level, o->name, p, len) ? errno : 0;
}

/* Some options cannot be set any more, but bind() has. */
static bool
option_is(int fd, const struct option *o, int64_t value)
{
    int64_t now = 0;
    return !option_get(fd, o, &now) && now == value;
}

/* A kernel that does not know an option cannot have it set. */
static bool
is_unknown(int error)
{
    return error == ENOPROTOOPT || error == EOPNOTSUPP;
}

/* In repair, SO_REUSEADDR is 2 where the application had 0: see
 * socket_repair(). */
static int64_t
captured_value(const struct option *o, int64_t value)
{
    if (o->level == SOL_SOCKET && o->name == SO_REUSEADDR) {
        return value == 1;
    }
    return value < o->min ? o->min : value > o->max ? o->max : value;
}

static int
congestion_capture(int fd, struct socket_state *state, char **errorp)
{
    socklen_t len = sizeof state->congestion;

    if (getsockopt(fd, SOL_TCP, TCP_CONGESTION, state->congestion, &len)) {
        return socket_error(errorp, errno, "cannot read TCP_CONGESTION");
    }
    state->congestion[sizeof state->congestion - 1] = '\0';
    if (!socket_congestion_is_known(state->congestion)) {
        state->congestion[0] = '\0'; /* The target's default will do. */
    }
    return 0;
}

static int
buffers_capture(int fd, struct socket_state *state, char **errorp)
{
    int rcvbuf, sndbuf, lock = 0;

    int error = socket_get_int(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf);
    if (!error) {
        error = socket_get_int(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf);
    }
    if (error) {
        return socket_error(errorp, error, "cannot read buffer sizes");
    }
    socket_get_int(fd, SOL_SOCKET, SO_BUF_LOCK, &lock);
    state->rcvbuf = rcvbuf < SOCKET_BUFFER_MAX ? rcvbuf : SOCKET_BUFFER_MAX;
    state->sndbuf = sndbuf < SOCKET_BUFFER_MAX ? sndbuf : SOCKET_BUFFER_MAX;
    state->rcvbuf_locked = lock & SOCK_RCVBUF_LOCK;
    state->sndbuf_locked = lock & SOCK_SNDBUF_LOCK;
    return 0;
}

int
socket_options_capture(int fd, struct socket_state *state, char **errorp)
{
    state->options = 0;
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const struct option *o = &options[i];
        int64_t value = 0;

        if (!option_is_on(o, &state->info)) {
            continue;
        }
        int error = option_get(fd, o, &value);
        if (is_unknown(error)) {
            continue;
        } else if (error) {
            return socket_error(errorp, error,
                                "cannot read socket option %d of level %d",
                                o->name, o->level);
        }
        value = captured_value(o, value);
        if (value != o->usual) {
            state->options |= UINT64_C(1) << i;
            state->values[i] = value;
        }
    }
    int error = buffers_capture(fd, state, errorp);
    if (!error && state->info.kind != SOCKET_STATE_UDP) {
        error = congestion_capture(fd, state, errorp);
    }
    return error;
}

/* A name that this kernel has not loaded is not worth an error. */
static void
congestion_apply(int fd, const struct socket_state *state)
{
    char now[SOCKET_CC_LEN] = "";
    socklen_t len = sizeof now;

    if (state->congestion[0]
        && (getsockopt(fd, SOL_TCP, TCP_CONGESTION, now, &len)
            || strncmp(now, state->congestion, sizeof now))) {
        setsockopt(fd, SOL_TCP, TCP_CONGESTION, state->congestion,
                   strlen(state->congestion));
    }
}

int
socket_options_apply(int fd, const struct socket_state *state,
                     enum socket_stage stage, char **errorp)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const struct option *o = &options[i];

        if (!(state->options & (UINT64_C(1) << i)) || o->stage != stage
            || !option_is_on(o, &state->info)) {
            continue;
        }
        int error = option_set(fd, o, state->values[i]);
        if (error && !is_unknown(error)
            && !option_is(fd, o, state->values[i])) {
            return socket_error(errorp, error,
                                "cannot set socket option %d "
                                "of level %d to %lld",
                                o->name, o->level,
                                (long long int) state->values[i]);
        }
    }
    if (stage == SOCKET_STAGE_CONNECTED
        && state->info.kind != SOCKET_STATE_UDP) {
        congestion_apply(fd, state);
    }
    return 0;
}

bool
socket_options_reuse(const struct socket_state *state)
{
    return state->options & 1 && state->values[0];
}

size_t
socket_options_count(void)
{
    return N_OPTIONS;
}

uint16_t
socket_option_id(size_t index)
{
    return options[index].id;
}

/* Takes what another machine sent.  False: not an option of this kind of
 * socket, given twice, or out of its range. */
bool
socket_option_store(struct socket_state *state, uint16_t id, int64_t value)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const struct option *o = &options[i];

        if (o->id == id) {
            uint64_t bit = UINT64_C(1) << i;
            if (!option_is_on(o, &state->info) || state->options & bit
                || value < o->min || value > o->max) {
                return false;
            }
            state->options |= bit;
            state->values[i] = value;
            return true;
        }
    }
    return false;
}
