/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "introduction.h"

#include <stdlib.h>
#include <string.h>

#include "controller.h"
#include "device-tunnel.h"
#include "jsonrpc.h"
#include "link.h"
#include "mediator.h"
#include "message.h"
#include "network.h"
#include "onward.h"
#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "policy.h"
#include "session-path.h"
#include "timeval.h"
#include "transfer.h"
#include "tunnel-path.h"
#include "util.h"
#include "uuid.h"

struct introduction {
    struct ovs_list node; /* In struct controller. */
    struct uuid transfer;
    struct json *id; /* Of the request. */
    struct onward_right right;
    long long int deadline; /* Milliseconds. */
};

static void
answer(struct controller *c, const struct transfer *t, struct json *id,
       struct onward_right right)
{
    struct device *device = device_find(&c->devices, t->from);
    const struct device *target = device_find(&c->devices, t->to);
    const struct jsonrpc_msg request = { .id = id };
    struct json *result = json_object_create();
    char onward[ONWARD_STRING_LEN];

    onward_to_string(right, onward);
    message_put_uuid(result, "transfer", &t->id);
    message_put_integer(result, "epoch", t->epoch);
    message_put_string(result, "endpoint", target->endpoint);
    message_put_string(result, "certificate", target->certificate);
    message_put_string(result, "onward", onward);
    message_put_integer(result, "state_bytes", c->policy->limits.state_bytes);
    link_reply(device->link, &request, result);
}

/* The parties of 't' that are, or are to be, reached by a tunnel of their own:
 * a walk; NULL is the first and the end. */
static struct device *
next_tunnelled(const struct controller *c, const struct transfer *t,
               const struct device *device)
{
    struct device *from = device_find(&c->devices, t->from);
    struct device *to = device_find(&c->devices, t->to);

    if (!device && from && device_tunnel_serves(c, from, t->bridge, NULL)) {
        return from;
    } else if (device != to && to
               && device_tunnel_serves(c, to, t->bridge, NULL)) {
        return to;
    }
    return NULL;
}

/* The first of them whose tunnel does not bring anything. */
static struct device *
find_unready(const struct controller *c, const struct transfer *t)
{
    struct device *device = NULL;

    while ((device = next_tunnelled(c, t, device))) {
        if (!device_tunnel_is_good(device, t->bridge, time_msec())) {
            return device;
        }
    }
    return NULL;
}

static bool
is_foreign(const struct controller *c, const struct transfer *t)
{
    return session_path_is_foreign(device_find(&c->devices, t->to), t->bridge)
           && strcmp(t->to_bridge, t->bridge);
}

/* Is the way to the target, or its bridge, there? */
static bool
is_ready(const struct controller *c, const struct transfer *t)
{
    long long int now = time_msec();

    return (!find_unready(c, t)
            && (!is_foreign(c, t)
                || (session_path_is_open(c, t)
                    && tunnel_path_is_good(c->tunnel_paths, t->bridge,
                                           t->to_bridge, now)
                    && tunnel_path_is_good(c->tunnel_paths, t->to_bridge,
                                           t->bridge, now))));
}

/* A sentence, which the caller frees. */
static char *
why_not_ready(const struct controller *c, const struct transfer *t)
{
    const struct device *device = find_unready(c, t);
    const struct device_tunnel *tunnel = device ? device_tunnel_find(device,
                                                                     t->bridge)
                                                : NULL;

    if (tunnel && tunnel->error) {
        return xasprintf("%s has no tunnel to %s: %s", device->name, t->bridge,
                         tunnel->error);
    }
    return device ? xasprintf("nothing comes through the tunnel between "
                              "bridge %s and device %s",
                              t->bridge, device->name)
                  : xasprintf("nothing comes through the tunnel between "
                              "bridges %s and %s",
                              t->bridge, t->to_bridge);
}

void
introduction_prepare(struct controller *c, const struct transfer *t)
{
    long long int now = time_msec();
    struct device *device = NULL;

    while ((device = next_tunnelled(c, t, device))) {
        device_tunnel_want(c, device, t->bridge);
        device_tunnels_run(c, device);
    }
    if (is_foreign(c, t)) {
        tunnel_paths_want(c->tunnel_paths, t->bridge, t->to_bridge, now);
        tunnel_paths_want(c->tunnel_paths, t->to_bridge, t->bridge, now);
        tunnel_paths_run(c->tunnel_paths, c->network, now);
    }
}

void
introduction_answer(struct controller *c, struct transfer *t,
                    const struct jsonrpc_msg *request,
                    struct onward_right right)
{
    struct introduction *i;

    if (!is_foreign(c, t) && !next_tunnelled(c, t, NULL)) {
        answer(c, t, request->id, right);
        return;
    }

    i = xzalloc(sizeof *i);
    i->transfer = t->id;
    i->id = json_clone(request->id);
    i->right = right;
    i->deadline = time_msec() + INTRODUCTION_PATIENCE;
    ovs_list_push_back(&c->introductions, &i->node);
}

static void
introduction_destroy(struct introduction *i)
{
    ovs_list_remove(&i->node);
    json_destroy(i->id);
    free(i);
}

static void
refuse(struct controller *c, const struct transfer *t, struct json *id)
{
    struct device *device = device_find(&c->devices, t->from);
    const struct jsonrpc_msg request = { .id = id };

    if (device && device->link) {
        link_reply_error(device->link, &request, "tunnel", "%s",
                         t->reason ? t->reason : "the transfer is over");
    }
}

void
introductions_run(struct controller *c)
{
    struct introduction *i;

    LIST_FOR_EACH_SAFE(i, node, &c->introductions) {
        struct transfer *t = transfers_find(c->transfers, &i->transfer);

        if (t && !t->over && !is_ready(c, t)) {
            char *reason;

            if (time_msec() < i->deadline) {
                continue;
            }
            reason = why_not_ready(c, t);
            transfer_withdraw(c->transfers, t, reason);
            free(reason);
            mediator_act(c);
        }
        if (t && t->over) {
            refuse(c, t, i->id);
        } else if (t) {
            answer(c, t, i->id, i->right);
        }
        introduction_destroy(i);
    }
}

void
introductions_wait(struct controller *c)
{
    const struct introduction *i;

    /* What they wait for comes from bridges, and wakes us. */
    LIST_FOR_EACH(i, node, &c->introductions) {
        poll_timer_wait_until(i->deadline);
    }
}

void
introductions_destroy(struct controller *c)
{
    struct introduction *i;

    LIST_FOR_EACH_SAFE(i, node, &c->introductions) {
        introduction_destroy(i);
    }
}
