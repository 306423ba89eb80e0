/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "dad.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "late-packet.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "socket-util.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(dad);
static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

/* Claims read in one run, and prefixes that the kernel's filter compares (with
 * more, all ARP and neighbour discovery is read). */
#define CLAIMS_MAX 64
#define PREFIXES_MAX 16

/* Instructions: a prefix costs 2 times 3 for ARP, 4 times 3 for ND. */
#define FILTER_MAX (PREFIXES_MAX * 13 + 16)

/* Offsets in what a socket reads, from the network header on. */
#define ARP_SPA 14
#define ARP_TPA 24
#define ND_TYPE IPV6_HEADER_LEN
#define ND_TARGET (IPV6_HEADER_LEN + 8)
#define ND_LEN (IPV6_HEADER_LEN + 24)

struct dad {
    char ifname[IF_NAMESIZE];
    int ifindex;
    int arp, nd; /* AF_PACKET, SOCK_DGRAM, nonblocking. */
    struct dad_claim claims[CLAIMS_MAX];
    size_t n_claims, next;
};

/* Filters. */

struct program {
    struct sock_filter insns[FILTER_MAX];
    unsigned short n;
};

static void
emit(struct program *p, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
    ovs_assert(p->n < FILTER_MAX);
    p->insns[p->n++] = (struct sock_filter) BPF_JUMP(code, k, jt, jf);
}

/* Passes packets that have, at 'ofs', 'n_words' of which the first 'n_bits'
 * are those of 'value'; falls through with others. */
static void
emit_prefix(struct program *p, uint32_t ofs, const uint8_t *value, int n_words,
            int n_bits)
{
    for (int i = 0; i < n_words; i++) {
        int bits = MAX(0, MIN(32, n_bits - i * 32));
        uint32_t mask = bits ? UINT32_MAX << (32 - bits) : 0;
        uint32_t word;

        memcpy(&word, value + i * 4, sizeof word);
        emit(p, BPF_LD | BPF_W | BPF_ABS, ofs + i * 4, 0, 0);
        emit(p, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, ntohl(word) & mask, 0,
             (n_words - 1 - i) * 3 + 1);
    }
    emit(p, BPF_RET | BPF_K, UINT32_MAX, 0, 0);
}

/* Drops all but neighbour solicitations and advertisements. */
static void
emit_nd_only(struct program *p)
{
    emit(p, BPF_LD | BPF_B | BPF_ABS, 6, 0, 0);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 1, 0);
    emit(p, BPF_RET | BPF_K, 0, 0, 0);
    emit(p, BPF_LD | BPF_B | BPF_ABS, ND_TYPE, 0, 0);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, ND_NEIGHBOR_SOLICIT, 2, 0);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, ND_NEIGHBOR_ADVERT, 1, 0);
    emit(p, BPF_RET | BPF_K, 0, 0, 0);
}

static void
attach(int fd, struct program *p)
{
    struct sock_fprog fprog = { p->n, p->insns };

    if (fd >= 0
        && setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &fprog,
                      sizeof fprog)) {
        VLOG_WARN_RL(&rl, "cannot filter ARP and neighbour discovery (%s)",
                     ovs_strerror(errno));
    }
}

void
dad_watch(struct dad *dad, const struct dad_prefix *prefixes, size_t n)
{
    uint32_t verdict = n > PREFIXES_MAX ? UINT32_MAX : 0;
    struct program arp = { .n = 0 };
    struct program nd = { .n = 0 };

    emit_nd_only(&nd);
    for (size_t i = 0; i < n && !verdict; i++) {
        const struct dad_prefix *prefix = &prefixes[i];
        const uint8_t *bytes = prefix->addr.s6_addr;

        if (IN6_IS_ADDR_V4MAPPED(&prefix->addr)) {
            emit_prefix(&arp, ARP_SPA, bytes + 12, 1, prefix->plen - 96);
            emit_prefix(&arp, ARP_TPA, bytes + 12, 1, prefix->plen - 96);
        } else {
            emit_prefix(&nd, ND_TARGET, bytes, 4, prefix->plen);
        }
    }
    emit(&arp, BPF_RET | BPF_K, verdict, 0, 0);
    emit(&nd, BPF_RET | BPF_K, verdict, 0, 0);
    attach(dad->arp, &arp);
    attach(dad->nd, &nd);
}

/* Opening. */

static int
open_socket(const struct dad *dad, uint16_t protocol, int *fdp)
{
    struct sockaddr_ll sll = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(protocol),
        .sll_ifindex = dad->ifindex,
    };
    struct program nothing = { .n = 0 };

    /* Protocol 0 until it is bound: see late-packets.c. */
    *fdp = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fdp < 0) {
        return errno;
    }
    emit(&nothing, BPF_RET | BPF_K, 0, 0, 0);
    attach(*fdp, &nothing);
    return bind(*fdp, (struct sockaddr *) &sll, sizeof sll) ? errno : 0;
}

