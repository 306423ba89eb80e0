/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "leftover.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "address.h"
#include "agent.h"
#include "block.h"
#include "foreign-route.h"
#include "handover.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(leftover);

/* Milliseconds after which what no application has shown is taken away. */
#define LEFTOVER_GRACE 15000

/* Looks at what a former agent left.  Output stays closed where it was until
 * an application shows the session, or the grace is over. */
void
leftovers_open(struct agent *agent)
{
    size_t n;

    if (!address_list_leftovers(&agent->leftovers, &n) && n) {
        agent->n_leftovers = n;
        agent->leftover_deadline = time_msec() + LEFTOVER_GRACE;
        VLOG_INFO("a former agent left %" PRIuSIZE " addresses or rules", n);
        for (size_t i = 0; i < n; i++) {
            block_reserve(agent->blocks, &agent->leftovers[i].address);
        }
    }
}

const char *
leftover_find(const struct agent *agent, const struct in6_addr *address)
{
    for (size_t i = 0; i < agent->n_leftovers; i++) {
        const struct address_leftover *l = &agent->leftovers[i];

        if (l->ifname[0] && ipv6_addr_equals(&l->address, address)) {
            return l->ifname;
        }
    }
    return "";
}

static bool
is_moving(const struct agent *agent, const struct in6_addr *address)
{
    const struct handover *h;

    HMAP_FOR_EACH(h, node, &agent->handovers) {
        if (ipv6_addr_equals(&h->address, address)) {
            return true;
        }
    }
    return false;
}

static void
remove_leftover(const struct address_leftover *l)
{
    if (l->ifname[0]) {
        address_del(l->ifname, &l->address);
    }
    foreign_route_del(&l->address);
    if (l->output_closed) {
        address_open_output(&l->address);
    }
}

void
leftover_reclaim(struct agent *agent, const struct in6_addr *address)
{
    for (size_t i = 0; i < agent->n_leftovers; i++) {
        const struct address_leftover *l = &agent->leftovers[i];

        if (ipv6_addr_equals(&l->address, address)
            && !session_find_address(&agent->sessions, address)) {
            remove_leftover(l);
        }
    }
}

void
leftovers_run(struct agent *agent)
{
    size_t n = 0;

    if (!agent->n_leftovers || time_msec() < agent->leftover_deadline) {
        return;
    }
    for (size_t i = 0; i < agent->n_leftovers; i++) {
        const struct address_leftover *l = &agent->leftovers[i];
        char name[INET6_ADDRSTRLEN];

        if (session_find_address(&agent->sessions, &l->address)) {
            continue;
        } else if (is_moving(agent, &l->address)) {
            /* Perhaps to here, perhaps in vain. */
            agent->leftovers[n++] = *l;
            continue;
        }
        VLOG_INFO("nobody has shown a session with address %s, which a former "
                  "agent left: taken away",
                  ipv6_string_mapped(name, &l->address));
        remove_leftover(l);
        block_put(agent->blocks, &l->address);
    }
    agent->n_leftovers = n;
    agent->leftover_deadline = time_msec() + LEFTOVER_GRACE;
    if (n) {
        return;
    }
    free(agent->leftovers);
    agent->leftovers = NULL;
}

void
leftovers_wait(const struct agent *agent)
{
    if (agent->n_leftovers) {
        poll_timer_wait_until(agent->leftover_deadline);
    }
}
