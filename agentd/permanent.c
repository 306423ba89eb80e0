/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "permanent.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "agent.h"
#include "app-link.h"
#include "app-send.h"
#include "block.h"
#include "controller-link.h"
#include "epochs.h"
#include "events.h"
#include "handover.h"
#include "held-address.h"
#include "identity.h"
#include "jsonrpc.h"
#include "keeper.h"
#include "leftover.h"
#include "link.h"
#include "message.h"
#include "onward-store.h"
#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "own-address.h"
#include "packets.h"
#include "peer-link.h"
#include "permanent-store.h"
#include "session.h"
#include "socket-state.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"
#include "whole.h"

VLOG_DEFINE_THIS_MODULE(permanent);

/* Milliseconds for the temporary address and the channel by it. */
#define LEND_TIMEOUT 15000
/* Milliseconds before "wake" is asked for again. */
#define ASK_INTERVAL 1000
/* Milliseconds that applications have to show what they hold to an agent that
 * was started anew. */
#define SHOW_TIMEOUT 15000

enum permanent_state {
    PERMANENT_HOME,
    PERMANENT_LENDING,
    PERMANENT_GIVING,
    PERMANENT_ASLEEP,
};

struct permanent {
    struct ovs_list node; /* In struct permanents. */
    enum permanent_state state;
    struct permanent_record r; /* What is written down while it sleeps. */

    /* GIVING, found written down: whether it has left the controller says, and
     * who holds it has until 'deadline' to show it. */
    bool unsure;

    /* LENDING. */
    char *target;
    struct app_conn *mover, *caller; /* As in struct handover. */
    long long int deadline;          /* time_msec(). */
    unsigned int registration;       /* The one by the address itself. */

    /* ASLEEP. */
    struct app_conn *waker; /* Told when it is awake. */
    uint64_t wake_id;       /* Request, or 0. */
    long long int ask_at;   /* time_msec() at which to ask for "wake", the
                             * address being ours by the controller's record;
                             * or 0. */
};

struct permanents {
    struct ovs_list own; /* struct permanent */
    char *file;          /* In the state directory. */
    char *listen;        /* For peers, as it was configured. */
};

static struct permanent *
find_session(const struct agent *agent, const struct uuid *session)
{
    struct permanent *p;

    if (!agent->permanents) {
        return NULL;
    }
    LIST_FOR_EACH(p, node, &agent->permanents->own) {
        if (uuid_equals(&p->r.session, session)) {
            return p;
        }
    }
    return NULL;
}

static struct permanent *
find_address(const struct agent *agent, const struct in6_addr *address)
{
    struct permanent *p;

    if (!agent->permanents) {
        return NULL;
    }
    LIST_FOR_EACH(p, node, &agent->permanents->own) {
        if (ipv6_addr_equals(&p->r.own.address, address)) {
            return p;
        }
    }
    return NULL;
}

bool
permanent_is_home(const struct agent *agent, const struct uuid *session)
{
    return find_session(agent, session) != NULL;
}

static const char *
text_of(const struct permanent *p)
{
    static char text[INET6_ADDRSTRLEN];

    return ipv6_string_mapped(text, &p->r.own.address), text;
}

static void
save(struct agent *agent)
{
    struct permanents *ps = agent->permanents;
    const struct permanent_record **records;
    struct permanent *p;
    size_t n = 0;

    records = xcalloc(ovs_list_size(&ps->own) + 1, sizeof *records);
    LIST_FOR_EACH(p, node, &ps->own) {
        p->r.asleep = p->state == PERMANENT_ASLEEP;
        if (p->state != PERMANENT_HOME) {
            records[n++] = &p->r;
        }
    }
    permanent_store_save(ps->file, records, n);
    free(records);
}

/* The channel. */

/* Where we listen for peers with 'address' in the place of 'p's own; NULL: we
 * do not listen at that. */
static char *
listen_at(const struct agent *agent, const struct permanent *p,
          const struct in6_addr *address)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(&p->r.own.address);
    char own[INET6_ADDRSTRLEN], new[INET6_ADDRSTRLEN];
    const char *listen = agent->permanents->listen;
    char *host, *result = NULL;
    size_t port = strcspn(listen, ":") + 1;

    port += strcspn(listen + port, ":");
    ipv6_string_mapped(own, &p->r.own.address);
    ipv6_string_mapped(new, address);
    host = xasprintf(v4 ? ":%s" : ":[%s]", own);
    if (!strcmp(listen + port, host)) {
        result = xasprintf(v4 ? "%.*s:%s" : "%.*s:[%s]", (int) port, listen,
                           new);
    }
    free(host);
    return result;
}

