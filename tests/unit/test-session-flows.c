/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "session-flows.h"

#include <stdlib.h>
#include <string.h>

#include "flow-message.h"
#include "flow.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "svec.h"
#include "unit.h"
#include "util.h"

static const struct flow_layout layout = {
    .forward_table = -1,
    .meter_id = 7,
    .attachment_meter_id = 8,
};

static struct flow_place
make_place(uint16_t port, uint16_t vlan_tci)
{
    return (struct flow_place){
        .port = u16_to_ofp(port),
        .mac = ETH_ADDR_C(02, 00, 00, 00, 00, 00 + port),
        .vlan_tci = vlan_tci,
    };
}

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

static struct flow_set
make_session(const char *addr_s, const struct flow_place *guard,
             const struct flow_place *inbound)
{
    struct in6_addr addr = make_addr(addr_s);
    struct flow_set set;

    flow_set_init(&set);
    flows_session(&layout, &addr, guard, inbound, &set);
    return set;
}

static struct flow_set
make_pipeline(const struct flow_layout *l)
{
    struct flow_prefix prefixes[] = {
        { make_addr("10.0.0.0"), 96 + 24 },
        { make_addr("fd00::"), 64 },
    };
    struct flow_set set;

    flow_set_init(&set);
    flows_pipeline(l, prefixes, ARRAY_SIZE(prefixes), &set);
    return set;
}

/* How many flows of 'a' are not in 'b' or do something else there. */
static size_t
count_changes(const struct flow_set *a, const struct flow_set *b)
{
    const struct baton_flow *flow;
    size_t n = 0;

    HMAP_FOR_EACH(flow, node, &a->flows) {
        const struct baton_flow *other = flow_set_find(b, flow);
        n += !other || !baton_flow_does_same(flow, other);
    }
    return n;
}

/* Is there a flow whose text begins and ends so? */
static bool
has_flow(const struct flow_set *set, const char *start, const char *end)
{
    const struct baton_flow *flow;
    bool found = false;

    HMAP_FOR_EACH(flow, node, &set->flows) {
        struct ds s = DS_EMPTY_INITIALIZER;

        baton_flow_format(flow, &s);
        found |= !strncmp(ds_cstr(&s), start, strlen(start))
                 && s.length >= strlen(end)
                 && !strcmp(ds_cstr(&s) + s.length - strlen(end), end);
        ds_destroy(&s);
    }
    return found;
}

/* Equal input, equal flows, to the byte. */
static void
test_pure(void)
{
    struct flow_place a = make_place(1, 0), b = make_place(2, 0);
    static const char *const addrs[] = { "10.0.0.5", "fd00::5" };

    for (size_t i = 0; i < ARRAY_SIZE(addrs); i++) {
        struct flow_set x = make_session(addrs[i], &a, &b);
        struct flow_set y = make_session(addrs[i], &a, &b);

        CU_ASSERT(flow_set_count(&x) > 0);
        CU_ASSERT_EQUAL(count_changes(&x, &y), 0);
        CU_ASSERT_EQUAL(count_changes(&y, &x), 0);
        flow_set_destroy(&x);
        flow_set_destroy(&y);
    }
}

/* A session's own flows are 5; a change of owner changes 2, each in place. */
static void
test_cost(void)
{
    struct flow_place a = make_place(1, 0), b = make_place(2, 0);
    static const char *const addrs[] = { "10.0.0.5", "fd00::5" };

    for (size_t i = 0; i < ARRAY_SIZE(addrs); i++) {
        /* Beside flows of PLACE, which all sessions of a place share. */
        struct flow_prefix block = { make_addr(addrs[i]), 128 };
        struct flow_set before, after;

        flow_set_init(&before);
        flow_set_init(&after);
        flows_block(&layout, &block, &a, &before);
        flows_block(&layout, &block, &b, &before);
        flows_block(&layout, &block, &a, &after);
        flows_block(&layout, &block, &b, &after);
        size_t others = flow_set_count(&before);
        flows_session(&layout, &block.addr, &a, &b, &before);
        flows_session(&layout, &block.addr, &b, &b, &after);
        CU_ASSERT_EQUAL(flow_set_count(&before), others + 5);
        CU_ASSERT_EQUAL(count_changes(&before, &after), 2);
        CU_ASSERT_EQUAL(count_changes(&after, &before), 2);
        flow_set_destroy(&before);
        flow_set_destroy(&after);
    }
}

