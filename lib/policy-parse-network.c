/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "policy-parse.h"

#include <stdlib.h>
#include <string.h>

#include "packets.h"
#include "policy.h"
#include "util.h"
#include "yaml-reader.h"

/* bridges: */

static bool
read_datapath_id(struct policy_parser *p, const struct yaml_item *item,
                 uint64_t *dpidp)
{
    const char *s = NULL;

    if (!item || !yaml_reader_get_string(p->reader, item, "datapath-id", &s)) {
        return false;
    }
    if (strlen(s) != 16 || strspn(s, "0123456789abcdefABCDEF") != 16
        || !strtoull(s, NULL, 16)) {
        yaml_reader_fail(p->reader, item,
                         "datapath-id \"%s\" is not one; "
                         "expected 16 hexadecimal digits, not all zero",
                         s);
        return false;
    }
    *dpidp = strtoull(s, NULL, 16);

    const struct shash_node *node;
    SHASH_FOR_EACH(node, &p->policy->bridges) {
        const struct policy_bridge *other = node->data;
        if (other->datapath_id == *dpidp) {
            yaml_reader_fail(p->reader, item,
                             "datapath-id \"%s\" is bridge "
                             "%s's too; expected one for each bridge",
                             s, other->name);
            return false;
        }
    }
    return true;
}

/* The subnet of any bridge that overlaps 'prefix', or null. */
static const struct policy_prefix *
find_subnet(const struct policy *policy, const struct policy_prefix *prefix,
            const struct policy_bridge **bridgep)
{
    const struct shash_node *node;

    SHASH_FOR_EACH(node, &policy->bridges) {
        const struct policy_bridge *bridge = node->data;
        for (size_t i = 0; i < bridge->n_subnets; i++) {
            if (policy_prefix_overlaps(&bridge->subnets[i], prefix)) {
                *bridgep = bridge;
                return &bridge->subnets[i];
            }
        }
    }
    return NULL;
}

bool
policy_parse_subnets(struct policy_parser *p, const struct yaml_item *list,
                     struct policy_bridge *bridge)
{
    if (!list) {
        return true;
    }
    if (!yaml_reader_is_list(p->reader, list, "subnets")) {
        return false;
    }
    bridge->subnets = xcalloc(list->n, sizeof *bridge->subnets);
    for (size_t i = 0; i < list->n; i++) {
        struct policy_prefix *subnet = &bridge->subnets[i];
        if (!policy_parse_prefix(p, list->items[i], "subnet", subnet)) {
            return false;
        }

        /* 'bridge' is in the policy already, with its subnets before this
         * one. */
        const struct policy_bridge *owner;
        const struct policy_prefix *other = find_subnet(p->policy, subnet,
                                                        &owner);
        if (other) {
            char *s = policy_prefix_to_string(other);
            yaml_reader_fail(p->reader, list->items[i],
                             "subnet \"%s\" overlaps %s of %s %s; "
                             "expected subnets that do not overlap",
                             list->items[i]->text, s,
                             owner->lan ? "lan" : "bridge", owner->name);
            free(s);
            return false;
        }
        bridge->n_subnets++;
    }
    return true;
}

static bool
read_forward_table(struct policy_parser *p, const struct yaml_item *item,
                   unsigned int min, int *tablep)
{
    unsigned int table = 0;

    if (!item
        || (item->type == YAML_ITEM_SCALAR && !strcmp(item->text, "normal"))) {
        *tablep = -1;
        return true;
    }
    if (!yaml_reader_get_uint(p->reader, item,
                              "forward-table (if not "
                              "\"normal\")",
                              min, 254, &table)) {
        return false;
    }
    *tablep = table;
    return true;
}

