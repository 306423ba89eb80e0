/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "seal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "unit.h"
#include "util.h"

/* Decodes the hexadecimal digits of 's' and returns how many bytes. */
static size_t
hex(const char *s, uint8_t *out)
{
    size_t n = 0;

    for (; s[0]; s += 2) {
        bool ok;

        out[n++] = hexits_value(s, 2, &ok);
        CU_ASSERT_FATAL(ok);
    }
    return n;
}

static void
check_hkdf(const char *ikm_hex, const char *salt_hex, const char *info_hex,
           const char *okm_hex)
{
    uint8_t ikm[128], salt[128], info[128], okm[128], key[SEAL_KEY_LEN];
    size_t ikm_len = hex(ikm_hex, ikm);
    size_t salt_len = hex(salt_hex, salt);
    size_t info_len = hex(info_hex, info);

    hex(okm_hex, okm);
    seal_hkdf(ikm, ikm_len, salt, salt_len, info, info_len, key);
    CU_ASSERT(!memcmp(key, okm, SEAL_KEY_LEN));
}

/* RFC 5869, appendix A, cases 1 to 3: the first 32 bytes of each. */
static void
test_hkdf(void)
{
    check_hkdf("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
               "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
               "3cb25f25faacd57a90434f64d0362f2a"
               "2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
    check_hkdf("000102030405060708090a0b0c0d0e0f"
               "101112131415161718191a1b1c1d1e1f"
               "202122232425262728292a2b2c2d2e2f"
               "303132333435363738393a3b3c3d3e3f"
               "404142434445464748494a4b4c4d4e4f",
               "606162636465666768696a6b6c6d6e6f"
               "707172737475767778797a7b7c7d7e7f"
               "808182838485868788898a8b8c8d8e8f"
               "909192939495969798999a9b9c9d9e9f"
               "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
               "b0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
               "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
               "d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
               "e0e1e2e3e4e5e6e7e8e9eaebecedeeef"
               "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
               "b11e398dc80327a1c8e7f78c596a4934"
               "4f012eda2d4efad8a050cc4c19afa97c");
    check_hkdf("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
               "8da4e775a563c18f715f802a063c5a31"
               "b8a11f5c5ee1879ec3454e5f3c738d2d");
}

static void
test_hash(void)
{
    struct iovec iov[] = { { "a", 1 }, { "", 0 }, { "bc", 2 } };
    uint8_t hash[SEAL_HASH_LEN], expected[SEAL_HASH_LEN];

    /* FIPS 180-2, B.1: "abc". */
    hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        expected);
    seal_hash(iov, ARRAY_SIZE(iov), hash);
    CU_ASSERT(!memcmp(hash, expected, sizeof hash));
}

static void
test_hmac(void)
{
    struct iovec iov[] = { { "what do ya want ", 16 },
                           { "for nothing?", 12 } };
    uint8_t key[SEAL_KEY_LEN] = "Jefe";
    uint8_t mac[SEAL_HASH_LEN], expected[SEAL_HASH_LEN];

    /* RFC 4231, case 2: HMAC pads a short key with zeros as we do here. */
    hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        expected);
    seal_hmac(key, iov, ARRAY_SIZE(iov), mac);
    CU_ASSERT(!memcmp(mac, expected, sizeof mac));
    CU_ASSERT(seal_equal(mac, expected, sizeof mac));

    key[31] ^= 1;
    seal_hmac(key, iov, ARRAY_SIZE(iov), mac);
    CU_ASSERT(!seal_equal(mac, expected, sizeof mac));
}

static void
check_gcm(const char *key_hex, const char *nonce_hex, const char *ad_hex,
          const char *plain_hex, const char *sealed_hex)
{
    uint8_t key[32], nonce[12], ad[64], plain[128], sealed[128], out[128];
    size_t ad_len, n;

    hex(key_hex, key);
    hex(nonce_hex, nonce);
    ad_len = hex(ad_hex, ad);
    n = hex(plain_hex, plain);
    CU_ASSERT(hex(sealed_hex, sealed) == n + SEAL_TAG_LEN);

    seal_encrypt(key, nonce, ad, ad_len, plain, n, out);
    CU_ASSERT(!memcmp(out, sealed, n + SEAL_TAG_LEN));
    CU_ASSERT(
        seal_decrypt(key, nonce, ad, ad_len, sealed, n + SEAL_TAG_LEN, out));
    CU_ASSERT(!memcmp(out, plain, n));

    /* In place. */
    memcpy(out, plain, n);
    seal_encrypt(key, nonce, ad, ad_len, out, n, out);
    CU_ASSERT(!memcmp(out, sealed, n + SEAL_TAG_LEN));
    CU_ASSERT(
        seal_decrypt(key, nonce, ad, ad_len, out, n + SEAL_TAG_LEN, out));
    CU_ASSERT(!memcmp(out, plain, n));
}

