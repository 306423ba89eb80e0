/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_TOO_BIG_H
#define BATON_TOO_BIG_H 1

/* Packets that do not fit into a tunnel: the session is on another subnet, and
 * what the tunnel adds leaves less room than the sender thinks.
 *
 * As a router would (RFC 1191, RFC 8201), the controller answers from the
 * address that was sent to: ICMP "fragmentation needed", or ICMPv6 "packet too
 * big".  An IPv4 packet that may be fragmented is fragmented here, inside the
 * tunnel, and put together again by the device.  Both are limited by the
 * bridge's meter (policy's limits: packet-ins), beyond which packets are
 * dropped: one answer is enough for a sender, and who sends many large
 * datagrams without "don't fragment" loses those beyond. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/types.h"

struct bridge;
struct bridge_packet;
struct controller;
struct dp_packet;

/* BATON_FLOW_TOO_BIG. */
void too_big_handle_packet(struct controller *, struct bridge *,
                           const struct bridge_packet *);

/* Pure: the answer to the 'n' bytes of the frame 'data', for packets of at most
 * 'mtu' bytes, from the station 'mac'.  NULL: it deserves none (an error
 * itself, or not to or from one host).  The caller frees it. */
struct dp_packet *too_big_compose_answer(const void *data, size_t n,
                                         uint16_t mtu, struct eth_addr mac);

/* Pure: may the frame be fragmented?  If so, stores the fragments, which the
 * caller frees, and their number. */
bool too_big_fragment(const void *data, size_t n, uint16_t mtu,
                      struct dp_packet ***fragmentsp, size_t *n_fragments);

#endif /* controller/too-big.h */
