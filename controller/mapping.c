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

/* Mappings in a turn of sweep(). */
#define SWEEP_ENDED 128
#define SWEEP_LOOKED_AT 4096

void
mapping_handle_packet(struct controller *c, struct bridge *bridge,
                      const struct bridge_packet *packet)
{
    if (packet->kind == BATON_FLOW_MAPPING_FIRST) {
        mapping_handle_first(c, bridge, packet);
    } else if (packet->kind == BATON_FLOW_MAPPING_NEWS) {
        mapping_handle_news(c, packet);
    } else if (packet->kind == BATON_FLOW_MAPPING_FRAGMENT) {
        mapping_handle_fragment(c, packet);
    } else if (packet->kind == BATON_FLOW_MAPPING_ERROR) {
        mapping_translate_error(c, packet->data, packet->size);
        mapping_pass_on(bridge, packet);
    }
}

void
mappings_configure(struct controller *c)
{
    struct mappings *ms = c->mappings;

    mapping_services_configure(ms->services, c->network, c->policy);
    ms->sweeping = true;
    ms->sweep_ended = 0;
    memset(&ms->sweep_at, 0, sizeof ms->sweep_at);
}

/* Ends the sessions of services that are not in the policy any more, some in
 * each turn: others do not wait for a hundred thousand. */
static void
sweep(struct controller *c)
{
    struct mappings *ms = c->mappings;

    for (int i = 0; i < SWEEP_LOOKED_AT; i++) {
        struct hmap_node *node = hmap_at_position(&ms->by_tuple,
                                                  &ms->sweep_at);
        struct mapping *m = (node ? CONTAINER_OF(node, struct mapping,
                                                 tuple_node)
                                  : NULL);

        if (!m && !ms->sweep_ended) {
            ms->sweeping = false;
            mapping_services_sweep(ms->services, c->network);
            return;
        } else if (!m) {
            ms->sweep_ended = 0; /* Around again: some may have been missed. */
        } else if (!m->service->keep) {
            mapping_end(c, m, true,
                        "its service is not in the policy any more");
            if (!(++ms->sweep_ended % SWEEP_ENDED)) {
                return;
            }
        }
    }
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
    if (ms->sweeping) {
        sweep(c);
    }
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

    if (c->mappings->sweeping) {
        poll_immediate_wake();
    }
    if (c->mappings->next_expiry != LLONG_MAX) {
        poll_timer_wait_until(c->mappings->next_expiry);
    }
    LIST_FOR_EACH(m, waiting_node, &c->mappings->waiting) {
        poll_timer_wait_until(m->deadline);
    }
}
