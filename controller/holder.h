/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_HOLDER_H
#define BATON_HOLDER_H 1

/* Devices beside the owner that may still have a session's address on their
 * host: the one that gave the session away, until it has heard the last late
 * packet; the one that was to take it, until it has cleared up.  They say
 * "left" when they have let go.
 *
 * A session may end meanwhile.  Its address rests from when the last of them
 * has let go, not before (invariant I6):
 *
 *     holders_add(hs, &address, "tv", &transfer, now);
 *     holders_await(hs, &address);           the session has ended
 *     holders_left(hs, &address, "tv", &transfer);
 *     while (holders_next_left(hs, &address)) ... now it may rest
 *
 * A device that is not connected is waited for: nobody knows what it has.  Of
 * an address that is a device's own that must outlive the controller, which
 * bars such a host from it: holders_keep(), and holder-rows.h.
 * Pure: no device, no clock. */

#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>

#include "openvswitch/uuid.h"

struct holders;

struct holders *holders_create(void);
void holders_destroy(struct holders *);

/* 'device' may have 'address' from now on, by 'transfer'; in place of what was
 * said of the two before.  'now' is in milliseconds. */
void holders_add(struct holders *, const struct in6_addr *, const char *device,
                 const struct uuid *transfer, long long int now);
/* It has let go of what it had by 'transfer'.  Without effect if it is in the
 * address's next transfer already. */
void holders_left(struct holders *, const struct in6_addr *,
                  const char *device, const struct uuid *transfer);
/* It holds nothing any more of what was added before 'since'. */
void holders_forget(struct holders *, const char *device, long long int since);

/* What is said of the two is to be kept in the database. */
void holders_keep(struct holders *, const struct in6_addr *,
                  const char *device);

struct holder_kept {
    struct in6_addr address;
    const char *device; /* Until it is forgotten. */
    struct uuid transfer;
};

/* Changes with those that are to be kept. */
uint64_t holders_seqno(const struct holders *);
/* A walk through them: the one after '*cookie', which begins as NULL. */
bool holders_next_kept(const struct holders *, void **cookie,
                       struct holder_kept *);

bool holders_any(const struct holders *, const struct in6_addr *);
/* A walk: the next one after '*cookie', which begins as NULL; or NULL. */
const char *holders_next(const struct holders *, const struct in6_addr *,
                         void **cookie);

/* The session on the address has ended: the address comes out of
 * holders_next_left(), once, as soon as nobody holds it. */
void holders_await(struct holders *, const struct in6_addr *);
bool holders_next_left(struct holders *, struct in6_addr *);

#endif /* controller/holder.h */