/* Does the channel to the controller go by this address? */
static bool
is_channel(const struct agent *agent, const struct permanent *p)
{
    const char *target = controller_link_get_target(agent->controller);
    struct in6_addr controller;
    struct address_route route;
    char *host = xstrdup(strchr(target, ':') ? strchr(target, ':') + 1 : "");
    bool v4 = host[0] != '[';
    ovs_be32 ip;
    bool known;

    host[strcspn(host, v4 ? ":" : "]")] = '\0';
    if (v4) {
        known = ip_parse(host, &ip);
        in6_addr_set_mapped_ipv4(&controller, ip);
    } else {
        known = ipv6_parse(host + 1, &controller);
    }
    free(host);
    return known && v4 == IN6_IS_ADDR_V4MAPPED(&p->r.own.address)
           && !address_route(&controller, &route)
           && !strcmp(route.ifname, p->r.own.ifname);
}

/* Goes on by 'address', which is the temporary one, or 'p's own again. */
static void
move_channel(struct agent *agent, struct permanent *p,
             const struct in6_addr *address)
{
    char *listen = listen_at(agent, p, address);
    char *endpoint;

    if (listen && peers_listen(agent->peers, listen)) {
        VLOG_WARN("%s: other devices cannot connect to this one", listen);
    }
    free(listen);
    peers_drop_all(agent->peers, "this device uses another address");
    endpoint = peers_get_endpoint(agent->peers);
    controller_link_move(agent->controller, endpoint);
    free(endpoint);
}

/* At home. */

static struct session *
make_session(struct agent *agent, struct permanent *p, uint64_t epoch)
{
    struct session *s = session_find(&agent->sessions, &p->r.session);

    if (!s) {
        s = session_create(&agent->sessions, &p->r.session, &p->r.own.address,
                           epoch);
        s->conn = whole_conn(agent);
        s->uid = geteuid();
        s->permanent = true;
        ovs_strlcpy(s->name, "permanent", sizeof s->name);
        ovs_strlcpy(s->ifname, p->r.own.ifname, sizeof s->ifname);
        onward_store_recall(agent, s);
        epochs_note(agent, &s->id, epoch);
        keeper_announce(agent, s);
    } else if (!s->ifname[0]) {
        ovs_strlcpy(s->ifname, p->r.own.ifname, sizeof s->ifname);
    }
    return s;
}

struct session *
permanent_find_home(struct agent *agent, int family)
{
    struct permanent *p;

    LIST_FOR_EACH(p, node, &agent->permanents->own) {
        if (address_family(&p->r.own.address) == family
            && p->state == PERMANENT_HOME) {
            return session_find(&agent->sessions, &p->r.session);
        }
    }
    return NULL;
}

/* Falling asleep. */

static void
tell_mover(struct agent *agent, struct permanent *p, int error,
           const char *reason)
{
    if (p->caller) {
        app_send_call_error(p->caller, error, reason);
    }
    if (p->mover) {
        struct session s = { .id = p->r.session, .address = p->r.own.address };

        app_send_session(p->mover, APP_MOVED, &s, NULL, NULL, error, reason);
    }
    p->caller = p->mover = NULL;
    events_add(agent, &p->r.session, 0, "did not move to %s: %s", p->target,
               reason);
}

/* The channel goes by the address itself again, and the temporary one goes,
 * once those that were connected to it have heard so. */
static void
return_temporary(struct agent *agent, struct permanent *p)
{
    if (ipv6_addr_equals(&p->r.temporary, &in6addr_any)) {
        return;
    }
    own_address_prefer(&p->r.own, &p->r.temporary);
    if (p->r.channel) {
        move_channel(agent, p, &p->r.own.address);
    }
    own_address_stop_lending(&p->r.own, &p->r.temporary);
    block_put(agent->blocks, &p->r.temporary);
    p->r.temporary = in6addr_any;
    p->r.channel = false;
}

