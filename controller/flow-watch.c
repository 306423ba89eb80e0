/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "flow-watch.h"

#include <stdlib.h>

#include "openflow-link.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(flow_watch);

void
flow_watch_init(struct flow_watch *watch, const char *name,
                uint8_t first_table, uint8_t n_tables)
{
    *watch = (struct flow_watch){
        .name = name,
        .first_table = first_table,
        .n_tables = n_tables,
        .able = true,
        .log_time = LLONG_MIN,
    };
    ofpbuf_init(&watch->ofpacts, 0);
}

void
flow_watch_destroy(struct flow_watch *watch)
{
    ofpbuf_uninit(&watch->ofpacts);
}

/* Asking. */

/* One monitor for each of our tables: of what others do in theirs we need not
 * hear.  All in one message, which ofputil_append_flow_monitor_request() does
 * not do (it leaves a message that has one as it is).  The flows that are
 * there are not asked for: whoever uses this compares those anyway. */
static struct ofpbuf *
encode_request(const struct flow_watch *watch, enum ofp_version version)
{
    struct ofputil_flow_monitor_request request = {
        .command = OFPFMC_ADD,
        .flags = (OFPFMF_ADD | OFPFMF_REMOVED | OFPFMF_MODIFY
                  | OFPFMF_INSTRUCTIONS),
        .out_port = OFPP_NONE,
        .out_group = OFPG_ANY,
        .match = MATCH_CATCHALL_INITIALIZER,
    };
    enum ofputil_protocol protocol = ofputil_protocol_from_ofp_version(
        version);
    struct ofpbuf *all = ofpbuf_new(1024);

    for (uint8_t i = 0; i < watch->n_tables; i++) {
        struct ofpbuf one;

        request.id = i + 1;
        request.table_id = watch->first_table + i;
        if (!i) {
            ofputil_append_flow_monitor_request(&request, all, protocol);
            continue;
        }
        ofpbuf_init(&one, 128);
        ofputil_append_flow_monitor_request(&request, &one, protocol);
        ofpmsg_update_length(&one);
        ofpraw_pull_assert(&one);
        ofpbuf_put(all, one.data, one.size);
        ofpbuf_uninit(&one);
    }
    ofpmsg_update_length(all);
    return all;
}

void
flow_watch_start(struct flow_watch *watch, struct openflow_link *link)
{
    struct ofpbuf *request = encode_request(watch,
                                            openflow_link_get_version(link));

    watch->able = true;
    watch->paused = false;
    watch->request_xid = ntohl(((struct ofp_header *) request->data)->xid);
    openflow_link_send(link, request);
}

bool
flow_watch_is_able(const struct flow_watch *watch)
{
    return watch->able;
}

/* Hearing. */

bool
flow_watch_begin(struct flow_watch *watch, const struct ofp_header *oh,
                 enum ofptype type)
{
    ofpbuf_use_const(&watch->msg, oh, ntohs(oh->length));
    if (type == OFPTYPE_ERROR && watch->request_xid
        && ntohl(oh->xid) == watch->request_xid) {
        VLOG_INFO("%s: no flow monitors (%s): flows are compared now and then",
                  watch->name, ofperr_get_name(ofperr_decode_msg(oh, NULL)));
        watch->able = false;
        ofpbuf_clear(&watch->msg);
        return true;
    }
    return type == OFPTYPE_FLOW_MONITOR_STATS_REPLY
           || type == OFPTYPE_FLOW_MONITOR_PAUSED
           || type == OFPTYPE_FLOW_MONITOR_RESUMED;
}

static void
set_paused(struct flow_watch *watch, bool paused)
{
    watch->paused = paused;
    VLOG_DBG("%s: tells of flows %s", watch->name,
             paused ? "no more for now" : "again");
}

