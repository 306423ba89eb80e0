/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_LEASE_PRIVATE_H
#define BATON_LEASE_PRIVATE_H 1

/* Between lease.c, which leases blocks; lease-pool.c, which knows where they
 * are; lease-write.c, what is to be written; lease-address.c, single addresses. */

#include "heap.h"
#include "lease.h"

/* A pool, copied from policy so that a reload cannot pull it away. */
struct lease_pool {
    struct ovs_list node; /* In struct leases. */
    char *name;
    char *bridge;
    struct in6_addr addr;
    unsigned int plen, block_plen;
    unsigned int lease_s, rest_s;
    struct in6_addr next; /* Where the search for a block begins. */
};

/* An address that is not to be given although its block is leased. */
struct lease_address {
    struct hmap_node node; /* In struct leases, by 'addr'. */
    struct in6_addr addr;
    long long int until;        /* End of its rest; LLONG_MAX: in use. */
    struct heap_node heap_node; /* In 'resting' of struct leases, if it has an
                                 * end. */
    struct ovs_list free_node;  /* In 'freed' of struct leases: it is over. */
};

/* A device's own address: leased to it for good. */
struct lease_permanent {
    struct ovs_list node; /* In struct leases. */
    struct in6_addr addr;
    char *device;
    char *bridge;
};

struct lease_event {
    struct ovs_list node;
    struct lease_change change;
};

struct leases {
    struct ovs_list pools;     /* struct lease_pool */
    struct ovs_list permanent; /* struct lease_permanent */
    struct hmap blocks;        /* struct lease */
    struct hmap addresses;     /* struct lease_address */
    struct heap resting;       /* The same: what ends next is the maximum. */
    struct ovs_list changes;   /* struct lease_event */
    struct ovs_list freed;     /* struct lease_address, of no hmap. */
    struct ovs_list unwritten; /* struct lease_todo */
    bool write;
    uint64_t n_grants;
    uint64_t max_addresses; /* Of one device and family. */
    /* Leases that are not their pool's blocks, cut before a reload, say: they
     * are looked for one by one. */
    size_t n_odd;
    /* Who has_enough() was true of lately, of IPv4 and of IPv6: who says that
     * it uses a thousand blocks is not counted a thousand times. */
    char *full[2];
    long long int next; /* Nothing ends before that. */
};

struct lease_todo {
    struct ovs_list node; /* In struct leases. */
    struct lease_block block;
};

/* lease-pool.c */

uint32_t lease_hash_address(const struct in6_addr *);
/* The block that begins with 'block', or NULL. */
struct lease *lease_find_block(const struct leases *,
                               const struct in6_addr *block);
/* Sets whether 'lease' is a block as 'pool', which may be NULL, is cut now. */
void lease_set_odd(struct leases *, struct lease *, const struct lease_pool *);

bool lease_prefix_contains(const struct in6_addr *prefix, unsigned int plen,
                           const struct in6_addr *);
struct lease_pool *lease_find_pool(const struct leases *,
                                   const struct in6_addr *);
const struct lease_permanent *lease_find_permanent(const struct leases *,
                                                   const struct in6_addr *);
/* The block of the pool around an address. */
struct in6_addr lease_block_of(const struct lease_pool *,
                               const struct in6_addr *);
/* The block after 'block', around to the pool's first. */
struct in6_addr lease_block_after(const struct lease_pool *,
                                  const struct in6_addr *block);

/* lease-write.c */

/* A block, which may be gone, changed. */
void lease_to_be_written(struct leases *, const struct in6_addr *,
                         unsigned int plen);

/* lease-address.c */

/* At the end. */
void lease_addresses_destroy(struct leases *);
/* Ends the rest of addresses whose it is over. */
void lease_run_addresses(struct leases *, long long int now);

#endif /* controller/lease-private.h */
