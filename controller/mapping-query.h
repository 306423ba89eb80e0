/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_MAPPING_QUERY_H
#define BATON_MAPPING_QUERY_H 1

/* Questions about mappings: what each translates, who has its session, since
 * when, and packets and bytes both ways.
 *
 * The last are counted by the bridges' flows, which are asked for them; the
 * answer waits for theirs, MAPPING_QUERY_TIMEOUT at the most.
 *
 *     "baton/mappings" of baton-ctl     all, and the movable services
 *     "mappings" of a device            those that are its own: whose service
 *                                       it has, or whose session */

#define MAPPING_QUERY_TIMEOUT 2000 /* Milliseconds. */

struct controller;

void mapping_queries_init(struct controller *);
void mapping_queries_run(struct controller *);
void mapping_queries_wait(struct controller *);
void mapping_queries_destroy(struct controller *);
void mapping_queries_register(struct controller *); /* For baton-ctl. */

#endif /* controller/mapping-query.h */
