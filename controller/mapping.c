/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "mapping.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "bridge.h"
#include "controller.h"
#include "device.h"
#include "dp-packet.h"
#include "flow-news.h"
#include "guard.h"
#include "hash.h"
#include "lease.h"
#include "link.h"
#include "mapping-packet.h"
#include "message.h"
#include "network.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "permanent.h"
#include "policy.h"
#include "record.h"
#include "timeval.h"
#include "transfer.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(mapping);
static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(12, 12);

/* Milliseconds for which a first packet is held: a correspondent sends a SYN
 * again after a second. */
#define ASK_TIMEOUT 900
#define INSTALL_TIMEOUT 2000
/* Seconds without a packet after which a session that both ends have closed is
 * over. */
#define CLOSING_IDLE 10
/* Milliseconds within which both directions count as idle at once. */
#define IDLE_TOGETHER 5000
/* Packets of one session that are held. */
#define MAX_HELD 8
/* Milliseconds for which a service is left alone whose device cannot have its
 * sessions. */
#define SUSPEND_NOBODY 1000
#define SUSPEND_UNFIT 30000

/* A packet that waits for its mapping. */
struct held_packet {
    struct ovs_list node; /* In struct mapping. */
    struct dp_packet *packet;
    ofp_port_t in_port;
};

struct mappings {
    struct mapping_services *services;
    struct hmap by_tuple, by_address, by_session;
    struct ovs_list waiting;   /* Of ASKED and INSTALLING, oldest first... */
    long long int next_expiry; /* Milliseconds: mapping_services_run(). */

    /* Questions that were answered in this turn. */
    struct counted {
        char bridge[64];
        uint32_t xid;
    } * counted;
    size_t n_counted, allocated_counted;
};

struct mappings *
mappings_create(void)
{
    struct mappings *ms = xzalloc(sizeof *ms);

    ms->services = mapping_services_create();
    hmap_init(&ms->by_tuple);
    hmap_init(&ms->by_address);
    hmap_init(&ms->by_session);
    ovs_list_init(&ms->waiting);
    ms->next_expiry = LLONG_MAX;
    return ms;
}

struct mapping_services *
mappings_services(const struct mappings *ms)
{
    return ms->services;
}

size_t
mappings_count(const struct mappings *ms)
{
    return hmap_count(&ms->by_tuple);
}

/* The tables. */

static uint32_t
hash_tuple(const struct mapping_service *service,
           const struct in6_addr *correspondent, uint16_t port)
{
    return hash_bytes(correspondent, sizeof *correspondent,
                      hash_pointer(service, port));
}

static uint32_t
hash_address(const struct in6_addr *address)
{
    return hash_bytes(address, sizeof *address, 0);
}

static struct mapping *
find_tuple(const struct mappings *ms, const struct mapping_service *service,
           const struct in6_addr *correspondent, uint16_t port)
{
    struct mapping *m;

    HMAP_FOR_EACH_WITH_HASH(m, tuple_node,
                            hash_tuple(service, correspondent, port),
                            &ms->by_tuple) {
        if (m->service == service && m->correspondent_port == port
            && ipv6_addr_equals(&m->correspondent, correspondent)) {
            return m;
        }
    }
    return NULL;
}

static struct mapping *
find_address(const struct mappings *ms, const struct in6_addr *address)
{
    struct mapping *m;

    HMAP_FOR_EACH_WITH_HASH(m, address_node, hash_address(address),
                            &ms->by_address) {
        if (ipv6_addr_equals(&m->address, address)) {
            return m;
        }
    }
    return NULL;
}

const struct mapping *
mapping_find_address(const struct mappings *ms, const struct in6_addr *address)
{
    return find_address(ms, address);
}

static struct mapping *
find_session(const struct mappings *ms, const struct uuid *session)
{
    struct mapping *m;

    HMAP_FOR_EACH_WITH_HASH(m, session_node, uuid_hash(session),
                            &ms->by_session) {
        if (uuid_equals(&m->session, session)) {
            return m;
        }
    }
    return NULL;
}

