/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "registration.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "agent.h"
#include "controller-link.h"
#include "epochs.h"
#include "events.h"
#include "handover.h"
#include "identity.h"
#include "keeper.h"
#include "mapped.h"
#include "message.h"
#include "names.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "permanent.h"
#include "settle.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(registration);

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
    epochs_note(agent, &id, epoch);
    if (s) {
        keeper_was_announced(s);
    }
    if (!s || s->handover) {
        return;
    } else if (owned) {
        s->epoch = MAX(s->epoch, epoch);
        if (s->doubtful) {
            s->doubtful = false;
            address_open_output(&s->address);
            settle_address(agent, s);
        }
    } else if (epoch > s->epoch || s->doubtful) {
        discard_session(agent, s, epoch);
    }
}

void
registration_handle_epoch(struct agent *agent, const struct json *params)
{
    struct message m = MESSAGE_INITIALIZER(params);
    const char *owner = message_get_optional_string(&m, "owner",
                                                    MESSAGE_NAME_MAX);

    free(message_finish(&m));
    /* Our own at a higher epoch: an abort that we did not hear of. */
    handle_epoch(agent, params,
                 owner && !strcmp(owner, identity_get_name(agent->identity)));
}

void
registration_send(struct agent *agent)
{
    struct json *sessions = json_array_create_empty();
    const struct session *s;

    HMAP_FOR_EACH(s, id_node, &agent->sessions.by_id) {
        /* What is moving is asked about, not announced. */
        if (!s->handover && !s->ending) {
            json_array_add(sessions, keeper_announcement(s));
        }
    }
    controller_link_register(agent->controller, sessions,
                             epochs_to_json(agent));
}

void
registration_handle(struct agent *agent)
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
    names_registered(agent);
}
