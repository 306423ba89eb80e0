/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_HOLDER_ROWS_H
#define BATON_HOLDER_ROWS_H 1

/* The holders that must outlive the controller (holders_keep()), as rows of
 * the database's table Holder.  See upkeep.h, which calls this. */

struct devices;
struct holders;
struct json;
struct leases;
struct ovsdb_idl;

/* Adds what the rows say, of addresses that are permanent still, and devices
 * that policy knows.  'now' is in milliseconds. */
void holder_rows_load(const struct ovsdb_idl *, struct holders *,
                      const struct leases *, const struct devices *,
                      long long int now);
/* Adds to 'ops', an array, what makes the rows what 'holders' keeps. */
void holder_rows_write(const struct ovsdb_idl *, const struct holders *,
                       struct json *ops);

#endif /* controller/holder-rows.h */
