/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "agent-loop.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "agent.h"
#include "app-link.h"
#include "app-requests.h"
#include "attachment.h"
#include "block.h"
#include "calls.h"
#include "closing.h"
#include "controller-link.h"
#include "epochs.h"
#include "events.h"
#include "foreign-route.h"
#include "handover.h"
#include "identity.h"
#include "jsonrpc.h"
#include "keeper.h"
#include "lan.h"
#include "late-packets.h"
#include "lease-request.h"
#include "leftover.h"
#include "link.h"
#include "mapped-over.h"
#include "mapped.h"
#include "message.h"
#include "names.h"
#include "onward-store.h"
#include "openvswitch/vlog.h"
#include "peer-link.h"
#include "permanent.h"
#include "placement.h"
#include "registration.h"
#include "settle.h"
#include "told.h"
#include "tunnel-ends.h"
#include "util.h"
#include "whole.h"

VLOG_DEFINE_THIS_MODULE(agent_loop);

/* The controller. */

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
        || mapped_over_handle_controller(agent, msg)
        || told_handle_controller(agent, msg)
        || calls_handle_controller(agent, msg)
        || lease_request_handle(agent, msg)
        || tunnel_ends_handle_controller(agent, msg)
        || placement_handle_controller(agent, msg)) {
        return;
    }
    if (msg->type == JSONRPC_NOTIFY && !strcmp(msg->method, "epoch")) {
        registration_handle_epoch(agent, link_msg_params(msg));
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
        registration_send(agent);
    }
    while ((msg = controller_link_recv(agent->controller))) {
        handle_controller_message(agent, msg);
        jsonrpc_msg_destroy(msg);
        if (controller_link_get_seqno(agent->controller)
            != agent->registration) {
            agent->registration = controller_link_get_seqno(agent->controller);
            registration_handle(agent);
        }
    }
    if (controller_link_get_seqno(agent->controller) != agent->registration) {
        agent->registration = controller_link_get_seqno(agent->controller);
        registration_handle(agent);
    }
    placement_run(agent);
}

/* Start and end. */

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
agent_loop_create(const struct agent_config *config, struct agent **agentp,
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
    agent->names = names_create();
    agent->mapped_over = mapped_over_create();
    agent->told_next = LLONG_MAX;

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
    onward_store_open(agent, config->state_dir);
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
    leftovers_open(agent);
    tunnel_ends_open(agent);
    placement_open(agent);
    endpoint = peers_get_endpoint(agent->peers);
    agent->controller = controller_link_open(
        config->controller, agent->identity, endpoint, agent->attachment);
    free(endpoint);
    return 0;
}

void
agent_loop_destroy(struct agent *agent)
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
    onward_store_close(agent);
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
    names_destroy(agent->names);
    mapped_over_destroy(agent->mapped_over);
    identity_destroy(agent->identity);
    epochs_forget(agent);
    foreign_routes_forget();
    hmap_destroy(&agent->handovers);
    seal_wipe(agent->note_key, sizeof agent->note_key);
    free(agent->leftovers);
    free(agent->boot_id);
    free(agent);
}

/* The loop. */

void
agent_loop_run(struct agent *agent)
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
    settle_run(agent);
    app_requests_run(agent);
    whole_run(agent);
    permanents_run(agent);
    onward_store_run(agent);
    names_run(agent);
    mapped_over_run(agent);
    told_run(agent);
    keeper_run(agent);
    leftovers_run(agent);
}

void
agent_loop_wait(struct agent *agent)
{
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
    onward_store_wait(agent);
    names_wait(agent);
    mapped_over_wait(agent);
    told_wait(agent);
    keeper_wait(agent);
    leftovers_wait(agent);
}
