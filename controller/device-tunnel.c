/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "device-tunnel.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "attachment.h"
#include "bridge.h"
#include "controller.h"
#include "lease.h"
#include "link.h"
#include "message.h"
#include "method.h"
#include "network.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "policy.h"
#include "record.h"
#include "seal.h"
#include "sset.h"
#include "timeval.h"
#include "transfer.h"
#include "upkeep.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(device_tunnel);

/* The first probes of a nonce, before DEVICE_TUNNEL_RETRY_MS. */
#define FIRST_TRIES 10

/* Misses of the proof of attachment after which a device is not where it was,
 * and one of which nothing is known is behind no bridge. */
#define MISSES_LEFT 3
#define MISSES_UNKNOWN 1

#define KEY_MASK 0xffffff

/* "tunnel-open" without an answer, after which nothing comes of it. */
#define OPENS_MAX 10

struct device_tunnel *
device_tunnel_find(const struct device *device, const char *bridge)
{
    struct device_tunnel *t;

    LIST_FOR_EACH(t, node, &device->tunnels) {
        if (!strcmp(t->bridge, bridge)) {
            return t;
        }
    }
    return NULL;
}

static void
tunnel_destroy(struct device_tunnel *t)
{
    ovs_list_remove(&t->node);
    free(t->error);
    free(t);
}

void
device_tunnels_destroy(struct device *device)
{
    struct device_tunnel *t;

    LIST_FOR_EACH_SAFE(t, node, &device->tunnels) {
        tunnel_destroy(t);
    }
}

/* Is it known, as far as it can be, that 'device' is behind no bridge? */
static bool
is_behind_no_bridge(const struct controller *c, const struct device *device)
{
    return device->attachment.misses >= (device_is_attached(device, c->network)
                                             ? MISSES_LEFT
                                             : MISSES_UNKNOWN);
}

bool
device_tunnel_may(const struct controller *c, const struct device *device,
                  const char *bridge, char **whyp)
{
    const struct policy_device *pd = shash_find_data(&c->policy->devices,
                                                     device->name);
    const struct policy_bridge *pb = shash_find_data(&c->policy->bridges,
                                                     bridge);
    const struct flow_layout *layout = network_layout(c->network, bridge);
    char *why = NULL;

    if (!pd || !pd->n_tunnel || !pb) {
        return false;
    } else if (pb->tunnel.type != POLICY_TUNNEL_VXLAN) {
        why = xasprintf("policy gives bridge %s no VXLAN tunnels", bridge);
    } else if (!layout || !flow_layout_has_tunnel(layout)) {
        why = xasprintf("bridge %s has no port %s: `baton-ctl bridge "
                        "prepare %s'",
                        bridge, pb->tunnel.port_name, bridge);
    }
    if (why && whyp) {
        *whyp = why;
    } else {
        free(why);
    }
    return !why;
}

bool
device_tunnel_serves(const struct controller *c, const struct device *device,
                     const char *bridge, char **whyp)
{
    const struct device_tunnel *t = device_tunnel_find(device, bridge);

    return (t && t->proved)
           || (is_behind_no_bridge(c, device)
               && device_tunnel_may(c, device, bridge, whyp));
}

bool
device_tunnel_is_good(const struct device *device, const char *bridge,
                      long long int now)
{
    const struct device_tunnel *t = device_tunnel_find(device, bridge);

    return (t && t->proved && t->good_at
            && now < t->good_at + DEVICE_TUNNEL_GOOD_MS);
}

struct flow_place
device_tunnel_place(const struct controller *c, const struct device_tunnel *t)
{
    const struct flow_layout *layout = network_layout(c->network, t->bridge);
    struct flow_place place;

    memset(&place, 0, sizeof place);
    place.port = OFPP_NONE;
    if (t->proved && layout && flow_layout_has_tunnel(layout)) {
        place.port = layout->tunnel_port;
        place.peer = t->address;
        place.key = t->key;
        place.mac = t->mac;
    }
    return place;
}

