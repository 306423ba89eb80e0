/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "device.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "jsonrpc.h"
#include "timeval.h"
#include "util.h"

void
devices_init(struct devices *devices)
{
    hmap_init(&devices->devices);
    devices->last_sa_id = 0;
    /* Not from the beginning again after a restart. */
    seal_random(&devices->last_sa_id, sizeof devices->last_sa_id);
    devices->last_sa_id >>= 12;
}

void
devices_destroy(struct devices *devices)
{
    struct device *device;

    HMAP_FOR_EACH_SAFE(device, node, &devices->devices) {
        device_remove(devices, device);
    }
    hmap_destroy(&devices->devices);
}

struct device *
device_find(const struct devices *devices, const char *name)
{
    struct device *device;

    HMAP_FOR_EACH_WITH_HASH(device, node, hash_string(name, 0),
                            &devices->devices) {
        if (!strcmp(device->name, name)) {
            return device;
        }
    }
    return NULL;
}

struct device *
device_find_connected(const struct devices *devices, const char *name)
{
    struct device *device = device_find(devices, name);

    return device && device->link ? device : NULL;
}

struct device *
device_find_sa(const struct devices *devices, uint64_t sa_id)
{
    struct device *device;

    if (sa_id) {
        HMAP_FOR_EACH(device, node, &devices->devices) {
            if (device->sa.id == sa_id || device->old_sa.id == sa_id) {
                return device;
            }
        }
    }
    return NULL;
}

struct device *
device_add(struct devices *devices, const char *name)
{
    struct device *device = xzalloc(sizeof *device);

    device->name = xstrdup(name);
    device->place.port = OFPP_NONE;
    ovs_list_init(&device->tunnels);
    token_bucket_init(&device->aborts, 1, DEVICE_ABORTS_MAX);
    token_bucket_init(&device->introductions, 0, 0);
    hmap_insert(&devices->devices, &device->node, hash_string(name, 0));
    return device;
}

static void
wipe_sa(struct device_sa *sa)
{
    seal_wipe(sa, sizeof *sa);
}

void
device_disconnected(struct device *device)
{
    device->link = NULL;
    free(device->certificate);
    device->certificate = NULL;
    free(device->endpoint);
    device->endpoint = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(device->lease_requests); i++) {
        jsonrpc_msg_destroy(device->lease_requests[i]);
        device->lease_requests[i] = NULL;
    }
    seal_wipe(device->nonce, sizeof device->nonce);
    wipe_sa(&device->sa);
    wipe_sa(&device->old_sa);
}

void
device_remove(struct devices *devices, struct device *device)
{
    device_disconnected(device);
    ovs_assert(ovs_list_is_empty(&device->tunnels));
    hmap_remove(&devices->devices, &device->node);
    free(device->name);
    free(device);
}

static void
new_sa(struct devices *devices, struct device *device,
       unsigned int sa_lifetime_s, long long int now)
{
    device->sa.id = ++devices->last_sa_id;
    seal_random(device->sa.key, sizeof device->sa.key);
    device->sa.expires = now + sa_lifetime_s * 1000LL;
}

void
device_connected(struct devices *devices, struct device *device,
                 struct link *link, const char *certificate,
                 const char *endpoint, unsigned int sa_lifetime_s,
                 long long int now)
{
    device_disconnected(device);
    device->link = link;
    device->certificate = xstrdup(certificate);
    device->endpoint = xstrdup(endpoint);
    seal_random(device->nonce, sizeof device->nonce);
    new_sa(devices, device, sa_lifetime_s, now);
    device->registered_at = time_wall_msec();
    device->n_registrations++;
}

void
device_renew_sa(struct devices *devices, struct device *device,
                unsigned int sa_lifetime_s, long long int now)
{
    wipe_sa(&device->old_sa);
    device->old_sa = device->sa;
    device->old_sa.expires = MIN(device->old_sa.expires,
                                 now + DEVICE_SA_GRACE * 1000LL);
    new_sa(devices, device, sa_lifetime_s, now);
}

const struct device_sa *
device_get_sa(const struct device *device, uint64_t id, long long int now)
{
    const struct device_sa *sa = device->sa.id == id       ? &device->sa
                                 : device->old_sa.id == id ? &device->old_sa
                                                           : NULL;

    return sa && id && now < sa->expires ? sa : NULL;
}

struct flow_place
device_flow_place(const struct device *device, const char *bridge)
{
    struct flow_place place;

    memset(&place, 0, sizeof place);
    place.port = OFPP_NONE;
    if (device && device->place.known
        && !strcmp(device->place.bridge, bridge)) {
        place.port = device->place.port;
        place.mac = device->place.mac;
        place.vlan_tci = device->place.vlan;
    }
    return place;
}
