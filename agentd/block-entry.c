/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "block-private.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "dad.h"
#include "hash.h"
#include "packets.h"
#include "timeval.h"

/* The single addresses of blocks. */

static uint32_t
hash_address(const struct in6_addr *address)
{
    return hash_bytes(address, sizeof *address, 0);
}

struct block_entry *
block_entry_find(const struct blocks *bs, const struct in6_addr *address)
{
    struct block_entry *e;

    HMAP_FOR_EACH_WITH_HASH(e, node, hash_address(address), &bs->entries) {
        if (IN6_ARE_ADDR_EQUAL(&e->address, address)) {
            return e;
        }
    }
    return NULL;
}

/* When something is to happen. */
static void
schedule(struct blocks *bs, struct block_entry *e)
{
    bool due = (e->state == PROBING || e->state == RESTING
                || e->state == CONFLICT);
    uint64_t priority = UINT64_MAX - e->when;

    if (due && e->heap_node.idx) {
        heap_change(&bs->timers, &e->heap_node, priority);
    } else if (due) {
        heap_insert(&bs->timers, &e->heap_node, priority);
    } else if (e->heap_node.idx) {
        heap_remove(&bs->timers, &e->heap_node);
        e->heap_node.idx = 0;
    }
    if (due) {
        block_wake_at(bs, e->when);
    }
}

/* Leaves the present state: PROBING and READY are counted and watched. */
static void
entry_leave(struct blocks *bs, struct block_entry *e)
{
    struct block_family *f = block_family(bs, address_family(&e->address));

    if (e->state == READY) {
        ovs_list_remove(&e->ready_node);
        f->n_ready--;
    } else if (e->state == PROBING) {
        f->n_probing--;
    } else {
        return;
    }
    if (bs->dad) {
        dad_listen(bs->dad, &e->address, false);
    }
}

void
block_entry_set(struct blocks *bs, struct block_entry *e,
                enum block_entry_state state, long long int when)
{
    entry_leave(bs, e);
    e->state = state;
    e->when = when;
    e->elsewhere = false;
    schedule(bs, e);
}

void
block_entry_destroy(struct blocks *bs, struct block_entry *e)
{
    struct block *b = block_find(bs, &e->address);

    if (b) {
        b->empty = false;
    }
    entry_leave(bs, e);
    e->state = TAKEN;
    schedule(bs, e);
    hmap_remove(&bs->entries, &e->node);
    free(e);
}

struct block_entry *
block_entry_create(struct blocks *bs, const struct in6_addr *address)
{
    struct block_entry *e = xzalloc(sizeof *e);

    e->address = *address;
    e->state = TAKEN;
    e->when = LLONG_MAX;
    hmap_insert(&bs->entries, &e->node, hash_address(address));
    return e;
}

static void
entry_start_probing(struct blocks *bs, const struct in6_addr *address)
{
    struct block_entry *e = block_entry_create(bs, address);

    e->state = PROBING;
    e->when = time_msec();
    schedule(bs, e);
    block_family(bs, address_family(address))->n_probing++;
    dad_listen(bs->dad, address, true);
}

static void
entry_make_ready(struct blocks *bs, struct block_entry *e)
{
    struct block_family *f = block_family(bs, address_family(&e->address));

    f->n_probing--;
    f->n_ready++;
    e->state = READY; /* Watched on. */
    e->when = LLONG_MAX;
    schedule(bs, e);
    ovs_list_push_back(&f->ready, &e->ready_node);
}

/* Sends the next probe, or finds that there was no answer to the last. */
static void
entry_probe(struct blocks *bs, struct block_entry *e, const struct block *b)
{
    if (e->probes >= b->lease.probes) {
        entry_make_ready(bs, e);
        return;
    }
    e->when = time_msec() + MAX(b->lease.probe_interval, 1);
    schedule(bs, e);
    if (!dad_probe(bs->dad, &e->address)) {
        e->probes++; /* Else again, until the link is up. */
    }
}

/* Numbers. */

/* Addresses that some hosts or routers would not take for a host's. */
static bool
is_odd(const struct in6_addr *address)
{
    uint8_t last = address->s6_addr[15];

    if (IN6_IS_ADDR_V4MAPPED(address)) {
        return last == 0 || last == 255;
    }
    /* The subnet-router anycast address of a /64. */
    return !last && !memcmp(&address->s6_addr[8], &in6addr_any, 7);
}

/* The kernel looks through all multicast groups of an interface whenever it
 * joins one, and when a multicast packet comes; and an IPv6 address joins one by
 * its last 24 bits (RFC 4291, section 2.7.1).  Where a block has room, its
 * addresses differ before these, and share a group. */
#define GROUP_BITS 24

static struct in6_addr
nth_address(const struct block *b, uint32_t i)
{
    struct in6_addr address = b->lease.prefix;
    bool shares = b->lease.plen <= 128 - GROUP_BITS - BLOCK_SIZE_BITS;
    uint8_t *last = &address.s6_addr[shares ? 15 - GROUP_BITS / 8 : 15];

    if (shares) {
        uint32_t group = hash_bytes(&b->lease.prefix, sizeof address, 0);

        address.s6_addr[13] = group >> 16;
        address.s6_addr[14] = group >> 8;
        address.s6_addr[15] = group | 1;
    }
    /* 'i' fits into the host part, so that this carries nowhere. */
    last[0] |= i;
    last[-1] |= i >> 8;
    return address;
}

bool
block_probe_next(struct blocks *bs, struct block *b)
{
    for (uint32_t i = 0; i < b->size && !b->empty; i++) {
        struct in6_addr address = nth_address(b, b->next);

        b->next = (b->next + 1) % b->size;
        if (!is_odd(&address) && !block_entry_find(bs, &address)) {
            entry_start_probing(bs, &address);
            return true;
        }
    }
    b->empty = true;
    return false;
}

void
block_run_entries(struct blocks *bs)
{
    long long int now = time_msec();

    while (!heap_is_empty(&bs->timers)) {
        struct block_entry *e = CONTAINER_OF(heap_max(&bs->timers),
                                             struct block_entry, heap_node);

        if (now < e->when) {
            block_wake_at(bs, e->when);
            break;
        } else if (e->state == PROBING) {
            entry_probe(bs, e, block_find(bs, &e->address));
        } else {
            block_entry_destroy(bs, e);
            block_wake_at(bs, now); /* It may be wanted. */
        }
    }
}
