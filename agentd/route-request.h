/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_ROUTE_REQUEST_H
#define BATON_ROUTE_REQUEST_H 1

/* What requests about addresses, rules, routes and neighbours have in common
 * (rtnetlink(7)).  An IPv4 address is IPv4-mapped here, and of four bytes on
 * the way to the kernel. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "netlink-socket.h"
#include "openvswitch/ofpbuf.h"

struct nlattr;

/* A request of 'type' (RTM_*) and 'flags' (NLM_F_*, NLM_F_REQUEST is added),
 * to which the caller adds the header and attributes. */
struct ofpbuf *route_request_new(uint16_t type, uint16_t flags);

void route_request_put_address(struct ofpbuf *, uint16_t type,
                               const struct in6_addr *);

/* Sends the request and frees it.  Returns 0 or a positive errno, and 0 for
 * 'harmless' (0: none is). */
int route_request_transact(struct ofpbuf *, int harmless);

/* What the kernel has:
 *
 *     route_dump_start(&dump, RTM_GETADDR, AF_INET, sizeof(struct ifaddrmsg));
 *     while (route_dump_next(&dump, &msg)) { ... }
 *     error = route_dump_done(&dump);
 *
 * 'type' has a header of that size, whose first byte is the family.  'msg' is
 * valid until the next call. */
struct route_dump {
    struct nl_dump nl;
    struct ofpbuf buffer;
    uint64_t stub[NL_DUMP_BUFSIZE / 8];
};
void route_dump_start(struct route_dump *, uint16_t type, int family,
                      size_t header_size);
bool route_dump_next(struct route_dump *, struct ofpbuf *msg);
/* 0 or a positive errno. */
int route_dump_done(struct route_dump *);

/* The attribute of 'type' behind a header of 'payload' bytes, or NULL. */
const struct nlattr *route_request_find(const struct ofpbuf *msg,
                                        size_t payload, uint16_t type);

/* False if 'attr' is NULL or no address of that family. */
bool route_request_get_address(const struct nlattr *attr, int family,
                               struct in6_addr *);

#endif /* agentd/route-request.h */
