/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "record.h"

#include <string.h>

#include "packets.h"
#include "unit.h"
#include "util.h"
#include "uuid.h"

static struct record_store *store;
static struct record view;
static struct uuid session;

static struct record_change
change_to(const char *old, uint64_t epoch, const char *new)
{
    struct record_change change;

    memset(&change, 0, sizeof change);
    change.session = session;
    in6_addr_set_mapped_ipv4(&change.address, htonl(0x0a010042));
    change.old_owner = old;
    change.old_epoch = epoch;
    change.new_owner = new;
    change.home = "laptop";
    change.name = "film";
    change.service = "play";
    change.onward = ONWARD_ANY;
    uuid_generate(&change.transfer);
    return change;
}

static enum record_status
write_change(const struct record_change *change)
{
    uint64_t number = record_begin_write(store, change);
    struct record_reply reply;

    CU_ASSERT_TRUE_FATAL(record_next_reply(store, &reply));
    CU_ASSERT_EQUAL(reply.number, number);
    CU_ASSERT_FALSE(record_next_reply(store, &reply));
    return reply.status;
}

static enum record_status
write_to(const char *old, uint64_t epoch, const char *new)
{
    struct record_change change = change_to(old, epoch, new);

    return write_change(&change);
}

static void
begin(void)
{
    store = record_store_create(NULL);
    uuid_generate(&session);
}

static void
check(const char *owner, uint64_t epoch)
{
    const struct record *record = record_find(store, &session, &view);

    CU_ASSERT_PTR_NOT_NULL_FATAL(record);
    CU_ASSERT_STRING_EQUAL(record->owner, owner);
    CU_ASSERT_EQUAL(record->epoch, epoch);
}

static void
test_first_write(void)
{
    begin();
    CU_ASSERT_PTR_NULL(record_find(store, &session, &view));
    CU_ASSERT_EQUAL(write_to("laptop", 1, "tv"), RECORD_CONFLICT);
    CU_ASSERT_PTR_NULL(record_find(store, &session, &view));
    CU_ASSERT_EQUAL(write_to("laptop", 0, "tv"), RECORD_WRITTEN);
    check("tv", 1);
    CU_ASSERT_STRING_EQUAL(record_find(store, &session, &view)->home,
                           "laptop");
    record_store_destroy(store);
}

static void
test_compare_and_set(void)
{
    begin();
    CU_ASSERT_EQUAL(write_to("laptop", 0, "tv"), RECORD_WRITTEN);
    CU_ASSERT_EQUAL(write_to("laptop", 0, "laptop"), RECORD_CONFLICT);
    CU_ASSERT_EQUAL(write_to("laptop", 1, "laptop"), RECORD_CONFLICT);
    CU_ASSERT_EQUAL(write_to("tv", 2, "laptop"), RECORD_CONFLICT);
    check("tv", 1);
    CU_ASSERT_EQUAL(write_to("tv", 1, "tv"), RECORD_WRITTEN); /* Abort. */
    check("tv", 2);
    CU_ASSERT_EQUAL(write_to("tv", 2, "laptop"), RECORD_WRITTEN);
    check("laptop", 3);
    CU_ASSERT_EQUAL(record_count(store), 1);
    record_store_destroy(store);
}

/* Written at least once: the same write again changes nothing. */
static void
test_repeat(void)
{
    struct record_change change, other;

    begin();
    change = change_to("laptop", 0, "tv");
    CU_ASSERT_EQUAL(write_change(&change), RECORD_WRITTEN);
    CU_ASSERT_EQUAL(write_change(&change), RECORD_WRITTEN);
    check("tv", 1);
    other = change_to("laptop", 0, "tv"); /* Another transfer. */
    CU_ASSERT_EQUAL(write_change(&other), RECORD_CONFLICT);
    other = change;
    other.new_owner = "laptop";
    CU_ASSERT_EQUAL(write_change(&other), RECORD_CONFLICT);
    record_store_destroy(store);
}

static void
test_lost(void)
{
    struct record_change change;

    begin();
    change = change_to("laptop", 0, "tv");
    record_store_lose(store, 1, false);
    CU_ASSERT_EQUAL(write_change(&change), RECORD_LOST);
    CU_ASSERT_PTR_NULL(record_find(store, &session, &view));
    record_store_lose(store, 1, true);
    CU_ASSERT_EQUAL(write_change(&change), RECORD_LOST);
    check("tv", 1);
    CU_ASSERT_EQUAL(write_change(&change), RECORD_WRITTEN);
    check("tv", 1);
    record_store_destroy(store);
}

/* Replies come in the order of the writes. */
static void
test_order(void)
{
    struct record_change a, b;
    struct record_reply reply;
    uint64_t na, nb;

    begin();
    a = change_to("laptop", 0, "tv");
    b = change_to("laptop", 0, "laptop");
    na = record_begin_write(store, &a);
    nb = record_begin_write(store, &b);
    CU_ASSERT_TRUE(record_next_reply(store, &reply));
    CU_ASSERT_EQUAL(reply.number, na);
    CU_ASSERT_EQUAL(reply.status, RECORD_WRITTEN);
    CU_ASSERT_TRUE(record_next_reply(store, &reply));
    CU_ASSERT_EQUAL(reply.number, nb);
    CU_ASSERT_EQUAL(reply.status, RECORD_CONFLICT);
    record_store_destroy(store);
}

static void
forget_expired(long long int now)
{
    struct record record;

    record_store_run(store, now);
    while (record_next_expired(store, &record)) {
        record_forget(store, &record.session);
    }
}

/* An address is one living session's; a tombstone answers until forgotten. */
static void
test_end(void)
{
    struct uuid first;
    struct in6_addr address;

    begin();
    in6_addr_set_mapped_ipv4(&address, htonl(0x0a010042));
    CU_ASSERT_EQUAL(write_to("laptop", 0, "tv"), RECORD_WRITTEN);
    CU_ASSERT_PTR_NOT_NULL_FATAL(record_find_address(store, &address, &view));
    CU_ASSERT_TRUE(uuid_equals(&view.session, &session));
    first = session;
    uuid_generate(&session);
    CU_ASSERT_EQUAL(write_to("laptop", 0, "tv"), RECORD_CONFLICT);

    record_end(store, &first, 5000);
    CU_ASSERT_PTR_NULL(record_find_address(store, &address, &view));
    CU_ASSERT_EQUAL(write_to("laptop", 0, "tv"), RECORD_WRITTEN);
    forget_expired(4999);
    CU_ASSERT_PTR_NOT_NULL_FATAL(record_find(store, &first, &view));
    CU_ASSERT_TRUE(record_find(store, &first, &view)->ended);
    forget_expired(5000);
    CU_ASSERT_PTR_NULL(record_find(store, &first, &view));
    CU_ASSERT_PTR_NOT_NULL_FATAL(record_find_address(store, &address, &view));
    CU_ASSERT_TRUE(uuid_equals(&view.session, &session));

    /* An ended one takes no more writes. */
    record_end(store, &session, 9000);
    CU_ASSERT_EQUAL(write_to("tv", 1, "laptop"), RECORD_CONFLICT);
    record_store_destroy(store);
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "first write", test_first_write },
        { "compare and set", test_compare_and_set },
        { "repeat", test_repeat },
        { "lost", test_lost },
        { "order", test_order },
        { "end", test_end },
    };

    return unit_run("record", tests, ARRAY_SIZE(tests));
}
