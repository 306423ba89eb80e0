/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_TESTS_TLS_H
#define BATON_TESTS_TLS_H 1

/* Certificates for tests of what speaks TLS, made by baton-pki in a directory
 * that goes away again.  libopenvswitch has one identity a process:
 * tls_become() changes it for the connections that are made from then on.  All
 * three authorities are trusted: who may be what is for the code to check. */

#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "stream-ssl.h"
#include "util.h"

static char tls_dir[] = "/tmp/test-tls.XXXXXX";

static inline bool
tls_pki(const char *args)
{
    char *command = xasprintf("cd %s && '%s' %s >>log 2>&1", tls_dir,
                              BATON_PKI, args);
    bool ok = !system(command);

    free(command);
    return ok;
}

static inline int
system_in_dir(const char *what)
{
    char *command = xasprintf("cd %s && %s", tls_dir, what);
    int status = system(command);

    free(command);
    return status;
}

/* Makes controller/c1, device/laptop and device/tv, and bridge/b1; and
 * controller/rogue, which the devices' authority has signed. */
static inline bool
tls_begin(void)
{
    return (mkdtemp(tls_dir) && tls_pki("init pki")
            && tls_pki("controller pki c1") && tls_pki("bridge pki b1")
            && tls_pki("device pki laptop") && tls_pki("device pki tv")
            && !system_in_dir("mkdir odd && cp -r pki/ca odd/ca && for x in "
                              "privkey cert; do cp odd/ca/devices-$x.pem "
                              "odd/ca/controllers-$x.pem; done")
            && tls_pki("controller odd rogue")
            && !system_in_dir("cp odd/rogue-*.pem pki")
            && !system_in_dir("cat pki/*-trust.pem > pki/all.pem"));
}

static inline void
tls_end(void)
{
    char *command = xasprintf("rm -rf %s", tls_dir);

    if (system(command)) {
        perror(command);
    }
    free(command);
}

static inline void
tls_become(const char *name)
{
    char *cert = xasprintf("%s/pki/%s-cert.pem", tls_dir, name);
    char *key = xasprintf("%s/pki/%s-privkey.pem", tls_dir, name);
    char *trust = xasprintf("%s/pki/all.pem", tls_dir);

    stream_ssl_set_certificate_file(cert);
    stream_ssl_set_private_key_file(key);
    stream_ssl_set_ca_cert_file(trust, false);
    free(cert);
    free(key);
    free(trust);
}

#endif /* tests/unit/tls.h */
