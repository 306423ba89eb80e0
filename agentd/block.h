/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_BLOCK_H
#define BATON_BLOCK_H 1

/* The blocks of session addresses that the controller has leased to this
 * device, so that a session opens without a round trip.
 *
 * A few addresses of each family are kept *ready*: probed by duplicate address
 * detection on the interface where the device is attached, and watched since.
 * When another host claims one, it is taken out, with a line in the log.
 *
 *     free -> probing -> ready -> taken ------------> resting -> free
 *                |         |        |  ^                 ^
 *                v         v        v  | (moves back)    |
 *                conflict -> free   away -- block_free() +
 *
 *     blocks = block_create();
 *     block_set_interface(blocks, "eth0");        once attached
 *     switch (block_needs(blocks, AF_INET, &renewal))   ask for a lease, and say
 *     block_asked(blocks, AF_INET);               so
 *     block_lease(blocks, &lease);                its answer
 *     block_run(blocks);                          probes
 *     block_take(blocks, AF_INET, &address)       0, or EAGAIN
 *     block_put(blocks, &address);                rests before it is reused
 *
 * Does not talk to the controller and binds no address. */

#include <stdbool.h>
#include <stddef.h>
#include <netinet/in.h>

struct blocks;

struct block_lease {
    struct in6_addr prefix;        /* IPv4 as IPv4-mapped. */
    unsigned int plen;             /* In the mapped form. */
    unsigned int lifetime;         /* Seconds. */
    unsigned int rest;             /* Seconds of quarantine. */
    unsigned int probes;           /* 0: no duplicate address detection. */
    unsigned int probe_interval;   /* Milliseconds. */
    const struct in6_addr *in_use; /* Not this device's to give. */
    size_t n_in_use;
};

struct blocks *block_create(void);
void block_destroy(struct blocks *);
void block_run(struct blocks *);
void block_wait(struct blocks *);

/* Where the device is attached; NULL: nowhere, and no address is ready.
 * Changing it starts all probes anew. */
int block_set_interface(struct blocks *, const char *ifname, char **errorp);

/* A new lease, or the renewal of one (same prefix).  Without renewal an
 * address of the block is no longer given once 'lifetime' is over, or once
 * another block is the answer to the asking for a renewal; addresses that are
 * taken stay so.  Returns EINVAL if the prefix is none. */
int block_lease(struct blocks *, const struct block_lease *);

/* What to ask the controller for.  Nothing, for BLOCK_ASK_INTERVAL after
 * block_asked() and BLOCK_REFUSED_INTERVAL after block_refused(); a lease ends
 * the waiting.  Stores in '*renewal' (if 'renewal' is nonnull) the lease to be
 * renewed, or NULL. */
enum block_need {
    BLOCK_NEED_NOTHING,
    BLOCK_NEED_LEASE, /* The first one, or a renewal. */
    BLOCK_NEED_MORE,  /* Another block: "more". */
};
#define BLOCK_ASK_INTERVAL 2000 /* Milliseconds. */
#define BLOCK_REFUSED_INTERVAL 30000
enum block_need block_needs(const struct blocks *, int family,
                            const struct block_lease **renewal);
void block_asked(struct blocks *, int family);
void block_refused(struct blocks *, int family);

/* Is 'address' inside a block that is leased now? */
bool block_contains(const struct blocks *, const struct in6_addr *address);

/* Keeps 'n' addresses of the family ready, if that is more than now. */
void block_expect(struct blocks *, int family, size_t n);
/* The address that block_take() would give; false if none is ready. */
bool block_peek(const struct blocks *, int family, struct in6_addr *);
/* Gives a ready address of the family, or returns EAGAIN. */
int block_take(struct blocks *, int family, struct in6_addr *);
/* The session of 'address' has ended here.  Nothing happens if it was not of a
 * block, or if it goes on elsewhere. */
void block_put(struct blocks *, const struct in6_addr *);

/* A session of this device has 'address': after a restart of the agent, or
 * when it moves here.  Before or after the lease. */
void block_reserve(struct blocks *, const struct in6_addr *);
/* The session has moved away; its address stays reserved until block_free()
 * ("address-free"), or until a renewal no longer has it in 'in_use'. */
void block_moved(struct blocks *, const struct in6_addr *);
void block_free(struct blocks *, const struct in6_addr *);

/* Number of addresses of the family that block_take() has at once. */
size_t block_count_ready(const struct blocks *, int family);

#endif /* agentd/block.h */
