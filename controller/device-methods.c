/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "method.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "announcement.h"
#include "attachment.h"
#include "controller.h"
#include "device-link.h"
#include "device-tunnel.h"
#include "holder.h"
#include "identity.h"
#include "jsonrpc.h"
#include "lan.h"
#include "lease.h"
#include "link.h"
#include "mapping.h"
#include "mediator.h"
#include "message.h"
#include "name-devices.h"
#include "network.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "permanent.h"
#include "policy.h"
#include "record.h"
#include "roaming.h"
#include "timeval.h"
#include "transfer.h"
#include "upkeep.h"
#include "util.h"
#include "uuid.h"
#include "refresh.h"

VLOG_DEFINE_THIS_MODULE(device_methods);

#define CERTIFICATE_MAX 16384
#define ENDPOINT_MAX 128
#define SESSIONS_MAX 65536

/* register */

static struct json *
services_of(const struct controller *c, const char *device)
{
    struct json *array = json_array_create_empty();
    const struct shash_node *node;

    SHASH_FOR_EACH(node, &c->policy->services) {
        const struct policy_service *service = node->data;
        const struct shash_node *other;
        struct json *object, *from;

        if (!policy_service_runs_on(c->policy, service, device)) {
            continue;
        }
        object = json_object_create();
        message_put_string(object, "name", service->name);
        json_object_put(object, "user",
                        service->any_user || !service->user
                            ? json_null_create()
                            : json_string_create(service->user));
        if (service->command && service->command[0]) {
            struct json *command = json_array_create_empty();

            for (char **arg = service->command; *arg; arg++) {
                json_array_add(command, json_string_create(*arg));
            }
            json_object_put(object, "command", command);
        } else {
            json_object_put(object, "command", json_null_create());
        }
        from = json_array_create_empty();
        SHASH_FOR_EACH(other, &c->policy->devices) {
            if (policy_may_move(c->policy, other->name, device, service->name,
                                NULL)) {
                json_array_add(from, json_string_create(other->name));
            }
        }
        json_object_put(object, "accept_from", from);
        json_array_add(array, object);
    }
    return array;
}

static struct json *
pools_of(const struct controller *c)
{
    struct json *array = json_array_create_empty();
    const struct shash_node *node;

    SHASH_FOR_EACH(node, &c->policy->pools) {
        const struct policy_pool *pool = node->data;
        struct json *object = json_object_create();

        /* The text of a prefix, as message_put_prefix() writes it. */
        message_put_prefix(object, "p", &pool->prefix.addr, pool->prefix.plen);
        json_array_add(array, json_string_create(json_string(
                                  shash_find_data(json_object(object), "p"))));
        json_destroy(object);
    }
    return array;
}

static void
put_sa(const struct controller *c, const struct device *device,
       struct json *object)
{
    char id[17];

    snprintf(id, sizeof id, "%016" PRIx64, device->sa.id);
    message_put_string(object, "sa_id", id);
    message_put_bytes(object, "sa_key", device->sa.key, sizeof device->sa.key);
    message_put_integer(object, "sa_lifetime", c->policy->sa_lifetime_s);
}

void
methods_send_sa(struct controller *c, struct device *device)
{
    struct json *params = json_object_create();

    put_sa(c, device, params);
    link_notify(device->link, "sa", params);
}

/* Reads one element of "sessions", and says in 'epochs' if we know better. */
static char *
register_session(struct controller *c, struct device *device,
                 const struct json *element, struct json *epochs)
{
    struct message m = MESSAGE_INITIALIZER(element);
    struct announcement a;
    char *error;

    announcement_read(&m, &a);
    error = message_finish(&m);
    if (error) {
        return error;
    }
    if (epochs && !announcement_take(c, device, &a)) {
        struct json *object = json_object_create();

        message_put_uuid(object, "session", &a.session);
        message_put_integer(object, "epoch", a.known_epoch);
        message_put_boolean(object, "owned", a.known_owned);
        json_array_add(epochs, object);
    }
    return NULL;
}

static char *
check_highest(const struct json *element)
{
    struct message m = MESSAGE_INITIALIZER(element);
    struct uuid session;

    message_get_uuid(&m, "session", &session);
    message_get_integer(&m, "epoch", 0, EPOCH_MAX);
    return message_finish(&m);
}

static char *
check_arrays(struct controller *c, const struct json_array *sessions,
             const struct json_array *highest)
{
    char *error = NULL;

    for (size_t i = 0; i < sessions->n && !error; i++) {
        error = register_session(c, NULL, sessions->elems[i], NULL);
    }
    for (size_t i = 0; i < highest->n && !error; i++) {
        error = check_highest(highest->elems[i]);
    }
    return error;
}

