/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "record.h"

#include <stdlib.h>
#include <string.h>

#include "database.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "packets.h"
#include "record-private.h"
#include "schemas/baton-idl.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(record);

/* Milliseconds after which what the database did not take is tried again. */
#define RECORD_RETRY 1000

struct record_event {
    struct ovs_list node; /* In struct record_store. */
    struct uuid session;
};

struct record_store *
record_store_create(struct database *database)
{
    struct record_store *store = xzalloc(sizeof *store);

    hmap_init(&store->unseen);
    ovs_list_init(&store->replies);
    ovs_list_init(&store->tombstones);
    ovs_list_init(&store->changes);
    ovs_list_init(&store->pending);
    store->database = database;
    if (database) {
        store->idl = database_get_idl(database);
        store->by_address = database_get_indexes(database)->address;
    }
    return store;
}

static void
free_unseen(struct record_store *store, struct record_unseen *u)
{
    hmap_remove(&store->unseen, &u->node);
    free(u->owner);
    free(u->home);
    free(u);
}

void
record_store_destroy(struct record_store *store)
{
    if (store) {
        struct record_tombstone *tombstone;
        struct record_answer *answer;
        struct record_event *event;
        struct record_unseen *u;

        record_writes_destroy(store);
        HMAP_FOR_EACH_SAFE(u, node, &store->unseen) {
            free_unseen(store, u);
        }
        hmap_destroy(&store->unseen);
        LIST_FOR_EACH_POP(answer, node, &store->replies) {
            free(answer);
        }
        LIST_FOR_EACH_POP(tombstone, node, &store->tombstones) {
            free(tombstone);
        }
        LIST_FOR_EACH_POP(event, node, &store->changes) {
            free(event);
        }
        free(store);
    }
}

/* What the replica does not show yet. */

struct record_unseen *
record_unseen_find(const struct record_store *store,
                   const struct uuid *session)
{
    struct record_unseen *u;

    HMAP_FOR_EACH_WITH_HASH(u, node, uuid_hash(session), &store->unseen) {
        if (uuid_equals(&u->session, session)) {
            return u;
        }
    }
    return NULL;
}

static void
set_string(char **p, const char *s)
{
    char *old = *p; /* 's' may be that very string. */

    *p = xstrdup(s ? s : "");
    free(old);
}

/* Finds it, or makes it of what the replica shows. */
struct record_unseen *
record_unseen_get(struct record_store *store, const struct uuid *session)
{
    struct record_unseen *u = record_unseen_find(store, session);
    struct record record;

    if (u) {
        return u;
    }
    u = xzalloc(sizeof *u);
    if (record_find(store, session, &record) && record.row) {
        u->has_row = true;
        u->address = record.address;
        set_string(&u->owner, record.owner);
        u->epoch = record.epoch;
        set_string(&u->home, record.home);
        u->transfer = record.transfer;
        u->transfer_known = record.transfer_known;
        u->onward = record.onward;
        u->depth = record.depth;
        u->ended = record.ended;
    }
    u->session = *session;
    hmap_insert(&store->unseen, &u->node, uuid_hash(session));
    return u;
}

void
record_unseen_set(struct record_unseen *u, const struct record_change *change)
{
    if (!u->epoch) {
        u->address = change->address;
        set_string(&u->home, change->home);
    }
    set_string(&u->owner, change->new_owner);
    u->epoch = change->old_epoch + 1;
    u->transfer = change->transfer;
    u->transfer_known = true;
    u->onward = change->onward;
    u->depth = change->depth;
}

void
record_unseen_forget(struct record_store *store, struct record_unseen *u)
{
    free_unseen(store, u);
}

/* Looking. */

struct onward_right
record_onward_from_string(const char *s)
{
    struct onward_right right;

    return onward_from_string(s, &right)
               ? right
               : (struct onward_right){ ONWARD_NONE, 0 }; /* None writes it. */
}

bool
record_address_from_string(const char *s, struct in6_addr *addr)
{
    ovs_be32 ip;

    if (ip_parse(s, &ip)) {
        in6_addr_set_mapped_ipv4(addr, ip);
        return true;
    }
    return ipv6_parse(s, addr);
}

static const struct record *
look_at_unseen(const struct record_unseen *u, struct record *record)
{
    record->session = u->session;
    record->address = u->address;
    record->owner = u->owner;
    record->epoch = u->epoch;
    record->home = u->home;
    record->transfer = u->transfer;
    record->transfer_known = u->transfer_known;
    record->onward = u->onward;
    record->depth = u->depth;
    record->ended = u->ended;
    record->unseen = u;
    return record;
}

