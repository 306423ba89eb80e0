/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "methods.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "announcement.h"
#include "attachment.h"
#include "controller.h"
#include "jsonrpc.h"
#include "lease.h"
#include "link.h"
#include "mediator.h"
#include "message.h"
#include "network.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "policy.h"
#include "record.h"
#include "ticket.h"
#include "timeval.h"
#include "transfer.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(transfer_methods);

#define REASON_MAX 255
/* Base64 of 64 KiB and a header. */
#define RELAY_MAX 90000
/* Bytes that may wait for a device before what is relayed to it is dropped. */
#define RELAY_BACKLOG (8u << 20)
/* A depth that is no limit. */
#define DEPTH_ANY UINT8_MAX
/* Microseconds that late packets are still relayed after the end. */
#define RELAY_LINGER 5000000

/* Why something is refused: a code for programs, a sentence for people. */
struct refusal {
    const char *code; /* NULL: it is not. */
    char *reason;
};

static void OVS_PRINTF_FORMAT(3, 4)
    refuse(struct refusal *r, const char *code, const char *format, ...)
{
    if (!r->code) {
        va_list args;

        va_start(args, format);
        r->code = code;
        r->reason = xvasprintf(format, args);
        va_end(args);
    }
}

/* introduce */

/* May the owner by 'record' (NULL: the lessee) pass the session to 'to'? */
static void
check_onward(const struct controller *c, const struct record *record,
             const char *to, struct refusal *r)
{
    const struct policy_device *from_pd, *to_pd;
    const char *group;

    if (!record || !strcmp(record->owner, record->home)) {
        return;
    }
    if (!record->depth) {
        refuse(r, "onward", "%s got the session from as far as it may go",
               record->owner);
        return;
    }
    switch (record->onward) {
    case ONWARD_ANY: return;

    case ONWARD_GROUP:
        from_pd = shash_find_data(&c->policy->devices, record->owner);
        to_pd = shash_find_data(&c->policy->devices, to);
        if (from_pd && to_pd) {
            SSET_FOR_EACH(group, &from_pd->groups) {
                if (sset_contains(&to_pd->groups, group)) {
                    return;
                }
            }
        }
        break;

    case ONWARD_BACK: break;

    case ONWARD_NONE:
        refuse(r, "onward", "%s may not pass the session on", record->owner);
        return;
    }
    if (strcmp(to, record->home)) {
        refuse(r, "onward", "%s may not pass the session on to %s",
               record->owner, to);
    }
}

static bool
synchronised(const struct controller *c, const char *name)
{
    const struct bridge *bridge = network_find(c->network, name);

    return bridge && bridge_is_synchronised(bridge);
}

/* Is 'name' there to take part, on the session's home bridge? */
static const struct device *
check_device(const struct controller *c, const char *name, const char *bridge,
             struct refusal *r)
{
    const struct device *device = device_find(&c->devices, name);

    if (!device) {
        refuse(r, "unknown-device", "policy knows no device %s", name);
    } else if (!synchronised(c, bridge)) {
        refuse(r, "not-attached", "bridge %s is not there", bridge);
    } else if (!device->link) {
        refuse(r, "not-connected", "%s is not connected to the controller",
               name);
    } else if (!device_is_attached(device, c->network)) {
        refuse(r, "not-attached", "%s has not proved where it is attached",
               name);
    } else if (strcmp(device->place.bridge, bridge)) {
        refuse(r, "not-attached",
               "%s is attached to bridge %s, not to the "
               "session's home bridge %s",
               name, device->place.bridge, bridge);
    }
    return device;
}

