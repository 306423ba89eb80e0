/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "names.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "attachment.h"
#include "controller.h"
#include "device.h"
#include "dns-message.h"
#include "dns-server.h"
#include "link.h"
#include "message.h"
#include "name-forward.h"
#include "name-ledger.h"
#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "policy.h"
#include "session.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(names);
static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(12, 12);

/* Questions handled in one turn. */
#define RUN_MAX 256

struct server {
    struct ovs_list node; /* In struct names. */
    struct in6_addr address;
    uint16_t port;
    struct dns_server *dns;
    bool keep; /* For names_configure(). */
};

/* An address for somebody. */
struct entry {
    struct name_entry entry;
    char *device;
    struct dns_query *query;   /* NULL: answered. */
    struct server *server;     /* Of 'query'. */
    struct in6_addr permanent; /* To fall back on; or any. */
};

struct names {
    struct ovs_list servers;
    struct name_forward *forward; /* Or NULL. */
    struct name_ledger ledger;    /* Of struct entry. */
    struct names_stats stats;
};

struct names *
names_create(void)
{
    struct names *names = xzalloc(sizeof *names);

    ovs_list_init(&names->servers);
    name_ledger_init(&names->ledger);
    return names;
}

static struct entry *
entry_cast(struct name_entry *e)
{
    return e ? CONTAINER_OF(e, struct entry, entry) : NULL;
}

static void
entry_free(struct names *names, struct entry *e)
{
    name_ledger_remove(&names->ledger, &e->entry);
    dns_query_destroy(e->query);
    free(e->device);
    free(e);
}

static void
server_free(struct names *names, struct server *server)
{
    struct entry *e;

    LIST_FOR_EACH_SAFE(e, entry.node, &names->ledger.wanted) {
        if (e->server == server) {
            entry_free(names, e);
        }
    }
    ovs_list_remove(&server->node);
    dns_server_destroy(server->dns);
    free(server);
}

void
names_destroy(struct names *names)
{
    struct server *server;
    struct entry *e;

    LIST_FOR_EACH_SAFE(server, node, &names->servers) {
        server_free(names, server);
    }
    HMAP_FOR_EACH_SAFE(e, entry.session_node, &names->ledger.by_session) {
        entry_free(names, e);
    }
    name_ledger_destroy(&names->ledger);
    name_forward_destroy(names->forward);
    free(names);
}

void
names_get_stats(const struct names *names, struct names_stats *stats)
{
    *stats = names->stats;
    stats->unused = ovs_list_size(&names->ledger.told);
}

/* Configuring. */

static struct server *
find_server(const struct names *names, const struct in6_addr *address,
            uint16_t port)
{
    struct server *server;

    LIST_FOR_EACH(server, node, &names->servers) {
        if (server->port == port
            && ipv6_addr_equals(&server->address, address)) {
            return server;
        }
    }
    return NULL;
}

void
names_configure(struct controller *c)
{
    const struct policy_names *pn = c->policy->names;
    struct names *names = c->names;
    struct server *server;

    LIST_FOR_EACH(server, node, &names->servers) {
        server->keep = false;
    }
    for (size_t i = 0; pn && i < pn->n_listen; i++) {
        server = find_server(names, &pn->listen[i], pn->port);
        if (!server) {
            server = xzalloc(sizeof *server);
            server->address = pn->listen[i];
            server->port = pn->port;
            server->dns = dns_server_create(&server->address, server->port);
            ovs_list_push_back(&names->servers, &server->node);
        }
        server->keep = true;
    }
    LIST_FOR_EACH_SAFE(server, node, &names->servers) {
        if (!server->keep) {
            server_free(names, server);
        }
    }
    name_forward_destroy(names->forward);
    names->forward = (pn && pn->forwards ? name_forward_create(&pn->forward_to)
                                         : NULL);
    if (pn) {
        name_ledger_configure(&names->ledger, pn->per_source, pn->rate,
                              pn->unused_s);
    }
}

/* Answers. */

static void
answer(struct controller *c, struct server *server,
       const struct dns_asker *asker, const struct dns_query *q,
       const struct dns_answer *a)
{
    size_t max = asker->connection ? DNS_MESSAGE_MAX : DNS_UDP_MAX;
    struct ofpbuf reply;

    ofpbuf_init(&reply, 512);
    dns_answer_compose(q, c->policy->names->zone, a, max, &reply);
    dns_server_reply(server->dns, asker, reply.data, reply.size);
    ofpbuf_uninit(&reply);
}

static void
answer_code(struct controller *c, struct server *server,
            const struct dns_asker *asker, const struct dns_query *q,
            enum dns_rcode rcode, bool ours)
{
    struct dns_answer a = {
        .rcode = rcode,
        .ours = ours,
        .ttl = c->policy->names->ttl_s,
    };

    answer(c, server, asker, q, &a);
}