/* By what a flow of kind IN has in its match. */
static struct mapping *
find_flow(const struct mappings *ms, const struct flow_mapping *flow)
{
    const struct mapping_service *service = mapping_service_find(
        ms->services, flow->protocol, &flow->permanent, flow->port);

    return service ? find_tuple(ms, service, &flow->correspondent,
                                flow->correspondent_port)
                   : NULL;
}

const struct mapping *
mapping_find(const struct mappings *ms, const struct flow_mapping *flow)
{
    return find_flow(ms, flow);
}

const struct mapping *
mapping_next(const struct mappings *ms, const struct mapping *m)
{
    struct hmap_node *node = m ? hmap_next(&ms->by_tuple, &m->tuple_node)
                               : hmap_first(&ms->by_tuple);

    return node ? CONTAINER_OF(node, struct mapping, tuple_node) : NULL;
}

static bool
is_waiting(const struct mapping *m)
{
    return m->state == MAPPING_ASKED || m->state == MAPPING_INSTALLING;
}

static bool
is_half_open(const struct mapping *m)
{
    return m->state <= MAPPING_HALF_OPEN;
}

static void
set_state(struct mapping *m, enum mapping_state state)
{
    m->service->n_half_open -= is_half_open(m);
    m->state = state;
    m->service->n_half_open += is_half_open(m);
}

static void
set_session(struct mappings *ms, struct mapping *m, const struct uuid *session)
{
    if (!uuid_is_zero(&m->session)) {
        hmap_remove(&ms->by_session, &m->session_node);
    }
    m->session = *session;
    hmap_insert(&ms->by_session, &m->session_node, uuid_hash(session));
}

static void
set_address(struct mappings *ms, struct mapping *m,
            const struct in6_addr *address)
{
    m->address = *address;
    hmap_insert(&ms->by_address, &m->address_node, hash_address(address));
}

static struct mapping *
mapping_create(struct mappings *ms, struct mapping_service *service,
               const struct in6_addr *correspondent, uint16_t port)
{
    struct mapping *m = xzalloc(sizeof *m);

    m->service = service;
    m->correspondent = *correspondent;
    m->correspondent_port = port;
    m->since = time_wall_msec();
    uuid_generate(&m->key);
    ovs_list_init(&m->waiting_node);
    ovs_list_init(&m->held);
    hmap_insert(&ms->by_tuple, &m->tuple_node,
                hash_tuple(service, correspondent, port));
    mapping_service_add(service, correspondent);
    service->n_half_open++; /* It is ASKED. */
    return m;
}

static void
mapping_free(struct mappings *ms, struct mapping *m)
{
    struct held_packet *held;

    LIST_FOR_EACH_POP(held, node, &m->held) {
        dp_packet_delete(held->packet);
        free(held);
    }
    m->service->n_half_open -= is_half_open(m);
    mapping_service_remove(m->service, &m->correspondent);
    ovs_list_remove(&m->waiting_node);
    hmap_remove(&ms->by_tuple, &m->tuple_node);
    if (m->state != MAPPING_ASKED) {
        hmap_remove(&ms->by_address, &m->address_node);
    }
    if (!uuid_is_zero(&m->session)) {
        hmap_remove(&ms->by_session, &m->session_node);
    }
    free(m);
}

void
mappings_destroy(struct mappings *ms)
{
    struct mapping *m;

    HMAP_FOR_EACH_SAFE(m, tuple_node, &ms->by_tuple) {
        mapping_free(ms, m);
    }
    hmap_destroy(&ms->by_tuple);
    hmap_destroy(&ms->by_address);
    hmap_destroy(&ms->by_session);
    mapping_services_destroy(ms->services);
    free(ms->counted);
    free(ms);
}

/* Flows. */

