/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "openflow-link.h"

#include <errno.h>
#include <string.h>

#include "byte-order.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vconn.h"
#include "openvswitch/vlog.h"
#include "reconnect.h"
#include "socket-util.h"
#include "stream-vconn.h"
#include "stream.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(openflow_link);

#define VERSIONS \
    (1u << OFP13_VERSION | 1u << OFP14_VERSION | 1u << OFP15_VERSION)

/* Backoff, in milliseconds. */
#define MIN_BACKOFF 200
#define MAX_BACKOFF 8000

struct openflow_link {
    struct reconnect *reconnect;
    char *target;        /* NULL: passive. */
    char *name;          /* For logs. */
    char *peer_id;       /* That the certificate must have, or NULL. */
    struct vconn *vconn; /* NULL: no connection. */
    bool connected;      /* 'vconn' has agreed on a version. */
    unsigned int seqno;
    char *error;
    ovs_be32 role_xid; /* Of the request to be master; 0: none. */
};

static struct openflow_link *
openflow_link_create(const char *name)
{
    struct openflow_link *link = xzalloc(sizeof *link);
    long long int now = time_msec();

    link->name = xstrdup(name);
    link->reconnect = reconnect_create(now);
    reconnect_set_name(link->reconnect, name);
    reconnect_set_backoff(link->reconnect, MIN_BACKOFF, MAX_BACKOFF);
    reconnect_enable(link->reconnect, now);
    return link;
}

struct openflow_link *
openflow_link_open(const char *target, const char *peer_id)
{
    struct openflow_link *link = openflow_link_create(target);

    link->target = xstrdup(target);
    link->peer_id = nullable_xstrdup(peer_id);
    return link;
}

struct openflow_link *
openflow_link_accept(struct stream *stream)
{
    struct openflow_link *link = openflow_link_create(stream_get_name(stream));

    reconnect_set_quiet(link->reconnect, true);
    reconnect_set_max_tries(link->reconnect, 0);
    reconnect_connecting(link->reconnect, time_msec());
    link->vconn = stream_vconn_create(stream, stream_connect(stream),
                                      VERSIONS);
    return link;
}

void
openflow_link_close(struct openflow_link *link)
{
    if (link) {
        vconn_close(link->vconn);
        reconnect_destroy(link->reconnect);
        free(link->target);
        free(link->name);
        free(link->peer_id);
        free(link->error);
        free(link);
    }
}

/* The connection is over, or did not come about.  'reason' may be NULL. */
static void
disconnected(struct openflow_link *link, int error, const char *reason)
{
    long long int now = time_msec();

    free(link->error);
    link->error = xstrdup(reason ? reason : ovs_retval_to_string(error));
    if (link->connected) {
        reconnect_disconnected(link->reconnect, now, error);
        link->seqno++;
    } else {
        reconnect_connect_failed(link->reconnect, now, error);
    }
    link->connected = false;
    vconn_close(link->vconn);
    link->vconn = NULL;
}

void
openflow_link_drop(struct openflow_link *link, const char *reason)
{
    if (link->vconn) {
        VLOG_WARN("%s: dropping the connection: %s", link->name, reason);
        disconnected(link, EPROTO, reason);
    }
}

static void
start_connecting(struct openflow_link *link)
{
    struct stream *stream;
    int error = stream_open_with_default_port(link->target, OFP_PORT, &stream,
                                              DSCP_DEFAULT);

    if (!error) {
        error = stream_connect(stream);
        if (error && error != EAGAIN) {
            stream_close(stream);
        }
    }
    if (error && error != EAGAIN) {
        disconnected(link, error, NULL);
    } else {
        reconnect_connecting(link->reconnect, time_msec());
        link->vconn = stream_vconn_create(stream, error, VERSIONS);
    }
}

/* Who is master. */

static uint64_t generation; /* 0: nobody asks. */
static bool refused;

void
openflow_link_set_generation(uint64_t generation_)
{
    generation = generation_;
}

bool
openflow_link_was_refused(void)
{
    bool was = refused;

    refused = false;
    return was;
}

static void
ask_to_be_master(struct openflow_link *link)
{
    struct ofp12_role_request *request;
    struct ofpbuf *msg;

    if (!generation) {
        return;
    }
    msg = ofpraw_alloc(OFPRAW_OFPT12_ROLE_REQUEST,
                       openflow_link_get_version(link), 0);
    request = ofpbuf_put_zeros(msg, sizeof *request);
    request->role = htonl(OFPCR12_ROLE_PRIMARY);
    request->generation_id = htonll(generation);
    link->role_xid = ((const struct ofp_header *) msg->data)->xid;
    openflow_link_send(link, msg);
}

