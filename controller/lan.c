/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "lan.h"

#include <string.h>

#include "attachment.h"
#include "controller.h"
#include "device.h"
#include "jsonrpc.h"
#include "link.h"
#include "message.h"
#include "method.h"
#include "network.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "policy.h"
#include "roaming.h"
#include "socket-util.h"
#include "timeval.h"
#include "transfer.h"
#include "util.h"
#include "refresh.h"

VLOG_DEFINE_THIS_MODULE(lan);

/* Where the device talks to us from. */
static bool
address_of(const struct device *device, struct in6_addr *address)
{
    const char *name = link_get_name(device->link);
    struct sockaddr_storage ss;
    char *target;
    bool ok;

    if (strncmp(name, "ssl:", 4)) {
        return false;
    }
    target = xstrdup(name + 4);
    ok = inet_parse_active(target, 0, &ss, false, NULL);
    free(target);
    if (ok && ss.ss_family == AF_INET) {
        in6_addr_set_mapped_ipv4(
            address, ALIGNED_CAST(struct sockaddr_in *, &ss)->sin_addr.s_addr);
    } else if (ok) {
        *address = ALIGNED_CAST(struct sockaddr_in6 *, &ss)->sin6_addr;
    }
    return ok;
}

/* The plain LAN that 'device' is on, or NULL. */
static const struct policy_bridge *
find_lan(const struct controller *c, const struct device *device)
{
    const struct policy_device *pd = shash_find_data(&c->policy->devices,
                                                     device->name);
    const struct shash_node *node;
    struct in6_addr address;

    if (!pd || (pd->bridge && !policy_find_lan(c->policy, pd->bridge))) {
        return NULL;
    }
    if (pd->bridge && policy_find_lan(c->policy, pd->bridge)->lan_by_policy) {
        return policy_find_lan(c->policy, pd->bridge);
    }
    if (!address_of(device, &address)) {
        return NULL;
    }
    SHASH_FOR_EACH(node, &c->policy->bridges) {
        const struct policy_bridge *pb = node->data;

        if (pb->lan && (!pd->bridge || !strcmp(pb->name, pd->bridge))
            && policy_bridge_contains(pb, &address)) {
            return pb;
        }
    }
    return NULL;
}

/* The device talks to us from elsewhere. */
static void
leave(struct controller *c, struct device *device)
{
    if (device->place.known && network_is_lan(c->network, device->place.bridge)
        && !transfers_involve(c->transfers, device->name)) {
        VLOG_INFO("%s: no longer on plain lan %s", device->name,
                  device->place.bridge);
        device->place.known = false;
        refresh_place_changed(c, device);
    }
}

bool
lan_challenge(struct controller *c, struct device *device, long long int now)
{
    struct json *params, *subnets;
    const struct policy_bridge *lan;

    if (!attachment_is_due(device, now)) {
        return false;
    }
    lan = find_lan(c, device);
    if (!lan) {
        leave(c, device);
        return false;
    }
    subnets = json_array_create_empty();
    for (size_t i = 0; i < lan->n_subnets; i++) {
        char *s = policy_prefix_to_string(&lan->subnets[i]);

        json_array_add(subnets, json_string_create_nocopy(s));
    }
    params = json_object_create();
    message_put_string(params, "lan", lan->name);
    json_object_put(params, "subnets", subnets);
    link_notify(device->link, "attach-lan", params);
    attachment_ask(device, lan->name, now);
    return true;
}

/* attach-lan */

void
method_attach_lan(struct controller *c, struct device *device,
                  const struct jsonrpc_msg *msg, struct message *m)
{
    const char *name = message_get_name(m, "lan");
    struct attachment *a = &device->attachment;
    const struct device_place former = device->place;
    const struct policy_bridge *lan;
    struct eth_addr mac;

    message_get_eth(m, "mac", &mac);
    if (!method_is_good(device, msg, m)) {
        return;
    }
    lan = find_lan(c, device);
    if (a->state != ATTACHMENT_CHALLENGED || time_msec() >= a->deadline || !lan
        || strcmp(lan->name, name)) {
        VLOG_DBG("%s: late or wrong attach-lan", device->name);
        return;
    }
    memset(&a->candidate, 0, sizeof a->candidate);
    a->candidate.known = true;
    a->candidate.port = OFPP_NONE;
    a->candidate.mac = mac;
    ovs_strlcpy(a->candidate.bridge, lan->name, sizeof a->candidate.bridge);
    if (attachment_prove(device, true,
                         transfers_involve(c->transfers, device->name),
                         time_msec())) {
        refresh_place_changed(c, device);
        roaming_follow(c, device, NULL, &former);
    }
}
