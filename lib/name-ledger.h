/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_NAME_LEDGER_H
#define BATON_NAME_LEDGER_H 1

/* Who was told which address by name, and may have another: since a question
 * costs its asker nothing, what it costs us is counted here.
 *
 *     if (name_ledger_find_repeated(...)) ...   the same answer once more
 *     else if (name_ledger_admit(...)) {
 *         name_ledger_add(&ledger, &mine->entry, now);     wanted
 *         name_ledger_told(&ledger, &mine->entry, &address, now);
 *     }
 *     while ((entry = name_ledger_next_over(&ledger, now))) {
 *         name_ledger_remove(&ledger, entry); ...
 *     }
 *
 * Entries are the caller's, part of what it knows besides.  An entry is wanted
 * until it has an address, for a second at most; told for as long as an address
 * may be unused. */

#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>

#include "dns-server.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/token-bucket.h"
#include "openvswitch/uuid.h"

/* An address for somebody. */
struct name_entry {
    struct hmap_node asker_node;   /* In struct name_ledger, by the address. */
    struct hmap_node session_node; /* The same, by 'session'. */
    struct ovs_list node;          /* In 'wanted' or 'told', oldest first. */
    struct uuid session;
    struct dns_asker asker;
    uint32_t hash; /* Of the question. */
    bool told;
    long long int since;     /* Milliseconds: wanted, or told. */
    struct in6_addr address; /* If 'told'. */
};

struct name_ledger {
    struct hmap by_asker, by_session;
    struct ovs_list wanted, told;
    struct token_bucket tokens;
    unsigned int per_source; /* Entries of one asker. */
    long long int unused_ms;
};

void name_ledger_init(struct name_ledger *);
/* The caller has removed all. */
void name_ledger_destroy(struct name_ledger *);
/* 'rate': entries a second. */
void name_ledger_configure(struct name_ledger *, unsigned int per_source,
                           unsigned int rate, unsigned int unused_s);

/* The entry of the same question of the same asker, a moment ago; or NULL. */
struct name_entry *name_ledger_find_repeated(const struct name_ledger *,
                                             const struct dns_asker *,
                                             uint32_t hash, long long int now);
/* May 'asker' have one more? */
bool name_ledger_admit(struct name_ledger *, const struct dns_asker *);
/* With 'session', 'asker' and 'hash' filled in. */
void name_ledger_add(struct name_ledger *, struct name_entry *,
                     long long int now);
void name_ledger_told(struct name_ledger *, struct name_entry *,
                      const struct in6_addr *, long long int now);
void name_ledger_remove(struct name_ledger *, struct name_entry *);

struct name_entry *name_ledger_find_session(const struct name_ledger *,
                                            const struct uuid *);
/* One whose time is over, or NULL; and when the next one's is (milliseconds;
 * LLONG_MAX: never). */
struct name_entry *name_ledger_next_over(const struct name_ledger *,
                                         long long int now);
long long int name_ledger_next_deadline(const struct name_ledger *);

#endif /* lib/name-ledger.h */
