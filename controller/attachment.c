/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "attachment.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "bridge.h"
#include "device.h"
#include "link.h"
#include "message.h"
#include "network.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "policy.h"
#include "util.h"
#include "wire.h"

VLOG_DEFINE_THIS_MODULE(attachment);

/* How a device's place is proved:
 *
 *      +-------------------> IDLE
 *      |                      | 'next_at' is reached, and some bridge is
 *      |                      | synchronised: challenge over TLS
 *      |                      v
 *      | 1 s             CHALLENGED
 *      +<---------------------+ |
 *      |     answer frame from  | answer frame from another place than the
 *      |     the place known    | one known, which may be answering too
 *      |     (or none is)       v
 *      |                 |   CANDIDATE
 *      |                 |      | 200 ms, nothing from the known place (at
 *      |                 |      | once if its port is gone)
 *      |                 v      v
 *      |               probe out of that port
 *      | 1 s                  |
 *      +<----------------- PROBED
 *      |                      | echo over TLS: the place is proved
 *      +<---------------------+
 *
 * IDLE lasts PERIOD after a proof, BACKOFF_MIN..BACKOFF_MAX after a miss.  When
 * something changes meanwhile, CHALLENGED lasts no longer than BACKOFF_MIN, and
 * then there is another challenge. */

#define ATTACHMENT_TIMEOUT 1000 /* Milliseconds that a nonce is good for. */
#define ATTACHMENT_PATIENCE 200 /* For the place that is known. */
#define ATTACHMENT_PERIOD 30000
#define ATTACHMENT_BACKOFF_MIN 100
#define ATTACHMENT_BACKOFF_MAX 8000

/* From whom probes come: a local address nobody else uses. */
static const struct eth_addr probe_src = { { { 0x02, 0x00, 0x00, 0xba, 0x70,
                                               0x00 } } };

void
attachment_restart(struct device *device, long long int now)
{
    struct attachment *a = &device->attachment;

    memset(a, 0, sizeof *a);
    a->state = ATTACHMENT_IDLE;
    a->next_at = now;
    a->backoff = ATTACHMENT_BACKOFF_MIN;
}

void
attachment_hurry(struct device *device, long long int now)
{
    struct attachment *a = &device->attachment;

    a->backoff = ATTACHMENT_BACKOFF_MIN;
    if (a->state == ATTACHMENT_IDLE) {
        a->next_at = MIN(a->next_at, now + ATTACHMENT_BACKOFF_MIN);
    } else if (a->state == ATTACHMENT_CHALLENGED && !a->hurried) {
        /* Its answer may have gone to where it was. */
        a->hurried = true;
        a->deadline = MAX(now, a->deadline - ATTACHMENT_TIMEOUT
                                   + ATTACHMENT_BACKOFF_MIN);
    }
}

static bool
some_bridge_is_synchronised(const struct network *network)
{
    const struct bridge *bridge = NULL;

    while ((bridge = network_next(network, bridge))) {
        if (bridge_is_synchronised(bridge)) {
            return true;
        }
    }
    return false;
}

static void
challenge(struct device *device, long long int now)
{
    struct attachment *a = &device->attachment;
    struct json *params = json_object_create();

    seal_random(a->nonce, sizeof a->nonce);
    a->state = ATTACHMENT_CHALLENGED;
    a->hurried = false;
    a->deadline = now + ATTACHMENT_TIMEOUT;
    message_put_bytes(params, "nonce", a->nonce, sizeof a->nonce);
    link_notify(device->link, "attach-challenge", params);
}

/* Sends the second nonce out of the candidate's port. */
static void
probe(struct device *device, struct network *network, long long int now)
{
    struct attachment *a = &device->attachment;
    struct bridge *bridge = network_find(network, a->candidate.bridge);
    struct attachment_frame frame;
    uint8_t bytes[ATTACHMENT_FRAME_LEN];

    seal_random(a->probe_nonce, sizeof a->probe_nonce);
    a->state = ATTACHMENT_PROBED;
    a->deadline = now + ATTACHMENT_TIMEOUT;
    if (!bridge) {
        return;
    }
    memset(&frame, 0, sizeof frame);
    frame.kind = ATTACHMENT_PROBE;
    frame.src = probe_src;
    frame.dst = a->candidate.mac;
    frame.sa_id = device->sa.id;
    memcpy(frame.nonce, a->probe_nonce, sizeof frame.nonce);
    attachment_frame_compose(&frame, device->sa.key, bytes);
    bridge_send_to_vlan(bridge, a->candidate.port, a->candidate.vlan, bytes,
                        sizeof bytes);
}