struct dad *
dad_open(const char *ifname, char **errorp)
{
    struct dad *dad = xzalloc(sizeof *dad);
    int error;

    ovs_strlcpy(dad->ifname, ifname, sizeof dad->ifname);
    dad->ifindex = if_nametoindex(ifname);
    dad->arp = dad->nd = -1;
    error = dad->ifindex ? 0 : ENODEV;
    if (!error) {
        error = open_socket(dad, ETH_P_ARP, &dad->arp);
    }
    if (!error) {
        error = open_socket(dad, ETH_P_IPV6, &dad->nd);
    }
    if (error) {
        if (errorp) {
            *errorp = xasprintf("%s: cannot open the interface for duplicate "
                                "address detection (%s)",
                                ifname, ovs_strerror(error));
        }
        dad_close(dad);
        return NULL;
    }
    return dad;
}

void
dad_close(struct dad *dad)
{
    if (dad) {
        if (dad->arp >= 0) {
            close(dad->arp);
        }
        if (dad->nd >= 0) {
            close(dad->nd);
        }
        free(dad);
    }
}

/* Sending. */

static int
own_mac(const struct dad *dad, struct eth_addr *mac)
{
    struct ifreq ifr;
    int error = af_inet_ifreq_ioctl(dad->ifname, &ifr, SIOCGIFHWADDR,
                                    "SIOCGIFHWADDR");

    if (!error) {
        memcpy(mac, ifr.ifr_hwaddr.sa_data, sizeof *mac);
    }
    return error;
}

static int
send_to(const struct dad *dad, int fd, uint16_t protocol,
        const struct eth_addr *dst, const void *data, size_t n)
{
    struct sockaddr_ll sll = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(protocol),
        .sll_ifindex = dad->ifindex,
        .sll_halen = sizeof *dst,
    };

    memcpy(sll.sll_addr, dst, sizeof *dst);
    return sendto(fd, data, n, 0, (struct sockaddr *) &sll, sizeof sll) < 0
               ? errno
               : 0;
}

static int
probe_arp(struct dad *dad, const struct in6_addr *address)
{
    struct arp_eth_header arp = {
        .ar_hrd = htons(ARP_HRD_ETHERNET),
        .ar_pro = htons(ARP_PRO_IP),
        .ar_hln = sizeof(struct eth_addr),
        .ar_pln = sizeof(ovs_be32),
        .ar_op = htons(ARP_OP_REQUEST),
    };
    ovs_be32 ip = in6_addr_get_mapped_ipv4(address);
    int error = own_mac(dad, &arp.ar_sha);

    memcpy(&arp.ar_tpa, &ip, sizeof ip);
    return error ? error
                 : send_to(dad, dad->arp, ETH_P_ARP, &eth_addr_broadcast, &arp,
                           sizeof arp);
}

/* The link-layer group of solicitations for 'address' (RFC 2464). */
static struct eth_addr
solicited_group(const struct in6_addr *address)
{
    const uint8_t *a = address->s6_addr;

    return (struct eth_addr){
        .ea = { 0x33, 0x33, 0xff, a[13], a[14], a[15] },
    };
}

static int
probe_nd(struct dad *dad, const struct in6_addr *address)
{
    uint8_t packet[ND_LEN] = { 0x60 };
    struct late_packet_info info;
    struct in6_addr dst;
    struct eth_addr group = solicited_group(address);

    in6_addr_solicited_node(&dst, address);
    packet[5] = ND_LEN - IPV6_HEADER_LEN;
    packet[6] = IPPROTO_ICMPV6;
    packet[7] = 255; /* Hop limit: from this link. */
    memcpy(packet + 24, &dst, sizeof dst);
    packet[ND_TYPE] = ND_NEIGHBOR_SOLICIT;
    memcpy(packet + ND_TARGET, address, sizeof *address);
    if (!late_packet_parse(packet, sizeof packet, &info)
        || !late_packet_complete(packet, &info)) {
        return EINVAL;
    }
    return send_to(dad, dad->nd, ETH_P_IPV6, &group, packet, sizeof packet);
}

int
dad_probe(struct dad *dad, const struct in6_addr *address)
{
    return (IN6_IS_ADDR_V4MAPPED(address) ? probe_arp(dad, address)
                                          : probe_nd(dad, address));
}

void
dad_listen(struct dad *dad, const struct in6_addr *address, bool join)
{
    struct packet_mreq mreq = {
        .mr_ifindex = dad->ifindex,
        .mr_type = PACKET_MR_MULTICAST,
        .mr_alen = sizeof(struct eth_addr),
    };
    struct eth_addr group = solicited_group(address);

    if (!IN6_IS_ADDR_V4MAPPED(address)) {
        memcpy(mreq.mr_address, &group, sizeof group);
        if (setsockopt(dad->nd, SOL_PACKET,
                       (join ? PACKET_ADD_MEMBERSHIP : PACKET_DROP_MEMBERSHIP),
                       &mreq, sizeof mreq)) {
            VLOG_DBG_RL(&rl, "%s: group membership: %s", dad->ifname,
                        ovs_strerror(errno));
        }
    }
}

