/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "dns-message.h"

#include <ctype.h>
#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "hash.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "util.h"

/* Seconds: a secondary has nothing to fetch, the fields have to be there. */
#define SOA_TIMES "1 3600 600 86400"

struct dns_query {
    ldns_pkt *packet;
    const ldns_rr *question; /* In 'packet'. */
};

struct dns_query *
dns_query_parse(const void *wire, size_t n)
{
    struct dns_query *q;
    const ldns_rr *question;
    ldns_pkt *packet = NULL;

    if (ldns_wire2pkt(&packet, wire, n) != LDNS_STATUS_OK) {
        return NULL;
    }
    question = (ldns_pkt_qdcount(packet) == 1
                    ? ldns_rr_list_rr(ldns_pkt_question(packet), 0)
                    : NULL);
    if (ldns_pkt_qr(packet) || !question
        || ldns_rr_get_class(question) != LDNS_RR_CLASS_IN) {
        ldns_pkt_free(packet);
        return NULL;
    }
    q = xmalloc(sizeof *q);
    q->packet = packet;
    q->question = question;
    return q;
}

void
dns_query_destroy(struct dns_query *q)
{
    if (q) {
        ldns_pkt_free(q->packet);
        free(q);
    }
}

bool
dns_zone_is_valid(const char *zone)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t n = strlen(zone);

    if (!n || n > 200) {
        return false;
    }
    for (const char *p = zone;; p++) {
        size_t label = strspn(p, letters);

        if (!label || label > 63 || p[0] == '-' || p[label - 1] == '-') {
            return false;
        }
        p += label;
        if (!*p) {
            return true;
        } else if (*p != '.') {
            return false;
        }
    }
}

/* Asking. */

enum dns_asked
dns_query_asks(const struct dns_query *q, const char *zone, char *name,
               size_t size)
{
    ldns_rdf *apex = ldns_dname_new_frm_str(zone);
    ldns_rdf *owner = ldns_rdf_clone(ldns_rr_owner(q->question));
    enum dns_asked asked = DNS_ASKED_ELSE;

    name[0] = '\0';
    if (!apex || !owner
        || ldns_pkt_get_opcode(q->packet) != LDNS_PACKET_QUERY) {
        goto exit;
    }
    ldns_dname2canonical(apex);
    ldns_dname2canonical(owner);
    if (!ldns_dname_compare(owner, apex)) {
        asked = DNS_ASKED_APEX;
    } else if (ldns_dname_is_subdomain(owner, apex)) {
        char *text = ldns_rdf2str(owner);
        size_t zone_len = strlen(zone) + 2; /* Two dots. */
        size_t len = text ? strlen(text) : 0;

        asked = DNS_ASKED_NAME;
        if (len > zone_len && len - zone_len < size) {
            memcpy(name, text, len - zone_len);
            name[len - zone_len] = '\0';
        }
        free(text);
    }

exit:
    ldns_rdf_deep_free(apex);
    ldns_rdf_deep_free(owner);
    return asked;
}

int
dns_query_family(const struct dns_query *q)
{
    switch ((int) ldns_rr_get_type(q->question)) {
    case LDNS_RR_TYPE_A: return AF_INET;
    case LDNS_RR_TYPE_AAAA: return AF_INET6;
    default: return 0;
    }
}

uint32_t
dns_query_hash(const struct dns_query *q)
{
    const ldns_rdf *owner = ldns_rr_owner(q->question);

    return hash_bytes(
        ldns_rdf_data(owner), ldns_rdf_size(owner),
        hash_2words(ldns_pkt_id(q->packet), ldns_rr_get_type(q->question)));
}

/* Answering. */

/* Adds a record given as text. */
static void
add_text(ldns_pkt *p, ldns_pkt_section section, const char *text)
{
    ldns_rr *rr = NULL;

    if (ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL) == LDNS_STATUS_OK) {
        ldns_pkt_push_rr(p, section, rr);
    }
}

static void
add_soa(ldns_pkt *p, ldns_pkt_section section, const char *zone, uint32_t ttl)
{
    char *s = xasprintf("%s. %u IN SOA ns.%s. hostmaster.%s. " SOA_TIMES " %u",
                        zone, ttl, zone, zone, ttl);

    add_text(p, section, s);
    free(s);
}

