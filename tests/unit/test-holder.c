/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "holder.h"

#include <string.h>

#include "packets.h"
#include "unit.h"
#include "util.h"
#include "uuid.h"

static struct in6_addr
address(uint32_t ip)
{
    struct in6_addr addr;

    in6_addr_set_mapped_ipv4(&addr, htonl(ip));
    return addr;
}

static void
test_waits_for_the_last(void)
{
    struct uuid first = uuid_random(), second = uuid_random();
    struct in6_addr a = address(1), b = address(2), left;
    struct holders *hs = holders_create();
    const char *one, *other;
    void *cookie = NULL;

    holders_add(hs, &a, "tv", &first, 1);
    holders_add(hs, &a, "laptop", &first, 1);
    holders_add(hs, &a, "tv", &second, 2);
    CU_ASSERT_TRUE(holders_any(hs, &a));
    CU_ASSERT_FALSE(holders_any(hs, &b));
    one = holders_next(hs, &a, &cookie);
    other = holders_next(hs, &a, &cookie);
    CU_ASSERT_FATAL(one && other);
    CU_ASSERT_NOT_EQUAL(strcmp(one, other), 0);
    CU_ASSERT_PTR_NULL(holders_next(hs, &a, &cookie));

    /* Nobody waits yet. */
    CU_ASSERT_FALSE(holders_next_left(hs, &left));
    holders_await(hs, &a);
    holders_await(hs, &a);
    CU_ASSERT_FALSE(holders_next_left(hs, &left));
    holders_left(hs, &a, "laptop", &first);
    holders_left(hs, &a, "tv", &first); /* It is in the second. */
    holders_left(hs, &b, "tv", &second);
    CU_ASSERT_FALSE(holders_next_left(hs, &left));
    holders_left(hs, &a, "tv", &second);
    CU_ASSERT_TRUE_FATAL(holders_next_left(hs, &left));
    CU_ASSERT(ipv6_addr_equals(&left, &a));
    CU_ASSERT_FALSE(holders_next_left(hs, &left));
    holders_destroy(hs);
}

static void
test_forget(void)
{
    struct uuid transfer = uuid_random();
    struct in6_addr a = address(1), b = address(2), left;
    struct holders *hs = holders_create();

    holders_add(hs, &a, "tv", &transfer, 10);
    holders_add(hs, &b, "tv", &transfer, 20);
    holders_await(hs, &a);
    holders_await(hs, &b);
    holders_forget(hs, "laptop", 100);
    holders_forget(hs, "tv", 10);
    CU_ASSERT_FALSE(holders_next_left(hs, &left));
    holders_forget(hs, "tv", 20);
    CU_ASSERT_TRUE_FATAL(holders_next_left(hs, &left));
    CU_ASSERT(ipv6_addr_equals(&left, &a));
    CU_ASSERT_FALSE(holders_next_left(hs, &left));
    CU_ASSERT_TRUE(holders_any(hs, &b));
    holders_destroy(hs);
}

/* Those that outlive the controller. */
static void
test_kept(void)
{
    struct uuid first = uuid_random(), second = uuid_random();
    struct in6_addr a = address(1), b = address(2);
    struct holders *hs = holders_create();
    struct holder_kept kept;
    void *cookie = NULL;
    uint64_t seqno;

    holders_add(hs, &a, "tv", &first, 1);
    holders_add(hs, &b, "tv", &first, 1);
    CU_ASSERT_EQUAL(holders_seqno(hs), 0);
    holders_keep(hs, &a, "laptop"); /* Is none. */
    CU_ASSERT_EQUAL(holders_seqno(hs), 0);
    holders_keep(hs, &a, "tv");
    seqno = holders_seqno(hs);
    CU_ASSERT_NOT_EQUAL(seqno, 0);
    holders_keep(hs, &a, "tv");
    CU_ASSERT_EQUAL(holders_seqno(hs), seqno);
    CU_ASSERT_TRUE_FATAL(holders_next_kept(hs, &cookie, &kept));
    CU_ASSERT(ipv6_addr_equals(&kept.address, &a));
    CU_ASSERT_STRING_EQUAL(kept.device, "tv");
    CU_ASSERT(uuid_equals(&kept.transfer, &first));
    CU_ASSERT_FALSE(holders_next_kept(hs, &cookie, &kept));

    holders_add(hs, &a, "tv", &second, 2);
    CU_ASSERT_NOT_EQUAL(holders_seqno(hs), seqno);
    seqno = holders_seqno(hs);
    holders_left(hs, &b, "tv", &first);
    CU_ASSERT_EQUAL(holders_seqno(hs), seqno);
    holders_left(hs, &a, "tv", &second);
    CU_ASSERT_NOT_EQUAL(holders_seqno(hs), seqno);
    cookie = NULL;
    CU_ASSERT_FALSE(holders_next_kept(hs, &cookie, &kept));
    holders_destroy(hs);
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "waits for the last", test_waits_for_the_last },
        { "forget", test_forget },
        { "kept", test_kept },
    };

    return unit_run("holder", tests, ARRAY_SIZE(tests));
}
