/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "permanent-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "app-link.h"
#include "app-send.h"
#include "block.h"
#include "controller-link.h"
#include "events.h"
#include "handover.h"
#include "identity.h"
#include "message.h"
#include "openvswitch/vlog.h"
#include "own-address.h"
#include "packets.h"
#include "permanent-store.h"
#include "session.h"
#include "socket-state.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(permanent_lend);

/* Falling asleep: a permanent address goes to another device. */

/* Milliseconds for the temporary address and the channel by it. */
#define LEND_TIMEOUT 15000

static void
tell_mover(struct agent *agent, struct permanent *p, int error,
           const char *reason)
{
    if (p->caller) {
        app_send_call_error(p->caller, error, reason);
    }
    if (p->mover) {
        struct session s = { .id = p->r.session, .address = p->r.own.address };

        app_send_session(p->mover, APP_MOVED, &s, NULL, NULL, error, reason);
    }
    p->caller = p->mover = NULL;
    events_add(agent, &p->r.session, 0, "did not move to %s: %s", p->target,
               reason);
}

/* The channel goes by the address itself again, and the temporary one goes,
 * once those that were connected to it have heard so. */
void
permanent_return_temporary(struct agent *agent, struct permanent *p)
{
    if (ipv6_addr_equals(&p->r.temporary, &in6addr_any)) {
        return;
    }
    own_address_prefer(&p->r.own, &p->r.temporary);
    if (p->r.channel) {
        permanent_move_channel(agent, p, &p->r.own.address);
    }
    own_address_stop_lending(&p->r.own, &p->r.temporary);
    block_put(agent->blocks, &p->r.temporary);
    p->r.temporary = in6addr_any;
    p->r.channel = false;
}

/* As it was: the temporary address goes. */
static void
stay(struct agent *agent, struct permanent *p)
{
    if (!ipv6_addr_equals(&p->r.temporary, &in6addr_any)) {
        own_address_put_back(&p->r.own, NULL);
        permanent_return_temporary(agent, p);
    }
    p->state = PERMANENT_HOME;
    permanent_record_clear(&p->r);
    permanent_save(agent);
}

bool
permanent_is_to_lend(const struct agent *agent, const struct session *s)
{
    return permanent_find_session(agent, &s->id) != NULL;
}

bool
permanent_move(struct agent *agent, struct session *s, const char *target,
               struct app_conn *mover, struct app_conn *caller, char **errorp)
{
    struct permanent *p = permanent_find_session(agent, &s->id);
    struct own_address own;

    *errorp = NULL;
    if (p->state != PERMANENT_HOME || s->handover) {
        *errorp = xstrdup("the address is moving already");
    } else if (!message_name_is_valid(target)) {
        *errorp = xasprintf("\"%s\" is not the name of a device", target);
    } else if (!strcmp(target, identity_get_name(agent->identity))) {
        *errorp = xstrdup("the address is on this device");
    } else if (!controller_link_is_registered(agent->controller)) {
        *errorp = xstrdup("there is no connection with the controller");
    } else if (own_address_find(&p->r.own.address, &own)) {
        *errorp = xstrdup("the address is on no interface");
    }
    if (*errorp) {
        return false;
    }
    p->r.own = own;
    ovs_strlcpy(s->ifname, own.ifname, sizeof s->ifname);
    free(p->target);
    p->target = xstrdup(target);
    p->mover = mover;
    p->caller = caller;
    p->deadline = time_msec() + LEND_TIMEOUT;
    p->registration = agent->registration;
    p->state = PERMANENT_LENDING;
    return true;
}

