/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "names.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "agent.h"
#include "controller-link.h"
#include "dns-message.h"
#include "dns-server.h"
#include "message.h"
#include "name-ledger.h"
#include "openvswitch/json.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "timeval.h"
#include "told.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(names);

/* Questions handled in one turn; addresses and services that a controller may
 * name. */
#define RUN_MAX 64
#define ADDRESSES_MAX 16
#define SERVICES_MAX 256

struct service {
    char *name, *service;
    uint8_t protocol;
    uint16_t port;
};

struct names {
    char *zone; /* NULL: none. */
    uint16_t port;
    unsigned int ttl_s, unused_s;
    struct dns_server *servers[ADDRESSES_MAX];
    size_t n_servers;
    struct service *services;
    size_t n_services;
    struct name_ledger ledger;
};

struct names *
names_create(void)
{
    struct names *names = xzalloc(sizeof *names);

    name_ledger_init(&names->ledger);
    return names;
}

/* Who was told what stays. */
static void
forget_zone(struct names *names)
{
    for (size_t i = 0; i < names->n_servers; i++) {
        dns_server_destroy(names->servers[i]);
    }
    names->n_servers = 0;
    for (size_t i = 0; i < names->n_services; i++) {
        free(names->services[i].name);
        free(names->services[i].service);
    }
    free(names->services);
    names->services = NULL;
    names->n_services = 0;
    free(names->zone);
    names->zone = NULL;
}

void
names_destroy(struct names *names)
{
    struct name_entry *e;

    if (names) {
        forget_zone(names);
        HMAP_FOR_EACH_SAFE(e, session_node, &names->ledger.by_session) {
            name_ledger_remove(&names->ledger, e);
            free(e);
        }
        name_ledger_destroy(&names->ledger);
        free(names);
    }
}

/* What the controller says. */

static char *
read_services(struct names *names, const struct json_array *array)
{
    char *error = NULL;

    names->services = xcalloc(array->n + 1, sizeof *names->services);
    for (size_t i = 0; i < array->n && !error; i++) {
        struct message m = MESSAGE_INITIALIZER(array->elems[i]);
        struct service *service = &names->services[names->n_services++];

        service->name = xstrdup(message_get_name(&m, "name"));
        service->service = xstrdup(message_get_name(&m, "service"));
        service->protocol = message_get_integer(&m, "protocol", 1, UINT8_MAX);
        service->port = message_get_integer(&m, "port", 1, UINT16_MAX);
        error = message_finish(&m);
    }
    return error;
}

static void
read_addresses(struct names *names, const struct json_array *array)
{
    for (size_t i = 0; i < array->n; i++) {
        const struct json *json = array->elems[i];
        struct in6_addr address;
        ovs_be32 ip;

        if (json->type != JSON_STRING) {
            continue;
        } else if (ip_parse(json_string(json), &ip)) {
            in6_addr_set_mapped_ipv4(&address, ip);
        } else if (!ipv6_parse(json_string(json), &address)) {
            continue;
        }
        names->servers[names->n_servers++] = dns_server_create(&address,
                                                               names->port);
    }
}

static void
configure(struct names *names, const struct json *object)
{
    struct message m = MESSAGE_INITIALIZER(object);
    const char *zone = message_get_string(&m, "zone", DNS_NAME_MAX);
    const struct json_array *addresses, *services;
    unsigned int per_source, rate;
    char *error;

    names->port = message_get_integer(&m, "port", 1, UINT16_MAX);
    names->ttl_s = message_get_integer(&m, "ttl", 0, 3600);
    names->unused_s = message_get_integer(&m, "unused", 1, 86400);
    per_source = message_get_integer(&m, "per_source", 1, 1000000);
    rate = message_get_integer(&m, "rate", 1, 1000000);
    addresses = message_get_array(&m, "addresses", ADDRESSES_MAX);
    services = message_get_array(&m, "services", SERVICES_MAX);
    error = message_finish(&m);
    if (!error && !dns_zone_is_valid(zone)) {
        error = xasprintf("\"%s\" is no zone", zone);
    }
    if (!error) {
        error = read_services(names, services);
    }
    if (error) {
        VLOG_WARN("the controller's \"names\" has the wrong form: %s", error);
        free(error);
        forget_zone(names);
        return;
    }
    names->zone = xstrdup(zone);
    read_addresses(names, addresses);
    name_ledger_configure(&names->ledger, per_source, rate, names->unused_s);
}

void
names_registered(struct agent *agent)
{
    const struct json *registration = controller_link_get_registration(
        agent->controller);
    const struct json *object = shash_find_data(json_object(registration),
                                                "names");

    forget_zone(agent->names);
    if (object) {
        configure(agent->names, object);
    }
}

/* Answers. */

static void
answer(struct names *names, struct dns_server *server,
       const struct dns_asker *asker, const struct dns_query *q,
       enum dns_rcode rcode, const struct in6_addr *address)
{
    struct dns_answer a = {
        .rcode = rcode,
        .ours = rcode != DNS_REFUSED,
        .has_address = address != NULL,
        .address = address ? *address : in6addr_any,
        .ttl = names->ttl_s,
    };
    struct ofpbuf reply;

