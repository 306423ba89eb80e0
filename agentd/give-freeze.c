/* SPDX-License-Identifier: Apache-2.0 */

/* The transferring device's notice to the controller, and what follows its
 * answer: freeze, capture, and the sealed state on its way. */

#include <config.h>

#include "handover.h"

#include <errno.h>
#include <inttypes.h>

#include "address.h"
#include "agent.h"
#include "attachment.h"
#include "controller-link.h"
#include "lan.h"
#include "latency.h"
#include "link.h"
#include "message.h"
#include "openvswitch/vlog.h"
#include "socket-state.h"
#include "tunnel-ends.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(give_freeze);

/* A sentence if connections that the application has closed still owe
 * something to their peers, which would not get it; else NULL. */
static char *
check_closing(struct handover *h)
{
    size_t owed = closing_owed(&h->session->closing);

    return owed ? xasprintf("%" PRIuSIZE " bytes of connections that were "
                            "closed are not delivered yet",
                            owed)
                : NULL;
}

void
give_prepare(struct handover *h)
{
    struct ticket_secret secret = { .onward = h->onward.onward,
                                    .depth = h->onward.depth };
    struct link *link = controller_link_get(h->agent->controller);
    struct json *params = json_object_create();
    uint8_t ticket[TICKET_MAX];
    struct ticket_terms terms;
    size_t n;

    char *error = check_closing(h);

    if (error) {
        json_destroy(params);
        give_fail(h, EBUSY, error);
        free(error);
        return;
    }
    if (!controller_link_is_registered(h->agent->controller)) {
        json_destroy(params);
        give_fail(h, ENOTCONN, "the controller went away");
        return;
    }
    seal_random(h->session_key, sizeof h->session_key);
    memcpy(secret.session_key, h->session_key, sizeof h->session_key);
    handover_get_terms(h, &terms);
    n = ticket_seal(&terms, h->sa_key, &secret, ticket);
    seal_wipe(&secret, sizeof secret);
    seal_hash(&(struct iovec){ ticket, n }, 1, h->handoff.ticket_hash);

    handover_catch(h);
    message_put_uuid(params, "transfer", &h->transfer);
    message_put_bytes(params, "ticket", ticket, n);
    handover_set_state(h, GIVE_PREPARING, HANDOVER_PREPARE_TIMEOUT);
    handover_step(h, "prepare");
    h->prepare_id = link_request(link, "prepare", params);
    latency_alert();
}

static int
capture_sockets(struct handover *h, char **errorp)
{
    struct session *s = h->session;

    h->handoff.sockets = xcalloc(s->n_sockets + 1, sizeof *h->handoff.sockets);
    for (size_t i = 0; i < s->n_sockets; i++) {
        int error = socket_state_freeze(s->sockets[i].fd, errorp);

        if (!error) {
            error = socket_state_capture(s->sockets[i].fd,
                                         &h->handoff.sockets[i], errorp);
        }
        if (error) {
            return error;
        }
        h->handoff.n_sockets++;
    }
    return 0;
}

static void
send_state(struct handover *h, const uint8_t *state, size_t n)
{
    uint8_t wrapped[STATE_WRAP_LEN];
    struct state_sealer *sealer;
    uint8_t *chunk;
    size_t done = 0;

    sealer = state_sealer_new(h->secret, h->session_key, &h->transfer, h->x, n,
                              wrapped);
    handover_send(h, PEER_WRAPPED_KEY, wrapped, sizeof wrapped);
    chunk = xmalloc(MIN(n, STATE_CHUNK_MAX) + STATE_CHUNK_OVERHEAD);
    do {
        size_t len = MIN(n - done, STATE_CHUNK_MAX);

        state_sealer_chunk(sealer, state + done, len, chunk);
        handover_send(h, PEER_STATE_CHUNK, chunk, len + STATE_CHUNK_OVERHEAD);
        done += len;
    } while (done < n);
    free(chunk);
    state_sealer_destroy(sealer);
}

/* No bridge keeps this host from answering for what may be another's soon:
 * from now on the address is on the loopback, of which neither ARP nor
 * neighbour discovery speak, whatever becomes of this agent.  What comes by
 * others' memory still arrives. */
static void
hide_on_lan(struct handover *h)
{
    struct session *s = h->session;

    if (!s->permanent) {
        give_hide_address(h->agent, s);
        ovs_strlcpy(s->ifname, "lo", sizeof s->ifname);
        lan_unbound(h->agent->lan, &h->address);
    }
}

void
give_freeze(struct handover *h)
{
    uint8_t *state = NULL;
    char *error = NULL;
    size_t n = 0;
    int retval;

    handover_set_state(h, GIVE_FROZEN, HANDOVER_LOST_TIMEOUT);
    handover_start_asking(h);
    retval = address_close_output(&h->address);
    if (lan_is_plain(h->agent->lan)) {
        hide_on_lan(h);
    } else {
        /* Nothing of ours follows it.  First, since the switch takes its
         * time. */
        attachment_flush(h->agent->attachment,
                         tunnel_ends_interface_of(h->agent, &h->address),
                         h->sa_id, h->sa_key, &h->transfer);
    }
    if (retval) {
        error = xasprintf("cannot close output: %s", ovs_strerror(retval));
    } else if ((error = check_closing(h))) {
        /* Closed while the notice was on its way. */
        retval = ENOTCONN;
    } else if (!(retval = capture_sockets(h, &error))
               && !handoff_encode(&h->handoff, &state, &n, &error)
               && n > h->size_max) {
        error = xstrdup("the state is larger than was offered");
    } else if (!error && n > h->state_bytes) {
        error = xasprintf("its state is %" PRIuSIZE " bytes, and policy lets "
                          "no more than %" PRIu64 " go",
                          n, h->state_bytes);
    }
    handover_step(h, "captured");
    if (!error) {
        send_state(h, state, n);
        handover_step(h, "state sent");
        handover_collect(h);
        handover_relay_collected(h);
    } else {
        /* Only the controller may abort now: say that it should. */
        VLOG(retval == ENOTCONN ? VLL_INFO : VLL_WARN, /* Peers may close. */
             "session " UUID_FMT " cannot be captured: %s",
             UUID_ARGS(&h->session_id), error);
        handover_send_controller(h, "withdraw", error);
        free(error);
    }
    if (state) {
        seal_wipe(state, n);
        free(state);
    }
    handoff_uninit(&h->handoff);
    seal_wipe(h->session_key, sizeof h->session_key);
    seal_wipe(h->secret, sizeof h->secret);
    seal_wipe(h->sa_key, sizeof h->sa_key);
}
