/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "controller-world.h"

#include <stdlib.h>
#include <string.h>

#include "bridge.h"
#include "guard.h"
#include "holder.h"
#include "lease.h"
#include "network.h"
#include "mediator.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "policy.h"
#include "record.h"
#include "transfer.h"
#include "unit.h"
#include "util.h"
#include "refresh.h"

/* What devices may ask, and what they get who ask for more. */

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
    "  phone: {groups: [guests]}\n"
    "services:\n"
    "  play: {devices: [\"*\"], user: root}\n"
    "moves:\n"
    "  - {from: \"@guests\", to: laptop, allow: false}\n"
    "  - {from: \"*\", to: \"*\", allow: true}\n"
    "limits: {introductions: 2, offers: 2, sessions: 4}\n"
    "associations: {lifetime: 100}\n";

static struct agent *laptop, *tv, *phone;
static struct world_session film;
static struct record view;

static void
begin(void)
{
    world_begin(policy);
    laptop = world_connect("laptop", 1);
    tv = world_connect("tv", 2);
    phone = world_connect("phone", 3);
    world_open(laptop, &film);
}

static void
check_error(struct agent *agent, const char *code)
{
    CU_ASSERT_STRING_EQUAL(world_string(world_expect(agent, "error"), "code"),
                           code);
}

static void
check_refused(struct agent *from, struct agent *to, uint64_t epoch,
              const char *code)
{
    struct world_transfer wt;

    CU_ASSERT_FALSE(world_introduce(&wt, from, to, &film, epoch));
    check_error(from, code);
    world_expect_none(to, "expect");
}

static void
go(struct world_transfer *wt, struct agent *from, struct agent *to,
   uint64_t epoch)
{
    CU_ASSERT_TRUE_FATAL(world_introduce(wt, from, to, &film, epoch));
    world_seal(wt, ONWARD_ANY, UINT8_MAX);
    world_prepare(wt);
    world_flush(wt, from->port);
    world_prove(wt);
    CU_ASSERT_STRING_EQUAL(
        world_string(world_expect(from, "result"), "transfer"), wt->id_text);
}

static void
check_owner(const char *owner, uint64_t epoch)
{
    const struct record *record = record_find(world->records, &film.id, &view);

    CU_ASSERT_PTR_NOT_NULL_FATAL(record);
    CU_ASSERT_STRING_EQUAL(record->owner, owner);
    CU_ASSERT_EQUAL(record->epoch, epoch);
}

static void
check_aborted(struct world_transfer *wt)
{
    CU_ASSERT_EQUAL(world_integer(world_expect(wt->from, "aborted"), "epoch"),
                    wt->epoch + 1);
    CU_ASSERT_EQUAL(world_integer(world_expect(wt->to, "aborted"), "epoch"),
                    wt->epoch + 1);
    CU_ASSERT_EQUAL(world_guard.port, wt->from->port);
    CU_ASSERT_EQUAL(world_inbound.port, wt->from->port);
    check_owner(wt->from->name, wt->epoch + 1);
}

static void
test_register(void)
{
    struct agent *stranger, *again;

    world_begin(policy);
    stranger = world_new_agent("stranger", 4);
    world_request(stranger, "register",
                  "{'version': 1, 'certificate': 'PEM', 'endpoint': 'ssl:x',"
                  " 'highest': [], 'sessions': []}");
    check_error(stranger, "unknown-device");
    laptop = world_new_agent("laptop", 1);
    world_request(laptop, "register",
                  "{'version': 2, 'certificate': 'PEM', 'endpoint': 'ssl:x',"
                  " 'highest': [], 'sessions': []}");
    check_error(laptop, "version");
    world_certificate_good = false;
    world_request(laptop, "register",
                  "{'version': 1, 'certificate': 'PEM', 'endpoint': 'ssl:x',"
                  " 'highest': [], 'sessions': []}");
    check_error(laptop, "name");
    world_certificate_good = true;

    /* Nothing else goes before registration. */
    world_request(laptop, "lease", "{'family': 4}");
    CU_ASSERT_TRUE(laptop->dropped);

    laptop = world_new_agent("laptop", 1);
    world_register(laptop);
    again = world_new_agent("laptop", 1);
    world_register(again);
    CU_ASSERT_TRUE(laptop->dropped);
    CU_ASSERT_FALSE(again->dropped);
    CU_ASSERT_NOT_EQUAL(again->sa_id, laptop->sa_id);
    CU_ASSERT(memcmp(again->sa_key, laptop->sa_key, sizeof again->sa_key));
    CU_ASSERT(memcmp(again->nonce, laptop->nonce, sizeof again->nonce));
    world_end();
}

