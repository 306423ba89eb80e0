/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "identity.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "unit.h"
#include "util.h"

static char dir[] = "/tmp/test-identity.XXXXXX";

/* Runs "baton-pki ARGS" in 'dir'.  Returns whether it was content. */
static bool
pki(const char *args)
{
    char *command = xasprintf("cd %s && '%s' %s >>log 2>&1", dir, BATON_PKI,
                              args);
    bool ok = !system(command);

    free(command);
    return ok;
}

static char *
path(const char *file_name)
{
    return xasprintf("%s/%s", dir, file_name);
}

static struct identity *
try_load(const char *key, const char *cert, const char *cas, char **errorp)
{
    char *key_path = path(key), *cert_path = path(cert), *ca_path = path(cas);
    struct identity *id = identity_load(key_path, cert_path, ca_path, errorp);

    CU_ASSERT(!id == !!*errorp);
    free(key_path);
    free(cert_path);
    free(ca_path);
    return id;
}

/* 'name' is that of what baton-pki made. */
static struct identity *
load(const char *name, const char *cas)
{
    char *key = xasprintf("pki/%s-privkey.pem", name);
    char *cert = xasprintf("pki/%s-cert.pem", name);
    struct identity *id;
    char *error;

    id = try_load(key, cert, cas, &error);
    if (error) {
        fprintf(stderr, "%s\n", error);
    }
    CU_ASSERT_FATAL(id != NULL);
    free(key);
    free(cert);
    return id;
}

/* Takes 'error', and expects 'text' in it. */
static void
check_error(char *error, const char *text)
{
    CU_ASSERT_FATAL(error != NULL);
    if (!strstr(error, text)) {
        fprintf(stderr, "\"%s\" is not in \"%s\"\n", text, error);
        CU_FAIL("wrong message");
    }
    free(error);
}

/* A certificate that baton-pki would not make. */
struct odd {
    const char *authority; /* "devices". */
    const char *cn;
    int cn_len; /* -1: up to its null. */
    const char *second_cn;
    long int from, to; /* Seconds from now. */
    const char *usage; /* Extended key usage. */
};
#define ODD_DEFAULTS                                                       \
    .authority = "devices", .cn = "device/odd", .cn_len = -1, .from = -60, \
    .to = 60, .usage = "clientAuth,serverAuth"

static void
add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    CU_ASSERT_FATAL(ext && X509_add_ext(cert, ext, -1));
    X509_EXTENSION_free(ext);
}

static void
add_cn(X509 *cert, const char *cn, int n)
{
    CU_ASSERT_FATAL(X509_NAME_add_entry_by_txt(
        X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
        (const unsigned char *) cn, n, -1, 0));
}

static FILE *
open_ca(const char *authority, const char *what)
{
    char *name = xasprintf("%s/pki/ca/%s-%s.pem", dir, authority, what);
    FILE *stream = fopen(name, "r");

    CU_ASSERT_FATAL(stream != NULL);
    free(name);
    return stream;
}

static char *
cert_to_pem(X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data, *pem;
    long int n;

    CU_ASSERT_FATAL(PEM_write_bio_X509(bio, cert));
    n = BIO_get_mem_data(bio, &data);
    pem = xmemdup0(data, n);
    BIO_free(bio);
    return pem;
}

static char *
make_odd_with_key(const struct odd *odd, EVP_PKEY *key)
{
    FILE *cert_file = open_ca(odd->authority, "cert");
    FILE *key_file = open_ca(odd->authority, "privkey");
    X509 *ca = PEM_read_X509(cert_file, NULL, NULL, NULL);
    EVP_PKEY *ca_key = PEM_read_PrivateKey(key_file, NULL, NULL, NULL);
    X509 *cert = X509_new();
    char *pem;

    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 7);
    X509_gmtime_adj(X509_getm_notBefore(cert), odd->from);
    X509_gmtime_adj(X509_getm_notAfter(cert), odd->to);
    X509_set_issuer_name(cert, X509_get_subject_name(ca));
    X509_set_pubkey(cert, key);
    if (odd->cn) {
        add_cn(cert, odd->cn, odd->cn_len);
    }
    if (odd->second_cn) {
        add_cn(cert, odd->second_cn, -1);
    }
    add_extension(cert, NID_basic_constraints, "critical,CA:FALSE");
    add_extension(cert, NID_ext_key_usage, odd->usage);
    CU_ASSERT_FATAL(X509_sign(cert, ca_key, EVP_sha256()));
    pem = cert_to_pem(cert);

    X509_free(cert);
    X509_free(ca);
    EVP_PKEY_free(ca_key);
    fclose(cert_file);
    fclose(key_file);
    return pem;
}

