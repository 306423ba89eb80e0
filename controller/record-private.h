/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_RECORD_PRIVATE_H
#define BATON_RECORD_PRIVATE_H 1

/* Between record.c, which looks at records, and record-write.c, which writes
 * them. */

#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "record.h"

struct json;
struct ovsdb_idl;
struct ovsdb_idl_index;
struct record_batch;

/* A record as it was written, which the replica does not show yet. */
struct record_unseen {
    struct hmap_node node; /* In struct record_store, by 'session'. */
    struct uuid session;   /* And the row's id. */
    bool has_row;
    bool end_pending; /* Its end is still to be written. */
    struct in6_addr address;
    char *owner, *home;
    uint64_t epoch;
    struct uuid transfer;
    bool transfer_known;
    enum onward onward;
    uint8_t depth;
    bool ended;
};

struct record_tombstone {
    struct ovs_list node; /* In struct record_store. */
    struct uuid session;
    long long int expires; /* Milliseconds. */
};

struct record_answer {
    struct ovs_list node; /* In struct record_store. */
    struct record_reply reply;
};

struct record_store {
    struct database *database; /* NULL: in memory.  Not owned. */
    struct ovsdb_idl *idl;
    struct ovsdb_idl_index *by_address;

    struct hmap unseen;         /* struct record_unseen */
    struct ovs_list replies;    /* struct record_answer */
    struct ovs_list tombstones; /* struct record_tombstone */
    struct ovs_list changes;    /* Sessions that somebody else changed. */
    uint64_t n_writes;
    long long int now; /* Of the last record_store_run(). */

    /* Of record-write.c. */
    struct ovs_list pending;    /* struct record_write, to be sent. */
    struct record_batch *batch; /* On its way; or NULL. */
    size_t n_ends;              /* Ends begun: some may be pending. */
    long long int retry_at;     /* Of ends and forgetting. */

    /* For tests. */
    unsigned int lose; /* Replies still to lose. */
    bool lose_applied;
};

/* In record.c. */
struct record_unseen *record_unseen_find(const struct record_store *,
                                         const struct uuid *session);
struct record_unseen *record_unseen_get(struct record_store *,
                                        const struct uuid *session);
void record_unseen_set(struct record_unseen *, const struct record_change *);
void record_unseen_forget(struct record_store *, struct record_unseen *);
void record_answer(struct record_store *, uint64_t number, enum record_status);
/* How a write of 'change' ends, by what is known; with '*undecided', it is to
 * be tried. */
enum record_status record_compare(const struct record_store *,
                                  const struct record_change *,
                                  bool *undecided);
struct onward_right record_onward_from_string(const char *);
bool record_address_from_string(const char *, struct in6_addr *);

/* In record-write.c. */
void record_queue_write(struct record_store *, uint64_t number,
                        const struct record_change *);
void record_queue_look(struct record_store *, const struct uuid *session);
/* Starts to delete a tombstone's row; false if that cannot be now. */
bool record_forget_row(struct record_store *, const struct uuid *session);
void record_writes_run(struct record_store *);
void record_writes_wait(struct record_store *);
void record_writes_destroy(struct record_store *);

#endif /* controller/record-private.h */
