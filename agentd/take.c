/* SPDX-License-Identifier: Apache-2.0 */

/* The target's half of a transfer.
 *
 *              expect (from the controller)
 *                   |
 *              EXPECTED ------ 30 s, unexpect ------> end
 *                   | offer --- refused by policy, application, memory --> end
 *             POSTPONED   (our own draining of this address must end)
 *                   | reserve: output closed, address and catchers in place
 *               WAITING ------ 5 s, unexpect -------> undo, end
 *                   | state: checked, restored, handed to the application
 *                 MUTED ------ 1 s, refused --------> discard, end
 *                   | ready
 *               CLAIMED ------ aborted(e+1) --------> discard, end
 *                   | owned(e+1)        (asks; no end of its own)
 *                 OWNED ------ drained, or 2 s -----> end: an ordinary session
 *
 * Until `owned' nothing with the session's source leaves: a routing rule
 * closes output of the address, which is bound on the loopback, where neither
 * ARP nor neighbour discovery speaks of it. */

#include <config.h>

#include "handover.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "agent.h"
#include "app-link.h"
#include "app-send.h"
#include "controller-link.h"
#include "events.h"
#include "identity.h"
#include "late-packets.h"
#include "link.h"
#include "message.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "service.h"
#include "socket-state.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(take);

/* Expectations and offers at once: what a controller gone mad costs us. */
#define MAX_EXPECTED 256
/* Milliseconds for which late packets are taken after `owned'. */
#define OWNED_TIMEOUT 2000
/* Milliseconds for which an offer waits for our own draining. */
#define POSTPONE_TIMEOUT 1500
/* Bytes for late datagrams in a socket's receive buffer. */
#define LATE_BUFFER (8 << 20)
/* Bytes of one transfer's state that this device takes. */
#define SIZE_MAX_ACCEPTED (UINT64_C(1) << 30)

static void take_reserve(struct handover *);

void
take_expect(struct agent *agent, const struct json *params)
{
    struct message m = MESSAGE_INITIALIZER(params);
    struct uuid transfer, session;
    struct in6_addr address;
    struct handover *h;

    message_get_uuid(&m, "transfer", &transfer);
    message_get_uuid(&m, "session", &session);
    message_get_address(&m, "address", &address);
    uint64_t epoch = message_get_integer(&m, "epoch", 0, UINT64_C(1) << 53);
    const char *from = message_get_name(&m, "from");
    const char *endpoint = message_get_string(&m, "endpoint", 128);
    const char *certificate = message_get_string(&m, "certificate", 16384);
    const char *name = message_get_string(&m, "name", APP_NAME_LEN - 1);
    const char *service = message_get_string(&m, "service", APP_NAME_LEN - 1);
    char *error = message_finish(&m);

    if (error) {
        VLOG_WARN("the controller's \"expect\" has the wrong form: %s", error);
        free(error);
        return;
    }
    if (handover_find(agent, &transfer)
        || hmap_count(&agent->handovers) >= MAX_EXPECTED
        || epoch < agent_highest_epoch(agent, &session)) {
        return;
    }
    h = handover_create(agent, TAKE_EXPECTED);
    h->transfer = transfer;
    h->session_id = session;
    h->address = address;
    h->epoch = epoch;
    h->other = xstrdup(from);
    h->other_certificate = xstrdup(certificate);
    h->endpoint = xstrdup(endpoint);
    ovs_strlcpy(h->name, name, sizeof h->name);
    ovs_strlcpy(h->service, service, sizeof h->service);
    hmap_insert(&agent->handovers, &h->node, uuid_hash(&transfer));
    agent_note_epoch(agent, &session, epoch);
    handover_set_state(h, TAKE_EXPECTED, HANDOVER_EXPECT_TIMEOUT);
}

/* Takes away what the reservation put in place.  What the tap and the
 * datagram sockets caught goes back to T, if it comes from there. */
