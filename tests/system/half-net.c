/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "half-net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "late-packet.h"
#include "packets.h"
#include "socket-util.h"
#include "util.h"

#define V4(A, B, C, D)                                                    \
    {                                                                     \
        .s6_addr = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, A, B, C, D } \
    }
#define V6(LAST)                            \
    {                                       \
        .s6_addr = { 0xfd, 9, [15] = LAST } \
    }

const struct half_family half_families[2] = {
    { AF_INET, V4(10, 9, 0, 77), V4(10, 9, 0, 1) },
    { AF_INET6, V6(0x77), V6(0x01) },
};

static int near_fd, far_fd;
static int sniffer;

static void
die(const char *what)
{
    perror(what);
    exit(1);
}

static void
enter(int fd)
{
    if (setns(fd, CLONE_NEWNET)) {
        die("setns");
    }
}

void
half_enter_far(void)
{
    enter(far_fd);
}

void
half_enter_near(void)
{
    enter(near_fd);
}

void
half_command(const char *format, ...)
{
    va_list args;
    char *command;

    va_start(args, format);
    command = xvasprintf(format, args);
    va_end(args);
    if (system(command)) {
        fprintf(stderr, "failed: %s\n", command);
        exit(1);
    }
    free(command);
}

static FILE *
open_setting(const char *ifname, const char *setting, const char *mode)
{
    char *name = xasprintf("/proc/sys/net/ipv4/conf/%s/%s", ifname, setting);
    FILE *stream = fopen(name, mode);

    if (!stream) {
        die(name);
    }
    free(name);
    return stream;
}

void
half_write_setting(const char *ifname, const char *setting, int value)
{
    FILE *stream = open_setting(ifname, setting, "w");

    fprintf(stream, "%d\n", value);
    fclose(stream);
}

int
half_read_setting(const char *ifname, const char *setting)
{
    FILE *stream = open_setting(ifname, setting, "r");
    int value = -1;

    if (fscanf(stream, "%d", &value) != 1) {
        die(setting);
    }
    fclose(stream);
    return value;
}

static int
new_namespace(void)
{
    int fd;

    if (unshare(CLONE_NEWNET)) {
        fprintf(stderr, "no network namespace (%s)\n", strerror(errno));
        exit(77);
    }
    fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        die("/proc/self/ns/net");
    }
    half_command("ip link set lo up");
    return fd;
}

static int
open_sniffer(const char *ifname)
{
    int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_ll sll = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = if_nametoindex(ifname),
    };
    static const int one = 1;

    if (fd < 0
        || setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one)
        || bind(fd, (struct sockaddr *) &sll, sizeof sll)) {
        die("packet socket");
    }
    return fd;
}

/* IPv6 addresses are of use once the link is up, up to a second later. */
static void
wait_running(const char *ifname)
{
    half_command("for i in $(seq 200); do ip link show %s | "
                 "grep -q 'state UP' && exit 0; sleep 0.02; done; exit 1",
                 ifname);
}

void
half_init(void)
{
    if (geteuid()) {
        fprintf(stderr, "must be root\n");
        exit(77);
    }
    far_fd = new_namespace();
    near_fd = new_namespace();
    half_command("ip link add v0 type veth peer name v1 netns /proc/%d/fd/%d",
                 (int) getpid(), far_fd);
    half_command("ip addr add 10.9.0.2/24 dev v0 && "
                 "ip addr add fd09::2/64 dev v0 nodad && "
                 "ip link set v0 up");
    half_enter_far();
    half_command("ip addr add 10.9.0.1/24 dev v1 && "
                 "ip addr add fd09::1/64 dev v1 nodad && "
                 "ip link set v1 up");
    sniffer = open_sniffer("v1");
    wait_running("v1");
    half_enter_near();
    wait_running("v0");
}

struct eth_addr
half_near_mac(void)
{
    struct ifreq ifr;
    struct eth_addr mac;

    if (af_inet_ifreq_ioctl("v0", &ifr, SIOCGIFHWADDR, "SIOCGIFHWADDR")) {
        die("v0");
    }
    memcpy(&mac, ifr.ifr_hwaddr.sa_data, sizeof mac);
    return mac;
}

/* Sockets. */

