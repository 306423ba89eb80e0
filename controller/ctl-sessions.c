/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "ctl-sessions.h"

#include <stdlib.h>

#include "controller.h"
#include "database.h"
#include "database-op.h"
#include "lease.h"
#include "message.h"
#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "record.h"
#include "session-path.h"
#include "transfer.h"
#include "unixctl.h"
#include "util.h"
#include "uuid.h"

/* One that waits for the database. */
struct ctl_sessions {
    struct ovs_list node; /* In struct controller. */
    struct unixctl_conn *conn;
    struct database_txn *txn;
};

/* What is known of a session. */
struct shown {
    const struct uuid *id;
    const struct in6_addr *address;
    const char *name, *service, *owner, *home;
    uint64_t epoch;
    struct onward_right right;
};

static struct json *
show(const struct controller *c, const struct shown *s)
{
    struct json *object = json_object_create();
    const struct transfer *t = transfers_find_session(c->transfers, s->id);
    const char *bridge = leases_home_bridge(c->leases, s->address);
    /* The way that its packets take from its home to its owner. */
    char *path = session_path_describe(c, s->owner, bridge);
    char onward[ONWARD_STRING_LEN];

    onward_to_string(s->right, onward);
    message_put_uuid(object, "session", s->id);
    message_put_address(object, "address", s->address);
    message_put_string(object, "name", s->name);
    message_put_string(object, "service", s->service);
    message_put_string(object, "owner", s->owner);
    message_put_integer(object, "epoch", s->epoch);
    message_put_string(object, "home", s->home);
    message_put_string(object, "onward", onward);
    message_put_string(object, "bridge", bridge ? bridge : "");
    message_put_string(object, "path", path);
    message_put_string(object, "state",
                       t ? (t->state == TRANSFER_SETTLED
                                ? "introduced"
                                : transfer_state_to_string(t->state))
                         : "settled");
    free(path);
    return object;
}

static struct json *
show_unmoved(const struct controller *c, const struct session *session)
{
    return show(c, &(struct shown){
                       .id = &session->id,
                       .address = &session->address,
                       .name = session->name,
                       .service = session->service,
                       .owner = session->device,
                       .home = session->device,
                       .epoch = session->epoch,
                       .right = ONWARD_RIGHT_ALL,
                   });
}

/* The text in a row (or NULL) of the database. */
static const char *
text_of(const struct json *row, const char *column)
{
    const struct json *value = row ? shash_find_data(json_object(row), column)
                                   : NULL;

    return value && value->type == JSON_STRING ? json_string(value) : "";
}

static struct json *
show_moved(const struct controller *c, const struct record *record,
           const struct shash *rows)
{
    const struct session *session = session_find(&c->sessions,
                                                 &record->session);
    char id[UUID_LEN + 1];

    snprintf(id, sizeof id, UUID_FMT, UUID_ARGS(&record->session));
    const struct json *row = session ? NULL : shash_find_data(rows, id);
    return show(
        c, &(struct shown){
               .id = &record->session,
               .address = &record->address,
               .name = session ? session->name : text_of(row, "name"),
               .service = session ? session->service : text_of(row, "service"),
               .owner = record->owner,
               .home = record->home,
               .epoch = record->epoch,
               .right = strcmp(record->owner, record->home)
                            ? (struct onward_right){ record->onward,
                                                     record->depth }
                            : ONWARD_RIGHT_ALL,
           });
}

/* 'rows': of the database, by session. */
static void
reply(const struct controller *c, struct unixctl_conn *conn,
      const struct shash *rows)
{
    struct json *array = json_array_create_empty();
    struct json *object = json_object_create();
    const struct session *session;
    struct record record;
    char *s;

    HMAP_FOR_EACH(session, node, &c->sessions.sessions) {
        if (!record_find(c->records, &session->id, &record)) {
            json_array_add(array, show_unmoved(c, session));
        }
    }
    record = (struct record) RECORD_WALK;
    while (record_next(c->records, &record)) {
        if (!record.ended) {
            json_array_add(array, show_moved(c, &record, rows));
        }
    }
    json_object_put(object, "sessions", array);
    s = json_to_string(object, JSSF_SORT);
    unixctl_command_reply(conn, s);
    free(s);
    json_destroy(object);
}

/* Is there one of which only the database knows what it is called? */
static bool
is_name_wanted(const struct controller *c)
{
    struct record record = RECORD_WALK;

    while (record_next(c->records, &record)) {
        if (!record.ended && !session_find(&c->sessions, &record.session)) {
            return true;
        }
    }
    return false;
}

static struct json *
ask_names(void)
{
    struct json *op = database_op("select", "Session");

    json_object_put(op, "columns",
                    json_array_create_3(json_string_create("session"),
                                        json_string_create("name"),
                                        json_string_create("service")));
    database_op_where(op, "ended", json_integer_create(0));
    return json_array_create_1(op);
}

static void
ctl_sessions(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[] OVS_UNUSED, void *c_)
{
    struct shash none = SHASH_INITIALIZER(&none);
    struct controller *c = c_;

    if (c->database && is_name_wanted(c)) {
        struct ctl_sessions *asked = xmalloc(sizeof *asked);

        asked->conn = conn;
        asked->txn = database_begin(c->database, ask_names());
        ovs_list_push_back(&c->session_lists, &asked->node);
    } else {
        reply(c, conn, &none);
    }
}

/* The rows in 'result' (or NULL), by session; they stay its own. */
static void
read_names(const struct json *result, struct shash *names)
{
    const struct json *rows = result ? shash_find_data(json_object(result),
                                                       "rows")
                                     : NULL;

    for (size_t i = 0;
         rows && rows->type == JSON_ARRAY && i < json_array(rows)->n; i++) {
        const struct json *row = json_array(rows)->elems[i];
        const char *id = row->type == JSON_OBJECT
                             ? database_uuid_in(row, "session")
                             : NULL;

        if (id) {
            shash_add(names, id, row);
        }
    }
}

static void
destroy(struct ctl_sessions *asked)
{
    ovs_list_remove(&asked->node);
    database_txn_destroy(asked->txn);
    free(asked);
}

void
ctl_sessions_run(struct controller *c)
{
    struct ctl_sessions *asked;

    LIST_FOR_EACH_SAFE(asked, node, &c->session_lists) {
        if (database_txn_ended(asked->txn)) {
            struct shash names = SHASH_INITIALIZER(&names);

            read_names(database_txn_result(asked->txn, 0), &names);
            reply(c, asked->conn, &names);
            shash_destroy(&names);
            destroy(asked);
        }
    }
}

void
ctl_sessions_wait(const struct controller *c)
{
    const struct ctl_sessions *asked;

    LIST_FOR_EACH(asked, node, &c->session_lists) {
        if (database_txn_ended(asked->txn)) {
            poll_immediate_wake();
        }
    }
}

void
ctl_sessions_destroy(struct controller *c)
{
    struct ctl_sessions *asked;

    LIST_FOR_EACH_SAFE(asked, node, &c->session_lists) {
        unixctl_command_reply_error(asked->conn, "the controller ends");
        destroy(asked);
    }
}

void
ctl_sessions_register(struct controller *c)
{
    unixctl_command_register("baton/sessions", "", 0, 0, ctl_sessions, c);
}
