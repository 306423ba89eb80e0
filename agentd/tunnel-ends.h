/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_TUNNEL_ENDS_H
#define BATON_TUNNEL_ENDS_H 1

/* This host's own ends of tunnels, where it is behind no bridge of ours: one
 * kernel VXLAN interface for each bridge from which sessions come.
 *
 * The controller says when ("tunnel-open"), before it announces a session that
 * comes by it, and proves the tunnel by frames that attachment.c answers
 * inside it.  An end that no session address has used for a while is said to
 * be idle, and goes when the controller agrees ("tunnel-close"), which may be
 * about to use it.
 *
 * Everything goes when the agent stops.  One that was killed leaves it, and
 * the next agent finds it: what the controller confirms, or a session uses,
 * goes on; the rest is taken away.
 *
 * See "Tunnels to devices" in Documentation/wire-protocol.rst. */

#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>

struct agent;
struct jsonrpc_msg;

/* Milliseconds without an address that uses it before an end is idle... */
#define TUNNEL_IDLE 3000
/* ...and, while there is no controller to ask, before it goes; also of what a
 * former agent left. */
#define TUNNEL_GRACE 15000

/* Finds what a former agent left. */
void tunnel_ends_open(struct agent *);
/* Takes everything away: interfaces, filters, and the addresses and rules of
 * the sessions that come by them. */
void tunnel_ends_close(struct agent *);
void tunnel_ends_run(struct agent *);
void tunnel_ends_wait(struct agent *);
/* True if 'msg' was about tunnels. */
bool tunnel_ends_handle_controller(struct agent *, const struct jsonrpc_msg *);

/* Takes one that the controller has opened since: what uses it, and was not where
 * it should be while it was not there, can go there. */
bool tunnel_ends_next_opened(struct agent *, uint32_t *key);

/* The interface of the tunnel to that bridge, whose key is stored, or NULL. */
const char *tunnel_end_of(const struct agent *, const char *bridge,
                          uint32_t *key);

/* The interface by which packets for 'address', a session's, come and go: a
 * tunnel's, or the one by which this host is attached.  Empty string: none at
 * the moment. */
const char *tunnel_ends_interface_of(const struct agent *,
                                     const struct in6_addr *address);

#endif /* agentd/tunnel-ends.h */
