/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_ADDRESS_H
#define BATON_ADDRESS_H 1

/* Session addresses on this host: adding, deleting, opening and closing,
 * by rtnetlink.  IPv4 addresses are IPv4-mapped.
 *
 * An address is *bound* on an interface (as /32, or as /128 with
 * preferred_lft 0, nodad, noprefixroute: it never becomes anybody's default
 * source).  Its output is *closed* by a routing rule "from ADDRESS
 * blackhole"; packets of a socket that carries ADDRESS_MARK pass.  ARP and
 * neighbour discovery answers ask no routing rule: they are silenced by having
 * the address on "lo".  All rules and addresses that this module makes carry a
 * protocol number of ours (IFA_PROTO needs Linux 5.18), so that an agent that
 * starts finds what a killed one left.
 *
 * Each operation is one netlink transaction (8 to 20 us), two for an IPv6
 * address, and blocks for it.  Packets for an address find it as soon as it is
 * added.  All are idempotent: adding what is there, or deleting what is not,
 * succeeds. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "openvswitch/types.h"

#define ADDRESS_MARK 0xba70u /* SO_MARK that passes closed output. */
/* Marks rules, routes and addresses as ours (FRA_PROTOCOL, rtm_protocol,
 * IFA_PROTO). */
#define ADDRESS_PROTOCOL 183

/* AF_INET for an IPv4-mapped address, otherwise AF_INET6. */
static inline int
address_family(const struct in6_addr *address)
{
    return IN6_IS_ADDR_V4MAPPED(address) ? AF_INET : AF_INET6;
}

/* Adds the standing rules for ADDRESS_MARK. */
int address_init(char **errorp);
/* Takes them away, and puts back what address_use_interface() changed.  Leaves
 * addresses and closed outputs. */
void address_exit(void);

/* To be called once for each interface on which session addresses arrive:
 * makes arp_ignore and rp_filter fit what the operations below need (see
 * host-settings.h). */
int address_use_interface(const char *ifname, char **errorp);

/* On the interface by name.  On "lo" the kernel's neighbour discovery says
 * nothing about it, and ARP (scope host, arp_ignore 3) neither: the place for
 * an address that is not yet G's own, or not T's any more. */
int address_add(const char *ifname, const struct in6_addr *);
int address_del(const char *ifname, const struct in6_addr *);
/* Waits, 20 us or some milliseconds on a busy host, until neighbours that ask
 * for an IPv6 address that was just added are answered: one that asked before
 * would ask again after a second. */
void address_wait(const char *ifname, const struct in6_addr *);

int address_close_output(const struct in6_addr *);
int address_open_output(const struct in6_addr *);

/* What a former agent left: addresses and closed outputs of ours. */
struct address_leftover {
    struct in6_addr address;
    char ifname[16]; /* Empty: only the rule. */
    bool output_closed;
};
int address_list_leftovers(struct address_leftover **, size_t *n);

/* The interface, its MAC address and MTU that packets for 'peer' leave by
 * (route lookup). */
struct address_route {
    char ifname[16];
    int ifindex;
    struct eth_addr mac;
    uint32_t mtu;
    struct in6_addr next_hop; /* in6addr_any: on link. */
};
int address_route(const struct in6_addr *peer, struct address_route *);

/* True if 'address' is one of this host's. */
bool address_is_local(const struct in6_addr *);

#endif /* agentd/address.h */
