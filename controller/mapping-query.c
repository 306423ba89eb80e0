/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "mapping-query.h"

#include <stdlib.h>
#include <string.h>

#include "bridge.h"
#include "controller.h"
#include "device.h"
#include "guard.h"
#include "jsonrpc.h"
#include "link.h"
#include "mapping.h"
#include "message.h"
#include "method.h"
#include "network.h"
#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "packets.h"
#include "sset.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"
#include "uuid.h"

/* Of one device at once. */
#define MAX_QUERIES 16

/* A bridge that was asked. */
struct asked {
    char *bridge;
    uint32_t xid; /* Of the end of its answer. */
};

struct mapping_query {
    struct ovs_list node;        /* In struct controller. */
    struct unixctl_conn *conn;   /* Who asked: an operator... */
    char *device;                /* ...or a device, by 'request'. */
    struct jsonrpc_msg *request; /* NULL: an operator. */
    unsigned int registration;   /* Of the device. */
    struct uuid session;         /* The only one; or zero. */
    struct asked *asked;
    size_t n_asked;
    long long int deadline; /* Milliseconds. */
};

/* Asking. */

static bool
is_of(const struct controller *c, const struct mapping *m, const char *device)
{
    const char *owner = guard_owner(c, &m->address);

    return (!strcmp(m->service->device, device)
            || nullable_string_is_equal(owner, device));
}

static bool
concerns(const struct controller *c, const struct mapping_query *q,
         const struct mapping *m)
{
    return (
        m->state != MAPPING_ASKED
        && (uuid_is_zero(&q->session) || uuid_equals(&q->session, &m->session))
        && (!q->device || is_of(c, m, q->device)));
}

static void
ask_bridge(struct mapping_query *q, struct bridge *bridge,
           const struct flow_mapping *flow)
{
    uint32_t xid = bridge_ask_counters(bridge, flow);

    if (xid) {
        q->asked = xrealloc(q->asked, (q->n_asked + 1) * sizeof *q->asked);
        q->asked[q->n_asked++] = (struct asked){
            xstrdup(bridge_get_name(bridge)), xid
        };
    }
}

static void
start(struct controller *c, struct mapping_query *q)
{
    const struct mapping_service *service = NULL;
    struct sset bridges = SSET_INITIALIZER(&bridges);
    const struct mapping *m = NULL;
    const char *name;

    q->deadline = time_msec() + MAPPING_QUERY_TIMEOUT;
    ovs_list_push_back(&c->mapping_queries, &q->node);
    if (!uuid_is_zero(&q->session)) {
        while ((m = mapping_next(c->mappings, m))) {
            struct bridge *bridge = network_find(c->network,
                                                 m->service->bridge);

            if (bridge && concerns(c, q, m)) {
                struct flow_mapping flow;

                mapping_to_flow(m, &flow);
                ask_bridge(q, bridge, &flow);
            }
        }
        return;
    }
    while ((service = mapping_service_next(mappings_services(c->mappings),
                                           service))) {
        sset_add(&bridges, service->bridge);
    }
    SSET_FOR_EACH(name, &bridges) {
        struct bridge *bridge = network_find(c->network, name);

        if (bridge) {
            ask_bridge(q, bridge, NULL);
        }
    }
    sset_destroy(&bridges);
}

/* Answering. */

static const char *
state_name(enum mapping_state state)
{
    switch (state) {
    case MAPPING_ASKED: return "asked";
    case MAPPING_INSTALLING: return "installing";
    case MAPPING_HALF_OPEN: return "half-open";
    case MAPPING_OPEN: return "open";
    case MAPPING_CLOSING: return "closing";
    default: OVS_NOT_REACHED();
    }
}

static const char *
protocol_name(uint8_t protocol)
{
    return protocol == IPPROTO_TCP ? "tcp" : "udp";
}

static void
put_counters(struct json *object, const struct mapping_side *side,
             const char *packets, const char *bytes)
{
    message_put_integer(object, packets, side->packets + side->live_packets);
    message_put_integer(object, bytes, side->bytes + side->live_bytes);
}

static struct json *
show_mapping(const struct controller *c, const struct mapping *m)
{
    const struct mapping_service *service = m->service;
    const char *owner = guard_owner(c, &m->address);
    struct json *object = json_object_create();

    message_put_uuid(object, "session", &m->session);
    message_put_string(object, "movable", service->name);
    message_put_string(object, "protocol",
                       protocol_name(service->flows.protocol));
    message_put_address(object, "permanent", &service->flows.permanent);
    message_put_integer(object, "port", service->flows.port);
    message_put_address(object, "address", &m->address);
    message_put_address(object, "correspondent", &m->correspondent);
    message_put_integer(object, "correspondent_port", m->correspondent_port);
    message_put_string(object, "device", service->device);
    message_put_string(object, "owner", owner ? owner : "");
    message_put_integer(object, "since", m->since);
    message_put_string(object, "state", state_name(m->state));
    put_counters(object, &m->sides[MAPPING_IN], "packets_in", "bytes_in");
    put_counters(object, &m->sides[MAPPING_OUT], "packets_out", "bytes_out");
    return object;
}

