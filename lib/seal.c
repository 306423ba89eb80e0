/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "seal.h"

#include <limits.h>
#include <string.h>
#include <sys/uio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "ovs-thread.h"
#include "util.h"

struct seal_keypair {
    EVP_PKEY *key;
};

/* Fetched once: a fetch by name costs more than what it is fetched for. */
struct algorithms {
    EVP_CIPHER *gcm;
    EVP_MD *sha256;
    EVP_KDF *hkdf;
    EVP_MAC_CTX *hmac; /* Without key: duplicated for each use. */
    EVP_PKEY *p256;    /* Without key: a peer's curve to begin with. */
};

/* What can only fail for want of memory, or in a broken installation.
 * 'retval' is OpenSSL's: 1 is good. */
static void
must(int retval, const char *what)
{
    if (OVS_UNLIKELY(retval != 1)) {
        ovs_abort(0, "OpenSSL: %s failed: %s", what,
                  ERR_error_string(ERR_get_error(), NULL));
    }
}

static EVP_PKEY *
make_p256_parameters(void)
{
    char curve[] = "prime256v1";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, curve, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;

    must(ctx != NULL, "P-256");
    must(EVP_PKEY_fromdata_init(ctx), "P-256");
    must(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEY_PARAMETERS, params),
         "P-256");
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static const struct algorithms *
algorithms(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;
    static struct algorithms a;

    if (ovsthread_once_start(&once)) {
        char digest[] = "SHA256";
        OSSL_PARAM params[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
            OSSL_PARAM_construct_end(),
        };
        EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);

        a.gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
        a.sha256 = EVP_MD_fetch(NULL, digest, NULL);
        a.hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
        a.hmac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
        must(a.gcm && a.sha256 && a.hkdf && a.hmac, "EVP_..._fetch");
        must(EVP_MAC_CTX_set_params(a.hmac, params), "HMAC");
        a.p256 = make_p256_parameters();
        EVP_MAC_free(hmac);
        ovsthread_once_done(&once);
    }
    return &a;
}

void
seal_random(void *p, size_t n)
{
    ovs_assert(n <= INT_MAX);
    must(RAND_bytes(p, n), "RAND_bytes");
}

void
seal_wipe(void *p, size_t n)
{
    OPENSSL_cleanse(p, n);
}

bool
seal_equal(const void *a, const void *b, size_t n)
{
    return !CRYPTO_memcmp(a, b, n);
}

void
seal_hkdf(const void *ikm, size_t ikm_len, const void *salt, size_t salt_len,
          const void *info, size_t info_len, uint8_t key[SEAL_KEY_LEN])
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *) ikm,
                                          ikm_len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *) salt,
                                          salt_len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *) info,
                                          info_len),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(algorithms()->hkdf);

    must(ctx != NULL, "HKDF");
    must(EVP_KDF_derive(ctx, key, SEAL_KEY_LEN, params), "HKDF");
    EVP_KDF_CTX_free(ctx);
}

void
seal_hmac(const uint8_t key[SEAL_KEY_LEN], const struct iovec *iov, int n,
          uint8_t mac[SEAL_HASH_LEN])
{
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(algorithms()->hmac);
    size_t len;

    must(ctx != NULL, "HMAC");
    must(EVP_MAC_init(ctx, key, SEAL_KEY_LEN, NULL), "HMAC");
    for (int i = 0; i < n; i++) {
        must(EVP_MAC_update(ctx, iov[i].iov_base, iov[i].iov_len), "HMAC");
    }
    must(EVP_MAC_final(ctx, mac, &len, SEAL_HASH_LEN), "HMAC");
    EVP_MAC_CTX_free(ctx);
}

void
seal_hash(const struct iovec *iov, int n, uint8_t hash[SEAL_HASH_LEN])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    must(ctx != NULL, "SHA-256");
    must(EVP_DigestInit_ex2(ctx, algorithms()->sha256, NULL), "SHA-256");
    for (int i = 0; i < n; i++) {
        must(EVP_DigestUpdate(ctx, iov[i].iov_base, iov[i].iov_len),
             "SHA-256");
    }
    must(EVP_DigestFinal_ex(ctx, hash, NULL), "SHA-256");
    EVP_MD_CTX_free(ctx);
}

void
seal_encrypt(const uint8_t key[SEAL_KEY_LEN],
             const uint8_t nonce[SEAL_NONCE_LEN], const void *ad,
             size_t ad_len, const void *plain, size_t n, void *out_)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t *out = out_;
    int len;

    ovs_assert(ad_len <= INT_MAX && n <= INT_MAX - SEAL_TAG_LEN);
    must(ctx != NULL, "GCM");
    must(EVP_EncryptInit_ex2(ctx, algorithms()->gcm, key, nonce, NULL), "GCM");
    if (ad_len) {
        must(EVP_EncryptUpdate(ctx, NULL, &len, ad, ad_len), "GCM");
    }
    if (n) {
        must(EVP_EncryptUpdate(ctx, out, &len, plain, n), "GCM");
    }
    must(EVP_EncryptFinal_ex(ctx, out + n, &len), "GCM");
    must(
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG_LEN, out + n),
        "GCM");
    EVP_CIPHER_CTX_free(ctx);
}

