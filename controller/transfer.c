/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "transfer.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "openvswitch/json.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

/* One session's transfer, from T to G, begun at epoch e:
 *
 *                        introduce
 *                            |
 *                            v      withdraw, refused prepare, 35 s
 *      ask, unknown: +--- SETTLED ------------------------------> over
 *      write (T,e+1) |       |                              (unexpect to G)
 *                    |       | prepare, all checks passed by the caller:
 *                    |       | inbound redirect to G, go
 *                    |       v
 *                    |     GONE
 *                    |       |
 *                    |       | valid claim, and T's flush (or 100 ms later):
 *                    |       |              write (G, e+1), flows to G
 *                    |       | 1 s, G or home bridge lost before the claim:
 *                    |       |              write (T, e+1), flows to T
 *                    v       v
 *            +----> DECIDING
 *            |       |  |  |
 *            +-------+  |  | the write is refused: somebody else decided;
 *      reply lost:      |  |    flows as the record says, answer by record
 *      50 ms, repeat    |  +-----------------------------------------> over
 *                       |
 *                       | the write's reply
 *                       v
 *                    DECIDED
 *                       |
 *                       | abort: aborted(e+1) to both ----------------> over
 *                       | commit: barrier: owned(e+1) to G, which waits,
 *                       |         then released(e+1) to T ------------> over
 *
 * T's flush is a frame that it sends after the last packet of the session: once
 * it has come through the bridge, so have they, and the guard may turn from T
 * to G without dropping any.
 *
 * A session whose owner has proved to be in another place goes through DECIDING
 * and DECIDED too, from its owner to its owner, and may do so again on the way:
 * see transfers_roam().
 *
 * DECIDED has no deadline: a bridge that was lost answers when it has been
 * synchronised again, and the decision stands meanwhile.  DECIDING repeats its
 * write until there is a reply.  After go only this machine aborts. */

struct transfer_todo {
    struct ovs_list node; /* In struct transfers. */
    struct transfer_action action;
};

struct transfers {
    struct hmap by_id;       /* All of them. */
    struct hmap by_session;  /* Those that are not over. */
    struct ovs_list list;    /* All of them, oldest first. */
    struct ovs_list actions; /* struct transfer_todo */
    size_t n_over;
    long long int next; /* No deadline is before that. */
    struct transfer_totals totals;
};

struct transfers *
transfers_create(void)
{
    struct transfers *ts = xzalloc(sizeof *ts);

    hmap_init(&ts->by_id);
    hmap_init(&ts->by_session);
    ovs_list_init(&ts->list);
    ovs_list_init(&ts->actions);
    ts->next = LLONG_MAX;
    return ts;
}

static void
wipe_key(struct transfer *t)
{
    seal_wipe(t->session_key, sizeof t->session_key);
    t->has_key = false;
}

static void
transfer_free(struct transfers *ts, struct transfer *t)
{
    struct transfer_todo *todo;

    LIST_FOR_EACH_SAFE(todo, node, &ts->actions) {
        if (todo->action.transfer == t) {
            ovs_list_remove(&todo->node);
            free(todo);
        }
    }
    hmap_remove(&ts->by_id, &t->node);
    ovs_list_remove(&t->list_node);
    if (t->over) {
        ts->n_over--;
    } else {
        hmap_remove(&ts->by_session, &t->session_node);
    }
    wipe_key(t);
    for (int i = 0; i < TRANSFER_N_SIDES; i++) {
        json_destroy(t->device_steps[i]);
        json_destroy(t->counters[i]);
    }
    free(t->from);
    free(t->to);
    free(t->name);
    free(t->service);
    free(t->home);
    free(t->bridge);
    free(t->from_bridge);
    free(t->to_bridge);
    free(t->reason);
    free(t);
}

void
transfers_destroy(struct transfers *ts)
{
    if (ts) {
        struct transfer *t;

        LIST_FOR_EACH_SAFE(t, list_node, &ts->list) {
            transfer_free(ts, t);
        }
        hmap_destroy(&ts->by_id);
        hmap_destroy(&ts->by_session);
        free(ts);
    }
}

static void
set_deadline(struct transfers *ts, struct transfer *t, long long int deadline)
{
    t->deadline = deadline;
    ts->next = MIN(ts->next, deadline);
}

static void
act(struct transfers *ts, struct transfer *t, enum transfer_action_type type)
{
    struct transfer_todo *todo = xmalloc(sizeof *todo);

    todo->action.type = type;
    todo->action.transfer = t;
    ovs_list_push_back(&ts->actions, &todo->node);
}

