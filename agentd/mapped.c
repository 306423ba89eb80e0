/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "mapped.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "address.h"
#include "agent.h"
#include "app-link.h"
#include "app-requests.h"
#include "app-send.h"
#include "block.h"
#include "controller-link.h"
#include "events.h"
#include "jsonrpc.h"
#include "keeper.h"
#include "leftover.h"
#include "link.h"
#include "listening.h"
#include "message.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "service.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(mapped);
static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(12, 12);

/* Ready addresses that are left to the applications of this device. */
#define RESERVE 2
#define NAME_MAX 255

/* What the controller asks for. */
struct map_request {
    struct uuid session;
    struct in6_addr permanent, correspondent;
    struct in6_addr address; /* in6addr_any: a new one. */
    uint16_t port, correspondent_port;
    uint8_t protocol;
    const char *name, *service; /* Belong to the message. */
};

static void
reply_mapped(struct agent *agent, const struct session *s)
{
    struct json *params = json_object_create();

    message_put_uuid(params, "session", &s->id);
    message_put_address(params, "address", &s->address);
    link_notify(controller_link_get(agent->controller), "mapped", params);
}

static void
reply_unmapped(struct agent *agent, const struct map_request *r,
               const char *code, const char *reason)
{
    struct json *params = json_object_create();

    message_put_uuid(params, "session", &r->session);
    message_put_string(params, "code", code);
    message_put_string(params, "reason", reason);
    link_notify(controller_link_get(agent->controller), "unmapped", params);
}

static struct session *
create_session(struct agent *agent, const struct map_request *r,
               const struct in6_addr *address, const char *ifname)
{
    struct session *s = session_create(&agent->sessions, &r->session, address,
                                       0);

    s->from_block = true;
    s->mapped = true;
    s->permanent_address = r->permanent;
    ovs_strlcpy(s->ifname, ifname, sizeof s->ifname);
    ovs_strlcpy(s->name, r->name, sizeof s->name);
    ovs_strlcpy(s->service, r->service, sizeof s->service);
    return s;
}

/* A session that this device had before its agent was started again. */
static void
map_again(struct agent *agent, const struct map_request *r)
{
    struct session *s = session_find_address(&agent->sessions, &r->address);
    const char *ifname = leftover_find(agent, &r->address);

    if (s && !uuid_equals(&s->id, &r->session)) {
        reply_unmapped(agent, r, "gone", "its address is another session's");
        return;
    } else if (!s && !ifname[0]) {
        reply_unmapped(agent, r, "gone", "the device does not have it");
        return;
    } else if (!s) {
        s = create_session(agent, r, &r->address, ifname);
        block_reserve(agent->blocks, &s->address);
    }
    s->mapped = true;
    s->permanent_address = r->permanent;
    reply_mapped(agent, s);
}

/* Would the service take a connection to 'address'?  If not, says so. */
static bool
check_service(struct agent *agent, const struct map_request *r,
              const struct in6_addr *address)
{
    if (listening_at(r->protocol, address, r->port, &r->correspondent,
                     r->correspondent_port)) {
        return true;
    }
    if (listening_at(r->protocol, &r->permanent, r->port, &r->correspondent,
                     r->correspondent_port)) {
        reply_unmapped(agent, r, "unfit",
                       "the service is bound to the permanent address alone");
    } else {
        reply_unmapped(agent, r, "nobody", "no service has the port");
    }
    return false;
}

static void
map(struct agent *agent, const struct map_request *r)
{
    const char *ifname = controller_link_get_ifname(agent->controller);
    int family = IN6_IS_ADDR_V4MAPPED(&r->permanent) ? AF_INET : AF_INET6;
    struct in6_addr address;
    struct session *s;
    int error;

    if (!ifname[0] || block_count_ready(agent->blocks, family) <= RESERVE
        || !block_peek(agent->blocks, family, &address)) {
        reply_unmapped(agent, r, "address", "no session address is ready");
        return;
    }
    if (!check_service(agent, r, &address)
        || block_take(agent->blocks, family, &address)) {
        return;
    }
    error = address_add(ifname, &address);
    if (error) {
        VLOG_ERR_RL(&rl, "%s: cannot add a session address: %s", ifname,
                    ovs_strerror(error));
        block_put(agent->blocks, &address);
        reply_unmapped(agent, r, "address",
                       "the session's address could not be added");
        return;
    }
    address_wait(ifname, &address);
    s = create_session(agent, r, &address, ifname);
    VLOG_DBG("session " UUID_FMT " made for \"%s\"", UUID_ARGS(&s->id),
             s->name);
    reply_mapped(agent, s);
}

