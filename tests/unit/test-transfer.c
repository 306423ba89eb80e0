/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "transfer.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/json.h"
#include "packets.h"
#include "unit.h"
#include "util.h"
#include "uuid.h"

/* The machine is pure: time is a number that these tests make. */
static long long int now;
static struct transfers *ts;
static struct uuid session;

static void
begin(void)
{
    now = 1000000;
    ts = transfers_create();
    uuid_generate(&session);
}

static void
end(void)
{
    transfers_destroy(ts);
    ts = NULL;
}

static struct transfer_spec
make_spec(uint64_t epoch)
{
    struct transfer_spec spec;

    memset(&spec, 0, sizeof spec);
    uuid_generate(&spec.id);
    spec.session = session;
    in6_addr_set_mapped_ipv4(&spec.address, htonl(0x0a010042));
    spec.epoch = epoch;
    spec.from = "laptop";
    spec.to = "tv";
    spec.name = "film";
    spec.service = "play";
    spec.bridge = "br0";
    spec.sa_id = 7;
    return spec;
}

static struct transfer *
introduce(uint64_t epoch)
{
    struct transfer_spec spec = make_spec(epoch);

    return transfers_introduce(ts, &spec, now);
}

static bool
prepare(struct transfer *t)
{
    struct ticket_secret secret = { .onward = ONWARD_BACK };
    uint8_t hash[SEAL_HASH_LEN] = { 1 };

    secret.session_key[0] = 42;
    return transfer_prepare(ts, t, &secret, hash, now);
}

/* Checks that exactly these actions come, up to a negative one. */
static void
expect(const struct transfer *t, ...)
{
    struct transfer_action action;
    va_list args;

    va_start(args, t);
    for (;;) {
        int type = va_arg(args, int);

        if (type < 0) {
            break;
        }
        if (!transfers_next_action(ts, &action)) {
            CU_FAIL("too few actions");
            break;
        }
        CU_ASSERT_EQUAL(action.type, type);
        CU_ASSERT_PTR_EQUAL(action.transfer, t);
    }
    va_end(args);
    CU_ASSERT_FALSE(transfers_next_action(ts, &action));
}
#define NOTHING (-1)

static struct transfer *
gone(uint64_t epoch)
{
    struct transfer *t = introduce(epoch);

    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    CU_ASSERT_TRUE(prepare(t));
    expect(t, TRANSFER_DO_REDIRECT, TRANSFER_DO_GO, NOTHING);
    CU_ASSERT_EQUAL(t->state, TRANSFER_GONE);
    return t;
}

static struct transfer *
claimed(uint64_t epoch)
{
    struct transfer *t = gone(epoch);

    transfer_flushed(ts, t);
    CU_ASSERT_TRUE(transfer_claim(ts, t, now));
    expect(t, TRANSFER_DO_WRITE, TRANSFER_DO_SETTLE, NOTHING);
    CU_ASSERT_EQUAL(t->state, TRANSFER_DECIDING);
    return t;
}

/* SETTLED, prepare, GONE, claim, DECIDING, written, DECIDED, barrier. */
static void
test_commit(void)
{
    struct transfer_totals totals;
    struct transfer *t;

    begin();
    t = introduce(3);
    expect(t, NOTHING);
    CU_ASSERT_EQUAL(t->state, TRANSFER_SETTLED);
    CU_ASSERT_TRUE(prepare(t));
    expect(t, TRANSFER_DO_REDIRECT, TRANSFER_DO_GO, NOTHING);
    CU_ASSERT_TRUE(t->has_key);
    CU_ASSERT_TRUE(transfers_involve(ts, "tv"));
    CU_ASSERT_TRUE(transfers_involve(ts, "laptop"));

    transfer_flushed(ts, t);
    CU_ASSERT_TRUE(transfer_claim(ts, t, now));
    expect(t, TRANSFER_DO_WRITE, TRANSFER_DO_SETTLE, NOTHING);
    CU_ASSERT_FALSE(t->has_key); /* Wiped with its last use. */
    CU_ASSERT_EQUAL(t->session_key[0], 0);
    CU_ASSERT_STRING_EQUAL(transfer_winner(t), "tv");

    transfer_wrote(ts, t, TRANSFER_WRITE_DONE, now);
    expect(t, TRANSFER_DO_HOLD, NOTHING);
    CU_ASSERT_EQUAL(t->state, TRANSFER_DECIDED);
    CU_ASSERT_FALSE(t->over);

    transfer_acked(ts, t);
    expect(t, TRANSFER_DO_TELL_OWNED, TRANSFER_DO_TELL_RELEASED,
           TRANSFER_DO_LOG, NOTHING);
    CU_ASSERT_TRUE(t->over);
    CU_ASSERT_EQUAL(t->outcome, TRANSFER_COMMITTED);
    CU_ASSERT_FALSE(transfers_involve(ts, "tv"));
    CU_ASSERT_PTR_NULL(transfers_find_session(ts, &session));
    CU_ASSERT_PTR_EQUAL(transfers_find(ts, &t->id), t);
    transfers_get_totals(ts, &totals);
    CU_ASSERT_EQUAL(totals.committed, 1);
    CU_ASSERT_EQUAL(totals.aborted, 0);
    end();
}

