/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "flow-dump.h"

#include <inttypes.h>
#include <stdlib.h>

#include "byte-order.h"
#include "flow-ledger.h"
#include "flow-message.h"
#include "openflow-link.h"
#include "openvswitch/ofp-table.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(flow_dump);

/* Between two parts the switch is left alone for a quarter of the time that
 * the first took, and a millisecond more.  It answers up to 50 messages before
 * it looks at its packets again: if the next question is there when it has
 * answered, and this process may well be the faster one, its packets wait for
 * all of them. */
#define MAX_PAUSE 50 /* ms */

/* What a switch is asked for at once. */
struct dump_part {
    uint64_t cookie, cookie_mask;
    uint8_t table_id; /* Or OFPTT_ALL. */
};

void
flow_dump_init(struct flow_dump *dump, const char *name, uint64_t cookie,
               uint64_t cookie_mask)
{
    *dump = (struct flow_dump){
        .name = name,
        .cookie = cookie,
        .cookie_mask = cookie_mask,
        .ask_time = LLONG_MAX,
    };
    ofpbuf_init(&dump->ofpacts, 0);
}

void
flow_dump_destroy(struct flow_dump *dump)
{
    ofpbuf_uninit(&dump->ofpacts);
    free(dump->parts);
}

/* Asking. */

static void
ask(struct flow_dump *dump, struct ofpbuf *request)
{
    dump->xid = ntohl(((const struct ofp_header *) request->data)->xid);
    dump->ask_time = LLONG_MAX;
    openflow_link_send(dump->link, request);
    openflow_link_flush(dump->link);
}

static enum ofp_version
version(const struct flow_dump *dump)
{
    return openflow_link_get_version(dump->link);
}

void
flow_dump_start(struct flow_dump *dump, struct openflow_link *link)
{
    dump->link = link;
    dump->active = true;
    dump->at_once = false;
    dump->n_parts = dump->n_counted = dump->n_told = 0;
    dump->time = time_msec();
    ask(dump, ofpraw_alloc(OFPRAW_OFPST_TABLE_REQUEST, version(dump), 0));
}

void
flow_dump_stop(struct flow_dump *dump)
{
    dump->active = false;
    dump->ask_time = LLONG_MAX;
}

static void
ask_for_all(struct flow_dump *dump)
{
    dump->n_parts = 0;
    dump->at_once = true;
    ask(dump, flow_message_dump(dump->cookie, dump->cookie_mask, OFPTT_ALL,
                                version(dump)));
}

static void
add_part(struct flow_dump *dump, uint64_t cookie, uint64_t cookie_mask,
         uint8_t table_id)
{
    struct dump_part *part;

    if (dump->n_parts >= dump->allocated_parts) {
        dump->parts = x2nrealloc(dump->parts, &dump->allocated_parts,
                                 sizeof *dump->parts);
    }
    part = &dump->parts[dump->n_parts++];
    part->cookie = cookie;
    part->cookie_mask = cookie_mask;
    part->table_id = table_id;
}

static void
ask_for_part(struct flow_dump *dump)
{
    const struct dump_part *part = &dump->parts[--dump->n_parts];

    dump->asked_time = time_msec();
    ask(dump, flow_message_dump(part->cookie, part->cookie_mask,
                                part->table_id, version(dump)));
}

/* Tables that should have none of ours are parts already. */
void
flow_dump_go_on(struct flow_dump *dump, const struct flow_ledger *ledger)
{
    uint64_t *cookies;
    size_t n;

    if (dump->n_counted <= FLOW_DUMP_AT_ONCE) {
        ask_for_all(dump);
        return;
    }
    n = flow_ledger_get_cookies(ledger, &cookies);
    for (size_t i = 0; i < n; i++) {
        add_part(dump, cookies[i], UINT64_MAX, OFPTT_ALL);
    }
    free(cookies);
    if (dump->n_parts) {
        ask_for_part(dump);
    } else {
        ask_for_all(dump);
    }
}

