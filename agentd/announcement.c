/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "announcement.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "dp-packet.h"
#include "packets.h"
#include "socket-util.h"
#include "util.h"

/* All nodes of a link. */
static const struct in6_addr all_nodes = { .s6_addr = { 0xff,
                                                        0x02, [15] = 1 } };
static const struct eth_addr all_nodes_mac = { { { 0x33, 0x33, 0, 0, 0,
                                                   1 } } };

int
announcement_open(void)
{
    /* Protocol 0 receives nothing. */
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    return fd < 0 ? -errno : fd;
}

static void
compose(struct dp_packet *packet, const struct in6_addr *address,
        struct eth_addr mac)
{
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        ovs_be32 ip = in6_addr_get_mapped_ipv4(address);

        compose_arp(packet, ARP_OP_REQUEST, mac, eth_addr_zero, true, ip, ip);
    } else {
        compose_nd_na(packet, mac, all_nodes_mac, address, &all_nodes,
                      htonl(ND_RSO_OVERRIDE));
    }
}

int
announcement_send(int fd, const char *ifname, const struct in6_addr *address)
{
    struct sockaddr_ll sll = {
        .sll_family = AF_PACKET,
        .sll_ifindex = (int) if_nametoindex(ifname),
        .sll_halen = sizeof(struct eth_addr),
    };
    uint64_t stub[256 / 8];
    struct dp_packet packet;
    struct eth_addr mac;
    struct ifreq ifr;
    int error;

    error = af_inet_ifreq_ioctl(ifname, &ifr, SIOCGIFHWADDR, "SIOCGIFHWADDR");
    if (error) {
        return error;
    }
    memcpy(&mac, ifr.ifr_hwaddr.sa_data, sizeof mac);
    dp_packet_use_stub(&packet, stub, sizeof stub);
    compose(&packet, address, mac);
    if (sendto(fd, dp_packet_data(&packet), dp_packet_size(&packet), 0,
               (struct sockaddr *) &sll, sizeof sll)
        < 0) {
        error = errno;
    }
    dp_packet_uninit(&packet);
    return error;
}
