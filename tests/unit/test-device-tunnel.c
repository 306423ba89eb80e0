/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "controller-world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge.h"
#include "device-tunnel.h"
#include "network.h"
#include "openvswitch/json.h"
#include "packets.h"
#include "policy.h"
#include "session-path.h"
#include "unit.h"
#include "util.h"
#include "uuid.h"

/* Tunnels to devices that are behind no bridge: who has one, and where. */

static const char policy[] =
    "controller: {devices: [\"pssl:6654\"]}\n"
    "bridges:\n"
    "  br0: {datapath-id: \"0000000000000001\", subnets: [10.1.0.0/24],\n"
    "        tunnel: {address: 10.1.0.3}}\n"
    "pools:\n"
    "  p4: {bridge: br0, prefix: 10.1.0.128/25, block: 29, lease: 600,"
    " rest: 10}\n"
    "devices:\n"
    "  laptop: {}\n"
    "  phone: {tunnel: {addresses: [10.8.0.0/24]}}\n"
    "  pad: {tunnel: {addresses: [10.8.0.0/24]}}\n"
    "moves: []\n";

#define TUNNEL_PORT u16_to_ofp(9)
#define FRAME_SIZE (ETH_HEADER_LEN + 1450)

static struct agent *phone, *pad;
static uint32_t key;
static const struct eth_addr mac = ETH_ADDR_C(02, 00, 00, 00, 00, 77);

static struct device *
device_of(const char *name)
{
    return device_find(&world->devices, name);
}

