/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_FLOW_FORM_H
#define BATON_FLOW_FORM_H 1

/* What flows have alike but for the values that they match, kept once: table,
 * priority, cookie, timeout, and which fields the match looks at.
 *
 * All moved sessions' flows are of some ten forms; with 100,000 of them what
 * a flow itself keeps is its values, 24 to 48 bytes. */

#include <stddef.h>
#include <stdint.h>

#include "flow-set.h"
#include "openvswitch/flow.h"
#include "openvswitch/hmap.h"

struct flow_form {
    struct hmap_node node; /* In struct flow_forms. */
    size_t n_refs;
    uint8_t table_id;
    uint16_t priority;
    uint16_t idle_timeout;
    uint64_t cookie;
    size_t n_values;        /* Of each of its flows. */
    struct minimatch match; /* Only its mask counts. */
};

struct flow_forms {
    struct hmap all; /* Of "struct flow_form"s, by what is in them. */
};

void flow_forms_init(struct flow_forms *);
/* What is still shared goes with it. */
void flow_forms_destroy(struct flow_forms *);

/* The form of 'flow', to be handed back by flow_forms_unshare(), and its
 * values: form->n_values of them, 'flow's own. */
const struct flow_form *flow_forms_share(struct flow_forms *,
                                         const struct baton_flow *);
void flow_forms_unshare(struct flow_forms *, const struct flow_form *);

const uint64_t *flow_form_values(const struct minimatch *);
/* Has a flow of this form with these values that table, priority and
 * match? */
bool flow_form_has_key(const struct flow_form *, const uint64_t values[],
                       uint8_t table_id, uint16_t priority,
                       const struct minimatch *);

/* A flow put together again: without actions, not to be changed or destroyed,
 * good as long as the form and the view. */
struct flow_form_view {
    struct baton_flow flow;
    uint64_t minis[2 + FLOW_U64S]; /* Its "struct miniflow". */
};
void flow_form_look(const struct flow_form *, const uint64_t values[],
                    struct flow_form_view *);

#endif /* controller/flow-form.h */
