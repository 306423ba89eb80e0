/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_DAD_H
#define BATON_DAD_H 1

/* Duplicate address detection on the wire: probes for addresses that this
 * host does not have yet, and what others say about addresses in prefixes of
 * interest.  When to probe and what follows is the caller's affair.
 *
 *     dad = dad_open("eth0", &error);
 *     dad_watch(dad, prefixes, n);
 *     dad_listen(dad, &address, true);
 *     dad_probe(dad, &address);
 *     dad_run(dad); while (dad_next(dad, &claim)) ...
 *     dad_listen(dad, &address, false);
 *
 * IPv4: ARP probes, RFC 5227 section 2.1.1 (sender address 0).  IPv6:
 * neighbour solicitations from "::", RFC 4862 section 5.4.2. */

#include <stdbool.h>
#include <stddef.h>
#include <netinet/in.h>

#include "openvswitch/types.h"

struct dad;
struct json;

struct dad_prefix {
    struct in6_addr addr; /* IPv4 as IPv4-mapped. */
    unsigned int plen;    /* In the mapped form. */
};

/* Another host has 'address' or is about to take it. */
struct dad_claim {
    struct in6_addr address;
    struct eth_addr mac;
    bool probe; /* It only asks whether it may take it. */
};

struct dad *dad_open(const char *ifname, char **errorp);
void dad_close(struct dad *);
void dad_run(struct dad *);
void dad_wait(struct dad *);

/* Only claims inside these prefixes are seen. */
void dad_watch(struct dad *, const struct dad_prefix *, size_t n);

/* Joins, or leaves, the link-layer group by which another host's probe for
 * 'address' comes (IPv6; nothing for IPv4). */
void dad_listen(struct dad *, const struct in6_addr *address, bool);

/* Sends one probe.  Returns 0 or a positive errno. */
int dad_probe(struct dad *, const struct in6_addr *address);

/* Next claim, or false. */
bool dad_next(struct dad *, struct dad_claim *);

/* Those of 'array', prefixes in text form, that are prefixes; the caller frees
 * them. */
struct dad_prefix *dad_prefixes_from_json(const struct json *array, size_t *n);

#endif /* agentd/dad.h */
