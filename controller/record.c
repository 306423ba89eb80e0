/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "record.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "packets.h"
#include "util.h"
#include "uuid.h"

struct record_answer {
    struct ovs_list node; /* In struct record_store. */
    struct record_reply reply;
};

struct record_store {
    struct hmap records;     /* struct record, by session. */
    struct hmap addresses;   /* struct record, by address. */
    struct ovs_list replies; /* struct record_answer */
    uint64_t n_writes;
    size_t n_ended;    /* Tombstones among 'records'. */
    unsigned int lose; /* Replies still to lose. */
    bool lose_applied;
};

struct record_store *
record_store_create(void)
{
    struct record_store *store = xzalloc(sizeof *store);

    hmap_init(&store->records);
    hmap_init(&store->addresses);
    ovs_list_init(&store->replies);
    return store;
}

static uint32_t
hash_address(const struct in6_addr *addr)
{
    return hash_bytes(addr, sizeof *addr, 0);
}

static struct record *
find(const struct record_store *store, const struct uuid *session)
{
    struct record *record;

    HMAP_FOR_EACH_WITH_HASH(record, node, uuid_hash(session),
                            &store->records) {
        if (uuid_equals(&record->session, session)) {
            return record;
        }
    }
    return NULL;
}

static void
forget(struct record_store *store, struct record *record)
{
    hmap_remove(&store->records, &record->node);
    if (record->ended) {
        store->n_ended--;
    } else {
        hmap_remove(&store->addresses, &record->address_node);
    }
    free(record->owner);
    free(record->home);
    free(record->name);
    free(record->service);
    free(record);
}

void
record_store_destroy(struct record_store *store)
{
    if (store) {
        struct record_answer *answer;
        struct record *record;

        HMAP_FOR_EACH_SAFE(record, node, &store->records) {
            forget(store, record);
        }
        hmap_destroy(&store->records);
        hmap_destroy(&store->addresses);
        LIST_FOR_EACH_POP(answer, node, &store->replies) {
            free(answer);
        }
        free(store);
    }
}

void
record_store_run(struct record_store *store, long long int now)
{
    if (store->n_ended) {
        struct record *record;

        HMAP_FOR_EACH_SAFE(record, node, &store->records) {
            if (record->ended && now >= record->forget_at) {
                forget(store, record);
            }
        }
    }
}

void
record_store_wait(struct record_store *store)
{
    if (!ovs_list_is_empty(&store->replies)) {
        poll_immediate_wake();
    }
}

static void
set_string(char **p, const char *s)
{
    char *old = *p; /* 's' may be that very string. */

    *p = xstrdup(s ? s : "");
    free(old);
}

static void
apply(struct record *record, const struct record_change *change)
{
    set_string(&record->owner, change->new_owner);
    set_string(&record->name, change->name);
    set_string(&record->service, change->service);
    record->epoch = change->old_epoch + 1;
    record->transfer = change->transfer;
    record->onward = change->onward;
    record->depth = change->depth;
}

static enum record_status
compare_and_set(struct record_store *store, const struct record_change *change)
{
    struct record *record = find(store, &change->session);

    if (!record) {
        /* An address is one living session's. */
        if (change->old_epoch
            || record_find_address(store, &change->address)) {
            return RECORD_CONFLICT;
        }
        record = xzalloc(sizeof *record);
        record->session = change->session;
        record->address = change->address;
        set_string(&record->home, change->home);
        hmap_insert(&store->records, &record->node,
                    uuid_hash(&record->session));
        hmap_insert(&store->addresses, &record->address_node,
                    hash_address(&record->address));
        apply(record, change);
        return RECORD_WRITTEN;
    }

    if (record->epoch == change->old_epoch + 1
        && uuid_equals(&record->transfer, &change->transfer)
        && !strcmp(record->owner, change->new_owner)) {
        return RECORD_WRITTEN; /* The same write, tried before. */
    }
    if (record->ended || record->epoch != change->old_epoch
        || strcmp(record->owner, change->old_owner)) {
        return RECORD_CONFLICT;
    }
    apply(record, change);
    return RECORD_WRITTEN;
}

uint64_t
record_begin_write(struct record_store *store,
                   const struct record_change *change)
{
    struct record_answer *answer = xzalloc(sizeof *answer);

    answer->reply.number = ++store->n_writes;
    if (store->lose && !store->lose_applied) {
        answer->reply.status = RECORD_LOST;
    } else {
        answer->reply.status = compare_and_set(store, change);
        if (store->lose) {
            answer->reply.status = RECORD_LOST;
        }
    }
    if (store->lose) {
        store->lose--;
    }
    ovs_list_push_back(&store->replies, &answer->node);
    return answer->reply.number;
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
record_end(struct record_store *store, const struct uuid *session,
           long long int forget_at)
{
    struct record *record = find(store, session);

    if (record && !record->ended) {
        hmap_remove(&store->addresses, &record->address_node);
        record->ended = true;
        record->forget_at = forget_at;
        store->n_ended++;
    }
}

const struct record *
record_find(const struct record_store *store, const struct uuid *session)
{
    return find(store, session);
}

const struct record *
record_find_address(const struct record_store *store,
                    const struct in6_addr *addr)
{
    const struct record *record;

    HMAP_FOR_EACH_WITH_HASH(record, address_node, hash_address(addr),
                            &store->addresses) {
        if (ipv6_addr_equals(&record->address, addr)) {
            return record;
        }
    }
    return NULL;
}

const struct record *
record_next(const struct record_store *store, const struct record *record)
{
    const struct hmap_node *node = record ? hmap_next(&store->records,
                                                      &record->node)
                                          : hmap_first(&store->records);

    return node ? CONTAINER_OF(node, struct record, node) : NULL;
}

size_t
record_count(const struct record_store *store)
{
    return hmap_count(&store->records);
}

void
record_store_lose(struct record_store *store, unsigned int n, bool applied)
{
    store->lose = n;
    store->lose_applied = applied;
}
