/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "name-devices.h"

#include <stdlib.h>

#include "dns-message.h"
#include "message.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "policy.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(name_devices);

static struct json *
services_of(const struct policy *policy, const char *device)
{
    struct json *array = json_array_create_empty();
    const struct shash_node *node;

    SHASH_FOR_EACH(node, &policy->movables) {
        const struct policy_movable *movable = node->data;

        if (policy_movable_runs_on(policy, movable, device)) {
            struct json *object = json_object_create();

            message_put_string(object, "name", movable->name);
            message_put_string(object, "service", movable->service);
            message_put_integer(object, "protocol", movable->protocol);
            message_put_integer(object, "port", movable->port);
            json_array_add(array, object);
        }
    }
    return array;
}

static struct json *
addresses_of(const struct policy *policy, const char *device)
{
    const struct policy_device *pd = shash_find_data(&policy->devices, device);
    struct json *array = json_array_create_empty();

    for (size_t i = 0; pd && i < pd->n_permanent; i++) {
        char text[INET6_ADDRSTRLEN];

        ipv6_string_mapped(text, &pd->permanent[i].addr);
        json_array_add(array, json_string_create(text));
    }
    return array;
}

struct json *
name_devices_of(const struct policy *policy, const char *device)
{
    const struct policy_names *names = policy->names;
    struct json *object, *services;
    char *zone;

    if (!names || !names->by_device) {
        return NULL;
    }
    zone = xasprintf("%s.%s", device, names->zone);
    services = services_of(policy, device);
    if (!json_array(services)->n || !dns_zone_is_valid(zone)) {
        if (json_array(services)->n) {
            VLOG_WARN("%s is no name of a zone: nobody is told of services "
                      "there",
                      zone);
        }
        json_destroy(services);
        free(zone);
        return NULL;
    }
    object = json_object_create();
    message_put_string(object, "zone", zone);
    message_put_integer(object, "port", names->port);
    message_put_integer(object, "ttl", names->ttl_s);
    message_put_integer(object, "unused", names->unused_s);
    message_put_integer(object, "per_source", names->per_source);
    message_put_integer(object, "rate", names->rate);
    json_object_put(object, "addresses", addresses_of(policy, device));
    json_object_put(object, "services", services);
    free(zone);
    return object;
}
