/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "agent-world.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <CUnit/Basic.h>

#include "address.h"
#include "app-link.h"
#include "app-requests.h"
#include "attachment.h"
#include "block.h"
#include "calls.h"
#include "controller-link.h"
#include "epochs.h"
#include "events.h"
#include "identity.h"
#include "jsonrpc.h"
#include "keeper.h"
#include "lan.h"
#include "late-packets.h"
#include "link.h"
#include "names.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "packets.h"
#include "service.h"
#include "socket-state.h"
#include "util.h"
#include "uuid.h"
#include "wire.h"

struct world_end world_t, world_g;
long long int world_now;
const struct uuid world_transfer = { { 1, 2, 3, 4 } };

static struct world_end *cur; /* Whose code runs. */
static long long int earliest;
static const struct uuid session_id = { { 5, 6, 7, 8 } };
static const uint8_t nonce[SEAL_KEY_LEN] = { 7 };
uint64_t world_sa_id = 42;
uint8_t world_sa_key[SEAL_KEY_LEN];
uint64_t world_flush_sa_id;
uint8_t world_flush_sa_key[SEAL_KEY_LEN];
static char mover_object;
struct app_conn *const world_mover = (struct app_conn *) &mover_object;

#define ADDRESS 0x0a010064 /* 10.1.0.100 */
#define PEER 0x0a010002

static struct in6_addr
session_address(void)
{
    struct in6_addr a;

    in6_addr_set_mapped_ipv4(&a, htonl(ADDRESS));
    return a;
}

/* Time. */

long long int __wrap_time_msec(void);
long long int
__wrap_time_msec(void)
{
    return world_now;
}

void __wrap_poll_timer_wait_until_at(long long int, const char *);
void
__wrap_poll_timer_wait_until_at(long long int when,
                                const char *where OVS_UNUSED)
{
    earliest = MIN(earliest, when);
}

void __wrap_poll_timer_wait_at(long long int, const char *);
void
__wrap_poll_timer_wait_at(long long int msec, const char *where OVS_UNUSED)
{
    earliest = MIN(earliest, world_now + msec);
}

struct pollfd;
static struct world_socket *find_socket(int fd);

void __wrap_poll_fd_wait_at(int, short int, const char *);
void
__wrap_poll_fd_wait_at(int fd, short int events OVS_UNUSED,
                       const char *where OVS_UNUSED)
{
    const struct world_socket *socket = find_socket(fd);

    if (socket && socket->n_ids) {
        earliest = world_now;
    }
}

/* The controller. */

static void
put_sent(struct world_end *end, const char *method, struct json *params,
         uint64_t id)
{
    CU_ASSERT_FATAL(end->n_sent < WORLD_MAX);
    ovs_strlcpy(end->sent[end->n_sent].method, method,
                sizeof end->sent[0].method);
    end->sent[end->n_sent].params = params;
    end->sent[end->n_sent++].id = id;
}

void __wrap_link_notify(struct link *, const char *, struct json *);
void
__wrap_link_notify(struct link *link, const char *method, struct json *params)
{
    put_sent((struct world_end *) link, method, params, 0);
}

uint64_t __wrap_link_request(struct link *, const char *, struct json *);
uint64_t
__wrap_link_request(struct link *link, const char *method, struct json *params)
{
    struct world_end *end = (struct world_end *) link;

    put_sent(end, method, params, ++end->next_id);
    return end->next_id;
}

const char *__wrap_link_get_error(const struct link *);
const char *
__wrap_link_get_error(const struct link *link OVS_UNUSED)
{
    return "lost";
}

struct link *__wrap_controller_link_get(struct controller_link *);
struct link *
__wrap_controller_link_get(struct controller_link *cl)
{
    return (struct link *) cl;
}

bool __wrap_controller_link_is_registered(const struct controller_link *);
bool
__wrap_controller_link_is_registered(const struct controller_link *cl)
{
    return ((const struct world_end *) cl)->registered;
}

const char *__wrap_controller_link_get_ifname(const struct controller_link *);
const char *
__wrap_controller_link_get_ifname(const struct controller_link *cl OVS_UNUSED)
{
    return "eth0";
}

