/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "settle.h"

#include <string.h>

#include "address.h"
#include "agent.h"
#include "foreign-route.h"
#include "handover.h"
#include "lan.h"
#include "permanent.h"
#include "tunnel-ends.h"
#include "util.h"
#include "uuid.h"

void
settle_address(struct agent *agent, struct session *s)
{
    const char *ifname = tunnel_ends_interface_of(agent, &s->address);

    if (s->permanent && permanent_settle(agent, s)) {
        return;
    }
    if (!strcmp(s->ifname, "lo") && ifname[0]
        && !address_add(ifname, &s->address)) {
        address_del("lo", &s->address);
        ovs_strlcpy(s->ifname, ifname, sizeof s->ifname);
        lan_bound(agent->lan, &s->address);
    }
}

static bool
has_just_come(const struct agent *agent, const struct session *s)
{
    const struct handover *h;

    HMAP_FOR_EACH(h, node, &agent->handovers) {
        if (!h->ended && h->state == TAKE_OWNED
            && uuid_equals(&h->session_id, &s->id)) {
            return true;
        }
    }
    return false;
}

void
settle_after_move(struct agent *agent, struct session *s)
{
    if (!s->handover && !has_just_come(agent, s)) {
        session_settle_sockets(s);
        settle_address(agent, s);
    }
}

void
settle_run(struct agent *agent)
{
    struct session *s;
    uint32_t key;

    while (tunnel_ends_next_opened(agent, &key)) {
        HMAP_FOR_EACH(s, id_node, &agent->sessions.by_id) {
            if (!s->handover && foreign_route_get_key(&s->address) == key) {
                settle_address(agent, s);
            }
        }
    }
}
