/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "method.h"

#include <string.h>

#include "controller.h"
#include "jsonrpc.h"
#include "link.h"
#include "message.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "policy.h"
#include "record.h"
#include "transfer-checks.h"
#include "timeval.h"
#include "transfer.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(report_methods);
/* Base64 of 64 KiB and a header. */
#define RELAY_MAX (100 * 1024 * 4 / 3) /* Characters of base64. */
/* Bytes that may wait for a device before what is relayed to it is dropped. */
#define RELAY_BACKLOG (8u << 20)
/* Microseconds that late packets are still relayed after the end. */
#define RELAY_LINGER 5000000

/* relay, timeline, log */

static bool
relay_is_open(const struct transfer *t)
{
    return (!t->over || !t->n_steps
            || time_usec() < t->steps[t->n_steps - 1].usec + RELAY_LINGER);
}

/* What service is the session, as its owner announced it?  "": nobody has. */
static const char *
service_of(const struct controller *c, const struct uuid *session)
{
    const struct session *s = session_find(&c->sessions, session);

    return s ? s->service : "";
}

/* To whom 'device' may say something about transfer 'id' of 'session'; NULL:
 * to nobody.  'to' is who that is, as it says itself: a controller that has
 * been started again knows no transfer of before, but two devices may have
 * datagrams of one that are not to be lost. */
static struct device *
find_other(struct controller *c, const struct device *device,
           const struct uuid *id, const struct uuid *session, const char *to)
{
    const struct transfer *t = transfers_find(c->transfers, id);
    const char *service;

    if (t && t->to[0]) {
        if (!transfer_of_party(c, device, id, -1) || !relay_is_open(t)) {
            return NULL;
        }
        to = strcmp(t->from, device->name) ? t->from : t->to;
        return device_find_connected(&c->devices, to);
    }
    if (t && strcmp(t->from, device->name) && strcmp(t->from, to)) {
        return NULL;
    }
    service = service_of(c, session);
    return (
        policy_may_move(c->policy, device->name, to, service, NULL)
                || policy_may_move(c->policy, to, device->name, service, NULL)
            ? device_find_connected(&c->devices, to)
            : NULL);
}

void
method_relay(struct controller *c, struct device *device,
             const struct jsonrpc_msg *msg, struct message *m)
{
    const char *frame = message_get_string(m, "frame", RELAY_MAX);
    const char *to = message_get_name(m, "to");
    struct uuid id, session;
    struct device *other;
    struct json *params;

    message_get_uuid(m, "transfer", &id);
    message_get_uuid(m, "session", &session);
    if (!method_is_good(device, msg, m)) {
        return;
    }
    other = find_other(c, device, &id, &session, to);
    if (!other || link_get_backlog(other->link) > RELAY_BACKLOG) {
        return;
    }
    c->n_relayed++;
    params = json_object_create();
    message_put_uuid(params, "transfer", &id);
    message_put_string(params, "from", device->name);
    message_put_string(params, "frame", frame);
    link_notify(other->link, "relay", params);
}

static int
side_of(const struct transfer *t, const struct device *device)
{
    return strcmp(t->from, device->name) ? TRANSFER_SIDE_G : TRANSFER_SIDE_T;
}

static bool
steps_are_good(const struct json_array *steps)
{
    for (size_t i = 0; i < steps->n; i++) {
        const struct json *step = steps->elems[i];

        if (step->type != JSON_ARRAY || step->array.n != 2
            || step->array.elems[0]->type != JSON_STRING
            || step->array.elems[1]->type != JSON_INTEGER
            || strlen(json_string(step->array.elems[0])) > 63) {
            return false;
        }
    }
    return true;
}

/* Of a timeline, what is kept: what was looked at, and nothing beside it. */
static struct json *
known_members(const struct json *timeline)
{
    static const char *const names[] = { "transfer", "boot", "role", "steps" };
    struct json *copy = json_object_create();

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        json_object_put(
            copy, names[i],
            json_clone(shash_find_data(json_object(timeline), names[i])));
    }
    return copy;
}

void
method_timeline(struct controller *c, struct device *device,
                const struct jsonrpc_msg *msg, struct message *m)
{
    const struct json_array *steps = message_get_array(m, "steps", 64);
    struct transfer *t;
    struct uuid id;

    message_get_uuid(m, "transfer", &id);
    message_get_string(m, "boot", 63);
    message_get_string(m, "role", MESSAGE_NAME_MAX);
    if (!m->error && !steps_are_good(steps)) {
        m->error = xstrdup("member \"steps\": not pairs of name and time");
    }
    if (!method_is_good(device, msg, m)) {
        return;
    }
    t = transfer_of_party(c, device, &id, -1);
    if (t) {
        int side = side_of(t, device);

        json_destroy(t->device_steps[side]);
        t->device_steps[side] = known_members(m->object);
    }
}

void
method_log(struct controller *c, struct device *device,
           const struct jsonrpc_msg *msg, struct message *m)
{
    const struct json *counters = message_get_object(m, "counters");
    const struct shash_node *node;
    struct transfer *t;
    struct uuid id;

    message_get_uuid(m, "transfer", &id);
    if (!m->error && shash_count(json_object(counters)) <= 32) {
        SHASH_FOR_EACH(node, json_object(counters)) {
            const struct json *value = node->data;

            if ((value->type != JSON_INTEGER || strlen(node->name) > 63)
                && !m->error) {
                m->error = xstrdup("member \"counters\": not integers");
            }
        }
    } else if (!m->error) {
        m->error = xstrdup("member \"counters\": too many");
    }
    if (!method_is_good(device, msg, m)) {
        return;
    }
    t = transfer_of_party(c, device, &id, -1);
    if (t) {
        int side = side_of(t, device);

        json_destroy(t->counters[side]);
        t->counters[side] = json_clone(counters);
    }
}