/* The bridge answers before the database: nothing is told early. */
static void
test_barrier_first(void)
{
    struct transfer *t;

    begin();
    t = claimed(0);
    transfer_acked(ts, t);
    expect(t, NOTHING);
    CU_ASSERT_EQUAL(t->state, TRANSFER_DECIDING);
    transfer_wrote(ts, t, TRANSFER_WRITE_DONE, now);
    expect(t, TRANSFER_DO_TELL_OWNED, TRANSFER_DO_TELL_RELEASED,
           TRANSFER_DO_LOG, TRANSFER_DO_HOLD, NOTHING);
    CU_ASSERT_TRUE(t->over);
    end();
}

/* SETTLED: 35 s without prepare, withdrawal. */
static void
test_introduction_ends(void)
{
    struct transfer *t;

    begin();
    t = introduce(0);
    now += TRANSFER_OFFER_MS - 1;
    transfers_run(ts, now);
    expect(t, NOTHING);
    CU_ASSERT_EQUAL(transfers_next_deadline(ts), now + 1);
    now += 1;
    transfers_run(ts, now);
    expect(t, TRANSFER_DO_UNEXPECT, TRANSFER_DO_LOG, NOTHING);
    CU_ASSERT_EQUAL(t->outcome, TRANSFER_WITHDRAWN);
    CU_ASSERT_FALSE(prepare(t)); /* Late. */
    expect(t, NOTHING);
    transfers_run(ts, now);
    CU_ASSERT_EQUAL(transfers_next_deadline(ts), LLONG_MAX);

    t = introduce(0);
    transfer_withdraw(ts, t, "the target refused");
    expect(t, TRANSFER_DO_UNEXPECT, TRANSFER_DO_LOG, NOTHING);
    CU_ASSERT_STRING_EQUAL(t->reason, "the target refused");
    transfer_withdraw(ts, t, "again");
    expect(t, NOTHING);
    end();
}

/* Two transfers of one session at once; one after the other. */
static void
test_busy(void)
{
    struct transfer *t;

    begin();
    t = introduce(0);
    CU_ASSERT_PTR_NULL(introduce(0));
    CU_ASSERT_TRUE(prepare(t));
    CU_ASSERT_FALSE(prepare(t)); /* A ticket is used once. */
    CU_ASSERT_PTR_NULL(introduce(0));
    expect(t, TRANSFER_DO_REDIRECT, TRANSFER_DO_GO, NOTHING);
    CU_ASSERT_TRUE(transfer_claim(ts, t, now));
    CU_ASSERT_FALSE(transfer_claim(ts, t, now));
    CU_ASSERT_PTR_NULL(introduce(0));
    expect(t, NOTHING);
    transfer_flushed(ts, t);
    transfer_flushed(ts, t);
    expect(t, TRANSFER_DO_WRITE, TRANSFER_DO_SETTLE, NOTHING);
    transfer_wrote(ts, t, TRANSFER_WRITE_DONE, now);
    expect(t, TRANSFER_DO_HOLD, NOTHING);
    CU_ASSERT_PTR_NULL(introduce(1)); /* Not before the barrier. */
    transfer_acked(ts, t);
    expect(t, TRANSFER_DO_TELL_OWNED, TRANSFER_DO_TELL_RELEASED,
           TRANSFER_DO_LOG, NOTHING);
    CU_ASSERT_PTR_NOT_NULL(introduce(1));
    end();
}

