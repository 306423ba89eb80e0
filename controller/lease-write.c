/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "lease-private.h"

#include <stdlib.h>

#include "packets.h"
#include "util.h"
#include "uuid.h"

/* What is to be written where it outlives this process, and was. */

/* Seconds that a block rests, if no pool says how long. */
#define LEASE_REST_DEFAULT 3600

void
lease_to_be_written(struct leases *ls, const struct in6_addr *addr,
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

    if (!block_from_string(block, &addr, &plen)
        || lease_find_block(ls, &addr)) {
        return false;
    }
    pool = lease_find_pool(ls, &addr);
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
    lease_set_odd(ls, lease, pool);
    ls->next = MIN(ls->next, lease->until);
    hmap_insert(&ls->blocks, &lease->node, lease_hash_address(&addr));
    return true;
}

bool
leases_next_unwritten(struct leases *ls, struct lease_block *block,
                      const struct lease **leasep)
{
    struct lease_todo *todo;

    LIST_FOR_EACH_POP(todo, node, &ls->unwritten) {
        struct lease *lease = lease_find_block(ls, &todo->block.addr);

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
    struct lease *lease = lease_find_block(ls, &block->addr);

    if (lease && lease->plen == block->plen
        && lease->version == block->version) {
        lease->written = true;
    }
}

void
leases_write_again(struct leases *ls, const struct lease_block *block)
{
    struct lease *lease = lease_find_block(ls, &block->addr);

    if (lease) {
        lease->taken = 0;
    }
    lease_to_be_written(ls, &block->addr, block->plen);
}
