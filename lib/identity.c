/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "identity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "message.h"
#include "tls-roles.h"
#include "util.h"

/* Bytes of a certificate in PEM that are looked at: far more than any has. */
#define PEM_MAX 65536
/* 112 bits of security: RSA 2048, P-256, SHA-256. */
#define AUTH_LEVEL 2

/* Certificates that were found good, and for how many seconds that is believed
 * at the most. */
#define MAX_VERIFIED 64
#define VERIFIED_LIFETIME 3600

/* A certificate that was found good for role and name. */
struct verified {
    X509 *cert; /* NULL: unused. */
    char *pem, *role, *name;
    time_t until; /* Wall clock: its chain's, or VERIFIED_LIFETIME. */
};

/* Checking a chain takes longer than checking a signature, and the same few
 * peers come again and again. */
struct verified_cache {
    struct verified entries[MAX_VERIFIED];
    size_t next; /* To be replaced. */
};

struct identity {
    EVP_PKEY *key;
    X509 *cert;
    X509_STORE *cas;   /* What peers are checked against. */
    char *pem;         /* 'cert'. */
    char *role, *name; /* From its CN. */
    struct verified_cache *verified;
};

/* The roles that certificates are made for, and what baton-pki calls the
 * authority that makes them. */
static const struct {
    const char *role, *ca_name;
} authorities[] = {
    { "controller", "baton controllers CA" },
    { "bridge", "baton switches CA" },
    { "device", "baton devices CA" },
};

/* What OpenSSL complained of last, for people. */
static const char *
openssl_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    return reason ? reason : "unknown error";
}

/* Never asks at a terminal for a password. */
static int
no_password(char *buf OVS_UNUSED, int size OVS_UNUSED, int rw OVS_UNUSED,
            void *aux OVS_UNUSED)
{
    return -1;
}

/* Returns the one CN of 'subject' in UTF-8, or NULL if there is none, more
 * than one (which of them counts?), or it holds a null byte, at which others
 * would cut it. */
static char *
get_common_name(const X509_NAME *subject)
{
    int i = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    const X509_NAME_ENTRY *entry;
    unsigned char *utf8 = NULL;
    char *cn = NULL;
    int n;

    if (i < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, i) >= 0) {
        return NULL;
    }
    entry = X509_NAME_get_entry(subject, i);
    n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
    if (n > 0 && !memchr(utf8, '\0', n)) {
        cn = xmemdup0((char *) utf8, n);
    }
    OPENSSL_free(utf8);
    return cn;
}

/* Splits the CN of 'cert' into role and name, which the caller frees. */
static bool
get_role_and_name(const X509 *cert, char **role, char **name)
{
    char *cn = get_common_name(X509_get_subject_name(cert));
    char *slash = cn ? strchr(cn, '/') : NULL;
    bool ok = false;

    if (slash) {
        *slash = '\0';
        ok = message_name_is_valid(cn) && message_name_is_valid(slash + 1);
        if (ok) {
            *role = xstrdup(cn);
            *name = xstrdup(slash + 1);
        }
    }
    free(cn);
    return ok;
}

static bool
load_key(struct identity *id, const char *file_name, char **errorp)
{
    FILE *stream = fopen(file_name, "r");
    int base;

    if (!stream) {
        *errorp = xasprintf("%s: %s", file_name, ovs_strerror(errno));
        return false;
    }
    id->key = PEM_read_PrivateKey(stream, NULL, no_password, NULL);
    fclose(stream);
    if (!id->key) {
        *errorp = xasprintf("%s: no private key in PEM without password (%s)",
                            file_name, openssl_reason());
        return false;
    }
    base = EVP_PKEY_get_base_id(id->key);
    if (base != EVP_PKEY_EC && base != EVP_PKEY_RSA) {
        *errorp = xasprintf("%s: the key must be an EC or RSA one", file_name);
        return false;
    }
    return true;
}

static bool
load_certificate(struct identity *id, const char *file_name, char **errorp)
{
    FILE *stream = fopen(file_name, "r");
    BIO *bio;
    char *pem;
    long int n;

    if (!stream) {
        *errorp = xasprintf("%s: %s", file_name, ovs_strerror(errno));
        return false;
    }
    id->cert = PEM_read_X509(stream, NULL, no_password, NULL);
    fclose(stream);
    if (!id->cert) {
        *errorp = xasprintf("%s: no certificate in PEM (%s)", file_name,
                            openssl_reason());
        return false;
    }
    if (!get_role_and_name(id->cert, &id->role, &id->name)) {
        *errorp = xasprintf("%s: the certificate's CN must be ROLE/NAME, such "
                            "as \"device/laptop\"",
                            file_name);
        return false;
    }

    bio = BIO_new(BIO_s_mem());
    if (!bio || PEM_write_bio_X509(bio, id->cert) != 1) {
        out_of_memory();
    }
    n = BIO_get_mem_data(bio, &pem);
    id->pem = xmemdup0(pem, n);
    BIO_free(bio);
    return true;
}

