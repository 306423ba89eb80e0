/* SPDX-License-Identifier: Apache-2.0 */

/* The serialized form.
 *
 * Big-endian throughout:
 *
 *     u32 magic, u8 version, u8 kind, u8 family (4 or 6), u8 flags
 *     local, peer: u16 port, 16 bytes address (IPv4-mapped for family 4);
 *                  all zeros where there is none
 *     u32 receive buffer, u32 send buffer, u32 backlog
 *     u8 n, n bytes congestion control
 *     u16 n, n times: u16 option, s64 value
 *     for TCP, not listening:
 *         u8 state, u8 flags, u8 send scale, u8 receive scale
 *         u8 urgent, u8 zero, u16 MSS
 *         u32 timestamp, send end, receive end
 *         u32 snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup
 *         u32 urgent offset, SRTT, least RTT, congestion window
 *         u32 segments in flight, unsent bytes
 *         u32 receive queue, u32 send queue, and the bytes of both
 *
 * and nothing after it.  A version that is not known is refused. */

#include "socket-state-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC 0x42536f63u           /* "BSoc". */
#define VERSION 1

#define FLAG_NONBLOCK 1u
#define FLAG_RCVBUF_LOCKED 2u
#define FLAG_SNDBUF_LOCKED 4u
#define FLAGS_ALL 7u

#define TCP_FLAG_SACK 1u
#define TCP_FLAG_TIMESTAMPS 2u
#define TCP_FLAG_WSCALE 4u
#define TCP_FLAG_FIN_UNSENT 8u
#define TCP_FLAG_SHUT_RD 16u
#define TCP_FLAGS_ALL 31u

#define HEADER_MAX 2048             /* All but the queues. */
#define WINDOW_MAX (1u << 30)
#define WSCALE_MAX 14
#define BACKLOG_MAX (1u << 20)

_Static_assert(HEADER_MAX > 256 + 10 * SOCKET_N_OPTIONS_MAX, "too small");

/* Writing: HEADER_MAX is enough for all that is put. */

static uint8_t *
put(uint8_t *p, uint64_t value, size_t n)
{
    while (n--) {
        *p++ = value >> 8 * n;
    }
    return p;
}

static uint8_t *
put_address(uint8_t *p, const struct sockaddr_storage *ss)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

    memset(p, 0, 18);
    if (ss->ss_family == AF_INET) {
        const struct sockaddr_in *sin = (const struct sockaddr_in *) ss;
        put(p, ntohs(sin->sin_port), 2);
        memcpy(p + 2, mapped, sizeof mapped);
        memcpy(p + 14, &sin->sin_addr, 4);
    } else if (ss->ss_family == AF_INET6) {
        const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *) ss;
        put(p, ntohs(sin6->sin6_port), 2);
        memcpy(p + 2, &sin6->sin6_addr, 16);
    }
    return p + 18;
}

static uint8_t *
put_options(uint8_t *p, const struct socket_state *state)
{
    uint8_t *count = p;
    size_t n = 0;

    p += 2;
    for (size_t i = 0; i < socket_options_count(); i++) {
        if (state->options & (UINT64_C(1) << i)) {
            p = put(p, socket_option_id(i), 2);
            p = put(p, state->values[i], 8);
            n++;
        }
    }
    put(count, n, 2);
    return p;
}

static uint8_t *
put_tcp(uint8_t *p, const struct socket_state *state)
{
    const struct socket_tcp *t = &state->tcp;
    unsigned int flags = ((t->sack ? TCP_FLAG_SACK : 0)
                          | (t->timestamps ? TCP_FLAG_TIMESTAMPS : 0)
                          | (t->wscale ? TCP_FLAG_WSCALE : 0)
                          | (t->fin_unsent ? TCP_FLAG_FIN_UNSENT : 0)
                          | (t->shut_rd ? TCP_FLAG_SHUT_RD : 0));
    const uint32_t words[] = {
        t->timestamp, t->snd_end, t->rcv_end, t->window.snd_wl1,
        t->window.snd_wnd, t->window.max_window, t->window.rcv_wnd,
        t->window.rcv_wup, t->urgent_offset, t->srtt_us, t->min_rtt_us,
        t->cwnd, state->info.unacked_segments, state->info.unsent,
        state->info.recv_queue, state->info.send_queue,
    };

    p = put(p, t->state, 1);
    p = put(p, flags, 1);
    p = put(p, t->snd_wscale, 1);
    p = put(p, t->rcv_wscale, 1);
    p = put(p, t->urgent, 1);
    p = put(p, 0, 1);
    p = put(p, t->mss, 2);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        p = put(p, words[i], 4);
    }
    return p;
}