static void
check_introduction(const struct controller *c, const struct device *from,
                   const struct announcement *a, const char *target,
                   const char *bridge, struct refusal *r)
{
    const struct policy_limits *limits = &c->policy->limits;
    char *why = NULL;

    if (!strcmp(target, from->name)) {
        refuse(r, "policy", "%s has the session already", target);
        return;
    }
    if (!shash_find(&c->policy->devices, target)) {
        refuse(r, "unknown-device", "policy knows no device %s", target);
        return;
    }
    if (!policy_may_move(c->policy, from->name, target, a->service, &why)) {
        refuse(r, "policy", "%s", why ? why : "policy forbids it");
        free(why);
        return;
    }
    check_onward(c, record_find(c->records, &a->session), target, r);
    check_device(c, target, bridge, r);
    check_device(c, from->name, bridge, r);
    if (transfers_count_offers(c->transfers, from->name, TRANSFER_SIDE_T)
        >= limits->introductions) {
        refuse(r, "limit", "%s has %u introductions under way", from->name,
               limits->introductions);
    }
    if (transfers_count_offers(c->transfers, target, TRANSFER_SIDE_G)
        >= limits->offers) {
        refuse(r, "limit", "%s has %u offers waiting", target, limits->offers);
    }
}

static void
send_expect(const struct device *target, const struct device *from,
            const struct transfer *t)
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
    link_notify(target->link, "expect", params);
}

