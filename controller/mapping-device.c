/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "mapping-private.h"

#include <inttypes.h>
#include <string.h>

#include "controller.h"
#include "device.h"
#include "lease.h"
#include "link.h"
#include "message.h"
#include "network.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "record.h"
#include "timeval.h"
#include "transfer.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(mapping_device);
static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(12, 12);

/* What devices say of mapped sessions, and how these end. */

#define INSTALL_TIMEOUT 2000   /* Milliseconds. */
#define SUSPEND_UNFIT 30000    /* Milliseconds; see SUSPEND_NOBODY. */
#define ASK_OVER_INTERVAL 1000 /* Milliseconds. */

static void
send_unmap(struct device *device, const struct uuid *session,
           const struct in6_addr *address, const char *reason)
{
    struct json *params = json_object_create();

    message_put_uuid(params, "session", session);
    message_put_address(params, "address", address);
    message_put_string(params, "reason", reason);
    link_notify(device->link, "unmap", params);
}

/* 'tell': whoever has the session is to end it. */
void
mapping_end(struct controller *c, struct mapping *m, bool tell,
            const char *reason)
{
    char text[INET6_ADDRSTRLEN];

    if (m->state != MAPPING_ASKED) {
        VLOG_DBG("%s: the mapping of %s port %" PRIu16 " is over: %s",
                 m->service->name, ipv6_string_mapped(text, &m->correspondent),
                 m->correspondent_port, reason);
        network_unset(c->network, m->service->bridge, &m->key);
        if (tell) {
            struct device *owner = mapping_owner_of(c, &m->address);

            if (owner && !uuid_is_zero(&m->session)) {
                send_unmap(owner, &m->session, &m->address, reason);
            }
        }
    }
    mapping_free(c->mappings, m);
}

/* Anybody can send what looks like an RST. */
void
mapping_ask_over(struct controller *c, struct mapping *m)
{
    struct device *owner = mapping_owner_of(c, &m->address);
    long long int now = time_msec();
    struct json *params;

    if (m->state == MAPPING_CLOSING || !owner || uuid_is_zero(&m->session)
        || (m->asked_at && now - m->asked_at < ASK_OVER_INTERVAL)) {
        return;
    }
    m->asked_at = now;
    params = json_object_create();
    message_put_uuid(params, "session", &m->session);
    message_put_integer(params, "port", m->service->flows.port);
    message_put_address(params, "correspondent", &m->correspondent);
    message_put_integer(params, "correspondent_port", m->correspondent_port);
    link_notify(owner->link, "over", params);
}

void
mapping_is_over(struct controller *c, struct device *device,
                const struct uuid *session, const struct in6_addr *address)
{
    struct mapping *m = mapping_table_find_session(c->mappings, session);

    if (m && m->asked_at && !mapping_is_waiting(m)
        && m->state != MAPPING_CLOSING
        && ipv6_addr_equals(&m->address, address)
        && mapping_owner_of(c, address) == device) {
        mapping_set_state(m, MAPPING_CLOSING);
        mapping_set_flows(c, m);
    }
}

/* The device does not have it: its first packets go on as they are. */
void
mapping_give_up(struct controller *c, struct mapping *m)
{
    m->service->n_passed[PASSED_DEVICE]++;
    mapping_release(c, m, false);
    mapping_free(c->mappings, m);
}

void
mapping_session_ended(struct controller *c, const struct in6_addr *address)
{
    struct mapping *m = mapping_table_find_address(c->mappings, address);

    if (m) {
        mapping_end(c, m, false, "the session ended");
    }
}

static bool
may_have(const struct controller *c, const struct device *device,
         const struct mapping *m, const struct in6_addr *address)
{
    const char *lessee = leases_lessee(c->leases, address);
    struct record view;

    return (IN6_IS_ADDR_V4MAPPED(address)
                == IN6_IS_ADDR_V4MAPPED(&m->correspondent)
            && lessee && !strcmp(lessee, device->name)
            && nullable_string_is_equal(leases_home_bridge(c->leases, address),
                                        m->service->bridge)
            && !leases_is_permanent(c->leases, address)
            && !record_find_address(c->records, address, &view)
            && !mapping_table_find_address(c->mappings, address));
}

