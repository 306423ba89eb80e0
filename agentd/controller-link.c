/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "controller-link.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "attachment.h"
#include "identity.h"
#include "jsonrpc.h"
#include "lan-interface.h"
#include "link.h"
#include "message.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(controller_link);

struct controller_link {
    struct link *link;
    char *target;
    const struct identity *identity;
    char *endpoint;
    struct attachment *attachment;

    unsigned int link_seqno; /* Of 'link', when last looked at. */
    bool want_announcements; /* Connected, "register" not yet sent. */
    uint64_t register_id;    /* Its request, or 0. */

    bool registered;
    bool refused;       /* By the last answer. */
    unsigned int seqno; /* Of registrations. */
    struct json *registration;
    uint64_t sa_id;
    uint8_t sa_key[SEAL_KEY_LEN];
    uint8_t nonce[CLAIM_NONCE_LEN];

    char probe_ifname[16]; /* Where the last probe frame came in. */
    char ifname[16];       /* The same, once the controller believes. */
    bool on_lan;           /* That is a plain LAN. */
};

struct controller_link *
controller_link_open(const char *target, const struct identity *identity,
                     const char *endpoint, struct attachment *attachment)
{
    struct controller_link *cl = xzalloc(sizeof *cl);

    cl->link = link_open(target, "controller/");
    cl->target = xstrdup(target);
    cl->identity = identity;
    cl->endpoint = xstrdup(endpoint);
    cl->attachment = attachment;
    return cl;
}

static void
forget_registration(struct controller_link *cl)
{
    cl->registered = false;
    cl->register_id = 0;
    seal_wipe(cl->sa_key, sizeof cl->sa_key);
    json_destroy(cl->registration);
    cl->registration = NULL;
    cl->ifname[0] = '\0';
}

void
controller_link_close(struct controller_link *cl)
{
    if (cl) {
        forget_registration(cl);
        link_close(cl->link);
        free(cl->endpoint);
        free(cl->target);
        free(cl);
    }
}

const char *
controller_link_get_target(const struct controller_link *cl)
{
    return cl->target;
}

void
controller_link_move(struct controller_link *cl, const char *endpoint)
{
    forget_registration(cl);
    link_close(cl->link);
    cl->link = link_open(cl->target, "controller/");
    cl->link_seqno = link_get_seqno(cl->link);
    cl->want_announcements = false;
    free(cl->endpoint);
    cl->endpoint = xstrdup(endpoint);
}

static void
run_probes(struct controller_link *cl)
{
    uint8_t nonce[ATTACHMENT_NONCE_LEN];
    char ifname[16];

    attachment_run(cl->attachment);
    while (cl->registered
           && attachment_next_probe(cl->attachment, cl->sa_id, cl->sa_key,
                                    nonce, ifname)) {
        struct json *echo = json_object_create();

        message_put_bytes(echo, "nonce", nonce, sizeof nonce);
        link_notify(cl->link, "attach-echo", echo);
        ovs_strlcpy(cl->probe_ifname, ifname, sizeof cl->probe_ifname);
    }
}

void
controller_link_run(struct controller_link *cl)
{
    link_run(cl->link);
    if (link_get_seqno(cl->link) != cl->link_seqno) {
        cl->link_seqno = link_get_seqno(cl->link);
        forget_registration(cl);
        cl->want_announcements = link_is_connected(cl->link);
    }
    run_probes(cl);
}

void
controller_link_wait(struct controller_link *cl)
{
    link_wait(cl->link);
    attachment_wait(cl->attachment);
}

struct link *
controller_link_get(struct controller_link *cl)
{
    return cl->link;
}

bool
controller_link_wants_announcements(const struct controller_link *cl)
{
    return cl->want_announcements && link_is_connected(cl->link);
}

void
controller_link_register(struct controller_link *cl, struct json *sessions,
                         struct json *highest)
{
    struct json *params = json_object_create();

    message_put_integer(params, "version", 1);
    message_put_string(params, "certificate", identity_get_pem(cl->identity));
    message_put_string(params, "endpoint", cl->endpoint);
    json_object_put(params, "sessions", sessions);
    json_object_put(params, "highest", highest);
    cl->register_id = link_request(cl->link, "register", params);
    cl->want_announcements = false;
}

bool
controller_link_is_registered(const struct controller_link *cl)
{
    return cl->registered;
}

bool
controller_link_is_refused(const struct controller_link *cl)
{
    return cl->refused;
}

unsigned int
controller_link_get_seqno(const struct controller_link *cl)
{
    return cl->seqno;
}

const struct json *
controller_link_get_registration(const struct controller_link *cl)
{
    return cl->registration;
}

const char *
controller_link_get_ifname(const struct controller_link *cl)
{
    return cl->ifname;
}

bool
controller_link_is_on_lan(const struct controller_link *cl)
{
    return cl->ifname[0] && cl->on_lan;
}

uint64_t
controller_link_get_sa_id(const struct controller_link *cl)
{
    return cl->sa_id;
}

const uint8_t *
controller_link_get_sa_key(const struct controller_link *cl)
{
    return cl->sa_key;
}

