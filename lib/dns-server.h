/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_DNS_SERVER_H
#define BATON_DNS_SERVER_H 1

/* The sockets of a server of names: UDP and TCP (RFC 7766) at one address.
 *
 *     server = dns_server_open(&address, 53, &error);
 *     dns_server_run(server);
 *     while (dns_server_next(server, &request)) {
 *         ... dns_server_reply(server, &request.from, data, n);
 *         ofpbuf_delete(request.data);
 *     }
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

struct dns_server *dns_server_open(const struct in6_addr *, uint16_t port,
                                   char **errorp);
void dns_server_close(struct dns_server *);
void dns_server_run(struct dns_server *);
void dns_server_wait(struct dns_server *);
bool dns_server_next(struct dns_server *, struct dns_request *);
void dns_server_reply(struct dns_server *, const struct dns_asker *,
                      const void *, size_t);

#endif /* lib/dns-server.h */
