/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "controller-world.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <CUnit/Basic.h>

#include "announcement.h"
#include "attachment.h"
#include "bridge.h"
#include "device-link.h"
#include "device-tunnel.h"
#include "identity.h"
#include "introduction.h"
#include "jsonrpc.h"
#include "holder.h"
#include "lease.h"
#include "link.h"
#include "mediator.h"
#include "message.h"
#include "methods.h"
#include "neighbour.h"
#include "network.h"
#include "next-hop.h"
#include "openvswitch/json.h"
#include "packets.h"
#include "mapping.h"
#include "names.h"
#include "permanent.h"
#include "policy.h"
#include "record.h"
#include "session-path.h"
#include "timeval.h"
#include "transfer.h"
#include "tunnel-path.h"
#include "util.h"
#include "uuid.h"

struct controller *world;
long long int world_now;
bool world_synchronised;
uint64_t world_flushed, world_acked;
bool world_certificate_good;
struct flow_place world_guard, world_inbound;
unsigned int world_n_sent_through, world_n_sent_past_guard;
uint8_t world_frame[ATTACHMENT_FRAME_LEN];
ofp_port_t world_frame_port;
struct world_tunnel world_tunnel;
unsigned int world_clock, world_last_flush_at;

static struct agent *agents[64];
static size_t n_agents;
static struct json *graveyard[65536]; /* Taken messages. */
static size_t n_graveyard;
static struct bridge *const the_bridge = (struct bridge *) &world_now;

/* What is replaced. */

#define AGENT(LINK) ((struct agent *) (LINK))

long long int __wrap_time_msec(void);
void __wrap_link_notify(struct link *, const char *, struct json *);
void __wrap_link_reply(struct link *, const struct jsonrpc_msg *,
                       struct json *);
void __wrap_link_reply_error(struct link *, const struct jsonrpc_msg *,
                             const char *, const char *, ...)
    OVS_PRINTF_FORMAT(4, 5);
void __wrap_link_reply_error_object(struct link *, const struct jsonrpc_msg *,
                                    struct json *);
const char *__wrap_link_get_peer(const struct link *);
const char *__wrap_link_get_name(const struct link *);
void __wrap_link_drop(struct link *, const char *);
size_t __wrap_link_get_backlog(const struct link *);
struct link *__wrap_device_conn_link(const struct device_conn *);
struct device *__wrap_device_conn_device(const struct device_conn *);
void __wrap_device_conn_bind(struct device_links *, struct device_conn *,
                             struct device *);
void __wrap_device_conn_drop(struct device_conn *, const char *);
char *__wrap_identity_verify(const struct identity *, const char *,
                             const char *, const char *, const void *, size_t,
                             const uint8_t *, size_t);
struct bridge *__wrap_network_find(const struct network *, const char *);
struct bridge *__wrap_network_next(const struct network *,
                                   const struct bridge *);
void __wrap_network_set_block(struct network *, const char *,
                              const struct uuid *, const struct in6_addr *,
                              unsigned int, const struct flow_place *);
void __wrap_network_set_session(struct network *, const char *,
                                const struct uuid *, const struct in6_addr *,
                                const struct flow_place *,
                                const struct flow_place *);
void __wrap_network_unset(struct network *, const char *, const struct uuid *);
uint64_t __wrap_network_flush(struct network *, const char *);
void __wrap_network_flush_all(struct network *);
const char *__wrap_bridge_get_name(const struct bridge *);
bool __wrap_bridge_is_synchronised(const struct bridge *);
const char *__wrap_bridge_port_to_name(const struct bridge *, ofp_port_t);
uint64_t __wrap_bridge_acked(const struct bridge *);
void __wrap_bridge_send_to_port(struct bridge *, ofp_port_t, const void *,
                                size_t);
void __wrap_bridge_send_to_vlan(struct bridge *, ofp_port_t, uint16_t,
                                const void *, size_t);
void __wrap_bridge_send_through(struct bridge *, ofp_port_t, const void *,
                                size_t);
void __wrap_bridge_send_tunnel(struct bridge *, const struct in6_addr *,
                               uint32_t key, const void *, size_t);
