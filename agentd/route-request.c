/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "route-request.h"

#include <string.h>

#include "netlink.h"
#include "packets.h"

struct ofpbuf *
route_request_new(uint16_t type, uint16_t flags)
{
    struct ofpbuf *request = ofpbuf_new(256);

    nl_msg_put_nlmsghdr(request, 0, type, NLM_F_REQUEST | flags);
    return request;
}

void
route_request_put_address(struct ofpbuf *request, uint16_t type,
                          const struct in6_addr *address)
{
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        nl_msg_put_be32(request, type, in6_addr_get_mapped_ipv4(address));
    } else {
        nl_msg_put_in6_addr(request, type, address);
    }
}

int
route_request_transact(struct ofpbuf *request, int harmless)
{
    int error = nl_transact(NETLINK_ROUTE, request, NULL);

    ofpbuf_delete(request);
    return error == harmless ? 0 : error;
}

void
route_dump_start(struct route_dump *dump, uint16_t type, int family,
                 size_t header_size)
{
    struct ofpbuf *request = route_request_new(type, 0);
    uint8_t *header = nl_msg_put_uninit(request, header_size);

    memset(header, 0, header_size);
    header[0] = family;
    nl_dump_start(&dump->nl, NETLINK_ROUTE, request);
    ofpbuf_delete(request);
    ofpbuf_use_stub(&dump->buffer, dump->stub, sizeof dump->stub);
}

bool
route_dump_next(struct route_dump *dump, struct ofpbuf *msg)
{
    return nl_dump_next(&dump->nl, msg, &dump->buffer);
}

int
route_dump_done(struct route_dump *dump)
{
    ofpbuf_uninit(&dump->buffer);
    return nl_dump_done(&dump->nl);
}

const struct nlattr *
route_request_find(const struct ofpbuf *msg, size_t payload, uint16_t type)
{
    return (msg->size >= NLMSG_HDRLEN + payload
                ? nl_attr_find(msg, NLMSG_HDRLEN + payload, type)
                : NULL);
}

bool
route_request_get_address(const struct nlattr *attr, int family,
                          struct in6_addr *address)
{
    if (attr && family == AF_INET && nl_attr_get_size(attr) == 4) {
        in6_addr_set_mapped_ipv4(address, nl_attr_get_be32(attr));
        return true;
    }
    if (attr && family == AF_INET6 && nl_attr_get_size(attr) == 16) {
        *address = nl_attr_get_in6_addr(attr);
        return true;
    }
    return false;
}
