/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bridge-sync.h"

#include <inttypes.h>

#include "byte-order.h"
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

/* With more flows than that a switch is asked for them slice by slice. */
#define SLICED_MIN 2000
/* Between two slices the switch is left alone for a quarter of the time that
 * the first took, and a millisecond more.  It answers up to 50 messages before it looks at its
 * packets again: if the next question is there when it has answered, and this
 * process may well be the faster one, its packets wait for all of them. */
#define MAX_PAUSE 50 /* ms */

/* Sent with a barrier that is not answered yet. */
struct batch {
    struct ovs_list list_node; /* In 'batches'. */
    uint32_t open_xid;         /* Of the bundle's opening; 0: no bundle. */
    uint32_t barrier_xid;
    uint32_t first_xid, last_xid; /* Of flow-mods. */
    size_t n_mods;
    uint64_t seqno;     /* Acknowledged by the barrier; 0: none. */
    long long int sent; /* time_msec(). */
    bool failed;
};

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

/* What a switch is asked for at once. */
struct dump_part {
    uint64_t cookie, cookie_mask;
    uint8_t table_id; /* Or OFPTT_ALL. */
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
    struct ovs_list batches; /* Sent, not answered, oldest first. */
    size_t n_outstanding;    /* Flow-mods in 'batches'. */
    uint64_t flushed;        /* Number of the last flush. */
    uint64_t acked;
    uint64_t synchronised_at; /* 'acked' that ends the resynchronisation. */

    enum sync_state state;
    struct openflow_link *link; /* Not owned; NULL: none. */
    enum ofp_version version;
    bool use_bundles, use_meters;
    uint32_t next_bundle_id;
    uint64_t n_flow_mods; /* Of this connection. */

