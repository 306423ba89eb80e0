/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "late-packets.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "hash.h"
#include "late-filter.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(late_packets);
static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

/* Packets read at a time, and from one tap in one run. */
#define BATCH 16
#define RUN_MAX 1024

/* An IP packet at its largest (IPv6 without jumbograms). */
#define PACKET_MAX 65575

/* Kernel memory for packets that have not been read, in bytes. */
#define TAP_RCVBUF (16 << 20)

/* Milliseconds for which an address that was looked up counts as known. */
#define KNOWN_LIFETIME 100

struct tap {
    struct ovs_list node; /* In late_packets's taps. */
    char ifname[IF_NAMESIZE];
    int ifindex;
    int fd; /* AF_PACKET, SOCK_DGRAM, nonblocking. */
};

/* A batch of reads: made once, since 16 packets of 64 KB are a megabyte (of
 * which the kernel touches what it needs). */
struct batch {
    struct mmsghdr msgs[BATCH];
    struct iovec iovs[BATCH];
    union {
        char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
        struct cmsghdr align;
    } controls[BATCH];
    uint8_t (*packets)[PACKET_MAX + 1];
};

struct known_address {
    struct in6_addr address;
    long long int until; /* time_msec(). */
};

struct late_packets {
    struct ovs_list taps; /* Of struct tap. */
    struct hmap catches;  /* Of struct late_catch, by address. */
    struct batch batch;
    int raw4, raw6; /* Delivery. */

    /* Last ones looked up.  Packets come in runs of one correspondent's, and
     * the kernel's answer takes longer than the delivery. */
    struct known_address local, foreign;
};

struct late_catch {
    struct hmap_node node; /* In late_packets's catches. */
    struct late_packets *owner;
    struct in6_addr address;
    bool udp;

    struct late_packet *ring; /* 'allocated' of them, a power of two. */
    size_t allocated;
    size_t head, n; /* First and number of those waiting. */
    size_t bytes;   /* In those waiting. */
    struct late_stats stats;
};

static struct late_catch *
find_catch(const struct late_packets *lp, const struct in6_addr *address)
{
    struct late_catch *catch;

    HMAP_FOR_EACH_WITH_HASH(
        catch, node, hash_bytes(address, sizeof *address, 0), &lp->catches) {
        if (IN6_ARE_ADDR_EQUAL(&catch->address, address)) {
            return catch;
        }
    }
    return NULL;
}

/* Taps. */

static int
attach_filter(const struct tap *tap, const struct late_filter_entry *entries,
              size_t n)
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

