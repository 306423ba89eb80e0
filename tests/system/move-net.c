/* SPDX-License-Identifier: Apache-2.0 */

#include "move-net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SESSION4 "10.9.9.9"
#define SESSION6 "fd09:9::9"
#define PEER4 "10.9.0.1"
#define PEER6 "fd09::1"

static int spaces[NET_N];
static int taps[2];

static void
die(const char *what)
{
    perror(what);
    exit(1);
}

void
net_enter(enum net_place place)
{
    if (setns(spaces[place], CLONE_NEWNET)) {
        die("setns");
    }
}

static void
run_batch(const char *text, bool v6)
{
    char command[64];

    snprintf(command, sizeof command, "ip %s-batch - 2>&1", v6 ? "-6 " : "");
    FILE *stream = popen(command, "w");
    if (!stream) {
        die("popen");
    }
    while (*text) {
        size_t n = strcspn(text, "\n");
        if (!strncmp(text, "-6 ", 3) == v6) {
            fprintf(stream, "%.*s\n", (int) n - v6 * 3, text + v6 * 3);
        }
        text += n + (text[n] == '\n');
    }
    pclose(stream);
}

void
net_ip(enum net_place place, const char *format, ...)
{
    char text[1024];
    va_list args;

    net_enter(place);
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    run_batch(text, false);
    if (strstr(text, "-6 ")) {
        run_batch(text, true);
    }
}

static void
write_file(const char *name, const char *value)
{
    int fd = open(name, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (write(fd, value, strlen(value)) < 0) {
            die(name);
        }
        close(fd);
    }
}

static void
make_space(enum net_place place)
{
    if (unshare(CLONE_NEWNET)) {
        if (errno == EPERM) {
            printf("needs root: skipped\n");
            exit(77);
        }
        die("unshare");
    }
    spaces[place] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (spaces[place] < 0) {
        die("/proc/self/ns/net");
    }
    /* No noise; and no memory of earlier connections. */
    write_file("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
    write_file("/proc/sys/net/ipv4/tcp_no_metrics_save", "1");
    net_ip(place, "link set lo up");
}

/* Neighbours are known from the start: their discovery is not what is
 * tested. */
static void
make_device(int i)
{
    int n = i + 1;

    net_ip(i,
           "link add eth0 address 02:00:00:00:0%d:02 type veth "
           "peer name dev%d address 02:00:00:00:0%d:01\n"
           "link set dev%d netns /proc/%d/fd/%d\n"
           "address add 10.9.%d.2/24 dev eth0\n"
           "address add fd09:%d::2/64 dev eth0 nodad\n"
           "link set eth0 up\n"
           "neigh add 10.9.%d.1 lladdr 02:00:00:00:0%d:01 dev eth0\n"
           "neigh add fd09:%d::1 lladdr 02:00:00:00:0%d:01 dev eth0\n"
           "rule add fwmark %u lookup main pref 100\n"
           "-6 rule add fwmark %u lookup main pref 100",
           n, i, n, i, getpid(), spaces[NET_PEER], n, n, n, n, n, n, NET_MARK,
           NET_MARK);
    net_ip(NET_PEER,
           "address add 10.9.%d.1/24 dev dev%d\n"
           "address add fd09:%d::1/64 dev dev%d nodad\n"
           "link set dev%d up\n"
           "neigh add 10.9.%d.2 lladdr 02:00:00:00:0%d:02 dev dev%d\n"
           "neigh add fd09:%d::2 lladdr 02:00:00:00:0%d:02 dev dev%d",
           n, i, n, i, i, n, n, i, n, n, i);
    net_ip(i,
           "route add default via 10.9.%d.1\n"
           "-6 route add default via fd09:%d::1",
           n, n);
}

static int
open_tap(int i)
{
    char name[16];

    net_enter(NET_PEER);
    snprintf(name, sizeof name, "dev%d", i);
    struct sockaddr_ll sll = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = if_nametoindex(name),
    };
    int size = 16 << 20;
    int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *) &sll, sizeof sll)) {
        die("packet socket");
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    return fd;
}

void
net_init(void)
{
    for (int i = 0; i < NET_N; i++) {
        make_space(i);
    }
    net_ip(NET_PEER, "address add " PEER4 "/32 dev lo\n"
                     "address add " PEER6 "/128 dev lo nodad");
    for (int i = 0; i < 2; i++) {
        make_device(i);
    }
    for (int i = 0; i < 2; i++) {
        taps[i] = open_tap(i);
    }
    net_bind_address(NET_DEVICE0, true);
    net_redirect(NET_DEVICE0);
}

