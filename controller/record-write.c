/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "record-private.h"

#include <stdlib.h>
#include <string.h>

#include "database.h"
#include "database-op.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "packets.h"
#include "schemas/baton-idl.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(record_write);

/* How records get into the database.
 *
 * Each write is one operation.  One transaction at a time is on its way; what
 * is begun meanwhile goes with the next, up to BATCH_MAX.  A change of a
 * record that is there is an update with "where" on row, owner and epoch,
 * which changes one row or none, and so fails without failing the others.  A
 * first record is an insert, which the index on the session keeps from
 * happening twice; that does fail the whole transaction, so then each of its
 * writes is tried alone.
 *
 * A write that changed nothing was either refused, or done by an earlier try
 * whose reply was lost: a select tells which. */

#define BATCH_MAX 128
#define RETRY_MS 1000 /* Ends and forgetting, when the database is away. */

enum write_kind {
    WRITE_CHANGE, /* The compare-and-set that ends a transfer. */
    WRITE_LOOK,   /* How is the record really? */
    WRITE_END,    /* Make it a tombstone. */
    WRITE_FORGET, /* Delete the tombstone. */
};

struct record_write {
    struct ovs_list node; /* In 'pending' of struct record_store. */
    enum write_kind kind;
    uint64_t number; /* Of WRITE_CHANGE and its WRITE_LOOK; 0: no reply. */
    struct record_change change;
    bool has_row;
    bool alone; /* Not in one transaction with others. */
};

struct record_batch {
    struct database_txn *txn;
    struct ovs_list writes; /* struct record_write, as in 'txn'. */
};

static struct record_write *
new_write(enum write_kind kind, const struct uuid *session)
{
    struct record_write *w = xzalloc(sizeof *w);

    w->kind = kind;
    w->change.session = *session;
    return w;
}

static void
free_write(struct record_write *w)
{
    free(CONST_CAST(char *, w->change.old_owner));
    free(CONST_CAST(char *, w->change.new_owner));
    free(CONST_CAST(char *, w->change.home));
    free(CONST_CAST(char *, w->change.name));
    free(CONST_CAST(char *, w->change.service));
    free(w);
}

/* Operations. */

static char *
copy(const char *s)
{
    return xstrdup(s ? s : "");
}

/* Has the session a row? */
static bool
has_row(struct record_store *store, const struct uuid *session)
{
    const struct record_unseen *u = record_unseen_find(store, session);
    struct record record;

    return u ? u->has_row : record_find(store, session, &record) != NULL;
}

void
record_queue_write(struct record_store *store, uint64_t number,
                   const struct record_change *change)
{
    struct record_write *w = new_write(WRITE_CHANGE, &change->session);

    w->number = number;
    w->change = *change;
    w->change.old_owner = copy(change->old_owner);
    w->change.new_owner = copy(change->new_owner);
    w->change.home = copy(change->home);
    w->change.name = copy(change->name);
    w->change.service = copy(change->service);
    w->has_row = has_row(store, &change->session);
    ovs_list_push_back(&store->pending, &w->node);
}

void
record_queue_look(struct record_store *store, const struct uuid *session)
{
    struct record_write *w = new_write(WRITE_LOOK, session);

    ovs_list_push_back(&store->pending, &w->node);
}

static void
put_string(struct json *row, const char *column, const char *value)
{
    json_object_put_string(row, column, value);
}

/* What a device said, if it did. */
static void
put_text(struct json *row, const char *column, const char *value)
{
    if (value[0]) {
        put_string(row, column, value);
    }
}

static struct json *
changed_columns(const struct record_change *change)
{
    struct json *row = json_object_create();
    char onward[ONWARD_STRING_LEN];

    onward_to_string((struct onward_right){ change->onward, change->depth },
                     onward);
    put_string(row, "owner", change->new_owner);
    json_object_put(row, "epoch", json_integer_create(change->old_epoch + 1));
    json_object_put(row, "transfer", database_uuid_to_json(&change->transfer));
    put_string(row, "onward", onward);
    put_text(row, "name", change->name);
    put_text(row, "service", change->service);
    return row;
}

static struct json *
insert_op(const struct record_change *change)
{
    struct json *op = database_op("insert", "Session");
    struct json *row = changed_columns(change);
    char address[INET6_ADDRSTRLEN];

    ipv6_string_mapped(address, &change->address);
    json_object_put(row, "session", database_uuid_to_json(&change->session));
    put_string(row, "address", address);
    put_string(row, "home", change->home);
    json_object_put(op, "row", row);
    json_object_put_format(op, "uuid", UUID_FMT, UUID_ARGS(&change->session));
    return op;
}

static struct json *
where_row(struct json *op, const struct record_write *w)
{
    database_op_where(op, "_uuid", database_uuid_to_json(&w->change.session));
    return op;
}

