/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "database.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "database-op.h"
#include "database-upgrade.h"
#include "jsonrpc.h"
#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "ovsdb-cs.h"
#include "ovsdb-idl.h"
#include "schemas/baton-idl.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(database);

#define DATABASE_NAME "Baton"
#define DATABASE_LOCK "baton_controller"
/* Milliseconds. */
#define RETRY_MS 1000 /* Until what could not be written is tried again. */
#define GENERATION_LEAP 1000
#define PATIENCE 5000 /* That a transaction may take. */

/* How a controller comes to lead:
 *
 *     FOLLOWING <-----------------------------------------------+
 *         | the lock is ours: raise the generation              |
 *         v                                                     |
 *     RAISING -- refused or lost --> FOLLOWING                  |
 *         | the reply: our generation                           |
 *         v                                                     |
 *     CATCHING_UP -- the replica shows a later one ------------>+
 *         | |  ^                                                |
 *         | v  | rows with other ids than theirs are replaced   |
 *         | UPGRADING -- refused or lost ---------------------->+
 *         |                                                     |
 *         | the replica shows ours                              |
 *         v                                                     |
 *     LEADING -- a transaction or the replica shows a later one, |
 *                or somebody else has the lock ---------------->+
 */
enum state { FOLLOWING, RAISING, CATCHING_UP, UPGRADING, LEADING };

struct database_txn {
    struct ovs_list node;      /* In struct database, until it has ended. */
    struct database *database; /* NULL: it has ended. */
    struct json *id;           /* Of the JSON-RPC request. */
    size_t skip;               /* Operations before the caller's. */
    size_t n;                  /* The caller's operations. */
    enum database_status status;
    struct json *results; /* An array, or NULL. */
    char *error;
    long long int sent; /* Milliseconds. */
};

struct database {
    char *controller;
    struct ovsdb_idl *idl;
    struct database_indexes indexes;
    struct ovsdb_cs *cs;
    struct ovs_list txns; /* struct database_txn, oldest first. */

    enum state state;
    uint64_t generation; /* Ours; 0: none. */
    unsigned int term;
    struct database_txn *raising; /* Or UPGRADING. */
    bool upgrading; /* UPGRADING: it replaces rows; else, it asks for them. */
    long long int step;     /* By how much. */
    bool no_row;            /* Table Controller was found empty. */
    long long int raise_at; /* Milliseconds: not before. */

    /* The database takes no writes. */
    char *trouble;              /* Why; or NULL. */
    struct database_txn *probe; /* Does it take them again? */
    long long int probe_at;     /* Milliseconds. */
};

/* Transactions monitor nothing. */
static struct json *
compose_no_requests(const struct json *schema OVS_UNUSED, void *aux OVS_UNUSED)
{
    return json_object_create();
}

static const struct ovsdb_cs_ops cs_ops = { compose_no_requests };

struct database *
database_create(const char *remote, const char *controller)
{
    struct database *db = xzalloc(sizeof *db);

    db->controller = xstrdup(controller);
    db->step = 1;
    ovs_list_init(&db->txns);
    db->idl = ovsdb_idl_create(remote, &batondb_idl_class, true, true);
    ovsdb_idl_track_add_all(db->idl);
    db->indexes.address = ovsdb_idl_index_create2(
        db->idl, &batondb_session_col_address, &batondb_session_col_ended);
    db->indexes.block = ovsdb_idl_index_create1(db->idl,
                                                &batondb_lease_col_block);
    db->indexes.device = ovsdb_idl_index_create1(db->idl,
                                                 &batondb_device_col_name);
    db->cs = ovsdb_cs_create(DATABASE_NAME, 3, &cs_ops, db);
    ovsdb_cs_set_leader_only(db->cs, true);
    ovsdb_cs_set_lock(db->cs, DATABASE_LOCK);
    ovsdb_cs_set_remote(db->cs, remote, true);
    return db;
}

