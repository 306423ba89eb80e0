/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "session-flows.h"

#include <netinet/icmp6.h>

#include "byte-order.h"
#include "flow-builder.h"
#include "flow.h"
#include "hash.h"
#include "packets.h"
#include "util.h"

/* What the pipeline keeps in registers. */
#define REG_TOO_BIG MFF_REG11 /* Bit 0: does not fit into the tunnel. */
#define REG_TOO_BIG_IDX 11
#define REG_VIOLATION MFF_REG12 /* 1: the guard said no. */
#define REG_VIOLATION_IDX 12
#define REG_PORT MFF_REG13 /* A place: its port... */
#define REG_PORT_IDX 13
#define REG_MAC MFF_XREG7 /* ...MAC << 16 | VLAN's TCI. */
#define REG_MAC_IDX 7
#define REG_VLAN MFF_REG15 /* The end of REG_MAC. */
/* The address of a request that is being answered, which needs no place. */
#define REG_ASKED REG_PORT

/* Priorities: the more special, the more.  None is 0, since a bridge may come
 * with a flow that takes all to NORMAL at that; it must be there when Baton
 * leaves. */
enum {
    PRIO_DEFAULT = 1,
    PRIO_TUNNEL = 50,
    PRIO_POOL = 100,
    PRIO_BLOCK = 200,
    PRIO_SESSION = 300,
    PRIO_EXCEPTION = 400,
    PRIO_VIOLATION = 1000
};

/* Flags of an advertisement, from the top of its reserved word. */
#define ND_SOLICITED_OVERRIDE 0x60000000
#define ND_OVERRIDE 0x20000000

static const struct eth_addr eth_all_nodes = ETH_ADDR_C(33, 33, 00, 00, 00,
                                                        01);
static const struct in6_addr in6_all_nodes = { .s6_addr = { 0xff,
                                                            0x02, [15] = 1 } };

static bool
place_is_somewhere(const struct flow_place *place)
{
    return place && place->port != OFPP_NONE;
}

static bool
place_is_elsewhere(const struct flow_place *place)
{
    return place_is_somewhere(place) && place->key;
}

bool
flow_layout_has_tunnel(const struct flow_layout *layout)
{
    return layout->tunnel_port && layout->tunnel_port != OFPP_NONE;
}

/* The TCI that frames of the place carry; 0: they carry none. */
static uint16_t
place_tci(const struct flow_place *place)
{
    return place->vlan_tci ? vlan_tci_to_vid(htons(place->vlan_tci)) | VLAN_CFI
                           : 0;
}

/* What comes out of a tunnel is told by its key, of 24 bits, and its end. */
static uint64_t
place_mac_reg(const struct flow_place *place)
{
    return place->key
               ? (uint64_t) hash_bytes(&place->peer, sizeof place->peer, 0)
                         << 40
                     | (uint64_t) place->key << 16
               : eth_addr_to_uint64(place->mac) << 16 | place_tci(place);
}

/* A whole address as a prefix. */
static struct flow_prefix
host_prefix(const struct in6_addr *addr)
{
    return (struct flow_prefix){ *addr, 128 };
}

static bool
prefix_is_ip4(const struct flow_prefix *prefix)
{
    return IN6_IS_ADDR_V4MAPPED(&prefix->addr) && prefix->plen >= 96;
}

static ovs_be32
prefix_ip4(const struct flow_prefix *prefix)
{
    return in6_addr_get_mapped_ipv4(&prefix->addr);
}

static ovs_be32
prefix_ip4_mask(const struct flow_prefix *prefix)
{
    return be32_prefix_mask(prefix->plen - 96);
}

/* Matches. */

static void
match_nd(struct match *match, uint8_t type)
{
    match_set_dl_type(match, htons(ETH_TYPE_IPV6));
    match_set_nw_proto(match, IPPROTO_ICMPV6);
    match_set_icmp_type(match, type);
    match_set_icmp_code(match, 0);
}

static void
match_arp_request(struct match *match, ovs_be32 target)
{
    match_set_dl_type(match, htons(ETH_TYPE_ARP));
    match_set_arp_opcode_masked(match, ARP_OP_REQUEST, UINT8_MAX);
    match_set_arp_tpa_masked(match, target, OVS_BE32_MAX);
}

static void
match_any_vlan(struct match *match)
{
    match_set_vlan_vid_masked(match, htons(VLAN_CFI), htons(VLAN_CFI));
}

