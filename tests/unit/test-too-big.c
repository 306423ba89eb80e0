/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "too-big.h"

#include <netinet/icmp6.h>
#include <stdlib.h>
#include <string.h>

#include "csum.h"
#include "dp-packet.h"
#include "flow.h"
#include "packets.h"
#include "unit.h"
#include "util.h"

#define MTU 1450
#define FULL 1500

static const struct eth_addr bridge_mac = ETH_ADDR_C(06, 00, 00, 00, 00, 01);

/* A UDP packet of FULL bytes. */
static struct dp_packet *
make_packet(bool ip6, uint16_t frag_off, size_t size)
{
    struct dp_packet *packet = dp_packet_new(2048);
    struct flow flow = {
        .dl_type = htons(ip6 ? ETH_TYPE_IPV6 : ETH_TYPE_IP),
        .nw_proto = IPPROTO_UDP,
        .nw_ttl = 64,
        .tp_src = htons(9),
        .tp_dst = htons(10),
        .dl_src = ETH_ADDR_C(02, 00, 00, 00, 00, 02),
        .dl_dst = ETH_ADDR_C(02, 00, 00, 00, 00, 03),
    };

    if (ip6) {
        ovs_assert(ipv6_parse("fd00:9::2", &flow.ipv6_src)
                   && ipv6_parse("fd00:1::5", &flow.ipv6_dst));
    } else {
        ovs_assert(ip_parse("10.9.0.2", &flow.nw_src)
                   && ip_parse("10.1.0.130", &flow.nw_dst));
    }
    flow_compose(packet, &flow, NULL, size - (ip6 ? 48 : 28));
    if (!ip6) {
        struct ip_header *ip = dp_packet_l3(packet);

        ip->ip_frag_off = htons(frag_off);
        ip->ip_csum = 0;
        ip->ip_csum = csum(ip, sizeof *ip);
    }
    return packet;
}

static void
test_answer4(void)
{
    struct dp_packet *packet = make_packet(false, IP_DONT_FRAGMENT, FULL);
    struct dp_packet *answer, *again;
    const struct ip_header *ip;
    const struct icmp_header *icmp;
    struct flow flow;

    answer = too_big_compose_answer(dp_packet_data(packet),
                                    dp_packet_size(packet), MTU, bridge_mac);
    CU_ASSERT_PTR_NOT_NULL_FATAL(answer);
    flow_extract(answer, &flow);
    CU_ASSERT(eth_addr_equals(flow.dl_src, bridge_mac));
    CU_ASSERT_EQUAL(flow.dl_dst.ea[5], 2);
    /* From the session's address. */
    CU_ASSERT_EQUAL(ntohl(flow.nw_src), 0x0a010082);
    CU_ASSERT_EQUAL(ntohl(flow.nw_dst), 0x0a090002);
    CU_ASSERT_EQUAL(ntohs(flow.tp_src), ICMP4_DST_UNREACH);
    CU_ASSERT_EQUAL(ntohs(flow.tp_dst), 4);
    ip = dp_packet_l3(answer);
    icmp = dp_packet_l4(answer);
    CU_ASSERT_EQUAL(ntohs(icmp->icmp_fields.frag.mtu), MTU);
    CU_ASSERT_EQUAL(csum(ip, sizeof *ip), 0);
    CU_ASSERT_EQUAL(csum(icmp, ntohs(ip->ip_tot_len) - sizeof *ip), 0);
    /* The packet itself is quoted. */
    CU_ASSERT(!memcmp(icmp + 1, dp_packet_l3(packet), IP_HEADER_LEN + 8));
    CU_ASSERT(dp_packet_size(answer) <= ETH_HEADER_LEN + 576);

    /* No errors about errors. */
    again = too_big_compose_answer(dp_packet_data(answer),
                                   dp_packet_size(answer), 100, bridge_mac);
    CU_ASSERT_PTR_NULL(again);
    dp_packet_delete(answer);
    dp_packet_delete(packet);
}

