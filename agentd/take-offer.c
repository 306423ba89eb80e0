/* SPDX-License-Identifier: Apache-2.0 */

/* The target's answer to an offer: refusal, or everything put in place that
 * catches what will come, and acceptance. */

#include <config.h>

#include "handover.h"

#include "address.h"
#include "agent.h"
#include "app-link.h"
#include "controller-link.h"
#include "identity.h"
#include "lan.h"
#include "latency.h"
#include "leftover.h"
#include "message.h"
#include "packets.h"
#include "service.h"
#include "socket-state.h"
#include "tunnel-ends.h"
#include "uuid.h"
#include "whole-state.h"
#include "whole.h"

/* Milliseconds for which an offer waits for our own draining, and for the
 * start of an application. */
#define POSTPONE_TIMEOUT 10000
/* Milliseconds that our own draining gets at least on a plain LAN. */
#define DRAIN_LAN 200
/* Bytes of one transfer's state that this device takes. */
#define SIZE_MAX_ACCEPTED (UINT64_C(1) << 30)

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
find_application(struct handover *h, const struct json_array *parts)
{
    char *reason = NULL;

    if (h->permanent_lease) {
        if (whole_expect(h->agent, &h->session_id, parts, h->other, &reason)) {
            h->conn = whole_conn(h->agent);
            h->uid = app_conn_uid(h->conn);
            return true;
        }
    } else if (service_find_application(h->agent, h->service, h->other,
                                        &h->conn, &reason)) {
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
    static const struct json_array no_parts = { 0, 0, NULL };
    const struct json_array *parts = h->permanent_lease ? message_get_array(
                                         &m, "parts", WHOLE_PARTS_MAX)
                                                        : &no_parts;
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
    } else if (find_application(h, parts)) {
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
    uint8_t text[TICKET_ACCEPT_LEN];
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
    ticket_accept(&h->transfer, h->x, text);
    sig = identity_sign(h->agent->identity, text, sizeof text, &sig_len);

    json = json_object_create();
    message_put_string(json, "msg", "accept");
    message_put_bytes(json, "key", g_point, sizeof g_point);
    message_put_bytes(json, "signature", sig, sig_len);
    free(sig);
    handover_send_message(h, json);
    latency_alert();
    handover_step(h, "accepted");
    handover_set_state(h, TAKE_WAITING, HANDOVER_STATE_TIMEOUT);
}

/* Our own draining of the same address must end first.  The bridge has gone
 * quiet soon; on a plain LAN somebody may go on for long to send to us, but
 * then he already does what is wanted. */
static bool
may_end_draining(const struct handover *h, const struct handover *draining)
{
    return (time_msec() >= draining->last_late + HANDOVER_QUIET
            || (lan_is_plain(h->agent->lan)
                && time_msec() >= h->deadline - POSTPONE_TIMEOUT + DRAIN_LAN));
}

/* Puts everything in place that catches what will come. */
void
take_reserve(struct handover *h)
{
    struct handover *draining = handover_find_draining(h->agent, &h->address);
    const char *ifname;
    char *error = NULL;
    int retval;

    if (!app_conn_is_ready(h->conn)
        || (h->permanent_lease && !whole_is_ready(h->agent, &h->session_id))) {
        return;
    }
    if (draining) {
        if (!may_end_draining(h, draining)) {
            return;
        }
        if (handover_is_giving(draining)) {
            give_finish_draining(draining);
        } else {
            take_finish_returning(draining);
        }
    }
    ifname = h->tunnel[0] ? tunnel_end_of(h->agent, h->tunnel, &h->visit.key)
                          : controller_link_get_ifname(h->agent->controller);
    if (!ifname) {
        take_refuse(h, "tunnel", "the tunnel that it comes by is not there");
        return;
    }
    leftover_reclaim(h->agent, &h->address);
    if (address_is_local(&h->address)) {
        take_refuse(h, "address", "the address is in use on this device");
        return;
    }

    handover_set_state(h, TAKE_WAITING, HANDOVER_STATE_TIMEOUT);
    handover_catch(h);
    retval = address_close_output(&h->address);
    if (!retval) {
        retval = foreign_route_set(ifname, &h->address, &h->visit);
    }
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
