/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_NEXT_HOPS_H
#define BATON_NEXT_HOPS_H 1

/* Which next hops a session has here: those of its sockets' peers and the
 * default one, with what the kernel knows of their link-layer addresses.  When
 * the session goes to another subnet, its home bridge needs them. */

struct json;
struct session;

/* An array of {"address": IP, "mac": MAC, "gateway": BOOL}; a MAC of zeros is
 * not known.  Empty for a session that is itself away from home. */
struct json *next_hops_of(const struct session *);

#endif /* agentd/next-hops.h */
