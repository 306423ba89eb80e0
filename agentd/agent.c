/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "app-link.h"
#include "app-requests.h"
#include "attachment.h"
#include "block.h"
#include "calls.h"
#include "closing.h"
#include "controller-link.h"
#include "events.h"
#include "foreign-route.h"
#include "handover.h"
#include "hash.h"
#include "identity.h"
#include "jsonrpc.h"
#include "lan.h"
#include "late-packets.h"
#include "lease-request.h"
#include "link.h"
#include "mapped.h"
#include "message.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "peer-link.h"
#include "permanent.h"
#include "placement.h"
#include "timeval.h"
#include "tunnel-ends.h"
#include "util.h"
#include "uuid.h"
#include "whole.h"

VLOG_DEFINE_THIS_MODULE(agent);

/* Sessions whose epochs are remembered. */
#define MAX_HIGHEST 16384
/* How many of them a registration shows, which should not be too long. */
#define HIGHEST_SHOWN 1024
/* Milliseconds for which an ended session's connections may close. */
#define END_LINGER 3000
/* Milliseconds after which what a former agent left, and no application has
 * shown, is taken away. */
#define LEFTOVER_GRACE 15000

struct highest {
    struct hmap_node node; /* In agent->highest, by session. */
    struct uuid session;
    uint64_t epoch;
};

/* Epochs. */

static struct highest *
find_highest(const struct agent *agent, const struct uuid *session)
{
    struct highest *h;

    HMAP_FOR_EACH_WITH_HASH(h, node, uuid_hash(session), &agent->highest) {
        if (uuid_equals(&h->session, session)) {
            return h;
        }
    }
    return NULL;
}

uint64_t
agent_highest_epoch(const struct agent *agent, const struct uuid *session)
{
    const struct highest *h = find_highest(agent, session);

    return h ? h->epoch : 0;
}

void
agent_note_epoch(struct agent *agent, const struct uuid *session,
                 uint64_t epoch)
{
    struct highest *h = find_highest(agent, session);

    if (!h) {
        if (hmap_count(&agent->highest) >= MAX_HIGHEST) {
            struct highest *any = CONTAINER_OF(hmap_first(&agent->highest),
                                               struct highest, node);

            hmap_remove(&agent->highest, &any->node);
            free(any);
        }
        h = xzalloc(sizeof *h);
        h->session = *session;
        hmap_insert(&agent->highest, &h->node, uuid_hash(session));
    }
    h->epoch = MAX(h->epoch, epoch);
}

void
agent_forget_epochs(struct agent *agent)
{
    struct highest *h;

    HMAP_FOR_EACH_POP(h, node, &agent->highest) {
        free(h);
    }
    hmap_destroy(&agent->highest);
}

/* Sessions. */

struct json *
agent_announcement(const struct session *s)
{
    struct json *json = json_object_create();

    message_put_uuid(json, "session", &s->id);
    message_put_address(json, "address", &s->address);
    message_put_integer(json, "epoch", s->epoch);
    message_put_string(json, "name", s->name);
    message_put_string(json, "service", s->service);
    message_put_string(json, "state", "owner");
    if (s->mapped) {
        message_put_address(json, "permanent", &s->permanent_address);
    }
    message_put_boolean(json, "visits", foreign_route_has(&s->address));
    return json;
}

void
agent_announce(struct agent *agent, const struct session *s)
{
    if (controller_link_is_registered(agent->controller)) {
        link_notify(controller_link_get(agent->controller), "announce",
                    agent_announcement(s));
    }
}

void
agent_end_session(struct agent *agent, struct session *s)
{
    if (s->ending || s->handover) {
        /* What a handover holds, it ends. */
        s->conn = NULL;
        return;
    }
    session_close_sockets(s);
    s->ending = time_msec() + END_LINGER;
    if (s->conn || !s->mapped) {
        events_add(agent, &s->id, s->uid, "ended");
    }
    s->conn = NULL;
}