static void
undo_reservation(struct handover *h)
{
    if (h->state < TAKE_WAITING) {
        return;
    }
    handover_collect(h);
    handover_relay_collected(h);
    address_del("lo", &h->address);
    address_open_output(&h->address);
}

static void
take_fail(struct handover *h, const char *reason)
{
    struct session *s = h->session;

    undo_reservation(h);
    events_add(h->agent, &h->session_id, h->uid, "did not come from %s: %s",
               h->other, reason);
    if (s) {
        for (size_t i = 0; i < s->n_sockets; i++) {
            socket_state_discard(s->sockets[i].fd, NULL);
        }
        app_send_session(h->conn, APP_GONE, s, NULL, NULL, ECANCELED, reason);
        s->handover = NULL;
        h->session = NULL;
        agent_drop_session(h->agent, s);
    }
    if (h->n_steps) {
        handover_report(h);
    }
    handover_destroy(h);
}

static void take_refuse(struct handover *h, const char *code,
                        const char *format, ...) OVS_PRINTF_FORMAT(3, 4);

static void
take_refuse(struct handover *h, const char *code, const char *format, ...)
{
    struct json *json = json_object_create();
    va_list args;
    char *reason;

    va_start(args, format);
    reason = xvasprintf(format, args);
    va_end(args);
    message_put_string(json, "msg", "refuse");
    message_put_string(json, "code", code);
    message_put_string(json, "reason", reason);
    handover_send_message(h, json);
    take_fail(h, reason);
    free(reason);
}

/* The offer. */

static bool
parse_sa_id(const char *s, uint64_t *id)
{
    unsigned long long int value;

    if (strlen(s) != 16 || !str_to_ullong(s, 16, &value)) {
        return false;
    }
    *id = value;
    return true;
}

static void
make_sockaddr(struct sockaddr_storage *ss, int family,
              const struct in6_addr *address, uint16_t port)
{
    memset(ss, 0, sizeof *ss);
    if (family == AF_INET) {
        struct sockaddr_in *sin = (struct sockaddr_in *) ss;

        sin->sin_family = AF_INET;
        sin->sin_addr.s_addr = in6_addr_get_mapped_ipv4(address);
        sin->sin_port = htons(port);
    } else {
        struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *) ss;

        sin6->sin6_family = AF_INET6;
        sin6->sin6_addr = *address;
        sin6->sin6_port = htons(port);
    }
}

struct offered_socket {
    struct sockaddr_storage local, peer;
};

/* Reads the datagram sockets of an offer, those that need a catcher. */
static char *
parse_sockets(const struct handover *h, const struct json_array *array,
              struct offered_socket *sockets, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < array->n; i++) {
        struct message m = MESSAGE_INITIALIZER(array->elems[i]);
        const char *kind = message_get_string(&m, "kind", 16);
        uint16_t port = message_get_integer(&m, "local_port", 1, 65535);
        int family = message_get_integer(&m, "family", 4, 6) == 4 ? AF_INET
                                                                  : AF_INET6;
        struct offered_socket *o = &sockets[*n];
        struct in6_addr peer;
        uint16_t peer_port = 0;

        if (family == AF_INET && !IN6_IS_ADDR_V4MAPPED(&h->address)) {
            free(message_finish(&m));
            return xstrdup("family and address disagree");
        }
        make_sockaddr(&o->local, family, &h->address, port);
        o->peer.ss_family = 0;
        if (message_get_optional_string(&m, "peer", INET6_ADDRSTRLEN)) {
            message_get_address(&m, "peer", &peer);
            peer_port = message_get_integer(&m, "peer_port", 0, 65535);
        }
        char *error = message_finish(&m);

        if (error) {
            return error;
        }
        if (peer_port) {
            if (family == AF_INET && !IN6_IS_ADDR_V4MAPPED(&peer)) {
                return xstrdup("family and peer disagree");
            }
            make_sockaddr(&o->peer, family, &peer, peer_port);
            if (!handoff_peer_is_acceptable(&o->peer, &h->address)) {
                return xstrdup("a socket has a peer that no session may have");
            }
        }
        *n += !strcmp(kind, "udp");
    }
    return NULL;
}