static void
match_tunnel(struct match *match, const struct flow_place *place)
{
    match_set_in_port(match, place->port);
    match_set_tun_id(match, htonll(place->key));
    if (IN6_IS_ADDR_V4MAPPED(&place->peer)) {
        match_set_tun_src(match, in6_addr_get_mapped_ipv4(&place->peer));
    } else {
        match_set_tun_ipv6_src(match, &place->peer);
    }
}

static void
match_ip_dst(struct match *match, const struct flow_prefix *dst)
{
    if (prefix_is_ip4(dst)) {
        match_set_dl_type(match, htons(ETH_TYPE_IP));
        match_set_nw_dst_masked(match, prefix_ip4(dst), prefix_ip4_mask(dst));
    } else {
        struct in6_addr mask = ipv6_create_mask(dst->plen);

        match_set_dl_type(match, htons(ETH_TYPE_IPV6));
        match_set_ipv6_dst_masked(match, &dst->addr, &mask);
    }
}

static void
match_ip_src(struct match *match, const struct flow_prefix *host)
{
    if (prefix_is_ip4(host)) {
        match_set_dl_type(match, htons(ETH_TYPE_IP));
        match_set_nw_src(match, prefix_ip4(host));
    } else {
        match_set_dl_type(match, htons(ETH_TYPE_IPV6));
        match_set_ipv6_src(match, &host->addr);
    }
}

static void
match_place(struct match *match, const struct flow_place *place)
{
    if (place->key) {
        match_tunnel(match, place);
        return;
    }
    match_set_in_port(match, place->port);
    match_set_dl_src(match, place->mac);
    match_set_vlan_vid(match, htons(place_tci(place)));
}

/* Actions. */

static void
act_load_place(struct flow_builder *b, const struct flow_place *place)
{
    act_set_be32(b, REG_PORT, htonl(ofp_to_u16(place->port)));
    act_set(b, REG_MAC,
            &(union mf_value){ .be64 = htonll(place_mac_reg(place)) });
}

static void
act_set_violation(struct flow_builder *b, bool violation)
{
    act_set_be32(b, REG_VIOLATION, htonl(violation));
}

static void
act_set_in_port(struct flow_builder *b, ofp_port_t port)
{
    act_set(b, MFF_IN_PORT,
            &(union mf_value){ .be16 = htons(ofp_to_u16(port)) });
}

/* Into the tunnel, to the bridge of 'place', or to the device itself. */
static void
act_tunnel(struct flow_builder *b, const struct flow_place *place)
{
    if (!eth_addr_is_zero(place->mac)) {
        /* The source stays: what does not fit is answered. */
        act_set_mac(b, MFF_ETH_DST, place->mac);
    }
    if (IN6_IS_ADDR_V4MAPPED(&place->peer)) {
        act_set_be32(b, MFF_TUN_DST, in6_addr_get_mapped_ipv4(&place->peer));
    } else {
        act_set(b, MFF_TUN_IPV6_DST, &(union mf_value){ .ipv6 = place->peer });
    }
    act_set(b, MFF_TUN_ID, &(union mf_value){ .be64 = htonll(place->key) });
    act_goto(b, BATON_TABLE_TUNNEL);
}

/* Is the packet from 'place' (NULL or nowhere: it cannot be)? */
static void
act_check_place(struct flow_builder *b, const struct flow_place *place)
{
    if (place_is_somewhere(place)) {
        act_load_place(b, place);
        act_resubmit(b, BATON_TABLE_PLACE);
    } else {
        act_set_violation(b, true);
    }
}

static enum baton_flow_kind
guard_kind(const struct flow_place *place)
{
    return place_is_somewhere(place) ? BATON_FLOW_GUARD_PERMIT
                                     : BATON_FLOW_GUARD_VIOLATION;
}

/* The guard. */

/* What has 'mac' as its Ethernet source; NULL: any. */
static void
match_mac(struct match *match, const struct eth_addr *mac)
{
    if (mac) {
        match_set_dl_src(match, *mac);
    }
}

