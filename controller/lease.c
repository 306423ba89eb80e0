/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "lease-private.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "packets.h"
#include "policy.h"
#include "util.h"
#include "uuid.h"

struct leases *
leases_create(void)
{
    struct leases *ls = xzalloc(sizeof *ls);

    ovs_list_init(&ls->pools);
    ovs_list_init(&ls->permanent);
    hmap_init(&ls->blocks);
    hmap_init(&ls->addresses);
    heap_init(&ls->resting);
    ovs_list_init(&ls->changes);
    ovs_list_init(&ls->freed);
    ovs_list_init(&ls->unwritten);
    ls->next = LLONG_MAX;
    return ls;
}

static void
clear_pools(struct leases *ls)
{
    struct lease_permanent *permanent;
    struct lease_pool *pool;

    LIST_FOR_EACH_POP(permanent, node, &ls->permanent) {
        free(permanent->device);
        free(permanent->bridge);
        free(permanent);
    }
    LIST_FOR_EACH_POP(pool, node, &ls->pools) {
        free(pool->name);
        free(pool->bridge);
        free(pool);
    }
}

static void
forget_full(struct leases *ls)
{
    for (size_t i = 0; i < ARRAY_SIZE(ls->full); i++) {
        free(ls->full[i]);
        ls->full[i] = NULL;
    }
}

static void
free_lease(struct leases *ls, struct lease *lease)
{
    ls->n_odd -= lease->odd;
    hmap_remove(&ls->blocks, &lease->node);
    free(lease->pool);
    free(lease->bridge);
    free(lease->device);
    free(lease);
}

void
leases_destroy(struct leases *ls)
{
    if (ls) {
        struct lease_event *event;
        struct lease *lease;
        struct lease_todo *todo;

        LIST_FOR_EACH_POP(todo, node, &ls->unwritten) {
            free(todo);
        }
        HMAP_FOR_EACH_SAFE(lease, node, &ls->blocks) {
            free_lease(ls, lease);
        }
        hmap_destroy(&ls->blocks);
        lease_addresses_destroy(ls);
        LIST_FOR_EACH_POP(event, node, &ls->changes) {
            free(event);
        }
        clear_pools(ls);
        forget_full(ls);
        free(ls);
    }
}

static void
configure_permanent(struct leases *ls, const struct policy_device *device)
{
    for (size_t i = 0; i < device->n_permanent; i++) {
        struct lease_permanent *permanent = xzalloc(sizeof *permanent);

        permanent->addr = device->permanent[i].addr;
        permanent->device = xstrdup(device->name);
        permanent->bridge = xstrdup(device->permanent[i].bridge->name);
        ovs_list_push_back(&ls->permanent, &permanent->node);
    }
}

static void
changed(struct leases *ls, struct lease *lease)
{
    struct lease_event *event = xzalloc(sizeof *event);

    forget_full(ls);
    lease->version++;
    lease->written = !ls->write;
    lease_to_be_written(ls, &lease->addr, lease->plen);
    event->change.key = lease->key;
    ovs_strlcpy(event->change.bridge, lease->bridge,
                sizeof event->change.bridge);
    if (lease->state == LEASE_LEASED) {
        ovs_strlcpy(event->change.device, lease->device,
                    sizeof event->change.device);
    }
    event->change.addr = lease->addr;
    event->change.plen = lease->plen;
    ovs_list_push_back(&ls->changes, &event->node);
}

static void
put_to_rest(struct leases *ls, struct lease *lease, long long int now)
{
    lease->state = LEASE_RESTING;
    lease->until = now + lease->rest_s * 1000LL;
    ls->next = MIN(ls->next, lease->until);
    changed(ls, lease);
}

void
leases_configure(struct leases *ls, const struct policy *policy,
                 long long int now)
{
    const struct shash_node *node;
    struct lease *lease;

    clear_pools(ls);
    forget_full(ls);
    ls->max_addresses = UINT64_C(2) * policy->limits.sessions;
    SHASH_FOR_EACH(node, &policy->devices) {
        configure_permanent(ls, node->data);
    }
    SHASH_FOR_EACH(node, &policy->pools) {
        const struct policy_pool *pp = node->data;
        struct lease_pool *pool = xzalloc(sizeof *pool);

        pool->name = xstrdup(pp->name);
        pool->bridge = xstrdup(pp->bridge->name);
        pool->addr = pp->prefix.addr;
        pool->plen = pp->prefix.plen;
        pool->block_plen = MAX(pp->block_plen, pp->prefix.plen);
        pool->lease_s = pp->lease_s;
        pool->rest_s = pp->rest_s;
        pool->next = pool->addr;
        ovs_list_push_back(&ls->pools, &pool->node);
    }

    HMAP_FOR_EACH(lease, node, &ls->blocks) {
        const struct lease_pool *pool = lease_find_pool(ls, &lease->addr);

        lease_set_odd(ls, lease, pool);
        if (!pool || strcmp(pool->bridge, lease->bridge)
            || (lease->state == LEASE_LEASED
                && !shash_find(&policy->devices, lease->device))) {
            if (lease->state == LEASE_LEASED) {
                put_to_rest(ls, lease, now);
            }
        } else {
            lease->lifetime_s = pool->lease_s;
            lease->rest_s = pool->rest_s;
        }
    }
}