static void
update_filters(struct late_packets *lp)
{
    size_t n = hmap_count(&lp->catches);
    struct late_filter_entry *entries = xmalloc((n + 1) * sizeof *entries);
    struct late_catch *catch;
    struct tap *tap;
    size_t i = 0;

    HMAP_FOR_EACH(catch, node, &lp->catches) {
        entries[i].address = catch->address;
        entries[i++].udp = catch->udp;
    }
    LIST_FOR_EACH(tap, node, &lp->taps) {
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
    free(entries);
}

/* Forgets what was passed for catches that are no more. */
static void
drain_taps(struct late_packets *lp)
{
    struct tap *tap;

    LIST_FOR_EACH(tap, node, &lp->taps) {
        struct tpacket_stats stats;
        socklen_t len = sizeof stats;

        /* The filter lets nothing more in, so that this has an end. */
        while (recv(tap->fd, NULL, 0, MSG_TRUNC | MSG_DONTWAIT) >= 0) {
            continue;
        }
        if (!getsockopt(tap->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len)
            && stats.tp_drops) {
            VLOG_WARN_RL(&rl,
                         "%s: %u late packets were lost before they "
                         "were read",
                         tap->ifname, stats.tp_drops);
        }
    }
}

static int
tap_configure(struct tap *tap)
{
    static const int one = 1;
    static const int rcvbuf = TAP_RCVBUF;
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

static void
tap_destroy(struct tap *tap)
{
    if (tap->fd >= 0) {
        close(tap->fd);
    }
    ovs_list_remove(&tap->node);
    free(tap);
}

int
late_packets_add_interface(struct late_packets *lp, const char *ifname,
                           char **errorp)
{
    int ifindex = if_nametoindex(ifname);
    struct tap *tap, *next;
    int error = ENODEV;

    LIST_FOR_EACH_SAFE(tap, next, node, &lp->taps) {
        if (!strcmp(tap->ifname, ifname)) {
            if (tap->ifindex == ifindex) {
                return 0;
            }
            tap_destroy(tap); /* Of an interface that was deleted. */
        }
    }
    tap = xzalloc(sizeof *tap);
    ovs_list_push_back(&lp->taps, &tap->node);
    ovs_strlcpy(tap->ifname, ifname, sizeof tap->ifname);
    tap->ifindex = ifindex;
    /* Protocol 0: the socket that has a protocol before it is bound sees all
     * interfaces, and unseeing them costs the bind() 8 to 16 ms. */
    tap->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (ifindex) {
        error = tap->fd < 0 ? errno : tap_configure(tap);
    }
    if (error) {
        if (errorp) {
            *errorp = xasprintf("%s: cannot open a tap for late packets (%s)",
                                ifname, ovs_strerror(error));
        }
        tap_destroy(tap);
        return error;
    }
    if (!hmap_is_empty(&lp->catches)) {
        update_filters(lp);
    }
    return 0;
}

/* The whole. */

static int
open_raw(int family, int *fdp)
{
    *fdp = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
                  IPPROTO_RAW);
    return *fdp < 0 ? errno : 0;
}

static void
batch_init(struct batch *batch)
{
    batch->packets = xmalloc(BATCH * sizeof *batch->packets);
    for (int i = 0; i < BATCH; i++) {
        batch->iovs[i].iov_base = batch->packets[i];
        batch->iovs[i].iov_len = sizeof batch->packets[i];
    }
}

struct late_packets *
late_packets_open(char **errorp)
{
    struct late_packets *lp = xzalloc(sizeof *lp);
    int error;

    ovs_list_init(&lp->taps);
    hmap_init(&lp->catches);
    batch_init(&lp->batch);
    lp->raw4 = lp->raw6 = -1;
    error = open_raw(AF_INET, &lp->raw4);
    if (!error) {
        error = open_raw(AF_INET6, &lp->raw6);
        if (error == EAFNOSUPPORT) {
            error = 0;
        }
    }
    if (error) {
        if (errorp) {
            *errorp = xasprintf("cannot open a raw socket for late packets "
                                "(%s); CAP_NET_RAW is needed",
                                ovs_strerror(error));
        }
        late_packets_close(lp);
        return NULL;
    }
    return lp;
}

void
late_packets_close(struct late_packets *lp)
{
    struct late_catch *catch, *next_catch;
    struct tap *tap, *next_tap;

    if (!lp) {
        return;
    }
    HMAP_FOR_EACH_SAFE(catch, next_catch, node, &lp->catches) {
        late_packets_release(catch);
    }
    hmap_destroy(&lp->catches);
    LIST_FOR_EACH_SAFE(tap, next_tap, node, &lp->taps) {
        tap_destroy(tap);
    }
    if (lp->raw4 >= 0) {
        close(lp->raw4);
    }
    if (lp->raw6 >= 0) {
        close(lp->raw6);
    }
    free(lp->batch.packets);
    free(lp);
}

/* Catching. */

static void
catch_push(struct late_catch *catch, const uint8_t *data, size_t size)
{
    struct late_packet *packet;

    if (catch->n >= LATE_PACKETS_MAX || catch->bytes + size > LATE_BYTES_MAX) {
        catch->stats.dropped++;
        VLOG_WARN_RL(&rl,
                     "more late packets than %d, or than %u bytes, for "
                     "one address: dropped",
                     LATE_PACKETS_MAX, LATE_BYTES_MAX);
        return;
    }
    if (catch->n >= catch->allocated) {
        size_t old = catch->allocated;

        /* What has wrapped around goes behind the old end. */
        catch->allocated = old ? old * 2 : 64;
        catch->ring = xrealloc(catch->ring,
                               catch->allocated * sizeof *catch->ring);
        memcpy(catch->ring + old, catch->ring,
               catch->head * sizeof *catch->ring);
    }
    packet = &catch->ring[(catch->head + catch->n++) & (catch->allocated - 1)];
    packet->data = xmemdup(data, size);
    packet->size = size;
    catch->bytes += size;
    catch->stats.caught++;
    catch->stats.last_ms = time_msec();
}

bool
late_packets_next(struct late_catch *catch, struct late_packet *packet)
{
    if (!catch->n) {
        return false;
    }
    *packet = catch->ring[catch->head];
    catch->head = (catch->head + 1) & (catch->allocated - 1);
    catch->n--;
    catch->bytes -= packet->size;
    return true;
}

/* Takes one packet as the tap has it: 'n' bytes with padding, if any. */
static void
take_packet(struct late_packets *lp, uint8_t *data, size_t n, bool partial)
{
    struct late_packet_info info;
    struct late_catch *catch;

    if (n > PACKET_MAX || !late_packet_parse(data, n, &info)) {
        return;
    }
    catch = find_catch(lp, &info.dst);
    if (!catch || (info.protocol == IPPROTO_UDP && !catch->udp)
        || !late_packet_is_for(data, info.size, &catch->address)) {
        return;
    }
    if (partial && !late_packet_complete(data, &info)) {
        catch->stats.dropped++;
        return;
    }
    catch_push(catch, data, info.size);
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

static void
take_message(struct late_packets *lp, struct mmsghdr *m)
{
    const struct tpacket_auxdata *aux = find_auxdata(&m->msg_hdr);
    bool partial = aux && (aux->tp_status & TP_STATUS_CSUMNOTREADY);

    /* A frame of a VLAN is not for this interface, but for one on it. */
    if (!aux || !(aux->tp_status & TP_STATUS_VLAN_VALID)
        || !(aux->tp_vlan_tci & VLAN_VID_MASK)) {
        take_packet(lp, m->msg_hdr.msg_iov->iov_base, m->msg_len, partial);
    }
}

/* Reads one batch.  False when the tap is empty. */
static bool
tap_read(struct late_packets *lp, struct tap *tap)
{
    struct batch *batch = &lp->batch;
    int n;

    for (int i = 0; i < BATCH; i++) {
        batch->msgs[i].msg_hdr = (struct msghdr){
            .msg_iov = &batch->iovs[i],
            .msg_iovlen = 1,
            .msg_control = batch->controls[i].bytes,
            .msg_controllen = sizeof batch->controls[i].bytes,
        };
    }
    n = recvmmsg(tap->fd, batch->msgs, BATCH, MSG_DONTWAIT, NULL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        VLOG_WARN_RL(&rl, "%s: no late packets from here (%s)", tap->ifname,
                     ovs_strerror(errno));
    }
    for (int i = 0; i < n; i++) {
        take_message(lp, &batch->msgs[i]);
    }
    return n == BATCH;
}

void
late_packets_run(struct late_packets *lp)
{
    struct tap *tap;

    if (hmap_is_empty(&lp->catches)) {
        return;
    }
    LIST_FOR_EACH(tap, node, &lp->taps) {
        for (int i = 0; i < RUN_MAX / BATCH && tap_read(lp, tap); i++) {
            continue;
        }
    }
}

void
late_packets_wait(struct late_packets *lp)
{
    struct tap *tap;

    if (!hmap_is_empty(&lp->catches)) {
        LIST_FOR_EACH(tap, node, &lp->taps) {
            poll_fd_wait(tap->fd, POLLIN);
        }
    }
}

struct late_catch *
late_packets_catch(struct late_packets *lp, const struct in6_addr *address,
                   bool udp)
{
    struct late_catch *catch = xzalloc(sizeof *catch);

    catch->owner = lp;
    catch->address = *address;
    catch->udp = udp;
    hmap_insert(&lp->catches, &catch->node,
                hash_bytes(address, sizeof *address, 0));
    update_filters(lp);
    return catch;
}

void
late_packets_get_stats(const struct late_catch *catch,
                       struct late_stats *stats)
{
    *stats = catch->stats;
}

void
late_packets_release(struct late_catch *catch)
{
    struct late_packets *lp;
    struct late_packet packet;

    if (!catch) {
        return;
    }
    lp = catch->owner;
    hmap_remove(&lp->catches, &catch->node);
    update_filters(lp);
    if (hmap_is_empty(&lp->catches)) {
        drain_taps(lp);
    }
    while (late_packets_next(catch, &packet)) {
        free(packet.data);
    }
    free(catch->ring);
    free(catch);
}

/* Delivery. */

/* Is 'address' one of this host's, or not, as 'local' says? */
static bool
check_address(struct known_address *known, const struct in6_addr *address,
              bool local)
{
    long long int now = time_msec();

    if (now < known->until && IN6_ARE_ADDR_EQUAL(address, &known->address)) {
        return true;
    }
    if (address_is_local(address) != local) {
        return false;
    }
    known->address = *address;
    known->until = now + KNOWN_LIFETIME;
    return true;
}

static int
send_raw(struct late_packets *lp, const struct in6_addr *address,
         const void *data, size_t size)
{
    struct sockaddr_in sin = { .sin_family = AF_INET };
    struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
    ssize_t n;

    if (IN6_IS_ADDR_V4MAPPED(address)) {
        sin.sin_addr.s_addr = in6_addr_get_mapped_ipv4(address);
        n = sendto(lp->raw4, data, size, 0, (struct sockaddr *) &sin,
                   sizeof sin);
    } else {
        sin6.sin6_addr = *address;
        n = sendto(lp->raw6, data, size, 0, (struct sockaddr *) &sin6,
                   sizeof sin6);
    }
    return n < 0 ? errno : 0;
}

int
late_packets_deliver(struct late_packets *lp, const struct in6_addr *address,
                     const void *data, size_t size)
{
    struct late_catch *catch = find_catch(lp, address);
    struct late_packet_info info;
    int error;

    if (!late_packet_is_for(data, size, address)
        || !late_packet_parse(data, size, &info)
        || !check_address(&lp->foreign, &info.src, false)) {
        /* From one of this host's own addresses would be a forgery. */
        error = EINVAL;
    } else if (!check_address(&lp->local, address, true)) {
        /* The raw socket would put it on the wire. */
        error = EADDRNOTAVAIL;
    } else {
        error = send_raw(lp, address, data, size);
    }
    if (error) {
        VLOG_DBG_RL(&rl,
                    "late packet of %" PRIuSIZE " bytes not delivered (%s)",
                    size, ovs_strerror(error));
    }
    if (catch) {
        catch->stats.delivered += !error;
        catch->stats.dropped += error != 0;
    }
    return error;
}
