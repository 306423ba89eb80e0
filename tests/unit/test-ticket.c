/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "ticket.h"

#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/uio.h>

#include "unit.h"
#include "util.h"

static const char long_name[] =
    "a.name.of.sixty-three.characters_0123456789.0123456789.01234567";

static struct ticket_terms
make_terms(void)
{
    struct ticket_terms terms = {
        .sa_id = 0x0123456789abcdef,
        .transfer = { { 0x11111111, 0x22222222, 0x33333333, 0x44444444 } },
        .session = { { 0x55555555, 0x66666666, 0x77777777, 0x88888888 } },
        .epoch = 7,
        .from = "laptop",
        .to = "tv",
    };

    inet_pton(AF_INET6, "::ffff:10.1.0.65", &terms.address);
    return terms;
}

/* Terms that differ from make_terms() in the i'th way, or false if there are
 * no more ways. */
static bool
alter_terms(size_t i, struct ticket_terms *terms)
{
    *terms = make_terms();
    switch (i) {
    case 0: terms->sa_id++; break;
    case 1: terms->transfer.parts[3] ^= 1; break;
    case 2: terms->transfer.parts[0] ^= 0x80000000; break;
    case 3: terms->session.parts[3] ^= 1; break;
    case 4: terms->session.parts[0] ^= 0x80000000; break;
    case 5: terms->address.s6_addr[15]++; break;
    case 6: inet_pton(AF_INET6, "::10.1.0.65", &terms->address); break;
    case 7: inet_pton(AF_INET6, "fd00::1", &terms->address); break;
    case 8: terms->epoch++; break;
    case 9: terms->epoch += UINT64_C(1) << 32; break;
    case 10: terms->from = "laptoq"; break;
    case 11: terms->from = "lapto"; break;
    case 12: terms->to = "tw"; break;
    case 13: terms->to = long_name; break;
    case 14: terms->from = "lapto", terms->to = "ptv"; break;
    case 15: terms->from = "tv", terms->to = "laptop"; break;
    default: return false;
    }
    return true;
}

static void
make_secret(struct ticket_secret *secret)
{
    seal_random(secret->session_key, SEAL_KEY_LEN);
    secret->onward = ONWARD_GROUP;
    secret->depth = 3;
}

static void
check_opens_not(const uint8_t *ticket, size_t n,
                const struct ticket_terms *terms,
                const uint8_t sa_key[SEAL_KEY_LEN])
{
    static const struct ticket_secret zeros;
    struct ticket_secret out;
    char *error = ticket_open(ticket, n, terms, sa_key, &out);

    CU_ASSERT(error != NULL);
    CU_ASSERT(!memcmp(out.session_key, zeros.session_key, SEAL_KEY_LEN));
    CU_ASSERT(out.onward == ONWARD_NONE && !out.depth);
    free(error);
}

static void
test_open(void)
{
    struct ticket_terms terms = make_terms();
    uint8_t sa_key[SEAL_KEY_LEN], ticket[TICKET_MAX];
    struct ticket_secret secret, out;
    size_t n;

    seal_random(sa_key, sizeof sa_key);
    make_secret(&secret);
    for (int i = 0; i < 3; i++) {
        if (i == 1) {
            inet_pton(AF_INET6, "fd00::1:2", &terms.address);
        } else if (i == 2) {
            terms.from = terms.to = long_name;
        }
        n = ticket_seal(&terms, sa_key, &secret, ticket);
        CU_ASSERT(n <= TICKET_MAX);
        CU_ASSERT_PTR_NULL(ticket_open(ticket, n, &terms, sa_key, &out));
        CU_ASSERT(!memcmp(out.session_key, secret.session_key, SEAL_KEY_LEN));
        CU_ASSERT(out.onward == ONWARD_GROUP && out.depth == 3);
    }
}

