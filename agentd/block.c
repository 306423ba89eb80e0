/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "block-private.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "address.h"
#include "dad.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(block);
static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 20);

/* Addresses kept ready, of a family: at first; doubled whenever they run out;
 * at the most. */
#define READY_MIN 8
#define READY_MAX 256
/* The same when so many are asked for. */
#define EXPECT_MAX 4096

/* Milliseconds for which an address that another host claimed is left. */
#define CONFLICT_REST 600000

/* Milliseconds after which a renewal's 'in_use' is believed to know that an
 * address has moved away. */
#define AWAY_MIN 10000

struct block_family *
block_family(const struct blocks *bs, int family)
{
    return CONST_CAST(struct block_family *,
                      family == AF_INET ? &bs->v4 : &bs->v6);
}

bool
block_prefix_contains(const struct in6_addr *prefix, unsigned int plen,
                      const struct in6_addr *address)
{
    struct in6_addr mask = ipv6_create_mask(plen);
    struct in6_addr masked = ipv6_addr_bitand(address, &mask);

    return IN6_ARE_ADDR_EQUAL(&masked, prefix);
}

struct block *
block_find(const struct blocks *bs, const struct in6_addr *address)
{
    struct block *b;

    LIST_FOR_EACH(b, node, &bs->blocks) {
        if (block_prefix_contains(&b->lease.prefix, b->lease.plen, address)) {
            return b;
        }
    }
    return NULL;
}

/* Blocks. */

static void
block_watch(struct blocks *bs)
{
    size_t n = ovs_list_size(&bs->blocks);
    struct dad_prefix *prefixes = xmalloc((n + 1) * sizeof *prefixes);
    struct block *b;
    size_t i = 0;

    LIST_FOR_EACH(b, node, &bs->blocks) {
        prefixes[i].addr = b->lease.prefix;
        prefixes[i++].plen = b->lease.plen;
    }
    if (bs->dad) {
        dad_watch(bs->dad, prefixes, n);
    }
    free(prefixes);
}

/* Forgets what is not in use, of blocks that have gone. */
static void
forget_unused(struct blocks *bs)
{
    struct block_entry *e, *next;

    HMAP_FOR_EACH_SAFE(e, next, node, &bs->entries) {
        if (e->state != TAKEN && !block_find(bs, &e->address)) {
            block_entry_destroy(bs, e);
        }
    }
}

/* Forgets what was found out about an interface. */
static void
forget_probed(struct blocks *bs)
{
    struct block_entry *e, *next;

    HMAP_FOR_EACH_SAFE(e, next, node, &bs->entries) {
        if (e->state == PROBING || e->state == READY) {
            block_entry_destroy(bs, e);
        }
    }
}

static void
log_block(const struct block *b, const char *what)
{
    char text[INET6_ADDRSTRLEN];
    bool v4 = IN6_IS_ADDR_V4MAPPED(&b->lease.prefix);

    ipv6_string_mapped(text, &b->lease.prefix);
    VLOG_INFO("block %s/%u: %s", text, b->lease.plen - (v4 ? 96 : 0), what);
}

static struct block *
block_add(struct blocks *bs, const struct block_lease *lease)
{
    unsigned int host_bits = 128 - lease->plen;
    struct block *b = xzalloc(sizeof *b);

    b->lease = *lease;
    b->size = 1u << MIN(host_bits, BLOCK_SIZE_BITS);
    ovs_list_push_back(&bs->blocks, &b->node);
    block_watch(bs);
    log_block(b, "leased");
    return b;
}

/* Makes entries agree with what the controller says is in use elsewhere. */
static void
take_in_use(struct blocks *bs, const struct block *b,
            const struct in6_addr *in_use, size_t n)
{
    long long int now = time_msec();
    struct block_entry *e;

    HMAP_FOR_EACH(e, node, &bs->entries) {
        if (e->state == AWAY && now - e->when >= AWAY_MIN
            && block_find(bs, &e->address) == b) {
            block_entry_set(bs, e, RESTING, now + b->lease.rest * 1000LL);
        }
    }
    for (size_t i = 0; i < n; i++) {
        e = block_entry_find(bs, &in_use[i]);
        if (block_find(bs, &in_use[i]) != b) {
            continue; /* Nonsense. */
        } else if (e && e->state == TAKEN) {
            e->elsewhere = true; /* Or back at this device. */
            continue;
        }
        if (!e) {
            e = block_entry_create(bs, &in_use[i]);
        }
        block_entry_set(bs, e, AWAY, now);
    }
}

static void
block_remove(struct blocks *bs, struct block *b)
{
    ovs_list_remove(&b->node);
    free(b);
    forget_unused(bs);
    block_watch(bs);
}

/* Who asks for a renewal and gets another block no longer has the old one: the
 * controller has started anew, or the device is elsewhere. */
static void
forget_refused(struct blocks *bs, struct block_family *f,
               const struct in6_addr *granted)
{
    struct block *b = f->renewing ? block_find(bs, &f->renewed) : NULL;

    f->renewing = false;
    if (b && !IN6_ARE_ADDR_EQUAL(&b->lease.prefix, granted)) {
        log_block(b, "not renewed");
        block_remove(bs, b);
    }
}