uint64_t __wrap_controller_link_get_sa_id(const struct controller_link *);
uint64_t
__wrap_controller_link_get_sa_id(const struct controller_link *cl OVS_UNUSED)
{
    return world_sa_id;
}

const uint8_t *
__wrap_controller_link_get_sa_key(const struct controller_link *);
const uint8_t *
__wrap_controller_link_get_sa_key(const struct controller_link *cl OVS_UNUSED)
{
    return world_sa_key;
}

const uint8_t *
__wrap_controller_link_get_nonce(const struct controller_link *);
const uint8_t *
__wrap_controller_link_get_nonce(const struct controller_link *cl OVS_UNUSED)
{
    return nonce;
}

void __wrap_attachment_flush(struct attachment *, const char *, uint64_t,
                             const uint8_t *, const struct uuid *);
void
__wrap_attachment_flush(struct attachment *a OVS_UNUSED,
                        const char *ifname OVS_UNUSED, uint64_t sa_id,
                        const uint8_t *key,
                        const struct uuid *transfer OVS_UNUSED)
{
    world_flush_sa_id = sa_id;
    memcpy(world_flush_sa_key, key, sizeof world_flush_sa_key);
}

/* The other device. */

bool __wrap_peers_send(struct peers *, const char *, enum peer_frame_type,
                       const struct uuid *, const void *, size_t);
bool
__wrap_peers_send(struct peers *peers, const char *device OVS_UNUSED,
                  enum peer_frame_type type, const struct uuid *transfer,
                  const void *body, size_t len)
{
    struct world_end *end = (struct world_end *) peers;

    if (!end->connected) {
        return false;
    }
    CU_ASSERT_FATAL(end->n_frames < WORLD_MAX);
    end->frames[end->n_frames].type = type;
    end->frames[end->n_frames].transfer = *transfer;
    end->frames[end->n_frames].body = xmalloc(len + 1);
    if (len) {
        memcpy(end->frames[end->n_frames].body, body, len);
    }
    end->frames[end->n_frames].body[len] = 0;
    end->frames[end->n_frames++].len = len;
    return true;
}

void __wrap_peers_connect(struct peers *, const char *, const char *);
void
__wrap_peers_connect(struct peers *peers OVS_UNUSED,
                     const char *device OVS_UNUSED,
                     const char *endpoint OVS_UNUSED)
{
}

void __wrap_peers_drop(struct peers *, const char *, const char *);
void
__wrap_peers_drop(struct peers *peers OVS_UNUSED,
                  const char *device OVS_UNUSED, const char *reason OVS_UNUSED)
{
}

bool __wrap_peers_is_connected(const struct peers *, const char *);
bool
__wrap_peers_is_connected(const struct peers *peers,
                          const char *device OVS_UNUSED)
{
    return ((const struct world_end *) peers)->connected;
}

const char *__wrap_peers_get_error(const struct peers *, const char *);
const char *
__wrap_peers_get_error(const struct peers *peers OVS_UNUSED,
                       const char *device OVS_UNUSED)
{
    return NULL;
}

/* Identity: a signature is "signed", good of whoever made it. */

const char *__wrap_identity_get_name(const struct identity *);
const char *
__wrap_identity_get_name(const struct identity *identity)
{
    return ((const struct world_end *) identity)->name;
}

uint8_t *__wrap_identity_sign(const struct identity *, const void *, size_t,
                              size_t *);
uint8_t *
__wrap_identity_sign(const struct identity *identity OVS_UNUSED,
                     const void *text, size_t n, size_t *sig_len)
{
    *sig_len = n;
    return xmemdup(text, n);
}

char *__wrap_identity_verify(const struct identity *, const char *,
                             const char *, const char *, const void *, size_t,
                             const void *, size_t);
char *
__wrap_identity_verify(const struct identity *identity OVS_UNUSED,
                       const char *pem OVS_UNUSED, const char *role OVS_UNUSED,
                       const char *name OVS_UNUSED, const void *text, size_t n,
                       const void *sig, size_t sig_len)
{
    return (sig_len == n && !memcmp(text, sig, n) ? NULL
                                                  : xstrdup("bad signature"));
}

/* Applications: "struct app_conn" is the end itself, or world_mover. */

