/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "dad.h"
#include "packets.h"
#include "timeval.h"
#include "unit.h"
#include "util.h"

/* Time is this variable: the linker passes time_msec() here (--wrap). */
static long long int now = 1000000;
long long int __wrap_time_msec(void);

long long int
__wrap_time_msec(void)
{
    return now;
}

/* The wire is this structure, in place of dad.c. */
struct dad {
    unsigned int n_probes;
    struct in6_addr last;
    int n_listening;
    struct dad_claim claim;
    bool claimed;
    int error;
};
static struct dad wire;

struct dad *
dad_open(const char *ifname, char **errorp OVS_UNUSED)
{
    return strcmp(ifname, "eth0") ? NULL : &wire;
}

void
dad_close(struct dad *dad OVS_UNUSED)
{
}

void
dad_run(struct dad *dad OVS_UNUSED)
{
}

void
dad_wait(struct dad *dad OVS_UNUSED)
{
}

void
dad_watch(struct dad *dad OVS_UNUSED, const struct dad_prefix *p OVS_UNUSED,
          size_t n OVS_UNUSED)
{
}

void
dad_listen(struct dad *dad, const struct in6_addr *a OVS_UNUSED, bool join)
{
    dad->n_listening += join ? 1 : -1;
}

int
dad_probe(struct dad *dad, const struct in6_addr *address)
{
    if (!dad->error) {
        dad->n_probes++;
        dad->last = *address;
    }
    return dad->error;
}

bool
dad_next(struct dad *dad, struct dad_claim *claim)
{
    bool claimed = dad->claimed;

    *claim = dad->claim;
    dad->claimed = false;
    return claimed;
}

static struct in6_addr
addr(const char *text)
{
    struct in6_addr a;
    ovs_be32 ip4;

    if (ip_parse(text, &ip4)) {
        return in6_addr_mapped_ipv4(ip4);
    }
    CU_ASSERT_FATAL(ipv6_parse(text, &a));
    return a;
}

static void
lease_block(struct blocks *bs, const char *prefix, unsigned int plen,
            unsigned int probes, const char *in_use)
{
    struct in6_addr used;
    struct block_lease lease = {
        .prefix = addr(prefix),
        .plen = plen,
        .lifetime = 3600,
        .rest = 60,
        .probes = probes,
        .probe_interval = 1000,
        .in_use = &used,
        .n_in_use = in_use ? 1 : 0,
    };

    if (in_use) {
        used = addr(in_use);
    }
    CU_ASSERT_EQUAL(block_lease(bs, &lease), 0);
}

static void
advance(struct blocks *bs, long long int ms)
{
    for (long long int end = now + ms; now < end;) {
        now += MIN(100, end - now);
        block_run(bs);
    }
}

static struct blocks *
start(const char *prefix, unsigned int plen, unsigned int probes,
      const char *in_use)
{
    struct blocks *bs = block_create();

    memset(&wire, 0, sizeof wire);
    if (prefix) {
        lease_block(bs, prefix, plen, probes, in_use);
    }
    CU_ASSERT_EQUAL(block_set_interface(bs, "eth0", NULL), 0);
    block_run(bs);
    return bs;
}

static void
test_probing(void)
{
    struct blocks *bs = start("10.1.0.64", 96 + 26, 3, NULL);
    struct in6_addr a, b;

    /* Eight at a time, three probes of a second each. */
    CU_ASSERT_EQUAL(wire.n_probes, 8);
    CU_ASSERT_EQUAL(wire.n_listening, 8);
    advance(bs, 2900);
    CU_ASSERT_EQUAL(wire.n_probes, 24);
    CU_ASSERT_EQUAL(block_take(bs, AF_INET, &a), EAGAIN);
    advance(bs, 200);
    CU_ASSERT_EQUAL(block_take(bs, AF_INET, &a), 0);
    CU_ASSERT_EQUAL(block_take(bs, AF_INET, &b), 0);
    CU_ASSERT(!IN6_ARE_ADDR_EQUAL(&a, &b));
    CU_ASSERT(block_contains(bs, &a));
    CU_ASSERT_EQUAL(block_take(bs, AF_INET6, &a), EAGAIN);
    block_destroy(bs);
    CU_ASSERT_EQUAL(wire.n_listening, 0);
}

