/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "csum.h"
#include "dp-packet.h"
#include "flow-builder.h"
#include "flow-set.h"
#include "flow.h"
#include "mapping-flows.h"
#include "mapping-packet.h"
#include "mapping-service.h"
#include "network.h"
#include "openvswitch/ofp-actions.h"
#include "packets.h"
#include "policy.h"
#include "unit.h"
#include "util.h"

/* The pure parts of mappings: flows, packets, limits. */

static struct in6_addr
address(const char *s)
{
    struct in6_addr addr;
    ovs_be32 ip;

    if (ip_parse(s, &ip)) {
        in6_addr_set_mapped_ipv4(&addr, ip);
    } else {
        CU_ASSERT_FATAL(ipv6_parse(s, &addr));
    }
    return addr;
}

static const struct flow_layout layout = { .first_table = 20,
                                           .forward_table = -1,
                                           .mapping_meter_id = 9 };

static struct flow_mapping
mapping(bool ip4)
{
    return (struct flow_mapping){
        .protocol = ip4 ? IPPROTO_TCP : IPPROTO_UDP,
        .permanent = address(ip4 ? "10.1.0.11" : "fd00:1::11"),
        .port = 8080,
        .correspondent = address(ip4 ? "10.1.0.2" : "fd00:1::2"),
        .correspondent_port = 50000,
        .address = address(ip4 ? "10.1.0.130" : "fd00:1::5e55:2"),
        .half_open = ip4,
        .idle_s = 120,
    };
}

/* What a switch tells of a mapping's flows is the mapping. */
static void
test_flows_and_back(void)
{
    for (int ip4 = 0; ip4 <= 1; ip4++) {
        struct flow_mapping m = mapping(ip4);
        struct baton_flow *flow;
        struct flow_set set;

        flow_set_init(&set);
        flows_mapping(&layout, &m, &set);
        CU_ASSERT_EQUAL(flow_set_count(&set), 2);
        HMAP_FOR_EACH(flow, node, &set.flows) {
            enum baton_flow_kind kind = flow->cookie & 0xffff;
            struct flow_mapping got;
            struct match match;

            CU_ASSERT_EQUAL(flow->idle_timeout, 120);
            CU_ASSERT_EQUAL(flow->table_id, 20 + BATON_TABLE_MAPPING);
            minimatch_expand(&flow->match, &match);
            CU_ASSERT_FATAL(flows_mapping_read(kind, &match, flow->ofpacts,
                                               flow->ofpacts_len, &got));
            CU_ASSERT(ipv6_addr_equals(&got.permanent, &m.permanent));
            CU_ASSERT(ipv6_addr_equals(&got.address, &m.address));
            CU_ASSERT(ipv6_addr_equals(&got.correspondent, &m.correspondent));
            CU_ASSERT_EQUAL(got.protocol, m.protocol);
            if (kind == BATON_FLOW_MAPPED_IN) {
                CU_ASSERT_EQUAL(got.port, 8080);
                CU_ASSERT_EQUAL(got.correspondent_port, 50000);
                CU_ASSERT_EQUAL(got.half_open, m.half_open);
            } else {
                CU_ASSERT_EQUAL(kind, BATON_FLOW_MAPPED_OUT);
            }
            /* Without its actions it is nothing. */
            CU_ASSERT(
                !flows_mapping_read(kind, &match, flow->ofpacts, 0, &got));
        }
        flow_set_destroy(&set);
    }
}

/* One that is suspended sends nothing to the controller but errors. */
static void
test_service_flows(void)
{
    for (int open = 0; open <= 1; open++) {
        struct flow_movable movable = { .protocol = IPPROTO_UDP,
                                        .permanent = address("10.1.0.11"),
                                        .port = 9000,
                                        .open = open };
        const struct baton_flow *flow;
        struct flow_set set;
        size_t n_first = 0;

        flow_set_init(&set);
        flows_movable(&layout, &movable, &set);
        HMAP_FOR_EACH(flow, node, &set.flows) {
            n_first += (flow->cookie & 0xffff) == BATON_FLOW_MAPPING_FIRST;
            CU_ASSERT_EQUAL(flow->idle_timeout, 0);
        }
        CU_ASSERT_EQUAL(n_first, open);
        flow_set_destroy(&set);
    }
}

/* Of a datagram all fragments, of a segment the later ones: past everything
 * that has ports in its match. */
