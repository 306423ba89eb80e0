/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "permanent-private.h"

#include <stdlib.h>
#include <unistd.h>

#include "address.h"
#include "agent.h"
#include "block.h"
#include "epochs.h"
#include "keeper.h"
#include "onward-store.h"
#include "openvswitch/list.h"
#include "openvswitch/vlog.h"
#include "own-address.h"
#include "packets.h"
#include "permanent-store.h"
#include "session.h"
#include "util.h"
#include "uuid.h"
#include "whole.h"

VLOG_DEFINE_THIS_MODULE(permanent_table);

/* A device's own addresses: which there are, and what is written down of them. */

struct permanent *
permanent_find_session(const struct agent *agent, const struct uuid *session)
{
    struct permanent *p;

    if (!agent->permanents) {
        return NULL;
    }
    LIST_FOR_EACH(p, node, &agent->permanents->own) {
        if (uuid_equals(&p->r.session, session)) {
            return p;
        }
    }
    return NULL;
}

struct permanent *
permanent_find_address(const struct agent *agent,
                       const struct in6_addr *address)
{
    struct permanent *p;

    if (!agent->permanents) {
        return NULL;
    }
    LIST_FOR_EACH(p, node, &agent->permanents->own) {
        if (ipv6_addr_equals(&p->r.own.address, address)) {
            return p;
        }
    }
    return NULL;
}

bool
permanent_is_home(const struct agent *agent, const struct uuid *session)
{
    return permanent_find_session(agent, session) != NULL;
}

const char *
permanent_text_of(const struct permanent *p)
{
    static char text[INET6_ADDRSTRLEN];

    return ipv6_string_mapped(text, &p->r.own.address), text;
}

void
permanent_save(struct agent *agent)
{
    struct permanents *ps = agent->permanents;
    const struct permanent_record **records;
    struct permanent *p;
    size_t n = 0;

    records = xcalloc(ovs_list_size(&ps->own) + 1, sizeof *records);
    LIST_FOR_EACH(p, node, &ps->own) {
        p->r.asleep = p->state == PERMANENT_ASLEEP;
        if (p->state != PERMANENT_HOME) {
            records[n++] = &p->r;
        }
    }
    permanent_store_save(ps->file, records, n);
    free(records);
}

/* What a former agent wrote down: the addresses that are not to be used. */
void
permanent_load(struct agent *agent)
{
    struct permanent_record *records;
    size_t n = permanent_store_load(agent->permanents->file, &records);

    for (size_t i = 0; i < n; i++) {
        struct permanent *p = xzalloc(sizeof *p);

        p->r = records[i];
        p->state = p->r.asleep ? PERMANENT_ASLEEP : PERMANENT_GIVING;
        p->unsure = !p->r.asleep;
        ovs_list_push_back(&agent->permanents->own, &p->node);
        if (!ipv6_addr_equals(&p->r.temporary, &in6addr_any)) {
            own_address_lend(&p->r.own, &p->r.temporary);
            block_reserve(agent->blocks, &p->r.temporary);
        }
        if (p->r.asleep) {
            own_address_take_away(&p->r.own);
        }
        VLOG_INFO("the permanent address %s %s", permanent_text_of(p),
                  p->r.asleep ? "sleeps" : "was about to leave");
    }
    free(records);
}

struct session *
permanent_make_session(struct agent *agent, struct permanent *p,
                       uint64_t epoch)
{
    struct session *s = session_find(&agent->sessions, &p->r.session);

    if (!s) {
        s = session_create(&agent->sessions, &p->r.session, &p->r.own.address,
                           epoch);
        s->conn = whole_conn(agent);
        s->uid = geteuid();
        s->permanent = true;
        ovs_strlcpy(s->name, "permanent", sizeof s->name);
        ovs_strlcpy(s->ifname, p->r.own.ifname, sizeof s->ifname);
        onward_store_recall(agent, s);
        epochs_note(agent, &s->id, epoch);
        keeper_announce(agent, s);
    } else if (!s->ifname[0]) {
        ovs_strlcpy(s->ifname, p->r.own.ifname, sizeof s->ifname);
    }
    return s;
}

struct session *
permanent_find_home(struct agent *agent, int family)
{
    struct permanent *p;

    LIST_FOR_EACH(p, node, &agent->permanents->own) {
        if (address_family(&p->r.own.address) == family
            && p->state == PERMANENT_HOME) {
            return session_find(&agent->sessions, &p->r.session);
        }
    }
    return NULL;
}
