/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "mapping-flows.h"

#include <netinet/icmp6.h>

#include "flow-builder.h"
#include "flow.h"
#include "openvswitch/ofp-actions.h"
#include "packets.h"
#include "util.h"

/* In MAPPING and MAPPED only: what else is in them is of no use any more, or
 * not yet. */
#define REG_HALF_OPEN MFF_REG13 /* 1: see struct flow_mapping. */
#define REG_HALF_OPEN_IDX 13
#define REG_LOOK_IP4 MFF_REG13 /* To have looked at a source. */
#define REG_LOOK_IP6 MFF_XXREG3
#define REG_LOOK_PORT MFF_REG11

enum {
    PRIO_DEFAULT = 1,
    PRIO_POOL = 100,
    PRIO_SERVICE = 200,
    PRIO_FIRST = 300,
    PRIO_PASS = 400,
    PRIO_SESSION = 500,
    PRIO_FRAGMENT = 600,
};

/* ICMP messages about a packet, which they quote. */
static const uint8_t icmp4_errors[] = { ICMP4_DST_UNREACH, ICMP4_TIME_EXCEEDED,
                                        ICMP4_PARAM_PROB };
static const uint8_t icmp6_errors[] = { ICMP6_DST_UNREACH,
                                        ICMP6_PACKET_TOO_BIG,
                                        ICMP6_TIME_EXCEEDED,
                                        ICMP6_PARAM_PROB };

static bool
is_ip4(const struct in6_addr *addr)
{
    return IN6_IS_ADDR_V4MAPPED(addr);
}

/* Matches. */

static void
match_ip(struct match *match, bool ip4, uint8_t protocol)
{
    match_set_dl_type(match, htons(ip4 ? ETH_TYPE_IP : ETH_TYPE_IPV6));
    match_set_nw_proto(match, protocol);
}

static void
match_src(struct match *match, const struct in6_addr *addr)
{
    if (is_ip4(addr)) {
        match_set_nw_src(match, in6_addr_get_mapped_ipv4(addr));
    } else {
        match_set_ipv6_src(match, addr);
    }
}

static void
match_dst(struct match *match, const struct in6_addr *addr)
{
    if (is_ip4(addr)) {
        match_set_nw_dst(match, in6_addr_get_mapped_ipv4(addr));
    } else {
        match_set_ipv6_dst(match, addr);
    }
}

static void
match_src_prefix(struct match *match, const struct flow_prefix *prefix)
{
    if (is_ip4(&prefix->addr)) {
        match_set_nw_src_masked(match, in6_addr_get_mapped_ipv4(&prefix->addr),
                                be32_prefix_mask(prefix->plen - 96));
    } else {
        struct in6_addr mask = ipv6_create_mask(prefix->plen);

        match_set_ipv6_src_masked(match, &prefix->addr, &mask);
    }
}

void
flows_mapping_match(enum baton_flow_kind kind, const struct flow_mapping *m,
                    struct match *match)
{
    match_init_catchall(match);
    match_ip(match, is_ip4(&m->permanent), m->protocol);
    if (kind == BATON_FLOW_MAPPED_IN) {
        match_src(match, &m->correspondent);
        match_dst(match, &m->permanent);
        match_set_tp_src(match, htons(m->correspondent_port));
        match_set_tp_dst(match, htons(m->port));
    } else {
        /* Without ports: nobody else has the address, and fragments have
         * none. */
        match_src(match, &m->address);
        match_dst(match, &m->correspondent);
    }
}

static void
match_service(struct match *match, const struct flow_movable *movable)
{
    match_ip(match, is_ip4(&movable->permanent), movable->protocol);
    match_dst(match, &movable->permanent);
    match_set_tp_dst(match, htons(movable->port));
}

/* Actions. */

static void
act_set_address(struct flow_builder *b, bool source,
                const struct in6_addr *addr)
{
    if (is_ip4(addr)) {
        act_set_be32(b, source ? MFF_IPV4_SRC : MFF_IPV4_DST,
                     in6_addr_get_mapped_ipv4(addr));
    } else {
        act_set(b, source ? MFF_IPV6_SRC : MFF_IPV6_DST,
                &(union mf_value){ .ipv6 = *addr });
    }
}

