/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_LEASE_H
#define BATON_LEASE_H 1

/* The address generator: cuts the policy's pools into aligned blocks and
 * leases them to devices, so that opening a session needs no round trip.
 *
 *     leases_configure(leases, policy);      at start and after a reload
 *     lease = leases_grant(leases, ...);     a device asks
 *     leases_run(leases, now);               expires what nobody renewed
 *     while (leases_next_change(leases, &change)) { ... block guard ... }
 *     while (leases_next_free(leases, &addr)) { ... tell the lessee ... }
 *
 * A block is leased to one device at a time.  An expired one rests before it
 * is leased again.  An address can outlive its block's lease: a session that
 * moved holds its own (leases_hold()), and one that ended rests
 * (leases_rest()); both are listed to whoever gets the block next, and are
 * not to be given.
 *
 * A block is not to be given to its lessee before it is written where it
 * outlives this process, so that it is never leased twice: for who writes,
 *
 *     leases_load(leases, ...);              what was written, at the start
 *     while (leases_next_unwritten(leases, &block)) { ... write it ... }
 *     leases_written(leases, &block);        or leases_write_again()
 *
 * No times are written: what is loaded has all its time before it again.
 *
 * Pure: no switch, no device, no clock ('now' is in milliseconds, monotonic).
 * Addresses are IPv4-mapped where they are IPv4's. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/uuid.h"

struct leases;
struct policy;

enum lease_state {
    LEASE_LEASED,  /* Until 'until', unless it is renewed. */
    LEASE_RESTING, /* Nobody's until 'until'. */
};

struct lease {
    struct hmap_node node; /* In struct leases, by 'addr'. */
    struct uuid key;       /* Of its flows on the bridge. */
    char *pool;            /* Names, as in policy. */
    char *bridge;
    char *device;         /* Lessee; the last one if resting. */
    struct in6_addr addr; /* First address. */
    unsigned int plen;    /* In the mapped form. */
    enum lease_state state;
    long long int until; /* Milliseconds. */
    unsigned int lifetime_s, rest_s;
    uint64_t order;   /* Counts grants. */
    uint64_t version; /* Counts changes. */
    bool written;     /* Its state is, at 'version'. */
    uint64_t taken;   /* By leases_next_unwritten(), at that version. */
    bool odd;         /* Not a block as its pool is cut into now. */
};

enum lease_error { LEASE_OK, LEASE_NO_POOL, LEASE_EXHAUSTED, LEASE_LIMIT };

struct leases *leases_create(void);
void leases_destroy(struct leases *);

/* Takes the pools of 'policy'.  Blocks that lie in no pool any more are
 * withdrawn, those whose block size changed stay until they expire. */
void leases_configure(struct leases *, const struct policy *,
                      long long int now);

/* From now on what changes is to be written; without this, what changes counts
 * as written. */
void leases_write_changes(struct leases *);

/* Takes a block as it was written.  Its pool's times are those of
 * leases_configure(), which is to be called before, and again after all are
 * loaded.  Not a valid block: returns false. */
bool leases_load(struct leases *, const char *pool, const char *bridge,
                 const char *device, const char *block, enum lease_state,
                 long long int now);

/* A block whose state is to be written. */
struct lease_block {
    struct in6_addr addr;
    unsigned int plen;
    uint64_t version; /* 0: there is no such block any more. */
};
/* Takes one of those to be written; 'lease' is NULL if it is gone. */
bool leases_next_unwritten(struct leases *, struct lease_block *,
                           const struct lease **lease);
bool leases_any_unwritten(const struct leases *);
void leases_written(struct leases *, const struct lease_block *);
void leases_write_again(struct leases *, const struct lease_block *);
/* "10.1.0.128/28".  The caller frees it. */
char *lease_block_to_string(const struct in6_addr *, unsigned int plen);

/* Renews all blocks of 'device' on 'bridge' of that 'family' (4 or 6), and
 * returns the newest; with 'more', or if there is none, adds another, unless
 * the newest is not written yet, when there is no use in another.  The
 * lease stays valid until the next call that takes 'now'. */
const struct lease *leases_grant(struct leases *, const char *device,
                                 const char *bridge, int family, bool more,
                                 long long int now, enum lease_error *);

/* The block that 'addr' lies in, which may rest; NULL if none is cut there. */
const struct lease *leases_find(const struct leases *,
                                const struct in6_addr *);
/* The device to which 'addr' is leased, or NULL. */
const char *leases_lessee(const struct leases *, const struct in6_addr *);

/* Leases the block around 'addr', in which nobody ever had one, to a device
 * that already uses it: its sessions outlived a controller. */
bool leases_adopt(struct leases *, const char *device, const char *bridge,
                  const struct in6_addr *addr, long long int now);

/* The home bridge of 'addr' by the pools, or NULL. */
const char *leases_home_bridge(const struct leases *, const struct in6_addr *);

/* Is it a device's own?  Such an address is leased to it for good, and neither
 * held nor put to rest. */
bool leases_is_permanent(const struct leases *, const struct in6_addr *);

/* A moved session lives on 'addr'. */
void leases_hold(struct leases *, const struct in6_addr *);
/* The session on 'addr' ended: it rests for its pool's quarantine. */
void leases_rest(struct leases *, const struct in6_addr *, long long int now);

/* Is 'addr' held, or does it rest? */
bool leases_is_in_use(const struct leases *, const struct in6_addr *);

/* Calls for each held or resting address of 'lease', in turn: start with
 * '*cookie' NULL; false at the end. */
bool leases_next_in_use(const struct leases *, const struct lease *,
                        void **cookie, struct in6_addr *);

void leases_run(struct leases *, long long int now);
/* When leases_run() may have something to do; LLONG_MAX: never. */
long long int leases_next_deadline(const struct leases *);

/* A block got another lessee, or none: its flows are to be set anew. */
struct lease_change {
    struct uuid key;
    char bridge[64];
    char device[64]; /* Empty: nobody. */
    struct in6_addr addr;
    unsigned int plen;
};
bool leases_next_change(struct leases *, struct lease_change *);
/* An address whose rest is over. */
bool leases_next_free(struct leases *, struct in6_addr *);

/* For people: a walk over all blocks. */
const struct lease *leases_next(const struct leases *, const struct lease *);
size_t leases_count(const struct leases *);

#endif /* controller/lease.h */
