/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "tunnel-ends.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "agent.h"
#include "attachment.h"
#include "controller-link.h"
#include "foreign-route.h"
#include "jsonrpc.h"
#include "late-packets.h"
#include "link.h"
#include "message.h"
#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "timeval.h"
#include "tunnel-filter.h"
#include "tunnel-interface.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(tunnel_ends);

/* What a controller gone mad costs us. */
#define ENDS_MAX 64
#define SUBNETS_MAX 64

struct tunnel_end {
    struct ovs_list node; /* In struct tunnel_ends. */
    struct tunnel_interface tif;
    struct eth_addr gateway; /* The bridge's. */
    bool confirmed;          /* By the controller, to this agent. */
    bool opened;             /* For tunnel_ends_next_opened(). */
    long long int used_at;   /* time_msec(). */
    long long int ask_at;    /* time_msec(): not before that. */
};

struct tunnel_ends {
    struct ovs_list ends; /* struct tunnel_end */
};

static struct tunnel_end *
find_key(const struct agent *agent, uint32_t key)
{
    struct tunnel_end *end;

    LIST_FOR_EACH(end, node, &agent->tunnels->ends) {
        if (end->tif.key == key) {
            return end;
        }
    }
    return NULL;
}

/* Another end of tunnels to 'bridge' than that with key 'but'. */
static struct tunnel_end *
find_bridge(const struct agent *agent, const char *bridge, uint32_t but)
{
    struct tunnel_end *end;

    LIST_FOR_EACH(end, node, &agent->tunnels->ends) {
        if (!strcmp(end->tif.bridge, bridge) && end->tif.key != but) {
            return end;
        }
    }
    return NULL;
}

const char *
tunnel_end_of(const struct agent *agent, const char *bridge, uint32_t *key)
{
    const struct tunnel_end *end = find_bridge(agent, bridge, 0);

    if (end) {
        *key = end->tif.key;
    }
    return end ? end->tif.ifname : NULL;
}

const char *
tunnel_ends_interface_of(const struct agent *agent,
                         const struct in6_addr *address)
{
    uint32_t key = foreign_route_get_key(address);
    const struct tunnel_end *end = key ? find_key(agent, key) : NULL;

    return end   ? end->tif.ifname
           : key ? ""
                 : controller_link_get_ifname(agent->controller);
}

/* Making and unmaking. */

/* The rest of the agent learns of the interface. */
static char *
use(struct agent *agent, const char *ifname)
{
    char *error = NULL;
    int retval;

    retval = attachment_add_tunnel(agent->attachment, ifname);
    if (retval) {
        return xasprintf("%s: no frames through the tunnel (%s)", ifname,
                         ovs_strerror(retval));
    }
    if (!address_use_interface(ifname, &error)) {
        late_packets_add_interface(agent->taps, ifname, &error);
    }
    return error;
}

static struct tunnel_end *
add_end(struct agent *agent, const struct tunnel_interface *tif)
{
    struct tunnel_end *end = xzalloc(sizeof *end);

    end->tif = *tif;
    end->used_at = end->ask_at = time_msec();
    ovs_list_push_back(&agent->tunnels->ends, &end->node);
    return end;
}

static void
end_destroy(struct agent *agent, struct tunnel_end *end)
{
    attachment_remove_tunnel(agent->attachment, end->tif.ifname);
    late_packets_remove_interface(agent->taps, end->tif.ifname);
    tunnel_interface_del(end->tif.ifname);
    tunnel_filter_del(end->tif.ifname);
    ovs_list_remove(&end->node);
    free(end);
}

/* Takes 'address' from the interface 'ifname' of a tunnel; with 'to', it goes
 * on by that one. */