static void
end_txn(struct database_txn *txn, enum database_status status)
{
    ovs_list_remove(&txn->node);
    txn->database = NULL;
    txn->status = status;
}

void
database_destroy(struct database *db)
{
    if (db) {
        struct database_txn *txn;

        database_txn_destroy(db->raising);
        database_txn_destroy(db->probe);
        free(db->trouble);
        LIST_FOR_EACH_SAFE(txn, node, &db->txns) {
            end_txn(txn, DATABASE_LOST);
        }
        ovsdb_cs_destroy(db->cs);
        ovsdb_idl_destroy(db->idl);
        free(db->controller);
        free(db);
    }
}

/* Operations. */

/* Nothing is written unless our generation is still the last. */
static struct json *
fence(const struct database *db)
{
    struct json *op = database_op("wait", "Controller");
    struct json *row = json_object_create();

    json_object_put(row, "generation", json_integer_create(db->generation));
    json_object_put(op, "timeout", json_integer_create(0));
    json_object_put(op, "columns",
                    json_array_create_1(json_string_create("generation")));
    json_object_put_string(op, "until", "==");
    json_object_put(op, "rows", json_array_create_1(row));
    return op;
}

static struct json *
commit_durably(void)
{
    struct json *op = json_object_create();

    json_object_put_string(op, "op", "commit");
    json_object_put(op, "durable", json_boolean_create(true));
    return op;
}

static struct database_txn *
send_txn(struct database *db, struct json *ops, bool fenced)
{
    struct database_txn *txn = xzalloc(sizeof *txn);
    struct json *params = json_array_create_1(
        json_string_create(DATABASE_NAME));

    txn->database = db;
    txn->sent = time_msec();
    txn->n = json_array(ops)->n;
    if (fenced) {
        json_array_add(params, fence(db));
        txn->skip = 1;
    }
    for (size_t i = 0; i < txn->n; i++) {
        json_array_add(params, json_clone(json_array(ops)->elems[i]));
    }
    json_array_add(params, commit_durably());
    json_destroy(ops);

    ovs_list_push_back(&db->txns, &txn->node);
    /* It adds an assertion that we have the lock. */
    txn->id = ovsdb_cs_send_transaction(db->cs, params);
    if (!txn->id) {
        end_txn(txn, DATABASE_LOST);
    }
    return txn;
}

struct database_txn *
database_begin(struct database *db, struct json *ops)
{
    struct database_txn *txn;

    if (database_is_ready(db)) {
        return send_txn(db, ops, true);
    }
    json_destroy(ops);
    txn = xzalloc(sizeof *txn);
    txn->status = DATABASE_REFUSED;
    txn->error = nullable_xstrdup(database_get_trouble(db));
    return txn;
}

void
database_txn_destroy(struct database_txn *txn)
{
    if (txn) {
        if (txn->database) {
            ovsdb_cs_forget_transaction(txn->database->cs, txn->id);
            ovs_list_remove(&txn->node);
        }
        json_destroy(txn->id);
        json_destroy(txn->results);
        free(txn->error);
        free(txn);
    }
}

bool
database_txn_ended(const struct database_txn *txn)
{
    return !txn->database;
}

enum database_status
database_txn_status(const struct database_txn *txn)
{
    return txn->status;
}

const struct json *
database_txn_result(const struct database_txn *txn, size_t i)
{
    const struct json *result = NULL;

    if (txn->results && i < txn->n
        && i + txn->skip < json_array(txn->results)->n) {
        result = json_array(txn->results)->elems[i + txn->skip];
    }
    return result && result->type == JSON_OBJECT ? result : NULL;
}

const char *
database_txn_error(const struct database_txn *txn)
{
    return txn->error ? txn->error : "";
}

bool
database_error_is_conflict(const char *error)
{
    return !strcmp(error, "constraint violation")
           || !strcmp(error, "duplicate uuid");
}

