/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "refresh.h"

#include <string.h>

#include "controller.h"
#include "lease.h"
#include "network.h"
#include "next-hop.h"
#include "permanent.h"
#include "policy.h"
#include "record.h"
#include "session-path.h"
#include "transfer.h"
#include "upkeep.h"

void
refresh_session(struct controller *c, const struct record *record)
{
    const char *bridge = leases_home_bridge(c->leases, &record->address);

    if (!bridge || record->ended) {
        /* Without a bridge: policy says no longer that the address is ours. */
        session_path_unset(c, &record->session);
    } else if (permanent_is_open(c, record)) {
        session_path_set_open(c, bridge, &record->session, &record->address);
    } else {
        session_path_set(c, bridge, &record->session, &record->address,
                         record->owner);
    }
}

void
refresh_restore(struct controller *c, const struct uuid *session)
{
    struct record view;
    const struct record *record = record_find(c->records, session, &view);

    if (record) {
        refresh_session(c, record);
    } else {
        session_path_unset(c, session);
    }
    network_flush_all(c->network);
}

void
refresh_block(struct controller *c, const char *bridge, const struct uuid *key,
              const struct in6_addr *addr, unsigned int plen,
              const char *device)
{
    if (device && device[0]) {
        struct flow_place place = device_flow_place(
            device_find(&c->devices, device), bridge);

        network_set_block(c->network, bridge, key, addr, plen, &place);
    } else {
        network_unset(c->network, bridge, key);
    }
}

static void
refresh_blocks(struct controller *c, const char *bridge, const char *device)
{
    const struct lease *lease = NULL;

    while ((lease = leases_next(c->leases, lease))) {
        if (lease->state == LEASE_LEASED
            && (!bridge || !strcmp(lease->bridge, bridge))
            && (!device || !strcmp(lease->device, device))) {
            refresh_block(c, lease->bridge, &lease->key, &lease->addr,
                          lease->plen, lease->device);
        }
    }
}

bool
refresh_is_moving(const struct controller *c, const struct uuid *session)
{
    const struct transfer *t = transfers_find_session(c->transfers, session);

    return t && t->state != TRANSFER_SETTLED;
}

/* Is the session's owner on 'bridge'? */
static bool
visits(const struct controller *c, const struct record *record,
       const char *bridge)
{
    const struct device *owner = device_find(&c->devices, record->owner);

    return (owner && owner->place.known
            && !strcmp(owner->place.bridge, bridge));
}

static void
refresh_sessions(struct controller *c, const char *bridge, const char *owner)
{
    struct record record = RECORD_WALK;

    while (record_next(c->records, &record)) {
        const char *home = leases_home_bridge(c->leases, &record.address);

        if (!record.ended
            && (!bridge || !home || !strcmp(home, bridge)
                || visits(c, &record, bridge))
            && (!owner || !strcmp(record.owner, owner))
            && !refresh_is_moving(c, &record.session)) {
            refresh_session(c, &record);
        }
    }
}

void
refresh_place_changed(struct controller *c, const struct device *device)
{
    upkeep_place_changed(c->upkeep, device->name);
    refresh_blocks(c, NULL, device->name);
    if (!device->place.known) {
        refresh_sessions(c, NULL, device->name);
    }
    session_path_guard_device(c, device);
    network_flush_all(c->network);
}

void
refresh_device_gone(struct controller *c, const char *name)
{
    refresh_sessions(c, NULL, name);
    network_flush_all(c->network);
}

void
refresh_bridge(struct controller *c, const char *bridge)
{
    const struct device *device;

    refresh_blocks(c, bridge, NULL);
    refresh_sessions(c, bridge, NULL);
    HMAP_FOR_EACH(device, node, &c->devices.devices) {
        session_path_guard_device(c, device);
    }
    next_hops_refresh_bridge(c, bridge);
    network_flush_all(c->network);
}

void
refresh_device_lost(struct controller *c, const struct device *device)
{
    const struct policy_device *pd = shash_find_data(&c->policy->devices,
                                                     device->name);

    for (size_t i = 0; pd && i < pd->n_permanent; i++) {
        struct record record;
        struct uuid session;

        permanent_session(pd->name, &pd->permanent[i].addr, &session);
        if (record_find(c->records, &session, &record)
            && !strcmp(record.owner, pd->name)) {
            refresh_session(c, &record);
        }
    }
    network_flush_all(c->network);
}