static void
test_fragment_flows(void)
{
    for (int tcp = 0; tcp <= 1; tcp++) {
        struct flow_movable movable = { .protocol = (tcp ? IPPROTO_TCP
                                                         : IPPROTO_UDP),
                                        .permanent = address("10.1.0.11"),
                                        .port = 9000,
                                        .open = true };
        const struct baton_flow *flow, *fragments = NULL;
        uint16_t highest = 0;
        struct flow_set set;
        struct match match;

        flow_set_init(&set);
        flows_movable(&layout, &movable, &set);
        HMAP_FOR_EACH(flow, node, &set.flows) {
            if ((flow->cookie & 0xffff) == BATON_FLOW_MAPPING_FRAGMENT) {
                CU_ASSERT_PTR_NULL(fragments);
                fragments = flow;
            } else {
                highest = MAX(highest, flow->priority);
            }
        }
        CU_ASSERT_PTR_NOT_NULL_FATAL(fragments);
        CU_ASSERT(fragments->priority > highest);
        minimatch_expand(&fragments->match, &match);
        CU_ASSERT_EQUAL(match.wc.masks.nw_frag,
                        tcp ? FLOW_NW_FRAG_LATER : FLOW_NW_FRAG_ANY);
        CU_ASSERT_EQUAL(match.flow.nw_frag, match.wc.masks.nw_frag);
        CU_ASSERT_EQUAL(match.wc.masks.tp_dst, 0);
        flow_set_destroy(&set);
    }
}

/* Packets. */

/* A UDP datagram, or the segment that makes an error's quote. */
static struct dp_packet *
datagram(const char *src, const char *dst, uint16_t sport, uint16_t dport)
{
    struct in6_addr s = address(src), d = address(dst);
    struct dp_packet *packet = dp_packet_new(256);
    struct flow flow;

    memset(&flow, 0, sizeof flow);
    flow.dl_type = htons(IN6_IS_ADDR_V4MAPPED(&s) ? ETH_TYPE_IP
                                                  : ETH_TYPE_IPV6);
    flow.nw_proto = IPPROTO_UDP;
    flow.nw_ttl = 64;
    if (IN6_IS_ADDR_V4MAPPED(&s)) {
        flow.nw_src = in6_addr_get_mapped_ipv4(&s);
        flow.nw_dst = in6_addr_get_mapped_ipv4(&d);
    } else {
        flow.ipv6_src = s;
        flow.ipv6_dst = d;
    }
    flow.tp_src = htons(sport);
    flow.tp_dst = htons(dport);
    flow_compose(packet, &flow, "payload", 7);
    return packet;
}

static bool
checksums_are_right(const struct dp_packet *packet)
{
    const struct eth_header *eth = dp_packet_data(packet);
    const uint8_t *p = (const uint8_t *) (eth + 1);

    if (eth->eth_type == htons(ETH_TYPE_IP)) {
        const struct ip_header *ip = (const void *) p;
        size_t n = ntohs(ip->ip_tot_len) - sizeof *ip;

        return !csum(ip, sizeof *ip)
               && !(ip->ip_proto == IPPROTO_ICMP
                        ? csum(ip + 1, n)
                        : csum_finish(csum_continue(
                            packet_csum_pseudoheader(ip), ip + 1, n)));
    } else {
        const struct ovs_16aligned_ip6_hdr *ip6 = (const void *) p;
        size_t n = ntohs(ip6->ip6_ctlun.ip6_un1.ip6_un1_plen);

        return !csum_finish(
            csum_continue(packet_csum_pseudoheader6(ip6), ip6 + 1, n));
    }
}

static void
test_translate_packet(void)
{
    for (int ip4 = 0; ip4 <= 1; ip4++) {
        struct flow_mapping m = mapping(ip4);
        struct mapping_packet mp;
        struct dp_packet *packet = datagram(ip4 ? "10.1.0.2" : "fd00:1::2",
                                            ip4 ? "10.1.0.11" : "fd00:1::11",
                                            50000, 8080);

        CU_ASSERT(checksums_are_right(packet));
        mapping_packet_set(packet, false, &m.address);
        CU_ASSERT(checksums_are_right(packet));
        CU_ASSERT_FATAL(mapping_packet_read(dp_packet_data(packet),
                                            dp_packet_size(packet), &mp));
        CU_ASSERT(ipv6_addr_equals(&mp.src, &m.correspondent));
        CU_ASSERT(ipv6_addr_equals(&mp.dst, &m.address));
        CU_ASSERT_EQUAL(mp.src_port, 50000);
        CU_ASSERT_EQUAL(mp.dst_port, 8080);
        dp_packet_delete(packet);
    }
}

