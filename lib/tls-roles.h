/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_TLS_ROLES_H
#define BATON_TLS_ROLES_H 1

/* Makes libopenvswitch's TLS look at who signed a peer's certificate.
 *
 * Its streams check a peer's chain against one file of CAs and tell the peer's
 * CN.  A device trusts two CAs, of controllers and of devices: with nothing
 * more, whoever gets the devices' CA to sign "controller/x" is a controller to
 * all devices.  From tls_roles_enforce() on, a chain is good only if the role
 * in the leaf's CN is the one that its authority signs for (see identity.h);
 * otherwise the handshake fails.
 *
 * OpenSSL is asked to say when a context is made, because libopenvswitch does
 * not show its own. */

/* For all contexts made so far, also in this process's other libraries.
 * Idempotent and cheap; identity_load() and lib/link do it. */
void tls_roles_enforce(void);

#endif /* lib/tls-roles.h */
