/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "policy-parse.h"

#include <stdlib.h>
#include <string.h>

#include "packets.h"
#include "policy.h"
#include "util.h"
#include "yaml-reader.h"

/* movable: */

static bool
read_protocol(struct policy_parser *p, const struct yaml_item *item,
              struct policy_movable *movable)
{
    const char *s = NULL;

    if (!item || !yaml_reader_get_string(p->reader, item, "protocol", &s)) {
        return false;
    }
    if (!strcmp(s, "tcp")) {
        movable->protocol = IPPROTO_TCP;
        movable->idle_s = 7200;
    } else if (!strcmp(s, "udp")) {
        movable->protocol = IPPROTO_UDP;
        movable->idle_s = 120;
    } else {
        yaml_reader_fail(p->reader, item,
                         "protocol \"%s\" cannot be translated; "
                         "expected tcp or udp",
                         s);
        return false;
    }
    return true;
}

static bool
read_devices(struct policy_parser *p, const struct yaml_item *list,
             struct policy_movable *movable)
{
    if (!list
        || !yaml_reader_is_list(p->reader, list,
                                "movable service's devices")) {
        return false;
    }
    for (size_t i = 0; i < list->n; i++) {
        const char *name;
        const struct policy_device *device;

        if (!policy_parse_who(p, list->items[i], "device", &name)) {
            return false;
        }
        device = shash_find_data(&p->policy->devices, name);
        if (device && !device->n_permanent) {
            yaml_reader_fail(p->reader, list->items[i],
                             "device %s has no address of its own in the "
                             "policy; expected \"permanent\" there",
                             name);
            return false;
        }
        sset_add(&movable->devices, name);
    }
    return true;
}

/* Without one, each of the devices' permanent addresses has the service. */
static bool
read_address(struct policy_parser *p, const struct yaml_item *item,
             struct policy_movable *movable)
{
    const struct policy_device *device;
    const char *s = NULL;
    ovs_be32 ip;

    movable->any_address = !item;
    if (!item) {
        return true;
    }
    if (!yaml_reader_get_string(p->reader, item, "address", &s)) {
        return false;
    }
    if (ip_parse(s, &ip)) {
        in6_addr_set_mapped_ipv4(&movable->address, ip);
    } else if (!ipv6_parse(s, &movable->address)) {
        yaml_reader_fail(p->reader, item,
                         "address \"%s\" is not one; "
                         "expected an IPv4 or IPv6 address",
                         s);
        return false;
    }
    device = policy_find_permanent(p->policy, &movable->address, NULL);
    if (!device
        || !policy_movable_is_at(p->policy, movable, device->name,
                                 &movable->address)) {
        yaml_reader_fail(p->reader, item,
                         "address \"%s\" is not a permanent one of these "
                         "devices; expected one of those",
                         s);
        return false;
    }
    return true;
}

/* Another that has the same port of an address. */
static const struct policy_movable *
find_clash(const struct policy *policy, const struct policy_movable *movable)
{
    const struct shash_node *mn, *dn;

    SHASH_FOR_EACH(mn, &policy->movables) {
        const struct policy_movable *other = mn->data;

        if (other == movable || other->protocol != movable->protocol
            || other->port != movable->port) {
            continue;
        }
        SHASH_FOR_EACH(dn, &policy->devices) {
            const struct policy_device *device = dn->data;

            for (size_t i = 0; i < device->n_permanent; i++) {
                const struct in6_addr *addr = &device->permanent[i].addr;

                if (policy_movable_is_at(policy, movable, device->name, addr)
                    && policy_movable_is_at(policy, other, device->name,
                                            addr)) {
                    return other;
                }
            }
        }
    }
    return NULL;
}

static bool
read_numbers(struct policy_parser *p, const struct yaml_item *item,
             struct policy_movable *m)
{
    const struct number {
        const char *key;
        unsigned int min, max;
        unsigned int *value;
    } numbers[] = {
        /* OpenFlow counts idle seconds in 16 bits. */
        { "idle", 1, 65535, &m->idle_s },
        { "half-open-idle", 1, 300, &m->half_open_s },
        { "sessions", 1, 1000000, &m->sessions },
        { "half-open", 1, 1000000, &m->half_open },
        { "per-source", 1, 1000000, &m->per_source },
        { "rate", 1, 1000000, &m->rate },
        { "ready", 8, 4096, &m->ready },
    };

    m->half_open_s = 10;
    m->sessions = 4096;
    m->half_open = 256;
    m->per_source = 256;
    m->rate = 200;
    m->ready = 32;
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        const struct number *n = &numbers[i];

        if (!yaml_reader_get_uint(p->reader, yaml_item_find(item, n->key),
                                  n->key, n->min, n->max, n->value)) {
            return false;
        }
    }
    return true;
}

bool
policy_parse_movable(struct policy_parser *p, const char *name,
                     const struct yaml_item *item)
{
    static const char *const keys[] = {
        "devices", "service",        "address",  "protocol",  "port",
        "idle",    "half-open-idle", "sessions", "half-open", "per-source",
        "rate",    "ready",          NULL
    };
    const char *const what = "a movable service";
    const struct yaml_item *service_item, *port_item;
    const struct policy_service *service;
    const struct policy_movable *other;
    struct yaml_reader *r = p->reader;
    struct policy_movable *movable;
    unsigned int port = 0;

    if (!yaml_reader_check_keys(r, item, what, keys)) {
        return false;
    }
    movable = xzalloc(sizeof *movable);
    movable->name = xstrdup(name);
    sset_init(&movable->devices);
    shash_add(&p->policy->movables, name, movable);

    service_item = yaml_reader_require(r, item, what, "service");
    port_item = yaml_reader_require(r, item, what, "port");
    if (!service_item || !port_item
        || !read_protocol(p, yaml_reader_require(r, item, what, "protocol"),
                          movable)
        || !read_devices(p, yaml_reader_require(r, item, what, "devices"),
                         movable)
        || !read_address(p, yaml_item_find(item, "address"), movable)
        || !yaml_reader_get_uint(r, port_item, "port", 1, 65535, &port)
        || !read_numbers(p, item, movable)) {
        return false;
    }
    service = policy_parse_reference(p, service_item, "service", "services",
                                     &p->policy->services);
    if (!service) {
        return false;
    }
    movable->service = xstrdup(service->name);
    movable->port = port;
    other = find_clash(p->policy, movable);
    if (other) {
        yaml_reader_fail(r, port_item,
                         "port %u is movable service %s's at one of these "
                         "addresses; expected one service there",
                         port, other->name);
        return false;
    }
    return true;
}