int
socket_state_encode(const struct socket_state *state, uint8_t **bytes,
                    size_t *n, char **errorp)
{
    const struct socket_state_info *info = &state->info;
    bool tcp = info->kind == SOCKET_STATE_TCP;
    size_t queues = tcp ? info->recv_queue + info->send_queue : 0;
    size_t name_len = strlen(state->congestion);

    *n = 0;
    *bytes = malloc(HEADER_MAX + queues);
    if (!*bytes) {
        return socket_error(errorp, ENOMEM, "cannot encode a socket");
    }
    uint8_t *p = *bytes;
    p = put(p, MAGIC, 4);
    p = put(p, VERSION, 1);
    p = put(p, info->kind, 1);
    p = put(p, info->family == AF_INET ? 4 : 6, 1);
    p = put(p, (state->nonblock ? FLAG_NONBLOCK : 0)
            | (state->rcvbuf_locked ? FLAG_RCVBUF_LOCKED : 0)
            | (state->sndbuf_locked ? FLAG_SNDBUF_LOCKED : 0), 1);
    p = put_address(p, &info->local);
    p = put_address(p, &info->peer);
    p = put(p, state->rcvbuf, 4);
    p = put(p, state->sndbuf, 4);
    p = put(p, state->backlog, 4);
    p = put(p, name_len, 1);
    memcpy(p, state->congestion, name_len);
    p = put_options(p + name_len, state);
    if (tcp) {
        p = put_tcp(p, state);
        if (info->recv_queue) {
            memcpy(p, state->recv_data, info->recv_queue);
            p += info->recv_queue;
        }
        if (info->send_queue) {
            memcpy(p, state->send_data, info->send_queue);
            p += info->send_queue;
        }
    }
    *n = p - *bytes;
    return 0;
}

/* Reading. */

struct reader {
    const uint8_t *p, *end;
    const char *wrong;              /* What was wrong first, or NULL. */
};

static void
refuse(struct reader *r, const char *what)
{
    if (!r->wrong) {
        r->wrong = what;
    }
    r->p = r->end;
}

static uint64_t
get(struct reader *r, size_t n)
{
    uint64_t value = 0;

    if (!r->p || r->end - r->p < n) {
        refuse(r, "it ends too early");
        return 0;
    }
    while (n--) {
        value = value << 8 | *r->p++;
    }
    return value;
}

static uint32_t
get_max(struct reader *r, size_t n, uint32_t max, const char *what)
{
    uint64_t value = get(r, n);

    if (value > max) {
        refuse(r, what);
        return 0;
    }
    return value;
}

static const uint8_t *
get_bytes(struct reader *r, size_t n)
{
    const uint8_t *p = r->p;

    if (r->end - r->p < n) {
        refuse(r, "it ends too early");
        return NULL;
    }
    r->p += n;
    return p;
}

static void
get_address(struct reader *r, int family, struct sockaddr_storage *ss)
{
    uint16_t port = get(r, 2);
    const uint8_t *bytes = get_bytes(r, 16);
    struct in6_addr address;

    memset(ss, 0, sizeof *ss);
    ss->ss_family = 0;
    if (!bytes) {
        return;
    }
    memcpy(&address, bytes, sizeof address);
    if (!port && IN6_IS_ADDR_UNSPECIFIED(&address)) {
        return;
    }
    if (!port) {
        refuse(r, "an address without port");
    } else if (family == AF_INET6) {
        struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *) ss;
        sin6->sin6_family = AF_INET6;
        sin6->sin6_port = htons(port);
        sin6->sin6_addr = address;
    } else if (!IN6_IS_ADDR_V4MAPPED(&address)) {
        refuse(r, "an IPv6 address of an IPv4 socket");
    } else {
        struct sockaddr_in *sin = (struct sockaddr_in *) ss;
        sin->sin_family = AF_INET;
        sin->sin_port = htons(port);
        memcpy(&sin->sin_addr, bytes + 12, 4);
    }
}

static bool
address_is(const struct sockaddr_storage *ss, bool *any, bool *multicast)
{
    const struct in6_addr *a6 = &((const struct sockaddr_in6 *) ss)->sin6_addr;
    uint32_t a4;

    if (ss->ss_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(a6)) {
        *any = IN6_IS_ADDR_UNSPECIFIED(a6);
        *multicast = IN6_IS_ADDR_MULTICAST(a6);
        return IN6_IS_ADDR_LINKLOCAL(a6);
    }
    if (ss->ss_family == AF_INET6) {
        memcpy(&a4, a6->s6_addr + 12, 4);
    } else {
        a4 = ((const struct sockaddr_in *) ss)->sin_addr.s_addr;
    }
    *any = !a4;
    *multicast = ntohl(a4) >= 0xe0000000;   /* And broadcast. */
    return false;
}

