/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_FLOW_WATCH_H
#define BATON_FLOW_WATCH_H 1

/* Notices that somebody else changes flows in our tables of a switch, by an
 * OpenFlow flow monitor.
 *
 *     flow_watch_start(&watch, link);       on each connection
 *     ...
 *     if (flow_watch_begin(&watch, oh, type)) {   an OpenFlow message
 *         while ((event = flow_watch_next(&watch, &flow))) ...
 *     }
 *
 * What we do ourselves, on the same connection, the switch does not tell flow
 * by flow, but by one short message for each bundle.  What our former
 * connection still does it tells, as it would anybody else's.
 *
 * A switch to which we listen too slowly pauses, and says so; whoever uses
 * this compares all flows when it goes on.  A switch that knows no flow
 * monitors (Open vSwitch before 3.0 has none for OpenFlow 1.3 and later)
 * refuses, and flow_watch_is_able() is false from then on.
 *
 * Counts, and says in the log, what was done to the flows: at once when it
 * begins, and then at most every FLOW_WATCH_LOG_INTERVAL. */

#include <stdbool.h>
#include <stdint.h>

#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofpbuf.h"

struct openflow_link;

#define FLOW_WATCH_LOG_INTERVAL 60000 /* ms */

enum flow_watch_event {
    FLOW_WATCH_NONE,
    FLOW_WATCH_ADDED,   /* Or changed: this is how it is now. */
    FLOW_WATCH_REMOVED, /* By somebody, not because it was idle. */
    FLOW_WATCH_MISSED,  /* There were others, of which it does not tell. */
};

/* What somebody did to a flow of ours. */
enum flow_meddling { MEDDLING_REMOVED, MEDDLING_CHANGED, MEDDLING_ADDED };
#define N_MEDDLINGS 3

struct flow_watch {
    const char *name; /* For logs; not ours. */
    uint8_t first_table, n_tables;

    bool able;            /* The switch has not refused. */
    bool paused;          /* The switch tells nothing now. */
    uint32_t request_xid; /* Of the monitors' request; 0: none. */

    /* The message that is being read. */
    struct ofpbuf msg;
    struct ofpbuf ofpacts;

    uint64_t n_repaired;              /* Flows put right, ever. */
    unsigned int unsaid[N_MEDDLINGS]; /* Not yet in the log. */
    long long int log_time;           /* When the log may be told next. */
};

/* 'name' must outlive the watch.  Our tables are the 'n_tables' from
 * 'first_table' on. */
void flow_watch_init(struct flow_watch *, const char *name,
                     uint8_t first_table, uint8_t n_tables);
void flow_watch_destroy(struct flow_watch *);

/* A connection begins: asks the switch to tell, from now on. */
void flow_watch_start(struct flow_watch *, struct openflow_link *);
/* The switch tells, or has not yet refused to. */
bool flow_watch_is_able(const struct flow_watch *);

/* Takes an OpenFlow message if it is for us (true).  It must stay where it is
 * until flow_watch_next() has returned FLOW_WATCH_NONE. */
bool flow_watch_begin(struct flow_watch *, const struct ofp_header *,
                      enum ofptype);
/* The next event in it.  Of ADDED and REMOVED, fills in what there is of
 * '*flow'; its actions are good until the next call. */
enum flow_watch_event flow_watch_next(struct flow_watch *,
                                      struct ofputil_flow_stats *flow);

/* Somebody did that to flows of ours, and it is put right. */
void flow_watch_note(struct flow_watch *, enum flow_meddling, size_t n);

void flow_watch_run(struct flow_watch *);
void flow_watch_wait(const struct flow_watch *);

#endif /* controller/flow-watch.h */
