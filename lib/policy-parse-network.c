/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "policy-parse.h"

#include <stdlib.h>
#include <string.h>

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

static bool
read_subnets(struct policy_parser *p, const struct yaml_item *list,
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
                             "subnet \"%s\" overlaps %s of bridge %s; "
                             "expected subnets that do not overlap",
                             list->items[i]->text, s, owner->name);
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

bool
policy_parse_bridge(struct policy_parser *p, const char *name,
                    const struct yaml_item *item)
{
    static const char *const keys[] = { "datapath-id",   "target",
                                        "subnets",       "first-table",
                                        "forward-table", NULL };
    static const char *const kinds[] = { "unix:", "tcp:", "ssl:", NULL };
    unsigned int first_table = 0;
    const char *target = NULL;
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

    struct policy_bridge *bridge = xzalloc(sizeof *bridge);
    bridge->name = xstrdup(name);
    bridge->datapath_id = datapath_id;
    bridge->target = nullable_xstrdup(target);
    shash_add(&p->policy->bridges, name, bridge);
    if (!read_subnets(p, yaml_item_find(item, "subnets"), bridge)
        || !yaml_reader_get_uint(
            p->reader, yaml_item_find(item, "first-table"), "first-table", 0,
            254 - POLICY_BRIDGE_TABLES, &first_table)
        || !read_forward_table(p, yaml_item_find(item, "forward-table"),
                               first_table + POLICY_BRIDGE_TABLES,
                               &bridge->forward_table)) {
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

    for (size_t i = 0; i < bridge->n_subnets; i++) {
        if (prefix->plen >= bridge->subnets[i].plen
            && policy_prefix_contains(&bridge->subnets[i], &prefix->addr)) {
            return true;
        }
    }
    yaml_reader_fail(p->reader, item,
                     "prefix \"%s\" is in none of bridge "
                     "%s's subnets; expected a part of one",
                     item->text, bridge->name);
    return false;
}

bool
policy_parse_pool(struct policy_parser *p, const char *name,
                  const struct yaml_item *item)
{
    static const char *const keys[] = { "bridge", "prefix", "block",
                                        "lease",  "rest",   NULL };
    const char *const what = "a pool";
    struct yaml_reader *r = p->reader;

    if (!yaml_reader_check_keys(r, item, what, keys)) {
        return false;
    }
    const struct yaml_item *bridge_item = yaml_reader_require(r, item, what,
                                                              "bridge");
    const struct yaml_item *prefix_item = yaml_reader_require(r, item, what,
                                                              "prefix");
    if (!bridge_item || !prefix_item) {
        return false;
    }

    struct policy_pool pool = { .lease_s = 3600, .rest_s = 60 };
    pool.bridge = policy_parse_reference(p, bridge_item, "bridge", "bridges",
                                         &p->policy->bridges);
    if (!pool.bridge
        || !policy_parse_prefix(p, prefix_item, "prefix", &pool.prefix)
        || !check_pool_place(p, prefix_item, pool.bridge, &pool.prefix)) {
        return false;
    }

    /* A block is 16 addresses, or the pool if that is smaller; an agent keeps
     * something for each address, so that there is a limit above. */
    unsigned int mapped = IN6_IS_ADDR_V4MAPPED(&pool.prefix.addr) ? 96 : 0;
    unsigned int plen = pool.prefix.plen - mapped;
    unsigned int block = MAX(plen, 124 - mapped);
    if (!yaml_reader_get_uint(r, yaml_item_find(item, "block"), "block",
                              MAX(plen, 112 - mapped), 128 - mapped, &block)
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