/* The form on the wire, byte by byte. */
static void
test_layout(void)
{
    static const uint8_t ad[] = {
        1,    0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x11, 0x11, 0x11,
        0x11, 0x22, 0x22, 0x22, 0x22, 0x33, 0x33, 0x33, 0x33, 0x44, 0x44, 0x44,
        0x44, 0x55, 0x55, 0x55, 0x55, 0x66, 0x66, 0x66, 0x66, 0x77, 0x77, 0x77,
        0x77, 0x88, 0x88, 0x88, 0x88, 0,    4,    10,   1,    0,    65,   0,
        0,    0,    0,    0,    0,    0,    7,    0,    6,    'l',  'a',  'p',
        't',  'o',  'p',  0,    2,    't',  'v',
    };
    static const uint8_t nonce[SEAL_NONCE_LEN];
    struct ticket_terms terms = make_terms();
    uint8_t sa_key[SEAL_KEY_LEN], key[SEAL_KEY_LEN], ticket[TICKET_MAX];
    uint8_t plain[34];
    struct ticket_secret secret;
    size_t n;

    seal_random(sa_key, sizeof sa_key);
    make_secret(&secret);
    n = ticket_seal(&terms, sa_key, &secret, ticket);
    CU_ASSERT_FATAL(n == sizeof ad + 34 + SEAL_TAG_LEN);
    CU_ASSERT(!memcmp(ticket, ad, sizeof ad));

    seal_hkdf(sa_key, sizeof sa_key, ad + 9, 16, "baton ticket v1", 15, key);
    CU_ASSERT(seal_decrypt(key, nonce, ad, sizeof ad, ticket + sizeof ad,
                           n - sizeof ad, plain));
    CU_ASSERT(!memcmp(plain, secret.session_key, SEAL_KEY_LEN));
    CU_ASSERT(plain[32] == ONWARD_GROUP && plain[33] == 3);
}

static void
test_open_refuses(void)
{
    struct ticket_terms terms = make_terms(), other;
    uint8_t sa_key[SEAL_KEY_LEN], ticket[TICKET_MAX + 1];
    struct ticket_secret secret, out;
    size_t n;

    seal_random(sa_key, sizeof sa_key);
    make_secret(&secret);
    n = ticket_seal(&terms, sa_key, &secret, ticket);

    /* Under any other terms. */
    for (size_t i = 0; alter_terms(i, &other); i++) {
        check_opens_not(ticket, n, &other, sa_key);
    }
    /* Any bit changed, cut off, too long. */
    for (size_t i = 0; i < n; i++) {
        ticket[i] ^= 1 << (i % 8);
        check_opens_not(ticket, n, &terms, sa_key);
        ticket[i] ^= 1 << (i % 8);
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t *copy = xmemdup(ticket, i ? i : 1); /* For ASan. */

        check_opens_not(copy, i, &terms, sa_key);
        free(copy);
    }
    ticket[n] = 0;
    check_opens_not(ticket, n + 1, &terms, sa_key);

    /* With another key. */
    sa_key[0] ^= 1;
    check_opens_not(ticket, n, &terms, sa_key);
    sa_key[0] ^= 1;

    CU_ASSERT_PTR_NULL(ticket_open(ticket, n, &terms, sa_key, &out));
}

/* A ticket with other terms put in, sealed part as it was: it does not open
 * under these other terms either. */
static void
test_transplant(void)
{
    struct ticket_terms terms = make_terms(), other;
    uint8_t sa_key[SEAL_KEY_LEN], a[TICKET_MAX], b[TICKET_MAX];
    struct ticket_secret secret;
    size_t n, m;

    seal_random(sa_key, sizeof sa_key);
    make_secret(&secret);
    n = ticket_seal(&terms, sa_key, &secret, a);
    for (size_t i = 0; alter_terms(i, &other); i++) {
        m = ticket_seal(&other, sa_key, &secret, b);
        memcpy(b + m - 50, a + n - 50, 50);
        check_opens_not(b, m, &other, sa_key);
    }
}

static void
test_unknown_onward(void)
{
    struct ticket_terms terms = make_terms();
    uint8_t sa_key[SEAL_KEY_LEN], ticket[TICKET_MAX];
    struct ticket_secret secret;
    size_t n;

    seal_random(sa_key, sizeof sa_key);
    make_secret(&secret);
    secret.onward = (enum onward)(ONWARD_ANY + 1);
    n = ticket_seal(&terms, sa_key, &secret, ticket);
    check_opens_not(ticket, n, &terms, sa_key);
}

