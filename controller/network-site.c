/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "network-site.h"

#include <stdlib.h>
#include <string.h>

#include "bridge.h"
#include "fail-mode.h"
#include "mapping-flows.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(network_site);

/* Meters of guard violations and of attachment frames: numbers that nobody
 * else is likely to have taken. */
#define NETWORK_METER 0xba70
#define NETWORK_ATTACHMENT_METER 0xba71
#define NETWORK_SIZE_METER 0xba72
#define NETWORK_MAPPING_METER 0xba73

/* The key of each bridge's pipeline. */
static const struct uuid pipeline_key = { { 0xba70, 0, 0, 1 } };

/* What a policy keeps for Baton is enough. */
BUILD_ASSERT_DECL(BATON_N_TABLES <= POLICY_BRIDGE_TABLES);

static struct flow_layout
layout_of(const struct policy_bridge *pb, const struct policy *policy)
{
    struct flow_layout layout;

    memset(&layout, 0, sizeof layout);
    layout.first_table = pb->first_table;
    layout.forward_table = pb->forward_table;
    layout.packet_ins = policy->limits.packet_ins;
    if (layout.packet_ins) {
        layout.meter_id = NETWORK_METER;
        layout.attachment_meter_id = NETWORK_ATTACHMENT_METER;
        layout.size_meter_id = NETWORK_SIZE_METER;
        layout.mapping_meter_id = NETWORK_MAPPING_METER;
    }
    layout.tunnel_port = OFPP_NONE;
    if (pb->tunnel.type != POLICY_TUNNEL_NONE) {
        layout.tunnel_mtu = MIN(policy_tunnel_payload(&pb->tunnel),
                                UINT16_MAX - ETH_HEADER_LEN);
    }
    /* Locally administered, and the same after a restart. */
    eth_addr_from_uint64(pb->datapath_id & UINT64_C(0xffffffffff),
                         &layout.mac);
    layout.mac.ea[0] = 0x06;
    return layout;
}

static bool
same_tunnel(const struct policy_tunnel *a, const struct policy_tunnel *b)
{
    return (a->type == b->type
            && (a->type == POLICY_TUNNEL_NONE
                || (ipv6_addr_equals(&a->address, &b->address)
                    && a->udp_port == b->udp_port && a->mtu == b->mtu
                    && !strcmp(a->port_name, b->port_name))));
}

bool
network_site_is_same(const struct network_site *site,
                     const struct policy_bridge *pb,
                     const struct policy *policy)
{
    struct flow_layout layout = layout_of(pb, policy);

    return (nullable_string_is_equal(site->target, pb->target)
            && bridge_get_datapath_id(site->bridge) == pb->datapath_id
            && site->layout.first_table == layout.first_table
            && site->layout.forward_table == layout.forward_table
            && site->layout.packet_ins == layout.packet_ins
            && same_tunnel(&site->tunnel, &pb->tunnel));
}

void
network_site_collect_pipeline(const struct network_site *site,
                              struct flow_set *flows)
{
    flows_pipeline(&site->layout, site->prefixes, site->n_prefixes, flows);
    flows_tunnel(&site->layout, site->subnets, site->n_subnets, flows);
    if (site->maps) {
        flows_mapping_pipeline(&site->layout, site->prefixes, site->n_prefixes,
                               flows);
    }
}

void
network_site_set_pipeline(struct network_site *site)
{
    struct flow_set flows;

    flow_set_init(&flows);
    network_site_collect_pipeline(site, &flows);
    bridge_set(site->bridge, &pipeline_key, &flows);
    flow_set_destroy(&flows);
    site->dirty = true;
}

void
network_site_set_prefixes(struct network_site *site,
                          const struct policy *policy)
{
    const struct policy_bridge *pb = shash_find_data(&policy->bridges,
                                                     site->name);
    const struct shash_node *node;

    free(site->prefixes);
    site->prefixes = xcalloc(shash_count(&policy->pools) + 1,
                             sizeof *site->prefixes);
    site->n_prefixes = 0;
    free(site->others);
    site->others = xcalloc(shash_count(&policy->pools) + 1,
                           sizeof *site->others);
    site->n_others = 0;
    SHASH_FOR_EACH(node, &policy->pools) {
        const struct policy_pool *pool = node->data;

        bool own = !strcmp(pool->bridge->name, site->name);
        struct flow_prefix *prefix = own ? &site->prefixes[site->n_prefixes++]
                                         : &site->others[site->n_others++];

        prefix->addr = pool->prefix.addr;
        prefix->plen = pool->prefix.plen;
    }
    free(site->subnets);
    site->subnets = xcalloc(pb->n_subnets + 1, sizeof *site->subnets);
    site->n_subnets = pb->n_subnets;
    for (size_t i = 0; i < pb->n_subnets; i++) {
        site->subnets[i].addr = pb->subnets[i].addr;
        site->subnets[i].plen = pb->subnets[i].plen;
    }
}

bool
network_site_has_movables(const char *bridge, const struct policy *policy)
{
    const struct shash_node *mn, *dn;

    SHASH_FOR_EACH(mn, &policy->movables) {
        SHASH_FOR_EACH(dn, &policy->devices) {
            const struct policy_device *device = dn->data;

            for (size_t i = 0; i < device->n_permanent; i++) {
                if (!strcmp(device->permanent[i].bridge->name, bridge)
                    && policy_movable_is_at(policy, mn->data, device->name,
                                            &device->permanent[i].addr)) {
                    return true;
                }
            }
        }
    }
    return false;
}

static void
open_fail_mode(struct network_site *site, const struct policy_bridge *pb)
{
    char *remote = fail_mode_guess_remote(pb->target);

    if (remote) {
        site->fail_mode = fail_mode_open(remote, pb->datapath_id);
        free(remote);
    } else {
        VLOG_INFO("%s: its fail_mode cannot be seen from here; it must be "
                  "\"secure\"",
                  site->name);
    }
}

struct network_site *
network_site_create(const struct policy_bridge *pb,
                    const struct policy *policy)
{
    struct network_site *site = xzalloc(sizeof *site);

    site->name = xstrdup(pb->name);
    site->target = nullable_xstrdup(pb->target);
    site->layout = layout_of(pb, policy);
    site->tunnel = pb->tunnel;
    site->tunnel.port_name = nullable_xstrdup(pb->tunnel.port_name);
    site->bridge = bridge_create(pb->name, pb->target, pb->datapath_id,
                                 &site->layout);
    open_fail_mode(site, pb);
    return site;
}

void
network_site_destroy(struct network_site *site, bool detach)
{
    bridge_destroy(site->bridge, detach);
    fail_mode_close(site->fail_mode);
    free(site->name);
    free(site->target);
    free(site->prefixes);
    free(site->subnets);
    free(site->others);
    free(site->tunnel.port_name);
    free(site);
}

bool
network_site_look_for_tunnel(struct network_site *site)
{
    ofp_port_t port = (site->tunnel.port_name ? bridge_port_from_name(
                           site->bridge, site->tunnel.port_name)
                                              : OFPP_NONE);

    /* While the bridge is away its ports are not known: nothing changes. */
    if (port == site->layout.tunnel_port
        || !bridge_is_connected(site->bridge)) {
        return false;
    }
    site->layout.tunnel_port = port;
    bridge_set_tunnel_port(site->bridge, port);
    network_site_set_pipeline(site);
    return true;
}
