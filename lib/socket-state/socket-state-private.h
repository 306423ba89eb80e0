/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKET_STATE_PRIVATE_H
#define SOCKET_STATE_PRIVATE_H 1

/* What the rooms of socket-state share; nobody else includes this.
 *
 *     socket-state.c     the public calls, by kind of socket
 *     socket-inspect.c   looking, and refusing what cannot move
 *     socket-options.c   the table of socket options that move along
 *     socket-tcp.c       freeze, capture, thaw, discard of a connection
 *     socket-restore.c   a connection made again, muted
 *     socket-replay.c    segments to it from our own kernel
 *     socket-listen.c    listening sockets
 *     socket-udp.c       UDP: catchers and datagrams
 *     socket-packet.c    IP packets to ourselves, and the probe to the peer
 *     socket-encode.c, socket-decode.c, socket-form.h   the serialized form */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* Before any of the C library's headers */
#endif

#include "socket-state.h"

#include <linux/tcp.h>

#ifndef SOL_TCP
#define SOL_TCP 6
#endif
#ifndef SOL_UDP
#define SOL_UDP 17
#endif

/* Newer than some C libraries. */
#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif
#ifndef SOCK_SNDBUF_LOCK
#define SOCK_SNDBUF_LOCK 1
#define SOCK_RCVBUF_LOCK 2
#endif

/* States of a TCP connection, as in tcpi_state (the kernel's numbers). */
enum {
    ST_ESTABLISHED = 1,
    ST_SYN_SENT,
    ST_SYN_RECV,
    ST_FIN_WAIT1,
    ST_FIN_WAIT2,
    ST_TIME_WAIT,
    ST_CLOSE,
    ST_CLOSE_WAIT,
    ST_LAST_ACK,
    ST_LISTEN,
    ST_CLOSING,
};

#define SOCKET_N_OPTIONS_MAX 64
#define SOCKET_CC_LEN 16 /* TCP_CA_NAME_MAX, with the null. */

/* Largest segment: what peeking at the send queue may return too much. */
#define SOCKET_PEEK_SLACK 65536

/* Urgent mark in the unread data. */
enum socket_urgent {
    SOCKET_URGENT_NONE,
    SOCKET_URGENT_UNREAD, /* The byte at the mark waits. */
    SOCKET_URGENT_READ,   /* It was taken with MSG_OOB. */
};

#define SOCKET_MSS_MIN 88             /* Bytes: the kernel's TCP_MIN_MSS. */
#define SOCKET_BUFFER_MAX (64u << 20) /* Bytes. */

struct socket_tcp {
    uint8_t state;                 /* ST_ESTABLISHED... ST_CLOSING. */
    bool sack, timestamps, wscale; /* Negotiated. */
    uint8_t snd_wscale, rcv_wscale;
    uint16_t mss;       /* Peer's, or as clamped (bytes). */
    uint32_t timestamp; /* TSval, bit 0: unit is 1 us, not 1 ms. */

    /* Sequence numbers.  FINs are not part of the queues' lengths. */
    uint32_t snd_end; /* After the last byte in the queue. */
    uint32_t rcv_end; /* Same. */
    bool fin_sent;    /* Our FIN has its number: snd_end. */
    bool fin_unsent;  /* It waits behind unsent data. */
    bool fin_acked;
    bool fin_received; /* Peer's FIN: rcv_end. */
    bool shut_rd;      /* By the application. */

    struct tcp_repair_window window; /* With 'rcv_wup' as captured. */

    enum socket_urgent urgent;
    uint32_t urgent_offset; /* Of the mark, in the receive queue. */

    uint32_t srtt_us, min_rtt_us; /* 0: not known. */
    uint32_t cwnd;                /* Segments. */
};

struct socket_state {
    struct socket_state_info info;
    bool nonblock;

    /* socket-options.c: by index in its table; absent means default. */
    uint64_t options; /* Bit map: which of 'values' are there. */
    int64_t values[SOCKET_N_OPTIONS_MAX];
    char congestion[SOCKET_CC_LEN]; /* TCP: a name on the list, or empty. */

    uint32_t rcvbuf, sndbuf;           /* Bytes as getsockopt() tells. */
    bool rcvbuf_locked, sndbuf_locked; /* By the application: no autotuning */

    uint32_t backlog; /* Listener. */

    struct socket_tcp tcp;
    uint8_t *recv_data; /* info.recv_queue bytes, or NULL. */
    uint8_t *send_data; /* info.send_queue bytes, or NULL. */
    void *recv_buffer;  /* What to free. */
    void *send_buffer;
};

/* errors: store a sentence and return 'error'. */
int socket_error(char **errorp, int error, const char *, ...)
    __attribute__((format(printf, 3, 4)));

/* Small conveniences. */
int socket_get_int(int fd, int level, int name, int *value);
int socket_set_int(int fd, int level, int name, int value);
int socket_get_tcp_info(int fd, struct tcp_info *);
int socket_repair(int fd, int mode);
int socket_set_window(int fd, const struct tcp_repair_window *);
/* The first sequence number of each queue. */
uint32_t socket_recv_start(const struct socket_state *);
uint32_t socket_send_start(const struct socket_state *);
socklen_t socket_address_len(const struct sockaddr_storage *);
bool socket_address_equals(const struct sockaddr_storage *,
                           const struct sockaddr_storage *);
