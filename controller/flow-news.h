/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_FLOW_NEWS_H
#define BATON_FLOW_NEWS_H 1

/* What a switch says of the flows of mappings, for who keeps those: a queue.
 *
 *     FLOW_REMOVED    idle; packets and bytes that it had
 *     FLOW_FOUND      one that the switch kept while no controller was there
 *     FLOW_COUNTED    packets and bytes, as asked for by 'xid'
 *     FLOW_ALL        the end of those
 *
 * Which of the mapping's members are filled in is as flows_mapping_read()
 * says: FOUND and COUNTED have all, REMOVED what is in a match. */

#include <stdbool.h>
#include <stdint.h>

#include "mapping-flows.h"
#include "openvswitch/list.h"
#include "openvswitch/ofp-protocol.h"

struct ofp_header;
struct ofputil_flow_stats;

enum flow_news_type { FLOW_REMOVED, FLOW_FOUND, FLOW_COUNTED, FLOW_ALL };

struct flow_news_item {
    enum flow_news_type type;
    enum baton_flow_kind kind; /* BATON_FLOW_MAPPED_IN or _OUT. */
    struct flow_mapping mapping;
    uint64_t packets, bytes;
    uint32_t seconds; /* That it is, or was, there. */
    uint32_t xid;     /* COUNTED, ALL. */
};

struct flow_news {
    struct ovs_list items;
};

void flow_news_init(struct flow_news *);
void flow_news_destroy(struct flow_news *);
bool flow_news_next(struct flow_news *, struct flow_news_item *);
bool flow_news_is_empty(const struct flow_news *);

/* Is it the flow of a mapping, by its cookie? */
bool flow_news_concerns(uint64_t cookie);

/* An OpenFlow message.  Of a removal, stores the flow's table, priority and
 * match, which the caller destroys, if it is one of a mapping: then true. */
bool flow_news_handle_removed(struct flow_news *, const struct ofp_header *,
                              uint8_t *table_id, uint16_t *priority,
                              struct minimatch *);
void flow_news_handle_stats(struct flow_news *, const struct ofp_header *);
/* A flow that was met. */
void flow_news_found(struct flow_news *, const struct ofputil_flow_stats *);

/* Asks for the counters of the flows of a mapping, or of all (NULL): those in,
 * and those out.  The answer to the second message is the end. */
void flow_news_ask(const struct flow_mapping *, enum ofp_version,
                   struct ofpbuf *msgs[2]);

#endif /* controller/flow-news.h */