/* Handles what a switch says of roles (true), or leaves it to the caller. */
static bool
handle_role(struct openflow_link *link, const struct ofp_header *oh,
            enum ofptype type)
{
    if (type == OFPTYPE_ERROR && link->role_xid && oh->xid == link->role_xid) {
        enum ofperr error = ofperr_decode_msg(oh, NULL);

        if (error == OFPERR_OFPRRFC_STALE) {
            refused = true;
            openflow_link_drop(link, "a later controller is its master");
        } else {
            VLOG_INFO("%s: no roles (%s)", link->name, ofperr_get_name(error));
        }
        return true;
    }
    return type == OFPTYPE_ROLE_REPLY || type == OFPTYPE_ROLE_STATUS;
}

/* Is the peer who it should be?  Says so if not. */
static bool
check_peer(struct openflow_link *link)
{
    const char *peer_id = stream_vconn_get_peer_id(link->vconn);

    if (!link->peer_id || !strncmp(link->name, "unix:", 5)
        || !strncmp(link->name, "tcp:", 4)) {
        return true;
    } else if (peer_id && !strcmp(peer_id, link->peer_id)) {
        return true;
    }

    char *reason = xasprintf("the peer's certificate names \"%s\", not "
                             "\"%s\"",
                             peer_id ? peer_id : "", link->peer_id);
    openflow_link_drop(link, reason);
    free(reason);
    return false;
}

static void
run_connection(struct openflow_link *link)
{
    vconn_run(link->vconn);
    if (link->connected) {
        return;
    }

    int error = vconn_connect(link->vconn);
    if (!error) {
        if (check_peer(link)) {
            reconnect_connected(link->reconnect, time_msec());
            link->connected = true;
            link->seqno++;
            ask_to_be_master(link);
        }
    } else if (error != EAGAIN) {
        disconnected(link, error, NULL);
    }
}

void
openflow_link_run(struct openflow_link *link)
{
    if (link->vconn) {
        run_connection(link);
    }

    switch (reconnect_run(link->reconnect, time_msec())) {
    case RECONNECT_CONNECT:
        if (link->target && !link->vconn) {
            start_connecting(link);
            if (link->vconn) {
                run_connection(link);
            }
        }
        break;

    case RECONNECT_DISCONNECT:
        if (link->vconn) {
            disconnected(link, ETIMEDOUT, NULL);
        }
        break;

    case RECONNECT_PROBE:
        openflow_link_send(link, ofputil_encode_echo_request(
                                     openflow_link_get_version(link)));
        openflow_link_flush(link);
        break;

    default: break;
    }
}

void
openflow_link_wait(struct openflow_link *link)
{
    if (link->vconn) {
        vconn_run_wait(link->vconn);
        if (link->connected) {
            vconn_recv_wait(link->vconn);
        }
    }
    reconnect_wait(link->reconnect, time_msec());
}

bool
openflow_link_is_alive(const struct openflow_link *link)
{
    return link->target || link->vconn;
}

bool
openflow_link_is_connected(const struct openflow_link *link)
{
    return link->connected;
}

unsigned int
openflow_link_get_seqno(const struct openflow_link *link)
{
    return link->seqno;
}

enum ofp_version
openflow_link_get_version(const struct openflow_link *link)
{
    return link->vconn ? vconn_get_version(link->vconn) : 0;
}

const char *
openflow_link_get_name(const struct openflow_link *link)
{
    return link->name;
}

const char *
openflow_link_get_peer_id(const struct openflow_link *link)
{
    return link->vconn ? stream_vconn_get_peer_id(link->vconn) : NULL;
}

const char *
openflow_link_get_error(const struct openflow_link *link)
{
    return link->error;
}

/* Handles an echo or a role (true), or leaves the message to the caller. */
static bool
handle_own(struct openflow_link *link, const struct ofp_header *oh)
{
    enum ofptype type;

    if (ofptype_decode(&type, oh)) {
        return false;
    }
    if (type == OFPTYPE_ECHO_REQUEST) {
        openflow_link_send(link, ofputil_encode_echo_reply(oh));
        openflow_link_flush(link);
        return true;
    }
    return type == OFPTYPE_ECHO_REPLY || handle_role(link, oh, type);
}

struct ofpbuf *
openflow_link_recv(struct openflow_link *link)
{
    while (link->connected) {
        struct ofpbuf *msg;
        int error = vconn_recv(link->vconn, &msg);

        if (error == EAGAIN) {
            reconnect_receive_attempted(link->reconnect, time_msec());
            break;
        } else if (error) {
            disconnected(link, error, NULL);
            break;
        }
        reconnect_activity(link->reconnect, time_msec());
        if (!handle_own(link, msg->data)) {
            return msg;
        }
        ofpbuf_delete(msg);
    }
    return NULL;
}

void
openflow_link_send(struct openflow_link *link, struct ofpbuf *msg)
{
    /* On an error vconn_recv() will give it as well. */
    if (!link->connected || vconn_send(link->vconn, msg)) {
        ofpbuf_delete(msg);
    }
}

void
openflow_link_flush(struct openflow_link *link)
{
    if (link->vconn) {
        stream_vconn_flush(link->vconn);
    }
}

size_t
openflow_link_get_backlog(const struct openflow_link *link)
{
    return link->vconn ? stream_vconn_get_backlog(link->vconn) : 0;
}
