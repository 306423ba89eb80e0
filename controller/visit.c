/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "visit.h"

#include "controller.h"
#include "device.h"
#include "device-tunnel.h"
#include "lease.h"
#include "link.h"
#include "message.h"
#include "network.h"
#include "openvswitch/json.h"
#include "session-path.h"

void
visit_put(const struct controller *c, const struct device *device,
          const char *home, struct json *params)
{
    bool own = device_tunnel_serves(c, device, home, NULL);
    const struct flow_layout *layout;

    if (!own && !session_path_is_foreign(device, home)) {
        return;
    }
    layout = network_layout(c->network, own ? home : device->place.bridge);
    if (layout && flow_layout_has_tunnel(layout)) {
        message_put_eth(params, "gateway", layout->mac);
        message_put_integer(params, "mtu", layout->tunnel_mtu);
        if (own) {
            message_put_string(params, "tunnel", home);
        }
    }
}

void
visit_tell(const struct controller *c, const struct device *device,
           const struct uuid *session, const struct in6_addr *address,
           uint64_t epoch)
{
    const char *home = leases_home_bridge(c->leases, address);

    if (home && device && device->link
        && (device->place.known || session_path_tunnel(device, home))) {
        struct json *params = json_object_create();

        message_put_uuid(params, "session", session);
        message_put_address(params, "address", address);
        message_put_integer(params, "epoch", epoch);
        visit_put(c, device, home, params);
        link_notify(device->link, "placed", params);
    }
}