static char *
make_odd(const struct odd *odd)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    char *pem = make_odd_with_key(odd, key);

    EVP_PKEY_free(key);
    return pem;
}

/* What identity_verify() says at device "tv" of 'odd', shown as ROLE/NAME. */
static char *
judge(const struct odd *odd, const char *role, const char *name)
{
    struct identity *tv = load("tv", "all-trust.pem");
    char *pem = make_odd(odd);
    char *error = identity_verify(tv, pem, role, name, NULL, 0, NULL, 0);

    free(pem);
    identity_destroy(tv);
    return error;
}

static void
write_file(const char *name, const char *content)
{
    char *file_name = path(name);
    FILE *stream = fopen(file_name, "w");

    CU_ASSERT_FATAL(stream != NULL);
    fputs(content, stream);
    fclose(stream);
    free(file_name);
}

static void
test_load(void)
{
    struct identity *id = load("tv", "pki/device-trust.pem");

    CU_ASSERT_STRING_EQUAL(identity_get_role(id), "device");
    CU_ASSERT_STRING_EQUAL(identity_get_name(id), "tv");
    CU_ASSERT(
        !strncmp(identity_get_pem(id), "-----BEGIN CERTIFICATE-----", 27));
    identity_destroy(id);

    id = load("c1", "pki/controller-trust.pem");
    CU_ASSERT_STRING_EQUAL(identity_get_role(id), "controller");
    identity_destroy(id);
    id = load("br-home", "pki/bridge-trust.pem");
    CU_ASSERT_STRING_EQUAL(identity_get_role(id), "bridge");
    identity_destroy(id);
    identity_destroy(NULL);
}

static void
test_load_errors(void)
{
    static const char key[] = "pki/tv-privkey.pem";
    static const char cert[] = "pki/tv-cert.pem";
    static const char cas[] = "pki/device-trust.pem";
    EVP_PKEY *ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    char *error, *file_name;
    FILE *stream;

    try_load("none", cert, cas, &error);
    check_error(error, "No such file");
    try_load(key, "none", cas, &error);
    check_error(error, "No such file");
    try_load(key, cert, "none", &error);
    check_error(error, "no CA certificates");
    try_load(cert, cert, cas, &error);
    check_error(error, "no private key");
    try_load(key, key, cas, &error);
    check_error(error, "no certificate");
    try_load(key, cert, key, &error);
    check_error(error, "no CA certificates");
    try_load("pki/laptop-privkey.pem", cert, cas, &error);
    check_error(error, "is not the private key of");
    try_load("pki/ca/devices-privkey.pem", "pki/ca/devices-cert.pem", cas,
             &error);
    check_error(error, "ROLE/NAME");

    /* A password, which nobody is there to give. */
    file_name = xasprintf("openssl ec -in %s/%s -aes256 -passout pass:x "
                          "-out %s/locked.pem 2>/dev/null",
                          dir, key, dir);
    CU_ASSERT(!system(file_name));
    free(file_name);
    try_load("locked.pem", cert, cas, &error);
    check_error(error, "without password");

    file_name = path("ed25519.pem");
    stream = fopen(file_name, "w");
    PEM_write_PrivateKey(stream, ed25519, NULL, NULL, 0, NULL, NULL);
    fclose(stream);
    free(file_name);
    EVP_PKEY_free(ed25519);
    try_load("ed25519.pem", cert, cas, &error);
    check_error(error, "EC or RSA");
}