/* Messages of the wrong form end the connection, and do nothing else. */
static void
test_malformed(void)
{
    static const struct {
        const char *method, *params;
    } messages[] = {
        { "announce", "{}" },
        { "announce", "{'session': 'x', 'address': '10.1.0.129', 'epoch': 0,"
                      " 'name': '', 'service': '', 'state': 'owner'}" },
        { "announce", "{'session': 1}" },
        { "ended", "{'session': '00000000-0000-0000-0000-000000000000',"
                   " 'address': '10.1.0.129', 'epoch': -1}" },
        { "attach-echo", "{'nonce': '!!!!'}" },
        { "attach-echo", "{'nonce': 'AAAA'}" },
        { "claim", "{'transfer': 'nonsense', 'proof': ''}" },
        { "relay", "{'transfer': '00000000-0000-0000-0000-000000000000'}" },
        { "timeline", "{'transfer': '00000000-0000-0000-0000-000000000000',"
                      " 'boot': '', 'role': '', 'steps': [['x']]}" },
        { "log", "{'transfer': '00000000-0000-0000-0000-000000000000',"
                 " 'counters': {'x': 'y'}}" },
        { "unheard-of", "{}" },
        { "lease", "{'family': 4}" }, /* A request, not this. */
    };

    world_begin(policy);
    for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
        laptop = world_new_agent("laptop", 1);
        world_register(laptop);
        world_notify(laptop, messages[i].method, messages[i].params);
        CU_ASSERT_TRUE(laptop->dropped);
    }
    world_end();
}

static void
test_move(void)
{
    struct world_transfer wt;
    const struct json *msg;

    begin();
    CU_ASSERT_TRUE_FATAL(world_introduce(&wt, laptop, tv, &film, 0));
    world_seal(&wt, ONWARD_ANY, UINT8_MAX);
    world_prepare(&wt);

    /* Inbound is on its way to G when go leaves; the guard is T's. */
    CU_ASSERT_EQUAL(world_guard.port, laptop->port);
    CU_ASSERT_EQUAL(world_inbound.port, tv->port);
    msg = laptop->inbox[laptop->n_inbox - 1];
    CU_ASSERT_STRING_EQUAL(world_string(msg, "method"), "result");
    CU_ASSERT(world_integer(msg, "clock") > world_last_flush_at);
    world_expect(laptop, "result");
    CU_ASSERT_PTR_NULL(record_find(world->records, &film.id, &view));

    /* The guard turns when G has claimed, and T's last packets passed. */
    world_prove(&wt);
    world_claim(&wt, tv);
    CU_ASSERT_EQUAL(world_guard.port, laptop->port);
    world_flush(&wt, phone->port); /* Not from where T is. */
    CU_ASSERT_EQUAL(world_guard.port, laptop->port);
    world_ask(&wt, tv, "target");
    world_expect(tv, "pending");
    world_flush(&wt, laptop->port);
    CU_ASSERT_EQUAL(world_guard.port, tv->port);
    CU_ASSERT_EQUAL(world_inbound.port, tv->port);
    check_owner("tv", 1);
    world_expect_none(tv, "owned");
    world_run();
    world_expect_none(tv, "owned"); /* Not before the barrier. */
    world_ask(&wt, tv, "target");
    world_expect(tv, "pending");
    world_ack();
    world_expect(tv, "owned");
    world_expect(laptop, "released");

    /* Back, and on, and back again. */
    world_move(tv, laptop, &film, 1);
    world_move(laptop, phone, &film, 2);
    world_move(phone, tv, &film, 3);
    world_move(tv, laptop, &film, 4);
    check_owner("laptop", 5);
    world_end();
}

static void
test_introduce_refused(void)
{
    struct world_session other, third;
    struct world_transfer wt;
    struct agent stranger = { .name = "stranger" };

    begin();
    check_refused(laptop, tv, 1, "not-owner");
    check_refused(tv, phone, 0, "not-owner");
    check_refused(laptop, laptop, 0, "policy");
    check_refused(laptop, &stranger, 0, "unknown-device");
    world_synchronised = false;
    check_refused(laptop, tv, 0, "not-attached");
    world_synchronised = true;

    CU_ASSERT_TRUE(world_introduce(&wt, laptop, tv, &film, 0));
    check_refused(laptop, phone, 0, "busy");
    world_open(laptop, &other);
    CU_ASSERT_TRUE(world_introduce(&wt, laptop, tv, &other, 0));
    world_open(laptop, &third);
    CU_ASSERT_FALSE(world_introduce(&wt, laptop, phone, &third, 0));
    check_error(laptop, "limit");

    world_disconnect(tv);
    CU_ASSERT_FALSE(world_introduce(&wt, laptop, tv, &third, 0));
    check_error(laptop, "not-connected");
    world_end();

    /* Policy: guests move nothing to the laptop. */
    begin();
    world_move(laptop, phone, &film, 0);
    check_refused(phone, laptop, 1, "policy");
    world_end();
}