static void
act_look_at_source(struct flow_builder *b, bool ip4)
{
    if (ip4) {
        act_move(b, MFF_IPV4_SRC, REG_LOOK_IP4);
    } else {
        act_move(b, MFF_IPV6_SRC, REG_LOOK_IP6);
    }
}

/* Sessions. */

void
flows_mapping(const struct flow_layout *layout, const struct flow_mapping *m,
              struct flow_set *set)
{
    struct flow_builder b;

    flow_builder_init(&b, layout, set);
    b.idle_timeout = m->idle_s;

    flow_builder_start(&b);
    flows_mapping_match(BATON_FLOW_MAPPED_IN, m, &b.match);
    act_set_address(&b, false, &m->address);
    act_set_be32(&b, REG_HALF_OPEN, htonl(m->half_open));
    act_goto(&b, BATON_TABLE_MAPPED);
    flow_builder_add(&b, BATON_TABLE_MAPPING, PRIO_SESSION,
                     BATON_FLOW_MAPPED_IN);

    flow_builder_start(&b);
    flows_mapping_match(BATON_FLOW_MAPPED_OUT, m, &b.match);
    act_set_address(&b, true, &m->permanent);
    act_set_be32(&b, REG_HALF_OPEN, htonl(0));
    act_goto(&b, BATON_TABLE_MAPPED);
    flow_builder_add(&b, BATON_TABLE_MAPPING, PRIO_SESSION,
                     BATON_FLOW_MAPPED_OUT);
    flow_builder_uninit(&b);
}

static struct in6_addr
mapped_ip4(ovs_be32 ip)
{
    struct in6_addr addr;

    in6_addr_set_mapped_ipv4(&addr, ip);
    return addr;
}

/* The address that the actions set, as a source or as a destination. */
static bool
find_address(const struct ofpact *ofpacts, size_t ofpacts_len, bool source,
             struct in6_addr *addr)
{
    const struct ofpact *a;

    OFPACT_FOR_EACH(a, ofpacts, ofpacts_len) {
        const struct ofpact_set_field *set;

        if (a->type != OFPACT_SET_FIELD) {
            continue;
        }
        set = ofpact_get_SET_FIELD(a);
        if (set->field->id == (source ? MFF_IPV4_SRC : MFF_IPV4_DST)) {
            *addr = mapped_ip4(set->value->be32);
            return true;
        } else if (set->field->id == (source ? MFF_IPV6_SRC : MFF_IPV6_DST)) {
            *addr = set->value->ipv6;
            return true;
        }
    }
    return false;
}

/* Is half_open set? */
static bool
find_half_open(const struct ofpact *ofpacts, size_t ofpacts_len)
{
    const struct ofpact *a;

    OFPACT_FOR_EACH(a, ofpacts, ofpacts_len) {
        if (a->type == OFPACT_SET_FIELD
            && ofpact_get_SET_FIELD(a)->field->id == REG_HALF_OPEN) {
            return ofpact_get_SET_FIELD(a)->value->be32 != 0;
        }
    }
    return false;
}

bool
flows_mapping_read(enum baton_flow_kind kind, const struct match *match,
                   const struct ofpact *ofpacts, size_t ofpacts_len,
                   struct flow_mapping *m)
{
    const struct flow *flow = &match->flow;
    bool ip4 = flow->dl_type == htons(ETH_TYPE_IP);
    struct in6_addr src = ip4 ? mapped_ip4(flow->nw_src) : flow->ipv6_src;
    struct in6_addr dst = ip4 ? mapped_ip4(flow->nw_dst) : flow->ipv6_dst;
    bool in = kind == BATON_FLOW_MAPPED_IN;