bool
seal_decrypt(const uint8_t key[SEAL_KEY_LEN],
             const uint8_t nonce[SEAL_NONCE_LEN], const void *ad,
             size_t ad_len, const void *sealed_, size_t n, void *out)
{
    const uint8_t *sealed = sealed_;
    uint8_t tag[SEAL_TAG_LEN], end[SEAL_TAG_LEN];
    EVP_CIPHER_CTX *ctx;
    bool ok;
    int len;

    if (n < SEAL_TAG_LEN || n > INT_MAX || ad_len > INT_MAX) {
        return false;
    }
    n -= SEAL_TAG_LEN;
    memcpy(tag, sealed + n, SEAL_TAG_LEN); /* 'out' may be 'sealed'. */

    ctx = EVP_CIPHER_CTX_new();
    must(ctx != NULL, "GCM");
    must(EVP_DecryptInit_ex2(ctx, algorithms()->gcm, key, nonce, NULL), "GCM");
    must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG_LEN, tag),
         "GCM");
    ok = (!ad_len || EVP_DecryptUpdate(ctx, NULL, &len, ad, ad_len) == 1)
         && (!n || EVP_DecryptUpdate(ctx, out, &len, sealed, n) == 1)
         && EVP_DecryptFinal_ex(ctx, end, &len) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (!ok) {
        ERR_clear_error();
        seal_wipe(out, n);
    }
    return ok;
}

struct seal_keypair *
seal_keypair_new(uint8_t point[SEAL_POINT_LEN])
{
    struct seal_keypair *kp = xmalloc(sizeof *kp);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, algorithms()->p256,
                                                   NULL);
    size_t len;

    kp->key = NULL;
    must(ctx != NULL, "P-256");
    must(EVP_PKEY_keygen_init(ctx), "P-256");
    must(EVP_PKEY_generate(ctx, &kp->key), "P-256");
    must(EVP_PKEY_get_octet_string_param(kp->key, OSSL_PKEY_PARAM_PUB_KEY,
                                         point, SEAL_POINT_LEN, &len),
         "P-256");
    ovs_assert(len == SEAL_POINT_LEN);
    EVP_PKEY_CTX_free(ctx);
    return kp;
}

/* The parameters of a key pair, for EVP_PKEY_fromdata(). */
static OSSL_PARAM *
keypair_params(BIGNUM *scalar, const uint8_t point[SEAL_POINT_LEN])
{
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params;

    must(bld != NULL, "P-256");
    must(OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
                                         "prime256v1", 0),
         "P-256");
    must(OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, scalar),
         "P-256");
    must(OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point,
                                          SEAL_POINT_LEN),
         "P-256");
    params = OSSL_PARAM_BLD_to_param(bld);
    must(params != NULL, "P-256");
    OSSL_PARAM_BLD_free(bld);
    return params;
}

/* Does the private key go with the public one? */
static bool
keypair_is_good(EVP_PKEY *key)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    bool good = ctx && EVP_PKEY_check(ctx) == 1;

    EVP_PKEY_CTX_free(ctx);
    return good;
}

struct seal_keypair *
seal_keypair_import(const uint8_t scalar[SEAL_KEY_LEN],
                    const uint8_t point[SEAL_POINT_LEN])
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    BIGNUM *number = BN_bin2bn(scalar, SEAL_KEY_LEN, BN_secure_new());
    struct seal_keypair *kp = NULL;
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params;

    must(ctx && number, "P-256");
    params = keypair_params(number, point);
    must(EVP_PKEY_fromdata_init(ctx), "P-256");
    if (EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) == 1
        && keypair_is_good(key)) {
        kp = xmalloc(sizeof *kp);
        kp->key = key;
    } else {
        EVP_PKEY_free(key);
        ERR_clear_error();
    }
    OSSL_PARAM_free(params);
    BN_clear_free(number);
    EVP_PKEY_CTX_free(ctx);
    return kp;
}

void
seal_keypair_destroy(struct seal_keypair *kp)
{
    if (kp) {
        EVP_PKEY_free(kp->key); /* Clears the private key. */
        free(kp);
    }
}

/* P-256 has cofactor 1: every point of the curve but the infinite one will
 * do, which is what the quick check looks at. */
static EVP_PKEY *
import_peer(const uint8_t point[SEAL_POINT_LEN])
{
    EVP_PKEY *key = EVP_PKEY_new();
    EVP_PKEY_CTX *ctx = NULL;
    bool ok;

    must(key != NULL, "P-256");
    must(EVP_PKEY_copy_parameters(key, algorithms()->p256), "P-256");
    ok = point[0] == POINT_CONVERSION_UNCOMPRESSED
         && EVP_PKEY_set1_encoded_public_key(key, point, SEAL_POINT_LEN) == 1
         && (ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL))
         && EVP_PKEY_public_check_quick(ctx) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (!ok) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

bool
seal_ecdh(const struct seal_keypair *kp, const uint8_t peer[SEAL_POINT_LEN],
          uint8_t secret[SEAL_KEY_LEN])
{
    EVP_PKEY *peer_key = import_peer(peer);
    EVP_PKEY_CTX *ctx = NULL;
    size_t len = SEAL_KEY_LEN;
    bool ok;

    ok = peer_key && (ctx = EVP_PKEY_CTX_new_from_pkey(NULL, kp->key, NULL))
         && EVP_PKEY_derive_init(ctx) == 1
         && EVP_PKEY_derive_set_peer_ex(ctx, peer_key, 0) == 1
         && EVP_PKEY_derive(ctx, secret, &len) == 1 && len == SEAL_KEY_LEN;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(peer_key);
    if (!ok) {
        ERR_clear_error();
        seal_wipe(secret, SEAL_KEY_LEN);
    }
    return ok;
}
