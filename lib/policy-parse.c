/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "policy-parse.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "packets.h"
#include "policy.h"
#include "util.h"
#include "yaml-reader.h"

/* Sections are read in an order in which every name that one of them uses was
 * defined before, whatever their order in the file. */
struct parser {
    struct policy *policy;
    struct yaml_reader *reader;
    struct sset groups; /* That some device is in. */
};

/* Reads the value of one named thing in a section. */
typedef bool read_entry(struct parser *, const char *name,
                        const struct yaml_item *);

/* Small values. */

static bool
check_name(struct parser *p, const struct yaml_item *item, const char *what,
           const char *name)
{
    if (policy_name_is_valid(name)) {
        return true;
    }
    yaml_reader_fail(p->reader, item,
                     "%s \"%s\" is not a name; expected 1 to 63 of "
                     "A-Z a-z 0-9 . _ - that begin with neither . nor -",
                     what, name);
    return false;
}

/* Stores a copy of a string in '*valuep', unless 'item' is null. */
static bool
read_string(struct parser *p, const struct yaml_item *item, const char *what,
            char **valuep)
{
    const char *s = NULL;

    if (!yaml_reader_get_string(p->reader, item, what, &s)) {
        return false;
    }
    if (s && !s[0]) {
        yaml_reader_fail(p->reader, item, "%s is empty; expected text", what);
        return false;
    }
    *valuep = nullable_xstrdup(s);
    return true;
}

/* Reads a string that begins with one of 'kinds', for OVS's streams. */
static bool
read_target(struct parser *p, const struct yaml_item *item, const char *what,
            const char *const kinds[], const char *expected,
            const char **valuep)
{
    const char *s = NULL;

    if (!yaml_reader_get_string(p->reader, item, what, &s)) {
        return false;
    }
    for (; *kinds; kinds++) {
        size_t n = strlen(*kinds);
        if (!strncmp(s, *kinds, n) && s[n]) {
            *valuep = s;
            return true;
        }
    }
    yaml_reader_fail(p->reader, item,
                     "%s \"%s\" is not a connection of a "
                     "kind that is taken here; expected %s",
                     what, s, expected);
    return false;
}

/* Parses IP/LENGTH.  Returns null, or what is wrong. */
static const char *
parse_prefix(const char *s, struct policy_prefix *prefix)
{
    char ip[INET6_ADDRSTRLEN];
    const char *slash = strchr(s, '/');

    if (!slash || slash - s >= sizeof ip) {
        return "is not an address, a slash and a length";
    }
    memcpy(ip, s, slash - s);
    ip[slash - s] = '\0';

    ovs_be32 ip4;
    unsigned int bits;
    bool v4 = inet_pton(AF_INET, ip, &ip4) == 1;
    if (v4) {
        in6_addr_set_mapped_ipv4(&prefix->addr, ip4);
        bits = 32;
    } else if (inet_pton(AF_INET6, ip, &prefix->addr) == 1) {
        if (IN6_IS_ADDR_V4MAPPED(&prefix->addr)) {
            return "is an IPv4-mapped IPv6 address";
        }
        bits = 128;
    } else {
        return "does not begin with an IPv4 or IPv6 address";
    }

    int plen = -1;
    if (!slash[1] || strspn(slash + 1, "0123456789") != strlen(slash + 1)
        || strlen(slash + 1) > 3 || !str_to_int(slash + 1, 10, &plen)
        || plen > bits) {
        return v4 ? "has a length that is not from 0 to 32"
                  : "has a length that is not from 0 to 128";
    }
    prefix->plen = v4 ? plen + 96 : plen;
    if (plen < 8) {
        return "is too wide: its length is less than 8";
    }
    if (!policy_prefix_contains(prefix, &prefix->addr)) {
        return "has bits set beyond its length";
    }
    if (v4 ? (ntohl(ip4) >> 24 == 0 || ntohl(ip4) >> 24 == 127
              || ntohl(ip4) >> 24 >= 224)
           : (ipv6_addr_is_multicast(&prefix->addr)
              || in6_is_lla(&prefix->addr) || prefix->addr.s6_addr[0] == 0)) {
        return "is not of unicast addresses that can be routed";
    }
    return NULL;
}

static bool
read_prefix(struct parser *p, const struct yaml_item *item, const char *what,
            struct policy_prefix *prefix)
{
    const char *s = NULL;

    if (!yaml_reader_get_string(p->reader, item, what, &s)) {
        return false;
    }
    const char *wrong = parse_prefix(s, prefix);
    if (wrong) {
        yaml_reader_fail(p->reader, item,
                         "%s \"%s\" %s; expected a prefix "
                         "like 10.1.0.0/24 or fd00:1::/64",
                         what, s, wrong);
    }
    return !wrong;
}

