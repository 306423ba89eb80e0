/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_DEVICE_LINK_H
#define BATON_DEVICE_LINK_H 1

/* The connections of devices: listens where policy says, accepts links whose
 * peers are "device/NAME", and hands up what they sent.
 *
 *     device_links_run(links);
 *     while ((conn = device_links_next(links, &msg))) {
 *         ...                              (methods.h)
 *         jsonrpc_msg_destroy(msg);
 *     }
 *     while ((device = device_links_next_lost(links))) { ... }
 *
 * A connection belongs to no device until "register" came over it and was
 * found good: device_conn_bind(). */

#include <stdbool.h>

struct device;
struct device_links;
struct jsonrpc_msg;
struct link;
struct policy;

/* One accepted connection. */
struct device_conn;

struct device_links *device_links_create(void);
void device_links_destroy(struct device_links *);
void device_links_configure(struct device_links *, const struct policy *);

void device_links_run(struct device_links *);
void device_links_wait(struct device_links *);

struct device_conn *device_links_next(struct device_links *,
                                      struct jsonrpc_msg **);
/* A device whose connection is gone, once for each. */
struct device *device_links_next_lost(struct device_links *);

struct link *device_conn_link(const struct device_conn *);
/* NULL until bound. */
struct device *device_conn_device(const struct device_conn *);
/* The connection is the device's from now on.  An older one is closed, with
 * what it had queued, and not reported as lost. */
void device_conn_bind(struct device_links *, struct device_conn *,
                      struct device *);
/* Closes the connection for 'reason'. */
void device_conn_drop(struct device_conn *, const char *reason);
/* Closes the connection of 'device', which is about to go. */
void device_links_forget(struct device_links *, struct device *,
                         const char *reason);

#endif /* controller/device-link.h */
