/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "stream-vconn.h"

#include <errno.h>
#include <string.h>

#include "openflow/openflow-common.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "stream.h"
#include "util.h"
#include "vconn-provider.h"

VLOG_DEFINE_THIS_MODULE(stream_vconn);

/* How much is read at once. */
#define RX_CHUNK 65536

struct stream_vconn {
    struct vconn vconn;
    struct stream *stream;
    struct ofpbuf rx; /* Received and not yet parsed. */
    struct ofpbuf tx; /* Gathered and not yet written. */
    int tx_error;     /* Of the last write; 0: none. */
};

static const struct vconn_class stream_vconn_class;

static struct stream_vconn *
stream_vconn_cast(const struct vconn *vconn)
{
    vconn_assert_class(vconn, &stream_vconn_class);
    return CONTAINER_OF(CONST_CAST(struct vconn *, vconn), struct stream_vconn,
                        vconn);
}

struct vconn *
stream_vconn_create(struct stream *stream, int connect_status,
                    uint32_t allowed_versions)
{
    struct stream_vconn *s = xmalloc(sizeof *s);

    vconn_init(&s->vconn, &stream_vconn_class, connect_status,
               stream_get_name(stream), allowed_versions);
    s->stream = stream;
    ofpbuf_init(&s->rx, 0);
    ofpbuf_init(&s->tx, 0);
    s->tx_error = 0;
    return &s->vconn;
}

const char *
stream_vconn_get_peer_id(const struct vconn *vconn)
{
    return stream_get_peer_id(stream_vconn_cast(vconn)->stream);
}

size_t
stream_vconn_get_backlog(const struct vconn *vconn)
{
    return stream_vconn_cast(vconn)->tx.size;
}

void
stream_vconn_flush(struct vconn *vconn)
{
    struct stream_vconn *s = stream_vconn_cast(vconn);

    while (s->tx.size && !s->tx_error) {
        int retval = stream_send(s->stream, s->tx.data, s->tx.size);
        if (retval > 0) {
            ofpbuf_pull(&s->tx, retval);
        } else if (retval == -EAGAIN) {
            return;
        } else {
            s->tx_error = retval ? -retval : EPIPE;
        }
    }
    ofpbuf_clear(&s->tx);
}

static void
stream_vconn_close(struct vconn *vconn)
{
    struct stream_vconn *s = stream_vconn_cast(vconn);

    stream_close(s->stream);
    ofpbuf_uninit(&s->rx);
    ofpbuf_uninit(&s->tx);
    free(s);
}

static int
stream_vconn_connect(struct vconn *vconn)
{
    return stream_connect(stream_vconn_cast(vconn)->stream);
}

/* Moves what is left in a buffer that was read from to its start, if that is
 * worth it. */
static void
reclaim_headroom(struct ofpbuf *b)
{
    if (ofpbuf_headroom(b) > b->size) {
        ofpbuf_shift(b, -(int) ofpbuf_headroom(b));
    }
}

/* Reads the length of the message that 'rx' begins with, which need not be
 * aligned.  0: its header is not there yet. */
static size_t
message_length(const struct stream_vconn *s)
{
    struct ofp_header oh;

    if (s->rx.size < sizeof oh) {
        return 0;
    }
    memcpy(&oh, s->rx.data, sizeof oh);
    return MAX(ntohs(oh.length), 1);
}

/* If 'rx' begins with a whole message, stores it and returns 0. */
static int
pull_message(struct stream_vconn *s, struct ofpbuf **msgp)
{
    size_t length = message_length(s);

    if (!length) {
        return EAGAIN;
    } else if (length < sizeof(struct ofp_header)) {
        VLOG_WARN("%s: OpenFlow message of %" PRIuSIZE " bytes, less than its "
                  "header",
                  vconn_get_name(&s->vconn), length);
        return EPROTO;
    } else if (s->rx.size < length) {
        return EAGAIN;
    }
    *msgp = ofpbuf_clone_data(s->rx.data, length);
    ofpbuf_pull(&s->rx, length);
    return 0;
}

static int
stream_vconn_recv(struct vconn *vconn, struct ofpbuf **msgp)
{
    struct stream_vconn *s = stream_vconn_cast(vconn);

    for (;;) {
        int error = pull_message(s, msgp);
        if (error != EAGAIN) {
            return error;
        } else if (s->tx_error) {
            return s->tx_error;
        }

        reclaim_headroom(&s->rx);
        ofpbuf_prealloc_tailroom(&s->rx, RX_CHUNK);
        int retval = stream_recv(s->stream, ofpbuf_tail(&s->rx), RX_CHUNK);
        if (retval <= 0) {
            return retval ? -retval : s->rx.size ? EPROTO : EOF;
        }
        s->rx.size += retval;
    }
}

static int
stream_vconn_send(struct vconn *vconn, struct ofpbuf *msg)
{
    struct stream_vconn *s = stream_vconn_cast(vconn);

    if (s->tx_error) {
        return s->tx_error;
    }
    reclaim_headroom(&s->tx);
    ofpbuf_put(&s->tx, msg->data, msg->size);
    ofpbuf_delete(msg);
    return 0;
}

static void
stream_vconn_run(struct vconn *vconn)
{
    stream_run(stream_vconn_cast(vconn)->stream);
    stream_vconn_flush(vconn);
}

static void
stream_vconn_run_wait(struct vconn *vconn)
{
    struct stream_vconn *s = stream_vconn_cast(vconn);

    stream_run_wait(s->stream);
    if (s->tx.size) {
        stream_send_wait(s->stream);
    }
}

static bool
holds_whole_message(const struct stream_vconn *s)
{
    size_t length = message_length(s);

    return length && s->rx.size >= length;
}

static void
stream_vconn_wait(struct vconn *vconn, enum vconn_wait_type wait)
{
    struct stream_vconn *s = stream_vconn_cast(vconn);

    switch (wait) {
    case WAIT_CONNECT: stream_connect_wait(s->stream); break;

    case WAIT_SEND:
        /* It takes everything at any time. */
        poll_immediate_wake();
        break;

    case WAIT_RECV:
        if (s->tx_error || holds_whole_message(s)) {
            poll_immediate_wake();
        } else {
            stream_recv_wait(s->stream);
        }
        break;

    default: OVS_NOT_REACHED();
    }
}

static const struct vconn_class stream_vconn_class = {
    "stream",           NULL, /* Made by stream_vconn_create() only. */
    stream_vconn_close, stream_vconn_connect,
    stream_vconn_recv,  stream_vconn_send,
    stream_vconn_run,   stream_vconn_run_wait,
    stream_vconn_wait,
};
