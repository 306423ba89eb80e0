/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "too-big.h"

#include <netinet/icmp6.h>
#include <stdlib.h>
#include <string.h>

#include "bridge.h"
#include "controller.h"
#include "csum.h"
#include "dp-packet.h"
#include "flow.h"
#include "mapping.h"
#include "network.h"
#include "packets.h"
#include "unaligned.h"
#include "util.h"

/* Bytes of the packet that an answer quotes (RFC 1812, 4.3.2.3), and of a
 * whole ICMPv6 error (RFC 4443, 2.4). */
#define QUOTE_MAX 548
#define ICMP6_ERROR_MAX 1280

/* Fragments of one packet: as many as the largest takes. */
#define FRAGMENTS_MAX 64

static struct dp_packet *
new_frame(struct eth_addr dst, struct eth_addr src, uint16_t dl_type)
{
    struct dp_packet *packet = dp_packet_new(2048);
    struct eth_header *eth = dp_packet_put_zeros(packet, sizeof *eth);

    eth->eth_dst = dst;
    eth->eth_src = src;
    eth->eth_type = htons(dl_type);
    return packet;
}

/* IPv4. */

/* The whole IP packet in a frame, or NULL. */
static const struct ip_header *
get_ip4(const struct eth_header *eth, size_t n, size_t *header_len,
        size_t *total)
{
    const struct ip_header *ip = (const struct ip_header *) (eth + 1);

    n -= sizeof *eth;
    if (n < sizeof *ip) {
        return NULL;
    }
    *header_len = IP_IHL(ip->ip_ihl_ver) * 4;
    *total = ntohs(ip->ip_tot_len);
    return (IP_VER(ip->ip_ihl_ver) == 4 && *header_len >= sizeof *ip
                    && *total > *header_len && *total <= n
                ? ip
                : NULL);
}

/* Is it an error, about which there are no errors? */
static bool
is_icmp4_error(const struct ip_header *ip, size_t header_len)
{
    const uint8_t *type = (const uint8_t *) ip + header_len;

    return (ip->ip_proto == IPPROTO_ICMP && *type != ICMP4_ECHO_REQUEST
            && *type != ICMP4_ECHO_REPLY);
}

static bool
is_one_host4(ovs_be32 ip)
{
    return ip && !ip_is_multicast(ip) && ip != OVS_BE32_MAX
           && ntohl(ip) >> 24 != 127;
}

static struct dp_packet *
answer4(const struct eth_header *eth, size_t n, uint16_t mtu,
        struct eth_addr mac)
{
    const struct ip_header *ip;
    struct ip_header *out_ip;
    struct icmp_header *icmp;
    struct dp_packet *packet;
    size_t header_len, total, quote;
    ovs_be32 src, dst;

    ip = get_ip4(eth, n, &header_len, &total);
    if (!ip) {
        return NULL;
    }
    src = get_16aligned_be32(&ip->ip_src);
    dst = get_16aligned_be32(&ip->ip_dst);
    if (!is_one_host4(src) || !is_one_host4(dst)
        || ip->ip_frag_off & htons(IP_FRAG_OFF_MASK)
        || is_icmp4_error(ip, header_len)) {
        return NULL;
    }
    quote = MIN(total, QUOTE_MAX);
    packet = new_frame(eth->eth_src, mac, ETH_TYPE_IP);
    out_ip = dp_packet_put_zeros(packet, sizeof *out_ip);
    out_ip->ip_ihl_ver = IP_IHL_VER(5, 4);
    out_ip->ip_tos = 0xc0; /* Internetwork control, as routers' errors. */
    out_ip->ip_tot_len = htons(sizeof *out_ip + sizeof *icmp + quote);
    out_ip->ip_ttl = 64;
    out_ip->ip_proto = IPPROTO_ICMP;
    put_16aligned_be32(&out_ip->ip_src, dst);
    put_16aligned_be32(&out_ip->ip_dst, src);
    out_ip->ip_csum = csum(out_ip, sizeof *out_ip);
    icmp = dp_packet_put_zeros(packet, sizeof *icmp);
    icmp->icmp_type = ICMP4_DST_UNREACH;
    icmp->icmp_code = 4; /* Fragmentation needed. */
    icmp->icmp_fields.frag.mtu = htons(mtu);
    dp_packet_put(packet, ip, quote);
    icmp = (struct icmp_header *) ((uint8_t *) dp_packet_data(packet)
                                   + ETH_HEADER_LEN + IP_HEADER_LEN);
    icmp->icmp_csum = csum(icmp, sizeof *icmp + quote);
    return packet;
}