static const struct record *
look_at_row(const struct record_store *store,
            const struct batondb_session *row, struct record *record)
{
    const struct record_unseen *u = hmap_is_empty(&store->unseen)
                                        ? NULL
                                        : record_unseen_find(
                                            store, &row->header_.uuid);
    struct onward_right right;

    record->row = row;
    if (u) {
        return look_at_unseen(u, record);
    }
    record->unseen = NULL;
    record->session = row->header_.uuid;
    if (!record_address_from_string(row->address, &record->address)) {
        record->address = in6addr_any; /* Nobody's. */
    }
    record->owner = row->owner;
    record->epoch = row->epoch;
    record->home = row->home;
    record->transfer = UUID_ZERO;
    record->transfer_known = false;
    right = record_onward_from_string(row->onward);
    record->onward = right.onward;
    record->depth = right.depth;
    record->ended = row->ended != 0;
    return record;
}

static const struct batondb_session *
find_row(const struct record_store *store, const struct uuid *session)
{
    return store->database ? batondb_session_get_for_uuid(store->idl, session)
                           : NULL;
}

const struct record *
record_find(const struct record_store *store, const struct uuid *session,
            struct record *record)
{
    const struct record_unseen *u = record_unseen_find(store, session);
    const struct batondb_session *row;

    if (u) {
        record->row = NULL;
        return look_at_unseen(u, record);
    }
    row = find_row(store, session);
    return row ? look_at_row(store, row, record) : NULL;
}

const struct record *
record_find_address(const struct record_store *store,
                    const struct in6_addr *addr, struct record *record)
{
    const struct record_unseen *u;

    HMAP_FOR_EACH(u, node, &store->unseen) {
        if (!u->ended && ipv6_addr_equals(&u->address, addr)) {
            record->row = NULL;
            return look_at_unseen(u, record);
        }
    }
    if (store->database) {
        /* A new key each time: a string that is set again, libopenvswitch
         * does not free. */
        struct batondb_session *key = batondb_session_index_init_row(
            store->by_address);
        const struct batondb_session *row;
        char s[INET6_ADDRSTRLEN];

        ipv6_string_mapped(s, addr);
        batondb_session_index_set_address(key, s);
        batondb_session_index_set_ended(key, 0);
        row = batondb_session_index_find(store->by_address, key);
        batondb_session_index_destroy_row(key);
        if (row && !look_at_row(store, row, record)->ended) {
            return record;
        }
    }
    return NULL;
}

/* First those that the replica has, then those that it has not. */
bool
record_next(const struct record_store *store, struct record *record)
{
    const struct record_unseen *u = record->unseen;
    const struct hmap_node *node;

    if (store->database && (record->row || !u)) {
        record->row = record->row ? batondb_session_next(record->row)
                                  : batondb_session_first(store->idl);
        if (record->row) {
            look_at_row(store, record->row, record);
            return true;
        }
        u = NULL;
    }
    node = u ? hmap_next(&store->unseen, &u->node)
             : hmap_first(&store->unseen);
    for (; node; node = hmap_next(&store->unseen, node)) {
        u = CONTAINER_OF(node, struct record_unseen, node);
        if (!find_row(store, &u->session)) {
            look_at_unseen(u, record);
            return true;
        }
    }
    return false;
}

size_t
record_count(const struct record_store *store)
{
    struct record record = RECORD_WALK;
    size_t n = 0;

    while (record_next(store, &record)) {
        n++;
    }
    return n;
}

void
record_look(struct record_store *store, const struct uuid *session)
{
    if (store->database && database_is_ready(store->database)) {
        record_queue_look(store, session);
    }
}

/* Ends. */

void
record_end(struct record_store *store, const struct uuid *session,
           long long int expires)
{
    struct record_tombstone *tombstone;
    struct record record;

    if (!record_find(store, session, &record)) {
        return;
    }
    if (!record.ended) {
        struct record_unseen *u = record_unseen_get(store, session);

        u->ended = true;
        u->end_pending = store->database != NULL;
        store->n_ends++;
    }
    tombstone = xmalloc(sizeof *tombstone);
    tombstone->session = *session;
    tombstone->expires = expires;
    ovs_list_push_back(&store->tombstones, &tombstone->node);
}

/* Tombstones come in about the order in which they go. */
bool
record_next_expired(struct record_store *store, struct record *record)
{
    struct record_tombstone *tombstone;

    LIST_FOR_EACH_SAFE(tombstone, node, &store->tombstones) {
        bool found;

        if (store->now < tombstone->expires) {
            break;
        }
        found = record_find(store, &tombstone->session, record) != NULL;
        ovs_list_remove(&tombstone->node);
        free(tombstone);
        if (found && record->ended) {
            return true;
        }
    }
    return false;
}