static void
add_guard_ip4(struct flow_builder *b, uint16_t priority,
              const struct flow_prefix *prefix, const struct flow_place *place,
              const struct eth_addr *mac)
{
    ovs_be32 ip = prefix_ip4(prefix);
    ovs_be32 mask = prefix_ip4_mask(prefix);

    flow_builder_start(b);
    match_mac(&b->match, mac);
    match_set_dl_type(&b->match, htons(ETH_TYPE_IP));
    match_set_nw_src_masked(&b->match, ip, mask);
    act_check_place(b, place);
    act_goto(b, BATON_TABLE_PROXY);
    flow_builder_add(b, BATON_TABLE_GUARD, priority, guard_kind(place));

    match_init_catchall(&b->match);
    match_mac(&b->match, mac);
    match_set_dl_type(&b->match, htons(ETH_TYPE_ARP));
    match_set_arp_spa_masked(&b->match, ip, mask);
    flow_builder_add(b, BATON_TABLE_GUARD, priority, guard_kind(place));
}

static void
add_guard_ip6(struct flow_builder *b, uint16_t priority,
              const struct flow_prefix *prefix, const struct flow_place *place,
              const struct eth_addr *mac)
{
    struct in6_addr mask = ipv6_create_mask(prefix->plen);

    flow_builder_start(b);
    match_mac(&b->match, mac);
    match_set_dl_type(&b->match, htons(ETH_TYPE_IPV6));
    match_set_ipv6_src_masked(&b->match, &prefix->addr, &mask);
    act_check_place(b, place);
    act_goto(b, BATON_TABLE_GUARD_ND);
    flow_builder_add(b, BATON_TABLE_GUARD, priority, guard_kind(place));

    /* An advertisement for an address has any source that it likes: the
     * source is judged above, the target here. */
    flow_builder_start(b);
    match_mac(&b->match, mac);
    match_nd(&b->match, ND_NEIGHBOR_ADVERT);
    match_set_nd_target_masked(&b->match, &prefix->addr, &mask);
    act_check_place(b, place);
    act_goto(b, BATON_TABLE_PROXY);
    flow_builder_add(b, BATON_TABLE_GUARD_ND, priority, guard_kind(place));
}

/* Of those with 'mac' only, if that is nonnull. */
static void
add_guard_from(struct flow_builder *b, uint16_t priority,
               const struct flow_prefix *prefix,
               const struct flow_place *place, const struct eth_addr *mac)
{
    if (prefix_is_ip4(prefix)) {
        add_guard_ip4(b, priority, prefix, place, mac);
    } else {
        add_guard_ip6(b, priority, prefix, place, mac);
    }
}

static void
add_guard(struct flow_builder *b, uint16_t priority,
          const struct flow_prefix *prefix, const struct flow_place *place)
{
    add_guard_from(b, priority, prefix, place, NULL);
}

/* Starts a flow of PLACE that lets through what comes from 'place'. */
static void
start_place_flow(struct flow_builder *b, const struct flow_place *place)
{
    flow_builder_start(b);
    match_set_reg(&b->match, REG_PORT_IDX, ofp_to_u16(place->port));
    match_set_xreg(&b->match, REG_MAC_IDX, place_mac_reg(place));
    match_place(&b->match, place);
}

/* An ND message of 'type' from 'place' that names 'mac' in its link-layer
 * option, or has no such option if 'mac' is zero. */
static void
add_place_nd(struct flow_builder *b, const struct flow_place *place,
             uint8_t type, struct eth_addr mac)
{
    start_place_flow(b, place);
    match_nd(&b->match, type);
    /* Where ARP has its MACs "struct flow" has ND's. */
    if (type == ND_NEIGHBOR_SOLICIT) {
        match_set_arp_sha(&b->match, mac);
    } else {
        match_set_arp_tha(&b->match, mac);
    }
    flow_builder_add(b, BATON_TABLE_PLACE, PRIO_SESSION,
                     BATON_FLOW_GUARD_PERMIT);
}

/* What 'place' may send, for the guard flows that check it.  The rest of
 * PLACE is in the pipeline. */
static void
add_place(struct flow_builder *b, const struct flow_place *place, bool ip4)
{
    if (!place_is_somewhere(place)) {
        return;
    }

    start_place_flow(b, place);
    match_set_dl_type(&b->match, htons(ip4 ? ETH_TYPE_IP : ETH_TYPE_IPV6));
    flow_builder_add(b, BATON_TABLE_PLACE, PRIO_POOL, BATON_FLOW_GUARD_PERMIT);

    if (place->key) {
        return; /* Nobody speaks ARP or ND through a tunnel. */
    }
    if (ip4) {
        start_place_flow(b, place);
        match_set_dl_type(&b->match, htons(ETH_TYPE_ARP));
        match_set_arp_sha(&b->match, place->mac);
        flow_builder_add(b, BATON_TABLE_PLACE, PRIO_SESSION,
                         BATON_FLOW_GUARD_PERMIT);
    } else {
        add_place_nd(b, place, ND_NEIGHBOR_SOLICIT, place->mac);
        add_place_nd(b, place, ND_NEIGHBOR_SOLICIT, eth_addr_zero);
        add_place_nd(b, place, ND_NEIGHBOR_ADVERT, place->mac);
        add_place_nd(b, place, ND_NEIGHBOR_ADVERT, eth_addr_zero);
    }
}