static void
move_address(struct agent *agent, const struct in6_addr *address,
             const char *ifname, const struct tunnel_end *to)
{
    struct session *s = session_find_address(&agent->sessions, address);

    foreign_route_del(address);
    if (to) {
        struct foreign_route route = { to->gateway, to->tif.mtu, to->tif.key };

        foreign_route_set(to->tif.ifname, address, &route);
    } else {
        address_del("lo", address);
    }
    address_del(ifname, address);
    if (s && !strcmp(s->ifname, ifname)) {
        s->ifname[0] = '\0';
        if (to && !address_add(to->tif.ifname, address)) {
            ovs_strlcpy(s->ifname, to->tif.ifname, sizeof s->ifname);
        }
    }
    if (!to) {
        address_open_output(address);
    }
}

/* The same of all addresses that use the end of that key; 'to' may be it, made
 * anew. */
static void
move_addresses(struct agent *agent, uint32_t key, const struct tunnel_end *to)
{
    struct in6_addr *addresses;
    size_t n = foreign_routes_of_key(key, &addresses);
    char ifname[16];

    tunnel_interface_name(key, ifname);
    for (size_t i = 0; i < n; i++) {
        move_address(agent, &addresses[i], ifname, to);
    }
    free(addresses);
}

/* The agent's start and end. */

void
tunnel_ends_open(struct agent *agent)
{
    struct tunnel_interface *left;
    size_t n;

    agent->tunnels = xzalloc(sizeof *agent->tunnels);
    ovs_list_init(&agent->tunnels->ends);
    if (!tunnel_interface_list(&left, &n)) {
        for (size_t i = 0; i < n; i++) {
            char *error = use(agent, left[i].ifname);

            VLOG_INFO("a former agent left the tunnel %s to %s",
                      left[i].ifname, left[i].bridge);
            if (error) {
                VLOG_WARN("%s", error);
                free(error);
            }
            add_end(agent, &left[i]);
        }
        free(left);
    }
    tunnel_filters_sweep(TUNNEL_NAME_PREFIX);
}

void
tunnel_ends_close(struct agent *agent)
{
    struct tunnel_end *end;

    if (agent->tunnels) {
        LIST_FOR_EACH_SAFE(end, node, &agent->tunnels->ends) {
            move_addresses(agent, end->tif.key, NULL);
            end_destroy(agent, end);
        }
        free(agent->tunnels);
        agent->tunnels = NULL;
    }
}

/* The controller's messages. */

struct tunnel_open {
    struct tunnel_interface tif;
    struct eth_addr gateway;
    struct tunnel_prefix subnets[SUBNETS_MAX];
    size_t n_subnets;
};

static char *
parse_open(const struct json *params, struct tunnel_open *open)
{
    struct message m = MESSAGE_INITIALIZER(params);
    struct tunnel_interface *tif = &open->tif;
    const struct json_array *subnets;

    memset(open, 0, sizeof *open);
    ovs_strlcpy(tif->bridge, message_get_name(&m, "bridge"),
                sizeof tif->bridge);
    tif->key = message_get_integer(&m, "key", 1, TUNNEL_KEY_MAX);
    message_get_address(&m, "address", &tif->peer);
    tif->udp_port = message_get_integer(&m, "udp_port", 1, UINT16_MAX);
    tif->mtu = message_get_integer(&m, "mtu", FOREIGN_ROUTE_MTU_MIN,
                                   FOREIGN_ROUTE_MTU_MAX);
    message_get_eth(&m, "gateway", &open->gateway);
    subnets = message_get_array(&m, "subnets", SUBNETS_MAX);
    for (size_t i = 0; i < subnets->n && !m.error; i++) {
        struct json *object = json_object_create();
        struct message em = MESSAGE_INITIALIZER(object);

        json_object_put(object, "subnet", json_clone(subnets->elems[i]));
        message_get_prefix(&em, "subnet", &open->subnets[i].addr,
                           &open->subnets[i].plen);
        open->n_subnets++;
        m.error = message_finish(&em);
        json_destroy(object);
    }
    tunnel_interface_name(tif->key, tif->ifname);
    return message_finish(&m);
}

static bool
is_same(const struct tunnel_interface *a, const struct tunnel_interface *b)
{
    return (a->key == b->key && a->udp_port == b->udp_port && a->mtu == b->mtu
            && ipv6_addr_equals(&a->peer, &b->peer)
            && !strcmp(a->bridge, b->bridge));
}