/* As it was: the temporary address goes. */
static void
stay(struct agent *agent, struct permanent *p)
{
    if (!ipv6_addr_equals(&p->r.temporary, &in6addr_any)) {
        own_address_put_back(&p->r.own, NULL);
        return_temporary(agent, p);
    }
    p->state = PERMANENT_HOME;
    permanent_record_clear(&p->r);
    save(agent);
}

bool
permanent_is_to_lend(const struct agent *agent, const struct session *s)
{
    return find_session(agent, &s->id) != NULL;
}

bool
permanent_move(struct agent *agent, struct session *s, const char *target,
               struct app_conn *mover, struct app_conn *caller, char **errorp)
{
    struct permanent *p = find_session(agent, &s->id);
    struct own_address own;

    *errorp = NULL;
    if (p->state != PERMANENT_HOME || s->handover) {
        *errorp = xstrdup("the address is moving already");
    } else if (!message_name_is_valid(target)) {
        *errorp = xasprintf("\"%s\" is not the name of a device", target);
    } else if (!strcmp(target, identity_get_name(agent->identity))) {
        *errorp = xstrdup("the address is on this device");
    } else if (!controller_link_is_registered(agent->controller)) {
        *errorp = xstrdup("there is no connection with the controller");
    } else if (own_address_find(&p->r.own.address, &own)) {
        *errorp = xstrdup("the address is on no interface");
    }
    if (*errorp) {
        return false;
    }
    p->r.own = own;
    ovs_strlcpy(s->ifname, own.ifname, sizeof s->ifname);
    free(p->target);
    p->target = xstrdup(target);
    p->mover = mover;
    p->caller = caller;
    p->deadline = time_msec() + LEND_TIMEOUT;
    p->registration = agent->registration;
    p->state = PERMANENT_LENDING;
    return true;
}

/* LENDING, first half. */
static void
lend(struct agent *agent, struct permanent *p)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(&p->r.own.address);
    char *listen;
    int error;

    if (block_take(agent->blocks, v4 ? AF_INET : AF_INET6, &p->r.temporary)) {
        p->r.temporary = in6addr_any;
        return; /* They are being prepared. */
    }
    listen = listen_at(agent, p, &p->r.temporary);
    p->r.channel = listen || is_channel(agent, p);
    free(listen);
    error = own_address_lend(&p->r.own, &p->r.temporary);
    if (error) {
        char *reason = xasprintf("%s: cannot use a temporary address: %s",
                                 p->r.own.ifname, ovs_strerror(error));

        tell_mover(agent, p, error, reason);
        free(reason);
        stay(agent, p);
        return;
    }
    save(agent);
    if (p->r.channel) {
        move_channel(agent, p, &p->r.temporary);
    }
}

static void
run_lending(struct agent *agent, struct permanent *p)
{
    struct session *s = session_find(&agent->sessions, &p->r.session);
    char *error = NULL;

    if (!s) {
        tell_mover(agent, p, ECANCELED, "the address is another device's");
        stay(agent, p);
    } else if (time_msec() >= p->deadline) {
        tell_mover(agent, p, ETIMEDOUT,
                   ipv6_addr_equals(&p->r.temporary, &in6addr_any)
                       ? "no temporary address is ready"
                       : "the controller was not reached from the temporary "
                         "address");
        stay(agent, p);
    } else if (ipv6_addr_equals(&p->r.temporary, &in6addr_any)) {
        lend(agent, p);
    } else if (controller_link_is_registered(agent->controller)
               && controller_link_get_ifname(agent->controller)[0]
               && (!p->r.channel || agent->registration != p->registration)) {
        if (give_start(agent, s, p->target, "", p->mover, p->caller, &error)) {
            p->state = PERMANENT_GIVING;
            p->deadline = 0;
            p->mover = p->caller = NULL;
        } else {
            tell_mover(agent, p, EINVAL, error);
            free(error);
            stay(agent, p);
        }
    }
}