/* The connections have closed: the address goes back. */
static void
finish_ending(struct agent *agent, struct session *s)
{
    struct json *params = json_object_create();

    if (s->ifname[0]) {
        address_del(s->ifname, &s->address);
    }
    foreign_route_del(&s->address);
    message_put_uuid(params, "session", &s->id);
    message_put_address(params, "address", &s->address);
    message_put_integer(params, "epoch", s->epoch);
    link_notify(controller_link_get(agent->controller), "ended", params);
    if (s->epoch || s->introduced) {
        /* It rests by the controller's clock, which knows where else the
         * address was. */
        block_moved(agent->blocks, &s->address);
    } else {
        block_put(agent->blocks, &s->address);
    }
    session_destroy(&agent->sessions, s);
}

void
agent_drop_session(struct agent *agent, struct session *s)
{
    block_moved(agent->blocks, &s->address);
    session_destroy(&agent->sessions, s);
}

void
agent_settle_address(struct agent *agent, struct session *s)
{
    const char *ifname = tunnel_ends_interface_of(agent, &s->address);

    if (s->permanent && permanent_settle(agent, s)) {
        return;
    }
    if (!strcmp(s->ifname, "lo") && ifname[0]
        && !address_add(ifname, &s->address)) {
        address_wait(ifname, &s->address);
        address_del("lo", &s->address);
        ovs_strlcpy(s->ifname, ifname, sizeof s->ifname);
        lan_bound(agent->lan, &s->address);
    }
}

static void
run_sessions(struct agent *agent)
{
    struct session *s;

    HMAP_FOR_EACH_SAFE(s, id_node, &agent->sessions.by_id) {
        if (s->ending && time_msec() >= s->ending) {
            finish_ending(agent, s);
        }
    }
}

/* Somebody else owns a session that we hold at a lower epoch: a device that
 * was cut off or paused holds nothing (invariant I8). */
static void
discard_session(struct agent *agent, struct session *s, uint64_t epoch)
{
    events_add(agent, &s->id, s->uid,
               "discarded: epoch %" PRIu64 " is "
               "another device's",
               epoch);
    handover_discard_session(agent, s);
}

static void
handle_epoch(struct agent *agent, const struct json *json, bool owned)
{
    struct message m = MESSAGE_INITIALIZER(json);
    struct session *s;
    struct uuid id;

    message_get_uuid(&m, "session", &id);
    uint64_t epoch = message_get_integer(&m, "epoch", 0, UINT64_C(1) << 53);
    char *error = message_finish(&m);

    if (error) {
        VLOG_WARN("the controller's word about an epoch has the wrong form: "
                  "%s",
                  error);
        free(error);
        return;
    }
    s = session_find(&agent->sessions, &id);
    agent_note_epoch(agent, &id, epoch);
    if (!s || s->handover) {
        return;
    } else if (owned) {
        s->epoch = MAX(s->epoch, epoch);
        if (s->doubtful) {
            s->doubtful = false;
            address_open_output(&s->address);
            agent_settle_address(agent, s);
        }
    } else if (epoch > s->epoch || s->doubtful) {
        discard_session(agent, s, epoch);
    }
}

void
agent_handle_epoch(struct agent *agent, const struct json *params)
{
    struct message m = MESSAGE_INITIALIZER(params);
    const char *owner = message_get_optional_string(&m, "owner",
                                                    MESSAGE_NAME_MAX);

    free(message_finish(&m));
    /* Our own at a higher epoch: an abort that we did not hear of. */
    handle_epoch(agent, params,
                 owner && !strcmp(owner, identity_get_name(agent->identity)));
}

/* The controller. */

