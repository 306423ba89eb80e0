/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "peer-link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "acceptor.h"
#include "byte-order.h"
#include "message.h"
#include "openvswitch/list.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "stream.h"
#include "timeval.h"
#include "unaligned.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(peer_link);

#define ROLE "device/"
/* Milliseconds for connection and handshake. */
#define CONNECT_TIMEOUT 2000
/* Milliseconds after which an unused connection is closed. */
#define IDLE_TIMEOUT 300000
/* Connections at once, all and with one device, and bytes waiting to be sent
 * on one of them. */
#define MAX_PEERS 256
#define MAX_PEERS_PER_DEVICE 4
#define MAX_BACKLOG (64u << 20)
/* Bytes of frames that are written at once. */
#define MAX_WRITE (128u << 10)
/* Frames, and about how many bytes, that are taken from one peer each time
 * around the loop. */
#define MAX_FRAMES_PER_RUN 256
#define MAX_BYTES_PER_RUN (4u << 20)

struct peer {
    struct ovs_list node;   /* In peers->list. */
    struct stream *stream;  /* NULL once dead. */
    char *device;           /* NULL until known (accepted peers). */
    bool connected;         /* Handshake done and name checked. */
    bool active;            /* We connected. */
    long long int deadline; /* Handshake, or idleness. */
    char *error;

    uint8_t header[PEER_HEADER_LEN];
    uint8_t *body; /* Being received, once the header is here. */
    size_t have;   /* Bytes received, header and body. */

    struct ovs_list output; /* Of struct ofpbuf. */
    size_t backlog;
};

static struct vlog_rate_limit refused_rl = VLOG_RATE_LIMIT_INIT(6, 6);

struct queued_frame {
    struct ovs_list node;
    struct peer_frame frame;
};

struct peers {
    struct pstream *listener;
    struct acceptor acceptor;
    struct ovs_list list; /* Of struct peer. */
    size_t n;
    struct ovs_list input; /* Of struct queued_frame. */
};

void
peer_frame_uninit(struct peer_frame *frame)
{
    free(frame->from);
    free(frame->body);
}

static bool
frame_type_is_valid(uint8_t type)
{
    return type >= PEER_MESSAGE && type <= PEER_DRAINED;
}

static void
put_header(uint8_t header[PEER_HEADER_LEN], enum peer_frame_type type,
           const struct uuid *transfer, size_t len)
{
    put_unaligned_be32((ovs_be32 *) header, htonl(PEER_HEADER_LEN - 4 + len));
    header[4] = type;
    for (int i = 0; i < 4; i++) {
        put_unaligned_be32((ovs_be32 *) (header + 5 + 4 * i),
                           htonl(transfer->parts[i]));
    }
}

static void
get_transfer(const uint8_t header[PEER_HEADER_LEN], struct uuid *transfer)
{
    for (int i = 0; i < 4; i++) {
        const ovs_be32 *p = (const ovs_be32 *) (header + 5 + 4 * i);

        transfer->parts[i] = ntohl(get_unaligned_be32(p));
    }
}

uint8_t *
peer_frame_compose(enum peer_frame_type type, const struct uuid *transfer,
                   const void *body, size_t len, size_t *n)
{
    uint8_t *bytes = xmalloc(PEER_HEADER_LEN + len);

    put_header(bytes, type, transfer, len);
    if (len) {
        memcpy(bytes + PEER_HEADER_LEN, body, len);
    }
    *n = PEER_HEADER_LEN + len;
    return bytes;
}

bool
peer_frame_parse(const void *bytes_, size_t n, const char *from,
                 struct peer_frame *frame)
{
    const uint8_t *bytes = bytes_;

    if (n < PEER_HEADER_LEN || n - 4 > PEER_FRAME_MAX
        || ntohl(get_unaligned_be32((const ovs_be32 *) bytes)) != n - 4
        || !frame_type_is_valid(bytes[4])) {
        return false;
    }
    frame->type = bytes[4];
    get_transfer(bytes, &frame->transfer);
    frame->from = xstrdup(from);
    frame->len = n - PEER_HEADER_LEN;
    frame->body = xmalloc(frame->len + 1);
    memcpy(frame->body, bytes + PEER_HEADER_LEN, frame->len);
    frame->body[frame->len] = 0;
    return true;
}

static struct peer *
peer_create(struct peers *peers, struct stream *stream, const char *device,
            bool active)
{
    struct peer *peer = xzalloc(sizeof *peer);

    peer->stream = stream;
    peer->device = nullable_xstrdup(device);
    peer->active = active;
    peer->deadline = time_msec() + CONNECT_TIMEOUT;
    ovs_list_init(&peer->output);
    ovs_list_push_back(&peers->list, &peer->node);
    peers->n++;
    return peer;
}