static void
test_answer6(void)
{
    struct dp_packet *packet = make_packet(true, 0, FULL);
    struct dp_packet *answer;
    const struct ovs_16aligned_ip6_hdr *ip6;
    struct flow flow;

    answer = too_big_compose_answer(dp_packet_data(packet),
                                    dp_packet_size(packet), MTU, bridge_mac);
    CU_ASSERT_PTR_NOT_NULL_FATAL(answer);
    flow_extract(answer, &flow);
    ip6 = dp_packet_l3(answer);
    CU_ASSERT_EQUAL(ntohs(flow.tp_src), ICMP6_PACKET_TOO_BIG);
    CU_ASSERT_EQUAL(dp_packet_size(answer), ETH_HEADER_LEN + 1280);
    CU_ASSERT_EQUAL(
        csum_finish(csum_continue(packet_csum_pseudoheader6(ip6), ip6 + 1,
                                  dp_packet_size(answer) - ETH_HEADER_LEN
                                      - sizeof *ip6)),
        0);
    CU_ASSERT_PTR_NULL(too_big_compose_answer(
        dp_packet_data(answer), dp_packet_size(answer), 100, bridge_mac));
    dp_packet_delete(answer);
    dp_packet_delete(packet);
}

/* Puts fragments together: the bytes behind the IP header. */
static size_t
reassemble(struct dp_packet **fragments, size_t n, uint8_t *bytes,
           bool *last_has_more)
{
    size_t end = 0;

    for (size_t i = 0; i < n; i++) {
        struct flow flow;
        const struct ip_header *ip;
        size_t ofs, len;

        flow_extract(fragments[i], &flow);
        ip = dp_packet_l3(fragments[i]);
        CU_ASSERT_EQUAL(csum(ip, sizeof *ip), 0);
        CU_ASSERT(dp_packet_size(fragments[i]) <= ETH_HEADER_LEN + MTU);
        ofs = (ntohs(ip->ip_frag_off) & IP_FRAG_OFF_MASK) * 8;
        len = ntohs(ip->ip_tot_len) - sizeof *ip;
        CU_ASSERT_EQUAL(ofs, end);
        memcpy(bytes + ofs, ip + 1, len);
        end = ofs + len;
        *last_has_more = ntohs(ip->ip_frag_off) & IP_MORE_FRAGMENTS;
        CU_ASSERT(i == n - 1 || *last_has_more);
        dp_packet_delete(fragments[i]);
    }
    free(fragments);
    return end;
}

static void
test_fragments(void)
{
    for (size_t size = MTU + 1; size < 9000; size += 331) {
        struct dp_packet *packet = make_packet(false, 0, size);
        const uint8_t *payload = (uint8_t *) dp_packet_l3(packet) + 20;
        struct dp_packet **fragments;
        uint8_t bytes[9000];
        bool more = true;
        size_t n;

        CU_ASSERT_FATAL(too_big_fragment(dp_packet_data(packet),
                                         dp_packet_size(packet), MTU,
                                         &fragments, &n));
        CU_ASSERT_EQUAL(reassemble(fragments, n, bytes, &more), size - 20);
        CU_ASSERT(!more);
        CU_ASSERT(!memcmp(bytes, payload, size - 20));
        dp_packet_delete(packet);
    }
}

static void
test_no_fragments(void)
{
    struct dp_packet *packet = make_packet(false, IP_DONT_FRAGMENT, FULL);
    struct dp_packet **fragments;
    size_t n;

    CU_ASSERT(!too_big_fragment(dp_packet_data(packet), dp_packet_size(packet),
                                MTU, &fragments, &n));
    dp_packet_delete(packet);
    packet = make_packet(true, 0, FULL);
    CU_ASSERT(!too_big_fragment(dp_packet_data(packet), dp_packet_size(packet),
                                MTU, &fragments, &n));
    dp_packet_delete(packet);
}

/* Cut short anywhere: nothing is read beyond. */
static void
test_short(void)
{
    for (int ip6 = 0; ip6 < 2; ip6++) {
        struct dp_packet *packet = make_packet(ip6, 0, FULL);

        for (size_t n = 0; n < 200; n++) {
            uint8_t *copy = xmemdup(dp_packet_data(packet), MAX(n, 1));
            struct dp_packet **fragments;
            size_t n_fragments;

            CU_ASSERT_PTR_NULL(
                too_big_compose_answer(copy, n, MTU, bridge_mac));
            CU_ASSERT(
                !too_big_fragment(copy, n, MTU, &fragments, &n_fragments));
            free(copy);
        }
        dp_packet_delete(packet);
    }
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "answer, IPv4", test_answer4 },
        { "answer, IPv6", test_answer6 },
        { "fragments", test_fragments },
        { "no fragments", test_no_fragments },
        { "cut short", test_short },
    };

    return unit_run("too-big", tests, ARRAY_SIZE(tests));
}