/* The actions of all sessions at one place are the same: kept once. */
static void
test_shared_actions(void)
{
    struct flow_place a = make_place(1, 0), b = make_place(2, 0);
    static const char *const addrs[][2] = { { "10.0.0.5", "10.0.0.6" },
                                            { "fd00::5", "fd00::6" } };

    for (size_t i = 0; i < ARRAY_SIZE(addrs); i++) {
        struct flow_set one = make_session(addrs[i][0], &a, &b);
        struct flow_set other = make_session(addrs[i][1], &a, &b);
        const struct baton_flow *x, *y;

        HMAP_FOR_EACH(x, node, &one.flows) {
            bool found = false;

            HMAP_FOR_EACH(y, node, &other.flows) {
                found |= x->table_id == y->table_id
                         && x->priority == y->priority
                         && baton_flow_does_same(x, y);
            }
            CU_ASSERT(found);
        }
        flow_set_destroy(&one);
        flow_set_destroy(&other);
    }
}

static void
test_cookies(void)
{
    struct flow_place a = make_place(1, 0);
    struct flow_set set = make_pipeline(&layout);
    struct in6_addr addr = make_addr("10.0.0.5");
    const struct baton_flow *flow;
    bool violation = false, attachment = false;

    flows_session(&layout, &addr, &a, &a, &set);
    HMAP_FOR_EACH(flow, node, &set.flows) {
        uint64_t kind = flow->cookie & ~BATON_COOKIE_MASK;

        CU_ASSERT_EQUAL(flow->cookie & BATON_COOKIE_MASK, BATON_COOKIE);
        CU_ASSERT(kind <= BATON_FLOW_REDIRECT);

        /* Packet-ins are told by their flow's cookie: who outputs to the
         * controller must have the kind that says what it is. */
        const struct ofpact *a_;
        OFPACT_FOR_EACH(a_, flow->ofpacts, flow->ofpacts_len) {
            if (a_->type == OFPACT_OUTPUT
                && ofpact_get_OUTPUT(a_)->port == OFPP_CONTROLLER) {
                CU_ASSERT(kind == BATON_FLOW_GUARD_VIOLATION
                          || kind == BATON_FLOW_ATTACHMENT);
                violation |= kind == BATON_FLOW_GUARD_VIOLATION;
                attachment |= kind == BATON_FLOW_ATTACHMENT;
                CU_ASSERT_EQUAL(flow->ofpacts->type, OFPACT_METER);
            }
        }
    }
    CU_ASSERT(violation && attachment);
    flow_set_destroy(&set);
}

static void
test_layout(void)
{
    struct flow_layout other = { .first_table = 40, .forward_table = 3 };
    struct flow_set set = make_pipeline(&other);
    const struct baton_flow *flow;

    HMAP_FOR_EACH(flow, node, &set.flows) {
        CU_ASSERT(flow->table_id >= 40
                  && flow->table_id < 40 + BATON_N_TABLES);
        CU_ASSERT(!flow->ofpacts_len || flow->ofpacts->type != OFPACT_METER);
    }
    CU_ASSERT(has_flow(&set, "cookie=0xba70000000000000, table=53,",
                       "actions=resubmit(,3)"));
    flow_set_destroy(&set);

    set = make_pipeline(&layout);
    CU_ASSERT(has_flow(&set, "cookie=0xba70000000000000, table=13,",
                       "actions=NORMAL"));
    CU_ASSERT(has_flow(&set,
                       "cookie=0xba70000000000003, table=1, "
                       "priority=100,ip,nw_src=10.0.0.0/24",
                       "actions=set_field:0x1->reg12,goto_table:4"));
    CU_ASSERT(has_flow(&set,
                       "cookie=0xba70000000000003, table=4, "
                       "priority=1000,reg12=0x1",
                       "actions=meter:7,CONTROLLER:65535"));
    flow_set_destroy(&set);
}