/* Closes the connection; the struct stays until peers_run() frees it, or for
 * an active one until it is connected anew, so that its error can be asked. */
static void
peer_fail(struct peer *peer, const char *reason)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(6, 6);
    struct ofpbuf *b;

    if (!peer->stream) {
        return;
    }
    VLOG_INFO_RL(&rl, "%s: connection with %s ended: %s",
                 stream_get_name(peer->stream),
                 peer->device ? peer->device : "unknown device", reason);
    stream_close(peer->stream);
    peer->stream = NULL;
    peer->connected = false;
    peer->error = xstrdup(reason);
    peer->deadline = time_msec() + IDLE_TIMEOUT;
    LIST_FOR_EACH_POP(b, list_node, &peer->output) {
        ofpbuf_delete(b);
    }
    peer->backlog = 0;
    free(peer->body);
    peer->body = NULL;
    peer->have = 0;
}

static void
peer_destroy(struct peers *peers, struct peer *peer)
{
    peer_fail(peer, "closed");
    ovs_list_remove(&peer->node);
    peers->n--;
    free(peer->device);
    free(peer->error);
    free(peer);
}

int
peers_open(const char *target, struct peers **peersp)
{
    struct pstream *listener;
    int error = pstream_open(target, &listener, DSCP_DEFAULT);

    *peersp = NULL;
    if (error) {
        VLOG_ERR("%s: cannot listen for other devices: %s", target,
                 ovs_strerror(error));
        return error;
    }
    *peersp = xzalloc(sizeof **peersp);
    (*peersp)->listener = listener;
    ovs_list_init(&(*peersp)->list);
    ovs_list_init(&(*peersp)->input);
    return 0;
}

int
peers_listen(struct peers *peers, const char *target)
{
    struct pstream *listener;
    int error = pstream_open(target, &listener, DSCP_DEFAULT);

    if (!error) {
        pstream_close(peers->listener);
        peers->listener = listener;
    }
    return error;
}

void
peers_close(struct peers *peers)
{
    struct queued_frame *q;
    struct peer *peer;

    if (!peers) {
        return;
    }
    LIST_FOR_EACH_SAFE(peer, node, &peers->list) {
        peer_destroy(peers, peer);
    }
    LIST_FOR_EACH_POP(q, node, &peers->input) {
        peer_frame_uninit(&q->frame);
        free(q);
    }
    pstream_close(peers->listener);
    free(peers);
}

char *
peers_get_endpoint(const struct peers *peers)
{
    /* "pssl:PORT:HOST" or "pssl:PORT:[HOST]" without brackets' loss. */
    const char *name = pstream_get_name(peers->listener);
    const char *host = strchr(name, ':');

    host = host ? strchr(host + 1, ':') : NULL;
    return xasprintf("ssl:%s:%u", host ? host + 1 : "127.0.0.1",
                     ntohs(pstream_get_bound_port(peers->listener)));
}

/* Makes room for another connection: who has shown no certificate yet gives
 * way to who comes later, the longest waiting first. */
static bool
make_room(struct peers *peers)
{
    struct peer *peer;

    if (peers->n < MAX_PEERS) {
        return true;
    }
    LIST_FOR_EACH(peer, node, &peers->list) {
        if (!peer->active && !peer->connected) {
            peer_destroy(peers, peer);
            return true;
        }
    }
    return false;
}

/* Of more connections with one device than it can need, the oldest ends. */
static void
limit_device(struct peers *peers, const char *device)
{
    struct peer *oldest = NULL;
    struct peer *peer;
    int n = 0;

    LIST_FOR_EACH(peer, node, &peers->list) {
        if (peer->connected && !strcmp(peer->device, device)) {
            oldest = oldest ? oldest : peer;
            n++;
        }
    }
    if (n > MAX_PEERS_PER_DEVICE) {
        peer_fail(oldest, "the device has newer ones");
    }
}

