/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "network.h"

#include <stdlib.h>
#include <string.h>

#include "network-private.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "fail-mode.h"
#include "packets.h"
#include "policy.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(network);

/* Milliseconds after which a listener that failed is tried again. */
#define NETWORK_RETRY 1000

struct listener {
    struct ovs_list node; /* In struct network. */
    char *target;
    struct bridge_listener *listener; /* NULL: could not be opened. */
    long long int retry_at;           /* Milliseconds, while NULL. */
    bool keep;                        /* For network_configure(). */
};

struct queued_event {
    struct ovs_list node; /* In struct network. */
    struct network_event event;
};

struct network *
network_create(void)
{
    struct network *network = xzalloc(sizeof *network);

    ovs_list_init(&network->sites);
    ovs_list_init(&network->listeners);
    ovs_list_init(&network->events);
    sset_init(&network->lans);
    return network;
}

static void
listener_destroy(struct listener *listener)
{
    ovs_list_remove(&listener->node);
    bridge_listener_close(listener->listener);
    free(listener->target);
    free(listener);
}

void
network_destroy(struct network *network, bool detach)
{
    if (network) {
        struct queued_event *event;
        struct listener *listener;
        struct network_site *site;

        LIST_FOR_EACH_SAFE(site, node, &network->sites) {
            ovs_list_remove(&site->node);
            network_site_destroy(site, detach);
        }
        LIST_FOR_EACH_SAFE(listener, node, &network->listeners) {
            listener_destroy(listener);
        }
        LIST_FOR_EACH_POP(event, node, &network->events) {
            free(event);
        }
        sset_destroy(&network->lans);
        free(network);
    }
}

static void
add_event(struct network *network, enum network_event_type type,
          const char *bridge)
{
    struct queued_event *event = xzalloc(sizeof *event);

    event->event.type = type;
    ovs_strlcpy(event->event.bridge, bridge, sizeof event->event.bridge);
    ovs_list_push_back(&network->events, &event->node);
}

struct network_site *
network_find_site(const struct network *network, const char *name)
{
    struct network_site *site;

    LIST_FOR_EACH(site, node, &network->sites) {
        if (!strcmp(site->name, name)) {
            return site;
        }
    }
    return NULL;
}

/* Transfers by way of the bridge are to hear that it is gone. */
static void
forsake(struct network *network, struct network_site *site)
{
    if (site->was_synchronised) {
        add_event(network, NETWORK_LOST, site->name);
    }
    ovs_list_remove(&site->node);
    network_site_destroy(site, true);
}

static void
configure_bridge(struct network *network, const struct policy_bridge *pb,
                 const struct policy *policy)
{
    struct network_site *site = network_find_site(network, pb->name);
    bool detached = site && bridge_is_detached(site->bridge);

    if (site && !network_site_is_same(site, pb, policy)) {
        forsake(network, site);
        site = NULL;
    }
    if (!site) {
        site = network_site_create(pb, policy);
        if (detached) {
            bridge_detach(site->bridge);
        }
        ovs_list_push_back(&network->sites, &site->node);
        add_event(network, NETWORK_NEW, pb->name);
    }
    site->keep = true;
}

static void
configure_listener(struct network *network, const char *target)
{
    struct listener *listener;

    LIST_FOR_EACH(listener, node, &network->listeners) {
        if (!strcmp(listener->target, target)) {
            listener->keep = true;
            return;
        }
    }
    listener = xzalloc(sizeof *listener);
    listener->target = xstrdup(target);
    listener->keep = true;
    ovs_list_push_back(&network->listeners, &listener->node);
}

void
network_configure(struct network *network, const struct policy *policy)
{
    const struct shash_node *node;
    struct listener *listener;
    const char *target;
    struct network_site *site;

    LIST_FOR_EACH(site, node, &network->sites) {
        site->keep = false;
    }
    LIST_FOR_EACH(listener, node, &network->listeners) {
        listener->keep = false;
    }
    sset_clear(&network->lans);
    SHASH_FOR_EACH(node, &policy->bridges) {
        if (policy_find_lan(policy, node->name)) {
            sset_add(&network->lans, node->name);
        } else {
            configure_bridge(network, node->data, policy);
        }
    }
    SSET_FOR_EACH(target, &policy->bridges_listen) {
        configure_listener(network, target);
    }
    LIST_FOR_EACH_SAFE(site, node, &network->sites) {
        if (site->keep) {
            network_site_set_prefixes(site, policy);
            site->maps = network_site_has_movables(site->name, policy);
            network_site_set_pipeline(site);
        } else {
            VLOG_INFO("%s: bridge is no longer in the policy", site->name);
            forsake(network, site);
        }
    }
    LIST_FOR_EACH_SAFE(listener, node, &network->listeners) {
        if (!listener->keep) {
            listener_destroy(listener);
        }
    }
}