static int
set_filter(const struct tunnel_open *open)
{
    const struct tunnel_filter filter = {
        .ifname = open->tif.ifname,
        .key = open->tif.key,
        .peer = open->tif.peer,
        .udp_port = open->tif.udp_port,
        .inside = open->subnets,
        .n_inside = open->n_subnets,
    };

    return tunnel_filter_set(&filter);
}

/* A new interface, or one that is not as it was. */
static char *
make(struct agent *agent, struct tunnel_open *open)
{
    struct tunnel_end *end = find_key(agent, open->tif.key);
    char *error;
    int retval;

    if (end) {
        open->tif.mac = end->tif.mac;
        attachment_remove_tunnel(agent->attachment, open->tif.ifname);
        late_packets_remove_interface(agent->taps, open->tif.ifname);
    } else if (ovs_list_size(&agent->tunnels->ends) >= ENDS_MAX) {
        return xasprintf("it has %d tunnels already", ENDS_MAX);
    } else {
        eth_addr_random(&open->tif.mac);
    }
    retval = tunnel_interface_add(&open->tif);
    if (retval) {
        return retval == EEXIST
                   ? xstrdup("exists")
                   : xasprintf("it cannot make a VXLAN interface (%s)",
                               ovs_strerror(retval));
    }
    error = use(agent, open->tif.ifname);
    if (error) {
        tunnel_interface_del(open->tif.ifname);
        return error;
    }
    if (end) {
        end->tif = open->tif;
        end->gateway = open->gateway;
        move_addresses(agent, end->tif.key, end);
    } else {
        end = add_end(agent, &open->tif);
    }
    VLOG_INFO("tunnel %s to %s made", end->tif.ifname, end->tif.bridge);
    return NULL;
}

/* Makes what the controller wants, as far as it is not there. */
static char *
open_end(struct agent *agent, struct tunnel_open *open)
{
    struct tunnel_end *end = find_key(agent, open->tif.key);
    struct tunnel_end *former;
    char *error = NULL;
    int retval;

    if (IN6_IS_ADDR_V4MAPPED(&open->tif.peer)
            ? ip_is_multicast(in6_addr_get_mapped_ipv4(&open->tif.peer))
            : IN6_IS_ADDR_MULTICAST(&open->tif.peer)) {
        return xstrdup("the bridge's address is a group's");
    }
    retval = tunnel_local_address(&open->tif.peer, &open->tif.local);
    if (retval) {
        return xasprintf("it has no way to the bridge (%s)",
                         ovs_strerror(retval));
    }
    retval = set_filter(open);
    if (retval) {
        return xasprintf("it cannot keep others out of the tunnel: nftables "
                         "says \"%s\"",
                         ovs_strerror(retval));
    }
    if (!end || !is_same(&end->tif, &open->tif)) {
        error = make(agent, open);
    } else if (!ipv6_addr_equals(&end->tif.local, &open->tif.local)) {
        end->tif.local = open->tif.local;
        retval = tunnel_interface_set_local(&end->tif);
        if (retval) {
            error = xasprintf("it cannot change its address (%s)",
                              ovs_strerror(retval));
        }
    }
    end = find_key(agent, open->tif.key);
    if (error) {
        if (!end) {
            tunnel_filter_del(open->tif.ifname);
        }
        return error;
    }
    open->tif.mac = end->tif.mac;
    end->gateway = open->gateway;
    end->confirmed = true;
    end->ask_at = time_msec() + TUNNEL_GRACE;
    while ((former = find_bridge(agent, end->tif.bridge, end->tif.key))) {
        move_addresses(agent, former->tif.key, end);
        end_destroy(agent, former);
    }
    return NULL;
}

