/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_FLOW_BUILDER_H
#define BATON_FLOW_BUILDER_H 1

/* Words for session-flows to write flows with: a match and a list of actions
 * under construction.
 *
 *     flow_builder_init(&b, layout, set);
 *     flow_builder_start(&b);              match all, no actions
 *     match_set_...(&b.match, ...);
 *     act_...(&b, ...);
 *     flow_builder_add(&b, table, priority, kind);
 *     ... (start again for the next flow)
 *     flow_builder_uninit(&b);
 */

#include <stdint.h>

#include "openvswitch/meta-flow.h"
#include "openvswitch/ofpbuf.h"
#include "session-flows.h"

struct flow_builder {
    const struct flow_layout *layout;
    struct flow_set *set;
    struct match match;
    struct ofpbuf ofpacts;
    uint16_t idle_timeout;  /* Seconds, of flows from now on; 0: none. */
    uint64_t stub[256 / 8]; /* Behind 'ofpacts'. */
};

void flow_builder_init(struct flow_builder *, const struct flow_layout *,
                       struct flow_set *);
void flow_builder_uninit(struct flow_builder *);
void flow_builder_start(struct flow_builder *);
void flow_builder_add(struct flow_builder *, enum baton_table,
                      uint16_t priority, enum baton_flow_kind);

void act_goto(struct flow_builder *, enum baton_table);
void act_resubmit(struct flow_builder *, enum baton_table);
void act_resubmit_absolute(struct flow_builder *, uint8_t table_id);
void act_output(struct flow_builder *, ofp_port_t);
void act_output_reg(struct flow_builder *, enum mf_field_id);
/* Whole packets to the controller, if the meter (0: none) lets them.  A
 * meter must be a flow's first action. */
void act_controller(struct flow_builder *, uint32_t meter_id);
/* A copy of the packet as it is now to the controller, if the meter lets it:
 * the packet itself goes on in any case. */
void act_report(struct flow_builder *, uint32_t meter_id);
void act_set(struct flow_builder *, enum mf_field_id, const union mf_value *);
void act_set_mac(struct flow_builder *, enum mf_field_id, struct eth_addr);
void act_set_be32(struct flow_builder *, enum mf_field_id, ovs_be32);
void act_set_u8(struct flow_builder *, enum mf_field_id, uint8_t);
/* Whole field to whole field; the shorter one's length. */
void act_move(struct flow_builder *, enum mf_field_id src,
              enum mf_field_id dst);
/* Is the frame, without VLAN tag, larger than 'bytes'?  1 or 0 to bit 0. */
void act_check_larger(struct flow_builder *, uint16_t bytes,
                      enum mf_field_id dst);
void act_pop_vlan(struct flow_builder *);
void act_push_vlan(struct flow_builder *);
/* What is between the two happens to a copy. */
size_t act_clone_begin(struct flow_builder *);
void act_clone_end(struct flow_builder *, size_t begin);

#endif /* controller/flow-builder.h */
