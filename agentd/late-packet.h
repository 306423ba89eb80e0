/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_LATE_PACKET_H
#define BATON_LATE_PACKET_H 1

/* What the bytes of one IP packet say.  Pure functions; whatever they are
 * given, they read only the 'n' bytes. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

struct late_packet_info {
    struct in6_addr src, dst; /* IPv4 as IPv4-mapped. */
    size_t size;              /* As the IP header has it, at most 'n'. */
    size_t l4_ofs;            /* Of the transport header. */
    uint8_t protocol;         /* IPPROTO_*: extension headers skipped. */
    bool fragment;            /* A part of a packet... */
    bool later;               /* ...and not the first: no l4 header. */
};

/* Reads the headers of an IP packet of at least 'n' bytes (what follows the
 * packet's own length is padding).  False if they are cut short, contradict
 * each other or ask for source routing. */
bool late_packet_parse(const void *packet, size_t n,
                       struct late_packet_info *);

/* Is 'packet' (n bytes, from another machine) an IP packet for 'address' that
 * may be delivered here?  Its source must be a unicast address that is neither
 * 'address' nor loopback.  Of ICMP, echoes and errors about what 'address'
 * sent: no redirects, no neighbour discovery, no router advertisements. */
bool late_packet_is_for(const void *packet, size_t n,
                        const struct in6_addr *address);

/* Fills in the transport checksum, which the sender had left to hardware.
 * 'info' is late_packet_parse()'s.  False if it cannot. */
bool late_packet_complete(void *packet, const struct late_packet_info *);

#endif /* agentd/late-packet.h */
