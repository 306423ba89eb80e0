/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "dns-message.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"

/* Any datagram: what is a question gets an answer with its number, no longer
 * than may be. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const size_t max[] = { 60, DNS_UDP_MAX, DNS_MESSAGE_MAX };
    struct dns_query *q = dns_query_parse(data, n);
    char name[DNS_NAME_MAX];
    struct dns_answer a = { .ours = true, .ttl = 1 };

    if (!q) {
        return 0;
    }
    a.ours = dns_query_asks(q, "example", name, sizeof name) != DNS_ASKED_ELSE;
    a.has_address = a.ours && dns_query_family(q);
    if (dns_query_family(q) == AF_INET6) {
        a.address = in6addr_loopback;
    } else {
        in6_addr_set_mapped_ipv4(&a.address, htonl(INADDR_LOOPBACK));
    }
    for (size_t i = 0; i < sizeof max / sizeof *max; i++) {
        struct ofpbuf reply;

        ofpbuf_init(&reply, 0);
        dns_answer_compose(q, "example", &a, max[i], &reply);
        fuzz_check(reply.size <= max[i]);
        fuzz_check(!reply.size
                   || (reply.size >= 12 && !memcmp(reply.data, data, 2)));
        ofpbuf_uninit(&reply);
    }
    dns_query_destroy(q);
    return 0;
}
