/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "late-filter.h"
#include "late-packet.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/icmp6.h>
#include <stdlib.h>
#include <string.h>

#include "csum.h"
#include "packets.h"
#include "unit.h"
#include "util.h"

/* A packet under construction, at most 256 bytes. */
struct packet {
    uint8_t bytes[256];
    size_t n;
};

static struct in6_addr local4, peer4, local6, peer6;

static void
set_length(struct packet *p)
{
    bool v4 = p->bytes[0] >> 4 == 4;
    size_t n = v4 ? p->n : p->n - IPV6_HEADER_LEN;

    p->bytes[v4 ? 2 : 4] = n >> 8;
    p->bytes[v4 ? 3 : 5] = n;
}

/* A packet of 'protocol' from 'src' to 'dst', with 'l4_len' bytes behind the
 * header that count up from 1. */
static struct packet
compose(const struct in6_addr *src, const struct in6_addr *dst,
        uint8_t protocol, size_t l4_len)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(dst);
    struct packet p = { .n = v4 ? IP_HEADER_LEN : IPV6_HEADER_LEN };

    if (v4) {
        p.bytes[0] = 0x45;
        p.bytes[8] = 64;
        p.bytes[9] = protocol;
        memcpy(p.bytes + 12, &src->s6_addr[12], 4);
        memcpy(p.bytes + 16, &dst->s6_addr[12], 4);
    } else {
        p.bytes[0] = 0x60;
        p.bytes[6] = protocol;
        p.bytes[7] = 64;
        memcpy(p.bytes + 8, src, 16);
        memcpy(p.bytes + 24, dst, 16);
    }
    for (size_t i = 0; i < l4_len; i++) {
        p.bytes[p.n++] = i + 1;
    }
    set_length(&p);
    return p;
}

static struct packet
compose_tcp(bool v4)
{
    return (v4 ? compose(&peer4, &local4, IPPROTO_TCP, 20)
               : compose(&peer6, &local6, IPPROTO_TCP, 20));
}

static bool
is_for(const struct packet *p, const struct in6_addr *address)
{
    /* In memory of its own size, for the sanitizers. */
    uint8_t *copy = xmemdup(p->bytes, MAX(p->n, 1));
    bool good = late_packet_is_for(copy, p->n, address);

    free(copy);
    return good;
}

static void
test_good(void)
{
    struct packet p = compose_tcp(true);

    CU_ASSERT(is_for(&p, &local4));
    CU_ASSERT(!is_for(&p, &peer4));
    CU_ASSERT(!is_for(&p, &local6));
    p = compose_tcp(false);
    CU_ASSERT(is_for(&p, &local6));
    CU_ASSERT(!is_for(&p, &peer6));
    CU_ASSERT(!is_for(&p, &local4));
    p = compose(&peer4, &local4, IPPROTO_UDP, 0);
    CU_ASSERT(is_for(&p, &local4));
    p = compose(&peer4, &local4, 132, 30);
    CU_ASSERT(is_for(&p, &local4));
}

static void
test_truncated(void)
{
    for (int v4 = 0; v4 < 2; v4++) {
        struct packet whole = compose_tcp(v4);
        struct packet p = whole;

        for (p.n = 0; p.n < whole.n; p.n++) {
            CU_ASSERT(!is_for(&p, v4 ? &local4 : &local6));
        }
        p.n = whole.n + 1; /* And with something behind it. */
        CU_ASSERT(!is_for(&p, v4 ? &local4 : &local6));
    }
}

static void
test_version(void)
{
    struct packet p = compose_tcp(true);

    for (int version = 0; version < 16; version++) {
        p.bytes[0] = version << 4 | 5;
        CU_ASSERT_EQUAL(is_for(&p, &local4), version == 4);
    }
    for (int ihl = 0; ihl < 16; ihl++) {
        p.bytes[0] = 0x40 | ihl;
        CU_ASSERT(ihl == 5 || (ihl > 5 && ihl <= 10) || !is_for(&p, &local4));
    }
}

