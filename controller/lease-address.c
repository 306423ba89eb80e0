/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "lease-private.h"

#include <limits.h>
#include <stdlib.h>

#include "packets.h"
#include "util.h"

/* Addresses that are not to be given although their block is leased. */

static struct lease_address *
find_address(const struct leases *ls, const struct in6_addr *addr)
{
    struct lease_address *la;

    HMAP_FOR_EACH_WITH_HASH(la, node, lease_hash_address(addr),
                            &ls->addresses) {
        if (ipv6_addr_equals(&la->addr, addr)) {
            return la;
        }
    }
    return NULL;
}

static struct lease_address *
add_address(struct leases *ls, const struct in6_addr *addr)
{
    struct lease_address *la = find_address(ls, addr);

    if (!la) {
        la = xzalloc(sizeof *la);
        la->addr = *addr;
        hmap_insert(&ls->addresses, &la->node, lease_hash_address(addr));
    }
    return la;
}

static void
set_until(struct leases *ls, struct lease_address *la, long long int until)
{
    uint64_t priority = UINT64_MAX - until;

    la->until = until;
    if (until == LLONG_MAX) {
        if (la->heap_node.idx) {
            heap_remove(&ls->resting, &la->heap_node);
            la->heap_node.idx = 0;
        }
    } else if (la->heap_node.idx) {
        heap_change(&ls->resting, &la->heap_node, priority);
    } else {
        heap_insert(&ls->resting, &la->heap_node, priority);
    }
    ls->next = MIN(ls->next, until);
}

void
leases_hold(struct leases *ls, const struct in6_addr *addr)
{
    if (!lease_find_permanent(ls, addr)) {
        set_until(ls, add_address(ls, addr), LLONG_MAX);
    }
}

void
leases_rest(struct leases *ls, const struct in6_addr *addr, long long int now)
{
    const struct lease_pool *pool = lease_find_pool(ls, addr);
    long long int until = now + (pool ? pool->rest_s * 1000LL : 0);

    if (!lease_find_permanent(ls, addr)) {
        set_until(ls, add_address(ls, addr), until);
    }
}

bool
leases_is_in_use(const struct leases *ls, const struct in6_addr *addr)
{
    return find_address(ls, addr) != NULL;
}

bool
leases_next_in_use(const struct leases *ls, const struct lease *lease,
                   void **cookie, struct in6_addr *addr)
{
    struct hmap_node *node = *cookie ? hmap_next(&ls->addresses, *cookie)
                                     : hmap_first(&ls->addresses);

    for (; node; node = hmap_next(&ls->addresses, node)) {
        const struct lease_address *la = CONTAINER_OF(
            node, struct lease_address, node);

        if (lease_prefix_contains(&lease->addr, lease->plen, &la->addr)) {
            *addr = la->addr;
            *cookie = node;
            return true;
        }
    }
    return false;
}

void
lease_run_addresses(struct leases *ls, long long int now)
{
    while (!heap_is_empty(&ls->resting)) {
        struct lease_address *la = CONTAINER_OF(
            heap_max(&ls->resting), struct lease_address, heap_node);

        if (now < la->until) {
            ls->next = MIN(ls->next, la->until);
            break;
        }
        heap_remove(&ls->resting, &la->heap_node);
        hmap_remove(&ls->addresses, &la->node);
        ovs_list_push_back(&ls->freed, &la->free_node);
    }
}

bool
leases_next_free(struct leases *ls, struct in6_addr *addr)
{
    struct lease_address *la;

    if (ovs_list_is_empty(&ls->freed)) {
        return false;
    }
    la = CONTAINER_OF(ovs_list_pop_front(&ls->freed), struct lease_address,
                      free_node);
    *addr = la->addr;
    free(la);
    return true;
}

void
lease_addresses_destroy(struct leases *ls)
{
    struct lease_address *la;

    HMAP_FOR_EACH_POP(la, node, &ls->addresses) {
        free(la);
    }
    hmap_destroy(&ls->addresses);
    heap_destroy(&ls->resting);
    LIST_FOR_EACH_POP(la, free_node, &ls->freed) {
        free(la);
    }
}
