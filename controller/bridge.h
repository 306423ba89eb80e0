/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_BRIDGE_H
#define BATON_BRIDGE_H 1

/* One OpenFlow bridge: its connection, the flows that it should have and the
 * ones that it has, its ports, and the packets that it sent us.
 *
 * The caller says what should be there, piece by piece, each piece under a
 * key; the bridge sends the difference.  After a reconnection it reads the
 * flows under Baton's cookie and sends the difference again, at most 1,000
 * flow-mods a bundle.
 *
 *     bridge_set(br, &key, &flow_set);      any number of times
 *     seqno = bridge_flush(br);             one bundle, one barrier
 *     ...
 *     if (bridge_acked(br) >= seqno) ...    the switch has answered
 *
 * If the connection is lost between, the seqno is acknowledged once the
 * resynchronisation that includes those flows is.
 *
 * A bridge in fail_mode "standalone" drops all flows when no controller is
 * connected.  OpenFlow does not tell the fail_mode; OVSDB does, so it is for
 * those who talk to that to refuse such a bridge.
 *
 * Flows without Baton's cookie are not touched (but for one of the very same
 * table, priority and match: there can be only one).  The tables and the
 * registers that are Baton's are in session-flows.h. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/types.h"
#include "openvswitch/uuid.h"
#include "session-flows.h"

struct bridge;
struct flow_mapping;
struct flow_news;
struct openflow_link;

/* 'name' for logs and as the policy's name.  'target': "unix:...", "tcp:..."
 * or "ssl:..." to connect to, or NULL if the bridge connects to us.
 * 'datapath_id': what it must turn out to be. */
struct bridge *bridge_create(const char *name, const char *target,
                             uint64_t datapath_id, const struct flow_layout *);
/* With 'detach', deletes all flows under our cookie first, as far as the
 * connection takes them. */
void bridge_destroy(struct bridge *, bool detach);

const char *bridge_get_name(const struct bridge *);
/* NULL: it connects to us. */
const char *bridge_get_target(const struct bridge *);
uint64_t bridge_get_datapath_id(const struct bridge *);
bool bridge_is_connected(const struct bridge *);
/* Connected, its flows are what they should be, nothing is unacknowledged
 * from a resynchronisation. */
bool bridge_is_synchronised(const struct bridge *);
/* Deletes all of ours from the switch, flows and meters, and then closes the
 * connection, until bridge_attach().  If there is none now, it is done once
 * there is. */
void bridge_detach(struct bridge *);
void bridge_attach(struct bridge *);
bool bridge_is_detached(const struct bridge *);
/* Detached, and the switch has said that nothing of ours is left there. */
bool bridge_is_clean(const struct bridge *);
/* While 'reason' is nonnull the bridge does not count as synchronised, and
 * its status says why. */
void bridge_refuse(struct bridge *, const char *reason);
/* For people: "connected, OpenFlow 1.5", "not connected: ...". */
const char *bridge_get_status(const struct bridge *);
/* Counts synchronisations and losses: compare to notice. */
unsigned int bridge_get_seqno(const struct bridge *);

void bridge_run(struct bridge *);
void bridge_wait(struct bridge *);

/* Replaces the flows under 'key' by those of '*flows', which it empties. */
void bridge_set(struct bridge *, const struct uuid *key, struct flow_set *);
uint64_t bridge_flush(struct bridge *);
uint64_t bridge_acked(const struct bridge *);

/* What the switch says of the flows of mappings: see bridge-sync.h. */
struct flow_news *bridge_get_news(struct bridge *);
uint32_t bridge_ask_counters(struct bridge *, const struct flow_mapping *);

/* Ports. */
ofp_port_t bridge_port_from_name(const struct bridge *, const char *name);
/* NULL if there is none. */
const char *bridge_port_to_name(const struct bridge *, ofp_port_t);
bool bridge_port_is_up(const struct bridge *, ofp_port_t);
unsigned int bridge_get_port_seqno(const struct bridge *); /* any change. */

/* Packets. */
struct bridge_packet {
    enum baton_flow_kind kind;
    ofp_port_t in_port;
    struct in6_addr tun_src; /* Where it came from, if through a tunnel. */
    uint32_t tun_key;
    uint8_t *data; /* Ethernet frame; malloc'd. */
    size_t size;
};
bool bridge_next_packet(struct bridge *, struct bridge_packet *);
/* Out of one port, as it is. */
void bridge_send_to_port(struct bridge *, ofp_port_t, const void *, size_t);
/* The same, in a VLAN (0: in none). */
void bridge_send_to_vlan(struct bridge *, ofp_port_t, uint16_t vlan,
                         const void *, size_t);
/* Through the tables from the start, as if it came in at 'in_port'. */
void bridge_send_through(struct bridge *, ofp_port_t in_port, const void *,
                         size_t);

/* As if it came in at 'in_port' and had passed the guard. */
void bridge_send_past_guard(struct bridge *, ofp_port_t in_port, const void *,
                            size_t);

/* The same, and had been translated, or not, as it is. */
void bridge_send_past_mapping(struct bridge *, ofp_port_t in_port,
                              const void *, size_t);

/* Where the bridge's own forwarding takes it. */
void bridge_send_forward(struct bridge *, const void *, size_t);

/* Into the tunnel, to the bridge whose end is 'peer', with 'key'. */
void bridge_send_tunnel(struct bridge *, const struct in6_addr *peer,
                        uint32_t key, const void *, size_t);

/* The way to other bridges (see struct flow_layout), which may come and go. */
void bridge_set_tunnel_port(struct bridge *, ofp_port_t);

/* Counters, for `baton-ctl show`: of this connection, if not said otherwise. */
struct bridge_stats {
    size_t n_flows;        /* Desired. */
    uint64_t n_flow_mods;  /* Sent. */
    uint64_t n_violations; /* Guard violations seen. */
    uint64_t n_repaired;   /* Flows that somebody else had changed, and that
                            * were put right, since the bridge was created. */
};
void bridge_get_stats(const struct bridge *, struct bridge_stats *);

/* Listening for bridges: "pssl:...", "ptcp:...", "punix:...".  An accepted
 * connection is matched to a bridge by its datapath id, and over TLS by the
 * certificate's name as well ("bridge/NAME"); one that matches none is closed
 * with a log message. */
struct bridge_listener;
/* For the listener: a connection that was found to be this bridge's, which
 * has no target.  Takes the link, and closes the one before it. */
void bridge_take_link(struct bridge *, struct openflow_link *);
int bridge_listener_open(const char *target, struct bridge_listener **);
void bridge_listener_close(struct bridge_listener *);
void bridge_listener_run(struct bridge_listener *, struct bridge **bridges,
                         size_t n_bridges);
void bridge_listener_wait(struct bridge_listener *);

#endif /* controller/bridge.h */