void
permanent_note_connections(struct agent *agent, const struct session *s)
{
    struct permanent *p = find_session(agent, &s->id);

    if (!p) {
        return;
    }
    p->r.n_connections = 0;
    free(p->r.connections);
    p->r.connections = xcalloc(s->n_sockets + 1, sizeof *p->r.connections);
    for (size_t i = 0; i < s->n_sockets; i++) {
        struct permanent_connection *c = &p->r.connections[p->r.n_connections];
        struct socket_state_info info;

        if (!socket_state_inspect(s->sockets[i].fd, &info, NULL)
            && info.kind == SOCKET_STATE_TCP && info.peer.ss_family) {
            permanent_connection_set(c, &info.local, &info.peer);
            p->r.n_connections++;
        }
    }
}

void
permanent_hide(struct agent *agent, const struct in6_addr *address)
{
    struct permanent *p = find_address(agent, address);

    if (p && p->state == PERMANENT_GIVING) {
        int error = own_address_take_away(&p->r.own);

        if (error) {
            VLOG_ERR("%s: the address that has moved cannot be taken away: "
                     "%s",
                     text_of(p), ovs_strerror(error));
        }
    }
}

void
permanent_left(struct agent *agent, const struct in6_addr *address)
{
    struct permanent *p = find_address(agent, address);

    if (p && p->state == PERMANENT_GIVING) {
        permanent_hide(agent, address);
        p->state = PERMANENT_ASLEEP;
        save(agent);
        events_add(agent, &p->r.session, 0, "the permanent address %s sleeps",
                   text_of(p));
    }
}

static void
run_giving(struct agent *agent, struct permanent *p)
{
    const struct session *s = session_find(&agent->sessions, &p->r.session);
    const struct handover *h;

    if (p->unsure) {
        return;
    }
    if (s) {
        if (!s->handover && time_msec() >= p->deadline) {
            stay(agent, p); /* It was not to be. */
        }
        return;
    }
    HMAP_FOR_EACH(h, node, &agent->handovers) {
        if (ipv6_addr_equals(&h->address, &p->r.own.address)) {
            return; /* Late packets are waited for. */
        }
    }
    permanent_left(agent, &p->r.own.address);
}

/* Waking up. */

static void
answer_waker(struct agent *agent, struct permanent *p)
{
    struct app_conn *waker = p->waker;
    struct permanent *other;
    struct json *row;

    p->waker = NULL;
    LIST_FOR_EACH(other, node, &agent->permanents->own) {
        if (other->waker == waker) {
            return; /* Until the last is awake. */
        }
    }
    row = json_object_create();
    message_put_uuid(row, "session", &p->r.session);
    message_put_address(row, "address", &p->r.own.address);
    app_send_rows(waker, json_array_create_1(row));
}

static void
put_back(struct agent *agent, struct permanent *p)
{
    bool lent = !ipv6_addr_equals(&p->r.temporary, &in6addr_any);
    int error = own_address_put_back(&p->r.own, lent ? &p->r.temporary : NULL);

    if (error) {
        VLOG_ERR("%s: %s: the permanent address cannot be put back: %s",
                 p->r.own.ifname, text_of(p), ovs_strerror(error));
    }
    p->state = PERMANENT_HOME;
    p->ask_at = 0;
    save(agent);
    own_address_announce(&p->r.own);
    return_temporary(agent, p);
}

/* Closes what went away with the address and did not come back. */
static void
close_lost(struct permanent *p, const struct session *s)
{
    size_t n = 0;

    for (size_t i = 0; i < p->r.n_connections; i++) {
        const struct permanent_connection *c = &p->r.connections[i];

        if (!permanent_connection_is_among(c, s)) {
            permanent_connection_close(&p->r.own.address, c);
            n++;
        }
    }
    if (n) {
        VLOG_INFO("%s: %" PRIuSIZE " connections did not come back: closed",
                  text_of(p), n);
    }
    permanent_record_clear(&p->r);
}

static void
wake(struct agent *agent, struct permanent *p, struct session *s,
     const char *reason)
{
    put_back(agent, p);
    close_lost(p, s);
    events_add(agent, &p->r.session, 0,
               "the permanent address %s is awake: %s", text_of(p), reason);
    if (p->waker) {
        answer_waker(agent, p);
    }
}

bool
permanent_settle(struct agent *agent, struct session *s)
{
    struct permanent *p = find_session(agent, &s->id);

    if (!p) {
        return false;
    }
    s->onward[0] = '\0'; /* It began here. */
    if (p->state == PERMANENT_ASLEEP) {
        wake(agent, p, s, "it came back");
        address_del("lo", &s->address);
        ovs_strlcpy(s->ifname, p->r.own.ifname, sizeof s->ifname);
    }
    return true;
}