void
mapping_to_flow(const struct mapping *m, struct flow_mapping *flow)
{
    const struct mapping_service *service = m->service;

    memset(flow, 0, sizeof *flow);
    flow->protocol = service->flows.protocol;
    flow->permanent = service->flows.permanent;
    flow->port = service->flows.port;
    flow->correspondent = m->correspondent;
    flow->correspondent_port = m->correspondent_port;
    flow->address = m->address;
    flow->half_open = is_half_open(m);
    flow->idle_s = (flow->half_open ? service->half_open_s
                    : m->state == MAPPING_CLOSING
                        ? MIN(CLOSING_IDLE, service->idle_s)
                        : service->idle_s);
}

static void
set_flows(struct controller *c, const struct mapping *m)
{
    struct flow_mapping flow;

    mapping_to_flow(m, &flow);
    network_set_mapping(c->network, m->service->bridge, &m->key, &flow);
}

static struct bridge *
bridge_of(const struct controller *c, const struct mapping *m)
{
    return network_find(c->network, m->service->bridge);
}

/* Packets. */

static void
pass_on(struct bridge *bridge, const struct bridge_packet *packet)
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
static void
release(struct controller *c, struct mapping *m, bool translated)
{
    struct bridge *bridge = bridge_of(c, m);
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

/* Asking. */

static struct device *
owner_of(const struct controller *c, const struct in6_addr *address)
{
    const char *name = guard_owner(c, address);
    struct device *device = name ? device_find(&c->devices, name) : NULL;

    return device && device->link ? device : NULL;
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

static void
announce(struct controller *c, const struct device *device,
         const struct mapping *m)
{
    char *name = name_of(m);

    session_announce(&c->sessions, &m->session, &m->address, 0, device->name,
                     name, m->service->service);
    free(name);
}

static void
ask(struct device *device, const struct mapping *m, bool again)
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
        pass_on(bridge, packet);
        return;
    }
    m = mapping_create(c->mappings, service, &mp->src, mp->src_port);
    uuid_generate(&session);
    set_session(c->mappings, m, &session);
    m->deadline = time_msec() + ASK_TIMEOUT;
    ovs_list_push_back(&c->mappings->waiting, &m->waiting_node);
    hold(m, packet);
    ask(device, m, false);
}

static void
handle_first(struct controller *c, struct bridge *bridge,
             const struct bridge_packet *packet)
{
    struct mapping_service *service;
    struct mapping_packet mp;
    struct mapping *m;

    if (!mapping_packet_read(packet->data, packet->size, &mp)) {
        pass_on(bridge, packet);
        return;
    }
    service = mapping_service_find(c->mappings->services, mp.protocol, &mp.dst,
                                   mp.dst_port);
    if (!service || strcmp(service->bridge, bridge_get_name(bridge))) {
        pass_on(bridge, packet);
        return;
    }
    m = find_tuple(c->mappings, service, &mp.src, mp.src_port);
    if (m && is_waiting(m)) {
        if (mp.protocol == IPPROTO_UDP) {
            hold(m, packet);
        } /* A SYN that came again is as good as the first. */
    } else if (m) {
        hold(m, packet);
        release(c, m, true);
    } else if (mapping_service_admit(service, c->network, &mp.src,
                                     time_msec())) {
        begin(c, service, bridge, packet, &mp);
    } else {
        pass_on(bridge, packet);
    }
}

/* A copy of a packet of a session's, translated. */
static void
handle_news(struct controller *c, const struct bridge_packet *packet)
{
    struct mapping_service *service;
    struct mapping_packet mp;
    enum mapping_state state;
    struct mapping *m;
    int side;

    if (!mapping_packet_read(packet->data, packet->size, &mp)) {
        return;
    }
    m = find_address(c->mappings, &mp.dst);
    side = MAPPING_IN;
    if (!m) {
        side = MAPPING_OUT;
        service = mapping_service_find(c->mappings->services, mp.protocol,
                                       &mp.src, mp.src_port);
        m = service ? find_tuple(c->mappings, service, &mp.dst, mp.dst_port)
                    : NULL;
    }
    if (!m || is_waiting(m)) {
        return;
    }
    m->sides[side].fin |= (mp.tcp_flags & TCP_FIN) != 0;
    state = (mp.tcp_flags & TCP_RST
                     || (m->sides[MAPPING_IN].fin && m->sides[MAPPING_OUT].fin)
                 ? MAPPING_CLOSING
             : side == MAPPING_IN && m->state == MAPPING_HALF_OPEN
                 ? MAPPING_OPEN
                 : m->state);
    if (state != m->state) {
        set_state(m, state);
        set_flows(c, m);
    }
}

