/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_SESSION_FLOWS_H
#define BATON_SESSION_FLOWS_H 1

/* What flows a bridge should have: pure functions of records, without a
 * switch.  Nothing else writes a flow.
 *
 * Tables, counted from the bridge's table offset:
 *
 *     ATTACHMENT   0x88B5 frames to the controller
 *     GUARD        a session-address source only from its owner's place
 *     GUARD_ND     an advertised ND target only from its owner's place
 *     PLACE        subroutine of both: is the packet from the place that
 *                  they loaded, and does it claim that place's MAC only?
 *     PROXY        drops out violations, answers ARP and ND for moved session
 *                  addresses
 *     PROXY_ND     second half of the ND answer
 *     MAPPING      permanent address to session address and back, of
 *                  sessions that began on the first (see mapping-flows.h)
 *     MAPPED       of those that were translated, which the controller is
 *                  to hear of
 *     REDIRECT     moved session address: link-layer destination and port,
 *                  or the tunnel to where it is
 *     NEXT_HOP     what came out of the tunnel: the link-layer destination
 *                  that its sender's home would have given it
 *     EGRESS       subroutine of REDIRECT: to a place, with its VLAN
 *     TUNNEL       into the tunnel, without VLAN: does it fit?
 *     TUNNEL_OUT   yes, out; no, to the controller
 *     FORWARD      NORMAL, or the table that the operator names
 *
 * A session's own flows name its place in their actions, not in their match,
 * so that a change of owner is one modification of each, and of few.  The
 * flows in PLACE, a handful for each place, are made beside those that need
 * them, equal each time: the bridge counts who wants them.
 *
 * A session whose owner is on another bridge than its home is a visitor there.
 * Between the two it goes through one flow-based tunnel port on each, with a
 * key of its own.  At home, what comes out of the tunnel with the session's
 * source must come from its owner's bridge with its key, and everything else
 * from there is a violation; on the foreign bridge, what comes from the home
 * bridge with its key goes to its owner, and what its owner sends from it goes
 * home, so that no filter of the foreign site ever sees the address.
 *
 * A device that is behind no bridge has its own end of a tunnel, and what is
 * at home for it goes there with its MAC address; otherwise that is the same,
 * without a foreign bridge.
 *
 * The registers reg11 to reg15 are the pipeline's own, between ATTACHMENT and
 * FORWARD; it does not care what was in them.
 *
 * A guard violation is not dropped but sent to the controller (metered): a
 * stale megaflow at the new owner's port sends its first packets there, and
 * the controller, which knows the owner, passes them on through the tables;
 * everybody else's are counted and go nowhere.
 *
 * A redirected packet takes a side trip through NORMAL with itself as its
 * destination, which goes nowhere, but from which the bridge learns where its
 * sender is: otherwise it would forget, and flood what the session sends. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow-set.h"
#include "openvswitch/types.h"

enum baton_table {
    BATON_TABLE_ATTACHMENT,
    BATON_TABLE_GUARD,
    BATON_TABLE_GUARD_ND,
    BATON_TABLE_PLACE,
    BATON_TABLE_PROXY,
    BATON_TABLE_PROXY_ND,
    BATON_TABLE_MAPPING,
    BATON_TABLE_MAPPED,
    BATON_TABLE_REDIRECT,
    BATON_TABLE_NEXT_HOP,
    BATON_TABLE_EGRESS,
    BATON_TABLE_TUNNEL,
    BATON_TABLE_TUNNEL_OUT,
    BATON_TABLE_FORWARD,
    BATON_N_TABLES
};

/* Cookies: all of Baton's flows match BATON_COOKIE/BATON_COOKIE_MASK. */
#define BATON_COOKIE UINT64_C(0xba70000000000000)
#define BATON_COOKIE_MASK UINT64_C(0xffff000000000000)
/* Bits 16 to 23 are the ledger's (flow-ledger.h). */
/* In the low 16 bits: which kind of flow it is, which a packet-in tells. */
enum baton_flow_kind {
    BATON_FLOW_PIPELINE,
    BATON_FLOW_ATTACHMENT,
    BATON_FLOW_GUARD_PERMIT,
    BATON_FLOW_GUARD_VIOLATION,
    BATON_FLOW_PROXY,
    BATON_FLOW_REDIRECT,
    BATON_FLOW_PROBE,     /* 0x88B5 out of a tunnel: see tunnel-path.h. */
    BATON_FLOW_NEIGHBOUR, /* Answers to our ARP and ND: see neighbour.h. */
    BATON_FLOW_NEXT_HOP,  /* Its next hop is not known. */
    BATON_FLOW_TOO_BIG,   /* For the tunnel. */

