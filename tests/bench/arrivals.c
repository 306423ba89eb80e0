/* SPDX-License-Identifier: Apache-2.0 */

/* arrivals: when packets from one address arrive on an interface.
 *
 * usage: arrivals [--gap=USEC] INTERFACE ADDRESS FILE
 *
 * ADDRESS 0.0.0.0 or :: is anybody's.  With --gap, of the packets with payload
 * only those are written that come so many microseconds or more after the one
 * before: a stream may be fast.
 *
 * Runs at the correspondent, beside the program that talks.  Writes one
 * fixed-size record (struct arrival, host byte order) a packet to FILE, until
 * SIGINT or SIGTERM; then the number of packets that it missed (the kernel's
 * count) to standard output.  Prints "ready" when it listens. */

#include <config.h>
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64                /* Packets read at once. */
#define SNAP 128                /* Bytes of a packet that are looked at. */
#define BUFFER_BYTES (64 << 20) /* Socket buffer. */
#define REST_NS 10000000        /* Between two looks. */

struct arrival {
    uint64_t time_ns; /* CLOCK_REALTIME, by the kernel. */
    uint8_t proto;    /* IPPROTO_TCP or IPPROTO_UDP. */
    uint8_t tcp_flags;
    uint16_t port;   /* Source port. */
    uint32_t length; /* Bytes of payload. */
    uint32_t tcp_seq;
    uint8_t payload[16]; /* How the payload begins. */
    uint32_t gap_us;     /* Since the packet with payload before. */
};

static volatile sig_atomic_t finish;

static void
on_signal(int signal_number)
{
    (void) signal_number;
    finish = 1;
}

static void
fatal(const char *what)
{
    fprintf(stderr, "arrivals: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static int
open_tap(const char *interface, int ethertype)
{
    /* Protocol 0 until bound: nothing arrives from elsewhere. */
    int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        fatal("socket");
    }
    int size = BUFFER_BYTES, on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)
        || setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on)
        || setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on,
                      sizeof on)) {
        fatal("setsockopt");
    }
    struct sockaddr_ll sll = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ethertype),
        .sll_ifindex = if_nametoindex(interface),
    };
    if (!sll.sll_ifindex || bind(fd, (struct sockaddr *) &sll, sizeof sll)) {
        fatal(interface);
    }
    return fd;
}

static bool
matches(const void *address, const void *wanted, size_t n)
{
    static const struct in6_addr any;

    return !memcmp(wanted, &any, n) || !memcmp(address, wanted, n);
}

/* Finds the transport header of the packet if it comes from 'source'; stores
 * the bytes from there on, as the IP header has it, in '*length'. */
static const uint8_t *
find_transport(const uint8_t *p, size_t n, int family, const void *source,
               uint8_t *proto, size_t *length)
{
    if (family == AF_INET) {
        const struct ip *ip = (const void *) p;
        size_t header = n < sizeof *ip ? 0 : ip->ip_hl * 4u;
        if (header < sizeof *ip || n < header
            || !matches(&ip->ip_src, source, sizeof ip->ip_src)
            || ntohs(ip->ip_off) & IP_OFFMASK || ntohs(ip->ip_len) < header) {
            return NULL;
        }
        *proto = ip->ip_p;
        *length = ntohs(ip->ip_len) - header;
        return p + header;
    } else {
        const struct ip6_hdr *ip6 = (const void *) p;
        if (n < sizeof *ip6
            || !matches(&ip6->ip6_src, source, sizeof ip6->ip6_src)) {
            return NULL;
        }
        *proto = ip6->ip6_nxt;
        *length = ntohs(ip6->ip6_plen);
        return p + sizeof *ip6;
    }
}