const uint8_t *
controller_link_get_nonce(const struct controller_link *cl)
{
    return cl->nonce;
}

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
handle_registration(struct controller_link *cl, const struct jsonrpc_msg *msg)
{
    if (msg->type == JSONRPC_ERROR) {
        VLOG_ERR("the controller refuses this device: %s",
                 link_msg_error_reason(msg));
        cl->refused = true;
        link_drop(cl->link, link_msg_error_reason(msg));
        return;
    }

    struct message m = MESSAGE_INITIALIZER(msg->result);
    bool sa_ok = parse_sa_id(message_get_string(&m, "sa_id", 16), &cl->sa_id);

    message_get_bytes(&m, "sa_key", cl->sa_key, sizeof cl->sa_key);
    message_get_bytes(&m, "nonce", cl->nonce, sizeof cl->nonce);
    char *error = message_finish(&m);

    if (error || !sa_ok) {
        VLOG_ERR("the controller's answer to our registration is wrong: %s",
                 error ? error : "member \"sa_id\"");
        link_drop(cl->link, "wrong answer to registration");
        free(error);
        return;
    }
    cl->registration = json_clone(msg->result);
    cl->registered = true;
    cl->refused = false;
    cl->seqno++;
    VLOG_INFO("registered with the controller as device %s",
              identity_get_name(cl->identity));
}

static void
handle_challenge(struct controller_link *cl, const struct json *params)
{
    struct message m = MESSAGE_INITIALIZER(params);
    uint8_t nonce[ATTACHMENT_NONCE_LEN];

    message_get_bytes(&m, "nonce", nonce, sizeof nonce);
    char *error = message_finish(&m);

    if (error) {
        VLOG_WARN("attach-challenge: %s", error);
        free(error);
    } else if (cl->registered) {
        attachment_answer(cl->attachment, cl->sa_id, cl->sa_key, nonce);
    }
}

/* The controller renews the security association. */
static void
handle_sa(struct controller_link *cl, const struct json *params)
{
    struct message m = MESSAGE_INITIALIZER(params);
    uint8_t key[SEAL_KEY_LEN];
    uint64_t id;
    bool id_ok = parse_sa_id(message_get_string(&m, "sa_id", 16), &id);

    message_get_bytes(&m, "sa_key", key, sizeof key);
    char *error = message_finish(&m);

    if (error || !id_ok) {
        VLOG_WARN("sa: %s", error ? error : "member \"sa_id\"");
        free(error);
    } else if (cl->registered) {
        cl->sa_id = id;
        memcpy(cl->sa_key, key, sizeof cl->sa_key);
    }
    seal_wipe(key, sizeof key);
}

/* The controller takes us for a device on a plain LAN. */
static void
handle_lan(struct controller_link *cl, const struct json *params)
{
    struct message m = MESSAGE_INITIALIZER(params);
    const char *name = message_get_name(&m, "lan");
    const struct json *subnets = (params ? shash_find_data(json_object(params),
                                                           "subnets")
                                         : NULL);
    char *error = message_finish(&m);
    struct eth_addr mac;
    size_t n;

    if (error) {
        VLOG_WARN("attach-lan: %s", error);
        free(error);
    } else if (cl->registered
               && lan_interface_find(subnets,
                                     attachment_ifnames(cl->attachment, &n), n,
                                     cl->probe_ifname, &mac)) {
        struct json *answer = json_object_create();

        message_put_string(answer, "lan", name);
        message_put_eth(answer, "mac", mac);
        link_notify(cl->link, "attach-lan", answer);
    }
}

static void
handle_attached(struct controller_link *cl, const struct json *params)
{
    struct message m = MESSAGE_INITIALIZER(params);
    const char *bridge = message_get_string(&m, "bridge", 256);

    cl->on_lan = (params && shash_find(json_object(params), "lan")
                  && message_get_boolean(&m, "lan"));
    if (strcmp(cl->ifname, cl->probe_ifname)) {
        VLOG_INFO("attached to %s %s by %s",
                  cl->on_lan ? "plain lan" : "bridge", bridge,
                  cl->probe_ifname);
        ovs_strlcpy(cl->ifname, cl->probe_ifname, sizeof cl->ifname);
    }
    free(message_finish(&m));
}

/* Handles what is the link's own affair; true if 'msg' was. */
static bool
handle_own(struct controller_link *cl, const struct jsonrpc_msg *msg)
{
    if (cl->register_id && link_msg_id(msg) == cl->register_id) {
        cl->register_id = 0;
        handle_registration(cl, msg);
    } else if (msg->type != JSONRPC_NOTIFY) {
        return false;
    } else if (!strcmp(msg->method, "attach-challenge")) {
        handle_challenge(cl, link_msg_params(msg));
    } else if (!strcmp(msg->method, "attach-lan")) {
        handle_lan(cl, link_msg_params(msg));
    } else if (!strcmp(msg->method, "attached")) {
        handle_attached(cl, link_msg_params(msg));
    } else if (!strcmp(msg->method, "sa")) {
        handle_sa(cl, link_msg_params(msg));
    } else {
        return false;
    }
    return true;
}

struct jsonrpc_msg *
controller_link_recv(struct controller_link *cl)
{
    struct jsonrpc_msg *msg;

    while ((msg = link_recv(cl->link))) {
        if (!handle_own(cl, msg)) {
            return msg;
        }
        jsonrpc_msg_destroy(msg);
    }
    return NULL;
}
