/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_CLOSING_H
#define BATON_CLOSING_H 1

/* Connections that an application has taken out of a session to close them.
 *
 * Nobody has a descriptor of them any more, but the kernel may still owe the
 * peer data and our FIN.  They cannot be captured; if their address left, the
 * peer would never get what the application wrote.  So a session waits with
 * moving until the peer has it all:
 *
 *     closing_note(&closing, fd);       before our duplicate is closed
 *     closing_owed(&closing)            0: the address may go
 *
 * Asks the kernel for each connection by its addresses (sock_diag). */

#include <stddef.h>

struct closing_entry;

struct closing {
    struct closing_entry *entries;
    size_t n, allocated;
};

/* At the start: the netlink socket for the questions stays open. */
void closing_init(void);
/* No effect if 'fd' is no TCP connection. */
void closing_note(struct closing *, int fd);
/* Bytes that peers have not acknowledged, our FIN counted as one, of those
 * that were closed.  Forgets those that owe nothing any more. */
size_t closing_owed(struct closing *);
void closing_uninit(struct closing *);

#endif /* agentd/closing.h */
