/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "ctl-bridge.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bridge.h"
#include "bridge-prepare.h"
#include "controller.h"
#include "fail-mode.h"
#include "message.h"
#include "network.h"
#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "packets.h"
#include "policy.h"
#include "timeval.h"
#include "tunnel-path.h"
#include "unixctl.h"
#include "util.h"

/* Milliseconds for which a new port may take to show. */
#define PORT_TIMEOUT 5000

/* A "bridge prepare" under way. */
struct ctl_prepare {
    struct ovs_list node; /* In struct controller. */
    struct unixctl_conn *conn;
    char *bridge;
    struct bridge_prepare *prepare;
    long long int deadline; /* Milliseconds; 0: 'prepare' has not ended. */
};

/* show */

static char *
tunnel_state(const struct controller *c, const char *bridge)
{
    const struct policy_bridge *pb = shash_find_data(&c->policy->bridges,
                                                     bridge);
    const struct flow_layout *layout = network_layout(c->network, bridge);
    char address[INET6_ADDRSTRLEN];

    if (!pb || pb->tunnel.type == POLICY_TUNNEL_NONE) {
        return xstrdup("none");
    }
    if (!layout || !flow_layout_has_tunnel(layout)) {
        return xasprintf("no port %s: `baton-ctl bridge prepare %s'",
                         pb->tunnel.port_name, bridge);
    }
    ipv6_string_mapped(address, &pb->tunnel.address);
    return xasprintf("%s at %s, port %s, %u bytes",
                     policy_tunnel_type_to_string(pb->tunnel.type), address,
                     pb->tunnel.port_name, layout->tunnel_mtu);
}

struct json *
ctl_show_bridge(const struct controller *c, const struct bridge *bridge)
{
    struct json *object = json_object_create();
    struct bridge_stats stats;
    char *dpid = xasprintf("%016" PRIx64, bridge_get_datapath_id(bridge));
    char *tunnel = tunnel_state(c, bridge_get_name(bridge));

    bridge_get_stats(bridge, &stats);
    message_put_string(object, "name", bridge_get_name(bridge));
    message_put_string(object, "datapath_id", dpid);
    message_put_boolean(object, "connected", bridge_is_connected(bridge));
    message_put_boolean(object, "synchronised",
                        bridge_is_synchronised(bridge));
    message_put_string(object, "status", bridge_get_status(bridge));
    message_put_integer(object, "flows", stats.n_flows);
    message_put_integer(object, "flow_mods", stats.n_flow_mods);
    message_put_integer(object, "violations", stats.n_violations);
    message_put_integer(object, "repaired", stats.n_repaired);
    message_put_string(object, "tunnel", tunnel);
    free(tunnel);
    free(dpid);
    return object;
}

struct json *
ctl_show_tunnels(const struct controller *c)
{
    struct json *array = json_array_create_empty();
    long long int now = time_msec();
    struct tunnel_path path;
    void *cookie = NULL;

    while (tunnel_paths_next(c->tunnel_paths, &cookie, &path, now)) {
        struct json *object = json_object_create();
        char *last = (path.good_at ? xasprintf("%lld s ago",
                                               (now - path.good_at) / 1000)
                                   : xstrdup("never"));

        message_put_string(object, "from", path.from);
        message_put_string(object, "to", path.to);
        message_put_boolean(object, "good", path.good);
        message_put_string(object, "last_answer", last);
        json_array_add(array, object);
        free(last);
    }
    return array;
}

/* bridge prepare */

static void
ctl_bridge_prepare(struct unixctl_conn *conn, int argc OVS_UNUSED,
                   const char *argv[], void *c_)
{
    struct controller *c = c_;
    const struct policy_bridge *pb = shash_find_data(&c->policy->bridges,
                                                     argv[1]);
    const struct bridge *bridge = network_find(c->network, argv[1]);
    struct ctl_prepare *p;
    char *remote;

    if (!pb) {
        unixctl_command_reply_error(conn, "policy knows no such bridge");
        return;
    }
    if (pb->tunnel.type == POLICY_TUNNEL_NONE) {
        unixctl_command_reply_error(conn, "policy gives that bridge no "
                                          "tunnel");
        return;
    }
    remote = (pb->ovsdb ? xstrdup(pb->ovsdb)
                        : fail_mode_guess_remote(pb->target));
    if (!remote) {
        unixctl_command_reply_error(conn, "it is not known where the bridge's "
                                          "OVSDB is: set \"ovsdb\" in the "
                                          "policy");
        return;
    }
    if (bridge && bridge_is_detached(bridge)) {
        free(remote);
        unixctl_command_reply_error(conn, "the bridge is detached: "
                                          "`baton-ctl attach'");
        return;
    }
    p = xzalloc(sizeof *p);
    p->conn = conn;
    p->bridge = xstrdup(argv[1]);
    p->prepare = bridge_prepare_start(remote, pb->datapath_id, &pb->tunnel);
    ovs_list_push_back(&c->prepares, &p->node);
    free(remote);
}

static void
destroy_prepare(struct ctl_prepare *p)
{
    ovs_list_remove(&p->node);
    bridge_prepare_destroy(p->prepare);
    free(p->bridge);
    free(p);
}

/* Its port is there, as the bridge itself says. */
static bool
is_prepared(const struct controller *c, const char *bridge)
{
    const struct flow_layout *layout = network_layout(c->network, bridge);

    return layout && flow_layout_has_tunnel(layout);
}

static void
run_prepare(struct controller *c, struct ctl_prepare *p)
{
    const char *error;

    bridge_prepare_run(p->prepare);
    if (!bridge_prepare_is_done(p->prepare, &error)) {
        return;
    }
    if (!p->deadline) {
        p->deadline = time_msec() + PORT_TIMEOUT;
    }
    if (error) {
        unixctl_command_reply_error(p->conn, error);
    } else if (is_prepared(c, p->bridge)) {
        struct json *object = json_object_create();
        char *tunnel = tunnel_state(c, p->bridge);
        char *s;

        message_put_string(object, "bridge", p->bridge);
        message_put_string(object, "tunnel", tunnel);
        s = json_to_string(object, JSSF_SORT);
        unixctl_command_reply(p->conn, s);
        free(s);
        free(tunnel);
        json_destroy(object);
    } else if (time_msec() >= p->deadline) {
        unixctl_command_reply_error(p->conn,
                                    "the port is in the bridge's database, "
                                    "but the bridge has not shown it: see "
                                    "ovs-vswitchd's log");
    } else {
        return;
    }
    destroy_prepare(p);
}

void
ctl_bridge_run(struct controller *c)
{
    struct ctl_prepare *p;

    LIST_FOR_EACH_SAFE(p, node, &c->prepares) {
        run_prepare(c, p);
    }
}

void
ctl_bridge_wait(const struct controller *c)
{
    const struct ctl_prepare *p;

    LIST_FOR_EACH(p, node, &c->prepares) {
        if (p->deadline) {
            poll_timer_wait_until(p->deadline);
        } else {
            bridge_prepare_wait(p->prepare);
        }
    }
}

void
ctl_bridge_destroy(struct controller *c)
{
    struct ctl_prepare *p;

    LIST_FOR_EACH_SAFE(p, node, &c->prepares) {
        unixctl_command_reply_error(p->conn, "the controller ends");
        destroy_prepare(p);
    }
}

void
ctl_bridge_register(struct controller *c)
{
    unixctl_command_register("baton/bridge-prepare", "BRIDGE", 1, 1,
                             ctl_bridge_prepare, c);
}
