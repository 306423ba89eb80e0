/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* The flows that each bridge of the network should have: see network.h. */

#include "mapping-flows.h"
#include "network-private.h"

static struct network_site *
start(const struct network *network, const char *bridge,
      struct flow_set *flows)
{
    flow_set_init(flows);
    return network_find_site(network, bridge);
}

static void
finish(struct network_site *site, const struct uuid *key,
       struct flow_set *flows)
{
    bridge_set(site->bridge, key, flows);
    flow_set_destroy(flows);
    site->dirty = true;
}

void
network_set_block(struct network *network, const char *bridge,
                  const struct uuid *key, const struct in6_addr *addr,
                  unsigned int plen, const struct flow_place *lessee)
{
    struct flow_set flows;
    struct network_site *site = start(network, bridge, &flows);

    if (site) {
        struct flow_prefix prefix = { .addr = *addr, .plen = plen };

        flows_block(&site->layout, &prefix, lessee, &flows);
        finish(site, key, &flows);
    }
}

void
network_set_session(struct network *network, const char *bridge,
                    const struct uuid *key, const struct in6_addr *addr,
                    const struct flow_place *guard,
                    const struct flow_place *inbound)
{
    struct flow_set flows;
    struct network_site *site = start(network, bridge, &flows);

    if (site) {
        flows_session(&site->layout, addr, guard, inbound, &flows);
        finish(site, key, &flows);
    }
}

void
network_set_visitor(struct network *network, const char *bridge,
                    const struct uuid *key, const struct in6_addr *addr,
                    const struct flow_place *home,
                    const struct flow_place *guard,
                    const struct flow_place *inbound)
{
    struct flow_set flows;
    struct network_site *site = start(network, bridge, &flows);

    if (site) {
        flows_visitor(&site->layout, addr, home, guard, inbound, &flows);
        finish(site, key, &flows);
    }
}

void
network_set_barred(struct network *network, const char *bridge,
                   const struct uuid *key, const struct in6_addr *addr,
                   const struct eth_addr *macs, size_t n_macs)
{
    struct flow_set flows;
    struct network_site *site = start(network, bridge, &flows);

    if (site) {
        flows_barred(&site->layout, addr, macs, n_macs, &flows);
        finish(site, key, &flows);
    }
}

void
network_set_device(struct network *network, const char *bridge,
                   const struct uuid *key, const struct flow_place *place)
{
    struct flow_set flows;
    struct network_site *site = start(network, bridge, &flows);

    if (site) {
        flows_device(&site->layout, place, site->others, site->n_others,
                     &flows);
        finish(site, key, &flows);
    }
}

void
network_set_next_hop(struct network *network, const char *bridge,
                     const struct uuid *key, const struct flow_prefix *dst,
                     struct eth_addr mac)
{
    struct flow_set flows;
    struct network_site *site = start(network, bridge, &flows);

    if (site) {
        flows_next_hop(&site->layout, dst, mac, &flows);
        finish(site, key, &flows);
    }
}

void
network_set_movable(struct network *network, const char *bridge,
                    const struct uuid *key, const struct flow_movable *movable)
{
    struct flow_set flows;
    struct network_site *site = start(network, bridge, &flows);

    if (site) {
        flows_movable(&site->layout, movable, &flows);
        finish(site, key, &flows);
    }
}

void
network_set_passing(struct network *network, const char *bridge,
                    const struct uuid *key, const struct flow_movable *movable,
                    const struct in6_addr *correspondent)
{
    struct flow_set flows;
    struct network_site *site = start(network, bridge, &flows);

    if (site) {
        flows_movable_passes(&site->layout, movable, correspondent, &flows);
        finish(site, key, &flows);
    }
}

void
network_set_mapping(struct network *network, const char *bridge,
                    const struct uuid *key, const struct flow_mapping *mapping)
{
    struct flow_set flows;
    struct network_site *site = start(network, bridge, &flows);

    if (site) {
        flows_mapping(&site->layout, mapping, &flows);
        finish(site, key, &flows);
    }
}

void
network_unset(struct network *network, const char *bridge,
              const struct uuid *key)
{
    struct flow_set flows;
    struct network_site *site = start(network, bridge, &flows);

    if (site) {
        finish(site, key, &flows);
    }
}

uint64_t
network_flush(struct network *network, const char *bridge)
{
    struct network_site *site = network_find_site(network, bridge);

    if (!site) {
        return 0;
    }
    site->dirty = false;
    return bridge_flush(site->bridge);
}

void
network_flush_all(struct network *network)
{
    struct network_site *site;

    LIST_FOR_EACH(site, node, &network->sites) {
        if (site->dirty) {
            site->dirty = false;
            bridge_flush(site->bridge);
        }
    }
}
