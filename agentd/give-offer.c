/* SPDX-License-Identifier: Apache-2.0 */

/* The transferring device's offer, and the check of what answers it. */

#include <config.h>

#include "handover.h"

#include <errno.h>

#include "agent.h"
#include "app-link.h"
#include "app-send.h"
#include "identity.h"
#include "message.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "socket-state.h"
#include "whole.h"

VLOG_DEFINE_THIS_MODULE(give_offer);

/* Bytes by which a connection's queues may grow between the offer and the
 * freeze. */
#define QUEUE_GROWTH (4u << 20)

static void
put_peer(struct json *json, const struct sockaddr_storage *ss)
{
    struct in6_addr peer;
    uint16_t port;

    if (ss->ss_family == AF_INET) {
        const struct sockaddr_in *sin = (const struct sockaddr_in *) ss;

        in6_addr_set_mapped_ipv4(&peer, sin->sin_addr.s_addr);
        port = ntohs(sin->sin_port);
    } else {
        const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *) ss;

        peer = sin6->sin6_addr;
        port = ntohs(sin6->sin6_port);
    }
    message_put_address(json, "peer", &peer);
    message_put_integer(json, "peer_port", port);
}

static struct json *
offer_socket(const struct socket_state_info *info)
{
    struct json *json = json_object_create();
    const struct sockaddr_in *local = (const struct sockaddr_in *) &info
                                          ->local;

    message_put_string(json, "kind",
                       info->kind == SOCKET_STATE_TCP   ? "tcp"
                       : info->kind == SOCKET_STATE_UDP ? "udp"
                                                        : "tcp-listen");
    /* sin6_port is where sin_port is. */
    message_put_integer(json, "local_port", ntohs(local->sin_port));
    message_put_integer(json, "family", info->family == AF_INET ? 4 : 6);
    if (info->peer.ss_family) {
        put_peer(json, &info->peer);
    }
    return json;
}

void
give_offer(struct handover *h)
{
    struct json *sockets = json_array_create_empty();
    struct json *offer = json_object_create();
    struct session *s = h->session;
    uint64_t size_max = HANDOFF_APP_STATE_MAX + 65536;

    for (size_t i = 0; i < s->n_sockets; i++) {
        struct socket_state_info info;
        char *error = NULL;

        if (socket_state_inspect(s->sockets[i].fd, &info, &error)) {
            give_fail(h, EINVAL, error);
            free(error);
            json_destroy(sockets);
            json_destroy(offer);
            return;
        }
        size_max += 65536;
        if (info.kind == SOCKET_STATE_TCP) {
            size_max += MIN(info.recv_queue + info.send_queue + QUEUE_GROWTH,
                            SOCKET_STATE_ENCODED_MAX);
        }
        json_array_add(sockets, offer_socket(&info));
    }
    if (!h->keypair) {
        h->keypair = seal_keypair_new(h->point);
    }
    message_put_string(offer, "msg", "offer");
    message_put_uuid(offer, "session", &h->session_id);
    message_put_address(offer, "address", &h->address);
    message_put_integer(offer, "epoch", h->epoch);
    message_put_string(offer, "from", identity_get_name(h->agent->identity));
    message_put_string(offer, "name", h->name);
    message_put_string(offer, "service", h->service);
    message_put_bytes(offer, "key", h->point, sizeof h->point);
    json_object_put_format(offer, "sa_id", "%016" PRIx64, h->sa_id);
    json_object_put(offer, "sockets", sockets);
    if (s->permanent) {
        whole_put_parts(h->agent, s, offer);
    }
    message_put_integer(offer, "size_max", size_max);
    h->size_max = size_max;
    if (!handover_send_message(h, offer)) {
        h->relay = true;
        give_offer(h);
        return;
    }
    if (h->state != GIVE_OFFERED) {
        handover_step(h, h->relay ? "offered by relay" : "offered");
        handover_set_state(h, GIVE_OFFERED, HANDOVER_OFFER_TIMEOUT);
    }
}

/* Checks G's signature: the key that the state is sealed to is the target's
 * own, whoever carried it here. */
static char *
verify_accept(struct handover *h, const struct json *json)
{
    struct message m = MESSAGE_INITIALIZER(json);
    uint8_t g_point[SEAL_POINT_LEN];
    struct ticket_terms terms;
    uint8_t *sig;
    size_t sig_len;
    char *error;

    message_get_bytes(&m, "key", g_point, sizeof g_point);
    sig = message_get_blob(&m, "signature", 1024, &sig_len);
    error = message_finish(&m);
    if (!error) {
        uint8_t text[TICKET_ACCEPT_LEN];

        handover_get_terms(h, &terms);
        ticket_bind(&terms, h->point, g_point, h->x);
        ticket_accept(&h->transfer, h->x, text);
        error = identity_verify(h->agent->identity, h->other_certificate,
                                "device", h->other, text, sizeof text, sig,
                                sig_len);
    }
    if (!error && !seal_ecdh(h->keypair, g_point, h->secret)) {
        error = xstrdup("its key is not a point of the curve");
    }
    free(sig);
    return error;
}

void
give_accepted(struct handover *h, const struct json *json)
{
    char *error = verify_accept(h, json);

    if (error) {
        char *reason = xasprintf("%s's acceptance is not believed: %s",
                                 h->other, error);

        VLOG_WARN("%s", reason);
        give_fail(h, EPROTO, reason);
        free(reason);
        free(error);
        return;
    }
    handover_step(h, "accepted");
    if (!h->session->conn) {
        give_fail(h, ECONNRESET, "the application has ended");
        return;
    }
    if (app_conn_stops_quickly(h->session->conn) && give_is_settled(h)) {
        /* It goes on until the controller has answered. */
        give_prepare(h);
        return;
    }
    handover_set_state(h, GIVE_PAUSING, HANDOVER_PAUSE_TIMEOUT);
    give_pause(h);
    if (give_is_settled(h)) {
        /* Nothing to wait for but the application: the notice goes out while
         * it stops. */
        give_prepare(h);
    }
}