/* Replies. */

/* The text of "error" if 'json' is an object that has one. */
static const char *
error_of(const struct json *json)
{
    const struct json *error = json && json->type == JSON_OBJECT
                                   ? shash_find_data(json_object(json),
                                                     "error")
                                   : NULL;

    return error && error->type == JSON_STRING ? json_string(error) : NULL;
}

static void
stop_leading(struct database *db, const char *why)
{
    if (db->state == LEADING) {
        VLOG_WARN("this controller no longer leads: %s", why);
    }
    database_txn_destroy(db->raising);
    db->raising = NULL;
    db->state = FOLLOWING;
    db->generation = 0;
}

static void
set_trouble(struct database *db, const char *error)
{
    char *trouble = error ? xasprintf("the controller's database cannot be "
                                      "written: %s",
                                      error)
                          : NULL;

    if (trouble && !db->trouble) {
        VLOG_ERR("%s", trouble);
    } else if (!trouble && db->trouble) {
        VLOG_INFO("the database can be written again");
    }
    free(db->trouble);
    db->trouble = trouble;
    db->probe_at = time_msec() + RETRY_MS;
}

static void
handle_results(struct database *db, struct database_txn *txn,
               const struct jsonrpc_msg *msg)
{
    const struct json_array *results;

    if (msg->type == JSONRPC_ERROR || !msg->result
        || msg->result->type != JSON_ARRAY) {
        const char *error = error_of(msg->error);

        txn->error = xstrdup(error ? error : "no result");
        set_trouble(db, txn->error);
        end_txn(txn, DATABASE_REFUSED);
        return;
    }
    results = json_array(msg->result);
    txn->results = json_clone(msg->result);
    for (size_t i = 0; i < results->n; i++) {
        const char *error = error_of(results->elems[i]);

        if (!error) {
            continue;
        }
        txn->error = xstrdup(error);
        end_txn(txn, DATABASE_REFUSED);
        if (i < txn->skip && !strcmp(error, "timed out")) {
            stop_leading(db, "another one raised the generation");
        } else if (!database_error_is_conflict(error)
                   && strcmp(error, "not owner")) {
            char *s = json_to_string(results->elems[i], JSSF_SORT);

            set_trouble(db, s);
            free(s);
        }
        return;
    }
    set_trouble(db, NULL);
    end_txn(txn, DATABASE_DONE);
}

static void
handle_reply(struct database *db, const struct jsonrpc_msg *msg)
{
    struct database_txn *txn;

    LIST_FOR_EACH(txn, node, &db->txns) {
        if (json_equal(txn->id, msg->id)) {
            handle_results(db, txn, msg);
            return;
        }
    }
}

static void
handle_event(struct database *db, const struct ovsdb_cs_event *event)
{
    switch (event->type) {
    case OVSDB_CS_EVENT_TYPE_RECONNECT: {
        struct database_txn *txn;

        LIST_FOR_EACH_SAFE(txn, node, &db->txns) {
            end_txn(txn, DATABASE_LOST);
        }
        break;
    }

    case OVSDB_CS_EVENT_TYPE_TXN_REPLY:
        handle_reply(db, event->txn_reply);
        break;

    case OVSDB_CS_EVENT_TYPE_LOCKED:
    case OVSDB_CS_EVENT_TYPE_UPDATE: break;
    }
}

/* Leading. */

static void
raise_generation(struct database *db)
{
    struct json *ops = json_array_create_empty();
    struct json *op, *row;

    row = json_object_create();
    json_object_put_string(row, "active", db->controller);
    if (db->no_row) {
        op = database_op("insert", "Controller");
        json_object_put(row, "generation", json_integer_create(db->step));
        json_object_put(op, "row", row);
        json_array_add(ops, op);
    } else {
        op = database_op("mutate", "Controller");
        json_object_put(
            op, "mutations",
            json_array_create_1(json_array_create_3(
                json_string_create("generation"), json_string_create("+="),
                json_integer_create(db->step))));
        json_array_add(ops, op);
        op = database_op("update", "Controller");
        json_object_put(op, "row", row);
        json_array_add(ops, op);
    }
    op = database_op("select", "Controller");
    json_object_put(op, "columns",
                    json_array_create_1(json_string_create("generation")));
    json_array_add(ops, op);
    db->raising = send_txn(db, ops, false);
    db->state = RAISING;
}

