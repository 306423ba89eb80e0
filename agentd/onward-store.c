/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "onward-store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent.h"
#include "block.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "permanent.h"
#include "session.h"
#include "smap.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(onward_store);

/* Sessions that are remembered.  Of more, any other is forgotten. */
#define SESSIONS_MAX 1024
/* Milliseconds between two writes: applications can ask for them. */
#define WRITE_INTERVAL 1000

struct onward_store {
    char *file;
    struct smap rights; /* By session id. */
    bool dirty;
    long long int write_at; /* time_msec(). */
};

void
onward_store_open(struct agent *agent, const char *state_dir)
{
    struct onward_store *os = xzalloc(sizeof *os);
    struct json *json;

    agent->onward_store = os;
    os->file = xasprintf("%s/onward", state_dir);
    smap_init(&os->rights);
    json = json_from_file(os->file);
    if (json->type == JSON_OBJECT) {
        struct shash_node *node;

        SHASH_FOR_EACH(node, json_object(json)) {
            const struct json *value = node->data;

            if (value->type == JSON_STRING
                && smap_count(&os->rights) < SESSIONS_MAX) {
                smap_add(&os->rights, node->name, json_string(value));
            }
        }
    }
    json_destroy(json);
}

/* The file has the old or the new contents, whatever happens. */
static void
write_file(struct onward_store *os)
{
    struct json *json = smap_to_json(&os->rights);
    char *text = json_to_string(json, JSSF_SORT);
    char *new = xasprintf("%s.new", os->file);
    FILE *stream = fopen(new, "w");

    if (!stream || fputs(text, stream) < 0 || fflush(stream)) {
        VLOG_WARN("%s: cannot be written (%s)", new, ovs_strerror(errno));
    }
    if (stream && !fclose(stream) && rename(new, os->file)) {
        VLOG_WARN("%s: cannot be replaced (%s)", os->file,
                  ovs_strerror(errno));
    }
    json_destroy(json);
    free(text);
    free(new);
    os->dirty = false;
    os->write_at = time_msec() + WRITE_INTERVAL;
}

void
onward_store_close(struct agent *agent)
{
    struct onward_store *os = agent->onward_store;

    if (os) {
        if (os->dirty) {
            write_file(os);
        }
        smap_destroy(&os->rights);
        free(os->file);
        free(os);
        agent->onward_store = NULL;
    }
}

void
onward_store_run(struct agent *agent)
{
    struct onward_store *os = agent->onward_store;

    if (os && os->dirty && time_msec() >= os->write_at) {
        write_file(os);
    }
}

void
onward_store_wait(const struct agent *agent)
{
    if (agent->onward_store && agent->onward_store->dirty) {
        poll_timer_wait_until(agent->onward_store->write_at);
    }
}

static bool
began_here(const struct agent *agent, const struct session *s)
{
    return (s->permanent ? permanent_is_home(agent, &s->id)
                         : block_contains(agent->blocks, &s->address));
}

void
onward_store_set(struct agent *agent, const struct session *s)
{
    struct onward_store *os = agent->onward_store;
    char id[UUID_LEN + 1];
    const char *old;

    if (!os) {
        return;
    }
    snprintf(id, sizeof id, UUID_FMT, UUID_ARGS(&s->id));
    old = smap_get(&os->rights, id);
    if (!began_here(agent, s)) {
        return;
    }
    if (nullable_string_is_equal(old, s->give_onward)) {
        return;
    }
    if (!s->give_onward[0]) {
        onward_store_forget(agent, &s->id);
        return;
    }
    if (!old && smap_count(&os->rights) >= SESSIONS_MAX) {
        struct smap_node *any;

        SMAP_FOR_EACH(any, &os->rights)
        {
            smap_remove_node(&os->rights, any);
            break;
        }
    }
    smap_replace(&os->rights, id, s->give_onward);
    os->dirty = true;
}

void
onward_store_recall(struct agent *agent, struct session *s)
{
    char id[UUID_LEN + 1];
    const char *right;

    if (!agent->onward_store) {
        return;
    }
    snprintf(id, sizeof id, UUID_FMT, UUID_ARGS(&s->id));
    right = smap_get(&agent->onward_store->rights, id);
    if (right && !session_set_give_onward(s, right)) {
        VLOG_WARN("%s: \"%s\" is no right to pass on",
                  agent->onward_store->file, right);
    }
}

void
onward_store_forget(struct agent *agent, const struct uuid *session)
{
    char id[UUID_LEN + 1];

    snprintf(id, sizeof id, UUID_FMT, UUID_ARGS(session));
    if (agent->onward_store && smap_get(&agent->onward_store->rights, id)) {
        smap_remove(&agent->onward_store->rights, id);
        agent->onward_store->dirty = true;
    }
}
