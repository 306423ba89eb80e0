/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bridge-sync.h"

#include <inttypes.h>

#include "byte-order.h"
#include "flow-batches.h"
#include "flow-dump.h"
#include "flow-ledger.h"
#include "flow-message.h"
#include "flow-news.h"
#include "flow-watch.h"
#include "openflow-link.h"
#include "openvswitch/list.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-table.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "session-flows.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(bridge_sync);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(60, 60);

/* A switch that does not answer for so long gets a new connection. */
#define ANSWER_TIMEOUT 10000 /* ms */
/* How long what a connection that is gone still held may be done late. */
#define RECHECK_DELAY 1000 /* ms */
/* After how long what was refused is tried again. */
#define MIN_RETRY 1000  /* ms */
#define MAX_RETRY 60000 /* ms */
/* So many flows that somebody else changed are put right singly in a second.
 * If it is more, all are compared instead, and not all the time. */
#define MAX_SINGLY 200
/* How often a switch that does not tell of changes is asked. */
#define CHECK_INTERVAL 30000 /* ms */

enum sync_state {
    SYNC_STOPPED, /* No connection. */
    SYNC_DUMPING, /* Waiting for the switch's flows. */
    SYNC_RUNNING,
};

/* Why all flows are compared. */
enum dump_cause {
    DUMP_OURS,   /* What we sent may not be there: so it is if it differs. */
    DUMP_MISSED, /* Somebody changed more than was told singly. */
    DUMP_CHECK,  /* Somebody may have, and nobody would tell. */
};

struct bridge_sync {
    char *name;
    uint64_t cookie, cookie_mask;
    struct flow_ledger ledger; /* 'changed' are those not flushed. */
    struct flow_news news;     /* Of mappings. */
    struct flow_watch watch;   /* What others do. */
    long long int adopt_until; /* time_msec(). */
    bool spared;               /* Something was left alone. */
    bool missed; /* Others did more than was told, while dumping. */
    struct ovs_list backlog; /* Entries that are flushed, not sent. */
    struct flow_batches batches;
    uint64_t flushed; /* Number of the last flush. */
    uint64_t acked;
    uint64_t synchronised_at; /* 'acked' that ends the resynchronisation. */

    enum sync_state state;
    struct openflow_link *link; /* Not owned; NULL: none. */
    enum ofp_version version;
    bool use_meters;

    /* The comparison. */
    struct flow_dump dump;
    enum dump_cause dump_cause;
    size_t n_different, n_strays; /* Flows told that are not as they should. */
    unsigned int dump_gen;        /* Number of the last dump. */
    bool unanswered;              /* The connection before this one was lost
                                 * with flow-mods on their way. */
    long long int recheck_time;   /* When to dump once more; LLONG_MAX: not. */
    enum dump_cause recheck_cause;
    long long int retry_time; /* When what was refused is sent again. */
    int retry_interval;

    /* Others at work. */
    long long int forgive_until; /* Until then it is our former connection. */
    long long int singly_since;  /* Begin of a second... */
    unsigned int n_singly;       /* ...and how many were put right in it. */
    long long int compare_time;  /* Not to be compared again before. */
    int compare_interval;        /* ms */
    long long int check_time;    /* When a silent switch is asked again. */
    size_t n_others;             /* Counted, but not wanted; SIZE_MAX: it is
                                   * not known. */
};

static void start_dump(struct bridge_sync *, enum dump_cause);
static void pump(struct bridge_sync *);

struct bridge_sync *
bridge_sync_create(const char *name, uint8_t first_table, uint64_t cookie,
                   uint64_t cookie_mask)
{
    struct bridge_sync *sync = xzalloc(sizeof *sync);

    sync->name = xstrdup(name);
    sync->cookie = cookie;
    sync->cookie_mask = cookie_mask;
    flow_ledger_init(&sync->ledger);
    flow_news_init(&sync->news);
    flow_watch_init(&sync->watch, sync->name, first_table, BATON_N_TABLES);
    sync->adopt_until = time_msec() + BRIDGE_SYNC_ADOPT;
    ovs_list_init(&sync->backlog);
    flow_batches_init(&sync->batches, sync->name, cookie, cookie_mask);
    flow_dump_init(&sync->dump, sync->name, cookie, cookie_mask);
    sync->retry_interval = MIN_RETRY;
    sync->compare_interval = MIN_RETRY;
    return sync;
}