/* The generation that the select, the last operation, found; or 0. */
static uint64_t
raised_to(const struct database_txn *txn)
{
    const struct json *result = database_txn_result(txn, txn->n - 1);
    const struct json *rows, *value;

    rows = result ? shash_find_data(json_object(result), "rows") : NULL;
    if (!rows || rows->type != JSON_ARRAY || json_array(rows)->n != 1
        || json_array(rows)->elems[0]->type != JSON_OBJECT) {
        return 0;
    }
    value = shash_find_data(json_object(json_array(rows)->elems[0]),
                            "generation");
    return value && value->type == JSON_INTEGER ? json_integer(value) : 0;
}

static void
handle_raised(struct database *db)
{
    enum database_status status = database_txn_status(db->raising);
    uint64_t generation = raised_to(db->raising);

    database_txn_destroy(db->raising);
    db->raising = NULL;
    db->state = FOLLOWING;
    if (status == DATABASE_DONE && generation) {
        db->generation = generation;
        db->step = 1;
        db->state = CATCHING_UP;
    } else if (status == DATABASE_DONE) {
        db->no_row = true;
    } else {
        db->no_row = false;
        db->raise_at = time_msec() + RETRY_MS;
    }
}

void
database_raise(struct database *db)
{
    if (database_is_ready(db)) {
        stop_leading(db, "a switch knows a later generation; it is raised");
        db->step = GENERATION_LEAP;
    }
}

/* What the replica shows, or 0. */
static uint64_t
shown_generation(const struct database *db)
{
    const struct batondb_controller *row = batondb_controller_first(db->idl);

    return row ? row->generation : 0;
}

/* Have rows the ids that they were written with?  While table Controller is
 * empty, nobody can tell. */
static bool
rows_are_themselves(const struct database *db)
{
    const struct batondb_controller *row = batondb_controller_first(db->idl);

    return !row || uuid_equals(&row->self, &row->header_.uuid);
}

static void
start_leading(struct database *db)
{
    db->state = LEADING;
    db->term++;
    VLOG_INFO("this controller leads, generation %" PRIu64, db->generation);
}

static void
start_upgrading(struct database *db)
{
    db->state = UPGRADING;
    db->upgrading = false;
    db->raising = send_txn(db, database_upgrade_ask(), true);
}

static void
handle_upgraded(struct database *db)
{
    const struct batondb_controller *row = batondb_controller_first(db->idl);
    struct database_txn *txn = db->raising;

    db->raising = NULL;
    if (database_txn_status(txn) != DATABASE_DONE || !row) {
        if (database_txn_status(txn) == DATABASE_REFUSED) {
            VLOG_ERR("rows do not get their own ids: %s",
                     database_txn_error(txn));
        }
        db->state = FOLLOWING;
        db->raise_at = time_msec() + RETRY_MS;
    } else if (db->upgrading) {
        db->state = CATCHING_UP;
    } else {
        db->upgrading = true;
        db->raising = send_txn(
            db,
            database_upgrade_compose(database_txn_result(txn, 0),
                                     &row->header_.uuid),
            true);
    }
    database_txn_destroy(txn);
}

