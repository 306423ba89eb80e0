/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "attachment.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fault.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "socket-util.h"
#include "svec.h"
#include "tunnel-interface.h"
#include "unaligned.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(attachment);
static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

/* Probes that may wait, and frames read from one interface in one run: anyone
 * on the bridge can send them. */
#define PROBES_MAX 16
#define RUN_MAX 64

struct port {
    struct ovs_list node; /* In struct attachment's ports. */
    char ifname[IF_NAMESIZE];
    int ifindex;
    int fd; /* AF_PACKET, nonblocking. */
    bool tunnel;
};

struct probe {
    struct attachment_frame frame;
    char ifname[IF_NAMESIZE];
};

struct attachment {
    struct svec ifnames;             /* Given ones; empty: all that fit. */
    struct ovs_list ports;           /* Of struct port. */
    struct probe probes[PROBES_MAX]; /* The oldest first. */
    size_t n_probes;
};

static void
port_destroy(struct port *port)
{
    if (port->fd >= 0) {
        close(port->fd);
    }
    ovs_list_remove(&port->node);
    free(port);
}

static int
port_bind(struct port *port)
{
    struct sockaddr_ll sll = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ATTACHMENT_ETH_TYPE),
        .sll_ifindex = port->ifindex,
    };

    /* Protocol 0 until it is bound: see late-packets.c. */
    port->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return (port->fd < 0
                    || bind(port->fd, (struct sockaddr *) &sll, sizeof sll)
                ? errno
                : 0);
}

/* Opens a socket on the interface unless there is one. */
static int
port_open(struct attachment *at, const char *ifname)
{
    int ifindex = if_nametoindex(ifname);
    struct port *port, *next;
    int error;

    LIST_FOR_EACH_SAFE(port, next, node, &at->ports) {
        if (!strcmp(port->ifname, ifname)) {
            if (port->ifindex == ifindex) {
                return 0;
            }
            port_destroy(port); /* Of an interface that was deleted. */
        }
    }
    if (!ifindex) {
        return ENODEV;
    }
    port = xzalloc(sizeof *port);
    ovs_list_push_back(&at->ports, &port->node);
    ovs_strlcpy(port->ifname, ifname, sizeof port->ifname);
    port->ifindex = ifindex;
    error = port_bind(port);
    if (error) {
        port_destroy(port);
    }
    return error;
}

static bool
interface_fits(const char *ifname)
{
    struct ifreq ifr;

    return strncmp(ifname, TUNNEL_NAME_PREFIX, strlen(TUNNEL_NAME_PREFIX))
           && !af_inet_ifreq_ioctl(ifname, &ifr, SIOCGIFFLAGS, "SIOCGIFFLAGS")
           && (ifr.ifr_flags & IFF_UP) && !(ifr.ifr_flags & IFF_LOOPBACK)
           && !af_inet_ifreq_ioctl(ifname, &ifr, SIOCGIFHWADDR,
                                   "SIOCGIFHWADDR")
           && ifr.ifr_hwaddr.sa_family == ARPHRD_ETHER;
}

/* Interfaces come and go, so that this is done for each challenge. */
static void
open_all_that_fit(struct attachment *at)
{
    struct if_nameindex *names = if_nameindex();

    for (struct if_nameindex *p = names; p && p->if_name; p++) {
        if (interface_fits(p->if_name)) {
            int error = port_open(at, p->if_name);

            if (error) {
                VLOG_WARN_RL(&rl, "%s: cannot send attachment frames (%s)",
                             p->if_name, ovs_strerror(error));
            }
        }
    }
    if_freenameindex(names);
}

