/* SPDX-License-Identifier: Apache-2.0 */

/* A transfer's late packets: caught, relayed, delivered. */

#include <config.h>

#include "handover.h"

#include <stdlib.h>

#include "agent.h"
#include "controller-link.h"
#include "late-packets.h"
#include "openvswitch/vlog.h"
#include "socket-state.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(handover_packets);

void
handover_catch(struct handover *h)
{
    if (!h->catch) {
        h->catch = late_packets_catch(h->agent->taps, &h->address, false);
    }
}

void
handover_stop_catching(struct handover *h)
{
    if (h->catch) {
        late_packets_release(h->catch);
        h->catch = NULL;
    }
}

void
handover_collect(struct handover *h)
{
    static uint8_t buffer[65600];
    const struct session_socket *sockets = h->sockets;
    size_t n_sockets = h->n_sockets;
    struct late_packet packet;
    size_t before = h->packets.n;

    while (h->catch && late_packets_next(h->catch, &packet)) {
        packet_queue_take(&h->packets, packet.data, packet.size);
    }
    if (handover_is_giving(h) && h->session) {
        sockets = h->session->sockets;
        n_sockets = h->session->n_sockets;
    }
    for (size_t i = 0; i < n_sockets; i++) {
        size_t n;

        while (sockets[i].datagram
               && !socket_state_take_datagram(sockets[i].fd, buffer,
                                              sizeof buffer, &n, NULL)) {
            packet_queue_put(&h->packets, buffer, n);
        }
    }
    if (h->packets.n > before) {
        h->last_late = time_msec();
    }
}

static bool
has_way(const struct handover *h)
{
    return (controller_link_is_registered(h->agent->controller)
            || (!h->relay && peers_is_connected(h->agent->peers, h->other)));
}

void
handover_relay_collected(struct handover *h)
{
    size_t before = h->relayed;
    uint8_t *body;
    size_t len;

    if (!has_way(h)) {
        return;
    }

    while ((body = packet_queue_to_frame(&h->packets, &h->relayed, &len))) {
        if (!handover_send(h, PEER_LATE_PACKETS, body, len)) {
            /* The connection was lost: the controller has one. */
            h->relay = true;
            handover_send(h, PEER_LATE_PACKETS, body, len);
        }
        free(body);
    }
    if (h->relayed != before) {
        VLOG_DBG("transfer " UUID_FMT ": %" PRIuSIZE " late packets sent "
                 "to %s%s",
                 UUID_ARGS(&h->transfer), h->relayed - before, h->other,
                 h->relay ? " by way of the controller" : "");
    }
    h->n_relayed += h->relayed - before;
    if (h->state > GIVE_FROZEN) {
        /* No abort will want them. */
        packet_queue_clear(&h->packets);
        h->relayed = 0;
    }
}

/* Into our own kernel, in order, once. */
void
handover_deliver(struct handover *h)
{
    if (h->packets.n) {
        VLOG_DBG("transfer " UUID_FMT ": %" PRIuSIZE " late packets to be "
                 "delivered",
                 UUID_ARGS(&h->transfer), h->packets.n);
    }
    for (size_t i = 0; i < h->packets.n; i++) {
        int error = late_packets_deliver(h->agent->taps, &h->address,
                                         h->packets.items[i].data,
                                         h->packets.items[i].size);

        if (error) {
            static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

            VLOG_WARN_RL(&rl, "a late packet could not be delivered: %s",
                         ovs_strerror(error));
            h->packets.dropped++;
        } else {
            h->n_delivered++;
        }
    }
    packet_queue_clear(&h->packets);
}