/* Receiving. */

/* The address that an ARP packet claims: its sender's, or, when that is a
 * probe, its target's. */
static bool
read_arp(const uint8_t *p, size_t n, struct dad_claim *claim)
{
    ovs_be32 spa, tpa;

    if (n < ARP_ETH_HEADER_LEN || p[0] || p[1] != ARP_HRD_ETHERNET
        || p[2] != ARP_PRO_IP >> 8 || p[3] != (ARP_PRO_IP & 0xff)
        || p[4] != ETH_ADDR_LEN || p[5] != 4) {
        return false;
    }
    memcpy(&spa, p + ARP_SPA, sizeof spa);
    memcpy(&tpa, p + ARP_TPA, sizeof tpa);
    if (!spa && p[7] != ARP_OP_REQUEST) {
        return false;
    }
    in6_addr_set_mapped_ipv4(&claim->address, spa ? spa : tpa);
    claim->probe = !spa;
    return true;
}

/* The address that an advertisement claims, or a probe asks for.  Those who
 * ask for an address in order to talk to it claim nothing. */
static bool
read_nd(const uint8_t *p, size_t n, struct dad_claim *claim)
{
    static const struct in6_addr none;

    if (n < ND_LEN || p[0] >> 4 != 6 || p[6] != IPPROTO_ICMPV6 || p[7] != 255
        || p[ND_TYPE + 1]
        || (p[ND_TYPE] != ND_NEIGHBOR_ADVERT
            && (p[ND_TYPE] != ND_NEIGHBOR_SOLICIT
                || memcmp(p + 8, &none, sizeof none)))) {
        return false;
    }
    memcpy(&claim->address, p + ND_TARGET, sizeof claim->address);
    claim->probe = p[ND_TYPE] == ND_NEIGHBOR_SOLICIT;
    return true;
}

static void
read_socket(struct dad *dad, int fd)
{
    struct eth_addr mac;

    if (own_mac(dad, &mac)) {
        return;
    }
    while (dad->n_claims < CLAIMS_MAX) {
        uint8_t packet[128];
        struct sockaddr_ll sll;
        socklen_t sll_len = sizeof sll;
        struct dad_claim *claim = &dad->claims[dad->n_claims];
        ssize_t n = recvfrom(fd, packet, sizeof packet, 0,
                             (struct sockaddr *) &sll, &sll_len);

        if (n < 0) {
            return;
        }
        memcpy(&claim->mac, sll.sll_addr, sizeof claim->mac);
        /* Our own, come back through a loop, are no claim. */
        if (!eth_addr_equals(claim->mac, mac)
            && (fd == dad->arp ? read_arp(packet, n, claim)
                               : read_nd(packet, n, claim))) {
            dad->n_claims++;
        }
    }
}

void
dad_run(struct dad *dad)
{
    if (dad->next >= dad->n_claims) {
        dad->next = dad->n_claims = 0;
        read_socket(dad, dad->arp);
        read_socket(dad, dad->nd);
    }
}

void
dad_wait(struct dad *dad)
{
    poll_fd_wait(dad->arp, POLLIN);
    poll_fd_wait(dad->nd, POLLIN);
    if (dad->next < dad->n_claims) {
        poll_immediate_wake();
    }
}

bool
dad_next(struct dad *dad, struct dad_claim *claim)
{
    if (dad->next >= dad->n_claims) {
        return false;
    }
    *claim = dad->claims[dad->next++];
    return true;
}

static bool
parse_prefix(const struct json *json, struct dad_prefix *prefix)
{
    ovs_be32 ip, mask;
    char *error;

    if (json->type != JSON_STRING) {
        return false;
    }
    error = ip_parse_masked(json_string(json), &ip, &mask);
    if (!error && ip_is_cidr(mask)) {
        in6_addr_set_mapped_ipv4(&prefix->addr, ip);
        prefix->plen = 96 + ip_count_cidr_bits(mask);
        return true;
    }
    free(error);
    error = ipv6_parse_cidr(json_string(json), &prefix->addr, &prefix->plen);
    free(error);
    return !error;
}

struct dad_prefix *
dad_prefixes_from_json(const struct json *array, size_t *n)
{
    size_t max = array && array->type == JSON_ARRAY ? json_array(array)->n : 0;
    struct dad_prefix *prefixes = xcalloc(max + 1, sizeof *prefixes);

    *n = 0;
    for (size_t i = 0; i < max; i++) {
        *n += parse_prefix(json_array(array)->elems[i], &prefixes[*n]);
    }
    return prefixes;
}
