/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_LATE_FILTER_H
#define BATON_LATE_FILTER_H 1

/* The classic BPF program by which the kernel passes a tap (AF_PACKET,
 * SOCK_DGRAM) only packets that are sent to this host's MAC address, for an
 * address that is being caught: so a tap costs next to nothing where it sees
 * other traffic. */

#include <stdbool.h>
#include <stddef.h>
#include <linux/filter.h>
#include <netinet/in.h>

struct late_filter_entry {
    struct in6_addr address; /* IPv4 as IPv4-mapped. */
    bool udp;                /* Datagrams too? */
};

/* With more addresses, all IP packets to this host pass; the reader looks. */
#define LATE_FILTER_ENTRIES 50

/* Instructions at the most: 12 an address that has nothing in common with others,
 * and what is around them. */
#define LATE_FILTER_MAX (LATE_FILTER_ENTRIES * 12 + 16)

/* Returns the number of instructions.  No entry: nothing passes. */
size_t late_filter_build(const struct late_filter_entry *, size_t n,
                         struct sock_filter program[LATE_FILTER_MAX]);

#endif /* agentd/late-filter.h */
