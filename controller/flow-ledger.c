/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "flow-ledger.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "util.h"
#include "uuid.h"

struct piece {
    struct hmap_node node; /* In 'pieces'. */
    struct uuid key;
    size_t n;
    struct ledger_entry *entries[]; /* Each holds a reference. */
};

void
flow_ledger_init(struct flow_ledger *ledger)
{
    hmap_init(&ledger->entries);
    hmap_init(&ledger->pieces);
    ovs_list_init(&ledger->changed);
    flow_forms_init(&ledger->forms);
    flow_actions_init(&ledger->actions);
    ledger->tracking = false;
    ledger->n_wanted = ledger->n_refused = 0;
}

/* Takes 'flow', apart. */
static struct ledger_entry *
entry_create(struct flow_ledger *ledger, struct baton_flow *flow)
{
    const struct flow_form *form = flow_forms_share(&ledger->forms, flow);
    struct ledger_entry *entry = xzalloc(
        sizeof *entry + form->n_values * sizeof *entry->values);

    entry->form = form;
    entry->ofpacts = flow_actions_share(&ledger->actions, flow->ofpacts,
                                        flow->ofpacts_len);
    memcpy(entry->values, flow_form_values(&flow->match),
           form->n_values * sizeof *entry->values);
    ovs_list_init(&entry->list_node);
    flow->ofpacts = NULL;
    baton_flow_destroy(flow);
    return entry;
}

/* Drops what it shares. */
static void
entry_strip(struct flow_ledger *ledger, struct ledger_entry *entry)
{
    flow_forms_unshare(&ledger->forms, entry->form);
    flow_actions_unshare(&ledger->actions, entry->ofpacts);
}

/* Takes 'flow', which has the entry's key, and which it is from now on. */
static void
entry_change(struct flow_ledger *ledger, struct ledger_entry *entry,
             struct baton_flow *flow)
{
    entry_strip(ledger, entry);
    entry->form = flow_forms_share(&ledger->forms, flow);
    entry->ofpacts = flow_actions_share(&ledger->actions, flow->ofpacts,
                                        flow->ofpacts_len);
    flow->ofpacts = NULL;
    baton_flow_destroy(flow);
}

static uint64_t
entry_cookie(const struct ledger_entry *entry)
{
    return entry->form->cookie
           | (uint64_t) (entry->node.hash % FLOW_LEDGER_SLICES)
                 << FLOW_LEDGER_SLICE_SHIFT;
}

const struct baton_flow *
flow_ledger_look(const struct ledger_entry *entry, struct flow_form_view *view)
{
    flow_form_look(entry->form, entry->values, view);
    view->flow.cookie = entry_cookie(entry);
    view->flow.ofpacts = entry->ofpacts;
    view->flow.ofpacts_len = flow_actions_length(entry->ofpacts);
    return &view->flow;
}

/* Is it 'flow', but for the slice?  They have the same key. */
static bool
entry_does_same(const struct ledger_entry *entry,
                const struct baton_flow *flow)
{
    struct flow_form_view view;

    flow_form_look(entry->form, entry->values, &view);
    view.flow.ofpacts = entry->ofpacts;
    view.flow.ofpacts_len = flow_actions_length(entry->ofpacts);
    return baton_flow_does_same(&view.flow, flow);
}

void
flow_ledger_destroy(struct flow_ledger *ledger)
{
    struct ledger_entry *entry;
    struct piece *piece;

    HMAP_FOR_EACH_POP(piece, node, &ledger->pieces) {
        free(piece);
    }
    hmap_destroy(&ledger->pieces);
    HMAP_FOR_EACH_POP(entry, node, &ledger->entries) {
        entry_strip(ledger, entry);
        free(entry);
    }
    hmap_destroy(&ledger->entries);
    flow_forms_destroy(&ledger->forms);
    flow_actions_destroy(&ledger->actions);
}

static struct ledger_entry *
find(const struct flow_ledger *ledger, uint32_t hash, uint8_t table_id,
     uint16_t priority, const struct minimatch *match)
{
    struct ledger_entry *entry;

    HMAP_FOR_EACH_WITH_HASH(entry, node, hash, &ledger->entries) {
        if (flow_form_has_key(entry->form, entry->values, table_id, priority,
                              match)) {
            return entry;
        }
    }
    return NULL;
}

struct ledger_entry *
flow_ledger_find(const struct flow_ledger *ledger, uint8_t table_id,
                 uint16_t priority, const struct minimatch *match)
{
    return find(ledger, flow_key_hash(table_id, priority, match), table_id,
                priority, match);
}

/* Takes 'flow'. */
static struct ledger_entry *
insert(struct flow_ledger *ledger, struct baton_flow *flow, uint32_t hash)
{
    struct ledger_entry *entry = entry_create(ledger, flow);

    hmap_insert(&ledger->entries, &entry->node, hash);
    return entry;
}

void
flow_ledger_forget(struct flow_ledger *ledger, struct ledger_entry *entry)
{
    ovs_assert(!entry->n_refs);
    ovs_list_remove(&entry->list_node);
    hmap_remove(&ledger->entries, &entry->node);
    entry_strip(ledger, entry);
    free(entry);
}

static void
mark_changed(struct flow_ledger *ledger, struct ledger_entry *entry)
{
    if (!ledger->tracking) {
        if (!entry->n_refs) {
            flow_ledger_forget(ledger, entry);
        }
    } else if (ovs_list_is_empty(&entry->list_node)) {
        ovs_list_push_back(&ledger->changed, &entry->list_node);
    }
}

void
flow_ledger_lost(struct flow_ledger *ledger, struct ledger_entry *entry)
{
    mark_changed(ledger, entry);
}

