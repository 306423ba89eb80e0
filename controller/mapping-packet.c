/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "mapping-packet.h"

#include <netinet/icmp6.h>
#include <string.h>

#include "csum.h"
#include "dp-packet.h"
#include "flow.h"
#include "packets.h"
#include "unaligned.h"
#include "util.h"

/* What an error quotes of a TCP or UDP header at the least. */
#define QUOTED_PORTS 4
/* Bytes of an ICMP error before what it quotes: of both versions. */
#define ERROR_HEADER 8

static bool
read_packet(const void *frame, size_t n, bool fragment,
            struct mapping_packet *mp)
{
    struct dp_packet dp;
    struct flow flow;

    memset(mp, 0, sizeof *mp);
    dp_packet_use_const(&dp, frame, n);
    flow_extract(&dp, &flow);
    if ((flow.nw_frag != 0) != fragment || !(is_ip_any(&flow))
        || (flow.nw_proto != IPPROTO_TCP && flow.nw_proto != IPPROTO_UDP
            && flow.nw_proto != IPPROTO_FRAGMENT)) {
        return false;
    }
    mp->protocol = flow.nw_proto;
    if (flow.dl_type == htons(ETH_TYPE_IP)) {
        in6_addr_set_mapped_ipv4(&mp->src, flow.nw_src);
        in6_addr_set_mapped_ipv4(&mp->dst, flow.nw_dst);
    } else {
        mp->src = flow.ipv6_src;
        mp->dst = flow.ipv6_dst;
    }
    mp->src_port = ntohs(flow.tp_src);
    mp->dst_port = ntohs(flow.tp_dst);
    mp->tcp_flags = fragment ? 0 : ntohs(flow.tcp_flags);
    return true;
}

bool
mapping_packet_read(const void *frame, size_t n, struct mapping_packet *mp)
{
    return (read_packet(frame, n, false, mp)
            && (mp->src_port || mp->dst_port));
}

bool
mapping_packet_read_fragment(const void *frame, size_t n,
                             struct mapping_packet *mp)
{
    return read_packet(frame, n, true, mp);
}

void
mapping_packet_set(struct dp_packet *packet, bool source,
                   const struct in6_addr *addr)
{
    struct flow flow;

    flow_extract(packet, &flow); /* Sets the layers' places. */
    if (flow.dl_type == htons(ETH_TYPE_IP)) {
        struct ip_header *ip = dp_packet_l3(packet);

        packet_set_ipv4_addr(packet, source ? &ip->ip_src : &ip->ip_dst,
                             in6_addr_get_mapped_ipv4(addr));
    } else {
        struct ovs_16aligned_ip6_hdr *ip6 = dp_packet_l3(packet);

        packet_set_ipv6_addr(packet, flow.nw_proto,
                             source ? ip6->ip6_src.be32 : ip6->ip6_dst.be32,
                             addr, true);
    }
}

/* ICMP errors.  Frames have no tag here: what has one is left as it is. */

/* The two addresses, protocol and header's length of the IP packet at 'p', of
 * which there are 'n' bytes.  False if it is not a first fragment of one. */
static bool
read_ip(const uint8_t *p, size_t n, bool ip4, struct mapping_packet *mp,
        size_t *header_len)
{
    if (ip4) {
        const struct ip_header *ip = (const void *) p;

        if (n < sizeof *ip || IP_VER(ip->ip_ihl_ver) != 4) {
            return false;
        }
        *header_len = IP_IHL(ip->ip_ihl_ver) * 4;
        mp->protocol = ip->ip_proto;
        in6_addr_set_mapped_ipv4(&mp->src, get_16aligned_be32(&ip->ip_src));
        in6_addr_set_mapped_ipv4(&mp->dst, get_16aligned_be32(&ip->ip_dst));
        return *header_len >= sizeof *ip && *header_len <= n
               && !(ip->ip_frag_off & htons(IP_FRAG_OFF_MASK));
    } else {
        const struct ovs_16aligned_ip6_hdr *ip6 = (const void *) p;

        /* With extension headers it is left as it is. */
        if (n < sizeof *ip6) {
            return false;
        }
        *header_len = sizeof *ip6;
        mp->protocol = ip6->ip6_ctlun.ip6_un1.ip6_un1_nxt;
        memcpy(&mp->src, &ip6->ip6_src, sizeof mp->src);
        memcpy(&mp->dst, &ip6->ip6_dst, sizeof mp->dst);
        return (ip6->ip6_ctlun.ip6_un2_vfc & 0xf0) == 0x60;
    }
}

