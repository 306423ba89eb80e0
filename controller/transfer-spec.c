/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "transfer-spec.h"

#include "controller.h"
#include "device-tunnel.h"
#include "lease.h"
#include "record.h"
#include "transfer.h"

const char *
transfer_spec_bridge(const struct controller *c, const char *name,
                     const char *home)
{
    const struct device *device = name ? device_find(&c->devices, name) : NULL;

    if (device && home && device_tunnel_serves(c, device, home, NULL)) {
        return home;
    }
    return device && device->place.known ? device->place.bridge : NULL;
}

void
transfer_spec_fill(const struct controller *c, struct transfer_spec *spec)
{
    struct record view;
    const struct record *record = record_find(c->records, &spec->session,
                                              &view);

    if (!spec->name) {
        const struct session *s = session_find(&c->sessions, &spec->session);

        spec->name = s ? s->name : "";
        spec->service = s ? s->service : "";
    }
    spec->home = record ? record->home : spec->from;
    spec->bridge = leases_home_bridge(c->leases, &spec->address);
    spec->from_bridge = transfer_spec_bridge(c, spec->from, spec->bridge);
    spec->to_bridge = transfer_spec_bridge(c, spec->to, spec->bridge);
}