static void
run_listener(struct network *network, struct listener *listener)
{
    struct bridge **bridges;
    struct network_site *site;
    size_t n = 0;

    if (!listener->listener && time_msec() >= listener->retry_at) {
        int error = bridge_listener_open(listener->target,
                                         &listener->listener);

        if (error) {
            static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(6, 6);

            listener->listener = NULL;
            listener->retry_at = time_msec() + NETWORK_RETRY;
            VLOG_ERR_RL(&rl, "%s: cannot listen for bridges (%s)",
                        listener->target, ovs_strerror(error));
        }
    }
    if (!listener->listener) {
        return;
    }

    bridges = xcalloc(ovs_list_size(&network->sites) + 1, sizeof *bridges);
    LIST_FOR_EACH(site, node, &network->sites) {
        bridges[n++] = site->bridge;
    }
    bridge_listener_run(listener->listener, bridges, n);
    free(bridges);
}

static void
run_site(struct network *network, struct network_site *site)
{
    bool synchronised;

    if (site->fail_mode) {
        fail_mode_run(site->fail_mode);
        bridge_refuse(site->bridge, fail_mode_get_refusal(site->fail_mode));
    }
    bridge_run(site->bridge);
    synchronised = bridge_is_synchronised(site->bridge);
    if (synchronised != site->was_synchronised) {
        site->was_synchronised = synchronised;
        add_event(network, synchronised ? NETWORK_SYNCHRONISED : NETWORK_LOST,
                  site->name);
    }
    if (bridge_get_port_seqno(site->bridge) != site->port_seqno) {
        bool first = !site->ports_known && bridge_is_connected(site->bridge);

        site->port_seqno = bridge_get_port_seqno(site->bridge);
        site->ports_known |= first;
        if (network_site_look_for_tunnel(site) || first) {
            /* All that points into it is to be set anew. */
            add_event(network, NETWORK_NEW, site->name);
        }
        add_event(network, NETWORK_PORTS, site->name);
    }
}

void
network_run(struct network *network)
{
    struct listener *listener;
    struct network_site *site;

    LIST_FOR_EACH(listener, node, &network->listeners) {
        run_listener(network, listener);
    }
    LIST_FOR_EACH(site, node, &network->sites) {
        run_site(network, site);
    }
}

void
network_wait(struct network *network)
{
    struct listener *listener;
    struct network_site *site;

    LIST_FOR_EACH(listener, node, &network->listeners) {
        if (listener->listener) {
            bridge_listener_wait(listener->listener);
        } else {
            poll_timer_wait_until(listener->retry_at);
        }
    }
    LIST_FOR_EACH(site, node, &network->sites) {
        bridge_wait(site->bridge);
        if (site->fail_mode) {
            fail_mode_wait(site->fail_mode);
        }
    }
    if (!ovs_list_is_empty(&network->events)) {
        poll_immediate_wake();
    }
}

bool
network_next_event(struct network *network, struct network_event *event)
{
    struct queued_event *queued;

    if (ovs_list_is_empty(&network->events)) {
        return false;
    }
    queued = CONTAINER_OF(ovs_list_pop_front(&network->events),
                          struct queued_event, node);
    *event = queued->event;
    free(queued);
    return true;
}

bool
network_next_packet(struct network *network, struct bridge **bridge,
                    struct bridge_packet *packet)
{
    struct network_site *site;

    LIST_FOR_EACH(site, node, &network->sites) {
        if (bridge_next_packet(site->bridge, packet)) {
            *bridge = site->bridge;
            return true;
        }
    }
    return false;
}

struct bridge *
network_find(const struct network *network, const char *name)
{
    const struct network_site *site = network_find_site(network, name);

    return site ? site->bridge : NULL;
}

bool
network_is_lan(const struct network *network, const char *name)
{
    return sset_contains(&network->lans, name);
}

const struct flow_layout *
network_layout(const struct network *network, const char *name)
{
    const struct network_site *site = network_find_site(network, name);

    return site ? &site->layout : NULL;
}

struct bridge *
network_next(const struct network *network, const struct bridge *bridge)
{
    const struct network_site *site;
    bool next = !bridge;

    LIST_FOR_EACH(site, node, &network->sites) {
        if (next) {
            return site->bridge;
        }
        next = site->bridge == bridge;
    }
    return NULL;
}

void
network_pipeline(const struct network *network, const char *bridge,
                 struct flow_set *flows)
{
    const struct network_site *site = network_find_site(network, bridge);

    if (site) {
        network_site_collect_pipeline(site, flows);
    }
}