static void
test_withdraw(void)
{
    struct world_transfer wt;
    char *params;

    begin();
    CU_ASSERT_TRUE(world_introduce(&wt, laptop, tv, &film, 0));
    params = xasprintf("{'transfer': '%s', 'reason': 'refused'}", wt.id_text);
    world_notify(tv, "withdraw", params); /* Not its to withdraw. */
    world_expect_none(tv, "unexpect");
    world_notify(laptop, "withdraw", params);
    CU_ASSERT_STRING_EQUAL(
        world_string(world_expect(tv, "unexpect"), "reason"), "refused");
    free(params);
    world_seal(&wt, ONWARD_ANY, UINT8_MAX);
    world_prepare(&wt);
    check_error(laptop, "unknown-transfer");
    CU_ASSERT_PTR_NULL(record_find(world->records, &film.id, &view));
    world_end();
}

/* A ticket: once, in time, for this transfer, with this device's key. */
static void
test_ticket(void)
{
    struct world_transfer wt, other;

    begin();
    go(&wt, laptop, tv, 0);
    world_prepare(&wt);
    check_error(laptop, "ticket");
    world_claim(&wt, tv);
    world_ack();
    world_expect(tv, "owned");
    world_prepare(&wt);
    check_error(laptop, "ticket");
    world_end();

    /* Late. */
    begin();
    CU_ASSERT_TRUE(world_introduce(&wt, laptop, tv, &film, 0));
    world_seal(&wt, ONWARD_ANY, UINT8_MAX);
    world_advance(TRANSFER_OFFER_MS);
    world_expect(tv, "unexpect");
    world_prepare(&wt);
    check_error(laptop, "unknown-transfer");
    world_end();

    /* Of another transfer; then the transfer is over. */
    begin();
    CU_ASSERT_TRUE(world_introduce(&other, laptop, phone, &film, 0));
    world_seal(&other, ONWARD_ANY, UINT8_MAX);
    world_disconnect(phone);
    CU_ASSERT_TRUE(world_introduce(&wt, laptop, tv, &film, 0));
    memcpy(wt.ticket, other.ticket, sizeof wt.ticket);
    wt.ticket_len = other.ticket_len;
    world_prepare(&wt);
    check_error(laptop, "ticket");
    world_expect(tv, "unexpect");
    world_end();

    /* By another device than the one that was introduced. */
    begin();
    CU_ASSERT_TRUE(world_introduce(&wt, laptop, tv, &film, 0));
    world_seal(&wt, ONWARD_ANY, UINT8_MAX);
    wt.from = phone;
    world_prepare(&wt);
    check_error(phone, "unknown-transfer");
    world_end();

    /* Under an SA that is over: the renewed one's grace is a minute. */
    begin();
    CU_ASSERT_TRUE(world_introduce(&wt, laptop, tv, &film, 0));
    world_seal(&wt, ONWARD_ANY, UINT8_MAX);
    device_renew_sa(&world->devices, laptop->device, 100, world_now);
    world_advance(10 * 1000);
    world_prepare(&wt);
    world_expect(laptop, "result");
    world_advance(TRANSFER_GONE_MS);
    check_aborted(&wt);
    device_renew_sa(&world->devices, laptop->device, 100, world_now);
    CU_ASSERT_TRUE(world_introduce(&wt, laptop, tv, &film, 1));
    world_seal(&wt, ONWARD_ANY, UINT8_MAX); /* The SA before the last. */
    world_prepare(&wt);
    check_error(laptop, "ticket");
    world_end();
}

static void
test_prepare_refused(void)
{
    struct world_transfer wt;

    begin();
    CU_ASSERT_TRUE(world_introduce(&wt, laptop, tv, &film, 0));
    world_seal(&wt, ONWARD_ANY, UINT8_MAX);
    world_synchronised = false;
    world_prepare(&wt);
    check_error(laptop, "bridge");
    world_expect(tv, "unexpect");
    world_synchronised = true;

    CU_ASSERT_TRUE(world_introduce(&wt, laptop, tv, &film, 0));
    world_seal(&wt, ONWARD_ANY, UINT8_MAX);
    tv->device->place.known = false;
    world_prepare(&wt);
    check_error(laptop, "target-away");
    world_end();
}

/* A claim: right proof, right connection, right device, in time, once. */
static void
test_claim(void)
{
    struct world_transfer wt;
    struct agent *again;

    begin();
    go(&wt, laptop, tv, 0);
    wt.proof[0] ^= 1;
    world_claim(&wt, tv);
    wt.proof[0] ^= 1;
    world_claim(&wt, phone);
    world_claim(&wt, laptop);
    CU_ASSERT_PTR_NULL(record_find(world->records, &film.id, &view));
    world_advance(TRANSFER_GONE_MS - 1);
    CU_ASSERT_PTR_NULL(record_find(world->records, &film.id, &view));
    world_advance(1);
    check_aborted(&wt);
    world_claim(&wt, tv); /* Too late. */
    check_owner("laptop", 1);
    world_end();

    /* A proof is bound to the connection: with another one it is over. */
    begin();
    go(&wt, laptop, tv, 0);
    again = world_connect("tv", 2);
    world_expect(laptop, "aborted");
    world_claim(&wt, again);
    wt.to = again;
    world_prove(&wt);
    world_claim(&wt, again);
    check_owner("laptop", 1);
    world_end();

    /* Before go. */
    begin();
    CU_ASSERT_TRUE(world_introduce(&wt, laptop, tv, &film, 0));
    world_seal(&wt, ONWARD_ANY, UINT8_MAX);
    world_prove(&wt);
    world_claim(&wt, tv);
    CU_ASSERT_PTR_NULL(record_find(world->records, &film.id, &view));
    world_end();
}