static void
answer_address(struct controller *c, struct server *server,
               const struct dns_asker *asker, const struct dns_query *q,
               const struct in6_addr *address)
{
    struct dns_answer a = {
        .ours = true,
        .has_address = true,
        .address = *address,
        .ttl = c->policy->names->ttl_s,
    };

    answer(c, server, asker, q, &a);
}

/* Instead of a session address. */
static void
answer_permanent(struct controller *c, struct server *server,
                 const struct dns_asker *asker, const struct dns_query *q,
                 const struct in6_addr *permanent)
{
    c->names->stats.limited++;
    if (ipv6_addr_is_set(permanent)) {
        answer_address(c, server, asker, q, permanent);
    } else {
        answer_code(c, server, asker, q, DNS_SERVFAIL, true);
    }
}

/* Whom a question is about. */

static bool
has_family(const struct in6_addr *address, int family)
{
    return (IN6_IS_ADDR_V4MAPPED(address) ? AF_INET : AF_INET6) == family;
}

/* The device's address at which the service is for those who get no other. */
static struct in6_addr
find_permanent(const struct policy *policy, const char *device,
               const struct policy_movable *movable, int family)
{
    const struct policy_device *pd = shash_find_data(&policy->devices, device);

    for (size_t i = 0; pd && i < pd->n_permanent; i++) {
        const struct in6_addr *address = &pd->permanent[i].addr;

        if (has_family(address, family)
            && policy_movable_is_at(policy, movable, device, address)) {
            return *address;
        }
    }
    return in6addr_any;
}

/* Is 'name', in lower case, "MOVABLE" or "MOVABLE.DEVICE"? */
static bool
is_named(const char *name, const char *movable, const char *device)
{
    size_t n = strlen(movable);

    return (!strncasecmp(name, movable, n)
            && (!name[n]
                || (name[n] == '.' && !strcasecmp(name + n + 1, device))));
}

/* Of those that 'name' may mean, the device that has the fewest sessions.
 * '*known': policy has one, perhaps it is away. */
static struct device *
find_device(const struct controller *c, const char *name,
            const struct policy_movable **movablep, bool *known)
{
    struct device *device, *best = NULL;
    const struct shash_node *node;
    size_t least = SIZE_MAX;

    *known = false;
    SHASH_FOR_EACH(node, &c->policy->movables) {
        const struct policy_movable *movable = node->data;

        HMAP_FOR_EACH(device, node, &c->devices.devices) {
            size_t n;

            if (!is_named(name, movable->name, device->name)
                || !policy_movable_runs_on(c->policy, movable, device->name)) {
                continue;
            }
            *known = true;
            n = session_count_of(&c->sessions, device->name);
            if (device->link && device_is_attached(device, c->network)
                && n < least) {
                best = device;
                least = n;
                *movablep = movable;
            }
        }
    }
    return best;
}

/* Has the device make an address; takes 'q'. */
static void
tell(struct controller *c, struct server *server,
     const struct dns_asker *asker, struct dns_query *q,
     const struct policy_movable *movable, struct device *device)
{
    struct entry *e = xzalloc(sizeof *e);
    struct json *params = json_object_create();
    char text[INET6_ADDRSTRLEN];
    char *name;

    uuid_generate(&e->entry.session);
    e->entry.asker = *asker;
    e->entry.hash = dns_query_hash(q);
    e->device = xstrdup(device->name);
    e->query = q;
    e->server = server;
    e->permanent = find_permanent(c->policy, device->name, movable,
                                  dns_query_family(q));
    name_ledger_add(&c->names->ledger, &e->entry, time_msec());

    ipv6_string_mapped(text, &asker->address);
    name = xasprintf("%s for %s", movable->name, text);
    message_put_uuid(params, "session", &e->entry.session);
    message_put_integer(params, "family",
                        dns_query_family(q) == AF_INET ? 4 : 6);
    message_put_string(params, "name", name);
    message_put_string(params, "service", movable->service);
    message_put_integer(params, "protocol", movable->protocol);
    message_put_integer(params, "port", movable->port);
    message_put_integer(params, "unused", c->policy->names->unused_s);
    link_notify(device->link, "tell", params);
    free(name);
}

/* A question for a name in our zone.  Takes 'q'. */
static void
handle_name(struct controller *c, struct server *server,
            const struct dns_asker *asker, struct dns_query *q,
            const char *name)
{
    struct names *names = c->names;
    const struct policy_movable *movable = NULL;
    int family = dns_query_family(q);
    const struct name_entry *repeated;
    struct in6_addr permanent;
    struct device *device;
    bool known;

    if (!strcmp(name, "ns")) {
        if (has_family(&server->address, family)) {
            answer_address(c, server, asker, q, &server->address);
        } else {
            answer_code(c, server, asker, q, DNS_NOERROR, true);
        }
        dns_query_destroy(q);
        return;
    }
    device = find_device(c, name, &movable, &known);
    if (!device || !family) {
        answer_code(c, server, asker, q,
                    !known   ? DNS_NXDOMAIN
                    : family ? DNS_SERVFAIL
                             : DNS_NOERROR,
                    true);
        dns_query_destroy(q);
        return;
    }
    permanent = find_permanent(c->policy, device->name, movable, family);
    repeated = name_ledger_find_repeated(&names->ledger, asker,
                                         dns_query_hash(q), time_msec());
    if (repeated) {
        if (repeated->told) {
            answer_address(c, server, asker, q, &repeated->address);
        }
        dns_query_destroy(q);
    } else if (!name_ledger_admit(&names->ledger, asker)) {
        answer_permanent(c, server, asker, q, &permanent);
        dns_query_destroy(q);
    } else {
        tell(c, server, asker, q, movable, device);
    }
}