static void
test_nowhere(void)
{
    struct flow_place nowhere = { .port = OFPP_NONE };
    const struct flow_place *none[] = { NULL, &nowhere };

    for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
        struct flow_set set = make_session("10.0.0.5", none[i], none[i]);

        CU_ASSERT_EQUAL(flow_set_count(&set), 2);
        CU_ASSERT(has_flow(&set,
                           "cookie=0xba70000000000003, table=1, "
                           "priority=300,ip,nw_src=10.0.0.5",
                           "actions=set_field:0x1->reg12,goto_table:4"));
        CU_ASSERT(has_flow(&set,
                           "cookie=0xba70000000000003, table=1, "
                           "priority=300,arp,arp_spa=10.0.0.5",
                           "actions=set_field:0x1->reg12,goto_table:4"));
        flow_set_destroy(&set);
    }
}

/* A VLAN id with or without the bits around it means the same. */
static void
test_vlan(void)
{
    struct flow_place a = make_place(1, 7), b = make_place(1, 0x1007);
    struct flow_place c = make_place(1, 0x2007), d = make_place(1, 8);
    struct flow_set x = make_session("10.0.0.5", &a, &a);
    struct flow_set y = make_session("10.0.0.5", &b, &b);
    struct flow_set z = make_session("10.0.0.5", &c, &c);
    struct flow_set u = make_session("10.0.0.5", &d, &d);

    CU_ASSERT_EQUAL(count_changes(&x, &y), 0);
    CU_ASSERT_EQUAL(count_changes(&x, &z), 0);
    CU_ASSERT(count_changes(&x, &u) > 0);
    flow_set_destroy(&x);
    flow_set_destroy(&y);
    flow_set_destroy(&z);
    flow_set_destroy(&u);
}

/* What comes back from a switch is recognised: table, priority, match and
 * actions survive being encoded, in each version. */
static void
check_roundtrip(const struct baton_flow *flow, enum ofp_version version)
{
    enum ofputil_protocol protocol = ofputil_protocol_from_ofp_version(
        version);
    struct ofpbuf *msg = flow_message_add(flow, true, version);
    struct ofpbuf ofpacts;
    struct ofputil_flow_mod fm;

    ofpbuf_init(&ofpacts, 0);
    if (ofputil_decode_flow_mod(&fm, msg->data, protocol, NULL, NULL, &ofpacts,
                                OFPP_MAX, UINT8_MAX)) {
        CU_FAIL("not decoded");
    } else {
        struct ofputil_flow_stats stats = {
            .cookie = fm.new_cookie,
            .ofpacts = fm.ofpacts,
            .ofpacts_len = fm.ofpacts_len,
        };

        CU_ASSERT(flow_key_equal(flow, fm.table_id, fm.priority, &fm.match));
        CU_ASSERT(flow_message_matches_stats(flow, &stats, true, version));
        stats.cookie ^= OVS_BE64_MAX;
        CU_ASSERT(!flow_message_matches_stats(flow, &stats, true, version));
        minimatch_destroy(&fm.match);
    }
    ofpbuf_uninit(&ofpacts);
    ofpbuf_delete(msg);
}

static void
test_roundtrip(void)
{
    struct flow_place a = make_place(1, 0), b = make_place(2, 7);
    struct flow_set set = make_pipeline(&layout);
    static const char *const addrs[] = { "10.0.0.5", "fd00::5" };
    const struct baton_flow *flow;

    for (size_t i = 0; i < ARRAY_SIZE(addrs); i++) {
        struct in6_addr addr = make_addr(addrs[i]);
        struct flow_prefix block = { addr, 124 };

        flows_session(&layout, &addr, &a, &b, &set);
        flows_block(&layout, &block, &b, &set);
    }
    HMAP_FOR_EACH(flow, node, &set.flows) {
        check_roundtrip(flow, OFP13_VERSION);
        check_roundtrip(flow, OFP14_VERSION);
        check_roundtrip(flow, OFP15_VERSION);
    }
    flow_set_destroy(&set);
}

/* Where a switch has no meters. */
static void
test_without_meters(void)
{
    struct flow_layout unmetered = { .forward_table = -1 };
    struct flow_set with = make_pipeline(&layout);
    struct flow_set without = make_pipeline(&unmetered);
    const struct baton_flow *flow;

    HMAP_FOR_EACH(flow, node, &with.flows) {
        const struct baton_flow *other = flow_set_find(&without, flow);
        CU_ASSERT_PTR_NOT_NULL_FATAL(other);
        struct ofpbuf *a = flow_message_add(flow, false, OFP15_VERSION);
        struct ofpbuf *b = flow_message_add(other, true, OFP15_VERSION);

        ((struct ofp_header *) a->data)->xid = 0;
        ((struct ofp_header *) b->data)->xid = 0;
        CU_ASSERT(ofpbuf_equal(a, b));
        ofpbuf_delete(a);
        ofpbuf_delete(b);
    }
    flow_set_destroy(&with);
    flow_set_destroy(&without);
}