static void
handle_map(struct agent *agent, const struct json *params)
{
    struct message m = MESSAGE_INITIALIZER(params);
    struct map_request r;
    char *error;

    memset(&r, 0, sizeof r);
    message_get_uuid(&m, "session", &r.session);
    r.name = message_get_string(&m, "name", NAME_MAX);
    r.service = message_get_name(&m, "service");
    message_get_address(&m, "permanent", &r.permanent);
    message_get_address(&m, "correspondent", &r.correspondent);
    r.protocol = message_get_integer(&m, "protocol", 1, UINT8_MAX);
    r.port = message_get_integer(&m, "port", 1, UINT16_MAX);
    r.correspondent_port = message_get_integer(&m, "correspondent_port", 0,
                                               UINT16_MAX);
    if (message_get_optional_string(&m, "address", INET6_ADDRSTRLEN)) {
        message_get_address(&m, "address", &r.address);
    }
    error = message_finish(&m);
    if (error) {
        VLOG_WARN_RL(&rl, "map: %s", error);
        free(error);
    } else if (ipv6_addr_is_set(&r.address)) {
        map_again(agent, &r);
    } else if (!session_find(&agent->sessions, &r.session)) {
        map(agent, &r);
    }
}

/* It is over, as the bridge saw it.  Of an application's session that
 * application will hear from its sockets. */
static void
handle_unmap(struct agent *agent, const struct json *params)
{
    struct message m = MESSAGE_INITIALIZER(params);
    const char *reason;
    struct uuid session;
    struct session *s;
    char *error;

    message_get_uuid(&m, "session", &session);
    reason = message_get_string(&m, "reason", NAME_MAX);
    error = message_finish(&m);
    if (error) {
        VLOG_WARN_RL(&rl, "unmap: %s", error);
        free(error);
        return;
    }
    s = session_find(&agent->sessions, &session);
    if (s && s->mapped && !s->conn && !s->handover) {
        VLOG_DBG("session " UUID_FMT " is over: %s", UUID_ARGS(&s->id),
                 reason);
        keeper_end(agent, s);
    }
}

bool
mapped_handle_controller(struct agent *agent, const struct jsonrpc_msg *msg)
{
    if (msg->type != JSONRPC_NOTIFY) {
        return false;
    } else if (!strcmp(msg->method, "map")) {
        handle_map(agent, link_msg_params(msg));
    } else if (!strcmp(msg->method, "unmap")) {
        handle_unmap(agent, link_msg_params(msg));
    } else {
        return false;
    }
    return true;
}

bool
mapped_is_placeholder(const struct session *s)
{
    return s->mapped && !s->conn && !s->handover && !s->ending;
}

void
mapped_registered(struct agent *agent)
{
    struct message m = MESSAGE_INITIALIZER(
        controller_link_get_registration(agent->controller));
    uint64_t ready = message_get_integer(&m, "ready", 0, 65536);

    free(message_finish(&m));
    block_expect(agent->blocks, AF_INET, ready);
    block_expect(agent->blocks, AF_INET6, ready);
}

/* Adopting. */

static struct session *
find_named(struct agent *agent, const char *name)
{
    struct in6_addr address;
    struct session *s;
    ovs_be32 ip;

    if (ip_parse(name, &ip)) {
        in6_addr_set_mapped_ipv4(&address, ip);
    } else if (!ipv6_parse(name, &address)) {
        return NULL;
    }
    s = session_find_address(&agent->sessions, &address);
    return s && (s->mapped || s->told_s) && !s->ending ? s : NULL;
}

void
mapped_handle_open(struct agent *agent, const struct app_event *event)
{
    struct session *s = find_named(agent, event->msg.name);
    uid_t uid = app_conn_uid(event->conn);
    char *reason = NULL;

    if (!s) {
        app_send_error(event->conn, NULL, event->msg.socket, ENOENT,
                       "no session that was made for a correspondent has this "
                       "address");
    } else if (s->conn || s->handover) {
        app_send_error(event->conn, NULL, event->msg.socket, EBUSY,
                       "another application has the session");
    } else if (strcmp(app_conn_service(event->conn), s->service)
               || !service_is_for(agent, s->service, uid, &reason)) {
        app_send_error(event->conn, NULL, event->msg.socket, EPERM,
                       reason ? reason : "the session is of another service");
    } else {
        s->conn = event->conn;
        s->uid = uid;
        keeper_tell_opened(agent, s, event->msg.socket);
        events_add(agent, &s->id, s->uid, "adopted, \"%s\"", s->name);
    }
    free(reason);
}