static void
wake_at(struct agent *agent, struct permanent *p, uint64_t epoch,
        const char *reason)
{
    if (p->state == PERMANENT_ASLEEP
        && !session_find(&agent->sessions, &p->r.session)
        && epoch >= epochs_highest(agent, &p->r.session)) {
        /* First, so that its epoch is announced on the new connection. */
        wake(agent, p, make_session(agent, p, epoch), reason);
    }
}

void
permanent_came(struct agent *agent, struct session *s,
               const struct handover *h)
{
    if (s->permanent && !permanent_is_home(agent, &s->id)) {
        /* Found after a restart: the claim was a former agent's. */
        held_address_add(agent, s, h->permanent_lease,
                         h->permanent_lease ? h->claimed_at : time_msec());
    }
}

void
permanent_found(struct agent *agent, struct session *s)
{
    if (!permanent_is_home(agent, &s->id)) {
        ovs_strlcpy(s->ifname, leftover_find(agent, &s->address),
                    sizeof s->ifname);
        held_address_add(agent, s, 0, time_msec());
    }
}

/* The controller. */

/* What the controller says of one address of ours. */
static char *
take_registered(struct agent *agent, const struct json *json)
{
    struct message m = MESSAGE_INITIALIZER(json);
    struct in6_addr address;
    struct uuid session;
    struct permanent *p;

    message_get_uuid(&m, "session", &session);
    message_get_address(&m, "address", &address);
    uint64_t epoch = message_get_integer(&m, "epoch", 0, UINT64_C(1) << 53);
    const char *owner = message_get_name(&m, "owner");
    char *error = message_finish(&m);

    if (error) {
        return error;
    }
    p = find_session(agent, &session);
    if (!p) {
        p = xzalloc(sizeof *p);
        p->r.session = session;
        p->r.own.address = address;
        ovs_list_push_back(&agent->permanents->own, &p->node);
        /* An application may have shown it before we knew whose it is. */
        held_address_forget(agent, &session);
    }
    if (p->state == PERMANENT_HOME) {
        struct own_address own;
        bool here = !own_address_find(&address, &own);

        if (here) {
            p->r.own = own;
        }
        if (!strcmp(owner, identity_get_name(agent->identity))) {
            if (here) {
                make_session(agent, p, epoch);
            }
        } else if (here && !session_find(&agent->sessions, &session)) {
            /* The host's configuration has put it back. */
            p->state = PERMANENT_GIVING;
            permanent_left(agent, &address);
        }
    } else if (p->state == PERMANENT_GIVING && p->unsure) {
        p->unsure = false;
        p->deadline = time_msec() + SHOW_TIMEOUT;
        if (!strcmp(owner, identity_get_name(agent->identity))) {
            make_session(agent, p, epoch);
        }
    } else if (p->state == PERMANENT_ASLEEP) {
        /* Not at once: the bridge may not know yet that it is. */
        bool ours = !strcmp(owner, identity_get_name(agent->identity));

        p->ask_at = ours ? time_msec() : 0;
    }
    return NULL;
}

void
permanents_registered(struct agent *agent)
{
    struct message m = MESSAGE_INITIALIZER(
        controller_link_get_registration(agent->controller));
    const struct json_array *array = message_get_array(&m, "permanent", 256);
    /* It may be gone before we are through: the channel moves. */
    struct json *copy = json_array_create_empty();
    char *error = message_finish(&m);

    for (size_t i = 0; i < array->n && !error; i++) {
        json_array_add(copy, json_clone(array->elems[i]));
    }
    for (size_t i = 0; i < json_array(copy)->n && !error; i++) {
        error = take_registered(agent, json_array(copy)->elems[i]);
    }
    if (error) {
        VLOG_WARN("what the controller says of our addresses has the wrong "
                  "form: %s",
                  error);
        free(error);
    }
    json_destroy(copy);
    held_addresses_registered(agent);
}

