/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "placement.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "agent.h"
#include "block.h"
#include "controller-link.h"
#include "epochs.h"
#include "events.h"
#include "foreign-route.h"
#include "handover.h"
#include "jsonrpc.h"
#include "lan.h"
#include "late-packets.h"
#include "link.h"
#include "message.h"
#include "netlink-socket.h"
#include "netlink.h"
#include "openvswitch/json.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "settle.h"
#include "tunnel-ends.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(placement);

/* Link messages read in one turn. */
#define RUN_MAX 64

/* The kernel's word about links only: of addresses, which come and go with
 * each move, it would say too much. */
void
placement_open(struct agent *agent)
{
    int error = nl_sock_create(NETLINK_ROUTE, &agent->links);

    if (!error) {
        error = nl_sock_join_mcgroup(agent->links, RTNLGRP_LINK);
    }
    if (error) {
        VLOG_WARN("no word of interfaces that come up (%s)",
                  ovs_strerror(error));
        placement_close(agent);
    }
}

void
placement_close(struct agent *agent)
{
    nl_sock_destroy(agent->links);
    agent->links = NULL;
}

/* The interface. */

/* What was bound to another interface follows. */
static void
rebind(struct agent *agent, struct session *s)
{
    const char *ifname = tunnel_ends_interface_of(agent, &s->address);
    char old[sizeof s->ifname];

    ovs_strlcpy(old, s->ifname, sizeof old);
    if (s->permanent || !strcmp(old, "lo")
        || (!old[0] && !foreign_route_get_key(&s->address))) {
        settle_address(agent, s);
    } else if (ifname[0] && !address_add(ifname, &s->address)
               && strcmp(old, ifname)) {
        if (old[0]) { /* Not of a tunnel that went with an agent. */
            address_del(old, &s->address);
        }
        ovs_strlcpy(s->ifname, ifname, sizeof s->ifname);
    }
}

static void
use_interface(struct agent *agent, const char *ifname)
{
    char *error = NULL;

    ovs_strlcpy(agent->tapped, ifname, sizeof agent->tapped);
    if (address_use_interface(ifname, &error)
        || late_packets_add_interface(agent->taps, ifname, &error)
        || block_set_interface(agent->blocks, ifname, &error)) {
        VLOG_ERR("%s: %s", ifname, error);
        free(error);
    }
}

/* Where we are attached is where session addresses live. */
static void
run_interface(struct agent *agent)
{
    const char *ifname = controller_link_get_ifname(agent->controller);
    bool attached = ifname[0] != '\0';
    bool other = attached && strcmp(ifname, agent->tapped);
    struct session *s;

    if (other) {
        use_interface(agent, ifname);
    }
    if (attached) {
        const struct json *r = controller_link_get_registration(
            agent->controller);

        lan_set_interface(agent->lan,
                          controller_link_is_on_lan(agent->controller) ? ifname
                                                                       : NULL,
                          shash_find_data(json_object(r), "pools"));
    }
    if (attached && (other || !agent->attached)) {
        /* What came while it was not known, or is where we were. */
        HMAP_FOR_EACH(s, id_node, &agent->sessions.by_id) {
            if (!s->handover) {
                rebind(agent, s);
            }
        }
    }
    agent->attached = attached;
}

/* Links. */

static bool
has_come_up(const struct ofpbuf *buf)
{
    const struct nlmsghdr *nlmsg = nl_msg_nlmsghdr(buf);
    const struct ifinfomsg *ifi;

    if (nlmsg->nlmsg_type != RTM_NEWLINK
        || buf->size < NLMSG_HDRLEN + sizeof *ifi) {
        return false;
    }
    ifi = ofpbuf_at_assert(buf, NLMSG_HDRLEN, sizeof *ifi);
    return (ifi->ifi_flags & IFF_RUNNING) && !(ifi->ifi_flags & IFF_LOOPBACK);
}

static void
run_links(struct agent *agent)
{
    bool look = false;

    for (int i = 0; agent->links && i < RUN_MAX; i++) {
        uint64_t stub[4096 / 8];
        struct ofpbuf buf;
        int error;

        ofpbuf_use_stub(&buf, stub, sizeof stub);
        error = nl_sock_recv(agent->links, &buf, NULL, false);
        /* Lost messages may have been of any link. */
        look |= error == ENOBUFS || (!error && has_come_up(&buf));
        ofpbuf_uninit(&buf);
        if (error) {
            break;
        }
    }
    if (look && controller_link_is_registered(agent->controller)) {
        link_notify(controller_link_get(agent->controller), "attach",
                    json_object_create());
    }
}

void
placement_run(struct agent *agent)
{
    run_links(agent);
    run_interface(agent);
}

void
placement_wait(struct agent *agent)
{
    if (agent->links) {
        nl_sock_wait(agent->links, POLLIN);
    }
}

/* placed */

/* How the session's packets leave from here. */
static void
place(struct agent *agent, struct session *s, struct foreign_route *visit,
      const char *tunnel)
{
    const char *ifname = (tunnel[0]
                              ? tunnel_end_of(agent, tunnel, &visit->key)
                              : controller_link_get_ifname(agent->controller));
    bool visited = foreign_route_has(&s->address);

    if (!ifname || foreign_route_set(ifname, &s->address, visit)) {
        return;
    }
    if (!s->handover) {
        /* Even where it is: an interface that was down has lost what IPv6 had
         * there. */
        rebind(agent, s);
    }
    if (visited != (visit->mtu != 0)) {
        events_add(agent, &s->id, s->uid,
                   visit->mtu ? "this device is on another subnet"
                              : "this device is on the session's subnet");
    }
}

static void
handle_placed(struct agent *agent, const struct json *params)
{
    struct message m = MESSAGE_INITIALIZER(params);
    struct foreign_route visit;
    const char *tunnel;
    struct in6_addr address;
    struct session *s;
    struct uuid id;

    message_get_uuid(&m, "session", &id);
    message_get_address(&m, "address", &address);
    uint64_t epoch = message_get_integer(&m, "epoch", 0, UINT64_C(1) << 53);

    foreign_route_read(&m, &visit, &tunnel);
    char *error = message_finish(&m);

    if (error) {
        VLOG_WARN("the controller's \"placed\" has the wrong form: %s", error);
        free(error);
        return;
    }
    s = session_find(&agent->sessions, &id);
    if (!s || !ipv6_addr_equals(&s->address, &address)
        || epoch < epochs_highest(agent, &id)
        || (s->handover && !handover_is_giving(s->handover))) {
        return;
    }
    epochs_note(agent, &id, epoch);
    s->epoch = MAX(s->epoch, epoch);
    place(agent, s, &visit, tunnel);
}

bool
placement_handle_controller(struct agent *agent, const struct jsonrpc_msg *msg)
{
    if (msg->type == JSONRPC_NOTIFY && !strcmp(msg->method, "placed")) {
        handle_placed(agent, link_msg_params(msg));
        return true;
    }
    return false;
}