bool
transfers_next_action(struct transfers *ts, struct transfer_action *action)
{
    struct transfer_todo *todo;

    if (ovs_list_is_empty(&ts->actions)) {
        return false;
    }
    todo = CONTAINER_OF(ovs_list_pop_front(&ts->actions), struct transfer_todo,
                        node);
    *action = todo->action;
    free(todo);
    return true;
}

void
transfer_step(struct transfer *t, const char *name)
{
    fault_point("controller", name);
    if (t->n_steps < TRANSFER_MAX_STEPS) {
        struct transfer_step *step = &t->steps[t->n_steps++];

        step->name = name;
        step->usec = time_usec();
    }
}

const char *
transfer_winner(const struct transfer *t)
{
    return t->outcome == TRANSFER_COMMITTED ? t->to : t->from;
}

/* Forgets the oldest transfers that are over, beyond what is kept. */
static void
trim_history(struct transfers *ts, const struct transfer *keep)
{
    struct transfer *t;

    if (ts->n_over <= TRANSFER_HISTORY) {
        return;
    }
    LIST_FOR_EACH_SAFE(t, list_node, &ts->list) {
        if (t->over && t != keep) {
            transfer_free(ts, t);
            if (ts->n_over <= TRANSFER_HISTORY) {
                break;
            }
        }
    }
}

static void
finish(struct transfers *ts, struct transfer *t)
{
    t->state = TRANSFER_SETTLED;
    t->deadline = LLONG_MAX;
    t->over = true;
    ts->n_over++;
    hmap_remove(&ts->by_session, &t->session_node);
    wipe_key(t);
    transfer_step(t, "settled");
    act(ts, t, TRANSFER_DO_LOG);
}

static void
set_reason(struct transfer *t, const char *reason)
{
    free(t->reason);
    t->reason = xstrdup(reason);
}

static struct transfer *
add_transfer(struct transfers *ts, const struct transfer_spec *spec)
{
    struct transfer *t = xzalloc(sizeof *t);

    t->id = spec->id;
    t->session = spec->session;
    t->address = spec->address;
    t->epoch = spec->epoch;
    t->from = xstrdup(spec->from);
    t->to = xstrdup(spec->to);
    t->name = xstrdup(spec->name ? spec->name : "");
    t->service = xstrdup(spec->service ? spec->service : "");
    t->home = xstrdup(spec->home ? spec->home : spec->from);
    t->bridge = xstrdup(spec->bridge ? spec->bridge : "");
    t->from_bridge = xstrdup(spec->from_bridge ? spec->from_bridge : "");
    t->to_bridge = xstrdup(spec->to_bridge ? spec->to_bridge : "");
    t->sa_id = spec->sa_id;
    t->state = TRANSFER_SETTLED;
    t->deadline = LLONG_MAX;
    t->began_wall = time_wall_msec();
    t->began = time_msec();
    hmap_insert(&ts->by_id, &t->node, uuid_hash(&t->id));
    hmap_insert(&ts->by_session, &t->session_node, uuid_hash(&t->session));
    ovs_list_push_back(&ts->list, &t->list_node);
    trim_history(ts, t);
    return t;
}

struct transfer *
transfers_introduce(struct transfers *ts, const struct transfer_spec *spec,
                    long long int now)
{
    struct transfer *t;

    if (transfers_find_session(ts, &spec->session)) {
        return NULL;
    }
    t = add_transfer(ts, spec);
    set_deadline(ts, t, now + TRANSFER_OFFER_MS);
    ts->totals.introduced++;
    transfer_step(t, "introduce");
    return t;
}

void
transfer_withdraw(struct transfers *ts, struct transfer *t, const char *reason)
{
    if (!t->over && t->state == TRANSFER_SETTLED) {
        t->outcome = TRANSFER_WITHDRAWN;
        ts->totals.withdrawn++;
        set_reason(t, reason);
        act(ts, t, TRANSFER_DO_UNEXPECT);
        finish(ts, t);
    }
}

bool
transfer_prepare(struct transfers *ts, struct transfer *t,
                 const struct ticket_secret *secret,
                 const uint8_t ticket_hash[SEAL_HASH_LEN], long long int now)
{
    if (t->over || t->state != TRANSFER_SETTLED) {
        return false;
    }
    t->has_key = true;
    memcpy(t->session_key, secret->session_key, sizeof t->session_key);
    memcpy(t->ticket_hash, ticket_hash, sizeof t->ticket_hash);
    t->onward = secret->onward;
    t->depth = secret->depth;
    t->state = TRANSFER_GONE;
    set_deadline(ts, t, now + TRANSFER_GONE_MS);
    ts->totals.prepared++;
    act(ts, t, TRANSFER_DO_REDIRECT);
    act(ts, t, TRANSFER_DO_GO);
    return true;
}