/* Is 'address' another bridge's end of a tunnel? */
static const struct policy_bridge *
find_tunnel(const struct policy *policy, const struct in6_addr *address)
{
    const struct shash_node *node;

    SHASH_FOR_EACH(node, &policy->bridges) {
        const struct policy_bridge *bridge = node->data;

        if (bridge->tunnel.type != POLICY_TUNNEL_NONE
            && IN6_ARE_ADDR_EQUAL(&bridge->tunnel.address, address)) {
            return bridge;
        }
    }
    return NULL;
}

static bool
read_tunnel_type(struct policy_parser *p, const struct yaml_item *item,
                 enum policy_tunnel_type *typep)
{
    const char *s = "vxlan";

    if (!yaml_reader_get_string(p->reader, item, "tunnel type", &s)) {
        return false;
    }
    for (int type = POLICY_TUNNEL_VXLAN; type <= POLICY_TUNNEL_GRE; type++) {
        if (!strcmp(s, policy_tunnel_type_to_string(type))) {
            *typep = type;
            return true;
        }
    }
    yaml_reader_fail(p->reader, item,
                     "\"%s\" is no type of tunnel; "
                     "expected vxlan, geneve or gre",
                     s);
    return false;
}

static bool
read_tunnel_address(struct policy_parser *p, const struct yaml_item *item,
                    struct in6_addr *address)
{
    const struct policy_bridge *other;

    if (!policy_parse_address(p, item, "address", address)) {
        return false;
    }
    other = find_tunnel(p->policy, address);
    if (other) {
        yaml_reader_fail(p->reader, item,
                         "address \"%s\" is the end of bridge %s's tunnels "
                         "too; expected one for each bridge",
                         item->text, other->name);
        return false;
    }
    return true;
}

/* Is 'address' in one of the bridge's subnets, or IPv6's own of each link? */
static bool
is_on_link(const struct policy_bridge *bridge, const struct in6_addr *address)
{
    return (policy_bridge_contains(bridge, address)
            || IN6_IS_ADDR_LINKLOCAL(address));
}

static bool
read_gateways(struct policy_parser *p, const struct yaml_item *list,
              struct policy_bridge *bridge)
{
    if (!list) {
        return true;
    }
    if (!yaml_reader_is_list(p->reader, list, "gateways")) {
        return false;
    }
    bridge->gateways = xcalloc(list->n + 1, sizeof *bridge->gateways);
    for (size_t i = 0; i < list->n; i++) {
        struct in6_addr *gateway = &bridge->gateways[i];

        if (!policy_parse_address(p, list->items[i], "gateway", gateway)) {
            return false;
        }
        if (!is_on_link(bridge, gateway)) {
            yaml_reader_fail(p->reader, list->items[i],
                             "gateway \"%s\" is in none of bridge %s's "
                             "subnets; expected a neighbour of its devices",
                             list->items[i]->text, bridge->name);
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (!IN6_IS_ADDR_V4MAPPED(&bridge->gateways[j])
                == !IN6_IS_ADDR_V4MAPPED(gateway)) {
                yaml_reader_fail(p->reader, list->items[i],
                                 "gateway \"%s\" is the second of its "
                                 "family; expected one of IPv4 and one of "
                                 "IPv6",
                                 list->items[i]->text);
                return false;
            }
        }
        bridge->n_gateways++;
    }
    return true;
}

static bool
read_tunnel(struct policy_parser *p, const struct yaml_item *item,
            struct policy_tunnel *tunnel)
{
    static const char *const keys[] = { "type", "address",   "udp-port",
                                        "mtu",  "port-name", NULL };
    const char *const what = "a tunnel";
    struct yaml_reader *r = p->reader;
    enum policy_tunnel_type type;
    const char *port_name = "baton-tun";
    unsigned int udp_port;