static struct json *
show_service(const struct mapping_service *service)
{
    struct json *object = json_object_create();

    message_put_string(object, "movable", service->name);
    message_put_string(object, "protocol",
                       protocol_name(service->flows.protocol));
    message_put_address(object, "permanent", &service->flows.permanent);
    message_put_integer(object, "port", service->flows.port);
    message_put_string(object, "device", service->device);
    message_put_string(object, "service", service->service);
    message_put_integer(object, "sessions", service->n_sessions);
    message_put_integer(object, "half_open", service->n_half_open);
    message_put_integer(object, "mapped", service->n_mapped);
    for (int i = 0; i < PASSED_N; i++) {
        char *name = xasprintf("passed_%s", mapping_passed_to_string(i));

        for (char *p = name; *p; p++) {
            *p = *p == '-' ? '_' : *p;
        }
        message_put_integer(object, name, service->n_passed[i]);
        free(name);
    }
    message_put_integer(object, "fragments", service->n_fragments);
    message_put_integer(object, "suspensions", service->n_suspensions);
    message_put_boolean(object, "suspended", service->suspended_until != 0);
    return object;
}

static struct json *
answer(const struct controller *c, const struct mapping_query *q)
{
    struct json *mappings = json_array_create_empty();
    struct json *object = json_object_create();
    const struct mapping *m = NULL;

    while ((m = mapping_next(c->mappings, m))) {
        if (concerns(c, q, m)) {
            json_array_add(mappings, show_mapping(c, m));
        }
    }
    json_object_put(object, "mappings", mappings);
    if (q->conn) {
        struct json *services = json_array_create_empty();
        const struct mapping_service *s = NULL;

        while ((s = mapping_service_next(mappings_services(c->mappings), s))) {
            json_array_add(services, show_service(s));
        }
        json_object_put(object, "services", services);
    }
    return object;
}

static void
destroy(struct mapping_query *q)
{
    for (size_t i = 0; i < q->n_asked; i++) {
        free(q->asked[i].bridge);
    }
    free(q->asked);
    free(q->device);
    jsonrpc_msg_destroy(q->request);
    ovs_list_remove(&q->node);
    free(q);
}

static void
finish(struct controller *c, struct mapping_query *q)
{
    struct json *object = answer(c, q);

    if (q->conn) {
        char *s = json_to_string(object, JSSF_SORT);

        unixctl_command_reply(q->conn, s);
        free(s);
        json_destroy(object);
    } else {
        const struct device *device = device_find(&c->devices, q->device);

        if (device && device->link
            && device->n_registrations == q->registration) {
            link_reply(device->link, q->request, object);
        } else {
            json_destroy(object);
        }
    }
    destroy(q);
}

/* Takes out those of 'q' that have answered. */
static void
take_answers(struct controller *c, struct mapping_query *q)
{
    for (size_t i = 0; i < q->n_asked;) {
        struct asked *a = &q->asked[i];

        if (mappings_was_counted(c->mappings, a->bridge, a->xid)) {
            free(a->bridge);
            *a = q->asked[--q->n_asked];
        } else {
            i++;
        }
    }
}

void
mapping_queries_run(struct controller *c)
{
    struct mapping_query *q;

    LIST_FOR_EACH_SAFE(q, node, &c->mapping_queries) {
        take_answers(c, q);
        if (!q->n_asked || time_msec() >= q->deadline) {
            finish(c, q);
        }
    }
}

void
mapping_queries_wait(struct controller *c)
{
    const struct mapping_query *q;

    LIST_FOR_EACH(q, node, &c->mapping_queries) {
        poll_timer_wait_until(q->n_asked ? q->deadline : 0);
    }
}

void
mapping_queries_init(struct controller *c)
{
    ovs_list_init(&c->mapping_queries);
}

void
mapping_queries_destroy(struct controller *c)
{
    struct mapping_query *q;

    LIST_FOR_EACH_SAFE(q, node, &c->mapping_queries) {
        if (q->conn) {
            unixctl_command_reply_error(q->conn, "the controller ends");
        }
        destroy(q);
    }
}

/* Who asks. */

static void
ctl_mappings(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[] OVS_UNUSED, void *c)
{
    struct mapping_query *q = xzalloc(sizeof *q);

    q->conn = conn;
    start(c, q);
}

void
mapping_queries_register(struct controller *c)
{
    unixctl_command_register("baton/mappings", "", 0, 0, ctl_mappings, c);
}

static size_t
count_of(const struct controller *c, const char *device)
{
    const struct mapping_query *q;
    size_t n = 0;

    LIST_FOR_EACH(q, node, &c->mapping_queries) {
        n += nullable_string_is_equal(q->device, device);
    }
    return n;
}

void
method_mappings(struct controller *c, struct device *device,
                const struct jsonrpc_msg *msg, struct message *m)
{
    struct uuid session = UUID_ZERO;
    struct mapping_query *q;

    if (message_get_optional_string(m, "session", UUID_LEN)) {
        message_get_uuid(m, "session", &session);
    }
    if (!method_is_good(device, msg, m)) {
        return;
    } else if (count_of(c, device->name) >= MAX_QUERIES) {
        link_reply_error(device->link, msg, "busy",
                         "too many questions at once");
        return;
    }
    q = xzalloc(sizeof *q);
    q->device = xstrdup(device->name);
    q->request = jsonrpc_msg_clone(msg);
    q->registration = device->n_registrations;
    q->session = session;
    start(c, q);
}