/* A connection's device, if the certificate that it shows is good. */
static struct device *
authenticate(struct controller *c, struct link *link,
             const struct jsonrpc_msg *msg, const char *pem)
{
    const char *name = link_get_peer(link);
    struct device *device = name ? device_find(&c->devices, name) : NULL;
    char *error;

    if (!device) {
        VLOG_WARN("%s: device %s is not in the policy", link_get_name(link),
                  name ? name : "without a name");
        link_reply_error(link, msg, "unknown-device",
                         "device %s is not in the controller's policy",
                         name ? name : "");
        return NULL;
    }
    error = identity_verify(c->identity, pem, "device", name, NULL, 0, NULL,
                            0);
    if (error) {
        VLOG_WARN("%s: %s: the certificate that it registers is no good: %s",
                  link_get_name(link), name, error);
        link_reply_error(link, msg, "name", "%s", error);
        free(error);
        return NULL;
    }
    return device;
}

static void
reply_registered(struct controller *c, struct device *device,
                 const struct jsonrpc_msg *msg, struct json *epochs)
{
    struct json *names = name_devices_of(c->policy, device->name);
    struct json *result = json_object_create();

    put_sa(c, device, result);
    message_put_bytes(result, "nonce", device->nonce, sizeof device->nonce);
    json_object_put(result, "epochs", epochs);
    json_object_put(result, "pools", pools_of(c));
    json_object_put(result, "services", services_of(c, device->name));
    json_object_put(result, "permanent", permanents_of(c, device->name));
    if (names) {
        json_object_put(result, "names", names);
    }
    message_put_integer(result, "user_sessions",
                        c->policy->limits.user_sessions);
    message_put_integer(result, "ready", mapping_ready(c, device->name));
    link_reply(device->link, msg, result);
}

/* Those that are away from home since it was last here. */
static void
follow_registered(struct controller *c, struct device *device,
                  const struct json_array *sessions)
{
    for (size_t i = 0; i < sessions->n; i++) {
        struct message m = MESSAGE_INITIALIZER(sessions->elems[i]);
        struct announcement a;

        announcement_read(&m, &a);
        free(message_finish(&m));
        announcement_check(c, device, &a);
        if (a.known_owned) {
            roaming_announced(c, device, &a);
        }
    }
}

void
method_register(struct controller *c, struct device_conn *conn,
                const struct jsonrpc_msg *msg)
{
    struct link *link = device_conn_link(conn);
    struct message m = MESSAGE_INITIALIZER(link_msg_params(msg));
    uint64_t version = message_get_integer(&m, "version", 0, UINT32_MAX);
    const char *pem = message_get_lines(&m, "certificate", CERTIFICATE_MAX);
    const char *endpoint = message_get_string(&m, "endpoint", ENDPOINT_MAX);
    const struct json_array *sessions = message_get_array(&m, "sessions",
                                                          SESSIONS_MAX);
    const struct json_array *highest = message_get_array(&m, "highest",
                                                         SESSIONS_MAX);
    char *error = message_finish(&m);
    struct device *device;
    struct json *epochs;

    if (!error) {
        error = check_arrays(c, sessions, highest);
    }
    if (!error && strncmp(endpoint, "ssl:", 4)) {
        error = xstrdup("member \"endpoint\": not \"ssl:IP:PORT\"");
    }
    if (error) {
        VLOG_WARN("%s: \"register\" of the wrong form: %s",
                  link_get_name(link), error);
        device_conn_drop(conn, "it sent a message of the wrong form");
        free(error);
        return;
    }
    if (version != 1) {
        link_reply_error(link, msg, "version",
                         "this controller speaks version 1");
        return;
    }
    device = authenticate(c, link, msg, pem);
    if (!device) {
        return;
    }

    device_conn_bind(c->links, conn, device);
    device_connected(&c->devices, device, link, pem, endpoint,
                     c->policy->sa_lifetime_s, time_msec());
    VLOG_INFO("%s: registered from %s, with %" PRIuSIZE " sessions",
              device->name, link_get_name(link), sessions->n);

    /* What it began before is over; what it had gone with, it asks about. */
    transfers_device_lost(c->transfers, device->name,
                          "a device registered again");
    announcements_begin(c, device);
    epochs = json_array_create_empty();
    for (size_t i = 0; i < sessions->n; i++) {
        free(register_session(c, device, sessions->elems[i], epochs));
    }
    announcements_end(c, device);
    reply_registered(c, device, msg, epochs);
    device_tunnels_registered(c, device);
    mapping_registered(c, device);
    follow_registered(c, device, sessions);
    attachment_restart(device, time_msec());
    if (!lan_challenge(c, device, time_msec())) {
        attachment_run(device, c->network, time_msec());
    }
    mediator_act(c);
}

/* announce, ended, left */

