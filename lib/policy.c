/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "policy.h"

#include <stdlib.h>
#include <string.h>

#include "packets.h"
#include "policy-parse.h"
#include "util.h"
#include "yaml-reader.h"

/* Limits that the file does not set. */
static const struct policy_limits default_limits = {
    .introductions = 64,
    .offers = 64,
    .introduction_rate = 1000,
    .sessions = 4096,
    .user_sessions = 1024,
    .packet_ins = 1000,
    .state_bytes = 64 * 1024 * 1024,
};

static struct policy *
policy_create(const char *file_name)
{
    struct policy *policy = xzalloc(sizeof *policy);

    policy->file_name = xstrdup(file_name);
    sset_init(&policy->devices_listen);
    sset_init(&policy->bridges_listen);
    shash_init(&policy->bridges);
    shash_init(&policy->pools);
    shash_init(&policy->devices);
    shash_init(&policy->services);
    shash_init(&policy->movables);
    policy->limits = default_limits;
    policy->dad_probes = 3;
    policy->dad_interval_ms = 200;
    policy->sa_lifetime_s = 3600;
    return policy;
}

/* Takes 'reader'. */
static struct policy *
load(const char *file_name, struct yaml_reader *reader, char **errorp)
{
    struct policy *policy = policy_create(file_name);

    if (!yaml_reader_has_failed(reader)) {
        policy_parse(policy, reader);
    }
    *errorp = yaml_reader_close(reader);
    if (*errorp) {
        policy_destroy(policy);
        return NULL;
    }
    return policy;
}

struct policy *
policy_load(const char *file_name, char **errorp)
{
    return load(file_name, yaml_reader_open(file_name), errorp);
}

struct policy *
policy_load_text(const char *file_name, const char *text, size_t n,
                 char **errorp)
{
    return load(file_name, yaml_reader_open_text(file_name, text, n), errorp);
}

static void
policy_service_destroy(struct policy_service *service)
{
    sset_destroy(&service->devices);
    for (char **arg = service->command; arg && *arg; arg++) {
        free(*arg);
    }
    free(service->command);
    free(service->user);
    free(service->name);
    free(service);
}

void
policy_destroy(struct policy *policy)
{
    struct shash_node *node;

    if (!policy) {
        return;
    }

    for (size_t i = 0; i < policy->n_rules; i++) {
        free(policy->rules[i].from);
        free(policy->rules[i].to);
        free(policy->rules[i].service);
    }
    free(policy->rules);

    if (policy->names) {
        free(policy->names->zone);
        free(policy->names->listen);
        free(policy->names);
    }

    SHASH_FOR_EACH(node, &policy->movables) {
        struct policy_movable *movable = node->data;

        sset_destroy(&movable->devices);
        free(movable->service);
        free(movable->name);
        free(movable);
    }
    shash_destroy(&policy->movables);

    SHASH_FOR_EACH(node, &policy->services) {
        policy_service_destroy(node->data);
    }
    shash_destroy(&policy->services);

    SHASH_FOR_EACH(node, &policy->devices) {
        struct policy_device *device = node->data;
        sset_destroy(&device->groups);
        free(device->permanent);
        free(device->tunnel);
        free(device->bridge);
        free(device->port);
        free(device->name);
        free(device);
    }
    shash_destroy(&policy->devices);

    SHASH_FOR_EACH(node, &policy->pools) {
        struct policy_pool *pool = node->data;
        free(pool->name);
        free(pool);
    }
    shash_destroy(&policy->pools);

    SHASH_FOR_EACH(node, &policy->bridges) {
        struct policy_bridge *bridge = node->data;
        free(bridge->subnets);
        free(bridge->target);
        free(bridge->ovsdb);
        free(bridge->gateways);
        free(bridge->tunnel.port_name);
        free(bridge->name);
        free(bridge);
    }
    shash_destroy(&policy->bridges);

    sset_destroy(&policy->bridges_listen);
    sset_destroy(&policy->devices_listen);
    free(policy->file_name);
    free(policy);
}

