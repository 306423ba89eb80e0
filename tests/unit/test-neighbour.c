/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "neighbour.h"

#include <string.h>

#include "dp-packet.h"
#include "flow.h"
#include "packets.h"
#include "unit.h"
#include "util.h"

static struct neighbours *ns;
static long long int now;
/* What was done, since it was last looked at. */
static unsigned int n_asked, n_set, n_unset;
static struct neighbour_action last_set;

static const struct eth_addr router = ETH_ADDR_C(02, 00, 00, 00, 00, 01);
static const struct eth_addr host = ETH_ADDR_C(02, 00, 00, 00, 00, 02);
static const struct eth_addr liar = ETH_ADDR_C(02, 00, 00, 00, 00, 66);

static struct in6_addr
make_addr(const char *s)
{
    struct in6_addr addr;
    ovs_be32 ip;

    if (ip_parse(s, &ip)) {
        in6_addr_set_mapped_ipv4(&addr, ip);
    } else {
        ovs_assert(ipv6_parse(s, &addr));
    }
    return addr;
}

static void
begin(void)
{
    ns = neighbours_create();
    now = 1000;
}

static void
run(void)
{
    struct neighbour_action action;

    n_asked = n_set = n_unset = 0;
    neighbours_run(ns, now);
    while (neighbours_next_action(ns, &action)) {
        switch (action.type) {
        case NEIGHBOUR_ASK: n_asked++; break;
        case NEIGHBOUR_SET:
            n_set++;
            last_set = action;
            break;
        case NEIGHBOUR_UNSET: n_unset++; break;
        }
    }
}

static void
learn(const char *address, bool gateway, struct eth_addr mac)
{
    struct in6_addr addr = make_addr(address);

    neighbours_learn(ns, "br0", &addr, gateway, mac, now);
}

static bool
answer(const char *address, struct eth_addr mac)
{
    struct in6_addr addr = make_addr(address);

    return neighbours_answer(ns, "br0", &addr, mac, now);
}

/* What a device tells serves at once, and until the neighbour itself says
 * something else. */
static void
test_learn(void)
{
    begin();
    learn("10.1.0.1", true, liar);
    run();
    CU_ASSERT_EQUAL(n_set, 1);
    CU_ASSERT_EQUAL(last_set.dst.plen, 96);
    CU_ASSERT(eth_addr_equals(last_set.mac, liar));
    CU_ASSERT_EQUAL(n_asked, 1);
    CU_ASSERT(answer("10.1.0.1", router));
    run();
    CU_ASSERT_EQUAL(n_set, 1);
    CU_ASSERT(eth_addr_equals(last_set.mac, router));
    learn("10.1.0.1", true, liar);
    run();
    CU_ASSERT_EQUAL(n_set, 0);

    /* Nobody puts another gateway in the place of one that answers. */
    CU_ASSERT(answer("10.1.0.1", router));
    learn("10.1.0.66", true, liar);
    run();
    CU_ASSERT(!n_set || last_set.dst.plen == 128);

    learn("fe80::1", true, router);
    learn("fd00:1::2", false, host);
    run();
    CU_ASSERT_EQUAL(n_set, 2);
    neighbours_destroy(ns);
}

/* An answer that nobody asked for is none. */
static void
test_unasked(void)
{
    struct in6_addr addr = make_addr("10.1.0.2");
    struct eth_addr mac;

    begin();
    CU_ASSERT(!answer("10.1.0.2", host));
    CU_ASSERT(!neighbours_want(ns, "br0", &addr, true, &mac, now));
    CU_ASSERT(!answer("10.1.0.2", host));
    run();
    CU_ASSERT_EQUAL(n_asked, 1);
    CU_ASSERT(!answer("10.1.0.2", eth_addr_zero));
    CU_ASSERT(!answer("10.1.0.2", eth_addr_broadcast));
    CU_ASSERT(answer("10.1.0.2", host));
    CU_ASSERT(neighbours_want(ns, "br0", &addr, true, &mac, now));
    CU_ASSERT(eth_addr_equals(mac, host));
    CU_ASSERT(!answer("10.1.0.2", liar));
    CU_ASSERT(!neighbours_want(ns, "br1", &addr, true, &mac, now));

    /* Off the subnet without a gateway: nowhere. */
    addr = make_addr("192.0.2.1");
    CU_ASSERT(!neighbours_want(ns, "br0", &addr, false, &mac, now));
    neighbours_destroy(ns);
}

