/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "transfer-checks.h"

#include <stdlib.h>
#include <string.h>

#include "attachment.h"
#include "controller.h"
#include "device-tunnel.h"
#include "network.h"
#include "permanent.h"
#include "policy.h"
#include "record.h"
#include "refusal.h"
#include "ticket.h"
#include "timeval.h"
#include "transfer-spec.h"
#include "transfer.h"
#include "util.h"

static struct onward_right
right_of(const struct record *record)
{
    return onward_normalise(
        (struct onward_right){ record->onward, record->depth });
}

/* What anybody but the device where it began has is what was given to it. */
static bool
is_home(const struct record *record)
{
    return !record || !strcmp(record->owner, record->home);
}

void
transfer_check_onward(const struct controller *c, const struct record *record,
                      const char *to, struct refusal *r)
{
    bool permitted = true;

    if (is_home(record)
        || (!strcmp(to, record->home) && permanent_is_recalled(c, record))) {
        return;
    }
    switch (right_of(record).onward) {
    case ONWARD_NONE:
        refusal_set(r, "onward",
                    "%s may not pass the session on, nor back: it got it so "
                    "from where it began, %s",
                    record->owner, record->home);
        return;

    case ONWARD_BACK: permitted = false; break;

    case ONWARD_GROUP:
        permitted = policy_share_group(c->policy, record->home, to);
        break;

    case ONWARD_ANY: break;
    }
    if (!permitted && strcmp(to, record->home)) {
        char right[ONWARD_STRING_LEN];

        onward_to_string(right_of(record), right);
        refusal_set(r, "onward",
                    "%s may not pass the session on to %s: its right is "
                    "\"%s\", and the session began on %s",
                    record->owner, to, right, record->home);
    }
}

struct onward_right
transfer_onward_limit(const struct controller *c, const struct uuid *session,
                      const char *from, const char *to, const char *service)
{
    struct record view;
    const struct record *record = record_find(c->records, session, &view);
    struct onward_right limit = policy_onward(c->policy, from, to, service);

    if (record && !strcmp(to, record->home)) {
        /* Where it began, it begins anew. */
        return ONWARD_RIGHT_ALL;
    }
    return is_home(record) ? limit
                           : onward_both(limit, onward_rest(right_of(record)));
}

void
transfer_check_given(struct onward_right asked, struct onward_right limit,
                     const char *from, struct refusal *r)
{
    if (!onward_is_within(asked, limit)) {
        char a[ONWARD_STRING_LEN], l[ONWARD_STRING_LEN];

        onward_to_string(asked, a);
        onward_to_string(limit, l);
        refusal_set(r, "onward",
                    "%s cannot give the right \"%s\" along: \"%s\" is the "
                    "most that it may",
                    from, a, l);
    }
}

void
transfer_check_database(const struct controller *c, struct refusal *r)
{
    const char *trouble = record_store_get_trouble(c->records);

    if (trouble) {
        refusal_set(r, "database", "%s", trouble);
    }
}

bool
transfer_bridge_is_ready(const struct controller *c, const char *name)
{
    const struct bridge *bridge = network_find(c->network, name);

    return (bridge ? bridge_is_synchronised(bridge)
                   : network_is_lan(c->network, name));
}

const struct device *
transfer_check_device(const struct controller *c, const char *name,
                      const char *bridge, struct refusal *r)
{
    const struct device *device = device_find(&c->devices, name);
    char *why = NULL;

    if (!device) {
        refusal_set(r, "unknown-device", "policy knows no device %s", name);
    } else if (!transfer_bridge_is_ready(c, bridge)) {
        refusal_set(r, "not-attached", "bridge %s is not there", bridge);
    } else if (!device->link) {
        refusal_set(r, "not-connected",
                    "%s is not connected to the controller", name);
    } else if (device_tunnel_serves(c, device, bridge, &why)) {
        /* It need not be attached to anything. */
    } else if (why) {
        refusal_set(r, "not-attached", "%s is behind no bridge, and %s", name,
                    why);
        free(why);
    } else if (!device_is_attached(device, c->network)) {
        refusal_set(r, "not-attached",
                    "%s has not proved where it is attached", name);
    } else if (strcmp(device->place.bridge, bridge)) {
        if (!network_has_tunnel(c->network, bridge, device->place.bridge,
                                &why)) {
            refusal_set(r, "not-attached",
                        "%s is attached to bridge %s, not to the "
                        "session's home bridge %s: %s",
                        name, device->place.bridge, bridge, why);
        } else if (!transfer_bridge_is_ready(c, device->place.bridge)) {
            refusal_set(r, "bridge", "bridge %s is not synchronised",
                        device->place.bridge);
        }
        free(why);
    }
    return device;
}

void
transfer_check_bridges(const struct controller *c, const struct transfer *t,
                       struct refusal *r)
{
    const struct {
        const char *device, *before;
    } sides[] = { { t->from, t->from_bridge }, { t->to, t->to_bridge } };

    for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
        const char *now = transfer_spec_bridge(c, sides[i].device, t->bridge);

        if (now && strcmp(now, sides[i].before)) {
            refusal_set(r, "not-attached", "%s has moved to bridge %s",
                        sides[i].device, now);
        }
    }
}

void
transfer_check_tunnels(const struct controller *c, const struct transfer *t,
                       struct refusal *r)
{
    const char *names[] = { t->from, t->to };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const struct device *device = device_find(&c->devices, names[i]);

        if (device && device_tunnel_serves(c, device, t->bridge, NULL)
            && !device_tunnel_is_good(device, t->bridge, time_msec())) {
            refusal_set(r, "tunnel",
                        "nothing comes through the tunnel between %s and %s",
                        t->bridge, device->name);
        }
    }
}

struct transfer *
transfer_of_party(struct controller *c, const struct device *device,
                  const struct uuid *id, int side)
{
    struct transfer *t = transfers_find(c->transfers, id);

    if (t
        && ((side != TRANSFER_SIDE_G && !strcmp(t->from, device->name))
            || (side != TRANSFER_SIDE_T && !strcmp(t->to, device->name)))) {
        return t;
    }
    return NULL;
}