static void
send_epoch(struct device *device, const struct announcement *a)
{
    struct json *params = json_object_create();

    message_put_uuid(params, "session", &a->session);
    message_put_address(params, "address", &a->address);
    message_put_integer(params, "epoch", a->known_epoch);
    message_put_string(params, "owner", a->known_owner);
    link_notify(device->link, "epoch", params);
}

void
method_announce(struct controller *c, struct device *device,
                const struct jsonrpc_msg *msg, struct message *m)
{
    struct announcement a;

    announcement_read(m, &a);
    if (!method_is_good(device, msg, m)) {
        return;
    }
    if (!announcement_take(c, device, &a) || a.confirm) {
        send_epoch(device, &a);
    }
    if (a.known_owned) {
        roaming_announced(c, device, &a);
    }
}

void
method_ended(struct controller *c, struct device *device,
             const struct jsonrpc_msg *msg, struct message *m)
{
    struct transfer *t;
    struct announcement a;

    memset(&a, 0, sizeof a);
    message_get_uuid(m, "session", &a.session);
    message_get_address(m, "address", &a.address);
    a.epoch = message_get_integer(m, "epoch", 0, EPOCH_MAX);
    if (!method_is_good(device, msg, m)) {
        return;
    }
    if (!announcement_check(c, device, &a)) {
        send_epoch(device, &a);
        return;
    }
    t = transfers_find_session(c->transfers, &a.session);
    if (t && t->state != TRANSFER_SETTLED) {
        /* After go it is not the device's to end. */
        VLOG_INFO("%s: session " UUID_FMT " cannot end while it moves",
                  device->name, UUID_ARGS(&a.session));
        return;
    } else if (t) {
        transfer_withdraw(c->transfers, t, "the session ended");
    }
    mediator_session_ended(c, &a.session, &a.address);
    mediator_act(c);
}

void
method_left(struct controller *c, struct device *device,
            const struct jsonrpc_msg *msg, struct message *m)
{
    struct in6_addr address;
    struct uuid transfer;

    message_get_uuid(m, "transfer", &transfer);
    message_get_address(m, "address", &address);
    if (method_is_good(device, msg, m)) {
        holders_left(c->holders, &address, device->name, &transfer);
    }
}

/* attach, attach-echo */

/* An interface of the device has come up.  Looked at at the usual pace. */
void
method_attach(struct controller *c OVS_UNUSED, struct device *device,
              const struct jsonrpc_msg *msg, struct message *m)
{
    if (method_is_good(device, msg, m)) {
        attachment_hurry(device, time_msec());
    }
}

void
method_attach_echo(struct controller *c, struct device *device,
                   const struct jsonrpc_msg *msg, struct message *m)
{
    const struct device_place former = device->place;
    uint8_t nonce[ATTACHMENT_NONCE_LEN];

    message_get_bytes(m, "nonce", nonce, sizeof nonce);
    if (method_is_good(device, msg, m)
        && attachment_handle_echo(
            device, nonce, transfers_involve(c->transfers, device->name),
            time_msec())) {
        refresh_place_changed(c, device);
        roaming_follow(c, device, NULL, &former);
    }
}

/* lease */

static bool
in_block(const struct lease *lease, const struct in6_addr *addr)
{
    struct in6_addr mask = ipv6_create_mask(lease->plen);
    struct in6_addr masked = ipv6_addr_bitand(addr, &mask);

    return ipv6_addr_equals(&masked, &lease->addr);
}

static void
add_address(struct json *array, const struct in6_addr *addr)
{
    char s[INET6_ADDRSTRLEN];

    ipv6_string_mapped(s, addr);
    json_array_add(array, json_string_create(s));
}

/* A subnet's first address, and IPv4's last, belong to nobody. */
static void
add_reserved(const struct controller *c, const struct lease *lease,
             struct json *array)
{
    const struct policy_bridge *bridge = shash_find_data(&c->policy->bridges,
                                                         lease->bridge);

    for (size_t i = 0; bridge && i < bridge->n_subnets; i++) {
        const struct policy_prefix *subnet = &bridge->subnets[i];
        struct in6_addr last = subnet->addr;

        if (in_block(lease, &subnet->addr)) {
            add_address(array, &subnet->addr);
        }
        for (unsigned int bit = subnet->plen; bit < 128; bit++) {
            last.s6_addr[bit / 8] |= 0x80 >> (bit % 8);
        }
        if (IN6_IS_ADDR_V4MAPPED(&last) && in_block(lease, &last)
            && !ipv6_addr_equals(&last, &subnet->addr)) {
            add_address(array, &last);
        }
    }
}