void __wrap_app_conn_send(struct app_conn *, const struct app_message *,
                          const int *, size_t);
void
__wrap_app_conn_send(struct app_conn *conn, const struct app_message *msg,
                     const int *fds OVS_UNUSED, size_t n_fds OVS_UNUSED)
{
    struct world_end *end = conn == world_mover ? cur
                                                : (struct world_end *) conn;

    CU_ASSERT_FATAL(end->n_told < WORLD_MAX);
    end->told[end->n_told].type = msg->type;
    end->told[end->n_told].error = msg->error;
    ovs_strlcpy(end->told[end->n_told++].reason, msg->reason, APP_REASON_LEN);
}

uid_t __wrap_app_conn_uid(const struct app_conn *);
uid_t
__wrap_app_conn_uid(const struct app_conn *conn OVS_UNUSED)
{
    return 1000;
}

bool __wrap_app_conn_is_ready(const struct app_conn *);
bool
__wrap_app_conn_is_ready(const struct app_conn *conn)
{
    return ((const struct world_end *) conn)->app_ready;
}

void __wrap_app_conn_has_stopped(struct app_conn *, long long int);
void
__wrap_app_conn_has_stopped(struct app_conn *conn OVS_UNUSED,
                            long long int usec OVS_UNUSED)
{
}

bool __wrap_app_conn_stops_quickly(const struct app_conn *);
bool
__wrap_app_conn_stops_quickly(const struct app_conn *conn)
{
    return ((const struct world_end *) conn)->app_quick;
}

bool __wrap_service_find_application(struct agent *, const char *,
                                     const char *, struct app_conn **,
                                     char **);
bool
__wrap_service_find_application(struct agent *agent, const char *service,
                                const char *from OVS_UNUSED,
                                struct app_conn **conn, char **reasonp)
{
    struct world_end *end = CONTAINER_OF(agent, struct world_end, agent);

    if (strcmp(service, "files")) {
        *reasonp = xstrdup("no such service");
        return false;
    }
    *conn = (struct app_conn *) end;
    return true;
}

/* Addresses. */

int __wrap_address_close_output(const struct in6_addr *);
int
__wrap_address_close_output(const struct in6_addr *address OVS_UNUSED)
{
    cur->output_closed = true;
    return 0;
}

int __wrap_address_open_output(const struct in6_addr *);
int
__wrap_address_open_output(const struct in6_addr *address OVS_UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(cur->sockets); i++) {
        const struct world_socket *s = &cur->sockets[i];

        /* A muted socket that is not ours, with output open. */
        if (s->fd >= 0 && s->muted && !s->discarded) {
            struct handover *h = world_handover(cur);

            cur->spoke |= h && h->state == TAKE_CLAIMED
                          && strcmp(h->steps[h->n_steps - 1].name, "owned");
            cur->spoke |= h
                          && (h->state == TAKE_MUTED
                              || h->state == TAKE_WAITING);
        }
    }
    cur->output_closed = false;
    return 0;
}

int __wrap_address_add(const char *, const struct in6_addr *);
int
__wrap_address_add(const char *ifname,
                   const struct in6_addr *address OVS_UNUSED)
{
    ovs_strlcpy(cur->bound, ifname, sizeof cur->bound);
    return 0;
}

int __wrap_address_del(const char *, const struct in6_addr *);
int
__wrap_address_del(const char *ifname,
                   const struct in6_addr *address OVS_UNUSED)
{
    if (!strcmp(cur->bound, ifname)) {
        cur->bound[0] = '\0';
    }
    return 0;
}

bool __wrap_address_is_local(const struct in6_addr *);
bool
__wrap_address_is_local(const struct in6_addr *address)
{
    struct in6_addr ours = session_address();

    return ipv6_addr_equals(address, &ours) && cur->bound[0];
}

struct json *__wrap_next_hops_of(const struct session *);
struct json *
__wrap_next_hops_of(const struct session *s OVS_UNUSED)
{
    return json_array_create_empty();
}

/* Late packets.  A packet is known by its number. */