/* Starts the one write that ends the transfer, and the flows beside it. */
static void
decide(struct transfers *ts, struct transfer *t, enum transfer_outcome outcome)
{
    t->outcome = outcome;
    t->state = TRANSFER_DECIDING;
    t->deadline = LLONG_MAX;
    t->writing = true;
    t->acked = false;
    t->flush_seqno = UINT64_MAX; /* Until the flows are sent. */
    act(ts, t, TRANSFER_DO_WRITE);
    act(ts, t, TRANSFER_DO_SETTLE);
}

bool
transfer_claim(struct transfers *ts, struct transfer *t, long long int now)
{
    if (t->state != TRANSFER_GONE || t->claimed) {
        return false;
    }
    transfer_step(t, "claim");
    wipe_key(t);
    t->claimed = true;
    if (t->flushed) {
        decide(ts, t, TRANSFER_COMMITTED);
    } else {
        set_deadline(ts, t, now + TRANSFER_FLUSH_MS);
    }
    return true;
}

void
transfer_flushed(struct transfers *ts, struct transfer *t)
{
    if (t->state == TRANSFER_GONE && !t->flushed) {
        transfer_step(t, "flushed");
        t->flushed = true;
        if (t->claimed) {
            decide(ts, t, TRANSFER_COMMITTED);
        }
    }
}

void
transfer_abort(struct transfers *ts, struct transfer *t, const char *reason)
{
    if (t->state == TRANSFER_GONE) {
        transfer_step(t, "abort");
        set_reason(t, reason);
        wipe_key(t);
        decide(ts, t, TRANSFER_ABORTED);
    }
}

void
transfers_bridge_lost(struct transfers *ts, const char *bridge)
{
    struct transfer *t;

    HMAP_FOR_EACH(t, session_node, &ts->by_session) {
        if (!strcmp(t->bridge, bridge)) {
            transfer_abort(ts, t, "the home bridge lost its connection");
        } else if (!strcmp(t->from_bridge, bridge)
                   || !strcmp(t->to_bridge, bridge)) {
            transfer_abort(ts, t, "a bridge on the way lost its connection");
        }
    }
}

static void
tell_committed(struct transfers *ts, struct transfer *t)
{
    if (t->acked) {
        transfer_step(t, "barrier");
        act(ts, t, TRANSFER_DO_TELL_OWNED);
        act(ts, t, TRANSFER_DO_TELL_RELEASED);
        finish(ts, t);
    }
}

void
transfer_wrote(struct transfers *ts, struct transfer *t,
               enum transfer_write result, long long int now)
{
    if (t->state != TRANSFER_DECIDING || !t->writing) {
        return;
    }
    t->writing = false;
    switch (result) {
    case TRANSFER_WRITE_LOST:
        set_deadline(ts, t, now + TRANSFER_RETRY_MS);
        break;

    case TRANSFER_WRITE_CONFLICT:
        t->outcome = TRANSFER_ABORTED;
        ts->totals.aborted++;
        set_reason(t, "somebody else decided about the session");
        act(ts, t, TRANSFER_DO_RESTORE);
        act(ts, t, TRANSFER_DO_ANSWER);
        finish(ts, t);
        break;

    case TRANSFER_WRITE_DONE:
        t->state = TRANSFER_DECIDED;
        t->decided_at = now;
        transfer_step(t, "written");
        if (t->outcome == TRANSFER_COMMITTED) {
            ts->totals.committed += !t->roams;
            tell_committed(ts, t);
            act(ts, t, TRANSFER_DO_HOLD);
        } else {
            ts->totals.aborted++;
            act(ts, t, TRANSFER_DO_TELL_ABORTED);
            act(ts, t, TRANSFER_DO_HOLD);
            finish(ts, t);
        }
        break;
    }
}

void
transfer_acked(struct transfers *ts, struct transfer *t)
{
    if (t->state == TRANSFER_DECIDING || t->state == TRANSFER_DECIDED) {
        t->acked = true;
        if (t->state == TRANSFER_DECIDED) {
            tell_committed(ts, t);
        }
    }
}