void __wrap_bridge_send_past_guard(struct bridge *, ofp_port_t, const void *,
                                   size_t);

long long int
__wrap_time_msec(void)
{
    return world_now;
}

static void
deliver(struct agent *agent, const char *method, struct json *params)
{
    struct json *object = json_object_create();

    world_clock++;
    json_object_put_string(object, "method", method);
    json_object_put(object, "params", params);
    message_put_integer(object, "clock", world_clock);
    if (agent->dropped || agent->n_inbox >= ARRAY_SIZE(agent->inbox)) {
        json_destroy(object);
    } else {
        agent->inbox[agent->n_inbox++] = object;
    }
}

void
__wrap_link_notify(struct link *link, const char *method, struct json *params)
{
    deliver(AGENT(link), method, params);
}

void
__wrap_link_reply(struct link *link,
                  const struct jsonrpc_msg *request OVS_UNUSED,
                  struct json *result)
{
    deliver(AGENT(link), "result", result);
}

void
__wrap_link_reply_error_object(struct link *link,
                               const struct jsonrpc_msg *request OVS_UNUSED,
                               struct json *error)
{
    deliver(AGENT(link), "error", error);
}

void
__wrap_link_reply_error(struct link *link,
                        const struct jsonrpc_msg *request OVS_UNUSED,
                        const char *code, const char *format, ...)
{
    struct json *error = json_object_create();
    va_list args;
    char *reason;

    va_start(args, format);
    reason = xvasprintf(format, args);
    va_end(args);
    json_object_put_string(error, "code", code);
    json_object_put_string(error, "reason", reason);
    free(reason);
    deliver(AGENT(link), "error", error);
}

const char *
__wrap_link_get_peer(const struct link *link)
{
    return AGENT(link)->name;
}

const char *
__wrap_link_get_name(const struct link *link)
{
    return AGENT(link)->name;
}

void
__wrap_link_drop(struct link *link, const char *reason OVS_UNUSED)
{
    AGENT(link)->dropped = true;
}

size_t
__wrap_link_get_backlog(const struct link *link OVS_UNUSED)
{
    return 0;
}

struct link *
__wrap_device_conn_link(const struct device_conn *conn)
{
    return (struct link *) conn;
}

struct device *
__wrap_device_conn_device(const struct device_conn *conn)
{
    return AGENT(conn)->device;
}

void
__wrap_device_conn_bind(struct device_links *links OVS_UNUSED,
                        struct device_conn *conn, struct device *device)
{
    for (size_t i = 0; i < n_agents; i++) {
        if (agents[i]->device == device && agents[i] != AGENT(conn)) {
            agents[i]->dropped = true;
            agents[i]->device = NULL;
        }
    }
    AGENT(conn)->device = device;
}

void
__wrap_device_conn_drop(struct device_conn *conn,
                        const char *reason OVS_UNUSED)
{
    AGENT(conn)->dropped = true;
}

char *
__wrap_identity_verify(const struct identity *identity OVS_UNUSED,
                       const char *pem OVS_UNUSED, const char *role OVS_UNUSED,
                       const char *name OVS_UNUSED,
                       const void *data OVS_UNUSED, size_t n OVS_UNUSED,
                       const uint8_t *sig OVS_UNUSED,
                       size_t sig_len OVS_UNUSED)
{
    return world_certificate_good ? NULL : xstrdup("names somebody else");
}

struct bridge *
__wrap_network_find(const struct network *network OVS_UNUSED, const char *name)
{
    return strcmp(name, "br0") ? NULL : the_bridge;
}

struct bridge *
__wrap_network_next(const struct network *network OVS_UNUSED,
                    const struct bridge *bridge)
{
    return bridge ? NULL : the_bridge;
}

void
__wrap_network_set_block(struct network *network OVS_UNUSED,
                         const char *bridge OVS_UNUSED,
                         const struct uuid *key OVS_UNUSED,
                         const struct in6_addr *addr OVS_UNUSED,
                         unsigned int plen OVS_UNUSED,
                         const struct flow_place *lessee OVS_UNUSED)
{
}

