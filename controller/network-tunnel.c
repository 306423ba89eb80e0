/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* Which bridges of the network have tunnels to each other: see network.h. */

#include <stdlib.h>

#include "network-private.h"
#include "packets.h"
#include "util.h"

/* 'far': it is the tunnel's other end, of which it may not be known yet whether
 * it has its port.  Then that is believed: after a start the bridges come one by
 * one, and flows into the tunnel that are there are to stay. */
static const struct network_site *
find_tunnel_site(const struct network *network, const char *name, bool far,
                 char **whyp)
{
    const struct network_site *site = network_find_site(network, name);

    if (!site || site->tunnel.type == POLICY_TUNNEL_NONE) {
        *whyp = xasprintf("policy gives %s %s no tunnel",
                          network_is_lan(network, name) ? "lan" : "bridge",
                          name);
        return NULL;
    } else if (!flow_layout_has_tunnel(&site->layout)
               && (site->ports_known || !far)) {
        *whyp = xasprintf("bridge %s has no port %s: `baton-ctl bridge "
                          "prepare %s'",
                          name, site->tunnel.port_name, name);
        return NULL;
    }
    return site;
}

bool
network_has_tunnel(const struct network *network, const char *from,
                   const char *to, char **whyp)
{
    const struct network_site *a, *b = NULL;
    char *why = NULL;

    a = find_tunnel_site(network, from, false, &why);
    if (a) {
        b = find_tunnel_site(network, to, true, &why);
    }
    if (a && b
        && (a->tunnel.type != b->tunnel.type
            || a->tunnel.udp_port != b->tunnel.udp_port
            || IN6_IS_ADDR_V4MAPPED(&a->tunnel.address)
                   != IN6_IS_ADDR_V4MAPPED(&b->tunnel.address)
            || a->tunnel.mtu != b->tunnel.mtu)) {
        why = xasprintf("the tunnels of bridges %s and %s are of different "
                        "kinds",
                        from, to);
    }
    if (whyp) {
        *whyp = why;
    } else {
        free(why);
    }
    return !why;
}

const struct in6_addr *
network_tunnel_address(const struct network *network, const char *bridge)
{
    const struct network_site *site = network_find_site(network, bridge);

    return (site && site->tunnel.type != POLICY_TUNNEL_NONE
                ? &site->tunnel.address
                : NULL);
}

const char *
network_find_tunnel(const struct network *network,
                    const struct in6_addr *address)
{
    const struct network_site *site;

    LIST_FOR_EACH(site, node, &network->sites) {
        if (site->tunnel.type != POLICY_TUNNEL_NONE
            && ipv6_addr_equals(&site->tunnel.address, address)) {
            return site->name;
        }
    }
    return NULL;
}
