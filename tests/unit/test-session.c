/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "session.h"

#include <string.h>
#include <time.h>

#include "packets.h"
#include "unit.h"
#include "util.h"
#include "uuid.h"

static struct session_cache cache;

static struct uuid
announce(const char *device, uint32_t ip)
{
    struct uuid id = uuid_random();
    struct in6_addr address;

    in6_addr_set_mapped_ipv4(&address, htonl(ip));
    session_announce(&cache, &id, &address, 0, device, "film", "play");
    return id;
}

static void
test_announce(void)
{
    struct in6_addr address;
    struct session *session;
    struct uuid id;

    session_cache_init(&cache);
    id = announce("laptop", 0x0a010081);
    session = session_find(&cache, &id);
    CU_ASSERT_PTR_NOT_NULL_FATAL(session);
    CU_ASSERT_STRING_EQUAL(session->device, "laptop");
    CU_ASSERT_PTR_EQUAL(
        session_find_address(&cache, &session->address, "laptop"), session);
    CU_ASSERT_PTR_NULL(session_find_address(&cache, &session->address, "tv"));

    /* Again, at another device: its own strings may be given back to it. */
    address = session->address;
    session_announce(&cache, &id, &address, 1, "tv", session->name,
                     session->service);
    CU_ASSERT_EQUAL(hmap_count(&cache.sessions), 1);
    CU_ASSERT_STRING_EQUAL(session->device, "tv");
    CU_ASSERT_STRING_EQUAL(session->name, "film");
    CU_ASSERT_EQUAL(session->epoch, 1);
    CU_ASSERT_EQUAL(session_count_of(&cache, "laptop"), 0);
    CU_ASSERT_EQUAL(session_count_of(&cache, "tv"), 1);

    session_forget(&cache, &id);
    session_forget(&cache, &id);
    CU_ASSERT_PTR_NULL(session_find(&cache, &id));
    session_cache_destroy(&cache);
}

/* One device's sessions are counted for each that it announces: not by looking
 * at those of all devices. */
static void
test_count(void)
{
    struct uuid id;
    clock_t began;
    size_t n = 0;

    session_cache_init(&cache);
    for (uint32_t i = 0; i < 20000; i++) {
        id = announce("tv", i);
    }
    announce("laptop", 0);
    began = clock();
    for (int i = 0; i < 20000; i++) {
        n += session_count_of(&cache, "laptop");
    }
    CU_ASSERT_EQUAL(n, 20000);
    CU_ASSERT(clock() - began < CLOCKS_PER_SEC / 2);
    CU_ASSERT_EQUAL(session_count_of(&cache, "tv"), 20000);
    session_forget(&cache, &id);
    CU_ASSERT_EQUAL(session_count_of(&cache, "tv"), 19999);
    session_cache_mark(&cache, "tv");
    session_cache_sweep(&cache, "tv");
    CU_ASSERT_EQUAL(session_count_of(&cache, "tv"), 0);
    CU_ASSERT_EQUAL(session_count_of(&cache, "laptop"), 1);
    session_cache_destroy(&cache);
}

static void
test_sweep(void)
{
    struct uuid a, b, c;
    struct in6_addr address;

    session_cache_init(&cache);
    a = announce("laptop", 0x0a010081);
    b = announce("laptop", 0x0a010082);
    c = announce("tv", 0x0a010091);
    address = session_find(&cache, &b)->address;
    session_cache_mark(&cache, "laptop");
    session_announce(&cache, &b, &address, 0, "laptop", "film", "play");
    session_cache_sweep(&cache, "laptop");
    CU_ASSERT_PTR_NULL(session_find(&cache, &a));
    CU_ASSERT_PTR_NOT_NULL(session_find(&cache, &b));
    CU_ASSERT_PTR_NOT_NULL(session_find(&cache, &c));
    session_cache_destroy(&cache);
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "announce", test_announce },
        { "count", test_count },
        { "sweep", test_sweep },
    };

    return unit_run("session", tests, ARRAY_SIZE(tests));
}
