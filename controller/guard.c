/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "guard.h"

#include <stdlib.h>
#include <string.h>

#include "attachment.h"
#include "bridge.h"
#include "controller.h"
#include "dp-packet.h"
#include "flow.h"
#include "lease.h"
#include "network.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "record.h"
#include "session-path.h"
#include "timeval.h"
#include "transfer.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(guard);

const char *
guard_owner(const struct controller *c, const struct in6_addr *addr)
{
    struct record view;
    const struct record *record = record_find_address(c->records, addr, &view);

    return record ? record->owner : leases_lessee(c->leases, addr);
}

/* Stores in '*addr' what 'flow' says it comes from. */
static bool
source_of(const struct flow *flow, struct in6_addr *addr)
{
    if (flow->dl_type == htons(ETH_TYPE_IP)
        || flow->dl_type == htons(ETH_TYPE_ARP)) {
        in6_addr_set_mapped_ipv4(addr, flow->nw_src);
        return true;
    } else if (flow->dl_type == htons(ETH_TYPE_IPV6)) {
        bool nd = (flow->nw_proto == IPPROTO_ICMPV6
                   && flow->tp_src == htons(ND_NEIGHBOR_ADVERT));

        *addr = nd ? flow->nd_target : flow->ipv6_src;
        return true;
    }
    return false;
}

static bool
is_from_place(const struct flow_place *place,
              const struct bridge_packet *packet, const struct flow *flow)
{
    return (place->port != OFPP_NONE && place->port == packet->in_port
            && (place->key
                    ? place->key == packet->tun_key
                          && ipv6_addr_equals(&place->peer, &packet->tun_src)
                    : eth_addr_equals(place->mac, flow->dl_src)
                          && vlan_tci_to_vid(flow->vlans[0].tci)
                                 == place->vlan_tci));
}

/* Is 'packet' from 'device', for 'session' (NULL: one that did not move),
 * directly or through the tunnel? */
static bool
is_from(const struct controller *c, const struct device *device,
        const struct uuid *session, const struct bridge *bridge,
        const struct bridge_packet *packet, const struct flow *flow)
{
    const char *name = bridge_get_name(bridge);
    struct flow_place place = (session ? session_path_place(c, device->name,
                                                            name, session)
                                       : device_flow_place(device, name));

    return is_from_place(&place, packet, flow);
}

/* The transfers by which the session at 'addr' changed hands just now, or is
 * about to: its flows are set, or on their way.  Newest first; NULL gives the
 * first.  A session may go on before all is in that its last owners sent. */
static const struct transfer *
next_recent(const struct controller *c, const struct in6_addr *addr,
            const struct transfer *t)
{
    while ((t = transfers_previous(c->transfers, t))) {
        if (t->over && time_msec() >= t->began + TRANSFER_RECENT_MS) {
            return NULL;
        }
        if (t->outcome == TRANSFER_COMMITTED
            && ipv6_addr_equals(&t->address, addr)
            && (!t->decided_at
                || time_msec() < t->decided_at + TRANSFER_LATE_MS)) {
            return t;
        }
    }
    return NULL;
}

/* Did the device that sent 'packet' own the session at 'addr' until just now?
 * A packet that was on its way when the guard turned is still its owner's: not
 * every queue between an application and the switch is the one that T's flush
 * went through, and none of those behind a tunnel is. */
static bool
is_late(const struct controller *c, const struct bridge *bridge,
        const struct bridge_packet *packet, const struct flow *flow,
        const struct in6_addr *addr)
{
    const struct transfer *t = NULL;

    if ((flow->dl_type != htons(ETH_TYPE_IP)
         && flow->dl_type != htons(ETH_TYPE_IPV6))
        || flow->nw_proto == IPPROTO_ICMPV6) {
        return false;
    }
    while ((t = next_recent(c, addr, t))) {
        const struct device *former = device_find(&c->devices, t->from);

        if (t->roams) {
            struct flow_place left = session_path_left(
                c, t, bridge_get_name(bridge));

            if (is_from_place(&left, packet, flow)) {
                return true;
            }
        } else if (former
                   && is_from(c, former, &t->session, bridge, packet, flow)) {
            return true;
        }
    }
    return false;
}

/* A transfer of the session at 'addr' that has gone and is not over. */
static const struct transfer *
find_gone(const struct controller *c, const struct in6_addr *addr)
{
    const struct transfer *t = NULL;

    while ((t = transfers_next_live(c->transfers, t))) {
        if (t->state != TRANSFER_SETTLED
            && ipv6_addr_equals(&t->address, addr)) {
            return t;
        }
    }
    return NULL;
}