/* What no socket that moves can have; what a session may have is for the
 * caller to check. */
static void
check_addresses(struct reader *r, const struct socket_state_info *info)
{
    bool connected = info->peer.ss_family;
    bool any, multicast;

    if (!info->local.ss_family) {
        refuse(r, "no local address");
        return;
    }
    if (address_is(&info->local, &any, &multicast) || multicast
        || (any && info->kind == SOCKET_STATE_TCP)) {
        refuse(r, "a local address that cannot be");
    }
    if (connected && (address_is(&info->peer, &any, &multicast) || any
                      || multicast)) {
        refuse(r, "a peer that cannot be");
    }
    if (info->kind != SOCKET_STATE_UDP
        && connected != (info->kind == SOCKET_STATE_TCP)) {
        refuse(r, "a peer where none can be, or none");
    }
    if (connected && (socket_wire_family(&info->peer)
                      != socket_wire_family(&info->local))) {
        refuse(r, "addresses of two families");
    }
}

static void
get_options(struct reader *r, struct socket_state *state)
{
    size_t len = get_max(r, 1, SOCKET_CC_LEN - 1, "a name too long");
    const uint8_t *name = get_bytes(r, len);

    if (name && len) {
        memcpy(state->congestion, name, len);
        if (strlen(state->congestion) != len
            || !socket_congestion_is_known(state->congestion)) {
            refuse(r, "an unknown congestion control");
        }
    }
    size_t n = get_max(r, 2, SOCKET_N_OPTIONS_MAX, "too many options");
    for (size_t i = 0; i < n && !r->wrong; i++) {
        uint16_t id = get(r, 2);
        int64_t value = get(r, 8);
        if (!r->wrong && !socket_option_store(state, id, value)) {
            refuse(r, "an option that cannot be");
        }
    }
}

/* A FIN's place follows from the state of the connection. */
static void
set_fins(struct reader *r, struct socket_state *state, bool unsent)
{
    struct socket_tcp *t = &state->tcp;
    bool sent = (t->state == ST_FIN_WAIT1 || t->state == ST_CLOSING
                 || t->state == ST_LAST_ACK);

    t->fin_unsent = unsent;
    t->fin_sent = sent && !unsent;
    t->fin_acked = t->state == ST_FIN_WAIT2;
    t->fin_received = (t->state == ST_CLOSE_WAIT || t->state == ST_LAST_ACK
                       || t->state == ST_CLOSING);
    if ((unsent && !sent)
        || (t->fin_sent && state->info.unsent)
        || (t->fin_acked && state->info.send_queue)) {
        refuse(r, "a FIN that cannot be there");
    }
}

static void
check_windows(struct reader *r, const struct socket_tcp *t)
{
    const struct tcp_repair_window *w = &t->window;
    uint32_t rcv_nxt = t->rcv_end + t->fin_received;

    if (w->snd_wnd > WINDOW_MAX || w->max_window > WINDOW_MAX
        || w->rcv_wnd > WINDOW_MAX || w->max_window < w->snd_wnd
        || (int32_t) (w->rcv_wup - rcv_nxt) > 0
        || (int32_t) (w->snd_wl1 - (rcv_nxt + w->rcv_wnd)) > 0) {
        refuse(r, "a window that cannot be");
    }
}

static void
get_queue(struct reader *r, size_t size, uint8_t **data, void **buffer)
{
    const uint8_t *bytes = get_bytes(r, size);

    if (bytes && size) {
        *data = *buffer = malloc(size);
        if (!*buffer) {
            refuse(r, "there is no memory for it");
            return;
        }
        memcpy(*buffer, bytes, size);
    }
}

static bool
tcp_state_moves(unsigned int state)
{
    return (state == ST_ESTABLISHED || state == ST_FIN_WAIT1
            || state == ST_FIN_WAIT2 || state == ST_CLOSE_WAIT
            || state == ST_LAST_ACK || state == ST_CLOSING);
}

static void
get_tcp_words(struct reader *r, struct socket_state *state)
{
    struct socket_state_info *info = &state->info;
    struct socket_tcp *t = &state->tcp;

    t->timestamp = get(r, 4);
    t->snd_end = get(r, 4);
    t->rcv_end = get(r, 4);
    t->window.snd_wl1 = get(r, 4);
    t->window.snd_wnd = get(r, 4);
    t->window.max_window = get(r, 4);
    t->window.rcv_wnd = get(r, 4);
    t->window.rcv_wup = get(r, 4);
    t->urgent_offset = get(r, 4);
    t->srtt_us = get(r, 4);
    t->min_rtt_us = get(r, 4);
    t->cwnd = get(r, 4);
    info->unacked_segments = get(r, 4);
    info->unsent = get(r, 4);
    info->recv_queue = get_max(r, 4, SOCKET_STATE_QUEUE_MAX, "a long queue");
    info->send_queue = get_max(r, 4, SOCKET_STATE_QUEUE_MAX, "a long queue");
}