static void
send_introduction(struct device *device, const struct jsonrpc_msg *msg,
                  const struct device *target, const struct transfer *t)
{
    struct json *result = json_object_create();

    message_put_uuid(result, "transfer", &t->id);
    message_put_integer(result, "epoch", t->epoch);
    message_put_string(result, "endpoint", target->endpoint);
    message_put_string(result, "certificate", target->certificate);
    link_reply(device->link, msg, result);
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

static void
reply_refusal(struct device *device, const struct jsonrpc_msg *msg,
              struct refusal *r)
{
    VLOG_INFO("%s: \"%s\" refused: %s", device->name, msg->method, r->reason);
    link_reply_error(device->link, msg, r->code, "%s", r->reason);
    free(r->reason);
}

/* What is the transfer of a session that 'owner' has, as far as records know
 * it? */
static void
fill_spec(const struct controller *c, struct transfer_spec *spec)
{
    const struct record *record = record_find(c->records, &spec->session);

    spec->home = record ? record->home : spec->from;
    spec->bridge = leases_home_bridge(c->leases, &spec->address);
}

void
method_introduce(struct controller *c, struct device *device,
                 const struct jsonrpc_msg *msg, struct message *m)
{
    const char *target = message_get_name(m, "target");
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
    fill_spec(c, &spec);
    if (!spec.bridge) {
        refuse(&refusal, "not-attached",
               "the address is in no pool of the policy");
    } else {
        check_introduction(c, device, &a, target, spec.bridge, &refusal);
    }
    if (refusal.code) {
        reply_refusal(device, msg, &refusal);
        return;
    }

    t = transfers_introduce(c->transfers, &spec, time_msec());
    if (!t) {
        refuse(&refusal, "busy",
               "another transfer of the session is under way");
        reply_refusal(device, msg, &refusal);
        return;
    }
    other = device_find(&c->devices, target);
    send_expect(other, device, t);
    send_introduction(device, msg, other, t);
    mediator_act(c);
}

/* withdraw */

/* The transfer that 'm' names, if 'device' is the party that 'side' says
 * (negative: either). */
static struct transfer *
get_transfer(struct controller *c, const struct device *device,
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

void
method_withdraw(struct controller *c, struct device *device,
                const struct jsonrpc_msg *msg, struct message *m)
{
    const char *reason = message_get_string(m, "reason", REASON_MAX);
    struct transfer *t;
    struct uuid id;

    message_get_uuid(m, "transfer", &id);
    if (method_is_good(device, msg, m)) {
        t = get_transfer(c, device, &id, TRANSFER_SIDE_T);
        if (t) {
            transfer_withdraw(c->transfers, t, reason);
            mediator_act(c);
        }
    }
}

/* prepare */

static struct ticket_terms
terms_of(const struct transfer *t)
{
    struct ticket_terms terms = {
        .sa_id = t->sa_id,
        .transfer = t->id,
        .session = t->session,
        .address = t->address,
        .epoch = t->epoch,
        .from = t->from,
        .to = t->to,
    };

    return terms;
}

/* Is it still as it was when the transfer was introduced? */
static void
check_prepare(struct controller *c, struct device *device,
              const struct transfer *t, struct refusal *r)
{
    struct announcement a = {
        .session = t->session,
        .address = t->address,
        .epoch = t->epoch,
    };
    struct refusal away = { NULL, NULL };
    char *why = NULL;

    if (!announcement_check(c, device, &a)) {
        refuse(r, "not-owner", "the session is not this device's any more");
    }
    if (!policy_may_move(c->policy, t->from, t->to, t->service, &why)) {
        refuse(r, "policy", "%s", why ? why : "policy forbids it");
        free(why);
    }
    check_onward(c, record_find(c->records, &t->session), t->to, r);
    if (!synchronised(c, t->bridge)) {
        refuse(r, "bridge", "bridge %s is not synchronised", t->bridge);
    }
    check_device(c, t->to, t->bridge, &away);
    check_device(c, t->from, t->bridge, &away);
    if (away.code) {
        refuse(r, "target-away", "%s", away.reason);
        free(away.reason);
    }
}

/* Opens the ticket, under the security association that it names. */
static void
open_ticket(struct device *device, struct transfer *t, const uint8_t *ticket,
            size_t n, struct ticket_secret *secret, struct refusal *r)
{
    const struct device_sa *sa;
    struct ticket_terms terms;
    char *error;

    t->sa_id = 0;
    for (size_t i = 1; i <= 8 && i < n; i++) {
        t->sa_id = t->sa_id << 8 | ticket[i];
    }
    sa = device_get_sa(device, t->sa_id, time_msec());
    if (!sa) {
        refuse(r, "ticket",
               "the ticket names no security association of "
               "this device that is in force");
        return;
    }
    terms = terms_of(t);
    error = ticket_open(ticket, n, &terms, sa->key, secret);
    if (error) {
        refuse(r, "ticket", "%s", error);
        free(error);
    }
}

/* G gets no more right than T has. */
static void
clamp_onward(const struct controller *c, const struct transfer *t,
             struct ticket_secret *secret)
{
    const struct record *record = record_find(c->records, &t->session);

    if (record && strcmp(record->owner, record->home)) {
        unsigned int left = record->depth == DEPTH_ANY ? DEPTH_ANY
                                                       : record->depth - 1;

        secret->onward = MIN(secret->onward, record->onward);
        secret->depth = MIN(secret->depth, left);
    }
}

static void
prepare(struct controller *c, struct device *device,
        const struct jsonrpc_msg *msg, struct transfer *t,
        const uint8_t *ticket, size_t n)
{
    struct iovec iov = { CONST_CAST(uint8_t *, ticket), n };
    struct refusal refusal = { NULL, NULL };
    uint8_t hash[SEAL_HASH_LEN];
    struct ticket_secret secret;
    struct json *result;

    memset(&secret, 0, sizeof secret);
    transfer_step(t, "prepare");
    check_prepare(c, device, t, &refusal);
    if (!refusal.code) {
        open_ticket(device, t, ticket, n, &secret, &refusal);
    }
    if (refusal.code) {
        transfer_withdraw(c->transfers, t, refusal.reason);
        reply_refusal(device, msg, &refusal);
    } else {
        clamp_onward(c, t, &secret);
        seal_hash(&iov, 1, hash);
        transfer_prepare(c->transfers, t, &secret, hash, time_msec());
        mediator_act(c); /* The inbound redirect goes first. */

        result = json_object_create();
        message_put_uuid(result, "transfer", &t->id);
        message_put_boolean(result, "relay", false);
        link_reply(device->link, msg, result);
        transfer_step(t, "go");
    }
    seal_wipe(&secret, sizeof secret);
    mediator_act(c);
}

void
method_prepare(struct controller *c, struct device *device,
               const struct jsonrpc_msg *msg, struct message *m)
{
    struct refusal refusal = { NULL, NULL };
    struct transfer *t;
    uint8_t *ticket;
    struct uuid id;
    size_t n = 0;

    message_get_uuid(m, "transfer", &id);
    ticket = message_get_blob(m, "ticket", TICKET_MAX, &n);
    if (!method_is_good(device, msg, m)) {
        free(ticket);
        return;
    }
    t = get_transfer(c, device, &id, TRANSFER_SIDE_T);
    if (!t) {
        refuse(&refusal, "unknown-transfer", "there is no such transfer");
    } else if (t->over && t->outcome == TRANSFER_WITHDRAWN) {
        refuse(&refusal, "unknown-transfer", "the transfer is over: %s",
               t->reason);
    } else if (t->over || t->state != TRANSFER_SETTLED) {
        refuse(&refusal, "ticket", "the ticket was used before");
    }
    if (refusal.code) {
        reply_refusal(device, msg, &refusal);
    } else {
        prepare(c, device, msg, t, ticket, n);
    }
    free(ticket);
}

/* claim */

static bool
proof_is_right(const struct device *device, const struct transfer *t,
               const uint8_t proof[SEAL_HASH_LEN])
{
    struct ticket_terms terms = terms_of(t);
    uint8_t right[SEAL_HASH_LEN];

    ticket_proof(&terms, t->session_key, t->ticket_hash, device->nonce,
                 sizeof device->nonce, right);
    return seal_equal(proof, right, sizeof right);
}

void
method_claim(struct controller *c, struct device *device,
             const struct jsonrpc_msg *msg, struct message *m)
{
    uint8_t proof[SEAL_HASH_LEN];
    struct transfer *t;
    struct uuid id;

    message_get_uuid(m, "transfer", &id);
    message_get_bytes(m, "proof", proof, sizeof proof);
    if (!method_is_good(device, msg, m)) {
        return;
    }
    t = get_transfer(c, device, &id, TRANSFER_SIDE_G);
    if (!t || t->state != TRANSFER_GONE || !t->has_key) {
        VLOG_INFO("%s: claims transfer " UUID_FMT ", which is not to be "
                  "claimed",
                  device->name, UUID_ARGS(&id));
        return; /* It will ask. */
    }
    if (!proof_is_right(device, t, proof)) {
        VLOG_WARN("%s: claims transfer " UUID_FMT " with a wrong proof",
                  device->name, UUID_ARGS(&id));
        return;
    }
    transfer_claim(c->transfers, t, time_msec());
    mediator_act(c);
}

/* ask */

/* A question about a transfer that is not decided, and that nobody here
 * pursues: aborts it, if it is the asker's business. */
static void
abort_unknown(struct controller *c, struct device *device,
              struct transfer_spec *spec, bool target)
{
    const struct record *record = record_find(c->records, &spec->session);
    const char *owner = record ? record->owner
                               : leases_lessee(c->leases, &spec->address);

    if (!owner || (!record && spec->epoch)) {
        /* We have lost our memory; better no answer than a wrong one. */
        mediator_answer_pending(device, &spec->id);
        return;
    }
    if (target ? !policy_may_move(c->policy, owner, device->name,
                                  record ? record->service : "", NULL)
               : strcmp(owner, device->name) != 0) {
        VLOG_WARN("%s: asks about transfer " UUID_FMT " of a session that is "
                  "not its business",
                  device->name, UUID_ARGS(&spec->id));
        return;
    }
    spec->from = owner;
    spec->to = target ? device->name : "";
    spec->name = record ? record->name : "";
    spec->service = record ? record->service : "";
    fill_spec(c, spec);
    if (!transfers_abort_unknown(c->transfers, spec)) {
        mediator_answer_pending(device, &spec->id);
    }
    mediator_act(c);
}

static void
ask(struct controller *c, struct device *device, struct transfer_spec *spec,
    bool target)
{
    const struct record *record = record_find(c->records, &spec->session);
    const struct transfer *t = transfers_find_session(c->transfers,
                                                      &spec->session);

    if (t && t->state != TRANSFER_SETTLED
        && (target || t->state != TRANSFER_DECIDED)) {
        /* 'owned' follows when the bridge has answered. */
        mediator_answer_pending(device, &spec->id);
    } else if (record && (record->epoch > spec->epoch || record->ended)) {
        mediator_answer(c, device, &spec->id, record, target);
    } else if (record && record->epoch < spec->epoch) {
        VLOG_WARN("%s: speaks of epoch %" PRIu64 " of session " UUID_FMT
                  ", which "
                  "is at %" PRIu64,
                  device->name, spec->epoch, UUID_ARGS(&spec->session),
                  record->epoch);
        mediator_answer_pending(device, &spec->id);
    } else {
        abort_unknown(c, device, spec, target);
    }
}

void
method_ask(struct controller *c, struct device *device,
           const struct jsonrpc_msg *msg, struct message *m)
{
    const char *role = message_get_string(m, "role", MESSAGE_NAME_MAX);
    struct transfer_spec spec;

    memset(&spec, 0, sizeof spec);
    message_get_uuid(m, "transfer", &spec.id);
    message_get_uuid(m, "session", &spec.session);
    message_get_address(m, "address", &spec.address);
    spec.epoch = message_get_integer(m, "epoch", 0, EPOCH_MAX);
    if (method_is_good(device, msg, m)) {
        ask(c, device, &spec, !strcmp(role, "target"));
    }
}

/* relay, timeline, log */

static bool
relay_is_open(const struct transfer *t)
{
    return (!t->over || !t->n_steps
            || time_usec() < t->steps[t->n_steps - 1].usec + RELAY_LINGER);
}

void
method_relay(struct controller *c, struct device *device,
             const struct jsonrpc_msg *msg, struct message *m)
{
    const char *frame = message_get_string(m, "frame", RELAY_MAX);
    struct device *other;
    struct json *params;
    struct transfer *t;
    struct uuid id;

    message_get_uuid(m, "transfer", &id);
    if (!method_is_good(device, msg, m)) {
        return;
    }
    t = get_transfer(c, device, &id, -1);
    if (!t || !relay_is_open(t)) {
        return;
    }
    other = device_find(&c->devices,
                        strcmp(t->from, device->name) ? t->from : t->to);
    if (!other || !other->link
        || link_get_backlog(other->link) > RELAY_BACKLOG) {
        return;
    }
    c->n_relayed++;
    params = json_object_create();
    message_put_uuid(params, "transfer", &t->id);
    message_put_string(params, "frame", frame);
    link_notify(other->link, "relay", params);
}

static int
side_of(const struct transfer *t, const struct device *device)
{
    return strcmp(t->from, device->name) ? TRANSFER_SIDE_G : TRANSFER_SIDE_T;
}

static bool
steps_are_good(const struct json_array *steps)
{
    for (size_t i = 0; i < steps->n; i++) {
        const struct json *step = steps->elems[i];

        if (step->type != JSON_ARRAY || step->array.n != 2
            || step->array.elems[0]->type != JSON_STRING
            || step->array.elems[1]->type != JSON_INTEGER
            || strlen(json_string(step->array.elems[0])) > 63) {
            return false;
        }
    }
    return true;
}

void
method_timeline(struct controller *c, struct device *device,
                const struct jsonrpc_msg *msg, struct message *m)
{
    const struct json_array *steps = message_get_array(m, "steps", 64);
    struct transfer *t;
    struct uuid id;

    message_get_uuid(m, "transfer", &id);
    message_get_string(m, "boot", 63);
    message_get_string(m, "role", MESSAGE_NAME_MAX);
    if (!m->error && !steps_are_good(steps)) {
        m->error = xstrdup("member \"steps\": not pairs of name and time");
    }
    if (!method_is_good(device, msg, m)) {
        return;
    }
    t = get_transfer(c, device, &id, -1);
    if (t) {
        int side = side_of(t, device);

        json_destroy(t->device_steps[side]);
        t->device_steps[side] = json_clone(m->object);
    }
}

void
method_log(struct controller *c, struct device *device,
           const struct jsonrpc_msg *msg, struct message *m)
{
    const struct json *counters = message_get_object(m, "counters");
    const struct shash_node *node;
    struct transfer *t;
    struct uuid id;

    message_get_uuid(m, "transfer", &id);
    if (!m->error && shash_count(json_object(counters)) <= 32) {
        SHASH_FOR_EACH(node, json_object(counters)) {
            const struct json *value = node->data;

            if (value->type != JSON_INTEGER && !m->error) {
                m->error = xstrdup("member \"counters\": not integers");
            }
        }
    } else if (!m->error) {
        m->error = xstrdup("member \"counters\": too many");
    }
    if (!method_is_good(device, msg, m)) {
        return;
    }
    t = get_transfer(c, device, &id, -1);
    if (t) {
        int side = side_of(t, device);

        json_destroy(t->counters[side]);
        t->counters[side] = json_clone(counters);
    }
}
