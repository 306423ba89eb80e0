/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "guard.h"

#include <stdlib.h>
#include <string.h>

#include "bridge.h"
#include "controller.h"
#include "dp-packet.h"
#include "flow.h"
#include "lease.h"
#include "network.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "record.h"
#include "timeval.h"
#include "transfer.h"

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

/* Did the device that sent 'packet' own the session at 'addr' until just now?
 * A packet that was on its way when the guard turned is still its owner's: not
 * every queue between an application and the switch is the one that T's flush
 * went through. */
static bool
is_late(const struct controller *c, const struct bridge *bridge,
        const struct bridge_packet *packet, const struct flow *flow,
        const struct in6_addr *addr)
{
    struct record view;
    const struct record *record = record_find_address(c->records, addr, &view);
    const struct transfer *t = record ? transfers_find(c->transfers,
                                                       &record->transfer)
                                      : NULL;
    const struct device *former;

    if (!t || t->outcome != TRANSFER_COMMITTED || !t->decided_at
        || time_msec() >= t->decided_at + TRANSFER_LATE_MS
        || (flow->dl_type != htons(ETH_TYPE_IP)
            && flow->dl_type != htons(ETH_TYPE_IPV6))
        || flow->nw_proto == IPPROTO_ICMPV6) {
        return false;
    }
    former = device_find(&c->devices, t->from);
    return (former && former->place.known
            && former->place.port == packet->in_port
            && eth_addr_equals(former->place.mac, flow->dl_src)
            && !strcmp(former->place.bridge, bridge_get_name(bridge)));
}

void
guard_handle_packet(struct controller *c, struct bridge *bridge,
                    const struct bridge_packet *packet)
{
    struct device *owner = NULL;
    struct dp_packet dp;
    struct in6_addr addr = in6addr_any;
    struct flow flow;

    dp_packet_use_const(&dp, packet->data, packet->size);
    flow_extract(&dp, &flow);
    if (source_of(&flow, &addr)) {
        const char *name = guard_owner(c, &addr);

        owner = name ? device_find(&c->devices, name) : NULL;
    }
    if (owner && owner->place.known && owner->place.port == packet->in_port
        && eth_addr_equals(owner->place.mac, flow.dl_src)
        && !strcmp(owner->place.bridge, bridge_get_name(bridge))
        && bridge_is_synchronised(bridge)) {
        /* A megaflow older than the guard sent it here. */
        c->n_passed_on++;
        bridge_send_through(bridge, packet->in_port, packet->data,
                            packet->size);
    } else if (is_late(c, bridge, packet, &flow, &addr)) {
        c->n_passed_on++;
        bridge_send_past_guard(bridge, packet->in_port, packet->data,
                               packet->size);
    } else {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(6, 12);

        c->n_violations++;
        if (!VLOG_DROP_INFO(&rl)) {
            const char *port = bridge_port_to_name(bridge, packet->in_port);
            char *s = flow_to_string(&flow, NULL);

            VLOG_INFO("%s: port %s sends what is not its own: %s",
                      bridge_get_name(bridge), port ? port : "(gone)", s);
            free(s);
        }
    }
}
