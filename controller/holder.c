/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "holder.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "packets.h"
#include "util.h"
#include "uuid.h"

struct holder {
    struct hmap_node node; /* In struct holders, by 'address'. */
    struct in6_addr address;
    struct uuid transfer;
    long long int since; /* Milliseconds. */
    bool kept;           /* In the database too. */
    char device[];
};

/* An address whose session has ended. */
struct awaited {
    struct ovs_list node; /* In struct holders. */
    struct in6_addr address;
};

struct holders {
    struct hmap holders;     /* struct holder */
    struct ovs_list awaited; /* struct awaited: few, and not for long. */
    uint64_t seqno;          /* Of those that are kept. */
};

struct holders *
holders_create(void)
{
    struct holders *hs = xzalloc(sizeof *hs);

    hmap_init(&hs->holders);
    ovs_list_init(&hs->awaited);
    return hs;
}

void
holders_destroy(struct holders *hs)
{
    if (hs) {
        struct awaited *awaited;
        struct holder *h;

        HMAP_FOR_EACH_POP(h, node, &hs->holders) {
            free(h);
        }
        hmap_destroy(&hs->holders);
        LIST_FOR_EACH_POP(awaited, node, &hs->awaited) {
            free(awaited);
        }
        free(hs);
    }
}

static uint32_t
hash_address(const struct in6_addr *address)
{
    return hash_bytes(address, sizeof *address, 0);
}

static struct holder *
holder_find(const struct holders *hs, const struct in6_addr *address,
            const char *device)
{
    struct holder *h;

    HMAP_FOR_EACH_WITH_HASH(h, node, hash_address(address), &hs->holders) {
        if (ipv6_addr_equals(&h->address, address)
            && (!device || !strcmp(h->device, device))) {
            return h;
        }
    }
    return NULL;
}

static void
holder_destroy(struct holders *hs, struct holder *h)
{
    hmap_remove(&hs->holders, &h->node);
    hs->seqno += h->kept;
    free(h);
}

void
holders_add(struct holders *hs, const struct in6_addr *address,
            const char *device, const struct uuid *transfer, long long int now)
{
    struct holder *h = holder_find(hs, address, device);

    if (!h) {
        size_t len = strlen(device) + 1;

        h = xzalloc(sizeof *h + len);
        h->address = *address;
        memcpy(h->device, device, len);
        hmap_insert(&hs->holders, &h->node, hash_address(address));
    }
    h->transfer = *transfer;
    h->since = now;
    hs->seqno += h->kept;
}

void
holders_keep(struct holders *hs, const struct in6_addr *address,
             const char *device)
{
    struct holder *h = holder_find(hs, address, device);

    if (h && !h->kept) {
        h->kept = true;
        hs->seqno++;
    }
}

uint64_t
holders_seqno(const struct holders *hs)
{
    return hs->seqno;
}

bool
holders_next_kept(const struct holders *hs, void **cookie,
                  struct holder_kept *kept)
{
    struct holder *last = *cookie;
    struct hmap_node *node = last ? hmap_next(&hs->holders, &last->node)
                                  : hmap_first(&hs->holders);

    for (; node; node = hmap_next(&hs->holders, node)) {
        struct holder *h = CONTAINER_OF(node, struct holder, node);

        if (h->kept) {
            kept->address = h->address;
            kept->device = h->device;
            kept->transfer = h->transfer;
            *cookie = h;
            return true;
        }
    }
    return false;
}

void
holders_left(struct holders *hs, const struct in6_addr *address,
             const char *device, const struct uuid *transfer)
{
    struct holder *h = holder_find(hs, address, device);

    if (h && uuid_equals(&h->transfer, transfer)) {
        holder_destroy(hs, h);
    }
}

void
holders_forget(struct holders *hs, const char *device, long long int since)
{
    struct holder *h;

    HMAP_FOR_EACH_SAFE(h, node, &hs->holders) {
        if (h->since < since && !strcmp(h->device, device)) {
            holder_destroy(hs, h);
        }
    }
}

const char *
holders_next(const struct holders *hs, const struct in6_addr *address,
             void **cookie)
{
    struct holder *last = *cookie;
    struct hmap_node *node = last ? hmap_next_with_hash(&last->node)
                                  : hmap_first_with_hash(
                                      &hs->holders, hash_address(address));

    for (; node; node = hmap_next_with_hash(node)) {
        struct holder *h = CONTAINER_OF(node, struct holder, node);

        if (ipv6_addr_equals(&h->address, address)) {
            *cookie = h;
            return h->device;
        }
    }
    return NULL;
}

bool
holders_any(const struct holders *hs, const struct in6_addr *address)
{
    return holder_find(hs, address, NULL) != NULL;
}

void
holders_await(struct holders *hs, const struct in6_addr *address)
{
    struct awaited *awaited;

    LIST_FOR_EACH(awaited, node, &hs->awaited) {
        if (ipv6_addr_equals(&awaited->address, address)) {
            return;
        }
    }
    awaited = xmalloc(sizeof *awaited);
    awaited->address = *address;
    ovs_list_push_back(&hs->awaited, &awaited->node);
}

bool
holders_next_left(struct holders *hs, struct in6_addr *address)
{
    struct awaited *awaited;

    LIST_FOR_EACH(awaited, node, &hs->awaited) {
        if (!holders_any(hs, &awaited->address)) {
            *address = awaited->address;
            ovs_list_remove(&awaited->node);
            free(awaited);
            return true;
        }
    }
    return false;
}