void
__wrap_network_set_session(struct network *network OVS_UNUSED,
                           const char *bridge OVS_UNUSED,
                           const struct uuid *key OVS_UNUSED,
                           const struct in6_addr *addr OVS_UNUSED,
                           const struct flow_place *guard,
                           const struct flow_place *inbound)
{
    world_guard = *guard;
    world_inbound = *inbound;
}

void
__wrap_network_unset(struct network *network OVS_UNUSED,
                     const char *bridge OVS_UNUSED,
                     const struct uuid *key OVS_UNUSED)
{
    world_guard.port = world_inbound.port = OFPP_NONE;
}

uint64_t
__wrap_network_flush(struct network *network OVS_UNUSED,
                     const char *bridge OVS_UNUSED)
{
    world_last_flush_at = ++world_clock;
    return ++world_flushed;
}

void
__wrap_network_flush_all(struct network *network OVS_UNUSED)
{
}

const char *
__wrap_bridge_get_name(const struct bridge *bridge OVS_UNUSED)
{
    return "br0";
}

bool
__wrap_bridge_is_synchronised(const struct bridge *bridge OVS_UNUSED)
{
    return world_synchronised;
}

const char *
__wrap_bridge_port_to_name(const struct bridge *bridge OVS_UNUSED,
                           ofp_port_t port)
{
    static char name[16];

    snprintf(name, sizeof name, "p%u", ofp_to_u16(port));
    return ofp_to_u16(port) < 10 ? name : NULL;
}

uint64_t
__wrap_bridge_acked(const struct bridge *bridge OVS_UNUSED)
{
    return world_acked;
}

void
__wrap_bridge_send_to_port(struct bridge *bridge OVS_UNUSED, ofp_port_t port,
                           const void *data, size_t n)
{
    CU_ASSERT_EQUAL_FATAL(n, sizeof world_frame);
    memcpy(world_frame, data, n);
    world_frame_port = port;
}

void
__wrap_bridge_send_to_vlan(struct bridge *bridge, ofp_port_t port,
                           uint16_t vlan OVS_UNUSED, const void *data,
                           size_t n)
{
    __wrap_bridge_send_to_port(bridge, port, data, n);
}

void
__wrap_bridge_send_through(struct bridge *bridge OVS_UNUSED,
                           ofp_port_t port OVS_UNUSED,
                           const void *data OVS_UNUSED, size_t n OVS_UNUSED)
{
    world_n_sent_through++;
}

void
__wrap_bridge_send_past_guard(struct bridge *bridge OVS_UNUSED,
                              ofp_port_t port OVS_UNUSED,
                              const void *data OVS_UNUSED, size_t n OVS_UNUSED)
{
    world_n_sent_past_guard++;
}

void
__wrap_bridge_send_tunnel(struct bridge *bridge OVS_UNUSED,
                          const struct in6_addr *peer, uint32_t key,
                          const void *data, size_t n)
{
    world_tunnel.peer = *peer;
    world_tunnel.key = key;
    world_tunnel.n = n;
    memcpy(world_tunnel.data, data, MIN(n, sizeof world_tunnel.data));
}

/* The world. */

void
world_begin(const char *policy)
{
    char file_name[] = "/tmp/baton-test-policy-XXXXXX";
    int fd = mkstemp(file_name);
    const struct shash_node *node;
    char *error = NULL;

    CU_ASSERT_FATAL(fd >= 0
                    && write(fd, policy, strlen(policy)) == strlen(policy));
    close(fd);
    world_now = 100 * 1000;
    world_synchronised = world_certificate_good = true;
    world_flushed = world_acked = 0;
    world_n_sent_through = world_n_sent_past_guard = world_clock = 0;

    world = xzalloc(sizeof *world);
    world->policy = policy_load(file_name, &error);
    unlink(file_name);
    if (!world->policy) {
        fprintf(stderr, "%s\n", error);
        exit(1);
    }
    devices_init(&world->devices);
    session_cache_init(&world->sessions);
    world->leases = leases_create();
    world->holders = holders_create();
    world->permanents = permanents_create();
    world->mappings = mappings_create();
    world->names = names_create();
    world->records = record_store_create(NULL);
    world->transfers = transfers_create();
    session_paths_init(world);
    world->network = network_create();
    world->neighbours = neighbours_create();
    ovs_list_init(&world->waiting);
    world->tunnel_paths = tunnel_paths_create();
    ovs_list_init(&world->introductions);
    ovs_list_init(&world->prepares);
    SHASH_FOR_EACH(node, &world->policy->devices) {
        device_add(&world->devices, node->name);
    }
    leases_configure(world->leases, world->policy, world_now);
}

