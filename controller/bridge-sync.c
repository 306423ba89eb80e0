/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bridge-sync.h"

#include <inttypes.h>

#include "byte-order.h"
#include "flow-message.h"
#include "openflow-link.h"
#include "openvswitch/list.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(bridge_sync);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(60, 60);

/* A switch that does not answer for so long gets a new connection. */
#define ANSWER_TIMEOUT 10000    /* ms */
/* After how long what was refused is tried again. */
#define MIN_RETRY 1000          /* ms */
#define MAX_RETRY 60000         /* ms */

/* A flow that should be on the switch ('n_refs' > 0), or that should not but
 * may be ('n_refs' is 0 and it is in a list). */
struct sync_flow {
    struct hmap_node node;      /* In 'flows'. */
    struct ovs_list list_node;  /* In 'pending' or 'backlog', or empty. */
    struct baton_flow *flow;
    size_t n_refs;              /* Pieces that have it. */
    uint32_t xid;               /* Of the last flow-mod for it. */
    bool refused;               /* The switch did not want it. */
    unsigned int seen;          /* The dump in which it was found right. */
};

struct piece {
    struct hmap_node node;      /* In 'pieces'. */
    struct uuid key;
    struct sync_flow **flows;   /* Each holds a reference. */
    size_t n;
};

/* Sent with a barrier that is not answered yet. */
struct batch {
    struct ovs_list list_node;  /* In 'batches'. */
    uint32_t open_xid;          /* Of the bundle's opening; 0: no bundle. */
    uint32_t barrier_xid;
    uint32_t first_xid, last_xid;       /* Of flow-mods. */
    size_t n_mods;
    uint64_t seqno;             /* Acknowledged by the barrier; 0: none. */
    long long int sent;         /* time_msec(). */
    bool failed;
};

enum sync_state {
    SYNC_STOPPED,               /* No connection. */
    SYNC_DUMPING,               /* Waiting for the switch's flows. */
    SYNC_RUNNING,
};

struct bridge_sync {
    char *name;
    uint64_t cookie, cookie_mask;
    struct hmap flows;          /* Of "struct sync_flow"s. */
    struct hmap pieces;         /* Of "struct piece"s. */
    size_t n_desired;           /* Flows with references. */
    size_t n_refused;           /* Of those, refused. */

    struct ovs_list pending;    /* Differ, not flushed. */
    struct ovs_list backlog;    /* Differ, flushed, not sent. */
    struct ovs_list batches;    /* Sent, not answered, oldest first. */
    size_t n_outstanding;       /* Flow-mods in 'batches'. */
    uint64_t flushed;           /* Number of the last flush. */
    uint64_t acked;
    uint64_t synchronised_at;   /* 'acked' that ends the resynchronisation. */

    enum sync_state state;
    struct openflow_link *link; /* Not owned; NULL: none. */
    enum ofp_version version;
    bool use_bundles, use_meters;
    uint32_t next_bundle_id;
    uint64_t n_flow_mods;       /* Of this connection. */

    uint32_t dump_xid;
    unsigned int dump_gen;      /* Number of the last dump. */
    long long int dump_time;    /* Of the last sign of it. */
    long long int retry_time;   /* When what was refused is sent again. */
    int retry_interval;
};

static void start_dump(struct bridge_sync *);
static void pump(struct bridge_sync *);

struct bridge_sync *
bridge_sync_create(const char *name, uint64_t cookie, uint64_t cookie_mask)
{
    struct bridge_sync *sync = xzalloc(sizeof *sync);

    sync->name = xstrdup(name);
    sync->cookie = cookie;
    sync->cookie_mask = cookie_mask;
    hmap_init(&sync->flows);
    hmap_init(&sync->pieces);
    ovs_list_init(&sync->pending);
    ovs_list_init(&sync->backlog);
    ovs_list_init(&sync->batches);
    sync->retry_interval = MIN_RETRY;
    return sync;
}

void
bridge_sync_destroy(struct bridge_sync *sync)
{
    struct sync_flow *sf;
    struct piece *piece;

    if (!sync) {
        return;
    }
    bridge_sync_stop(sync);
    HMAP_FOR_EACH_POP (piece, node, &sync->pieces) {
        free(piece->flows);
        free(piece);
    }
    hmap_destroy(&sync->pieces);
    HMAP_FOR_EACH_POP (sf, node, &sync->flows) {
        baton_flow_destroy(sf->flow);
        free(sf);
    }
    hmap_destroy(&sync->flows);
    free(sync->name);
    free(sync);
}

/* Flows. */

static struct sync_flow *
find_flow(const struct bridge_sync *sync, uint32_t hash, uint8_t table_id,
          uint16_t priority, const struct minimatch *match)
{
    struct sync_flow *sf;

    HMAP_FOR_EACH_WITH_HASH (sf, node, hash, &sync->flows) {
        if (flow_key_equal(sf->flow, table_id, priority, match)) {
            return sf;
        }
    }
    return NULL;
}