struct transfer *
transfers_abort_unknown(struct transfers *ts, const struct transfer_spec *spec)
{
    struct transfer *t = transfers_find_session(ts, &spec->session);

    if (t) {
        if (t->state != TRANSFER_SETTLED) {
            return NULL;
        }
        /* Nobody has gone yet: the question overtakes the introduction. */
        transfer_withdraw(ts, t, "a device asked about an older transfer");
    }
    t = transfers_find(ts, &spec->id);
    if (t) { /* Over without a decision. */
        transfer_free(ts, t);
    }
    t = add_transfer(ts, spec);
    transfer_step(t, "ask");
    set_reason(t, "the controller did not know the transfer");
    decide(ts, t, TRANSFER_ABORTED);
    return t;
}

struct transfer *
transfers_revoke(struct transfers *ts, const struct transfer_spec *spec,
                 const char *reason)
{
    struct transfer *t = transfers_find_session(ts, &spec->session);

    if (t) {
        if (t->state == TRANSFER_GONE && !t->claimed) {
            transfer_abort(ts, t, reason);
        }
        if (t->roams && t->state == TRANSFER_DECIDED) {
            finish(ts, t); /* A bridge that is lost would hold it for ever. */
        }
        if (t->state != TRANSFER_SETTLED) {
            return NULL;
        }
        transfer_withdraw(ts, t, reason);
    }
    t = add_transfer(ts, spec);
    t->revoked = true;
    t->onward = ONWARD_ANY;
    t->depth = ONWARD_DEPTH_ANY;
    transfer_step(t, "revoke");
    set_reason(t, reason);
    decide(ts, t, TRANSFER_COMMITTED);
    return t;
}

static void
set_bridge(char **bridge, const char *name)
{
    free(*bridge);
    *bridge = xstrdup(name ? name : "");
}

/* The flows that were asked for are not those of its last place any more. */
static struct transfer *
roam_on(struct transfer *t, const struct transfer_spec *spec)
{
    set_bridge(&t->from_bridge, spec->from_bridge);
    set_bridge(&t->to_bridge, spec->to_bridge);
    t->acked = false;
    t->flush_seqno = UINT64_MAX;
    transfer_step(t, "roam");
    return t;
}

struct transfer *
transfers_roam(struct transfers *ts, const struct transfer_spec *spec)
{
    struct transfer *t = transfers_find_session(ts, &spec->session);

    if (t && t->roams) {
        return roam_on(t, spec);
    } else if (t && t->state != TRANSFER_SETTLED) {
        return NULL;
    } else if (t) {
        transfer_withdraw(ts, t, "its owner has moved to another place");
    }
    t = add_transfer(ts, spec);
    t->roams = true;
    t->onward = ONWARD_ANY;
    t->depth = ONWARD_DEPTH_ANY;
    ts->totals.roamed++;
    transfer_step(t, "roam");
    set_reason(t, "its owner has moved to another place");
    decide(ts, t, TRANSFER_COMMITTED);
    return t;
}

static bool
is_party(const struct transfer *t, const char *device)
{
    return !strcmp(t->from, device) || !strcmp(t->to, device);
}

void
transfers_device_lost(struct transfers *ts, const char *device,
                      const char *reason)
{
    struct transfer *t;

    HMAP_FOR_EACH_SAFE(t, session_node, &ts->by_session) {
        if (is_party(t, device)) {
            transfer_withdraw(ts, t, reason);
        }
        if (!strcmp(t->to, device) && !t->claimed) {
            /* Its claim is not to be expected in time, and whatever comes for
             * the session meanwhile may be lost there. */
            transfer_abort(ts, t, reason);
        }
    }
}

void
transfers_device_gone(struct transfers *ts, const char *device,
                      const char *reason)
{
    struct transfer *t;

    HMAP_FOR_EACH_SAFE(t, session_node, &ts->by_session) {
        if (is_party(t, device)) {
            transfer_withdraw(ts, t, reason);
            transfer_abort(ts, t, reason);
        }
    }
}

static void
run_deadline(struct transfers *ts, struct transfer *t)
{
    t->deadline = LLONG_MAX;
    switch (t->state) {
    case TRANSFER_SETTLED:
        transfer_withdraw(ts, t, "prepare did not come in time");
        break;

    case TRANSFER_GONE:
        if (t->claimed) {
            decide(ts, t, TRANSFER_COMMITTED);
            break;
        }
        transfer_abort(ts, t, "the target's claim did not come in time");
        break;

    case TRANSFER_DECIDING:
        t->writing = true;
        act(ts, t, TRANSFER_DO_WRITE);
        break;

    case TRANSFER_DECIDED: break;
    }
}