    /* See mapping-flows.h. */
    BATON_FLOW_MAPPING,          /* Passes what is not translated. */
    BATON_FLOW_MAPPING_FIRST,    /* A correspondent's first packet. */
    BATON_FLOW_MAPPING_NEWS,     /* A mapped session began or ends. */
    BATON_FLOW_MAPPING_ERROR,    /* ICMP, perhaps of a mapped session's. */
    BATON_FLOW_MAPPED_IN,        /* One session: to the session address... */
    BATON_FLOW_MAPPED_OUT,       /* ...and from it. */
    BATON_FLOW_MAPPING_FRAGMENT, /* Of a session's, perhaps: not mapped. */
};

/* Where a device is, as one bridge sees it. */
struct flow_place {
    ofp_port_t port; /* OFPP_NONE: nowhere. */
    struct eth_addr mac;
    uint16_t vlan_tci; /* 0: untagged.  Otherwise its VLAN's id. */

    /* On another bridge: 'port' is the tunnel port, 'peer' that bridge's end
     * of the tunnel, 'key' the session's, 'mac' zero.  Behind none, with a
     * tunnel of its own: the same of the device's end, 'key' its tunnel's.
     * 0: on this one. */
    uint32_t key;
    struct in6_addr peer;
};

/* How the operator wants Baton's tables to lie. */
struct flow_layout {
    uint8_t first_table; /* BATON_TABLE_ATTACHMENT's number. */
    int forward_table;   /* -1: NORMAL. */
    uint32_t meter_id;   /* For guard violations; 0: none. */
    /* For attachment frames, so that a flood of violations does not keep
     * devices from attaching; 0: none. */
    uint32_t attachment_meter_id;
    uint32_t packet_ins; /* A second, that each meter lets through. */

    /* The way to other bridges. */
    ofp_port_t tunnel_port;    /* 0 or OFPP_NONE: none. */
    uint16_t tunnel_mtu;       /* Bytes of the largest IP packet that fits. */
    uint32_t size_meter_id;    /* For those that do not; 0: none. */
    uint32_t mapping_meter_id; /* For the first packets of sessions that are
                                * to be mapped, and news of them; 0: none. */
    /* The bridge's own MAC address: for session addresses that are elsewhere,
     * and as the next hop of visitors. */
    struct eth_addr mac;
};

bool flow_layout_has_tunnel(const struct flow_layout *);

/* Sources inside a prefix. */
struct flow_prefix {
    struct in6_addr addr; /* IPv4 as IPv4-mapped. */
    unsigned int plen;    /* Counted in the mapped form. */
};

/* The pipeline itself, and the guard's floor: sources inside 'prefixes' (the
 * pools) are violations unless something below permits them. */
void flows_pipeline(const struct flow_layout *, const struct flow_prefix *,
                    size_t n_prefixes, struct flow_set *);

/* A leased block: sources inside it come from its lessee's place. */
void flows_block(const struct flow_layout *, const struct flow_prefix *,
                 const struct flow_place *lessee, struct flow_set *);

/* A moved (or moving) session: 'guard' is where it may send from, 'inbound'
 * where its traffic and the answers to ARP and ND for it point.  Either may
 * be NULL or nowhere: then nobody may send, or nothing is redirected. */
void flows_session(const struct flow_layout *, const struct in6_addr *,
                   const struct flow_place *guard,
                   const struct flow_place *inbound, struct flow_set *);

/* The same on a foreign bridge: 'home' is the home bridge's end of the tunnel,
 * with the session's key. */
void flows_visitor(const struct flow_layout *, const struct in6_addr *,
                   const struct flow_place *home,
                   const struct flow_place *guard,
                   const struct flow_place *inbound, struct flow_set *);

/* A device may not send from 'prefixes': the pools of other bridges, of which a
 * session has to visit first. */
void flows_device(const struct flow_layout *, const struct flow_place *,
                  const struct flow_prefix *prefixes, size_t n_prefixes,
                  struct flow_set *);

/* Hosts with these MAC addresses may not send from 'addr'; anybody else may. */
void flows_barred(const struct flow_layout *, const struct in6_addr *addr,
                  const struct eth_addr *macs, size_t n_macs,
                  struct flow_set *);

/* The pipeline's part for a bridge with a tunnel port: 'subnets' are its own,
 * where next hops are resolved one by one. */
void flows_tunnel(const struct flow_layout *,
                  const struct flow_prefix *subnets, size_t n_subnets,
                  struct flow_set *);

/* What came out of the tunnel for 'dst' goes on to the neighbour 'mac'. */
void flows_next_hop(const struct flow_layout *, const struct flow_prefix *dst,
                    struct eth_addr mac, struct flow_set *);

#endif /* controller/session-flows.h */