/* The pipeline. */

static void
add_default(struct flow_builder *b, enum baton_table table,
            enum baton_table next)
{
    flow_builder_start(b);
    act_goto(b, next);
    flow_builder_add(b, table, PRIO_DEFAULT, BATON_FLOW_PIPELINE);
}

static void
add_attachment_table(struct flow_builder *b)
{
    flow_builder_start(b);
    match_set_dl_type(&b->match, htons(0x88b5));
    act_controller(b, b->layout->attachment_meter_id);
    flow_builder_add(b, BATON_TABLE_ATTACHMENT, PRIO_EXCEPTION,
                     BATON_FLOW_ATTACHMENT);

    flow_builder_start(b);
    act_set_violation(b, false);
    act_goto(b, BATON_TABLE_GUARD);
    flow_builder_add(b, BATON_TABLE_ATTACHMENT, PRIO_DEFAULT,
                     BATON_FLOW_PIPELINE);
}

static void
add_place_table(struct flow_builder *b)
{
    static const uint8_t nd_types[] = { ND_NEIGHBOR_SOLICIT,
                                        ND_NEIGHBOR_ADVERT };

    /* ND must be permitted as such, not as any IPv6. */
    for (size_t i = 0; i < ARRAY_SIZE(nd_types); i++) {
        flow_builder_start(b);
        match_nd(&b->match, nd_types[i]);
        act_set_violation(b, true);
        flow_builder_add(b, BATON_TABLE_PLACE, PRIO_BLOCK,
                         BATON_FLOW_PIPELINE);
    }

    flow_builder_start(b);
    act_set_violation(b, true);
    flow_builder_add(b, BATON_TABLE_PLACE, PRIO_DEFAULT, BATON_FLOW_PIPELINE);
}

/* Second half of an ND answer, which is an advertisement by now.  To a host
 * that still checks its own address (RFC 4862, 5.4.3) it goes to all. */
static void
add_nd_answer(struct flow_builder *b, bool to_unspecified)
{
    flow_builder_start(b);
    match_nd(&b->match, ND_NEIGHBOR_ADVERT);
    if (to_unspecified) {
        match_set_ipv6_dst(&b->match, &in6addr_any);
        act_set(b, MFF_IPV6_DST, &(union mf_value){ .ipv6 = in6_all_nodes });
        act_set_mac(b, MFF_ETH_DST, eth_all_nodes);
    }
    act_set_be32(b, MFF_ND_RESERVED,
                 htonl(to_unspecified ? ND_OVERRIDE : ND_SOLICITED_OVERRIDE));
    act_set_u8(b, MFF_ND_OPTIONS_TYPE, ND_OPT_TARGET_LINKADDR);
    act_move(b, MFF_ETH_SRC, MFF_ND_TLL);
    act_output(b, OFPP_IN_PORT);
    flow_builder_add(b, BATON_TABLE_PROXY_ND,
                     to_unspecified ? PRIO_EXCEPTION : PRIO_SESSION,
                     BATON_FLOW_PIPELINE);
}

static void
add_proxy_tables(struct flow_builder *b)
{
    flow_builder_start(b);
    match_set_reg(&b->match, REG_VIOLATION_IDX, 1);
    act_controller(b, b->layout->meter_id);
    flow_builder_add(b, BATON_TABLE_PROXY, PRIO_VIOLATION,
                     BATON_FLOW_GUARD_VIOLATION);

    /* The same, for a value that nothing has: it makes a violation look at a
     * field that a permitted packet does not.  When a device loses a session,
     * the switch's cached megaflow for it then has too narrow a mask to be
     * turned into a violation's, and is deleted.  A cached violation would
     * catch the first packets of the device once the session is back. */
    for (size_t i = 0; i < 2; i++) {
        match_init_catchall(&b->match);
        match_set_reg(&b->match, REG_VIOLATION_IDX, 1);
        match_set_dl_type(&b->match, htons(i ? ETH_TYPE_IPV6 : ETH_TYPE_IP));
        match_set_nw_ttl(&b->match, 0);
        flow_builder_add(b, BATON_TABLE_PROXY, PRIO_VIOLATION + 1,
                         BATON_FLOW_GUARD_VIOLATION);
    }

    add_nd_answer(b, true);
    add_nd_answer(b, false);
}