void
transfers_run(struct transfers *ts, long long int now)
{
    struct transfer *t;

    if (now < ts->next) {
        return;
    }
    ts->next = LLONG_MAX;
    HMAP_FOR_EACH_SAFE(t, session_node, &ts->by_session) {
        if (now >= t->deadline) {
            run_deadline(ts, t);
        } else {
            ts->next = MIN(ts->next, t->deadline);
        }
    }
}

long long int
transfers_next_deadline(const struct transfers *ts)
{
    return ts->next;
}

struct transfer *
transfers_find(const struct transfers *ts, const struct uuid *id)
{
    struct transfer *t;

    HMAP_FOR_EACH_WITH_HASH(t, node, uuid_hash(id), &ts->by_id) {
        if (uuid_equals(&t->id, id)) {
            return t;
        }
    }
    return NULL;
}

struct transfer *
transfers_find_session(const struct transfers *ts, const struct uuid *session)
{
    struct transfer *t;

    HMAP_FOR_EACH_WITH_HASH(t, session_node, uuid_hash(session),
                            &ts->by_session) {
        if (uuid_equals(&t->session, session)) {
            return t;
        }
    }
    return NULL;
}

struct transfer *
transfers_find_write(const struct transfers *ts, uint64_t write_number)
{
    struct transfer *t;

    HMAP_FOR_EACH(t, session_node, &ts->by_session) {
        if (t->writing && t->write_number == write_number) {
            return t;
        }
    }
    return NULL;
}

struct transfer *
transfers_next_live(const struct transfers *ts, const struct transfer *t)
{
    const struct hmap_node *node = t ? hmap_next(&ts->by_session,
                                                 &t->session_node)
                                     : hmap_first(&ts->by_session);

    return node ? CONTAINER_OF(node, struct transfer, session_node) : NULL;
}

struct transfer *
transfers_next(const struct transfers *ts, const struct transfer *t)
{
    const struct ovs_list *node = t ? t->list_node.next : ts->list.next;

    return node == &ts->list ? NULL
                             : CONTAINER_OF(node, struct transfer, list_node);
}

struct transfer *
transfers_previous(const struct transfers *ts, const struct transfer *t)
{
    const struct ovs_list *node = t ? t->list_node.prev : ts->list.prev;

    return node == &ts->list ? NULL
                             : CONTAINER_OF(node, struct transfer, list_node);
}

struct transfer *
transfers_find_partial(const struct transfers *ts, const char *s)
{
    struct transfer *found = NULL;
    struct transfer *t;

    HMAP_FOR_EACH(t, node, &ts->by_id) {
        if (uuid_is_partial_match(&t->id, s) >= (int) strlen(s)) {
            if (found) {
                return NULL;
            }
            found = t;
        }
    }
    return found;
}

bool
transfers_involve(const struct transfers *ts, const char *device)
{
    const struct transfer *t;

    HMAP_FOR_EACH(t, session_node, &ts->by_session) {
        if (t->state != TRANSFER_SETTLED && !t->roams && is_party(t, device)) {
            return true;
        }
    }
    return false;
}

size_t
transfers_count_offers(const struct transfers *ts, const char *device,
                       int side)
{
    const struct transfer *t;
    size_t n = 0;

    HMAP_FOR_EACH(t, session_node, &ts->by_session) {
        n += t->state == TRANSFER_SETTLED
             && !strcmp(side == TRANSFER_SIDE_T ? t->from : t->to, device);
    }
    return n;
}

const char *
transfer_state_to_string(enum transfer_state state)
{
    switch (state) {
    case TRANSFER_SETTLED: return "settled";
    case TRANSFER_GONE: return "gone";
    case TRANSFER_DECIDING: return "deciding";
    case TRANSFER_DECIDED: return "decided";
    }
    OVS_NOT_REACHED();
}

const char *
transfer_outcome_to_string(enum transfer_outcome outcome)
{
    switch (outcome) {
    case TRANSFER_OPEN: return "open";
    case TRANSFER_COMMITTED: return "committed";
    case TRANSFER_ABORTED: return "aborted";
    case TRANSFER_WITHDRAWN: return "withdrawn";
    }
    OVS_NOT_REACHED();
}

void
transfers_get_totals(const struct transfers *ts,
                     struct transfer_totals *totals)
{
    *totals = ts->totals;
}
