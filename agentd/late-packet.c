/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "late-packet.h"

#include <netinet/icmp6.h>
#include <string.h>

#include "csum.h"
#include "packets.h"
#include "unaligned.h"
#include "util.h"

/* IPv4 options that say which way a packet goes. */
#define OPTION_LSRR 131
#define OPTION_SSRR 137

/* IPv6 extension headers that are looked into, at the most. */
#define EXTENSIONS_MAX 8

static uint16_t
read16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

static struct in6_addr
read_ipv4(const uint8_t *p)
{
    return in6_addr_mapped_ipv4(get_unaligned_be32((const ovs_be32 *) p));
}

static struct in6_addr
read_ipv6(const uint8_t *p)
{
    struct in6_addr address;

    memcpy(&address, p, sizeof address);
    return address;
}

static bool
ipv4_options_are_good(const uint8_t *option, size_t n)
{
    while (n) {
        size_t len;

        if (*option == 0) { /* End of list. */
            return true;
        } else if (*option == 1) { /* No operation. */
            len = 1;
        } else if (n < 2 || option[1] < 2 || option[1] > n
                   || *option == OPTION_LSRR || *option == OPTION_SSRR) {
            return false;
        } else {
            len = option[1];
        }
        option += len;
        n -= len;
    }
    return true;
}

static bool
parse_ipv4(const uint8_t *p, size_t n, struct late_packet_info *info)
{
    uint16_t fragment;

    if (n < IP_HEADER_LEN) {
        return false;
    }
    info->l4_ofs = (p[0] & 0xf) * 4;
    info->size = read16(p + 2);
    if (info->l4_ofs < IP_HEADER_LEN || info->size < info->l4_ofs
        || info->size > n
        || !ipv4_options_are_good(p + IP_HEADER_LEN,
                                  info->l4_ofs - IP_HEADER_LEN)) {
        return false;
    }
    fragment = read16(p + 6);
    info->later = (fragment & 0x1fff) != 0;
    info->fragment = info->later || (fragment & 0x2000);
    info->protocol = p[9];
    info->src = read_ipv4(p + 12);
    info->dst = read_ipv4(p + 16);
    return true;
}

/* Skips the extension header at info->l4_ofs, of type info->protocol.
 * Returns 1 if there may be another, 0 if it is none, -1 if it is bad. */
static int
skip_extension(const uint8_t *p, struct late_packet_info *info)
{
    const uint8_t *header = p + info->l4_ofs;
    size_t left = info->size - info->l4_ofs;
    size_t len;

    switch (info->protocol) {
    case IPPROTO_HOPOPTS:
    case IPPROTO_DSTOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_FRAGMENT: break;
    default: return 0;
    }
    if (left < 8) {
        return -1;
    }
    len = 8;
    if (info->protocol == IPPROTO_FRAGMENT) {
        info->fragment = true;
        info->later = (read16(header + 2) & 0xfff8) != 0;
    } else {
        len += header[1] * 8;
        if (len > left || (info->protocol == IPPROTO_ROUTING && header[3])) {
            return -1;
        }
    }
    info->protocol = header[0];
    info->l4_ofs += len;
    return !info->later;
}

static bool
parse_ipv6(const uint8_t *p, size_t n, struct late_packet_info *info)
{
    if (n < IPV6_HEADER_LEN) {
        return false;
    }
    info->size = IPV6_HEADER_LEN + read16(p + 4);
    if (info->size > n) {
        return false;
    }
    info->protocol = p[6];
    info->src = read_ipv6(p + 8);
    info->dst = read_ipv6(p + 24);
    /* Mapped addresses are ours alone: on the wire they are a disguise. */
    if (IN6_IS_ADDR_V4MAPPED(&info->src) || IN6_IS_ADDR_V4MAPPED(&info->dst)) {
        return false;
    }
    info->l4_ofs = IPV6_HEADER_LEN;
    for (int i = 0; i < EXTENSIONS_MAX; i++) {
        int more = skip_extension(p, info);

        if (more <= 0) {
            return !more;
        }
    }
    return false;
}

bool
late_packet_parse(const void *packet, size_t n, struct late_packet_info *info)
{
    const uint8_t *p = packet;

    memset(info, 0, sizeof *info);
    if (!n) {
        return false;
    }
    switch (p[0] >> 4) {
    case 4: return parse_ipv4(p, n, info);
    case 6: return parse_ipv6(p, n, info);
    default: return false;
    }
}

