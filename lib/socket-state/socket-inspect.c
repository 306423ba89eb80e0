/* SPDX-License-Identifier: Apache-2.0 */

/* Looking at a socket, and refusing what cannot move. */

#include "socket-state-private.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/ioctl.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef TCP_ULP
#define TCP_ULP 31
#endif
#define TCP_AO_INFO_OPT 40 /* TCP_AO_INFO, Linux 6.7. */
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef UDP_ENCAP
#define UDP_ENCAP 100
#endif

static int
inspect_kind(int fd, struct socket_state_info *info, struct tcp_info *tcp,
             char **errorp)
{
    int domain, type, protocol;

    int error = socket_get_int(fd, SOL_SOCKET, SO_DOMAIN, &domain);
    if (!error) {
        error = socket_get_int(fd, SOL_SOCKET, SO_TYPE, &type);
    }
    if (!error) {
        error = socket_get_int(fd, SOL_SOCKET, SO_PROTOCOL, &protocol);
    }
    if (error) {
        return socket_error(errorp, error, "not a socket");
    }
    if (domain != AF_INET && domain != AF_INET6) {
        return socket_error(errorp, EOPNOTSUPP, "not an IPv4 or IPv6 socket");
    }
    info->family = domain;
    if (type == SOCK_DGRAM && protocol == IPPROTO_UDP) {
        info->kind = SOCKET_STATE_UDP;
        return 0;
    } else if (protocol == IPPROTO_MPTCP) {
        return socket_error(errorp, EOPNOTSUPP,
                            "a Multipath TCP socket cannot be carried");
    } else if (type != SOCK_STREAM || protocol != IPPROTO_TCP) {
        return socket_error(errorp, EOPNOTSUPP,
                            "neither a TCP nor a UDP socket "
                            "(type %d, protocol %d)",
                            type, protocol);
    }
    error = socket_get_tcp_info(fd, tcp);
    if (error) {
        return socket_error(errorp, error, "cannot read TCP_INFO");
    }
    info->kind = (tcp->tcpi_state == ST_LISTEN ? SOCKET_STATE_TCP_LISTEN
                                               : SOCKET_STATE_TCP);
    return 0;
}

static int
inspect_addresses(int fd, struct socket_state_info *info, char **errorp)
{
    socklen_t len = sizeof info->local;
    if (getsockname(fd, (struct sockaddr *) &info->local, &len)) {
        return socket_error(errorp, errno, "cannot read its own address");
    }
    len = sizeof info->peer;
    if (getpeername(fd, (struct sockaddr *) &info->peer, &len)) {
        memset(&info->peer, 0, sizeof info->peer);
        info->peer.ss_family = 0;
        if (errno != ENOTCONN) {
            return socket_error(errorp, errno, "cannot read its peer");
        }
    }
    return 0;
}

static size_t
inspect_queue(int fd, unsigned long int request)
{
    int n = 0;
    return !ioctl(fd, request, &n) && n > 0 ? n : 0;
}

static void
inspect_tcp(int fd, const struct tcp_info *tcp, struct socket_state_info *info)
{
    if (info->kind == SOCKET_STATE_TCP_LISTEN) {
        info->pending = tcp->tcpi_unacked;
        return;
    }
    info->recv_queue = inspect_queue(fd, SIOCINQ);
    info->send_queue = inspect_queue(fd, SIOCOUTQ);
    info->unsent = inspect_queue(fd, SIOCOUTQNSD);
    info->unacked_segments = tcp->tcpi_unacked;
}

static int
inspect(int fd, struct socket_state_info *info, struct tcp_info *tcp,
        char **errorp)
{
    memset(info, 0, sizeof *info);
    memset(tcp, 0, sizeof *tcp);
    int error = inspect_kind(fd, info, tcp, errorp);
    if (!error) {
        error = inspect_addresses(fd, info, errorp);
    }
    if (error) {
        return error;
    }
    if (info->kind == SOCKET_STATE_UDP) {
        info->recv_queue = inspect_queue(fd, SIOCINQ);
        info->send_queue = inspect_queue(fd, SIOCOUTQ);
    } else {
        inspect_tcp(fd, tcp, info);
    }
    return 0;
}

int
socket_state_inspect(int fd, struct socket_state_info *info, char **errorp)
{
    struct tcp_info tcp;
    return inspect(fd, info, &tcp, errorp);
}

/* What instructions our own filters begin with: see socket-tcp.c. */
bool
socket_filter_is_ours(int fd)
{
    struct sock_filter insns[8];
    socklen_t n = 8; /* Instructions, not bytes. */

    if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, insns, &n) || !n || n > 8) {
        return false;
    }
    return (insns[0].code == (BPF_LD | BPF_IMM)
            && (insns[0].k & ~0xfu) == SOCKET_FILTER_MAGIC);
}

/* A filter of the application's sees packets that moving hides from it, and
 * ours would displace it. */