uint8_t *
world_packet(unsigned int id, size_t *n)
{
    uint8_t *p = xzalloc(32);
    uint8_t *q = p;

    *n = 32;
    q = wire_put_u8(q, 0x45);
    q = wire_put_u8(q, 0);
    q = wire_put_u16(q, 32);
    q = wire_put_u32(q, 0x00004000);
    q = wire_put_u8(q, 64);
    q = wire_put_u8(q, IPPROTO_UDP);
    q = wire_put_u16(q, 0);
    q = wire_put_u32(q, PEER);
    q = wire_put_u32(q, ADDRESS);
    q = wire_put_u16(q, 4000);
    q = wire_put_u16(q, 5000);
    q = wire_put_u16(q, 12);
    q = wire_put_u16(q, 0);
    wire_put_u32(q, id);
    return p;
}

static void
take_first(unsigned int *ids, size_t *n)
{
    memmove(ids, ids + 1, --*n * sizeof *ids);
}

struct late_catch *__wrap_late_packets_catch(struct late_packets *,
                                             const struct in6_addr *, bool);
struct late_catch *
__wrap_late_packets_catch(struct late_packets *taps,
                          const struct in6_addr *address OVS_UNUSED,
                          bool udp OVS_UNUSED)
{
    struct world_end *end = (struct world_end *) taps;

    end->n_catches++;
    return (struct late_catch *) end;
}

void __wrap_late_packets_release(struct late_catch *);
void
__wrap_late_packets_release(struct late_catch *catch)
{
    ((struct world_end *) catch)->n_catches--;
}

bool __wrap_late_packets_next(struct late_catch *, struct late_packet *);
bool
__wrap_late_packets_next(struct late_catch *catch, struct late_packet *packet)
{
    struct world_end *end = (struct world_end *) catch;

    if (!end->n_tap) {
        return false;
    }
    packet->data = world_packet(end->tap[0], &packet->size);
    take_first(end->tap, &end->n_tap);
    return true;
}

void __wrap_late_packets_get_stats(const struct late_catch *,
                                   struct late_stats *);
void
__wrap_late_packets_get_stats(const struct late_catch *catch OVS_UNUSED,
                              struct late_stats *stats)
{
    memset(stats, 0, sizeof *stats);
}

int __wrap_late_packets_deliver(struct late_packets *, const struct in6_addr *,
                                const void *, size_t);
int
__wrap_late_packets_deliver(struct late_packets *taps,
                            const struct in6_addr *address OVS_UNUSED,
                            const void *packet, size_t n)
{
    struct world_end *end = (struct world_end *) taps;

    CU_ASSERT_FATAL(n == 32 && end->n_delivered < WORLD_MAX);
    CU_ASSERT(end->bound[0] != '\0');
    end->delivered[end->n_delivered++] = wire_get_u32((const uint8_t *) packet
                                                      + 28);
    return 0;
}

/* Sockets. */

struct socket_state {
    bool datagram;
    uint16_t port;
};

static struct world_socket *
find_socket(int fd)
{
    for (size_t i = 0; i < ARRAY_SIZE(cur->sockets); i++) {
        if (cur->sockets[i].fd == fd) {
            return &cur->sockets[i];
        }
    }
    CU_FAIL_FATAL("no such socket");
    return NULL;
}

static struct world_socket *
new_socket(bool datagram, uint16_t port)
{
    for (size_t i = 0; i < ARRAY_SIZE(cur->sockets); i++) {
        struct world_socket *s = &cur->sockets[i];

        /* Closed by the agent: its place is free. */
        if (s->fd < 0 || fcntl(s->fd, F_GETFD) < 0) {
            memset(s, 0, sizeof *s);
            s->fd = open("/dev/null", O_RDWR | O_CLOEXEC);
            s->datagram = datagram;
            s->port = port;
            for (size_t j = 0; j < ARRAY_SIZE(cur->sockets); j++) {
                if (j != i && cur->sockets[j].fd == s->fd) {
                    cur->sockets[j].fd = -1;
                }
            }
            return s;
        }
    }
    CU_FAIL_FATAL("too many sockets");
    return NULL;
}

static void
put_address(struct sockaddr_storage *ss, uint32_t ip, uint16_t port)
{
    struct sockaddr_in *sin = (struct sockaddr_in *) ss;

    memset(ss, 0, sizeof *ss);
    sin->sin_family = AF_INET;
    sin->sin_addr.s_addr = htonl(ip);
    sin->sin_port = htons(port);
}