void
bridge_sync_destroy(struct bridge_sync *sync)
{
    if (sync) {
        bridge_sync_stop(sync);
        flow_ledger_destroy(&sync->ledger);
        flow_news_destroy(&sync->news);
        flow_watch_destroy(&sync->watch);
        flow_dump_destroy(&sync->dump);
        free(sync->name);
        free(sync);
    }
}

void
bridge_sync_set(struct bridge_sync *sync, const struct uuid *key,
                struct flow_set *flows)
{
    flow_ledger_set(&sync->ledger, key, flows);
}

/* Sending. */

/* Sends what may be sent now. */
static void
pump(struct bridge_sync *sync)
{
    if (sync->state != SYNC_RUNNING) {
        return;
    }
    while (!ovs_list_is_empty(&sync->backlog)
           && flow_batches_have_room(&sync->batches)) {
        flow_batches_send(&sync->batches, &sync->ledger, &sync->backlog,
                          sync->use_meters, sync->flushed);
    }
    if (ovs_list_is_empty(&sync->backlog)
        && flow_batches_is_empty(&sync->batches) && !sync->ledger.n_refused) {
        sync->acked = sync->flushed;
        sync->retry_interval = MIN_RETRY;
    }
}

static void
take_changes(struct bridge_sync *sync)
{
    ovs_list_push_back_all(&sync->backlog, &sync->ledger.changed);
}

uint64_t
bridge_sync_flush(struct bridge_sync *sync)
{
    sync->flushed++;
    take_changes(sync);
    if (ovs_list_is_empty(&sync->backlog)
        && !flow_batches_is_empty(&sync->batches)) {
        /* Nothing more to send: done when what was sent is. */
        flow_batches_promise(&sync->batches, sync->flushed);
    }
    pump(sync);
    return sync->flushed;
}

uint64_t
bridge_sync_acked(const struct bridge_sync *sync)
{
    return sync->acked;
}

/* Starting and stopping. */

void
bridge_sync_start(struct bridge_sync *sync, struct openflow_link *link)
{
    bridge_sync_stop(sync);
    sync->link = link;
    sync->version = openflow_link_get_version(link);
    sync->use_meters = true;
    flow_batches_start(&sync->batches, link);
    sync->retry_interval = MIN_RETRY;
    sync->forgive_until = time_msec() + RECHECK_DELAY;
    sync->compare_time = 0;
    sync->check_time = time_msec() + CHECK_INTERVAL;
    sync->n_others = SIZE_MAX;
    flow_ledger_track(&sync->ledger, true);
    /* Before the dump, so that no change is between the two. */
    flow_watch_start(&sync->watch, link);
    start_dump(sync, DUMP_OURS);
}

void
bridge_sync_stop(struct bridge_sync *sync)
{
    sync->state = SYNC_STOPPED;
    sync->link = NULL;
    flow_dump_stop(&sync->dump);
    sync->unanswered |= !flow_batches_is_empty(&sync->batches);
    flow_batches_drop(&sync->batches);
    flow_ledger_track(&sync->ledger, false);
    flow_ledger_drop_list(&sync->ledger, &sync->backlog);
}

void
bridge_sync_forgo_meters(struct bridge_sync *sync)
{
    if (sync->state != SYNC_STOPPED && sync->use_meters) {
        sync->use_meters = false;
        start_dump(sync, DUMP_OURS);
    }
}

/* The dump. */

static void
start_dump(struct bridge_sync *sync, enum dump_cause cause)
{
    flow_batches_drop(&sync->batches);
    take_changes(sync);
    sync->state = SYNC_DUMPING;
    sync->dump_cause = cause;
    if (cause != DUMP_CHECK) {
        sync->synchronised_at = UINT64_MAX;
    }
    sync->dump_gen++;
    sync->n_different = sync->n_strays = 0;
    flow_dump_start(&sync->dump, sync->link);
}

/* Are there more or fewer flows than when they were counted last?  If there
 * are many, nothing else is checked (true). */
