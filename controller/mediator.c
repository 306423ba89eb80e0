/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "mediator.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "attachment.h"
#include "controller.h"
#include "holder.h"
#include "lease.h"
#include "mapping.h"
#include "link.h"
#include "message.h"
#include "network.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "outcome.h"
#include "packets.h"
#include "permanent.h"
#include "record.h"
#include "refresh.h"
#include "session-path.h"
#include "timeval.h"
#include "transfer.h"
#include "upkeep.h"
#include "util.h"
#include "uuid.h"
#include "visit.h"

VLOG_DEFINE_THIS_MODULE(mediator);

/* Milliseconds that the record of an ended session still answers questions:
 * longer than a transferring device asks (15 min). */
#define MEDIATOR_TOMBSTONE (20 * 60 * 1000)

void
mediator_bridge_event(struct controller *c, const struct network_event *event)
{
    struct device *device;

    switch (event->type) {
    case NETWORK_LOST:
        VLOG_INFO("%s: bridge is not synchronised any more", event->bridge);
        transfers_bridge_lost(c->transfers, event->bridge);
        mediator_act(c);
        return;

    case NETWORK_NEW: refresh_bridge(c, event->bridge); return;

    case NETWORK_SYNCHRONISED:
        VLOG_INFO("%s: bridge is synchronised", event->bridge);
        break;

    case NETWORK_PORTS: break;
    }
    HMAP_FOR_EACH(device, node, &c->devices.devices) {
        if (device->link) {
            attachment_hurry(device, time_msec());
        }
    }
}

/* Actions. */

static void
do_redirect(struct controller *c, struct transfer *t)
{
    session_path_redirect(c, t);
    transfer_step(t, "redirect");
}

static void
do_settle(struct controller *c, struct transfer *t)
{
    session_path_settle(c, t);
    transfer_step(t, "flows");
}

static void
do_write(struct controller *c, struct transfer *t)
{
    struct record_change change;
    struct record view;
    const struct record *record = record_find(c->records, &t->session, &view);
    bool commit = t->outcome == TRANSFER_COMMITTED;

    if (t->roams && record) {
        /* It says so already, or somebody else has decided. */
        transfer_wrote(c->transfers, t,
                       strcmp(record->owner, t->from) || record->ended
                           ? TRANSFER_WRITE_CONFLICT
                           : TRANSFER_WRITE_DONE,
                       time_msec());
        return;
    }
    memset(&change, 0, sizeof change);
    change.session = t->session;
    change.address = t->address;
    change.old_owner = t->from;
    change.old_epoch = t->epoch;
    change.new_owner = transfer_winner(t);
    change.home = t->home;
    change.name = t->name;
    change.service = t->service;
    change.transfer = t->id;
    change.onward = commit ? t->onward : record ? record->onward : ONWARD_ANY;
    change.depth = commit ? t->depth : record ? record->depth : UINT8_MAX;
    t->write_number = record_begin_write(c->records, &change);
    /* It takes longer than the flows, which go beside it. */
    record_store_flush(c->records);
}

static void
do_log(struct transfer *t)
{
    char address[INET6_ADDRSTRLEN];

    ipv6_string_mapped(address, &t->address);
    if (t->roams) {
        VLOG_INFO("session " UUID_FMT " (%s, \"%s\") has followed %s from "
                  "bridge %s to %s",
                  UUID_ARGS(&t->session), address, t->name, t->to,
                  t->from_bridge[0] ? t->from_bridge : "(none)", t->to_bridge);
    } else if (t->outcome == TRANSFER_COMMITTED) {
        VLOG_INFO("transfer " UUID_FMT " of session " UUID_FMT
                  " (%s, \"%s\"): "
                  "committed, from %s to %s, epoch %" PRIu64,
                  UUID_ARGS(&t->id), UUID_ARGS(&t->session), address, t->name,
                  t->from, t->to, t->epoch + 1);
    } else {
        VLOG_INFO("transfer " UUID_FMT " of session " UUID_FMT
                  " (%s, \"%s\"): "
                  "%s, stays with %s, not to %s: %s",
                  UUID_ARGS(&t->id), UUID_ARGS(&t->session), address, t->name,
                  transfer_outcome_to_string(t->outcome), t->from,
                  t->to[0] ? t->to : "another device",
                  t->reason ? t->reason : "no reason given");
    }
}

