/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HALF_NET_H
#define HALF_NET_H 1

/* Two network namespaces of our own for tests of the kernel's half of an
 * agent: a correspondent (far) and a device (near), joined by a veth pair,
 * "v1" and "v0".  They are nameless and end with the process.
 *
 * The process is in the near one, but for what is between half_enter_far() and
 * half_enter_near(). */

#include <stdbool.h>
#include <stddef.h>
#include <netinet/in.h>

#include "openvswitch/types.h"

/* A session address, IPv4 as IPv4-mapped, and the far end's own. */
struct half_family {
    int family;
    struct in6_addr session;
    struct in6_addr far;
};
extern const struct half_family half_families[2];

/* Exits with status 77 when not permitted. */
void half_init(void);
void half_enter_far(void);
void half_enter_near(void);

/* Runs a command, which must succeed, in the present namespace. */
void half_command(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
void half_write_setting(const char *ifname, const char *setting, int value);
int half_read_setting(const char *ifname, const char *setting);

struct eth_addr half_near_mac(void);

/* A socket of the present namespace, nonblocking, bound to 'address' and
 * 'port', with SO_MARK 'mark' if nonzero. */
int half_socket(int type, const struct in6_addr *address, uint16_t port,
                unsigned int mark);
/* connect() and sendto(); return errno. */
int half_connect(int fd, const struct in6_addr *, uint16_t port);
int half_send(int fd, const struct in6_addr *, uint16_t port, const void *,
              size_t);
/* Receives within 'timeout' milliseconds; negative errno at failure. */
ssize_t half_recv(int fd, void *, size_t, int timeout);

/* What the far end saw on the wire since the last call, within 'wait'
 * milliseconds, that had to do with 'address'. */
struct half_seen {
    unsigned int from; /* IP packets with it as the source. */
    unsigned int udp, tcp, rst, icmp, nd; /* Of these. */
    unsigned int claims;                  /* ARP, ND: "it is here". */
};
struct half_seen half_seen(const struct in6_addr *address, int wait);

#endif /* half-net.h */