static bool
check_count(struct bridge_sync *sync)
{
    size_t n_others = sync->dump.n_counted - sync->ledger.n_wanted;

    if (sync->dump_cause != DUMP_CHECK
        || sync->dump.n_counted <= FLOW_DUMP_AT_ONCE) {
        return false;
    }
    if (sync->n_others != SIZE_MAX && sync->n_others != n_others) {
        sync->n_others = SIZE_MAX;
        return false;
    }
    sync->n_others = n_others;
    flow_dump_stop(&sync->dump);
    sync->state = SYNC_RUNNING;
    pump(sync);
    return true;
}

static bool
is_as_wanted(const struct bridge_sync *sync, const struct ledger_entry *entry,
             const struct ofputil_flow_stats *stats)
{
    struct flow_form_view view;

    return flow_message_matches_stats(flow_ledger_look(entry, &view), stats,
                                      sync->use_meters, sync->version);
}

/* The switch has a flow under our cookie. */
static void
note_flow(struct bridge_sync *sync, const struct ofputil_flow_stats *stats)
{
    struct minimatch match;

    minimatch_init(&match, &stats->match);
    struct ledger_entry *entry = flow_ledger_find(
        &sync->ledger, stats->table_id, stats->priority, &match);
    if (!entry && flow_news_concerns(ntohll(stats->cookie))
        && time_msec() < sync->adopt_until) {
        flow_news_found(&sync->news, stats);
        sync->spared = true;
    } else if (!entry) {
        flow_ledger_add_stray(&sync->ledger, stats->table_id, stats->priority,
                              &match);
        sync->n_strays++;
    } else if (entry->n_refs) {
        if (is_as_wanted(sync, entry, stats)) {
            entry->seen = sync->dump_gen;
        } else {
            sync->n_different++;
        }
    }
    minimatch_destroy(&match);
}

/* The flows of the first table come last: until they are there, no traffic
 * meets tables that are half filled.  Returns how many there are. */
static size_t
gather_differences(struct bridge_sync *sync)
{
    uint8_t first_table = UINT8_MAX;
    struct ledger_entry *entry;
    size_t n = 0;

    HMAP_FOR_EACH(entry, node, &sync->ledger.entries) {
        if (entry->n_refs) {
            first_table = MIN(first_table, entry->form->table_id);
        }
    }
    HMAP_FOR_EACH(entry, node, &sync->ledger.entries) {
        if (!entry->n_refs || entry->refused
            || !ovs_list_is_empty(&entry->list_node)
            || entry->seen == sync->dump_gen) {
            continue;
        } else if (entry->form->table_id == first_table) {
            ovs_list_push_back(&sync->backlog, &entry->list_node);
        } else {
            ovs_list_push_front(&sync->backlog, &entry->list_node);
        }
        n++;
    }
    return n;
}

/* All was compared because somebody else was at work, or may have been. */
static void
note_meddling(struct bridge_sync *sync, size_t n_differences)
{
    size_t n_different = MIN(sync->n_different, n_differences);

    if (!n_differences && !sync->n_strays) {
        return;
    }
    flow_watch_note(&sync->watch, MEDDLING_REMOVED,
                    n_differences - n_different);
    flow_watch_note(&sync->watch, MEDDLING_CHANGED, n_different);
    flow_watch_note(&sync->watch, MEDDLING_ADDED, sync->n_strays);

    /* Who goes on with it does not make us compare all the time. */
    if (time_msec() < sync->compare_time + sync->compare_interval) {
        sync->compare_interval = MIN(sync->compare_interval * 2, MAX_RETRY);
    } else {
        sync->compare_interval = MIN_RETRY;
    }
    sync->compare_time = time_msec() + sync->compare_interval;
}

/* When all is to be compared once more, after a comparison. */
static void
plan_recheck(struct bridge_sync *sync)
{
    sync->recheck_time = LLONG_MAX;
    sync->recheck_cause = DUMP_OURS;
    if (sync->missed) {
        sync->recheck_time = sync->compare_time;
        sync->recheck_cause = DUMP_MISSED;
    }
    if (sync->spared) {
        sync->recheck_time = MIN(sync->recheck_time, sync->adopt_until);
    }
    if (sync->unanswered) {
        sync->recheck_time = MIN(sync->recheck_time,
                                 time_msec() + RECHECK_DELAY);
    }
    sync->missed = sync->spared = sync->unanswered = false;
}