char *
device_tunnels_describe(const struct controller *c,
                        const struct device *device)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    const struct bridge *bridge = NULL;
    const struct device_tunnel *t;

    LIST_FOR_EACH(t, node, &device->tunnels) {
        if (t->proved) {
            ds_put_format(&s, "%s%s at ", s.length ? ", " : "", t->bridge);
            ipv6_format_mapped(&t->address, &s);
        }
    }
    while (!s.length && device->link
           && (bridge = network_next(c->network, bridge))) {
        if (device_tunnel_serves(c, device, bridge_get_name(bridge), NULL)) {
            ds_put_cstr(&s, "ready");
        }
    }
    return ds_steal_cstr(&s);
}

/* Opening. */

static bool
key_is_used(const struct controller *c, uint32_t key)
{
    const struct device *device;

    HMAP_FOR_EACH(device, node, &c->devices.devices) {
        const struct device_tunnel *t;

        LIST_FOR_EACH(t, node, &device->tunnels) {
            if (t->key == key) {
                return true;
            }
        }
    }
    return false;
}

static uint32_t
choose_key(const struct controller *c)
{
    uint32_t key;

    do {
        seal_random(&key, sizeof key);
        key &= KEY_MASK;
    } while (!key || key_is_used(c, key));
    return key;
}

static void
send_open(struct controller *c, struct device *device, struct device_tunnel *t)
{
    const struct policy_bridge *pb = shash_find_data(&c->policy->bridges,
                                                     t->bridge);
    const struct flow_layout *layout = network_layout(c->network, t->bridge);
    struct json *params, *subnets;

    t->open_at = time_msec() + DEVICE_TUNNEL_OPEN_MS;
    if (!pb || !layout || !device->link
        || pb->tunnel.type != POLICY_TUNNEL_VXLAN) {
        return;
    }
    params = json_object_create();
    subnets = json_array_create_empty();
    for (size_t i = 0; i < pb->n_subnets; i++) {
        char *s = policy_prefix_to_string(&pb->subnets[i]);

        json_array_add(subnets, json_string_create(s));
        free(s);
    }
    message_put_string(params, "bridge", t->bridge);
    message_put_integer(params, "key", t->key);
    message_put_address(params, "address", &pb->tunnel.address);
    message_put_integer(params, "udp_port", pb->tunnel.udp_port);
    message_put_integer(params, "mtu", layout->tunnel_mtu);
    message_put_eth(params, "gateway", layout->mac);
    json_object_put(params, "subnets", subnets);
    link_notify(device->link, "tunnel-open", params);
}

static void
send_close(struct device *device, const char *bridge, uint32_t key)
{
    if (device->link) {
        struct json *params = json_object_create();

        message_put_string(params, "bridge", bridge);
        message_put_integer(params, "key", key);
        link_notify(device->link, "tunnel-close", params);
    }
}

/* Soon, and with a new nonce. */
static void
probe_anew(struct device_tunnel *t)
{
    t->out = false;
    t->tries = 0;
    t->probe_at = time_msec();
}

static struct device_tunnel *
add_tunnel(struct device *device, const char *bridge, uint32_t key)
{
    struct device_tunnel *t = xzalloc(sizeof *t);

    ovs_strlcpy(t->bridge, bridge, sizeof t->bridge);
    t->key = key;
    ovs_list_push_back(&device->tunnels, &t->node);
    return t;
}

void
device_tunnel_restore(struct device *device, const char *bridge, uint32_t key,
                      const struct in6_addr *address, struct eth_addr mac)
{
    struct device_tunnel *t = add_tunnel(device, bridge, key);

    t->proved = true;
    t->address = *address;
    t->mac = mac;
}

void
device_tunnel_want(struct controller *c, struct device *device,
                   const char *bridge)
{
    struct device_tunnel *t = device_tunnel_find(device, bridge);

    if (!t) {
        t = add_tunnel(device, bridge, choose_key(c));
        send_open(c, device, t);
    } else if (!device_tunnel_is_good(device, bridge, time_msec())) {
        t->retired = false;
        send_open(c, device, t);
        probe_anew(t);
    }
}