static void
handle_request(struct controller *c, struct server *server,
               const struct dns_request *request)
{
    struct names *names = c->names;
    struct dns_query *q = dns_query_parse(request->data->data,
                                          request->data->size);
    char name[DNS_NAME_MAX];

    if (!q) {
        return;
    }
    names->stats.questions++;
    switch (dns_query_asks(q, c->policy->names->zone, name, sizeof name)) {
    case DNS_ASKED_APEX:
        answer_code(c, server, &request->from, q, DNS_NOERROR, true);
        break;
    case DNS_ASKED_NAME:
        handle_name(c, server, &request->from, q, name);
        return;
    case DNS_ASKED_ELSE:
    default:
        if (names->forward
            && name_forward_ask(names->forward, server->address, server->port,
                                &request->from, request->data)) {
            names->stats.forwarded++;
        } else {
            names->stats.refused++;
            answer_code(c, server, &request->from, q, DNS_REFUSED, false);
        }
        break;
    }
    dns_query_destroy(q);
}

/* What devices say. */

static struct entry *
find_wanted(const struct names *names, const struct device *device,
            const struct uuid *session)
{
    struct entry *e = entry_cast(
        name_ledger_find_session(&names->ledger, session));

    return e && e->query && !strcmp(e->device, device->name) ? e : NULL;
}

void
names_told(struct controller *c, struct device *device,
           const struct uuid *session, const struct in6_addr *address)
{
    struct entry *e = find_wanted(c->names, device, session);

    if (!e || !c->policy->names
        || !has_family(address, dns_query_family(e->query))) {
        return; /* Too late: nobody will use it. */
    }
    c->names->stats.told++;
    answer_address(c, e->server, &e->entry.asker, e->query, address);
    dns_query_destroy(e->query);
    e->query = NULL;
    e->server = NULL;
    name_ledger_told(&c->names->ledger, &e->entry, address, time_msec());
}

static void
give_up(struct controller *c, struct entry *e, bool nobody)
{
    if (nobody) {
        answer_code(c, e->server, &e->entry.asker, e->query, DNS_SERVFAIL,
                    true);
    } else {
        answer_permanent(c, e->server, &e->entry.asker, e->query,
                         &e->permanent);
    }
    entry_free(c->names, e);
}

void
names_untold(struct controller *c, struct device *device,
             const struct uuid *session, const char *code, const char *reason)
{
    struct entry *e = find_wanted(c->names, device, session);

    if (e && c->policy->names) {
        VLOG_INFO_RL(&rl, "%s makes no session address: %s", device->name,
                     reason);
        give_up(c, e, !strcmp(code, "nobody"));
    }
}

/* Running. */

static void
run_entries(struct controller *c)
{
    struct name_entry *over;

    while ((over = name_ledger_next_over(&c->names->ledger, time_msec()))) {
        struct entry *e = entry_cast(over);

        if (e->query) {
            give_up(c, e, false);
        } else {
            entry_free(c->names, e);
        }
    }
}

static void
run_server(struct controller *c, struct server *server)
{
    struct dns_request request;

    dns_server_run(server->dns);
    for (int i = 0; i < RUN_MAX && dns_server_next(server->dns, &request);
         i++) {
        handle_request(c, server, &request);
        ofpbuf_delete(request.data);
    }
}

static void
run_forward(struct names *names)
{
    struct name_forward_reply reply;

    name_forward_run(names->forward);
    while (name_forward_next(names->forward, &reply)) {
        struct server *server = find_server(names, &reply.server, reply.port);

        if (server) {
            dns_server_reply(server->dns, &reply.to, reply.data->data,
                             reply.data->size);
        }
        ofpbuf_delete(reply.data);
    }
}

void
names_run(struct controller *c)
{
    struct server *server;

    LIST_FOR_EACH(server, node, &c->names->servers) {
        run_server(c, server);
    }
    if (c->names->forward) {
        run_forward(c->names);
    }
    run_entries(c);
}

void
names_wait(struct controller *c)
{
    struct names *names = c->names;
    struct server *server;

    LIST_FOR_EACH(server, node, &names->servers) {
        dns_server_wait(server->dns);
    }
    if (names->forward) {
        name_forward_wait(names->forward);
    }
    poll_timer_wait_until(name_ledger_next_deadline(&names->ledger));
}