int
block_lease(struct blocks *bs, const struct block_lease *lease)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(&lease->prefix);
    struct block_family *f = block_family(bs, address_family(&lease->prefix));
    struct block *b;

    if (lease->plen > 128 || (v4 && lease->plen < 96)
        || !block_prefix_contains(&lease->prefix, lease->plen,
                                  &lease->prefix)) {
        return EINVAL;
    }
    forget_refused(bs, f, &lease->prefix);
    b = block_find(bs, &lease->prefix);
    if (b && b->lease.plen != lease->plen) {
        block_remove(bs, b);
        b = NULL;
    }
    if (!b) {
        b = block_add(bs, lease);
    }
    b->lease = *lease;
    b->lease.in_use = NULL;
    b->lease.n_in_use = 0;
    b->renew_at = time_msec() + lease->lifetime * 500LL;
    b->expires = time_msec() + lease->lifetime * 1000LL;
    block_wake_at(bs, time_msec());
    f->quiet_until = 0;
    f->scarce = false; /* Until the next run knows better. */
    take_in_use(bs, b, lease->in_use, lease->n_in_use);
    return 0;
}

bool
block_contains(const struct blocks *bs, const struct in6_addr *address)
{
    return block_find(bs, address) != NULL;
}

/* What is needed. */

enum block_need
block_needs(const struct blocks *bs, int family,
            const struct block_lease **renewal)
{
    const struct block_family *f = block_family(bs, family);
    long long int now = time_msec();
    bool found = false;
    struct block *b;

    if (renewal) {
        *renewal = NULL;
    }
    if (now < f->quiet_until) {
        return BLOCK_NEED_NOTHING;
    }
    LIST_FOR_EACH(b, node, &bs->blocks) {
        if (address_family(&b->lease.prefix) == family) {
            if (now >= b->renew_at) {
                if (renewal) {
                    *renewal = &b->lease;
                }
                return BLOCK_NEED_LEASE;
            }
            found = true;
        }
    }
    return !found      ? BLOCK_NEED_LEASE
           : f->scarce ? BLOCK_NEED_MORE
                       : BLOCK_NEED_NOTHING;
}

void
block_asked(struct blocks *bs, int family)
{
    struct block_family *f = block_family(bs, family);
    const struct block_lease *renewal;

    block_needs(bs, family, &renewal);
    f->renewing = renewal != NULL;
    if (renewal) {
        f->renewed = renewal->prefix;
    }
    f->quiet_until = time_msec() + BLOCK_ASK_INTERVAL;
}

void
block_refused(struct blocks *bs, int family)
{
    block_family(bs, family)->quiet_until = time_msec()
                                            + BLOCK_REFUSED_INTERVAL;
}

/* Taking and giving back. */

void
block_expect(struct blocks *bs, int family, size_t n)
{
    struct block_family *f = block_family(bs, family);

    if (n > f->target) {
        f->target = MIN(n, EXPECT_MAX);
        block_wake_at(bs, time_msec());
    }
}

bool
block_peek(const struct blocks *bs, int family, struct in6_addr *address)
{
    const struct block_family *f = block_family(bs, family);

    if (!f->n_ready) {
        return false;
    }
    *address = CONTAINER_OF(ovs_list_front(&f->ready), struct block_entry,
                            ready_node)
                   ->address;
    return true;
}

int
block_take(struct blocks *bs, int family, struct in6_addr *address)
{
    struct block_family *f = block_family(bs, family);
    struct block_entry *e;

    if (!f->n_ready) {
        f->target = MAX(f->target, MIN(f->target * 2, READY_MAX));
        block_wake_at(bs, time_msec());
        return EAGAIN;
    }
    e = CONTAINER_OF(ovs_list_front(&f->ready), struct block_entry,
                     ready_node);
    *address = e->address;
    block_entry_set(bs, e, TAKEN, LLONG_MAX);
    block_wake_at(bs, time_msec());
    return 0;
}

void
block_put(struct blocks *bs, const struct in6_addr *address)
{
    const struct block *b = block_find(bs, address);
    struct block_entry *e = block_entry_find(bs, address);

    if (e && (e->state == AWAY || e->elsewhere)) {
        block_moved(bs, address);
    } else if (e && b) {
        block_entry_set(bs, e, RESTING, time_msec() + b->lease.rest * 1000LL);
    } else if (e) {
        block_entry_destroy(bs, e);
    }
}

void
block_reserve(struct blocks *bs, const struct in6_addr *address)
{
    struct block_entry *e = block_entry_find(bs, address);

    if (!e) {
        e = block_entry_create(bs, address);
    }
    block_entry_set(bs, e, TAKEN, LLONG_MAX);
}

void
block_moved(struct blocks *bs, const struct in6_addr *address)
{
    struct block_entry *e = block_entry_find(bs, address);

    if (e) {
        block_entry_set(bs, e, AWAY, time_msec());
    }
}

void
block_free(struct blocks *bs, const struct in6_addr *address)
{
    struct block_entry *e = block_entry_find(bs, address);

    /* Its rest is over, by the controller's clock. */
    if (e && e->state == AWAY) {
        block_entry_destroy(bs, e);
        block_wake_at(bs, time_msec());
    }
}

