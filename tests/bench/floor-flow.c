/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* The switch's part of the floor: how long after a flow-mod is sent does the
 * first packet come out of the new port?
 *
 * usage: floor-flow MGMT NETNS NETNS-A PORT-A NETNS-B PORT-B COUNT
 *
 * Sends packets, 10,000 a second, out of eth0 in NETNS, and has the bridge
 * behind MGMT send them to one and the other port in turn, whose far ends are
 * eth0 in NETNS-A and NETNS-B.  A port that is written PORT/ADDRESS/KEY is a
 * flow-based tunnel's, and the far end is behind it.  One flow, with a cookie of its own, which is
 * deleted at the end.  Prints microseconds, one line a flow-mod. */

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "csum.h"
#include "dp-packet.h"
#include "fatal-signal.h"
#include "flow.h"
#include "byte-order.h"
#include "openvswitch/match.h"
#include "openvswitch/meta-flow.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vconn.h"
#include "openvswitch/vlog.h"
#include "ovs-atomic.h"
#include "ovs-thread.h"
#include "packets.h"
#include "util.h"

#define COOKIE UINT64_C(0xf1004)
#define INTERVAL_NS 100000 /* Between packets. */
#define REST_NS 8000000    /* Between flow-mods. */
#define TIMEOUT_MS 2000    /* For the first packet. */
#define DESTINATION "10.1.0.254"
#define SOURCE "10.1.0.2"

static atomic_bool stop_sending = false;

static bool
must_stop(void)
{
    bool stop;

    atomic_read(&stop_sending, &stop);
    return stop;
}

static int
open_packet_socket(const char *netns, bool receive)
{
    char *path = xasprintf("/run/netns/%s", netns);
    int ns = open(path, O_RDONLY | O_CLOEXEC);
    struct sockaddr_ll sll = { .sll_family = AF_PACKET };
    int on = 1, fd;

    if (ns < 0 || setns(ns, CLONE_NEWNET)) {
        ovs_fatal(errno, "%s", path);
    }
    close(ns);
    free(path);
    fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sll.sll_ifindex = if_nametoindex("eth0");
    sll.sll_protocol = receive ? htons(ETHERTYPE_IP) : 0;
    if (fd < 0 || bind(fd, (struct sockaddr *) &sll, sizeof sll)
        || setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on)) {
        ovs_fatal(errno, "packet socket in %s", netns);
    }
    return fd;
}

/* Sending. */

static struct dp_packet *
make_packet(void)
{
    struct flow flow = {
        .dl_type = htons(ETH_TYPE_IP),
        .nw_proto = IPPROTO_UDP,
        .nw_ttl = 64,
        .tp_src = htons(9),
        .tp_dst = htons(9),
        .dl_src = ETH_ADDR_C(02, f1, 00, 00, 00, 01),
        .dl_dst = ETH_ADDR_C(02, f1, 00, 00, 00, 02),
    };
    struct dp_packet *packet = dp_packet_new(0);

    ovs_assert(ip_parse(SOURCE, &flow.nw_src)
               && ip_parse(DESTINATION, &flow.nw_dst));
    flow_compose(packet, &flow, NULL, 200);
    return packet;
}

static void *
send_packets(void *fd_)
{
    int fd = *(int *) fd_;
    struct dp_packet *packet = make_packet();
    struct timespec due;

    prctl(PR_SET_TIMERSLACK, 1);
    clock_gettime(CLOCK_MONOTONIC, &due);
    while (!must_stop()) {
        if (send(fd, dp_packet_data(packet), dp_packet_size(packet), 0) < 0
            && errno != EAGAIN && errno != ENOBUFS) {
            ovs_fatal(errno, "send");
        }
        due.tv_nsec += INTERVAL_NS;
        if (due.tv_nsec >= 1000000000) {
            due.tv_nsec -= 1000000000;
            due.tv_sec++;
        }
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
    }
    dp_packet_delete(packet);
    return NULL;
}

/* The switch. */

struct way {
    int port;
    ovs_be32 tunnel; /* 0: none. */
    uint64_t key;
};

static struct way
parse_way(const char *s)
{
    struct way way = { .port = atoi(s) };
    char address[64];
    unsigned int key;

    if (strchr(s, '/')) {
        if (sscanf(s, "%*d/%63[^/]/%u", address, &key) != 2
            || !ip_parse(address, &way.tunnel)) {
            ovs_fatal(0, "%s: not PORT/ADDRESS/KEY", s);
        }
        way.key = key;
    }
    return way;
}

static void
put_output(struct ofpbuf *ofpacts, const struct way *way)
{
    if (way->tunnel) {
        union mf_value value = { .be32 = way->tunnel };

        ofpact_put_set_field(ofpacts, mf_from_id(MFF_TUN_DST), &value, NULL);
        value.be64 = htonll(way->key);
        ofpact_put_set_field(ofpacts, mf_from_id(MFF_TUN_ID), &value, NULL);
    }
    ofpact_put_OUTPUT(ofpacts)->port = u16_to_ofp(way->port);
}