static struct json *
update_op(const struct record_write *w)
{
    struct json *op = where_row(database_op("update", "Session"), w);

    database_op_where(op, "owner", json_string_create(w->change.old_owner));
    database_op_where(op, "epoch", json_integer_create(w->change.old_epoch));
    database_op_where(op, "ended", json_integer_create(0));
    json_object_put(op, "row", changed_columns(&w->change));
    return op;
}

static struct json *
look_op(const struct record_write *w)
{
    return where_row(database_op("select", "Session"), w);
}

static struct json *
end_op(const struct record_write *w)
{
    struct json *op = where_row(database_op("update", "Session"), w);
    struct json *row = json_object_create();

    database_op_where(op, "epoch", json_integer_create(w->change.old_epoch));
    database_op_where(op, "ended", json_integer_create(0));
    json_object_put(row, "ended", json_integer_create(time_wall_msec()));
    json_object_put(op, "row", row);
    return op;
}

static struct json *
compose_op(const struct record_write *w)
{
    switch (w->kind) {
    case WRITE_CHANGE:
        return w->has_row ? update_op(w) : insert_op(&w->change);
    case WRITE_LOOK: return look_op(w);
    case WRITE_END: return end_op(w);
    case WRITE_FORGET: return where_row(database_op("delete", "Session"), w);
    }
    OVS_NOT_REACHED();
}

/* Sending. */

static void
queue_ends(struct record_store *store)
{
    struct record_unseen *u;

    store->n_ends = 0;
    HMAP_FOR_EACH(u, node, &store->unseen) {
        if (u->end_pending && u->has_row) {
            struct record_write *w = new_write(WRITE_END, &u->session);

            w->change.old_epoch = u->epoch;
            w->has_row = true;
            u->end_pending = false; /* Until it fails. */
            ovs_list_push_back(&store->pending, &w->node);
        }
    }
}

static void
send_batch(struct record_store *store)
{
    struct record_batch *batch = xmalloc(sizeof *batch);
    struct json *ops = json_array_create_empty();
    struct record_write *w;

    ovs_list_init(&batch->writes);
    LIST_FOR_EACH_SAFE(w, node, &store->pending) {
        if (json_array(ops)->n >= BATCH_MAX
            || (w->alone && json_array(ops)->n)) {
            break;
        }
        ovs_list_remove(&w->node);
        ovs_list_push_back(&batch->writes, &w->node);
        json_array_add(ops, compose_op(w));
        if (w->alone) {
            break;
        }
    }
    batch->txn = database_begin(store->database, ops);
    store->batch = batch;
}

void
record_store_flush(struct record_store *store)
{
    if (!store->database || store->batch) {
        return;
    }
    if (store->n_ends && store->now >= store->retry_at
        && database_is_ready(store->database)) {
        queue_ends(store);
    }
    if (!ovs_list_is_empty(&store->pending)) {
        send_batch(store);
    }
}

bool
record_forget_row(struct record_store *store, const struct uuid *session)
{
    struct record_write *w;

    if (store->now < store->retry_at || !database_is_ready(store->database)) {
        return false;
    }
    if (has_row(store, session)) {
        w = new_write(WRITE_FORGET, session);
        ovs_list_push_back(&store->pending, &w->node);
    }
    return true;
}

/* Replies. */

static void
try_later(struct record_store *store)
{
    store->retry_at = store->now + RETRY_MS;
}

static void
answer(struct record_store *store, const struct record_write *w,
       enum record_status status)
{
    if (w->number) {
        record_answer(store, w->number, status);
    }
}

/* The database did not take it, or we do not know. */
static void
handle_failure(struct record_store *store, struct record_write *w)
{
    struct record_unseen *u;

    switch (w->kind) {
    case WRITE_CHANGE:
    case WRITE_LOOK: answer(store, w, RECORD_LOST); break;

    case WRITE_END:
        u = record_unseen_find(store, &w->change.session);
        if (u) {
            u->end_pending = true;
            store->n_ends++;
        }
        try_later(store);
        break;

    case WRITE_FORGET:
        /* Its tombstone is the database's until the next start. */
        break;
    }
    free_write(w);
}

static void
handle_change(struct record_store *store, struct record_write *w,
              const struct json *result)
{
    struct record_unseen *u;

    if (w->has_row && !database_result_count(result)) {
        w->kind = WRITE_LOOK;
        ovs_list_push_back(&store->pending, &w->node);
        return;
    }
    u = record_unseen_get(store, &w->change.session);
    u->has_row = true;
    record_unseen_set(u, &w->change);
    answer(store, w, RECORD_WRITTEN);
    free_write(w);
}

static const char *
string_of(const struct json *row, const char *column)
{
    const struct json *value = shash_find_data(json_object(row), column);

    return value && value->type == JSON_STRING ? json_string(value) : "";
}

static long long int
integer_of(const struct json *row, const char *column)
{
    const struct json *value = shash_find_data(json_object(row), column);

    return value && value->type == JSON_INTEGER ? json_integer(value) : 0;
}

static struct uuid
uuid_of(const struct json *row, const char *column)
{
    const char *s = database_uuid_in(row, column);
    struct uuid uuid = UUID_ZERO;

    if (s) {
        uuid_from_string(&uuid, s);
    }
    return uuid;
}

