/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_UPKEEP_H
#define BATON_UPKEEP_H 1

/* Keeps in the database, beside the records, what must outlive the controller
 * and is in no hurry: leases of blocks, where devices are attached, to which
 * their sessions' flows point, which have tunnels of their own, the next hops of
 * sessions that are away, and who may still hold a device's own address.
 *
 *     upkeep_load(upkeep, ...);              at the start, when we lead
 *     upkeep_place_changed(upkeep, "tv");    whenever it did
 *     upkeep_run(upkeep, ...);               each time around the main loop
 *
 * All that is to be written goes in one transaction; the next waits until it
 * has ended.  What could not be written is tried again, from what is so
 * then. */

#include <stdint.h>

struct database;
struct devices;
struct holders;
struct leases;
struct neighbours;
struct upkeep;

struct upkeep *upkeep_create(struct database *);
void upkeep_destroy(struct upkeep *);

/* Fills 'leases', whose pools are configured, the places and tunnels of
 * 'devices', 'neighbours' and 'holders'. */
void upkeep_load(struct upkeep *, struct leases *, struct devices *,
                 struct neighbours *, struct holders *, long long int now);

/* 'upkeep' may be NULL. */
void upkeep_place_changed(struct upkeep *, const char *device);
/* The next hops of a bridge have. */
void upkeep_next_hops_changed(struct upkeep *, const char *bridge);
/* The tunnels of a device have. */
void upkeep_tunnels_changed(struct upkeep *, const char *device);

void upkeep_run(struct upkeep *, struct leases *, const struct devices *,
                const struct neighbours *, const struct holders *,
                long long int now);
void upkeep_wait(const struct upkeep *, const struct leases *,
                 const struct holders *);
/* Counts transactions that have ended. */
uint64_t upkeep_get_seqno(const struct upkeep *);

#endif /* controller/upkeep.h */
