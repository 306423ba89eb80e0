/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_FLOW_LEDGER_H
#define BATON_FLOW_LEDGER_H 1

/* What flows a switch should have, and of which of them it is not known that
 * it has them.
 *
 * What should be there is said piece by piece, each under a key; a flow may
 * be in several pieces, and should be there while one of them has it.  Each
 * change puts the flow in 'changed', from where who makes the switch agree
 * takes it.  Knows nothing of messages. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow-actions.h"
#include "flow-form.h"
#include "flow-set.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/uuid.h"

/* A flow that should be on the switch ('n_refs' > 0), or that should not but
 * may be ('n_refs' is 0 and it is in a list).  There are five of them for each
 * session that moved: what several have alike is not in it. */
struct ledger_entry {
    struct hmap_node node;     /* In 'entries', by table, priority, match. */
    struct ovs_list list_node; /* In 'changed' or a list of the user's, or
                                 * empty. */
    const struct flow_form *form;
    struct ofpact *ofpacts; /* See flow-actions.h. */
    uint32_t n_refs;        /* Pieces that have it. */

    /* For the user. */
    uint32_t xid;      /* Of the last flow-mod for it. */
    unsigned int seen; /* The dump in which it was found right. */

    bool refused;      /* The switch did not want it. */
    uint64_t values[]; /* That it matches: form->n_values. */
};

/* To each flow's cookie the ledger adds which slice it is in, by its match.  A
 * switch finds the flows of one cookie at once, and tells those of a slice
 * without keeping its packets waiting for long. */
#define FLOW_LEDGER_SLICES 256
#define FLOW_LEDGER_SLICE_SHIFT 16

struct flow_ledger {
    struct hmap entries; /* Of "struct ledger_entry"s. */
    struct hmap pieces;  /* By key. */
    struct flow_forms forms;
    struct flow_actions actions;
    struct ovs_list changed; /* Entries, by 'list_node'. */
    bool tracking;           /* False: nothing goes in 'changed'. */
    size_t n_wanted;         /* Entries with references. */
    size_t n_refused;        /* Of those, refused. */
};

void flow_ledger_init(struct flow_ledger *);
void flow_ledger_destroy(struct flow_ledger *);

/* Replaces the flows under 'key' by those of '*flows', which it empties. */
void flow_ledger_set(struct flow_ledger *, const struct uuid *key,
                     struct flow_set *flows);

/* NULL if there is none. */
struct ledger_entry *flow_ledger_find(const struct flow_ledger *,
                                      uint8_t table_id, uint16_t priority,
                                      const struct minimatch *);
/* The entry's flow put together, good until the ledger changes; neither to be
 * changed nor to be destroyed. */
const struct baton_flow *flow_ledger_look(const struct ledger_entry *,
                                          struct flow_form_view *);
/* The switch has lost a flow that should be there: puts it in 'changed'. */
void flow_ledger_lost(struct flow_ledger *, struct ledger_entry *);
/* The switch has a flow that should not be there: puts it in 'changed'. */
void flow_ledger_add_stray(struct flow_ledger *, uint8_t table_id,
                           uint16_t priority, const struct minimatch *);

/* The cookies of all that should be there, each once, in an array that the
 * caller frees.  Returns how many. */
size_t flow_ledger_get_cookies(const struct flow_ledger *, uint64_t **cookies);

void flow_ledger_set_refused(struct flow_ledger *, struct ledger_entry *,
                             bool refused);
/* Forgets an entry without references. */
void flow_ledger_forget(struct flow_ledger *, struct ledger_entry *);
/* Empties 'list' of entries, and forgets those without references. */
void flow_ledger_drop_list(struct flow_ledger *, struct ovs_list *list);

/* From now on changes are noted (true), or not, because the whole state will
 * be compared anyway (false). */
void flow_ledger_track(struct flow_ledger *, bool tracking);

/* The first entry of 'list', taken out of it; NULL if there is none. */
struct ledger_entry *flow_ledger_pop(struct ovs_list *list);

#endif /* controller/flow-ledger.h */
