/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "mapping-private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bridge.h"
#include "controller.h"
#include "device.h"
#include "dp-packet.h"
#include "guard.h"
#include "link.h"
#include "mapping-packet.h"
#include "message.h"
#include "network.h"
#include "openvswitch/json.h"
#include "packets.h"
#include "policy.h"
#include "record.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

/* First packets: held while a device is asked for a session address. */

/* Milliseconds for which a first packet is held: a correspondent sends a SYN
 * again after a second. */
#define ASK_TIMEOUT 900
/* Packets of one session that are held. */
#define MAX_HELD 8

void
mapping_set_flows(struct controller *c, const struct mapping *m)
{
    struct flow_mapping flow;

    mapping_to_flow(m, &flow);
    network_set_mapping(c->network, m->service->bridge, &m->key, &flow);
}

struct bridge *
mapping_bridge_of(const struct controller *c, const struct mapping *m)
{
    return network_find(c->network, m->service->bridge);
}

void
mapping_pass_on(struct bridge *bridge, const struct bridge_packet *packet)
{
    bridge_send_past_mapping(bridge, packet->in_port, packet->data,
                             packet->size);
}

static void
hold(struct mapping *m, const struct bridge_packet *packet)
{
    struct held_packet *held;

    if (ovs_list_size(&m->held) < MAX_HELD) {
        held = xmalloc(sizeof *held);
        held->packet = dp_packet_clone_data(packet->data, packet->size);
        held->in_port = packet->in_port;
        ovs_list_push_back(&m->held, &held->node);
    }
}

/* What was held goes on: translated, or as it is. */
void
mapping_release(struct controller *c, struct mapping *m, bool translated)
{
    struct bridge *bridge = mapping_bridge_of(c, m);
    struct held_packet *held;

    LIST_FOR_EACH_POP(held, node, &m->held) {
        if (translated) {
            mapping_packet_set(held->packet, false, &m->address);
        }
        if (bridge) {
            bridge_send_past_mapping(bridge, held->in_port,
                                     dp_packet_data(held->packet),
                                     dp_packet_size(held->packet));
        }
        dp_packet_delete(held->packet);
        free(held);
    }
}

struct device *
mapping_owner_of(const struct controller *c, const struct in6_addr *address)
{
    const char *name = guard_owner(c, address);

    return name ? device_find_connected(&c->devices, name) : NULL;
}

/* The device that has the service, if it can have another session. */
static struct device *
find_device(const struct controller *c, const struct mapping_service *service)
{
    struct device *device = device_find(&c->devices, service->device);
    const struct in6_addr *permanent = &service->flows.permanent;
    struct record view;
    const struct record *record = record_find_address(c->records, permanent,
                                                      &view);

    return (device && device->link && !device->leaving && device->place.known
                    && !strcmp(device->place.bridge, service->bridge)
                    && (!record || !strcmp(record->owner, device->name))
                    && session_count_of(&c->sessions, device->name)
                           < c->policy->limits.sessions
                ? device
                : NULL);
}

/* What people call the session.  The caller frees it. */
static char *
name_of(const struct mapping *m)
{
    char text[INET6_ADDRSTRLEN];

    ipv6_string_mapped(text, &m->correspondent);
    return xasprintf(IN6_IS_ADDR_V4MAPPED(&m->correspondent)
                         ? "%s-%s:%" PRIu16
                         : "%s-[%s]:%" PRIu16,
                     m->service->name, text, m->correspondent_port);
}

void
mapping_announce(struct controller *c, const struct device *device,
                 const struct mapping *m)
{
    char *name = name_of(m);

    session_announce(&c->sessions, &m->session, &m->address, 0, device->name,
                     name, m->service->service);
    free(name);
}

void
mapping_ask(struct device *device, const struct mapping *m, bool again)
{
    const struct mapping_service *service = m->service;
    struct json *params = json_object_create();
    char *name = name_of(m);

    message_put_uuid(params, "session", &m->session);
    message_put_string(params, "name", name);
    free(name);
    message_put_string(params, "service", service->service);
    message_put_address(params, "permanent", &service->flows.permanent);
    message_put_integer(params, "protocol", service->flows.protocol);
    message_put_integer(params, "port", service->flows.port);
    message_put_address(params, "correspondent", &m->correspondent);
    message_put_integer(params, "correspondent_port", m->correspondent_port);
    if (again) {
        message_put_address(params, "address", &m->address);
    }
    link_notify(device->link, "map", params);
}

static void
begin(struct controller *c, struct mapping_service *service,
      struct bridge *bridge, const struct bridge_packet *packet,
      const struct mapping_packet *mp)
{
    struct device *device = find_device(c, service);
    struct uuid session;
    struct mapping *m;

    if (!device) {
        service->n_passed[PASSED_DEVICE]++;
        mapping_service_suspend(service, c->network, time_msec(),
                                SUSPEND_NOBODY,
                                "the device is not there, or has all the "
                                "sessions that it may have");
        mapping_pass_on(bridge, packet);
        return;
    }
    m = mapping_create(c->mappings, service, &mp->src, mp->src_port);
    uuid_generate(&session);
    mapping_set_session(c->mappings, m, &session);
    m->deadline = time_msec() + ASK_TIMEOUT;
    ovs_list_push_back(&c->mappings->waiting, &m->waiting_node);
    hold(m, packet);
    mapping_ask(device, m, false);
}

void
mapping_handle_first(struct controller *c, struct bridge *bridge,
                     const struct bridge_packet *packet)
{
    struct mapping_service *service;
    struct mapping_packet mp;
    struct mapping *m;

    if (!mapping_packet_read(packet->data, packet->size, &mp)) {
        mapping_pass_on(bridge, packet);
        return;
    }
    service = mapping_service_find(c->mappings->services, mp.protocol, &mp.dst,
                                   mp.dst_port);
    if (!service || !service->keep
        || strcmp(service->bridge, bridge_get_name(bridge))) {
        mapping_pass_on(bridge, packet);
        return;
    }
    m = mapping_table_find_tuple(c->mappings, service, &mp.src, mp.src_port);
    if (m && mapping_is_waiting(m)) {
        if (mp.protocol == IPPROTO_UDP) {
            hold(m, packet);
        } /* A SYN that came again is as good as the first. */
    } else if (m) {
        hold(m, packet);
        mapping_release(c, m, true);
    } else if (mapping_service_admit(service, c->network, &mp.src,
                                     time_msec())) {
        begin(c, service, bridge, packet, &mp);
    } else {
        mapping_pass_on(bridge, packet);
    }
}