/* An error from 'src' to 'dst' about 'quoted', of its first 'n' bytes. */
static struct dp_packet *
make_error(const char *src, const char *dst, const struct dp_packet *quoted,
           size_t n)
{
    struct in6_addr s = address(src), d = address(dst);
    bool ip4 = IN6_IS_ADDR_V4MAPPED(&s);
    struct dp_packet *packet = dp_packet_new(512);
    struct eth_header *eth = dp_packet_put_zeros(packet, sizeof *eth);
    uint8_t icmp[8] = { ip4 ? 3 : 1, ip4 ? 3 : 4 };

    eth->eth_type = htons(ip4 ? ETH_TYPE_IP : ETH_TYPE_IPV6);
    if (ip4) {
        struct ip_header *ip = dp_packet_put_zeros(packet, sizeof *ip);

        ip->ip_ihl_ver = IP_IHL_VER(5, 4);
        ip->ip_tot_len = htons(sizeof *ip + sizeof icmp + n);
        ip->ip_ttl = 64;
        ip->ip_proto = IPPROTO_ICMP;
        put_16aligned_be32(&ip->ip_src, in6_addr_get_mapped_ipv4(&s));
        put_16aligned_be32(&ip->ip_dst, in6_addr_get_mapped_ipv4(&d));
    } else {
        struct ovs_16aligned_ip6_hdr *ip6 = dp_packet_put_zeros(packet,
                                                                sizeof *ip6);

        ip6->ip6_ctlun.ip6_un2_vfc = 0x60;
        ip6->ip6_ctlun.ip6_un1.ip6_un1_plen = htons(sizeof icmp + n);
        ip6->ip6_ctlun.ip6_un1.ip6_un1_nxt = IPPROTO_ICMPV6;
        memcpy(&ip6->ip6_src, &s, sizeof s);
        memcpy(&ip6->ip6_dst, &d, sizeof d);
    }
    dp_packet_put(packet, icmp, sizeof icmp);
    dp_packet_put(packet, (const char *) dp_packet_data(quoted) + sizeof *eth,
                  n);
    return packet;
}

static void
test_translate_error(void)
{
    for (int ip4 = 0; ip4 <= 1; ip4++) {
        const char *permanent = ip4 ? "10.1.0.11" : "fd00:1::11";
        const char *correspondent = ip4 ? "10.1.0.2" : "fd00:1::2";
        const char *router = ip4 ? "192.0.2.1" : "2001:db8::1";
        size_t n = (ip4 ? 20 : 40) + 8;
        struct flow_mapping m = mapping(ip4);
        struct dp_packet *quoted = datagram(permanent, correspondent, 8080,
                                            50000);
        struct dp_packet *packet = make_error(router, permanent, quoted, n);
        struct mapping_error error;

        /* From a router, to the permanent address. */
        CU_ASSERT_FATAL(mapping_error_read(dp_packet_data(packet),
                                           dp_packet_size(packet), &error));
        CU_ASSERT(ipv6_addr_equals(&error.dst, &m.permanent));
        CU_ASSERT(ipv6_addr_equals(&error.quoted.src, &m.permanent));
        CU_ASSERT_EQUAL(error.quoted.src_port, 8080);
        CU_ASSERT_EQUAL(error.quoted.dst_port, 50000);
        mapping_error_set(dp_packet_data(packet), dp_packet_size(packet),
                          false, &m.address);
        CU_ASSERT(checksums_are_right(packet));
        CU_ASSERT_FATAL(mapping_error_read(dp_packet_data(packet),
                                           dp_packet_size(packet), &error));
        CU_ASSERT(ipv6_addr_equals(&error.dst, &m.address));
        CU_ASSERT(ipv6_addr_equals(&error.quoted.src, &m.address));
        CU_ASSERT(ipv6_addr_equals(&error.quoted.dst, &m.correspondent));

        /* However short, nothing is read beyond its end. */
        for (size_t i = 0; i < dp_packet_size(packet); i++) {
            void *copy = xmemdup(dp_packet_data(packet), i ? i : 1);

            CU_ASSERT(!mapping_error_read(copy, i, &error)
                      || i >= dp_packet_size(packet) - 4);
            free(copy);
        }
        dp_packet_delete(packet);
        dp_packet_delete(quoted);
    }
}

