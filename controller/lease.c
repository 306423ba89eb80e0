/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "lease.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "packets.h"
#include "policy.h"
#include "util.h"
#include "uuid.h"

/* Seconds that a block rests, if no pool says how long. */
#define LEASE_REST_DEFAULT 3600

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
    long long int until; /* End of its rest; LLONG_MAX: in use. */
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
    struct ovs_list changes;   /* struct lease_event */
    struct ovs_list freed;     /* struct lease_event; only 'addr' counts. */
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

struct leases *
leases_create(void)
{
    struct leases *ls = xzalloc(sizeof *ls);

    ovs_list_init(&ls->pools);
    ovs_list_init(&ls->permanent);
    hmap_init(&ls->blocks);
    hmap_init(&ls->addresses);
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

static void
clear_events(struct ovs_list *events)
{
    struct lease_event *event;

    LIST_FOR_EACH_POP(event, node, events) {
        free(event);
    }
}

void
leases_destroy(struct leases *ls)
{
    if (ls) {
        struct lease *lease;
        struct lease_address *la;
        struct lease_todo *todo;

        LIST_FOR_EACH_POP(todo, node, &ls->unwritten) {
            free(todo);
        }
        HMAP_FOR_EACH_SAFE(lease, node, &ls->blocks) {
            free_lease(ls, lease);
        }
        hmap_destroy(&ls->blocks);
        HMAP_FOR_EACH_POP(la, node, &ls->addresses) {
            free(la);
        }
        hmap_destroy(&ls->addresses);
        clear_events(&ls->changes);
        clear_events(&ls->freed);
        clear_pools(ls);
        forget_full(ls);
        free(ls);
    }
}

static bool
prefix_contains(const struct in6_addr *prefix, unsigned int plen,
                const struct in6_addr *addr)
{
    struct in6_addr mask = ipv6_create_mask(plen);
    struct in6_addr masked = ipv6_addr_bitand(addr, &mask);

    return ipv6_addr_equals(prefix, &masked);
}

static uint32_t
hash_address(const struct in6_addr *addr)
{
    return hash_bytes(addr, sizeof *addr, 0);
}

static const struct lease_permanent *
find_permanent(const struct leases *ls, const struct in6_addr *addr)
{
    const struct lease_permanent *permanent;

    LIST_FOR_EACH(permanent, node, &ls->permanent) {
        if (ipv6_addr_equals(&permanent->addr, addr)) {
            return permanent;
        }
    }
    return NULL;
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

static struct lease_pool *
find_pool(const struct leases *ls, const struct in6_addr *addr)
{
    struct lease_pool *pool;

    LIST_FOR_EACH(pool, node, &ls->pools) {
        if (prefix_contains(&pool->addr, pool->plen, addr)) {
            return pool;
        }
    }
    return NULL;
}

static struct lease *
find_block(const struct leases *ls, const struct in6_addr *block)
{
    struct lease *lease;

    HMAP_FOR_EACH_WITH_HASH(lease, node, hash_address(block), &ls->blocks) {
        if (ipv6_addr_equals(&lease->addr, block)) {
            return lease;
        }
    }
    return NULL;
}

static void
to_be_written(struct leases *ls, const struct in6_addr *addr,
              unsigned int plen)
{
    struct lease_todo *todo;

    if (ls->write) {
        todo = xzalloc(sizeof *todo);
        todo->block.addr = *addr;
        todo->block.plen = plen;
        ovs_list_push_back(&ls->unwritten, &todo->node);
    }
}

static void
changed(struct leases *ls, struct lease *lease)
{
    struct lease_event *event = xzalloc(sizeof *event);

    forget_full(ls);
    lease->version++;
    lease->written = !ls->write;
    to_be_written(ls, &lease->addr, lease->plen);
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
set_odd(struct leases *ls, struct lease *lease, const struct lease_pool *pool)
{
    ls->n_odd -= lease->odd;
    lease->odd = !pool || lease->plen != pool->block_plen;
    ls->n_odd += lease->odd;
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
        const struct lease_pool *pool = find_pool(ls, &lease->addr);

        set_odd(ls, lease, pool);
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

/* The block of 'pool' around 'addr'. */
static struct in6_addr
block_of(const struct lease_pool *pool, const struct in6_addr *addr)
{
    struct in6_addr mask = ipv6_create_mask(pool->block_plen);

    return ipv6_addr_bitand(addr, &mask);
}

/* The block after 'block', around to the pool's first. */
static struct in6_addr
block_after(const struct lease_pool *pool, const struct in6_addr *block)
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
    return prefix_contains(&pool->addr, pool->plen, &next) ? next : pool->addr;
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
            && (prefix_contains(&lease->addr, lease->plen, block)
                || prefix_contains(block, pool->block_plen, &lease->addr))) {
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
    hmap_insert(&ls->blocks, &lease->node, hash_address(block));
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
        if (!find_block(ls, &block) && !overlaps(ls, pool, &block)) {
            pool->next = block_after(pool, &block);
            return add_lease(ls, pool, device, &block, now);
        }
        block = block_after(pool, &block);
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

/* Has 'device' as many addresses as it can use?  Half of them may rest. */
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
            n += UINT64_C(1) << MIN(128 - lease->plen, 32);
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

/* Writing. */

void
leases_write_changes(struct leases *ls)
{
    ls->write = true;
}

char *
lease_block_to_string(const struct in6_addr *addr, unsigned int plen)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(addr) && plen >= 96;
    char s[INET6_ADDRSTRLEN];

    ipv6_string_mapped(s, addr);
    return xasprintf("%s/%u", s, v4 ? plen - 96 : plen);
}

static bool
block_from_string(const char *s, struct in6_addr *addr, unsigned int *plen)
{
    struct in6_addr mask;
    ovs_be32 ip;
    char *error;

    error = ip_parse_cidr(s, &ip, plen);
    if (!error) {
        in6_addr_set_mapped_ipv4(addr, ip);
        *plen += 96;
    } else {
        free(error);
        error = ipv6_parse_cidr(s, addr, plen);
        if (error) {
            free(error);
            return false;
        }
    }
    mask = ipv6_create_mask(*plen);
    *addr = ipv6_addr_bitand(addr, &mask);
    return true;
}

bool
leases_load(struct leases *ls, const char *pool_name, const char *bridge,
            const char *device, const char *block, enum lease_state state,
            long long int now)
{
    const struct lease_pool *pool;
    struct in6_addr addr;
    struct lease *lease;
    unsigned int plen;

    if (!block_from_string(block, &addr, &plen) || find_block(ls, &addr)) {
        return false;
    }
    pool = find_pool(ls, &addr);
    lease = xzalloc(sizeof *lease);
    lease->key = uuid_random();
    lease->pool = xstrdup(pool_name);
    lease->bridge = xstrdup(bridge);
    lease->device = xstrdup(device);
    lease->addr = addr;
    lease->plen = plen;
    lease->state = state;
    lease->lifetime_s = pool ? pool->lease_s : 0;
    lease->rest_s = pool ? pool->rest_s : LEASE_REST_DEFAULT;
    lease->until = now
                   + 1000LL
                         * (state == LEASE_LEASED ? lease->lifetime_s
                                                  : lease->rest_s);
    lease->order = ++ls->n_grants;
    lease->version = 1;
    lease->written = true;
    set_odd(ls, lease, pool);
    ls->next = MIN(ls->next, lease->until);
    hmap_insert(&ls->blocks, &lease->node, hash_address(&addr));
    return true;
}

bool
leases_next_unwritten(struct leases *ls, struct lease_block *block,
                      const struct lease **leasep)
{
    struct lease_todo *todo;

    LIST_FOR_EACH_POP(todo, node, &ls->unwritten) {
        struct lease *lease = find_block(ls, &todo->block.addr);

        *block = todo->block;
        free(todo);
        if (lease && lease->plen != block->plen) {
            lease = NULL; /* Another, which begins with the same address. */
        }
        block->version = lease ? lease->version : 0;
        *leasep = lease;
        if (!lease || lease->taken != lease->version) {
            if (lease) {
                lease->taken = lease->version;
            }
            return true;
        }
    }
    return false;
}

bool
leases_any_unwritten(const struct leases *ls)
{
    return !ovs_list_is_empty(&ls->unwritten);
}

void
leases_written(struct leases *ls, const struct lease_block *block)
{
    struct lease *lease = find_block(ls, &block->addr);

    if (lease && lease->plen == block->plen
        && lease->version == block->version) {
        lease->written = true;
    }
}

void
leases_write_again(struct leases *ls, const struct lease_block *block)
{
    struct lease *lease = find_block(ls, &block->addr);

    if (lease) {
        lease->taken = 0;
    }
    to_be_written(ls, &block->addr, block->plen);
}

const struct lease *
leases_find(const struct leases *ls, const struct in6_addr *addr)
{
    const struct lease_pool *pool = find_pool(ls, addr);
    const struct lease *lease = NULL;

    if (pool) {
        struct in6_addr block = block_of(pool, addr);

        lease = find_block(ls, &block);
        if (lease && lease->plen == pool->block_plen) {
            return lease;
        }
    }

    /* Cut when the pool was another one. */
    if (!ls->n_odd) {
        return NULL;
    }
    HMAP_FOR_EACH(lease, node, &ls->blocks) {
        if (prefix_contains(&lease->addr, lease->plen, addr)) {
            return lease;
        }
    }
    return NULL;
}

const char *
leases_lessee(const struct leases *ls, const struct in6_addr *addr)
{
    const struct lease_permanent *permanent = find_permanent(ls, addr);
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
    const struct lease_pool *pool = find_pool(ls, addr);
    struct in6_addr block;

    if (!pool || strcmp(pool->bridge, bridge) || leases_find(ls, addr)) {
        return false;
    }
    block = block_of(pool, addr);
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
    const struct lease_permanent *permanent = find_permanent(ls, addr);
    const struct lease_pool *pool = permanent ? NULL : find_pool(ls, addr);

    return permanent ? permanent->bridge : pool ? pool->bridge : NULL;
}

bool
leases_is_permanent(const struct leases *ls, const struct in6_addr *addr)
{
    return find_permanent(ls, addr) != NULL;
}

static struct lease_address *
find_address(const struct leases *ls, const struct in6_addr *addr)
{
    struct lease_address *la;

    HMAP_FOR_EACH_WITH_HASH(la, node, hash_address(addr), &ls->addresses) {
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
        hmap_insert(&ls->addresses, &la->node, hash_address(addr));
    }
    return la;
}

void
leases_hold(struct leases *ls, const struct in6_addr *addr)
{
    if (!find_permanent(ls, addr)) {
        add_address(ls, addr)->until = LLONG_MAX;
    }
}

void
leases_rest(struct leases *ls, const struct in6_addr *addr, long long int now)
{
    const struct lease_pool *pool = find_pool(ls, addr);
    long long int until = now + (pool ? pool->rest_s * 1000LL : 0);

    if (find_permanent(ls, addr)) {
        return;
    }
    add_address(ls, addr)->until = until;
    ls->next = MIN(ls->next, until);
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

        if (prefix_contains(&lease->addr, lease->plen, &la->addr)) {
            *addr = la->addr;
            *cookie = node;
            return true;
        }
    }
    return false;
}

static void
run_block(struct leases *ls, struct lease *lease, long long int now)
{
    if (now < lease->until) {
        ls->next = MIN(ls->next, lease->until);
    } else if (lease->state == LEASE_LEASED) {
        put_to_rest(ls, lease, now);
    } else {
        to_be_written(ls, &lease->addr, lease->plen);
        free_lease(ls, lease);
    }
}

static void
run_address(struct leases *ls, struct lease_address *la, long long int now)
{
    struct lease_event *event;

    if (now < la->until) {
        ls->next = MIN(ls->next, la->until);
        return;
    }
    event = xzalloc(sizeof *event);
    event->change.addr = la->addr;
    ovs_list_push_back(&ls->freed, &event->node);
    hmap_remove(&ls->addresses, &la->node);
    free(la);
}

void
leases_run(struct leases *ls, long long int now)
{
    struct lease_address *la;
    struct lease *lease;

    if (now < ls->next) {
        return;
    }
    ls->next = LLONG_MAX;
    HMAP_FOR_EACH_SAFE(lease, node, &ls->blocks) {
        run_block(ls, lease, now);
    }
    HMAP_FOR_EACH_SAFE(la, node, &ls->addresses) {
        run_address(ls, la, now);
    }
}

long long int
leases_next_deadline(const struct leases *ls)
{
    return ls->next;
}

static bool
next_event(struct ovs_list *events, struct lease_change *change)
{
    struct lease_event *event;

    if (ovs_list_is_empty(events)) {
        return false;
    }
    event = CONTAINER_OF(ovs_list_pop_front(events), struct lease_event, node);
    *change = event->change;
    free(event);
    return true;
}

bool
leases_next_change(struct leases *ls, struct lease_change *change)
{
    return next_event(&ls->changes, change);
}

bool
leases_next_free(struct leases *ls, struct in6_addr *addr)
{
    struct lease_change change;

    if (!next_event(&ls->freed, &change)) {
        return false;
    }
    *addr = change.addr;
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