void
mapping_translate_error(const struct controller *c, void *frame, size_t size)
{
    const struct mapping_packet *q;
    struct mapping_error error;
    struct mapping *m;

    if (!mapping_error_read(frame, size, &error)) {
        return;
    }
    q = &error.quoted;
    if (ipv6_addr_equals(&error.dst, &q->src)) {
        struct flow_mapping flow = { .protocol = q->protocol,
                                     .permanent = q->src,
                                     .port = q->src_port,
                                     .correspondent = q->dst,
                                     .correspondent_port = q->dst_port };

        m = find_flow(c->mappings, &flow);
        if (m && !is_waiting(m)) {
            mapping_error_set(frame, size, false, &m->address);
            return;
        }
    }
    if (ipv6_addr_equals(&error.src, &q->dst)) {
        m = find_address(c->mappings, &error.src);
        if (m) {
            mapping_error_set(frame, size, true, &m->service->flows.permanent);
        }
    }
}

static void
handle_error(struct controller *c, struct bridge *bridge,
             const struct bridge_packet *packet)
{
    mapping_translate_error(c, packet->data, packet->size);
    pass_on(bridge, packet);
}

void
mapping_handle_packet(struct controller *c, struct bridge *bridge,
                      const struct bridge_packet *packet)
{
    if (packet->kind == BATON_FLOW_MAPPING_FIRST) {
        handle_first(c, bridge, packet);
    } else if (packet->kind == BATON_FLOW_MAPPING_NEWS) {
        handle_news(c, packet);
    } else if (packet->kind == BATON_FLOW_MAPPING_ERROR) {
        handle_error(c, bridge, packet);
    }
}

/* Ends. */

static void
send_unmap(struct device *device, const struct uuid *session,
           const struct in6_addr *address, const char *reason)
{
    struct json *params = json_object_create();

    message_put_uuid(params, "session", session);
    message_put_address(params, "address", address);
    message_put_string(params, "reason", reason);
    link_notify(device->link, "unmap", params);
}

/* 'tell': whoever has the session is to end it. */
static void
end(struct controller *c, struct mapping *m, bool tell, const char *reason)
{
    char text[INET6_ADDRSTRLEN];

    if (m->state != MAPPING_ASKED) {
        VLOG_DBG("%s: the mapping of %s port %" PRIu16 " is over: %s",
                 m->service->name, ipv6_string_mapped(text, &m->correspondent),
                 m->correspondent_port, reason);
        network_unset(c->network, m->service->bridge, &m->key);
        if (tell) {
            struct device *owner = owner_of(c, &m->address);

            if (owner && !uuid_is_zero(&m->session)) {
                send_unmap(owner, &m->session, &m->address, reason);
            }
        }
    }
    mapping_free(c->mappings, m);
}

/* The device does not have it: its first packets go on as they are. */
static void
give_up(struct controller *c, struct mapping *m)
{
    m->service->n_passed[PASSED_DEVICE]++;
    release(c, m, false);
    mapping_free(c->mappings, m);
}

void
mapping_session_ended(struct controller *c, const struct in6_addr *address)
{
    struct mapping *m = find_address(c->mappings, address);

    if (m) {
        end(c, m, false, "the session ended");
    }
}

/* What devices say. */

