/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_HANDOFF_H
#define BATON_HANDOFF_H 1

/* What travels from the transferring device to the target, before it is
 * sealed and after it was opened: the sockets of a session and the
 * application's own bytes.
 *
 *     bytes  field                                (network order)
 *         4  magic, "BHO1"
 *        32  SHA-256 of the ticket
 *         2  number of sockets, n
 *         n  times: 4 bytes length, a socket as socket_state_encode() has it
 *         4  length of the application's state
 *            the state
 *
 * The decoder trusts nothing; handoff_check() then says whether the sockets
 * are what a device may put on itself (invariant I9). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "seal.h"

struct json;
struct session_socket;
struct socket_state;

#define HANDOFF_APP_STATE_MAX (16u << 20)
#define HANDOFF_SOCKETS_MAX 128

struct handoff {
    uint8_t ticket_hash[SEAL_HASH_LEN];
    struct socket_state **sockets;
    size_t n_sockets;
    uint8_t *app_state; /* malloc'd; NULL if there is none. */
    size_t app_len;
};

void handoff_uninit(struct handoff *);

/* Both return 0 or a positive errno, and a sentence in '*errorp'. */
int handoff_encode(const struct handoff *, uint8_t **bytes, size_t *n,
                   char **errorp);
int handoff_decode(const uint8_t *bytes, size_t n, struct handoff *,
                   char **errorp);

/* Returns NULL if each socket is one of the session with 'address' and its
 * peer one that a session may have; otherwise a sentence. */
char *handoff_check(const struct handoff *, const struct in6_addr *address);

/* Application state as a sealed memfd: the form in which it goes to and comes
 * from an application.  load returns 0 or a positive errno. */
int handoff_state_to_fd(const struct handoff *);
int handoff_state_from_fd(struct handoff *, int fd, char **errorp);

/* True if 'ss' is an address that a session's peer may have. */
bool handoff_peer_is_acceptable(const struct sockaddr_storage *,
                                const struct in6_addr *address);

#endif /* agentd/handoff.h */