static void
run_state(struct database *db)
{
    switch (db->state) {
    case FOLLOWING:
        if (ovsdb_cs_may_send_transaction(db->cs)
            && time_msec() >= db->raise_at) {
            raise_generation(db);
        }
        break;

    case RAISING:
        if (database_txn_ended(db->raising)) {
            handle_raised(db);
            poll_immediate_wake();
        }
        break;

    case UPGRADING:
        if (database_txn_ended(db->raising)) {
            handle_upgraded(db);
            poll_immediate_wake();
        }
        break;

    case CATCHING_UP:
    case LEADING:
        if (shown_generation(db) > db->generation) {
            stop_leading(db, "another one raised the generation");
        } else if (ovsdb_cs_is_lock_contended(db->cs)) {
            stop_leading(db, "another one has the database's lock");
        } else if (db->state == LEADING && !rows_are_themselves(db)) {
            stop_leading(db, "the database was restored");
        } else if (db->state == CATCHING_UP
                   && shown_generation(db) == db->generation) {
            if (rows_are_themselves(db)) {
                start_leading(db);
            } else {
                start_upgrading(db);
            }
        }
        break;
    }
}

/* Does it take writes again?  Nobody else may have anything to write. */
static void
run_probe(struct database *db)
{
    struct json *op, *ops;

    if (db->probe && database_txn_ended(db->probe)) {
        database_txn_destroy(db->probe);
        db->probe = NULL;
    }
    if (!db->trouble || db->probe || time_msec() < db->probe_at
        || !database_is_ready(db)) {
        return;
    }
    op = database_op("mutate", "Controller");
    json_object_put(op, "mutations",
                    json_array_create_1(json_array_create_3(
                        json_string_create("probes"), json_string_create("+="),
                        json_integer_create(1))));
    ops = json_array_create_1(op);
    db->probe = database_begin(db, ops);
}

void
database_run(struct database *db)
{
    struct ovsdb_cs_event *event;
    struct ovs_list events;

    ovsdb_idl_track_clear(db->idl);
    ovsdb_idl_run(db->idl);
    ovsdb_cs_run(db->cs, &events);
    LIST_FOR_EACH_POP(event, list_node, &events) {
        handle_event(db, event);
        ovsdb_cs_event_destroy(event);
    }
    run_state(db);
    run_probe(db);
}

void
database_wait(struct database *db)
{
    ovsdb_idl_wait(db->idl);
    ovsdb_cs_wait(db->cs);
    if (db->state == FOLLOWING && ovsdb_cs_may_send_transaction(db->cs)) {
        poll_timer_wait_until(db->raise_at);
    }
    if (db->trouble && !db->probe) {
        poll_timer_wait_until(db->probe_at);
    }
}

/* Has the oldest transaction had no answer for long? */
static bool
is_silent(const struct database *db)
{
    const struct database_txn *txn;

    if (ovs_list_is_empty(&db->txns)) {
        return false;
    }
    txn = CONTAINER_OF(ovs_list_front(&db->txns), struct database_txn, node);
    return time_msec() >= txn->sent + PATIENCE;
}

bool
database_leads(const struct database *db)
{
    return db->state == LEADING;
}

unsigned int
database_get_term(const struct database *db)
{
    return db->term;
}

uint64_t
database_get_generation(const struct database *db)
{
    return db->generation;
}

bool
database_is_ready(const struct database *db)
{
    return db->state == LEADING && ovsdb_cs_may_send_transaction(db->cs);
}

const char *
database_get_trouble(const struct database *db)
{
    if (database_is_ready(db)) {
        return is_silent(db) ? "the controller's database does not answer"
                             : db->trouble;
    } else if (!ovsdb_cs_is_connected(db->cs)) {
        return "the controller's database is away";
    } else if (ovsdb_cs_is_lock_contended(db->cs)) {
        return "another controller leads";
    }
    return db->trouble ? db->trouble
                       : "the controller's database is not ready yet";
}

struct ovsdb_idl *
database_get_idl(struct database *db)
{
    return db->idl;
}

const struct database_indexes *
database_get_indexes(const struct database *db)
{
    return &db->indexes;
}