void
device_tunnels_registered(struct controller *c, struct device *device)
{
    struct device_tunnel *t;

    LIST_FOR_EACH(t, node, &device->tunnels) {
        if (!t->retired) {
            send_open(c, device, t);
            t->claimed = false;
        }
    }
}

/* Closing. */

static void
close_tunnel(struct controller *c, struct device *device,
             struct device_tunnel *t, const char *why)
{
    bool proved = t->proved;

    VLOG_INFO("%s: its tunnel to %s is closed: %s", device->name, t->bridge,
              why);
    send_close(device, t->bridge, t->key);
    tunnel_destroy(t);
    device->tunnels_moved |= proved;
    upkeep_tunnels_changed(c->upkeep, device->name);
}

void
device_tunnels_recheck(struct controller *c, struct device *device)
{
    struct device_tunnel *t;

    LIST_FOR_EACH_SAFE(t, node, &device->tunnels) {
        const struct policy_bridge *pb = shash_find_data(&c->policy->bridges,
                                                         t->bridge);

        if (!pb || pb->tunnel.type != POLICY_TUNNEL_VXLAN
            || (t->proved
                && !policy_may_tunnel(c->policy, device->name, &t->address))) {
            close_tunnel(c, device, t, "policy no longer lets it be there");
        } else {
            /* Subnets, or the bridge's end, may be others now. */
            send_open(c, device, t);
        }
    }
}

/* Is a session of that bridge at the device, which has shown it, or on its way
 * to or from it? */
static bool
is_needed(const struct controller *c, const struct device *device,
          const char *bridge)
{
    struct record record = RECORD_WALK;
    const struct transfer *t = NULL;

    while ((t = transfers_next_live(c->transfers, t))) {
        if (!strcmp(t->bridge, bridge)
            && (!strcmp(t->from, device->name)
                || !strcmp(t->to, device->name))) {
            return true;
        }
    }
    while (record_next(c->records, &record)) {
        const struct session *s = session_find(&c->sessions, &record.session);

        if (!record.ended && !strcmp(record.owner, device->name) && s
            && !strcmp(s->device, device->name)
            && nullable_string_is_equal(
                leases_home_bridge(c->leases, &record.address), bridge)) {
            return true;
        }
    }
    return false;
}

/* What the device says. */

static struct device_tunnel *
find_said(const struct device *device, struct message *m)
{
    const char *bridge = message_get_name(m, "bridge");
    uint32_t key = message_get_integer(m, "key", 1, KEY_MASK);
    struct device_tunnel *t = device_tunnel_find(device, bridge);

    return t && t->key == key ? t : NULL;
}

/* Whose end is at 'address', but 'device'?  NULL: nobody's. */
static const char *
find_other(const struct controller *c, const struct device *device,
           const struct in6_addr *address)
{
    const struct device *other;

    HMAP_FOR_EACH(other, node, &c->devices.devices) {
        const struct device_tunnel *t;

        LIST_FOR_EACH(t, node, &other->tunnels) {
            if (other != device && t->proved
                && ipv6_addr_equals(&t->address, address)
                && device_tunnel_is_good(other, t->bridge, time_msec())) {
                return other->name;
            }
        }
    }
    return network_find_tunnel(c->network, address);
}

/* A sentence if 'device' may not have its end there, which the caller
 * frees. */
static char *
check_address(const struct controller *c, const struct device *device,
              const struct device_tunnel *t, const struct in6_addr *address)
{
    const struct in6_addr *peer = network_tunnel_address(c->network,
                                                         t->bridge);
    const char *other = find_other(c, device, address);
    char s[INET6_ADDRSTRLEN];

    ipv6_string_mapped(s, address);
    if (!peer || IN6_IS_ADDR_V4MAPPED(peer) != IN6_IS_ADDR_V4MAPPED(address)) {
        return xasprintf("%s is not of the family of the bridge's end", s);
    } else if (!policy_may_tunnel(c->policy, device->name, address)) {
        return xasprintf("policy lets it have no tunnel at %s", s);
    } else if (other) {
        return xasprintf("%s is the end of the tunnel of %s", s, other);
    }
    return NULL;
}