void
world_end(void)
{
    struct device *device;

    for (size_t i = 0; i < n_agents; i++) {
        world_clear(agents[i]);
        free(agents[i]);
    }
    n_agents = 0;
    for (size_t i = 0; i < n_graveyard; i++) {
        json_destroy(graveyard[i]);
    }
    n_graveyard = 0;
    session_paths_destroy(world);
    introductions_destroy(world);
    tunnel_paths_destroy(world->tunnel_paths);
    next_hops_destroy(world);
    network_destroy(world->network, false);
    transfers_destroy(world->transfers);
    record_store_destroy(world->records);
    holders_destroy(world->holders);
    permanents_destroy(world->permanents);
    names_destroy(world->names);
    mappings_destroy(world->mappings);
    leases_destroy(world->leases);
    session_cache_destroy(&world->sessions);
    HMAP_FOR_EACH(device, node, &world->devices.devices) {
        device_tunnels_destroy(device);
    }
    devices_destroy(&world->devices);
    policy_destroy(world->policy);
    free(world);
    world = NULL;
}

void
world_run(void)
{
    struct device *device;

    HMAP_FOR_EACH(device, node, &world->devices.devices) {
        attachment_run(device, world->network, world_now);
    }
    announcements_run(world);
    permanents_run(world);
    mediator_run(world);
}

void
world_advance(long long int ms)
{
    world_now += ms;
    world_run();
}

void
world_ack(void)
{
    world_acked = world_flushed;
    world_run();
}

/* Agents. */

struct agent *
world_new_agent(const char *name, int port)
{
    struct agent *agent = xzalloc(sizeof *agent);

    ovs_strlcpy(agent->name, name, sizeof agent->name);
    agent->port = u16_to_ofp(port);
    agent->mac = (struct eth_addr){ { { 2, 0, 0, 0, 0, port } } };
    CU_ASSERT_FATAL(n_agents < ARRAY_SIZE(agents));
    agents[n_agents++] = agent;
    return agent;
}