static void
handle_open(struct agent *agent, const struct json *params)
{
    struct json *reply = json_object_create();
    struct tunnel_open open;
    char *error = parse_open(params, &open);

    if (error) {
        VLOG_WARN("the controller's \"tunnel-open\" has the wrong form: %s",
                  error);
        free(error);
        json_destroy(reply);
        return;
    }
    error = open_end(agent, &open);
    message_put_string(reply, "bridge", open.tif.bridge);
    message_put_integer(reply, "key", open.tif.key);
    if (error) {
        if (strcmp(error, "exists")) {
            VLOG_WARN("no tunnel to %s: %s", open.tif.bridge, error);
        }
        message_put_string(reply, "error", error);
        free(error);
    } else {
        message_put_address(reply, "address", &open.tif.local);
        message_put_eth(reply, "mac", open.tif.mac);
        find_key(agent, open.tif.key)->opened = true;
    }
    link_notify(controller_link_get(agent->controller), "tunnel-ready", reply);
}

static void
handle_close(struct agent *agent, const struct json *params)
{
    struct message m = MESSAGE_INITIALIZER(params);
    const char *bridge = message_get_name(&m, "bridge");
    uint32_t key = message_get_integer(&m, "key", 1, TUNNEL_KEY_MAX);
    struct tunnel_end *end = find_key(agent, key);
    char *error = message_finish(&m);

    if (!error && end && !strcmp(end->tif.bridge, bridge)) {
        VLOG_INFO("tunnel %s to %s closed", end->tif.ifname, bridge);
        move_addresses(agent, key, NULL);
        end_destroy(agent, end);
    }
    free(error);
}

bool
tunnel_ends_handle_controller(struct agent *agent,
                              const struct jsonrpc_msg *msg)
{
    if (msg->type != JSONRPC_NOTIFY) {
        return false;
    } else if (!strcmp(msg->method, "tunnel-open")) {
        handle_open(agent, link_msg_params(msg));
    } else if (!strcmp(msg->method, "tunnel-close")) {
        handle_close(agent, link_msg_params(msg));
    } else {
        return false;
    }
    return true;
}

bool
tunnel_ends_next_opened(struct agent *agent, uint32_t *key)
{
    struct tunnel_end *end;

    LIST_FOR_EACH(end, node, &agent->tunnels->ends) {
        if (end->opened) {
            end->opened = false;
            *key = end->tif.key;
            return true;
        }
    }
    return false;
}

/* What nobody uses. */

static void
ask(struct agent *agent, const struct tunnel_end *end)
{
    struct json *params = json_object_create();

    message_put_string(params, "bridge", end->tif.bridge);
    message_put_integer(params, "key", end->tif.key);
    link_notify(controller_link_get(agent->controller), "tunnel-idle", params);
}

static long long int
deadline_of(const struct agent *agent, const struct tunnel_end *end)
{
    return (end->confirmed && controller_link_is_registered(agent->controller)
                ? MAX(end->used_at + TUNNEL_IDLE, end->ask_at)
                : end->used_at + TUNNEL_GRACE);
}

void
tunnel_ends_run(struct agent *agent)
{
    long long int now = time_msec();
    struct tunnel_end *end;

    LIST_FOR_EACH_SAFE(end, node, &agent->tunnels->ends) {
        struct in6_addr address;

        if (foreign_route_find_key(end->tif.key, &address)) {
            end->used_at = now;
            end->ask_at = now;
        } else if (now < deadline_of(agent, end)) {
            continue;
        } else if (end->confirmed
                   && controller_link_is_registered(agent->controller)) {
            ask(agent, end);
            end->ask_at = now + TUNNEL_IDLE;
        } else {
            VLOG_INFO("tunnel %s to %s is not used: taken away",
                      end->tif.ifname, end->tif.bridge);
            end_destroy(agent, end);
        }
    }
}

void
tunnel_ends_wait(struct agent *agent)
{
    const struct tunnel_end *end;

    LIST_FOR_EACH(end, node, &agent->tunnels->ends) {
        struct in6_addr address;

        if (!foreign_route_find_key(end->tif.key, &address)) {
            poll_timer_wait_until(deadline_of(agent, end));
        }
    }
}