static void
get_info(bool datagram, uint16_t port, struct socket_state_info *info)
{
    memset(info, 0, sizeof *info);
    info->kind = datagram ? SOCKET_STATE_UDP : SOCKET_STATE_TCP;
    info->family = AF_INET;
    put_address(&info->local, ADDRESS, port);
    if (!datagram) {
        put_address(&info->peer, PEER, 4000);
    }
}

int __wrap_getsockname(int, struct sockaddr *, socklen_t *);
int
__wrap_getsockname(int fd, struct sockaddr *sa, socklen_t *len OVS_UNUSED)
{
    put_address((struct sockaddr_storage *) sa, ADDRESS,
                find_socket(fd)->port);
    return 0;
}

int __wrap_getpeername(int, struct sockaddr *, socklen_t *);
int
__wrap_getpeername(int fd OVS_UNUSED, struct sockaddr *sa OVS_UNUSED,
                   socklen_t *len OVS_UNUSED)
{
    errno = ENOTCONN;
    return -1;
}

int __wrap_socket_state_inspect(int, struct socket_state_info *, char **);
int
__wrap_socket_state_inspect(int fd, struct socket_state_info *info,
                            char **errorp OVS_UNUSED)
{
    const struct world_socket *s = find_socket(fd);

    get_info(s->datagram, s->port, info);
    info->unacked_segments = s->in_flight;
    info->send_queue = s->in_flight * 1000;
    return 0;
}

int __wrap_socket_state_check(int, char **);
int
__wrap_socket_state_check(int fd OVS_UNUSED, char **errorp OVS_UNUSED)
{
    return 0;
}

int __wrap_socket_state_hold_new(int, bool, char **);
int
__wrap_socket_state_hold_new(int fd, bool enable, char **errorp OVS_UNUSED)
{
    find_socket(fd)->held = enable;
    return 0;
}

int __wrap_socket_state_freeze(int, char **);
int
__wrap_socket_state_freeze(int fd, char **errorp OVS_UNUSED)
{
    CU_ASSERT(cur->output_closed);
    find_socket(fd)->frozen = true;
    return 0;
}

int __wrap_socket_state_capture(int, struct socket_state **, char **);
int
__wrap_socket_state_capture(int fd, struct socket_state **state, char **errorp)
{
    const struct world_socket *s = find_socket(fd);

    CU_ASSERT(s->frozen);
    if (cur->capture_fails) {
        *errorp = xstrdup("it cannot be captured");
        return EOPNOTSUPP;
    }
    *state = xzalloc(sizeof **state);
    (*state)->datagram = s->datagram;
    (*state)->port = s->port;
    return 0;
}

int __wrap_socket_state_thaw(int, char **);
int
__wrap_socket_state_thaw(int fd, char **errorp OVS_UNUSED)
{
    find_socket(fd)->frozen = false;
    return 0;
}

int __wrap_socket_state_discard(int, char **);
int
__wrap_socket_state_discard(int fd, char **errorp OVS_UNUSED)
{
    find_socket(fd)->discarded = true;
    return 0;
}

int __wrap_socket_state_settle(int, char **);
int
__wrap_socket_state_settle(int fd OVS_UNUSED, char **errorp OVS_UNUSED)
{
    return 0;
}

void __wrap_socket_state_destroy(struct socket_state *);
void
__wrap_socket_state_destroy(struct socket_state *state)
{
    free(state);
}

void __wrap_socket_state_get_info(const struct socket_state *,
                                  struct socket_state_info *);
void
__wrap_socket_state_get_info(const struct socket_state *state,
                             struct socket_state_info *info)
{
    get_info(state->datagram, state->port, info);
}

int __wrap_socket_state_encode(const struct socket_state *, uint8_t **,
                               size_t *, char **);
int
__wrap_socket_state_encode(const struct socket_state *state, uint8_t **bytes,
                           size_t *n, char **errorp OVS_UNUSED)
{
    *n = sizeof *state;
    *bytes = xmemdup(state, *n);
    return 0;
}

int __wrap_socket_state_decode(const uint8_t *, size_t, struct socket_state **,
                               char **);
