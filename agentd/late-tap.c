/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "late-tap.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "late-filter.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(late_tap);
static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

/* Packets read by one system call, and in one run. */
#define BATCH 16
#define RUN_MAX 1024

/* An IP packet at its largest (IPv6 without jumbograms). */
#define PACKET_MAX 65575

/* Kernel memory for packets that have not been read, in bytes. */
#define RCVBUF (16 << 20)

struct late_tap {
    char ifname[IF_NAMESIZE];
    int ifindex;
    int fd; /* AF_PACKET, SOCK_DGRAM, nonblocking. */

    /* Packets that were read together.  16 of 64 KB are a megabyte, of which
     * the kernel touches what it needs. */
    struct mmsghdr msgs[BATCH];
    struct iovec iovs[BATCH];
    union {
        char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
        struct cmsghdr align;
    } controls[BATCH];
    uint8_t (*packets)[PACKET_MAX + 1];
    int n, next;        /* Number read; the first one not handed out. */
    unsigned int n_run; /* Read since the last end of a run. */
};

static int
attach_filter(const struct late_tap *tap,
              const struct late_filter_entry *entries, size_t n)
{
    struct sock_filter program[LATE_FILTER_MAX];
    struct sock_fprog fprog = {
        .len = late_filter_build(entries, n, program),
        .filter = program,
    };

    return setsockopt(tap->fd, SOL_SOCKET, SO_ATTACH_FILTER, &fprog,
                      sizeof fprog)
               ? errno
               : 0;
}

void
late_tap_set_filter(struct late_tap *tap,
                    const struct late_filter_entry *entries, size_t n)
{
    int error = attach_filter(tap, entries, n);

    /* No memory for a long filter: a short one that passes more. */
    if (error && n) {
        error = attach_filter(tap, entries, LATE_FILTER_ENTRIES + 1);
    }
    if (error) {
        VLOG_ERR("%s: cannot catch late packets (%s)", tap->ifname,
                 ovs_strerror(error));
    }
}

static int
configure(struct late_tap *tap)
{
    static const int one = 1;
    static const int rcvbuf = RCVBUF;
    struct sockaddr_ll sll = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = tap->ifindex,
    };
    int error;

    /* Before it is bound: nothing passes meanwhile. */
    error = attach_filter(tap, NULL, 0);
    if (error) {
        return error;
    }
    if (setsockopt(tap->fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof one)
        || setsockopt(tap->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one,
                      sizeof one)
        || setsockopt(tap->fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf,
                      sizeof rcvbuf)
        || bind(tap->fd, (struct sockaddr *) &sll, sizeof sll)) {
        return errno;
    }
    return 0;
}

int
late_tap_open(const char *ifname, struct late_tap **tapp)
{
    struct late_tap *tap = xzalloc(sizeof *tap);
    int error;

    *tapp = NULL;
    ovs_strlcpy(tap->ifname, ifname, sizeof tap->ifname);
    tap->ifindex = if_nametoindex(ifname);
    tap->packets = xmalloc(BATCH * sizeof *tap->packets);
    for (int i = 0; i < BATCH; i++) {
        tap->iovs[i].iov_base = tap->packets[i];
        tap->iovs[i].iov_len = sizeof tap->packets[i];
    }
    /* Protocol 0: a socket that has a protocol before it is bound sees all
     * interfaces, and unseeing them costs the bind() 8 to 16 ms. */
    tap->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    error = tap->fd < 0 ? errno : !tap->ifindex ? ENODEV : configure(tap);
    if (error) {
        late_tap_close(tap);
        return error;
    }
    *tapp = tap;
    return 0;
}

void
late_tap_close(struct late_tap *tap)
{
    if (tap) {
        if (tap->fd >= 0) {
            close(tap->fd);
        }
        free(tap->packets);
        free(tap);
    }
}

const char *
late_tap_get_ifname(const struct late_tap *tap)
{
    return tap->ifname;
}

bool
late_tap_is_valid(const struct late_tap *tap)
{
    return tap->ifindex == if_nametoindex(tap->ifname);
}

/* Reading. */

static void
read_batch(struct late_tap *tap)
{
    for (int i = 0; i < BATCH; i++) {
        tap->msgs[i].msg_hdr = (struct msghdr){
            .msg_iov = &tap->iovs[i],
            .msg_iovlen = 1,
            .msg_control = tap->controls[i].bytes,
            .msg_controllen = sizeof tap->controls[i].bytes,
        };
    }
    tap->next = 0;
    tap->n = recvmmsg(tap->fd, tap->msgs, BATCH, MSG_DONTWAIT, NULL);
    if (tap->n < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            VLOG_WARN_RL(&rl, "%s: no late packets from here (%s)",
                         tap->ifname, ovs_strerror(errno));
        }
        tap->n = 0;
    }
    tap->n_run += tap->n;
}

static const struct tpacket_auxdata *
find_auxdata(struct msghdr *msg)
{
    struct cmsghdr *cmsg;

    for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
        if (cmsg->cmsg_level == SOL_PACKET
            && cmsg->cmsg_type == PACKET_AUXDATA) {
            return ALIGNED_CAST(const struct tpacket_auxdata *,
                                CMSG_DATA(cmsg));
        }
    }
    return NULL;
}

/* False if the packet is to be passed over. */
static bool
read_message(struct mmsghdr *m, struct late_tap_packet *packet)
{
    const struct tpacket_auxdata *aux = find_auxdata(&m->msg_hdr);

    packet->data = m->msg_hdr.msg_iov->iov_base;
    packet->n = m->msg_len;
    packet->partial = aux && (aux->tp_status & TP_STATUS_CSUMNOTREADY);

    /* A frame of a VLAN is not for this interface, but for one on it. */
    return packet->n <= PACKET_MAX
           && (!aux || !(aux->tp_status & TP_STATUS_VLAN_VALID)
               || !(aux->tp_vlan_tci & VLAN_VID_MASK));
}

/* Reads more, if this run may and there may be more.  False at its end. */
static bool
refill(struct late_tap *tap)
{
    bool more = !tap->n_run || (tap->n == BATCH && tap->n_run < RUN_MAX);

    if (more) {
        read_batch(tap);
        more = tap->n > 0;
    }
    if (!more) {
        tap->n = tap->next = 0;
        tap->n_run = 0; /* The next call begins a run. */
    }
    return more;
}

bool
late_tap_next(struct late_tap *tap, struct late_tap_packet *packet)
{
    while (tap->next < tap->n || refill(tap)) {
        if (read_message(&tap->msgs[tap->next++], packet)) {
            return true;
        }
    }
    return false;
}

void
late_tap_drain(struct late_tap *tap)
{
    struct tpacket_stats stats;
    socklen_t len = sizeof stats;

    tap->n = tap->next = 0;
    tap->n_run = 0;
    /* The filter lets nothing more in, so that this has an end. */
    while (recv(tap->fd, NULL, 0, MSG_TRUNC | MSG_DONTWAIT) >= 0) {
        continue;
    }
    if (!getsockopt(tap->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len)
        && stats.tp_drops) {
        VLOG_WARN_RL(&rl,
                     "%s: %u late packets were lost before they were "
                     "read",
                     tap->ifname, stats.tp_drops);
    }
}

void
late_tap_wait(const struct late_tap *tap)
{
    poll_fd_wait(tap->fd, POLLIN);
}