/* Limits. */

static const char policy_text[] =
    "controller: {devices: [\"pssl:6654\"]}\n"
    "bridges:\n"
    "  br0: {datapath-id: \"0000000000000001\", subnets: [10.1.0.0/24]}\n"
    "pools: {p4: {bridge: br0, prefix: 10.1.0.128/25, block: 29}}\n"
    "devices: {laptop: {permanent: {addresses: [10.1.0.11]}}}\n"
    "services: {files: {devices: [\"*\"], user: root}}\n"
    "movable:\n"
    "  web: {devices: [\"*\"], protocol: tcp, port: 80, service: files,\n"
    "    sessions: 6, half-open: 4, per-source: 2, rate: 100}\n";

static void
test_limits(void)
{
    struct mapping_services *services = mapping_services_create();
    struct network *network = network_create();
    struct in6_addr permanent = address("10.1.0.11");
    struct mapping_service *s;
    struct in6_addr sources[7];
    struct policy *policy;
    char *error;

    policy = policy_load_text("p.yaml", policy_text, strlen(policy_text),
                              &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(policy);
    mapping_services_configure(services, network, policy);
    s = mapping_service_find(services, IPPROTO_TCP, &permanent, 80);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    CU_ASSERT_PTR_NULL(
        mapping_service_find(services, IPPROTO_UDP, &permanent, 80));
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        char text[16];

        snprintf(text, sizeof text, "10.9.0.%d", (int) i + 1);
        sources[i] = address(text);
    }

    /* A source has two; then it passes, and others do not notice. */
    for (int i = 0; i < 2; i++) {
        CU_ASSERT(mapping_service_admit(s, network, &sources[0], 1000));
        mapping_service_add(s, &sources[0]);
    }
    CU_ASSERT(!mapping_service_admit(s, network, &sources[0], 1000));
    CU_ASSERT_EQUAL(s->n_passed[PASSED_SOURCE], 1);
    CU_ASSERT_EQUAL(s->n_passing, 1);
    CU_ASSERT(mapping_service_admit(s, network, &sources[1], 1000));
    CU_ASSERT_EQUAL(mapping_services_run(services, network, 1000), 11000);
    mapping_services_run(services, network, 11000);
    CU_ASSERT_EQUAL(s->n_passing, 0);

    /* Half-open ones, and all. */
    s->n_half_open = 4;
    CU_ASSERT(!mapping_service_admit(s, network, &sources[1], 20000));
    CU_ASSERT_EQUAL(s->n_passed[PASSED_HALF_OPEN], 1);
    CU_ASSERT(s->suspended_until != 0);
    CU_ASSERT(!mapping_service_admit(s, network, &sources[1], 20000));
    s->n_half_open = 0;
    mapping_services_run(services, network, s->suspended_until);
    CU_ASSERT_EQUAL(s->suspended_until, 0);
    for (int i = 1; i < 5; i++) {
        mapping_service_add(s, &sources[i]);
    }
    CU_ASSERT(!mapping_service_admit(s, network, &sources[6], 40000));
    CU_ASSERT_EQUAL(s->n_passed[PASSED_SESSIONS], 1);
    CU_ASSERT_EQUAL(s->n_suspensions, 2);

    /* Nothing is kept of those that are gone. */
    for (int i = 1; i < 5; i++) {
        mapping_service_remove(s, &sources[i]);
    }
    mapping_service_remove(s, &sources[0]);
    mapping_service_remove(s, &sources[0]);
    CU_ASSERT_EQUAL(s->n_sessions, 0);
    CU_ASSERT(hmap_is_empty(&s->sources));

    mapping_services_destroy(services);
    network_destroy(network, false);
    policy_destroy(policy);
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "flows and back", test_flows_and_back },
        { "flows of a service", test_service_flows },
        { "flows for fragments", test_fragment_flows },
        { "packets", test_translate_packet },
        { "errors", test_translate_error },
        { "limits", test_limits },
    };
    return unit_run("mapping", tests, ARRAY_SIZE(tests));
}
