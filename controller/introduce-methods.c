/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "method.h"

#include <stdlib.h>
#include <string.h>

#include "announcement.h"
#include "controller.h"
#include "device-tunnel.h"
#include "holder.h"
#include "introduction.h"
#include "jsonrpc.h"
#include "lease.h"
#include "mapping.h"
#include "link.h"
#include "mediator.h"
#include "message.h"
#include "network.h"
#include "next-hop.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "permanent.h"
#include "policy.h"
#include "record.h"
#include "session-path.h"
#include "transfer-checks.h"
#include "timeval.h"
#include "transfer.h"
#include "uuid.h"
#include "visit.h"
#include "outcome.h"
#include "refusal.h"
#include "transfer-spec.h"

VLOG_DEFINE_THIS_MODULE(introduce_methods);
#define REASON_MAX 255

/* introduce */

/* What 'from' wants to give along, or the most that it may. */
static struct onward_right
check_onward(const struct controller *c, const struct device *from,
             const struct announcement *a, const char *target,
             const char *asked, struct refusal *r)
{
    struct onward_right right, limit;
    struct record view;

    transfer_check_onward(c, record_find(c->records, &a->session, &view),
                          target, r);
    limit = transfer_onward_limit(c, &a->session, from->name, target,
                                  a->service);
    if (!asked) {
        return limit;
    }
    if (!onward_from_string(asked, &right)) {
        refusal_set(r, "onward",
                    "\"%s\" is no right to pass on: expected " ONWARD_EXPECTED,
                    asked);
        return limit;
    }
    transfer_check_given(right, limit, from->name, r);
    return right;
}

static void
check_rate(const struct controller *c, struct device *device,
           struct refusal *r)
{
    unsigned int rate = c->policy->limits.introduction_rate;

    token_bucket_set(&device->introductions, rate,
                     rate * DEVICE_INTRODUCTION_COST);
    if (!token_bucket_withdraw(&device->introductions,
                               DEVICE_INTRODUCTION_COST)) {
        refusal_set(r, "limit", "%s begins more than %u transfers a second",
                    device->name, rate);
    }
}

static void
check_introduction(const struct controller *c, const struct device *from,
                   const struct announcement *a, const char *target,
                   const char *bridge, struct refusal *r)
{
    const struct policy_limits *limits = &c->policy->limits;
    char *why = NULL;

    if (!strcmp(target, from->name)) {
        refusal_set(r, "policy", "%s has the session already", target);
        return;
    }
    if (!shash_find(&c->policy->devices, target)) {
        refusal_set(r, "unknown-device", "policy knows no device %s", target);
        return;
    }
    if (!policy_may_move(c->policy, from->name, target, a->service, &why)) {
        refusal_set(r, "policy", "%s", why ? why : "policy forbids it");
        free(why);
        return;
    }
    transfer_check_database(c, r);
    permanent_check_introduce(c, from, &a->address, r);
    transfer_check_device(c, target, bridge, r);
    transfer_check_device(c, from->name, bridge, r);
    if (transfers_count_offers(c->transfers, from->name, TRANSFER_SIDE_T)
        >= limits->introductions) {
        refusal_set(r, "limit", "%s has %u introductions under way",
                    from->name, limits->introductions);
    }
    if (transfers_count_offers(c->transfers, target, TRANSFER_SIDE_G)
        >= limits->offers) {
        refusal_set(r, "limit", "%s has %u offers waiting", target,
                    limits->offers);
    }
}

static void
send_expect(const struct controller *c, const struct device *target,
            const struct device *from, const struct transfer *t)
{
    struct json *params = json_object_create();

    message_put_uuid(params, "transfer", &t->id);
    message_put_uuid(params, "session", &t->session);
    message_put_address(params, "address", &t->address);
    message_put_integer(params, "epoch", t->epoch);
    message_put_string(params, "from", t->from);
    message_put_string(params, "endpoint", from->endpoint);
    message_put_string(params, "certificate", from->certificate);
    message_put_string(params, "name", t->name);
    message_put_string(params, "service", t->service);
    message_put_integer(params, "state_bytes", c->policy->limits.state_bytes);
    visit_put(c, target, t->bridge, params);
    permanent_put_expect(c, t, params);
    mapping_put_expect(c, t, params);
    link_notify(target->link, "expect", params);
}