static void
miss(struct device *device, const char *what, long long int now)
{
    struct attachment *a = &device->attachment;

    a->state = ATTACHMENT_IDLE;
    a->next_at = now + a->backoff;
    a->backoff = MIN(a->backoff * 2, ATTACHMENT_BACKOFF_MAX);
    if (++a->misses == 3) {
        VLOG_INFO("%s: does not prove where it is attached: %s", device->name,
                  what);
    }
}

void
attachment_run(struct device *device, struct network *network,
               long long int now)
{
    struct attachment *a = &device->attachment;

    if (!device->link) {
        return;
    }
    switch (a->state) {
    case ATTACHMENT_IDLE:
        if (now >= a->next_at && some_bridge_is_synchronised(network)) {
            challenge(device, now);
        } else if (now >= a->next_at) {
            /* Look again, but not all the time. */
            a->next_at = now + ATTACHMENT_BACKOFF_MIN;
        }
        break;

    case ATTACHMENT_CHALLENGED:
        if (now >= a->deadline && a->hurried) {
            a->state = ATTACHMENT_IDLE;
            a->next_at = now;
        } else if (now >= a->deadline) {
            miss(device,
                 network_is_lan(network, device->attachment.candidate.bridge)
                     ? "it has no interface there"
                     : "no answer frame came to any bridge",
                 now);
        }
        break;

    case ATTACHMENT_CANDIDATE:
        if (now >= a->deadline) {
            probe(device, network, now);
        }
        break;

    case ATTACHMENT_PROBED:
        if (now >= a->deadline) {
            miss(device, "the probe out of its port was not echoed", now);
        }
        break;
    }
}

long long int
attachment_next_deadline(const struct device *device)
{
    const struct attachment *a = &device->attachment;

    /* While no bridge is synchronised, its synchronisation will wake us. */
    return !device->link                 ? LLONG_MAX
           : a->state == ATTACHMENT_IDLE ? a->next_at
                                         : a->deadline;
}

static bool
same_place(const struct device_place *a, const struct device_place *b)
{
    return (a->known && b->known && a->port == b->port
            && eth_addr_equals(a->mac, b->mac) && a->vlan == b->vlan
            && !strcmp(a->bridge, b->bridge)
            && !strcmp(a->port_name, b->port_name));
}

static struct device *
find_holder(const struct devices *devices, const struct device *but,
            const struct device_place *place)
{
    struct device *device;

    HMAP_FOR_EACH(device, node, &devices->devices) {
        if (device != but && device->place.known
            && device->place.port == place->port
            && !strcmp(device->place.bridge, place->bridge)) {
            return device;
        }
    }
    return NULL;
}

/* Does policy let 'device' be there? */
static bool
place_is_allowed(const struct policy *policy, const struct device *device,
                 const struct device_place *place)
{
    const struct policy_device *pd = shash_find_data(&policy->devices,
                                                     device->name);

    return (pd && (!pd->bridge || !strcmp(pd->bridge, place->bridge))
            && (!pd->port || !strcmp(pd->port, place->port_name)));
}

/* Which connected device answers our challenge by 'frame'?  Its nonce is used
 * up. */
static struct device *
find_answerer(struct devices *devices, const struct attachment_frame *frame,
              long long int now)
{
    struct device *device = device_find_sa(devices, frame->sa_id);
    const struct device_sa *sa = device
                                     ? device_get_sa(device, frame->sa_id, now)
                                     : NULL;
    const struct attachment *a;

    if (!sa || !device->link || frame->kind != ATTACHMENT_ANSWER
        || !attachment_frame_verify(frame, sa->key)) {
        return NULL;
    }
    a = &device->attachment;
    return (
        (a->state == ATTACHMENT_CHALLENGED || a->state == ATTACHMENT_CANDIDATE)
                && seal_equal(frame->nonce, a->nonce, sizeof a->nonce)
            ? device
            : NULL);
}