struct attachment *
attachment_open(const char *const *ifnames, char **errorp)
{
    struct attachment *at = xzalloc(sizeof *at);

    svec_init(&at->ifnames);
    ovs_list_init(&at->ports);
    for (; ifnames && *ifnames; ifnames++) {
        int error = port_open(at, *ifnames);

        if (error) {
            if (errorp) {
                *errorp = xasprintf("%s: cannot open the interface for "
                                    "attachment frames (%s)",
                                    *ifnames, ovs_strerror(error));
            }
            attachment_close(at);
            return NULL;
        }
        svec_add(&at->ifnames, *ifnames);
    }
    if (svec_is_empty(&at->ifnames)) {
        open_all_that_fit(at);
    }
    return at;
}

void
attachment_close(struct attachment *at)
{
    struct port *port, *next;

    if (at) {
        LIST_FOR_EACH_SAFE(port, next, node, &at->ports) {
            port_destroy(port);
        }
        svec_destroy(&at->ifnames);
        free(at);
    }
}

const char *const *
attachment_ifnames(const struct attachment *at, size_t *n)
{
    *n = at->ifnames.n;
    return (const char *const *) at->ifnames.names;
}

/* Tunnels. */

static struct port *
find_port(const struct attachment *at, const char *ifname)
{
    struct port *port;

    LIST_FOR_EACH(port, node, &at->ports) {
        if (!strcmp(port->ifname, ifname)) {
            return port;
        }
    }
    return NULL;
}

int
attachment_add_tunnel(struct attachment *at, const char *ifname)
{
    int error = port_open(at, ifname);

    if (!error) {
        find_port(at, ifname)->tunnel = true;
    }
    return error;
}

void
attachment_remove_tunnel(struct attachment *at, const char *ifname)
{
    struct port *port = find_port(at, ifname);

    if (port) {
        port_destroy(port);
    }
}

/* Answers. */

/* As large as a frame of 'kind' has to be. */
static size_t
frame_size(const struct port *port, enum attachment_kind kind)
{
    struct ifreq ifr;

    if (kind != ATTACHMENT_TUNNEL_ANSWER
        || af_inet_ifreq_ioctl(port->ifname, &ifr, SIOCGIFMTU, "SIOCGIFMTU")) {
        return ATTACHMENT_FRAME_LEN;
    }
    return MIN(MAX(ATTACHMENT_FRAME_LEN, ETH_HEADER_LEN + ifr.ifr_mtu),
               UINT16_MAX);
}

static int
port_send(struct port *port, enum attachment_kind kind, uint64_t sa_id,
          const uint8_t sa_key[SEAL_KEY_LEN],
          const uint8_t nonce[ATTACHMENT_NONCE_LEN])
{
    struct attachment_frame f = { .kind = kind, .sa_id = sa_id };
    static uint8_t bytes[UINT16_MAX]; /* Behind the frame there are zeros. */
    struct ifreq ifr;
    int error;

    error = af_inet_ifreq_ioctl(port->ifname, &ifr, SIOCGIFHWADDR,
                                "SIOCGIFHWADDR");
    if (error) {
        return error;
    }
    memcpy(&f.src, ifr.ifr_hwaddr.sa_data, sizeof f.src);
    memcpy(f.nonce, nonce, sizeof f.nonce);
    attachment_frame_compose(&f, sa_key, bytes);
    return send(port->fd, bytes, frame_size(port, kind), 0) < 0 ? errno : 0;
}

void
attachment_answer(struct attachment *at, uint64_t sa_id,
                  const uint8_t sa_key[SEAL_KEY_LEN],
                  const uint8_t nonce[ATTACHMENT_NONCE_LEN])
{
    struct port *port;
    const char *ifname;
    size_t i;

    if (svec_is_empty(&at->ifnames)) {
        open_all_that_fit(at);
    }
    SVEC_FOR_EACH(i, ifname, &at->ifnames) {
        port_open(at, ifname); /* In case it was made anew. */
    }
    LIST_FOR_EACH(port, node, &at->ports) {
        int error = port->tunnel ? 0
                                 : port_send(port, ATTACHMENT_ANSWER, sa_id,
                                             sa_key, nonce);

        if (error) {
            VLOG_INFO_RL(&rl, "%s: no attachment frame sent (%s)",
                         port->ifname, ovs_strerror(error));
        }
    }
}

