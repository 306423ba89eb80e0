/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "session-path.h"

#include <stdlib.h>
#include <string.h>

#include "bridge.h"
#include "controller.h"
#include "device.h"
#include "device-tunnel.h"
#include "hash.h"
#include "holder.h"
#include "network.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "packets.h"
#include "record.h"
#include "timeval.h"
#include "transfer.h"
#include "util.h"
#include "uuid.h"

/* A session that has left a bridge. */
struct lingering {
    struct ovs_list node; /* In struct controller, the first to end first. */
    struct hmap_node session_node; /* The same, by 'session'. */
    struct uuid session;
    long long int until; /* Milliseconds. */
};

uint32_t
session_path_key(const struct uuid *session)
{
    uint32_t key = session->parts[0] & 0xffffff;

    return key ? key : 1;
}

const struct device_tunnel *
session_path_tunnel(const struct device *device, const char *home)
{
    const struct device_tunnel *t = device_tunnel_find(device, home);

    return t && t->proved ? t : NULL;
}

bool
session_path_is_foreign(const struct device *device, const char *home)
{
    return (device && device->place.known && strcmp(device->place.bridge, home)
            && !session_path_tunnel(device, home));
}

/* The bridge to which 'device' is attached, if that is not 'home'; or NULL. */
static const char *
foreign_bridge(const struct controller *c, const char *name, const char *home)
{
    const struct device *device = name ? device_find(&c->devices, name) : NULL;

    return session_path_is_foreign(device, home) ? device->place.bridge : NULL;
}

/* The other bridge 'to', as 'bridge' sees it. */
static struct flow_place
tunnel_place(const struct controller *c, const char *bridge, const char *to,
             const struct uuid *session)
{
    const struct flow_layout *layout = network_layout(c->network, bridge);
    struct flow_place place;

    memset(&place, 0, sizeof place);
    place.port = OFPP_NONE;
    if (layout && network_has_tunnel(c->network, bridge, to, NULL)) {
        place.port = layout->tunnel_port;
        place.peer = *network_tunnel_address(c->network, to);
        place.key = session_path_key(session);
    }
    return place;
}

struct flow_place
session_path_place(const struct controller *c, const char *name,
                   const char *bridge, const struct uuid *session)
{
    const struct device *device = name ? device_find(&c->devices, name) : NULL;
    const struct device_tunnel *t = device
                                        ? session_path_tunnel(device, bridge)
                                        : NULL;
    const char *other = foreign_bridge(c, name, bridge);

    return t       ? device_tunnel_place(c, t)
           : other ? tunnel_place(c, bridge, other, session)
                   : device_flow_place(device, bridge);
}

struct flow_place
session_path_left(const struct controller *c, const struct transfer *t,
                  const char *bridge)
{
    struct flow_place place;

    memset(&place, 0, sizeof place);
    place.port = OFPP_NONE;
    if (!t->from_bridge[0] || t->left_port == OFPP_NONE) {
        return place;
    } else if (strcmp(t->from_bridge, bridge)) {
        return tunnel_place(c, bridge, t->from_bridge, &t->session);
    }
    place.port = t->left_port;
    place.mac = t->left_mac;
    place.vlan_tci = t->left_vlan;
    return place;
}

const char *
session_path_bridge(const struct controller *c, const char *name,
                    const char *home)
{
    const char *foreign = foreign_bridge(c, name, home);

    return foreign ? foreign : home;
}

void
session_path_flows(const struct controller *c, const char *bridge,
                   const char *home, const struct uuid *session,
                   const struct in6_addr *address, const char *guard,
                   const char *inbound, struct flow_set *flows)
{
    const struct flow_layout *layout = network_layout(c->network, bridge);

    if (!strcmp(bridge, home)) {
        struct flow_place g = session_path_place(c, guard, home, session);
        struct flow_place i = session_path_place(c, inbound, home, session);

        flows_session(layout, address, &g, &i, flows);
    } else {
        struct flow_place h = tunnel_place(c, bridge, home, session);
        struct flow_place g = device_flow_place(
            guard ? device_find(&c->devices, guard) : NULL, bridge);
        struct flow_place i = device_flow_place(
            inbound ? device_find(&c->devices, inbound) : NULL, bridge);

        flows_visitor(layout, address, &h, &g, &i, flows);
    }
}