/* Without T's flush the commit waits 100 ms, and no longer. */
static void
test_flush_lost(void)
{
    struct world_transfer wt;

    begin();
    CU_ASSERT_TRUE_FATAL(world_introduce(&wt, laptop, tv, &film, 0));
    world_seal(&wt, ONWARD_ANY, UINT8_MAX);
    world_prepare(&wt);
    world_prove(&wt);
    world_claim(&wt, tv);
    world_advance(TRANSFER_FLUSH_MS - 1);
    CU_ASSERT_PTR_NULL(record_find(world->records, &film.id, &view));
    world_advance(1);
    check_owner("tv", 1);
    world_end();
}

static void
test_bridge_lost(void)
{
    struct world_transfer wt;
    struct network_event event = { NETWORK_LOST, "br0" };

    begin();
    go(&wt, laptop, tv, 0);
    mediator_bridge_event(world, &event);
    check_aborted(&wt);
    world_end();
}

static void
test_write_lost(void)
{
    struct world_transfer wt;

    begin();
    go(&wt, laptop, tv, 0);
    record_store_lose(world->records, 2, false);
    world_claim(&wt, tv);
    world_ack();
    world_expect_none(laptop, "released");
    world_ask(&wt, laptop, "transferring");
    world_expect(laptop, "pending");
    world_advance(TRANSFER_RETRY_MS);
    world_expect_none(laptop, "released");
    world_advance(TRANSFER_RETRY_MS);
    world_expect(laptop, "released");
    world_expect(tv, "owned");
    check_owner("tv", 1);
    world_end();
}

/* Asked: by the rule. */
static void
test_ask(void)
{
    struct world_transfer wt, unknown;

    begin();
    go(&wt, laptop, tv, 0);
    world_ask(&wt, laptop, "transferring");
    world_expect(laptop, "pending");
    world_claim(&wt, tv);
    world_ack();
    world_expect(laptop, "released");
    world_expect(tv, "owned");
    world_ask(&wt, laptop, "transferring");
    world_expect(laptop, "released");
    world_ask(&wt, tv, "target");
    world_expect(tv, "owned");

    /* Of another transfer begun at the same epoch, G does not own by it. */
    unknown = wt;
    uuid_generate(&unknown.id);
    snprintf(unknown.id_text, sizeof unknown.id_text, UUID_FMT,
             UUID_ARGS(&unknown.id));
    world_ask(&unknown, tv, "target");
    world_expect(tv, "aborted");
    world_ask(&unknown, phone, "target");
    world_expect(phone, "aborted");

    /* Unknown and undecided: aborted, at the owner's question only. */
    unknown.epoch = 1;
    world_ask(&unknown, laptop, "transferring");
    world_expect_none(laptop, "released");
    check_owner("tv", 1);
    world_ask(&unknown, tv, "transferring");
    CU_ASSERT_EQUAL(world_integer(world_expect(tv, "aborted"), "epoch"), 2);
    check_owner("tv", 2);

    /* The same of a session that no record knows. */
    world_open(laptop, &film);
    unknown.epoch = 0;
    unknown.session = &film;
    uuid_generate(&unknown.id);
    world_ask(&unknown, laptop, "transferring");
    CU_ASSERT_EQUAL(world_integer(world_expect(laptop, "aborted"), "epoch"),
                    1);
    check_owner("laptop", 1);
    world_end();
}

/* A question makes no record of a session that its owner does not have: the
 * address would be that one's, and the owner's own session nobody's. */
static void
test_ask_invented(void)
{
    struct world_transfer wt = { .session = &film };
    struct world_session other;
    size_t n;

    begin();
    uuid_generate(&wt.id);
    snprintf(wt.id_text, sizeof wt.id_text, UUID_FMT, UUID_ARGS(&wt.id));
    other = film;
    uuid_generate(&other.id);
    snprintf(other.id_text, sizeof other.id_text, UUID_FMT,
             UUID_ARGS(&other.id));
    wt.session = &other;
    world_ask(&wt, tv, "target");
    world_expect(tv, "pending");
    world_ask(&wt, laptop, "transferring");
    world_expect(laptop, "pending");
    CU_ASSERT_EQUAL(record_count(world->records), 0);
    world_move(laptop, tv, &film, 0);

    /* Nor of one beside it, when there is a record. */
    world_ask(&wt, laptop, "transferring");
    world_expect(laptop, "pending");
    n = record_count(world->records);
    CU_ASSERT_EQUAL(n, 1);

    /* When the owner has shown all that it has, a target need not wait. */
    world_clear(tv);
    world_advance(120000);
    world_ask(&wt, tv, "target");
    CU_ASSERT_EQUAL(world_integer(world_expect(tv, "aborted"), "epoch"), 1);
    CU_ASSERT_EQUAL(record_count(world->records), n);
    check_owner("tv", 1);
    world_end();
}