static bool
source_is_good(const struct in6_addr *src)
{
    if (IN6_IS_ADDR_V4MAPPED(src)) {
        uint32_t ip = ntohl(in6_addr_get_mapped_ipv4(src));

        /* 0/8, 127/8, multicast, and above it broadcast and reserved. */
        return ip >> 24 && ip >> 24 != 127 && ip >> 28 < 0xe;
    }
    return !IN6_IS_ADDR_UNSPECIFIED(src) && !IN6_IS_ADDR_LOOPBACK(src)
           && !IN6_IS_ADDR_MULTICAST(src);
}

/* Is what an ICMP error quotes a packet that 'address' sent? */
static bool
quotes_source(const uint8_t *quote, size_t n, const struct in6_addr *address)
{
    struct in6_addr src;

    if (IN6_IS_ADDR_V4MAPPED(address)) {
        if (n < IP_HEADER_LEN || quote[0] >> 4 != 4) {
            return false;
        }
        src = read_ipv4(quote + 12);
    } else {
        if (n < IPV6_HEADER_LEN || quote[0] >> 4 != 6) {
            return false;
        }
        src = read_ipv6(quote + 8);
    }
    return IN6_ARE_ADDR_EQUAL(&src, address);
}

static bool
icmp_is_good(const uint8_t *icmp, size_t n, const struct in6_addr *address)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(address);
    bool echo, error;

    if (n < ICMP_HEADER_LEN) {
        return false;
    }
    if (v4) {
        echo = icmp[0] == ICMP4_ECHO_REQUEST || icmp[0] == ICMP4_ECHO_REPLY;
        error = (icmp[0] == ICMP4_DST_UNREACH || icmp[0] == ICMP4_TIME_EXCEEDED
                 || icmp[0] == ICMP4_PARAM_PROB);
    } else {
        echo = (icmp[0] == ICMP6_ECHO_REQUEST || icmp[0] == ICMP6_ECHO_REPLY);
        error = icmp[0] >= ICMP6_DST_UNREACH && icmp[0] <= ICMP6_PARAM_PROB;
    }
    return echo
           || (error
               && quotes_source(icmp + ICMP_HEADER_LEN, n - ICMP_HEADER_LEN,
                                address));
}

bool
late_packet_is_for(const void *packet, size_t n,
                   const struct in6_addr *address)
{
    struct late_packet_info info;
    bool v4 = IN6_IS_ADDR_V4MAPPED(address);

    if (!late_packet_parse(packet, n, &info) || info.size != n
        || !IN6_ARE_ADDR_EQUAL(&info.dst, address)
        || IN6_ARE_ADDR_EQUAL(&info.src, address)
        || !source_is_good(&info.src)) {
        return false;
    }
    if (info.later) {
        return true; /* Its first part has to pass below. */
    }
    switch (info.protocol) {
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        return v4 == (info.protocol == IPPROTO_ICMP)
               && icmp_is_good((const uint8_t *) packet + info.l4_ofs,
                               n - info.l4_ofs, address);
    case IPPROTO_IGMP: return false;
    default: return true;
    }
}

/* Sum of the pseudo-header. */
static uint32_t
pseudo_header(const uint8_t *p, const struct late_packet_info *info)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(&info->dst);
    uint32_t sum = csum_continue(0, p + (v4 ? 12 : 8), v4 ? 8 : 32);

    sum = csum_add32(sum, htonl(info->size - info->l4_ofs));
    return csum_add16(sum, htons(info->protocol));
}

bool
late_packet_complete(void *packet, const struct late_packet_info *info)
{
    uint8_t *p = packet;
    uint8_t *l4 = p + info->l4_ofs;
    size_t n = info->size - info->l4_ofs;
    size_t min_len, ofs;
    ovs_be16 sum;

    switch (info->protocol) {
    case IPPROTO_TCP:
        min_len = TCP_HEADER_LEN;
        ofs = 16;
        break;
    case IPPROTO_UDP:
        min_len = UDP_HEADER_LEN;
        ofs = 6;
        break;
    case IPPROTO_ICMPV6:
        min_len = ICMP_HEADER_LEN;
        ofs = 2;
        break;
    default: return false;
    }
    if (info->fragment || n < min_len) {
        return false;
    }
    memset(l4 + ofs, 0, sizeof sum);
    sum = csum_finish(csum_continue(pseudo_header(p, info), l4, n));
    if (!sum && info->protocol == IPPROTO_UDP) {
        sum = OVS_BE16_MAX;
    }
    memcpy(l4 + ofs, &sum, sizeof sum);
    return true;
}
