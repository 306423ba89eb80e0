/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "lease.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "packets.h"
#include "policy.h"
#include "unit.h"
#include "util.h"

/* A policy made by hand: only pools and devices matter here. */
static struct policy policy;
static char bridge_name[] = "br0", pool4_name[] = "v4", pool6_name[] = "v6";
static struct policy_bridge bridge = { .name = bridge_name };
static struct policy_pool pool4, pool6;
static struct policy_device devices[2];
static struct leases *leases;
static long long int now;

static struct in6_addr
address(const char *s)
{
    struct in6_addr addr;
    ovs_be32 ip;

    if (ip_parse(s, &ip)) {
        in6_addr_set_mapped_ipv4(&addr, ip);
    } else {
        ignore(ipv6_parse(s, &addr));
    }
    return addr;
}

/* A /26 in blocks of 16: four of them.  A /64 in blocks of 256. */
static void
begin(void)
{
    now = 1000;
    memset(&policy, 0, sizeof policy);
    shash_init(&policy.pools);
    shash_init(&policy.devices);
    policy.limits.sessions = 4096;
    pool4 = (struct policy_pool){
        .name = pool4_name,
        .bridge = &bridge,
        .prefix = { address("10.1.0.64"), 122 },
        .block_plen = 124,
        .lease_s = 60,
        .rest_s = 10,
    };
    pool6 = (struct policy_pool){
        .name = pool6_name,
        .bridge = &bridge,
        .prefix = { address("fd00:0:0:1::"), 64 },
        .block_plen = 120,
        .lease_s = 60,
        .rest_s = 10,
    };
    shash_add(&policy.pools, "v4", &pool4);
    shash_add(&policy.pools, "v6", &pool6);
    shash_add(&policy.devices, "laptop", &devices[0]);
    shash_add(&policy.devices, "tv", &devices[1]);
    leases = leases_create();
    leases_configure(leases, &policy, now);
}

static void
end(void)
{
    leases_destroy(leases);
    shash_destroy(&policy.pools);
    shash_destroy(&policy.devices);
}

static const struct lease *
grant(const char *device, int family, bool more)
{
    enum lease_error error;
    const struct lease *lease = leases_grant(leases, device, "br0", family,
                                             more, now, &error);

    CU_ASSERT_EQUAL(lease != NULL, error == LEASE_OK);
    return lease;
}

static int
count_changes(void)
{
    struct lease_change change;
    int n = 0;

    while (leases_next_change(leases, &change)) {
        n++;
    }
    return n;
}

static void
test_grant(void)
{
    const struct lease *a, *b, *again;
    enum lease_error error;
    struct in6_addr addr;

    begin();
    a = grant("laptop", 4, false);
    b = grant("tv", 4, false);
    CU_ASSERT_PTR_NOT_NULL_FATAL(a);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    CU_ASSERT_FALSE(ipv6_addr_equals(&a->addr, &b->addr));
    CU_ASSERT_EQUAL(a->plen, 124);
    CU_ASSERT_EQUAL(a->addr.s6_addr[15] % 16, 0); /* Aligned. */
    again = grant("laptop", 4, false);
    CU_ASSERT_PTR_EQUAL(again, a);
    CU_ASSERT_EQUAL(count_changes(), 2);

    addr = a->addr;
    addr.s6_addr[15] += 5;
    CU_ASSERT_STRING_EQUAL(leases_lessee(leases, &addr), "laptop");
    CU_ASSERT_STRING_EQUAL(leases_home_bridge(leases, &addr), "br0");
    addr = address("10.9.9.9");
    CU_ASSERT_PTR_NULL(leases_lessee(leases, &addr));
    CU_ASSERT_PTR_NULL(leases_home_bridge(leases, &addr));

    CU_ASSERT_PTR_NULL(
        leases_grant(leases, "tv", "br1", 4, false, now, &error));
    CU_ASSERT_EQUAL(error, LEASE_NO_POOL);
    end();
}

static void
test_exhausted(void)
{
    enum lease_error error;
    uint32_t seen = 0;

    begin();
    for (int i = 0; i < 4; i++) {
        const struct lease *lease = grant("laptop", 4, true);

        CU_ASSERT_PTR_NOT_NULL_FATAL(lease);
        seen |= 1u << (lease->addr.s6_addr[15] >> 4);
    }
    CU_ASSERT_EQUAL(seen, 0xf0); /* .64, .80, .96, .112 */
    CU_ASSERT_PTR_NULL(
        leases_grant(leases, "tv", "br0", 4, false, now, &error));
    CU_ASSERT_EQUAL(error, LEASE_EXHAUSTED);
    end();
}

