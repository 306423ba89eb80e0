/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "controller-world.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/json.h"
#include "record.h"
#include "transfer.h"
#include "unit.h"
#include "util.h"

/* Who may pass a session on, to whom, and what goes along. */

static const char policy[] =
    "controller: {devices: [\"pssl:6654\"]}\n"
    "bridges:\n"
    "  br0: {datapath-id: \"0000000000000001\", subnets: [10.1.0.0/24]}\n"
    "pools:\n"
    "  p4: {bridge: br0, prefix: 10.1.0.128/25, block: 29, lease: 600,"
    " rest: 10}\n"
    "devices:\n"
    "  laptop: {groups: [home]}\n"
    "  tv: {groups: [home, guests]}\n"
    "  phone: {groups: [guests]}\n"
    "  car: {groups: [home]}\n"
    "services:\n"
    "  play: {devices: [\"*\"], user: root}\n"
    "moves:\n"
    "  - {from: laptop, to: car, allow: true, onward: back}\n"
    "  - {from: car, to: tv, allow: true, onward: \"any:1\"}\n"
    "  - {from: \"*\", to: \"*\", allow: true}\n";

static struct agent *laptop, *tv, *phone, *car;
static struct world_session film;
static struct record view;

static void
begin(void)
{
    world_begin(policy);
    laptop = world_connect("laptop", 1);
    tv = world_connect("tv", 2);
    phone = world_connect("phone", 3);
    car = world_connect("car", 4);
    world_open(laptop, &film);
}

/* Asks to give 'asked' (or nothing) along.  Returns what is granted, or the
 * code of the refusal. */
static const char *
introduce(struct agent *from, struct agent *to, uint64_t epoch,
          const char *asked)
{
    static char result[64];
    const struct json *msg;
    char *params, *onward;

    onward = asked ? xasprintf(", 'onward': '%s'", asked) : xstrdup("");
    params = xasprintf("{'session': '%s', 'address': '%s', 'epoch': %llu,"
                       " 'name': 'film', 'service': 'play',"
                       " 'target': '%s'%s}",
                       film.id_text, film.address_text,
                       (unsigned long long int) epoch, to->name, onward);
    world_request(from, "introduce", params);
    free(params);
    free(onward);
    if (!strcmp(world_string(from->inbox[from->n_inbox - 1], "method"),
                "error")) {
        ovs_strlcpy(result, world_string(world_expect(from, "error"), "code"),
                    sizeof result);
        world_expect_none(to, "expect");
        return result;
    }
    msg = world_expect(from, "result");
    ovs_strlcpy(result, world_string(msg, "onward"), sizeof result);
    params = xasprintf("{'transfer': '%s', 'reason': 'a test'}",
                       world_string(msg, "transfer"));
    world_notify(from, "withdraw", params);
    free(params);
    world_expect(to, "expect");
    world_expect(to, "unexpect");
    world_expect(from, "unexpect");
    return result;
}

/* Moves it with a ticket that says so. */
static void
move(struct agent *from, struct agent *to, uint64_t epoch, enum onward onward,
     uint8_t depth, const char *told)
{
    struct world_transfer wt;

    CU_ASSERT_TRUE_FATAL(world_introduce(&wt, from, to, &film, epoch));
    world_seal(&wt, onward, depth);
    world_prepare(&wt);
    world_expect(from, "result");
    world_flush(&wt, from->port);
    world_prove(&wt);
    world_claim(&wt, to);
    world_ack();
    CU_ASSERT_STRING_EQUAL(world_string(world_expect(to, "owned"), "onward"),
                           told);
    world_expect(from, "released");
}

/* A ticket that says more than may be given. */
static void
check_refused(struct agent *from, struct agent *to, uint64_t epoch,
              enum onward onward, uint8_t depth)
{
    const struct record *before = record_find(world->records, &film.id, &view);
    enum onward right = before ? before->onward : ONWARD_ANY;
    struct world_transfer wt;

    CU_ASSERT_TRUE_FATAL(world_introduce(&wt, from, to, &film, epoch));
    world_seal(&wt, onward, depth);
    world_prepare(&wt);
    CU_ASSERT_STRING_EQUAL(world_string(world_expect(from, "error"), "code"),
                           "onward");
    world_expect(to, "unexpect");
    world_expect(from, "unexpect");
    before = record_find(world->records, &film.id, &view);
    if (before) {
        CU_ASSERT_EQUAL(before->onward, right);
        CU_ASSERT_EQUAL(before->epoch, epoch);
        CU_ASSERT_STRING_EQUAL(before->owner, from->name);
    }
}