static void
peer_run_handshake(struct peers *peers, struct peer *peer)
{
    const char *id;
    int error;

    stream_run(peer->stream);
    error = stream_connect(peer->stream);
    if (error == EAGAIN) {
        if (time_msec() >= peer->deadline) {
            peer_fail(peer, "no answer");
        }
        return;
    } else if (error) {
        peer_fail(peer, ovs_retval_to_string(error));
        return;
    }

    id = stream_get_peer_id(peer->stream);
    if (!id || strncmp(id, ROLE, strlen(ROLE))
        || !message_name_is_valid(id + strlen(ROLE))
        || (peer->device && strcmp(peer->device, id + strlen(ROLE)))) {
        VLOG_WARN_RL(&refused_rl,
                     "%s: refused: its certificate names \"%s\", expected "
                     "\"device/%s\"",
                     stream_get_name(peer->stream), id ? id : "",
                     peer->device ? peer->device : "NAME");
        peer_fail(peer, "the peer's certificate names somebody else");
        return;
    }
    if (!peer->device) {
        peer->device = xstrdup(id + strlen(ROLE));
    }
    peer->connected = true;
    peer->deadline = time_msec() + IDLE_TIMEOUT;
    limit_device(peers, peer->device);
}

static void
peer_run_output(struct peer *peer)
{
    while (!ovs_list_is_empty(&peer->output)) {
        struct ofpbuf *b = ofpbuf_from_list(ovs_list_front(&peer->output));
        int n = stream_send(peer->stream, b->data, b->size);

        if (n >= 0) {
            peer->backlog -= n;
            ofpbuf_pull(b, n);
            if (!b->size) {
                ovs_list_remove(&b->list_node);
                ofpbuf_delete(b);
            }
        } else {
            if (n != -EAGAIN) {
                peer_fail(peer, ovs_strerror(-n));
            }
            return;
        }
    }
}

/* Receives up to one frame.  Returns 0, EAGAIN, or another error. */
static int
peer_receive(struct peer *peer, struct peer_frame *frame)
{
    for (;;) {
        uint8_t *p;
        size_t want;
        int n;

        if (peer->have < PEER_HEADER_LEN) {
            p = peer->header + peer->have;
            want = PEER_HEADER_LEN - peer->have;
        } else {
            size_t len = ntohl(get_unaligned_be32((ovs_be32 *) peer->header));

            if (len < PEER_HEADER_LEN - 4 || len > PEER_FRAME_MAX
                || !frame_type_is_valid(peer->header[4])) {
                return EPROTO;
            }
            len -= PEER_HEADER_LEN - 4;
            if (!peer->body) {
                peer->body = xmalloc(len + 1);
            }
            want = PEER_HEADER_LEN + len - peer->have;
            if (!want) {
                peer->body[len] = '\0';
                frame->type = peer->header[4];
                get_transfer(peer->header, &frame->transfer);
                frame->from = xstrdup(peer->device);
                frame->body = peer->body;
                frame->len = len;
                peer->body = NULL;
                peer->have = 0;
                return 0;
            }
            p = peer->body + (peer->have - PEER_HEADER_LEN);
        }
        n = stream_recv(peer->stream, p, want);
        if (n <= 0) {
            return n ? -n : EOF;
        }
        peer->have += n;
    }
}

static void
peer_run_input(struct peers *peers, struct peer *peer)
{
    size_t bytes = 0;

    for (int i = 0; i < MAX_FRAMES_PER_RUN && bytes < MAX_BYTES_PER_RUN; i++) {
        struct queued_frame *q = xmalloc(sizeof *q);
        int error = peer_receive(peer, &q->frame);

        if (error) {
            free(q);
            if (error != EAGAIN) {
                peer_fail(peer, ovs_retval_to_string(error));
            }
            return;
        }
        peer->deadline = time_msec() + IDLE_TIMEOUT;
        bytes += q->frame.len;
        ovs_list_push_back(&peers->input, &q->node);
    }
    poll_immediate_wake();
}

void
peers_run(struct peers *peers)
{
    struct stream *stream;
    struct peer *peer;

    while (!acceptor_accept(&peers->acceptor, peers->listener, &stream)) {
        if (!make_room(peers)) {
            VLOG_WARN_RL(&refused_rl, "%s: too many connections",
                         stream_get_name(stream));
            stream_close(stream);
            continue;
        }
        peer_create(peers, stream, NULL, false);
    }

    LIST_FOR_EACH_SAFE(peer, node, &peers->list) {
        if (peer->stream && !peer->connected) {
            peer_run_handshake(peers, peer);
        }
        if (peer->connected) {
            stream_run(peer->stream);
            peer_run_output(peer);
        }
        if (peer->connected) {
            peer_run_input(peers, peer);
        }
        if (peer->connected && time_msec() >= peer->deadline) {
            peer_fail(peer, "idle");
        }
        if (!peer->stream
            && (!peer->active || time_msec() >= peer->deadline)) {
            peer_destroy(peers, peer);
        }
    }
}