    ofpbuf_init(&reply, 512);
    dns_answer_compose(q, names->zone, &a,
                       asker->connection ? DNS_MESSAGE_MAX : DNS_UDP_MAX,
                       &reply);
    dns_server_reply(server, asker, reply.data, reply.size);
    ofpbuf_uninit(&reply);
}

/* The device's address of that family, or NULL. */
static const struct in6_addr *
find_permanent(const struct names *names, int family)
{
    for (size_t i = 0; i < names->n_servers; i++) {
        const struct in6_addr *address = dns_server_get_address(
            names->servers[i]);

        if ((family == AF_INET) == IN6_IS_ADDR_V4MAPPED(address)) {
            return address;
        }
    }
    return NULL;
}

/* Makes an address for 'asker', or not: then stores in '*permanent' whether the
 * permanent one is to be said. */
static struct name_entry *
make(struct agent *agent, const struct service *service,
     const struct dns_asker *asker, const struct dns_query *q, bool *permanent)
{
    struct names *names = agent->names;
    struct told_request r = {
        .service = service->service,
        .family = dns_query_family(q),
        .protocol = service->protocol,
        .port = service->port,
        .unused_s = names->unused_s,
    };
    char text[INET6_ADDRSTRLEN], name[128];
    struct in6_addr address;
    struct name_entry *e;
    const char *code;

    *permanent = true;
    if (!name_ledger_admit(&names->ledger, asker)) {
        return NULL;
    }
    uuid_generate(&r.session);
    ipv6_string_mapped(text, &asker->address);
    snprintf(name, sizeof name, "%s for %s", service->name, text);
    r.name = name;
    code = told_make(agent, &r, &address);
    if (code) {
        *permanent = strcmp(code, "nobody") != 0;
        return NULL;
    }
    e = xzalloc(sizeof *e);
    e->session = r.session;
    e->asker = *asker;
    e->hash = dns_query_hash(q);
    name_ledger_add(&names->ledger, e, time_msec());
    name_ledger_told(&names->ledger, e, &address, time_msec());
    return e;
}

static void
handle_name(struct agent *agent, struct dns_server *server,
            const struct dns_asker *asker, const struct dns_query *q,
            const char *name)
{
    struct names *names = agent->names;
    const struct service *service = NULL;
    int family = dns_query_family(q);
    const struct in6_addr *own;
    struct name_entry *e;
    bool permanent = false;

    for (size_t i = 0; i < names->n_services; i++) {
        if (!strcasecmp(names->services[i].name, name)) {
            service = &names->services[i];
        }
    }
    own = family ? find_permanent(names, family) : NULL;
    if (!strcmp(name, "ns")) {
        answer(names, server, asker, q, DNS_NOERROR, own);
    } else if (!service || !family) {
        answer(names, server, asker, q, service ? DNS_NOERROR : DNS_NXDOMAIN,
               NULL);
    } else {
        e = name_ledger_find_repeated(&names->ledger, asker, dns_query_hash(q),
                                      time_msec());
        if (!e) {
            e = make(agent, service, asker, q, &permanent);
        }
        own = permanent ? own : NULL;
        answer(names, server, asker, q, e || own ? DNS_NOERROR : DNS_SERVFAIL,
               e ? &e->address : own);
    }
}

static void
handle_request(struct agent *agent, struct dns_server *server,
               const struct dns_request *request)
{
    struct dns_query *q = dns_query_parse(request->data->data,
                                          request->data->size);
    char name[DNS_NAME_MAX];

    if (!q) {
        return;
    }
    switch (dns_query_asks(q, agent->names->zone, name, sizeof name)) {
    case DNS_ASKED_APEX:
        answer(agent->names, server, &request->from, q, DNS_NOERROR, NULL);
        break;
    case DNS_ASKED_NAME:
        handle_name(agent, server, &request->from, q, name);
        break;
    case DNS_ASKED_ELSE:
    default:
        answer(agent->names, server, &request->from, q, DNS_REFUSED, NULL);
        break;
    }
    dns_query_destroy(q);
}

/* Running. */

static void
run_server(struct agent *agent, struct dns_server *server)
{
    struct dns_request request;

    dns_server_run(server);
    for (int i = 0; i < RUN_MAX && dns_server_next(server, &request); i++) {
        handle_request(agent, server, &request);
        ofpbuf_delete(request.data);
    }
}

void
names_run(struct agent *agent)
{
    struct names *names = agent->names;
    struct name_entry *e;

    for (size_t i = 0; i < names->n_servers; i++) {
        run_server(agent, names->servers[i]);
    }
    while ((e = name_ledger_next_over(&names->ledger, time_msec()))) {
        name_ledger_remove(&names->ledger, e);
        free(e);
    }
}

void
names_wait(const struct agent *agent)
{
    struct names *names = agent->names;

    for (size_t i = 0; i < names->n_servers; i++) {
        dns_server_wait(names->servers[i]);
    }
    poll_timer_wait_until(name_ledger_next_deadline(&names->ledger));
}