static void
set_error(struct device *device, struct device_tunnel *t, char *error)
{
    if (!nullable_string_is_equal(t->error, error)) {
        VLOG_WARN("%s: no tunnel to %s: %s", device->name, t->bridge, error);
    }
    free(t->error);
    t->error = error;
    t->claimed = false;
}

void
method_tunnel_ready(struct controller *c, struct device *device,
                    const struct jsonrpc_msg *msg, struct message *m)
{
    struct device_tunnel *t = find_said(device, m);
    const char *error = message_get_optional_string(m, "error", 255);
    struct in6_addr address = in6addr_any;
    struct eth_addr mac = eth_addr_zero;
    char *why;

    if (!error) {
        message_get_address(m, "address", &address);
        message_get_eth(m, "mac", &mac);
    }
    if (!method_is_good(device, msg, m) || !t) {
        return;
    }
    if (error && !strcmp(error, "exists") && !t->proved) {
        /* Another VXLAN interface of that host has the identifier. */
        t->key = choose_key(c);
        t->open_at = time_msec();
        return;
    }
    why = error ? xstrdup(error) : check_address(c, device, t, &address);
    if (!why && (eth_addr_is_multicast(mac) || eth_addr_is_zero(mac))) {
        why = xstrdup("its MAC address is no device's");
    }
    if (why) {
        set_error(device, t, why);
        if (!t->proved && !is_needed(c, device, t->bridge)) {
            close_tunnel(c, device, t, "it has none");
        }
        return;
    }
    free(t->error);
    t->error = NULL;
    if (!t->claimed || !ipv6_addr_equals(&t->claimed_address, &address)
        || !eth_addr_equals(t->claimed_mac, mac)) {
        t->claimed = true;
        t->opens = 0;
        t->claimed_address = address;
        t->claimed_mac = mac;
        probe_anew(t);
    }
}

void
method_tunnel_idle(struct controller *c, struct device *device,
                   const struct jsonrpc_msg *msg, struct message *m)
{
    const char *bridge = message_get_name(m, "bridge");
    uint32_t key = message_get_integer(m, "key", 1, KEY_MASK);
    struct device_tunnel *t;

    if (!method_is_good(device, msg, m)) {
        return;
    }
    t = device_tunnel_find(device, bridge);
    if (!t || t->key != key) {
        send_close(device, bridge, key);
    } else if (t->retired || !is_needed(c, device, bridge)) {
        close_tunnel(c, device, t, "no session uses it");
    }
}

/* Probes. */

static void
probe(const struct controller *c, const struct device *device,
      struct device_tunnel *t)
{
    const struct flow_layout *layout = network_layout(c->network, t->bridge);
    struct bridge *bridge = network_find(c->network, t->bridge);
    struct attachment_frame frame;
    uint8_t *bytes;
    size_t size;

    if (!bridge || !bridge_is_synchronised(bridge)) {
        return;
    }
    if (!t->out) {
        /* Until one is answered they are all the same: on a slow way the
         * answer to an earlier one counts. */
        seal_random(t->nonce, sizeof t->nonce);
        t->out = true;
    }
    memset(&frame, 0, sizeof frame);
    frame.kind = ATTACHMENT_TUNNEL_PROBE;
    frame.src = layout->mac;
    frame.dst = t->claimed_mac;
    frame.sa_id = device->sa.id;
    memcpy(frame.nonce, t->nonce, sizeof frame.nonce);
    size = ETH_HEADER_LEN + layout->tunnel_mtu;
    bytes = xzalloc(size);
    attachment_frame_compose(&frame, device->sa.key, bytes);
    bridge_send_tunnel(bridge, &t->claimed_address, t->key, bytes, size);
    free(bytes);
}

/* Flows that point to the device are to be others now. */
static void
set_moved(struct device *device, struct device_tunnel *t,
          const struct device_place *former)
{
    device->tunnels_moved = true;
    t->moved = true;
    t->former = *former;
}

bool
device_tunnels_next_moved(struct device *device, char bridge[64],
                          struct device_place *former)
{
    struct device_tunnel *t;

