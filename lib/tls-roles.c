/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "tls-roles.h"

#include <stdlib.h>

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "compiler.h"
#include "identity.h"
#include "openvswitch/vlog.h"

VLOG_DEFINE_THIS_MODULE(tls_roles);

/* The context made last that is not enforced yet.  libopenvswitch makes one,
 * for as long as the process lives. */
static SSL_CTX *made;

static void
note_context(void *parent, void *ptr OVS_UNUSED, CRYPTO_EX_DATA *ad OVS_UNUSED,
             int idx OVS_UNUSED, long int argl OVS_UNUSED,
             void *argp OVS_UNUSED)
{
    /* Not filled in yet: only its address counts. */
    made = parent;
}

static void
forget_context(void *parent, void *ptr OVS_UNUSED,
               CRYPTO_EX_DATA *ad OVS_UNUSED, int idx OVS_UNUSED,
               long int argl OVS_UNUSED, void *argp OVS_UNUSED)
{
    made = made == parent ? NULL : made;
}

OVS_CONSTRUCTOR(watch_contexts)
{
    SSL_CTX_get_ex_new_index(0, NULL, note_context, NULL, forget_context);
}

static int
verify(X509_STORE_CTX *ctx, void *aux OVS_UNUSED)
{
    int good = X509_verify_cert(ctx);
    char *error = good > 0 ? identity_check_authority(ctx) : NULL;

    if (error) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(6, 6);

        VLOG_WARN_RL(&rl, "a TLS peer's %s: refused", error);
        free(error);
        X509_STORE_CTX_set_error(ctx, X509_V_ERR_APPLICATION_VERIFICATION);
        return 0;
    }
    return good;
}

void
tls_roles_enforce(void)
{
    if (made) {
        SSL_CTX_set_cert_verify_callback(made, verify, NULL);
        made = NULL;
    }
}