/* After go nothing but the machine ends it. */
static void
test_no_withdrawal_after_go(void)
{
    struct transfer *t;

    begin();
    t = gone(0);
    transfer_withdraw(ts, t, "changed my mind");
    transfers_device_lost(ts, "laptop", "gone");
    transfer_acked(ts, t);
    transfer_wrote(ts, t, TRANSFER_WRITE_DONE, now);
    expect(t, NOTHING);
    CU_ASSERT_EQUAL(t->state, TRANSFER_GONE);
    end();
}

/* GONE, claimed: T's last packets may be late, but not for ever. */
static void
test_flush_timeout(void)
{
    struct transfer *t;

    begin();
    t = gone(4);
    CU_ASSERT_TRUE(transfer_claim(ts, t, now));
    expect(t, NOTHING);
    CU_ASSERT_FALSE(t->has_key);
    now += TRANSFER_FLUSH_MS - 1;
    transfers_run(ts, now);
    expect(t, NOTHING);
    now += 1;
    transfers_run(ts, now);
    expect(t, TRANSFER_DO_WRITE, TRANSFER_DO_SETTLE, NOTHING);
    CU_ASSERT_STRING_EQUAL(transfer_winner(t), "tv");
    transfer_flushed(ts, t);
    expect(t, NOTHING);
    end();
}

/* GONE: 1 s without claim. */
static void
test_claim_timeout(void)
{
    struct transfer *t;

    begin();
    t = gone(4);
    now += TRANSFER_GONE_MS - 1;
    transfers_run(ts, now);
    expect(t, NOTHING);
    now += 1;
    transfers_run(ts, now);
    expect(t, TRANSFER_DO_WRITE, TRANSFER_DO_SETTLE, NOTHING);
    CU_ASSERT_EQUAL(t->state, TRANSFER_DECIDING);
    CU_ASSERT_STRING_EQUAL(transfer_winner(t), "laptop");
    CU_ASSERT_FALSE(t->has_key);

    /* A claim that comes now is too late. */
    CU_ASSERT_FALSE(transfer_claim(ts, t, now));
    expect(t, NOTHING);

    /* Aborted is told with the write, without the barrier. */
    transfer_wrote(ts, t, TRANSFER_WRITE_DONE, now);
    expect(t, TRANSFER_DO_TELL_ABORTED, TRANSFER_DO_HOLD, TRANSFER_DO_LOG,
           NOTHING);
    CU_ASSERT_EQUAL(t->outcome, TRANSFER_ABORTED);
    CU_ASSERT_TRUE(t->over);
    end();
}

/* GONE: the home bridge is lost; in other states that changes nothing. */
static void
test_bridge_lost(void)
{
    struct transfer *t;

    begin();
    t = introduce(0);
    transfers_bridge_lost(ts, "br0");
    expect(t, NOTHING);
    CU_ASSERT_TRUE(prepare(t));
    expect(t, TRANSFER_DO_REDIRECT, TRANSFER_DO_GO, NOTHING);
    transfers_bridge_lost(ts, "br1"); /* Another one. */
    expect(t, NOTHING);
    transfers_bridge_lost(ts, "br0");
    expect(t, TRANSFER_DO_WRITE, TRANSFER_DO_SETTLE, NOTHING);
    CU_ASSERT_EQUAL(t->outcome, TRANSFER_ABORTED);
    transfers_bridge_lost(ts, "br0");
    expect(t, NOTHING);
    end();

    /* Committed is committed: it waits for the bridge to come back. */
    begin();
    t = claimed(0);
    transfers_bridge_lost(ts, "br0");
    expect(t, NOTHING);
    transfer_wrote(ts, t, TRANSFER_WRITE_DONE, now);
    expect(t, TRANSFER_DO_HOLD, NOTHING);
    transfers_bridge_lost(ts, "br0");
    now += 3600 * 1000;
    transfers_run(ts, now);
    expect(t, NOTHING);
    CU_ASSERT_EQUAL(t->state, TRANSFER_DECIDED);
    transfer_acked(ts, t);
    expect(t, TRANSFER_DO_TELL_OWNED, TRANSFER_DO_TELL_RELEASED,
           TRANSFER_DO_LOG, NOTHING);
    end();
}