static bool
may_have(const struct controller *c, const struct device *device,
         const struct mapping *m, const struct in6_addr *address)
{
    const char *lessee = leases_lessee(c->leases, address);
    struct record view;

    return (IN6_IS_ADDR_V4MAPPED(address)
                == IN6_IS_ADDR_V4MAPPED(&m->correspondent)
            && lessee && !strcmp(lessee, device->name)
            && nullable_string_is_equal(leases_home_bridge(c->leases, address),
                                        m->service->bridge)
            && !leases_is_permanent(c->leases, address)
            && !record_find_address(c->records, address, &view)
            && !find_address(c->mappings, address));
}

void
mapping_mapped(struct controller *c, struct device *device,
               const struct uuid *session, const struct in6_addr *address)
{
    struct mapping *m = find_session(c->mappings, session);
    char text[INET6_ADDRSTRLEN];

    ipv6_string_mapped(text, address);
    if (m && m->state != MAPPING_ASKED && owner_of(c, address) == device
        && ipv6_addr_equals(&m->address, address)) {
        announce(c, device, m); /* It has it again. */
        return;
    }
    if (!m || m->state != MAPPING_ASKED
        || strcmp(m->service->device, device->name)) {
        if (!m || m->state == MAPPING_ASKED) {
            send_unmap(device, session, address, "it came too late");
        }
        return;
    }
    if (!may_have(c, device, m, address)) {
        VLOG_WARN_RL(&rl,
                     "%s: %s is not an address that it may use for a "
                     "mapped session",
                     device->name, text);
        send_unmap(device, session, address, "not an address of its block");
        give_up(c, m);
        return;
    }
    set_address(c->mappings, m, address);
    set_state(m, MAPPING_INSTALLING);
    m->deadline = time_msec() + INSTALL_TIMEOUT;
    m->service->n_mapped++;
    announce(c, device, m);
    set_flows(c, m);
}

void
mapping_unmapped(struct controller *c, struct device *device,
                 const struct uuid *session, const char *code,
                 const char *reason)
{
    struct mapping *m = find_session(c->mappings, session);

    if (!m || strcmp(m->service->device, device->name)) {
        return;
    } else if (m->state != MAPPING_ASKED) {
        end(c, m, false, reason);
        return;
    }
    if (!strcmp(code, "nobody") || !strcmp(code, "unfit")) {
        mapping_service_suspend(
            m->service, c->network, time_msec(),
            !strcmp(code, "unfit") ? SUSPEND_UNFIT : SUSPEND_NOBODY, reason);
    } else {
        VLOG_INFO_RL(&rl, "%s: %s has no session: %s", m->service->name,
                     device->name, reason);
    }
    give_up(c, m);
}

void
mapping_announced(struct controller *c, struct device *device,
                  const struct uuid *session, const struct in6_addr *address,
                  bool mapped)
{
    struct mapping *m = find_address(c->mappings, address);

    if (m && !uuid_equals(&m->session, session)) {
        if (uuid_is_zero(&m->session)) {
            set_session(c->mappings, m, session);
        } else {
            end(c, m, false, "another session has its address");
            m = NULL;
        }
    }
    if (!m && mapped) {
        send_unmap(device, session, address, "it is not mapped any more");
    }
}

/* A device's agent forgets what it was not asked for by an application. */
void
mapping_registered(struct controller *c, struct device *device)
{
    struct record view;
    struct mapping *m;

    HMAP_FOR_EACH_SAFE(m, tuple_node, &c->mappings->by_tuple) {
        if (strcmp(m->service->device, device->name)
            || record_find_address(c->records, &m->address, &view)) {
            continue; /* What has moved has an application that shows it. */
        } else if (m->state == MAPPING_ASKED) {
            give_up(c, m);
        } else if (owner_of(c, &m->address) == device
                   && (uuid_is_zero(&m->session)
                       || !session_find(&c->sessions, &m->session))) {
            if (uuid_is_zero(&m->session)) {
                struct uuid session;

                uuid_generate(&session);
                set_session(c->mappings, m, &session);
            }
            ask(device, m, true);
        }
    }
}

void
mapping_put_expect(const struct controller *c, const struct transfer *t,
                   struct json *params)
{
    const struct mapping *m = find_address(c->mappings, &t->address);