static bool
get_version(const struct eth_header *eth, size_t n, bool *ip4)
{
    if (n < sizeof *eth) {
        return false;
    }
    *ip4 = eth->eth_type == htons(ETH_TYPE_IP);
    return *ip4 || eth->eth_type == htons(ETH_TYPE_IPV6);
}

/* The packet's length as it says itself, without what pads the frame. */
static size_t
ip_length(const uint8_t *p, size_t n, bool ip4)
{
    size_t total;

    if (ip4) {
        total = ntohs(((const struct ip_header *) p)->ip_tot_len);
    } else {
        const struct ovs_16aligned_ip6_hdr *ip6 = (const void *) p;

        total = sizeof *ip6 + ntohs(ip6->ip6_ctlun.ip6_un1.ip6_un1_plen);
    }
    return MIN(total, n);
}

static bool
is_error(uint8_t type, bool ip4)
{
    return ip4 ? type == ICMP4_DST_UNREACH || type == ICMP4_TIME_EXCEEDED
                     || type == ICMP4_PARAM_PROB
               : !(type & ICMP6_INFOMSG_MASK);
}

bool
mapping_error_read(const void *frame, size_t n, struct mapping_error *error)
{
    const struct eth_header *eth = frame;
    const uint8_t *p = (const uint8_t *) (eth + 1);
    struct mapping_packet outer;
    size_t header_len;
    bool ip4;

    memset(error, 0, sizeof *error);
    if (!get_version(eth, n, &ip4)) {
        return false;
    }
    n -= sizeof *eth;
    if (!read_ip(p, n, ip4, &outer, &header_len)
        || outer.protocol != (ip4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
        return false;
    }
    if (ip4
        && ((const struct ip_header *) p)->ip_frag_off
               & htons(IP_MORE_FRAGMENTS)) {
        return false;
    }
    n = ip_length(p, n, ip4);
    if (n < header_len + ERROR_HEADER || !is_error(p[header_len], ip4)) {
        return false;
    }
    p += header_len + ERROR_HEADER;
    n -= header_len + ERROR_HEADER;
    error->src = outer.src;
    error->dst = outer.dst;
    if (!read_ip(p, n, ip4, &error->quoted, &header_len)
        || (error->quoted.protocol != IPPROTO_TCP
            && error->quoted.protocol != IPPROTO_UDP)
        || n < header_len + QUOTED_PORTS) {
        return false;
    }
    error->quoted.src_port = p[header_len] << 8 | p[header_len + 1];
    error->quoted.dst_port = p[header_len + 2] << 8 | p[header_len + 3];
    return true;
}

static void
set_ip(uint8_t *p, bool ip4, bool source, const struct in6_addr *addr)
{
    if (ip4) {
        struct ip_header *ip = (void *) p;

        put_16aligned_be32(source ? &ip->ip_src : &ip->ip_dst,
                           in6_addr_get_mapped_ipv4(addr));
        ip->ip_csum = 0;
        ip->ip_csum = csum(ip, IP_IHL(ip->ip_ihl_ver) * 4);
    } else {
        struct ovs_16aligned_ip6_hdr *ip6 = (void *) p;

        memcpy(source ? &ip6->ip6_src : &ip6->ip6_dst, addr, sizeof *addr);
    }
}

void
mapping_error_set(void *frame, size_t n, bool source,
                  const struct in6_addr *addr)
{
    struct eth_header *eth = frame;
    uint8_t *p = (uint8_t *) (eth + 1);
    bool ip4 = eth->eth_type == htons(ETH_TYPE_IP);
    size_t header_len = (ip4 ? IP_IHL(((struct ip_header *) p)->ip_ihl_ver) * 4
                             : sizeof(struct ovs_16aligned_ip6_hdr));
    uint8_t *icmp = p + header_len;
    size_t len = ip_length(p, n - sizeof *eth, ip4) - header_len;
    ovs_be16 sum = 0;

    set_ip(p, ip4, source, addr);
    /* The checksum of the quoted TCP or UDP header stays: it may be of more
     * than is quoted, and nobody looks at it. */
    set_ip(icmp + ERROR_HEADER, ip4, !source, addr);
    memcpy(icmp + 2, &sum, sizeof sum);
    if (ip4) {
        sum = csum(icmp, len);
    } else {
        uint32_t pseudo = packet_csum_pseudoheader6((void *) p);

        sum = csum_finish(csum_continue(pseudo, icmp, len));
    }
    memcpy(icmp + 2, &sum, sizeof sum);
}
