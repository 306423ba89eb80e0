/* SPDX-License-Identifier: Apache-2.0 */

/* The serialized form, written: see socket-form.h. */

#include "socket-form.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Writing: FORM_HEADER_MAX is enough for all that is put. */

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
    unsigned int flags = ((t->sack ? FORM_TCP_FLAG_SACK : 0)
                          | (t->timestamps ? FORM_TCP_FLAG_TIMESTAMPS : 0)
                          | (t->wscale ? FORM_TCP_FLAG_WSCALE : 0)
                          | (t->fin_unsent ? FORM_TCP_FLAG_FIN_UNSENT : 0)
                          | (t->shut_rd ? FORM_TCP_FLAG_SHUT_RD : 0));
    const uint32_t words[] = {
        t->timestamp,
        t->snd_end,
        t->rcv_end,
        t->window.snd_wl1,
        t->window.snd_wnd,
        t->window.max_window,
        t->window.rcv_wnd,
        t->window.rcv_wup,
        t->urgent_offset,
        t->srtt_us,
        t->min_rtt_us,
        t->cwnd,
        state->info.unacked_segments,
        state->info.unsent,
        state->info.recv_queue,
        state->info.send_queue,
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
    *bytes = malloc(FORM_HEADER_MAX + queues);
    if (!*bytes) {
        return socket_error(errorp, ENOMEM, "cannot encode a socket");
    }
    uint8_t *p = *bytes;
    p = put(p, FORM_MAGIC, 4);
    p = put(p, FORM_VERSION, 1);
    p = put(p, info->kind, 1);
    p = put(p, info->family == AF_INET ? 4 : 6, 1);
    p = put(p,
            (state->nonblock ? FORM_FLAG_NONBLOCK : 0)
                | (state->rcvbuf_locked ? FORM_FLAG_RCVBUF_LOCKED : 0)
                | (state->sndbuf_locked ? FORM_FLAG_SNDBUF_LOCKED : 0),
            1);
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