    if (!item) {
        return true;
    }
    tunnel->mtu = 1500;
    if (!yaml_reader_check_keys(r, item, what, keys)
        || !read_tunnel_type(p, yaml_item_find(item, "type"), &type)
        || !read_tunnel_address(
            p, yaml_reader_require(r, item, what, "address"), &tunnel->address)
        || !yaml_reader_get_uint(r, yaml_item_find(item, "mtu"), "mtu", 1400,
                                 65535, &tunnel->mtu)
        || !yaml_reader_get_string(r, yaml_item_find(item, "port-name"),
                                   "port-name", &port_name)) {
        return false;
    }
    if (!policy_name_is_valid(port_name) || strlen(port_name) > 15) {
        yaml_reader_fail(r, yaml_item_find(item, "port-name"),
                         "port-name \"%s\" cannot be one; "
                         "expected 1 to 15 of A-Z a-z 0-9 . _ -",
                         port_name);
        return false;
    }
    udp_port = type == POLICY_TUNNEL_VXLAN ? 4789 : 6081;
    if (type == POLICY_TUNNEL_GRE) {
        udp_port = 0;
        if (yaml_item_find(item, "udp-port")) {
            yaml_reader_fail(r, yaml_item_find(item, "udp-port"),
                             "GRE has no ports; expected no udp-port");
            return false;
        }
    }
    if (!yaml_reader_get_uint(r, yaml_item_find(item, "udp-port"), "udp-port",
                              1, 65535, &udp_port)) {
        return false;
    }
    tunnel->udp_port = udp_port;
    tunnel->port_name = xstrdup(port_name);
    tunnel->type = type;
    return true;
}

bool
policy_parse_bridge(struct policy_parser *p, const char *name,
                    const struct yaml_item *item)
{
    static const char *const keys[] = {
        "datapath-id", "target",   "subnets", "first-table", "forward-table",
        "ovsdb",       "gateways", "tunnel",  NULL
    };
    static const char *const kinds[] = { "unix:", "tcp:", "ssl:", NULL };
    static const char *const db_kinds[] = { "unix:", "tcp:", NULL };
    unsigned int first_table = 0;
    const char *target = NULL;
    const char *ovsdb = NULL;
    uint64_t datapath_id;

    if (!yaml_reader_check_keys(p->reader, item, "a bridge", keys)
        || !read_datapath_id(
            p, yaml_reader_require(p->reader, item, "a bridge", "datapath-id"),
            &datapath_id)) {
        return false;
    }
    const struct yaml_item *target_item = yaml_item_find(item, "target");
    if (target_item
        && !policy_parse_target(p, target_item, "target", kinds,
                                "\"unix:FILE\", \"tcp:ADDRESS:PORT\" or "
                                "\"ssl:ADDRESS:PORT\"",
                                &target)) {
        return false;
    }
    const struct yaml_item *ovsdb_item = yaml_item_find(item, "ovsdb");
    if (ovsdb_item
        && !policy_parse_target(p, ovsdb_item, "ovsdb", db_kinds,
                                "\"unix:FILE\" or \"tcp:ADDRESS:PORT\"",
                                &ovsdb)) {
        return false;
    }

    struct policy_bridge *bridge = xzalloc(sizeof *bridge);
    bridge->name = xstrdup(name);
    bridge->datapath_id = datapath_id;
    bridge->ovsdb = nullable_xstrdup(ovsdb);
    bridge->target = nullable_xstrdup(target);
    shash_add(&p->policy->bridges, name, bridge);
    if (!policy_parse_subnets(p, yaml_item_find(item, "subnets"), bridge)
        || !yaml_reader_get_uint(
            p->reader, yaml_item_find(item, "first-table"), "first-table", 0,
            254 - POLICY_BRIDGE_TABLES, &first_table)
        || !read_forward_table(p, yaml_item_find(item, "forward-table"),
                               first_table + POLICY_BRIDGE_TABLES,
                               &bridge->forward_table)
        || !read_gateways(p, yaml_item_find(item, "gateways"), bridge)
        || !read_tunnel(p, yaml_item_find(item, "tunnel"), &bridge->tunnel)) {
        return false;
    }
    bridge->first_table = first_table;
    return true;
}