static void
get_tcp(struct reader *r, struct socket_state *state)
{
    struct socket_state_info *info = &state->info;
    struct socket_tcp *t = &state->tcp;

    t->state = get(r, 1);
    if (!tcp_state_moves(t->state)) {
        refuse(r, "a TCP state that does not move");
    }
    unsigned int flags = get_max(r, 1, TCP_FLAGS_ALL, "unknown TCP flags");
    t->sack = flags & TCP_FLAG_SACK;
    t->timestamps = flags & TCP_FLAG_TIMESTAMPS;
    t->wscale = flags & TCP_FLAG_WSCALE;
    t->shut_rd = flags & TCP_FLAG_SHUT_RD;
    unsigned int scale = t->wscale ? WSCALE_MAX : 0;
    t->snd_wscale = get_max(r, 1, scale, "a window scale that cannot be");
    t->rcv_wscale = get_max(r, 1, scale, "a window scale that cannot be");
    t->urgent = get_max(r, 1, SOCKET_URGENT_READ, "an urgent mark that "
                        "cannot be");
    get_max(r, 1, 0, "a byte that is not zero");
    t->mss = get(r, 2);
    if (t->mss < SOCKET_MSS_MIN) {
        refuse(r, "an MSS that cannot be");
    }
    get_tcp_words(r, state);
    if (info->unsent > info->send_queue
        || (t->urgent == SOCKET_URGENT_NONE ? t->urgent_offset
            : t->urgent_offset >= info->recv_queue)) {
        refuse(r, "an offset beyond its queue");
    }
    if (!r->wrong) {
        set_fins(r, state, flags & TCP_FLAG_FIN_UNSENT);
        check_windows(r, t);
    }
    get_queue(r, info->recv_queue, &state->recv_data, &state->recv_buffer);
    get_queue(r, info->send_queue, &state->send_data, &state->send_buffer);
}

static void
get_state(struct reader *r, struct socket_state *state)
{
    struct socket_state_info *info = &state->info;

    if (get(r, 4) != MAGIC) {
        refuse(r, "it is no socket");
    }
    if (get(r, 1) != VERSION) {
        refuse(r, "its version is not known");
    }
    info->kind = get_max(r, 1, SOCKET_STATE_UDP, "its kind is not known");
    unsigned int family = get(r, 1);
    if (family != 4 && family != 6) {
        refuse(r, "neither IPv4 nor IPv6");
    }
    info->family = family == 6 ? AF_INET6 : AF_INET;
    unsigned int flags = get_max(r, 1, FLAGS_ALL, "unknown flags");
    state->nonblock = flags & FLAG_NONBLOCK;
    state->rcvbuf_locked = flags & FLAG_RCVBUF_LOCKED;
    state->sndbuf_locked = flags & FLAG_SNDBUF_LOCKED;
    get_address(r, info->family, &info->local);
    get_address(r, info->family, &info->peer);
    if (!r->wrong) {
        check_addresses(r, info);
    }
    state->rcvbuf = get_max(r, 4, SOCKET_BUFFER_MAX, "a huge buffer");
    state->sndbuf = get_max(r, 4, SOCKET_BUFFER_MAX, "a huge buffer");
    state->backlog = get_max(r, 4, BACKLOG_MAX, "a huge backlog");
    get_options(r, state);
    if (info->kind == SOCKET_STATE_TCP) {
        get_tcp(r, state);
    }
    if (r->p != r->end) {
        refuse(r, "bytes after its end");
    }
}

int
socket_state_decode(const uint8_t *bytes, size_t n,
                    struct socket_state **statep, char **errorp)
{
    struct reader r = { bytes, bytes + n, NULL };

    *statep = NULL;
    if (n > SOCKET_STATE_ENCODED_MAX) {
        return socket_error(errorp, EMSGSIZE, "a socket's state is too long");
    }
    struct socket_state *state = calloc(1, sizeof *state);
    if (!state) {
        return socket_error(errorp, ENOMEM, "cannot decode a socket");
    }
    get_state(&r, state);
    if (r.wrong) {
        socket_state_destroy(state);
        return socket_error(errorp, EBADMSG, "a socket's state cannot be "
                            "used (%s)", r.wrong);
    }
    *statep = state;
    return 0;
}
