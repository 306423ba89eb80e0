/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "events.h"

#include <stdarg.h>
#include <stdlib.h>

#include "agent.h"
#include "app-link.h"
#include "app-send.h"
#include "message.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "openvswitch/util.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(events);

#define MAX_EVENTS 500

struct event {
    struct ovs_list node; /* In agent->events. */
    long long int when;   /* time_wall_msec(). */
    struct uuid session;
    uid_t uid;
    char *text;
};

struct watcher {
    struct ovs_list node; /* In agent->watchers. */
    struct app_conn *conn;
};

void
events_init(struct agent *agent)
{
    ovs_list_init(&agent->events);
    ovs_list_init(&agent->watchers);
    agent->n_events = 0;
}

static void
event_destroy(struct agent *agent, struct event *event)
{
    ovs_list_remove(&event->node);
    agent->n_events--;
    free(event->text);
    free(event);
}

void
events_destroy(struct agent *agent)
{
    struct watcher *w;
    struct event *event;

    LIST_FOR_EACH_SAFE(event, node, &agent->events) {
        event_destroy(agent, event);
    }
    LIST_FOR_EACH_POP(w, node, &agent->watchers) {
        free(w);
    }
}

static bool
is_visible(const struct event *event, uid_t uid)
{
    return !uid || uid == event->uid;
}

static struct json *
event_to_json(const struct event *event)
{
    struct json *json = json_object_create();
    char *when = xastrftime_msec("%Y-%m-%d %H:%M:%S.###", event->when, false);

    message_put_string(json, "time", when);
    message_put_uuid(json, "session", &event->session);
    message_put_string(json, "event", event->text);
    free(when);
    return json;
}

void
events_add(struct agent *agent, const struct uuid *session, uid_t uid,
           const char *format, ...)
{
    struct event *event = xzalloc(sizeof *event);
    struct watcher *w;
    va_list args;

    va_start(args, format);
    event->text = xvasprintf(format, args);
    va_end(args);
    event->when = time_wall_msec();
    event->session = *session;
    event->uid = uid;
    VLOG_INFO("session " UUID_FMT ": %s", UUID_ARGS(session), event->text);

    ovs_list_push_back(&agent->events, &event->node);
    if (++agent->n_events > MAX_EVENTS) {
        event_destroy(agent, CONTAINER_OF(ovs_list_front(&agent->events),
                                          struct event, node));
    }
    LIST_FOR_EACH(w, node, &agent->watchers) {
        if (is_visible(event, app_conn_uid(w->conn))) {
            struct json *rows = json_array_create_1(event_to_json(event));

            app_send_rows(w->conn, rows);
        }
    }
}

struct json *
events_to_json(const struct agent *agent, uid_t uid)
{
    struct json *rows = json_array_create_empty();
    const struct event *event;

    LIST_FOR_EACH(event, node, &agent->events) {
        if (is_visible(event, uid)) {
            json_array_add(rows, event_to_json(event));
        }
    }
    return rows;
}

void
events_watch(struct agent *agent, struct app_conn *conn)
{
    struct watcher *w;

    LIST_FOR_EACH(w, node, &agent->watchers) {
        if (w->conn == conn) {
            return;
        }
    }
    w = xmalloc(sizeof *w);
    w->conn = conn;
    ovs_list_push_back(&agent->watchers, &w->node);
}

void
events_conn_closed(struct agent *agent, struct app_conn *conn)
{
    struct watcher *w;

    LIST_FOR_EACH_SAFE(w, node, &agent->watchers) {
        if (w->conn == conn) {
            ovs_list_remove(&w->node);
            free(w);
        }
    }
}
