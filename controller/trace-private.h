/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_TRACE_PRIVATE_H
#define BATON_TRACE_PRIVATE_H 1

/* Between the files of trace.h: trace.c follows a packet, trace-mapping.c has
 * what there is of sessions that began on a permanent address. */

#include <stdbool.h>
#include <netinet/in.h>

#include "flow-set.h"
#include "openvswitch/uuid.h"
#include "trace.h"

struct flow;
struct mapping;

/* What is known of the session at an address. */
struct trace_subject {
    struct in6_addr address;
    const char *home;  /* Bridge. */
    const char *owner; /* Device, or NULL. */
    bool moved;        /* Or moving: the session has flows of its own. */
    struct uuid session;
    const char *guard, *inbound; /* Devices. */
};

/* trace.c */

/* Moves all of 'src' into 'dst'. */
void trace_merge(struct flow_set *dst, struct flow_set *src);
void trace_set_address(struct flow *packet, const struct in6_addr *,
                       bool source);
/* The members "to" and "from" of 'object': what a packet to the address and one
 * from it meet.  'm': of that mapped session, or NULL. */
void trace_both_ways(const struct controller *, const struct in6_addr *,
                     const struct mapping *m, struct json *object);
/* A packet of a stranger's that comes to 'bridge', over as many bridges as it
 * takes. */
struct json *trace_packet(const struct controller *, const char *bridge,
                          const struct trace_subject *, const struct flow *);

/* trace-mapping.c */

/* The flows of 'bridge' that map 'address', which is a session's or a permanent
 * one. */
void trace_mapping_flows(const struct controller *, const char *bridge,
                         const struct in6_addr *address, struct flow_set *);
/* Makes of a packet to or from the session address one of the mapping's, as it
 * is before it is translated. */
void trace_mapping_set(const struct controller *, const struct mapping *,
                       bool source, struct flow *packet);
/* Of a permanent address: in "services" what the first packet to each movable
 * service meets, in "mapped" what packets of sessions that began there do. */
void trace_mapping_put(const struct controller *, const struct trace_subject *,
                       struct json *object);

#endif /* controller/trace-private.h */