/* AF_INET, or AF_INET6; IPv4-mapped counts as AF_INET. */
int socket_wire_family(const struct sockaddr_storage *);
uint16_t socket_address_port(const struct sockaddr_storage *);

/* Our filters begin by loading this constant, plus a small number. */
#define SOCKET_FILTER_MAGIC 0xba7050f0u

/* socket-inspect.c */
bool socket_filter_is_ours(int fd);

/* socket-options.c */
enum socket_stage {
    SOCKET_STAGE_BIND,      /* Before bind(). */
    SOCKET_STAGE_CONNECTED, /* After connect() or listen(). */
};
int socket_options_capture(int fd, struct socket_state *, char **errorp);
int socket_options_apply(int fd, const struct socket_state *,
                         enum socket_stage, char **errorp);
/* SO_REUSEADDR as captured. */
bool socket_options_reuse(const struct socket_state *);
/* The wire's name of each option: for socket-encode.c and socket-decode.c. */
size_t socket_options_count(void);
uint16_t socket_option_id(size_t index);
bool socket_option_store(struct socket_state *, uint16_t id, int64_t value);
bool socket_congestion_is_known(const char *name);

/* socket-tcp.c */
int socket_tcp_freeze(int fd, char **errorp);
int socket_tcp_capture(int fd, struct socket_state *, char **errorp);
int socket_tcp_discard(int fd, char **errorp);
/* Leaves repair mode with a probe: thaw and unmute. */
int socket_tcp_speak(int fd, char **errorp);
int socket_drop_all(int fd, char **errorp);
int socket_drop_new(int fd, char **errorp);
int socket_drop_none(int fd, char **errorp);

/* socket-restore.c */
int socket_tcp_restore(const struct socket_state *, uint32_t mark, int *fdp,
                       char **errorp);
int socket_bind(int fd, const struct sockaddr_storage *, bool *borrowed,
                char **errorp);
void socket_bind_settle(int fd, const struct sockaddr_storage *,
                        bool borrowed);
int socket_set_mark(int fd, uint32_t mark, char **errorp);
int socket_restore_buffers(int fd, const struct socket_state *, char **errorp);
void socket_settle_buffers(int fd, const struct socket_state *);

/* socket-replay.c */
#define SOCKET_PRIMER_MAX 65536 /* Bytes. */
size_t socket_replay_primer_size(const struct socket_tcp *);
int socket_replay_shut_window(int fd, const struct socket_tcp *,
                              uint32_t rcv_nxt);
int socket_replay_urgent(int fd, const struct socket_state *, size_t primer,
                         char **errorp);
/* With 'strict', EAGAIN if that took so long that the round trip time is
 * wrong: then it is better to begin again. */
int socket_replay(int fd, const struct socket_state *, size_t primer,
                  bool strict, char **errorp);

/* socket-listen.c */
int socket_listen_capture(int fd, struct socket_state *, char **errorp);
int socket_listen_restore(const struct socket_state *, int *fdp,
                          char **errorp);
int socket_listen_discard(int fd, char **errorp);

/* socket-udp.c */
int socket_udp_freeze(int fd, char **errorp);
int socket_udp_capture(int fd, struct socket_state *, char **errorp);
int socket_udp_restore(const struct socket_state *, int use_fd, uint32_t mark,
                       int *fdp, char **errorp);
int socket_udp_discard(int fd, char **errorp);

/* socket-packet.c */
struct socket_segment {
    const struct sockaddr_storage *from, *to;
    uint32_t seq, ack;
    uint8_t flags;   /* SOCKET_TH_*, ACK is implied. */
    uint16_t window; /* Not scaled. */
    uint16_t urgent_pointer;
    bool timestamps;
    uint32_t tsval, tsecr;
    const void *data;
    size_t size; /* Bytes of 'data'. */
};
#define SOCKET_TH_FIN 0x01
#define SOCKET_TH_URG 0x20

#define SOCKET_SEGMENT_MAX 9216 /* Bytes of 'data'. */

/* A raw socket for segments to 'to', by the way that those from 'from', the
 * session's address, take out of this host.  If that is NULL, 'to' has to be an
 * address of this host (otherwise EADDRNOTAVAIL): they come in, as if from the
 * peer. */
int socket_segment_open(const struct sockaddr_storage *to,
                        const struct sockaddr_storage *from, int *rawp,
                        char **errorp);
int socket_segment_send(int raw, const struct socket_segment *, char **errorp);
/* Builds an IP packet with the UDP datagram whose payload already lies at
 * packet + SOCKET_UDP_HEADROOM(family).  Returns its size. */
size_t socket_udp_packet(uint8_t *packet, const struct sockaddr_storage *from,
                         const struct sockaddr_storage *to, size_t payload);
size_t socket_udp_headroom(int wire_family);

#endif /* socket-state-private.h */