static void
make_address(int family, bool mapped, const char *a4, const char *a6,
             uint16_t port, struct sockaddr_storage *ss)
{
    char text[64];

    memset(ss, 0, sizeof *ss);
    if (family == AF_INET) {
        struct sockaddr_in *sin = (struct sockaddr_in *) ss;
        sin->sin_family = AF_INET;
        sin->sin_port = htons(port);
        inet_pton(AF_INET, a4, &sin->sin_addr);
    } else {
        struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *) ss;
        snprintf(text, sizeof text, "::ffff:%s", a4);
        sin6->sin6_family = AF_INET6;
        sin6->sin6_port = htons(port);
        inet_pton(AF_INET6, mapped ? text : a6, &sin6->sin6_addr);
    }
}

void
net_session_address(int family, bool mapped, uint16_t port,
                    struct sockaddr_storage *ss)
{
    make_address(family, mapped, SESSION4, SESSION6, port, ss);
}

void
net_peer_address(int family, bool mapped, uint16_t port,
                 struct sockaddr_storage *ss)
{
    make_address(family, mapped, PEER4, PEER6, port, ss);
}

void
net_close_output(enum net_place place, bool closed)
{
    const char *verb = closed ? "add" : "del";
    net_ip(place,
           "rule %s from " SESSION4 " blackhole pref 200\n"
           "-6 rule %s from " SESSION6 " blackhole pref 200",
           verb, verb);
}

void
net_bind_address(enum net_place place, bool bound)
{
    const char *verb = bound ? "add" : "del";
    /* The kernel adds the local route of an IPv6 address some time later, when
     * a work queue of its comes to it. */
    net_ip(place,
           "address %s " SESSION4 "/32 dev lo scope host\n"
           "-6 address %s " SESSION6 "/128 dev lo nodad\n"
           "-6 route %s local " SESSION6 " dev lo table local metric 1",
           verb, verb, verb);
}

void
net_redirect(enum net_place place)
{
    int i = place + 1;
    net_ip(NET_PEER,
           "route replace " SESSION4 " via 10.9.%d.2 src " PEER4 "\n"
           "-6 route replace " SESSION6 " via fd09:%d::2 src " PEER6,
           i, i);
}

static void
note(struct net_seen *seen, const uint8_t *p, size_t n)
{
    struct sockaddr_storage ss;
    size_t header;
    uint8_t protocol;

    if (n >= 20 && p[0] >> 4 == 4) {
        net_session_address(AF_INET, false, 0, &ss);
        if (memcmp(p + 12, &((struct sockaddr_in *) &ss)->sin_addr, 4)) {
            return;
        }
        header = (p[0] & 15) * 4;
        protocol = p[9];
        n = p[2] << 8 | p[3];
    } else if (n >= 40 && p[0] >> 4 == 6) {
        net_session_address(AF_INET6, false, 0, &ss);
        if (memcmp(p + 8, &((struct sockaddr_in6 *) &ss)->sin6_addr, 16)) {
            return;
        }
        header = 40;
        protocol = p[6];
        n = 40 + (p[4] << 8 | p[5]);
    } else {
        return;
    }
    seen->packets++;
    if (protocol == IPPROTO_TCP) {
        const uint8_t *tcp = p + header;
        size_t size = n - header - (tcp[12] >> 4) * 4;
        seen->fin += tcp[13] & 1;
        seen->syn += tcp[13] >> 1 & 1;
        seen->rst += tcp[13] >> 2 & 1;
        seen->data += size > 0;
        seen->bytes += size;
        seen->zero_probes += !size && (tcp[13] & 7) == 0;
    }
}

struct net_seen
net_seen(enum net_place place)
{
    struct net_seen seen = { 0 };
    uint8_t packet[256];

    for (;;) {
        struct sockaddr_ll from;
        socklen_t len = sizeof from;
        ssize_t n = recvfrom(taps[place], packet, sizeof packet, 0,
                             (struct sockaddr *) &from, &len);
        if (n < 0) {
            return seen;
        }
        if (from.sll_pkttype != PACKET_OUTGOING) {
            note(&seen, packet, n);
        }
    }
}
