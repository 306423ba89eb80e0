/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bridge.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "acceptor.h"
#include "openflow-link.h"
#include "openvswitch/list.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-switch.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "stream.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(bridge_listener);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 60);

/* Connections that have not yet said whose they are: how many, how long. */
#define MAX_CANDIDATES 64
#define CANDIDATE_TIMEOUT 5000 /* ms */
/* Taken in one run. */
#define MAX_ACCEPTS 16

struct candidate {
    struct ovs_list list_node; /* In 'candidates'. */
    struct openflow_link *link;
    bool asked;             /* For its features. */
    long long int deadline; /* time_msec(). */
};

struct bridge_listener {
    struct pstream *pstream;
    struct acceptor acceptor;
    bool tls;
    struct ovs_list candidates; /* Of "struct candidate"s. */
    size_t n_candidates;
};

int
bridge_listener_open(const char *target, struct bridge_listener **listenerp)
{
    struct pstream *pstream;
    int error = pstream_open_with_default_port(target, OFP_PORT, &pstream,
                                               DSCP_DEFAULT);

    *listenerp = NULL;
    if (error) {
        return error;
    }

    struct bridge_listener *listener = xzalloc(sizeof *listener);
    listener->pstream = pstream;
    listener->tls = !strncmp(target, "pssl:", 5);
    ovs_list_init(&listener->candidates);
    *listenerp = listener;
    return 0;
}

static void
remove_candidate(struct bridge_listener *listener, struct candidate *c)
{
    ovs_list_remove(&c->list_node);
    listener->n_candidates--;
    openflow_link_close(c->link);
    free(c);
}

void
bridge_listener_close(struct bridge_listener *listener)
{
    struct candidate *c;

    if (listener) {
        LIST_FOR_EACH_SAFE(c, list_node, &listener->candidates) {
            remove_candidate(listener, c);
        }
        pstream_close(listener->pstream);
        free(listener);
    }
}

static void
accept_connections(struct bridge_listener *listener)
{
    for (int i = 0; i < MAX_ACCEPTS; i++) {
        struct stream *stream;

        int error = acceptor_accept(&listener->acceptor, listener->pstream,
                                    &stream);
        if (error) {
            if (error != EAGAIN) {
                VLOG_WARN_RL(&rl, "%s: accept failed: %s",
                             pstream_get_name(listener->pstream),
                             ovs_strerror(error));
            }
            return;
        }

        /* The oldest makes room, so that none can keep all others out. */
        if (listener->n_candidates >= MAX_CANDIDATES) {
            struct ovs_list *oldest = ovs_list_front(&listener->candidates);

            remove_candidate(
                listener, CONTAINER_OF(oldest, struct candidate, list_node));
        }

        struct candidate *c = xzalloc(sizeof *c);
        c->link = openflow_link_accept(stream);
        c->deadline = time_msec() + CANDIDATE_TIMEOUT;
        ovs_list_push_back(&listener->candidates, &c->list_node);
        listener->n_candidates++;
    }
}

/* Is the connection that of bridge 'name'?  Over TLS the certificate says. */
static bool
names_bridge(const struct bridge_listener *listener,
             const struct openflow_link *link, const char *name)
{
    const char *peer_id = openflow_link_get_peer_id(link);

    return !listener->tls
           || (peer_id && !strncmp(peer_id, "bridge/", 7)
               && !strcmp(peer_id + 7, name));
}

static struct bridge *
find_bridge(const struct bridge_listener *listener,
            const struct openflow_link *link, uint64_t datapath_id,
            struct bridge **bridges, size_t n_bridges)
{
    for (size_t i = 0; i < n_bridges; i++) {
        struct bridge *br = bridges[i];

        if (bridge_get_datapath_id(br) == datapath_id
            && !bridge_get_target(br)) {
            if (names_bridge(listener, link, bridge_get_name(br))) {
                return br;
            }
            VLOG_WARN_RL(&rl,
                         "%s: refused: datapath id %016" PRIx64 " is "
                         "bridge %s, but the certificate names \"%s\"",
                         openflow_link_get_name(link), datapath_id,
                         bridge_get_name(br),
                         openflow_link_get_peer_id(link)
                             ? openflow_link_get_peer_id(link)
                             : "");
            return NULL;
        }
    }
    VLOG_WARN_RL(&rl,
                 "%s: refused: datapath id %016" PRIx64 " is of no "
                 "bridge that connects to us",
                 openflow_link_get_name(link), datapath_id);
    return NULL;
}

/* Gives the candidate to its bridge, or lets it go. */
static void
handle_features(struct bridge_listener *listener, struct candidate *c,
                const struct ofp_header *oh, struct bridge **bridges,
                size_t n_bridges)
{
    struct ofpbuf msg = ofpbuf_const_initializer(oh, ntohs(oh->length));
    struct ofputil_switch_features features;

    if (!ofputil_pull_switch_features(&msg, &features)) {
        struct bridge *br = find_bridge(
            listener, c->link, features.datapath_id, bridges, n_bridges);
        if (br) {
            bridge_take_link(br, c->link);
            c->link = NULL;
        }
    }
    remove_candidate(listener, c);
}

/* The candidate may be gone afterwards. */
static void
run_candidate(struct bridge_listener *listener, struct candidate *c,
              struct bridge **bridges, size_t n_bridges)
{
    openflow_link_run(c->link);
    if (openflow_link_is_connected(c->link) && !c->asked) {
        c->asked = true;
        openflow_link_send(
            c->link, ofpraw_alloc(OFPRAW_OFPT_FEATURES_REQUEST,
                                  openflow_link_get_version(c->link), 0));
        openflow_link_flush(c->link);
    }

    struct ofpbuf *msg;
    while ((msg = openflow_link_recv(c->link))) {
        enum ofptype type;

        if (!ofptype_decode(&type, msg->data)
            && type == OFPTYPE_FEATURES_REPLY) {
            handle_features(listener, c, msg->data, bridges, n_bridges);
            ofpbuf_delete(msg);
            return;
        }
        ofpbuf_delete(msg);
    }

    if (!openflow_link_is_alive(c->link)) {
        VLOG_INFO_RL(&rl, "%s: %s", openflow_link_get_name(c->link),
                     openflow_link_get_error(c->link));
        remove_candidate(listener, c);
    } else if (time_msec() >= c->deadline) {
        VLOG_WARN_RL(&rl, "%s: has not said what bridge it is",
                     openflow_link_get_name(c->link));
        remove_candidate(listener, c);
    }
}

void
bridge_listener_run(struct bridge_listener *listener, struct bridge **bridges,
                    size_t n_bridges)
{
    struct candidate *c;

    accept_connections(listener);
    LIST_FOR_EACH_SAFE(c, list_node, &listener->candidates) {
        run_candidate(listener, c, bridges, n_bridges);
    }
}

void
bridge_listener_wait(struct bridge_listener *listener)
{
    struct candidate *c;

    acceptor_wait(&listener->acceptor, listener->pstream);
    LIST_FOR_EACH(c, list_node, &listener->candidates) {
        openflow_link_wait(c->link);
        poll_timer_wait_until(c->deadline);
    }
}
