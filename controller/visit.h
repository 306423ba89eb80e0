/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_VISIT_H
#define BATON_VISIT_H 1

/* What a device has to know to send from the address of a session whose home
 * is another bridge than its own: the link-layer address that stands for its
 * bridge, and how large a packet the tunnel home takes.
 *
 * It learns that with a transfer ("expect"), and by "placed" when it has gone
 * to another place, or shows a session that it may not know it of. */

#include <stdint.h>

struct controller;
struct device;
struct in6_addr;
struct json;
struct uuid;

/* Adds "gateway" and "mtu" to 'params', and "tunnel" if 'device' has an end of
 * a tunnel itself; nothing if it is at 'home'. */
void visit_put(const struct controller *, const struct device *,
               const char *home, struct json *params);

/* Sends "placed": the session on that address, which is the device's at
 * 'epoch', leaves so. */
void visit_tell(const struct controller *, const struct device *,
                const struct uuid *session, const struct in6_addr *,
                uint64_t epoch);

#endif /* controller/visit.h */
