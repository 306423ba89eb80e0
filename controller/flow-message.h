/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_FLOW_MESSAGE_H
#define BATON_FLOW_MESSAGE_H 1

/* Flows as OpenFlow messages.  Each function returns a message that the
 * caller owns. */

#include <stdbool.h>
#include <stdint.h>

#include "flow-set.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-protocol.h"

/* Without 'meters' the flow's meter, if it has one, is left out. */
struct ofpbuf *flow_message_add(const struct baton_flow *, bool meters,
                                enum ofp_version);
/* Deletes exactly this flow, and only if its cookie is ours. */
struct ofpbuf *flow_message_delete(const struct baton_flow *, uint64_t cookie,
                                   uint64_t cookie_mask, enum ofp_version);
/* Deletes everything under the cookie. */
struct ofpbuf *flow_message_delete_all(uint64_t cookie, uint64_t cookie_mask,
                                       enum ofp_version);
/* Asks for everything under the cookie in that table, or OFPTT_ALL. */
struct ofpbuf *flow_message_dump(uint64_t cookie, uint64_t cookie_mask,
                                 uint8_t table_id, enum ofp_version);

/* Is what the switch told what we would send it, but for table, priority and
 * match? */
bool flow_message_matches_stats(const struct baton_flow *,
                                const struct ofputil_flow_stats *, bool meters,
                                enum ofp_version);

/* A meter that lets through 'rate' packets a second.  'command' is
 * OFPMC13_*. */
struct ofpbuf *flow_message_meter(uint32_t meter_id, uint32_t rate,
                                  uint16_t command, enum ofp_version);

/* 'type' is OFPBCT_*. */
struct ofpbuf *flow_message_bundle_ctrl(uint32_t bundle_id, uint16_t type,
                                        enum ofp_version);
/* Takes 'msg'. */
struct ofpbuf *flow_message_bundle_add(uint32_t bundle_id, struct ofpbuf *msg,
                                       enum ofp_version);

#endif /* controller/flow-message.h */