bool
policy_name_is_valid(const char *name)
{
    size_t n = strlen(name);

    return n >= 1 && n <= 63 && name[0] != '.' && name[0] != '-'
           && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                           "abcdefghijklmnopqrstuvwxyz0123456789._-")
                  == n;
}

/* Tunnels. */

const char *
policy_tunnel_type_to_string(enum policy_tunnel_type type)
{
    switch (type) {
    case POLICY_TUNNEL_NONE: return "none";
    case POLICY_TUNNEL_VXLAN: return "vxlan";
    case POLICY_TUNNEL_GENEVE: return "geneve";
    case POLICY_TUNNEL_GRE: return "gre";
    }
    OVS_NOT_REACHED();
}

unsigned int
policy_tunnel_payload(const struct policy_tunnel *tunnel)
{
    unsigned int outer_ip = IN6_IS_ADDR_V4MAPPED(&tunnel->address) ? 20 : 40;
    /* UDP and VXLAN's or Geneve's header without options; GRE with a key. */
    unsigned int header = tunnel->type == POLICY_TUNNEL_GRE ? 8 : 16;

    return tunnel->mtu - outer_ip - header - ETH_HEADER_LEN;
}

/* Plain LANs. */

const struct policy_bridge *
policy_find_lan(const struct policy *policy, const char *name)
{
    const struct policy_bridge *pb = shash_find_data(&policy->bridges, name);

    return pb && pb->lan ? pb : NULL;
}

/* Prefixes and addresses. */

bool
policy_bridge_contains(const struct policy_bridge *pb,
                       const struct in6_addr *addr)
{
    for (size_t i = 0; i < pb->n_subnets; i++) {
        if (policy_prefix_contains(&pb->subnets[i], addr)) {
            return true;
        }
    }
    return false;
}

bool
policy_prefix_contains(const struct policy_prefix *prefix,
                       const struct in6_addr *addr)
{
    struct in6_addr mask = ipv6_create_mask(prefix->plen);
    struct in6_addr masked = ipv6_addr_bitand(addr, &mask);

    return ipv6_addr_equals(&masked, &prefix->addr);
}

bool
policy_prefix_overlaps(const struct policy_prefix *a,
                       const struct policy_prefix *b)
{
    return (policy_prefix_contains(a, &b->addr)
            || policy_prefix_contains(b, &a->addr));
}

char *
policy_prefix_to_string(const struct policy_prefix *prefix)
{
    char addr[INET6_ADDRSTRLEN];

    ipv6_string_mapped(addr, &prefix->addr);
    return xasprintf("%s/%u", addr,
                     IN6_IS_ADDR_V4MAPPED(&prefix->addr) ? prefix->plen - 96
                                                         : prefix->plen);
}

/* Who may do what. */

bool
policy_covers(const struct policy *policy, const char *name,
              const char *device_name)
{
    const struct policy_device *device = shash_find_data(&policy->devices,
                                                         device_name);

    if (!device) {
        return false;
    } else if (name[0] == '@') {
        return sset_contains(&device->groups, name + 1);
    } else {
        return !strcmp(name, "*") || !strcmp(name, device_name);
    }
}

bool
policy_service_runs_on(const struct policy *policy,
                       const struct policy_service *service,
                       const char *device)
{
    const char *name;

    SSET_FOR_EACH(name, &service->devices) {
        if (policy_covers(policy, name, device)) {
            return true;
        }
    }
    return false;
}

bool
policy_movable_runs_on(const struct policy *policy,
                       const struct policy_movable *movable,
                       const char *device)
{
    const char *name;

    SSET_FOR_EACH(name, &movable->devices) {
        if (policy_covers(policy, name, device)) {
            return true;
        }
    }
    return false;
}

bool
policy_movable_is_at(const struct policy *policy,
                     const struct policy_movable *movable, const char *device,
                     const struct in6_addr *addr)
{
    return ((movable->any_address || ipv6_addr_equals(&movable->address, addr))
            && policy_movable_runs_on(policy, movable, device));
}

