/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "ticket.h"

#include <string.h>
#include <sys/uio.h>

#include "message.h"
#include "util.h"
#include "wire.h"

#define TICKET_VERSION 1
#define PLAIN_LEN (SEAL_KEY_LEN + 1 + 1)
#define L2_MAX(N) (2 + (N))
#define AD_MAX \
    (1 + 8 + 16 + 16 + L2_MAX(16) + 8 + 2 * L2_MAX(MESSAGE_NAME_MAX))
BUILD_ASSERT_DECL(AD_MAX + PLAIN_LEN + SEAL_TAG_LEN <= TICKET_MAX);

/* The key is used for one seal only, so the nonce may be the same. */
static const uint8_t zero_nonce[SEAL_NONCE_LEN];

static uint8_t *
put_name(uint8_t *p, const char *name)
{
    size_t n = strlen(name);

    ovs_assert(n <= MESSAGE_NAME_MAX);
    return wire_put_l2(p, name, n);
}

/* Writes AD of wire-protocol.rst and returns its length. */
static size_t
compose_ad(const struct ticket_terms *t, uint8_t ad[AD_MAX])
{
    uint8_t *p = ad;

    p = wire_put_u8(p, TICKET_VERSION);
    p = wire_put_u64(p, t->sa_id);
    p = wire_put_uuid(p, &t->transfer);
    p = wire_put_uuid(p, &t->session);
    if (IN6_IS_ADDR_V4MAPPED(&t->address)) {
        p = wire_put_l2(p, &t->address.s6_addr[12], 4);
    } else {
        p = wire_put_l2(p, t->address.s6_addr, 16);
    }
    p = wire_put_u64(p, t->epoch);
    p = put_name(p, t->from);
    p = put_name(p, t->to);
    return p - ad;
}

static void
derive(const uint8_t key[SEAL_KEY_LEN], const struct uuid *transfer,
       const char *info, uint8_t derived[SEAL_KEY_LEN])
{
    uint8_t salt[16];

    wire_put_uuid(salt, transfer);
    seal_hkdf(key, SEAL_KEY_LEN, salt, sizeof salt, info, strlen(info),
              derived);
}

size_t
ticket_seal(const struct ticket_terms *terms,
            const uint8_t sa_key[SEAL_KEY_LEN],
            const struct ticket_secret *secret, uint8_t ticket[TICKET_MAX])
{
    size_t ad_len = compose_ad(terms, ticket);
    uint8_t plain[PLAIN_LEN], key[SEAL_KEY_LEN];
    uint8_t *p = plain;

    p = wire_put_bytes(p, secret->session_key, SEAL_KEY_LEN);
    p = wire_put_u8(p, secret->onward);
    wire_put_u8(p, secret->depth);

    derive(sa_key, &terms->transfer, "baton ticket v1", key);
    seal_encrypt(key, zero_nonce, ticket, ad_len, plain, PLAIN_LEN,
                 ticket + ad_len);
    seal_wipe(key, sizeof key);
    seal_wipe(plain, sizeof plain);
    return ad_len + PLAIN_LEN + SEAL_TAG_LEN;
}