/* DECIDING: the reply is lost, any number of times. */
static void
test_write_lost(void)
{
    struct transfer *t;

    begin();
    t = claimed(0);
    for (int i = 0; i < 3; i++) {
        transfer_wrote(ts, t, TRANSFER_WRITE_LOST, now);
        expect(t, NOTHING);
        now += TRANSFER_RETRY_MS - 1;
        transfers_run(ts, now);
        expect(t, NOTHING);
        now += 1;
        transfers_run(ts, now);
        expect(t, TRANSFER_DO_WRITE, NOTHING);
        transfers_run(ts, now + 10000); /* One at a time. */
        expect(t, NOTHING);
    }
    transfer_wrote(ts, t, TRANSFER_WRITE_DONE, now);
    expect(t, TRANSFER_DO_HOLD, NOTHING);
    transfer_wrote(ts, t, TRANSFER_WRITE_DONE, now); /* Repeated. */
    expect(t, NOTHING);
    end();
}

/* DECIDING: somebody else decided. */
static void
test_write_conflict(void)
{
    struct transfer *t;

    begin();
    t = claimed(0);
    transfer_wrote(ts, t, TRANSFER_WRITE_CONFLICT, now);
    expect(t, TRANSFER_DO_RESTORE, TRANSFER_DO_ANSWER, TRANSFER_DO_LOG,
           NOTHING);
    CU_ASSERT_TRUE(t->over);
    CU_ASSERT_EQUAL(t->outcome, TRANSFER_ABORTED);
    end();
}

/* An ask about a transfer that nobody pursues aborts it, by the same write. */
static void
test_ask_unknown(void)
{
    struct transfer_spec spec;
    struct transfer *t, *other;

    begin();
    spec = make_spec(5);
    spec.to = "";
    t = transfers_abort_unknown(ts, &spec);
    expect(t, TRANSFER_DO_WRITE, TRANSFER_DO_SETTLE, NOTHING);
    CU_ASSERT_EQUAL(t->state, TRANSFER_DECIDING);
    CU_ASSERT_STRING_EQUAL(transfer_winner(t), "laptop");
    transfer_wrote(ts, t, TRANSFER_WRITE_DONE, now);
    expect(t, TRANSFER_DO_TELL_ABORTED, TRANSFER_DO_HOLD, TRANSFER_DO_LOG,
           NOTHING);

    /* One that was only introduced gives way. */
    other = introduce(6);
    spec = make_spec(6);
    t = transfers_abort_unknown(ts, &spec);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    CU_ASSERT_TRUE(other->over);
    CU_ASSERT_EQUAL(other->outcome, TRANSFER_WITHDRAWN);
    while (transfers_next_action(ts, &(struct transfer_action){ 0 })) {
        continue;
    }
    transfer_wrote(ts, t, TRANSFER_WRITE_DONE, now);
    expect(t, TRANSFER_DO_TELL_ABORTED, TRANSFER_DO_HOLD, TRANSFER_DO_LOG,
           NOTHING);

    /* One that has gone does not: it will decide. */
    t = gone(7);
    spec = make_spec(7);
    CU_ASSERT_PTR_NULL(transfers_abort_unknown(ts, &spec));
    expect(t, NOTHING);
    CU_ASSERT_EQUAL(t->state, TRANSFER_GONE);
    end();
}

/* The same id, introduced, withdrawn and then asked about. */
static void
test_ask_withdrawn(void)
{
    struct transfer_spec spec;
    struct transfer *t;

    begin();
    spec = make_spec(0);
    t = transfers_introduce(ts, &spec, now);
    transfer_withdraw(ts, t, "the device registered again");
    t = transfers_abort_unknown(ts, &spec);
    expect(t, TRANSFER_DO_WRITE, TRANSFER_DO_SETTLE, NOTHING);
    CU_ASSERT_PTR_EQUAL(transfers_find(ts, &spec.id), t);
    end();
}

/* A device that leaves the policy. */
static void
test_device_gone(void)
{
    struct transfer *t;

    begin();
    t = introduce(0);
    transfers_device_gone(ts, "other", "not in policy");
    expect(t, NOTHING);
    transfers_device_gone(ts, "tv", "not in policy");
    expect(t, TRANSFER_DO_UNEXPECT, TRANSFER_DO_LOG, NOTHING);
    t = gone(0);
    transfers_device_gone(ts, "laptop", "not in policy");
    expect(t, TRANSFER_DO_WRITE, TRANSFER_DO_SETTLE, NOTHING);
    CU_ASSERT_EQUAL(t->outcome, TRANSFER_ABORTED);
    end();
}