static bool
parse(const uint8_t *p, size_t n, int family, const void *source,
      struct arrival *a)
{
    size_t length;
    const uint8_t *t = find_transport(p, n, family, source, &a->proto,
                                      &length);
    if (!t) {
        return false;
    }
    size_t left = p + n - t, header;
    if (a->proto == IPPROTO_TCP && left >= sizeof(struct tcphdr)) {
        const struct tcphdr *tcp = (const void *) t;
        header = tcp->th_off * 4u;
        a->port = ntohs(tcp->th_sport);
        a->tcp_flags = tcp->th_flags;
        a->tcp_seq = ntohl(tcp->th_seq);
    } else if (a->proto == IPPROTO_UDP && left >= sizeof(struct udphdr)) {
        const struct udphdr *udp = (const void *) t;
        header = sizeof *udp;
        a->port = ntohs(udp->uh_sport);
    } else {
        return false;
    }
    if (length < header) {
        return false;
    }
    a->length = length - header;
    if (a->length >= sizeof a->payload && left >= header + sizeof a->payload) {
        memcpy(a->payload, t + header, sizeof a->payload);
    }
    return true;
}

static uint64_t
time_of(struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec ts;
            memcpy(&ts, CMSG_DATA(c), sizeof ts);
            return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
        }
    }
    return 0;
}

/* Is 'a' to be written?  Fills in its gap. */
static bool
is_wanted(struct arrival *a, uint32_t gap_min_us)
{
    static uint64_t last_ns;

    if (!a->length) {
        return true;
    }
    if (last_ns && a->time_ns > last_ns) {
        uint64_t us = (a->time_ns - last_ns) / 1000;
        a->gap_us = us < UINT32_MAX ? us : UINT32_MAX;
    }
    last_ns = a->time_ns;
    return a->gap_us >= gap_min_us || (gap_min_us && a->tcp_flags & TH_RST);
}

/* Reads up to a batch of packets; returns their number. */
static int
receive(int fd, int family, const void *source, uint32_t gap_min_us,
        FILE *output)
{
    static uint8_t data[BATCH][SNAP];
    static char control[BATCH][64];
    struct iovec iovs[BATCH];
    struct mmsghdr msgs[BATCH];

    memset(msgs, 0, sizeof msgs);
    for (int i = 0; i < BATCH; i++) {
        iovs[i].iov_base = data[i];
        iovs[i].iov_len = SNAP;
        msgs[i].msg_hdr.msg_iov = &iovs[i];
        msgs[i].msg_hdr.msg_iovlen = 1;
        msgs[i].msg_hdr.msg_control = control[i];
        msgs[i].msg_hdr.msg_controllen = sizeof control[i];
    }
    int n = recvmmsg(fd, msgs, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < n; i++) {
        struct arrival a;
        memset(&a, 0, sizeof a);
        if (parse(data[i], msgs[i].msg_len, family, source, &a)) {
            a.time_ns = time_of(&msgs[i].msg_hdr);
            if (is_wanted(&a, gap_min_us)) {
                fwrite(&a, sizeof a, 1, output);
            }
        }
    }
    return n;
}

int
main(int argc, char *argv[])
{
    uint32_t gap_min_us = 0;

    if (argc > 1 && !strncmp(argv[1], "--gap=", 6)) {
        gap_min_us = atoi(argv[1] + 6);
        argc--;
        argv++;
    }
    if (argc != 4) {
        fprintf(stderr, "usage: arrivals [--gap=USEC] INTERFACE ADDRESS "
                        "FILE\n");
        return 2;
    }
    uint8_t source[sizeof(struct in6_addr)];
    int family = strchr(argv[2], ':') ? AF_INET6 : AF_INET;
    if (inet_pton(family, argv[2], source) != 1) {
        fprintf(stderr, "arrivals: %s: not an IP address\n", argv[2]);
        return 2;
    }
    FILE *output = fopen(argv[3], "wb");
    if (!output) {
        fatal(argv[3]);
    }
    struct sigaction action = { .sa_handler = on_signal };
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    int fd = open_tap(argv[1],
                      family == AF_INET ? ETHERTYPE_IP : ETHERTYPE_IPV6);
    printf("ready\n");
    fflush(stdout);

    while (!finish) {
        /* The kernel has noted the times: to look seldom disturbs least. */
        struct timespec rest = { .tv_nsec = REST_NS };
        nanosleep(&rest, NULL);
        while (receive(fd, family, source, gap_min_us, output) == BATCH) {
            continue;
        }
    }

    struct tpacket_stats stats;
    socklen_t length = sizeof stats;
    if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &length)) {
        fatal("PACKET_STATISTICS");
    }
    printf("%u\n", stats.tp_drops);
    return fclose(output) ? EXIT_FAILURE : EXIT_SUCCESS;
}