static bool
load_authorities(struct identity *id, const char *file_name, char **errorp)
{
    id->cas = X509_STORE_new();
    if (!id->cas) {
        out_of_memory();
    }
    if (X509_STORE_load_file(id->cas, file_name) != 1) {
        *errorp = xasprintf("%s: no CA certificates in PEM (%s)", file_name,
                            openssl_reason());
        return false;
    }
    return true;
}

struct identity *
identity_load(const char *private_key, const char *certificate,
              const char *ca_cert, char **errorp)
{
    struct identity *id = xzalloc(sizeof *id);

    tls_roles_enforce();
    *errorp = NULL;
    id->verified = xzalloc(sizeof *id->verified);
    if (load_key(id, private_key, errorp)
        && load_certificate(id, certificate, errorp)
        && load_authorities(id, ca_cert, errorp)
        && X509_check_private_key(id->cert, id->key) != 1) {
        *errorp = xasprintf("%s is not the private key of %s", private_key,
                            certificate);
    }
    ERR_clear_error();
    if (*errorp) {
        identity_destroy(id);
        return NULL;
    }
    return id;
}

static void
verified_clear(struct verified *v)
{
    X509_free(v->cert);
    free(v->pem);
    free(v->role);
    free(v->name);
    memset(v, 0, sizeof *v);
}

void
identity_destroy(struct identity *id)
{
    if (id) {
        for (size_t i = 0; i < MAX_VERIFIED; i++) {
            verified_clear(&id->verified->entries[i]);
        }
        free(id->verified);
        EVP_PKEY_free(id->key);
        X509_free(id->cert);
        X509_STORE_free(id->cas);
        free(id->pem);
        free(id->role);
        free(id->name);
        free(id);
    }
}

const char *
identity_get_role(const struct identity *id)
{
    return id->role;
}

const char *
identity_get_name(const struct identity *id)
{
    return id->name;
}

const char *
identity_get_pem(const struct identity *id)
{
    return id->pem;
}

/* A key that was loaded signs. */
static void
must_sign(int retval)
{
    if (retval != 1) {
        ovs_abort(0, "OpenSSL: cannot sign: %s", openssl_reason());
    }
}

uint8_t *
identity_sign(const struct identity *id, const void *data, size_t n,
              size_t *sig_len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t *sig;

    if (!ctx) {
        out_of_memory();
    }
    must_sign(
        EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, id->key, NULL));
    must_sign(EVP_DigestSign(ctx, NULL, sig_len, data, n));
    sig = xmalloc(*sig_len);
    must_sign(EVP_DigestSign(ctx, sig, sig_len, data, n));
    EVP_MD_CTX_free(ctx);
    return sig;
}

/* One authority of baton-pki must not speak for the role of another: a device
 * must not pass for a controller because somebody got its CA to sign that
 * name.  Authorities that others made tell nothing by their names. */
static char *
check_issuers(const STACK_OF(X509) *chain, const char *role)
{
    for (int i = 1; i < sk_X509_num(chain); i++) {
        const X509 *ca = sk_X509_value(chain, i);
        char *ca_name = get_common_name(X509_get_subject_name(ca));
        char *error = NULL;

        for (size_t j = 0; ca_name && j < ARRAY_SIZE(authorities); j++) {
            if (!strcmp(ca_name, authorities[j].ca_name)
                && strcmp(role, authorities[j].role)) {
                error = xasprintf("certificate of a %s comes from \"%s\"",
                                  role, ca_name);
            }
        }
        free(ca_name);
        if (error) {
            return error;
        }
    }
    return NULL;
}

char *
identity_check_authority(struct x509_store_ctx_st *ctx)
{
    const STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
    char *role, *name, *error;

    if (!get_role_and_name(sk_X509_value(chain, 0), &role, &name)) {
        return xstrdup("certificate's CN is not ROLE/NAME");
    }
    error = check_issuers(chain, role);
    free(role);
    free(name);
    return error;
}

/* When the first certificate of 'chain' ends, but not later than 'until'. */
static time_t
chain_end(const STACK_OF(X509) *chain, time_t until)
{
    for (int i = 0; i < sk_X509_num(chain); i++) {
        const X509 *cert = sk_X509_value(chain, i);
        struct tm tm;

        if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1) {
            until = MIN(until, timegm(&tm));
        }
    }
    return until;
}