/* Reads the name of a thing that 'things' has to hold.  Returns the thing. */
static void *
read_reference(struct parser *p, const struct yaml_item *item,
               const char *what, const char *section,
               const struct shash *things)
{
    const char *s = NULL;

    if (!yaml_reader_get_string(p->reader, item, what, &s)) {
        return NULL;
    }
    void *thing = shash_find_data(things, s);
    if (!thing) {
        yaml_reader_fail(p->reader, item,
                         "no %s is named \"%s\"; expected a name from "
                         "\"%s\"",
                         what, s, section);
    }
    return thing;
}

/* Reads "*", the name of a device, or "@" and that of a group. */
static bool
read_devices(struct parser *p, const struct yaml_item *item, const char *what,
             const char **valuep)
{
    const char *s = NULL;

    if (!yaml_reader_get_string(p->reader, item, what, &s)) {
        return false;
    }
    if (s[0] == '@'
            ? sset_contains(&p->groups, s + 1)
            : (!strcmp(s, "*") || shash_find(&p->policy->devices, s))) {
        *valuep = s;
        return true;
    }
    if (s[0] == '@') {
        yaml_reader_fail(p->reader, item,
                         "no device is in group \"%s\"; "
                         "expected a group that a device names in \"groups\"",
                         s + 1);
    } else {
        yaml_reader_fail(p->reader, item,
                         "no device is named \"%s\"; "
                         "expected a name from \"devices\", \"@GROUP\" or "
                         "\"*\"",
                         s);
    }
    return false;
}

/* Reads a map of names to things. */
static bool
read_section(struct parser *p, const char *section, const char *what,
             read_entry *read)
{
    const struct yaml_item *map = yaml_item_find(yaml_reader_root(p->reader),
                                                 section);

    if (!map) {
        return true;
    }
    if (!yaml_reader_is_map(p->reader, map, section)) {
        return false;
    }
    for (size_t i = 0; i < map->n; i++) {
        const char *name = map->keys[i]->text;
        if (!check_name(p, map->keys[i], what, name)
            || !read(p, name, map->items[i])) {
            return false;
        }
    }
    return true;
}

/* controller: */

static bool
read_listen(struct parser *p, const struct yaml_item *list, const char *what,
            const char *const kinds[], const char *expected,
            struct sset *targets)
{
    if (!list) {
        return true;
    }
    if (!yaml_reader_is_list(p->reader, list, what)) {
        return false;
    }
    for (size_t i = 0; i < list->n; i++) {
        const char *target;
        if (!read_target(p, list->items[i], what, kinds, expected, &target)) {
            return false;
        }
        if (!sset_add(targets, target)) {
            yaml_reader_fail(p->reader, list->items[i],
                             "\"%s\" is there twice; expected it once",
                             target);
            return false;
        }
    }
    return true;
}

static bool
read_controller(struct parser *p)
{
    static const char *const keys[] = { "devices", "bridges", NULL };
    static const char *const devices_kinds[] = { "pssl:", NULL };
    static const char *const bridges_kinds[] = { "pssl:", "ptcp:", "punix:",
                                                 NULL };
    const char *const what = "controller";
    const struct yaml_item *map = yaml_reader_require(
        p->reader, yaml_reader_root(p->reader), "the policy", what);

    if (!map || !yaml_reader_check_keys(p->reader, map, what, keys)) {
        return false;
    }
    const struct yaml_item *devices = yaml_reader_require(p->reader, map, what,
                                                          "devices");
    if (!devices
        || !read_listen(p, devices, "controller's devices", devices_kinds,
                        "\"pssl:PORT:ADDRESS\"", &p->policy->devices_listen)
        || !read_listen(p, yaml_item_find(map, "bridges"),
                        "controller's bridges", bridges_kinds,
                        "\"pssl:PORT:ADDRESS\", \"ptcp:PORT:ADDRESS\" or "
                        "\"punix:FILE\"",
                        &p->policy->bridges_listen)) {
        return false;
    }
    if (!devices->n) {
        yaml_reader_fail(p->reader, devices,
                         "controller's devices is empty; "
                         "expected \"pssl:PORT:ADDRESS\"");
        return false;
    }
    return true;
}

/* bridges: */