/* IPv6. */

static bool
is_icmp6_error(const struct ovs_16aligned_ip6_hdr *ip6)
{
    return (ip6->ip6_ctlun.ip6_un1.ip6_un1_nxt == IPPROTO_ICMPV6
            && !(*(const uint8_t *) (ip6 + 1) & ICMP6_INFOMSG_MASK));
}

static bool
is_one_host6(const struct in6_addr *addr)
{
    return !IN6_IS_ADDR_MULTICAST(addr) && !IN6_IS_ADDR_UNSPECIFIED(addr)
           && !IN6_IS_ADDR_LOOPBACK(addr);
}

static struct dp_packet *
answer6(const struct eth_header *eth, size_t n, uint16_t mtu,
        struct eth_addr mac)
{
    const struct ovs_16aligned_ip6_hdr *ip6 = (const void *) (eth + 1);
    struct ovs_16aligned_ip6_hdr *out_ip6;
    struct icmp6_data_header *icmp6;
    struct dp_packet *packet;
    size_t total, quote;
    struct in6_addr src, dst;
    uint32_t sum;

    n -= sizeof *eth;
    if (n <= sizeof *ip6) {
        return NULL;
    }
    total = sizeof *ip6 + ntohs(ip6->ip6_ctlun.ip6_un1.ip6_un1_plen);
    memcpy(&src, &ip6->ip6_src, sizeof src);
    memcpy(&dst, &ip6->ip6_dst, sizeof dst);
    if (total > n || !is_one_host6(&src) || !is_one_host6(&dst)
        || is_icmp6_error(ip6)) {
        return NULL;
    }
    quote = MIN(total, ICMP6_ERROR_MAX - sizeof *ip6 - sizeof *icmp6);
    packet = new_frame(eth->eth_src, mac, ETH_TYPE_IPV6);
    out_ip6 = dp_packet_put_zeros(packet, sizeof *out_ip6);
    out_ip6->ip6_ctlun.ip6_un2_vfc = 0x60;
    out_ip6->ip6_ctlun.ip6_un1.ip6_un1_plen = htons(sizeof *icmp6 + quote);
    out_ip6->ip6_ctlun.ip6_un1.ip6_un1_nxt = IPPROTO_ICMPV6;
    out_ip6->ip6_ctlun.ip6_un1.ip6_un1_hlim = 64;
    memcpy(&out_ip6->ip6_src, &dst, sizeof dst);
    memcpy(&out_ip6->ip6_dst, &src, sizeof src);
    icmp6 = dp_packet_put_zeros(packet, sizeof *icmp6);
    icmp6->icmp6_base.icmp6_type = ICMP6_PACKET_TOO_BIG;
    put_16aligned_be32(icmp6->icmp6_data.be32, htonl(mtu));
    dp_packet_put(packet, ip6, quote);
    out_ip6 = (void *) ((uint8_t *) dp_packet_data(packet) + ETH_HEADER_LEN);
    icmp6 = (void *) (out_ip6 + 1);
    sum = packet_csum_pseudoheader6(out_ip6);
    icmp6->icmp6_base.icmp6_cksum = csum_finish(
        csum_continue(sum, icmp6, sizeof *icmp6 + quote));
    return packet;
}

struct dp_packet *
too_big_compose_answer(const void *data, size_t n, uint16_t mtu,
                       struct eth_addr mac)
{
    const struct eth_header *eth = data;

    if (n < sizeof *eth) {
        return NULL;
    }
    return eth->eth_type == htons(ETH_TYPE_IP)     ? answer4(eth, n, mtu, mac)
           : eth->eth_type == htons(ETH_TYPE_IPV6) ? answer6(eth, n, mtu, mac)
                                                   : NULL;
}

