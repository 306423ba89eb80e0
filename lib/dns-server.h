/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_DNS_SERVER_H
#define BATON_DNS_SERVER_H 1

/* The sockets of a server of names: UDP and TCP (RFC 7766) at one address.
 *
 *     server = dns_server_create(&address, 53);
 *     dns_server_run(server);
 *     while (dns_server_next(server, &request)) {
 *         ... dns_server_reply(server, &request.from, data, n);
 *         ofpbuf_delete(request.data);
 *     }
 *
 * Sockets that cannot be opened (the address is not there yet) are tried again
 * each second, and until then nobody asks.
 *
 * A reply may come later, from another turn of the loop.  Who has gone
 * meanwhile gets none.  Strangers' connections are bounded, in number and in
 * time. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sys/socket.h>

struct dns_server;
struct ofpbuf;

/* Who asked. */
struct dns_asker {
    struct in6_addr address; /* IPv4 as IPv4-mapped. */
    uint16_t port;
    uint64_t connection; /* 0: UDP. */
};

struct dns_request {
    struct dns_asker from;
    struct ofpbuf *data; /* The caller deletes it. */
};

struct dns_server *dns_server_create(const struct in6_addr *, uint16_t port);
void dns_server_destroy(struct dns_server *);
const struct in6_addr *dns_server_get_address(const struct dns_server *);
void dns_server_run(struct dns_server *);
void dns_server_wait(struct dns_server *);
bool dns_server_next(struct dns_server *, struct dns_request *);
void dns_server_reply(struct dns_server *, const struct dns_asker *,
                      const void *, size_t);

#endif /* lib/dns-server.h */