static void
begin(void)
{
    struct flow_layout *layout;

    world_begin(policy);
    network_configure(world->network, world->policy);
    layout = CONST_CAST(struct flow_layout *,
                        network_layout(world->network, "br0"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(layout);
    layout->tunnel_port = TUNNEL_PORT;
    phone = world_new_agent("phone", 4);
    pad = world_new_agent("pad", 5);
    world_register(phone);
    world_register(pad);
}

static void
want(struct agent *agent, const char *name)
{
    device_of(name)->attachment.misses = 1;
    device_tunnel_want(world, device_of(name), "br0");
    key = world_integer(world_expect(agent, "tunnel-open"), "key");
    CU_ASSERT_TRUE(key > 0 && key <= 0xffffff);
}

static void
ready(struct agent *agent, const char *name, const char *address)
{
    char *params = xasprintf("{'bridge': 'br0', 'key': %u, 'address': '%s',"
                             " 'mac': '02:00:00:00:00:77'}",
                             key, address);

    world_tunnel.n = 0;
    world_notify(agent, "tunnel-ready", params);
    free(params);
    device_tunnels_run(world, device_of(name));
}

/* Sends what 'agent' would answer to the probe that is out, with changes. */
struct answer {
    const char *from;
    uint32_t key;
    struct eth_addr mac;
    size_t size;
    enum attachment_kind kind;
};

static struct answer
right_answer(void)
{
    return (struct answer){ "10.8.0.2", key, mac, FRAME_SIZE,
                            ATTACHMENT_TUNNEL_ANSWER };
}

static void
answer(const struct agent *agent, struct answer a)
{
    static uint8_t bytes[FRAME_SIZE];
    struct attachment_frame probe, frame;
    struct bridge_packet packet;
    struct device *flushed;
    struct uuid transfer;

    memset(&probe, 0, sizeof probe);
    attachment_frame_parse(world_tunnel.data, ATTACHMENT_FRAME_LEN, &probe);
    memset(&frame, 0, sizeof frame);
    frame.kind = a.kind;
    frame.src = a.mac;
    frame.dst = a.mac;
    frame.sa_id = agent->sa_id;
    memcpy(frame.nonce, probe.nonce, sizeof frame.nonce);
    attachment_frame_compose(&frame, agent->sa_key, bytes);
    memset(&packet, 0, sizeof packet);
    packet.kind = BATON_FLOW_PROBE;
    packet.in_port = TUNNEL_PORT;
    packet.tun_key = a.key;
    ovs_be32 ip;
    CU_ASSERT_TRUE_FATAL(ip_parse(a.from, &ip));
    in6_addr_set_mapped_ipv4(&packet.tun_src, ip);
    packet.data = bytes;
    packet.size = a.size;
    CU_ASSERT_TRUE(device_tunnels_handle_packet(
        world, network_find(world->network, "br0"), &packet, &flushed,
        &transfer));
}

static bool
is_good(const char *name)
{
    return device_tunnel_is_good(device_of(name), "br0", world_now);
}

/* Who is behind a bridge, or not known not to be, has none. */
static void
test_serves(void)
{
    begin();
    CU_ASSERT_FALSE(
        device_tunnel_serves(world, device_of("phone"), "br0", NULL));
    device_of("phone")->attachment.misses = 1;
    CU_ASSERT_TRUE(
        device_tunnel_serves(world, device_of("phone"), "br0", NULL));
    device_of("laptop")->attachment.misses = 9;
    CU_ASSERT_FALSE(
        device_tunnel_serves(world, device_of("laptop"), "br0", NULL));
    world_end();
}

static void
test_proof(void)
{
    struct answer wrong;

    begin();
    want(phone, "phone");
    ready(phone, "phone", "10.8.0.2");
    CU_ASSERT_EQUAL(world_tunnel.n, FRAME_SIZE);
    CU_ASSERT_EQUAL(world_tunnel.key, key);
    CU_ASSERT_EQUAL(in6_addr_get_mapped_ipv4(&world_tunnel.peer),
                    htonl(0x0a080002));

    wrong = right_answer();
    wrong.from = "10.8.0.3";
    answer(phone, wrong);
    wrong = right_answer();
    wrong.key ^= 1;
    answer(phone, wrong);
    wrong = right_answer();
    wrong.mac.ea[5]++;
    answer(phone, wrong);
    wrong = right_answer();
    wrong.size--; /* The way takes less than it should. */
    answer(phone, wrong);
    wrong = right_answer();
    wrong.kind = ATTACHMENT_TUNNEL_PROBE; /* Turned round. */
    answer(phone, wrong);
    answer(pad, right_answer()); /* It is not the pad's to answer. */
    CU_ASSERT_FALSE(is_good("phone"));
    CU_ASSERT_PTR_NULL(session_path_tunnel(device_of("phone"), "br0"));

    answer(phone, right_answer());
    CU_ASSERT_TRUE(is_good("phone"));
    CU_ASSERT_PTR_NOT_NULL(session_path_tunnel(device_of("phone"), "br0"));
    CU_ASSERT_TRUE(device_of("phone")->tunnels_moved);

    /* Once: the nonce is used up. */
    world_now += DEVICE_TUNNEL_GOOD_MS;
    CU_ASSERT_FALSE(is_good("phone"));
    answer(phone, right_answer());
    CU_ASSERT_FALSE(is_good("phone"));
    device_tunnels_run(world, device_of("phone"));
    answer(phone, right_answer());
    CU_ASSERT_TRUE(is_good("phone"));
    world_end();
}

/* Nobody gets a tunnel where policy does not let him, or where another is. */
static void
test_claims(void)
{
    static const char *const wrong[] = { "10.9.0.2", "10.1.0.3", "fd00:8::2" };

    begin();
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        want(phone, "phone");
        ready(phone, "phone", wrong[i]);
        CU_ASSERT_EQUAL(world_tunnel.n, 0);
        world_expect(phone, "tunnel-close");
        CU_ASSERT_PTR_NULL(device_tunnel_find(device_of("phone"), "br0"));
    }
    want(phone, "phone");
    ready(phone, "phone", "10.8.0.2");
    answer(phone, right_answer());
    CU_ASSERT_TRUE(is_good("phone"));

    want(pad, "pad");
    ready(pad, "pad", "10.8.0.2");
    CU_ASSERT_EQUAL(world_tunnel.n, 0);
    world_expect(pad, "tunnel-close");
    want(pad, "pad");
    ready(pad, "pad", "10.8.0.3");
    CU_ASSERT_EQUAL(world_tunnel.n, FRAME_SIZE);
    world_end();
}

static void
test_messages(void)
{
    uint32_t former;
    char *params;

    begin();
    want(phone, "phone");
    former = key;
    params = xasprintf("{'bridge': 'br0', 'key': %u, 'error': 'exists'}", key);
    world_notify(phone, "tunnel-ready", params);
    free(params);
    device_tunnels_run(world, device_of("phone"));
    key = world_integer(world_expect(phone, "tunnel-open"), "key");
    CU_ASSERT_NOT_EQUAL(key, former);
    ready(phone, "phone", "10.8.0.2");
    answer(phone, right_answer());
    CU_ASSERT_TRUE(is_good("phone"));

    /* It is told again when it registers again. */
    world_clear(phone);
    world_register(phone);
    CU_ASSERT_EQUAL(world_integer(world_expect(phone, "tunnel-open"), "key"),
                    key);
    CU_ASSERT_TRUE(is_good("phone"));

    /* Nothing is there that needs it. */
    params = xasprintf("{'bridge': 'br0', 'key': %u}", key);
    world_notify(phone, "tunnel-idle", params);
    world_expect(phone, "tunnel-close");
    CU_ASSERT_PTR_NULL(device_tunnel_find(device_of("phone"), "br0"));
    world_notify(phone, "tunnel-idle", params);
    world_expect(phone, "tunnel-close");
    free(params);
    world_end();
}

/* What a former controller had proved: flows point there, it is proved again,
 * and where the device was attached before says nothing. */
static void
test_restored(void)
{
    struct device_tunnel *t;
    struct in6_addr address;

    begin();
    in6_addr_set_mapped_ipv4(&address, htonl(0x0a080002));
    key = 0x123456;
    device_tunnel_restore(device_of("phone"), "br0", key, &address, mac);
    t = device_tunnel_find(device_of("phone"), "br0");
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    CU_ASSERT_FALSE(is_good("phone"));
    CU_ASSERT_PTR_EQUAL(session_path_tunnel(device_of("phone"), "br0"), t);
    CU_ASSERT_EQUAL(device_tunnel_place(world, t).port, TUNNEL_PORT);

    device_of("phone")->place.known = true;
    ovs_strlcpy(device_of("phone")->place.bridge, "br0",
                sizeof device_of("phone")->place.bridge);
    device_of("phone")->place.port = u16_to_ofp(4);
    world_clear(phone);
    world_register(phone);
    CU_ASSERT_EQUAL(world_integer(world_expect(phone, "tunnel-open"), "key"),
                    key);
    device_tunnels_run(world, device_of("phone"));
    CU_ASSERT_FALSE(t->retired);
    ready(phone, "phone", "10.8.0.2");
    answer(phone, right_answer());
    CU_ASSERT_TRUE(is_good("phone"));
    CU_ASSERT_FALSE(device_of("phone")->tunnels_moved);
    world_end();
}

static const struct unit_test tests[] = {
    { "who may have one", test_serves },
    { "what proves it", test_proof },
    { "where it may be", test_claims },
    { "opened, kept, closed", test_messages },
    { "remembered", test_restored },
};

int
main(void)
{
    return unit_run("device-tunnel", tests, ARRAY_SIZE(tests));
}