/* "The Galois/Counter Mode of Operation", appendix B, cases 13, 14, 16. */
static void
test_gcm_vectors(void)
{
    static const char zero_key[] = "00000000000000000000000000000000"
                                   "00000000000000000000000000000000";
    static const char zero_nonce[] = "000000000000000000000000";

    check_gcm(zero_key, zero_nonce, "", "",
              "530f8afbc74536b9a963b4f1c4cb738b");
    check_gcm(zero_key, zero_nonce, "", "00000000000000000000000000000000",
              "cea7403d4d606b6e074ec5d3baf39d18"
              "d0d1c8a799996bf0265b98b5d48ab919");
    check_gcm("feffe9928665731c6d6a8f9467308308"
              "feffe9928665731c6d6a8f9467308308",
              "cafebabefacedbaddecaf888",
              "feedfacedeadbeeffeedfacedeadbeefabaddad2",
              "d9313225f88406e5a55909c5aff5269a"
              "86a7a9531534f7da2e4c303d8a318a72"
              "1c3c0c95956809532fcf0e2449a6b525"
              "b16aedf5aa0de657ba637b39",
              "522dc1f099567d07f47f37a32a84427d"
              "643a8cdcbfe5c0c97598a2bd2555d1aa"
              "8cb08e48590dbb3da7b08b1056828838"
              "c5f61e6393ba7a0abcc9f662"
              "76fc6ece0f4e1768cddf8853bb2d551b");
}

static void
test_gcm_refuses(void)
{
    static const uint8_t zeros[64];
    uint8_t key[SEAL_KEY_LEN], nonce[SEAL_NONCE_LEN], ad[5] = "other";
    uint8_t plain[64], sealed[64 + SEAL_TAG_LEN], out[64];

    seal_random(key, sizeof key);
    seal_random(nonce, sizeof nonce);
    seal_random(plain, sizeof plain);
    seal_encrypt(key, nonce, ad, sizeof ad, plain, sizeof plain, sealed);

    for (size_t i = 0; i < sizeof sealed; i++) {
        sealed[i] ^= 0x10;
        memset(out, 0xee, sizeof out);
        CU_ASSERT(!seal_decrypt(key, nonce, ad, sizeof ad, sealed,
                                sizeof sealed, out));
        CU_ASSERT(!memcmp(out, zeros, sizeof out)); /* Wiped. */
        sealed[i] ^= 0x10;
    }
    for (size_t n = 0; n < sizeof sealed; n++) {
        CU_ASSERT(!seal_decrypt(key, nonce, ad, sizeof ad, sealed, n, out));
    }
    ad[0] ^= 1;
    CU_ASSERT(
        !seal_decrypt(key, nonce, ad, sizeof ad, sealed, sizeof sealed, out));
    CU_ASSERT(!seal_decrypt(key, nonce, NULL, 0, sealed, sizeof sealed, out));
    ad[0] ^= 1;
    nonce[11] ^= 1;
    CU_ASSERT(
        !seal_decrypt(key, nonce, ad, sizeof ad, sealed, sizeof sealed, out));
    nonce[11] ^= 1;
    key[0] ^= 1;
    CU_ASSERT(
        !seal_decrypt(key, nonce, ad, sizeof ad, sealed, sizeof sealed, out));
    key[0] ^= 1;
    CU_ASSERT(
        seal_decrypt(key, nonce, ad, sizeof ad, sealed, sizeof sealed, out));
    CU_ASSERT(!memcmp(out, plain, sizeof plain));
}

static const char i_scalar_hex[] =
    "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433";
static const char i_point_hex[] =
    "04dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180"
    "5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3";
static const char r_scalar_hex[] =
    "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53";
static const char r_point_hex[] =
    "04d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63"
    "56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab";