    /* The dump: first how many flows there are in each table.  Few are asked
     * for at once.  Many would keep the switch from its packets for as long as
     * it tells them, so they are asked for in parts, by cookie; if the parts
     * are not all that our tables hold, something is there that we do not
     * know, and then all are asked for. */
    enum dump_cause dump_cause;
    uint32_t dump_xid;
    struct dump_part *parts; /* Still to be asked for. */
    size_t n_parts, allocated_parts;
    size_t n_counted; /* Flows in our tables; SIZE_MAX: does not matter. */
    size_t n_told;    /* That the switch has told. */
    size_t n_different, n_strays; /* Of those. */
    unsigned int dump_gen;        /* Number of the last dump. */
    long long int dump_time;      /* Of the last sign of it. */
    long long int asked_time;     /* When the last part was asked for. */
    long long int ask_time;     /* When the next is; LLONG_MAX: it is not known
                                 * yet. */
    bool unanswered;            /* The connection before this one was lost
                                 * with flow-mods on their way. */
    long long int recheck_time; /* When to dump once more; LLONG_MAX: not. */
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
    ovs_list_init(&sync->batches);
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
        free(sync->parts);
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

static uint32_t
msg_xid(const struct ofpbuf *msg)
{
    const struct ofp_header *oh = msg->data;
    return ntohl(oh->xid);
}

static uint32_t
send_msg(struct bridge_sync *sync, struct ofpbuf *msg)
{
    uint32_t xid = msg_xid(msg);

    openflow_link_send(sync->link, msg);
    return xid;
}

/* Sends what makes the switch agree with 'entry', which is in no list. */
static uint32_t
send_flow_mod(struct bridge_sync *sync, struct ledger_entry *entry,
              uint32_t bundle_id)
{
    struct flow_form_view view;
    const struct baton_flow *flow = flow_ledger_look(entry, &view);
    struct ofpbuf *msg;

    if (entry->n_refs) {
        msg = flow_message_add(flow, sync->use_meters, sync->version);
        entry->xid = msg_xid(msg);
    } else {
        msg = flow_message_delete(flow, sync->cookie, sync->cookie_mask,
                                  sync->version);
        flow_ledger_forget(&sync->ledger, entry);
    }
    if (sync->use_bundles) {
        msg = flow_message_bundle_add(bundle_id, msg, sync->version);
    }
    sync->n_flow_mods++;
    return send_msg(sync, msg);
}

static void
send_batch(struct bridge_sync *sync)
{
    struct batch *batch = xzalloc(sizeof *batch);
    uint32_t bundle_id = sync->next_bundle_id++;

    if (sync->use_bundles) {
        batch->open_xid = send_msg(
            sync, flow_message_bundle_ctrl(bundle_id, OFPBCT_OPEN_REQUEST,
                                           sync->version));
    }
    while (batch->n_mods < BRIDGE_SYNC_BUNDLE
           && !ovs_list_is_empty(&sync->backlog)) {
        struct ledger_entry *entry = flow_ledger_pop(&sync->backlog);

        batch->last_xid = send_flow_mod(sync, entry, bundle_id);
        if (!batch->n_mods++) {
            batch->first_xid = batch->last_xid;
        }
    }
    if (sync->use_bundles) {
        send_msg(sync, flow_message_bundle_ctrl(
                           bundle_id, OFPBCT_COMMIT_REQUEST, sync->version));
    }
    batch->barrier_xid = send_msg(
        sync, ofputil_encode_barrier_request(sync->version));
    batch->seqno = ovs_list_is_empty(&sync->backlog) ? sync->flushed : 0;
    batch->sent = time_msec();
    ovs_list_push_back(&sync->batches, &batch->list_node);
    sync->n_outstanding += batch->n_mods;
    openflow_link_flush(sync->link);
}

/* Sends what may be sent now. */
static void
pump(struct bridge_sync *sync)
{
    if (sync->state != SYNC_RUNNING) {
        return;
    }
    while (!ovs_list_is_empty(&sync->backlog)
           && sync->n_outstanding < BRIDGE_SYNC_BUNDLE) {
        send_batch(sync);
    }
    if (ovs_list_is_empty(&sync->backlog) && ovs_list_is_empty(&sync->batches)
        && !sync->ledger.n_refused) {
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
        && !ovs_list_is_empty(&sync->batches)) {
        /* Nothing more to send: done when what was sent is. */
        CONTAINER_OF(ovs_list_back(&sync->batches), struct batch, list_node)
            ->seqno = sync->flushed;
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

static void
drop_batches(struct bridge_sync *sync)
{
    struct batch *batch;

    LIST_FOR_EACH_POP(batch, list_node, &sync->batches) {
        free(batch);
    }
    sync->n_outstanding = 0;
}

void
bridge_sync_start(struct bridge_sync *sync, struct openflow_link *link)
{
    bridge_sync_stop(sync);
    sync->link = link;
    sync->version = openflow_link_get_version(link);
    sync->use_bundles = true;
    sync->use_meters = true;
    sync->n_flow_mods = 0;
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
    sync->unanswered |= !ovs_list_is_empty(&sync->batches);
    drop_batches(sync);
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
    drop_batches(sync);
    take_changes(sync);
    sync->state = SYNC_DUMPING;
    sync->dump_cause = cause;
    if (cause != DUMP_CHECK) {
        sync->synchronised_at = UINT64_MAX;
    }
    sync->dump_gen++;
    sync->dump_time = time_msec();
    sync->n_parts = sync->n_counted = sync->n_told = 0;
    sync->n_different = sync->n_strays = 0;
    sync->ask_time = LLONG_MAX;
    sync->dump_xid = send_msg(
        sync, ofpraw_alloc(OFPRAW_OFPST_TABLE_REQUEST, sync->version, 0));
    openflow_link_flush(sync->link);
}

static void
ask_for_all(struct bridge_sync *sync)
{
    sync->n_parts = 0;
    sync->n_counted = SIZE_MAX;
    sync->ask_time = LLONG_MAX;
    sync->dump_xid = send_msg(
        sync, flow_message_dump(sync->cookie, sync->cookie_mask, OFPTT_ALL,
                                sync->version));
    openflow_link_flush(sync->link);
}

static void
add_part(struct bridge_sync *sync, uint64_t cookie, uint64_t cookie_mask,
         uint8_t table_id)
{
    struct dump_part *part;

    if (sync->n_parts >= sync->allocated_parts) {
        sync->parts = x2nrealloc(sync->parts, &sync->allocated_parts,
                                 sizeof *sync->parts);
    }
    part = &sync->parts[sync->n_parts++];
    part->cookie = cookie;
    part->cookie_mask = cookie_mask;
    part->table_id = table_id;
}

static void
ask_for_part(struct bridge_sync *sync)
{
    const struct dump_part *part = &sync->parts[--sync->n_parts];

    sync->asked_time = time_msec();
    sync->ask_time = LLONG_MAX;
    sync->dump_xid = send_msg(
        sync, flow_message_dump(part->cookie, part->cookie_mask,
                                part->table_id, sync->version));
    openflow_link_flush(sync->link);
}

/* It is known how many flows there are.  Tables that should have none of ours
 * are parts already. */
static void
ask_for_flows(struct bridge_sync *sync)
{
    uint64_t *cookies;
    size_t n;

    if (sync->n_counted <= SLICED_MIN) {
        ask_for_all(sync);
        return;
    }
    n = flow_ledger_get_cookies(&sync->ledger, &cookies);
    for (size_t i = 0; i < n; i++) {
        add_part(sync, cookies[i], UINT64_MAX, OFPTT_ALL);
    }
    free(cookies);
    if (sync->n_parts) {
        ask_for_part(sync);
    } else {
        ask_for_all(sync);
    }
}

/* Which tables should have flows of ours? */
static void
find_tables(const struct bridge_sync *sync, bool tables[UINT8_MAX + 1])
{
    const struct ledger_entry *entry;

    memset(tables, 0, (UINT8_MAX + 1) * sizeof *tables);
    HMAP_FOR_EACH(entry, node, &sync->ledger.entries) {
        tables[entry->form->table_id] |= entry->n_refs > 0;
    }
}

/* Are there more or fewer flows than when they were counted last?  If there
 * are many, nothing else is checked (true). */
static bool
check_count(struct bridge_sync *sync)
{
    size_t n_others = sync->n_counted - sync->ledger.n_wanted;

    if (sync->dump_cause != DUMP_CHECK || sync->n_counted <= SLICED_MIN) {
        return false;
    }
    if (sync->n_others != SIZE_MAX && sync->n_others != n_others) {
        sync->n_others = SIZE_MAX;
        return false;
    }
    sync->n_others = n_others;
    sync->state = SYNC_RUNNING;
    pump(sync);
    return true;
}

static void
handle_table_stats(struct bridge_sync *sync, const struct ofp_header *oh)
{
    struct ofpbuf msg = ofpbuf_const_initializer(oh, ntohs(oh->length));
    struct ofputil_table_features features;
    struct ofputil_table_stats stats;
    bool tables[UINT8_MAX + 1];
    int error;

    sync->dump_time = time_msec();
    find_tables(sync, tables);
    while (
        !(error = ofputil_decode_table_stats_reply(&msg, &stats, &features))) {
        if (tables[stats.table_id]) {
            sync->n_counted += stats.active_count;
        } else if (stats.active_count) {
            add_part(sync, sync->cookie, sync->cookie_mask, stats.table_id);
        }
    }
    if (error != EOF) {
        openflow_link_drop(sync->link, "it tells of its tables in a form that "
                                       "is not understood");
    } else if (!ofpmp_more(oh) && !check_count(sync)) {
        ask_for_flows(sync);
    }
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
    if ((ntohll(stats->cookie) & sync->cookie_mask) != sync->cookie) {
        return;
    }

    struct minimatch match;
    sync->n_told++;
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

static void
handle_flow_stats(struct bridge_sync *sync, const struct ofp_header *oh)
{
    struct ofpbuf msg = ofpbuf_const_initializer(oh, ntohs(oh->length));
    uint64_t stub[1024 / 8];
    struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);
    struct ofputil_flow_stats stats;
    int error;

    sync->dump_time = time_msec();
    while (!(error = ofputil_decode_flow_stats_reply(&stats, &msg, false,
                                                     &ofpacts))) {
        note_flow(sync, &stats);
    }
    ofpbuf_uninit(&ofpacts);
    if (error != EOF) {
        openflow_link_drop(sync->link, "it tells its flows in a form that is "
                                       "not understood");
    } else if (ofpmp_more(oh)) {
        return;
    } else if (sync->n_parts) {
        long long int took = time_msec() - sync->asked_time;

        sync->ask_time = time_msec() + MIN(took / 4 + 1, MAX_PAUSE);
    } else if (sync->n_counted != SIZE_MAX
               && sync->n_told != sync->n_counted) {
        VLOG_INFO("%s: %" PRIuSIZE " of the %" PRIuSIZE " flows in our tables "
                  "are as they may be, so it is asked for all at once",
                  sync->name, sync->n_told, sync->n_counted);
        ask_for_all(sync);
    } else {
        finish_dump(sync);
    }
}

/* Answers. */

/* The switch refused a part of a batch.  What it has now, only it knows. */
static void
resynchronise(struct bridge_sync *sync, bool bundled)
{
    if (sync->ledger.n_refused) {
        sync->retry_interval = MIN(sync->retry_interval * 2, MAX_RETRY);
    } else if (bundled == sync->use_bundles) {
        /* Not a flow's fault, so it would be the same again at once. */
        openflow_link_drop(sync->link, "it refuses flow-mods, but no flow");
        return;
    }
    start_dump(sync, DUMP_OURS);
}

static bool
handle_barrier(struct bridge_sync *sync, uint32_t xid)
{
    struct batch *batch;

    LIST_FOR_EACH(batch, list_node, &sync->batches) {
        if (batch->barrier_xid == xid) {
            uint64_t seqno = batch->seqno;
            bool failed = batch->failed, bundled = batch->open_xid;

            sync->n_outstanding -= batch->n_mods;
            ovs_list_remove(&batch->list_node);
            free(batch);
            if (failed) {
                resynchronise(sync, bundled);
            } else if (seqno && !sync->ledger.n_refused) {
                sync->acked = seqno;
            }
            pump(sync);
            return true;
        }
    }
    return false;
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
    enum ofperr error = ofperr_decode_msg(oh, NULL);
    uint32_t xid = ntohl(oh->xid);
    struct batch *batch;

    LIST_FOR_EACH(batch, list_node, &sync->batches) {
        if (xid < (batch->open_xid ? batch->open_xid : batch->first_xid)
            || xid > batch->barrier_xid) {
            continue;
        }
        batch->failed = true;
        if (xid == batch->open_xid) {
            VLOG_INFO("%s: no bundles (%s), sending flow-mods singly",
                      sync->name, ofperr_get_name(error));
            sync->use_bundles = false;
        } else if (sync->use_bundles == !!batch->open_xid
                   && xid >= batch->first_xid && xid <= batch->last_xid) {
            note_refusal(sync, xid, error);
        }
        return true;
    }
    return false;
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
        && ovs_list_is_empty(&sync->batches)
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
    send_msg(sync, msgs[0]);
    xid = send_msg(sync, msgs[1]);
    openflow_link_flush(sync->link);
    return xid;
}

bool
bridge_sync_handle(struct bridge_sync *sync, const struct ofp_header *oh,
                   enum ofptype type)
{
    if (sync->state == SYNC_STOPPED) {
        return false;
    } else if (type == OFPTYPE_TABLE_STATS_REPLY) {
        if (sync->state == SYNC_DUMPING && ntohl(oh->xid) == sync->dump_xid) {
            handle_table_stats(sync, oh);
        }
        return true;
    } else if (type == OFPTYPE_FLOW_STATS_REPLY) {
        if (ntohl(oh->xid) != sync->dump_xid) {
            flow_news_handle_stats(&sync->news, oh);
        } else if (sync->state == SYNC_DUMPING) {
            handle_flow_stats(sync, oh);
        }
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
    if (sync->state == SYNC_DUMPING) {
        return sync->dump_time + ANSWER_TIMEOUT;
    } else if (!ovs_list_is_empty(&sync->batches)) {
        return CONTAINER_OF(ovs_list_front(&sync->batches), struct batch,
                            list_node)
                   ->sent
               + ANSWER_TIMEOUT;
    }
    return LLONG_MAX;
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
        if (time_msec() >= sync->ask_time) {
            ask_for_part(sync);
        }
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
        deadline = MIN(deadline, sync->ask_time);
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
    return sync->n_flow_mods;
}

uint64_t
bridge_sync_n_repaired(const struct bridge_sync *sync)
{
    return sync->watch.n_repaired;
}
