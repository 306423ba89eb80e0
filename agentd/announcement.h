/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_ANNOUNCEMENT_H
#define BATON_ANNOUNCEMENT_H 1

/* The frame by which a host tells its link that an address is its own:
 *
 * - IPv4: an ARP announcement (RFC 5227, sections 1.1 and 2.3), a request with
 *   the address as its sender's and as its target's, to everybody.  Whoever
 *   has an entry for the address corrects it (RFC 826).
 * - IPv6: an unsolicited neighbour advertisement to all nodes, with the
 *   override flag and the link-layer address (RFC 4861, section 7.2.6).
 *
 * When, and how often, is the caller's affair. */

#include <netinet/in.h>

/* A socket that sends and receives nothing; or a negative errno.  Closing it
 * takes the kernel some 16 ms: keep it. */
int announcement_open(void);

/* Sends one out of 'ifname', with the interface's MAC address.  Returns 0 or a
 * positive errno. */
int announcement_send(int fd, const char *ifname, const struct in6_addr *);

#endif /* agentd/announcement.h */
