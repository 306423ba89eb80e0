/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_DATABASE_H
#define BATON_DATABASE_H 1

/* The controller's connection to its database (schemas/baton.ovsschema): a
 * replica to read, and transactions to write, each fenced and durable.
 *
 *     database = database_create("unix:/run/baton/db.sock", "c1");
 *
 *     database_run(database);                each time around the main loop
 *     if (database_leads(database)) { ... }
 *     txn = database_begin(database, ops);
 *     ...
 *     if (database_txn_ended(txn)) {
 *         ... database_txn_status(txn), database_txn_result(txn, i) ...
 *         database_txn_destroy(txn);
 *     }
 *
 * One controller leads: the one that got the database's lock and then raised
 * the generation in table Controller.  It leads until somebody else raises
 * that further, even while the database is away.  Every transaction waits for
 * its generation to be the one in the table, so one that was paused or cut off
 * while another took over writes nothing any more; the generation is the
 * OpenFlow generation_id as well.  It begins to lead only when its replica
 * holds all that was written before it raised the generation.
 *
 * Every transaction asks for "durable", which libopenvswitch's IDL does not;
 * so they go by a connection of their own, and a reply may overtake what the
 * replica shows. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct database;
struct database_txn;
struct json;
struct ovsdb_idl;
struct ovsdb_idl_index;
struct uuid;

/* 'remote': "unix:...", "tcp:..." or "ssl:...", several of a cluster's with
 * commas between.  'controller': for people, who leads. */
struct database *database_create(const char *remote, const char *controller);
void database_destroy(struct database *);
void database_run(struct database *);
void database_wait(struct database *);

bool database_leads(const struct database *);
/* Counts how often it began to lead: what was read before is stale. */
unsigned int database_get_term(const struct database *);
uint64_t database_get_generation(const struct database *);
/* Raises the generation by much, and begins another term: somebody knows a
 * later one than that in the database. */
void database_raise(struct database *);
/* May a transaction begin now? */
bool database_is_ready(const struct database *);
/* For people: NULL if it is ready and takes writes, otherwise why not. */
const char *database_get_trouble(const struct database *);
/* The replica; tracked changes are those of the last database_run(). */
struct ovsdb_idl *database_get_idl(struct database *);

/* Of the replica; they are its own for as long as it lives. */
struct database_indexes {
    struct ovsdb_idl_index *address; /* Of Session by "address", "ended". */
    struct ovsdb_idl_index *block;   /* Of Lease by "block". */
    struct ovsdb_idl_index *device;  /* Of Device by "name". */
};
const struct database_indexes *database_get_indexes(const struct database *);

enum database_status {
    DATABASE_DONE,    /* Written, durably. */
    DATABASE_REFUSED, /* Not written. */
    DATABASE_LOST,    /* Written or not: the connection was lost. */
};

/* Starts a transaction of 'ops', an array, which is taken.  If the database is
 * not ready, it has ended at once, as refused. */
struct database_txn *database_begin(struct database *, struct json *ops);
void database_txn_destroy(struct database_txn *);
bool database_txn_ended(const struct database_txn *);
enum database_status database_txn_status(const struct database_txn *);
/* The result of the i-th of 'ops', an object; NULL if there is none. */
const struct json *database_txn_result(const struct database_txn *, size_t i);
/* If it was refused: "constraint violation" or the like. */
const char *database_txn_error(const struct database_txn *);
/* Does that error say that what is written is there already, or breaks a rule
 * of the schema? */
bool database_error_is_conflict(const char *error);

#endif /* controller/database.h */
