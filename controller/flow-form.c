/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "flow-form.h"

#include <stdlib.h>
#include <string.h>

#include "flow.h"
#include "hash.h"
#include "util.h"

BUILD_ASSERT_DECL(sizeof(struct miniflow) == 2 * sizeof(uint64_t));

void
flow_forms_init(struct flow_forms *forms)
{
    hmap_init(&forms->all);
}

static void
destroy_form(struct flow_forms *forms, struct flow_form *form)
{
    hmap_remove(&forms->all, &form->node);
    minimatch_destroy(&form->match);
    free(form);
}

void
flow_forms_destroy(struct flow_forms *forms)
{
    struct flow_form *form;

    HMAP_FOR_EACH_SAFE(form, node, &forms->all) {
        destroy_form(forms, form);
    }
    hmap_destroy(&forms->all);
}

/* Fields of a tunnel's options have numbers that are the match's own, so such
 * a form (no flow of ours is) is not shared. */
static bool
form_is_of(const struct flow_form *form, const struct baton_flow *flow)
{
    return form->table_id == flow->table_id && form->priority == flow->priority
           && form->idle_timeout == flow->idle_timeout
           && form->cookie == flow->cookie && !form->match.tun_md
           && !flow->match.tun_md
           && minimask_equal(form->match.mask, flow->match.mask);
}

static uint32_t
hash_form(const struct baton_flow *flow)
{
    uint32_t hash = hash_2words(flow->table_id, flow->priority);

    hash = hash_2words(hash, hash_uint64(flow->cookie));
    return hash_bytes(
        &flow->match.mask->masks,
        sizeof(struct miniflow)
            + MINIFLOW_VALUES_SIZE(miniflow_n_values(flow->match.flow)),
        hash_2words(hash, flow->idle_timeout));
}

const struct flow_form *
flow_forms_share(struct flow_forms *forms, const struct baton_flow *flow)
{
    uint32_t hash = hash_form(flow);
    struct flow_form *form;

    HMAP_FOR_EACH_WITH_HASH(form, node, hash, &forms->all) {
        if (form_is_of(form, flow)) {
            form->n_refs++;
            return form;
        }
    }
    form = xmalloc(sizeof *form);
    form->n_refs = 1;
    form->table_id = flow->table_id;
    form->priority = flow->priority;
    form->idle_timeout = flow->idle_timeout;
    form->cookie = flow->cookie;
    form->n_values = miniflow_n_values(flow->match.flow);
    minimatch_clone(&form->match, &flow->match);
    hmap_insert(&forms->all, &form->node, hash);
    return form;
}

void
flow_forms_unshare(struct flow_forms *forms, const struct flow_form *form_)
{
    struct flow_form *form = CONST_CAST(struct flow_form *, form_);

    if (!--form->n_refs) {
        destroy_form(forms, form);
    }
}

const uint64_t *
flow_form_values(const struct minimatch *match)
{
    return miniflow_get_values(match->flow);
}

/* Matches with equal masks have equally many values, in the same order. */
bool
flow_form_has_key(const struct flow_form *form, const uint64_t values[],
                  uint8_t table_id, uint16_t priority,
                  const struct minimatch *match)
{
    return form->table_id == table_id && form->priority == priority
           && minimask_equal(form->match.mask, match->mask)
           && !memcmp(values, flow_form_values(match),
                      form->n_values * sizeof *values);
}

void
flow_form_look(const struct flow_form *form, const uint64_t values[],
               struct flow_form_view *view)
{
    struct miniflow *mini = (struct miniflow *) view->minis;

    memset(&view->flow, 0, sizeof view->flow);
    view->flow.table_id = form->table_id;
    view->flow.priority = form->priority;
    view->flow.idle_timeout = form->idle_timeout;
    view->flow.cookie = form->cookie;
    view->flow.match = form->match;
    mini->map = form->match.flow->map;
    memcpy(miniflow_values(mini), values, form->n_values * sizeof *values);
    view->flow.match.flow = mini;
}
