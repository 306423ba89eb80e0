/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "lease-private.h"

#include <stddef.h>

#include "hash.h"
#include "packets.h"

/* Where the pools are, and the blocks in them. */

bool
lease_prefix_contains(const struct in6_addr *prefix, unsigned int plen,
                      const struct in6_addr *addr)
{
    struct in6_addr mask = ipv6_create_mask(plen);
    struct in6_addr masked = ipv6_addr_bitand(addr, &mask);

    return ipv6_addr_equals(prefix, &masked);
}

uint32_t
lease_hash_address(const struct in6_addr *addr)
{
    return hash_bytes(addr, sizeof *addr, 0);
}

struct lease *
lease_find_block(const struct leases *ls, const struct in6_addr *block)
{
    struct lease *lease;

    HMAP_FOR_EACH_WITH_HASH(lease, node, lease_hash_address(block),
                            &ls->blocks) {
        if (ipv6_addr_equals(&lease->addr, block)) {
            return lease;
        }
    }
    return NULL;
}

void
lease_set_odd(struct leases *ls, struct lease *lease,
              const struct lease_pool *pool)
{
    ls->n_odd -= lease->odd;
    lease->odd = !pool || lease->plen != pool->block_plen;
    ls->n_odd += lease->odd;
}

struct lease_pool *
lease_find_pool(const struct leases *ls, const struct in6_addr *addr)
{
    struct lease_pool *pool;

    LIST_FOR_EACH(pool, node, &ls->pools) {
        if (lease_prefix_contains(&pool->addr, pool->plen, addr)) {
            return pool;
        }
    }
    return NULL;
}

struct in6_addr
lease_block_of(const struct lease_pool *pool, const struct in6_addr *addr)
{
    struct in6_addr mask = ipv6_create_mask(pool->block_plen);

    return ipv6_addr_bitand(addr, &mask);
}

struct in6_addr
lease_block_after(const struct lease_pool *pool, const struct in6_addr *block)
{
    struct in6_addr next = *block;
    unsigned int carry;
    int byte;

    if (pool->block_plen == 0) {
        return next;
    }
    byte = (pool->block_plen - 1) / 8;
    carry = 1u << (7 - (pool->block_plen - 1) % 8);
    for (; byte >= 0 && carry; byte--) {
        carry += next.s6_addr[byte];
        next.s6_addr[byte] = carry;
        carry >>= 8;
    }
    return lease_prefix_contains(&pool->addr, pool->plen, &next) ? next
                                                                 : pool->addr;
}

const struct lease_permanent *
lease_find_permanent(const struct leases *ls, const struct in6_addr *addr)
{
    const struct lease_permanent *permanent;

    LIST_FOR_EACH(permanent, node, &ls->permanent) {
        if (ipv6_addr_equals(&permanent->addr, addr)) {
            return permanent;
        }
    }
    return NULL;
}