static struct json *
parse(const char *s)
{
    char *copy = xstrdup(s);
    struct json *json;

    for (char *p = copy; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    json = json_from_string(copy);
    if (json->type == JSON_STRING) {
        fprintf(stderr, "%s: %s\n", s, json_string(json));
        abort();
    }
    free(copy);
    return json;
}

static void
dispatch(struct agent *agent, struct jsonrpc_msg *msg)
{
    if (!agent->dropped) {
        methods_dispatch(world, (struct device_conn *) agent, msg);
    }
    jsonrpc_msg_destroy(msg);
    world_run();
}

void
world_notify(struct agent *agent, const char *method, const char *params)
{
    dispatch(agent, jsonrpc_create_notify(method,
                                          json_array_create_1(parse(params))));
}

void
world_request(struct agent *agent, const char *method, const char *params)
{
    dispatch(agent, jsonrpc_create_request(
                        method, json_array_create_1(parse(params)), NULL));
}

void
world_try(struct agent *agent, const char *method, const char *params,
          bool request)
{
    struct json *json = json_from_string(params);
    struct json *array;

    if (json->type == JSON_STRING) {
        json_destroy(json);
        return;
    }
    if (agent->dropped) {
        agent->dropped = false;
        world_register(agent);
    }
    array = json_array_create_1(json);
    dispatch(agent, request ? jsonrpc_create_request(method, array, NULL)
                            : jsonrpc_create_notify(method, array));
    world_clear(agent);
}

static struct json *
take(struct agent *agent, const char *method)
{
    for (size_t i = 0; i < agent->n_inbox; i++) {
        struct json *msg = agent->inbox[i];

        if (!strcmp(world_string(msg, "method"), method)) {
            memmove(&agent->inbox[i], &agent->inbox[i + 1],
                    (agent->n_inbox - i - 1) * sizeof *agent->inbox);
            agent->n_inbox--;
            CU_ASSERT_FATAL(n_graveyard < ARRAY_SIZE(graveyard));
            graveyard[n_graveyard++] = msg;
            return msg;
        }
    }
    return NULL;
}

const struct json *
world_expect(struct agent *agent, const char *method)
{
    const struct json *msg = take(agent, method);

    if (!msg) {
        fprintf(stderr, "%s: no \"%s\"\n", agent->name, method);
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(msg);
    return shash_find_data(json_object(msg), "params");
}

void
world_expect_none(struct agent *agent, const char *method)
{
    CU_ASSERT_PTR_NULL(take(agent, method));
}

void
world_clear(struct agent *agent)
{
    for (size_t i = 0; i < agent->n_inbox; i++) {
        json_destroy(agent->inbox[i]);
    }
    agent->n_inbox = 0;
}

static const struct json *
member(const struct json *object, const char *name, enum json_type type)
{
    const struct json *value = shash_find_data(json_object(object), name);

    return value && value->type == type ? value : NULL;
}

const char *
world_string(const struct json *object, const char *name)
{
    const struct json *value = member(object, name, JSON_STRING);

    return value ? json_string(value) : "";
}

long long int
world_integer(const struct json *object, const char *name)
{
    const struct json *value = member(object, name, JSON_INTEGER);

    return value ? json_integer(value) : 0;
}

void
world_bytes(const struct json *object, const char *name, void *p, size_t n)
{
    struct message m = MESSAGE_INITIALIZER(object);

    message_get_bytes(&m, name, p, n);
    CU_ASSERT_PTR_NULL(m.error);
    free(message_finish(&m));
}

char *
world_base64(const void *p, size_t n)
{
    char *s = xmalloc(n * 2 + 8);

    EVP_EncodeBlock((unsigned char *) s, p, n);
    return s;
}

void
world_register(struct agent *agent)
{
    const struct json *result;

    world_request(agent, "register",
                  "{'version': 1, 'certificate': 'PEM',"
                  " 'endpoint': 'ssl:192.0.2.1:6655', 'highest': [],"
                  " 'sessions': []}");
    result = world_expect(agent, "result");
    agent->sa_id = strtoull(world_string(result, "sa_id"), NULL, 16);
    world_bytes(result, "sa_key", agent->sa_key, sizeof agent->sa_key);
    world_bytes(result, "nonce", agent->nonce, sizeof agent->nonce);
}

void
world_answer_frame(const struct agent *agent, const uint8_t nonce[16],
                   ofp_port_t port, bool good)
{
    struct attachment_frame frame;
    uint8_t bytes[ATTACHMENT_FRAME_LEN];
    struct bridge_packet packet;

    memset(&frame, 0, sizeof frame);
    frame.kind = ATTACHMENT_ANSWER;
    frame.src = agent->mac;
    frame.sa_id = agent->sa_id;
    memcpy(frame.nonce, nonce, sizeof frame.nonce);
    attachment_frame_compose(&frame, agent->sa_key, bytes);
    if (!good) {
        bytes[sizeof bytes - 1] ^= 1;
    }
    packet.kind = BATON_FLOW_ATTACHMENT;
    packet.in_port = port;
    packet.data = bytes;
    packet.size = sizeof bytes;
    world_frame_port = OFPP_NONE;
    attachment_handle_frame(&world->devices, world->network, world->policy,
                            the_bridge, &packet, world_now);
}

void
world_attach(struct agent *agent)
{
    const struct json *challenge = world_expect(agent, "attach-challenge");
    struct attachment_frame probe;
    uint8_t nonce[16];
    char *s, *params;

    world_bytes(challenge, "nonce", nonce, sizeof nonce);
    world_answer_frame(agent, nonce, agent->port, true);
    if (world_frame_port == OFPP_NONE) {
        world_advance(250); /* Its known place may answer too. */
    }
    CU_ASSERT_EQUAL_FATAL(world_frame_port, agent->port);
    CU_ASSERT_TRUE(
        attachment_frame_parse(world_frame, sizeof world_frame, &probe));
    CU_ASSERT_TRUE(attachment_frame_verify(&probe, agent->sa_key));
    CU_ASSERT_EQUAL(probe.kind, ATTACHMENT_PROBE);
    s = world_base64(probe.nonce, sizeof probe.nonce);
    params = xasprintf("{'nonce': '%s'}", s);
    world_notify(agent, "attach-echo", params);
    free(params);
    free(s);
}

struct agent *
world_connect(const char *name, int port)
{
    struct agent *agent = world_new_agent(name, port);

    world_register(agent);
    world_attach(agent);
    world_expect(agent, "attached");
    return agent;
}

void
world_disconnect(struct agent *agent)
{
    if (agent->device) {
        device_disconnected(agent->device);
        transfers_device_lost(world->transfers, agent->name,
                              "a device lost its connection");
        agent->device = NULL;
    }
    agent->dropped = true;
    world_clear(agent);
    world_run();
}

/* Sessions and transfers. */

void
world_open(struct agent *owner, struct world_session *session)
{
    static int last;
    const struct json *result;
    struct ds s = DS_EMPTY_INITIALIZER;
    char *params;

    world_request(owner, "lease", "{'family': 4}");
    result = world_expect(owner, "result");
    struct message m = MESSAGE_INITIALIZER(result);
    unsigned int plen;

    message_get_prefix(&m, "prefix", &session->address, &plen);
    free(message_finish(&m));
    session->address.s6_addr[15] += 1 + last++ % 6;
    uuid_generate(&session->id);
    snprintf(session->id_text, sizeof session->id_text, UUID_FMT,
             UUID_ARGS(&session->id));
    ipv6_string_mapped(session->address_text, &session->address);
    params = xasprintf("{'session': '%s', 'address': '%s', 'epoch': 0,"
                       " 'name': 'film', 'service': 'play',"
                       " 'state': 'owner'}",
                       session->id_text, session->address_text);
    world_notify(owner, "announce", params);
    world_expect_none(owner, "epoch");
    free(params);
    ds_destroy(&s);
}

bool
world_introduce(struct world_transfer *wt, struct agent *from,
                struct agent *to, struct world_session *session,
                uint64_t epoch)
{
    const struct json *msg;
    char *params;

    memset(wt, 0, sizeof *wt);
    wt->from = from;
    wt->to = to;
    wt->session = session;
    wt->epoch = epoch;
    params = xasprintf("{'session': '%s', 'address': '%s', 'epoch': %llu,"
                       " 'name': 'film', 'service': 'play',"
                       " 'target': '%s'}",
                       session->id_text, session->address_text,
                       (unsigned long long int) epoch, to->name);
    world_request(from, "introduce", params);
    free(params);
    if (from->n_inbox
        && !strcmp(world_string(from->inbox[from->n_inbox - 1], "method"),
                   "error")) {
        return false;
    }
    msg = world_expect(from, "result");
    ovs_strlcpy(wt->id_text, world_string(msg, "transfer"),
                sizeof wt->id_text);
    CU_ASSERT_TRUE(uuid_from_string(&wt->id, wt->id_text));
    CU_ASSERT_EQUAL(world_integer(msg, "state_bytes"),
                    world->policy->limits.state_bytes);
    msg = world_expect(to, "expect");
    CU_ASSERT_EQUAL(world_integer(msg, "state_bytes"),
                    world->policy->limits.state_bytes);
    CU_ASSERT_STRING_EQUAL(world_string(msg, "transfer"), wt->id_text);
    CU_ASSERT_STRING_EQUAL(world_string(msg, "from"), from->name);
    return true;
}

void
world_seal(struct world_transfer *wt, enum onward onward, uint8_t depth)
{
    wt->terms.sa_id = wt->from->sa_id;
    wt->terms.transfer = wt->id;
    wt->terms.session = wt->session->id;
    wt->terms.address = wt->session->address;
    wt->terms.epoch = wt->epoch;
    wt->terms.from = wt->from->name;
    wt->terms.to = wt->to->name;
    seal_random(wt->secret.session_key, sizeof wt->secret.session_key);
    wt->secret.onward = onward;
    wt->secret.depth = depth;
    wt->ticket_len = ticket_seal(&wt->terms, wt->from->sa_key, &wt->secret,
                                 wt->ticket);
}

void
world_prepare(struct world_transfer *wt)
{
    char *s = world_base64(wt->ticket, wt->ticket_len);
    char *params = xasprintf("{'transfer': '%s', 'ticket': '%s'}", wt->id_text,
                             s);

    world_request(wt->from, "prepare", params);
    free(params);
    free(s);
}

void
world_flush(struct world_transfer *wt, ofp_port_t port)
{
    struct attachment_frame frame;
    uint8_t bytes[ATTACHMENT_FRAME_LEN];
    struct bridge_packet packet = { .kind = BATON_FLOW_ATTACHMENT,
                                    .in_port = port,
                                    .data = bytes,
                                    .size = sizeof bytes };
    struct device *device;
    struct uuid transfer;

    memset(&frame, 0, sizeof frame);
    frame.kind = ATTACHMENT_FLUSH;
    frame.src = wt->from->mac;
    frame.sa_id = wt->from->sa_id;
    for (int i = 0; i < 16; i++) {
        frame.nonce[i] = wt->id.parts[i / 4] >> (24 - i % 4 * 8);
    }
    attachment_frame_compose(&frame, wt->from->sa_key, bytes);
    device = attachment_parse_flush(&world->devices, the_bridge, &packet,
                                    world_now, &transfer);
    if (device) {
        struct transfer *t = transfers_find(world->transfers, &transfer);

        CU_ASSERT_TRUE(uuid_equals(&transfer, &wt->id));
        CU_ASSERT_PTR_NOT_NULL_FATAL(t);
        if (!strcmp(t->from, device->name)) {
            transfer_flushed(world->transfers, t);
            world_run();
        }
    }
}

void
world_prove(struct world_transfer *wt)
{
    struct iovec iov = { wt->ticket, wt->ticket_len };
    uint8_t hash[SEAL_HASH_LEN];

    seal_hash(&iov, 1, hash);
    ticket_proof(&wt->terms, wt->secret.session_key, hash, wt->to->nonce,
                 sizeof wt->to->nonce, wt->proof);
}

void
world_claim(struct world_transfer *wt, struct agent *by)
{
    char *s = world_base64(wt->proof, sizeof wt->proof);
    char *params = xasprintf("{'transfer': '%s', 'proof': '%s'}", wt->id_text,
                             s);

    world_notify(by, "claim", params);
    free(params);
    free(s);
}

void
world_ask(struct world_transfer *wt, struct agent *by, const char *role)
{
    char *params = xasprintf("{'transfer': '%s', 'session': '%s',"
                             " 'address': '%s', 'epoch': %llu,"
                             " 'role': '%s'}",
                             wt->id_text, wt->session->id_text,
                             wt->session->address_text,
                             (unsigned long long int) wt->epoch, role);

    world_notify(by, "ask", params);
    free(params);
}

void
world_move(struct agent *from, struct agent *to, struct world_session *session,
           uint64_t epoch)
{
    struct world_transfer wt;
    const struct json *msg;

    CU_ASSERT_TRUE_FATAL(world_introduce(&wt, from, to, session, epoch));
    world_seal(&wt, ONWARD_ANY, UINT8_MAX);
    world_prepare(&wt);
    world_expect(from, "result");
    world_flush(&wt, from->port);
    world_prove(&wt);
    world_claim(&wt, to);
    world_expect_none(to, "owned");
    world_ack();
    msg = world_expect(to, "owned");
    CU_ASSERT_EQUAL(world_integer(msg, "epoch"), epoch + 1);
    msg = world_expect(from, "released");
    CU_ASSERT_EQUAL(world_integer(msg, "epoch"), epoch + 1);
}
