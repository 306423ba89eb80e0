/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOVE_NET_H
#define MOVE_NET_H 1

/* Three network namespaces of our own for tests of socket-state: a peer, and
 * two devices between which a session address moves.
 *
 *     device 0 -- dev0 | peer | dev1 -- device 1
 *
 * They are nameless and end with the process.  The peer listens to what
 * comes from the session address, by packet sockets. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define NET_MARK 0xba70u

enum net_place { NET_DEVICE0, NET_DEVICE1, NET_PEER, NET_N };

/* Makes everything.  The session addresses are at device 0.  Exits with status
 * 77 when not permitted. */
void net_init(void);

/* Makes the calling process work in 'place' from now on. */
void net_enter(enum net_place);

/* Runs lines for "ip -batch", or "ip -6 -batch" where they begin with "-6 ", in
 * 'place'. */
void net_ip(enum net_place, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Addresses: 'family' AF_INET, AF_INET6; with 'mapped', IPv4-mapped. */
void net_session_address(int family, bool mapped, uint16_t port,
                         struct sockaddr_storage *);
void net_peer_address(int family, bool mapped, uint16_t port,
                      struct sockaddr_storage *);

/* Closed output (true), in the way that agents do it. */
void net_close_output(enum net_place, bool closed);
/* Session addresses on the loopback of 'place'. */
void net_bind_address(enum net_place, bool bound);
/* The peer's packets for the session addresses go to 'place'. */
void net_redirect(enum net_place);

/* What left 'place' from the session addresses since the last call. */
struct net_seen {
    unsigned int packets, rst, fin, syn, data;
    unsigned int zero_probes; /* Pure ACKs. */
    size_t bytes;             /* Payload. */
};
struct net_seen net_seen(enum net_place);

#endif /* move-net.h */
