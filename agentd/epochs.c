/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "epochs.h"

#include <stdlib.h>

#include "agent.h"
#include "message.h"
#include "openvswitch/json.h"
#include "util.h"
#include "uuid.h"

/* Sessions whose epochs are remembered. */
#define MAX_HIGHEST 16384
/* How many of them are shown in one message, which should not be too long. */
#define HIGHEST_SHOWN 1024

struct highest {
    struct hmap_node node; /* In agent->highest, by session. */
    struct uuid session;
    uint64_t epoch;
};

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
epochs_highest(const struct agent *agent, const struct uuid *session)
{
    const struct highest *h = find_highest(agent, session);

    return h ? h->epoch : 0;
}

void
epochs_note(struct agent *agent, const struct uuid *session, uint64_t epoch)
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
epochs_forget(struct agent *agent)
{
    struct highest *h;

    HMAP_FOR_EACH_POP(h, node, &agent->highest) {
        free(h);
    }
    hmap_destroy(&agent->highest);
}

struct json *
epochs_to_json(const struct agent *agent)
{
    struct json *array = json_array_create_empty();
    const struct highest *h;

    HMAP_FOR_EACH(h, node, &agent->highest) {
        struct json *json;

        if (json_array(array)->n >= HIGHEST_SHOWN) {
            break;
        }
        json = json_object_create();
        message_put_uuid(json, "session", &h->session);
        message_put_integer(json, "epoch", h->epoch);
        json_array_add(array, json);
    }
    return array;
}
