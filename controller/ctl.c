/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "ctl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bridge.h"
#include "controller.h"
#include "device-tunnel.h"
#include "ctl-bridge.h"
#include "ctl-detach.h"
#include "ctl-sessions.h"
#include "identity.h"
#include "lease.h"
#include "mapping-query.h"
#include "message.h"
#include "names.h"
#include "network.h"
#include "openvswitch/json.h"
#include "packets.h"
#include "policy.h"
#include "record.h"
#include "timeval.h"
#include "trace.h"
#include "transfer.h"
#include "unixctl.h"
#include "util.h"
#include "uuid.h"

/* Takes 'json'. */
static void
reply(struct unixctl_conn *conn, struct json *json)
{
    char *s = json_to_string(json, JSSF_SORT);

    unixctl_command_reply(conn, s);
    free(s);
    json_destroy(json);
}

static void
reply_array(struct unixctl_conn *conn, const char *name, struct json *array)
{
    struct json *object = json_object_create();

    json_object_put(object, name, array);
    reply(conn, object);
}

/* show */

static struct json *
show_lease(const struct lease *lease)
{
    struct json *object = json_object_create();
    long long int left = lease->until - time_msec();

    message_put_prefix(object, "block", &lease->addr, lease->plen);
    message_put_string(object, "pool", lease->pool);
    message_put_string(object, "bridge", lease->bridge);
    message_put_string(object, "device", lease->device);
    message_put_string(object, "state",
                       lease->state == LEASE_LEASED ? "leased" : "resting");
    message_put_integer(object, "seconds_left", MAX(left, 0) / 1000);
    return object;
}

static struct json *
show_totals(const struct controller *c)
{
    struct json *object = json_object_create();
    struct transfer_totals totals;

    transfers_get_totals(c->transfers, &totals);
    message_put_integer(object, "introduced", totals.introduced);
    message_put_integer(object, "prepared", totals.prepared);
    message_put_integer(object, "committed", totals.committed);
    message_put_integer(object, "aborted", totals.aborted);
    message_put_integer(object, "withdrawn", totals.withdrawn);
    message_put_integer(object, "roamed", totals.roamed);
    return object;
}

static void
show_names(const struct controller *c, struct json *object)
{
    struct json *stats_json = json_object_create();
    struct names_stats stats;

    names_get_stats(c->names, &stats);
    if (c->policy->names) {
        message_put_string(stats_json, "zone", c->policy->names->zone);
    }
    message_put_integer(stats_json, "questions", stats.questions);
    message_put_integer(stats_json, "told", stats.told);
    message_put_integer(stats_json, "unused", stats.unused);
    message_put_integer(stats_json, "limited", stats.limited);
    message_put_integer(stats_json, "refused", stats.refused);
    message_put_integer(stats_json, "forwarded", stats.forwarded);
    json_object_put(object, "names", stats_json);
}

static void
ctl_show(struct unixctl_conn *conn, int argc OVS_UNUSED,
         const char *argv[] OVS_UNUSED, void *c_)
{
    const struct controller *c = c_;
    struct json *object = json_object_create();
    struct json *bridges = json_array_create_empty();
    struct json *leases = json_array_create_empty();
    const struct bridge *bridge = NULL;
    const struct lease *lease = NULL;
    const struct device *device;
    size_t n_connected = 0;

    while ((bridge = network_next(c->network, bridge))) {
        json_array_add(bridges, ctl_show_bridge(c, bridge));
    }
    while ((lease = leases_next(c->leases, lease))) {
        json_array_add(leases, show_lease(lease));
    }
    HMAP_FOR_EACH(device, node, &c->devices.devices) {
        n_connected += device->link != NULL;
    }
    message_put_string(object, "name", identity_get_name(c->identity));
    message_put_string(object, "version", PACKAGE_VERSION);
    message_put_string(object, "policy", c->policy_file);
    message_put_integer(object, "uptime",
                        (time_wall_msec() - c->started) / 1000);
    json_object_put(object, "bridges", bridges);
    json_object_put(object, "leases", leases);
    json_object_put(object, "tunnels", ctl_show_tunnels(c));
    message_put_integer(object, "devices", hmap_count(&c->devices.devices));
    message_put_integer(object, "devices_connected", n_connected);
    message_put_integer(object, "sessions", hmap_count(&c->sessions.sessions));
    message_put_integer(object, "records", record_count(c->records));
    json_object_put(object, "transfers", show_totals(c));
    show_names(c, object);
    message_put_integer(object, "violations", c->n_violations);
    message_put_integer(object, "passed_on", c->n_passed_on);
    message_put_integer(object, "relayed", c->n_relayed);
    message_put_integer(object, "too_big", c->n_too_big);
    reply(conn, object);
}