static struct flow_place
place_on(const struct controller *c, const char *device, const char *bridge)
{
    return device_flow_place(device_find(&c->devices, device), bridge);
}

/* Where on 'bridge' do packets for the session at 'addr' go, that the tunnel
 * brings: to who will have it, has it, or had it?  Stores the session. */
static struct flow_place
find_visitor(const struct controller *c, const char *bridge,
             const struct in6_addr *addr, struct uuid *session)
{
    const struct transfer *t = find_gone(c, addr);
    struct flow_place place = { .port = OFPP_NONE };
    struct record view;
    const struct record *record = record_find_address(c->records, addr, &view);

    if (t) {
        *session = t->session;
        place = place_on(c, t->to, bridge);
        if (place.port == OFPP_NONE) {
            place = place_on(c, t->from, bridge);
        }
    }
    if (record && place.port == OFPP_NONE) {
        *session = record->session;
        place = place_on(c, record->owner, bridge);
    }
    for (t = NULL; place.port == OFPP_NONE && (t = next_recent(c, addr, t));) {
        *session = t->session;
        place = place_on(c, t->from, bridge);
    }
    return place;
}

/* Passes on what the home bridge's tunnel brought for a visitor before the
 * bridge had looked at its new flows; true if it was that. */
static bool
pass_to_visitor(struct controller *c, struct bridge *bridge,
                const struct bridge_packet *packet, const struct flow *flow)
{
    const char *home = network_find_tunnel(c->network, &packet->tun_src);
    struct in6_addr dst = flow->ipv6_dst;
    struct flow_place place;
    struct uuid session;
    uint8_t *copy;

    if (flow->dl_type == htons(ETH_TYPE_IP)) {
        in6_addr_set_mapped_ipv4(&dst, flow->nw_dst);
    } else if (flow->dl_type != htons(ETH_TYPE_IPV6)) {
        return false;
    }
    if (!home
        || !nullable_string_is_equal(leases_home_bridge(c->leases, &dst),
                                     home)) {
        return false;
    }
    place = find_visitor(c, bridge_get_name(bridge), &dst, &session);
    if (place.port == OFPP_NONE
        || packet->tun_key != session_path_key(&session)) {
        return false;
    }
    copy = xmemdup(packet->data, packet->size);
    memcpy(copy, &place.mac, sizeof place.mac);
    bridge_send_to_vlan(bridge, place.port, place.vlan_tci, copy,
                        packet->size);
    free(copy);
    return true;
}

void
guard_handle_packet(struct controller *c, struct bridge *bridge,
                    const struct bridge_packet *packet)
{
    const struct record *record = NULL;
    struct device *owner = NULL;
    struct dp_packet dp;
    struct in6_addr addr = in6addr_any;
    struct record view;
    struct flow flow;

    dp_packet_use_const(&dp, packet->data, packet->size);
    flow_extract(&dp, &flow);
    if (source_of(&flow, &addr)) {
        const char *name = guard_owner(c, &addr);

        owner = name ? device_find(&c->devices, name) : NULL;
        record = record_find_address(c->records, &addr, &view);
    }
    if (owner && bridge_is_synchronised(bridge)
        && is_from(c, owner, record ? &record->session : NULL, bridge, packet,
                   &flow)) {
        /* A megaflow older than the guard sent it here.  The tables could not
         * see any more which tunnel it came from. */
        c->n_passed_on++;
        if (ipv6_addr_is_set(&packet->tun_src)) {
            bridge_send_past_guard(bridge, packet->in_port, packet->data,
                                   packet->size);
        } else {
            bridge_send_through(bridge, packet->in_port, packet->data,
                                packet->size);
        }
    } else if (is_late(c, bridge, packet, &flow, &addr)) {
        c->n_passed_on++;
        bridge_send_past_guard(bridge, packet->in_port, packet->data,
                               packet->size);
    } else if (ipv6_addr_is_set(&packet->tun_src)
               && pass_to_visitor(c, bridge, packet, &flow)) {
        c->n_passed_on++;
    } else {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(6, 12);

        c->n_violations++;
        if (owner && owner->link && !ipv6_addr_is_set(&packet->tun_src)
            && eth_addr_equals(owner->place.mac, flow.dl_src)) {
            /* Perhaps it is the owner, from another port. */
            attachment_hurry(owner, time_msec());
        }
        if (!VLOG_DROP_INFO(&rl)) {
            const char *port = bridge_port_to_name(bridge, packet->in_port);
            char *s = flow_to_string(&flow, NULL);

            VLOG_INFO("%s: port %s sends what is not its own: %s",
                      bridge_get_name(bridge), port ? port : "(gone)", s);
            free(s);
        }
    }
}
