/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_OWN_ADDRESS_H
#define BATON_OWN_ADDRESS_H 1

/* This host's own (permanent) address: taken away, and put back, while the
 * host stays on the network with a temporary one.
 *
 *     own_address_find(&address, &own);          which interface, which subnet
 *     own_address_lend(&own, &temporary);        beside it, and the source of
 *                                                all new connections
 *     own_address_take_away(&own);               (now it sleeps)
 *     own_address_put_back(&own, &temporary);    as it was
 *     own_address_stop_lending(&own, &temporary);  the temporary goes
 *
 * IPv4: the temporary address is a secondary one of the same subnet, promoted
 * when the first goes.  Sockets that are bound to no address find their source
 * by a rule "from 0.0.0.0" in a table of ours, a copy of the interface's
 * routes with the temporary address as source; that copy is also what routes
 * with the permanent address as source, which the kernel deletes with it, are
 * put back from.  IPv6: the permanent address is deprecated, as RFC 4862 has
 * it, which makes the temporary one the source of new connections.
 *
 * All is done by rtnetlink, blocks for some 10 us each, and is idempotent.
 * Functions return 0 or a positive errno. */

#include <stdbool.h>
#include <netinet/in.h>

struct own_address {
    struct in6_addr address; /* IPv4 as IPv4-mapped. */
    char ifname[16];
    unsigned int plen; /* Of its subnet, in its family's own form. */
};

/* ENOENT: it is on no interface. */
int own_address_find(const struct in6_addr *, struct own_address *);

int own_address_lend(const struct own_address *,
                     const struct in6_addr *temporary);
/* Undoes lend, once the address is there (put back, or never taken away): the
 * address is the source of new connections again, then the temporary one
 * goes, whose connections have been closed between the two. */
int own_address_prefer(const struct own_address *,
                       const struct in6_addr *temporary);
int own_address_stop_lending(const struct own_address *,
                             const struct in6_addr *temporary);
int own_address_take_away(const struct own_address *);
/* 'temporary' may be NULL: there was none. */
int own_address_put_back(const struct own_address *,
                         const struct in6_addr *temporary);

/* Tells the subnet by ARP or neighbour discovery that the address is here. */
int own_address_announce(const struct own_address *);

#endif /* agentd/own-address.h */