static void
test_no_interface(void)
{
    struct blocks *bs = start("2001:db8::", 112, 0, NULL);
    struct in6_addr a;

    block_run(bs);
    CU_ASSERT_EQUAL(block_count_ready(bs, AF_INET6), 8);
    CU_ASSERT_EQUAL(block_set_interface(bs, NULL, NULL), 0);
    CU_ASSERT_EQUAL(block_take(bs, AF_INET6, &a), EAGAIN);
    advance(bs, 5000);
    CU_ASSERT_EQUAL(block_take(bs, AF_INET6, &a), EAGAIN);
    CU_ASSERT_NOT_EQUAL(block_set_interface(bs, "none", NULL), 0);
    CU_ASSERT_EQUAL(block_set_interface(bs, "eth0", NULL), 0);
    advance(bs, 200);
    CU_ASSERT_EQUAL(block_take(bs, AF_INET6, &a), 0);
    block_destroy(bs);
}

static void
claim(struct blocks *bs, const struct in6_addr *address)
{
    wire.claim.address = *address;
    wire.claim.mac = (struct eth_addr) ETH_ADDR_C(02, 00, 00, 00, 00, 09);
    wire.claimed = true;
    block_run(bs);
}

static void
test_conflict(void)
{
    struct blocks *bs = start("10.1.0.64", 96 + 29, 1, NULL);
    struct in6_addr bad = wire.last;
    struct in6_addr a;

    advance(bs, 500);
    claim(bs, &bad); /* While it is probed. */
    advance(bs, 2000);
    CU_ASSERT_EQUAL(block_count_ready(bs, AF_INET), 7);
    for (int i = 0; i < 7; i++) {
        CU_ASSERT_EQUAL(block_take(bs, AF_INET, &a), 0);
        CU_ASSERT(!IN6_ARE_ADDR_EQUAL(&a, &bad));
    }
    CU_ASSERT_EQUAL(block_take(bs, AF_INET, &a), EAGAIN);
    claim(bs, &a); /* Taken: nothing to take out. */
    advance(bs, 700000);
    CU_ASSERT_EQUAL(block_count_ready(bs, AF_INET), 1);
    claim(bs, &bad); /* While it is ready. */
    CU_ASSERT_EQUAL(block_take(bs, AF_INET, &a), EAGAIN);
    block_destroy(bs);
    CU_ASSERT_EQUAL(wire.n_listening, 0);
}

/* RFC 5227: after ten conflicts, one probe a minute. */
static void
test_conflict_rate(void)
{
    struct blocks *bs = start("10.1.0.64", 96 + 26, 1, NULL);
    unsigned int n;

    for (int i = 0; i < 10; i++) {
        claim(bs, &wire.last);
        advance(bs, 200);
    }
    advance(bs, 30000);
    n = wire.n_probes;
    advance(bs, 180000);
    CU_ASSERT(wire.n_probes - n <= 4);
    block_destroy(bs);
}

/* Wide blocks: one multicast group for all of a block. */
static void
test_group(void)
{
    struct blocks *bs = start("2001:db8:0:0:5e50::", 88, 0, NULL);
    struct in6_addr prefix = addr("2001:db8:0:0:5e50::");
    struct in6_addr a, b;

    advance(bs, 100);
    CU_ASSERT_EQUAL(block_take(bs, AF_INET6, &a), 0);
    for (int i = 0; i < 1000; i++) {
        advance(bs, 100);
        CU_ASSERT_EQUAL_FATAL(block_take(bs, AF_INET6, &b), 0);
        CU_ASSERT(memcmp(&a, &b, sizeof a));
        CU_ASSERT(!memcmp(&a.s6_addr[13], &b.s6_addr[13], 3));
        CU_ASSERT(!memcmp(&prefix, &b, 11));
        CU_ASSERT(block_contains(bs, &b));
    }
    block_destroy(bs);

    bs = start("2001:db8:0:0:5e50:100::", 88, 0, NULL);
    advance(bs, 100);
    CU_ASSERT_EQUAL(block_take(bs, AF_INET6, &b), 0);
    CU_ASSERT(memcmp(&a.s6_addr[13], &b.s6_addr[13], 3));
    block_destroy(bs);
}

/* One that is empty has something to give again when one has rested. */
static void
test_empty(void)
{
    struct blocks *bs = start("10.1.0.64", 96 + 30, 0, NULL);
    struct in6_addr a, b;

    advance(bs, 100);
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(block_take(bs, AF_INET, &a), 0);
    }
    advance(bs, 1000);
    CU_ASSERT_EQUAL(block_take(bs, AF_INET, &b), EAGAIN);
    block_put(bs, &a);
    advance(bs, 61000);
    CU_ASSERT_EQUAL(block_take(bs, AF_INET, &b), 0);
    CU_ASSERT(IN6_ARE_ADDR_EQUAL(&a, &b));
    block_destroy(bs);
}

