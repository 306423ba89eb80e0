/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* "renew" and "wake": see permanent.h. */

#include <string.h>

#include "announcement.h"
#include "controller.h"
#include "jsonrpc.h"
#include "lease.h"
#include "link.h"
#include "message.h"
#include "method.h"
#include "openvswitch/json.h"
#include "permanent.h"
#include "record.h"
#include "transfer-checks.h"
#include "transfer.h"
#include "uuid.h"

void
method_renew(struct controller *c, struct device *device,
             const struct jsonrpc_msg *msg, struct message *m)
{
    const struct record *record;
    struct record view;
    struct json *result;
    struct uuid session;

    message_get_uuid(m, "session", &session);
    uint64_t epoch = message_get_integer(m, "epoch", 0, EPOCH_MAX);
    if (!method_is_good(device, msg, m)) {
        return;
    }
    record = record_find(c->records, &session, &view);
    if (!record || record->ended || record->epoch != epoch
        || strcmp(record->owner, device->name)
        || !leases_is_permanent(c->leases, &record->address)) {
        link_reply_error(device->link, msg, "not-owner",
                         "the address is not this device's at that epoch");
        return;
    }
    result = json_object_create();
    message_put_integer(result, "lifetime", permanent_renew(c, record));
    link_reply(device->link, msg, result);
}

/* To a device that missed it. */
static void
send_wake(struct device *device, const struct record *record)
{
    struct json *params = json_object_create();

    message_put_uuid(params, "session", &record->session);
    message_put_address(params, "address", &record->address);
    message_put_integer(params, "epoch", record->epoch);
    message_put_string(params, "reason", "the controller gives it back");
    link_notify(device->link, "wake", params);
}

void
method_wake(struct controller *c, struct device *device,
            const struct jsonrpc_msg *msg, struct message *m)
{
    const struct record *record;
    struct record view;
    struct device *owner;
    struct json *result;
    struct uuid session;

    message_get_uuid(m, "session", &session);
    if (!method_is_good(device, msg, m)) {
        return;
    }
    record = record_find(c->records, &session, &view);
    if (!record || strcmp(record->home, device->name)
        || !leases_is_permanent(c->leases, &record->address)) {
        link_reply_error(device->link, msg, "not-owner",
                         "the address is none that this device gave away");
        return;
    }
    owner = device_find_connected(&c->devices, record->owner);
    result = json_object_create();
    message_put_string(result, "owner", record->owner);
    link_reply(device->link, msg, result);
    if (!permanent_recall(c, record, owner ? PERMANENT_RECALL : 0)) {
        if (!strcmp(record->owner, record->home)
            && transfer_bridge_is_ready(
                c, leases_home_bridge(c->leases, &record->address))
            && !transfers_find_session(c->transfers, &session)) {
            /* Nobody else's any more, on the bridge as well. */
            send_wake(device, record);
        }
        return;
    }
    if (owner) {
        struct json *params = json_object_create();

        message_put_uuid(params, "session", &record->session);
        message_put_string(params, "target", record->home);
        link_notify(owner->link, "recall", params);
    }
}