/* A mapped address on the wire would pass as an IPv4 one. */
static void
test_mapped(void)
{
    struct packet p = compose_tcp(false);

    memcpy(p.bytes + 24, &local4, 16);
    CU_ASSERT(!is_for(&p, &local4));
    p = compose_tcp(false);
    memcpy(p.bytes + 8, &peer4, 16);
    CU_ASSERT(!is_for(&p, &local6));
}

static void
test_sources(void)
{
    static const uint8_t bad4[][4] = {
        { 0, 0, 0, 0 },         { 0, 1, 2, 3 },   { 127, 0, 0, 1 },
        { 224, 0, 0, 1 },       { 239, 1, 1, 1 }, { 240, 0, 0, 1 },
        { 255, 255, 255, 255 }, { 10, 1, 0, 70 }, /* local4 */
    };
    static const char *bad6[] = { "::", "::1", "ff02::1", "2001:db8::70" };

    for (size_t i = 0; i < ARRAY_SIZE(bad4); i++) {
        struct packet p = compose_tcp(true);

        memcpy(p.bytes + 12, bad4[i], 4);
        CU_ASSERT(!is_for(&p, &local4));
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad6); i++) {
        struct packet p = compose_tcp(false);
        struct in6_addr src;

        CU_ASSERT(ipv6_parse(bad6[i], &src));
        memcpy(p.bytes + 8, &src, 16);
        CU_ASSERT(!is_for(&p, &local6));
    }
}

static struct packet
with_option(const uint8_t *option, size_t n)
{
    struct packet p = compose(&peer4, &local4, IPPROTO_TCP, 40);

    p.bytes[0] = 0x40 | (5 + DIV_ROUND_UP(n, 4));
    memset(p.bytes + 20, 0, ROUND_UP(n, 4));
    memcpy(p.bytes + 20, option, n);
    return p;
}

static void
test_options(void)
{
    static const uint8_t record_route[] = { 1, 7, 7, 4, 0, 0, 0, 0 };
    static const uint8_t loose[] = { 131, 7, 4, 10, 0, 0, 1 };
    static const uint8_t strict[] = { 1, 1, 137, 7, 4, 10, 0, 0, 1 };
    static const uint8_t hidden[] = { 0, 131, 7, 4, 10, 0, 0, 1 };
    static const uint8_t no_length[] = { 1, 1, 1, 7 };
    static const uint8_t zero[] = { 7, 0, 0, 0 };
    static const uint8_t too_long[] = { 7, 9, 4, 0 };
    struct packet p;

    p = with_option(record_route, sizeof record_route);
    CU_ASSERT(is_for(&p, &local4));
    p = with_option(hidden, sizeof hidden); /* Behind the end. */
    CU_ASSERT(is_for(&p, &local4));
    p = with_option(loose, sizeof loose);
    CU_ASSERT(!is_for(&p, &local4));
    p = with_option(strict, sizeof strict);
    CU_ASSERT(!is_for(&p, &local4));
    p = with_option(no_length, sizeof no_length);
    CU_ASSERT(!is_for(&p, &local4));
    p = with_option(zero, sizeof zero);
    CU_ASSERT(!is_for(&p, &local4));
    p = with_option(too_long, sizeof too_long);
    CU_ASSERT(!is_for(&p, &local4));
}

/* 'ext' of 'n' bytes before the transport header. */
static struct packet
with_extension(uint8_t type, const uint8_t *ext, size_t n, uint8_t protocol,
               size_t l4_len)
{
    struct packet p = compose(&peer6, &local6, type, n + l4_len);

    memcpy(p.bytes + IPV6_HEADER_LEN, ext, n);
    p.bytes[IPV6_HEADER_LEN] = protocol;
    return p;
}

