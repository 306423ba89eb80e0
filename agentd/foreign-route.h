/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_FOREIGN_ROUTE_H
#define BATON_FOREIGN_ROUTE_H 1

/* The way out for session addresses that are of another subnet than this
 * host's: a routing table of its own, which routing rules give to these
 * addresses only.  All that has such a source goes to the bridge that this
 * host is attached to, and the bridge takes it home through its tunnel; so the
 * table's one route has a gateway that stands for the bridge, with a permanent
 * neighbour entry (nobody is asked for it by ARP or ND), and the MTU that the
 * tunnel leaves.
 *
 *     6999  from ADDRESS fwmark ADDRESS_MARK lookup TABLE
 *     7000  fwmark ADDRESS_MARK lookup main       \ of address.c
 *     7001  from ADDRESS blackhole, while closed  /
 *     7002  from ADDRESS lookup TABLE
 *
 * A host that is behind no bridge has its end of the tunnel itself, an
 * interface for each bridge (tunnel-ends.h); such an interface has a table of
 * its own, whose number tells the tunnel's key.
 *
 * Rules and routes carry Baton's protocol number, so that the agent that
 * starts after one that was killed finds them (foreign_route_adopt()).  The
 * table goes with the last address that uses it. */

#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>

#include "openvswitch/types.h"

struct message;

/* How an address that visits leaves. */
struct foreign_route {
    struct eth_addr gateway; /* The bridge's. */
    uint32_t mtu;            /* Bytes; 0: the address is at home. */
    uint32_t key;            /* Of this host's own tunnel; 0: by a bridge. */
};

/* Reads from 'm' how a session that visits is to leave, as "expect" and "placed"
 * have it: all zeros if it is at home.  '*tunnel' is the bridge to which this
 * host's own tunnel goes, or an empty string; it is 'm's. */
void foreign_route_read(struct message *m, struct foreign_route *,
                        const char **tunnel);

/* MTUs that a tunnel can leave: IPv6's least, and what an IP packet can be. */
#define FOREIGN_ROUTE_MTU_MIN 1280
#define FOREIGN_ROUTE_MTU_MAX 65535

/* Makes 'address' leave by 'ifname' as 'route' says; at home, as everything
 * else does.  Idempotent.  Returns 0 or a positive errno. */
int foreign_route_set(const char *ifname, const struct in6_addr *address,
                      const struct foreign_route *route);
/* Takes it away, if it is there. */
void foreign_route_del(const struct in6_addr *address);

bool foreign_route_has(const struct in6_addr *address);
/* The key of the tunnel of this host's own by which 'address' leaves; 0 if it
 * does not. */
uint32_t foreign_route_get_key(const struct in6_addr *address);
/* Stores in '*address' one that leaves by that tunnel; false if none does. */
bool foreign_route_find_key(uint32_t key, struct in6_addr *address);
/* All of them; the caller frees the array. */
size_t foreign_routes_of_key(uint32_t key, struct in6_addr **addresses);

/* A former agent's rule gives 'address' that table. */
void foreign_route_adopt(const struct in6_addr *address, uint32_t table);

/* Is 'table' one of ours? */
bool foreign_route_is_table(uint32_t table);

/* Forgets all, without touching the kernel's. */
void foreign_routes_forget(void);

#endif /* agentd/foreign-route.h */