/* A device that asks and asks does not keep the database busy. */
static void
test_ask_often(void)
{
    struct world_transfer wt;
    uint64_t epoch;

    begin();
    world_move(laptop, tv, &film, 0);
    memset(&wt, 0, sizeof wt);
    wt.session = &film;
    for (int i = 0; i < 1000; i++) {
        wt.epoch = record_find(world->records, &film.id, &view)->epoch;
        uuid_generate(&wt.id);
        snprintf(wt.id_text, sizeof wt.id_text, UUID_FMT, UUID_ARGS(&wt.id));
        world_ask(&wt, tv, "transferring");
        world_ack();
        world_clear(tv);
        world_clear(phone);
        world_clear(laptop);
    }
    epoch = record_find(world->records, &film.id, &view)->epoch;
    CU_ASSERT(epoch > 100 && epoch < 300);
    world_end();
}

static void
test_onward(void)
{
    struct world_transfer wt;

    begin();
    CU_ASSERT_TRUE(world_introduce(&wt, laptop, tv, &film, 0));
    world_seal(&wt, ONWARD_BACK, UINT8_MAX);
    world_prepare(&wt);
    world_expect(laptop, "result");
    world_flush(&wt, laptop->port);
    world_prove(&wt);
    world_claim(&wt, tv);
    world_ack();
    world_expect(tv, "owned");
    check_refused(tv, phone, 1, "onward");
    world_move(tv, laptop, &film, 1);

    CU_ASSERT_TRUE(world_introduce(&wt, laptop, tv, &film, 2));
    world_seal(&wt, ONWARD_NONE, 0);
    world_prepare(&wt);
    world_expect(laptop, "result");
    world_flush(&wt, laptop->port);
    world_prove(&wt);
    world_claim(&wt, tv);
    world_ack();
    world_expect(tv, "owned");
    check_refused(tv, phone, 3, "onward");
    check_refused(tv, laptop, 3, "onward");
    world_end();
}

static char *
left_params(const struct uuid *transfer)
{
    return xasprintf("{'transfer': '" UUID_FMT "', 'address': '%s'}",
                     UUID_ARGS(transfer), film.address_text);
}

static void
leave(struct agent *agent, const struct uuid *transfer)
{
    char *params = left_params(transfer);

    world_notify(agent, "left", params);
    free(params);
}

static void
end_film(struct agent *owner, int epoch)
{
    char *params = xasprintf("{'session': '%s', 'address': '%s', 'epoch': %d}",
                             film.id_text, film.address_text, epoch);

    world_notify(owner, "ended", params);
    free(params);
}

/* The rest of ten seconds begins now. */
static void
check_rests(void)
{
    world_advance(9999);
    world_expect_none(laptop, "address-free");
    world_advance(1);
    CU_ASSERT_STRING_EQUAL(
        world_string(world_expect(laptop, "address-free"), "address"),
        film.address_text);
}

/* An address is released, rests, and is free again. */
static void
test_ended(void)
{
    const struct json *msg;

    begin();
    world_move(laptop, tv, &film, 0);
    world_request(laptop, "lease", "{'family': 4}");
    msg = shash_find_data(json_object(world_expect(laptop, "result")),
                          "in_use");
    CU_ASSERT_EQUAL(json_array(msg)->n, 1);

    end_film(laptop, 1); /* Not its any more. */
    CU_ASSERT_STRING_EQUAL(
        world_string(world_expect(laptop, "epoch"), "owner"), "tv");
    leave(laptop, &transfers_previous(world->transfers, NULL)->id);
    end_film(tv, 1);
    CU_ASSERT_PTR_NULL(
        record_find_address(world->records, &film.address, &view));
    CU_ASSERT_EQUAL(world_guard.port, OFPP_NONE);
    check_rests();
    world_end();
}

/* The rest begins when the last host has let go of the address (I6). */
static void
test_left(void)
{
    struct world_transfer wt;
    struct uuid first;

    begin();
    world_move(laptop, tv, &film, 0);
    first = transfers_previous(world->transfers, NULL)->id;
    /* To phone, which refuses, and lets go later. */
    CU_ASSERT_TRUE_FATAL(world_introduce(&wt, tv, phone, &film, 1));
    end_film(tv, 1);
    CU_ASSERT_PTR_NULL(
        record_find_address(world->records, &film.address, &view));
    world_advance(60000);
    world_expect_none(laptop, "address-free");
    leave(phone, &first); /* Was not in that one. */
    leave(phone, &wt.id);
    world_advance(60000);
    world_expect_none(laptop, "address-free");
    leave(laptop, &wt.id);
    world_advance(60000);
    world_expect_none(laptop, "address-free");
    leave(laptop, &first);
    world_run();
    check_rests();
    world_end();
}

