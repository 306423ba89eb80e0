/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "controller-world.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/json.h"
#include "packets.h"
#include "permanent.h"
#include "record.h"
#include "transfer.h"
#include "unit.h"
#include "util.h"
#include "uuid.h"

/* Devices' own addresses at the controller: who may move them, leases, and
 * what wakes a device. */

static const char policy[] =
    "controller: {devices: [\"pssl:6654\"]}\n"
    "bridges:\n"
    "  br0: {datapath-id: \"0000000000000001\", subnets: [10.1.0.0/24]}\n"
    "pools:\n"
    "  p4: {bridge: br0, prefix: 10.1.0.128/25, block: 29, lease: 600,"
    " rest: 10}\n"
    "devices:\n"
    "  laptop: {permanent: {addresses: [10.1.0.11], move: true, lease: 60}}\n"
    "  tv: {}\n"
    "  phone: {permanent: {addresses: [10.1.0.13]}}\n"
    "services:\n"
    "  play: {devices: [\"*\"], user: root}\n"
    "moves:\n"
    "  - {from: \"*\", to: \"*\", allow: true}\n";

#define LIFETIME 60000

static struct agent *laptop, *tv, *phone;
static struct world_session own;

static void
fill(struct world_session *session, const char *device, const char *address)
{
    ovs_be32 ip;

    CU_ASSERT_FATAL(ip_parse(address, &ip));
    in6_addr_set_mapped_ipv4(&session->address, ip);
    permanent_session(device, &session->address, &session->id);
    snprintf(session->id_text, sizeof session->id_text, UUID_FMT,
             UUID_ARGS(&session->id));
    ovs_strlcpy(session->address_text, address, sizeof session->address_text);
}

static void
begin(void)
{
    world_begin(policy);
    laptop = world_connect("laptop", 1);
    tv = world_connect("tv", 2);
    phone = world_connect("phone", 3);
    fill(&own, "laptop", "10.1.0.11");
}

static void
check_owner(const char *device, uint64_t epoch)
{
    struct record record;

    CU_ASSERT_FATAL(record_find(world->records, &own.id, &record) != NULL);
    CU_ASSERT_STRING_EQUAL(record.owner, device);
    CU_ASSERT_EQUAL(record.epoch, epoch);
}

static void
request(struct agent *agent, const char *method, uint64_t epoch)
{
    char *params = xasprintf("{'session': '%s', 'address': '%s',"
                             " 'epoch': %llu}",
                             own.id_text, own.address_text,
                             (unsigned long long int) epoch);

    if (!strcmp(method, "ended")) {
        world_notify(agent, method, params);
    } else {
        world_request(agent, method, params);
    }
    free(params);
}

static void
check_error(struct agent *agent, const char *code)
{
    CU_ASSERT_STRING_EQUAL(world_string(world_expect(agent, "error"), "code"),
                           code);
}

/* It was tv's at 'epoch', and is laptop's again: the guard is closed to tv
 * before laptop hears of it. */
static void
check_woken(uint64_t epoch)
{
    const struct json *msg;

    CU_ASSERT_EQUAL(world_guard.port, laptop->port);
    CU_ASSERT_EQUAL(world_inbound.port, laptop->port);
    check_owner("laptop", epoch + 1);
    world_expect_none(laptop, "wake");
    world_ack();
    msg = world_expect(laptop, "wake");
    CU_ASSERT_EQUAL(world_integer(msg, "epoch"), epoch + 1);
    CU_ASSERT_STRING_EQUAL(world_string(msg, "session"), own.id_text);
    msg = world_expect(tv, "epoch");
    CU_ASSERT_EQUAL(world_integer(msg, "epoch"), epoch + 1);
    CU_ASSERT_STRING_EQUAL(world_string(msg, "owner"), "laptop");
    world_expect_none(laptop, "owned");
    world_expect_none(tv, "released");
}

static void
test_named(void)
{
    struct world_transfer wt;
    struct world_session other;
    char *params;

    begin();
    /* Under another id there is no session on that address. */
    params = xasprintf("{'session': '11111111-2222-4333-8444-555555555555',"
                       " 'address': '10.1.0.11', 'epoch': 0, 'name': 'x',"
                       " 'service': '', 'state': 'owner'}");
    world_notify(laptop, "announce", params);
    world_expect(laptop, "epoch");
    free(params);
    CU_ASSERT_TRUE(permanent_matches(world, &own.id, &own.address));
    /* Nor is it another device's. */
    CU_ASSERT_FALSE(world_introduce(&wt, tv, laptop, &own, 0));
    check_error(tv, "not-owner");

    /* Policy says which move. */
    fill(&other, "phone", "10.1.0.13");
    CU_ASSERT_FALSE(world_introduce(&wt, phone, tv, &other, 0));
    check_error(phone, "policy");
    world_end();
}

/* The device must not saw off the branch on which it sits. */
static void
test_channel(void)
{
    struct world_transfer wt;

    begin();
    laptop = world_new_agent("laptop", 1);
    world_request(laptop, "register",
                  "{'version': 1, 'certificate': 'PEM',"
                  " 'endpoint': 'ssl:10.1.0.11:6655', 'highest': [],"
                  " 'sessions': []}");
    world_expect(laptop, "result");
    CU_ASSERT_FALSE(world_introduce(&wt, laptop, tv, &own, 0));
    check_error(laptop, "channel");
    world_end();
}

