/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "flow-ledger.h"

#include <stdlib.h>

#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "unit.h"
#include "util.h"

#define COOKIE UINT64_C(0xba70000000000000)

static const struct uuid piece_a = { { 1, 0, 0, 1 } };
static const struct uuid piece_b = { { 1, 0, 0, 2 } };

/* A flow to 'port' for each of n addresses from 'first' on. */
static void
add_flows(struct flow_set *set, uint32_t first, size_t n, uint16_t priority,
          uint64_t kind, ofp_port_t port)
{
    for (size_t i = 0; i < n; i++) {
        struct match match = MATCH_CATCHALL_INITIALIZER;
        uint64_t stub[64 / 8];
        struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);

        match_set_dl_type(&match, htons(ETH_TYPE_IP));
        match_set_nw_dst(&match, htonl(first + i));
        ofpact_put_OUTPUT(&ofpacts)->port = port;
        flow_set_add(set, 3, priority, COOKIE | kind, &match, ofpacts.data,
                     ofpacts.size);
        ofpbuf_uninit(&ofpacts);
    }
}

static void
set_flows(struct flow_ledger *ledger, const struct uuid *key, uint32_t first,
          size_t n, ofp_port_t port)
{
    struct flow_set set;

    flow_set_init(&set);
    add_flows(&set, first, n, 300, 5, port);
    flow_ledger_set(ledger, key, &set);
    flow_set_destroy(&set);
}

/* The entry for the flow that add_flows() makes of 'address'. */
static struct ledger_entry *
find(const struct flow_ledger *ledger, uint32_t address, uint16_t priority)
{
    struct ledger_entry *entry;
    struct flow_set set;

    flow_set_init(&set);
    add_flows(&set, address, 1, priority, 5, 1);
    const struct baton_flow *flow = CONTAINER_OF(hmap_first(&set.flows),
                                                 struct baton_flow, node);
    entry = flow_ledger_find(ledger, flow->table_id, flow->priority,
                             &flow->match);
    flow_set_destroy(&set);
    return entry;
}

static ofp_port_t
port_of(const struct ledger_entry *entry)
{
    return ofpact_get_OUTPUT(entry->ofpacts)->port;
}

static size_t
count_changed(struct flow_ledger *ledger)
{
    size_t n = 0;

    while (flow_ledger_pop(&ledger->changed)) {
        n++;
    }
    return n;
}

/* What goes in comes out again, but for the slice in the cookie. */
static void
test_look(void)
{
    struct flow_ledger ledger;
    struct flow_set set, again;
    struct baton_flow *flow;

    flow_ledger_init(&ledger);
    flow_set_init(&set);
    flow_set_init(&again);
    add_flows(&set, 0x0a000001, 50, 300, 5, 1);
    add_flows(&set, 0x0a000001, 50, 400, 4, 2);
    add_flows(&again, 0x0a000001, 50, 300, 5, 1);
    add_flows(&again, 0x0a000001, 50, 400, 4, 2);
    HMAP_FOR_EACH(flow, node, &set.flows) {
        flow->idle_timeout = flow->priority == 400 ? 60 : 0;
    }
    flow_ledger_set(&ledger, &piece_a, &set);
    CU_ASSERT_EQUAL(flow_set_count(&set), 0);
    CU_ASSERT_EQUAL(ledger.n_wanted, 100);
    CU_ASSERT_EQUAL(hmap_count(&ledger.forms.all), 2);
    CU_ASSERT_EQUAL(hmap_count(&ledger.actions.all), 2);

    HMAP_FOR_EACH(flow, node, &again.flows) {
        const struct ledger_entry *entry = flow_ledger_find(
            &ledger, flow->table_id, flow->priority, &flow->match);
        struct flow_form_view view;

        CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
        const struct baton_flow *seen = flow_ledger_look(entry, &view);
        uint64_t slice = (uint64_t) (FLOW_LEDGER_SLICES - 1)
                         << FLOW_LEDGER_SLICE_SHIFT;

        CU_ASSERT(minimatch_equal(&seen->match, &flow->match));
        CU_ASSERT_EQUAL(seen->table_id, 3);
        CU_ASSERT_EQUAL(seen->priority, flow->priority);
        CU_ASSERT_EQUAL(seen->cookie & ~slice, flow->cookie);
        CU_ASSERT_EQUAL(seen->idle_timeout, flow->priority == 400 ? 60 : 0);
        CU_ASSERT(ofpacts_equal(seen->ofpacts, seen->ofpacts_len,
                                flow->ofpacts, flow->ofpacts_len));
    }
    CU_ASSERT_PTR_NULL(find(&ledger, 0x0a000000, 300));
    CU_ASSERT_PTR_NULL(find(&ledger, 0x0a000001, 301));
    flow_set_destroy(&set);
    flow_set_destroy(&again);
    flow_ledger_destroy(&ledger);
}