/* Takes 'flow'. */
static struct sync_flow *
insert_flow(struct bridge_sync *sync, struct baton_flow *flow, uint32_t hash)
{
    struct sync_flow *sf = xzalloc(sizeof *sf);

    sf->flow = flow;
    ovs_list_init(&sf->list_node);
    hmap_insert(&sync->flows, &sf->node, hash);
    return sf;
}

static void
destroy_flow(struct bridge_sync *sync, struct sync_flow *sf)
{
    ovs_list_remove(&sf->list_node);
    hmap_remove(&sync->flows, &sf->node);
    baton_flow_destroy(sf->flow);
    free(sf);
}

static void
set_refused(struct bridge_sync *sync, struct sync_flow *sf, bool refused)
{
    sync->n_refused += refused - sf->refused;
    sf->refused = refused;
}

/* The switch differs from 'sf'. */
static void
mark_pending(struct bridge_sync *sync, struct sync_flow *sf)
{
    if (sync->state == SYNC_STOPPED) {
        /* The dump will tell. */
        if (!sf->n_refs) {
            destroy_flow(sync, sf);
        }
    } else if (ovs_list_is_empty(&sf->list_node)) {
        ovs_list_push_back(&sync->pending, &sf->list_node);
    }
}

static void
unref_flow(struct bridge_sync *sync, struct sync_flow *sf)
{
    if (!--sf->n_refs) {
        sync->n_desired--;
        set_refused(sync, sf, false);
        mark_pending(sync, sf);
    }
}

/* Takes 'flow', and returns what stands for it with one more reference. */
static struct sync_flow *
ref_flow(struct bridge_sync *sync, struct baton_flow *flow)
{
    uint32_t hash = flow_key_hash(flow->table_id, flow->priority,
                                  &flow->match);
    struct sync_flow *sf = find_flow(sync, hash, flow->table_id,
                                     flow->priority, &flow->match);

    if (!sf) {
        sf = insert_flow(sync, flow, hash);
    } else if (sf->n_refs && baton_flow_does_same(sf->flow, flow)) {
        baton_flow_destroy(flow);
        sf->n_refs++;
        return sf;
    } else {
        baton_flow_destroy(sf->flow);
        sf->flow = flow;
        set_refused(sync, sf, false);
    }
    if (!sf->n_refs++) {
        sync->n_desired++;
    }
    mark_pending(sync, sf);
    return sf;
}

static struct piece *
find_piece(const struct bridge_sync *sync, const struct uuid *key)
{
    struct piece *piece;

    HMAP_FOR_EACH_WITH_HASH (piece, node, uuid_hash(key), &sync->pieces) {
        if (uuid_equals(&piece->key, key)) {
            return piece;
        }
    }
    return NULL;
}

void
bridge_sync_set(struct bridge_sync *sync, const struct uuid *key,
                struct flow_set *flows)
{
    struct piece *old = find_piece(sync, key);