void
mapping_mapped(struct controller *c, struct device *device,
               const struct uuid *session, const struct in6_addr *address)
{
    struct mapping *m = mapping_table_find_session(c->mappings, session);
    char text[INET6_ADDRSTRLEN];

    ipv6_string_mapped(text, address);
    if (m && m->state != MAPPING_ASKED
        && mapping_owner_of(c, address) == device
        && ipv6_addr_equals(&m->address, address)) {
        mapping_announce(c, device, m); /* It has it again. */
        return;
    }
    if (!m || m->state != MAPPING_ASKED
        || strcmp(m->service->device, device->name)) {
        if (!m || m->state == MAPPING_ASKED) {
            send_unmap(device, session, address, "it came too late");
        }
        return;
    }
    if (!may_have(c, device, m, address)) {
        VLOG_WARN_RL(&rl,
                     "%s: %s is not an address that it may use for a "
                     "mapped session",
                     device->name, text);
        send_unmap(device, session, address, "not an address of its block");
        mapping_give_up(c, m);
        return;
    }
    mapping_set_address(c->mappings, m, address);
    mapping_set_state(m, MAPPING_INSTALLING);
    m->deadline = time_msec() + INSTALL_TIMEOUT;
    m->service->n_mapped++;
    mapping_announce(c, device, m);
    mapping_set_flows(c, m);
}

void
mapping_unmapped(struct controller *c, struct device *device,
                 const struct uuid *session, const char *code,
                 const char *reason)
{
    struct mapping *m = mapping_table_find_session(c->mappings, session);

    if (!m || strcmp(m->service->device, device->name)) {
        return;
    } else if (m->state != MAPPING_ASKED) {
        mapping_end(c, m, false, reason);
        return;
    }
    if (!strcmp(code, "nobody") || !strcmp(code, "unfit")) {
        mapping_service_suspend(
            m->service, c->network, time_msec(),
            !strcmp(code, "unfit") ? SUSPEND_UNFIT : SUSPEND_NOBODY, reason);
    } else {
        VLOG_INFO_RL(&rl, "%s: %s has no session: %s", m->service->name,
                     device->name, reason);
    }
    mapping_give_up(c, m);
}

void
mapping_announced(struct controller *c, struct device *device,
                  const struct uuid *session, const struct in6_addr *address,
                  bool mapped)
{
    struct mapping *m = mapping_table_find_address(c->mappings, address);

    if (m && !uuid_equals(&m->session, session)) {
        if (uuid_is_zero(&m->session)) {
            mapping_set_session(c->mappings, m, session);
        } else {
            mapping_end(c, m, false, "another session has its address");
            m = NULL;
        }
    }
    if (!m && mapped) {
        send_unmap(device, session, address, "it is not mapped any more");
    }
}

/* A device's agent forgets what it was not asked for by an application. */
void
mapping_registered(struct controller *c, struct device *device)
{
    struct record view;
    struct mapping *m;

    HMAP_FOR_EACH_SAFE(m, tuple_node, &c->mappings->by_tuple) {
        if (strcmp(m->service->device, device->name)
            || record_find_address(c->records, &m->address, &view)) {
            continue; /* What has moved has an application that shows it. */
        } else if (m->state == MAPPING_ASKED) {
            mapping_give_up(c, m);
        } else if (mapping_owner_of(c, &m->address) == device
                   && (uuid_is_zero(&m->session)
                       || !session_find(&c->sessions, &m->session))) {
            if (uuid_is_zero(&m->session)) {
                struct uuid session;

                uuid_generate(&session);
                mapping_set_session(c->mappings, m, &session);
            }
            mapping_ask(device, m, true);
        }
    }
}

void
mapping_put_expect(const struct controller *c, const struct transfer *t,
                   struct json *params)
{
    const struct mapping *m = mapping_table_find_address(c->mappings,
                                                         &t->address);

    if (m) {
        message_put_address(params, "mapped", &m->service->flows.permanent);
    }
}

unsigned int
mapping_ready(const struct controller *c, const char *device)
{
    const struct mapping_service *service = NULL;
    unsigned int ready = 0;

    while ((service = mapping_service_next(c->mappings->services, service))) {
        if (!strcmp(service->device, device)) {
            ready = MAX(ready, service->ready);
        }
    }
    return ready;
}