static void
add_egress_table(struct flow_builder *b)
{
    /* A tag of the sender's goes first... */
    flow_builder_start(b);
    match_any_vlan(&b->match);
    act_pop_vlan(b);
    act_resubmit(b, BATON_TABLE_EGRESS);
    flow_builder_add(b, BATON_TABLE_EGRESS, PRIO_EXCEPTION,
                     BATON_FLOW_PIPELINE);

    /* ...then the place gets its own, if it has one. */
    flow_builder_start(b);
    match_set_xreg_masked(&b->match, REG_MAC_IDX, VLAN_CFI, VLAN_CFI);
    act_push_vlan(b);
    act_move(b, REG_VLAN, MFF_VLAN_VID);
    act_output_reg(b, REG_PORT);
    flow_builder_add(b, BATON_TABLE_EGRESS, PRIO_SESSION, BATON_FLOW_PIPELINE);

    flow_builder_start(b);
    act_output_reg(b, REG_PORT);
    flow_builder_add(b, BATON_TABLE_EGRESS, PRIO_DEFAULT, BATON_FLOW_PIPELINE);
}

static void
add_forward_table(struct flow_builder *b)
{
    flow_builder_start(b);
    if (b->layout->forward_table < 0) {
        act_output(b, OFPP_NORMAL);
    } else {
        act_resubmit_absolute(b, b->layout->forward_table);
    }
    flow_builder_add(b, BATON_TABLE_FORWARD, PRIO_DEFAULT,
                     BATON_FLOW_PIPELINE);
}

void
flows_pipeline(const struct flow_layout *layout,
               const struct flow_prefix *prefixes, size_t n_prefixes,
               struct flow_set *set)
{
    struct flow_builder b;

    flow_builder_init(&b, layout, set);
    add_attachment_table(&b);
    add_default(&b, BATON_TABLE_GUARD, BATON_TABLE_GUARD_ND);
    add_default(&b, BATON_TABLE_GUARD_ND, BATON_TABLE_PROXY);
    for (size_t i = 0; i < n_prefixes; i++) {
        add_guard(&b, PRIO_POOL, &prefixes[i], NULL);
    }
    add_place_table(&b);
    add_proxy_tables(&b);
    add_default(&b, BATON_TABLE_PROXY, BATON_TABLE_MAPPING);
    add_default(&b, BATON_TABLE_MAPPING, BATON_TABLE_REDIRECT);
    add_default(&b, BATON_TABLE_REDIRECT, BATON_TABLE_FORWARD);
    add_egress_table(&b);
    add_forward_table(&b);
    flow_builder_uninit(&b);
}

/* The tunnel. */

/* The exceptions to the other tables for what comes out of the tunnel. */
static void
add_tunnel_input(struct flow_builder *b)
{
    ofp_port_t port = b->layout->tunnel_port;

    /* No device proves anything there. */
    flow_builder_start(b);
    match_set_in_port(&b->match, port);
    match_set_dl_type(&b->match, htons(0x88b5));
    act_controller(b, b->layout->attachment_meter_id);
    flow_builder_add(b, BATON_TABLE_ATTACHMENT, PRIO_VIOLATION,
                     BATON_FLOW_PROBE);

    flow_builder_start(b);
    match_set_in_port(&b->match, port);
    act_set_violation(b, true);
    act_goto(b, BATON_TABLE_PROXY);
    flow_builder_add(b, BATON_TABLE_GUARD, PRIO_TUNNEL,
                     BATON_FLOW_GUARD_VIOLATION);

    flow_builder_start(b);
    match_set_in_port(&b->match, port);
    act_goto(b, BATON_TABLE_NEXT_HOP);
    flow_builder_add(b, BATON_TABLE_REDIRECT, PRIO_POOL, BATON_FLOW_REDIRECT);
}

