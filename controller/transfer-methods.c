/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "method.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "announcement.h"
#include "controller.h"
#include "jsonrpc.h"
#include "lease.h"
#include "latency.h"
#include "link.h"
#include "mediator.h"
#include "message.h"
#include "network.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "permanent.h"
#include "policy.h"
#include "record.h"
#include "ticket.h"
#include "transfer-checks.h"
#include "timeval.h"
#include "transfer.h"
#include "util.h"
#include "uuid.h"
#include "outcome.h"
#include "refusal.h"
#include "transfer-spec.h"

VLOG_DEFINE_THIS_MODULE(transfer_methods);

/* Of what a device says that makes no sense. */
static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(60, 60);

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
    struct record view;
    char *why = NULL;

    if (!announcement_check(c, device, &a)) {
        refusal_set(r, "not-owner",
                    "the session is not this device's any more");
    }
    if (!policy_may_move(c->policy, t->from, t->to, t->service, &why)) {
        refusal_set(r, "policy", "%s", why ? why : "policy forbids it");
        free(why);
    }
    transfer_check_database(c, r);
    transfer_check_onward(c, record_find(c->records, &t->session, &view),
                          t->to, r);
    if (!transfer_bridge_is_ready(c, t->bridge)) {
        refusal_set(r, "bridge", "bridge %s is not synchronised", t->bridge);
    }
    transfer_check_device(c, t->to, t->bridge, &away);
    transfer_check_device(c, t->from, t->bridge, &away);
    transfer_check_bridges(c, t, &away);
    transfer_check_tunnels(c, t, &away);
    if (away.code) {
        refusal_set(r, "target-away", "%s", away.reason);
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
        refusal_set(r, "ticket",
                    "the ticket names no security association of "
                    "this device that is in force");
        return;
    }
    terms = terms_of(t);
    error = ticket_open(ticket, n, &terms, sa->key, secret);
    if (error) {
        refusal_set(r, "ticket", "%s", error);
        free(error);
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
    if (!refusal.code) {
        /* Sealed or not, T can say what it likes. */
        transfer_check_given(
            (struct onward_right){ secret.onward, secret.depth },
            transfer_onward_limit(c, &t->session, t->from, t->to, t->service),
            t->from, &refusal);
    }
    if (refusal.code) {
        transfer_withdraw(c->transfers, t, refusal.reason);
        refusal_reply(device, msg, &refusal);
    } else {
        seal_hash(&iov, 1, hash);
        transfer_prepare(c->transfers, t, &secret, hash, time_msec());
        mediator_act(c); /* The inbound redirect goes first. */

        result = json_object_create();
        message_put_uuid(result, "transfer", &t->id);
        message_put_boolean(result, "relay", false);
        link_reply(device->link, msg, result);
        transfer_step(t, "go");
        if (network_is_lan(c->network, t->bridge)) {
            /* There is no guard that T's last packets have to pass. */
            transfer_flushed(c->transfers, t);
        }
        latency_alert();
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
    t = transfer_of_party(c, device, &id, TRANSFER_SIDE_T);
    if (!t) {
        refusal_set(&refusal, "unknown-transfer", "there is no such transfer");
    } else if (t->over && t->outcome == TRANSFER_WITHDRAWN) {
        refusal_set(&refusal, "unknown-transfer", "the transfer is over: %s",
                    t->reason);
    } else if (t->over || t->state != TRANSFER_SETTLED) {
        refusal_set(&refusal, "ticket", "the ticket was used before");
    } else if (time_msec() >= t->deadline) {
        /* The clock decides, not which of the two is looked at first. */
        transfer_withdraw(c->transfers, t, "prepare did not come in time");
        mediator_act(c);
        refusal_set(&refusal, "unknown-transfer", "the transfer is over: %s",
                    t->reason);
    }
    if (!t || refusal.code) {
        refusal_reply(device, msg, &refusal);
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
    t = transfer_of_party(c, device, &id, TRANSFER_SIDE_G);
    if (!t || t->state != TRANSFER_GONE || !t->has_key) {
        VLOG_INFO_RL(&rl,
                     "%s: claims transfer " UUID_FMT ", which is not to be "
                     "claimed",
                     device->name, UUID_ARGS(&id));
        return; /* It will ask. */
    }
    if (!proof_is_right(device, t, proof)) {
        VLOG_WARN_RL(&rl,
                     "%s: claims transfer " UUID_FMT " with a wrong proof",
                     device->name, UUID_ARGS(&id));
        return;
    }
    transfer_claim(c->transfers, t, time_msec());
    mediator_act(c);
}

/* ask */

/* The write that aborts a transfer makes a record where there was none, and an
 * address is one living session's: made for a session that its owner does not
 * have, it would take the address from the one that it has. */
static bool
is_owners_session(const struct controller *c, const struct transfer_spec *spec,
                  const char *owner, bool target)
{
    const struct session *s = session_find(&c->sessions, &spec->session);
    struct record view;

    if (record_find_address(c->records, &spec->address, &view)
        || !permanent_matches(c, &spec->session, &spec->address)) {
        return false;
    }
    if (s) {
        return (!strcmp(s->device, owner)
                && ipv6_addr_equals(&s->address, &spec->address));
    }
    /* The owner itself, frozen, has not shown it again yet. */
    return (
        !target && !session_find_address(&c->sessions, &spec->address, owner)
        && session_count_of(&c->sessions, owner) < c->policy->limits.sessions);
}

/* The target asks for a session that its owner, who has had the time to show
 * what it has, does not have any more: it will not come. */
static void
answer_lost(struct controller *c, struct device *device,
            const struct transfer_spec *spec, const char *owner)
{
    const struct device *other = device_find(&c->devices, owner);
    struct record gone = {
        .session = spec->session,
        .address = spec->address,
        .owner = owner,
        .epoch = spec->epoch + 1,
        .ended = true,
    };

    if (other && other->link && !other->reclaim_at
        && !session_find(&c->sessions, &spec->session)) {
        outcome_answer(c, device, &spec->id, &gone, true);
    } else {
        outcome_answer_pending(device, &spec->id);
    }
}

/* A question about a transfer that is not decided, and that nobody here
 * pursues: aborts it, if it is the asker's business. */
static void
abort_unknown(struct controller *c, struct device *device,
              struct transfer_spec *spec, bool target)
{
    struct record view;
    const struct record *record = record_find(c->records, &spec->session,
                                              &view);
    const char *owner = record ? record->owner
                               : leases_lessee(c->leases, &spec->address);

    if (!owner || (!record && spec->epoch)) {
        /* We have lost our memory; better no answer than a wrong one. */
        outcome_answer_pending(device, &spec->id);
        return;
    }
    spec->from = owner;
    spec->to = target ? device->name : "";
    transfer_spec_fill(c, spec);
    if (target ? !policy_may_move(c->policy, owner, device->name,
                                  spec->service, NULL)
               : strcmp(owner, device->name) != 0) {
        VLOG_WARN_RL(&rl,
                     "%s: asks about transfer " UUID_FMT " of a session that "
                     "is not its business",
                     device->name, UUID_ARGS(&spec->id));
        return;
    }
    if (!record && !is_owners_session(c, spec, owner, target)) {
        if (target) {
            answer_lost(c, device, spec, owner);
        } else {
            outcome_answer_pending(device, &spec->id);
        }
        return;
    }
    /* Each is a write to the database. */
    if (!token_bucket_withdraw(&device->aborts, DEVICE_ABORT_COST)) {
        outcome_answer_pending(device, &spec->id);
        return;
    }
    if (!transfers_abort_unknown(c->transfers, spec)) {
        outcome_answer_pending(device, &spec->id);
    }
    mediator_act(c);
}

static void
ask(struct controller *c, struct device *device, struct transfer_spec *spec,
    bool target)
{
    struct record view;
    const struct record *record = record_find(c->records, &spec->session,
                                              &view);
    const struct transfer *t = transfers_find_session(c->transfers,
                                                      &spec->session);

    if (t && t->state != TRANSFER_SETTLED
        && (target || t->state != TRANSFER_DECIDED)) {
        /* 'owned' follows when the bridge has answered. */
        outcome_answer_pending(device, &spec->id);
    } else if (record && (record->epoch > spec->epoch || record->ended)) {
        outcome_answer(c, device, &spec->id, record, target);
    } else if (record && record->epoch < spec->epoch) {
        VLOG_WARN_RL(&rl,
                     "%s: speaks of epoch %" PRIu64 " of session " UUID_FMT
                     ", which is at %" PRIu64,
                     device->name, spec->epoch, UUID_ARGS(&spec->session),
                     record->epoch);
        outcome_answer_pending(device, &spec->id);
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
