/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_SOCK_DIAG_H
#define BATON_SOCK_DIAG_H 1

/* What the kernel says of one socket of this network namespace (sock_diag(7)). */

#include <stdbool.h>
#include <stdint.h>

struct inet_diag_msg;
struct inet_diag_sockid;

/* Stores in '*msg' what there is of the socket of 'family' and 'protocol' with
 * those ends (addresses and ports in network byte order, as on the wire).
 * sock_diag_ask() returns 0, ENOENT if there is none, or why the kernel does
 * not say; sock_diag_find() whether it told of one. */
int sock_diag_ask(int family, uint8_t protocol,
                  const struct inet_diag_sockid *, struct inet_diag_msg *msg);
bool sock_diag_find(int family, uint8_t protocol,
                    const struct inet_diag_sockid *,
                    struct inet_diag_msg *msg);

#endif /* agentd/sock-diag.h */