static char *
make_catchers(struct handover *h)
{
    h->sockets = xcalloc(h->n_offered + 1, sizeof *h->sockets);
    for (size_t i = 0; i < h->n_offered; i++) {
        struct session_socket *socket = &h->sockets[h->n_sockets];
        const struct offered_socket *o = &h->offered[i];
        char *error = NULL;

        if (socket_state_catcher(&o->local,
                                 o->peer.ss_family ? &o->peer : NULL,
                                 ADDRESS_MARK, &socket->fd, &error)) {
            return error;
        }
        socket->datagram = true;
        h->n_sockets++;
    }
    return NULL;
}

/* Does the service accept sessions here, and which application takes it? */
static bool
find_application(struct handover *h)
{
    char *reason = NULL;

    if (service_find_application(h->agent, h->service, h->other, &h->conn,
                                 &reason)) {
        h->uid = app_conn_uid(h->conn);
        return true;
    }
    take_refuse(h, "service", "%s", reason);
    free(reason);
    return false;
}

void
take_handle_offer(struct handover *h, const struct json *json)
{
    struct message m = MESSAGE_INITIALIZER(json);
    struct uuid session;
    struct in6_addr address;

    if (h->state != TAKE_EXPECTED) {
        return;
    }
    handover_step(h, "offer");
    message_get_uuid(&m, "session", &session);
    message_get_address(&m, "address", &address);
    uint64_t epoch = message_get_integer(&m, "epoch", 0, UINT64_C(1) << 53);
    const char *from = message_get_name(&m, "from");
    const char *service = message_get_string(&m, "service", APP_NAME_LEN - 1);
    bool sa_ok = parse_sa_id(message_get_string(&m, "sa_id", 16), &h->sa_id);

    message_get_bytes(&m, "key", h->point, sizeof h->point);
    h->size_max = message_get_integer(&m, "size_max", 0, UINT64_MAX);
    const struct json_array *sockets = message_get_array(&m, "sockets",
                                                         HANDOFF_SOCKETS_MAX);
    char *error = message_finish(&m);
    struct offered_socket *offered = xcalloc(sockets->n + 1, sizeof *offered);
    size_t n_offered = 0;

    if (!error) {
        error = parse_sockets(h, sockets, offered, &n_offered);
    }
    if (error || !sa_ok) {
        take_refuse(h, "form", "the offer has the wrong form: %s",
                    error ? error : "member \"sa_id\"");
    } else if (!uuid_equals(&session, &h->session_id)
               || !ipv6_addr_equals(&address, &h->address) || epoch != h->epoch
               || strcmp(from, h->other) || strcmp(service, h->service)) {
        take_refuse(h, "terms",
                    "the offer is not what the controller "
                    "announced");
    } else if (h->size_max > SIZE_MAX_ACCEPTED) {
        take_refuse(h, "memory", "%" PRIu64 " bytes of state are too many",
                    h->size_max);
    } else if (session_find(&h->agent->sessions, &h->session_id)) {
        take_refuse(h, "present", "the session is here already");
    } else if (find_application(h)) {
        h->offered = offered;
        h->n_offered = n_offered;
        offered = NULL;
        handover_set_state(h, TAKE_POSTPONED, POSTPONE_TIMEOUT);
        take_reserve(h);
    }
    free(offered);
    free(error);
}