void
peers_wait(struct peers *peers)
{
    struct peer *peer;

    acceptor_wait(&peers->acceptor, peers->listener);
    if (!ovs_list_is_empty(&peers->input)) {
        poll_immediate_wake();
    }
    LIST_FOR_EACH(peer, node, &peers->list) {
        if (peer->connected) {
            stream_run_wait(peer->stream);
            stream_recv_wait(peer->stream);
            if (!ovs_list_is_empty(&peer->output)) {
                stream_send_wait(peer->stream);
            }
        } else if (peer->stream) {
            stream_run_wait(peer->stream);
            stream_connect_wait(peer->stream);
        }
        poll_timer_wait_until(peer->deadline);
    }
}

/* The best connection with 'device': one that is made, the newest of several
 * (who makes another has lost the older one, by a change of its address for
 * one thing), else one that is being made, else one that failed. */
static struct peer *
peers_find(const struct peers *peers, const char *device)
{
    struct peer *best = NULL;
    struct peer *peer;

    LIST_FOR_EACH(peer, node, &peers->list) {
        if (peer->device && !strcmp(peer->device, device)) {
            if (peer->connected || !best
                || (!best->connected && !best->stream)) {
                best = peer;
            }
        }
    }
    return best;
}

void
peers_connect(struct peers *peers, const char *device, const char *endpoint)
{
    struct peer *peer = peers_find(peers, device);
    struct stream *stream;
    int error;

    if (peer && peer->stream) {
        return;
    }
    if (peer) {
        peer_destroy(peers, peer);
    }
    /* The other device chose the endpoint: TLS, or nothing. */
    error = (!strncmp(endpoint, "ssl:", 4)
                 ? stream_open(endpoint, &stream, DSCP_DEFAULT)
                 : EAFNOSUPPORT);
    if (error) {
        stream = NULL;
    }
    peer = peer_create(peers, stream, device, true);
    if (error) {
        peer->error = xstrdup(ovs_strerror(error));
    }
}

void
peers_drop(struct peers *peers, const char *device, const char *reason)
{
    struct peer *peer;

    LIST_FOR_EACH(peer, node, &peers->list) {
        if (peer->connected && !strcmp(peer->device, device)) {
            peer_fail(peer, reason);
        }
    }
}

void
peers_drop_all(struct peers *peers, const char *reason)
{
    struct peer *peer;

    LIST_FOR_EACH(peer, node, &peers->list) {
        if (peer->stream) {
            peer_fail(peer, reason);
        }
    }
}

bool
peers_is_connected(const struct peers *peers, const char *device)
{
    const struct peer *peer = peers_find(peers, device);

    return peer && peer->connected;
}

const char *
peers_get_error(const struct peers *peers, const char *device)
{
    const struct peer *peer = peers_find(peers, device);

    return (!peer ? "no connection" : !peer->stream ? peer->error : NULL);
}

bool
peers_send(struct peers *peers, const char *device, enum peer_frame_type type,
           const struct uuid *transfer, const void *body, size_t len)
{
    struct peer *peer = peers_find(peers, device);
    struct ofpbuf *b;

    if (!peer || !peer->connected) {
        return false;
    }
    if (peer->backlog + len > MAX_BACKLOG) {
        peer_fail(peer, "too much is waiting to be sent");
        return false;
    }
    if (ovs_list_is_empty(&peer->output)) {
        b = ofpbuf_new(PEER_HEADER_LEN + len);
        ovs_list_push_back(&peer->output, &b->list_node);
    } else {
        b = ofpbuf_from_list(ovs_list_back(&peer->output));
        if (b->size + len > MAX_WRITE) {
            b = ofpbuf_new(PEER_HEADER_LEN + len);
            ovs_list_push_back(&peer->output, &b->list_node);
        }
    }
    put_header(ofpbuf_put_uninit(b, PEER_HEADER_LEN), type, transfer, len);
    if (len) {
        ofpbuf_put(b, body, len);
    }
    peer->backlog += PEER_HEADER_LEN + len;
    peer->deadline = time_msec() + IDLE_TIMEOUT;
    if (type != PEER_WRAPPED_KEY) {
        /* What it opens follows at once, in the same record. */
        peer_run_output(peer);
    }
    return peer->stream != NULL;
}

bool
peers_next(struct peers *peers, struct peer_frame *frame)
{
    if (!ovs_list_is_empty(&peers->input)) {
        struct queued_frame *q = CONTAINER_OF(
            ovs_list_pop_front(&peers->input), struct queued_frame, node);

        *frame = q->frame;
        free(q);
        return true;
    }
    return false;
}