static void
test_rest(void)
{
    struct blocks *bs = start("10.1.0.64", 96 + 30, 0, NULL);
    struct in6_addr a, b;

    /* Four addresses. */
    advance(bs, 100);
    CU_ASSERT_EQUAL(block_take(bs, AF_INET, &a), 0);
    block_put(bs, &a);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(block_take(bs, AF_INET, &b), 0);
        CU_ASSERT(!IN6_ARE_ADDR_EQUAL(&a, &b));
    }
    advance(bs, 59000);
    CU_ASSERT_EQUAL(block_take(bs, AF_INET, &b), EAGAIN);
    advance(bs, 2000);
    CU_ASSERT_EQUAL(block_take(bs, AF_INET, &b), 0);
    CU_ASSERT(IN6_ARE_ADDR_EQUAL(&a, &b));
    block_destroy(bs);
}

static void
test_reserve(void)
{
    struct blocks *bs = start(NULL, 0, 0, NULL);
    struct in6_addr kept = addr("10.1.0.65");
    struct in6_addr foreign = addr("10.2.0.1");
    struct in6_addr a;

    block_reserve(bs, &kept); /* Before there is a lease. */
    block_reserve(bs, &foreign);
    block_put(bs, &foreign);
    lease_block(bs, "10.1.0.64", 96 + 30, 0, "10.1.0.66");
    advance(bs, 100);
    CU_ASSERT_EQUAL(block_count_ready(bs, AF_INET), 2);

    /* It moves away, and back, and away: freed by word of the controller. */
    block_moved(bs, &kept);
    block_reserve(bs, &kept);
    block_free(bs, &kept);
    advance(bs, 100);
    CU_ASSERT_EQUAL(block_count_ready(bs, AF_INET), 2);
    block_moved(bs, &kept);
    advance(bs, 1000000);
    CU_ASSERT_EQUAL(block_count_ready(bs, AF_INET), 2);
    block_free(bs, &kept);
    advance(bs, 100);
    CU_ASSERT_EQUAL(block_count_ready(bs, AF_INET), 3);

    /* The renewal no longer has .66: it was freed while nobody told us. */
    lease_block(bs, "10.1.0.64", 96 + 30, 0, NULL);
    advance(bs, 59000);
    CU_ASSERT_EQUAL(block_count_ready(bs, AF_INET), 3);
    advance(bs, 2000);
    CU_ASSERT_EQUAL(block_count_ready(bs, AF_INET), 4);

    /* A renewal that names a ready one, and one that is here. */
    CU_ASSERT_EQUAL(block_take(bs, AF_INET, &a), 0);
    lease_block(bs, "10.1.0.64", 96 + 30, 0, "10.1.0.66");
    CU_ASSERT(block_count_ready(bs, AF_INET) <= 3);
    block_destroy(bs);

    /* What a former agent left, of a session that goes on elsewhere. */
    bs = start(NULL, 0, 0, NULL);
    block_reserve(bs, &kept);
    lease_block(bs, "10.1.0.64", 96 + 30, 0, "10.1.0.65");
    block_put(bs, &kept);
    advance(bs, 61000);
    CU_ASSERT_EQUAL(block_count_ready(bs, AF_INET), 3);
    block_put(bs, &kept);
    block_free(bs, &kept);
    advance(bs, 100);
    CU_ASSERT_EQUAL(block_count_ready(bs, AF_INET), 4);
    block_destroy(bs);
}

