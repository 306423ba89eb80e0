/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "method.h"

#include <stdlib.h>
#include <string.h>

#include "controller.h"
#include "device-tunnel.h"
#include "jsonrpc.h"
#include "lease.h"
#include "link.h"
#include "message.h"
#include "openvswitch/json.h"
#include "packets.h"
#include "policy.h"
#include "record.h"
#include "session-path.h"
#include "util.h"

/* "devices": where devices are, as a device and its people see it. */

static bool
may_move_something(const struct controller *c, const char *from,
                   const char *to)
{
    const struct shash_node *node;

    if (policy_may_move(c->policy, from, to, "", NULL)) {
        return true;
    }
    SHASH_FOR_EACH(node, &c->policy->services) {
        if (policy_may_move(c->policy, from, to, node->name, NULL)) {
            return true;
        }
    }
    return false;
}

/* The subnets of the bridge: the site, as people know it. */
static struct json *
site_of(const struct controller *c, const char *bridge)
{
    const struct policy_bridge *pb = shash_find_data(&c->policy->bridges,
                                                     bridge);
    struct json *array = json_array_create_empty();

    for (size_t i = 0; pb && i < pb->n_subnets; i++) {
        json_array_add(array, json_string_create_nocopy(
                                  policy_prefix_to_string(&pb->subnets[i])));
    }
    return array;
}

static void
put_place(const struct controller *c, const struct device *device,
          struct json *object)
{
    bool known = device && device->place.known;
    char *tunnel = device ? device_tunnels_describe(c, device) : xstrdup("");

    message_put_string(object, "bridge", known ? device->place.bridge : "");
    message_put_string(object, "port", known ? device->place.port_name : "");
    if (known) {
        message_put_eth(object, "mac", device->place.mac);
    } else {
        message_put_string(object, "mac", "");
    }
    json_object_put(object, "site",
                    site_of(c, known ? device->place.bridge : ""));
    message_put_string(object, "tunnel", tunnel);
    free(tunnel);
}

/* The way that a session takes whose home is where 'asker' is. */
static void
put_path(const struct controller *c, const struct device *asker,
         const char *name, struct json *object)
{
    char *path = (asker->place.known
                      ? session_path_describe(c, name, asker->place.bridge)
                      : xstrdup(""));

    message_put_string(object, "path", path);
    free(path);
}

/* The sessions that have moved to 'name', those of them that began on 'asker'
 * or are there. */
static struct json *
moved_to(const struct controller *c, const struct device *asker,
         const char *name)
{
    struct json *array = json_array_create_empty();
    struct record record = RECORD_WALK;

    while (record_next(c->records, &record)) {
        const char *home = leases_home_bridge(c->leases, &record.address);
        char address[INET6_ADDRSTRLEN];
        char *path;

        if (record.ended || strcmp(record.owner, name)
            || (strcmp(record.home, asker->name)
                && strcmp(record.owner, asker->name))) {
            continue;
        }
        path = session_path_describe(c, record.owner, home);
        json_array_add(
            array, json_string_create_nocopy(xasprintf(
                       "%s: %s", ipv6_string_mapped(address, &record.address),
                       path[0] ? path : "not known")));
        free(path);
    }
    return array;
}

static struct json *
show_device(const struct controller *c, const struct device *asker,
            const struct policy_device *pd)
{
    const struct device *device = device_find(&c->devices, pd->name);
    struct json *object = json_object_create();
    struct json *groups = json_array_create_empty();
    const char **names = sset_sort(&pd->groups);

    for (size_t i = 0; i < sset_count(&pd->groups); i++) {
        json_array_add(groups, json_string_create(names[i]));
    }
    free(names);
    message_put_string(object, "name", pd->name);
    message_put_boolean(object, "connected", device && device->link);
    put_place(c, device, object);
    put_path(c, asker, pd->name, object);
    json_object_put(object, "groups", groups);
    message_put_boolean(object, "can_move_to",
                        strcmp(pd->name, asker->name)
                            && may_move_something(c, asker->name, pd->name));
    json_object_put(object, "moved", moved_to(c, asker, pd->name));
    return object;
}

void
method_devices(struct controller *c, struct device *device,
               const struct jsonrpc_msg *msg, struct message *m)
{
    const struct shash_node **nodes;
    struct json *array, *result;

    if (!method_is_good(device, msg, m)) {
        return;
    }
    array = json_array_create_empty();
    nodes = shash_sort(&c->policy->devices);
    for (size_t i = 0; i < shash_count(&c->policy->devices); i++) {
        json_array_add(array, show_device(c, device, nodes[i]->data));
    }
    free(nodes);
    result = json_object_create();
    json_object_put(result, "devices", array);
    link_reply(device->link, msg, result);
}
