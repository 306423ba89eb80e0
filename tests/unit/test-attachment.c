/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "controller-world.h"

#include <stdlib.h>
#include <string.h>

#include "attachment.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "transfer.h"
#include "unit.h"
#include "util.h"

/* Where a device is: proved both ways, once, within a second. */

static const char policy[] =
    "controller: {devices: [\"pssl:6654\"]}\n"
    "bridges:\n"
    "  br0: {datapath-id: \"0000000000000001\", subnets: [10.1.0.0/24]}\n"
    "pools:\n"
    "  p4: {bridge: br0, prefix: 10.1.0.128/25, block: 29}\n"
    "devices:\n"
    "  laptop: {}\n"
    "  tv: {}\n"
    "  pinned: {bridge: br0, port: p5}\n"
    "services:\n"
    "  play: {devices: [\"*\"], user: root}\n"
    "moves:\n"
    "  - {from: \"*\", to: \"*\", allow: true}\n";

static void
take_challenge(struct agent *agent, uint8_t nonce[16])
{
    world_bytes(world_expect(agent, "attach-challenge"), "nonce", nonce, 16);
}

static void
echo(struct agent *agent, const uint8_t frame[ATTACHMENT_FRAME_LEN])
{
    struct attachment_frame probe;
    char *s, *params;

    CU_ASSERT_TRUE(
        attachment_frame_parse(frame, ATTACHMENT_FRAME_LEN, &probe));
    s = world_base64(probe.nonce, sizeof probe.nonce);
    params = xasprintf("{'nonce': '%s'}", s);
    world_notify(agent, "attach-echo", params);
    free(params);
    free(s);
}

static void
test_attach(void)
{
    struct agent *laptop;
    const struct json *msg;

    world_begin(policy);
    laptop = world_new_agent("laptop", 1);
    world_register(laptop);
    CU_ASSERT_FALSE(laptop->device->place.known);
    world_attach(laptop);
    msg = world_expect(laptop, "attached");
    CU_ASSERT_STRING_EQUAL(world_string(msg, "bridge"), "br0");
    CU_ASSERT_STRING_EQUAL(world_string(msg, "mac"), "02:00:00:00:00:01");
    CU_ASSERT_TRUE(laptop->device->place.known);
    CU_ASSERT_EQUAL(laptop->device->place.port, laptop->port);

    /* Again every 30 s, and told only when it has changed. */
    world_advance(29999);
    world_expect_none(laptop, "attach-challenge");
    world_advance(1);
    world_attach(laptop);
    world_expect_none(laptop, "attached");
    world_end();
}

/* Each step has a second, and backoff follows. */
static void
test_timeouts(void)
{
    struct agent *laptop;
    uint8_t nonce[16];

    world_begin(policy);
    laptop = world_new_agent("laptop", 1);
    world_register(laptop);
    take_challenge(laptop, nonce);
    world_advance(999);
    world_expect_none(laptop, "attach-challenge");
    world_advance(1);
    world_answer_frame(laptop, nonce, laptop->port, true); /* Late. */
    CU_ASSERT_EQUAL(world_frame_port, OFPP_NONE);
    world_advance(99);
    world_expect_none(laptop, "attach-challenge");
    world_advance(1);
    take_challenge(laptop, nonce);

    world_answer_frame(laptop, nonce, laptop->port, true);
    CU_ASSERT_EQUAL(world_frame_port, laptop->port);
    world_advance(1000);
    echo(laptop, world_frame); /* Late. */
    CU_ASSERT_FALSE(laptop->device->place.known);
    world_advance(199);
    world_expect_none(laptop, "attach-challenge");
    world_advance(1);
    world_attach(laptop);
    CU_ASSERT_TRUE(laptop->device->place.known);
    world_end();
}

static void
test_forged(void)
{
    struct agent *laptop, *tv;
    uint8_t nonce[16], other[16] = { 0 };

    world_begin(policy);
    laptop = world_new_agent("laptop", 1);
    world_register(laptop);
    take_challenge(laptop, nonce);
    world_answer_frame(laptop, nonce, laptop->port, false); /* HMAC. */
    CU_ASSERT_EQUAL(world_frame_port, OFPP_NONE);
    world_answer_frame(laptop, other, laptop->port, true); /* Nonce. */
    CU_ASSERT_EQUAL(world_frame_port, OFPP_NONE);
    tv = world_new_agent("tv", 2);
    world_register(tv);
    world_answer_frame(tv, nonce, tv->port, true); /* Another's. */
    CU_ASSERT_EQUAL(world_frame_port, OFPP_NONE);
    world_answer_frame(laptop, nonce, u16_to_ofp(77), true); /* No port. */
    CU_ASSERT_EQUAL(world_frame_port, OFPP_NONE);

    world_answer_frame(laptop, nonce, laptop->port, true);
    CU_ASSERT_EQUAL(world_frame_port, laptop->port);
    world_answer_frame(laptop, nonce, u16_to_ofp(7), true); /* Twice. */
    CU_ASSERT_EQUAL(world_frame_port, OFPP_NONE);
    echo(tv, world_frame); /* Another's. */
    CU_ASSERT_FALSE(tv->device->place.known);
    CU_ASSERT_FALSE(laptop->device->place.known);
    echo(laptop, world_frame);
    CU_ASSERT_EQUAL(laptop->device->place.port, laptop->port);
    world_end();
}