static void
test_device_lost(void)
{
    struct transfer *t;

    begin();
    t = introduce(0);
    CU_ASSERT_EQUAL(transfers_count_offers(ts, "laptop", TRANSFER_SIDE_T), 1);
    CU_ASSERT_EQUAL(transfers_count_offers(ts, "laptop", TRANSFER_SIDE_G), 0);
    CU_ASSERT_EQUAL(transfers_count_offers(ts, "tv", TRANSFER_SIDE_G), 1);
    transfers_device_lost(ts, "tv", "it lost its connection");
    expect(t, TRANSFER_DO_UNEXPECT, TRANSFER_DO_LOG, NOTHING);
    CU_ASSERT_EQUAL(transfers_count_offers(ts, "tv", TRANSFER_SIDE_G), 0);
    end();

    /* The target, before its claim and after it. */
    begin();
    t = gone(0);
    transfers_device_lost(ts, "tv", "it lost its connection");
    expect(t, TRANSFER_DO_WRITE, TRANSFER_DO_SETTLE, NOTHING);
    CU_ASSERT_EQUAL(t->outcome, TRANSFER_ABORTED);
    transfer_wrote(ts, t, TRANSFER_WRITE_DONE, now);
    expect(t, TRANSFER_DO_TELL_ABORTED, TRANSFER_DO_HOLD, TRANSFER_DO_LOG,
           NOTHING);
    end();

    begin();
    t = gone(0);
    CU_ASSERT(transfer_claim(ts, t, now));
    transfers_device_lost(ts, "tv", "it lost its connection");
    expect(t, NOTHING);
    transfer_flushed(ts, t);
    CU_ASSERT_EQUAL(t->outcome, TRANSFER_COMMITTED);
    end();
}

/* The last TRANSFER_HISTORY transfers are kept, and no more. */
static void
test_history(void)
{
    struct transfer_action action;
    const struct transfer *t;
    struct uuid first, last;
    size_t n = 0;

    begin();
    for (int i = 0; i < TRANSFER_HISTORY + 10; i++) {
        struct transfer *next = introduce(i);

        if (i == 0) {
            first = next->id;
        }
        last = next->id;
        transfer_withdraw(ts, next, "test");
        while (transfers_next_action(ts, &action)) {
            continue;
        }
    }
    for (t = NULL; (t = transfers_next(ts, t));) {
        n++;
    }
    CU_ASSERT(n >= TRANSFER_HISTORY && n <= TRANSFER_HISTORY + 1);
    CU_ASSERT_PTR_NULL(transfers_find(ts, &first));
    CU_ASSERT_PTR_NOT_NULL(transfers_find(ts, &last));
    CU_ASSERT_PTR_EQUAL(transfers_previous(ts, NULL),
                        transfers_find(ts, &last));
    end();
}

/* A transfer's timeline names its steps in order, on one clock. */
static void
test_timeline(void)
{
    static const char *const names[] = { "introduce", "flushed", "claim",
                                         "written",   "barrier", "settled" };
    struct transfer *t;

    begin();
    t = claimed(0);
    transfer_wrote(ts, t, TRANSFER_WRITE_DONE, now);
    transfer_acked(ts, t);
    CU_ASSERT_EQUAL_FATAL(t->n_steps, ARRAY_SIZE(names));
    for (size_t i = 0; i < t->n_steps; i++) {
        CU_ASSERT_STRING_EQUAL(t->steps[i].name, names[i]);
        CU_ASSERT(!i || t->steps[i].usec >= t->steps[i - 1].usec);
    }
    end();
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "commit", test_commit },
        { "barrier before write", test_barrier_first },
        { "introduction ends", test_introduction_ends },
        { "busy", test_busy },
        { "no withdrawal after go", test_no_withdrawal_after_go },
        { "claim timeout", test_claim_timeout },
        { "flush timeout", test_flush_timeout },
        { "bridge lost", test_bridge_lost },
        { "write lost", test_write_lost },
        { "write conflict", test_write_conflict },
        { "ask, unknown", test_ask_unknown },
        { "ask, withdrawn", test_ask_withdrawn },
        { "device gone", test_device_gone },
        { "device lost", test_device_lost },
        { "history", test_history },
        { "timeline", test_timeline },
    };

    return unit_run("transfer", tests, ARRAY_SIZE(tests));
}
