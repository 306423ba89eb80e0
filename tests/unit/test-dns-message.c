/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "dns-message.h"

#include <arpa/inet.h>
#include <string.h>

#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "unit.h"
#include "util.h"

#define ZONE "move.example"
enum { TYPE_A = 1, TYPE_NS = 2, TYPE_SOA = 6, TYPE_TXT = 16, TYPE_AAAA = 28 };

/* A query as a resolver sends it: recursion desired, no extensions. */
static size_t
make_query(const char *name, uint16_t type, uint8_t bytes[512])
{
    static const uint8_t header[12] = { 0x12, 0x34, 0x01, 0, 0, 1 };
    uint8_t *p = bytes + sizeof header;

    memcpy(bytes, header, sizeof header);
    while (*name) {
        size_t n = strcspn(name, ".");

        *p++ = n;
        memcpy(p, name, n);
        p += n;
        name += n + (name[n] == '.');
    }
    *p++ = 0;
    *p++ = type >> 8;
    *p++ = type;
    *p++ = 0;
    *p++ = 1;
    return p - bytes;
}

static struct dns_query *
query(const char *name, uint16_t type)
{
    uint8_t bytes[512];
    struct dns_query *q = dns_query_parse(bytes,
                                          make_query(name, type, bytes));

    CU_ASSERT_PTR_NOT_NULL_FATAL(q);
    return q;
}

static void
check_asks(const char *name, enum dns_asked expected, const char *rest)
{
    struct dns_query *q = query(name, TYPE_A);
    char got[DNS_NAME_MAX];

    CU_ASSERT_EQUAL(dns_query_asks(q, ZONE, got, sizeof got), expected);
    CU_ASSERT_STRING_EQUAL(got, rest);
    CU_ASSERT_EQUAL(dns_query_family(q), AF_INET);
    dns_query_destroy(q);
}

static void
test_asks(void)
{
    struct dns_query *q;

    check_asks("move.example", DNS_ASKED_APEX, "");
    check_asks("MOVE.Example", DNS_ASKED_APEX, "");
    check_asks("Web.mOve.example", DNS_ASKED_NAME, "web");
    check_asks("web.laptop.move.example", DNS_ASKED_NAME, "web.laptop");
    check_asks("remove.example", DNS_ASKED_ELSE, "");
    check_asks("example", DNS_ASKED_ELSE, "");
    check_asks("web.move.example.com", DNS_ASKED_ELSE, "");

    q = query("web.move.example", TYPE_AAAA);
    CU_ASSERT_EQUAL(dns_query_family(q), AF_INET6);
    dns_query_destroy(q);
    q = query("web.move.example", TYPE_TXT);
    CU_ASSERT_EQUAL(dns_query_family(q), 0);
    dns_query_destroy(q);
}

/* What is no question is dropped, at whatever length it ends. */
static void
test_parse(void)
{
    uint8_t bytes[512];
    size_t n = make_query("web.move.example", TYPE_A, bytes);
    struct dns_query *q;

    for (size_t i = 0; i < n; i++) {
        q = dns_query_parse(bytes, i);
        CU_ASSERT_PTR_NULL(q);
        dns_query_destroy(q);
    }
    bytes[2] |= 0x80; /* An answer. */
    CU_ASSERT_PTR_NULL(dns_query_parse(bytes, n));
    bytes[2] &= 0x7f;
    bytes[n - 1] = 3; /* Class CHAOS. */
    CU_ASSERT_PTR_NULL(dns_query_parse(bytes, n));
    bytes[n - 1] = 1;
    bytes[12] = 0xc0; /* A name that points to itself. */
    bytes[13] = 12;
    CU_ASSERT_PTR_NULL(dns_query_parse(bytes, n));
}

static void
compose(const char *name, uint16_t type, const struct dns_answer *a,
        size_t max, struct ofpbuf *reply)
{
    struct dns_query *q = query(name, type);

    ofpbuf_init(reply, 0);
    dns_answer_compose(q, ZONE, a, max, reply);
    CU_ASSERT_FATAL(reply->size >= 12);
    dns_query_destroy(q);
}

/* The counts of sections in the header of 'reply'. */
static unsigned int
count_of(const struct ofpbuf *reply, int section)
{
    const uint8_t *p = reply->data;

    return p[4 + section * 2] << 8 | p[5 + section * 2];
}

