/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "ctl-detach.h"

#include <stdlib.h>
#include <string.h>

#include "bridge.h"
#include "bridge-prepare.h"
#include "controller.h"
#include "fail-mode.h"
#include "lease.h"
#include "mapping.h"
#include "message.h"
#include "network.h"
#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "policy.h"
#include "record.h"
#include "session-path.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

/* Milliseconds for which the switch may take to delete what is ours. */
#define FLOWS_TIMEOUT 5000

/* A "detach" under way:
 *
 *     FLOWS -- bridge is clean --> PORT -- database has changed --> answered
 */
struct ctl_detach {
    struct ovs_list node; /* In struct controller. */
    struct unixctl_conn *conn;
    char *bridge;
    char *remote;                /* Of its OVSDB; NULL: not known. */
    struct bridge_prepare *undo; /* PORT. */
    long long int deadline;      /* Milliseconds, of FLOWS. */
};

/* Sessions away from the device where they began, whose way is over it. */
static size_t
count_moved(const struct controller *c, const char *bridge)
{
    struct record record = RECORD_WALK;
    size_t n = 0;

    while (record_next(c->records, &record)) {
        const char *home = leases_home_bridge(c->leases, &record.address);
        const char *other = home ? session_path_bridge(c, record.owner, home)
                                 : NULL;

        n += (!record.ended && strcmp(record.owner, record.home) && home
              && (!strcmp(home, bridge) || (other && !strcmp(other, bridge))));
    }
    return n;
}

static size_t
count_mapped(const struct controller *c, const char *bridge)
{
    const struct mapping *mapping;
    size_t n = 0;

    for (mapping = mapping_next(c->mappings, NULL); mapping;
         mapping = mapping_next(c->mappings, mapping)) {
        n += !strcmp(mapping->service->bridge, bridge);
    }
    return n;
}

/* Replies with what is wrong, and returns NULL, if it is not a bridge. */
static struct bridge *
find_bridge(const struct controller *c, struct unixctl_conn *conn,
            const char *name)
{
    struct bridge *bridge = network_find(c->network, name);

    if (!bridge) {
        unixctl_command_reply_error(conn,
                                    c->term ? "policy knows no such bridge"
                                            : "this controller does not lead");
    }
    return bridge;
}

static void
ctl_detach(struct unixctl_conn *conn, int argc, const char *argv[], void *c_)
{
    struct controller *c = c_;
    const char *name = argv[argc - 1];
    bool force = argc == 3 && !strcmp(argv[1], "--force");
    const struct policy_bridge *pb = shash_find_data(&c->policy->bridges,
                                                     name);
    struct bridge *bridge;
    struct ctl_detach *d;

    if (argc == 3 && !force) {
        unixctl_command_reply_error(conn, "usage: detach [--force] BRIDGE");
        return;
    }
    bridge = find_bridge(c, conn, name);
    if (!bridge) {
        return;
    }
    if (!force && !bridge_is_detached(bridge)) {
        size_t n_moved = count_moved(c, name);
        size_t n_mapped = count_mapped(c, name);

        if (n_moved || n_mapped) {
            char *reason = xasprintf("%" PRIuSIZE " moved and %" PRIuSIZE
                                     " mapped sessions go over the bridge and "
                                     "would be cut off: end them or bring "
                                     "them home first, or use --force",
                                     n_moved, n_mapped);

            unixctl_command_reply_error(conn, reason);
            free(reason);
            return;
        }
    }
    d = xzalloc(sizeof *d);
    d->conn = conn;
    d->bridge = xstrdup(name);
    d->remote = (!pb         ? NULL
                 : pb->ovsdb ? xstrdup(pb->ovsdb)
                             : fail_mode_guess_remote(pb->target));
    d->deadline = time_msec() + FLOWS_TIMEOUT;
    ovs_list_push_back(&c->detaches, &d->node);
    bridge_detach(bridge);
    poll_immediate_wake();
}

static void
ctl_attach(struct unixctl_conn *conn, int argc OVS_UNUSED, const char *argv[],
           void *c_)
{
    struct controller *c = c_;
    struct bridge *bridge = find_bridge(c, conn, argv[1]);

    if (bridge) {
        bridge_attach(bridge);
        unixctl_command_reply(conn, "{}");
    }
}

static void
destroy_detach(struct ctl_detach *d)
{
    ovs_list_remove(&d->node);
    bridge_prepare_destroy(d->undo);
    free(d->remote);
    free(d->bridge);
    free(d);
}

static void
reply_done(struct ctl_detach *d)
{
    struct json *object = json_object_create();
    char *s;

    message_put_string(object, "bridge", d->bridge);
    message_put_boolean(object, "database", d->undo != NULL);
    message_put_integer(object, "ports",
                        d->undo ? bridge_prepare_n_undone(d->undo) : 0);
    s = json_to_string(object, JSSF_SORT);
    unixctl_command_reply(d->conn, s);
    free(s);
    json_destroy(object);
}

/* Returns true if there is nothing more to do for it. */
static bool
run_detach(struct controller *c, struct ctl_detach *d)
{
    const struct bridge *bridge = network_find(c->network, d->bridge);
    const char *error;

    if (!bridge || !bridge_is_detached(bridge)) {
        unixctl_command_reply_error(d->conn, "meanwhile it was attached again,"
                                             " or policy has it no more");
        return true;
    }
    if (!bridge_is_clean(bridge)) {
        if (time_msec() < d->deadline) {
            return false;
        }
        unixctl_command_reply_error(
            d->conn, "the bridge does not answer: what is Baton's there is "
                     "deleted as soon as it does; its database was left "
                     "alone: repeat the command then");
        return true;
    }
    if (!d->undo && d->remote) {
        const struct policy_bridge *pb = shash_find_data(&c->policy->bridges,
                                                         d->bridge);

        d->undo = bridge_prepare_undo(d->remote, pb->datapath_id);
    }
    if (!d->undo) {
        reply_done(d);
        return true;
    }
    bridge_prepare_run(d->undo);
    if (!bridge_prepare_is_done(d->undo, &error)) {
        return false;
    }
    if (error) {
        unixctl_command_reply_error(d->conn, error);
    } else {
        reply_done(d);
    }
    return true;
}

void
ctl_detach_run(struct controller *c)
{
    struct ctl_detach *d;

    LIST_FOR_EACH_SAFE(d, node, &c->detaches) {
        if (run_detach(c, d)) {
            destroy_detach(d);
        }
    }
}

void
ctl_detach_wait(const struct controller *c)
{
    const struct ctl_detach *d;

    LIST_FOR_EACH(d, node, &c->detaches) {
        if (d->undo) {
            bridge_prepare_wait(d->undo);
        } else {
            poll_timer_wait_until(d->deadline);
        }
    }
}

void
ctl_detach_destroy(struct controller *c)
{
    struct ctl_detach *d;

    LIST_FOR_EACH_SAFE(d, node, &c->detaches) {
        unixctl_command_reply_error(d->conn, "the controller ends");
        destroy_detach(d);
    }
}

void
ctl_detach_register(struct controller *c)
{
    unixctl_command_register("baton/detach", "[--force] BRIDGE", 1, 2,
                             ctl_detach, c);
    unixctl_command_register("baton/attach", "BRIDGE", 1, 1, ctl_attach, c);
}