/* At the end of the lease and its margin, not before. */
static void
test_lease(void)
{
    begin();
    world_move(laptop, tv, &own, 0);
    world_advance(1000);
    request(tv, "renew", 1);
    CU_ASSERT_EQUAL(world_integer(world_expect(tv, "result"), "lifetime"), 60);
    world_advance(LIFETIME + PERMANENT_MARGIN(60) - 1);
    check_owner("tv", 1);
    /* Renewed at the last moment. */
    request(tv, "renew", 1);
    world_expect(tv, "result");
    world_advance(LIFETIME + PERMANENT_MARGIN(60) - 1);
    check_owner("tv", 1);
    world_advance(1);
    check_woken(1);

    request(tv, "renew", 1);
    check_error(tv, "not-owner");
    request(tv, "renew", 2);
    check_error(tv, "not-owner");
    world_advance(10 * LIFETIME);
    check_owner("laptop", 2);
    world_end();
}

/* Nobody else keeps it alive. */
static void
test_renew_refused(void)
{
    begin();
    request(laptop, "renew", 0);
    check_error(laptop, "not-owner");
    world_move(laptop, tv, &own, 0);
    request(phone, "renew", 1);
    check_error(phone, "not-owner");
    request(laptop, "renew", 1);
    check_error(laptop, "not-owner");
    request(tv, "renew", 0);
    check_error(tv, "not-owner");
    world_end();
}

/* The last session ends, or the target gives it up. */
static void
test_ended(void)
{
    begin();
    world_move(laptop, tv, &own, 0);
    request(phone, "ended", 1);
    check_owner("tv", 1);
    request(tv, "ended", 1);
    check_woken(1);
    /* At home it ends never. */
    request(laptop, "ended", 2);
    check_owner("laptop", 2);
    world_move(laptop, tv, &own, 2);
    world_end();
}

static void
test_wake(void)
{
    begin();
    request(laptop, "wake", 0);
    check_error(laptop, "not-owner"); /* It never left. */
    world_move(laptop, tv, &own, 0);
    request(phone, "wake", 1);
    check_error(phone, "not-owner");
    world_expect_none(tv, "recall");

    request(laptop, "wake", 1);
    CU_ASSERT_STRING_EQUAL(
        world_string(world_expect(laptop, "result"), "owner"), "tv");
    CU_ASSERT_STRING_EQUAL(world_string(world_expect(tv, "recall"), "target"),
                           "laptop");
    /* It comes. */
    world_move(tv, laptop, &own, 1);
    world_advance(2 * PERMANENT_RECALL);
    check_owner("laptop", 2);

    /* It does not. */
    world_move(laptop, tv, &own, 2);
    request(laptop, "wake", 3);
    world_expect(laptop, "result");
    world_expect(tv, "recall");
    world_advance(PERMANENT_RECALL - 1);
    check_owner("tv", 3);
    world_advance(1);
    check_woken(3);
    world_end();
}

/* Who may not pass it on may give it back when it is asked for. */
static void
test_onward(void)
{
    struct world_transfer wt;

    begin();
    CU_ASSERT_TRUE_FATAL(world_introduce(&wt, laptop, tv, &own, 0));
    world_seal(&wt, ONWARD_NONE, 0);
    world_prepare(&wt);
    world_expect(laptop, "result");
    world_flush(&wt, laptop->port);
    world_prove(&wt);
    world_claim(&wt, tv);
    world_ack();
    world_expect(tv, "owned");
    world_expect(laptop, "released");
    CU_ASSERT_FALSE(world_introduce(&wt, tv, laptop, &own, 1));
    check_error(tv, "onward");
    request(laptop, "wake", 1);
    world_expect(laptop, "result");
    world_expect(tv, "recall");
    CU_ASSERT_FALSE(world_introduce(&wt, tv, phone, &own, 1));
    check_error(tv, "onward");
    world_move(tv, laptop, &own, 1);
    world_end();
}

/* It was revoked while its device was away; the controller started anew. */
static void
test_missed(void)
{
    const struct json *msg;

    begin();
    world_move(laptop, tv, &own, 0);
    world_disconnect(laptop);
    request(tv, "ended", 1);
    world_ack();
    check_owner("laptop", 2);

    laptop = world_connect("laptop", 1);
    world_expect_none(laptop, "wake");
    world_synchronised = false;
    request(laptop, "wake", 2);
    world_expect(laptop, "result");
    world_expect_none(laptop, "wake");
    world_synchronised = true;
    request(laptop, "wake", 2);
    world_expect(laptop, "result");
    msg = world_expect(laptop, "wake");
    CU_ASSERT_EQUAL(world_integer(msg, "epoch"), 2);
    world_expect_none(tv, "recall");
    world_end();
}

/* An owner that is not connected is not waited for. */
static void
test_away(void)
{
    begin();
    world_move(laptop, tv, &own, 0);
    world_disconnect(tv);
    request(laptop, "wake", 1);
    world_expect(laptop, "result");
    world_advance(1);
    check_owner("laptop", 2);
    world_expect_none(laptop, "wake");
    world_ack();
    world_expect(laptop, "wake");
    world_end();
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "whose it is, and whether it moves", test_named },
        { "the channel", test_channel },
        { "a lease", test_lease },
        { "a lease that is another's", test_renew_refused },
        { "given up", test_ended },
        { "woken", test_wake },
        { "woken without the right to give back", test_onward },
        { "woken while its owner is away", test_away },
        { "woken later", test_missed },
    };

    return unit_run("permanent", tests, ARRAY_SIZE(tests));
}