static void
take_accept(struct handover *h)
{
    uint8_t text[15 + 16 + SEAL_HASH_LEN];
    uint8_t g_point[SEAL_POINT_LEN];
    struct json *json;
    struct ticket_terms terms;
    uint8_t *sig;
    size_t sig_len;

    h->keypair = seal_keypair_new(g_point);
    if (!seal_ecdh(h->keypair, h->point, h->secret)) {
        take_refuse(h, "form", "the offer's key is not a point of the curve");
        return;
    }
    handover_get_terms(h, &terms);
    ticket_bind(&terms, h->point, g_point, h->x);
    memcpy(text, "baton accept v1", 15);
    session_id_to_bytes(&h->transfer, text + 15);
    memcpy(text + 31, h->x, SEAL_HASH_LEN);
    sig = identity_sign(h->agent->identity, text, sizeof text, &sig_len);

    json = json_object_create();
    message_put_string(json, "msg", "accept");
    message_put_bytes(json, "key", g_point, sizeof g_point);
    message_put_bytes(json, "signature", sig, sig_len);
    free(sig);
    handover_send_message(h, json);
    handover_step(h, "accepted");
    handover_set_state(h, TAKE_WAITING, HANDOVER_STATE_TIMEOUT);
}

/* Puts everything in place that catches what will come. */
static void
take_reserve(struct handover *h)
{
    struct handover *draining = handover_find_draining(h->agent, &h->address);
    char *error = NULL;
    int retval;

    if (draining) {
        if (time_msec() < draining->last_late + HANDOVER_QUIET) {
            return;
        }
        give_finish_draining(draining);
    }
    if (address_is_local(&h->address)) {
        take_refuse(h, "address", "the address is in use on this device");
        return;
    }

    handover_set_state(h, TAKE_WAITING, HANDOVER_STATE_TIMEOUT);
    handover_catch(h);
    retval = address_close_output(&h->address);
    if (!retval) {
        retval = address_add("lo", &h->address);
    }
    if (retval) {
        error = xasprintf("cannot reserve the address: %s",
                          ovs_strerror(retval));
    } else {
        error = make_catchers(h);
    }
    if (error) {
        take_refuse(h, "resources", "%s", error);
        free(error);
    } else {
        take_accept(h);
    }
}

/* The state. */

static bool
sockaddr_equals(const struct sockaddr_storage *a,
                const struct sockaddr_storage *b)
{
    if (a->ss_family != b->ss_family) {
        return false;
    } else if (a->ss_family == AF_INET) {
        const struct sockaddr_in *a4 = (const struct sockaddr_in *) a;
        const struct sockaddr_in *b4 = (const struct sockaddr_in *) b;

        return (a4->sin_port == b4->sin_port
                && a4->sin_addr.s_addr == b4->sin_addr.s_addr);
    } else if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *) a;
        const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *) b;

        return (a6->sin6_port == b6->sin6_port
                && ipv6_addr_equals(&a6->sin6_addr, &b6->sin6_addr));
    }
    return true;
}

/* Takes the catcher out of 'h' that stands where 'state' says; -1: none. */
static int
take_catcher(struct handover *h, const struct socket_state_info *info)
{
    for (size_t i = 0; i < h->n_sockets; i++) {
        struct sockaddr_storage local, peer;
        socklen_t len = sizeof local;
        int fd = h->sockets[i].fd;

        memset(&peer, 0, sizeof peer);
        if (getsockname(fd, (struct sockaddr *) &local, &len)) {
            continue;
        }
        len = sizeof peer;
        if (getpeername(fd, (struct sockaddr *) &peer, &len)) {
            peer.ss_family = 0;
        }
        if (sockaddr_equals(&local, &info->local)
            && sockaddr_equals(&peer, &info->peer)) {
            h->sockets[i] = h->sockets[--h->n_sockets];
            return fd;
        }
    }
    return -1;
}

/* Makes room for late datagrams, which come all at once.  The kernel's value
 * is twice what was asked for, socket(7). */