size_t
block_count_ready(const struct blocks *bs, int family)
{
    return block_family(bs, family)->n_ready;
}

/* Running. */

static void
refill(struct blocks *bs, int family)
{
    struct block_family *f = block_family(bs, family);
    bool found = true;

    while (found && f->n_ready + f->n_probing < f->target
           && time_msec() >= bs->rate_until) {
        struct block *b;

        found = false;
        LIST_FOR_EACH(b, node, &bs->blocks) {
            if (address_family(&b->lease.prefix) == family
                && block_probe_next(bs, b)) {
                found = true;
                break;
            }
        }
        if (bs->n_conflicts >= MAX_CONFLICTS) {
            bs->rate_until = time_msec() + RATE_LIMIT_INTERVAL;
            block_wake_at(bs, bs->rate_until);
        }
    }
    f->scarce = !found;
}

static void
take_claim(struct blocks *bs, const struct dad_claim *claim)
{
    struct block_entry *e = block_entry_find(bs, &claim->address);
    char text[INET6_ADDRSTRLEN];

    if (!e || (e->state != PROBING && e->state != READY)) {
        return;
    }
    ipv6_string_mapped(text, &claim->address);
    VLOG_WARN_RL(&rl,
                 "%s: " ETH_ADDR_FMT " on %s uses this address of our "
                 "block: taken out",
                 text, ETH_ADDR_ARGS(claim->mac), bs->ifname);
    bs->n_conflicts++;
    block_entry_set(bs, e, CONFLICT, time_msec() + CONFLICT_REST);
    block_wake_at(bs, time_msec());
}

static void
run_blocks(struct blocks *bs)
{
    struct block *b, *next;

    LIST_FOR_EACH_SAFE(b, next, node, &bs->blocks) {
        if (time_msec() >= b->expires) {
            log_block(b, "the lease is over");
            block_remove(bs, b);
        } else {
            block_wake_at(bs, b->expires);
        }
    }
}

void
block_run(struct blocks *bs)
{
    struct dad_claim claim;

    if (bs->dad) {
        dad_run(bs->dad);
        while (dad_next(bs->dad, &claim)) {
            take_claim(bs, &claim);
        }
    }
    if (time_msec() < bs->next_event) {
        return;
    }
    bs->next_event = LLONG_MAX;
    run_blocks(bs);
    if (bs->dad) {
        refill(bs, AF_INET);
        refill(bs, AF_INET6);
    }
    block_run_entries(bs);
}

static void
wait_for_needs(const struct blocks *bs, int family)
{
    const struct block_family *f = block_family(bs, family);
    long long int now = time_msec();
    struct block *b;

    if (now < f->quiet_until) {
        poll_timer_wait_until(f->quiet_until);
        return;
    }
    LIST_FOR_EACH(b, node, &bs->blocks) {
        if (address_family(&b->lease.prefix) == family && now < b->renew_at) {
            poll_timer_wait_until(b->renew_at);
        }
    }
}

void
block_wait(struct blocks *bs)
{
    if (bs->dad) {
        dad_wait(bs->dad);
    }
    if (bs->next_event != LLONG_MAX) {
        poll_timer_wait_until(bs->next_event);
    }
    wait_for_needs(bs, AF_INET);
    wait_for_needs(bs, AF_INET6);
}

/* The whole. */

int
block_set_interface(struct blocks *bs, const char *ifname, char **errorp)
{
    if (ifname && bs->dad && !strcmp(ifname, bs->ifname)) {
        return 0;
    }
    forget_probed(bs);
    dad_close(bs->dad);
    bs->dad = NULL;
    if (!ifname) {
        return 0;
    }
    bs->dad = dad_open(ifname, errorp);
    if (!bs->dad) {
        return ENODEV;
    }
    ovs_strlcpy(bs->ifname, ifname, sizeof bs->ifname);
    block_watch(bs);
    block_wake_at(bs, time_msec());
    return 0;
}

static void
family_init(struct block_family *f)
{
    ovs_list_init(&f->ready);
    f->target = READY_MIN;
}

struct blocks *
block_create(void)
{
    struct blocks *bs = xzalloc(sizeof *bs);

    hmap_init(&bs->entries);
    heap_init(&bs->timers);
    ovs_list_init(&bs->blocks);
    family_init(&bs->v4);
    family_init(&bs->v6);
    bs->next_event = LLONG_MAX;
    return bs;
}

void
block_destroy(struct blocks *bs)
{
    struct block_entry *e, *next_entry;
    struct block *b, *next_block;

    if (!bs) {
        return;
    }
    HMAP_FOR_EACH_SAFE(e, next_entry, node, &bs->entries) {
        block_entry_destroy(bs, e);
    }
    hmap_destroy(&bs->entries);
    heap_destroy(&bs->timers);
    LIST_FOR_EACH_SAFE(b, next_block, node, &bs->blocks) {
        ovs_list_remove(&b->node);
        free(b);
    }
    dad_close(bs->dad);
    free(bs);
}