static void
handle_wake(struct agent *agent, const struct json *params)
{
    struct message m = MESSAGE_INITIALIZER(params);
    struct permanent *p;
    struct uuid session;
    char *why;

    message_get_uuid(&m, "session", &session);
    uint64_t epoch = message_get_integer(&m, "epoch", 0, UINT64_C(1) << 53);
    const char *reason = message_get_optional_string(&m, "reason", 1024);
    char *error = message_finish(&m);

    p = error ? NULL : find_session(agent, &session);
    free(error);
    if (p) {
        why = xstrdup(reason ? reason : "the controller says so");
        wake_at(agent, p, epoch, why);
        free(why);
    }
}

static void
handle_recall(struct agent *agent, const struct json *params)
{
    struct message m = MESSAGE_INITIALIZER(params);
    struct session *s = NULL;
    struct uuid session;

    message_get_uuid(&m, "session", &session);
    const char *target = message_get_name(&m, "target");
    char *error = message_finish(&m);

    if (!error) {
        s = session_find(&agent->sessions, &session);
    }
    if (s && s->permanent && !permanent_is_home(agent, &session)) {
        events_add(agent, &session, s->uid, "asked for by %s", target);
        give_start(agent, s, target, "", NULL, NULL, &error);
    }
    if (error) {
        VLOG_INFO("an address that is asked for is not given back: %s", error);
        free(error);
    }
}

static bool
handle_wake_reply(struct agent *agent, const struct jsonrpc_msg *msg)
{
    uint64_t id = link_msg_id(msg);
    struct permanent *p;

    LIST_FOR_EACH(p, node, &agent->permanents->own) {
        if (id && p->wake_id == id) {
            p->wake_id = 0;
            if (msg->type == JSONRPC_ERROR && p->waker) {
                app_send_call_error(p->waker, EACCES,
                                    link_msg_error_reason(msg));
                p->waker = NULL;
            }
            return true;
        }
    }
    return false;
}

bool
permanents_handle_controller(struct agent *agent,
                             const struct jsonrpc_msg *msg)
{
    if (msg->type != JSONRPC_NOTIFY) {
        return handle_wake_reply(agent, msg)
               || held_addresses_handle_reply(agent, msg);
    } else if (!strcmp(msg->method, "wake")) {
        handle_wake(agent, link_msg_params(msg));
    } else if (!strcmp(msg->method, "recall")) {
        handle_recall(agent, link_msg_params(msg));
    } else {
        return false;
    }
    return true;
}

/* People. */

void
permanent_call_wake(struct agent *agent, struct app_conn *conn,
                    const char *address)
{
    struct link *link = controller_link_get(agent->controller);
    struct permanent *p;
    size_t n = 0;

    if (app_conn_uid(conn) && app_conn_uid(conn) != geteuid()) {
        app_send_call_error(conn, EPERM, "only root wakes an address");
        return;
    }
    LIST_FOR_EACH(p, node, &agent->permanents->own) {
        struct json *params;

        if (p->state != PERMANENT_ASLEEP || p->waker
            || (address && strcmp(address, text_of(p)))) {
            continue;
        }
        params = json_object_create();
        message_put_uuid(params, "session", &p->r.session);
        p->wake_id = link_request(link, "wake", params);
        if (p->wake_id) {
            p->waker = conn;
            n++;
        }
    }
    if (!n) {
        app_send_call_error(
            conn, ENOENT,
            controller_link_is_registered(agent->controller)
                ? "no permanent address of this device sleeps"
                : "there is no connection with the controller");
    }
}

bool
permanent_release(struct agent *agent, struct session *s)
{
    if (!s->permanent || permanent_is_home(agent, &s->id)) {
        return false;
    }
    whole_end(agent, s, "the address was released");
    keeper_end(agent, s);
    return true;
}

void
permanent_add_rows(const struct agent *agent, struct json *rows)
{
    const struct permanent *p;

    LIST_FOR_EACH(p, node, &agent->permanents->own) {
        if (p->state == PERMANENT_ASLEEP
            && !session_find(&agent->sessions, &p->r.session)) {
            struct json *row = json_object_create();

            message_put_uuid(row, "session", &p->r.session);
            message_put_string(row, "name", "permanent");
            message_put_address(row, "address", &p->r.own.address);
            message_put_string(row, "service", "");
            message_put_string(row, "onward", "");
            message_put_string(row, "state", "asleep");
            message_put_integer(row, "sockets", 0);
            message_put_integer(row, "epoch",
                                epochs_highest(agent, &p->r.session));
            message_put_boolean(row, "permanent", true);
            message_put_string(row, "since", "");
            json_array_add(rows, row);
        }
    }
}

