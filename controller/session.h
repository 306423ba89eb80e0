/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_SESSION_H
#define BATON_SESSION_H 1

/* A cache of the sessions that devices announced: names for people, and which
 * addresses of a block are in use.  It decides nothing (record.h does), and is
 * made anew when a device registers. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "openvswitch/hmap.h"
#include "openvswitch/uuid.h"
#include "simap.h"

struct session {
    struct hmap_node node; /* In struct sessions, by 'id'. */
    struct uuid id;
    struct in6_addr address;
    uint64_t epoch;
    char *device; /* That announced it. */
    char *name;
    char *service;
    bool marked; /* For session_cache_sweep(). */
};

struct session_cache {
    struct hmap sessions; /* struct session */
    struct simap counts;  /* How many are each device's. */
};

void session_cache_init(struct session_cache *);
void session_cache_destroy(struct session_cache *);

/* Adds a session or changes it. */
struct session *session_announce(struct session_cache *, const struct uuid *,
                                 const struct in6_addr *, uint64_t epoch,
                                 const char *device, const char *name,
                                 const char *service);
void session_forget(struct session_cache *, const struct uuid *);
struct session *session_find(const struct session_cache *,
                             const struct uuid *);
/* Of 'device' on 'address'. */
struct session *session_find_address(const struct session_cache *,
                                     const struct in6_addr *,
                                     const char *device);
size_t session_count_of(const struct session_cache *, const char *device);

/* session_cache_mark() marks all that 'device' announced; announcing one again
 * clears its mark; session_cache_sweep() forgets what is still marked. */
void session_cache_mark(struct session_cache *, const char *device);
void session_cache_sweep(struct session_cache *, const char *device);

#endif /* controller/session.h */
