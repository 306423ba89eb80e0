/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_BLOCK_PRIVATE_H
#define BATON_BLOCK_PRIVATE_H 1

/* Between the files of block.h: block-entry.c has the single addresses and
 * what becomes of them in time, block.c the leases and who asks. */

#include "block.h"
#include "heap.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "util.h"

struct dad;

/* RFC 5227, section 1.1: after so many conflicts, one probe a minute. */
#define MAX_CONFLICTS 10
#define RATE_LIMIT_INTERVAL 60000

/* Addresses of a block that are counted and tried: a /64 has enough. */
#define BLOCK_SIZE_BITS 16

enum block_entry_state { PROBING, READY, TAKEN, AWAY, RESTING, CONFLICT };

/* An address that is not free. */
struct block_entry {
    struct hmap_node node;      /* In struct blocks's entries. */
    struct ovs_list ready_node; /* In family's ready, if READY. */
    struct heap_node heap_node; /* In struct blocks's timers, if something is
                                 * to happen 'when'. */
    struct in6_addr address;
    enum block_entry_state state;
    long long int when;  /* time_msec(): of the next probe, of the end
                          * of the rest; AWAY: since. */
    unsigned int probes; /* PROBING: number sent. */
    bool elsewhere;      /* TAKEN: the controller counts it as in use. */
};

struct block {
    struct ovs_list node;     /* In struct blocks's blocks. */
    struct block_lease lease; /* Without 'in_use'. */
    long long int renew_at;   /* time_msec(). */
    long long int expires;
    uint32_t size; /* Addresses that are tried. */
    uint32_t next; /* Number of the next one. */
    bool empty;    /* None is free, until an entry goes. */
};

struct block_family {
    struct ovs_list ready; /* Of struct block_entry, the oldest first. */
    size_t n_ready, n_probing;
    size_t target;             /* How many to keep ready. */
    bool scarce;               /* The blocks cannot give so many. */
    long long int quiet_until; /* Nothing is asked for before. */
    bool renewing;             /* The renewal of this one was asked for. */
    struct in6_addr renewed;
};

struct blocks {
    struct hmap entries;    /* Of struct block_entry. */
    struct heap timers;     /* The same: the next is the maximum. */
    struct ovs_list blocks; /* Of struct block. */
    struct block_family v4, v6;
    struct dad *dad; /* NULL: not attached. */
    char ifname[16];
    long long int next_event; /* Earliest of the entries' and blocks'. */
    unsigned int n_conflicts;
    long long int rate_until; /* No new probing before. */
};

static inline void
block_wake_at(struct blocks *bs, long long int when)
{
    bs->next_event = MIN(bs->next_event, when);
}

struct block_family *block_family(const struct blocks *, int family);
bool block_prefix_contains(const struct in6_addr *prefix, unsigned int plen,
                           const struct in6_addr *);
struct block *block_find(const struct blocks *, const struct in6_addr *);

/* block-entry.c */

struct block_entry *block_entry_find(const struct blocks *,
                                     const struct in6_addr *);
/* In TAKEN, which is neither counted nor watched. */
struct block_entry *block_entry_create(struct blocks *,
                                       const struct in6_addr *);
void block_entry_set(struct blocks *, struct block_entry *,
                     enum block_entry_state, long long int when);
void block_entry_destroy(struct blocks *, struct block_entry *);
/* Starts probing the next free address of the block.  False if there is
 * none. */
bool block_probe_next(struct blocks *, struct block *);
/* What is due. */
void block_run_entries(struct blocks *);

#endif /* agentd/block-private.h */