static void
register_with_controller(struct agent *agent)
{
    struct json *sessions = json_array_create_empty();
    struct json *highest = json_array_create_empty();
    const struct highest *h;
    const struct session *s;

    HMAP_FOR_EACH(s, id_node, &agent->sessions.by_id) {
        /* What is moving is asked about, not announced. */
        if (!s->handover && !s->ending) {
            json_array_add(sessions, agent_announcement(s));
        }
    }
    HMAP_FOR_EACH(h, node, &agent->highest) {
        struct json *json;

        if (json_array(highest)->n >= HIGHEST_SHOWN) {
            break;
        }
        json = json_object_create();

        message_put_uuid(json, "session", &h->session);
        message_put_integer(json, "epoch", h->epoch);
        json_array_add(highest, json);
    }
    controller_link_register(agent->controller, sessions, highest);
}

static void
handle_registration(struct agent *agent)
{
    struct message m = MESSAGE_INITIALIZER(
        controller_link_get_registration(agent->controller));
    const struct json_array *epochs = message_get_array(&m, "epochs", 1 << 20);
    char *error = message_finish(&m);

    if (error) {
        VLOG_WARN("the controller's answer to our registration is wrong: %s",
                  error);
        free(error);
    }
    for (size_t i = 0; i < epochs->n; i++) {
        struct message em = MESSAGE_INITIALIZER(epochs->elems[i]);
        bool owned = message_get_boolean(&em, "owned");

        error = message_finish(&em);
        free(error);
        if (!error) {
            handle_epoch(agent, epochs->elems[i], owned);
        }
    }
    handover_registered(agent);
    permanents_registered(agent);
    mapped_registered(agent);
}

static void
handle_address_free(struct agent *agent, const struct json *params)
{
    struct message m = MESSAGE_INITIALIZER(params);
    struct in6_addr address;

    message_get_address(&m, "address", &address);
    char *error = message_finish(&m);

    if (!error) {
        block_free(agent->blocks, &address);
    }
    free(error);
}

static void
handle_controller_message(struct agent *agent, const struct jsonrpc_msg *msg)
{
    if (handover_handle_controller(agent, msg)
        || permanents_handle_controller(agent, msg)
        || mapped_handle_controller(agent, msg)
        || calls_handle_controller(agent, msg)
        || lease_request_handle(agent, msg)
        || tunnel_ends_handle_controller(agent, msg)
        || placement_handle_controller(agent, msg)) {
        return;
    }
    if (msg->type == JSONRPC_NOTIFY && !strcmp(msg->method, "epoch")) {
        agent_handle_epoch(agent, link_msg_params(msg));
    } else if (msg->type == JSONRPC_NOTIFY
               && !strcmp(msg->method, "address-free")) {
        handle_address_free(agent, link_msg_params(msg));
    } else if (msg->method) {
        VLOG_DBG("message \"%s\" of the controller ignored", msg->method);
    }
}

static void
run_controller(struct agent *agent)
{
    struct jsonrpc_msg *msg;

    controller_link_run(agent->controller);
    if (controller_link_wants_announcements(agent->controller)) {
        calls_controller_lost(agent);
        register_with_controller(agent);
    }
    while ((msg = controller_link_recv(agent->controller))) {
        handle_controller_message(agent, msg);
        jsonrpc_msg_destroy(msg);
        if (controller_link_get_seqno(agent->controller)
            != agent->registration) {
            agent->registration = controller_link_get_seqno(agent->controller);
            handle_registration(agent);
        }
    }
    if (controller_link_get_seqno(agent->controller) != agent->registration) {
        agent->registration = controller_link_get_seqno(agent->controller);
        handle_registration(agent);
    }
    placement_run(agent);
}

/* Start and end. */

/* Looks at what a former agent left.  Output stays closed where it was until
 * an application shows the session, or the grace is over. */