static void
test_extensions(void)
{
    static const uint8_t pad[] = { 0, 0, 1, 4, 0, 0, 0, 0 };
    static const uint8_t spent[] = { 0, 0, 4, 0, 0, 0, 0, 0 };
    static const uint8_t routing[] = { 0, 0, 4, 1, 0, 0, 0, 0 };
    static const uint8_t too_long[] = { 0, 9, 1, 4, 0, 0, 0, 0 };
    static const uint8_t first[] = { 0, 0, 0, 1, 0, 0, 0, 9 };
    static const uint8_t later[] = { 0, 0, 0, 8, 0, 0, 0, 9 };
    struct late_packet_info info;
    struct packet p;

    p = with_extension(IPPROTO_HOPOPTS, pad, 8, IPPROTO_TCP, 20);
    CU_ASSERT(is_for(&p, &local6));
    CU_ASSERT(late_packet_parse(p.bytes, p.n, &info));
    CU_ASSERT_EQUAL(info.l4_ofs, 48);
    CU_ASSERT_EQUAL(info.protocol, IPPROTO_TCP);
    p = with_extension(IPPROTO_ROUTING, spent, 8, IPPROTO_TCP, 20);
    CU_ASSERT(is_for(&p, &local6));
    p = with_extension(IPPROTO_ROUTING, routing, 8, IPPROTO_TCP, 20);
    CU_ASSERT(!is_for(&p, &local6));
    p = with_extension(IPPROTO_DSTOPTS, too_long, 8, IPPROTO_TCP, 20);
    CU_ASSERT(!is_for(&p, &local6));
    p = with_extension(IPPROTO_DSTOPTS, pad, 7, IPPROTO_TCP, 0);
    CU_ASSERT(!is_for(&p, &local6));
    p = with_extension(IPPROTO_FRAGMENT, first, 8, IPPROTO_UDP, 20);
    CU_ASSERT(is_for(&p, &local6));
    CU_ASSERT(late_packet_parse(p.bytes, p.n, &info));
    CU_ASSERT(info.fragment && !info.later);
    CU_ASSERT_EQUAL(info.protocol, IPPROTO_UDP);
    p = with_extension(IPPROTO_FRAGMENT, later, 8, IPPROTO_UDP, 20);
    CU_ASSERT(late_packet_parse(p.bytes, p.n, &info));
    CU_ASSERT(info.later && info.protocol == IPPROTO_UDP);

    /* Headers without end. */
    p = compose(&peer6, &local6, IPPROTO_HOPOPTS, 160);
    memset(p.bytes + IPV6_HEADER_LEN, 0, 160);
    CU_ASSERT(!is_for(&p, &local6));
}

/* An ICMP message of 'type' that quotes a packet from 'src'. */
static struct packet
compose_icmp(bool v4, uint8_t type, const struct in6_addr *src)
{
    const struct in6_addr *local = v4 ? &local4 : &local6;
    const struct in6_addr *peer = v4 ? &peer4 : &peer6;
    struct packet quote = compose(src, peer, IPPROTO_TCP, 8);
    struct packet p = compose(peer, local, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
                              8);

    p.bytes[p.n - 8] = type;
    memcpy(p.bytes + p.n, quote.bytes, quote.n);
    p.n += quote.n;
    set_length(&p);
    return p;
}

static void
test_icmp(void)
{
    for (int v4 = 0; v4 < 2; v4++) {
        const struct in6_addr *local = v4 ? &local4 : &local6;
        const struct in6_addr *peer = v4 ? &peer4 : &peer6;

        for (int type = 0; type < 256; type++) {
            struct packet p = compose_icmp(v4, type, local);
            bool echo = v4 ? type == 0 || type == 8
                           : type == 128 || type == 129;
            bool error = v4 ? type == 3 || type == 11 || type == 12
                            : type >= 1 && type <= 4;

            CU_ASSERT_EQUAL(is_for(&p, local), echo || error);

            /* About what somebody else sent. */
            p = compose_icmp(v4, type, peer);
            CU_ASSERT_EQUAL(is_for(&p, local), echo);
        }
    }
}