/* devices */

static struct json *
show_device(const struct controller *c, const struct policy_device *pd)
{
    const struct device *device = device_find(&c->devices, pd->name);
    struct json *object = json_object_create();
    struct json *groups = json_array_create_empty();
    const char **names = sset_sort(&pd->groups);
    bool connected = device && device->link;
    bool known = device && device->place.known;
    char *tunnel;

    for (size_t i = 0; i < sset_count(&pd->groups); i++) {
        json_array_add(groups, json_string_create(names[i]));
    }
    free(names);
    message_put_string(object, "name", pd->name);
    message_put_boolean(object, "connected", connected);
    message_put_string(object, "endpoint", connected ? device->endpoint : "");
    message_put_boolean(object, "attached", known);
    message_put_string(object, "bridge", known ? device->place.bridge : "");
    message_put_string(object, "port", known ? device->place.port_name : "");
    if (known) {
        message_put_eth(object, "mac", device->place.mac);
    } else {
        message_put_string(object, "mac", "");
    }
    tunnel = device ? device_tunnels_describe(c, device) : xstrdup("");
    message_put_string(object, "tunnel", tunnel);
    free(tunnel);
    json_object_put(object, "groups", groups);
    message_put_integer(object, "sessions",
                        session_count_of(&c->sessions, pd->name));
    message_put_integer(object, "registrations",
                        device ? device->n_registrations : 0);
    return object;
}

static void
ctl_devices(struct unixctl_conn *conn, int argc OVS_UNUSED,
            const char *argv[] OVS_UNUSED, void *c_)
{
    const struct controller *c = c_;
    struct json *array = json_array_create_empty();
    const struct shash_node **nodes = shash_sort(&c->policy->devices);

    for (size_t i = 0; i < shash_count(&c->policy->devices); i++) {
        json_array_add(array, show_device(c, nodes[i]->data));
    }
    free(nodes);
    reply_array(conn, "devices", array);
}

/* transfers, timeline */

/* Microseconds from introduction (or prepare) to the last step. */
static long long int
duration(const struct transfer *t)
{
    return t->n_steps ? t->steps[t->n_steps - 1].usec - t->steps[0].usec : 0;
}

/* Microseconds from go to the answer, or 0. */
static long long int
gone_for(const struct transfer *t)
{
    long long int go = 0;

    for (size_t i = 0; i < t->n_steps; i++) {
        if (!strcmp(t->steps[i].name, "go")) {
            go = t->steps[i].usec;
        } else if (go
                   && (!strcmp(t->steps[i].name, "owned")
                       || !strcmp(t->steps[i].name, "aborted"))) {
            return t->steps[i].usec - go;
        }
    }
    return 0;
}

static struct json *
show_transfer(const struct transfer *t)
{
    struct json *object = json_object_create();

    message_put_uuid(object, "transfer", &t->id);
    message_put_uuid(object, "session", &t->session);
    message_put_address(object, "address", &t->address);
    message_put_string(object, "name", t->name);
    message_put_string(object, "service", t->service);
    message_put_string(object, "from", t->from);
    message_put_string(object, "to", t->to);
    message_put_integer(object, "epoch", t->epoch);
    message_put_string(object, "state",
                       t->over ? "over"
                       : t->state == TRANSFER_SETTLED
                           ? "introduced"
                           : transfer_state_to_string(t->state));
    message_put_string(object, "outcome",
                       t->over ? transfer_outcome_to_string(t->outcome)
                               : "open");
    message_put_string(object, "reason", t->reason ? t->reason : "");
    message_put_integer(object, "began", MAX(t->began_wall, 0));
    message_put_integer(object, "duration_us", MAX(duration(t), 0));
    message_put_integer(object, "gone_us", MAX(gone_for(t), 0));
    return object;
}

static void
ctl_transfers(struct unixctl_conn *conn, int argc, const char *argv[],
              void *c_)
{
    const struct controller *c = c_;
    int max = argc > 1 ? atoi(argv[1]) : TRANSFER_HISTORY;
    struct json *array = json_array_create_empty();
    const struct transfer *t = NULL;

    while (max-- > 0 && (t = transfers_previous(c->transfers, t))) {
        json_array_add(array, show_transfer(t));
    }
    reply_array(conn, "transfers", array);
}

static struct json *
show_steps(const struct transfer *t)
{
    struct json *array = json_array_create_empty();

    for (size_t i = 0; i < t->n_steps; i++) {
        json_array_add(
            array, json_array_create_2(json_string_create(t->steps[i].name),
                                       json_integer_create(t->steps[i].usec)));
    }
    return array;
}

