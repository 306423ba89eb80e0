/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_TRACE_H
#define BATON_TRACE_H 1

/* Which of the flows that bridges should have does a packet for a session
 * address meet, from bridge to bridge, and where does it end?  Looks at desired flows only;
 * `ovs-appctl ofproto/trace` asks the bridge itself. */

struct controller;
struct in6_addr;
struct json;

struct json *trace_address(const struct controller *, const struct in6_addr *);

#endif /* controller/trace.h */