    memset(m, 0, sizeof *m);
    m->protocol = flow->nw_proto;
    if (m->protocol != IPPROTO_TCP && m->protocol != IPPROTO_UDP) {
        return false;
    }
    if (in) {
        m->correspondent = src;
        m->permanent = dst;
        m->correspondent_port = ntohs(flow->tp_src);
        m->port = ntohs(flow->tp_dst);
    } else {
        m->address = src;
        m->correspondent = dst;
    }
    if (ofpacts) {
        m->half_open = in && find_half_open(ofpacts, ofpacts_len);
        return find_address(ofpacts, ofpacts_len, !in,
                            in ? &m->address : &m->permanent);
    }
    return true;
}

/* Services. */

static void
add_errors(struct flow_builder *b, const struct in6_addr *permanent,
           const struct flow_prefix *pool)
{
    bool ip4 = is_ip4(permanent ? permanent : &pool->addr);
    const uint8_t *types = ip4 ? icmp4_errors : icmp6_errors;
    size_t n = ip4 ? ARRAY_SIZE(icmp4_errors) : ARRAY_SIZE(icmp6_errors);

    for (size_t i = 0; i < n; i++) {
        flow_builder_start(b);
        match_ip(&b->match, ip4, ip4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
        match_set_icmp_type(&b->match, types[i]);
        if (permanent) {
            match_dst(&b->match, permanent);
        } else {
            match_src_prefix(&b->match, pool);
        }
        act_controller(b, b->layout->mapping_meter_id);
        flow_builder_add(b, BATON_TABLE_MAPPING, PRIO_FIRST,
                         BATON_FLOW_MAPPING_ERROR);
    }
}

/* Only the first fragment of a datagram has ports.  All of them go to the
 * permanent address, where they find each other and, on the wildcard address,
 * the service.  A segment's must not: without a connection the kernel answers
 * with an RST.  Its first fragment is translated, and so waits for ever. */
static void
add_fragments(struct flow_builder *b, const struct flow_movable *movable,
              uint8_t protocol, uint8_t which)
{
    flow_builder_start(b);
    match_ip(&b->match, is_ip4(&movable->permanent), protocol);
    match_dst(&b->match, &movable->permanent);
    match_set_nw_frag_masked(&b->match, which, which);
    act_report(b, b->layout->mapping_meter_id);
    act_goto(b, BATON_TABLE_REDIRECT);
    flow_builder_add(b, BATON_TABLE_MAPPING, PRIO_FRAGMENT,
                     BATON_FLOW_MAPPING_FRAGMENT);
}

void
flows_movable(const struct flow_layout *layout,
              const struct flow_movable *movable, struct flow_set *set)
{
    struct flow_builder b;

    flow_builder_init(&b, layout, set);
    flow_builder_start(&b);
    match_service(&b.match, movable);
    if (movable->open) {
        act_look_at_source(&b, is_ip4(&movable->permanent));
        act_move(&b,
                 movable->protocol == IPPROTO_TCP ? MFF_TCP_SRC : MFF_UDP_SRC,
                 REG_LOOK_PORT);
    }
    act_goto(&b, BATON_TABLE_REDIRECT);
    flow_builder_add(&b, BATON_TABLE_MAPPING, PRIO_SERVICE,
                     BATON_FLOW_MAPPING);
    if (movable->open) {
        flow_builder_start(&b);
        match_service(&b.match, movable);
        if (movable->protocol == IPPROTO_TCP) {
            match_set_tcp_flags_masked(
                &b.match, htons(TCP_SYN),
                htons(TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN));
        }
        act_controller(&b, layout->mapping_meter_id);
        flow_builder_add(&b, BATON_TABLE_MAPPING, PRIO_FIRST,
                         BATON_FLOW_MAPPING_FIRST);
    }
    add_errors(&b, &movable->permanent, NULL);
    if (movable->protocol == IPPROTO_UDP) {
        add_fragments(&b, movable, IPPROTO_UDP, FLOW_NW_FRAG_ANY);
    } else if (is_ip4(&movable->permanent)) {
        add_fragments(&b, movable, IPPROTO_TCP, FLOW_NW_FRAG_LATER);
    }
    if (!is_ip4(&movable->permanent)) {
        /* Of later ones of IPv6 the switch does not know the protocol. */
        add_fragments(&b, movable, IPPROTO_FRAGMENT, FLOW_NW_FRAG_LATER);
    }
    flow_builder_uninit(&b);
}

void
flows_movable_passes(const struct flow_layout *layout,
                     const struct flow_movable *movable,
                     const struct in6_addr *correspondent,
                     struct flow_set *set)
{
    struct flow_builder b;

    flow_builder_init(&b, layout, set);
    flow_builder_start(&b);
    match_service(&b.match, movable);
    match_src(&b.match, correspondent);
    act_goto(&b, BATON_TABLE_REDIRECT);
    flow_builder_add(&b, BATON_TABLE_MAPPING, PRIO_PASS, BATON_FLOW_MAPPING);
    flow_builder_uninit(&b);
}

/* The pipeline. */

/* What of the translated packets the controller is told. */
static void
add_mapped_table(struct flow_builder *b)
{
    static const uint16_t ends[] = { TCP_RST, TCP_FIN };
    static const uint16_t ip_types[] = { ETH_TYPE_IP, ETH_TYPE_IPV6 };

    for (size_t i = 0; i < ARRAY_SIZE(ip_types); i++) {
        bool ip4 = ip_types[i] == ETH_TYPE_IP;

        for (size_t j = 0; j < ARRAY_SIZE(ends); j++) {
            flow_builder_start(b);
            match_ip(&b->match, ip4, IPPROTO_TCP);
            match_set_tcp_flags_masked(&b->match, htons(ends[j]),
                                       htons(ends[j]));
            act_report(b, b->layout->mapping_meter_id);
            act_goto(b, BATON_TABLE_REDIRECT);
            flow_builder_add(b, BATON_TABLE_MAPPED, PRIO_FIRST - j,
                             BATON_FLOW_MAPPING_NEWS);
        }

        flow_builder_start(b);
        match_ip(&b->match, ip4, IPPROTO_TCP);
        match_set_reg(&b->match, REG_HALF_OPEN_IDX, 1);
        match_set_tcp_flags_masked(&b->match, 0, htons(TCP_SYN));
        act_report(b, b->layout->mapping_meter_id);
        act_goto(b, BATON_TABLE_REDIRECT);
        flow_builder_add(b, BATON_TABLE_MAPPED, PRIO_SERVICE,
                         BATON_FLOW_MAPPING_NEWS);

        flow_builder_start(b);
        match_ip(&b->match, ip4, IPPROTO_UDP);
        match_set_reg(&b->match, REG_HALF_OPEN_IDX, 1);
        act_report(b, b->layout->mapping_meter_id);
        act_goto(b, BATON_TABLE_REDIRECT);
        flow_builder_add(b, BATON_TABLE_MAPPED, PRIO_SERVICE,
                         BATON_FLOW_MAPPING_NEWS);
    }

    flow_builder_start(b);
    act_goto(b, BATON_TABLE_REDIRECT);
    flow_builder_add(b, BATON_TABLE_MAPPED, PRIO_DEFAULT, BATON_FLOW_PIPELINE);
}

void
flows_mapping_pipeline(const struct flow_layout *layout,
                       const struct flow_prefix *pools, size_t n_pools,
                       struct flow_set *set)
{
    struct flow_builder b;

    flow_builder_init(&b, layout, set);
    add_mapped_table(&b);
    for (size_t i = 0; i < n_pools; i++) {
        bool ip4 = is_ip4(&pools[i].addr);

        flow_builder_start(&b);
        match_set_dl_type(&b.match, htons(ip4 ? ETH_TYPE_IP : ETH_TYPE_IPV6));
        match_src_prefix(&b.match, &pools[i]);
        act_look_at_source(&b, ip4);
        act_goto(&b, BATON_TABLE_REDIRECT);
        flow_builder_add(&b, BATON_TABLE_MAPPING, PRIO_POOL,
                         BATON_FLOW_MAPPING);
        add_errors(&b, NULL, &pools[i]);
    }
    flow_builder_uninit(&b);
}