/* True if a block of another size, cut before a reload, overlaps. */
static bool
overlaps(const struct leases *ls, const struct lease_pool *pool,
         const struct in6_addr *block)
{
    const struct lease *lease;

    if (!ls->n_odd) {
        return false;
    }
    HMAP_FOR_EACH(lease, node, &ls->blocks) {
        if (lease->plen != pool->block_plen
            && (lease_prefix_contains(&lease->addr, lease->plen, block)
                || lease_prefix_contains(block, pool->block_plen,
                                         &lease->addr))) {
            return true;
        }
    }
    return false;
}

static struct lease *
add_lease(struct leases *ls, const struct lease_pool *pool, const char *device,
          const struct in6_addr *block, long long int now)
{
    struct lease *lease = xzalloc(sizeof *lease);

    lease->key = uuid_random();
    lease->pool = xstrdup(pool->name);
    lease->bridge = xstrdup(pool->bridge);
    lease->device = xstrdup(device);
    lease->addr = *block;
    lease->plen = pool->block_plen;
    lease->state = LEASE_LEASED;
    lease->lifetime_s = pool->lease_s;
    lease->rest_s = pool->rest_s;
    lease->until = now + pool->lease_s * 1000LL;
    ls->next = MIN(ls->next, lease->until);
    lease->order = ++ls->n_grants;
    hmap_insert(&ls->blocks, &lease->node, lease_hash_address(block));
    changed(ls, lease);
    return lease;
}

/* Cuts a new block for 'device'.  What was given back longest ago comes last,
 * because the search goes on where it stopped. */
static struct lease *
cut_block(struct leases *ls, struct lease_pool *pool, const char *device,
          long long int now)
{
    struct in6_addr block = pool->next;

    for (size_t i = 0; i <= hmap_count(&ls->blocks); i++) {
        if (!lease_find_block(ls, &block) && !overlaps(ls, pool, &block)) {
            pool->next = lease_block_after(pool, &block);
            return add_lease(ls, pool, device, &block, now);
        }
        block = lease_block_after(pool, &block);
        if (ipv6_addr_equals(&block, &pool->next)) {
            break;
        }
    }
    return NULL;
}

static bool
family_matches(const struct in6_addr *addr, int family)
{
    return (family == 4) == IN6_IS_ADDR_V4MAPPED(addr);
}

static struct lease *
renew(struct leases *ls, const char *device, const char *bridge, int family,
      long long int now)
{
    struct lease *newest = NULL;
    struct lease *lease;

    HMAP_FOR_EACH(lease, node, &ls->blocks) {
        if (lease->state == LEASE_LEASED && !strcmp(lease->device, device)
            && !strcmp(lease->bridge, bridge)
            && family_matches(&lease->addr, family)) {
            lease->until = now + lease->lifetime_s * 1000LL;
            if (!newest || lease->order > newest->order) {
                newest = lease;
            }
        }
    }
    return newest;
}

/* Has 'device' as many addresses as it can use?  Half of them may rest.  Of a
 * block it uses 2^16. */
static bool
has_enough(struct leases *ls, const char *device, int family)
{
    char **full = &ls->full[family == 6];
    const struct lease *lease;
    uint64_t n = 0;

    if (*full && !strcmp(*full, device)) {
        return true;
    }

    HMAP_FOR_EACH(lease, node, &ls->blocks) {
        if (lease->state == LEASE_LEASED && !strcmp(lease->device, device)
            && family_matches(&lease->addr, family)) {
            n += UINT64_C(1) << MIN(128 - lease->plen, 16);
        }
    }
    if (n >= ls->max_addresses) {
        free(*full);
        *full = xstrdup(device);
        return true;
    }
    return false;
}