static void
test_sign(void)
{
    struct identity *tv = load("tv", "pki/device-trust.pem");
    struct identity *laptop = load("laptop", "pki/device-trust.pem");
    const char *pem = identity_get_pem(tv);
    uint8_t text[] = "baton accept v1 ...";
    size_t n;
    uint8_t *sig = identity_sign(tv, text, sizeof text, &n);

    CU_ASSERT_PTR_NULL(identity_verify(laptop, pem, "device", "tv", text,
                                       sizeof text, sig, n));
    CU_ASSERT_PTR_NULL(
        identity_verify(laptop, pem, "device", "tv", NULL, 0, NULL, 0));
    /* Somebody else's signature, a changed text, a changed signature. */
    check_error(identity_verify(tv, identity_get_pem(laptop), "device",
                                "laptop", text, sizeof text, sig, n),
                "signature");
    text[3] ^= 1;
    check_error(identity_verify(laptop, pem, "device", "tv", text, sizeof text,
                                sig, n),
                "signature");
    text[3] ^= 1;
    for (size_t i = 0; i < n; i++) {
        sig[i] ^= 1;
        check_error(identity_verify(laptop, pem, "device", "tv", text,
                                    sizeof text, sig, n),
                    "signature");
        sig[i] ^= 1;
    }
    for (size_t i = 0; i < n; i++) {
        check_error(identity_verify(laptop, pem, "device", "tv", text,
                                    sizeof text, sig, i),
                    "signature");
    }
    free(sig);
    identity_destroy(tv);
    identity_destroy(laptop);
}

static void
test_sign_rsa(void)
{
    struct odd odd = { ODD_DEFAULTS };
    EVP_PKEY *key = EVP_RSA_gen(2048);
    char *pem = make_odd_with_key(&odd, key);
    char *file_name = path("rsa-privkey.pem");
    FILE *stream = fopen(file_name, "w");
    struct identity *id;
    uint8_t *sig;
    char *error;
    size_t n;

    PEM_write_PrivateKey(stream, key, NULL, NULL, 0, NULL, NULL);
    fclose(stream);
    write_file("rsa-cert.pem", pem);
    id = try_load("rsa-privkey.pem", "rsa-cert.pem", "pki/device-trust.pem",
                  &error);
    CU_ASSERT_FATAL(id != NULL);
    sig = identity_sign(id, "text", 4, &n);
    CU_ASSERT_PTR_NULL(
        identity_verify(id, pem, "device", "odd", "text", 4, sig, n));
    check_error(identity_verify(id, pem, "device", "odd", "test", 4, sig, n),
                "signature");
    free(sig);
    identity_destroy(id);
    EVP_PKEY_free(key);
    free(file_name);
    free(pem);
}

static void
test_name_and_role(void)
{
    struct identity *tv = load("tv", "pki/device-trust.pem");
    struct identity *laptop = load("laptop", "pki/device-trust.pem");
    const char *pem = identity_get_pem(laptop);

    /* What is remembered as good is so for this role and name only. */
    CU_ASSERT_PTR_NULL(
        identity_verify(tv, pem, "device", "laptop", NULL, 0, NULL, 0));
    check_error(identity_verify(tv, pem, "device", "tv", NULL, 0, NULL, 0),
                "is for device/laptop, not for device/tv");
    check_error(
        identity_verify(tv, pem, "controller", "laptop", NULL, 0, NULL, 0),
        "certificate of a controller comes from \"baton devices CA\"");
    check_error(identity_verify(tv, pem, "device", "lapto", NULL, 0, NULL, 0),
                "not for");
    check_error(identity_verify(tv, pem, "device", "", NULL, 0, NULL, 0),
                "not for");
    identity_destroy(tv);
    identity_destroy(laptop);
}

