/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKET_FORM_H
#define SOCKET_FORM_H 1

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

#define FORM_MAGIC 0x42536f63u /* "BSoc". */
#define FORM_VERSION 1

#define FORM_FLAG_NONBLOCK 1u
#define FORM_FLAG_RCVBUF_LOCKED 2u
#define FORM_FLAG_SNDBUF_LOCKED 4u
#define FORM_FLAGS_ALL 7u

#define FORM_TCP_FLAG_SACK 1u
#define FORM_TCP_FLAG_TIMESTAMPS 2u
#define FORM_TCP_FLAG_WSCALE 4u
#define FORM_TCP_FLAG_FIN_UNSENT 8u
#define FORM_TCP_FLAG_SHUT_RD 16u
#define FORM_TCP_FLAGS_ALL 31u

#define FORM_HEADER_MAX 2048 /* All but the queues. */

_Static_assert(FORM_HEADER_MAX > 256 + 10 * SOCKET_N_OPTIONS_MAX, "too small");

#endif /* socket-form.h */