/* The second device on a port is refused while the first proves its place. */
static void
test_one_port(void)
{
    struct agent *laptop, *tv;
    uint8_t nonce[16];

    world_begin(policy);
    laptop = world_connect("laptop", 1);
    tv = world_new_agent("tv", 1);
    world_register(tv);
    take_challenge(tv, nonce);
    world_answer_frame(tv, nonce, tv->port, true);
    CU_ASSERT_EQUAL(world_frame_port, OFPP_NONE);
    CU_ASSERT_FALSE(tv->device->place.known);

    /* The first is asked at once, and is still there. */
    world_advance(100);
    world_attach(laptop);
    take_challenge(tv, nonce);
    world_answer_frame(tv, nonce, tv->port, true);
    CU_ASSERT_EQUAL(world_frame_port, OFPP_NONE);

    /* It is not there any more: the second gets the port. */
    world_disconnect(laptop);
    world_advance(200);
    world_attach(tv);
    CU_ASSERT_TRUE(tv->device->place.known);
    CU_ASSERT_FALSE(device_find(&world->devices, "laptop")->place.known);
    world_end();
}

static void
test_pinned(void)
{
    struct agent *pinned;
    uint8_t nonce[16];

    world_begin(policy);
    pinned = world_new_agent("pinned", 4);
    world_register(pinned);
    take_challenge(pinned, nonce);
    world_answer_frame(pinned, nonce, pinned->port, true);
    CU_ASSERT_EQUAL(world_frame_port, OFPP_NONE);
    world_advance(100);
    pinned->port = u16_to_ofp(5);
    world_attach(pinned);
    CU_ASSERT_TRUE(pinned->device->place.known);
    world_end();
}

/* A device that goes elsewhere: but not while it is in a transfer. */
static void
test_moves(void)
{
    struct world_session film;
    struct world_transfer wt;
    struct agent *laptop, *tv;
    uint8_t nonce[16];

    world_begin(policy);
    laptop = world_connect("laptop", 1);
    tv = world_connect("tv", 2);
    world_open(laptop, &film);

    CU_ASSERT_TRUE_FATAL(world_introduce(&wt, laptop, tv, &film, 0));
    world_seal(&wt, ONWARD_ANY, UINT8_MAX);
    attachment_hurry(tv->device, world_now);
    world_advance(100);
    tv->port = u16_to_ofp(6);
    take_challenge(tv, nonce);
    world_answer_frame(tv, nonce, tv->port, true);
    CU_ASSERT_EQUAL(world_frame_port, OFPP_NONE); /* Waits a little. */
    world_advance(200);
    CU_ASSERT_EQUAL(world_frame_port, tv->port);
    world_prepare(&wt);
    world_flush(&wt, laptop->port);
    echo(tv, world_frame);
    CU_ASSERT_EQUAL(tv->device->place.port, u16_to_ofp(2));
    world_prove(&wt);
    world_claim(&wt, tv);
    world_ack();
    world_expect(tv, "owned");

    world_advance(1000);
    take_challenge(tv, nonce);
    world_answer_frame(tv, nonce, tv->port, true);
    world_advance(200);
    echo(tv, world_frame);
    CU_ASSERT_EQUAL(tv->device->place.port, tv->port);
    CU_ASSERT_EQUAL(world_guard.port, tv->port); /* And its flows. */
    CU_ASSERT_EQUAL(world_inbound.port, tv->port);
    world_expect(tv, "attached");
    world_end();
}

/* With an answer from the known place too, that one counts. */
static void
test_two_interfaces(void)
{
    struct agent *laptop;
    uint8_t nonce[16];

    world_begin(policy);
    laptop = world_connect("laptop", 1);
    world_advance(30000);
    take_challenge(laptop, nonce);
    world_answer_frame(laptop, nonce, u16_to_ofp(7), true);
    CU_ASSERT_EQUAL(world_frame_port, OFPP_NONE);
    world_answer_frame(laptop, nonce, laptop->port, true);
    CU_ASSERT_EQUAL(world_frame_port, laptop->port);
    echo(laptop, world_frame);
    CU_ASSERT_EQUAL(laptop->device->place.port, laptop->port);
    world_end();
}

static void
test_no_bridge(void)
{
    struct agent *laptop;

    world_begin(policy);
    world_synchronised = false;
    laptop = world_new_agent("laptop", 1);
    world_register(laptop);
    world_advance(60000);
    world_expect_none(laptop, "attach-challenge");
    /* It looks again, but does not spin. */
    CU_ASSERT(attachment_next_deadline(laptop->device) > world_now);
    world_synchronised = true;
    world_advance(100);
    world_attach(laptop);
    world_end();
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "attach", test_attach },
        { "timeouts", test_timeouts },
        { "forged", test_forged },
        { "one port", test_one_port },
        { "pinned", test_pinned },
        { "moves", test_moves },
        { "two interfaces", test_two_interfaces },
        { "no bridge", test_no_bridge },
    };

    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    return unit_run("attachment", tests, ARRAY_SIZE(tests));
}