/* Fragments. */

/* 'len' bytes from 'ofs' of what 'ip' carries. */
static struct dp_packet *
make_fragment(const struct eth_header *eth, const struct ip_header *ip,
              size_t ofs, size_t len, bool last)
{
    const uint8_t *payload = (const uint8_t *) (ip + 1);
    struct dp_packet *packet = new_frame(eth->eth_dst, eth->eth_src,
                                         ETH_TYPE_IP);
    uint16_t frag_off = ntohs(ip->ip_frag_off);
    struct ip_header *out_ip = dp_packet_put(packet, ip, sizeof *ip);

    out_ip->ip_tot_len = htons(sizeof *ip + len);
    out_ip->ip_frag_off = htons((frag_off & IP_FRAG_OFF_MASK) + ofs / 8);
    if (!last || frag_off & IP_MORE_FRAGMENTS) {
        out_ip->ip_frag_off |= htons(IP_MORE_FRAGMENTS);
    }
    out_ip->ip_csum = 0;
    out_ip->ip_csum = csum(out_ip, sizeof *out_ip);
    dp_packet_put(packet, payload + ofs, len);
    return packet;
}

bool
too_big_fragment(const void *data, size_t n, uint16_t mtu,
                 struct dp_packet ***fragmentsp, size_t *n_fragments)
{
    const size_t room = (mtu - IP_HEADER_LEN) & ~7u;
    const struct eth_header *eth = data;
    const struct ip_header *ip;
    size_t header_len, total;

    *n_fragments = 0;
    if (n < sizeof *eth || eth->eth_type != htons(ETH_TYPE_IP)) {
        return false;
    }
    /* With options it is a matter of which of them go into each fragment:
     * refused instead. */
    ip = get_ip4(eth, n, &header_len, &total);
    if (!ip || header_len != sizeof *ip
        || ip->ip_frag_off & htons(IP_DONT_FRAGMENT)
        || total > FRAGMENTS_MAX * room) {
        return false;
    }
    *fragmentsp = xcalloc(FRAGMENTS_MAX + 1, sizeof **fragmentsp);
    for (size_t ofs = 0; ofs < total - sizeof *ip; ofs += room) {
        size_t left = total - sizeof *ip - ofs;

        (*fragmentsp)[(*n_fragments)++] = make_fragment(
            eth, ip, ofs, MIN(left, room), left <= room);
    }
    return true;
}

/* Handling. */

static void
send_answer(struct bridge *bridge, const struct flow_layout *layout,
            const struct bridge_packet *packet, const struct dp_packet *answer)
{
    const void *data = dp_packet_data(answer);
    size_t n = dp_packet_size(answer);

    if (packet->in_port == layout->tunnel_port) {
        bridge_send_tunnel(bridge, &packet->tun_src, packet->tun_key, data, n);
    } else {
        bridge_send_to_port(bridge, packet->in_port, data, n);
    }
}

void
too_big_handle_packet(struct controller *c, struct bridge *bridge,
                      const struct bridge_packet *packet)
{
    const struct flow_layout *layout = network_layout(c->network,
                                                      bridge_get_name(bridge));
    struct dp_packet **fragments;
    struct dp_packet *answer;
    size_t n_fragments;

    if (!layout || !layout->tunnel_mtu) {
        return;
    }
    c->n_too_big++;
    if (too_big_fragment(packet->data, packet->size, layout->tunnel_mtu,
                         &fragments, &n_fragments)) {
        for (size_t i = 0; i < n_fragments; i++) {
            bridge_send_past_guard(bridge, packet->in_port,
                                   dp_packet_data(fragments[i]),
                                   dp_packet_size(fragments[i]));
            dp_packet_delete(fragments[i]);
        }
        free(fragments);
        return;
    }
    answer = too_big_compose_answer(packet->data, packet->size,
                                    layout->tunnel_mtu, layout->mac);
    if (answer) {
        /* Who sent it may know the session's permanent address only. */
        mapping_translate_error(c, dp_packet_data(answer),
                                dp_packet_size(answer));
        send_answer(bridge, layout, packet, answer);
        dp_packet_delete(answer);
    }
}