    if (m) {
        message_put_address(params, "mapped", &m->service->flows.permanent);
    }
}

unsigned int
mapping_ready(const struct controller *c, const char *device)
{
    const struct mapping_service *service = NULL;
    unsigned int ready = 0;

    while ((service = mapping_service_next(c->mappings->services, service))) {
        if (!strcmp(service->device, device)) {
            ready = MAX(ready, service->ready);
        }
    }
    return ready;
}

/* What switches say. */

static void
adopt(struct controller *c, const char *bridge,
      const struct flow_news_item *item)
{
    const struct flow_mapping *flow = &item->mapping;
    struct mapping_service *service = mapping_service_find(
        c->mappings->services, flow->protocol, &flow->permanent, flow->port);
    struct record view;
    const struct record *record;
    struct mapping *m;

    if (item->kind != BATON_FLOW_MAPPED_IN || !service
        || strcmp(service->bridge, bridge)
        || find_address(c->mappings, &flow->address)
        || find_tuple(c->mappings, service, &flow->correspondent,
                      flow->correspondent_port)
        || service->n_sessions >= service->max_sessions) {
        return;
    }
    m = mapping_create(c->mappings, service, &flow->correspondent,
                       flow->correspondent_port);
    set_address(c->mappings, m, &flow->address);
    set_state(m, flow->half_open ? MAPPING_HALF_OPEN : MAPPING_OPEN);
    m->since -= item->seconds * 1000LL;
    record = record_find_address(c->records, &flow->address, &view);
    if (record) {
        set_session(c->mappings, m, &record->session);
    } else {
        const struct session *session = session_find_address(
            &c->sessions, &flow->address, service->device);

        if (session) {
            set_session(c->mappings, m, &session->id);
        }
    }
    set_flows(c, m);
}

/* A direction was without packets for as long as its flow may be.  The session
 * is over if the other one was, too: each TCP segment has its answer, so they
 * are idle together; of one-way datagrams one is always idle.  Otherwise the
 * flow comes again. */
static void
handle_idle(struct controller *c, const char *bridge,
            const struct flow_news_item *item)
{
    bool in = item->kind == BATON_FLOW_MAPPED_IN;
    struct mapping *m = in ? find_flow(c->mappings, &item->mapping)
                           : find_address(c->mappings, &item->mapping.address);
    struct mapping_side *side, *other;
    long long int now = time_msec();
    struct flow_mapping flow;

    if (!m || is_waiting(m) || strcmp(m->service->bridge, bridge)) {
        return;
    }
    side = &m->sides[in ? MAPPING_IN : MAPPING_OUT];
    other = &m->sides[in ? MAPPING_OUT : MAPPING_IN];
    side->packets += item->packets;
    side->bytes += item->bytes;
    side->live_packets = side->live_bytes = 0;
    mapping_to_flow(m, &flow);
    if (in && m->state == MAPPING_HALF_OPEN) {
        end(c, m, true, "nothing came after its first packet");
    } else if (other->idle_at
               && (now - other->idle_at < IDLE_TOGETHER
                   || (!item->packets
                       && now - other->idle_at < flow.idle_s * 1000LL))) {
        end(c, m, true,
            m->state == MAPPING_CLOSING ? "both ends have closed"
                                        : "no packet for its idle time");
    } else {
        side->idle_at = now;
    }
}

static void
take_counters(struct controller *c, const struct flow_news_item *item)
{
    struct mapping *m = find_address(c->mappings, &item->mapping.address);

    if (m) {
        bool in = item->kind == BATON_FLOW_MAPPED_IN;
        struct mapping_side *side = &m->sides[in ? MAPPING_IN : MAPPING_OUT];

        side->live_packets = item->packets;
        side->live_bytes = item->bytes;
    }
}

static void
note_counted(struct mappings *ms, const char *bridge, uint32_t xid)
{
    struct counted *counted;

    if (ms->n_counted >= ms->allocated_counted) {
        ms->counted = x2nrealloc(ms->counted, &ms->allocated_counted,
                                 sizeof *ms->counted);
    }
    counted = &ms->counted[ms->n_counted++];
    ovs_strlcpy(counted->bridge, bridge, sizeof counted->bridge);
    counted->xid = xid;
}