static void
finish_dump(struct bridge_sync *sync)
{
    size_t n_differences;

    take_changes(sync);
    n_differences = gather_differences(sync);
    sync->state = SYNC_RUNNING;
    if (sync->dump_cause != DUMP_OURS) {
        note_meddling(sync, n_differences);
    }
    plan_recheck(sync);
    if (sync->dump_cause != DUMP_CHECK || n_differences || sync->n_strays) {
        VLOG_INFO(
            "%s: %" PRIuSIZE " flows wanted, %" PRIuSIZE " flow-mods to send",
            sync->name, sync->ledger.n_wanted, ovs_list_size(&sync->backlog));
        sync->synchronised_at = ++sync->flushed;
    }
    pump(sync);
}

/* Handles an answer of the dump's (true), or leaves it to the caller. */
static bool
handle_dump(struct bridge_sync *sync, const struct ofp_header *oh,
            enum ofptype type)
{
    enum flow_dump_event event = flow_dump_begin(&sync->dump, &sync->ledger,
                                                 oh, type);
    struct ofputil_flow_stats stats;

    if (event == FLOW_DUMP_FLOWS) {
        while (flow_dump_next(&sync->dump, &stats)) {
            note_flow(sync, &stats);
        }
        event = flow_dump_end(&sync->dump);
    }
    if (event == FLOW_DUMP_COUNTED && !check_count(sync)) {
        flow_dump_go_on(&sync->dump, &sync->ledger);
    } else if (event == FLOW_DUMP_ALL) {
        finish_dump(sync);
    } else if (event == FLOW_DUMP_NONSENSE) {
        openflow_link_drop(sync->link, "it tells its flows in a form that is "
                                       "not understood");
    }
    return event != FLOW_DUMP_NOT_OURS;
}

/* Answers. */

/* The switch refused a part of a batch.  What it has now, only it knows. */
static void
resynchronise(struct bridge_sync *sync, bool bundled)
{
    if (sync->ledger.n_refused) {
        sync->retry_interval = MIN(sync->retry_interval * 2, MAX_RETRY);
    } else if (bundled == sync->batches.use_bundles) {
        /* Not a flow's fault, so it would be the same again at once. */
        openflow_link_drop(sync->link, "it refuses flow-mods, but no flow");
        return;
    }
    start_dump(sync, DUMP_OURS);
}

static bool
handle_barrier(struct bridge_sync *sync, uint32_t xid)
{
    struct flow_batch_answer answer;

    if (!flow_batches_handle_barrier(&sync->batches, xid, &answer)) {
        return false;
    }
    if (answer.failed) {
        resynchronise(sync, answer.bundled);
    } else if (answer.seqno && !sync->ledger.n_refused) {
        sync->acked = answer.seqno;
    }
    pump(sync);
    return true;
}

static void
note_refusal(struct bridge_sync *sync, uint32_t xid, enum ofperr error)
{
    struct ledger_entry *entry;

    HMAP_FOR_EACH(entry, node, &sync->ledger.entries) {
        if (entry->n_refs && entry->xid == xid) {
            struct ds s = DS_EMPTY_INITIALIZER;
            struct flow_form_view view;

            baton_flow_format(flow_ledger_look(entry, &view), &s);
            VLOG_ERR_RL(&rl, "%s: the switch refuses a flow (%s): %s",
                        sync->name, ofperr_get_name(error), ds_cstr(&s));
            ds_destroy(&s);
            /* Something else may be wanted by now. */
            flow_ledger_set_refused(&sync->ledger, entry,
                                    ovs_list_is_empty(&entry->list_node));
            sync->retry_time = time_msec() + sync->retry_interval;
            return;
        }
    }
}

static bool
handle_error(struct bridge_sync *sync, const struct ofp_header *oh)
{
    uint32_t refused;

    if (!flow_batches_handle_error(&sync->batches, oh, &refused)) {
        return false;
    }
    if (refused) {
        note_refusal(sync, refused, ofperr_decode_msg(oh, NULL));
    }
    return true;
}

/* A flow is gone that was idle.  If it should be there, the next flush puts it
 * there again. */
static void
handle_flow_removed(struct bridge_sync *sync, const struct ofp_header *oh)
{
    struct ledger_entry *entry;
    struct minimatch match;
    uint16_t priority;
    uint8_t table_id;

    if (!flow_news_handle_removed(&sync->news, oh, &table_id, &priority,
                                  &match)) {
        return;
    }
    entry = flow_ledger_find(&sync->ledger, table_id, priority, &match);
    if (entry && entry->n_refs) {
        entry->seen = 0;
        flow_ledger_lost(&sync->ledger, entry);
    }
    minimatch_destroy(&match);
}