/* What a device had of the address when it registered again, it has cleared
 * up after two minutes. */
static void
test_left_by_registration(void)
{
    begin();
    world_move(laptop, tv, &film, 0);
    world_disconnect(laptop);
    end_film(tv, 1);
    world_advance(600000);
    laptop = world_connect("laptop", 1);
    world_advance(119999);
    CU_ASSERT_TRUE(holders_any(world->holders, &film.address));
    world_advance(1);
    CU_ASSERT_FALSE(holders_any(world->holders, &film.address));
    world_end();
}

/* Sessions whose owner never speaks of them again are over. */
static void
test_reclaim(void)
{
    struct agent *again;

    begin();
    world_move(laptop, tv, &film, 0);
    again = world_connect("tv", 2);
    CU_ASSERT_FALSE(again->dropped);
    world_advance(119999);
    CU_ASSERT_FALSE(record_find(world->records, &film.id, &view)->ended);
    world_advance(1);
    CU_ASSERT_TRUE(record_find(world->records, &film.id, &view)->ended);
    world_end();
}

/* The flows of sessions follow policy: of an address that is in no pool any
 * more, and of a device that is none any more, there are none. */
static void
test_policy(void)
{
    static const char other_pool[] =
        "controller: {devices: [\"pssl:6654\"]}\n"
        "bridges:\n"
        "  br0: {datapath-id: \"0000000000000001\", subnets: [10.1.0.0/24]}\n"
        "pools:\n"
        "  p4: {bridge: br0, prefix: 10.1.0.64/26}\n"
        "devices: {laptop: {}, tv: {}, phone: {}}\n";
    struct policy *old;
    char *error = NULL;

    begin();
    world_move(laptop, tv, &film, 0);
    CU_ASSERT_EQUAL(world_guard.port, tv->port);
    old = world->policy;
    world->policy = policy_load_text("other", other_pool,
                                     sizeof other_pool - 1, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(world->policy);
    leases_configure(world->leases, world->policy, world_now);
    refresh_bridge(world, "br0");
    CU_ASSERT_EQUAL(world_guard.port, OFPP_NONE);
    CU_ASSERT_EQUAL(world_inbound.port, OFPP_NONE);

    policy_destroy(world->policy);
    world->policy = old;
    leases_configure(world->leases, world->policy, world_now);
    world_disconnect(tv);
    refresh_bridge(world, "br0");
    CU_ASSERT_EQUAL(world_guard.port, tv->port);
    device_remove(&world->devices, device_find(&world->devices, "tv"));
    refresh_device_gone(world, "tv");
    CU_ASSERT_EQUAL(world_guard.port, OFPP_NONE);
    CU_ASSERT_EQUAL(world_inbound.port, OFPP_NONE);
    world_end();
}

static void
relay(struct agent *from, const char *transfer, const char *to)
{
    char *params = xasprintf("{'transfer': '%s', 'session': '" UUID_FMT
                             "', 'to': '%s', 'frame': 'AAAA'}",
                             transfer, UUID_ARGS(&film.id), to);

    world_notify(from, "relay", params);
    free(params);
}

/* A target that has given up asks until it knows that nothing is expected of
 * it any more. */
static void
test_declines_again(void)
{
    struct world_transfer wt;
    char *params;

    begin();
    go(&wt, laptop, tv, 0);
    params = xasprintf("{'transfer': '%s', 'reason': 'no'}", wt.id_text);
    world_notify(tv, "decline", params);
    check_aborted(&wt);
    world_clear(tv);
    world_notify(tv, "decline", params);
    CU_ASSERT_STRING_EQUAL(
        world_string(world_expect(tv, "unexpect"), "transfer"), wt.id_text);
    free(params);
    world_notify(tv, "decline",
                 "{'transfer': '00000001-0000-0002-0000-000300000004',"
                 " 'reason': 'of a transfer before the restart'}");
    world_expect(tv, "unexpect");
    world_end();
}

/* Of a transfer from before the controller was started again. */
static void
test_relay_unknown(void)
{
    static const char transfer[] = "00000001-0000-0002-0000-000300000004";
    const struct json *params;

    begin();
    relay(tv, transfer, "laptop");
    params = world_expect(laptop, "relay");
    CU_ASSERT_STRING_EQUAL(world_string(params, "transfer"), transfer);
    CU_ASSERT_STRING_EQUAL(world_string(params, "from"), "tv");
    relay(tv, transfer, "fridge");
    world_disconnect(laptop);
    relay(tv, transfer, "laptop");
    world_expect_none(phone, "relay");
    world_end();
}

static void
test_relay(void)
{
    struct world_transfer wt;
    const struct json *params;

    begin();
    go(&wt, laptop, tv, 0);
    relay(laptop, wt.id_text, "tv");
    params = world_expect(tv, "relay");
    CU_ASSERT_STRING_EQUAL(world_string(params, "frame"), "AAAA");
    CU_ASSERT_STRING_EQUAL(world_string(params, "from"), "laptop");
    relay(tv, wt.id_text, "laptop");
    world_expect(laptop, "relay");
    relay(tv, wt.id_text, "phone"); /* Who the other is, we know. */
    world_expect(laptop, "relay");
    world_expect_none(phone, "relay");
    relay(phone, wt.id_text, "laptop");
    world_expect_none(laptop, "relay");
    world_expect_none(tv, "relay");
    world_end();
}

/* A packet that the guard refused: passed on only from the owner's place. */
/* Of what a device tells about a transfer no more is kept than is shown. */
static void
test_timeline(void)
{
    struct world_transfer wt;
    const struct json *kept;
    struct transfer *t;
    char *params;

    begin();
    go(&wt, laptop, tv, 0);
    t = transfers_find(world->transfers, &wt.id);
    params = xasprintf("{'transfer': '%s', 'boot': 'b', 'role': 'giving',"
                       " 'steps': [['captured', 5]], 'more': [1, 2, 3]}",
                       wt.id_text);
    world_notify(laptop, "timeline", params);
    free(params);
    kept = t->device_steps[TRANSFER_SIDE_T];
    CU_ASSERT_PTR_NOT_NULL_FATAL(kept);
    CU_ASSERT_EQUAL(shash_count(json_object(kept)), 4);
    CU_ASSERT_STRING_EQUAL(world_string(kept, "boot"), "b");

    params = xasprintf("{'transfer': '%s', 'counters': {'%064d': 1}}",
                       wt.id_text, 0);
    world_notify(laptop, "log", params);
    free(params);
    CU_ASSERT_TRUE(laptop->dropped);
    CU_ASSERT_PTR_NULL(t->counters[TRANSFER_SIDE_T]);
    world_end();
}

static void
test_guard_violation(void)
{
    uint8_t frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    struct bridge_packet packet = { .kind = BATON_FLOW_GUARD_VIOLATION,
                                    .data = frame,
                                    .size = sizeof frame };
    struct world_transfer wt;
    ovs_be32 src;

    begin();
    frame[12] = 0x08;
    frame[14] = 0x45;
    frame[17] = 46;
    frame[22] = 64;
    frame[23] = 17;
    src = in6_addr_get_mapped_ipv4(&film.address);
    memcpy(&frame[26], &src, sizeof src);

    go(&wt, laptop, tv, 0);
    memcpy(&frame[6], &tv->mac, 6);
    packet.in_port = tv->port;
    guard_handle_packet(world, network_find(NULL, "br0"), &packet);
    CU_ASSERT_EQUAL(world_n_sent_through, 0);
    world_claim(&wt, tv);
    guard_handle_packet(world, network_find(NULL, "br0"), &packet);
    CU_ASSERT_EQUAL(world_n_sent_through, 1);
    memcpy(&frame[6], &laptop->mac, 6); /* Another MAC address. */
    guard_handle_packet(world, network_find(NULL, "br0"), &packet);
    CU_ASSERT_EQUAL(world->n_violations, 2);

    /* The former owner's: what was on its way, for a moment. */
    packet.in_port = laptop->port;
    guard_handle_packet(world, network_find(NULL, "br0"), &packet);
    CU_ASSERT_EQUAL(world_n_sent_past_guard, 1);
    world_ack(); /* Until then the guard has not turned. */
    world_advance(TRANSFER_LATE_MS);
    guard_handle_packet(world, network_find(NULL, "br0"), &packet);
    CU_ASSERT_EQUAL(world_n_sent_past_guard, 1);
    CU_ASSERT_EQUAL(world_n_sent_through, 1);
    CU_ASSERT_EQUAL(world->n_violations, 3);
    packet.size = 14; /* Cut short. */
    guard_handle_packet(world, network_find(NULL, "br0"), &packet);
    world_end();
}

/* A device that comes back to a block which is another's by now discards what
 * it has there: it is told a higher epoch. */
static void
test_leased_to_another(void)
{
    char *params;

    begin();
    params = xasprintf("{'session': '%s', 'address': '%s', 'epoch': 0,"
                       " 'name': 'n', 'service': 'play', 'state': 'owner'}",
                       "00000011-0000-0002-0000-000300000004",
                       film.address_text);
    world_notify(tv, "announce", params);
    CU_ASSERT_EQUAL(world_integer(world_expect(tv, "epoch"), "epoch"), 1);
    free(params);
    world_end();
}

/* Who wants to be sure is answered also if nothing is new. */
static void
test_announcement_confirmed(void)
{
    static const char *const extra[] = { "", ", 'confirm': true" };

    for (size_t i = 0; i < ARRAY_SIZE(extra); i++) {
        const struct json *epoch;
        char *params;

        begin();
        params = xasprintf("{'session': '" UUID_FMT "', 'address': '%s',"
                           " 'epoch': 0, 'name': 'n', 'service': 'play',"
                           " 'state': 'owner'%s}",
                           UUID_ARGS(&film.id), film.address_text, extra[i]);
        world_notify(laptop, "announce", params);
        free(params);
        if (i) {
            epoch = world_expect(laptop, "epoch");
            CU_ASSERT_EQUAL(world_integer(epoch, "epoch"), 0);
            CU_ASSERT_STRING_EQUAL(world_string(epoch, "owner"), "laptop");
        } else {
            world_expect_none(laptop, "epoch");
        }
        world_end();
    }
}

/* What a broken or hostile agent may send: valid messages with some bytes
 * changed.  Nothing falls over, and the session stays where it is. */
static void
test_mutated(void)
{
    static const struct {
        const char *method, *params;
    } seeds[] = {
        { "register",
          "{\"version\":1,\"certificate\":\"PEM\",\"endpoint\":\"ssl:x\","
          "\"highest\":[{\"session\":\"S\",\"epoch\":3}],\"sessions\":"
          "[{\"session\":\"S\",\"address\":\"A\",\"epoch\":0,"
          "\"name\":\"n\",\"service\":\"play\",\"state\":\"owner\"}]}" },
        { "announce", "{\"session\":\"S\",\"address\":\"A\",\"epoch\":0,"
                      "\"name\":\"n\",\"service\":\"play\","
                      "\"state\":\"owner\"}" },
        { "lease", "{\"family\":4,\"more\":true}" },
        { "introduce", "{\"session\":\"S\",\"address\":\"A\",\"epoch\":0,"
                       "\"name\":\"n\",\"service\":\"play\","
                       "\"target\":\"tv\"}" },
        { "prepare", "{\"transfer\":\"S\",\"ticket\":\"AAAABBBB\"}" },
        { "withdraw", "{\"transfer\":\"S\",\"reason\":\"r\"}" },
        { "timeline", "{\"transfer\":\"S\",\"boot\":\"b\",\"role\":"
                      "\"target\",\"steps\":[[\"a\",1]]}" },
        { "log", "{\"transfer\":\"S\",\"counters\":{\"x\":1}}" },
        { "relay", "{\"transfer\":\"S\",\"frame\":\"AAAA\"}" },
        { "devices", "{}" },
        { "attach-echo", "{\"nonce\":\"AAAAAAAAAAAAAAAAAAAAAA==\"}" },
    };
    struct agent *hostile;

    begin();
    world_move(laptop, tv, &film, 0);
    hostile = world_connect("phone", 3);
    srand(42);
    for (int i = 0; i < 20000; i++) {
        size_t k = rand() % ARRAY_SIZE(seeds);
        struct ds s = DS_EMPTY_INITIALIZER;

        for (const char *p = seeds[k].params; *p; p++) {
            if (p[0] == 'S' && p[-1] == '"') {
                ds_put_cstr(&s, film.id_text);
            } else if (p[0] == 'A' && p[-1] == '"' && p[1] == '"') {
                ds_put_cstr(&s, film.address_text);
            } else {
                ds_put_char(&s, *p);
            }
        }
        for (int n = rand() % 4; n > 0 && s.length; n--) {
            s.string[rand() % s.length] =
                "0123456789\",:{}[]aAzZ-"[rand() % 22];
        }
        world_try(hostile, seeds[k].method, ds_cstr(&s), rand() % 2);
        ds_destroy(&s);
    }
    check_owner("tv", 1);
    world_end();
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "register", test_register },
        { "leased to another", test_leased_to_another },
        { "announcement confirmed", test_announcement_confirmed },
        { "malformed", test_malformed },
        { "move", test_move },
        { "introduce, refused", test_introduce_refused },
        { "withdraw", test_withdraw },
        { "ticket", test_ticket },
        { "prepare, refused", test_prepare_refused },
        { "claim", test_claim },
        { "flush lost", test_flush_lost },
        { "bridge lost", test_bridge_lost },
        { "write lost", test_write_lost },
        { "ask", test_ask },
        { "ask, invented", test_ask_invented },
        { "ask, often", test_ask_often },
        { "onward", test_onward },
        { "ended", test_ended },
        { "left", test_left },
        { "left by registration", test_left_by_registration },
        { "reclaim", test_reclaim },
        { "policy", test_policy },
        { "relay", test_relay },
        { "declines again", test_declines_again },
        { "relay of an unknown transfer", test_relay_unknown },
        { "timeline", test_timeline },
        { "guard violation", test_guard_violation },
        { "mutated", test_mutated },
    };

    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    return unit_run("methods", tests, ARRAY_SIZE(tests));
}