/* A frame as it came in: in a VLAN, whose number goes to '*vlan', or in none,
 * 0. */
static bool
parse_frame(const struct bridge_packet *packet, struct attachment_frame *frame,
            uint16_t *vlan)
{
    const uint8_t *p = packet->data;
    uint8_t bytes[ATTACHMENT_FRAME_LEN];

    *vlan = 0;
    if (packet->size != ATTACHMENT_FRAME_LEN + VLAN_HEADER_LEN
        || wire_get_u16(p + 12) != ETH_TYPE_VLAN_8021Q) {
        return attachment_frame_parse(packet->data, packet->size, frame);
    }
    *vlan = wire_get_u16(p + 14) & 0xfff;
    memcpy(bytes, p, 2 * ETH_ADDR_LEN);
    memcpy(bytes + 2 * ETH_ADDR_LEN, p + 2 * ETH_ADDR_LEN + VLAN_HEADER_LEN,
           sizeof bytes - 2 * ETH_ADDR_LEN);
    return *vlan && attachment_frame_parse(bytes, sizeof bytes, frame);
}

struct device *
attachment_parse_flush(struct devices *devices, struct bridge *bridge,
                       const struct bridge_packet *packet, long long int now,
                       struct uuid *transfer)
{
    struct attachment_frame frame;
    const struct device_sa *sa;
    struct device *device;
    uint16_t vlan;

    if (!parse_frame(packet, &frame, &vlan)
        || frame.kind != ATTACHMENT_FLUSH) {
        return NULL;
    }
    device = device_find_sa(devices, frame.sa_id);
    sa = device ? device_get_sa(device, frame.sa_id, now) : NULL;
    if (!sa || !attachment_frame_verify(&frame, sa->key)
        || !device->place.known || device->place.port != packet->in_port
        || device->place.vlan != vlan
        || strcmp(device->place.bridge, bridge_get_name(bridge))) {
        return NULL;
    }
    *transfer = attachment_frame_transfer(&frame);
    return device;
}

static void
refuse(struct device *device, const struct device_place *place,
       const char *why, const char *who, long long int now)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(6, 6);

    VLOG_WARN_RL(&rl, "%s: its place at port %s of %s is refused: %s%s",
                 device->name, place->port_name, place->bridge, why, who);
    miss(device, why, now);
}

struct device *
attachment_handle_frame(struct devices *devices, struct network *network,
                        const struct policy *policy, struct bridge *bridge,
                        const struct bridge_packet *packet, long long int now)
{
    struct device *device, *holder;
    struct attachment_frame frame;
    struct device_place place;
    const char *port_name;
    struct attachment *a;
    uint16_t vlan;

    if (!parse_frame(packet, &frame, &vlan)) {
        return NULL;
    }
    device = find_answerer(devices, &frame, now);
    port_name = bridge_port_to_name(bridge, packet->in_port);
    if (!device || !port_name) {
        return NULL;
    }
    memset(&place, 0, sizeof place);
    place.known = true;
    ovs_strlcpy(place.bridge, bridge_get_name(bridge), sizeof place.bridge);
    ovs_strlcpy(place.port_name, port_name, sizeof place.port_name);
    place.port = packet->in_port;
    place.mac = frame.src;
    place.vlan = vlan;

    if (!place_is_allowed(policy, device, &place)) {
        refuse(device, &place, "policy pins it elsewhere", "", now);
        return NULL;
    }
    holder = find_holder(devices, device, &place);
    if (holder && holder->link && !holder->attachment.misses) {
        attachment_hurry(holder, now);
        refuse(device, &place, "the port is another device's: ", holder->name,
               now);
        return NULL;
    }
    if (holder) {
        VLOG_INFO("%s: no longer at port %s of %s, where %s is now",
                  holder->name, place.port_name, place.bridge, device->name);
        holder->place.known = false;
    }

    a = &device->attachment;
    if (device_is_attached(device, network)
        && !same_place(&device->place, &place)
        && a->state == ATTACHMENT_CHALLENGED) {
        /* A device with two interfaces answers from both. */
        a->candidate = place;
        a->state = ATTACHMENT_CANDIDATE;
        a->deadline = now + ATTACHMENT_PATIENCE;
    } else if (!device_is_attached(device, network)
               || same_place(&device->place, &place)) {
        a->candidate = place;
        probe(device, network, now);
    }
    return holder;
}

