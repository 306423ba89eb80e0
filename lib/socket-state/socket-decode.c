/* SPDX-License-Identifier: Apache-2.0 */

/* The serialized form, read: see socket-form.h.  Trusts nothing. */

#include "socket-form.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_MAX (1u << 30)
#define WSCALE_MAX 14
#define BACKLOG_MAX (1u << 20)

struct reader {
    const uint8_t *p, *end;
    const char *wrong; /* What was wrong first, or NULL. */
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
    *multicast = ntohl(a4) >= 0xe0000000; /* And broadcast. */
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
    if (connected
        && (address_is(&info->peer, &any, &multicast) || any || multicast)) {
        refuse(r, "a peer that cannot be");
    }
    if (info->kind != SOCKET_STATE_UDP
        && connected != (info->kind == SOCKET_STATE_TCP)) {
        refuse(r, "a peer where none can be, or none");
    }
    if (connected
        && (socket_wire_family(&info->peer)
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
    if ((unsent && !sent) || (t->fin_sent && state->info.unsent)
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
    unsigned int flags = get_max(r, 1, FORM_TCP_FLAGS_ALL,
                                 "unknown TCP flags");
    t->sack = flags & FORM_TCP_FLAG_SACK;
    t->timestamps = flags & FORM_TCP_FLAG_TIMESTAMPS;
    t->wscale = flags & FORM_TCP_FLAG_WSCALE;
    t->shut_rd = flags & FORM_TCP_FLAG_SHUT_RD;
    unsigned int scale = t->wscale ? WSCALE_MAX : 0;
    t->snd_wscale = get_max(r, 1, scale, "a window scale that cannot be");
    t->rcv_wscale = get_max(r, 1, scale, "a window scale that cannot be");
    t->urgent = get_max(r, 1, SOCKET_URGENT_READ,
                        "an urgent mark that "
                        "cannot be");
    get_max(r, 1, 0, "a byte that is not zero");
    t->mss = get(r, 2);
    if (t->mss < SOCKET_MSS_MIN) {
        refuse(r, "an MSS that cannot be");
    }
    get_tcp_words(r, state);
    if (info->unsent > info->send_queue
        || (t->urgent == SOCKET_URGENT_NONE
                ? t->urgent_offset
                : t->urgent_offset >= info->recv_queue)) {
        refuse(r, "an offset beyond its queue");
    }
    if (!r->wrong) {
        set_fins(r, state, flags & FORM_TCP_FLAG_FIN_UNSENT);
        check_windows(r, t);
    }
    get_queue(r, info->recv_queue, &state->recv_data, &state->recv_buffer);
    get_queue(r, info->send_queue, &state->send_data, &state->send_buffer);
}

static void
get_state(struct reader *r, struct socket_state *state)
{
    struct socket_state_info *info = &state->info;

    if (get(r, 4) != FORM_MAGIC) {
        refuse(r, "it is no socket");
    }
    if (get(r, 1) != FORM_VERSION) {
        refuse(r, "its version is not known");
    }
    info->kind = get_max(r, 1, SOCKET_STATE_UDP, "its kind is not known");
    unsigned int family = get(r, 1);
    if (family != 4 && family != 6) {
        refuse(r, "neither IPv4 nor IPv6");
    }
    info->family = family == 6 ? AF_INET6 : AF_INET;
    unsigned int flags = get_max(r, 1, FORM_FLAGS_ALL, "unknown flags");
    state->nonblock = flags & FORM_FLAG_NONBLOCK;
    state->rcvbuf_locked = flags & FORM_FLAG_RCVBUF_LOCKED;
    state->sndbuf_locked = flags & FORM_FLAG_SNDBUF_LOCKED;
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
        return socket_error(errorp, EBADMSG,
                            "a socket's state cannot be "
                            "used (%s)",
                            r.wrong);
    }
    *statep = state;
    return 0;
}