static struct json *
lease_result(const struct controller *c, const struct lease *lease)
{
    struct json *result = json_object_create();
    struct json *in_use = json_array_create_empty();
    struct in6_addr addr;
    void *cookie = NULL;

    message_put_prefix(result, "prefix", &lease->addr, lease->plen);
    message_put_integer(result, "lifetime", lease->lifetime_s);
    message_put_integer(result, "rest", lease->rest_s);
    message_put_integer(result, "probes", c->policy->dad_probes);
    message_put_integer(result, "probe_interval", c->policy->dad_interval_ms);
    add_reserved(c, lease, in_use);
    while (leases_next_in_use(c->leases, lease, &cookie, &addr)) {
        add_address(in_use, &addr);
    }
    json_object_put(result, "in_use", in_use);
    return result;
}

/* Of the device's leases, which were renewed together, the one it named. */
static const struct lease *
named_lease(const struct controller *c, const struct device *device,
            const struct in6_addr *prefix, unsigned int plen,
            const struct lease *lease)
{
    const struct lease *named = leases_find(c->leases, prefix);

    return (named && named->state == LEASE_LEASED && named->plen == plen
                    && !strcmp(named->device, device->name)
                    && !strcmp(named->bridge, device->place.bridge)
                ? named
                : lease);
}

/* The answer waits until the lease is written: what was given is never given
 * to another device, whatever happens to us. */
static void
hold_lease_request(const struct controller *c, struct device *device,
                   const struct jsonrpc_msg *msg, uint64_t family)
{
    const char *trouble = record_store_get_trouble(c->records);
    struct jsonrpc_msg **held = &device->lease_requests[family == 6];

    if (trouble) {
        link_reply_error(device->link, msg, "database", "%s", trouble);
        return;
    }
    if (*held) {
        link_reply_error(device->link, *held, "again",
                         "another request for a lease came after it");
        jsonrpc_msg_destroy(*held);
    }
    *held = jsonrpc_msg_clone(msg);
}

static void
lease_to(struct controller *c, struct device *device,
         const struct jsonrpc_msg *msg, struct message *m, bool again)
{
    uint64_t family = message_get_integer(m, "family", 4, 6);
    bool more = (shash_find(json_object(m->object), "more")
                 && message_get_boolean(m, "more"));
    bool named = shash_find(json_object(m->object), "prefix");
    struct in6_addr prefix = in6addr_any;
    unsigned int plen = 0;
    const struct lease *lease;
    enum lease_error error;

    if (named) {
        message_get_prefix(m, "prefix", &prefix, &plen);
    }
    if (!method_is_good(device, msg, m)) {
        return;
    }
    if (!device_is_attached(device, c->network)) {
        link_reply_error(device->link, msg, "not-attached",
                         "device %s has not proved where it is attached",
                         device->name);
        return;
    }
    lease = leases_grant(c->leases, device->name, device->place.bridge, family,
                         more && !again, time_msec(), &error);
    if (lease && named && !more) {
        lease = named_lease(c, device, &prefix, plen, lease);
    }
    if (lease) {
        mediator_run(c); /* The block's guard goes first. */
        if (!lease->written) {
            hold_lease_request(c, device, msg, family);
            return;
        }
        link_reply(device->link, msg, lease_result(c, lease));
    } else if (error == LEASE_LIMIT) {
        link_reply_error(device->link, msg, "limit",
                         "%s has IPv%" PRIu64 " addresses for more than the "
                         "%u sessions that it may have",
                         device->name, family, c->policy->limits.sessions);
    } else if (error == LEASE_NO_POOL) {
        link_reply_error(device->link, msg, "no-pool",
                         "policy has no pool of IPv%" PRIu64 " addresses for "
                         "bridge %s",
                         family, device->place.bridge);
    } else {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(60, 60);

        VLOG_WARN_RL(&rl,
                     "%s: no block is left in the IPv%" PRIu64 " pools of %s",
                     device->name, family, device->place.bridge);
        link_reply_error(device->link, msg, "exhausted",
                         "no block is left in the IPv%" PRIu64 " pools of "
                         "bridge %s",
                         family, device->place.bridge);
    }
}

void
method_lease(struct controller *c, struct device *device,
             const struct jsonrpc_msg *msg, struct message *m)
{
    lease_to(c, device, msg, m, false);
}

/* Handles what hold_lease_request() held once more. */
void
methods_run(struct controller *c)
{
    struct device *device;

    if (c->upkeep_seqno == upkeep_get_seqno(c->upkeep)) {
        return;
    }
    c->upkeep_seqno = upkeep_get_seqno(c->upkeep);
    HMAP_FOR_EACH(device, node, &c->devices.devices) {
        for (size_t i = 0; i < ARRAY_SIZE(device->lease_requests); i++) {
            struct jsonrpc_msg *msg = device->lease_requests[i];

            device->lease_requests[i] = NULL;
            if (msg && device->link) {
                struct message m = MESSAGE_INITIALIZER(link_msg_params(msg));

                lease_to(c, device, msg, &m, true);
                free(m.error);
            }
            jsonrpc_msg_destroy(msg);
        }
    }
}