void
record_forget(struct record_store *store, const struct uuid *session)
{
    if (store->database) {
        if (!record_forget_row(store, session)) {
            record_end(store, session, store->now + RECORD_RETRY);
        }
    } else {
        struct record_unseen *u = record_unseen_find(store, session);

        if (u) {
            free_unseen(store, u);
        }
    }
}

/* The replica. */

static void
handle_row(struct record_store *store, const struct batondb_session *row)
{
    const struct uuid *session = &row->header_.uuid;
    struct record_unseen *u = record_unseen_find(store, session);
    struct record_event *event;

    if (u) {
        /* A replica that was made anew deletes what it then has again. */
        if (batondb_session_is_deleted(row)
                ? !find_row(store, session)
                : row->epoch >= u->epoch && (row->ended || !u->ended)) {
            free_unseen(store, u);
        }
        return;
    }
    event = xmalloc(sizeof *event);
    event->session = *session;
    ovs_list_push_back(&store->changes, &event->node);
}

void
record_store_run(struct record_store *store, long long int now)
{
    store->now = now;
    if (store->database) {
        const struct batondb_session *row;

        record_writes_run(store);
        BATONDB_SESSION_FOR_EACH_TRACKED(row, store->idl)
        {
            handle_row(store, row);
        }
    }
    record_store_flush(store);
}

bool
record_next_change(struct record_store *store, struct uuid *session)
{
    struct record_event *event;

    if (ovs_list_is_empty(&store->changes)) {
        return false;
    }
    event = CONTAINER_OF(ovs_list_pop_front(&store->changes),
                         struct record_event, node);
    *session = event->session;
    free(event);
    return true;
}

void
record_store_wait(struct record_store *store)
{
    if (!ovs_list_is_empty(&store->replies)
        || !ovs_list_is_empty(&store->changes)) {
        poll_immediate_wake();
    }
    record_writes_wait(store);
}

const char *
record_store_get_trouble(const struct record_store *store)
{
    return store->database ? database_get_trouble(store->database) : NULL;
}

/* Writes. */

void
record_answer(struct record_store *store, uint64_t number,
              enum record_status status)
{
    struct record_answer *answer = xmalloc(sizeof *answer);

    answer->reply.number = number;
    answer->reply.status = status;
    ovs_list_push_back(&store->replies, &answer->node);
}

enum record_status
record_compare(const struct record_store *store,
               const struct record_change *change, bool *undecided)
{
    struct record record;

    *undecided = false;
    if (!record_find(store, &change->session, &record)) {
        /* An address is one living session's. */
        if (change->old_epoch
            || record_find_address(store, &change->address, &record)) {
            return RECORD_CONFLICT;
        }
        *undecided = true;
        return RECORD_WRITTEN;
    }
    if (record.epoch == change->old_epoch + 1
        && !strcmp(record.owner, change->new_owner)) {
        if (!record.transfer_known) {
            *undecided = true; /* It changes nothing, and then looks. */
            return RECORD_WRITTEN;
        } else if (uuid_equals(&record.transfer, &change->transfer)) {
            return RECORD_WRITTEN; /* The same write, tried before. */
        }
    }
    if (record.ended || record.epoch != change->old_epoch
        || strcmp(record.owner, change->old_owner)) {
        return RECORD_CONFLICT;
    }
    *undecided = true;
    return RECORD_WRITTEN;
}

/* In memory, as the database would. */
static enum record_status
write_in_memory(struct record_store *store, const struct record_change *change)
{
    enum record_status status = RECORD_LOST;
    bool lose = store->lose > 0;

    if (!lose || store->lose_applied) {
        bool undecided;

        status = record_compare(store, change, &undecided);
        if (undecided) {
            record_unseen_set(record_unseen_get(store, &change->session),
                              change);
        }
    }
    store->lose -= lose;
    return lose ? RECORD_LOST : status;
}

uint64_t
record_begin_write(struct record_store *store,
                   const struct record_change *change)
{
    uint64_t number = ++store->n_writes;
    enum record_status status;
    bool undecided = false;

    if (!store->database) {
        status = write_in_memory(store, change);
    } else if (database_is_ready(store->database)) {
        status = record_compare(store, change, &undecided);
    } else {
        status = RECORD_LOST;
    }
    if (undecided) {
        record_queue_write(store, number, change);
    } else {
        record_answer(store, number, status);
    }
    return number;
}

bool
record_next_reply(struct record_store *store, struct record_reply *reply)
{
    struct record_answer *answer;

    if (ovs_list_is_empty(&store->replies)) {
        return false;
    }
    answer = CONTAINER_OF(ovs_list_pop_front(&store->replies),
                          struct record_answer, node);
    *reply = answer->reply;
    free(answer);
    return true;
}

void
record_store_lose(struct record_store *store, unsigned int n, bool applied)
{
    store->lose = n;
    store->lose_applied = applied;
}
