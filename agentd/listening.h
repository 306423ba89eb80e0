/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_LISTENING_H
#define BATON_LISTENING_H 1

/* Does a socket of this host take what comes for a port of an address?  One
 * question to the kernel (sock_diag), which answers as it would look for a
 * packet's socket. */

#include <stdbool.h>
#include <stdint.h>

struct in6_addr;

/* 'local' need not be an address of this host.  TCP: a listener that takes
 * a connection from 'peer'; UDP: a socket that takes its datagrams.  IPv4 is
 * IPv4-mapped. */
bool listening_at(uint8_t protocol, const struct in6_addr *local,
                  uint16_t port, const struct in6_addr *peer,
                  uint16_t peer_port);

/* Has this host no TCP connection with these ends, or one that both have
 * closed?  False also if the kernel does not say. */
bool listening_is_over(const struct in6_addr *local, uint16_t port,
                       const struct in6_addr *peer, uint16_t peer_port);

/* Has a TCP connection of this host, that is not over, 'local' as its address?
 * All of the family are looked through. */
bool listening_is_connected(const struct in6_addr *local);

#endif /* agentd/listening.h */