/* Tells the owner that roams with the session what is so now. */
static void
tell_placed(struct controller *c, const struct transfer *t)
{
    struct record view;
    const struct record *record = record_find(c->records, &t->session, &view);

    if (record && !record->ended && !strcmp(record->owner, t->to)) {
        visit_tell(c, device_find(&c->devices, t->to), &t->session,
                   &t->address, record->epoch);
    }
}

/* The address is the winner's session's. */
static void
do_hold(struct controller *c, struct transfer *t)
{
    struct record view;
    const struct record *record = record_find(c->records, &t->session, &view);

    if (t->outcome == TRANSFER_COMMITTED && !t->roams) {
        holders_add(c->holders, &t->address, t->from, &t->id, time_msec());
        permanent_keep_holder(c, &t->address, t->from);
    }
    leases_hold(c->leases, &t->address);
    session_announce(&c->sessions, &t->session, &t->address,
                     t->roams && record ? record->epoch : t->epoch + 1,
                     transfer_winner(t), t->name, t->service);
}

static void
carry_out(struct controller *c, const struct transfer_action *action)
{
    struct transfer *t = action->transfer;
    struct onward_right right = { t->onward, t->depth };
    const struct record *record;
    struct record view;

    switch (action->type) {
    case TRANSFER_DO_REDIRECT: do_redirect(c, t); break;

    case TRANSFER_DO_GO:
        /* The answer to "prepare": its method sends it. */
        break;

    case TRANSFER_DO_WRITE: do_write(c, t); break;

    case TRANSFER_DO_SETTLE: do_settle(c, t); break;

    case TRANSFER_DO_RESTORE: refresh_restore(c, &t->session); break;

    case TRANSFER_DO_TELL_OWNED:
        if (t->roams) {
            transfer_step(t, "placed");
            tell_placed(c, t);
            break;
        }
        transfer_step(t, "owned");
        holders_left(c->holders, &t->address, t->to, &t->id);
        if (!permanent_tell_owned(c, t)) {
            outcome_tell(c, t, t->to, "owned", NULL, &right);
        }
        break;

    case TRANSFER_DO_TELL_RELEASED:
        if (t->roams) {
            break;
        }
        transfer_step(t, "released");
        if (!permanent_tell_released(c, t)) {
            outcome_tell(c, t, t->from, "released", NULL, NULL);
        }
        break;

    case TRANSFER_DO_TELL_ABORTED:
        transfer_step(t, "aborted");
        outcome_tell(c, t, t->from, "aborted", t->reason, NULL);
        outcome_tell(c, t, t->to, "aborted", t->reason, NULL);
        break;

    case TRANSFER_DO_HOLD: do_hold(c, t); break;

    case TRANSFER_DO_UNEXPECT:
        outcome_unexpect_both(c, t);
        if (session_path_is_foreign(device_find(&c->devices, t->to),
                                    t->bridge)) {
            refresh_restore(c, &t->session);
        }
        break;

    case TRANSFER_DO_ANSWER:
        record = record_find(c->records, &t->session, &view);
        if (t->roams) {
            tell_placed(c, t);
        } else if (record) {
            outcome_answer_party(c, t, t->from, record, false);
            outcome_answer_party(c, t, t->to, record, true);
        }
        break;

    case TRANSFER_DO_LOG: do_log(t); break;
    }
}

void
mediator_act(struct controller *c)
{
    struct transfer_action action;
    struct record_reply reply;
    bool more;

    do {
        more = false;
        while (transfers_next_action(c->transfers, &action)) {
            carry_out(c, &action);
        }
        record_store_flush(c->records);
        if (record_next_reply(c->records, &reply)) {
            struct transfer *t = transfers_find_write(c->transfers,
                                                      reply.number);

            if (t) {
                transfer_wrote(
                    c->transfers, t,
                    reply.status == RECORD_WRITTEN    ? TRANSFER_WRITE_DONE
                    : reply.status == RECORD_CONFLICT ? TRANSFER_WRITE_CONFLICT
                                                      : TRANSFER_WRITE_LOST,
                    time_msec());
            }
            more = true;
        }
    } while (more);
}

