/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_IDENTITY_H
#define BATON_IDENTITY_H 1

/* A daemon's certificate: its role and name, signatures with its key, and
 * the check of somebody else's certificate.
 *
 * A certificate names ROLE/NAME in the one CN of its subject.  Three CAs make
 * them (baton-pki): of controllers, of switches (role "bridge"), of devices.
 * Where a CA's own CN says which of the three it is, identity_verify() refuses
 * roles that are not its; so does TLS, see tls-roles.h. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct identity;
struct x509_store_ctx_st;

/* Loads private key, certificate and the CAs that peers are checked against
 * (PEM files).  Returns NULL and stores a message in '*errorp' on error:
 * unreadable, mismatched, or a CN that is not ROLE/NAME. */
struct identity *identity_load(const char *private_key,
                               const char *certificate, const char *ca_cert,
                               char **errorp);
void identity_destroy(struct identity *);
const char *identity_get_role(const struct identity *); /* "device" */
const char *identity_get_name(const struct identity *); /* "laptop" */
const char *identity_get_pem(const struct identity *);  /* Certificate. */

/* ECDSA or RSA with SHA-256, as the key is.  malloc'd signature. */
uint8_t *identity_sign(const struct identity *, const void *, size_t n,
                       size_t *sig_len);

/* Checks that 'pem' chains to our CAs (to the one for this role), is in its
 * time, and names ROLE/NAME; then that 'sig' is its signature over the n bytes.  'sig' may be NULL to
 * check the certificate alone.  Returns NULL, or what is wrong, which the
 * caller frees. */
char *identity_verify(const struct identity *, const char *pem,
                      const char *role, const char *name, const void *,
                      size_t n, const uint8_t *sig, size_t sig_len);

/* 'ctx' has been verified: is the role that its leaf's CN begins with one that
 * its authority signs for?  Returns NULL, or what is wrong, which the caller
 * frees. */
char *identity_check_authority(struct x509_store_ctx_st *ctx);

#endif /* lib/identity.h */