/* Others. */

static void
compare_soon(struct bridge_sync *sync)
{
    if (sync->state == SYNC_DUMPING) {
        /* What the switch has told already may have changed. */
        sync->missed = true;
    } else if (time_msec() < sync->recheck_time) {
        sync->recheck_time = MIN(sync->recheck_time,
                                 MAX(time_msec(), sync->compare_time));
        sync->recheck_cause = DUMP_MISSED;
    }
}

static bool
may_put_right_singly(struct bridge_sync *sync)
{
    long long int now = time_msec();

    if (sync->state == SYNC_DUMPING) {
        return true; /* It goes with what else differs. */
    }
    if (now >= sync->singly_since + 1000) {
        sync->singly_since = now;
        sync->n_singly = 0;
    }
    return sync->n_singly++ < MAX_SINGLY;
}

/* 'entry' is to be sent, and not only when the caller flushes. */
static void
put_right(struct bridge_sync *sync, struct ledger_entry *entry,
          enum flow_meddling meddling)
{
    if (time_msec() >= sync->forgive_until) {
        flow_watch_note(&sync->watch, meddling, 1);
    }
    entry->seen = 0;
    ovs_list_remove(&entry->list_node);
    ovs_list_push_back(&sync->backlog, &entry->list_node);
}

/* Somebody else has added, changed or removed a flow in our tables. */
static void
handle_change(struct bridge_sync *sync, enum flow_watch_event event,
              const struct ofputil_flow_stats *stats)
{
    bool removed = event == FLOW_WATCH_REMOVED;
    struct minimatch match;

    minimatch_init(&match, &stats->match);
    struct ledger_entry *entry = flow_ledger_find(
        &sync->ledger, stats->table_id, stats->priority, &match);
    if (entry) {
        if (entry->n_refs && !entry->refused
            && ovs_list_is_empty(&entry->list_node)
            && (removed || !is_as_wanted(sync, entry, stats))) {
            if (may_put_right_singly(sync)) {
                put_right(sync, entry,
                          removed ? MEDDLING_REMOVED : MEDDLING_CHANGED);
            } else {
                compare_soon(sync);
            }
        }
    } else if (!removed
               && (ntohll(stats->cookie) & sync->cookie_mask)
                      == sync->cookie) {
        if (flow_news_concerns(ntohll(stats->cookie))
            && time_msec() < sync->adopt_until) {
            sync->spared = true;
            sync->recheck_time = MIN(sync->recheck_time, sync->adopt_until);
        } else if (may_put_right_singly(sync)) {
            flow_ledger_add_stray(&sync->ledger, stats->table_id,
                                  stats->priority, &match);
            put_right(sync,
                      flow_ledger_find(&sync->ledger, stats->table_id,
                                       stats->priority, &match),
                      MEDDLING_ADDED);
        } else {
            compare_soon(sync);
        }
    }
    minimatch_destroy(&match);
}

static void
handle_watch(struct bridge_sync *sync)
{
    struct ofputil_flow_stats stats;
    enum flow_watch_event event;

    while ((event = flow_watch_next(&sync->watch, &stats))) {
        if (event == FLOW_WATCH_MISSED) {
            compare_soon(sync);
        } else {
            handle_change(sync, event, &stats);
        }
    }
}

/* A switch that does not tell what others do is asked, when nothing of ours is
 * on its way. */
static void
check_silent(struct bridge_sync *sync)
{
    sync->check_time = time_msec() + CHECK_INTERVAL;
    if (!flow_watch_is_able(&sync->watch) && !sync->ledger.n_refused
        && flow_batches_is_empty(&sync->batches)
        && ovs_list_is_empty(&sync->backlog)) {
        start_dump(sync, DUMP_CHECK);
    }
}

struct flow_news *
bridge_sync_news(struct bridge_sync *sync)
{
    return &sync->news;
}

uint32_t
bridge_sync_ask_counters(struct bridge_sync *sync,
                         const struct flow_mapping *mapping)
{
    struct ofpbuf *msgs[2];
    uint32_t xid;

    if (sync->state == SYNC_STOPPED) {
        return 0;
    }
    flow_news_ask(mapping, sync->version, msgs);
    xid = ntohl(((const struct ofp_header *) msgs[1]->data)->xid);
    openflow_link_send(sync->link, msgs[0]);
    openflow_link_send(sync->link, msgs[1]);
    openflow_link_flush(sync->link);
    return xid;
}