static void
test_icmp_short(void)
{
    struct packet p = compose(&peer4, &local4, IPPROTO_ICMP, 7);

    CU_ASSERT(!is_for(&p, &local4));
    p = compose_icmp(true, 3, &local4);
    p.n -= 9; /* One byte less than the quoted header. */
    set_length(&p);
    CU_ASSERT(!is_for(&p, &local4));
    p = compose(&peer4, &local4, IPPROTO_ICMPV6, 60);
    CU_ASSERT(!is_for(&p, &local4));
    p = compose(&peer4, &local4, IPPROTO_IGMP, 8);
    CU_ASSERT(!is_for(&p, &local4));
    p = compose(&peer6, &local6, IPPROTO_ICMP, 60);
    CU_ASSERT(!is_for(&p, &local6));
}

/* The sum that is right for the transport header and payload of 'p', computed
 * by libopenvswitch's own pseudo-header functions: 0 if it is there. */
static ovs_be16
verify(const struct packet *p, const struct late_packet_info *info)
{
    uint32_t sum;

    if (p->bytes[0] >> 4 == 4) {
        sum = packet_csum_pseudoheader((const struct ip_header *) p->bytes);
        return csum_finish(
            csum_continue(sum, p->bytes + info->l4_ofs, p->n - info->l4_ofs));
    }
    return packet_csum_upperlayer6(
        (const struct ovs_16aligned_ip6_hdr *) p->bytes,
        p->bytes + info->l4_ofs, info->protocol, p->n - info->l4_ofs);
}

static void
test_complete(void)
{
    static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP,
                                         IPPROTO_ICMPV6 };

    for (int v4 = 0; v4 < 2; v4++) {
        for (size_t i = 0; i < ARRAY_SIZE(protocols) - v4; i++) {
            for (size_t n = 20; n < 60; n++) {
                struct packet p = (v4 ? compose(&peer4, &local4, protocols[i],
                                                n)
                                      : compose(&peer6, &local6, protocols[i],
                                                n));
                struct late_packet_info info;

                CU_ASSERT(late_packet_parse(p.bytes, p.n, &info));
                CU_ASSERT(late_packet_complete(p.bytes, &info));
                CU_ASSERT_EQUAL(verify(&p, &info), 0);
            }
        }
    }
}

static void
test_complete_not(void)
{
    struct late_packet_info info;
    struct packet p;

    p = compose(&peer4, &local4, IPPROTO_TCP, 19);
    CU_ASSERT(late_packet_parse(p.bytes, p.n, &info));
    CU_ASSERT(!late_packet_complete(p.bytes, &info));
    p = compose(&peer4, &local4, 132, 40);
    CU_ASSERT(late_packet_parse(p.bytes, p.n, &info));
    CU_ASSERT(!late_packet_complete(p.bytes, &info));
    p = compose(&peer4, &local4, IPPROTO_UDP, 40);
    p.bytes[6] = 0x20; /* More fragments. */
    CU_ASSERT(late_packet_parse(p.bytes, p.n, &info));
    CU_ASSERT(!late_packet_complete(p.bytes, &info));
}

/* Padding, as of a short Ethernet frame, is not part of the packet. */
static void
test_padding(void)
{
    struct late_packet_info info;
    struct packet p = compose_tcp(true);
    size_t n = p.n;

    p.n += 6;
    CU_ASSERT(late_packet_parse(p.bytes, p.n, &info));
    CU_ASSERT_EQUAL(info.size, n);
}

/* What the kernel would do with a packet to this host: the instructions that
 * the filter uses. */
static bool
filter_passes(const struct sock_filter *program, const uint8_t *packet,
              bool v4)
{
    uint32_t a = 0;

    for (const struct sock_filter *i = program;; i++) {
        switch (i->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            a = (i->k == (uint32_t) (SKF_AD_OFF + SKF_AD_PKTTYPE) ? PACKET_HOST
                 : i->k == (uint32_t) (SKF_AD_OFF + SKF_AD_PROTOCOL)
                     ? (v4 ? ETH_P_IP : ETH_P_IPV6)
                     : ntohl(
                         get_unaligned_be32((const void *) &packet[i->k])));
            break;
        case BPF_LD | BPF_B | BPF_ABS: a = packet[i->k]; break;
        case BPF_JMP | BPF_JEQ | BPF_K: i += a == i->k ? i->jt : i->jf; break;
        case BPF_JMP | BPF_JA: i += i->k; break;
        case BPF_RET | BPF_K: return i->k != 0;
        default: CU_FAIL_FATAL("instruction"); return false;
        }
    }
}