bool
mappings_was_counted(const struct mappings *ms, const char *bridge,
                     uint32_t xid)
{
    for (size_t i = 0; i < ms->n_counted; i++) {
        if (ms->counted[i].xid == xid
            && !strcmp(ms->counted[i].bridge, bridge)) {
            return true;
        }
    }
    return false;
}

static void
run_news(struct controller *c, struct bridge *bridge)
{
    struct flow_news *news = bridge_get_news(bridge);
    struct flow_news_item item;

    while (flow_news_next(news, &item)) {
        if (item.type == FLOW_FOUND) {
            adopt(c, bridge_get_name(bridge), &item);
        } else if (item.type == FLOW_REMOVED) {
            handle_idle(c, bridge_get_name(bridge), &item);
        } else if (item.type == FLOW_COUNTED) {
            take_counters(c, &item);
        } else if (item.type == FLOW_ALL) {
            note_counted(c->mappings, bridge_get_name(bridge), item.xid);
        }
    }
}

/* Running. */

void
mappings_configure(struct controller *c)
{
    struct mappings *ms = c->mappings;
    struct mapping *m;

    mapping_services_configure(ms->services, c->network, c->policy);
    HMAP_FOR_EACH_SAFE(m, tuple_node, &ms->by_tuple) {
        if (!m->service->keep) {
            end(c, m, true, "its service is not in the policy any more");
        }
    }
    mapping_services_sweep(ms->services, c->network);
}

/* Gives the INSTALLING that are not flushed yet their number. */
static void
flush(struct controller *c)
{
    struct mapping *m;

    for (struct bridge *bridge = network_next(c->network, NULL); bridge;
         bridge = network_next(c->network, bridge)) {
        const char *name = bridge_get_name(bridge);
        uint64_t seqno = 0;

        LIST_FOR_EACH(m, waiting_node, &c->mappings->waiting) {
            if (m->state == MAPPING_INSTALLING && !m->seqno
                && !strcmp(m->service->bridge, name)) {
                seqno = seqno ? seqno : network_flush(c->network, name);
                m->seqno = seqno;
            }
        }
    }
    network_flush_all(c->network);
}

static void
run_waiting(struct controller *c)
{
    long long int now = time_msec();
    struct mapping *m;

    LIST_FOR_EACH_SAFE(m, waiting_node, &c->mappings->waiting) {
        struct bridge *bridge = bridge_of(c, m);

        if (m->state == MAPPING_ASKED && now >= m->deadline) {
            give_up(c, m);
        } else if (m->state == MAPPING_INSTALLING && m->seqno && bridge
                   && bridge_acked(bridge) >= m->seqno) {
            ovs_list_remove(&m->waiting_node);
            ovs_list_init(&m->waiting_node);
            set_state(m, MAPPING_HALF_OPEN);
            release(c, m, true);
        } else if (m->state == MAPPING_INSTALLING && now >= m->deadline) {
            end(c, m, true, "the bridge does not answer");
        }
    }
}

void
mappings_run(struct controller *c)
{
    struct mappings *ms = c->mappings;

    ms->n_counted = 0;
    for (struct bridge *bridge = network_next(c->network, NULL); bridge;
         bridge = network_next(c->network, bridge)) {
        run_news(c, bridge);
    }
    ms->next_expiry = mapping_services_run(ms->services, c->network,
                                           time_msec());
    run_waiting(c);
    flush(c);
}

void
mappings_wait(struct controller *c)
{
    const struct mapping *m;

    if (c->mappings->next_expiry != LLONG_MAX) {
        poll_timer_wait_until(c->mappings->next_expiry);
    }
    LIST_FOR_EACH(m, waiting_node, &c->mappings->waiting) {
        poll_timer_wait_until(m->deadline);
    }
}