    LIST_FOR_EACH(t, node, &device->tunnels) {
        if (t->moved) {
            t->moved = false;
            ovs_strlcpy(bridge, t->bridge, sizeof t->bridge);
            *former = t->former;
            return true;
        }
    }
    return false;
}

/* The device has left all bridges: its sessions need a way to where it is. */
static void
look_for_sessions(struct controller *c, struct device *device)
{
    const struct policy_device *pd = shash_find_data(&c->policy->devices,
                                                     device->name);
    struct sset homes = SSET_INITIALIZER(&homes);
    struct record record = RECORD_WALK;
    const struct session *s;
    const char *home;

    if (!device->attachment.misses) {
        device->attachment.looked = false;
    }
    if (device->attachment.looked || !pd || !pd->n_tunnel
        || !is_behind_no_bridge(c, device)) {
        return;
    }
    device->attachment.looked = true;
    while (record_next(c->records, &record)) {
        home = leases_home_bridge(c->leases, &record.address);
        if (home && !record.ended && !strcmp(record.owner, device->name)) {
            sset_add(&homes, home);
        }
    }
    HMAP_FOR_EACH(s, node, &c->sessions.sessions) {
        home = leases_home_bridge(c->leases, &s->address);
        if (home && !strcmp(s->device, device->name)) {
            sset_add(&homes, home);
        }
    }
    SSET_FOR_EACH(home, &homes) {
        if (device_tunnel_serves(c, device, home, NULL)) {
            device_tunnel_want(c, device, home);
        }
    }
    sset_destroy(&homes);
}

/* Is 'device' on a bridge, as it has shown since it registered?  What is only
 * remembered may be where it was before it had a tunnel. */
static bool
is_on_bridge(const struct controller *c, const struct device *device)
{
    return (!device->attachment.misses && device->attachment.told
            && device_is_attached(device, c->network));
}

/* The device has come to a bridge, perhaps from where the tunnel ends: that is
 * asked now, not when the last answer has become old. */
static void
doubt(const struct controller *c, const struct device *device,
      struct device_tunnel *t, long long int now)
{
    bool on_bridge = is_on_bridge(c, device);

    if (on_bridge && !t->doubted && t->proved) {
        t->good_at = MIN(t->good_at,
                         now - DEVICE_TUNNEL_GOOD_MS + DEVICE_TUNNEL_DOUBT_MS);
        probe_anew(t);
    }
    t->doubted = on_bridge;
}

/* A tunnel that brings nothing any more, of a device that has come to a
 * bridge: its sessions follow it there. */
static bool
retire(struct controller *c, struct device *device, struct device_tunnel *t)
{
    static const struct device_place nowhere = { .port = OFPP_NONE };

    if (!t->proved || !is_on_bridge(c, device)
        || transfers_involve(c->transfers, device->name)) {
        return false;
    }
    VLOG_INFO("%s: its tunnel to %s is given up: it is on bridge %s",
              device->name, t->bridge, device->place.bridge);
    t->proved = t->claimed = false;
    t->retired = true;
    set_moved(device, t, &nowhere);
    upkeep_tunnels_changed(c->upkeep, device->name);
    return true;
}

void
device_tunnels_run(struct controller *c, struct device *device)
{
    long long int now = time_msec();
    struct device_tunnel *t;

    if (!device->link) {
        return;
    }
    look_for_sessions(c, device);
    LIST_FOR_EACH_SAFE(t, node, &device->tunnels) {
        bool good;

        doubt(c, device, t, now);
        good = device_tunnel_is_good(device, t->bridge, now);
        if (t->retired || (!good && retire(c, device, t))) {
            continue;
        }
        if (!good && now >= t->open_at) {
            if (!t->claimed && ++t->opens > OPENS_MAX
                && !is_needed(c, device, t->bridge)) {
                close_tunnel(c, device, t, "the device does not answer");
                continue;
            }
            /* Perhaps its end has gone, or is elsewhere now. */
            send_open(c, device, t);
        }
        if (!t->claimed || now < t->probe_at) {
            continue;
        }
        if (t->good_at && !good && t->tries > FIRST_TRIES) {
            VLOG_WARN("nothing comes through the tunnel between %s and %s",
                      t->bridge, device->name);
            t->good_at = 0;
        }
        probe(c, device, t);
        t->probe_at = now
                      + (t->tries < FIRST_TRIES ? DEVICE_TUNNEL_FIRST_MS
                                                : DEVICE_TUNNEL_RETRY_MS);
        t->tries++;
    }
}