/* The first that fits. */
static const struct policy_rule *
find_rule(const struct policy *policy, const char *from, const char *to,
          const char *service)
{
    for (size_t i = 0; i < policy->n_rules; i++) {
        const struct policy_rule *rule = &policy->rules[i];

        if (policy_covers(policy, rule->from, from)
            && policy_covers(policy, rule->to, to)
            && (!strcmp(rule->service, "*")
                || !strcmp(rule->service, service))) {
            return rule;
        }
    }
    return NULL;
}

/* Returns null if a session of 'service' may move as the arguments say, or a
 * sentence why not, which the caller must free. */
static char *
why_not(const struct policy *policy, const char *from, const char *to,
        const char *service_name)
{
    if (!shash_find(&policy->devices, from)) {
        return xasprintf("device %s is not in the policy", from);
    }
    if (!shash_find(&policy->devices, to)) {
        return xasprintf("device %s is not in the policy", to);
    }
    if (!strcmp(from, to)) {
        return xasprintf("device %s has the session already", to);
    }
    if (service_name[0]) {
        const struct policy_service *service = shash_find_data(
            &policy->services, service_name);
        if (!service) {
            return xasprintf("service %s is not in the policy", service_name);
        }
        if (!policy_service_runs_on(policy, service, to)) {
            return xasprintf("policy does not let service %s run on %s",
                             service_name, to);
        }
    }

    const struct policy_rule *rule = find_rule(policy, from, to, service_name);
    if (rule) {
        return rule->allow
                   ? NULL
                   : xasprintf("policy refuses to move service \"%s\" from "
                               "%s to %s (entry %" PRIuSIZE " of \"moves\")",
                               service_name, from, to,
                               (size_t) (rule - policy->rules) + 1);
    }
    return xasprintf("nothing in the policy's \"moves\" lets service \"%s\" "
                     "move from %s to %s",
                     service_name, from, to);
}

bool
policy_may_move(const struct policy *policy, const char *from, const char *to,
                const char *service, char **why)
{
    char *reason = why_not(policy, from, to, service ? service : "");
    bool allowed = !reason;

    if (why) {
        *why = reason;
    } else {
        free(reason);
    }
    return allowed;
}

struct onward_right
policy_onward(const struct policy *policy, const char *from, const char *to,
              const char *service)
{
    const struct policy_rule *rule = find_rule(policy, from, to,
                                               service ? service : "");

    return rule && rule->allow ? rule->onward
                               : (struct onward_right){ ONWARD_NONE, 0 };
}

bool
policy_may_tunnel(const struct policy *policy, const char *name,
                  const struct in6_addr *addr)
{
    const struct policy_device *device = shash_find_data(&policy->devices,
                                                         name);

    for (size_t i = 0; device && i < device->n_tunnel; i++) {
        if (policy_prefix_contains(&device->tunnel[i], addr)) {
            return true;
        }
    }
    return false;
}

bool
policy_share_group(const struct policy *policy, const char *a, const char *b)
{
    const struct policy_device *da = shash_find_data(&policy->devices, a);
    const struct policy_device *db = shash_find_data(&policy->devices, b);
    const char *group;

    if (da && db) {
        SSET_FOR_EACH(group, &da->groups) {
            if (sset_contains(&db->groups, group)) {
                return true;
            }
        }
    }
    return false;
}

const struct policy_device *
policy_find_permanent(const struct policy *policy, const struct in6_addr *addr,
                      const struct policy_permanent **permanent)
{
    const struct shash_node *node;

    SHASH_FOR_EACH(node, &policy->devices) {
        const struct policy_device *device = node->data;

        for (size_t i = 0; i < device->n_permanent; i++) {
            if (ipv6_addr_equals(&device->permanent[i].addr, addr)) {
                if (permanent) {
                    *permanent = &device->permanent[i];
                }
                return device;
            }
        }
    }
    return NULL;
}