static socklen_t
make_sockaddr(const struct in6_addr *address, uint16_t port,
              struct sockaddr_storage *ss)
{
    struct sockaddr_in *sin = (struct sockaddr_in *) ss;
    struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *) ss;

    memset(ss, 0, sizeof *ss);
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        sin->sin_family = AF_INET;
        sin->sin_port = htons(port);
        sin->sin_addr.s_addr = in6_addr_get_mapped_ipv4(address);
        return sizeof *sin;
    }
    sin6->sin6_family = AF_INET6;
    sin6->sin6_port = htons(port);
    sin6->sin6_addr = *address;
    return sizeof *sin6;
}

int
half_socket(int type, const struct in6_addr *address, uint16_t port,
            unsigned int mark)
{
    static const int one = 1;
    struct sockaddr_storage ss;
    socklen_t len = make_sockaddr(address, port, &ss);
    int fd = socket(ss.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0
        || (mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark))
        || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one)
        || bind(fd, (struct sockaddr *) &ss, len)) {
        die("bind");
    }
    return fd;
}

int
half_connect(int fd, const struct in6_addr *address, uint16_t port)
{
    struct sockaddr_storage ss;
    socklen_t len = make_sockaddr(address, port, &ss);

    return connect(fd, (struct sockaddr *) &ss, len) ? errno : 0;
}

int
half_send(int fd, const struct in6_addr *address, uint16_t port,
          const void *data, size_t n)
{
    struct sockaddr_storage ss;
    socklen_t len = make_sockaddr(address, port, &ss);

    return sendto(fd, data, n, 0, (struct sockaddr *) &ss, len) < 0 ? errno
                                                                    : 0;
}

ssize_t
half_recv(int fd, void *data, size_t n, int timeout)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    ssize_t retval;

    poll(&pfd, 1, timeout);
    retval = recv(fd, data, n, 0);
    return retval < 0 ? -errno : retval;
}

/* The wire. */

static bool
is_nd(const struct late_packet_info *info, const uint8_t *p)
{
    return info->protocol == IPPROTO_ICMPV6 && info->size > info->l4_ofs
           && p[info->l4_ofs] >= ND_ROUTER_SOLICIT
           && p[info->l4_ofs] <= ND_REDIRECT;
}

static void
note_ip(const struct in6_addr *address, const uint8_t *p, size_t n,
        struct half_seen *seen)
{
    struct late_packet_info info;

    if (!late_packet_parse(p, n, &info)) {
        return;
    }
    if (IN6_ARE_ADDR_EQUAL(&info.src, address)) {
        seen->from++;
        seen->udp += info.protocol == IPPROTO_UDP;
        seen->tcp += info.protocol == IPPROTO_TCP;
        seen->rst += info.protocol == IPPROTO_TCP && (p[info.l4_ofs + 13] & 4);
        seen->nd += is_nd(&info, p);
        seen->icmp += (info.protocol == IPPROTO_ICMP
                       || (info.protocol == IPPROTO_ICMPV6
                           && !is_nd(&info, p)));
    }
    seen->claims += (info.protocol == IPPROTO_ICMPV6 && n >= info.l4_ofs + 24
                     && p[info.l4_ofs] == ND_NEIGHBOR_ADVERT
                     && !memcmp(p + info.l4_ofs + 8, address, 16));
}

static void
note_packet(const struct in6_addr *address, uint16_t protocol,
            const uint8_t *p, size_t n, struct half_seen *seen)
{
    if (protocol == ETH_P_ARP) {
        seen->claims += (n >= ARP_ETH_HEADER_LEN
                         && IN6_IS_ADDR_V4MAPPED(address)
                         && !memcmp(p + 14, &address->s6_addr[12], 4));
    } else {
        note_ip(address, p, n, seen);
    }
}

struct half_seen
half_seen(const struct in6_addr *address, int wait)
{
    struct half_seen seen = { .from = 0 };

    usleep(wait * 1000);
    for (;;) {
        struct sockaddr_ll sll;
        socklen_t len = sizeof sll;
        uint8_t packet[2048];
        ssize_t n = recvfrom(sniffer, packet, sizeof packet, 0,
                             (struct sockaddr *) &sll, &len);

        if (n < 0) {
            return seen;
        }
        note_packet(address, ntohs(sll.sll_protocol), packet, n, &seen);
    }
}
