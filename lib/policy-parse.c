/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "policy-parse.h"

#include <stdlib.h>
#include <string.h>

#include "policy.h"
#include "util.h"
#include "yaml-reader.h"

/* Reads a map of names to things. */
static bool
read_section(struct policy_parser *p, const char *section, const char *what,
             policy_parse_entry *read)
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
        if (!policy_parse_name(p, map->keys[i], what, name)
            || !read(p, name, map->items[i])) {
            return false;
        }
    }
    return true;
}

/* controller: */

static bool
read_listen(struct policy_parser *p, const struct yaml_item *list,
            const char *what, const char *const kinds[], const char *expected,
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
        if (!policy_parse_target(p, list->items[i], what, kinds, expected,
                                 &target)) {
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
read_controller(struct policy_parser *p)
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

/* Numbers: limits, detection, associations. */

struct number {
    const char *key;
    unsigned int min, max;
    unsigned int *value;
};

/* Reads section 'section', all of whose values are the 'n' numbers. */
static bool
read_numbers(struct policy_parser *p, const char *section,
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
read_all_numbers(struct policy_parser *p)
{
    struct policy_limits *l = &p->policy->limits;
    unsigned int state_bytes = l->state_bytes;
    const struct number limits[] = {
        { "introductions", 1, 100000, &l->introductions },
        { "introduction-rate", 1, 100000, &l->introduction_rate },
        { "offers", 1, 100000, &l->offers },
        { "sessions", 1, 1000000, &l->sessions },
        { "user-sessions", 1, 1000000, &l->user_sessions },
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
        "controller", "bridges",      "lans",    "pools", "devices",
        "services",   "moves",        "movable", "names", "limits",
        "detection",  "associations", NULL
    };
    struct policy_parser p = { .policy = policy, .reader = reader };

    if (!yaml_reader_check_keys(reader, yaml_reader_root(reader), "the policy",
                                sections)) {
        return;
    }
    sset_init(&p.groups);
    if (read_controller(&p)
        && read_section(&p, "bridges", "bridge", policy_parse_bridge)
        && read_section(&p, "lans", "lan", policy_parse_lan)
        && read_section(&p, "pools", "pool", policy_parse_pool)
        && read_section(&p, "devices", "device", policy_parse_device)
        && read_section(&p, "services", "service", policy_parse_service)
        && read_section(&p, "movable", "movable service", policy_parse_movable)
        && policy_parse_names(
            &p, yaml_item_find(yaml_reader_root(reader), "names"))
        && policy_parse_moves(&p)) {
        read_all_numbers(&p);
    }
    sset_destroy(&p.groups);
}