/* RFC 5903, section 8.1. */
static void
test_ecdh_vector(void)
{
    uint8_t i_scalar[32], r_scalar[32], i_point[65], r_point[65];
    uint8_t secret[SEAL_KEY_LEN], expected[32];
    struct seal_keypair *i, *r;

    hex(i_scalar_hex, i_scalar);
    hex(r_scalar_hex, r_scalar);
    hex(i_point_hex, i_point);
    hex(r_point_hex, r_point);
    hex("d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de",
        expected);

    i = seal_keypair_import(i_scalar, i_point);
    r = seal_keypair_import(r_scalar, r_point);
    CU_ASSERT_FATAL(i && r);
    CU_ASSERT(seal_ecdh(i, r_point, secret));
    CU_ASSERT(!memcmp(secret, expected, sizeof secret));
    CU_ASSERT(seal_ecdh(r, i_point, secret));
    CU_ASSERT(!memcmp(secret, expected, sizeof secret));
    CU_ASSERT(!seal_keypair_import(i_scalar, r_point));
    seal_keypair_destroy(i);
    seal_keypair_destroy(r);
}

static void
test_ecdh(void)
{
    uint8_t a_point[SEAL_POINT_LEN], b_point[SEAL_POINT_LEN];
    uint8_t a_secret[SEAL_KEY_LEN], b_secret[SEAL_KEY_LEN];
    struct seal_keypair *a = seal_keypair_new(a_point);
    struct seal_keypair *b = seal_keypair_new(b_point);

    CU_ASSERT(memcmp(a_point, b_point, SEAL_POINT_LEN));
    CU_ASSERT(seal_ecdh(a, b_point, a_secret));
    CU_ASSERT(seal_ecdh(b, a_point, b_secret));
    CU_ASSERT(!memcmp(a_secret, b_secret, SEAL_KEY_LEN));
    seal_keypair_destroy(a);
    seal_keypair_destroy(b);
    seal_keypair_destroy(NULL);
}

/* Points that lead to a guessable secret, or give a part of the key away. */
static void
test_ecdh_refuses(void)
{
    static const uint8_t zeros[SEAL_KEY_LEN];
    uint8_t own[SEAL_POINT_LEN], good[SEAL_POINT_LEN], bad[SEAL_POINT_LEN];
    uint8_t secret[SEAL_KEY_LEN];
    struct seal_keypair *kp = seal_keypair_new(own);

    hex(i_point_hex, good);

    memset(bad, 0, sizeof bad); /* Infinity, in long. */
    CU_ASSERT(!seal_ecdh(kp, bad, secret));
    bad[0] = 4; /* (0, 0). */
    CU_ASSERT(!seal_ecdh(kp, bad, secret));
    CU_ASSERT(!memcmp(secret, zeros, sizeof secret));
    memset(bad + 1, 0xff, sizeof bad - 1); /* Beyond the field. */
    CU_ASSERT(!seal_ecdh(kp, bad, secret));

    /* Not on the curve, or not in the one form that we take. */
    for (size_t i = 0; i < SEAL_POINT_LEN; i++) {
        memcpy(bad, good, sizeof bad);
        bad[i] ^= 1;
        CU_ASSERT(!seal_ecdh(kp, bad, secret));
    }
    for (int form = 0; form < 256; form++) {
        memcpy(bad, good, sizeof bad);
        bad[0] = form;
        CU_ASSERT(seal_ecdh(kp, bad, secret) == (form == 4));
    }
    seal_keypair_destroy(kp);
}

static void
test_random_and_wipe(void)
{
    static const uint8_t zeros[32];
    uint8_t a[32], b[32];

    seal_random(a, sizeof a);
    seal_random(b, sizeof b);
    CU_ASSERT(memcmp(a, b, sizeof a));
    CU_ASSERT(!seal_equal(a, b, sizeof a));
    CU_ASSERT(seal_equal(a, b, 0));
    seal_wipe(a, sizeof a);
    CU_ASSERT(seal_equal(a, zeros, sizeof a));
}

static const struct unit_test tests[] = {
    { "HKDF: RFC 5869", test_hkdf },
    { "SHA-256 of pieces", test_hash },
    { "HMAC: RFC 4231", test_hmac },
    { "GCM: published vectors", test_gcm_vectors },
    { "GCM refuses what was changed", test_gcm_refuses },
    { "ECDH: RFC 5903", test_ecdh_vector },
    { "ECDH: both sides agree", test_ecdh },
    { "ECDH refuses bad points", test_ecdh_refuses },
    { "random, wipe, equal", test_random_and_wipe },
};

int
main(void)
{
    return unit_run("seal", tests, ARRAY_SIZE(tests));
}