static void
test_wrong_authority(void)
{
    struct identity *c1 = load("c1", "pki/controller-trust.pem");
    struct identity *tv = load("tv", "pki/device-trust.pem");
    struct identity *bridge = load("br-home", "pki/bridge-trust.pem");
    struct odd odd = { ODD_DEFAULTS };

    /* Who trusts whom. */
    CU_ASSERT_PTR_NULL(identity_verify(tv, identity_get_pem(c1), "controller",
                                       "c1", NULL, 0, NULL, 0));
    CU_ASSERT_PTR_NULL(identity_verify(c1, identity_get_pem(tv), "device",
                                       "tv", NULL, 0, NULL, 0));
    CU_ASSERT_PTR_NULL(identity_verify(c1, identity_get_pem(bridge), "bridge",
                                       "br-home", NULL, 0, NULL, 0));
    check_error(identity_verify(bridge, identity_get_pem(tv), "device", "tv",
                                NULL, 0, NULL, 0),
                "is not good");
    check_error(identity_verify(tv, identity_get_pem(bridge), "bridge",
                                "br-home", NULL, 0, NULL, 0),
                "is not good");
    check_error(identity_verify(c1, identity_get_pem(c1), "controller", "c1",
                                NULL, 0, NULL, 0),
                "is not good");

    /* Another PKI's device of the same name. */
    struct identity *stranger = load("../other/tv", "other/device-trust.pem");
    check_error(identity_verify(tv, identity_get_pem(stranger), "device", "tv",
                                NULL, 0, NULL, 0),
                "is not good");
    identity_destroy(stranger);

    /* A role that its authority has no business to sign. */
    odd.cn = "controller/odd";
    check_error(judge(&odd, "controller", "odd"),
                "comes from \"baton devices CA\"");
    odd.authority = "switches";
    check_error(judge(&odd, "controller", "odd"),
                "comes from \"baton switches CA\"");
    odd.authority = "controllers";
    CU_ASSERT_PTR_NULL(judge(&odd, "controller", "odd"));
    odd.cn = "device/odd";
    check_error(judge(&odd, "device", "odd"),
                "comes from \"baton controllers CA\"");

    identity_destroy(c1);
    identity_destroy(tv);
    identity_destroy(bridge);
}

static void
test_odd(void)
{
    struct odd odd = { ODD_DEFAULTS };
    struct odd expired = { ODD_DEFAULTS, .from = -120, .to = -60 };
    struct odd early = { ODD_DEFAULTS, .from = 60, .to = 120 };
    struct odd with_null = { ODD_DEFAULTS, .cn = "device/odd\0x",
                             .cn_len = 12 };
    struct odd with_end_null = { ODD_DEFAULTS, .cn = "device/odd\0",
                                 .cn_len = 11 };
    struct odd two = { ODD_DEFAULTS, .second_cn = "device/tv" };
    struct odd none = { ODD_DEFAULTS, .cn = NULL };
    struct odd no_slash = { ODD_DEFAULTS, .cn = "odd" };
    struct odd slashes = { ODD_DEFAULTS, .cn = "device/odd/x" };
    struct odd mail = { ODD_DEFAULTS, .usage = "emailProtection" };

    CU_ASSERT_PTR_NULL(judge(&odd, "device", "odd"));
    check_error(judge(&expired, "device", "odd"), "expired");
    check_error(judge(&early, "device", "odd"), "not yet valid");
    check_error(judge(&with_null, "device", "odd"), "ROLE/NAME");
    check_error(judge(&with_end_null, "device", "odd"), "ROLE/NAME");
    check_error(judge(&two, "device", "odd"), "ROLE/NAME");
    check_error(judge(&two, "device", "tv"), "ROLE/NAME");
    check_error(judge(&none, "device", "odd"), "ROLE/NAME");
    check_error(judge(&no_slash, "device", "odd"), "ROLE/NAME");
    check_error(judge(&slashes, "device", "odd"), "ROLE/NAME");
    check_error(judge(&mail, "device", "odd"), "purpose");
}

/* A device's certificate is no authority, though it is trusted. */
static void
test_no_chain_through_device(void)
{
    struct identity *tv = load("tv", "pki/device-trust.pem");
    struct odd odd = { ODD_DEFAULTS };
    char *leaf, *both;

    odd.authority = "../tv"; /* Signed by the device itself. */
    leaf = make_odd(&odd);
    both = xasprintf("%s%s", leaf, identity_get_pem(tv));
    check_error(identity_verify(tv, leaf, "device", "odd", NULL, 0, NULL, 0),
                "is not good");
    check_error(identity_verify(tv, both, "device", "odd", NULL, 0, NULL, 0),
                "is not good");
    free(leaf);
    free(both);
    identity_destroy(tv);
}