static void
test_set(void)
{
    struct match match = MATCH_CATCHALL_INITIALIZER;
    struct flow_set a, b;

    flow_set_init(&a);
    flow_set_init(&b);
    flow_set_add(&a, 1, 2, 3, &match, NULL, 0);
    flow_set_add(&a, 1, 2, 4, &match, NULL, 0);
    flow_set_add(&a, 1, 3, 4, &match, NULL, 0);
    flow_set_add(&a, 2, 2, 4, &match, NULL, 0);
    CU_ASSERT_EQUAL(flow_set_count(&a), 3);
    flow_set_swap(&a, &b);
    CU_ASSERT_EQUAL(flow_set_count(&a), 0);
    CU_ASSERT_EQUAL(flow_set_count(&b), 3);
    flow_set_destroy(&a);
    flow_set_destroy(&b);
}

static const struct flow_layout tunnel_layout = {
    .forward_table = -1,
    .meter_id = 7,
    .attachment_meter_id = 8,
    .size_meter_id = 9,
    .tunnel_port = OFP_PORT_C(5),
    .tunnel_mtu = 1450,
    .mac = ETH_ADDR_C(06, 00, 00, 00, 00, 01),
};

static struct flow_place
make_tunnel_place(const char *peer)
{
    return (struct flow_place){
        .port = tunnel_layout.tunnel_port,
        .peer = make_addr(peer),
        .key = 0xabcdef,
    };
}

/* Is there a flow whose text has all of these? */
static bool
has_flow_with(const struct flow_set *set, const char *a, const char *b,
              const char *c)
{
    const struct baton_flow *flow;
    bool found = false;

    HMAP_FOR_EACH(flow, node, &set->flows) {
        struct ds s = DS_EMPTY_INITIALIZER;

        baton_flow_format(flow, &s);
        found |= strstr(ds_cstr(&s), a) && strstr(ds_cstr(&s), b)
                 && strstr(ds_cstr(&s), c);
        ds_destroy(&s);
    }
    return found;
}

/* The session's owner is behind a tunnel: what its home does. */
static void
test_away(void)
{
    struct in6_addr addr = make_addr("10.1.0.130");
    struct flow_place home = make_place(1, 0);
    struct flow_place far = make_tunnel_place("10.2.0.3");
    struct flow_place other = make_tunnel_place("10.3.0.3");
    struct flow_set set;

    flow_set_init(&set);
    flows_session(&tunnel_layout, &addr, &home, &far, &set);
    CU_ASSERT(has_flow_with(&set, "nw_dst=10.1.0.130",
                            "set_field:10.2.0.3->tun_dst",
                            "set_field:0xabcdef->tun_id"));
    /* Nothing from the tunnel yet. */
    CU_ASSERT(!has_flow_with(&set, "tun_src=", "", ""));
    /* Answers bear the bridge's MAC address. */
    CU_ASSERT(has_flow_with(&set, "arp_tpa=10.1.0.130",
                            "06:00:00:00:00:01->arp_sha", ""));
    CU_ASSERT(!has_flow_with(&set, "nw_dst=10.1.0.130", "->eth_dst", ""));
    flow_set_destroy(&set);

    /* A device behind no bridge takes what is for its own MAC address. */
    flow_set_init(&set);
    far.mac = make_place(7, 0).mac;
    flows_session(&tunnel_layout, &addr, &home, &far, &set);
    CU_ASSERT(has_flow_with(&set, "nw_dst=10.1.0.130", "->eth_dst",
                            "set_field:10.2.0.3->tun_dst"));
    /* Whoever sent what does not fit gets the answer. */
    CU_ASSERT(!has_flow_with(&set, "nw_dst=10.1.0.130", "->eth_src", ""));
    flow_set_destroy(&set);

    flow_set_init(&set);
    flows_session(&tunnel_layout, &addr, &other, &other, &set);
    CU_ASSERT(has_flow_with(&set, "tun_src=10.3.0.3", "tun_id=0xabcdef",
                            "in_port=5"));
    CU_ASSERT(!has_flow_with(&set, "tun_src=10.2.0.3", "", ""));
    /* Straight there. */
    CU_ASSERT(has_flow_with(&set, "nw_dst=10.1.0.130",
                            "set_field:10.3.0.3->tun_dst", ""));
    flow_set_destroy(&set);
}