static void
add_tunnel_output(struct flow_builder *b)
{
    flow_builder_start(b);
    match_any_vlan(&b->match);
    act_pop_vlan(b);
    act_resubmit(b, BATON_TABLE_TUNNEL);
    flow_builder_add(b, BATON_TABLE_TUNNEL, PRIO_EXCEPTION,
                     BATON_FLOW_PIPELINE);

    flow_builder_start(b);
    act_check_larger(b, ETH_HEADER_LEN + b->layout->tunnel_mtu, REG_TOO_BIG);
    act_resubmit(b, BATON_TABLE_TUNNEL_OUT);
    flow_builder_add(b, BATON_TABLE_TUNNEL, PRIO_DEFAULT, BATON_FLOW_PIPELINE);

    flow_builder_start(b);
    match_set_reg_masked(&b->match, REG_TOO_BIG_IDX, 1, 1);
    act_controller(b, b->layout->size_meter_id);
    flow_builder_add(b, BATON_TABLE_TUNNEL_OUT, PRIO_EXCEPTION,
                     BATON_FLOW_TOO_BIG);

    /* From one foreign bridge to another it goes out where it came in. */
    flow_builder_start(b);
    act_set_in_port(b, OFPP_NONE);
    act_output(b, b->layout->tunnel_port);
    flow_builder_add(b, BATON_TABLE_TUNNEL_OUT, PRIO_DEFAULT,
                     BATON_FLOW_PIPELINE);
}

/* A neighbour's answer to what the controller asked in the bridge's name. */
static void
add_neighbour_answers(struct flow_builder *b)
{
    flow_builder_start(b);
    match_set_dl_type(&b->match, htons(ETH_TYPE_ARP));
    match_set_arp_opcode_masked(&b->match, ARP_OP_REPLY, UINT8_MAX);
    match_set_dl_dst(&b->match, b->layout->mac);
    act_controller(b, b->layout->size_meter_id);
    flow_builder_add(b, BATON_TABLE_PROXY, PRIO_SESSION, BATON_FLOW_NEIGHBOUR);

    flow_builder_start(b);
    match_nd(&b->match, ND_NEIGHBOR_ADVERT);
    match_set_dl_dst(&b->match, b->layout->mac);
    act_controller(b, b->layout->size_meter_id);
    flow_builder_add(b, BATON_TABLE_PROXY, PRIO_SESSION, BATON_FLOW_NEIGHBOUR);
}

void
flows_tunnel(const struct flow_layout *layout,
             const struct flow_prefix *subnets, size_t n_subnets,
             struct flow_set *set)
{
    struct flow_builder b;

    if (!flow_layout_has_tunnel(layout)) {
        return;
    }
    flow_builder_init(&b, layout, set);
    add_tunnel_input(&b);
    add_tunnel_output(&b);
    add_neighbour_answers(&b);
    for (size_t i = 0; i < n_subnets; i++) {
        flow_builder_start(&b);
        match_ip_dst(&b.match, &subnets[i]);
        act_controller(&b, layout->size_meter_id);
        flow_builder_add(&b, BATON_TABLE_NEXT_HOP, PRIO_BLOCK,
                         BATON_FLOW_NEXT_HOP);
    }
    flow_builder_start(&b);
    act_controller(&b, layout->size_meter_id);
    flow_builder_add(&b, BATON_TABLE_NEXT_HOP, PRIO_DEFAULT,
                     BATON_FLOW_NEXT_HOP);
    flow_builder_uninit(&b);
}

void
flows_next_hop(const struct flow_layout *layout, const struct flow_prefix *dst,
               struct eth_addr mac, struct flow_set *set)
{
    bool all = dst->plen == 0 || (dst->plen == 96 && prefix_is_ip4(dst));
    struct flow_builder b;

    flow_builder_init(&b, layout, set);
    flow_builder_start(&b);
    match_ip_dst(&b.match, dst);
    act_set_mac(&b, MFF_ETH_SRC, layout->mac);
    act_set_mac(&b, MFF_ETH_DST, mac);
    /* The bridge shall not learn that this MAC address is in the tunnel. */
    act_set_in_port(&b, OFPP_NONE);
    act_goto(&b, BATON_TABLE_FORWARD);
    flow_builder_add(&b, BATON_TABLE_NEXT_HOP, all ? PRIO_POOL : PRIO_SESSION,
                     BATON_FLOW_REDIRECT);
    flow_builder_uninit(&b);
}

/* Blocks and sessions. */

void
flows_block(const struct flow_layout *layout, const struct flow_prefix *block,
            const struct flow_place *lessee, struct flow_set *set)
{
    struct flow_builder b;

    flow_builder_init(&b, layout, set);
    add_guard(&b, PRIO_BLOCK, block, lessee);
    add_place(&b, lessee, prefix_is_ip4(block));
    flow_builder_uninit(&b);
}