static int
check_filter(int fd, char **errorp)
{
    socklen_t n = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &n)) {
        if (errno == EACCES) {
            return socket_error(errorp, EOPNOTSUPP,
                                "has an eBPF program attached");
        }
        return socket_error(errorp, errno, "cannot read its filter");
    }
    if (n && !socket_filter_is_ours(fd)) {
        return socket_error(errorp, EOPNOTSUPP,
                            "has a socket filter attached");
    }
    int locked;
    if (!socket_get_int(fd, SOL_SOCKET, SO_LOCK_FILTER, &locked) && locked) {
        return socket_error(errorp, EOPNOTSUPP, "its filter is locked");
    }
    return 0;
}

static int
check_device(int fd, char **errorp)
{
    char name[32] = "";
    socklen_t len = sizeof name;

    if (!getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len) && len
        && name[0]) {
        return socket_error(errorp, EOPNOTSUPP,
                            "is bound to interface "
                            "\"%.15s\", which other devices do not have",
                            name);
    }
    return 0;
}

static bool
is_link_local(const struct sockaddr_storage *ss)
{
    const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *) ss;
    return (ss->ss_family == AF_INET6
            && IN6_IS_ADDR_LINKLOCAL(&sin6->sin6_addr));
}

static int
check_addresses(const struct socket_state_info *info, char **errorp)
{
    if (!socket_address_port(&info->local)) {
        return socket_error(errorp, EOPNOTSUPP, "is not bound to a port");
    }
    if (is_link_local(&info->local) || is_link_local(&info->peer)) {
        return socket_error(errorp, EOPNOTSUPP, "uses a link-local address");
    }
    return 0;
}

static const char *
state_name(int state)
{
    static const char *names[] = {
        [ST_ESTABLISHED] = "ESTABLISHED",
        [ST_SYN_SENT] = "SYN_SENT",
        [ST_SYN_RECV] = "SYN_RECV",
        [ST_FIN_WAIT1] = "FIN_WAIT1",
        [ST_FIN_WAIT2] = "FIN_WAIT2",
        [ST_TIME_WAIT] = "TIME_WAIT",
        [ST_CLOSE] = "CLOSED",
        [ST_CLOSE_WAIT] = "CLOSE_WAIT",
        [ST_LAST_ACK] = "LAST_ACK",
        [ST_LISTEN] = "LISTEN",
        [ST_CLOSING] = "CLOSING",
    };
    return state > 0 && state <= ST_CLOSING ? names[state] : "unknown";
}

static int
check_tcp(int fd, const struct tcp_info *tcp,
          const struct socket_state_info *info, char **errorp)
{
    switch (tcp->tcpi_state) {
    case ST_ESTABLISHED:
    case ST_FIN_WAIT1:
    case ST_FIN_WAIT2:
    case ST_CLOSE_WAIT:
    case ST_LAST_ACK:
    case ST_CLOSING:
    case ST_LISTEN: break;
    default:
        return socket_error(errorp, EOPNOTSUPP, "its TCP state is %s",
                            state_name(tcp->tcpi_state));
    }

    char ulp[16] = "";
    socklen_t len = sizeof ulp;
    if (!getsockopt(fd, SOL_TCP, TCP_ULP, ulp, &len) && len && ulp[0]) {
        return socket_error(errorp, EOPNOTSUPP,
                            "has the upper layer "
                            "protocol \"%.15s\" in the kernel",
                            ulp);
    }

    char ao[64] = "";
    len = sizeof ao;
    if (!getsockopt(fd, SOL_TCP, TCP_AO_INFO_OPT, ao, &len)) {
        return socket_error(errorp, EOPNOTSUPP,
                            "uses the TCP Authentication Option");
    }

    if (info->recv_queue > SOCKET_STATE_QUEUE_MAX
        || info->send_queue > SOCKET_STATE_QUEUE_MAX + 1) {
        return socket_error(errorp, EOPNOTSUPP,
                            "has %zu bytes unread and %zu to send; at most "
                            "%u each can be carried",
                            info->recv_queue, info->send_queue,
                            SOCKET_STATE_QUEUE_MAX);
    }
    return 0;
}

static int
check_udp(int fd, char **errorp)
{
    int value;

    if (!socket_get_int(fd, SOL_UDP, UDP_ENCAP, &value) && value) {
        return socket_error(errorp, EOPNOTSUPP,
                            "is the kernel's end of a tunnel (UDP_ENCAP)");
    }
    if (!socket_get_int(fd, SOL_UDP, UDP_GRO, &value) && value) {
        return socket_error(errorp, EOPNOTSUPP,
                            "receives datagrams merged (UDP_GRO)");
    }
    return 0;
}

int
socket_state_check(int fd, char **errorp)
{
    struct socket_state_info info;
    struct tcp_info tcp;

    int error = inspect(fd, &info, &tcp, errorp);
    if (!error) {
        error = (info.kind == SOCKET_STATE_UDP
                     ? check_udp(fd, errorp)
                     : check_tcp(fd, &tcp, &info, errorp));
    }
    if (!error) {
        error = check_addresses(&info, errorp);
    }
    if (!error) {
        error = check_filter(fd, errorp);
    }
    if (!error) {
        error = check_device(fd, errorp);
    }
    return error;
}