/* Each cookie in use is in the list, once. */
static void
test_cookies(void)
{
    struct flow_ledger ledger;
    uint64_t *cookies;
    size_t n, found = 0;

    flow_ledger_init(&ledger);
    set_flows(&ledger, &piece_a, 0x0a000000, 1000, 1);
    n = flow_ledger_get_cookies(&ledger, &cookies);
    CU_ASSERT(n > 200 && n <= FLOW_LEDGER_SLICES);
    for (uint32_t i = 0; i < 1000; i++) {
        struct flow_form_view view;
        uint64_t cookie = flow_ledger_look(find(&ledger, 0x0a000000 + i, 300),
                                           &view)
                              ->cookie;

        for (size_t j = 0; j < n; j++) {
            found += cookies[j] == cookie;
        }
    }
    CU_ASSERT_EQUAL(found, 1000);
    free(cookies);
    flow_ledger_destroy(&ledger);
}

/* The difference between before and after is 'changed', and no more. */
static void
test_changes(void)
{
    struct flow_ledger ledger;
    struct ledger_entry *entry;

    flow_ledger_init(&ledger);
    flow_ledger_track(&ledger, true);
    set_flows(&ledger, &piece_a, 1, 5, 1);
    CU_ASSERT_EQUAL(count_changed(&ledger), 5);
    set_flows(&ledger, &piece_a, 1, 5, 1);
    CU_ASSERT_EQUAL(count_changed(&ledger), 0);

    /* Other actions: in place. */
    entry = find(&ledger, 3, 300);
    set_flows(&ledger, &piece_a, 1, 5, 2);
    CU_ASSERT_PTR_EQUAL(find(&ledger, 3, 300), entry);
    CU_ASSERT_EQUAL(port_of(entry), 2);
    CU_ASSERT_EQUAL(hmap_count(&ledger.actions.all), 1);
    CU_ASSERT_EQUAL(count_changed(&ledger), 5);

    /* Two pieces want the same. */
    set_flows(&ledger, &piece_b, 3, 5, 2);
    CU_ASSERT_EQUAL(count_changed(&ledger), 2);
    CU_ASSERT_EQUAL(ledger.n_wanted, 7);
    set_flows(&ledger, &piece_a, 0, 0, 2);
    CU_ASSERT_EQUAL(ledger.n_wanted, 5);
    while ((entry = flow_ledger_pop(&ledger.changed))) {
        CU_ASSERT(!entry->n_refs);
        flow_ledger_forget(&ledger, entry);
    }
    CU_ASSERT_EQUAL(hmap_count(&ledger.entries), 5);
    set_flows(&ledger, &piece_b, 0, 0, 2);
    flow_ledger_track(&ledger, false);
    CU_ASSERT(hmap_is_empty(&ledger.entries));
    CU_ASSERT(hmap_is_empty(&ledger.forms.all));
    CU_ASSERT(hmap_is_empty(&ledger.actions.all));
    flow_ledger_destroy(&ledger);
}

/* What the switch has and should not is to be deleted, unless it turns out to
 * be wanted. */
static void
test_strays(void)
{
    struct flow_ledger ledger;
    struct minimatch match;

    flow_ledger_init(&ledger);
    flow_ledger_track(&ledger, true);
    minimatch_init_catchall(&match);
    flow_ledger_add_stray(&ledger, 3, 7, &match);
    CU_ASSERT_EQUAL(ledger.n_wanted, 0);
    struct ledger_entry *entry = flow_ledger_find(&ledger, 3, 7, &match);
    CU_ASSERT_PTR_NOT_NULL_FATAL(entry);

    struct match all = MATCH_CATCHALL_INITIALIZER;
    struct flow_set set;
    flow_set_init(&set);
    flow_set_add(&set, 3, 7, COOKIE, &all, NULL, 0);
    flow_ledger_set(&ledger, &piece_a, &set);
    CU_ASSERT_PTR_EQUAL(flow_ledger_find(&ledger, 3, 7, &match), entry);
    CU_ASSERT_EQUAL(entry->n_refs, 1);
    CU_ASSERT_EQUAL(entry->form->cookie, COOKIE);
    CU_ASSERT_EQUAL(hmap_count(&ledger.forms.all), 1);
    CU_ASSERT_EQUAL(count_changed(&ledger), 1);
    flow_set_destroy(&set);
    minimatch_destroy(&match);
    flow_ledger_destroy(&ledger);
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "look", test_look },
        { "cookies", test_cookies },
        { "changes", test_changes },
        { "strays", test_strays },
    };

    return unit_run("flow-ledger", tests, ARRAY_SIZE(tests));
}
