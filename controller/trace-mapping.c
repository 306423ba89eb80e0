/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "trace-private.h"

#include <string.h>

#include "controller.h"
#include "device.h"
#include "flow.h"
#include "mapping.h"
#include "message.h"
#include "network.h"
#include "openvswitch/json.h"
#include "packets.h"

/* Sessions of one permanent address that are traced. */
#define SESSIONS_MAX 16

static void
add_service(const struct flow_layout *layout,
            const struct mapping_service *service, struct flow_set *all)
{
    struct flow_set flows;

    flow_set_init(&flows);
    flows_movable(layout, &service->flows, &flows);
    trace_merge(all, &flows);
}

void
trace_mapping_flows(const struct controller *c, const char *bridge,
                    const struct in6_addr *address, struct flow_set *all)
{
    const struct flow_layout *layout = network_layout(c->network, bridge);
    const struct mapping *m = mapping_find_address(c->mappings, address);
    const struct mapping_service *service = NULL;
    struct flow_mapping mapping;
    struct flow_set flows;

    if (m && !strcmp(m->service->bridge, bridge)) {
        add_service(layout, m->service, all);
        flow_set_init(&flows);
        mapping_to_flow(m, &mapping);
        flows_mapping(layout, &mapping, &flows);
        trace_merge(all, &flows);
        return;
    }
    while ((service = mapping_service_next(mappings_services(c->mappings),
                                           service))) {
        if (!strcmp(service->bridge, bridge)
            && ipv6_addr_equals(&service->flows.permanent, address)) {
            add_service(layout, service, all);
        }
    }
}

void
trace_mapping_set(const struct controller *c, const struct mapping *m,
                  bool source, struct flow *packet)
{
    const struct mapping_service *service = m->service;
    const struct device *device = device_find(&c->devices, service->device);

    packet->nw_proto = service->flows.protocol;
    trace_set_address(packet, &m->correspondent, !source);
    if (source) {
        packet->tp_src = htons(service->flows.port);
        packet->tp_dst = htons(m->correspondent_port);
    } else {
        trace_set_address(packet, &service->flows.permanent, false);
        packet->tp_src = htons(m->correspondent_port);
        packet->tp_dst = htons(service->flows.port);
        /* Who has the permanent address: no other one is known. */
        packet->dl_dst = device_flow_place(device, service->bridge).mac;
    }
}

/* A correspondent's that nobody knows. */
static struct json *
trace_first(const struct controller *c, const struct trace_subject *subject,
            const struct mapping_service *service)
{
    const struct device *device = device_find(&c->devices, service->device);
    struct json *object = json_object_create();
    struct flow packet;

    memset(&packet, 0, sizeof packet);
    packet.nw_proto = service->flows.protocol;
    trace_set_address(&packet, &service->flows.permanent, false);
    packet.tp_dst = htons(service->flows.port);
    packet.tcp_flags = packet.nw_proto == IPPROTO_TCP ? htons(TCP_SYN) : 0;
    packet.dl_dst = device_flow_place(device, service->bridge).mac;
    message_put_string(object, "movable", service->name);
    message_put_address(object, "address", &service->flows.permanent);
    json_object_put(object, "to",
                    trace_packet(c, service->bridge, subject, &packet));
    return object;
}

static struct json *
trace_session(const struct controller *c, const struct mapping *m)
{
    struct json *object = json_object_create();

    message_put_address(object, "address", &m->address);
    message_put_address(object, "correspondent", &m->correspondent);
    message_put_integer(object, "correspondent_port", m->correspondent_port);
    message_put_string(object, "movable", m->service->name);
    trace_both_ways(c, &m->address, m, object);
    return object;
}

void
trace_mapping_put(const struct controller *c,
                  const struct trace_subject *subject, struct json *object)
{
    struct json *services = json_array_create_empty();
    struct json *mapped = json_array_create_empty();
    const struct mapping_service *service = NULL;
    const struct mapping *m = NULL;
    size_t n = 0, n_more = 0;

    while ((service = mapping_service_next(mappings_services(c->mappings),
                                           service))) {
        if (ipv6_addr_equals(&service->flows.permanent, &subject->address)) {
            json_array_add(services, trace_first(c, subject, service));
        }
    }
    while ((m = mapping_next(c->mappings, m))) {
        if (m->state < MAPPING_HALF_OPEN
            || !ipv6_addr_equals(&m->service->flows.permanent,
                                 &subject->address)) {
            continue;
        } else if (n++ < SESSIONS_MAX) {
            json_array_add(mapped, trace_session(c, m));
        } else {
            n_more++;
        }
    }
    json_object_put(object, "services", services);
    json_object_put(object, "mapped", mapped);
    message_put_integer(object, "more", n_more);
}