static void
test_garbage(void)
{
    struct identity *tv = load("tv", "pki/device-trust.pem");
    char *big = xmalloc(1 << 20);
    char *pem = xstrdup(identity_get_pem(tv));

    check_error(identity_verify(tv, "", "device", "tv", NULL, 0, NULL, 0),
                "cannot be read");
    check_error(identity_verify(tv,
                                "-----BEGIN CERTIFICATE-----\nAA==\n"
                                "-----END CERTIFICATE-----\n",
                                "device", "tv", NULL, 0, NULL, 0),
                "cannot be read");
    memset(big, 'A', (1 << 20) - 1);
    big[(1 << 20) - 1] = '\0';
    check_error(identity_verify(tv, big, "device", "tv", NULL, 0, NULL, 0),
                "cannot be read");
    /* Cut off anywhere before its end. */
    for (size_t n = strlen(pem) - 10; n > 0; n -= MIN(n, 7)) {
        pem[n] = '\0';
        check_error(identity_verify(tv, pem, "device", "tv", NULL, 0, NULL, 0),
                    "cannot be read");
    }
    free(pem);
    free(big);
    identity_destroy(tv);
}

static void
test_pki_refuses(void)
{
    static const char *const bad[] = {
        "device pki 'a/b'",
        "device pki ''",
        "device pki .hidden",
        "device pki 'a b'",
        "device pki \"$(printf 'a\\nb')\"",
        "device pki \"$(printf 'a\\303\\244')\"",
        "device pki 'a$ENV'",
        "device pki 'a\"'",
        "device pki -- -x",
        "device pki -x",
        "device pki tv",                      /* Exists. */
        "device pki \"$(printf '%058d' 0)\"", /* CN of 65 characters. */
        "init pki",
        "device none x",
        "device empty x",
        "switch pki x",
        "device pki",
        "device pki a b",
        "init",
        "",
        "--days=0 device pki x",
        "--days=x device pki x",
        "--days=-5 device pki x",
    };
    char *key = path("pki/laptop-privkey.pem");
    struct stat before, after;

    CU_ASSERT(!mkdir("empty", 0755));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        if (pki(bad[i])) {
            fprintf(stderr, "baton-pki took: %s\n", bad[i]);
            CU_FAIL("taken");
        }
    }
    CU_ASSERT(pki("--help"));
    CU_ASSERT(pki("device pki \"$(printf '%057d' 0)\""));

    CU_ASSERT(!stat(key, &before));
    CU_ASSERT((before.st_mode & 0777) == 0600);
    CU_ASSERT(!pki("device pki laptop"));
    CU_ASSERT(!stat(key, &after) && before.st_ino == after.st_ino);
    CU_ASSERT(pki("--force device pki laptop"));
    CU_ASSERT(!stat(key, &after) && before.st_ino != after.st_ino);
    free(key);
}

static const struct unit_test tests[] = {
    { "load", test_load },
    { "load: what is wrong", test_load_errors },
    { "sign and verify", test_sign },
    { "sign and verify with RSA", test_sign_rsa },
    { "wrong name, wrong role", test_name_and_role },
    { "wrong authority", test_wrong_authority },
    { "certificates that nobody should make", test_odd },
    { "a device is no authority", test_no_chain_through_device },
    { "certificates that are none", test_garbage },
    { "baton-pki refuses", test_pki_refuses },
};

int
main(void)
{
    char *command;
    int retval;

    if (!mkdtemp(dir) || chdir(dir)) {
        perror(dir);
        return 1;
    }
    if (!pki("init pki") || !pki("controller pki c1")
        || !pki("bridge pki br-home") || !pki("device pki laptop")
        || !pki("device pki tv") || !pki("init other")
        || !pki("device other tv")
        || system("cat pki/ca/*-cert.pem > all-trust.pem")) {
        fprintf(stderr, "baton-pki failed; see %s/log\n", dir);
        return 1;
    }
    retval = unit_run("identity", tests, ARRAY_SIZE(tests));
    command = xasprintf("rm -rf %s", dir);
    if (system(command)) {
        retval = 1;
    }
    free(command);
    return retval;
}
