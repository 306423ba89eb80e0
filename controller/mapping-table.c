/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "mapping-private.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "dp-packet.h"
#include "hash.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

/* Which mappings there are, and by what they are found. */

/* Seconds without a packet after which a session that both ends have closed is
 * over. */
#define CLOSING_IDLE 10

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

struct mapping *
mapping_table_find_tuple(const struct mappings *ms,
                         const struct mapping_service *service,
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

struct mapping *
mapping_table_find_address(const struct mappings *ms,
                           const struct in6_addr *address)
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
    return mapping_table_find_address(ms, address);
}

struct mapping *
mapping_table_find_session(const struct mappings *ms,
                           const struct uuid *session)
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
struct mapping *
mapping_table_find_flow(const struct mappings *ms,
                        const struct flow_mapping *flow)
{
    const struct mapping_service *service = mapping_service_find(
        ms->services, flow->protocol, &flow->permanent, flow->port);

    return service ? mapping_table_find_tuple(
               ms, service, &flow->correspondent, flow->correspondent_port)
                   : NULL;
}

const struct mapping *
mapping_find(const struct mappings *ms, const struct flow_mapping *flow)
{
    return mapping_table_find_flow(ms, flow);
}

const struct mapping *
mapping_next(const struct mappings *ms, const struct mapping *m)
{
    struct hmap_node *node = m ? hmap_next(&ms->by_tuple, &m->tuple_node)
                               : hmap_first(&ms->by_tuple);

    return node ? CONTAINER_OF(node, struct mapping, tuple_node) : NULL;
}

bool
mapping_is_waiting(const struct mapping *m)
{
    return m->state == MAPPING_ASKED || m->state == MAPPING_INSTALLING;
}

bool
mapping_is_half_open(const struct mapping *m)
{
    return m->state <= MAPPING_HALF_OPEN;
}

void
mapping_set_state(struct mapping *m, enum mapping_state state)
{
    m->service->n_half_open -= mapping_is_half_open(m);
    m->state = state;
    m->service->n_half_open += mapping_is_half_open(m);
}

void
mapping_set_session(struct mappings *ms, struct mapping *m,
                    const struct uuid *session)
{
    if (!uuid_is_zero(&m->session)) {
        hmap_remove(&ms->by_session, &m->session_node);
    }
    m->session = *session;
    hmap_insert(&ms->by_session, &m->session_node, uuid_hash(session));
}

void
mapping_set_address(struct mappings *ms, struct mapping *m,
                    const struct in6_addr *address)
{
    m->address = *address;
    hmap_insert(&ms->by_address, &m->address_node, hash_address(address));
}

struct mapping *
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

void
mapping_free(struct mappings *ms, struct mapping *m)
{
    struct held_packet *held;

    LIST_FOR_EACH_POP(held, node, &m->held) {
        dp_packet_delete(held->packet);
        free(held);
    }
    m->service->n_half_open -= mapping_is_half_open(m);
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
    flow->half_open = mapping_is_half_open(m);
    flow->idle_s = (flow->half_open ? service->half_open_s
                    : m->state == MAPPING_CLOSING
                        ? MIN(CLOSING_IDLE, service->idle_s)
                        : service->idle_s);
}
