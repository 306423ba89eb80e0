/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "policy-parse.h"

#include <stdlib.h>
#include <string.h>

#include "packets.h"
#include "policy.h"
#include "util.h"
#include "yaml-reader.h"

/* devices: */

static bool
read_groups(struct policy_parser *p, const struct yaml_item *list,
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
            || !policy_parse_name(p, list->items[i], "group", group)) {
            return false;
        }
        sset_add(groups, group);
        sset_add(&p->groups, group);
    }
    return true;
}

/* Pins 'device' to a bridge, or to one of its ports, if the policy says so. */
static bool
read_place(struct policy_parser *p, const struct yaml_item *item,
           struct policy_device *device)
{
    const struct yaml_item *port_item = yaml_item_find(item, "port");
    const struct policy_bridge *bridge;

    if (!policy_parse_home(p, item, "a device", &bridge)) {
        return false;
    }
    if (bridge) {
        device->bridge = xstrdup(bridge->name);
    }
    if (port_item && (!bridge || bridge->lan)) {
        yaml_reader_fail(p->reader, port_item,
                         "port without a bridge; "
                         "expected \"bridge\" beside it");
        return false;
    }
    if (!port_item) {
        return true;
    }

    char *port;
    if (!policy_parse_string(p, port_item, "port", &port)) {
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

static const struct policy_bridge *
find_bridge(const struct policy *policy, const struct in6_addr *addr)
{
    const struct shash_node *node;

    SHASH_FOR_EACH(node, &policy->bridges) {
        const struct policy_bridge *bridge = node->data;

        if (policy_bridge_contains(bridge, addr)) {
            return bridge;
        }
    }
    return NULL;
}

static bool
read_permanent_address(struct policy_parser *p, const struct yaml_item *item,
                       struct policy_device *device)
{
    struct policy_permanent *permanent;
    const struct shash_node *node;
    const char *s = NULL;
    struct in6_addr addr;
    ovs_be32 ip;

    if (!yaml_reader_get_string(p->reader, item, "address", &s)) {
        return false;
    }
    if (ip_parse(s, &ip)) {
        in6_addr_set_mapped_ipv4(&addr, ip);
    } else if (!ipv6_parse(s, &addr)) {
        yaml_reader_fail(p->reader, item,
                         "\"%s\" is no address; expected one of IPv4 or IPv6",
                         s);
        return false;
    }
    if (policy_find_permanent(p->policy, &addr, NULL)) {
        yaml_reader_fail(p->reader, item,
                         "address \"%s\" is in the policy twice", s);
        return false;
    }
    SHASH_FOR_EACH(node, &p->policy->pools) {
        const struct policy_pool *pool = node->data;

        if (policy_prefix_contains(&pool->prefix, &addr)) {
            yaml_reader_fail(p->reader, item,
                             "address \"%s\" is in pool %s; expected one "
                             "that no session gets",
                             s, pool->name);
            return false;
        }
    }
    permanent = &device->permanent[device->n_permanent];
    permanent->addr = addr;
    permanent->bridge = find_bridge(p->policy, &addr);
    if (!permanent->bridge) {
        yaml_reader_fail(p->reader, item,
                         "address \"%s\" is in no subnet of a bridge; "
                         "expected a part of one",
                         s);
        return false;
    }
    if (permanent->bridge->lan && device->permanent_moves) {
        yaml_reader_fail(p->reader, item,
                         "address \"%s\" is on lan %s, and cannot be taken "
                         "back there from a device that keeps it; expected "
                         "\"move: false\"",
                         s, permanent->bridge->name);
        return false;
    }
    device->n_permanent++;
    return true;
}

/* The device's own addresses, and whether they may be transferred. */
static bool
read_permanent(struct policy_parser *p, const struct yaml_item *item,
               struct policy_device *device)
{
    static const char *const keys[] = { "addresses", "move", "lease", NULL };
    const char *const what = "permanent";
    const struct yaml_item *list, *move;

    device->permanent_lease = 60;
    if (!item) {
        return true;
    }
    if (!yaml_reader_check_keys(p->reader, item, what, keys)) {
        return false;
    }
    list = yaml_reader_require(p->reader, item, what, "addresses");
    move = yaml_item_find(item, "move");
    if (!list || !yaml_reader_is_list(p->reader, list, "addresses")
        || (move
            && !yaml_reader_get_bool(p->reader, move, "move",
                                     &device->permanent_moves))
        || !yaml_reader_get_uint(p->reader, yaml_item_find(item, "lease"),
                                 "lease", 5, 86400,
                                 &device->permanent_lease)) {
        return false;
    }
    device->permanent = xcalloc(list->n + 1, sizeof *device->permanent);
    for (size_t i = 0; i < list->n; i++) {
        if (!read_permanent_address(p, list->items[i], device)) {
            return false;
        }
    }
    return true;
}

/* Where its own end of a tunnel may be. */
static bool
read_device_tunnel(struct policy_parser *p, const struct yaml_item *item,
                   struct policy_device *device)
{
    static const char *const keys[] = { "addresses", NULL };
    const char *const what = "a device's tunnel";
    const struct yaml_item *list;

    if (!item) {
        return true;
    }
    if (!yaml_reader_check_keys(p->reader, item, what, keys)) {
        return false;
    }
    list = yaml_reader_require(p->reader, item, what, "addresses");
    if (!list || !yaml_reader_is_list(p->reader, list, "addresses")) {
        return false;
    }
    device->tunnel = xcalloc(list->n + 1, sizeof *device->tunnel);
    for (size_t i = 0; i < list->n; i++) {
        struct policy_prefix *prefix = &device->tunnel[i];
        const struct shash_node *node;

        if (!policy_parse_prefix(p, list->items[i], "addresses", prefix)) {
            return false;
        }
        SHASH_FOR_EACH(node, &p->policy->pools) {
            const struct policy_pool *pool = node->data;

            if (policy_prefix_overlaps(&pool->prefix, prefix)) {
                yaml_reader_fail(p->reader, list->items[i],
                                 "addresses \"%s\" overlap pool %s; expected "
                                 "addresses that no session gets",
                                 list->items[i]->text, pool->name);
                return false;
            }
        }
        device->n_tunnel++;
    }
    return true;
}

bool
policy_parse_device(struct policy_parser *p, const char *name,
                    const struct yaml_item *item)
{
    static const char *const keys[] = { "groups",    "bridge", "lan", "port",
                                        "permanent", "tunnel", NULL };

    if (!yaml_reader_check_keys(p->reader, item, "a device", keys)) {
        return false;
    }

    struct policy_device *device = xzalloc(sizeof *device);
    device->name = xstrdup(name);
    sset_init(&device->groups);
    shash_add(&p->policy->devices, name, device);
    return read_groups(p, yaml_item_find(item, "groups"), &device->groups)
           && read_place(p, item, device)
           && read_permanent(p, yaml_item_find(item, "permanent"), device)
           && read_device_tunnel(p, yaml_item_find(item, "tunnel"), device);
}

/* services: */

static bool
read_command(struct policy_parser *p, const struct yaml_item *list,
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

bool
policy_parse_service(struct policy_parser *p, const char *name,
                     const struct yaml_item *item)
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
        || !policy_parse_string(p, user, "user", &service->user)) {
        return false;
    }
    for (size_t i = 0; i < devices->n; i++) {
        const char *device;
        if (!policy_parse_who(p, devices->items[i], "device", &device)) {
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
read_onward(struct policy_parser *p, const struct yaml_item *item,
            struct onward_right *right)
{
    const char *s = "any";

    if (!yaml_reader_get_string(p->reader, item, "onward", &s)) {
        return false;
    }
    if (!onward_from_string(s, right)) {
        yaml_reader_fail(p->reader, item,
                         "onward \"%s\" is no right to pass on; "
                         "expected " ONWARD_EXPECTED,
                         s);
        return false;
    }
    return true;
}

static bool
read_rule(struct policy_parser *p, const struct yaml_item *item,
          struct policy_rule *rule)
{
    static const char *const keys[] = { "from",  "to",     "service",
                                        "allow", "onward", NULL };
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
        || !policy_parse_who(p, from_item, "from", &from)
        || !policy_parse_who(p, to_item, "to", &to)
        || !yaml_reader_get_string(r, service_item, "service", &service)
        || (strcmp(service, "*")
            && !policy_parse_reference(p, service_item, "service", "services",
                                       &p->policy->services))
        || !yaml_reader_get_bool(r, allow_item, "allow", &rule->allow)
        || !read_onward(p, yaml_item_find(item, "onward"), &rule->onward)) {
        return false;
    }
    rule->from = xstrdup(from);
    rule->to = xstrdup(to);
    rule->service = xstrdup(service);
    return true;
}

bool
policy_parse_moves(struct policy_parser *p)
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
