/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_FLOW_BATCHES_H
#define BATON_FLOW_BATCHES_H 1

/* Flow-mods on their way to a switch: bundles of at most FLOW_BATCH_MAX, each
 * with a barrier, and what the switch answers.
 *
 * A switch without bundles refuses the first; from then on, on that
 * connection, flow-mods go singly ('use_bundles' is false). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/list.h"
#include "openvswitch/ofp-protocol.h"

struct flow_ledger;
struct ofp_header;
struct openflow_link;

#define FLOW_BATCH_MAX 1000

struct flow_batches {
    const char *name; /* For logs; not ours. */
    uint64_t cookie, cookie_mask;
    struct openflow_link *link; /* Not owned. */
    enum ofp_version version;
    bool use_bundles;
    uint32_t next_bundle_id;
    uint64_t n_flow_mods; /* Of this connection. */

    struct ovs_list batches; /* Sent, not answered, oldest first. */
    size_t n_outstanding;    /* Flow-mods in them. */
};

/* 'name' must outlive the batches.  A flow is deleted only if its cookie,
 * masked, is 'cookie'. */
void flow_batches_init(struct flow_batches *, const char *name,
                       uint64_t cookie, uint64_t cookie_mask);
/* A connection begins. */
void flow_batches_start(struct flow_batches *, struct openflow_link *);
/* Forgets what is not answered. */
void flow_batches_drop(struct flow_batches *);

/* Sends the first of 'backlog', entries of 'ledger', which are taken out of
 * it; with the last of them, the barrier acknowledges 'seqno'. */
void flow_batches_send(struct flow_batches *, struct flow_ledger *,
                       struct ovs_list *backlog, bool use_meters,
                       uint64_t seqno);
/* The last barrier sent acknowledges 'seqno'.  There must be one. */
void flow_batches_promise(struct flow_batches *, uint64_t seqno);

bool flow_batches_is_empty(const struct flow_batches *);
/* May more be sent? */
bool flow_batches_have_room(const struct flow_batches *);
/* When the oldest was sent; LLONG_MAX: there is none. */
long long int flow_batches_oldest(const struct flow_batches *);

/* What a barrier's answer says. */
struct flow_batch_answer {
    uint64_t seqno; /* Acknowledged; 0: none. */
    bool failed;    /* The switch refused something... */
    bool bundled;   /* ...and this was a bundle. */
};
/* Is it an answer to one of ours? */
bool flow_batches_handle_barrier(struct flow_batches *, uint32_t xid,
                                 struct flow_batch_answer *);
/* Is it about one of ours?  If a flow is refused, '*refused' is its flow-mod's
 * xid, otherwise 0. */
bool flow_batches_handle_error(struct flow_batches *,
                               const struct ofp_header *, uint32_t *refused);

#endif /* controller/flow-batches.h */
