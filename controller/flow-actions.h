/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_FLOW_ACTIONS_H
#define BATON_FLOW_ACTIONS_H 1

/* Actions that many flows have alike, kept once.
 *
 * Of the five flows of a moved session four do what those of every other
 * session at the same place do; with 100,000 of them each copy counts. */

#include <stddef.h>

#include "openvswitch/hmap.h"
#include "openvswitch/ofp-actions.h"

struct flow_actions {
    struct hmap all; /* Of "struct shared_actions"s, by what is in them. */
};

void flow_actions_init(struct flow_actions *);
/* What is still shared goes with it. */
void flow_actions_destroy(struct flow_actions *);

/* Takes 'ofpacts' (from malloc()), and returns the n bytes that stand for
 * them: to be handed back by flow_actions_unshare(), not to be changed or
 * freed.  NULL for no actions. */
struct ofpact *flow_actions_share(struct flow_actions *,
                                  struct ofpact *ofpacts, size_t n);
/* 'ofpacts' from flow_actions_share(), or NULL. */
void flow_actions_unshare(struct flow_actions *, struct ofpact *ofpacts);
/* How many bytes stand there. */
size_t flow_actions_length(const struct ofpact *ofpacts);

#endif /* controller/flow-actions.h */