static void
find_leftovers(struct agent *agent)
{
    size_t n;

    if (!address_list_leftovers(&agent->leftovers, &n) && n) {
        agent->n_leftovers = n;
        agent->leftover_deadline = time_msec() + LEFTOVER_GRACE;
        VLOG_INFO("a former agent left %" PRIuSIZE " addresses or rules", n);
        for (size_t i = 0; i < n; i++) {
            block_reserve(agent->blocks, &agent->leftovers[i].address);
        }
    }
}

const char *
agent_find_leftover(const struct agent *agent, const struct in6_addr *address)
{
    for (size_t i = 0; i < agent->n_leftovers; i++) {
        const struct address_leftover *l = &agent->leftovers[i];

        if (l->ifname[0] && ipv6_addr_equals(&l->address, address)) {
            return l->ifname;
        }
    }
    return "";
}

static bool
is_wanted(const struct agent *agent, const struct in6_addr *address)
{
    const struct handover *h;

    if (session_find_address(&agent->sessions, address)) {
        return true;
    }
    HMAP_FOR_EACH(h, node, &agent->handovers) {
        if (ipv6_addr_equals(&h->address, address)) {
            return true;
        }
    }
    return false;
}

static void
remove_leftover(const struct address_leftover *l)
{
    if (l->ifname[0]) {
        address_del(l->ifname, &l->address);
    }
    foreign_route_del(&l->address);
    if (l->output_closed) {
        address_open_output(&l->address);
    }
}

void
agent_reclaim_leftover(struct agent *agent, const struct in6_addr *address)
{
    for (size_t i = 0; i < agent->n_leftovers; i++) {
        const struct address_leftover *l = &agent->leftovers[i];

        if (ipv6_addr_equals(&l->address, address)
            && !session_find_address(&agent->sessions, address)) {
            remove_leftover(l);
        }
    }
}

static void
run_leftovers(struct agent *agent)
{
    if (!agent->n_leftovers || time_msec() < agent->leftover_deadline) {
        return;
    }
    for (size_t i = 0; i < agent->n_leftovers; i++) {
        const struct address_leftover *l = &agent->leftovers[i];

        if (!is_wanted(agent, &l->address)) {
            char s[INET6_ADDRSTRLEN];

            VLOG_INFO("nobody has shown a session with address %s, which a "
                      "former agent left: taken away",
                      ipv6_string_mapped(s, &l->address));
            remove_leftover(l);
            block_put(agent->blocks, &l->address);
        }
    }
    free(agent->leftovers);
    agent->leftovers = NULL;
    agent->n_leftovers = 0;
}

static char *
read_boot_id(void)
{
    char s[64] = "";
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");

    if (f) {
        if (fgets(s, sizeof s, f)) {
            s[strcspn(s, "\n")] = '\0';
        }
        fclose(f);
    }
    return xstrdup(s);
}

int
agent_create(const struct agent_config *config, struct agent **agentp,
             char **errorp)
{
    struct agent *agent = xzalloc(sizeof *agent);
    char *file, *endpoint, *listen;
    int error;

    *agentp = agent;
    *errorp = NULL;
    sessions_init(&agent->sessions);
    hmap_init(&agent->handovers);
    hmap_init(&agent->highest);
    ovs_list_init(&agent->introducing);
    ovs_list_init(&agent->ended_handovers);
    ovs_list_init(&agent->opens);
    events_init(agent);
    calls_init(agent);
    closing_init();
    agent->boot_id = read_boot_id();
    agent->blocks = block_create();
    agent->lan = lan_create();

    agent->identity = identity_load(config->private_key, config->certificate,
                                    config->ca_cert, errorp);
    if (!agent->identity) {
        return EINVAL;
    }
    if (strcmp(identity_get_role(agent->identity), "device")) {
        *errorp = xasprintf("%s: the certificate is of a %s, not of a device",
                            config->certificate,
                            identity_get_role(agent->identity));
        return EINVAL;
    }
    file = xasprintf("%s/note.key", config->state_dir);
    error = note_key_load(file, agent->note_key, errorp);
    free(file);
    if (error) {
        return error;
    }
    /* The socket first: a second agent ends here, before it disturbs. */
    error = app_server_open(config->socket, &agent->apps, errorp);
    if (error) {
        return error;
    }
    error = address_init(errorp);
    if (error) {
        return error;
    }
    agent->taps = late_packets_open(errorp);
    if (!agent->taps) {
        return EPERM;
    }
    agent->attachment = attachment_open(config->ifnames, errorp);
    if (!agent->attachment) {
        return EINVAL;
    }
    permanents_open(agent, config->state_dir, config->listen);
    listen = permanents_get_listen(agent);
    error = peers_open(listen, &agent->peers);
    if (error) {
        *errorp = xasprintf("%s: %s", listen, ovs_strerror(error));
    }
    free(listen);
    if (error) {
        return error;
    }
    error = whole_open(agent, errorp);
    if (error) {
        return error;
    }
    find_leftovers(agent);
    tunnel_ends_open(agent);
    placement_open(agent);
    endpoint = peers_get_endpoint(agent->peers);
    agent->controller = controller_link_open(
        config->controller, agent->identity, endpoint, agent->attachment);
    free(endpoint);
    return 0;
}