/* What policy gives is the most, and what goes along unasked. */
static void
test_policy(void)
{
    begin();
    CU_ASSERT_STRING_EQUAL(introduce(laptop, tv, 0, NULL), "any");
    CU_ASSERT_STRING_EQUAL(introduce(laptop, tv, 0, "group:3"), "group:3");
    CU_ASSERT_STRING_EQUAL(introduce(laptop, car, 0, NULL), "back");
    CU_ASSERT_STRING_EQUAL(introduce(laptop, car, 0, "none"), "none");
    CU_ASSERT_STRING_EQUAL(introduce(laptop, car, 0, "group:1"), "onward");
    CU_ASSERT_STRING_EQUAL(introduce(laptop, car, 0, "all"), "onward");
    check_refused(laptop, car, 0, ONWARD_ANY, 1);
    check_refused(laptop, car, 0, ONWARD_GROUP, 255);
    move(laptop, car, 0, ONWARD_BACK, 255, "back");
    world_end();
}

static void
test_none(void)
{
    begin();
    move(laptop, tv, 0, ONWARD_NONE, 0, "none");
    CU_ASSERT_STRING_EQUAL(introduce(tv, phone, 1, NULL), "onward");
    CU_ASSERT_STRING_EQUAL(introduce(tv, laptop, 1, NULL), "onward");
    CU_ASSERT_STRING_EQUAL(introduce(tv, laptop, 1, "none"), "onward");
    world_end();
}

/* Back, and from there anew. */
static void
test_back(void)
{
    begin();
    move(laptop, tv, 0, ONWARD_BACK, 0, "back");
    CU_ASSERT_STRING_EQUAL(introduce(tv, phone, 1, "back"), "onward");
    CU_ASSERT_STRING_EQUAL(introduce(tv, laptop, 1, NULL), "any");
    move(tv, laptop, 1, ONWARD_NONE, 0, "none");
    move(laptop, phone, 2, ONWARD_ANY, 255, "any");
    move(phone, tv, 3, ONWARD_ANY, 255, "any");
    world_end();
}

/* The group is of where it began, not of who has it now. */
static void
test_group(void)
{
    begin();
    move(laptop, tv, 0, ONWARD_GROUP, 255, "group");
    CU_ASSERT_STRING_EQUAL(introduce(tv, phone, 1, NULL), "onward");
    CU_ASSERT_STRING_EQUAL(introduce(tv, car, 1, NULL), "group");
    CU_ASSERT_STRING_EQUAL(introduce(tv, car, 1, "any"), "onward");
    check_refused(tv, car, 1, ONWARD_ANY, 1);
    move(tv, car, 1, ONWARD_GROUP, 255, "group");
    /* The rule from car to tv gives less. */
    CU_ASSERT_STRING_EQUAL(introduce(car, tv, 2, NULL), "group:1");
    world_end();
}

static void
test_depth(void)
{
    begin();
    move(laptop, tv, 0, ONWARD_ANY, 2, "any:2");
    CU_ASSERT_STRING_EQUAL(introduce(tv, phone, 1, NULL), "any:1");
    check_refused(tv, phone, 1, ONWARD_ANY, 2);
    check_refused(tv, phone, 1, ONWARD_ANY, 255);
    move(tv, phone, 1, ONWARD_ANY, 1, "any:1");
    CU_ASSERT_STRING_EQUAL(introduce(phone, car, 2, NULL), "back");
    check_refused(phone, car, 2, ONWARD_ANY, 1);
    move(phone, car, 2, ONWARD_BACK, 0, "back");
    CU_ASSERT_STRING_EQUAL(introduce(car, tv, 3, NULL), "onward");
    /* The way back is always open, at any depth. */
    CU_ASSERT_STRING_EQUAL(introduce(car, laptop, 3, NULL), "any");
    move(car, laptop, 3, ONWARD_ANY, 255, "any");
    world_end();
}

/* What does not happen changes nobody's right. */
static void
test_aborted(void)
{
    const struct record *record;
    struct world_transfer wt;

    begin();
    move(laptop, tv, 0, ONWARD_ANY, 3, "any:3");
    CU_ASSERT_TRUE_FATAL(world_introduce(&wt, tv, phone, &film, 1));
    world_seal(&wt, ONWARD_BACK, 0);
    world_prepare(&wt);
    world_expect(tv, "result");
    world_advance(TRANSFER_GONE_MS);
    world_expect(tv, "aborted");
    record = record_find(world->records, &film.id, &view);
    CU_ASSERT_FATAL(record != NULL);
    CU_ASSERT_EQUAL(record->onward, ONWARD_ANY);
    CU_ASSERT_EQUAL(record->depth, 3);
    CU_ASSERT_EQUAL(record->epoch, 2);
    world_end();
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "what policy gives", test_policy },
        { "none", test_none },
        { "back", test_back },
        { "group", test_group },
        { "depth", test_depth },
        { "aborted", test_aborted },
    };

    return unit_run("transfer-checks", tests, ARRAY_SIZE(tests));
}
