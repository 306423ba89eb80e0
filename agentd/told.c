/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "told.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "address.h"
#include "agent.h"
#include "block.h"
#include "controller-link.h"
#include "jsonrpc.h"
#include "keeper.h"
#include "lan.h"
#include "link.h"
#include "listening.h"
#include "message.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(told);
static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(12, 12);

/* Ready addresses that are left to the applications of this device. */
#define RESERVE 2

/* Does the service take what comes for 'address', from whomever? */
static bool
is_served(const struct told_request *r, const struct in6_addr *address)
{
    struct in6_addr anybody = in6addr_any;

    if (r->family == AF_INET) {
        in6_addr_set_mapped_ipv4(&anybody, htonl(INADDR_ANY));
    }
    return listening_at(r->protocol, address, r->port, &anybody, 0);
}

const char *
told_make(struct agent *agent, const struct told_request *r,
          struct in6_addr *address)
{
    const char *ifname = controller_link_get_ifname(agent->controller);
    struct session *s;
    int error;

    if (!ifname[0] || block_count_ready(agent->blocks, r->family) <= RESERVE
        || !block_peek(agent->blocks, r->family, address)) {
        return "address";
    }
    if (!is_served(r, address)) {
        return "nobody";
    }
    if (block_take(agent->blocks, r->family, address)) {
        return "address";
    }
    error = address_add(ifname, address);
    if (error) {
        VLOG_ERR_RL(&rl, "%s: cannot add a session address: %s", ifname,
                    ovs_strerror(error));
        block_put(agent->blocks, address);
        return "address";
    }
    address_wait(ifname, address);
    lan_bound(agent->lan, address);
    s = session_create(&agent->sessions, &r->session, address, 0);
    s->from_block = true;
    s->told_s = r->unused_s;
    s->told_until = time_msec() + r->unused_s * 1000LL;
    agent->told_next = MIN(agent->told_next, s->told_until);
    ovs_strlcpy(s->ifname, ifname, sizeof s->ifname);
    ovs_strlcpy(s->name, r->name, sizeof s->name);
    ovs_strlcpy(s->service, r->service, sizeof s->service);
    keeper_announce(agent, s);
    return NULL;
}

static void
reply(struct agent *agent, const struct told_request *r, const char *code,
      const struct in6_addr *address)
{
    struct json *params = json_object_create();

    message_put_uuid(params, "session", &r->session);
    if (!code) {
        message_put_address(params, "address", address);
    } else {
        message_put_string(params, "code", code);
        message_put_string(params, "reason",
                           !strcmp(code, "nobody")
                               ? "no service has the port"
                               : "no session address is ready");
    }
    link_notify(controller_link_get(agent->controller),
                code ? "untold" : "told", params);
}

static void
handle_tell(struct agent *agent, const struct json *params)
{
    struct message m = MESSAGE_INITIALIZER(params);
    struct told_request r;
    struct in6_addr address;
    char *error;

    message_get_uuid(&m, "session", &r.session);
    r.family = message_get_integer(&m, "family", 4, 6) == 4 ? AF_INET
                                                            : AF_INET6;
    r.name = message_get_string(&m, "name", APP_NAME_LEN - 1);
    r.service = message_get_name(&m, "service");
    r.protocol = message_get_integer(&m, "protocol", 1, UINT8_MAX);
    r.port = message_get_integer(&m, "port", 1, UINT16_MAX);
    r.unused_s = message_get_integer(&m, "unused", 1, 86400);
    error = message_finish(&m);
    if (error) {
        VLOG_WARN_RL(&rl, "tell: %s", error);
        free(error);
    } else if (!session_find(&agent->sessions, &r.session)) {
        const char *code = told_make(agent, &r, &address);

        reply(agent, &r, code, &address);
    }
}

bool
told_handle_controller(struct agent *agent, const struct jsonrpc_msg *msg)
{
    if (msg->type != JSONRPC_NOTIFY || strcmp(msg->method, "tell")) {
        return false;
    }
    handle_tell(agent, link_msg_params(msg));
    return true;
}

/* Ending. */

static void
reclaim(struct agent *agent, struct session *s)
{
    if (listening_is_connected(&s->address)) {
        s->told_until = time_msec() + s->told_s * 1000LL;
        return;
    }
    VLOG_DBG("session " UUID_FMT ": nobody uses its address",
             UUID_ARGS(&s->id));
    s->told_until = 0;
    keeper_end(agent, s);
}

void
told_run(struct agent *agent)
{
    struct session *s;

    if (time_msec() < agent->told_next) {
        return;
    }
    agent->told_next = LLONG_MAX;
    HMAP_FOR_EACH_SAFE(s, id_node, &agent->sessions.by_id) {
        if (s->told_until && (s->conn || s->handover || s->ending)) {
            s->told_until = 0; /* An application has it. */
        }
        if (s->told_until && time_msec() >= s->told_until) {
            reclaim(agent, s);
        }
        if (s->told_until) {
            agent->told_next = MIN(agent->told_next, s->told_until);
        }
    }
}

void
told_wait(const struct agent *agent)
{
    poll_timer_wait_until(agent->told_next);
}