static struct vconn *
connect_to_bridge(const char *mgmt)
{
    char *name = xasprintf("unix:%s", mgmt);
    struct vconn *vconn;
    int error;

    error = vconn_open(name, 1u << OFP13_VERSION, 0, &vconn);
    if (!error) {
        error = vconn_connect_block(vconn, 5000);
    }
    if (error) {
        ovs_fatal(error, "%s", name);
    }
    free(name);
    return vconn;
}

static void
send_flow_mod(struct vconn *vconn, uint16_t command, const struct way *way)
{
    struct match match = MATCH_CATCHALL_INITIALIZER;
    struct ofputil_flow_mod fm = {
        .priority = UINT16_MAX,
        .new_cookie = command == OFPFC_ADD ? htonll(COOKIE) : OVS_BE64_MAX,
        .command = command,
        .buffer_id = UINT32_MAX,
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
    };
    uint64_t stub[128 / 8];
    struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);
    ovs_be32 destination;
    int error;

    ovs_assert(ip_parse(DESTINATION, &destination));
    match_set_dl_type(&match, htons(ETH_TYPE_IP));
    match_set_nw_dst(&match, destination);
    minimatch_init(&fm.match, &match);
    if (command == OFPFC_ADD) {
        put_output(&ofpacts, way);
    }
    fm.ofpacts = ofpacts.data;
    fm.ofpacts_len = ofpacts.size;
    error = vconn_send_block(vconn,
                             ofputil_encode_flow_mod(&fm, OFPUTIL_P_OF13_OXM));
    if (error) {
        ovs_fatal(error, "flow-mod");
    }
    minimatch_destroy(&fm.match);
    ofpbuf_uninit(&ofpacts);
}

/* Measuring. */

static bool
is_ours(const uint8_t *frame, ssize_t n)
{
    ovs_be32 destination;

    ovs_assert(ip_parse(DESTINATION, &destination));
    return n >= 34 && !memcmp(frame + 30, &destination, 4);
}

/* CLOCK_REALTIME, ns, of the first packet that waits; 0: none is there. */
static int64_t
receive(int fd)
{
    char control[64];
    uint8_t frame[256];
    struct iovec iov = { frame, sizeof frame };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    ssize_t n;

    for (;;) {
        msg.msg_control = control;
        msg.msg_controllen = sizeof control;
        n = recvmsg(fd, &msg, MSG_DONTWAIT);
        if (n < 0) {
            return 0;
        }
        for (struct cmsghdr *c = is_ours(frame, n) ? CMSG_FIRSTHDR(&msg)
                                                   : NULL;
             c; c = CMSG_NXTHDR(&msg, c)) {
            if (c->cmsg_level == SOL_SOCKET
                && c->cmsg_type == SCM_TIMESTAMPNS) {
                struct timespec ts;

                memcpy(&ts, CMSG_DATA(c), sizeof ts);
                return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
            }
        }
    }
}

static int64_t
now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static int64_t
first_packet(int fd)
{
    int64_t deadline = now_ns() + TIMEOUT_MS * INT64_C(1000000);
    int64_t ns;

    while (!(ns = receive(fd))) {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };

        if (now_ns() > deadline) {
            ovs_fatal(0, "no packet came out of the new port");
        }
        poll(&pfd, 1, 100);
    }
    return ns;
}

static void
rest(int fd)
{
    struct timespec ts = { .tv_nsec = REST_NS };

    nanosleep(&ts, NULL);
    while (receive(fd)) {
        continue;
    }
}

int
main(int argc, char *argv[])
{
    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_WARN);
    if (argc != 8) {
        ovs_fatal(0,
                  "usage: %s MGMT NETNS NETNS-A PORT-A NETNS-B PORT-B "
                  "COUNT",
                  program_name);
    }
    struct vconn *vconn = connect_to_bridge(argv[1]);
    int sender = open_packet_socket(argv[2], false);
    int receivers[2] = { open_packet_socket(argv[3], true),
                         open_packet_socket(argv[5], true) };
    struct way ways[2] = { parse_way(argv[4]), parse_way(argv[6]) };
    int count = atoi(argv[7]);

    send_flow_mod(vconn, OFPFC_ADD, &ways[0]);
    pthread_t thread = ovs_thread_create("sender", send_packets, &sender);
    first_packet(receivers[0]);
    for (int i = 1; i <= count; i++) {
        int to = i % 2;

        rest(receivers[to]);
        int64_t begin = now_ns();
        send_flow_mod(vconn, OFPFC_ADD, &ways[to]);
        printf("%.1f\n", (first_packet(receivers[to]) - begin) / 1e3);
    }
    atomic_store(&stop_sending, true);
    xpthread_join(thread, NULL);
    send_flow_mod(vconn, OFPFC_DELETE_STRICT, NULL);
    vconn_close(vconn);
    return 0;
}