/* OpenFlow 1.3, where pauses are messages of their own. */
static enum flow_watch_event
read_pause(struct flow_watch *watch, enum ofptype type)
{
    ofpbuf_clear(&watch->msg);
    set_paused(watch, type == OFPTYPE_FLOW_MONITOR_PAUSED);
    return watch->paused ? FLOW_WATCH_NONE : FLOW_WATCH_MISSED;
}

static enum flow_watch_event
read_update(struct flow_watch *watch, const struct ofputil_flow_update *update,
            struct ofputil_flow_stats *flow)
{
    switch (update->event) {
    case OFPFME_PAUSED: set_paused(watch, true); return FLOW_WATCH_NONE;
    case OFPFME_RESUMED: set_paused(watch, false); return FLOW_WATCH_MISSED;

    case OFPFME_REMOVED:
        /* That a flow was idle the switch tells by itself: see flow-news.h. */
        if (update->reason == OFPRR_IDLE_TIMEOUT) {
            return FLOW_WATCH_NONE;
        }
        break;

    case OFPFME_ADDED:
    case OFPFME_MODIFIED: break;

    case OFPFME_INITIAL: /* Was not asked for. */
    case OFPFME_ABBREV:  /* Is of ourselves. */
    default: return FLOW_WATCH_NONE;
    }
    /* Between a pause and its end what we do ourselves is told, too. */
    if (watch->paused) {
        return FLOW_WATCH_NONE;
    }
    flow->cookie = update->cookie;
    flow->table_id = update->table_id;
    flow->priority = update->priority;
    flow->idle_timeout = update->idle_timeout;
    flow->hard_timeout = update->hard_timeout;
    flow->ofpacts = update->ofpacts;
    flow->ofpacts_len = update->ofpacts_len;
    flow->match = update->match;
    return (update->event == OFPFME_REMOVED ? FLOW_WATCH_REMOVED
                                            : FLOW_WATCH_ADDED);
}

enum flow_watch_event
flow_watch_next(struct flow_watch *watch, struct ofputil_flow_stats *flow)
{
    struct ofputil_flow_update update;
    enum flow_watch_event event;
    enum ofptype type;

    memset(flow, 0, sizeof *flow);
    while (watch->msg.size) {
        if (!watch->msg.header && !ofptype_decode(&type, watch->msg.data)
            && type != OFPTYPE_FLOW_MONITOR_STATS_REPLY) {
            return read_pause(watch, type);
        }

        int error = ofputil_decode_flow_update(&update, &watch->msg,
                                               &watch->ofpacts);
        if (error) {
            ofpbuf_clear(&watch->msg);
            return error == EOF ? FLOW_WATCH_NONE : FLOW_WATCH_MISSED;
        }
        event = read_update(watch, &update, flow);
        if (event) {
            return event;
        }
    }
    return FLOW_WATCH_NONE;
}

/* Telling. */

void
flow_watch_note(struct flow_watch *watch, enum flow_meddling meddling,
                size_t n)
{
    watch->n_repaired += n;
    watch->unsaid[meddling] += n;
}

static bool
has_unsaid(const struct flow_watch *watch)
{
    for (int i = 0; i < N_MEDDLINGS; i++) {
        if (watch->unsaid[i]) {
            return true;
        }
    }
    return false;
}

void
flow_watch_run(struct flow_watch *watch)
{
    if (!has_unsaid(watch) || time_msec() < watch->log_time) {
        return;
    }
    VLOG_WARN("%s: somebody else changes Baton's flows there (%u removed, %u "
              "changed, %u added under our cookie): put right",
              watch->name, watch->unsaid[MEDDLING_REMOVED],
              watch->unsaid[MEDDLING_CHANGED], watch->unsaid[MEDDLING_ADDED]);
    memset(watch->unsaid, 0, sizeof watch->unsaid);
    watch->log_time = time_msec() + FLOW_WATCH_LOG_INTERVAL;
}

void
flow_watch_wait(const struct flow_watch *watch)
{
    if (has_unsaid(watch)) {
        poll_timer_wait_until(watch->log_time);
    }
}
