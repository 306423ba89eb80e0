/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "device.h"

#include <string.h>

#include "flow.h"
#include "unit.h"
#include "util.h"

static struct devices devices;

static void
test_registry(void)
{
    struct device *laptop;

    devices_init(&devices);
    laptop = device_add(&devices, "laptop");
    device_add(&devices, "tv");
    CU_ASSERT_PTR_EQUAL(device_find(&devices, "laptop"), laptop);
    CU_ASSERT_PTR_NULL(device_find(&devices, "phone"));
    device_remove(&devices, laptop);
    CU_ASSERT_PTR_NULL(device_find(&devices, "laptop"));
    devices_destroy(&devices);
}

/* A security association ends; a renewed one lives on for a minute. */
static void
test_sa(void)
{
    struct link *link = (struct link *) &devices; /* Never used. */
    struct device *device, *other;
    uint8_t key[SEAL_KEY_LEN], nonce[DEVICE_NONCE_LEN];
    uint64_t first, second;

    devices_init(&devices);
    device = device_add(&devices, "laptop");
    other = device_add(&devices, "tv");
    CU_ASSERT_PTR_NULL(device_find_sa(&devices, 0));
    CU_ASSERT_PTR_NULL(device_get_sa(device, 0, 0));

    device_connected(&devices, device, link, "PEM", "ssl:x", 100, 1000);
    device_connected(&devices, other, link, "PEM", "ssl:y", 100, 1000);
    first = device->sa.id;
    CU_ASSERT_NOT_EQUAL(first, other->sa.id);
    CU_ASSERT_PTR_EQUAL(device_find_sa(&devices, first), device);
    CU_ASSERT_PTR_NULL(device_get_sa(other, first, 1000));
    CU_ASSERT_PTR_NOT_NULL(device_get_sa(device, first, 100999));
    CU_ASSERT_PTR_NULL(device_get_sa(device, first, 101000));

    device_renew_sa(&devices, device, 100, 30000);
    second = device->sa.id;
    CU_ASSERT_NOT_EQUAL(first, second);
    CU_ASSERT_PTR_NOT_NULL(device_get_sa(device, first, 89999));
    CU_ASSERT_PTR_NULL(device_get_sa(device, first, 90000));
    CU_ASSERT_PTR_NOT_NULL(device_get_sa(device, second, 129999));

    /* Nothing of it outlives the connection. */
    memcpy(key, device->sa.key, sizeof key);
    memcpy(nonce, device->nonce, sizeof nonce);
    device_connected(&devices, device, link, "PEM", "ssl:x", 100, 40000);
    CU_ASSERT_PTR_NULL(device_get_sa(device, first, 40000));
    CU_ASSERT_PTR_NULL(device_get_sa(device, second, 40000));
    CU_ASSERT(memcmp(key, device->sa.key, sizeof key));
    CU_ASSERT(memcmp(nonce, device->nonce, sizeof nonce));
    device_disconnected(device);
    CU_ASSERT_EQUAL(device->sa.id, 0);
    CU_ASSERT_EQUAL(device->sa.key[0] | device->sa.key[31], 0);
    devices_destroy(&devices);
}

/* Its place stays when its connection goes. */
static void
test_place(void)
{
    struct device *device;
    struct flow_place place;

    devices_init(&devices);
    device = device_add(&devices, "laptop");
    CU_ASSERT_EQUAL(device_flow_place(NULL, "br0").port, OFPP_NONE);
    CU_ASSERT_EQUAL(device_flow_place(device, "br0").port, OFPP_NONE);
    device->place.known = true;
    device->place.port = u16_to_ofp(3);
    ovs_strlcpy(device->place.bridge, "br0", sizeof device->place.bridge);
    device_disconnected(device);
    place = device_flow_place(device, "br0");
    CU_ASSERT_EQUAL(place.port, u16_to_ofp(3));
    CU_ASSERT_EQUAL(place.vlan_tci, 0);
    CU_ASSERT_EQUAL(device_flow_place(device, "br1").port, OFPP_NONE);
    devices_destroy(&devices);
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "registry", test_registry },
        { "security associations", test_sa },
        { "place", test_place },
    };

    return unit_run("device", tests, ARRAY_SIZE(tests));
}
