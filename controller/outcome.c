/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "outcome.h"

#include <string.h>

#include "controller.h"
#include "holder.h"
#include "link.h"
#include "message.h"
#include "openvswitch/json.h"
#include "record.h"
#include "transfer.h"
#include "uuid.h"

static void
tell(struct device *device, const char *method, const struct uuid *transfer,
     const struct uuid *session, const struct in6_addr *address,
     uint64_t epoch, const char *reason, const struct onward_right *right)
{
    struct json *params = json_object_create();

    message_put_uuid(params, "transfer", transfer);
    message_put_uuid(params, "session", session);
    message_put_address(params, "address", address);
    message_put_integer(params, "epoch", epoch);
    if (reason) {
        message_put_string(params, "reason", reason);
    }
    if (right) {
        char onward[ONWARD_STRING_LEN];

        onward_to_string(*right, onward);
        message_put_string(params, "onward", onward);
    }
    link_notify(device->link, method, params);
}

void
outcome_tell(struct controller *c, const struct transfer *t, const char *name,
             const char *method, const char *reason,
             const struct onward_right *right)
{
    struct device *device = device_find_connected(&c->devices, name);

    if (device) {
        tell(device, method, &t->id, &t->session, &t->address, t->epoch + 1,
             reason, right);
    }
}

void
outcome_unexpect(struct device *device, const struct uuid *transfer,
                 const char *reason)
{
    struct json *params = json_object_create();

    message_put_uuid(params, "transfer", transfer);
    message_put_string(params, "reason", reason);
    link_notify(device->link, "unexpect", params);
}

static void
send_unexpect(struct controller *c, const struct transfer *t, const char *name)
{
    struct device *device = device_find_connected(&c->devices, name);

    if (device) {
        outcome_unexpect(device, &t->id, t->reason ? t->reason : "");
    }
}

void
outcome_unexpect_both(struct controller *c, const struct transfer *t)
{
    send_unexpect(c, t, t->to);
    send_unexpect(c, t, t->from);
}

void
outcome_answer_pending(struct device *device, const struct uuid *transfer)
{
    struct json *params = json_object_create();

    message_put_uuid(params, "transfer", transfer);
    link_notify(device->link, "pending", params);
}

void
outcome_answer(struct controller *c, struct device *device,
               const struct uuid *transfer, const struct record *record,
               bool target)
{
    bool owns = !strcmp(record->owner, device->name) && !record->ended;
    struct onward_right right = { record->onward, record->depth };

    /* The target owns by this transfer only; for the transferring device, any
     * end by which the session is its own is an abort. */
    if (target && owns && !record->transfer_known) {
        record_look(c->records, &record->session);
        outcome_answer_pending(device, transfer); /* It asks again. */
    } else if (target && owns && uuid_equals(&record->transfer, transfer)) {
        holders_left(c->holders, &record->address, device->name, transfer);
        tell(device, "owned", transfer, &record->session, &record->address,
             record->epoch, NULL, &right);
    } else if (target || owns) {
        tell(device, "aborted", transfer, &record->session, &record->address,
             record->epoch, "decided before", NULL);
    } else {
        tell(device, "released", transfer, &record->session, &record->address,
             record->epoch, NULL, NULL);
    }
}

void
outcome_answer_party(struct controller *c, const struct transfer *t,
                     const char *name, const struct record *record,
                     bool target)
{
    struct device *device = device_find_connected(&c->devices, name);

    if (device) {
        outcome_answer(c, device, &t->id, record, target);
    }
}