/* The loop. */

static void
ask_to_wake(struct agent *agent, struct permanent *p)
{
    struct json *params;

    if (controller_link_is_registered(agent->controller)
        && !session_find(&agent->sessions, &p->r.session)) {
        params = json_object_create();
        message_put_uuid(params, "session", &p->r.session);
        p->wake_id = link_request(controller_link_get(agent->controller),
                                  "wake", params);
    }
    p->ask_at = time_msec() + ASK_INTERVAL;
}

/* What a former agent wrote down: the addresses that are not to be used. */
static void
load(struct agent *agent)
{
    struct permanent_record *records;
    size_t n = permanent_store_load(agent->permanents->file, &records);

    for (size_t i = 0; i < n; i++) {
        struct permanent *p = xzalloc(sizeof *p);

        p->r = records[i];
        p->state = p->r.asleep ? PERMANENT_ASLEEP : PERMANENT_GIVING;
        p->unsure = !p->r.asleep;
        ovs_list_push_back(&agent->permanents->own, &p->node);
        if (!ipv6_addr_equals(&p->r.temporary, &in6addr_any)) {
            own_address_lend(&p->r.own, &p->r.temporary);
            block_reserve(agent->blocks, &p->r.temporary);
        }
        if (p->r.asleep) {
            own_address_take_away(&p->r.own);
        }
        VLOG_INFO("the permanent address %s %s", text_of(p),
                  p->r.asleep ? "sleeps" : "was about to leave");
    }
    free(records);
}

void
permanents_open(struct agent *agent, const char *state_dir, const char *listen)
{
    struct permanents *ps = xzalloc(sizeof *ps);

    agent->permanents = ps;
    ovs_list_init(&ps->own);
    ps->listen = xstrdup(listen);
    ps->file = xasprintf("%s/permanent.json", state_dir);
    held_addresses_open(agent);
    load(agent);
}

char *
permanents_get_listen(const struct agent *agent)
{
    struct permanent *p;

    LIST_FOR_EACH(p, node, &agent->permanents->own) {
        char *listen = p->r.channel ? listen_at(agent, p, &p->r.temporary)
                                    : NULL;

        if (listen) {
            return listen;
        }
    }
    return xstrdup(agent->permanents->listen);
}

void
permanents_close(struct agent *agent)
{
    struct permanents *ps = agent->permanents;
    struct permanent *p;

    if (ps) {
        LIST_FOR_EACH_POP(p, node, &ps->own) {
            permanent_record_clear(&p->r);
            free(p->target);
            free(p);
        }
        held_addresses_close(agent);
        free(ps->listen);
        free(ps->file);
        free(ps);
        agent->permanents = NULL;
    }
}

void
permanents_run(struct agent *agent)
{
    struct permanent *p;

    LIST_FOR_EACH(p, node, &agent->permanents->own) {
        if (p->state == PERMANENT_LENDING) {
            run_lending(agent, p);
        } else if (p->state == PERMANENT_GIVING) {
            run_giving(agent, p);
        } else if (p->state == PERMANENT_ASLEEP && p->ask_at
                   && time_msec() >= p->ask_at) {
            ask_to_wake(agent, p);
        }
    }
    held_addresses_run(agent);
}

void
permanents_wait(struct agent *agent)
{
    const struct permanent *p;

    LIST_FOR_EACH(p, node, &agent->permanents->own) {
        if (p->state == PERMANENT_LENDING
            || (p->state == PERMANENT_GIVING && p->deadline)) {
            poll_timer_wait_until(MAX(p->deadline, time_msec() + 100));
        } else if (p->state == PERMANENT_ASLEEP && p->ask_at) {
            poll_timer_wait_until(p->ask_at);
        }
    }
    held_addresses_wait(agent);
}

void
permanents_conn_closed(struct agent *agent, struct app_conn *conn)
{
    struct permanent *p;

    if (!agent->permanents) {
        return;
    }
    LIST_FOR_EACH(p, node, &agent->permanents->own) {
        p->mover = p->mover == conn ? NULL : p->mover;
        p->caller = p->caller == conn ? NULL : p->caller;
        p->waker = p->waker == conn ? NULL : p->waker;
    }
}
