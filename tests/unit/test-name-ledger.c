/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "name-ledger.h"

#include <arpa/inet.h>
#include <limits.h>

#include "packets.h"
#include "unit.h"
#include "util.h"
#include "uuid.h"

static struct name_ledger ledger;

static struct dns_asker
asker(const char *address, uint16_t port)
{
    struct dns_asker a = { .port = port };

    in6_addr_set_mapped_ipv4(&a.address, inet_addr(address));
    return a;
}

static void
add(struct name_entry *e, const struct dns_asker *from, uint32_t hash,
    long long int now)
{
    *e = (struct name_entry){ .asker = *from, .hash = hash };
    uuid_generate(&e->session);
    name_ledger_add(&ledger, e, now);
}

static void
test_repeated(void)
{
    struct dns_asker a = asker("10.1.0.2", 1000), b = asker("10.1.0.2", 1001);
    struct in6_addr address = a.address;
    struct name_entry e;

    name_ledger_init(&ledger);
    name_ledger_configure(&ledger, 10, 1000, 30);
    add(&e, &a, 7, 100);
    CU_ASSERT_PTR_EQUAL(name_ledger_find_repeated(&ledger, &a, 7, 200), &e);
    CU_ASSERT_PTR_NULL(name_ledger_find_repeated(&ledger, &a, 8, 200));
    CU_ASSERT_PTR_NULL(name_ledger_find_repeated(&ledger, &b, 7, 200));
    CU_ASSERT_PTR_EQUAL(name_ledger_find_session(&ledger, &e.session), &e);
    CU_ASSERT_FALSE(e.told);

    name_ledger_told(&ledger, &e, &address, 300);
    CU_ASSERT_TRUE(e.told);
    CU_ASSERT_PTR_EQUAL(name_ledger_find_repeated(&ledger, &a, 7, 5299), &e);
    CU_ASSERT_PTR_NULL(name_ledger_find_repeated(&ledger, &a, 7, 5300));
    name_ledger_remove(&ledger, &e);
    CU_ASSERT_PTR_NULL(name_ledger_find_session(&ledger, &e.session));
    name_ledger_destroy(&ledger);
}

/* One asker's entries are limited, whatever its ports; another's are not. */
static void
test_admit(void)
{
    struct dns_asker a = asker("10.1.0.2", 1), b = asker("10.1.0.3", 1);
    struct name_entry e[3];

    name_ledger_init(&ledger);
    name_ledger_configure(&ledger, 3, 1000, 30);
    for (size_t i = 0; i < ARRAY_SIZE(e); i++) {
        CU_ASSERT_TRUE(name_ledger_admit(&ledger, &a));
        add(&e[i], &a, i, 100);
        a.port++;
    }
    CU_ASSERT_FALSE(name_ledger_admit(&ledger, &a));
    CU_ASSERT_TRUE(name_ledger_admit(&ledger, &b));
    name_ledger_remove(&ledger, &e[1]);
    CU_ASSERT_TRUE(name_ledger_admit(&ledger, &a));
    name_ledger_remove(&ledger, &e[0]);
    name_ledger_remove(&ledger, &e[2]);
    name_ledger_destroy(&ledger);
}

/* What is wanted ends soon, what is told when it may be unused no longer. */
static void
test_over(void)
{
    struct dns_asker a = asker("10.1.0.2", 1);
    struct name_entry wanted, told;

    name_ledger_init(&ledger);
    name_ledger_configure(&ledger, 10, 1000, 30);
    CU_ASSERT_EQUAL(name_ledger_next_deadline(&ledger), LLONG_MAX);
    add(&told, &a, 1, 1000);
    name_ledger_told(&ledger, &told, &a.address, 1000);
    CU_ASSERT_EQUAL(name_ledger_next_deadline(&ledger), 31000);
    add(&wanted, &a, 2, 2000);
    CU_ASSERT_EQUAL(name_ledger_next_deadline(&ledger), 3000);
    CU_ASSERT_PTR_NULL(name_ledger_next_over(&ledger, 2999));
    CU_ASSERT_PTR_EQUAL(name_ledger_next_over(&ledger, 3000), &wanted);
    name_ledger_remove(&ledger, &wanted);
    CU_ASSERT_PTR_NULL(name_ledger_next_over(&ledger, 30999));
    CU_ASSERT_PTR_EQUAL(name_ledger_next_over(&ledger, 31000), &told);
    name_ledger_remove(&ledger, &told);
    CU_ASSERT_EQUAL(name_ledger_next_deadline(&ledger), LLONG_MAX);
    name_ledger_destroy(&ledger);
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "repeated", test_repeated },
        { "admit", test_admit },
        { "over", test_over },
    };

    return unit_run("name-ledger", tests, ARRAY_SIZE(tests));
}