static bool
read_datapath_id(struct parser *p, const struct yaml_item *item,
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
read_subnets(struct parser *p, const struct yaml_item *list,
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
        if (!read_prefix(p, list->items[i], "subnet", subnet)) {
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
read_forward_table(struct parser *p, const struct yaml_item *item,
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

static bool
read_bridge(struct parser *p, const char *name, const struct yaml_item *item)
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
        && !read_target(p, target_item, "target", kinds,
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
check_pool_place(struct parser *p, const struct yaml_item *item,
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

static bool
read_pool(struct parser *p, const char *name, const struct yaml_item *item)
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
    pool.bridge = read_reference(p, bridge_item, "bridge", "bridges",
                                 &p->policy->bridges);
    if (!pool.bridge || !read_prefix(p, prefix_item, "prefix", &pool.prefix)
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

/* devices: */

static bool
read_groups(struct parser *p, const struct yaml_item *list,
            struct sset *groups)
{
    if (!list) {
        return true;
    }
    if (!yaml_reader_is_list(p->reader, list, "groups")) {
        return false;
    }
    for (size_t i = 0; i < list->n; i++) {
        const char *group = NULL;
        if (!yaml_reader_get_string(p->reader, list->items[i], "group", &group)
            || !check_name(p, list->items[i], "group", group)) {
            return false;
        }
        sset_add(groups, group);
        sset_add(&p->groups, group);
    }
    return true;
}

/* Pins 'device' to a bridge, or to one of its ports, if the policy says so. */
static bool
read_place(struct parser *p, const struct yaml_item *item,
           struct policy_device *device)
{
    const struct yaml_item *bridge_item = yaml_item_find(item, "bridge");
    const struct yaml_item *port_item = yaml_item_find(item, "port");

    if (bridge_item) {
        const struct policy_bridge *bridge = read_reference(
            p, bridge_item, "bridge", "bridges", &p->policy->bridges);
        if (!bridge) {
            return false;
        }
        device->bridge = xstrdup(bridge->name);
    }
    if (port_item && !bridge_item) {
        yaml_reader_fail(p->reader, port_item,
                         "port without a bridge; "
                         "expected \"bridge\" beside it");
        return false;
    }
    if (!port_item) {
        return true;
    }

    char *port;
    if (!read_string(p, port_item, "port", &port)) {
        return false;
    }
    const struct shash_node *node;
    SHASH_FOR_EACH(node, &p->policy->devices) {
        const struct policy_device *other = node->data;
        if (other->port && !strcmp(other->port, port)
            && !strcmp(other->bridge, device->bridge)) {
            yaml_reader_fail(p->reader, port_item,
                             "port \"%s\" of bridge %s "
                             "is device %s's; expected a port for each "
                             "device",
                             port, device->bridge, other->name);
            free(port);
            return false;
        }
    }
    device->port = port;
    return true;
}

static bool
read_device(struct parser *p, const char *name, const struct yaml_item *item)
{
    static const char *const keys[] = { "groups", "bridge", "port", NULL };

    if (!yaml_reader_check_keys(p->reader, item, "a device", keys)) {
        return false;
    }

    struct policy_device *device = xzalloc(sizeof *device);
    device->name = xstrdup(name);
    sset_init(&device->groups);
    shash_add(&p->policy->devices, name, device);
    return read_groups(p, yaml_item_find(item, "groups"), &device->groups)
           && read_place(p, item, device);
}

/* services: */

static bool
read_command(struct parser *p, const struct yaml_item *list,
             struct policy_service *service)
{
    if (!list) {
        return true;
    }
    if (!yaml_reader_is_list(p->reader, list, "command")) {
        return false;
    }
    service->command = xcalloc(list->n + 1, sizeof *service->command);
    for (size_t i = 0; i < list->n; i++) {
        const char *s = NULL;
        if (!yaml_reader_get_string(p->reader, list->items[i],
                                    "command's word", &s)) {
            return false;
        }
        service->command[i] = xstrdup(s);
    }
    if (!list->n || service->command[0][0] != '/') {
        yaml_reader_fail(p->reader, list->n ? list->items[0] : list,
                         "command does not begin with a program; expected "
                         "its path from the root");
        return false;
    }
    return true;
}

static bool
read_service(struct parser *p, const char *name, const struct yaml_item *item)
{
    static const char *const keys[] = { "devices", "user", "command", NULL };
    const char *const what = "a service";

    if (!yaml_reader_check_keys(p->reader, item, what, keys)) {
        return false;
    }

    struct policy_service *service = xzalloc(sizeof *service);
    service->name = xstrdup(name);
    sset_init(&service->devices);
    shash_add(&p->policy->services, name, service);

    const struct yaml_item *devices = yaml_reader_require(p->reader, item,
                                                          what, "devices");
    const struct yaml_item *user = yaml_reader_require(p->reader, item, what,
                                                       "user");
    if (!devices || !user
        || !yaml_reader_is_list(p->reader, devices, "service's devices")
        || !read_string(p, user, "user", &service->user)) {
        return false;
    }
    for (size_t i = 0; i < devices->n; i++) {
        const char *device;
        if (!read_devices(p, devices->items[i], "device", &device)) {
            return false;
        }
        sset_add(&service->devices, device);
    }
    if (!strcmp(service->user, "any")) {
        service->any_user = true;
        free(service->user);
        service->user = NULL;
    }
    return read_command(p, yaml_item_find(item, "command"), service);
}

/* moves: */

static bool
read_rule(struct parser *p, const struct yaml_item *item,
          struct policy_rule *rule)
{
    static const char *const keys[] = { "from", "to", "service", "allow",
                                        NULL };
    const char *const what = "a move";
    struct yaml_reader *r = p->reader;

    if (!yaml_reader_check_keys(r, item, what, keys)) {
        return false;
    }
    const struct yaml_item *from_item = yaml_reader_require(r, item, what,
                                                            "from");
    const struct yaml_item *to_item = yaml_reader_require(r, item, what, "to");
    const struct yaml_item *allow_item = yaml_reader_require(r, item, what,
                                                             "allow");
    const struct yaml_item *service_item = yaml_item_find(item, "service");
    const char *from, *to;
    const char *service = "*";
    if (!from_item || !to_item || !allow_item
        || !read_devices(p, from_item, "from", &from)
        || !read_devices(p, to_item, "to", &to)
        || !yaml_reader_get_string(r, service_item, "service", &service)
        || (strcmp(service, "*")
            && !read_reference(p, service_item, "service", "services",
                               &p->policy->services))
        || !yaml_reader_get_bool(r, allow_item, "allow", &rule->allow)) {
        return false;
    }
    rule->from = xstrdup(from);
    rule->to = xstrdup(to);
    rule->service = xstrdup(service);
    return true;
}

static bool
read_moves(struct parser *p)
{
    const struct yaml_item *list = yaml_item_find(yaml_reader_root(p->reader),
                                                  "moves");

    if (!list) {
        return true;
    }
    if (!yaml_reader_is_list(p->reader, list, "moves")) {
        return false;
    }
    p->policy->rules = xcalloc(list->n, sizeof *p->policy->rules);
    for (size_t i = 0; i < list->n; i++) {
        if (!read_rule(p, list->items[i], &p->policy->rules[i])) {
            return false;
        }
        p->policy->n_rules++;
    }
    return true;
}

/* Numbers: limits, detection, associations. */

struct number {
    const char *key;
    unsigned int min, max;
    unsigned int *value;
};

/* Reads section 'section', all of whose values are the 'n' numbers. */
static bool
read_numbers(struct parser *p, const char *section,
             const struct number numbers[], size_t n)
{
    const struct yaml_item *map = yaml_item_find(yaml_reader_root(p->reader),
                                                 section);
    const char *keys[8];

    if (!map) {
        return true;
    }
    ovs_assert(n < ARRAY_SIZE(keys));
    for (size_t i = 0; i < n; i++) {
        keys[i] = numbers[i].key;
    }
    keys[n] = NULL;
    if (!yaml_reader_check_keys(p->reader, map, section, keys)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!yaml_reader_get_uint(p->reader, yaml_item_find(map, keys[i]),
                                  keys[i], numbers[i].min, numbers[i].max,
                                  numbers[i].value)) {
            return false;
        }
    }
    return true;
}

static bool
read_all_numbers(struct parser *p)
{
    struct policy_limits *l = &p->policy->limits;
    unsigned int state_bytes = l->state_bytes;
    const struct number limits[] = {
        { "introductions", 1, 100000, &l->introductions },
        { "offers", 1, 100000, &l->offers },
        { "sessions", 1, 1000000, &l->sessions },
        { "packet-ins", 1, 1000000, &l->packet_ins },
        { "state-bytes", 65536, 1u << 30, &state_bytes },
    };
    const struct number detection[] = {
        { "probes", 0, 10, &p->policy->dad_probes },
        { "interval-ms", 1, 10000, &p->policy->dad_interval_ms },
    };
    const struct number associations[] = {
        { "lifetime", 60, 604800, &p->policy->sa_lifetime_s },
    };

    bool ok = read_numbers(p, "limits", limits, ARRAY_SIZE(limits))
              && read_numbers(p, "detection", detection, ARRAY_SIZE(detection))
              && read_numbers(p, "associations", associations,
                              ARRAY_SIZE(associations));
    l->state_bytes = state_bytes;
    return ok;
}

/* Everything. */

void
policy_parse(struct policy *policy, struct yaml_reader *reader)
{
    static const char *const sections[] = {
        "controller", "bridges", "pools",     "devices",      "services",
        "moves",      "limits",  "detection", "associations", NULL
    };
    struct parser p = { .policy = policy, .reader = reader };

    if (!yaml_reader_check_keys(reader, yaml_reader_root(reader), "the policy",
                                sections)) {
        return;
    }
    sset_init(&p.groups);
    if (read_controller(&p)
        && read_section(&p, "bridges", "bridge", read_bridge)
        && read_section(&p, "pools", "pool", read_pool)
        && read_section(&p, "devices", "device", read_device)
        && read_section(&p, "services", "service", read_service)
        && read_moves(&p)) {
        read_all_numbers(&p);
    }
    sset_destroy(&p.groups);
}