char *
session_path_describe(const struct controller *c, const char *name,
                      const char *home)
{
    const struct device *device = device_find(&c->devices, name);
    const struct device_tunnel *t = home && device
                                        ? session_path_tunnel(device, home)
                                        : NULL;
    char address[INET6_ADDRSTRLEN];

    if (t) {
        return xasprintf("tunnel to the device at %s",
                         ipv6_string_mapped(address, &t->address));
    } else if (!home || !device || !device->place.known) {
        return xstrdup("");
    } else if (session_path_is_foreign(device, home)) {
        return xasprintf(
            "%s to %s, port %s",
            network_has_tunnel(c->network, home, device->place.bridge, NULL)
                ? "tunnel"
                : "no tunnel",
            device->place.bridge, device->place.port_name);
    } else if (network_is_lan(c->network, home)) {
        return xstrdup("by its announcements");
    }
    return xasprintf("direct, port %s", device->place.port_name);
}

static void
set_home(struct controller *c, const char *home, const struct uuid *session,
         const struct in6_addr *address, const char *guard,
         const char *inbound)
{
    struct flow_place g = session_path_place(c, guard, home, session);
    struct flow_place i = session_path_place(c, inbound, home, session);

    network_set_session(c->network, home, session, address, &g, &i);
}

/* On a foreign bridge, each of the two may be elsewhere. */
static void
set_visitor(struct controller *c, const char *bridge, const char *home,
            const struct uuid *session, const struct in6_addr *address,
            const char *guard, const char *inbound)
{
    struct flow_place h = tunnel_place(c, bridge, home, session);
    struct flow_place g = device_flow_place(
        guard ? device_find(&c->devices, guard) : NULL, bridge);
    struct flow_place i = device_flow_place(
        inbound ? device_find(&c->devices, inbound) : NULL, bridge);

    network_set_visitor(c->network, bridge, session, address, &h, &g, &i);
}

void
session_path_set(struct controller *c, const char *home,
                 const struct uuid *session, const struct in6_addr *address,
                 const char *owner)
{
    const char *foreign = foreign_bridge(c, owner, home);
    const struct bridge *bridge = NULL;

    set_home(c, home, session, address, owner, owner);
    while ((bridge = network_next(c->network, bridge))) {
        const char *name = bridge_get_name(bridge);

        if (foreign && !strcmp(name, foreign)) {
            set_visitor(c, name, home, session, address, owner, owner);
        } else if (strcmp(name, home)) {
            network_unset(c->network, name, session);
        }
    }
}

void
session_path_unset(struct controller *c, const struct uuid *session)
{
    const struct bridge *bridge = NULL;

    while ((bridge = network_next(c->network, bridge))) {
        network_unset(c->network, bridge_get_name(bridge), session);
    }
}

void
session_path_set_open(struct controller *c, const char *home,
                      const struct uuid *session,
                      const struct in6_addr *address)
{
    struct eth_addr macs[SESSION_PATH_HOLDERS_MAX];
    void *cookie = NULL;
    const char *name;
    size_t n = 0;

    session_path_unset(c, session);
    while (n < ARRAY_SIZE(macs)
           && (name = holders_next(c->holders, address, &cookie))) {
        const struct device *device = device_find(&c->devices, name);

        if (device && !eth_addr_is_zero(device->place.mac)) {
            macs[n++] = device->place.mac;
        }
    }
    network_set_barred(c->network, home, session, address, macs, n);
}

/* Transfers. */

/* Sends what was set on the bridges of 't'. */
static void
flush(struct controller *c, struct transfer *t)
{
    const char *from = foreign_bridge(c, t->from, t->bridge);
    const char *to = foreign_bridge(c, t->to, t->bridge);

    /* The ends of a tunnel before its beginning. */
    t->flush_to = to ? network_flush(c->network, to) : 0;
    t->flush_seqno = network_flush(c->network, t->bridge);
    t->flush_from = (from && (!to || strcmp(from, to))
                         ? network_flush(c->network, from)
                         : 0);
}

static void
set_transfer(struct controller *c, struct transfer *t, const char *guard,
             const char *inbound, const char *late)
{
    const char *at_inbound = foreign_bridge(c, inbound, t->bridge);
    const char *at_late = foreign_bridge(c, late, t->bridge);

    set_home(c, t->bridge, &t->session, &t->address, guard, inbound);
    if (at_inbound) {
        set_visitor(c, at_inbound, t->bridge, &t->session, &t->address, guard,
                    inbound);
    }
    if (at_late && (!at_inbound || strcmp(at_late, at_inbound))) {
        set_visitor(c, at_late, t->bridge, &t->session, &t->address, guard,
                    late);
    }
    flush(c, t);
}