static void
add_device_violation(struct flow_builder *b, const struct flow_place *place)
{
    match_set_in_port(&b->match, place->port);
    act_set_violation(b, true);
    act_goto(b, BATON_TABLE_PROXY);
    flow_builder_add(b, BATON_TABLE_GUARD, PRIO_POOL,
                     BATON_FLOW_GUARD_VIOLATION);
}

void
flows_device(const struct flow_layout *layout, const struct flow_place *place,
             const struct flow_prefix *prefixes, size_t n_prefixes,
             struct flow_set *set)
{
    struct flow_builder b;

    flow_builder_init(&b, layout, set);
    for (size_t i = 0; place_is_somewhere(place) && i < n_prefixes; i++) {
        const struct flow_prefix *prefix = &prefixes[i];

        flow_builder_start(&b);
        if (prefix_is_ip4(prefix)) {
            match_set_dl_type(&b.match, htons(ETH_TYPE_IP));
            match_set_nw_src_masked(&b.match, prefix_ip4(prefix),
                                    prefix_ip4_mask(prefix));
            add_device_violation(&b, place);
            flow_builder_start(&b);
            match_set_dl_type(&b.match, htons(ETH_TYPE_ARP));
            match_set_arp_spa_masked(&b.match, prefix_ip4(prefix),
                                     prefix_ip4_mask(prefix));
        } else {
            struct in6_addr mask = ipv6_create_mask(prefix->plen);

            match_set_dl_type(&b.match, htons(ETH_TYPE_IPV6));
            match_set_ipv6_src_masked(&b.match, &prefix->addr, &mask);
        }
        add_device_violation(&b, place);
    }
    flow_builder_uninit(&b);
}

void
flows_barred(const struct flow_layout *layout, const struct in6_addr *addr,
             const struct eth_addr *macs, size_t n_macs, struct flow_set *set)
{
    struct flow_prefix host = host_prefix(addr);
    struct flow_builder b;

    flow_builder_init(&b, layout, set);
    for (size_t i = 0; i < n_macs; i++) {
        add_guard_from(&b, PRIO_SESSION, &host, NULL, &macs[i]);
    }
    flow_builder_uninit(&b);
}

/* Begins an answer to the request that the match describes.  The request
 * itself goes on first, so that NORMAL learns where the asker is; the answer
 * is made of what it was.  (The other way round, with the answer made of a
 * copy, Open vSwitch 3.1 does not restore a solicitation's option.) */
static struct eth_addr
answer_mac(const struct flow_builder *b, const struct flow_place *inbound)
{
    return inbound->key ? b->layout->mac : inbound->mac;
}

static void
start_answer(struct flow_builder *b, const struct flow_place *inbound)
{
    size_t clone = act_clone_begin(b);
    act_resubmit(b, BATON_TABLE_MAPPING);
    act_clone_end(b, clone);
    act_move(b, MFF_ETH_SRC, MFF_ETH_DST);
    act_set_mac(b, MFF_ETH_SRC, answer_mac(b, inbound));
}

/* Adds the answering flow, and its exception: who is at the address may ask
 * (to see whether somebody else is there) without being answered by us. */
static void
finish_answer(struct flow_builder *b, const struct flow_place *inbound)
{
    flow_builder_add(b, BATON_TABLE_PROXY, PRIO_SESSION, BATON_FLOW_PROXY);

    if (place_is_elsewhere(inbound)) {
        return;
    }
    match_place(&b->match, inbound);
    ofpbuf_clear(&b->ofpacts);
    act_goto(b, BATON_TABLE_MAPPING);
    flow_builder_add(b, BATON_TABLE_PROXY, PRIO_EXCEPTION, BATON_FLOW_PROXY);
}

static void
add_arp_proxy(struct flow_builder *b, ovs_be32 ip,
              const struct flow_place *inbound)
{
    flow_builder_start(b);
    match_arp_request(&b->match, ip);
    start_answer(b, inbound);
    act_set(b, MFF_ARP_OP, &(union mf_value){ .be16 = htons(ARP_OP_REPLY) });
    act_move(b, MFF_ARP_SHA, MFF_ARP_THA);
    /* Who was asked for is who answers; not named, so that these actions are
     * those of all sessions that are there. */
    act_move(b, MFF_ARP_TPA, REG_ASKED);
    act_move(b, MFF_ARP_SPA, MFF_ARP_TPA);
    act_move(b, REG_ASKED, MFF_ARP_SPA);
    act_set_mac(b, MFF_ARP_SHA, answer_mac(b, inbound));
    act_output(b, OFPP_IN_PORT);
    finish_answer(b, inbound);
}