void
attachment_flush(struct attachment *at, const char *ifname, uint64_t sa_id,
                 const uint8_t sa_key[SEAL_KEY_LEN],
                 const struct uuid *transfer)
{
    uint8_t nonce[ATTACHMENT_NONCE_LEN];
    struct port *port;

    for (int i = 0; i < 4; i++) {
        put_unaligned_be32((ovs_be32 *) (nonce + 4 * i),
                           htonl(transfer->parts[i]));
    }
    LIST_FOR_EACH(port, node, &at->ports) {
        if (strcmp(port->ifname, ifname)) {
            continue;
        }
        switch (fault_message("flush", "")) {
        case FAULT_DROP: continue;
        case FAULT_REPEAT:
            port_send(port, ATTACHMENT_FLUSH, sa_id, sa_key, nonce);
            break;
        case FAULT_SEND: break;
        }
        port_send(port, ATTACHMENT_FLUSH, sa_id, sa_key, nonce);
    }
}

/* Probes. */

static void
add_probe(struct attachment *at, const struct port *port,
          const struct attachment_frame *frame)
{
    struct probe *probe;

    if (at->n_probes >= PROBES_MAX) {
        VLOG_WARN_RL(&rl,
                     "%s: attachment probe dropped, too many are "
                     "waiting",
                     port->ifname);
        return;
    }
    probe = &at->probes[at->n_probes++];
    probe->frame = *frame;
    ovs_strlcpy(probe->ifname, port->ifname, sizeof probe->ifname);
}

static bool
port_recv(struct attachment *at, struct port *port)
{
    uint8_t bytes[ATTACHMENT_FRAME_LEN + 1];
    struct attachment_frame frame;
    struct sockaddr_ll sll = { .sll_pkttype = PACKET_OTHERHOST };
    socklen_t sll_len = sizeof sll;
    ssize_t n;

    n = recvfrom(port->fd, bytes, sizeof bytes, 0, (struct sockaddr *) &sll,
                 &sll_len);
    if (n < 0) {
        return false;
    }
    if (sll.sll_pkttype == PACKET_HOST
        && attachment_frame_parse(bytes, n, &frame)
        && frame.kind
               == (port->tunnel ? ATTACHMENT_TUNNEL_PROBE
                                : ATTACHMENT_PROBE)) {
        add_probe(at, port, &frame);
    }
    return true;
}

void
attachment_run(struct attachment *at)
{
    struct port *port;

    LIST_FOR_EACH(port, node, &at->ports) {
        for (int i = 0; i < RUN_MAX && port_recv(at, port); i++) {
            continue;
        }
    }
}

void
attachment_wait(struct attachment *at)
{
    struct port *port;

    LIST_FOR_EACH(port, node, &at->ports) {
        poll_fd_wait(port->fd, POLLIN);
    }
}

bool
attachment_next_probe(struct attachment *at, uint64_t sa_id,
                      const uint8_t sa_key[SEAL_KEY_LEN],
                      uint8_t nonce[ATTACHMENT_NONCE_LEN], char ifname[16])
{
    while (at->n_probes) {
        struct probe probe = at->probes[0];

        memmove(at->probes, at->probes + 1,
                --at->n_probes * sizeof *at->probes);
        if (probe.frame.sa_id != sa_id
            || !attachment_frame_verify(&probe.frame, sa_key)) {
            continue;
        } else if (probe.frame.kind == ATTACHMENT_TUNNEL_PROBE) {
            struct port *port = find_port(at, probe.ifname);

            if (port) {
                port_send(port, ATTACHMENT_TUNNEL_ANSWER, sa_id, sa_key,
                          probe.frame.nonce);
            }
        } else {
            memcpy(nonce, probe.frame.nonce, ATTACHMENT_NONCE_LEN);
            ovs_strlcpy(ifname, probe.ifname, IF_NAMESIZE);
            return true;
        }
    }
    return false;
}