static void
test_expiry(void)
{
    struct lease_change change;
    const struct lease *lease;
    struct in6_addr first;

    begin();
    for (int i = 0; i < 4; i++) {
        grant("laptop", 4, true);
    }
    count_changes();
    now += 59999;
    leases_run(leases, now);
    CU_ASSERT_EQUAL(count_changes(), 0);
    lease = grant("laptop", 4, false); /* Renews all of them. */
    CU_ASSERT_PTR_NOT_NULL_FATAL(lease);
    first = lease->addr;
    now += 59999;
    leases_run(leases, now);
    CU_ASSERT_EQUAL(count_changes(), 0);
    CU_ASSERT(leases_next_deadline(leases) <= now + 1);
    now += 1;
    leases_run(leases, now);
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_TRUE(leases_next_change(leases, &change));
        CU_ASSERT_STRING_EQUAL(change.device, "");
        CU_ASSERT_STRING_EQUAL(change.bridge, "br0");
    }
    CU_ASSERT_EQUAL(count_changes(), 0);
    CU_ASSERT_PTR_NULL(leases_lessee(leases, &first));

    /* They rest before anybody gets them. */
    now += 9999;
    CU_ASSERT_PTR_NULL(grant("tv", 4, false));
    now += 1;
    CU_ASSERT_PTR_NOT_NULL(grant("tv", 4, false));
    end();
}

/* No block is two devices', whatever the order of grants and expiries. */
static void
test_never_twice(void)
{
    begin();
    srand(4711);
    for (int i = 0; i < 20000; i++) {
        const struct lease *lease, *other;

        now += rand() % 5000;
        grant(rand() % 2 ? "laptop" : "tv", rand() % 4 ? 4 : 6,
              rand() % 3 == 0 && leases_count(leases) < 40);
        for (lease = leases_next(leases, NULL); lease;
             lease = leases_next(leases, lease)) {
            for (other = leases_next(leases, lease); other;
                 other = leases_next(leases, other)) {
                if (ipv6_addr_equals(&lease->addr, &other->addr)) {
                    CU_FAIL("a block is leased twice");
                }
            }
        }
        count_changes();
    }
    end();
}

/* What was given back last is given out last. */
static void
test_round_robin(void)
{
    struct in6_addr first;

    begin();
    first = grant("laptop", 4, false)->addr;
    now += 60000;
    leases_run(leases, now);
    now += 10000;
    leases_run(leases, now);
    CU_ASSERT_EQUAL(leases_count(leases), 0);
    CU_ASSERT_FALSE(ipv6_addr_equals(&grant("tv", 4, false)->addr, &first));
    end();
}

/* Addresses of moved and of ended sessions are not the lessee's to give. */
static void
test_in_use(void)
{
    struct in6_addr moved, ended, addr;
    const struct lease *lease;
    void *cookie = NULL;
    int n = 0;

    begin();
    lease = grant("laptop", 4, false);
    moved = lease->addr;
    moved.s6_addr[15] += 1;
    ended = lease->addr;
    ended.s6_addr[15] += 2;
    leases_hold(leases, &moved);
    leases_rest(leases, &ended, now);
    while (leases_next_in_use(leases, lease, &cookie, &addr)) {
        CU_ASSERT_TRUE(ipv6_addr_equals(&addr, &moved)
                       || ipv6_addr_equals(&addr, &ended));
        n++;
    }
    CU_ASSERT_EQUAL(n, 2);

    now += 9999;
    leases_run(leases, now);
    CU_ASSERT_FALSE(leases_next_free(leases, &addr));
    now += 1;
    leases_run(leases, now);
    CU_ASSERT_TRUE(leases_next_free(leases, &addr));
    CU_ASSERT_TRUE(ipv6_addr_equals(&addr, &ended));
    CU_ASSERT_FALSE(leases_next_free(leases, &addr));

    /* It moved for hours, over the end of the block's lease; then it ends. */
    now += 3600 * 1000;
    leases_run(leases, now);
    CU_ASSERT_FALSE(leases_next_free(leases, &addr));
    leases_rest(leases, &moved, now);
    now += 10000;
    leases_run(leases, now);
    CU_ASSERT_TRUE(leases_next_free(leases, &addr));
    CU_ASSERT_TRUE(ipv6_addr_equals(&addr, &moved));
    end();
}

static void
test_ipv6(void)
{
    const struct lease *a, *b;

    begin();
    a = grant("laptop", 6, false);
    b = grant("tv", 6, false);
    CU_ASSERT_PTR_NOT_NULL_FATAL(a);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    CU_ASSERT_EQUAL(a->plen, 120);
    CU_ASSERT_FALSE(IN6_IS_ADDR_V4MAPPED(&a->addr));
    CU_ASSERT_EQUAL(a->addr.s6_addr[15], 0);
    CU_ASSERT_EQUAL(b->addr.s6_addr[14], a->addr.s6_addr[14] + 1);
    end();
}