/* This host's boot id: times of processes under one compare. */
static char *
read_boot_id(void)
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
    char s[64] = "";

    if (file) {
        if (!fgets(s, sizeof s, file)) {
            s[0] = '\0';
        }
        s[strcspn(s, "\n")] = '\0';
        fclose(file);
    }
    return xstrdup(s);
}

static void
add_side(struct json *sides, const char *role, const char *device,
         const struct json *sent, const struct json *counters)
{
    struct json *object = json_object_create();

    message_put_string(object, "role", role);
    message_put_string(object, "device", device);
    if (sent) {
        const struct shash *members = json_object(sent);

        json_object_put(object, "boot",
                        json_clone(shash_find_data(members, "boot")));
        json_object_put(object, "steps",
                        json_clone(shash_find_data(members, "steps")));
    } else {
        message_put_string(object, "boot", "");
        json_object_put(object, "steps", json_array_create_empty());
    }
    json_object_put(object, "counters",
                    counters ? json_clone(counters) : json_object_create());
    json_array_add(sides, object);
}

/* Says what is wrong with the argument 'what'. */
static void
refuse(struct unixctl_conn *conn, const char *what, const char *why)
{
    char *error = xasprintf("%s: %s", what, why);

    unixctl_command_reply_error(conn, error);
    free(error);
}

static void
ctl_timeline(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[], void *c_)
{
    const struct controller *c = c_;
    struct json *object, *sides, *own;
    const struct transfer *t;
    struct uuid id;
    char *boot;

    t = uuid_from_string(&id, argv[1])
            ? transfers_find(c->transfers, &id)
            : transfers_find_partial(c->transfers, argv[1]);
    if (!t) {
        refuse(conn, argv[1], "no such transfer is remembered");
        return;
    }
    object = show_transfer(t);
    sides = json_array_create_empty();
    own = json_object_create();
    boot = read_boot_id();
    message_put_string(own, "role", "controller");
    message_put_string(own, "device", identity_get_name(c->identity));
    message_put_string(own, "boot", boot);
    json_object_put(own, "steps", show_steps(t));
    json_object_put(own, "counters", json_object_create());
    json_array_add(sides, own);
    add_side(sides, "transferring", t->from, t->device_steps[TRANSFER_SIDE_T],
             t->counters[TRANSFER_SIDE_T]);
    add_side(sides, "target", t->to, t->device_steps[TRANSFER_SIDE_G],
             t->counters[TRANSFER_SIDE_G]);
    json_object_put(object, "sides", sides);
    free(boot);
    reply(conn, object);
}

/* trace, policy-reload, exit */

static void
ctl_trace(struct unixctl_conn *conn, int argc OVS_UNUSED, const char *argv[],
          void *c)
{
    struct in6_addr addr;
    ovs_be32 ip;

    if (ip_parse(argv[1], &ip)) {
        in6_addr_set_mapped_ipv4(&addr, ip);
    } else if (!ipv6_parse(argv[1], &addr)) {
        refuse(conn, argv[1], "not an IP address");
        return;
    }
    reply(conn, trace_address(c, &addr));
}

static void
ctl_policy_reload(struct unixctl_conn *conn, int argc OVS_UNUSED,
                  const char *argv[] OVS_UNUSED, void *c)
{
    char *error = controller_reload(c);

    if (error) {
        unixctl_command_reply_error(conn, error);
        free(error);
    } else {
        unixctl_command_reply(conn, "{}");
    }
}

static void
ctl_exit_command(struct unixctl_conn *conn, int argc, const char *argv[],
                 void *ending_)
{
    struct ctl_exit *ending = ending_;

    ending->exiting = true;
    ending->detach = argc == 2 && !strcmp(argv[1], "--detach");
    unixctl_command_reply(conn, NULL);
}

void
ctl_register(struct controller *c, struct ctl_exit *ending)
{
    unixctl_command_register("baton/show", "", 0, 0, ctl_show, c);
    unixctl_command_register("baton/devices", "", 0, 0, ctl_devices, c);
    unixctl_command_register("baton/transfers", "[N]", 0, 1, ctl_transfers, c);
    unixctl_command_register("baton/timeline", "TRANSFER", 1, 1, ctl_timeline,
                             c);
    unixctl_command_register("baton/trace", "ADDRESS", 1, 1, ctl_trace, c);
    unixctl_command_register("baton/policy-reload", "", 0, 0,
                             ctl_policy_reload, c);
    ctl_bridge_register(c);
    ctl_detach_register(c);
    ctl_sessions_register(c);
    mapping_queries_register(c);
    unixctl_command_register("exit", "[--detach]", 0, 1, ctl_exit_command,
                             ending);
}