static void
add_nd_proxy(struct flow_builder *b, const struct in6_addr *ip,
             const struct flow_place *inbound)
{
    flow_builder_start(b);
    match_nd(&b->match, ND_NEIGHBOR_SOLICIT);
    match_set_nd_target(&b->match, ip);
    start_answer(b, inbound);
    act_move(b, MFF_IPV6_SRC, MFF_IPV6_DST);
    act_move(b, MFF_ND_TARGET, MFF_IPV6_SRC); /* Not named, as above. */
    act_set_u8(b, MFF_ICMPV6_TYPE, ND_NEIGHBOR_ADVERT);
    act_resubmit(b, BATON_TABLE_PROXY_ND);
    finish_answer(b, inbound);
}

static void
add_redirect(struct flow_builder *b, const struct flow_prefix *host,
             const struct flow_place *inbound)
{
    flow_builder_start(b);
    match_ip_dst(&b->match, host);
    if (b->layout->forward_table < 0) {
        size_t clone = act_clone_begin(b);
        act_move(b, MFF_ETH_SRC, MFF_ETH_DST);
        act_output(b, OFPP_NORMAL);
        act_clone_end(b, clone);
    }
    if (place_is_elsewhere(inbound)) {
        act_tunnel(b, inbound);
    } else {
        act_set_mac(b, MFF_ETH_DST, inbound->mac);
        act_load_place(b, inbound);
        /* Both ends may be behind one port, an uplink: without this the
         * packet would not go out where it came in. */
        act_set_in_port(b, OFPP_NONE);
        act_goto(b, BATON_TABLE_EGRESS);
    }
    flow_builder_add(b, BATON_TABLE_REDIRECT, PRIO_SESSION,
                     BATON_FLOW_REDIRECT);
}

void
flows_session(const struct flow_layout *layout, const struct in6_addr *addr,
              const struct flow_place *guard, const struct flow_place *inbound,
              struct flow_set *set)
{
    struct flow_prefix host = host_prefix(addr);
    bool ip4 = prefix_is_ip4(&host);
    struct flow_builder b;

    flow_builder_init(&b, layout, set);
    add_guard(&b, PRIO_SESSION, &host, guard);
    add_place(&b, guard, ip4);
    if (place_is_somewhere(inbound)) {
        if (ip4) {
            add_arp_proxy(&b, prefix_ip4(&host), inbound);
        } else {
            add_nd_proxy(&b, addr, inbound);
        }
        add_redirect(&b, &host, inbound);
    }
    flow_builder_uninit(&b);
}

/* What the home bridge sends through the tunnel goes to the device. */
static void
add_delivery(struct flow_builder *b, const struct flow_prefix *host,
             const struct flow_place *home, const struct flow_place *inbound)
{
    flow_builder_start(b);
    match_tunnel(&b->match, home);
    match_ip_dst(&b->match, host);
    act_set_mac(b, MFF_ETH_SRC, b->layout->mac);
    act_set_mac(b, MFF_ETH_DST, inbound->mac);
    act_load_place(b, inbound);
    act_goto(b, BATON_TABLE_EGRESS);
    flow_builder_add(b, BATON_TABLE_GUARD, PRIO_EXCEPTION,
                     BATON_FLOW_REDIRECT);
}

void
flows_visitor(const struct flow_layout *layout, const struct in6_addr *addr,
              const struct flow_place *home, const struct flow_place *guard,
              const struct flow_place *inbound, struct flow_set *set)
{
    struct flow_prefix host = host_prefix(addr);
    struct flow_builder b;

    flow_builder_init(&b, layout, set);
    add_guard(&b, PRIO_SESSION, &host, guard);
    add_place(&b, guard, prefix_is_ip4(&host));
    if (place_is_somewhere(home) && place_is_somewhere(inbound)) {
        add_delivery(&b, &host, home, inbound);
    }
    /* Also of the former owner's last packets, which the controller lets past
     * the guard. */
    if (place_is_somewhere(home)) {
        flow_builder_start(&b);
        match_ip_src(&b.match, &host);
        act_tunnel(&b, home);
        flow_builder_add(&b, BATON_TABLE_REDIRECT, PRIO_EXCEPTION,
                         BATON_FLOW_REDIRECT);
    }
    flow_builder_uninit(&b);
}
