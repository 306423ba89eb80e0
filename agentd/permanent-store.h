/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_PERMANENT_STORE_H
#define BATON_PERMANENT_STORE_H 1

/* What is remembered of an own address while it leaves or sleeps, in a file too,
 * for the agent that comes after; and the closing of connections that went
 * away with the address and did not come back. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "openvswitch/uuid.h"
#include "own-address.h"

struct session;

/* A TCP connection of the address. */
struct permanent_connection {
    uint16_t port; /* Ours. */
    struct in6_addr peer;
    uint16_t peer_port;
};

struct permanent_record {
    struct uuid session;
    struct own_address own;
    struct in6_addr temporary; /* in6addr_any: none. */
    bool asleep;               /* Or on its way. */
    bool channel; /* The controller and our peers know the temporary one. */
    struct permanent_connection *connections;
    size_t n_connections;
};

/* Forgets the connections. */
void permanent_record_clear(struct permanent_record *);

/* Failures are logged: what sleeps goes on to. */
void permanent_store_save(const char *file,
                          const struct permanent_record *const *, size_t n);
/* Returns how many; the caller frees the array, and clears each. */
size_t permanent_store_load(const char *file, struct permanent_record **);

void permanent_connection_set(struct permanent_connection *,
                              const struct sockaddr_storage *local,
                              const struct sockaddr_storage *peer);
/* Has the session a socket that is this connection? */
bool permanent_connection_is_among(const struct permanent_connection *,
                                   const struct session *);
/* Sends the peer a segment that belongs nowhere, from 'address', which is this
 * host's again.  A peer that still has the connection answers with what it
 * expects (RFC 9293, section 3.10.7.4), and our kernel, which has no such
 * connection, resets just that. */
void permanent_connection_close(const struct in6_addr *address,
                                const struct permanent_connection *);

#endif /* agentd/permanent-store.h */