static void
enlarge_buffer(struct session_socket *socket)
{
    int size = LATE_BUFFER;
    socklen_t len = sizeof socket->rcvbuf;

    if (!getsockopt(socket->fd, SOL_SOCKET, SO_RCVBUF, &socket->rcvbuf, &len)
        && socket->rcvbuf / 2 < size) {
        socket->rcvbuf /= 2;
        setsockopt(socket->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    } else {
        socket->rcvbuf = 0;
    }
}

static void
restore_buffers(struct session *s)
{
    for (size_t i = 0; i < s->n_sockets; i++) {
        struct session_socket *socket = &s->sockets[i];

        if (socket->rcvbuf) {
            setsockopt(socket->fd, SOL_SOCKET, SO_RCVBUFFORCE, &socket->rcvbuf,
                       sizeof socket->rcvbuf);
            socket->rcvbuf = 0;
        }
    }
}

static char *
restore_sockets(struct handover *h)
{
    struct session *s = h->session;

    s->sockets = xcalloc(h->handoff.n_sockets + 1, sizeof *s->sockets);
    s->allocated_sockets = h->handoff.n_sockets;
    for (size_t i = 0; i < h->handoff.n_sockets; i++) {
        struct session_socket *socket = &s->sockets[s->n_sockets];
        const struct socket_state *state = h->handoff.sockets[i];
        socklen_t len = sizeof socket->cookie;
        struct socket_state_info info;
        char *error = NULL;
        int use_fd = -1;

        socket_state_get_info(state, &info);
        if (info.kind == SOCKET_STATE_UDP) {
            use_fd = take_catcher(h, &info);
        }
        if (socket_state_restore(state, use_fd, ADDRESS_MARK, &socket->fd,
                                 &error)) {
            if (use_fd >= 0) {
                close(use_fd);
            }
            return error;
        }
        socket->datagram = info.kind == SOCKET_STATE_UDP;
        if (socket->datagram) {
            enlarge_buffer(socket);
        }
        getsockopt(socket->fd, SOL_SOCKET, SO_COOKIE, &socket->cookie, &len);
        s->n_sockets++;
    }
    return NULL;
}

static struct session *
make_session(struct handover *h)
{
    struct session *s = session_create(&h->agent->sessions, &h->session_id,
                                       &h->address, h->epoch);

    ovs_strlcpy(s->name, h->name, sizeof s->name);
    ovs_strlcpy(s->service, h->service, sizeof s->service);
    ovs_strlcpy(s->ifname, "lo", sizeof s->ifname);
    s->conn = h->conn;
    s->uid = h->uid;
    s->handover = h;
    return s;
}

/* The whole state is here: restores it, and shows it to the application. */
static void
take_state(struct handover *h, const uint8_t *bytes, size_t n)
{
    struct note note;
    char *error = NULL;
    int state_fd = -1;

    handover_step(h, "state");
    if (!handoff_decode(bytes, n, &h->handoff, &error)) {
        error = handoff_check(&h->handoff, &h->address);
    }
    if (!error && session_find(&h->agent->sessions, &h->session_id)) {
        error = xstrdup("the session is here already");
    }
    if (!error) {
        h->session = make_session(h);
        error = restore_sockets(h);
    }
    if (!error && h->handoff.app_len) {
        state_fd = handoff_state_to_fd(&h->handoff);
        if (state_fd < 0) {
            error = xasprintf("cannot pass on the application's state: %s",
                              ovs_strerror(-state_fd));
        }
    }
    if (error) {
        VLOG_WARN("transfer " UUID_FMT " from %s: %s", UUID_ARGS(&h->transfer),
                  h->other, error);
        handover_send_controller(h, "decline", error);
        take_fail(h, error);
        free(error);
        return;
    }
    memcpy(h->ticket_hash, h->handoff.ticket_hash, sizeof h->ticket_hash);
    handover_step(h, "restored");
    handover_set_state(h, TAKE_MUTED, HANDOVER_READY_TIMEOUT);
    handover_get_note(h, NOTE_TAKING, h->epoch, &note);
    app_send_arrived(h->conn, h->session, &note, h->agent->note_key, state_fd);
    if (state_fd >= 0) {
        close(state_fd);
    }
}

static void
take_handle_chunk(struct handover *h, const struct peer_frame *frame)
{
    const uint8_t *state;
    size_t n;

    if (!h->opener
        || !state_opener_chunk(h->opener, frame->body, frame->len)) {
        handover_send_controller(h, "decline", "the state does not open");
        take_fail(h, "the state does not open");
        return;
    }
    state = state_opener_finish(h->opener, &n);
    if (state) {
        take_state(h, state, n);
    }
}

static void
take_handle_late(struct handover *h, const struct peer_frame *frame)
{
    if (!packet_queue_from_frame(&h->packets, frame->body, frame->len,
                                 &h->address)) {
        VLOG_WARN("device %s sent late packets of the wrong form",
                  frame->from);
    }
    if (h->state == TAKE_OWNED) {
        handover_deliver(h);
    }
}

void
take_handle_frame(struct handover *h, const struct peer_frame *frame)
{
    if (h->state < TAKE_WAITING) {
        return;
    }
    switch (frame->type) {
    case PEER_WRAPPED_KEY:
        if (h->state == TAKE_WAITING && !h->opener
            && frame->len == STATE_WRAP_LEN) {
            h->opener = state_opener_new(h->secret, &h->transfer, h->x,
                                         frame->body, h->size_max,
                                         h->session_key);
        }
        break;
    case PEER_STATE_CHUNK:
        if (h->state == TAKE_WAITING) {
            take_handle_chunk(h, frame);
        }
        break;
    case PEER_LATE_PACKETS: take_handle_late(h, frame); break;
    case PEER_DRAINED:
        if (h->state == TAKE_OWNED) {
            h->deadline = time_msec();
        }
        break;
    case PEER_MESSAGE:
    default: break;
    }
}

/* Claim. */

void
take_handle_ready(struct handover *h)
{
    struct controller_link *controller = h->agent->controller;
    struct json *params = json_object_create();
    uint8_t proof[SEAL_HASH_LEN];
    struct ticket_terms terms;

    handover_step(h, "ready");
    handover_get_terms(h, &terms);
    ticket_proof(&terms, h->session_key, h->ticket_hash,
                 controller_link_get_nonce(controller), CLAIM_NONCE_LEN,
                 proof);
    seal_wipe(h->session_key, sizeof h->session_key);
    message_put_uuid(params, "transfer", &h->transfer);
    message_put_bytes(params, "proof", proof, sizeof proof);
    handover_set_state(h, TAKE_CLAIMED, -1);
    link_notify(controller_link_get(controller), "claim", params);
    handover_step(h, "claim");
    handover_start_asking(h);
}

void
take_handle_refuse(struct handover *h, const char *reason)
{
    char *why = xasprintf("the application refused: %s", reason);

    handover_send_controller(h, "decline", why);
    take_fail(h, why);
    free(why);
}

void
take_unexpect(struct handover *h, const char *reason)
{
    /* After `claim' only a decision ends it. */
    if (h->state < TAKE_CLAIMED) {
        take_fail(h, reason);
    }
}

/* The decision. */

static void
take_owned(struct handover *h, uint64_t epoch)
{
    struct session *s = h->session;
    struct packet_queue own;
    struct note note;

    handover_step(h, "owned");
    handover_stop_asking(h);
    s->epoch = epoch;

    /* Datagrams that reached our sockets came after those that T relayed:
     * they wait behind them. */
    own = h->packets;
    packet_queue_init(&h->packets);
    {
        struct session_socket *sockets = h->sockets;
        size_t n_sockets = h->n_sockets;

        h->sockets = s->sockets;
        h->n_sockets = s->n_sockets;
        handover_collect(h);
        h->sockets = sockets;
        h->n_sockets = n_sockets;
    }
    for (size_t i = 0; i < h->packets.n; i++) {
        packet_queue_take(&own, h->packets.items[i].data,
                          h->packets.items[i].size);
    }
    own.dropped += h->packets.dropped;
    h->packets.n = h->packets.bytes = 0;
    packet_queue_uninit(&h->packets);
    h->packets = own;

    address_open_output(&h->address);
    for (size_t i = 0; i < s->n_sockets; i++) {
        const struct socket_state *state = i < h->handoff.n_sockets
                                               ? h->handoff.sockets[i]
                                               : NULL;
        char *error = NULL;

        if (socket_state_unmute(s->sockets[i].fd, state, &error)) {
            VLOG_ERR("session " UUID_FMT ": %s", UUID_ARGS(&s->id), error);
            free(error);
        }
    }
    handover_step(h, "unmuted");
    handover_get_note(h, NOTE_OWNER, epoch, &note);
    app_send_session(s->conn, APP_OWNED, s, &note, h->agent->note_key, 0,
                     NULL);
    handover_deliver(h);
    handover_step(h, "delivered");

    events_add(h->agent, &s->id, s->uid, "came from %s, epoch %" PRIu64,
               h->other, epoch);
    handover_report(h);
    late_packets_release(h->catch);
    h->catch = NULL;
    handoff_uninit(&h->handoff);
    handover_close_sockets(h);
    s->handover = NULL;
    h->session = NULL;
    handover_set_state(h, TAKE_OWNED, OWNED_TIMEOUT);
    agent_announce(h->agent, s);
    if (!s->conn) {
        agent_end_session(h->agent, s);
    }
}

/* The session is an ordinary one now: its address goes where the others
 * are. */
static void
take_finish(struct handover *h)
{
    const char *ifname = controller_link_get_ifname(h->agent->controller);
    struct session *s = session_find(&h->agent->sessions, &h->session_id);

    if (s) {
        restore_buffers(s);
    }
    if (s && !strcmp(s->ifname, "lo") && ifname[0]
        && !address_add(ifname, &h->address)) {
        address_del("lo", &h->address);
        ovs_strlcpy(s->ifname, ifname, sizeof s->ifname);
    }
    handover_destroy(h);
}

void
take_finish_session(struct agent *agent, const struct uuid *session)
{
    struct handover *h;

    HMAP_FOR_EACH_SAFE (h, node, &agent->handovers) {
        if (h->state == TAKE_OWNED && uuid_equals(&h->session_id, session)) {
            take_finish(h);
        }
    }
}

void
take_decided(struct handover *h, enum handover_outcome outcome, uint64_t epoch,
             const char *reason)
{
    if (h->state == TAKE_OWNED) {
        return;
    } else if (outcome == HANDOVER_OWNED && h->state == TAKE_CLAIMED) {
        take_owned(h, epoch);
    } else if (outcome == HANDOVER_ABORTED) {
        take_fail(h, reason ? reason : "aborted");
    } else {
        VLOG_WARN("transfer " UUID_FMT ": unexpected decision",
                  UUID_ARGS(&h->transfer));
    }
}

void
take_adopt(struct handover *h)
{
    address_close_output(&h->address);
    address_add("lo", &h->address);
    ovs_strlcpy(h->session->ifname, "lo", sizeof h->session->ifname);
    handover_catch(h);
    handover_set_state(h, TAKE_CLAIMED, -1);
}

void
take_run(struct handover *h)
{
    if (h->state == TAKE_POSTPONED && time_msec() < h->deadline) {
        take_reserve(h);
        return;
    }
    if (time_msec() < h->deadline) {
        return;
    }
    if (h->state == TAKE_OWNED) {
        take_finish(h);
    } else if (h->state == TAKE_EXPECTED) {
        handover_destroy(h);
    } else if (h->state == TAKE_POSTPONED) {
        take_refuse(h, "draining", "late packets of this address still come");
    } else {
        const char *reason = h->state == TAKE_MUTED
                                 ? "the application did not get ready"
                                 : "the state did not come";

        handover_send_controller(h, "decline", reason);
        take_fail(h, reason);
    }
}