long long int
device_tunnels_next_deadline(const struct device *device)
{
    long long int deadline = LLONG_MAX;
    const struct device_tunnel *t;

    if (!device->link) {
        return LLONG_MAX;
    }
    LIST_FOR_EACH(t, node, &device->tunnels) {
        if (t->retired) {
            continue;
        }
        if (t->claimed) {
            deadline = MIN(deadline, t->probe_at);
        }
        deadline = MIN(deadline,
                       MAX(t->open_at, t->good_at + DEVICE_TUNNEL_GOOD_MS));
    }
    return deadline;
}

/* An answer that is right has come from where the device said that it is. */
static void
proved(struct controller *c, struct device *device, struct device_tunnel *t)
{
    bool changed = (!t->proved
                    || !ipv6_addr_equals(&t->address, &t->claimed_address)
                    || !eth_addr_equals(t->mac, t->claimed_mac));
    const struct device_place former = device->place;
    char s[INET6_ADDRSTRLEN];

    t->out = false;
    t->tries = 0;
    if (changed && t->proved
        && transfers_involve(c->transfers, device->name)) {
        /* A place stays as it is while a session moves. */
        t->probe_at = time_msec() + DEVICE_TUNNEL_RETRY_MS;
        return;
    }
    t->good_at = time_msec();
    t->probe_at = t->good_at + DEVICE_TUNNEL_REFRESH_MS;
    if (changed) {
        t->proved = true;
        t->address = t->claimed_address;
        t->mac = t->claimed_mac;
        VLOG_INFO("%s: reached through a tunnel of its own from %s, at %s",
                  device->name, t->bridge, ipv6_string_mapped(s, &t->address));
        set_moved(device, t, &former);
        upkeep_tunnels_changed(c->upkeep, device->name);
    }
}

/* Did 'packet' come out of 't', from its end as it is claimed, or proved? */
static bool
came_from(const struct device_tunnel *t, const struct bridge_packet *packet,
          bool claimed)
{
    return (packet->tun_key == t->key && (claimed ? t->claimed : t->proved)
            && ipv6_addr_equals(&packet->tun_src,
                                claimed ? &t->claimed_address : &t->address));
}

bool
device_tunnels_handle_packet(struct controller *c, const struct bridge *bridge,
                             const struct bridge_packet *packet,
                             struct device **flushedp, struct uuid *transfer)
{
    struct attachment_frame frame;
    const struct flow_layout *layout = network_layout(c->network,
                                                      bridge_get_name(bridge));
    const struct device_sa *sa;
    struct device *device;
    struct device_tunnel *t;

    *flushedp = NULL;
    if (!attachment_frame_parse(packet->data, packet->size, &frame)) {
        return false;
    }
    device = device_find_sa(&c->devices, frame.sa_id);
    sa = device ? device_get_sa(device, frame.sa_id, time_msec()) : NULL;
    t = sa ? device_tunnel_find(device, bridge_get_name(bridge)) : NULL;
    if (!t || !attachment_frame_verify(&frame, sa->key)) {
        return true;
    }
    if (frame.kind == ATTACHMENT_TUNNEL_ANSWER) {
        if (t->out && came_from(t, packet, true)
            && packet->size >= ETH_HEADER_LEN + layout->tunnel_mtu
            && eth_addr_equals(frame.src, t->claimed_mac)
            && seal_equal(frame.nonce, t->nonce, sizeof t->nonce)) {
            proved(c, device, t);
        }
    } else if (frame.kind == ATTACHMENT_FLUSH && came_from(t, packet, false)) {
        *flushedp = device;
        *transfer = attachment_frame_transfer(&frame);
    }
    return true;
}