static void
reply_not_owner(struct device *device, const struct jsonrpc_msg *msg,
                const struct announcement *a)
{
    struct json *error = json_object_create();

    message_put_string(error, "code", "not-owner");
    message_put_string(error, "reason",
                       a->known_owner[0]
                           ? "the session is not this device's at that epoch"
                           : "the controller knows no such session");
    message_put_string(error, "owner", a->known_owner);
    message_put_integer(error, "epoch", a->known_epoch);
    link_reply_error_object(device->link, msg, error);
}

void
method_introduce(struct controller *c, struct device *device,
                 const struct jsonrpc_msg *msg, struct message *m)
{
    const char *target = message_get_name(m, "target");
    const char *asked = message_get_optional_string(m, "onward",
                                                    ONWARD_STRING_LEN - 1);
    struct onward_right right = { ONWARD_NONE, 0 };
    struct refusal refusal = { NULL, NULL };
    const struct device *other;
    struct transfer_spec spec;
    struct announcement a;
    struct transfer *t;

    announcement_read_session(m, &a);
    if (!method_is_good(device, msg, m)) {
        return;
    }
    if (!announcement_take(c, device, &a)) {
        reply_not_owner(device, msg, &a);
        return;
    }

    memset(&spec, 0, sizeof spec);
    uuid_generate(&spec.id);
    spec.session = a.session;
    spec.address = a.address;
    spec.epoch = a.epoch;
    spec.from = device->name;
    spec.to = target;
    spec.name = a.name;
    spec.service = a.service;
    transfer_spec_fill(c, &spec);
    check_rate(c, device, &refusal);
    if (!spec.bridge) {
        refusal_set(&refusal, "not-attached",
                    "the address is in no pool of the policy");
    } else {
        check_introduction(c, device, &a, target, spec.bridge, &refusal);
        right = check_onward(c, device, &a, target, asked, &refusal);
    }
    if (refusal.code) {
        refusal_reply(device, msg, &refusal);
        return;
    }
    if (!session_path_is_foreign(device, spec.bridge)) {
        next_hops_learn(c, device, m);
    }

    t = transfers_introduce(c->transfers, &spec, time_msec());
    if (!t) {
        refusal_set(&refusal, "busy",
                    "another transfer of the session is under way");
        refusal_reply(device, msg, &refusal);
        return;
    }
    other = device_find(&c->devices, target);
    holders_add(c->holders, &t->address, target, &t->id, time_msec());
    permanent_keep_holder(c, &t->address, target);
    session_path_open(c, t);
    introduction_prepare(c, t);
    send_expect(c, other, device, t);
    introduction_answer(c, t, msg, right);
    mediator_act(c);
}

/* withdraw */

/* One side gives up before G has claimed: after that it is too late. */
static void
give_up(struct controller *c, struct device *device,
        const struct jsonrpc_msg *msg, struct message *m, int side)
{
    const char *reason = message_get_string(m, "reason", REASON_MAX);
    struct transfer *t;
    struct uuid id;

    message_get_uuid(m, "transfer", &id);
    if (!method_is_good(device, msg, m)) {
        return;
    }
    t = transfer_of_party(c, device, &id, side);
    if (side == TRANSFER_SIDE_G && (!t || t->over)) {
        /* It waits until inbound traffic is not its own. */
        outcome_unexpect(device, &id, "the transfer is over");
        return;
    } else if (!t || t->claimed) {
        return; /* It will ask. */
    }
    if (t->state == TRANSFER_GONE) {
        transfer_abort(c->transfers, t, reason);
    } else {
        transfer_withdraw(c->transfers, t, reason);
    }
    mediator_act(c);
}

void
method_withdraw(struct controller *c, struct device *device,
                const struct jsonrpc_msg *msg, struct message *m)
{
    give_up(c, device, msg, m, TRANSFER_SIDE_T);
}

/* decline */

void
method_decline(struct controller *c, struct device *device,
               const struct jsonrpc_msg *msg, struct message *m)
{
    give_up(c, device, msg, m, TRANSFER_SIDE_G);
}
