/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "session.h"

#include <stdlib.h>
#include <string.h>

#include "packets.h"
#include "util.h"
#include "uuid.h"

void
session_cache_init(struct session_cache *cache)
{
    hmap_init(&cache->sessions);
    simap_init(&cache->counts);
}

static void
count(struct session_cache *cache, const char *device, int change)
{
    unsigned int n = simap_get(&cache->counts, device) + change;

    if (n) {
        simap_put(&cache->counts, device, n);
    } else {
        simap_find_and_delete(&cache->counts, device);
    }
}

static void
session_free(struct session_cache *cache, struct session *session)
{
    count(cache, session->device, -1);
    hmap_remove(&cache->sessions, &session->node);
    free(session->device);
    free(session->name);
    free(session->service);
    free(session);
}

void
session_cache_destroy(struct session_cache *cache)
{
    struct session *session;

    HMAP_FOR_EACH_SAFE(session, node, &cache->sessions) {
        session_free(cache, session);
    }
    hmap_destroy(&cache->sessions);
    simap_destroy(&cache->counts);
}

static void
set_string(char **p, const char *s)
{
    char *old = *p; /* 's' may be that very string. */

    *p = xstrdup(s ? s : "");
    free(old);
}

struct session *
session_announce(struct session_cache *cache, const struct uuid *id,
                 const struct in6_addr *address, uint64_t epoch,
                 const char *device, const char *name, const char *service)
{
    struct session *session = session_find(cache, id);

    if (!session) {
        session = xzalloc(sizeof *session);
        session->id = *id;
        hmap_insert(&cache->sessions, &session->node, uuid_hash(id));
    }
    session->address = *address;
    session->epoch = epoch;
    session->marked = false;
    count(cache, device, 1); /* First: it may be that very string. */
    if (session->device) {
        count(cache, session->device, -1);
    }
    set_string(&session->device, device);
    set_string(&session->name, name);
    set_string(&session->service, service);
    return session;
}

void
session_forget(struct session_cache *cache, const struct uuid *id)
{
    struct session *session = session_find(cache, id);

    if (session) {
        session_free(cache, session);
    }
}

struct session *
session_find(const struct session_cache *cache, const struct uuid *id)
{
    struct session *session;

    HMAP_FOR_EACH_WITH_HASH(session, node, uuid_hash(id), &cache->sessions) {
        if (uuid_equals(&session->id, id)) {
            return session;
        }
    }
    return NULL;
}

struct session *
session_find_address(const struct session_cache *cache,
                     const struct in6_addr *address, const char *device)
{
    struct session *session;

    HMAP_FOR_EACH(session, node, &cache->sessions) {
        if (ipv6_addr_equals(&session->address, address)
            && !strcmp(session->device, device)) {
            return session;
        }
    }
    return NULL;
}

size_t
session_count_of(const struct session_cache *cache, const char *device)
{
    return simap_get(&cache->counts, device);
}

void
session_cache_mark(struct session_cache *cache, const char *device)
{
    struct session *session;

    HMAP_FOR_EACH(session, node, &cache->sessions) {
        if (!strcmp(session->device, device)) {
            session->marked = true;
        }
    }
}

void
session_cache_sweep(struct session_cache *cache, const char *device)
{
    struct session *session;

    HMAP_FOR_EACH_SAFE(session, node, &cache->sessions) {
        if (session->marked && !strcmp(session->device, device)) {
            session_free(cache, session);
        }
    }
}