const struct lease *
leases_grant(struct leases *ls, const char *device, const char *bridge,
             int family, bool more, long long int now, enum lease_error *error)
{
    struct lease_pool *pool;
    struct lease *lease;

    leases_run(ls, now);
    lease = renew(ls, device, bridge, family, now);
    if (lease && (!more || !lease->written)) {
        *error = LEASE_OK;
        return lease;
    }

    if (lease && has_enough(ls, device, family)) {
        *error = LEASE_LIMIT;
        return NULL;
    }
    *error = LEASE_NO_POOL;
    LIST_FOR_EACH(pool, node, &ls->pools) {
        if (strcmp(pool->bridge, bridge)
            || !family_matches(&pool->addr, family)) {
            continue;
        }
        lease = cut_block(ls, pool, device, now);
        if (lease) {
            *error = LEASE_OK;
            return lease;
        }
        *error = LEASE_EXHAUSTED;
    }
    return NULL;
}

const struct lease *
leases_find(const struct leases *ls, const struct in6_addr *addr)
{
    const struct lease_pool *pool = lease_find_pool(ls, addr);
    const struct lease *lease = NULL;

    if (pool) {
        struct in6_addr block = lease_block_of(pool, addr);

        lease = lease_find_block(ls, &block);
        if (lease && lease->plen == pool->block_plen) {
            return lease;
        }
    }

    /* Cut when the pool was another one. */
    if (!ls->n_odd) {
        return NULL;
    }
    HMAP_FOR_EACH(lease, node, &ls->blocks) {
        if (lease_prefix_contains(&lease->addr, lease->plen, addr)) {
            return lease;
        }
    }
    return NULL;
}

const char *
leases_lessee(const struct leases *ls, const struct in6_addr *addr)
{
    const struct lease_permanent *permanent = lease_find_permanent(ls, addr);
    const struct lease *lease;

    if (permanent) {
        return permanent->device;
    }
    lease = leases_find(ls, addr);
    return lease && lease->state == LEASE_LEASED ? lease->device : NULL;
}

bool
leases_adopt(struct leases *ls, const char *device, const char *bridge,
             const struct in6_addr *addr, long long int now)
{
    const struct lease_pool *pool = lease_find_pool(ls, addr);
    struct in6_addr block;

    if (!pool || strcmp(pool->bridge, bridge) || leases_find(ls, addr)) {
        return false;
    }
    block = lease_block_of(pool, addr);
    if (overlaps(ls, pool, &block)
        || has_enough(ls, device, IN6_IS_ADDR_V4MAPPED(addr) ? 4 : 6)) {
        return false;
    }
    add_lease(ls, pool, device, &block, now);
    return true;
}

const char *
leases_home_bridge(const struct leases *ls, const struct in6_addr *addr)
{
    const struct lease_permanent *permanent = lease_find_permanent(ls, addr);
    const struct lease_pool *pool = permanent ? NULL
                                              : lease_find_pool(ls, addr);

    return permanent ? permanent->bridge : pool ? pool->bridge : NULL;
}

bool
leases_is_permanent(const struct leases *ls, const struct in6_addr *addr)
{
    return lease_find_permanent(ls, addr) != NULL;
}

static void
run_block(struct leases *ls, struct lease *lease, long long int now)
{
    if (now < lease->until) {
        ls->next = MIN(ls->next, lease->until);
    } else if (lease->state == LEASE_LEASED) {
        put_to_rest(ls, lease, now);
    } else {
        lease_to_be_written(ls, &lease->addr, lease->plen);
        free_lease(ls, lease);
    }
}

void
leases_run(struct leases *ls, long long int now)
{
    struct lease *lease;

    if (now < ls->next) {
        return;
    }
    ls->next = LLONG_MAX;
    HMAP_FOR_EACH_SAFE(lease, node, &ls->blocks) {
        run_block(ls, lease, now);
    }
    lease_run_addresses(ls, now);
}

long long int
leases_next_deadline(const struct leases *ls)
{
    return ls->next;
}

bool
leases_next_change(struct leases *ls, struct lease_change *change)
{
    struct lease_event *event;

    if (ovs_list_is_empty(&ls->changes)) {
        return false;
    }
    event = CONTAINER_OF(ovs_list_pop_front(&ls->changes), struct lease_event,
                         node);
    *change = event->change;
    free(event);
    return true;
}

const struct lease *
leases_next(const struct leases *ls, const struct lease *lease)
{
    const struct hmap_node *node = lease ? hmap_next(&ls->blocks, &lease->node)
                                         : hmap_first(&ls->blocks);

    return node ? CONTAINER_OF(node, struct lease, node) : NULL;
}

size_t
leases_count(const struct leases *ls)
{
    return hmap_count(&ls->blocks);
}