    /* The new before the old, so that what stays is never unwanted. */
    if (flow_set_count(flows)) {
        struct piece *new = xzalloc(sizeof *new);
        struct baton_flow *flow;

        new->key = *key;
        new->flows = xmalloc(flow_set_count(flows) * sizeof *new->flows);
        HMAP_FOR_EACH_POP (flow, node, &flows->flows) {
            new->flows[new->n++] = ref_flow(sync, flow);
        }
        hmap_insert(&sync->pieces, &new->node, uuid_hash(key));
    }
    if (old) {
        for (size_t i = 0; i < old->n; i++) {
            unref_flow(sync, old->flows[i]);
        }
        hmap_remove(&sync->pieces, &old->node);
        free(old->flows);
        free(old);
    }
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

/* Sends what makes the switch agree with 'sf', which is in no list. */
static uint32_t
send_flow_mod(struct bridge_sync *sync, struct sync_flow *sf,
              uint32_t bundle_id)
{
    struct ofpbuf *msg;

    if (sf->n_refs) {
        msg = flow_message_add(sf->flow, sync->use_meters, sync->version);
        sf->xid = msg_xid(msg);
    } else {
        msg = flow_message_delete(sf->flow, sync->cookie, sync->cookie_mask,
                                  sync->version);
        destroy_flow(sync, sf);
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
        struct sync_flow *sf = CONTAINER_OF(ovs_list_pop_front(&sync->backlog),
                                            struct sync_flow, list_node);

        ovs_list_init(&sf->list_node);
        batch->last_xid = send_flow_mod(sync, sf, bundle_id);
        if (!batch->n_mods++) {
            batch->first_xid = batch->last_xid;
        }
    }
    if (sync->use_bundles) {
        send_msg(sync, flow_message_bundle_ctrl(bundle_id,
                                                OFPBCT_COMMIT_REQUEST,
                                                sync->version));
    }
    batch->barrier_xid = send_msg(sync,
                                  ofputil_encode_barrier_request(
                                      sync->version));
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
    if (ovs_list_is_empty(&sync->backlog)
        && ovs_list_is_empty(&sync->batches) && !sync->n_refused) {
        sync->acked = sync->flushed;
        sync->retry_interval = MIN_RETRY;
    }
}

static void
splice_pending(struct bridge_sync *sync)
{
    if (!ovs_list_is_empty(&sync->pending)) {
        ovs_list_push_back_all(&sync->backlog, &sync->pending);
    }
}

uint64_t
bridge_sync_flush(struct bridge_sync *sync)
{
    sync->flushed++;
    splice_pending(sync);
    if (ovs_list_is_empty(&sync->backlog)
        && !ovs_list_is_empty(&sync->batches)) {
        /* Nothing more to send: done when what was sent is. */
        CONTAINER_OF(ovs_list_back(&sync->batches), struct batch,
                     list_node)->seqno = sync->flushed;
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

    LIST_FOR_EACH_POP (batch, list_node, &sync->batches) {
        free(batch);
    }
    sync->n_outstanding = 0;
}

/* Empties 'list'; what should not be on the switch is forgotten. */
static void
drop_list(struct bridge_sync *sync, struct ovs_list *list)
{
    struct sync_flow *sf;

    LIST_FOR_EACH_POP (sf, list_node, list) {
        ovs_list_init(&sf->list_node);
        if (!sf->n_refs) {
            destroy_flow(sync, sf);
        }
    }
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
    start_dump(sync);
}

void
bridge_sync_stop(struct bridge_sync *sync)
{
    struct sync_flow *sf;

    sync->state = SYNC_STOPPED;
    sync->link = NULL;
    drop_batches(sync);
    drop_list(sync, &sync->pending);
    drop_list(sync, &sync->backlog);
    HMAP_FOR_EACH (sf, node, &sync->flows) {
        set_refused(sync, sf, false);
    }
}

void
bridge_sync_forgo_meters(struct bridge_sync *sync)
{
    if (sync->state != SYNC_STOPPED && sync->use_meters) {
        sync->use_meters = false;
        start_dump(sync);
    }
}

void
bridge_sync_delete_all(struct bridge_sync *sync)
{
    if (sync->link) {
        send_msg(sync, flow_message_delete_all(sync->cookie, sync->cookie_mask,
                                               sync->version));
        openflow_link_flush(sync->link);
    }
}

/* The dump. */

static void
start_dump(struct bridge_sync *sync)
{
    drop_batches(sync);
    splice_pending(sync);
    sync->state = SYNC_DUMPING;
    sync->synchronised_at = UINT64_MAX;
    sync->dump_gen++;
    sync->dump_time = time_msec();
    sync->dump_xid = send_msg(sync, flow_message_dump(sync->cookie,
                                                      sync->cookie_mask,
                                                      sync->version));
    openflow_link_flush(sync->link);
}

/* The switch has a flow under our cookie. */
static void
note_flow(struct bridge_sync *sync, const struct ofputil_flow_stats *stats)
{
    if ((ntohll(stats->cookie) & sync->cookie_mask) != sync->cookie) {
        return;
    }

    struct minimatch match;
    minimatch_init(&match, &stats->match);
    uint32_t hash = flow_key_hash(stats->table_id, stats->priority, &match);
    struct sync_flow *sf = find_flow(sync, hash, stats->table_id,
                                     stats->priority, &match);
    if (!sf) {
        struct baton_flow *flow = xzalloc(sizeof *flow);

        flow->table_id = stats->table_id;
        flow->priority = stats->priority;
        minimatch_clone(&flow->match, &match);
        sf = insert_flow(sync, flow, hash);
        ovs_list_push_back(&sync->pending, &sf->list_node);
    } else if (sf->n_refs
               && flow_message_matches_stats(sf->flow, stats,
                                             sync->use_meters,
                                             sync->version)) {
        sf->seen = sync->dump_gen;
    }
    minimatch_destroy(&match);
}

/* The flows of the first table come last: until they are there, no traffic
 * meets tables that are half filled. */
static void
gather_differences(struct bridge_sync *sync)
{
    uint8_t first_table = UINT8_MAX;
    struct sync_flow *sf;

    HMAP_FOR_EACH (sf, node, &sync->flows) {
        if (sf->n_refs) {
            first_table = MIN(first_table, sf->flow->table_id);
        }
    }
    HMAP_FOR_EACH (sf, node, &sync->flows) {
        if (!sf->n_refs || sf->refused || !ovs_list_is_empty(&sf->list_node)
            || sf->seen == sync->dump_gen) {
            continue;
        } else if (sf->flow->table_id == first_table) {
            ovs_list_push_back(&sync->backlog, &sf->list_node);
        } else {
            ovs_list_push_front(&sync->backlog, &sf->list_node);
        }
    }
}

static void
finish_dump(struct bridge_sync *sync)
{
    splice_pending(sync);
    gather_differences(sync);
    VLOG_INFO("%s: %" PRIuSIZE " flows wanted, %" PRIuSIZE " flow-mods to "
              "send", sync->name, sync->n_desired,
              ovs_list_size(&sync->backlog));
    sync->state = SYNC_RUNNING;
    sync->synchronised_at = ++sync->flushed;
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
    } else if (!ofpmp_more(oh)) {
        finish_dump(sync);
    }
}

/* Answers. */

/* The switch refused a part of a batch.  What it has now, only it knows. */
static void
resynchronise(struct bridge_sync *sync, bool bundled)
{
    if (sync->n_refused) {
        sync->retry_interval = MIN(sync->retry_interval * 2, MAX_RETRY);
    } else if (bundled == sync->use_bundles) {
        /* Not a flow's fault, so it would be the same again at once. */
        openflow_link_drop(sync->link, "it refuses flow-mods, but no flow");
        return;
    }
    start_dump(sync);
}

static bool
handle_barrier(struct bridge_sync *sync, uint32_t xid)
{
    struct batch *batch;

    LIST_FOR_EACH (batch, list_node, &sync->batches) {
        if (batch->barrier_xid == xid) {
            uint64_t seqno = batch->seqno;
            bool failed = batch->failed, bundled = batch->open_xid;

            sync->n_outstanding -= batch->n_mods;
            ovs_list_remove(&batch->list_node);
            free(batch);
            if (failed) {
                resynchronise(sync, bundled);
            } else if (seqno && !sync->n_refused) {
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
    struct sync_flow *sf;

    HMAP_FOR_EACH (sf, node, &sync->flows) {
        if (sf->n_refs && sf->xid == xid) {
            struct ds s = DS_EMPTY_INITIALIZER;

            baton_flow_format(sf->flow, &s);
            VLOG_ERR_RL(&rl, "%s: the switch refuses a flow (%s): %s",
                        sync->name, ofperr_get_name(error), ds_cstr(&s));
            ds_destroy(&s);
            /* Something else may be wanted by now. */
            set_refused(sync, sf, ovs_list_is_empty(&sf->list_node));
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

    LIST_FOR_EACH (batch, list_node, &sync->batches) {
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

bool
bridge_sync_handle(struct bridge_sync *sync, const struct ofp_header *oh,
                   enum ofptype type)
{
    if (sync->state == SYNC_STOPPED) {
        return false;
    } else if (type == OFPTYPE_FLOW_STATS_REPLY) {
        if (sync->state == SYNC_DUMPING && ntohl(oh->xid) == sync->dump_xid) {
            handle_flow_stats(sync, oh);
        }
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
    struct sync_flow *sf;

    HMAP_FOR_EACH (sf, node, &sync->flows) {
        if (sf->refused) {
            set_refused(sync, sf, false);
            if (ovs_list_is_empty(&sf->list_node)) {
                ovs_list_push_back(&sync->backlog, &sf->list_node);
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
                            list_node)->sent + ANSWER_TIMEOUT;
    }
    return LLONG_MAX;
}

void
bridge_sync_run(struct bridge_sync *sync)
{
    if (sync->state == SYNC_STOPPED) {
        return;
    } else if (time_msec() >= answer_deadline(sync)) {
        openflow_link_drop(sync->link, "no answer from the switch");
    } else if (sync->state == SYNC_RUNNING) {
        if (sync->n_refused && time_msec() >= sync->retry_time) {
            retry_refused(sync);
        }
        pump(sync);
    }
}

void
bridge_sync_wait(const struct bridge_sync *sync)
{
    long long int deadline = answer_deadline(sync);

    if (sync->state == SYNC_RUNNING && sync->n_refused) {
        deadline = MIN(deadline, sync->retry_time);
    }
    if (sync->state != SYNC_STOPPED && deadline != LLONG_MAX) {
        poll_timer_wait_until(deadline);
    }
}

bool
bridge_sync_is_synchronised(const struct bridge_sync *sync)
{
    return sync->state == SYNC_RUNNING && !sync->n_refused
           && sync->acked >= sync->synchronised_at;
}

size_t
bridge_sync_n_refused(const struct bridge_sync *sync)
{
    return sync->n_refused;
}

size_t
bridge_sync_n_flows(const struct bridge_sync *sync)
{
    return sync->n_desired;
}

uint64_t
bridge_sync_n_flow_mods(const struct bridge_sync *sync)
{
    return sync->n_flow_mods;
}
