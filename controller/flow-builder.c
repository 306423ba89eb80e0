/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "flow-builder.h"

#include "openvswitch/ofp-actions.h"
#include "packets.h"
#include "util.h"

void
flow_builder_init(struct flow_builder *b, const struct flow_layout *layout,
                  struct flow_set *set)
{
    b->layout = layout;
    b->set = set;
    ofpbuf_use_stub(&b->ofpacts, b->stub, sizeof b->stub);
    match_init_catchall(&b->match);
    b->idle_timeout = 0;
}

void
flow_builder_uninit(struct flow_builder *b)
{
    ofpbuf_uninit(&b->ofpacts);
}

void
flow_builder_start(struct flow_builder *b)
{
    match_init_catchall(&b->match);
    ofpbuf_clear(&b->ofpacts);
}

static uint8_t
absolute_table(const struct flow_builder *b, enum baton_table table)
{
    return b->layout->first_table + table;
}

void
flow_builder_add(struct flow_builder *b, enum baton_table table,
                 uint16_t priority, enum baton_flow_kind kind)
{
    struct baton_flow *flow = flow_set_add(
        b->set, absolute_table(b, table), priority, BATON_COOKIE | kind,
        &b->match, b->ofpacts.data, b->ofpacts.size);

    flow->idle_timeout = b->idle_timeout;
}

void
act_goto(struct flow_builder *b, enum baton_table table)
{
    ofpact_put_GOTO_TABLE(&b->ofpacts)->table_id = absolute_table(b, table);
}

void
act_resubmit_absolute(struct flow_builder *b, uint8_t table_id)
{
    struct ofpact_resubmit *resubmit = ofpact_put_RESUBMIT(&b->ofpacts);

    resubmit->in_port = OFPP_IN_PORT;
    resubmit->table_id = table_id;
}

void
act_resubmit(struct flow_builder *b, enum baton_table table)
{
    act_resubmit_absolute(b, absolute_table(b, table));
}

void
act_output(struct flow_builder *b, ofp_port_t port)
{
    ofpact_put_OUTPUT(&b->ofpacts)->port = port;
}

void
act_output_reg(struct flow_builder *b, enum mf_field_id id)
{
    struct ofpact_output_reg *output = ofpact_put_OUTPUT_REG(&b->ofpacts);

    output->src.field = mf_from_id(id);
    output->src.ofs = 0;
    output->src.n_bits = output->src.field->n_bits;
}

void
act_controller(struct flow_builder *b, uint32_t meter_id)
{
    if (meter_id) {
        struct ofpact_meter *meter = ofpact_put_METER(&b->ofpacts);

        meter->meter_id = meter_id;
        meter->provider_meter_id = UINT32_MAX;
    }

    struct ofpact_output *output = ofpact_put_OUTPUT(&b->ofpacts);
    output->port = OFPP_CONTROLLER;
    output->max_len = UINT16_MAX; /* All of it, and no buffer. */
}

void
act_report(struct flow_builder *b, uint32_t meter_id)
{
    struct ofpact_controller *report = ofpact_put_CONTROLLER(&b->ofpacts);

    report->max_len = UINT16_MAX;
    report->reason = OFPR_ACTION;
    report->meter_id = meter_id ? meter_id : NX_CTLR_NO_METER;
    report->provider_meter_id = UINT32_MAX;
    ofpact_finish_CONTROLLER(&b->ofpacts, &report);
}

void
act_set(struct flow_builder *b, enum mf_field_id id,
        const union mf_value *value)
{
    const struct mf_field *field = mf_from_id(id);
    struct ofpact_set_field *set = ofpact_put_set_field(&b->ofpacts, field,
                                                        NULL, NULL);

    /* Given a value, ofpact_put_set_field() leaves the padding undefined, but
     * equal actions must be equal bytes. */
    memcpy(set->value, value, field->n_bytes);
    memset(ofpact_set_field_mask(set), 0xff, field->n_bytes);
}

void
act_set_mac(struct flow_builder *b, enum mf_field_id id, struct eth_addr mac)
{
    act_set(b, id, &(union mf_value){ .mac = mac });
}

void
act_set_be32(struct flow_builder *b, enum mf_field_id id, ovs_be32 value)
{
    act_set(b, id, &(union mf_value){ .be32 = value });
}

void
act_set_u8(struct flow_builder *b, enum mf_field_id id, uint8_t value)
{
    act_set(b, id, &(union mf_value){ .u8 = value });
}

void
act_move(struct flow_builder *b, enum mf_field_id src, enum mf_field_id dst)
{
    const struct mf_field *src_field = mf_from_id(src);
    const struct mf_field *dst_field = mf_from_id(dst);
    int n_bits = MIN(src_field->n_bits, dst_field->n_bits);
    struct ofpact_reg_move *move = ofpact_put_REG_MOVE(&b->ofpacts);

    move->src = (struct mf_subfield){ src_field, 0, n_bits };
    move->dst = (struct mf_subfield){ dst_field, 0, n_bits };
}

void
act_check_larger(struct flow_builder *b, uint16_t bytes, enum mf_field_id dst)
{
    struct ofpact_check_pkt_larger *check;

    check = ofpact_put_CHECK_PKT_LARGER(&b->ofpacts);
    check->pkt_len = bytes;
    check->dst = (struct mf_subfield){ mf_from_id(dst), 0, 1 };
}

void
act_pop_vlan(struct flow_builder *b)
{
    ofpact_put_STRIP_VLAN(&b->ofpacts);
}

void
act_push_vlan(struct flow_builder *b)
{
    ofpact_put_PUSH_VLAN(&b->ofpacts)->ethertype = htons(ETH_TYPE_VLAN_8021Q);
}

size_t
act_clone_begin(struct flow_builder *b)
{
    size_t begin = b->ofpacts.size;

    ofpact_put_CLONE(&b->ofpacts);
    return begin;
}

void
act_clone_end(struct flow_builder *b, size_t begin)
{
    struct ofpact_nest *clone = ofpbuf_at_assert(&b->ofpacts, begin,
                                                 sizeof *clone);

    b->ofpacts.header = clone;
    ofpact_finish_CLONE(&b->ofpacts, &clone);
}