static void
run_barriers(struct controller *c)
{
    struct transfer *t, *next;

    for (t = transfers_next_live(c->transfers, NULL); t; t = next) {
        next = transfers_next_live(c->transfers, t);
        if (t->acked
            || (t->state != TRANSFER_DECIDING
                && t->state != TRANSFER_DECIDED)) {
            continue;
        }
        if (session_path_acked(c, t)) {
            transfer_acked(c->transfers, t);
        }
    }
}

static void
run_leases(struct controller *c)
{
    struct lease_change change;
    struct in6_addr addr;

    while (holders_next_left(c->holders, &addr)) {
        leases_rest(c->leases, &addr, time_msec());
    }
    leases_run(c->leases, time_msec());
    while (leases_next_change(c->leases, &change)) {
        refresh_block(c, change.bridge, &change.key, &change.addr, change.plen,
                      change.device);
    }
    while (leases_next_free(c->leases, &addr)) {
        const char *lessee = leases_lessee(c->leases, &addr);
        struct device *device = lessee ? device_find_connected(&c->devices,
                                                               lessee)
                                       : NULL;

        if (device) {
            struct json *params = json_object_create();

            message_put_address(params, "address", &addr);
            link_notify(device->link, "address-free", params);
        }
    }
}

/* What somebody else changed in the database. */
static void
run_changes(struct controller *c)
{
    struct record record;
    struct uuid session;

    while (record_next_change(c->records, &session)) {
        if (record_find(c->records, &session, &record)
            && !refresh_is_moving(c, &session)) {
            refresh_session(c, &record);
        }
    }
}

/* A tombstone stays for as long as its address may not be given: after a
 * restart that is how we know. */
static void
run_tombstones(struct controller *c)
{
    struct record record;

    while (record_next_expired(c->records, &record)) {
        if (leases_is_in_use(c->leases, &record.address)) {
            record_end(c->records, &record.session,
                       time_msec() + MEDIATOR_TOMBSTONE);
        } else {
            record_forget(c->records, &record.session);
        }
    }
}

void
mediator_run(struct controller *c)
{
    struct uuid session;

    record_store_run(c->records, time_msec());
    run_changes(c);
    run_tombstones(c);
    run_barriers(c);
    transfers_run(c->transfers, time_msec());
    mediator_act(c);
    run_leases(c);
    upkeep_run(c->upkeep, c->leases, &c->devices, c->neighbours, c->holders,
               time_msec());
    while (session_paths_next_over(c, &session)) {
        refresh_restore(c, &session);
    }
    network_flush_all(c->network);
}

void
mediator_wait(struct controller *c)
{
    long long int deadline = MIN(transfers_next_deadline(c->transfers),
                                 leases_next_deadline(c->leases));

    record_store_wait(c->records);
    upkeep_wait(c->upkeep, c->leases, c->holders);
    session_paths_wait(c);
    if (deadline != LLONG_MAX) {
        poll_timer_wait_until(deadline);
    }
}

void
mediator_session_rests(struct controller *c, const struct record *record)
{
    leases_rest(c->leases, &record->address, time_msec());
    record_end(c->records, &record->session, time_msec() + MEDIATOR_TOMBSTONE);
}

void
mediator_session_ended(struct controller *c, const struct uuid *session,
                       const struct in6_addr *address)
{
    struct record record;

    session_forget(&c->sessions, session);
    mapping_session_ended(c, address);
    if (permanent_ended(c, session, address)) {
        mediator_act(c);
        return;
    }
    /* Its rest begins when the address has left every host. */
    if (holders_any(c->holders, address)) {
        leases_hold(c->leases, address);
        holders_await(c->holders, address);
    } else {
        leases_rest(c->leases, address, time_msec());
    }
    if (record_find(c->records, session, &record)) {
        record_end(c->records, session, time_msec() + MEDIATOR_TOMBSTONE);
        record.ended = true;
        refresh_session(c, &record);
        network_flush_all(c->network);
    }
}