int
__wrap_socket_state_decode(const uint8_t *bytes, size_t n,
                           struct socket_state **state, char **errorp)
{
    if (n != sizeof **state) {
        *errorp = xstrdup("not a socket");
        return EPROTO;
    }
    *state = xmemdup(bytes, n);
    return 0;
}

int __wrap_socket_state_restore(const struct socket_state *, int, uint32_t,
                                int *, char **);
int
__wrap_socket_state_restore(const struct socket_state *state, int use_fd,
                            uint32_t mark OVS_UNUSED, int *fdp,
                            char **errorp OVS_UNUSED)
{
    struct world_socket *s = (use_fd >= 0
                                  ? find_socket(use_fd)
                                  : new_socket(state->datagram, state->port));

    CU_ASSERT(cur->output_closed);
    s->muted = true;
    *fdp = s->fd;
    return 0;
}

int __wrap_socket_state_unmute(int, const struct socket_state *, char **);
int
__wrap_socket_state_unmute(int fd, const struct socket_state *state OVS_UNUSED,
                           char **errorp OVS_UNUSED)
{
    find_socket(fd)->muted = false;
    return 0;
}

int __wrap_socket_state_catcher(const struct sockaddr_storage *,
                                const struct sockaddr_storage *, uint32_t,
                                int *, char **);
int
__wrap_socket_state_catcher(const struct sockaddr_storage *local,
                            const struct sockaddr_storage *peer OVS_UNUSED,
                            uint32_t mark OVS_UNUSED, int *fdp,
                            char **errorp OVS_UNUSED)
{
    const struct sockaddr_in *sin = (const struct sockaddr_in *) local;

    CU_ASSERT(sin->sin_addr.s_addr == htonl(ADDRESS));
    *fdp = new_socket(true, ntohs(sin->sin_port))->fd;
    return 0;
}

int __wrap_socket_state_take_datagram(int, uint8_t *, size_t, size_t *,
                                      char **);
int
__wrap_socket_state_take_datagram(int fd, uint8_t *packet, size_t size,
                                  size_t *n, char **errorp OVS_UNUSED)
{
    struct world_socket *s = find_socket(fd);
    uint8_t *p;

    if (!s->n_ids) {
        return EAGAIN;
    }
    p = world_packet(s->ids[0], n);
    CU_ASSERT_FATAL(*n <= size);
    memcpy(packet, p, *n);
    free(p);
    take_first(s->ids, &s->n_ids);
    return 0;
}

/* The world. */

static void
end_begin(struct world_end *end, const char *name)
{
    struct agent *agent = &end->agent;

    memset(end, 0, sizeof *end);
    end->name = name;
    end->registered = end->connected = end->app_ready = true;
    for (size_t i = 0; i < ARRAY_SIZE(end->sockets); i++) {
        end->sockets[i].fd = -1;
    }
    sessions_init(&agent->sessions);
    hmap_init(&agent->handovers);
    hmap_init(&agent->highest);
    ovs_list_init(&agent->introducing);
    ovs_list_init(&agent->ended_handovers);
    ovs_list_init(&agent->opens);
    events_init(agent);
    calls_init(agent);
    agent->boot_id = xstrdup("boot");
    agent->blocks = block_create();
    agent->lan = lan_create();
    agent->names = names_create();
    agent->identity = (struct identity *) end;
    agent->controller = (struct controller_link *) end;
    agent->peers = (struct peers *) end;
    agent->taps = (struct late_packets *) end;
}

void
world_begin(void)
{
    world_now = 1000000;
    end_begin(&world_t, "laptop");
    end_begin(&world_g, "tv");
}

void
world_forget(struct world_end *end)
{
    for (size_t i = 0; i < end->n_sent; i++) {
        json_destroy(end->sent[i].params);
    }
    for (size_t i = 0; i < end->n_frames; i++) {
        free(end->frames[i].body);
    }
    end->n_sent = end->n_frames = end->n_told = 0;
}

