/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "mapping-private.h"

#include <limits.h>
#include <string.h>

#include "bridge.h"
#include "controller.h"
#include "network.h"
#include "openvswitch/poll-loop.h"
#include "timeval.h"

void
mapping_handle_packet(struct controller *c, struct bridge *bridge,
                      const struct bridge_packet *packet)
{
    if (packet->kind == BATON_FLOW_MAPPING_FIRST) {
        mapping_handle_first(c, bridge, packet);
    } else if (packet->kind == BATON_FLOW_MAPPING_NEWS) {
        mapping_handle_news(c, packet);
    } else if (packet->kind == BATON_FLOW_MAPPING_ERROR) {
        mapping_translate_error(c, packet->data, packet->size);
        mapping_pass_on(bridge, packet);
    }
}

void
mappings_configure(struct controller *c)
{
    struct mappings *ms = c->mappings;
    struct mapping *m;

    mapping_services_configure(ms->services, c->network, c->policy);
    HMAP_FOR_EACH_SAFE(m, tuple_node, &ms->by_tuple) {
        if (!m->service->keep) {
            mapping_end(c, m, true,
                        "its service is not in the policy any more");
        }
    }
    mapping_services_sweep(ms->services, c->network);
}

/* Gives the INSTALLING that are not flushed yet their number.  What else is to be
 * sent goes with all that this turn changes: mediator_run(). */
static void
flush(struct controller *c)
{
    struct mapping *m;

    if (ovs_list_is_empty(&c->mappings->waiting)) {
        return;
    }
    for (struct bridge *bridge = network_next(c->network, NULL); bridge;
         bridge = network_next(c->network, bridge)) {
        const char *name = bridge_get_name(bridge);
        uint64_t seqno = 0;

        LIST_FOR_EACH(m, waiting_node, &c->mappings->waiting) {
            if (m->state == MAPPING_INSTALLING && !m->seqno
                && !strcmp(m->service->bridge, name)) {
                seqno = seqno ? seqno : network_flush(c->network, name);
                m->seqno = seqno;
            }
        }
    }
}

static void
run_waiting(struct controller *c)
{
    long long int now = time_msec();
    struct mapping *m;

    LIST_FOR_EACH_SAFE(m, waiting_node, &c->mappings->waiting) {
        struct bridge *bridge = mapping_bridge_of(c, m);

        if (m->state == MAPPING_ASKED && now >= m->deadline) {
            mapping_give_up(c, m);
        } else if (m->state == MAPPING_INSTALLING && m->seqno && bridge
                   && bridge_acked(bridge) >= m->seqno) {
            ovs_list_remove(&m->waiting_node);
            ovs_list_init(&m->waiting_node);
            mapping_set_state(m, MAPPING_HALF_OPEN);
            mapping_release(c, m, true);
        } else if (m->state == MAPPING_INSTALLING && now >= m->deadline) {
            mapping_end(c, m, true, "the bridge does not answer");
        }
    }
}

void
mappings_run(struct controller *c)
{
    struct mappings *ms = c->mappings;

    ms->n_counted = 0;
    for (struct bridge *bridge = network_next(c->network, NULL); bridge;
         bridge = network_next(c->network, bridge)) {
        mapping_run_news(c, bridge);
    }
    ms->next_expiry = mapping_services_run(ms->services, c->network,
                                           time_msec());
    run_waiting(c);
    flush(c);
}

void
mappings_wait(struct controller *c)
{
    const struct mapping *m;

    if (c->mappings->next_expiry != LLONG_MAX) {
        poll_timer_wait_until(c->mappings->next_expiry);
    }
    LIST_FOR_EACH(m, waiting_node, &c->mappings->waiting) {
        poll_timer_wait_until(m->deadline);
    }
}