void
flow_ledger_add_stray(struct flow_ledger *ledger, uint8_t table_id,
                      uint16_t priority, const struct minimatch *match)
{
    struct baton_flow *flow = xzalloc(sizeof *flow);

    flow->table_id = table_id;
    flow->priority = priority;
    minimatch_clone(&flow->match, match);
    mark_changed(ledger, insert(ledger, flow,
                                flow_key_hash(table_id, priority, match)));
}

static int
compare_cookies(const void *a_, const void *b_)
{
    const uint64_t *a = a_, *b = b_;

    return *a < *b ? -1 : *a > *b;
}

size_t
flow_ledger_get_cookies(const struct flow_ledger *ledger, uint64_t **cookiesp)
{
    uint64_t *cookies = xmalloc((ledger->n_wanted + 1) * sizeof *cookies);
    const struct ledger_entry *entry;
    size_t n_all = 0, n = 0;

    HMAP_FOR_EACH(entry, node, &ledger->entries) {
        if (entry->n_refs) {
            cookies[n_all++] = entry_cookie(entry);
        }
    }
    qsort(cookies, n_all, sizeof *cookies, compare_cookies);
    for (size_t i = 0; i < n_all; i++) {
        if (!n || cookies[n - 1] != cookies[i]) {
            cookies[n++] = cookies[i];
        }
    }
    *cookiesp = xrealloc(cookies, (n + 1) * sizeof *cookies);
    return n;
}

void
flow_ledger_set_refused(struct flow_ledger *ledger, struct ledger_entry *entry,
                        bool refused)
{
    ledger->n_refused += refused - entry->refused;
    entry->refused = refused;
}

/* Takes 'flow', and returns the entry for it with one more reference. */
static struct ledger_entry *
ref(struct flow_ledger *ledger, struct baton_flow *flow)
{
    uint32_t hash = flow_key_hash(flow->table_id, flow->priority,
                                  &flow->match);
    struct ledger_entry *entry = find(ledger, hash, flow->table_id,
                                      flow->priority, &flow->match);

    if (!entry) {
        entry = insert(ledger, flow, hash);
    } else if (entry->n_refs && entry_does_same(entry, flow)) {
        baton_flow_destroy(flow);
        entry->n_refs++;
        return entry;
    } else {
        /* Of two pieces that disagree the later one wins. */
        entry_change(ledger, entry, flow);
        flow_ledger_set_refused(ledger, entry, false);
    }
    if (!entry->n_refs++) {
        ledger->n_wanted++;
    }
    mark_changed(ledger, entry);
    return entry;
}

static void
unref(struct flow_ledger *ledger, struct ledger_entry *entry)
{
    if (!--entry->n_refs) {
        ledger->n_wanted--;
        flow_ledger_set_refused(ledger, entry, false);
        mark_changed(ledger, entry);
    }
}

/* Not uuid_hash(), which looks at a part only: not all keys are random. */
static uint32_t
hash_key(const struct uuid *key)
{
    return hash_words(key->parts, ARRAY_SIZE(key->parts), 0);
}

static struct piece *
find_piece(const struct flow_ledger *ledger, const struct uuid *key)
{
    struct piece *piece;

    HMAP_FOR_EACH_WITH_HASH(piece, node, hash_key(key), &ledger->pieces) {
        if (uuid_equals(&piece->key, key)) {
            return piece;
        }
    }
    return NULL;
}

static void
add_piece(struct flow_ledger *ledger, const struct uuid *key,
          struct flow_set *flows)
{
    struct piece *piece = xzalloc(
        sizeof *piece + flow_set_count(flows) * sizeof *piece->entries);
    struct baton_flow *flow;

    piece->key = *key;
    HMAP_FOR_EACH_POP(flow, node, &flows->flows) {
        piece->entries[piece->n++] = ref(ledger, flow);
    }
    hmap_insert(&ledger->pieces, &piece->node, hash_key(key));
}

static void
remove_piece(struct flow_ledger *ledger, struct piece *piece)
{
    for (size_t i = 0; i < piece->n; i++) {
        unref(ledger, piece->entries[i]);
    }
    hmap_remove(&ledger->pieces, &piece->node);
    free(piece);
}

void
flow_ledger_set(struct flow_ledger *ledger, const struct uuid *key,
                struct flow_set *flows)
{
    struct piece *old = find_piece(ledger, key);

    /* The new before the old, so that what stays is never unwanted. */
    if (flow_set_count(flows)) {
        add_piece(ledger, key, flows);
    }
    if (old) {
        remove_piece(ledger, old);
    }
}

struct ledger_entry *
flow_ledger_pop(struct ovs_list *list)
{
    if (ovs_list_is_empty(list)) {
        return NULL;
    }

    struct ledger_entry *entry = CONTAINER_OF(ovs_list_pop_front(list),
                                              struct ledger_entry, list_node);
    ovs_list_init(&entry->list_node);
    return entry;
}

void
flow_ledger_drop_list(struct flow_ledger *ledger, struct ovs_list *list)
{
    struct ledger_entry *entry;

    while ((entry = flow_ledger_pop(list))) {
        if (!entry->n_refs) {
            flow_ledger_forget(ledger, entry);
        }
    }
}

void
flow_ledger_track(struct flow_ledger *ledger, bool tracking)
{
    ledger->tracking = tracking;
    if (!tracking) {
        struct ledger_entry *entry;

        flow_ledger_drop_list(ledger, &ledger->changed);
        HMAP_FOR_EACH(entry, node, &ledger->entries) {
            flow_ledger_set_refused(ledger, entry, false);
        }
    }
}