static void
end_end(struct world_end *end)
{
    struct agent *agent = &end->agent;

    cur = end;
    handover_destroy_all(agent);
    CU_ASSERT(end->n_catches == 0);
    CU_ASSERT(!end->spoke);
    world_forget(end);
    app_requests_destroy(agent);
    calls_destroy(agent);
    events_destroy(agent);
    sessions_destroy(&agent->sessions);
    block_destroy(agent->blocks);
    lan_destroy(agent->lan);
    names_destroy(agent->names);
    epochs_forget(agent);
    hmap_destroy(&agent->handovers);
    free(agent->boot_id);
}

void
world_end(void)
{
    end_end(&world_t);
    end_end(&world_g);
}

void
world_run(struct world_end *end)
{
    cur = end;
    handover_run(&end->agent);
    keeper_run(&end->agent);
}

void
world_warp(int ms)
{
    for (int i = 0; i < ms; i += 10) {
        world_now += 10;
        world_run(&world_t);
        world_run(&world_g);
    }
}

long long int
world_wakeup(struct world_end *end)
{
    cur = end;
    earliest = LLONG_MAX;
    handover_wait(&end->agent);
    return earliest;
}

static void
add_socket(struct session *s, bool datagram, uint16_t port)
{
    struct world_socket *socket = new_socket(datagram, port);

    s->sockets[s->n_sockets].fd = socket->fd;
    s->sockets[s->n_sockets].cookie = socket->fd;
    s->sockets[s->n_sockets++].datagram = datagram;
}

struct session *
world_open(struct world_end *end)
{
    struct in6_addr address = session_address();
    struct session *s;

    cur = end;
    s = session_create(&end->agent.sessions, &session_id, &address, 0);
    s->conn = (struct app_conn *) end;
    s->uid = 1000;
    s->sockets = xcalloc(2, sizeof *s->sockets);
    s->allocated_sockets = 2;
    add_socket(s, false, 80);
    add_socket(s, true, 5000);
    ovs_strlcpy(s->name, "film", sizeof s->name);
    ovs_strlcpy(s->service, "files", sizeof s->service);
    ovs_strlcpy(s->ifname, "eth0", sizeof s->ifname);
    ovs_strlcpy(end->bound, "eth0", sizeof end->bound);
    return s;
}

struct world_socket *
world_socket(struct world_end *end, bool datagram)
{
    for (size_t i = 0; i < ARRAY_SIZE(end->sockets); i++) {
        struct world_socket *s = &end->sockets[i];

        if (s->fd >= 0 && s->datagram == datagram
            && fcntl(s->fd, F_GETFD) >= 0) {
            return s;
        }
    }
    return NULL;
}

void
world_datagram(struct world_end *end, unsigned int id)
{
    struct world_socket *s = world_socket(end, true);

    if (s && !s->discarded && end->bound[0]) {
        s->ids[s->n_ids++] = id;
    } else if (end->n_catches) {
        end->tap[end->n_tap++] = id;
    }
    /* Else nobody is there: lost. */
}

/* How often the kernel of 'end' has, or will show, datagram 'id'. */
size_t
world_count(const struct world_end *end, unsigned int id)
{
    size_t count = 0;

    for (size_t i = 0; i < end->n_delivered; i++) {
        count += end->delivered[i] == id;
    }
    for (size_t i = 0; i < ARRAY_SIZE(end->sockets); i++) {
        const struct world_socket *s = &end->sockets[i];

        if (s->fd >= 0 && !s->discarded && fcntl(s->fd, F_GETFD) >= 0) {
            for (size_t j = 0; j < s->n_ids; j++) {
                count += s->ids[j] == id;
            }
        }
    }
    return count;
}

