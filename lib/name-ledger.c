/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "name-ledger.h"

#include <limits.h>

#include "hash.h"
#include "packets.h"
#include "util.h"
#include "uuid.h"

/* Milliseconds in which a wanted one is told, and for which a question is taken
 * for the same one. */
#define WANTED_TIMEOUT 1000
#define REPEAT_TIME 5000
/* Entries in all. */
#define ENTRIES_MAX 65536
/* Tokens of an entry: there come 'rate' of them each millisecond. */
#define TOKENS 1000

void
name_ledger_init(struct name_ledger *ledger)
{
    hmap_init(&ledger->by_asker);
    hmap_init(&ledger->by_session);
    ovs_list_init(&ledger->wanted);
    ovs_list_init(&ledger->told);
    token_bucket_init(&ledger->tokens, 1, TOKENS);
    ledger->per_source = 1;
    ledger->unused_ms = 0;
}

void
name_ledger_destroy(struct name_ledger *ledger)
{
    hmap_destroy(&ledger->by_asker);
    hmap_destroy(&ledger->by_session);
}

void
name_ledger_configure(struct name_ledger *ledger, unsigned int per_source,
                      unsigned int rate, unsigned int unused_s)
{
    ledger->per_source = per_source;
    ledger->unused_ms = unused_s * 1000LL;
    token_bucket_set(&ledger->tokens, rate, rate * TOKENS);
}

static uint32_t
hash_asker(const struct dns_asker *asker)
{
    return hash_bytes(&asker->address, sizeof asker->address, 0);
}

struct name_entry *
name_ledger_find_repeated(const struct name_ledger *ledger,
                          const struct dns_asker *asker, uint32_t hash,
                          long long int now)
{
    struct name_entry *e;

    HMAP_FOR_EACH_WITH_HASH(e, asker_node, hash_asker(asker),
                            &ledger->by_asker) {
        if (ipv6_addr_equals(&e->asker.address, &asker->address)
            && e->hash == hash && e->asker.port == asker->port
            && e->asker.connection == asker->connection
            && now < e->since + REPEAT_TIME) {
            return e;
        }
    }
    return NULL;
}

bool
name_ledger_admit(struct name_ledger *ledger, const struct dns_asker *asker)
{
    const struct name_entry *e;
    size_t n = 0;

    HMAP_FOR_EACH_WITH_HASH(e, asker_node, hash_asker(asker),
                            &ledger->by_asker) {
        n += ipv6_addr_equals(&e->asker.address, &asker->address);
    }
    return (n < ledger->per_source
            && hmap_count(&ledger->by_session) < ENTRIES_MAX
            && token_bucket_withdraw(&ledger->tokens, TOKENS));
}

void
name_ledger_add(struct name_ledger *ledger, struct name_entry *e,
                long long int now)
{
    e->told = false;
    e->since = now;
    hmap_insert(&ledger->by_asker, &e->asker_node, hash_asker(&e->asker));
    hmap_insert(&ledger->by_session, &e->session_node, uuid_hash(&e->session));
    ovs_list_push_back(&ledger->wanted, &e->node);
}

void
name_ledger_told(struct name_ledger *ledger, struct name_entry *e,
                 const struct in6_addr *address, long long int now)
{
    e->told = true;
    e->since = now;
    e->address = *address;
    ovs_list_remove(&e->node);
    ovs_list_push_back(&ledger->told, &e->node);
}

void
name_ledger_remove(struct name_ledger *ledger, struct name_entry *e)
{
    hmap_remove(&ledger->by_asker, &e->asker_node);
    hmap_remove(&ledger->by_session, &e->session_node);
    ovs_list_remove(&e->node);
}

struct name_entry *
name_ledger_find_session(const struct name_ledger *ledger,
                         const struct uuid *session)
{
    struct name_entry *e;

    HMAP_FOR_EACH_WITH_HASH(e, session_node, uuid_hash(session),
                            &ledger->by_session) {
        if (uuid_equals(&e->session, session)) {
            return e;
        }
    }
    return NULL;
}

static struct name_entry *
oldest(const struct ovs_list *list)
{
    return (ovs_list_is_empty(list)
                ? NULL
                : CONTAINER_OF(ovs_list_front(list), struct name_entry, node));
}

static long long int
deadline(const struct name_ledger *ledger, const struct name_entry *e)
{
    return (!e        ? LLONG_MAX
            : e->told ? e->since + ledger->unused_ms
                      : e->since + WANTED_TIMEOUT);
}

struct name_entry *
name_ledger_next_over(const struct name_ledger *ledger, long long int now)
{
    struct name_entry *wanted = oldest(&ledger->wanted);
    struct name_entry *told = oldest(&ledger->told);

    return (now >= deadline(ledger, wanted) ? wanted
            : now >= deadline(ledger, told) ? told
                                            : NULL);
}

long long int
name_ledger_next_deadline(const struct name_ledger *ledger)
{
    return MIN(deadline(ledger, oldest(&ledger->wanted)),
               deadline(ledger, oldest(&ledger->told)));
}
