/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_REFRESH_H
#define BATON_REFRESH_H 1

/* Keeps the bridges' flows as records, leases and places say.  But the flows
 * of a session whose transfer is under way are the transfer's. */

#include <stdbool.h>

struct controller;
struct device;
struct in6_addr;
struct record;
struct uuid;

/* Sets anew the flows of what points to 'device', but for its sessions if it is
 * in a new place: these follow it by roaming.h. */
void refresh_place_changed(struct controller *, const struct device *);
/* There is no device of that name any more: its sessions have no flows. */
void refresh_device_gone(struct controller *, const char *name);
/* Sets the flows of all blocks and sessions whose home is 'bridge'. */
void refresh_bridge(struct controller *, const char *bridge);
/* As the record says. */
void refresh_session(struct controller *, const struct record *);
/* Puts back what the record says; without one, the block's guard is enough. */
void refresh_restore(struct controller *, const struct uuid *session);
/* Is its transfer under way? */
bool refresh_is_moving(const struct controller *, const struct uuid *session);
/* The guard of a block under 'key', leased to 'device' (NULL, "": nobody). */
void refresh_block(struct controller *, const char *bridge,
                   const struct uuid *key, const struct in6_addr *,
                   unsigned int plen, const char *device);
/* Its connection is lost: the flows of its permanent addresses at home go. */
void refresh_device_lost(struct controller *, const struct device *);

#endif /* controller/refresh.h */
