/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_SESSION_FLOWS_H
#define BATON_SESSION_FLOWS_H 1

/* What flows a bridge should have: pure functions of records, without a
 * switch.  Nothing else writes a flow.
 *
 * Tables, counted from the bridge's table offset:
 *
 *     ATTACHMENT  0x88B5 frames to the controller
 *     GUARD       a session-address source only from its owner's port
 *     PROXY       answers ARP and ND for moved session addresses
 *     PROXY_ND    second half of the ND answer
 *     MAPPING     (free place)
 *     REDIRECT    moved session address: link-layer destination and port
 *     FORWARD     NORMAL, or the table that the operator names
 *
 * A guard violation is not dropped but sent to the controller (metered): a
 * stale megaflow at the new owner's port sends its first packets there, and
 * the controller, which knows the owner, passes them on through the tables;
 * everybody else's are counted and go nowhere. */

#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>

#include "openvswitch/hmap.h"
#include "openvswitch/match.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/types.h"

enum baton_table {
    BATON_TABLE_ATTACHMENT,
    BATON_TABLE_GUARD,
    BATON_TABLE_PROXY,
    BATON_TABLE_PROXY_ND,
    BATON_TABLE_MAPPING,
    BATON_TABLE_REDIRECT,
    BATON_TABLE_FORWARD,
    BATON_N_TABLES
};

/* Cookies: all of Baton's flows match BATON_COOKIE/BATON_COOKIE_MASK. */
#define BATON_COOKIE UINT64_C(0xba70000000000000)
#define BATON_COOKIE_MASK UINT64_C(0xffff000000000000)
/* In the low 16 bits: which kind of flow it is, which a packet-in tells. */
enum baton_flow_kind {
    BATON_FLOW_PIPELINE,
    BATON_FLOW_ATTACHMENT,
    BATON_FLOW_GUARD_PERMIT,
    BATON_FLOW_GUARD_VIOLATION,
    BATON_FLOW_PROXY,
    BATON_FLOW_REDIRECT,
};

/* One flow that a bridge should have. */
struct baton_flow {
    struct hmap_node node;      /* In struct flow_set. */
    uint8_t table_id;           /* Absolute. */
    uint16_t priority;
    struct minimatch match;
    uint64_t cookie;
    struct ofpact *ofpacts;     /* Owned. */
    size_t ofpacts_len;
};

/* A set keyed by table, priority and match. */
struct flow_set {
    struct hmap flows;
};
void flow_set_init(struct flow_set *);
void flow_set_destroy(struct flow_set *);
void flow_set_swap(struct flow_set *, struct flow_set *);
struct baton_flow *flow_set_find(const struct flow_set *,
                                 const struct baton_flow *);

/* Where a device is on a bridge. */
struct flow_place {
    ofp_port_t port;            /* OFPP_NONE: nowhere. */
    struct eth_addr mac;
    uint16_t vlan_tci;          /* 0: untagged. */
};

/* How the operator wants Baton's tables to lie. */
struct flow_layout {
    uint8_t first_table;        /* BATON_TABLE_ATTACHMENT's number. */
    int forward_table;          /* -1: NORMAL. */
    uint32_t meter_id;          /* For packets to the controller; 0: none. */
};

/* The pipeline itself, and the guard's floor: sources inside 'pools' are
 * violations unless something below permits them. */
struct flow_prefix {
    struct in6_addr addr;       /* IPv4 as IPv4-mapped. */
    unsigned int plen;          /* Counted in the mapped form. */
};
void flows_pipeline(const struct flow_layout *, const struct flow_prefix *,
                    size_t n_prefixes, struct flow_set *);

/* A leased block: sources inside it come from its lessee's place. */
void flows_block(const struct flow_layout *, const struct flow_prefix *,
                 const struct flow_place *lessee, struct flow_set *);

/* A moved (or moving) session: 'guard' is where it may send from, 'inbound'
 * where its traffic and the answers to ARP and ND for it point. */
void flows_session(const struct flow_layout *, const struct in6_addr *,
                   const struct flow_place *guard,
                   const struct flow_place *inbound, struct flow_set *);

#endif /* controller/session-flows.h */