/* Takes the row as a select showed it, if that says more than is known. */
static void
take_row(struct record_store *store, const struct uuid *session,
         const struct json *row)
{
    struct onward_right right = record_onward_from_string(
        string_of(row, "onward"));
    struct record_change truth = {
        .session = *session,
        .new_owner = string_of(row, "owner"),
        .old_epoch = MAX(integer_of(row, "epoch"), 1) - 1,
        .home = string_of(row, "home"),
        .transfer = uuid_of(row, "transfer"),
        .onward = right.onward,
        .depth = right.depth,
    };
    bool ended = integer_of(row, "ended") != 0;
    struct record_unseen *u;
    struct record record;

    if (!record_address_from_string(string_of(row, "address"),
                                    &truth.address)) {
        return;
    }
    if (record_find(store, session, &record) && record.epoch > truth.old_epoch
        && (record.ended || !ended)
        && (record.transfer_known || record.epoch > truth.old_epoch + 1)) {
        return;
    }
    u = record_unseen_get(store, session);
    u->has_row = true;
    record_unseen_set(u, &truth);
    u->ended = ended;
}

static void
handle_look(struct record_store *store, struct record_write *w,
            const struct json *result)
{
    const struct json *rows = result ? shash_find_data(json_object(result),
                                                       "rows")
                                     : NULL;
    enum record_status status = RECORD_CONFLICT;
    bool undecided = false;

    if (rows && rows->type == JSON_ARRAY && json_array(rows)->n == 1
        && json_array(rows)->elems[0]->type == JSON_OBJECT) {
        take_row(store, &w->change.session, json_array(rows)->elems[0]);
        if (w->number) {
            status = record_compare(store, &w->change, &undecided);
        }
    }
    /* Undecided: somebody put the row back to what it was.  Try again. */
    answer(store, w, undecided ? RECORD_LOST : status);
    free_write(w);
}

static void
handle_end(struct record_store *store, struct record_write *w,
           const struct json *result)
{
    struct record_unseen *u = record_unseen_find(store, &w->change.session);

    if (u && !database_result_count(result)) {
        /* It is not as we think; the replica will tell. */
        record_unseen_forget(store, u);
    }
    free_write(w);
}

static void
handle_done(struct record_store *store, struct record_write *w,
            const struct json *result)
{
    switch (w->kind) {
    case WRITE_CHANGE: handle_change(store, w, result); break;
    case WRITE_LOOK: handle_look(store, w, result); break;
    case WRITE_END: handle_end(store, w, result); break;
    case WRITE_FORGET: free_write(w); break;
    }
}

/* The transaction was refused. */
static void
handle_refused(struct record_store *store, struct record_write *w, bool single,
               bool violation)
{
    if (!single && database_is_ready(store->database)) {
        w->alone = true;
        ovs_list_push_back(&store->pending, &w->node);
    } else if (violation && w->kind == WRITE_CHANGE) {
        w->kind = WRITE_LOOK;
        ovs_list_push_back(&store->pending, &w->node);
    } else {
        handle_failure(store, w);
    }
}

void
record_writes_run(struct record_store *store)
{
    struct record_batch *batch = store->batch;
    enum database_status status;
    struct record_write *w;
    bool single, violation;
    size_t i = 0;

    if (!batch || !database_txn_ended(batch->txn)) {
        return;
    }
    store->batch = NULL;
    status = database_txn_status(batch->txn);
    single = ovs_list_is_short(&batch->writes);
    violation = database_error_is_conflict(database_txn_error(batch->txn));
    LIST_FOR_EACH_POP(w, node, &batch->writes) {
        switch (status) {
        case DATABASE_DONE:
            handle_done(store, w, database_txn_result(batch->txn, i));
            break;

        case DATABASE_REFUSED:
            handle_refused(store, w, single, violation);
            break;

        case DATABASE_LOST: handle_failure(store, w); break;
        }
        i++;
    }
    database_txn_destroy(batch->txn);
    free(batch);
}

void
record_writes_wait(struct record_store *store)
{
    bool waiting = store->n_ends || !ovs_list_is_empty(&store->tombstones);

    if (!store->database) {
        return;
    }
    if (store->batch ? database_txn_ended(store->batch->txn)
                     : !ovs_list_is_empty(&store->pending)) {
        poll_immediate_wake();
    } else if (store->n_ends && store->now >= store->retry_at
               && database_is_ready(store->database)) {
        poll_immediate_wake();
    } else if (waiting && store->now < store->retry_at) {
        poll_timer_wait_until(store->retry_at);
    }
}

void
record_writes_destroy(struct record_store *store)
{
    struct record_write *w;

    if (store->batch) {
        LIST_FOR_EACH_POP(w, node, &store->batch->writes) {
            free_write(w);
        }
        database_txn_destroy(store->batch->txn);
        free(store->batch);
    }
    LIST_FOR_EACH_POP(w, node, &store->pending) {
        free_write(w);
    }
}