static void
test_bind(void)
{
    struct ticket_terms terms = make_terms(), other;
    uint8_t t[SEAL_POINT_LEN], g[SEAL_POINT_LEN];
    uint8_t x[SEAL_HASH_LEN], y[SEAL_HASH_LEN];

    seal_random(t, sizeof t);
    seal_random(g, sizeof g);
    ticket_bind(&terms, t, g, x);
    ticket_bind(&terms, t, g, y);
    CU_ASSERT(!memcmp(x, y, sizeof x));

    for (size_t i = 0; alter_terms(i, &other); i++) {
        ticket_bind(&other, t, g, y);
        CU_ASSERT(memcmp(x, y, sizeof x));
    }
    ticket_bind(&terms, g, t, y);
    CU_ASSERT(memcmp(x, y, sizeof x));
    t[64] ^= 1;
    ticket_bind(&terms, t, g, y);
    CU_ASSERT(memcmp(x, y, sizeof x));
    t[64] ^= 1;
    g[0] ^= 1;
    ticket_bind(&terms, t, g, y);
    CU_ASSERT(memcmp(x, y, sizeof x));
}

static void
test_accept(void)
{
    static const uint8_t expected[] = "baton accept v1"
                                      "\x11\x11\x11\x11\x22\x22\x22\x22"
                                      "\x33\x33\x33\x33\x44\x44\x44\x44";
    struct ticket_terms terms = make_terms();
    uint8_t x[SEAL_HASH_LEN], text[TICKET_ACCEPT_LEN];

    seal_random(x, sizeof x);
    ticket_accept(&terms.transfer, x, text);
    CU_ASSERT(!memcmp(text, expected, 31));
    CU_ASSERT(!memcmp(text + 31, x, sizeof x));
    CU_ASSERT(sizeof text == 31 + sizeof x);
}

static void
test_proof(void)
{
    struct ticket_terms terms = make_terms(), other;
    uint8_t key[SEAL_KEY_LEN], hash[SEAL_HASH_LEN], nonce[17];
    uint8_t a[SEAL_HASH_LEN], b[SEAL_HASH_LEN];

    seal_random(key, sizeof key);
    seal_random(hash, sizeof hash);
    seal_random(nonce, sizeof nonce);
    ticket_proof(&terms, key, hash, nonce, 16, a);
    ticket_proof(&terms, key, hash, nonce, 16, b);
    CU_ASSERT(!memcmp(a, b, sizeof a));

    for (size_t i = 0; alter_terms(i, &other); i++) {
        ticket_proof(&other, key, hash, nonce, 16, b);
        CU_ASSERT(memcmp(a, b, sizeof a));
    }
    key[31] ^= 1;
    ticket_proof(&terms, key, hash, nonce, 16, b);
    CU_ASSERT(memcmp(a, b, sizeof a));
    key[31] ^= 1;
    hash[31] ^= 1;
    ticket_proof(&terms, key, hash, nonce, 16, b);
    CU_ASSERT(memcmp(a, b, sizeof a));
    hash[31] ^= 1;
    nonce[15] ^= 1;
    ticket_proof(&terms, key, hash, nonce, 16, b);
    CU_ASSERT(memcmp(a, b, sizeof a));
    nonce[15] ^= 1;
    ticket_proof(&terms, key, hash, nonce, 15, b);
    CU_ASSERT(memcmp(a, b, sizeof a));
    ticket_proof(&terms, key, hash, nonce, 17, b);
    CU_ASSERT(memcmp(a, b, sizeof a));
    ticket_proof(&terms, key, hash, nonce, 16, b);
    CU_ASSERT(!memcmp(a, b, sizeof a));
}

static const struct unit_test tests[] = {
    { "a ticket opens", test_open },
    { "a ticket's form", test_layout },
    { "a changed ticket does not open", test_open_refuses },
    { "a sealed part opens in its place only", test_transplant },
    { "unknown onward right", test_unknown_onward },
    { "X depends on everything", test_bind },
    { "what an accept signs", test_accept },
    { "a proof depends on everything", test_proof },
};

int
main(void)
{
    return unit_run("ticket", tests, ARRAY_SIZE(tests));
}
