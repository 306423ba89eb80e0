/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_DNS_MESSAGE_H
#define BATON_DNS_MESSAGE_H 1

/* Questions of the domain name system (RFC 1035) and our answers to them, for
 * one zone of which we are the only server.  Parsing and composing are
 * libldns's; what came from strangers gets no further than it lets it.
 *
 *     q = dns_query_parse(wire, n);
 *     asked = dns_query_asks(q, "move.example", name, sizeof name);
 *     dns_answer_compose(q, zone, &answer, max, &reply);
 *     dns_query_destroy(q);
 *
 * The zone has its SOA and NS records, the address of "ns", and whatever the
 * caller answers for other names.  Nothing is signed. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

struct dns_query;
struct ofpbuf;

#define DNS_MESSAGE_MAX 65535 /* Bytes, over TCP. */
#define DNS_UDP_MAX 1232      /* Bytes of a UDP answer that never fragments. */
#define DNS_NAME_MAX 1024     /* Of a name in text form, with its escapes. */

/* Response codes. */
enum dns_rcode {
    DNS_NOERROR = 0,
    DNS_SERVFAIL = 2,
    DNS_NXDOMAIN = 3,
    DNS_NOTIMP = 4,
    DNS_REFUSED = 5,
};

/* Takes one query with one question of class IN.  Returns NULL if it is none:
 * it gets no answer. */
struct dns_query *dns_query_parse(const void *, size_t n);
void dns_query_destroy(struct dns_query *);

enum dns_asked {
    DNS_ASKED_ELSE, /* Not in the zone, or no query for records. */
    DNS_ASKED_APEX, /* The zone itself. */
    DNS_ASKED_NAME, /* A name in it, or its "ns". */
};

/* What 'q' asks about.  Stores in 'name' the name without the zone, in lower
 * case ("web.laptop"). */
enum dns_asked dns_query_asks(const struct dns_query *, const char *zone,
                              char *name, size_t size);
/* The address family that it asks for, AF_INET or AF_INET6, or 0. */
int dns_query_family(const struct dns_query *);
/* Does one who asks again ask by the same words?  A number to compare. */
uint32_t dns_query_hash(const struct dns_query *);

/* An answer: an address, or a response code without one. */
struct dns_answer {
    enum dns_rcode rcode;
    bool ours;      /* In our zone: authoritative, its SOA with a negation. */
    bool truncated; /* Says nothing but "ask by TCP". */
    bool has_address;
    struct in6_addr address; /* IPv4 as IPv4-mapped. */
    uint32_t ttl;            /* Seconds; also of a negation. */
};

/* Appends to 'reply' the answer to 'q', of at most 'max' bytes.  To
 * DNS_ASKED_APEX it adds what is asked of SOA and NS. */
void dns_answer_compose(const struct dns_query *, const char *zone,
                        const struct dns_answer *, size_t max,
                        struct ofpbuf *reply);

/* Is 'zone' the name of one, in letters, digits and hyphens, without a dot at
 * its end? */
bool dns_zone_is_valid(const char *zone);

#endif /* lib/dns-message.h */
