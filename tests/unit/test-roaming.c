/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "controller-world.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/json.h"
#include "packets.h"
#include "record.h"
#include "transfer.h"
#include "unit.h"
#include "util.h"
#include "uuid.h"

/* Devices that prove to be in another place. */

static const char policy[] =
    "controller: {devices: [\"pssl:6654\"]}\n"
    "bridges:\n"
    "  br0: {datapath-id: \"0000000000000001\", subnets: [10.1.0.0/24]}\n"
    "pools:\n"
    "  p4: {bridge: br0, prefix: 10.1.0.128/25, block: 29, lease: 600,"
    " rest: 10}\n"
    "devices:\n"
    "  laptop: {}\n"
    "  tv: {}\n"
    "services:\n"
    "  play: {devices: [\"*\"], user: root}\n"
    "moves:\n"
    "  - {from: \"*\", to: \"*\", allow: true}\n";

static struct agent *laptop, *tv;
static struct world_session film;

static void
begin(void)
{
    world_begin(policy);
    laptop = world_connect("laptop", 1);
    tv = world_connect("tv", 2);
    world_open(laptop, &film);
}

static void
check_owner(const char *device, uint64_t epoch)
{
    struct record record;

    CU_ASSERT_FATAL(record_find(world->records, &film.id, &record) != NULL);
    CU_ASSERT_STRING_EQUAL(record.owner, device);
    CU_ASSERT_EQUAL(record.epoch, epoch);
}

/* The device is plugged into another port, says that its link is up, and
 * proves where it is. */
static void
roam(struct agent *agent, int port)
{
    world_clear(agent);
    agent->port = u16_to_ofp(port);
    world_notify(agent, "attach", "{}");
    world_advance(150);
    world_attach(agent);
}

static void
check_placed(struct agent *agent, uint64_t epoch)
{
    const struct json *msg = world_expect(agent, "placed");

    CU_ASSERT_STRING_EQUAL(world_string(msg, "session"), film.id_text);
    CU_ASSERT_EQUAL(world_integer(msg, "epoch"), epoch);
    CU_ASSERT_STRING_EQUAL(world_string(msg, "gateway"), "");
}

/* Its flows follow, and when the bridge has answered it is told; who owns what
 * is as it was. */
static void
test_moved(void)
{
    begin();
    world_move(laptop, tv, &film, 0);
    roam(tv, 7);
    CU_ASSERT_EQUAL(world_guard.port, 7);
    CU_ASSERT_EQUAL(world_inbound.port, 7);
    world_expect_none(tv, "placed");
    world_ack();
    check_placed(tv, 1);
    check_owner("tv", 1);
    world_move(tv, laptop, &film, 1);
    world_end();
}

/* A session that was opened here costs no flow but its block's. */
static void
test_opened(void)
{
    struct record record;

    begin();
    roam(laptop, 7);
    world_ack();
    world_expect_none(laptop, "placed");
    CU_ASSERT_PTR_NULL(record_find(world->records, &film.id, &record));
    world_move(laptop, tv, &film, 0);
    world_end();
}

/* Before the bridge has answered, it is elsewhere again: told once, of what is
 * so then. */
static void
test_twice(void)
{
    begin();
    world_move(laptop, tv, &film, 0);
    roam(tv, 7);
    roam(tv, 8);
    CU_ASSERT_EQUAL(world_guard.port, 8);
    CU_ASSERT_EQUAL(world_inbound.port, 8);
    world_expect_none(tv, "placed");
    world_ack();
    check_placed(tv, 1);
    world_expect_none(tv, "placed");
    world_end();
}

/* A transfer that is only introduced is withdrawn; one that has gone ends
 * first, and the place changes right after. */
static void
test_under_way(void)
{
    struct world_transfer wt;

    begin();
    CU_ASSERT_FATAL(world_introduce(&wt, laptop, tv, &film, 0));
    world_seal(&wt, ONWARD_ANY, UINT8_MAX);
    world_prepare(&wt);
    world_expect(laptop, "result");
    roam(tv, 7);
    world_expect_none(tv, "attached");
    CU_ASSERT_EQUAL(world_inbound.port, 2);
    world_prove(&wt);
    world_flush(&wt, laptop->port);
    world_claim(&wt, tv);
    world_ack();
    world_expect(tv, "owned");
    check_owner("tv", 1);
    CU_ASSERT_EQUAL(world_guard.port, 2);

    world_advance(150);
    world_attach(tv);
    CU_ASSERT_EQUAL(world_guard.port, 7);
    world_ack();
    check_placed(tv, 1);

    CU_ASSERT_FATAL(world_introduce(&wt, tv, laptop, &film, 1));
    roam(tv, 2);
    world_ack();
    world_expect(laptop, "unexpect");
    check_placed(tv, 1);
    check_owner("tv", 1);
    world_end();
}

/* An agent that was away asks by its announcement. */
static void
test_announced(void)
{
    char *params;

    begin();
    world_move(laptop, tv, &film, 0);
    world_clear(tv);
    params = xasprintf("{'session': '%s', 'address': '%s', 'epoch': 1,"
                       " 'name': 'film', 'service': 'play',"
                       " 'state': 'owner', 'visits': true}",
                       film.id_text, film.address_text);
    world_notify(tv, "announce", params);
    check_placed(tv, 1);
    free(params);
    world_end();
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "with a session that moved", test_moved },
        { "with one that it opened", test_opened },
        { "twice", test_twice },
        { "while a transfer is under way", test_under_way },
        { "while its agent is away", test_announced },
    };

    return unit_run("roaming", tests, ARRAY_SIZE(tests));
}
