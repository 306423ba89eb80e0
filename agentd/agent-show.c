/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "agent-show.h"

#include "agent.h"
#include "block.h"
#include "controller-link.h"
#include "handover.h"
#include "identity.h"
#include "late-packets.h"
#include "message.h"
#include "openvswitch/json.h"
#include "timeval.h"

static struct json *
show_session(const struct session *s)
{
    struct json *json = json_object_create();

    message_put_uuid(json, "session", &s->id);
    message_put_address(json, "address", &s->address);
    message_put_string(json, "name", s->name);
    message_put_string(json, "service", s->service);
    message_put_integer(json, "epoch", s->epoch);
    message_put_integer(json, "uid", s->uid);
    message_put_integer(json, "sockets", s->n_sockets);
    message_put_string(json, "interface", s->ifname);
    message_put_boolean(json, "application", s->conn != NULL);
    message_put_boolean(json, "moving", s->handover != NULL);
    message_put_boolean(json, "ending", s->ending != 0);
    return json;
}

static struct json *
show_handover(const struct handover *h)
{
    struct json *json = json_object_create();
    struct late_stats stats;

    if (h->state != GIVE_INTRODUCING) {
        message_put_uuid(json, "transfer", &h->transfer);
    }
    message_put_uuid(json, "session", &h->session_id);
    message_put_address(json, "address", &h->address);
    message_put_integer(json, "epoch", h->epoch);
    message_put_string(json, "role",
                       handover_is_giving(h) ? "transferring" : "target");
    message_put_string(json, "other", h->other);
    message_put_string(json, "state", handover_state_to_string(h->state));
    message_put_boolean(json, "relay", h->relay);
    if (h->deadline != LLONG_MAX) {
        message_put_integer(json, "milliseconds_left",
                            MAX(h->deadline - time_msec(), 0));
    }
    message_put_integer(json, "packets_waiting", h->packets.n);
    message_put_integer(json, "packets_dropped", h->packets.dropped);
    message_put_boolean(json, "catching", h->catch != NULL);
    if (h->catch) {
        late_packets_get_stats(h->catch, &stats);
        message_put_integer(json, "caught", stats.caught);
    }
    return json;
}

struct json *
agent_show(const struct agent *agent)
{
    struct json *sessions = json_array_create_empty();
    struct json *handovers = json_array_create_empty();
    struct json *json = json_object_create();
    const struct handover *h;
    const struct session *s;

    HMAP_FOR_EACH(s, id_node, &agent->sessions.by_id) {
        json_array_add(sessions, show_session(s));
    }
    LIST_FOR_EACH(h, list_node, &agent->introducing) {
        json_array_add(handovers, show_handover(h));
    }
    HMAP_FOR_EACH(h, node, &agent->handovers) {
        json_array_add(handovers, show_handover(h));
    }
    message_put_string(json, "device", identity_get_name(agent->identity));
    message_put_boolean(json, "registered",
                        controller_link_is_registered(agent->controller));
    message_put_string(json, "interface",
                       controller_link_get_ifname(agent->controller));
    message_put_integer(json, "ipv4_addresses_ready",
                        block_count_ready(agent->blocks, AF_INET));
    message_put_integer(json, "ipv6_addresses_ready",
                        block_count_ready(agent->blocks, AF_INET6));
    message_put_integer(json, "epochs_remembered",
                        hmap_count(&agent->highest));
    json_object_put(json, "sessions", sessions);
    json_object_put(json, "handovers", handovers);
    return json;
}
