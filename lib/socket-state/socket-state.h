/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKET_STATE_H
#define SOCKET_STATE_H 1

/* Capture of a socket's kernel state, and its restoration elsewhere.
 *
 * Usable by itself: plain C11 and Linux, nothing of libopenvswitch.  Works on
 * descriptors of TCP sockets (established, half-closed, listening) and UDP
 * sockets (connected or not), over IPv4, IPv6 and IPv4-mapped IPv6.  TCP
 * needs CAP_NET_ADMIN in the user namespace of the socket's network namespace.
 *
 * Order of calls at the side that gives a socket away:
 *
 *     socket_state_check(fd, ...)           can it move?  changes nothing
 *     [the caller closes output of the address: nothing leaves any more]
 *     socket_state_freeze(fd, ...)          input closed, repair mode
 *     socket_state_capture(fd, ...)         only looks; may be repeated
 *     ... the transfer is decided ...
 *     [the caller opens output of the address]
 *     socket_state_thaw(fd, ...)            goes on as if nothing had been, or
 *     socket_state_discard(fd, ...)         dead, and nothing was sent
 *
 * and at the side that takes it:
 *
 *     socket_state_decode(bytes, n, ...)    trusts nothing
 *     [the caller checks addresses against what it expects: I9]
 *     socket_state_restore(state, ...)      muted: says nothing
 *     ... the transfer is decided ...
 *     [the caller opens the address]
 *     socket_state_unmute(fd, state, ...)   speaks, or
 *     socket_state_discard(fd, ...)
 *
 * "Frozen" and "muted" are states of the kernel's socket, shared by every
 * duplicate of the descriptor in every process: an agent may hold a duplicate
 * beside the application that owns it.
 *
 * Errors: functions return 0 or a positive errno, and then store in '*errorp'
 * (if 'errorp' is nonnull) a sentence for people that the caller frees. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sys/socket.h>

struct socket_state; /* Opaque.  Owned by whoever got it. */

enum socket_state_kind {
    SOCKET_STATE_TCP,
    SOCKET_STATE_TCP_LISTEN,
    SOCKET_STATE_UDP,
};

/* What is visible of a socket before and after its capture. */
struct socket_state_info {
    enum socket_state_kind kind;
    int family; /* AF_INET or AF_INET6 (the socket's). */
    struct sockaddr_storage local;
    struct sockaddr_storage peer; /* ss_family 0 when not connected. */
    size_t recv_queue;            /* Bytes: unread. */
    size_t send_queue;            /* Bytes: unacknowledged and unsent. */
    size_t unsent;                /* Bytes of 'send_queue' never sent. */
    uint32_t unacked_segments;    /* In flight. */
    uint32_t pending;             /* Listener: connections not accepted. */
};

/* Limits on what decode accepts and capture produces, in bytes. */
#define SOCKET_STATE_QUEUE_MAX (32u << 20)
#define SOCKET_STATE_ENCODED_MAX (2 * SOCKET_STATE_QUEUE_MAX + 65536)

/* Looks without changing anything.  'fd' may be in any state. */
int socket_state_inspect(int fd, struct socket_state_info *, char **errorp);

/* Refuses (EOPNOTSUPP, with the reason) what cannot be carried: SYN_SENT,
 * SYN_RECV, kTLS, MPTCP, other protocols, attached filters, ... */
int socket_state_check(int fd, char **errorp);

/* Stops a listener taking new connections (pure SYNs are dropped) while those
 * under way still complete, so that the application can accept them all.
 * 'enable' false undoes it.  No effect on other kinds. */
int socket_state_hold_new(int fd, bool enable, char **errorp);

/* TCP: closes input (an attached filter drops all segments) and enters repair
 * mode.  Listener: drops all segments.  UDP: the socket stays the catcher of
 * its own datagrams, with more room for them.  On error the socket is as it
 * was. */
int socket_state_freeze(int fd, char **errorp);
int socket_state_capture(int fd, struct socket_state **, char **errorp);
int socket_state_thaw(int fd, char **errorp);

/* Ends the socket without a packet: readers and writers of every duplicate
 * get an error or end of file.  The descriptor remains the caller's.  UDP: it
 * receives nothing more, but what it had received can still be taken. */
int socket_state_discard(int fd, char **errorp);

void socket_state_destroy(struct socket_state *);

/* The info of a captured or decoded state. */
void socket_state_get_info(const struct socket_state *,
                           struct socket_state_info *);

/* Serialized form: versioned, big-endian, bounded.  encode returns malloc'd
 * bytes.  decode checks everything that can be checked without a kernel. */
int socket_state_encode(const struct socket_state *, uint8_t **bytes,
                        size_t *n, char **errorp);
int socket_state_decode(const uint8_t *bytes, size_t n, struct socket_state **,
                        char **errorp);

/* Creates a socket in the calling thread's network namespace with this state,
 * TCP still in repair mode: muted.  The local address need not be there yet,
 * unless the peer's FIN or an urgent mark is to be restored; where it is, and
 * the process has CAP_NET_RAW, the connection also knows its round trip time.
 * 'mark' is put on the socket (SO_MARK) while connecting, and taken off
 * again, so that a routing rule can let just this through (0: no mark).
 *
 * 'use_fd': -1, or for UDP a socket made by socket_state_catcher() that takes
 * on the state, keeping the datagrams it has caught.
 *
 * UDP's unread datagrams are not part of the state: take them out of the
 * frozen socket with socket_state_take_datagram() and deliver them. */
int socket_state_restore(const struct socket_state *, int use_fd,
                         uint32_t mark, int *fdp, char **errorp);

/* Leaves repair mode with a window probe, so that both ends learn at once
 * what the other has; sends what waits unsent, a FIN too; reopens what muting
 * had closed.  UDP: nothing.  All of it is in the kernel's socket, so the state
 * is not needed any more: it may be NULL. */
int socket_state_unmute(int fd, const struct socket_state *, char **errorp);

/* UDP: gives the receive buffer, which is large from socket_state_freeze() on
 * and in a restored socket, so that late datagrams find room, the size that it
 * had.  To be called when they have been delivered, at whichever side owns the
 * session.  No effect on other kinds. */
int socket_state_settle(int fd, char **errorp);

/* A UDP socket bound (and connected) as it will be once it is restored, with
 * a large receive buffer: it catches datagrams that come before the state.
 * 'mark' as above. */
int socket_state_catcher(const struct sockaddr_storage *local,
                         const struct sockaddr_storage *peer, uint32_t mark,
                         int *fdp, char **errorp);

/* Takes one waiting datagram out of UDP socket 'fd' as a whole IP packet
 * (IPv4 or IPv6 header, UDP header, payload, checksums complete) such as the
 * wire would have brought, ready for raw injection.  Returns EAGAIN when there
 * is none.  'size' should be at least 65,575. */
int socket_state_take_datagram(int fd, uint8_t *packet, size_t size, size_t *n,
                               char **errorp);

#endif /* socket-state.h */