/* Stores in '*until' the wall clock's time to which this can be believed. */
static char *
check_chain(const struct identity *id, X509 *cert, const char *role,
            time_t *until)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_VERIFY_PARAM *param;
    char *error;

    if (!ctx || X509_STORE_CTX_init(ctx, id->cas, cert, NULL) != 1) {
        out_of_memory();
    }
    param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_CLIENT);
    X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
    if (X509_verify_cert(ctx) != 1) {
        int code = X509_STORE_CTX_get_error(ctx);

        error = xasprintf("certificate is not good: %s",
                          X509_verify_cert_error_string(code));
    } else {
        error = check_issuers(X509_STORE_CTX_get0_chain(ctx), role);
        *until = chain_end(X509_STORE_CTX_get0_chain(ctx),
                           time(NULL) + VERIFIED_LIFETIME);
    }
    X509_STORE_CTX_free(ctx);
    return error;
}

static char *
check_name(const X509 *cert, const char *role, const char *name)
{
    char *cert_role, *cert_name, *error = NULL;

    if (!get_role_and_name(cert, &cert_role, &cert_name)) {
        return xstrdup("certificate's CN is not ROLE/NAME");
    }
    if (strcmp(cert_role, role) || strcmp(cert_name, name)) {
        error = xasprintf("certificate is for %s/%s, not for %s/%s", cert_role,
                          cert_name, role, name);
    }
    free(cert_role);
    free(cert_name);
    return error;
}

static char *
check_signature(X509 *cert, const void *data, size_t n, const uint8_t *sig,
                size_t sig_len)
{
    EVP_PKEY *key = X509_get0_pubkey(cert);
    int base = key ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;
    EVP_MD_CTX *ctx;
    bool ok;

    if (base != EVP_PKEY_EC && base != EVP_PKEY_RSA) {
        return xstrdup("certificate's key is neither an EC nor an RSA one");
    }
    ctx = EVP_MD_CTX_new();
    if (!ctx) {
        out_of_memory();
    }
    ok = EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", NULL, NULL, key, NULL);
    ok = ok && EVP_DigestVerify(ctx, sig, sig_len, data, n) == 1;
    EVP_MD_CTX_free(ctx);
    return ok ? NULL : xstrdup("signature is not the certificate's");
}

static X509 *
parse_pem(const char *pem)
{
    size_t n = strlen(pem);
    BIO *bio = n <= PEM_MAX ? BIO_new_mem_buf(pem, n) : NULL;
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;

    BIO_free(bio);
    return cert;
}

static X509 *
find_verified(const struct verified_cache *cache, const char *pem,
              const char *role, const char *name)
{
    for (size_t i = 0; i < MAX_VERIFIED; i++) {
        const struct verified *v = &cache->entries[i];

        if (v->cert && !strcmp(v->name, name) && !strcmp(v->role, role)
            && !strcmp(v->pem, pem) && time(NULL) < v->until) {
            return v->cert;
        }
    }
    return NULL;
}

/* Checks 'pem' as identity_verify() says.  Returns its certificate, which
 * 'id' owns until the next call, or NULL with a reason in '*errorp'. */
static X509 *
verify_certificate(const struct identity *id, const char *pem,
                   const char *role, const char *name, char **errorp)
{
    struct verified_cache *cache = id->verified;
    X509 *cert = find_verified(cache, pem, role, name);
    struct verified *v;
    time_t until = 0;

    *errorp = NULL;
    if (cert) {
        return cert;
    }
    cert = parse_pem(pem);
    if (!cert) {
        *errorp = xstrdup("certificate cannot be read");
        return NULL;
    }
    *errorp = check_chain(id, cert, role, &until);
    if (!*errorp) {
        *errorp = check_name(cert, role, name);
    }
    if (*errorp) {
        X509_free(cert);
        return NULL;
    }
    v = &cache->entries[cache->next++ % MAX_VERIFIED];
    verified_clear(v);
    v->cert = cert;
    v->pem = xstrdup(pem);
    v->role = xstrdup(role);
    v->name = xstrdup(name);
    v->until = until;
    return cert;
}

char *
identity_verify(const struct identity *id, const char *pem, const char *role,
                const char *name, const void *data, size_t n,
                const uint8_t *sig, size_t sig_len)
{
    char *error;
    X509 *cert = verify_certificate(id, pem, role, name, &error);

    if (cert && sig) {
        error = check_signature(cert, data, n, sig, sig_len);
    }
    ERR_clear_error();
    return error;
}