void
flow_dump_run(struct flow_dump *dump)
{
    if (time_msec() >= dump->ask_time) {
        ask_for_part(dump);
    }
}

long long int
flow_dump_next_time(const struct flow_dump *dump)
{
    return dump->ask_time;
}

/* Answers. */

/* Which tables should have flows of ours? */
static void
find_tables(const struct flow_ledger *ledger, bool tables[UINT8_MAX + 1])
{
    const struct ledger_entry *entry;

    memset(tables, 0, (UINT8_MAX + 1) * sizeof *tables);
    HMAP_FOR_EACH(entry, node, &ledger->entries) {
        tables[entry->form->table_id] |= entry->n_refs > 0;
    }
}

static enum flow_dump_event
count_tables(struct flow_dump *dump, const struct flow_ledger *ledger)
{
    struct ofputil_table_features features;
    struct ofputil_table_stats stats;
    bool tables[UINT8_MAX + 1];
    int error;

    find_tables(ledger, tables);
    while (!(error = ofputil_decode_table_stats_reply(&dump->msg, &stats,
                                                      &features))) {
        if (tables[stats.table_id]) {
            dump->n_counted += stats.active_count;
        } else if (stats.active_count) {
            add_part(dump, dump->cookie, dump->cookie_mask, stats.table_id);
        }
    }
    return (error != EOF           ? FLOW_DUMP_NONSENSE
            : ofpmp_more(dump->oh) ? FLOW_DUMP_NOTHING
                                   : FLOW_DUMP_COUNTED);
}

enum flow_dump_event
flow_dump_begin(struct flow_dump *dump, const struct flow_ledger *ledger,
                const struct ofp_header *oh, enum ofptype type)
{
    bool counts = type == OFPTYPE_TABLE_STATS_REPLY;

    if (!counts && type != OFPTYPE_FLOW_STATS_REPLY) {
        return FLOW_DUMP_NOT_OURS;
    } else if (ntohl(oh->xid) != dump->xid) {
        return counts ? FLOW_DUMP_NOTHING : FLOW_DUMP_NOT_OURS;
    } else if (!dump->active) {
        return FLOW_DUMP_NOTHING;
    }
    dump->time = time_msec();
    dump->oh = oh;
    dump->nonsense = false;
    ofpbuf_use_const(&dump->msg, oh, ntohs(oh->length));
    return counts ? count_tables(dump, ledger) : FLOW_DUMP_FLOWS;
}

bool
flow_dump_next(struct flow_dump *dump, struct ofputil_flow_stats *stats)
{
    int error;

    while (!(error = ofputil_decode_flow_stats_reply(stats, &dump->msg, false,
                                                     &dump->ofpacts))) {
        if ((ntohll(stats->cookie) & dump->cookie_mask) == dump->cookie) {
            dump->n_told++;
            return true;
        }
    }
    dump->nonsense = error != EOF;
    return false;
}

enum flow_dump_event
flow_dump_end(struct flow_dump *dump)
{
    if (dump->nonsense) {
        return FLOW_DUMP_NONSENSE;
    } else if (ofpmp_more(dump->oh)) {
        return FLOW_DUMP_NOTHING;
    } else if (dump->n_parts) {
        long long int took = time_msec() - dump->asked_time;

        dump->ask_time = time_msec() + MIN(took / 4 + 1, MAX_PAUSE);
        return FLOW_DUMP_NOTHING;
    } else if (!dump->at_once && dump->n_told != dump->n_counted) {
        VLOG_INFO("%s: %" PRIuSIZE " of the %" PRIuSIZE " flows in our tables "
                  "are as they may be, so it is asked for all at once",
                  dump->name, dump->n_told, dump->n_counted);
        ask_for_all(dump);
        return FLOW_DUMP_NOTHING;
    }
    flow_dump_stop(dump);
    return FLOW_DUMP_ALL;
}