bool
bridge_sync_handle(struct bridge_sync *sync, const struct ofp_header *oh,
                   enum ofptype type)
{
    if (sync->state == SYNC_STOPPED) {
        return false;
    } else if (handle_dump(sync, oh, type)) {
        return true;
    } else if (type == OFPTYPE_FLOW_STATS_REPLY) {
        flow_news_handle_stats(&sync->news, oh);
        return true;
    } else if (type == OFPTYPE_FLOW_REMOVED) {
        handle_flow_removed(sync, oh);
        return true;
    } else if (flow_watch_begin(&sync->watch, oh, type)) {
        handle_watch(sync);
        return true;
    } else if (type == OFPTYPE_BARRIER_REPLY) {
        return handle_barrier(sync, ntohl(oh->xid));
    } else if (type == OFPTYPE_ERROR) {
        return handle_error(sync, oh);
    }
    return type == OFPTYPE_BUNDLE_CONTROL;
}

static void
retry_refused(struct bridge_sync *sync)
{
    struct ledger_entry *entry;

    HMAP_FOR_EACH(entry, node, &sync->ledger.entries) {
        if (entry->refused) {
            flow_ledger_set_refused(&sync->ledger, entry, false);
            if (ovs_list_is_empty(&entry->list_node)) {
                ovs_list_push_back(&sync->backlog, &entry->list_node);
            }
        }
    }
}

/* When the switch should have answered; LLONG_MAX if nothing is asked. */
static long long int
answer_deadline(const struct bridge_sync *sync)
{
    long long int since = (sync->state == SYNC_DUMPING
                               ? sync->dump.time
                               : flow_batches_oldest(&sync->batches));

    return since == LLONG_MAX ? LLONG_MAX : since + ANSWER_TIMEOUT;
}

void
bridge_sync_run(struct bridge_sync *sync)
{
    flow_watch_run(&sync->watch);
    if (sync->state == SYNC_STOPPED) {
        return;
    } else if (time_msec() >= answer_deadline(sync)) {
        openflow_link_drop(sync->link, "no answer from the switch");
    } else if (sync->state == SYNC_DUMPING) {
        flow_dump_run(&sync->dump);
    } else if (sync->state == SYNC_RUNNING) {
        if (sync->ledger.n_refused && time_msec() >= sync->retry_time) {
            retry_refused(sync);
        }
        if (time_msec() >= sync->recheck_time) {
            start_dump(sync, sync->recheck_cause);
        } else if (time_msec() >= sync->check_time) {
            check_silent(sync);
        }
        pump(sync);
    }
}

void
bridge_sync_wait(const struct bridge_sync *sync)
{
    long long int deadline = answer_deadline(sync);

    if (sync->state == SYNC_DUMPING) {
        deadline = MIN(deadline, flow_dump_next_time(&sync->dump));
    } else if (sync->state == SYNC_RUNNING) {
        deadline = MIN(deadline, sync->recheck_time);
        if (!flow_watch_is_able(&sync->watch)) {
            deadline = MIN(deadline, sync->check_time);
        }
        if (sync->ledger.n_refused) {
            deadline = MIN(deadline, sync->retry_time);
        }
    }
    if (sync->state != SYNC_STOPPED && deadline != LLONG_MAX) {
        poll_timer_wait_until(deadline);
    }
    flow_watch_wait(&sync->watch);
}

bool
bridge_sync_is_synchronised(const struct bridge_sync *sync)
{
    return sync->state != SYNC_STOPPED && !sync->ledger.n_refused
           && sync->acked >= sync->synchronised_at;
}

size_t
bridge_sync_n_refused(const struct bridge_sync *sync)
{
    return sync->ledger.n_refused;
}

size_t
bridge_sync_n_flows(const struct bridge_sync *sync)
{
    return sync->ledger.n_wanted;
}

uint64_t
bridge_sync_n_flow_mods(const struct bridge_sync *sync)
{
    return sync->batches.n_flow_mods;
}

uint64_t
bridge_sync_n_repaired(const struct bridge_sync *sync)
{
    return sync->watch.n_repaired;
}
