/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_SESSION_PATH_H
#define BATON_SESSION_PATH_H 1

/* Which bridges a session goes over, and what each is to do for it: from the
 * devices' places to the flows of session-flows.h.
 *
 * A session whose owner is on its home bridge needs that one only.  An owner
 * elsewhere is a visitor on its own bridge, and the home bridge tunnels there:
 * straight, wherever the session was before.  To an owner behind no bridge the
 * home bridge tunnels itself (device-tunnel.h), and no other has to do with
 * it.
 *
 * After a transfer the bridge that the session left goes on for a while to
 * bring what is still in the tunnel to the former owner, who relays it:
 * session_paths_next_over() says when that ends. */

#include <stdbool.h>
#include <stdint.h>

#include "session-flows.h"

struct controller;
struct device;
struct flow_set;
struct device_tunnel;
struct in6_addr;
struct transfer;
struct uuid;

/* Milliseconds after a transfer for which the bridge that was left knows the
 * session: longer than the former owner drains. */
#define SESSION_PATH_LINGER 3000

/* Former holders of one address that are kept from it. */
#define SESSION_PATH_HOLDERS_MAX 64

/* 24 bits, not 0: what VXLAN and Geneve have room for. */
uint32_t session_path_key(const struct uuid *session);

/* Where 'device' (NULL: nobody) is as 'bridge' sees it, for that session. */
struct flow_place session_path_place(const struct controller *,
                                     const char *device, const char *bridge,
                                     const struct uuid *session);

/* The same of the place that the owner of a session that roams has left. */
struct flow_place session_path_left(const struct controller *,
                                    const struct transfer *,
                                    const char *bridge);

/* The proved tunnel from 'home' to 'device' itself, or NULL. */
const struct device_tunnel *session_path_tunnel(const struct device *,
                                                const char *home);

/* Is 'device' attached to another bridge than 'home', so that sessions go
 * there? */
bool session_path_is_foreign(const struct device *, const char *home);

/* For people: the way from 'home' (NULL: not known) to 'device'; an empty
 * string if there is none.  The caller frees it. */
char *session_path_describe(const struct controller *, const char *device,
                            const char *home);

/* Adds to 'flows' what 'bridge' is to have for the session,
 * for those who trace. */
void session_path_flows(const struct controller *, const char *bridge,
                        const char *home, const struct uuid *session,
                        const struct in6_addr *, const char *guard,
                        const char *inbound, struct flow_set *flows);

/* The bridge to which a session's packets go that are at 'device': 'home', or
 * the one where it is. */
const char *session_path_bridge(const struct controller *, const char *device,
                                const char *home);

/* Sets the flows of a session on its home bridge, and on those of 'owner' and
 * nobody else.  The caller flushes. */
void session_path_set(struct controller *, const char *home,
                      const struct uuid *session, const struct in6_addr *,
                      const char *owner);
/* Nobody's in particular for now: sets no flows but those that keep its former
 * holders (see holder.h) from it, on its home bridge. */
void session_path_set_open(struct controller *, const char *home,
                           const struct uuid *session,
                           const struct in6_addr *);
/* Deletes them everywhere. */
void session_path_unset(struct controller *, const struct uuid *session);

/* The flows of a transfer, each step sent to all bridges that it involves. */
void session_path_open(struct controller *, struct transfer *);
/* Has the target's bridge answered? */
bool session_path_is_open(const struct controller *, const struct transfer *);
void session_path_redirect(struct controller *, struct transfer *);
void session_path_settle(struct controller *, struct transfer *);
/* True once all these bridges have answered the last step. */
bool session_path_acked(const struct controller *, const struct transfer *);

/* What 'device' may not send where it is, and no longer where it was. */
void session_path_guard_device(struct controller *, const struct device *);

void session_paths_init(struct controller *);
/* Takes a session whose flows are to be as its record says again. */
bool session_paths_next_over(struct controller *, struct uuid *session);
void session_paths_wait(struct controller *);
void session_paths_destroy(struct controller *);

#endif /* controller/session-path.h */