/* 48 hours, in which the gateway is another box for a while. */
static void
test_hours(void)
{
    const long long int end = 48 * 3600 * 1000LL;
    unsigned int asked = 0;

    begin();
    learn("10.1.0.1", true, router);
    learn("10.1.0.2", false, host);
    while (now < end) {
        now = MAX(now + 1, neighbours_next_deadline(ns));
        run();
        asked += n_asked;
        answer("10.1.0.1", now < end / 2 ? router : liar);
        answer("10.1.0.2", host);
        neighbours_set_active(ns, "br0", true, now);
        CU_ASSERT_FATAL(n_set <= 2 && !n_unset);
    }
    /* Each of the two, twice a minute. */
    CU_ASSERT(asked >= 2 * end / NEIGHBOUR_REFRESH_MS - 4
              && asked <= 2 * end / NEIGHBOUR_REFRESH_MS + 4);
    CU_ASSERT(eth_addr_equals(last_set.mac, liar));
    neighbours_destroy(ns);
}

/* A host that is silent is forgotten; a gateway is kept; without sessions
 * away nobody is asked. */
static void
test_silence(void)
{
    void *cookie = NULL;
    struct neighbour n;
    unsigned int unset = 0;

    begin();
    learn("10.1.0.1", true, router);
    learn("10.1.0.2", false, host);
    for (int i = 0; i < 100; i++) {
        run();
        unset += n_unset;
        now += NEIGHBOUR_RETRY_MS;
    }
    CU_ASSERT_EQUAL(unset, 1);
    CU_ASSERT(neighbours_next(ns, &cookie, &n));
    CU_ASSERT(n.gateway && eth_addr_equals(n.mac, router));
    CU_ASSERT(!neighbours_next(ns, &cookie, &n));

    learn("10.1.0.2", false, host);
    run();
    now += NEIGHBOUR_KEEP_MS;
    neighbours_set_active(ns, "br0", false, now);
    run();
    CU_ASSERT_EQUAL(n_unset, 1);
    CU_ASSERT_EQUAL(neighbours_next_deadline(ns), LLONG_MAX);

    /* The bridge is new: all its flows again. */
    neighbours_refresh(ns, "br0");
    run();
    CU_ASSERT_EQUAL(n_set, 1);
    neighbours_forget(ns, "br0");
    run();
    CU_ASSERT_EQUAL(n_unset, 1);
    neighbours_destroy(ns);
}

/* Makes the answer to the question in 'packet', as a host would. */
static void
make_answer(const struct dp_packet *question, struct dp_packet *packet)
{
    struct flow flow;

    flow_extract(CONST_CAST(struct dp_packet *, question), &flow);
    dp_packet_init(packet, 0);
    if (flow.dl_type == htons(ETH_TYPE_ARP)) {
        compose_arp(packet, ARP_OP_REPLY, host, flow.dl_src, false,
                    flow.nw_dst, flow.nw_src);
    } else {
        compose_nd_na(packet, host, flow.dl_src, &flow.nd_target,
                      &flow.ipv6_src, htonl(0x60000000));
    }
}

static void
test_frames(void)
{
    static const char *const addresses[] = { "10.1.0.2", "fd00:1::2" };

    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        struct in6_addr addr = make_addr(addresses[i]), got;
        struct dp_packet question, reply;
        struct eth_addr mac;

        dp_packet_init(&question, 0);
        neighbour_compose(&question, &addr, router);
        CU_ASSERT(!neighbour_parse(dp_packet_data(&question),
                                   dp_packet_size(&question), &got, &mac));
        make_answer(&question, &reply);
        CU_ASSERT_FATAL(neighbour_parse(dp_packet_data(&reply),
                                        dp_packet_size(&reply), &got, &mac));
        CU_ASSERT(ipv6_addr_equals(&got, &addr));
        CU_ASSERT(eth_addr_equals(mac, host));
        for (size_t n = 0; n < dp_packet_size(&reply); n++) {
            neighbour_parse(dp_packet_data(&reply), n, &got, &mac);
        }
        dp_packet_uninit(&question);
        dp_packet_uninit(&reply);
    }
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "learn", test_learn },    { "unasked", test_unasked },
        { "48 hours", test_hours }, { "silence", test_silence },
        { "frames", test_frames },
    };

    return unit_run("neighbour", tests, ARRAY_SIZE(tests));
}
