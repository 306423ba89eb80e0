/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_BRIDGE_SYNC_H
#define BATON_BRIDGE_SYNC_H 1

/* Makes a switch's flows agree with what they should be.
 *
 * What should be there is said piece by piece (see flow-ledger).  Changes are
 * gathered and go out at a flush, in bundles, each with a barrier (see
 * flow-batches); many changes are sent bundle by bundle as the switch answers,
 * since a big bundle would stall it.
 *
 * A connection begins with bridge_sync_start(), which asks the switch for the
 * flows under Baton's cookie (see flow-dump): what differs then is sent, once
 * all flows have been told.  The same happens when the switch refused something; a flow that
 * it refused is tried again after a while, and until it is accepted nothing
 * is acknowledged.
 *
 * What somebody else does to our flows meanwhile is noticed (flow-watch) and
 * put right: few flows at once and singly, many by comparing all.  A switch
 * that does not tell of it is asked now and then: for all flows if they are
 * few, otherwise only how many there are. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow-set.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/uuid.h"

struct bridge_sync;
struct flow_mapping;
struct flow_news;
struct openflow_link;

/* 'name' is for logs.  A flow is ours if its cookie, masked, is 'cookie'.  All
 * are in the BATON_N_TABLES tables from 'first_table' on. */
struct bridge_sync *bridge_sync_create(const char *name, uint8_t first_table,
                                       uint64_t cookie, uint64_t cookie_mask);
void bridge_sync_destroy(struct bridge_sync *);

/* Replaces the flows under 'key' by those of '*flows', which it empties. */
void bridge_sync_set(struct bridge_sync *, const struct uuid *key,
                     struct flow_set *flows);
/* Sends what differs, as far as may be sent now, and returns the number that
 * bridge_sync_acked() reaches once the switch has all of it. */
uint64_t bridge_sync_flush(struct bridge_sync *);
uint64_t bridge_sync_acked(const struct bridge_sync *);

/* A connection began (the link is used until the next stop) or ended. */
void bridge_sync_start(struct bridge_sync *, struct openflow_link *);
void bridge_sync_stop(struct bridge_sync *);

/* What the switch says of the flows of mappings (see flow-news.h), for the
 * caller to take out.  Those that it has and that should not be there are
 * FOUND until BRIDGE_SYNC_ADOPT ms after creation, and left alone for so long,
 * unless bridge_sync_set() has them and then has not. */
#define BRIDGE_SYNC_ADOPT 30000
struct flow_news *bridge_sync_news(struct bridge_sync *);
/* Asks for the counters of one mapping's flows, or of all (NULL).  Returns the
 * number of the FLOW_ALL that ends the answer; 0: no connection. */
uint32_t bridge_sync_ask_counters(struct bridge_sync *,
                                  const struct flow_mapping *);

/* The switch has no meters: the flows do without. */
void bridge_sync_forgo_meters(struct bridge_sync *);

/* Returns true if the message was an answer to something sent here. */
bool bridge_sync_handle(struct bridge_sync *, const struct ofp_header *,
                        enum ofptype);
void bridge_sync_run(struct bridge_sync *);
void bridge_sync_wait(const struct bridge_sync *);

/* The switch's flows are known to be what they should be, but for what went
 * out and is not yet acknowledged. */
bool bridge_sync_is_synchronised(const struct bridge_sync *);
size_t bridge_sync_n_refused(const struct bridge_sync *);
size_t bridge_sync_n_flows(const struct bridge_sync *);
/* Of this connection. */
uint64_t bridge_sync_n_flow_mods(const struct bridge_sync *);
/* Flows put right that somebody else had changed, since creation. */
uint64_t bridge_sync_n_repaired(const struct bridge_sync *);

#endif /* controller/bridge-sync.h */