static void
add_ns(ldns_pkt *p, const char *zone, uint32_t ttl)
{
    char *s = xasprintf("%s. %u IN NS ns.%s.", zone, ttl, zone);

    add_text(p, LDNS_SECTION_ANSWER, s);
    free(s);
}

static void
add_address(ldns_pkt *p, const ldns_rr *question, const struct dns_answer *a)
{
    ldns_rr *rr = ldns_rr_new();

    ldns_rr_set_owner(rr, ldns_rdf_clone(ldns_rr_owner(question)));
    ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
    ldns_rr_set_type(rr, ldns_rr_get_type(question));
    ldns_rr_set_ttl(rr, a->ttl);
    if (IN6_IS_ADDR_V4MAPPED(&a->address)) {
        ovs_be32 ip = in6_addr_get_mapped_ipv4(&a->address);

        ldns_rr_push_rdf(
            rr, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_A, sizeof ip, &ip));
    } else {
        ldns_rr_push_rdf(rr, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_AAAA,
                                                   sizeof a->address,
                                                   &a->address));
    }
    ldns_pkt_push_rr(p, LDNS_SECTION_ANSWER, rr);
}

static void
fill(ldns_pkt *p, const struct dns_query *q, const char *zone,
     const struct dns_answer *a)
{
    char name[DNS_NAME_MAX];
    bool apex = dns_query_asks(q, zone, name, sizeof name) == DNS_ASKED_APEX;
    ldns_rr_type type = ldns_rr_get_type(q->question);
    bool any = type == LDNS_RR_TYPE_ANY;

    if (apex && (any || type == LDNS_RR_TYPE_SOA)) {
        add_soa(p, LDNS_SECTION_ANSWER, zone, a->ttl);
    }
    if (apex && (any || type == LDNS_RR_TYPE_NS)) {
        add_ns(p, zone, a->ttl);
    }
    if (a->has_address) {
        add_address(p, q->question, a);
    }
    if (!ldns_pkt_ancount(p)) {
        /* So that "no" can be remembered (RFC 2308). */
        add_soa(p, LDNS_SECTION_AUTHORITY, zone, a->ttl);
    }
}

/* Returns the bytes, for free(), or NULL. */
static uint8_t *
to_wire(const struct dns_query *q, const char *zone,
        const struct dns_answer *a, bool truncated, size_t *n)
{
    ldns_pkt *p = ldns_pkt_new();
    uint8_t *wire = NULL;

    ldns_pkt_set_id(p, ldns_pkt_id(q->packet));
    ldns_pkt_set_qr(p, true);
    ldns_pkt_set_opcode(p, ldns_pkt_get_opcode(q->packet));
    ldns_pkt_set_rd(p, ldns_pkt_rd(q->packet));
    ldns_pkt_set_aa(p, a->ours);
    ldns_pkt_set_tc(p, truncated);
    ldns_pkt_set_rcode(p, (uint8_t) a->rcode);
    ldns_pkt_push_rr(p, LDNS_SECTION_QUESTION, ldns_rr_clone(q->question));
    if (a->ours && !truncated) {
        fill(p, q, zone, a);
    }
    if (ldns_pkt_edns(q->packet)) {
        ldns_pkt_set_edns_udp_size(p, DNS_UDP_MAX);
    }
    if (ldns_pkt2wire(&wire, p, n) != LDNS_STATUS_OK) {
        wire = NULL;
    }
    ldns_pkt_free(p);
    return wire;
}

void
dns_answer_compose(const struct dns_query *q, const char *zone,
                   const struct dns_answer *a, size_t max,
                   struct ofpbuf *reply)
{
    uint8_t *wire;
    size_t n = 0;

    wire = to_wire(q, zone, a, a->truncated, &n);
    if (wire && n > max) {
        free(wire);
        wire = to_wire(q, zone, a, true, &n);
    }
    if (wire && n <= max) {
        ofpbuf_put(reply, wire, n);
    }
    free(wire);
}
