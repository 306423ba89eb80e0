/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "roaming.h"

#include <stdlib.h>
#include <string.h>

#include "announcement.h"
#include "controller.h"
#include "device.h"
#include "device-tunnel.h"
#include "lease.h"
#include "mediator.h"
#include "network.h"
#include "openvswitch/vlog.h"
#include "permanent.h"
#include "record.h"
#include "session-path.h"
#include "timeval.h"
#include "transfer.h"
#include "util.h"
#include "uuid.h"
#include "visit.h"
#include "transfer-spec.h"

VLOG_DEFINE_THIS_MODULE(roaming);

/* One session of the device. */
struct follower {
    struct uuid session;
    struct in6_addr address;
};

struct followers {
    struct follower *followers;
    size_t n, allocated;
};

static void
add_follower(struct followers *fs, const struct uuid *session,
             const struct in6_addr *address)
{
    if (fs->n >= fs->allocated) {
        fs->followers = x2nrealloc(fs->followers, &fs->allocated,
                                   sizeof *fs->followers);
    }
    fs->followers[fs->n].session = *session;
    fs->followers[fs->n++].address = *address;
}

/* Can the session's packets come to where the device is? */
static bool
has_way(const struct controller *c, const struct device *device,
        const char *home)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(6, 6);
    char *why = NULL;

    if (!session_path_is_foreign(device, home)
        || network_has_tunnel(c->network, home, device->place.bridge, &why)) {
        return true;
    }
    VLOG_WARN_RL(&rl, "%s: no session of %s can follow it to %s: %s",
                 device->name, home, device->place.bridge, why);
    free(why);
    return false;
}

static void
follow(struct controller *c, const struct device *device,
       const struct uuid *session, const struct in6_addr *address,
       const struct device_place *former)
{
    struct record view;
    const struct record *record = record_find(c->records, session, &view);
    struct transfer *t = transfers_find_session(c->transfers, session);
    bool again = t && t->roams;
    struct transfer_spec spec;

    memset(&spec, 0, sizeof spec);
    uuid_generate(&spec.id);
    spec.session = *session;
    spec.address = *address;
    spec.epoch = record ? record->epoch : 0;
    spec.from = device->name;
    spec.to = device->name;
    transfer_spec_fill(c, &spec);
    spec.from_bridge = former->known ? former->bridge : NULL;
    has_way(c, device, spec.bridge);
    t = transfers_roam(c->transfers, &spec);
    if (t) {
        t->left_port = former->known ? former->port : OFPP_NONE;
        t->left_mac = former->mac;
        t->left_vlan = former->vlan;
        if (again) {
            session_path_settle(c, t);
        }
    }
}

/* Those that moved, wherever their home is. */
static void
add_moved(const struct controller *c, const struct device *device,
          const char *only, struct followers *fs)
{
    struct record record = RECORD_WALK;

    while (record_next(c->records, &record)) {
        const char *home = leases_home_bridge(c->leases, &record.address);

        if (!record.ended && !strcmp(record.owner, device->name) && home
            && (!only || !strcmp(home, only))
            && !permanent_is_open(c, &record)) {
            add_follower(fs, &record.session, &record.address);
        }
    }
}

static bool
has_left_home(const struct controller *c, const struct device *device,
              const struct in6_addr *address)
{
    const char *home = leases_home_bridge(c->leases, address);

    return home
           && (session_path_is_foreign(device, home)
               || session_path_tunnel(device, home));
}

/* Those that it opened, as far as they are away from home now. */
static void
add_opened(const struct controller *c, const struct device *device,
           const char *only, struct followers *fs)
{
    const struct session *s;
    struct record view;

    HMAP_FOR_EACH(s, node, &c->sessions.sessions) {
        const char *home = leases_home_bridge(c->leases, &s->address);

        if (!strcmp(s->device, device->name)
            && (!only || nullable_string_is_equal(home, only))
            && !record_find(c->records, &s->id, &view)
            && !leases_is_permanent(c->leases, &s->address)
            && has_left_home(c, device, &s->address)) {
            add_follower(fs, &s->id, &s->address);
        }
    }
}

void
roaming_follow(struct controller *c, const struct device *device,
               const char *only, const struct device_place *former)
{
    struct followers fs = { NULL, 0, 0 };

    if (!device->place.known && !only) {
        return;
    }
    add_moved(c, device, only, &fs);
    add_opened(c, device, only, &fs);
    if (fs.n) {
        bool tunnel = only && session_path_tunnel(device, only);

        VLOG_INFO("%s: %" PRIuSIZE " sessions follow it to %s of %s",
                  device->name, fs.n,
                  tunnel ? "a tunnel" : device->place.port_name,
                  tunnel ? only : device->place.bridge);
        c->next_hops_look = 0; /* Other tunnels, perhaps. */
    }
    for (size_t i = 0; i < fs.n; i++) {
        follow(c, device, &fs.followers[i].session, &fs.followers[i].address,
               former);
    }
    free(fs.followers);
    mediator_act(c);
}

void
roaming_announced(struct controller *c, struct device *device,
                  const struct announcement *a)
{
    const char *home = leases_home_bridge(c->leases, &a->address);
    static const struct device_place nowhere = { .port = OFPP_NONE };
    bool away = has_left_home(c, device, &a->address);
    struct record view;

    if (away && !record_find(c->records, &a->session, &view)
        && !leases_is_permanent(c->leases, &a->address)
        && session_find(&c->sessions, &a->session)
        && !transfers_find_session(c->transfers, &a->session)) {
        follow(c, device, &a->session, &a->address, &nowhere);
        mediator_act(c);
    } else if (away || a->visits) {
        visit_tell(c, device, &a->session, &a->address, a->known_epoch);
    }
    /* After a restart of ours it need not wait until it is seen to be nowhere:
     * that it has a session from elsewhere says so. */
    if (home && !session_path_tunnel(device, home)
        && (device_tunnel_serves(c, device, home, NULL)
            || (a->visits && !device->place.known
                && device_tunnel_may(c, device, home, NULL)))) {
        device_tunnel_want(c, device, home); /* It follows by that. */
    }
}