static void
test_needs(void)
{
    struct blocks *bs = start(NULL, 0, 0, NULL);
    const struct block_lease *renewal;
    struct in6_addr a;

    CU_ASSERT_EQUAL(block_needs(bs, AF_INET, &renewal), BLOCK_NEED_LEASE);
    CU_ASSERT_PTR_NULL(renewal);
    block_asked(bs, AF_INET);
    CU_ASSERT_EQUAL(block_needs(bs, AF_INET, NULL), BLOCK_NEED_NOTHING);
    CU_ASSERT_EQUAL(block_needs(bs, AF_INET6, NULL), BLOCK_NEED_LEASE);
    advance(bs, BLOCK_ASK_INTERVAL);
    CU_ASSERT_EQUAL(block_needs(bs, AF_INET, NULL), BLOCK_NEED_LEASE);
    block_refused(bs, AF_INET);
    advance(bs, BLOCK_REFUSED_INTERVAL - 1);
    CU_ASSERT_EQUAL(block_needs(bs, AF_INET, NULL), BLOCK_NEED_NOTHING);

    lease_block(bs, "10.1.0.64", 96 + 26, 0, NULL);
    advance(bs, 100);
    CU_ASSERT_EQUAL(block_needs(bs, AF_INET, NULL), BLOCK_NEED_NOTHING);
    for (int i = 0; i < 60; i++) {
        CU_ASSERT_EQUAL(block_take(bs, AF_INET, &a), 0);
        advance(bs, 100);
    }
    CU_ASSERT_EQUAL(block_needs(bs, AF_INET, &renewal), BLOCK_NEED_MORE);
    lease_block(bs, "10.1.0.128", 96 + 26, 0, NULL);
    CU_ASSERT_EQUAL(block_needs(bs, AF_INET, NULL), BLOCK_NEED_NOTHING);
    advance(bs, 100);
    CU_ASSERT_EQUAL(block_needs(bs, AF_INET, NULL), BLOCK_NEED_NOTHING);

    /* Renewal at half its life; at its end nothing more is given. */
    advance(bs, 1800000);
    CU_ASSERT_EQUAL(block_needs(bs, AF_INET, &renewal), BLOCK_NEED_LEASE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(renewal);
    CU_ASSERT_EQUAL(renewal->prefix.s6_addr[15], 64);
    lease_block(bs, "10.1.0.64", 96 + 26, 0, NULL);
    advance(bs, 1800000);
    CU_ASSERT(block_contains(bs, &a));
    a = addr("10.1.0.130");
    CU_ASSERT(!block_contains(bs, &a));
    block_destroy(bs);
    CU_ASSERT_EQUAL(wire.n_listening, 0);
}

/* A block that is not renewed is given up; sessions in it go on. */
static void
test_not_renewed(void)
{
    struct blocks *bs = start("10.1.0.64", 96 + 26, 0, NULL);
    const struct block_lease *renewal;
    struct in6_addr a, b;

    CU_ASSERT_EQUAL(block_take(bs, AF_INET, &a), 0);
    advance(bs, 1800000);
    CU_ASSERT_EQUAL(block_needs(bs, AF_INET, &renewal), BLOCK_NEED_LEASE);
    CU_ASSERT_PTR_NOT_NULL(renewal);
    block_asked(bs, AF_INET);
    lease_block(bs, "10.1.0.128", 96 + 26, 0, NULL);
    advance(bs, 100);
    CU_ASSERT(!block_contains(bs, &a));
    CU_ASSERT_EQUAL(block_take(bs, AF_INET, &b), 0);
    CU_ASSERT(block_contains(bs, &b));
    block_put(bs, &a);
    block_destroy(bs);
    CU_ASSERT_EQUAL(wire.n_listening, 0);
}

/* Nothing waits: as many as are asked for come, if not at once. */
static void
test_many(void)
{
    struct blocks *bs = start("2001:db8::", 64, 1, NULL);
    struct in6_addr a;
    int n = 0;

    for (int i = 0; i < 100; i++) {
        while (!block_take(bs, AF_INET6, &a)) {
            n++;
        }
        advance(bs, 1100);
    }
    CU_ASSERT(n > 2000);
    block_destroy(bs);
    CU_ASSERT_EQUAL(wire.n_listening, 0);
}

static void
test_bad_lease(void)
{
    struct blocks *bs = start(NULL, 0, 0, NULL);
    struct block_lease lease = {
        .prefix = addr("10.1.0.65"),
        .plen = 96 + 26,
        .lifetime = 10,
    };

    CU_ASSERT_EQUAL(block_lease(bs, &lease), EINVAL);
    lease.plen = 129;
    CU_ASSERT_EQUAL(block_lease(bs, &lease), EINVAL);
    lease.prefix = addr("::ffff:0:0");
    lease.plen = 95;
    CU_ASSERT_EQUAL(block_lease(bs, &lease), EINVAL);
    lease.plen = 96;
    CU_ASSERT_EQUAL(block_lease(bs, &lease), 0);
    block_destroy(bs);
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "probing", test_probing },
        { "no interface", test_no_interface },
        { "conflict", test_conflict },
        { "rate of conflicts", test_conflict_rate },
        { "rest", test_rest },
        { "empty", test_empty },
        { "group", test_group },
        { "reserve", test_reserve },
        { "needs", test_needs },
        { "not renewed", test_not_renewed },
        { "many", test_many },
        { "bad lease", test_bad_lease },
    };

    return unit_run("block", tests, ARRAY_SIZE(tests));
}
