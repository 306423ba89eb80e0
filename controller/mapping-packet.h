/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_MAPPING_PACKET_H
#define BATON_MAPPING_PACKET_H 1

/* Frames as mappings see them: what session they may be of, and translating
 * them as the bridge's flows would.  All that is here is from strangers. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "mapping-flows.h"

struct dp_packet;

/* A TCP segment or UDP datagram, not a fragment. */
struct mapping_packet {
    uint8_t protocol;
    struct in6_addr src, dst;
    uint16_t src_port, dst_port;
    uint16_t tcp_flags;
};
/* False if it is none. */
bool mapping_packet_read(const void *frame, size_t, struct mapping_packet *);

/* The same of a fragment: has no flags, no ports unless it is the first, and
 * the protocol IPPROTO_FRAGMENT if it is a later one of IPv6. */
bool mapping_packet_read_fragment(const void *frame, size_t,
                                  struct mapping_packet *);

/* Replaces the source or the destination, in place, and the checksums. */
void mapping_packet_set(struct dp_packet *, bool source,
                        const struct in6_addr *);

/* An ICMP error (an answer to a packet, which it quotes). */
struct mapping_error {
    struct in6_addr src, dst;     /* Its own. */
    struct mapping_packet quoted; /* Without flags. */
};
bool mapping_error_read(const void *frame, size_t, struct mapping_error *);

/* Replaces in an ICMP error, which mapping_error_read() has accepted, its own
 * source (its destination) and the quoted packet's destination (source). */
void mapping_error_set(void *frame, size_t, bool source,
                       const struct in6_addr *);

#endif /* controller/mapping-packet.h */