/* 'format' with quotation marks for apostrophes. */
static struct json *
make_json(const char *format, va_list args)
{
    char *s = xvasprintf(format, args);
    struct json *json;

    for (char *p = s; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    json = json_from_string(s);
    if (json->type == JSON_STRING) {
        CU_FAIL_FATAL("the test's JSON is wrong");
    }
    free(s);
    return json;
}

static void
handle(struct world_end *end, struct jsonrpc_msg *msg)
{
    cur = end;
    handover_handle_controller(&end->agent, msg);
    jsonrpc_msg_destroy(msg);
}

void
world_controller(struct world_end *end, const char *method, const char *format,
                 ...)
{
    struct json *params;
    va_list args;

    va_start(args, format);
    params = make_json(format, args);
    va_end(args);
    handle(end, jsonrpc_create_notify(method, json_array_create_1(params)));
}

static struct json *
last_request(const struct world_end *end, const char *method)
{
    for (size_t i = end->n_sent; i-- > 0;) {
        if (end->sent[i].id && !strcmp(end->sent[i].method, method)) {
            return json_integer_create(end->sent[i].id);
        }
    }
    CU_FAIL_FATAL("no such request was made");
    return NULL;
}

void
world_reply(struct world_end *end, const char *method, const char *format, ...)
{
    struct json *id = last_request(end, method);
    struct json *result;
    va_list args;

    va_start(args, format);
    result = make_json(format, args);
    va_end(args);
    handle(end, jsonrpc_create_reply(result, id));
    json_destroy(id);
}

static void
reply_error(struct world_end *end, const char *method, struct json *error)
{
    struct json *id = last_request(end, method);
    struct jsonrpc_msg *msg;

    msg = jsonrpc_create_error(error, id);
    msg->type = JSONRPC_ERROR; /* As it is when it came over the wire. */
    handle(end, msg);
    json_destroy(id);
}

void
world_reply_error(struct world_end *end, const char *method)
{
    struct json *error = json_object_create();

    json_object_put_string(error, "code", "policy");
    json_object_put_string(error, "reason", "policy forbids it");
    reply_error(end, method, error);
}

void
world_reply_not_owner(struct world_end *end, const char *owner, int epoch)
{
    struct json *error = json_object_create();

    json_object_put_string(error, "code", "not-owner");
    json_object_put_string(error, "reason", "not at that epoch");
    json_object_put_string(error, "owner", owner);
    json_object_put(error, "epoch", json_integer_create(epoch));
    reply_error(end, "introduce", error);
}

void
world_frame(struct world_end *from, struct world_end *to,
            enum peer_frame_type type, const void *body, size_t len)
{
    struct peer_frame frame = { .type = type,
                                .transfer = world_transfer,
                                .from = xstrdup(from->name),
                                .body = xmalloc(len + 1),
                                .len = len };

    if (len) {
        memcpy(frame.body, body, len);
    }
    frame.body[len] = 0;
    cur = to;
    handover_handle_frame(&to->agent, &frame);
    peer_frame_uninit(&frame);
}

void
world_frames(struct world_end *from, struct world_end *to)
{
    size_t n = from->n_frames;

    for (size_t i = 0; i < n; i++) {
        world_frame(from, to, from->frames[i].type, from->frames[i].body,
                    from->frames[i].len);
    }
    for (size_t i = 0; i < n; i++) {
        free(from->frames[i].body);
    }
    memmove(from->frames, &from->frames[n],
            (from->n_frames - n) * sizeof from->frames[0]);
    from->n_frames -= n;
}

void
world_app(struct world_end *end, enum app_message_type type)
{
    struct app_event event;

    memset(&event, 0, sizeof event);
    event.conn = (struct app_conn *) end;
    event.msg.type = type;
    session_id_to_bytes(&session_id, event.msg.session);
    cur = end;
    app_requests_handle(&end->agent, &event);
}

void
world_app_closes(struct world_end *end)
{
    cur = end;
    app_requests_conn_closed(&end->agent, (struct app_conn *) end);
}

size_t
world_sent(const struct world_end *end, const char *method)
{
    size_t count = 0;

    for (size_t i = 0; i < end->n_sent; i++) {
        count += !strcmp(end->sent[i].method, method);
    }
    return count;
}

size_t
world_told(const struct world_end *end, enum app_message_type type)
{
    size_t count = 0;

    for (size_t i = 0; i < end->n_told; i++) {
        count += end->told[i].type == type;
    }
    return count;
}

struct handover *
world_handover(struct world_end *end)
{
    if (!ovs_list_is_empty(&end->agent.introducing)) {
        return CONTAINER_OF(ovs_list_front(&end->agent.introducing),
                            struct handover, list_node);
    }
    return (hmap_is_empty(&end->agent.handovers)
                ? NULL
                : CONTAINER_OF(hmap_first(&end->agent.handovers),
                               struct handover, node));
}