void
agent_destroy(struct agent *agent)
{
    if (!agent) {
        return;
    }
    handover_destroy_all(agent);
    app_requests_destroy(agent);
    calls_destroy(agent);
    events_destroy(agent);
    whole_close(agent);
    permanents_close(agent);
    tunnel_ends_close(agent);
    sessions_destroy(&agent->sessions);
    placement_close(agent);
    controller_link_close(agent->controller);
    peers_close(agent->peers);
    attachment_close(agent->attachment);
    late_packets_close(agent->taps);
    if (agent->taps) {
        address_exit();
    }
    app_server_close(agent->apps);
    block_destroy(agent->blocks);
    lan_destroy(agent->lan);
    identity_destroy(agent->identity);
    agent_forget_epochs(agent);
    foreign_routes_forget();
    hmap_destroy(&agent->handovers);
    seal_wipe(agent->note_key, sizeof agent->note_key);
    free(agent->leftovers);
    free(agent->boot_id);
    free(agent);
}

/* The loop. */

void
agent_run(struct agent *agent)
{
    struct peer_frame frame;
    struct app_event event;
    struct app_conn *conn;

    run_controller(agent);
    peers_run(agent->peers);
    while (peers_next(agent->peers, &frame)) {
        handover_handle_frame(agent, &frame);
        peer_frame_uninit(&frame);
    }
    app_server_run(agent->apps);
    while (app_server_next(agent->apps, &event)) {
        app_requests_handle(agent, &event);
    }
    while ((conn = app_server_next_closed(agent->apps))) {
        app_requests_conn_closed(agent, conn);
    }
    late_packets_run(agent->taps);
    handover_run(agent);
    block_run(agent->blocks);
    lan_run(agent);
    lease_request_run(agent);
    tunnel_ends_run(agent);
    app_requests_run(agent);
    whole_run(agent);
    permanents_run(agent);
    run_sessions(agent);
    run_leftovers(agent);
}

void
agent_wait(struct agent *agent)
{
    const struct session *s;

    controller_link_wait(agent->controller);
    placement_wait(agent);
    peers_wait(agent->peers);
    app_server_wait(agent->apps);
    late_packets_wait(agent->taps);
    handover_wait(agent);
    block_wait(agent->blocks);
    lan_wait(agent->lan);
    lease_request_wait(agent);
    tunnel_ends_wait(agent);
    app_requests_wait(agent);
    whole_wait(agent);
    permanents_wait(agent);
    HMAP_FOR_EACH(s, id_node, &agent->sessions.by_id) {
        if (s->ending) {
            poll_timer_wait_until(s->ending);
        }
    }
    if (agent->n_leftovers) {
        poll_timer_wait_until(agent->leftover_deadline);
    }
}