/* pools: */

static bool
check_pool_place(struct policy_parser *p, const struct yaml_item *item,
                 const struct policy_bridge *bridge,
                 const struct policy_prefix *prefix)
{
    const struct shash_node *node;
    SHASH_FOR_EACH(node, &p->policy->pools) {
        const struct policy_pool *other = node->data;
        if (policy_prefix_overlaps(&other->prefix, prefix)) {
            char *s = policy_prefix_to_string(&other->prefix);
            yaml_reader_fail(p->reader, item,
                             "prefix \"%s\" overlaps %s of "
                             "pool %s; expected pools that do not overlap",
                             item->text, s, other->name);
            free(s);
            return false;
        }
    }

    SHASH_FOR_EACH(node, &p->policy->bridges) {
        const struct policy_bridge *other = node->data;
        if (other->tunnel.type != POLICY_TUNNEL_NONE
            && policy_prefix_contains(prefix, &other->tunnel.address)) {
            yaml_reader_fail(p->reader, item,
                             "prefix \"%s\" has the end of bridge %s's "
                             "tunnels in it; expected session addresses only",
                             item->text, other->name);
            return false;
        }
    }

    for (size_t i = 0; i < bridge->n_subnets; i++) {
        if (prefix->plen >= bridge->subnets[i].plen
            && policy_prefix_contains(&bridge->subnets[i], &prefix->addr)) {
            return true;
        }
    }
    yaml_reader_fail(p->reader, item,
                     "prefix \"%s\" is in none of %s "
                     "%s's subnets; expected a part of one",
                     item->text, bridge->lan ? "lan" : "bridge", bridge->name);
    return false;
}

bool
policy_parse_pool(struct policy_parser *p, const char *name,
                  const struct yaml_item *item)
{
    static const char *const keys[] = { "bridge", "lan",  "prefix", "block",
                                        "lease",  "rest", NULL };
    const char *const what = "a pool";
    struct yaml_reader *r = p->reader;

    if (!yaml_reader_check_keys(r, item, what, keys)) {
        return false;
    }
    const struct yaml_item *prefix_item = yaml_reader_require(r, item, what,
                                                              "prefix");
    struct policy_pool pool = { .lease_s = 3600, .rest_s = 60 };

    if (!prefix_item || !policy_parse_home(p, item, what, &pool.bridge)) {
        return false;
    }
    if (!pool.bridge) {
        yaml_reader_fail(r, item,
                         "%s has neither bridge nor lan; expected one of "
                         "them",
                         what);
        return false;
    }
    if (!policy_parse_prefix(p, prefix_item, "prefix", &pool.prefix)
        || !check_pool_place(p, prefix_item, pool.bridge, &pool.prefix)) {
        return false;
    }

    /* A block is 16 addresses, or the pool if that is smaller.  An agent uses
     * 65,536 of an IPv6 block, and no more are in one of IPv4. */
    unsigned int mapped = IN6_IS_ADDR_V4MAPPED(&pool.prefix.addr) ? 96 : 0;
    unsigned int plen = pool.prefix.plen - mapped;
    unsigned int block = MAX(plen, 124 - mapped);
    if (!yaml_reader_get_uint(r, yaml_item_find(item, "block"), "block",
                              MAX(plen, mapped ? 16 : 64), 128 - mapped,
                              &block)
        || !yaml_reader_get_uint(r, yaml_item_find(item, "lease"), "lease", 10,
                                 31536000, &pool.lease_s)
        || !yaml_reader_get_uint(r, yaml_item_find(item, "rest"), "rest", 0,
                                 86400, &pool.rest_s)) {
        return false;
    }
    pool.block_plen = block + mapped;
    pool.name = xstrdup(name);
    shash_add(&p->policy->pools, name, xmemdup(&pool, sizeof pool));
    return true;
}
