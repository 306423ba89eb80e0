/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_RECORD_H
#define BATON_RECORD_H 1

/* The records that decide who owns a session: one for each session that was
 * ever in a transfer that got as far as a decision.  No record means: the
 * lessee of the block, at epoch 0.
 *
 * They are the rows of table Session in the database (database.h), of which
 * the replica is read in place.  Beside it there is only what was written and
 * the replica does not show yet.
 *
 * A record changes only by compare-and-set on its epoch and owner, which the
 * database does.  Writing is asynchronous: record_begin_write() starts a
 * write, record_next_reply() hands out its end later, when it is durable.  A
 * write that was lost on the way may have happened or not; the caller repeats
 * it, which changes nothing if it had.
 *
 *     database_run(database);
 *     record_store_run(store, now);
 *     while (record_next_reply(store, &reply)) { ... }
 *     ... record_begin_write(store, &change) ...
 *     record_store_flush(store);         what was begun is on its way
 *
 * Writes that begin while others are on their way share a transaction, in
 * which each has its own fate.
 *
 * What record_find() shows is what was written, never what is under way. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "openvswitch/uuid.h"
#include "ticket.h"

struct batondb_session;
struct database;
struct record_store;

/* A look at a record: what is decided by.  What a session is called and which
 * service it is of stays in the database, and so does which transfer led to
 * its epoch, unless that was written or looked for here.  Strings are the store's, and good until the next
 * database_run() or record_store_run(). */
struct record {
    struct uuid session;
    struct in6_addr address;
    const char *owner; /* Device. */
    uint64_t epoch;
    const char *home;     /* Device that opened the session. */
    struct uuid transfer; /* That led to this epoch... */
    bool transfer_known;  /* ...or see record_look(). */
    enum onward onward;   /* May 'owner' pass it on? */
    uint8_t depth;        /* How often still; 255: no limit. */
    bool ended;           /* A tombstone: only answers questions. */

    /* Where a walk is. */
    const struct batondb_session *row;
    const void *unseen;
};

/* What a write changes, if the session is at (old_owner, old_epoch). */
struct record_change {
    struct uuid session;
    struct in6_addr address;
    const char *old_owner; /* Compared only where there is a record. */
    uint64_t old_epoch;    /* 0: there may be no record yet. */
    const char *new_owner; /* At old_epoch + 1. */
    const char *home;
    /* For people; what is NULL or "" stays as it is in the database. */
    const char *name, *service;
    struct uuid transfer;
    enum onward onward;
    uint8_t depth;
};

enum record_status {
    RECORD_WRITTEN,  /* Now, or by an earlier try of the same. */
    RECORD_CONFLICT, /* Somebody else decided: see the record. */
    RECORD_LOST,     /* Unknown, or the database is away: repeat it. */
};

struct record_reply {
    uint64_t number; /* That record_begin_write() returned. */
    enum record_status status;
};

/* 'database' NULL: in memory, for tests; writes are done at once. */
struct record_store *record_store_create(struct database *database);
void record_store_destroy(struct record_store *);

void record_store_run(struct record_store *, long long int now);
void record_store_wait(struct record_store *);
/* NULL, or why no write can be begun now. */
const char *record_store_get_trouble(const struct record_store *);

/* Starts a write; its reply will bear the number returned. */
uint64_t record_begin_write(struct record_store *,
                            const struct record_change *);
void record_store_flush(struct record_store *);
bool record_next_reply(struct record_store *, struct record_reply *);

/* The session ended: the record stays as a tombstone, so that a device that
 * asks late gets the right answer.  Shows at once, and is written when it can
 * be.  From 'expires' (milliseconds) it comes out of record_next_expired(),
 * once, for the caller to forget it or to let it stay by record_end(). */
void record_end(struct record_store *, const struct uuid *session,
                long long int expires);
bool record_next_expired(struct record_store *, struct record *);
void record_forget(struct record_store *, const struct uuid *session);

/* Has the database asked which transfer led to the record's epoch, if that is
 * not known: record_find() shows it soon. */
void record_look(struct record_store *, const struct uuid *session);

/* A record that somebody else changed in the database. */
bool record_next_change(struct record_store *, struct uuid *session);

/* Fills 'record' and returns it, or NULL. */
const struct record *record_find(const struct record_store *,
                                 const struct uuid *session,
                                 struct record *record);
/* Of the living session on that address. */
const struct record *record_find_address(const struct record_store *,
                                         const struct in6_addr *,
                                         struct record *record);
/* A walk: begin with RECORD_WALK. */
#define RECORD_WALK                 \
    {                               \
        .row = NULL, .unseen = NULL \
    }
bool record_next(const struct record_store *, struct record *);
size_t record_count(const struct record_store *);

/* For tests, in memory: the next 'n' replies are lost, after the write if
 * 'applied', otherwise instead of it. */
void record_store_lose(struct record_store *, unsigned int n, bool applied);

#endif /* controller/record.h */
