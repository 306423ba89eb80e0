/* SPDX-License-Identifier: Apache-2.0 */

/* IP packets that we make ourselves. */

#include "socket-state-private.h"

#include <errno.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define TCP_HEADER 20
#define TCP_TIMESTAMPS 12 /* With two NOPs. */

static void
put16(uint8_t *p, uint16_t value)
{
    p[0] = value >> 8;
    p[1] = value;
}

static void
put32(uint8_t *p, uint32_t value)
{
    put16(p, value >> 16);
    put16(p + 2, value);
}

static uint32_t
sum(uint32_t total, const uint8_t *p, size_t n)
{
    for (; n > 1; p += 2, n -= 2) {
        total += p[0] << 8 | p[1];
    }
    if (n) {
        total += p[0] << 8;
    }
    return total;
}

static uint16_t
sum_end(uint32_t total)
{
    while (total >> 16) {
        total = (total & 0xffff) + (total >> 16);
    }
    return ~total;
}

/* The address as it is on the wire: 4 or 16 bytes. */
static const uint8_t *
wire_address(const struct sockaddr_storage *ss, size_t *n)
{
    const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *) ss;

    if (ss->ss_family == AF_INET) {
        *n = 4;
        return (const uint8_t *) &((const struct sockaddr_in *) ss)->sin_addr;
    } else if (socket_wire_family(ss) == AF_INET) {
        *n = 4;
        return sin6->sin6_addr.s6_addr + 12;
    }
    *n = 16;
    return sin6->sin6_addr.s6_addr;
}

/* Fills in the IP header in front of 'n' bytes of 'protocol', and the checksum
 * of those at 'checksum'.  Returns the header's size. */
static size_t
wrap(uint8_t *packet, uint8_t protocol, const struct sockaddr_storage *from,
     const struct sockaddr_storage *to, size_t n, size_t checksum)
{
    size_t alen;
    const uint8_t *src = wire_address(from, &alen);
    const uint8_t *dst = wire_address(to, &alen);
    size_t header = alen == 4 ? 20 : 40;
    uint8_t *body = packet + header;

    memset(packet, 0, header);
    if (alen == 4) {
        packet[0] = 0x45;
        put16(packet + 2, header + n);
        packet[6] = n <= 1400 ? 0x40 : 0; /* Don't fragment. */
        packet[8] = 64;
        packet[9] = protocol;
        memcpy(packet + 12, src, 4);
        memcpy(packet + 16, dst, 4);
        put16(packet + 10, sum_end(sum(0, packet, 20)));
    } else {
        packet[0] = 0x60;
        put16(packet + 4, n);
        packet[6] = protocol;
        packet[7] = 64;
        memcpy(packet + 8, src, 16);
        memcpy(packet + 24, dst, 16);
    }

    put16(body + checksum, 0);
    uint32_t total = sum(sum(0, src, alen), dst, alen) + protocol + n;
    uint16_t value = sum_end(sum(total, body, n));
    put16(body + checksum, !value && protocol == IPPROTO_UDP ? 0xffff : value);
    return header;
}

static size_t
build_segment(const struct socket_segment *s, uint8_t *packet)
{
    size_t headroom = socket_wire_family(s->to) == AF_INET ? 20 : 40;
    size_t header = TCP_HEADER + (s->timestamps ? TCP_TIMESTAMPS : 0);
    uint8_t *p = packet + headroom;

    memset(p, 0, header);
    put16(p, socket_address_port(s->from));
    put16(p + 2, socket_address_port(s->to));
    put32(p + 4, s->seq);
    put32(p + 8, s->ack);
    p[12] = header / 4 << 4;
    p[13] = 0x10 | s->flags;
    put16(p + 14, s->window);
    put16(p + 18, s->urgent_pointer);
    if (s->timestamps) {
        p[20] = p[21] = 1;
        p[22] = 8;
        p[23] = 10;
        put32(p + 24, s->tsval);
        put32(p + 28, s->tsecr);
    }
    if (s->size) {
        memcpy(p + header, s->data, s->size);
    }
    return (wrap(packet, IPPROTO_TCP, s->from, s->to, header + s->size, 16)
            + header + s->size);
}

/* The destination of a raw packet: as wide as the wire's family, no port. */
static socklen_t
raw_destination(const struct sockaddr_storage *to,
                struct sockaddr_storage *dst)
{
    size_t n;
    const uint8_t *address = wire_address(to, &n);

    memset(dst, 0, sizeof *dst);
    if (n == 4) {
        dst->ss_family = AF_INET;
        memcpy(&((struct sockaddr_in *) dst)->sin_addr, address, 4);
    } else {
        dst->ss_family = AF_INET6;
        memcpy(&((struct sockaddr_in6 *) dst)->sin6_addr, address, 16);
    }
    return socket_address_len(dst);
}

/* A local destination's source address is that address itself. */
static bool
leads_to_ourselves(int fd, const struct sockaddr_storage *dst)
{
    struct sockaddr_storage src;
    socklen_t len = sizeof src;
    size_t n;

    memset(&src, 0, sizeof src);
    if (getsockname(fd, (struct sockaddr *) &src, &len)
        || src.ss_family != dst->ss_family) {
        return false;
    }
    const uint8_t *address = wire_address(&src, &n);
    return !memcmp(address, wire_address(dst, &n), n);
}

int
socket_segment_open(const struct sockaddr_storage *to,
                    const struct sockaddr_storage *from, int *rawp,
                    char **errorp)
{
    struct sockaddr_storage src, dst;
    socklen_t len = raw_destination(to, &dst);
    int on = 1;

    *rawp = -1;
    int fd = socket(dst.ss_family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    if (fd < 0) {
        return socket_error(errorp, errno, "cannot open a raw socket");
    }
    if (dst.ss_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof on);
    }
    int error = 0;
    if (from) {
        raw_destination(from, &src);
        error = bind(fd, (const struct sockaddr *) &src, len) ? errno : 0;
    }
    if (!error) {
        error = connect(fd, (const struct sockaddr *) &dst, len) ? errno : 0;
    }
    if (error) {
        error = socket_error(errorp, error, "cannot connect a raw socket");
    } else if (!from && !leads_to_ourselves(fd, &dst)) {
        error = socket_error(errorp, EADDRNOTAVAIL,
                             "the socket's address is not of this host");
    }
    if (error) {
        close(fd);
        return error;
    }
    *rawp = fd;
    return 0;
}

int
socket_segment_send(int raw, const struct socket_segment *segment,
                    char **errorp)
{
    uint8_t packet[40 + TCP_HEADER + TCP_TIMESTAMPS + SOCKET_SEGMENT_MAX];

    if (segment->size > SOCKET_SEGMENT_MAX) {
        return socket_error(errorp, EMSGSIZE, "a raw segment is too large");
    }
    size_t n = build_segment(segment, packet);
    if (send(raw, packet, n, MSG_DONTWAIT) != n) {
        return socket_error(errorp, errno, "cannot send a raw segment");
    }
    return 0;
}

size_t
socket_udp_headroom(int wire_family)
{
    return (wire_family == AF_INET ? 20 : 40) + 8;
}

size_t
socket_udp_packet(uint8_t *packet, const struct sockaddr_storage *from,
                  const struct sockaddr_storage *to, size_t payload)
{
    size_t headroom = socket_udp_headroom(socket_wire_family(to));
    uint8_t *udp = packet + headroom - 8;

    put16(udp, socket_address_port(from));
    put16(udp + 2, socket_address_port(to));
    put16(udp + 4, 8 + payload);
    return wrap(packet, IPPROTO_UDP, from, to, 8 + payload, 6) + 8 + payload;
}
