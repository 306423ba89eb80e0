/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_LATE_PACKETS_H
#define BATON_LATE_PACKETS_H 1

/* Packets that are in flight while a session moves.
 *
 * One standing AF_PACKET tap per interface sees every packet for an address
 * that is being *caught*.  At T they are relayed; at G they wait until the
 * socket is there, and are delivered into G's own kernel by a raw socket.
 *
 * TCP segments may be seen twice (kernel and tap): TCP does not mind.
 * Datagrams may not: UDP sockets are their own catchers (see
 * socket-state.h), so the tap leaves UDP out unless 'udp' is set.
 *
 *     catch = late_packets_catch(tap, &address, udp);
 *     while (late_packets_next(catch, &packet)) ...   one whole IP packet
 *     late_packets_release(catch);
 *
 * Bounded in packets and bytes per catch; what is beyond is dropped and
 * counted.  One catch an address.  Offload's traces are removed: checksums are
 * complete, and segments that the receiving card merged are one packet of up
 * to 64 KB. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "late-packet.h"

struct late_packets; /* The taps of a host. */
struct late_catch;   /* One address being caught. */

struct late_packet {
    uint8_t *data; /* IP packet, checksums complete; malloc'd. */
    size_t size;
};

struct late_stats {
    uint64_t caught, delivered, dropped; /* Packets. */
    long long int last_ms; /* time_msec() of the last caught, or 0. */
};

#define LATE_PACKETS_MAX 65536     /* Packets in a catch. */
#define LATE_BYTES_MAX (64u << 20) /* Bytes in a catch. */

/* 'ifname': the interface on which session addresses arrive (NULL entries are
 * not allowed).  More may be added; each is opened once and kept. */
struct late_packets *late_packets_open(char **errorp);
int late_packets_add_interface(struct late_packets *, const char *ifname,
                               char **errorp);
/* It is going, or has gone. */
void late_packets_remove_interface(struct late_packets *, const char *ifname);
void late_packets_close(struct late_packets *);

/* Reads the taps. */
void late_packets_run(struct late_packets *);
void late_packets_wait(struct late_packets *);

struct late_catch *late_packets_catch(struct late_packets *,
                                      const struct in6_addr *, bool udp);
bool late_packets_next(struct late_catch *, struct late_packet *);
void late_packets_get_stats(const struct late_catch *, struct late_stats *);
void late_packets_release(struct late_catch *);

/* Delivers one IP packet, whose destination is 'address', into this kernel
 * through the loopback.  Returns EINVAL unless late_packet_is_for() and its
 * source is not one of this host's, since it may come from another machine.
 * Counts in the address's catch, if there is one. */
int late_packets_deliver(struct late_packets *, const struct in6_addr *,
                         const void *, size_t);

#endif /* agentd/late-packets.h */