static bool
filter_passes_to(const struct sock_filter *program,
                 const struct in6_addr *address, uint8_t protocol)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(address);
    uint8_t packet[40] = { 0 };

    packet[v4 ? 9 : 6] = protocol;
    memcpy(&packet[v4 ? 16 : 24], &address->s6_addr[v4 ? 12 : 0], v4 ? 4 : 16);
    return filter_passes(program, packet, v4);
}

static void
check_filter(const struct late_filter_entry *entries, size_t n)
{
    struct sock_filter program[LATE_FILTER_MAX];
    size_t size = late_filter_build(entries, n, program);

    CU_ASSERT(size <= LATE_FILTER_MAX);
    for (size_t i = 0; i < size; i++) {
        bool jump = BPF_CLASS(program[i].code) == BPF_JMP;

        CU_ASSERT(!jump || i + 1 + program[i].jt < size);
        CU_ASSERT(!jump || i + 1 + program[i].jf < size);
    }
    for (size_t i = 0; i < n; i++) {
        struct in6_addr other = entries[i].address;

        CU_ASSERT(filter_passes_to(program, &other, IPPROTO_TCP));
        CU_ASSERT_EQUAL(filter_passes_to(program, &other, IPPROTO_UDP),
                        entries[i].udp);
        other.s6_addr[15] ^= 0x80;
        CU_ASSERT(!filter_passes_to(program, &other, IPPROTO_TCP));
        if (!IN6_IS_ADDR_V4MAPPED(&other)) {
            other.s6_addr[15] ^= 0x80;
            other.s6_addr[i % 12] ^= 0x80;
            CU_ASSERT(!filter_passes_to(program, &other, IPPROTO_TCP));
        }
    }
}

static void
test_filter(void)
{
    struct late_filter_entry entries[LATE_FILTER_ENTRIES];
    struct sock_filter program[LATE_FILTER_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
        bool v4 = i % 3 == 0;

        entries[i].address = v4 ? local4 : local6;
        entries[i].address.s6_addr[15] = i;
        entries[i].udp = i % 2;
    }
    for (size_t n = 1; n <= ARRAY_SIZE(entries); n++) {
        check_filter(entries, n);
    }
    CU_ASSERT(late_filter_build(entries, ARRAY_SIZE(entries), program)
              < 2 * ARRAY_SIZE(entries));
    /* Nothing in common: the longest one. */
    for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
        entries[i].address = local6;
        entries[i].address.s6_addr[11] = i;
        entries[i].udp = false;
    }
    check_filter(entries, ARRAY_SIZE(entries));
    CU_ASSERT_EQUAL(late_filter_build(NULL, 0, program), 1);
    CU_ASSERT(late_filter_build(NULL, LATE_FILTER_ENTRIES + 1, program) > 1);
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "good", test_good },
        { "truncated", test_truncated },
        { "version", test_version },
        { "mapped", test_mapped },
        { "sources", test_sources },
        { "options", test_options },
        { "extensions", test_extensions },
        { "icmp", test_icmp },
        { "short icmp", test_icmp_short },
        { "complete", test_complete },
        { "complete not", test_complete_not },
        { "padding", test_padding },
        { "filter", test_filter },
    };

    local4 = in6_addr_mapped_ipv4(htonl(0x0a010046));
    peer4 = in6_addr_mapped_ipv4(htonl(0x0a010001));
    ipv6_parse("2001:db8::70", &local6);
    ipv6_parse("2001:db8::1", &peer6);
    return unit_run("late-packets", tests, ARRAY_SIZE(tests));
}
