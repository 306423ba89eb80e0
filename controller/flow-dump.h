/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_FLOW_DUMP_H
#define BATON_FLOW_DUMP_H 1

/* Asks a switch for the flows that it has under our cookie, without keeping it
 * from its packets for long.
 *
 * First how many flows there are in each table.  Few are asked for at once.
 * Many would keep the switch from its packets for as long as it tells them, so
 * they are asked for in parts, by cookie; if the parts are not all that our
 * tables hold, something is there that we do not know, and then all are asked
 * for.
 *
 *     flow_dump_start(&dump, link);
 *     ...
 *     switch (flow_dump_begin(&dump, ledger, oh, type)) {     each message
 *     case FLOW_DUMP_COUNTED:     dump.n_counted is known
 *         flow_dump_go_on(&dump, ledger), or flow_dump_stop(&dump)
 *     case FLOW_DUMP_FLOWS:
 *         while (flow_dump_next(&dump, &stats)) ...
 *         if (flow_dump_end(&dump) == FLOW_DUMP_ALL) ...
 *     }
 *     ...
 *     flow_dump_run(&dump);       asks for the next part when it is time */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofpbuf.h"

struct flow_ledger;
struct openflow_link;

/* With more flows than that a switch is asked for them part by part. */
#define FLOW_DUMP_AT_ONCE 2000

enum flow_dump_event {
    FLOW_DUMP_NOT_OURS, /* The message is for somebody else. */
    FLOW_DUMP_NOTHING,  /* Yet. */
    FLOW_DUMP_COUNTED,
    FLOW_DUMP_FLOWS,
    FLOW_DUMP_ALL,
    FLOW_DUMP_NONSENSE, /* In a form that is not understood. */
};

struct flow_dump {
    const char *name; /* For logs; not ours. */
    uint64_t cookie, cookie_mask;
    struct openflow_link *link; /* Not owned. */

    bool active;             /* Something is asked. */
    uint32_t xid;            /* Of what was asked last. */
    struct dump_part *parts; /* Still to be asked for. */
    size_t n_parts, allocated_parts;
    size_t n_counted;         /* Flows in our tables. */
    bool at_once;             /* All are asked for. */
    size_t n_told;            /* Flows that the switch has told. */
    long long int time;       /* Of the last sign of it. */
    long long int asked_time; /* When the last part was asked for. */
    long long int ask_time;   /* When the next is; LLONG_MAX: it is not known
                               * yet. */

    /* The message that is being read. */
    const struct ofp_header *oh;
    struct ofpbuf msg;
    struct ofpbuf ofpacts;
    bool nonsense;
};

/* 'name' must outlive the dump.  A flow is ours if its cookie, masked, is
 * 'cookie'. */
void flow_dump_init(struct flow_dump *, const char *name, uint64_t cookie,
                    uint64_t cookie_mask);
void flow_dump_destroy(struct flow_dump *);

/* Asks how many flows there are; forgets what was asked before. */
void flow_dump_start(struct flow_dump *, struct openflow_link *);
/* Asks for the flows. */
void flow_dump_go_on(struct flow_dump *, const struct flow_ledger *);
/* Nothing more is wanted. */
void flow_dump_stop(struct flow_dump *);

/* An OpenFlow message: COUNTED, FLOWS, or one of the others.  It must stay
 * where it is until flow_dump_next() has returned false. */
enum flow_dump_event flow_dump_begin(struct flow_dump *,
                                     const struct flow_ledger *,
                                     const struct ofp_header *, enum ofptype);
/* The next flow under our cookie in it, good until the next call. */
bool flow_dump_next(struct flow_dump *, struct ofputil_flow_stats *);
/* After the last: ALL, or it goes on, or NONSENSE. */
enum flow_dump_event flow_dump_end(struct flow_dump *);

void flow_dump_run(struct flow_dump *);
/* When flow_dump_run() has something to do; LLONG_MAX: not now. */
long long int flow_dump_next_time(const struct flow_dump *);

#endif /* controller/flow-dump.h */