/* One device does not empty a pool: neither by asking for more, nor by saying
 * that it uses addresses of any block. */
static void
test_limit(void)
{
    struct in6_addr addr = address("10.1.0.120");
    enum lease_error error;

    begin();
    policy.limits.sessions = 12; /* 24 addresses: two blocks. */
    leases_configure(leases, &policy, now);
    CU_ASSERT_PTR_NOT_NULL(grant("laptop", 4, false));
    CU_ASSERT_PTR_NOT_NULL(grant("laptop", 4, true));
    CU_ASSERT_PTR_NULL(
        leases_grant(leases, "laptop", "br0", 4, true, now, &error));
    CU_ASSERT_EQUAL(error, LEASE_LIMIT);
    CU_ASSERT_FALSE(leases_adopt(leases, "laptop", "br0", &addr, now));
    CU_ASSERT_PTR_NOT_NULL(grant("laptop", 4, false)); /* Renewed. */
    CU_ASSERT_PTR_NOT_NULL(grant("laptop", 6, false)); /* Of its own. */
    CU_ASSERT_TRUE(leases_adopt(leases, "tv", "br0", &addr, now));
    end();
}

/* Who says that it uses very many addresses does not keep the others waiting,
 * however many leases there are. */
static void
test_many(void)
{
    struct in6_addr addr = address("fd00:0:0:1::1");
    clock_t began;

    begin();
    policy.limits.sessions = 5000 * 128;
    leases_configure(leases, &policy, now);
    for (int i = 0; i < 5000; i++) {
        addr.s6_addr[13] = i >> 8;
        addr.s6_addr[14] = i;
        CU_ASSERT_TRUE(leases_adopt(leases, "tv", "br0", &addr, now));
    }
    policy.limits.sessions = 100;
    leases_configure(leases, &policy, now);
    addr.s6_addr[12] = 1;
    CU_ASSERT_TRUE(leases_adopt(leases, "laptop", "br0", &addr, now));
    began = clock();
    for (int i = 0; i < 65536; i++) {
        addr.s6_addr[12] = 2;
        addr.s6_addr[13] = i >> 8;
        addr.s6_addr[14] = i;
        CU_ASSERT_FALSE(leases_adopt(leases, "laptop", "br0", &addr, now));
        CU_ASSERT_PTR_NULL(leases_lessee(leases, &addr));
    }
    CU_ASSERT(clock() - began < CLOCKS_PER_SEC);
    end();
}

static void
test_adopt(void)
{
    struct in6_addr addr = address("10.1.0.85");
    struct in6_addr outside = address("10.1.0.1");

    begin();
    CU_ASSERT_FALSE(leases_adopt(leases, "laptop", "br0", &outside, now));
    CU_ASSERT_FALSE(leases_adopt(leases, "laptop", "br1", &addr, now));
    CU_ASSERT_TRUE(leases_adopt(leases, "laptop", "br0", &addr, now));
    CU_ASSERT_STRING_EQUAL(leases_lessee(leases, &addr), "laptop");
    CU_ASSERT_FALSE(leases_adopt(leases, "tv", "br0", &addr, now));
    CU_ASSERT_EQUAL(leases_find(leases, &addr)->addr.s6_addr[15], 80);
    end();
}

/* A reload: pools that go, devices that go, another block size. */
static void
test_reconfigure(void)
{
    struct in6_addr first;

    begin();
    first = grant("laptop", 4, false)->addr;
    grant("tv", 6, false);
    count_changes();

    pool4.block_plen = 123;
    leases_configure(leases, &policy, now);
    CU_ASSERT_EQUAL(count_changes(), 0);
    CU_ASSERT_STRING_EQUAL(leases_lessee(leases, &first), "laptop");
    CU_ASSERT_EQUAL(grant("tv", 4, false)->addr.s6_addr[15], 96);

    shash_find_and_delete(&policy.devices, "laptop");
    shash_find_and_delete(&policy.pools, "v6");
    count_changes();
    leases_configure(leases, &policy, now);
    CU_ASSERT_EQUAL(count_changes(), 2);
    CU_ASSERT_PTR_NULL(leases_lessee(leases, &first));
    CU_ASSERT_PTR_NULL(grant("tv", 6, false));
    end();
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "grant", test_grant },
        { "exhausted", test_exhausted },
        { "expiry", test_expiry },
        { "never twice", test_never_twice },
        { "round robin", test_round_robin },
        { "in use", test_in_use },
        { "IPv6", test_ipv6 },
        { "adopt", test_adopt },
        { "limit", test_limit },
        { "many", test_many },
        { "reconfigure", test_reconfigure },
    };

    return unit_run("lease", tests, ARRAY_SIZE(tests));
}