static void
tell_attached(struct device *device, bool lan)
{
    struct json *params = json_object_create();

    message_put_string(params, "bridge", device->place.bridge);
    message_put_eth(params, "mac", device->place.mac);
    if (lan) {
        message_put_boolean(params, "lan", true);
    }
    link_notify(device->link, "attached", params);
}

void
attachment_ask(struct device *device, const char *lan, long long int now)
{
    struct attachment *a = &device->attachment;

    memset(&a->candidate, 0, sizeof a->candidate);
    ovs_strlcpy(a->candidate.bridge, lan, sizeof a->candidate.bridge);
    seal_random(a->nonce, sizeof a->nonce); /* No frame is an answer. */
    a->state = ATTACHMENT_CHALLENGED;
    a->hurried = false;
    a->deadline = now + ATTACHMENT_TIMEOUT;
}

bool
attachment_is_due(const struct device *device, long long int now)
{
    return (device->link && device->attachment.state == ATTACHMENT_IDLE
            && now >= device->attachment.next_at);
}

bool
attachment_handle_echo(struct device *device,
                       const uint8_t nonce[ATTACHMENT_NONCE_LEN], bool frozen,
                       long long int now)
{
    struct attachment *a = &device->attachment;

    if (a->state != ATTACHMENT_PROBED || now >= a->deadline
        || !seal_equal(nonce, a->probe_nonce, sizeof a->probe_nonce)) {
        VLOG_DBG("%s: late or wrong attach-echo", device->name);
        return false;
    }
    return attachment_prove(device, false, frozen, now);
}

bool
attachment_prove(struct device *device, bool lan, bool frozen,
                 long long int now)
{
    struct attachment *a = &device->attachment;
    bool changed;

    a->state = ATTACHMENT_IDLE;
    a->backoff = ATTACHMENT_BACKOFF_MIN;
    a->misses = 0;
    changed = !same_place(&a->candidate, &device->place);
    if (changed && frozen && device->place.known) {
        a->next_at = now + ATTACHMENT_BACKOFF_MIN;
        return false;
    }
    a->next_at = now + ATTACHMENT_PERIOD;
    if (changed) {
        device->place = a->candidate;
        VLOG_INFO(
            "%s: attached to %s%s%s%s, MAC address " ETH_ADDR_FMT ", VLAN %d",
            device->name, lan ? "plain lan " : "port ",
            device->place.port_name, lan ? "" : " of ", device->place.bridge,
            ETH_ADDR_ARGS(device->place.mac), device->place.vlan);
    }
    if (changed || !a->told) {
        a->told = true;
        tell_attached(device, lan);
    }
    return changed;
}

bool
attachment_recheck(struct device *device, const struct policy *policy,
                   long long int now)
{
    if (device->place.known
        && !place_is_allowed(policy, device, &device->place)) {
        VLOG_INFO("%s: policy no longer lets it be at port %s of %s",
                  device->name, device->place.port_name, device->place.bridge);
        device->place.known = false;
        attachment_hurry(device, now);
        return true;
    }
    return false;
}

bool
device_is_attached(const struct device *device, const struct network *network)
{
    const struct bridge *bridge;

    if (!device->place.known) {
        return false;
    }
    if (network_is_lan(network, device->place.bridge)) {
        return true;
    }
    bridge = network_find(network, device->place.bridge);
    return bridge && bridge_port_to_name(bridge, device->place.port);
}