static void
test_address(void)
{
    struct dns_answer a = { .ours = true, .has_address = true, .ttl = 7 };
    static const uint8_t v4[] = { 0, 1, 0, 1, 0, 0, 0, 7, 0, 4, 10, 1, 0, 9 };
    struct ofpbuf reply;
    const uint8_t *p;

    in6_addr_set_mapped_ipv4(&a.address, inet_addr("10.1.0.9"));
    compose("web.move.example", TYPE_A, &a, DNS_UDP_MAX, &reply);
    p = reply.data;
    CU_ASSERT(p[0] == 0x12 && p[1] == 0x34);
    CU_ASSERT_EQUAL(p[2], 0x85); /* An answer, ours, recursion desired. */
    CU_ASSERT_EQUAL(p[3], DNS_NOERROR);
    CU_ASSERT_EQUAL(count_of(&reply, 0), 1);
    CU_ASSERT_EQUAL(count_of(&reply, 1), 1);
    CU_ASSERT_EQUAL(count_of(&reply, 2), 0);
    CU_ASSERT(!memcmp(p + reply.size - sizeof v4, v4, sizeof v4));
    ofpbuf_uninit(&reply);

    CU_ASSERT_EQUAL(inet_pton(AF_INET6, "fd00:1::9", &a.address), 1);
    compose("web.move.example", TYPE_AAAA, &a, DNS_UDP_MAX, &reply);
    CU_ASSERT(
        !memcmp((uint8_t *) reply.data + reply.size - 16, &a.address, 16));
    ofpbuf_uninit(&reply);
}

static void
test_negative(void)
{
    struct dns_answer a = { .ours = true, .rcode = DNS_NXDOMAIN, .ttl = 7 };
    struct ofpbuf reply;

    compose("x.move.example", TYPE_A, &a, DNS_UDP_MAX, &reply);
    CU_ASSERT_EQUAL(((uint8_t *) reply.data)[3], DNS_NXDOMAIN);
    CU_ASSERT_EQUAL(count_of(&reply, 1), 0);
    CU_ASSERT_EQUAL(count_of(&reply, 2), 1); /* SOA. */
    ofpbuf_uninit(&reply);

    /* Of another zone nothing is said. */
    a = (struct dns_answer){ .rcode = DNS_REFUSED };
    compose("example.org", TYPE_A, &a, DNS_UDP_MAX, &reply);
    CU_ASSERT_EQUAL(((uint8_t *) reply.data)[2], 0x81);
    CU_ASSERT_EQUAL(((uint8_t *) reply.data)[3], DNS_REFUSED);
    CU_ASSERT_EQUAL(count_of(&reply, 2), 0);
    ofpbuf_uninit(&reply);
}

static void
test_apex(void)
{
    struct dns_answer a = { .ours = true, .ttl = 7 };
    struct ofpbuf reply;

    compose("move.example", TYPE_SOA, &a, DNS_UDP_MAX, &reply);
    CU_ASSERT_EQUAL(count_of(&reply, 1), 1);
    ofpbuf_uninit(&reply);
    compose("move.example", TYPE_NS, &a, DNS_UDP_MAX, &reply);
    CU_ASSERT_EQUAL(count_of(&reply, 1), 1);
    ofpbuf_uninit(&reply);
    compose("move.example", TYPE_TXT, &a, DNS_UDP_MAX, &reply);
    CU_ASSERT_EQUAL(count_of(&reply, 1), 0);
    CU_ASSERT_EQUAL(count_of(&reply, 2), 1);
    ofpbuf_uninit(&reply);
}

static void
test_truncated(void)
{
    struct dns_answer a = { .ours = true, .truncated = true };
    struct ofpbuf reply;

    compose("web.move.example", TYPE_A, &a, DNS_UDP_MAX, &reply);
    CU_ASSERT_EQUAL(((uint8_t *) reply.data)[2] & 2, 2);
    CU_ASSERT_EQUAL(count_of(&reply, 1), 0);
    ofpbuf_uninit(&reply);

    /* What does not fit. */
    a = (struct dns_answer){ .ours = true };
    compose("move.example", TYPE_SOA, &a, 40, &reply);
    CU_ASSERT(reply.size <= 40);
    CU_ASSERT_EQUAL(((uint8_t *) reply.data)[2] & 2, 2);
    ofpbuf_uninit(&reply);
}

static void
test_zone(void)
{
    CU_ASSERT(dns_zone_is_valid("move.example"));
    CU_ASSERT(dns_zone_is_valid("m"));
    CU_ASSERT(!dns_zone_is_valid(""));
    CU_ASSERT(!dns_zone_is_valid("move.example."));
    CU_ASSERT(!dns_zone_is_valid(".example"));
    CU_ASSERT(!dns_zone_is_valid("a..b"));
    CU_ASSERT(!dns_zone_is_valid("-a.b"));
    CU_ASSERT(!dns_zone_is_valid("a b"));
    CU_ASSERT(!dns_zone_is_valid("a;b"));
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "asks", test_asks },       { "parse", test_parse },
        { "address", test_address }, { "negative", test_negative },
        { "apex", test_apex },       { "truncated", test_truncated },
        { "zone", test_zone },
    };

    return unit_run("dns-message", tests, ARRAY_SIZE(tests));
}
