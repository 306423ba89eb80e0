/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_SEAL_H
#define BATON_SEAL_H 1

/* The few cryptographic operations that a transfer needs, on OpenSSL's EVP.
 *
 * Keys are arrays of SEAL_KEY_LEN bytes; whoever holds one wipes it with
 * seal_wipe() when done.  Nothing here logs. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEAL_KEY_LEN 32 /* AES-256, HMAC-SHA256, session key. */
#define SEAL_TAG_LEN 16 /* AES-GCM. */
#define SEAL_NONCE_LEN 12
#define SEAL_HASH_LEN 32  /* SHA-256. */
#define SEAL_POINT_LEN 65 /* P-256 point, uncompressed (SEC 1, 2.3.3). */

struct iovec;

void seal_random(void *, size_t n);
void seal_wipe(void *, size_t n);
bool seal_equal(const void *, const void *, size_t n); /* Constant time. */

/* HKDF-SHA256 (RFC 5869). */
void seal_hkdf(const void *ikm, size_t ikm_len, const void *salt,
               size_t salt_len, const void *info, size_t info_len,
               uint8_t key[SEAL_KEY_LEN]);
void seal_hmac(const uint8_t key[SEAL_KEY_LEN], const struct iovec *, int n,
               uint8_t mac[SEAL_HASH_LEN]);
void seal_hash(const struct iovec *, int n, uint8_t hash[SEAL_HASH_LEN]);

/* AES-256-GCM (NIST SP 800-38D).  'out' of encrypt takes n + SEAL_TAG_LEN
 * bytes; decrypt takes n including the tag and returns false, with 'out'
 * wiped, if it was not sealed with this key, nonce and associated data. */
void seal_encrypt(const uint8_t key[SEAL_KEY_LEN],
                  const uint8_t nonce[SEAL_NONCE_LEN], const void *ad,
                  size_t ad_len, const void *plain, size_t n, void *out);
bool seal_decrypt(const uint8_t key[SEAL_KEY_LEN],
                  const uint8_t nonce[SEAL_NONCE_LEN], const void *ad,
                  size_t ad_len, const void *sealed, size_t n, void *out);

/* Ephemeral P-256 keys. */
struct seal_keypair;
struct seal_keypair *seal_keypair_new(uint8_t point[SEAL_POINT_LEN]);
void seal_keypair_destroy(struct seal_keypair *);
/* A key pair from outside: for published test vectors.  NULL if it is none. */
struct seal_keypair *seal_keypair_import(const uint8_t scalar[SEAL_KEY_LEN],
                                         const uint8_t point[SEAL_POINT_LEN]);
/* Stores the x coordinate of the shared point.  False if 'peer' is no point
 * of the curve, or the infinite one. */
bool seal_ecdh(const struct seal_keypair *, const uint8_t peer[SEAL_POINT_LEN],
               uint8_t secret[SEAL_KEY_LEN]);

#endif /* lib/seal.h */
