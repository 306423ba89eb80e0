/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_RECORD_H
#define BATON_RECORD_H 1

/* The records that decide who owns a session: one for each session that was
 * ever in a transfer that got as far as a decision.  No record means: the
 * lessee of the block, at epoch 0.
 *
 * A record changes only by compare-and-set on its epoch and owner.  Writing
 * is asynchronous, as a database's is: record_begin_write() starts a write,
 * record_next_reply() hands out its end later, when it is as durable as it
 * will get.  A write that was lost on the way may have happened or not; the
 * caller repeats it, which changes nothing if it had.
 *
 * What record_find() shows is what was written, never what is under way.
 *
 * This store lives in memory and dies with its process. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "openvswitch/hmap.h"
#include "openvswitch/uuid.h"
#include "ticket.h"

struct record_store;

struct record {
    struct hmap_node node;         /* In struct record_store, by 'session'. */
    struct hmap_node address_node; /* The same by 'address', unless ended. */
    struct uuid session;
    struct in6_addr address;
    char *owner; /* Device. */
    uint64_t epoch;
    char *home; /* Device that opened the session. */
    char *name; /* Text for people. */
    char *service;
    struct uuid transfer;    /* That led to this epoch. */
    enum onward onward;      /* May 'owner' pass it on? */
    uint8_t depth;           /* How often still; 255: no limit. */
    bool ended;              /* A tombstone: only answers questions. */
    long long int forget_at; /* Milliseconds, when it has 'ended'. */
};

/* What a write changes, if the session is at (old_owner, old_epoch). */
struct record_change {
    struct uuid session;
    struct in6_addr address;
    const char *old_owner; /* Compared only where there is a record. */
    uint64_t old_epoch;    /* 0: there may be no record yet. */
    const char *new_owner; /* At old_epoch + 1. */
    const char *home, *name, *service;
    struct uuid transfer;
    enum onward onward;
    uint8_t depth;
};

enum record_status {
    RECORD_WRITTEN,  /* Now, or by an earlier try of the same. */
    RECORD_CONFLICT, /* Somebody else decided: see the record. */
    RECORD_LOST,     /* Unknown: repeat it. */
};

struct record_reply {
    uint64_t number; /* That record_begin_write() returned. */
    enum record_status status;
};

struct record_store *record_store_create(void);
void record_store_destroy(struct record_store *);

void record_store_run(struct record_store *, long long int now);
void record_store_wait(struct record_store *);

/* Starts a write; its reply will bear the number returned. */
uint64_t record_begin_write(struct record_store *,
                            const struct record_change *);
bool record_next_reply(struct record_store *, struct record_reply *);

/* The session ended: the record stays until 'forget_at' as a tombstone, so
 * that a device that asks late gets the right answer. */
void record_end(struct record_store *, const struct uuid *session,
                long long int forget_at);

const struct record *record_find(const struct record_store *,
                                 const struct uuid *session);
/* Of the living session on that address. */
const struct record *record_find_address(const struct record_store *,
                                         const struct in6_addr *);
/* A walk: NULL gives the first. */
const struct record *record_next(const struct record_store *,
                                 const struct record *);
size_t record_count(const struct record_store *);

/* For tests: the next 'n' replies are lost, after the write if 'applied',
 * otherwise instead of it. */
void record_store_lose(struct record_store *, unsigned int n, bool applied);

#endif /* controller/record.h */
