/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "announcement.h"

#include <inttypes.h>
#include <string.h>

#include "controller.h"
#include "holder.h"
#include "lease.h"
#include "mapping.h"
#include "mediator.h"
#include "message.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "permanent.h"
#include "policy.h"
#include "record.h"
#include "timeval.h"
#include "transfer.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(announcement);

/* Milliseconds that a device, registered again, has for the applications that
 * hold its sessions to show them to it. */
#define ANNOUNCEMENT_GRACE (120 * 1000)

void
announcement_read_session(struct message *m, struct announcement *a)
{
    const char *service;

    memset(a, 0, sizeof *a);
    message_get_uuid(m, "session", &a->session);
    message_get_address(m, "address", &a->address);
    a->epoch = message_get_integer(m, "epoch", 0, EPOCH_MAX);
    a->name = message_get_string(m, "name", SESSION_NAME_MAX);
    service = message_get_optional_string(m, "service", MESSAGE_NAME_MAX);
    a->service = service ? service : "";
    if (a->service[0] && !message_name_is_valid(a->service) && !m->error) {
        m->error = xstrdup("member \"service\": not a valid name");
    }
}

void
announcement_read(struct message *m, struct announcement *a)
{
    const char *state;

    announcement_read_session(m, a);
    a->visits = (shash_find(json_object(m->object), "visits")
                 && message_get_boolean(m, "visits"));
    a->confirm = (shash_find(json_object(m->object), "confirm")
                  && message_get_boolean(m, "confirm"));
    state = message_get_string(m, "state", MESSAGE_NAME_MAX);
    if (!m->error && strcmp(state, "owner")) {
        m->error = xstrdup("member \"state\": not \"owner\"");
    }
    a->mapped = message_get_optional_string(m, "permanent", INET6_ADDRSTRLEN);
}

static bool
check_record(const struct record *record, const struct device *device,
             struct announcement *a)
{
    a->known_epoch = record->epoch;
    a->known_owner = record->ended ? "" : record->owner;
    a->known_owned = !strcmp(a->known_owner, device->name);
    return (a->known_owned && record->epoch == a->epoch
            && ipv6_addr_equals(&record->address, &a->address));
}

/* No record: the lessee's, at epoch 0. */
static bool
check_unmoved(struct controller *c, const struct device *device,
              struct announcement *a)
{
    const char *bridge = leases_home_bridge(c->leases, &a->address);
    const char *lessee;
    struct record view;
    bool taken;

    if (a->epoch == 0 && bridge
        && leases_adopt(c->leases, device->name, bridge, &a->address,
                        time_msec())) {
        VLOG_INFO("%s: goes on with the block of an address that it uses",
                  device->name);
    }
    lessee = leases_lessee(c->leases, &a->address);
    taken = record_find_address(c->records, &a->address, &view) != NULL;
    a->known_epoch = a->epoch;
    a->known_owner = "";
    a->known_owned = (a->epoch == 0 && !taken && lessee
                      && permanent_matches(c, &a->session, &a->address)
                      && !strcmp(lessee, device->name));
    if (a->known_owned) {
        a->known_owner = device->name;
    } else if (a->epoch == 0 && lessee && strcmp(lessee, device->name)) {
        /* The device was away until its lease had run out, and the block is
         * another's now: what it still has there is over (invariants I6,
         * I8).  It discards only what is at a lower epoch. */
        a->known_epoch = 1;
    }
    return a->known_owned;
}

bool
announcement_check(struct controller *c, const struct device *device,
                   struct announcement *a)
{
    struct record view;
    const struct record *record = record_find(c->records, &a->session, &view);

    return record ? check_record(record, device, a)
                  : check_unmoved(c, device, a);
}

bool
announcement_take(struct controller *c, struct device *device,
                  struct announcement *a)
{
    const struct session *known = session_find(&c->sessions, &a->session);
    unsigned int limit = c->policy->limits.sessions;
    bool good = announcement_check(c, device, a);

    if (!a->known_owned) {
        return false;
    }
    if (!known && session_count_of(&c->sessions, device->name) >= limit) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(6, 6);

        VLOG_WARN_RL(&rl, "%s: more than %u sessions", device->name, limit);
        return good;
    }
    session_announce(&c->sessions, &a->session, &a->address, a->known_epoch,
                     device->name, a->name, a->service);
    mapping_announced(c, device, &a->session, &a->address, a->mapped);
    return good;
}

void
announcements_begin(struct controller *c, struct device *device)
{
    session_cache_mark(&c->sessions, device->name);
}

void
announcements_end(struct controller *c, struct device *device)
{
    struct session *session;
    struct record view;

    /* The addresses of those that are gone rest. */
    HMAP_FOR_EACH(session, node, &c->sessions.sessions) {
        if (session->marked && !strcmp(session->device, device->name)
            && !record_find(c->records, &session->id, &view)) {
            leases_rest(c->leases, &session->address, time_msec());
        }
    }
    session_cache_sweep(&c->sessions, device->name);
    device->reclaim_at = time_msec() + ANNOUNCEMENT_GRACE;
}

static void
reclaim(struct controller *c, const struct device *device)
{
    struct record record = RECORD_WALK;

    while (record_next(c->records, &record)) {
        if (record.ended || strcmp(record.owner, device->name)
            || session_find(&c->sessions, &record.session)
            || transfers_find_session(c->transfers, &record.session)) {
            continue;
        }
        VLOG_INFO("%s: session " UUID_FMT " is gone, with its application",
                  device->name, UUID_ARGS(&record.session));
        mediator_session_ended(c, &record.session, &record.address);
    }
}

void
announcements_run(struct controller *c)
{
    struct device *device;

    HMAP_FOR_EACH(device, node, &c->devices.devices) {
        if (device->link && device->reclaim_at
            && time_msec() >= device->reclaim_at) {
            /* What it had when it registered, it has cleared up. */
            holders_forget(c->holders, device->name,
                           device->reclaim_at - ANNOUNCEMENT_GRACE);
            device->reclaim_at = 0;
            reclaim(c, device);
        }
    }
}