/* LENDING, first half. */
static void
lend(struct agent *agent, struct permanent *p)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(&p->r.own.address);
    char *listen;
    int error;

    if (block_take(agent->blocks, v4 ? AF_INET : AF_INET6, &p->r.temporary)) {
        p->r.temporary = in6addr_any;
        return; /* They are being prepared. */
    }
    listen = permanent_listen_at(agent, p, &p->r.temporary);
    p->r.channel = listen || permanent_is_channel(agent, p);
    free(listen);
    error = own_address_lend(&p->r.own, &p->r.temporary);
    if (error) {
        char *reason = xasprintf("%s: cannot use a temporary address: %s",
                                 p->r.own.ifname, ovs_strerror(error));

        tell_mover(agent, p, error, reason);
        free(reason);
        stay(agent, p);
        return;
    }
    permanent_save(agent);
    if (p->r.channel) {
        permanent_move_channel(agent, p, &p->r.temporary);
    }
}

void
permanent_run_lending(struct agent *agent, struct permanent *p)
{
    struct session *s = session_find(&agent->sessions, &p->r.session);
    char *error = NULL;

    if (!s) {
        tell_mover(agent, p, ECANCELED, "the address is another device's");
        stay(agent, p);
    } else if (time_msec() >= p->deadline) {
        tell_mover(agent, p, ETIMEDOUT,
                   ipv6_addr_equals(&p->r.temporary, &in6addr_any)
                       ? "no temporary address is ready"
                       : "the controller was not reached from the temporary "
                         "address");
        stay(agent, p);
    } else if (ipv6_addr_equals(&p->r.temporary, &in6addr_any)) {
        lend(agent, p);
    } else if (controller_link_is_registered(agent->controller)
               && controller_link_get_ifname(agent->controller)[0]
               && (!p->r.channel || agent->registration != p->registration)) {
        if (give_start(agent, s, p->target, "", p->mover, p->caller, &error)) {
            p->state = PERMANENT_GIVING;
            p->deadline = 0;
            p->mover = p->caller = NULL;
        } else {
            tell_mover(agent, p, EINVAL, error);
            free(error);
            stay(agent, p);
        }
    }
}

void
permanent_note_connections(struct agent *agent, const struct session *s)
{
    struct permanent *p = permanent_find_session(agent, &s->id);

    if (!p) {
        return;
    }
    p->r.n_connections = 0;
    free(p->r.connections);
    p->r.connections = xcalloc(s->n_sockets + 1, sizeof *p->r.connections);
    for (size_t i = 0; i < s->n_sockets; i++) {
        struct permanent_connection *c = &p->r.connections[p->r.n_connections];
        struct socket_state_info info;

        if (!socket_state_inspect(s->sockets[i].fd, &info, NULL)
            && info.kind == SOCKET_STATE_TCP && info.peer.ss_family) {
            permanent_connection_set(c, &info.local, &info.peer);
            p->r.n_connections++;
        }
    }
}

void
permanent_hide(struct agent *agent, const struct in6_addr *address)
{
    struct permanent *p = permanent_find_address(agent, address);

    if (p && p->state == PERMANENT_GIVING) {
        int error = own_address_take_away(&p->r.own);

        if (error) {
            VLOG_ERR("%s: the address that has moved cannot be taken away: "
                     "%s",
                     permanent_text_of(p), ovs_strerror(error));
        }
    }
}

void
permanent_left(struct agent *agent, const struct in6_addr *address)
{
    struct permanent *p = permanent_find_address(agent, address);

    if (p && p->state == PERMANENT_GIVING) {
        permanent_hide(agent, address);
        p->state = PERMANENT_ASLEEP;
        permanent_save(agent);
        events_add(agent, &p->r.session, 0, "the permanent address %s sleeps",
                   permanent_text_of(p));
    }
}

void
permanent_run_giving(struct agent *agent, struct permanent *p)
{
    const struct session *s = session_find(&agent->sessions, &p->r.session);
    const struct handover *h;

    if (p->unsure) {
        return;
    }
    if (s) {
        if (!s->handover && time_msec() >= p->deadline) {
            stay(agent, p); /* It was not to be. */
        }
        return;
    }
    HMAP_FOR_EACH(h, node, &agent->handovers) {
        if (ipv6_addr_equals(&h->address, &p->r.own.address)) {
            return; /* Late packets are waited for. */
        }
    }
    permanent_left(agent, &p->r.own.address);
}
