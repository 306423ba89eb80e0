/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_TUNNEL_FILTER_H
#define BATON_TUNNEL_FILTER_H 1

/* What a kernel VXLAN interface does not look at: from whom packets come, and
 * for whom they are inside.  It takes whatever has its network identifier.
 *
 * One nftables table for each tunnel, of family inet and with the interface's
 * name, drops
 *
 *     chain "outer" (input): VXLAN packets with the tunnel's network
 *         identifier that are not from its peer;
 *     chain "inner" (prerouting): what comes out of the interface and is for
 *         none of the prefixes in which session addresses are.
 *
 * It is made before the interface, and goes after it.  Packets of other
 * VXLAN tunnels of this host, also through the same UDP port, are no matter of
 * these tables. */

#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

/* IPv4-mapped, and its length counted in that form. */
struct tunnel_prefix {
    struct in6_addr addr;
    unsigned int plen;
};

struct tunnel_filter {
    const char *ifname;
    uint32_t key; /* Network identifier: 24 bits. */
    struct in6_addr peer;
    uint16_t udp_port;
    const struct tunnel_prefix *inside;
    size_t n_inside;
};

/* Makes the table, anew if it is there, in one transaction of the kernel's.
 * Returns 0 or a positive errno. */
int tunnel_filter_set(const struct tunnel_filter *);
void tunnel_filter_del(const char *ifname);

/* Deletes each table whose name begins with 'prefix' and for which there is no
 * interface of that name. */
void tunnel_filters_sweep(const char *prefix);

#endif /* agentd/tunnel-filter.h */