/* What the bridge does that it visits. */
static void
test_visitor(void)
{
    static const char *const addresses[] = { "10.1.0.130", "fd00:1::5" };
    struct flow_place home = make_tunnel_place("10.1.0.3");
    struct flow_place device = make_place(2, 0);

    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        struct in6_addr addr = make_addr(addresses[i]);
        struct flow_set set;
        char *dst = xasprintf("%s_dst=%s", i ? "ipv6" : "nw", addresses[i]);
        char *src = xasprintf("%s_src=%s", i ? "ipv6" : "nw", addresses[i]);

        /* Announced: it may get, not send. */
        flow_set_init(&set);
        flows_visitor(&tunnel_layout, &addr, &home, NULL, &device, &set);
        CU_ASSERT(has_flow_with(&set, dst, "tun_src=10.1.0.3",
                                "02:00:00:00:00:02->eth_dst"));
        CU_ASSERT(has_flow_with(&set, "table=1,", src, "0x1->reg12"));
        flow_set_destroy(&set);

        flow_set_init(&set);
        flows_visitor(&tunnel_layout, &addr, &home, &device, &device, &set);
        CU_ASSERT(has_flow_with(&set, "table=8,", src, "10.1.0.3->tun_dst"));
        CU_ASSERT(!has_flow_with(&set, src, "0x1->reg12", ""));
        flow_set_destroy(&set);
        free(dst);
        free(src);
    }
}

/* Without a tunnel port there is nothing of it; with one, what comes out of it
 * is nobody's until something says so. */
static void
test_tunnel(void)
{
    struct flow_prefix subnet = { make_addr("10.1.0.0"), 96 + 24 };
    struct flow_set set;

    flow_set_init(&set);
    flows_tunnel(&layout, &subnet, 1, &set);
    CU_ASSERT_EQUAL(flow_set_count(&set), 0);
    flows_tunnel(&tunnel_layout, &subnet, 1, &set);
    CU_ASSERT(has_flow_with(&set, "table=1,", "in_port=5", "0x1->reg12"));
    CU_ASSERT(has_flow_with(&set, "table=0,", "in_port=5,dl_type=0x88b5",
                            "CONTROLLER"));
    CU_ASSERT(has_flow_with(&set, "check_pkt_larger(1464)", "", ""));
    CU_ASSERT(has_flow_with(&set, "nw_dst=10.1.0.0/24", "CONTROLLER", ""));
    flow_set_destroy(&set);
}

/* A device does not send from other bridges' pools. */
static void
test_device(void)
{
    struct flow_prefix pools[] = {
        { make_addr("10.1.0.128"), 96 + 25 },
        { make_addr("fd00:1::"), 64 },
    };
    struct flow_place place = make_place(2, 0);
    struct flow_place nowhere = { .port = OFPP_NONE };
    struct flow_set set;

    flow_set_init(&set);
    flows_device(&tunnel_layout, &nowhere, pools, 2, &set);
    CU_ASSERT_EQUAL(flow_set_count(&set), 0);
    flows_device(&tunnel_layout, &place, pools, 2, &set);
    CU_ASSERT_EQUAL(flow_set_count(&set), 3);
    CU_ASSERT(has_flow_with(&set, "in_port=2", "nw_src=10.1.0.128/25",
                            "0x1->reg12"));
    CU_ASSERT(has_flow_with(&set, "in_port=2", "ipv6_src=fd00:1::/64",
                            "0x1->reg12"));
    flow_set_destroy(&set);
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "away", test_away },
        { "visitor", test_visitor },
        { "tunnel", test_tunnel },
        { "device", test_device },
        { "pure", test_pure },
        { "cost", test_cost },
        { "shared actions", test_shared_actions },
        { "cookies", test_cookies },
        { "layout", test_layout },
        { "nowhere", test_nowhere },
        { "vlan", test_vlan },
        { "roundtrip", test_roundtrip },
        { "without meters", test_without_meters },
        { "set", test_set },
    };
    return unit_run("session-flows", tests, ARRAY_SIZE(tests));
}