void
session_path_open(struct controller *c, struct transfer *t)
{
    const char *from = foreign_bridge(c, t->from, t->bridge);
    const char *to = foreign_bridge(c, t->to, t->bridge);

    if (to && strcmp(t->to_bridge, t->bridge) && (!from || strcmp(from, to))) {
        set_visitor(c, to, t->bridge, &t->session, &t->address, NULL, t->to);
        t->flush_to = network_flush(c->network, to);
    }
}

void
session_path_redirect(struct controller *c, struct transfer *t)
{
    set_transfer(c, t, t->from, t->to, t->from);
}

static void
lingering_destroy(struct controller *c, struct lingering *l)
{
    ovs_list_remove(&l->node);
    hmap_remove(&c->lingering_sessions, &l->session_node);
    free(l);
}

/* In due time after the last of its moves, the record decides what stays. */
static void
linger(struct controller *c, const struct uuid *session)
{
    uint32_t hash = uuid_hash(session);
    struct lingering *l, *found = NULL;

    HMAP_FOR_EACH_WITH_HASH(l, session_node, hash, &c->lingering_sessions) {
        if (uuid_equals(&l->session, session)) {
            found = l;
        }
    }
    if (found) {
        ovs_list_remove(&found->node);
    } else {
        found = xmalloc(sizeof *found);
        found->session = *session;
        hmap_insert(&c->lingering_sessions, &found->session_node, hash);
    }
    found->until = time_msec() + SESSION_PATH_LINGER;
    ovs_list_push_back(&c->lingering, &found->node);
}

void
session_path_settle(struct controller *c, struct transfer *t)
{
    const char *winner = transfer_winner(t);
    const char *loser = winner == t->to ? t->from : t->to;

    set_transfer(c, t, winner, winner, loser);
    if (t->roams ? t->from_bridge[0] && strcmp(t->from_bridge, t->bridge)
                 : foreign_bridge(c, loser, t->bridge) != NULL) {
        linger(c, &t->session);
    }
}

static bool
bridge_has_acked(const struct controller *c, const char *name, uint64_t seqno)
{
    const struct bridge *bridge = seqno && name
                                      ? network_find(c->network, name)
                                      : NULL;

    return !bridge || bridge_acked(bridge) >= seqno;
}

bool
session_path_acked(const struct controller *c, const struct transfer *t)
{
    return (bridge_has_acked(c, t->bridge, t->flush_seqno)
            && (!t->flush_to
                || bridge_has_acked(c, foreign_bridge(c, t->to, t->bridge),
                                    t->flush_to))
            && (!t->flush_from
                || bridge_has_acked(c, foreign_bridge(c, t->from, t->bridge),
                                    t->flush_from)));
}

bool
session_path_is_open(const struct controller *c, const struct transfer *t)
{
    return bridge_has_acked(c, foreign_bridge(c, t->to, t->bridge),
                            t->flush_to);
}

void
session_path_guard_device(struct controller *c, const struct device *device)
{
    const struct uuid key = { { 0xba70, 0, hash_string(device->name, 1),
                                hash_string(device->name, 2) } };
    const struct bridge *bridge = NULL;

    while ((bridge = network_next(c->network, bridge))) {
        const char *name = bridge_get_name(bridge);
        struct flow_place place = device_flow_place(device, name);

        network_set_device(c->network, name, &key, &place);
    }
}

/* What was left. */

bool
session_paths_next_over(struct controller *c, struct uuid *session)
{
    struct lingering *l;

    LIST_FOR_EACH_SAFE(l, node, &c->lingering) {
        const struct transfer *t;

        if (time_msec() < l->until) {
            break;
        }
        t = transfers_find_session(c->transfers, &l->session);
        if (t && t->state != TRANSFER_SETTLED) {
            linger(c, &l->session); /* Its end will tell. */
            continue;
        }
        *session = l->session;
        lingering_destroy(c, l);
        return true;
    }
    return false;
}

void
session_paths_wait(struct controller *c)
{
    if (!ovs_list_is_empty(&c->lingering)) {
        const struct lingering *l = CONTAINER_OF(ovs_list_front(&c->lingering),
                                                 struct lingering, node);

        poll_timer_wait_until(l->until);
    }
}

void
session_paths_destroy(struct controller *c)
{
    struct lingering *l;

    LIST_FOR_EACH_SAFE(l, node, &c->lingering) {
        lingering_destroy(c, l);
    }
    hmap_destroy(&c->lingering_sessions);
}

void
session_paths_init(struct controller *c)
{
    ovs_list_init(&c->lingering);
    hmap_init(&c->lingering_sessions);
}