/* Which of the terms in 'ticket' are not those in 'ad', for people. */
static const char *
name_difference(const uint8_t *ticket, const uint8_t *ad)
{
    static const struct {
        size_t ofs, n;
        const char *what;
    } fields[] = {
        { 0, 1, "ticket is of another version" },
        { 1, 8, "ticket is of another security association" },
        { 9, 16, "ticket is for another transfer" },
        { 25, 16, "ticket is for another session" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        size_t ofs = fields[i].ofs;

        if (memcmp(ticket + ofs, ad + ofs, fields[i].n)) {
            return fields[i].what;
        }
    }
    return "ticket is for another address, epoch or device";
}

static const char *
open_plain(const uint8_t *ticket, size_t n, const struct ticket_terms *terms,
           const uint8_t sa_key[SEAL_KEY_LEN], uint8_t plain[PLAIN_LEN])
{
    uint8_t ad[AD_MAX], key[SEAL_KEY_LEN];
    size_t ad_len = compose_ad(terms, ad);
    bool ok;

    /* What is said in clear first, for a better message: the tag would tell
     * all the same. */
    if (n < ad_len) {
        return "ticket is too short";
    }
    if (memcmp(ticket, ad, ad_len)) {
        return name_difference(ticket, ad);
    }
    if (n != ad_len + PLAIN_LEN + SEAL_TAG_LEN) {
        return "ticket is of the wrong length";
    }
    derive(sa_key, &terms->transfer, "baton ticket v1", key);
    ok = seal_decrypt(key, zero_nonce, ad, ad_len, ticket + ad_len, n - ad_len,
                      plain);
    seal_wipe(key, sizeof key);
    return ok ? NULL : "ticket was not sealed with the device's key";
}

char *
ticket_open(const uint8_t *ticket, size_t n, const struct ticket_terms *terms,
            const uint8_t sa_key[SEAL_KEY_LEN], struct ticket_secret *secret)
{
    uint8_t plain[PLAIN_LEN] = { 0 };
    const char *error;

    memset(secret, 0, sizeof *secret);
    error = open_plain(ticket, n, terms, sa_key, plain);
    if (!error && plain[SEAL_KEY_LEN] > ONWARD_ANY) {
        error = "ticket gives an unknown onward right";
    }
    if (!error) {
        memcpy(secret->session_key, plain, SEAL_KEY_LEN);
        secret->onward = plain[SEAL_KEY_LEN];
        secret->depth = plain[SEAL_KEY_LEN + 1];
    }
    seal_wipe(plain, sizeof plain);
    return nullable_xstrdup(error);
}

void
ticket_bind(const struct ticket_terms *terms,
            const uint8_t t_point[SEAL_POINT_LEN],
            const uint8_t g_point[SEAL_POINT_LEN], uint8_t x[SEAL_HASH_LEN])
{
    uint8_t buf[AD_MAX + 2 * L2_MAX(SEAL_POINT_LEN)];
    uint8_t *p = buf + compose_ad(terms, buf);
    struct iovec iov;

    p = wire_put_l2(p, t_point, SEAL_POINT_LEN);
    p = wire_put_l2(p, g_point, SEAL_POINT_LEN);
    iov.iov_base = buf;
    iov.iov_len = p - buf;
    seal_hash(&iov, 1, x);
}

void
ticket_accept(const struct uuid *transfer, const uint8_t x[SEAL_HASH_LEN],
              uint8_t text[TICKET_ACCEPT_LEN])
{
    uint8_t *p = wire_put_bytes(text, "baton accept v1", 15);

    p = wire_put_uuid(p, transfer);
    wire_put_bytes(p, x, SEAL_HASH_LEN);
}

void
ticket_proof(const struct ticket_terms *terms,
             const uint8_t session_key[SEAL_KEY_LEN],
             const uint8_t ticket_hash[SEAL_HASH_LEN], const void *nonce,
             size_t nonce_len, uint8_t proof[SEAL_HASH_LEN])
{
    uint8_t key[SEAL_KEY_LEN];
    uint8_t buf[AD_MAX + L2_MAX(SEAL_HASH_LEN) + 2];
    uint8_t *p = buf + compose_ad(terms, buf);
    struct iovec iov[2];

    ovs_assert(nonce_len <= UINT16_MAX);
    p = wire_put_l2(p, ticket_hash, SEAL_HASH_LEN);
    p = wire_put_u16(p, nonce_len);
    iov[0].iov_base = buf;
    iov[0].iov_len = p - buf;
    iov[1].iov_base = CONST_CAST(void *, nonce);
    iov[1].iov_len = nonce_len;

    derive(session_key, &terms->transfer, "baton claim v1", key);
    seal_hmac(key, iov, ARRAY_SIZE(iov), proof);
    seal_wipe(key, sizeof key);
}
