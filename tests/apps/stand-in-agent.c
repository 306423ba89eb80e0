/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* An agent without a network, to test applications by: session addresses are
 * of the loopback interface, and a "device" is another connection of the same
 * service, to which the sockets go as they are.
 *
 *     usage: stand-in-agent SOCKET
 *
 * "nowhere" is a device to which nothing moves. */

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app-link.h"
#include "app-socket.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/uuid.h"
#include "openvswitch/vlog.h"
#include "util.h"
#include "uuid.h"

struct held {
    struct ovs_list node;
    struct app_conn *conn;   /* Whose it is. */
    struct app_conn *target; /* To whom it goes, or NULL. */
    struct app_conn *asker;  /* Whom to tell, or NULL... */
    bool by_call;            /* ...by RESULT, not MOVED. */
    uint8_t id[16];
    char name[APP_NAME_LEN];
    char service[APP_NAME_LEN];
    struct in6_addr address;
    uint32_t family;
    int fds[APP_FDS_MAX];
    uint64_t cookies[APP_FDS_MAX];
    size_t n_fds;
};

static struct ovs_list sessions = OVS_LIST_INITIALIZER(&sessions);
static struct app_server *server;
static struct app_conn *watcher;
static uint8_t n_opened;

static struct held *
find(const uint8_t id[16])
{
    struct held *s;

    LIST_FOR_EACH(s, node, &sessions) {
        if (!memcmp(s->id, id, sizeof s->id)) {
            return s;
        }
    }
    return NULL;
}

static void
tell(struct app_conn *conn, const struct held *s, enum app_message_type type,
     int error, const char *reason)
{
    struct app_message msg;

    app_message_init(&msg, type);
    memcpy(msg.session, s->id, sizeof msg.session);
    msg.error = error;
    APP_STRING_PUT(msg.reason, reason);
    app_conn_send(conn, &msg, NULL, 0);
}

static void
result(struct app_conn *conn, const char *text)
{
    struct app_message msg;

    app_message_init(&msg, APP_RESULT);
    ovs_strlcpy(msg.text, text, sizeof msg.text);
    msg.text_len = strlen(msg.text);
    app_conn_send(conn, &msg, NULL, 0);
}

static void
moved(struct held *s, int error, const char *reason)
{
    if (s->asker && s->by_call) {
        char *text = error ? xasprintf("{\"error\":\"%s\"}", reason)
                           : xstrdup("{\"rows\":[]}");

        result(s->asker, text);
        free(text);
    } else if (s->asker) {
        tell(s->asker, s, APP_MOVED, error, reason);
    }
    s->asker = NULL;
    if (watcher) {
        char *text = xasprintf("{\"rows\":[{\"event\":\"%s %s\"}]}",
                               error ? "kept" : "moved", s->name);

        result(watcher, text);
        free(text);
    }
}

static void
open_session(struct app_event *ev)
{
    struct held *s = xzalloc(sizeof *s);
    struct app_message msg;
    struct uuid uuid;

    uuid_generate(&uuid);
    memcpy(s->id, &uuid, sizeof s->id);
    s->conn = ev->conn;
    s->family = ev->msg.family;
    ovs_strlcpy(s->name, ev->msg.name, sizeof s->name);
    ovs_strlcpy(s->service, app_conn_service(ev->conn), sizeof s->service);
    inet_pton(AF_INET6, s->family == AF_INET ? "::ffff:127.9.0.0" : "::1",
              &s->address);
    if (s->family == AF_INET) {
        s->address.s6_addr[15] = ++n_opened;
    }
    ovs_list_push_back(&sessions, &s->node);

    app_message_init(&msg, APP_OPENED);
    memcpy(msg.session, s->id, sizeof msg.session);
    msg.address = s->address;
    msg.family = s->family;
    msg.socket = ev->msg.socket;
    app_conn_send(ev->conn, &msg, NULL, 0);
}

static void
remove_socket(struct held *s, uint64_t cookie)
{
    for (size_t i = 0; i < s->n_fds; i++) {
        if (s->cookies[i] == cookie) {
            close(s->fds[i]);
            s->n_fds--;
            memmove(&s->fds[i], &s->fds[i + 1],
                    (s->n_fds - i) * sizeof s->fds[0]);
            memmove(&s->cookies[i], &s->cookies[i + 1],
                    (s->n_fds - i) * sizeof s->cookies[0]);
            return;
        }
    }
}

static void
end_session(struct held *s)
{
    app_fds_close(s->fds, s->n_fds);
    ovs_list_remove(&s->node);
    free(s);
}

/* The connection that the session moves to: the oldest of that service that
 * has not got it. */
static struct app_conn *
find_target(struct app_conn **conns, size_t n, const struct held *s,
            const char *service)
{
    for (size_t i = 0; i < n; i++) {
        if (conns[i] != s->conn
            && !strcmp(app_conn_service(conns[i]), service)) {
            return conns[i];
        }
    }
    return NULL;
}

static struct app_conn *conns[64];
static size_t n_conns;

static void
move(struct held *s, const char *device, const char *service,
     struct app_conn *asker, bool by_call)
{
    s->asker = asker;
    s->by_call = by_call;
    s->target = find_target(conns, n_conns, s,
                            service[0] ? service : s->service);
    if (!strcmp(device, "refuser")) {
        s->target = s->conn; /* It has the session already. */
    }
    if (!s->target || !strcmp(device, "nowhere")) {
        moved(s, EHOSTUNREACH, "no such device");
        return;
    }
    tell(s->conn, s, APP_PAUSE, 0, "");
}

static void
paused(struct held *s, struct app_event *ev)
{
    struct app_message msg;
    int fds[APP_FDS_MAX + 1];

    app_message_init(&msg, APP_ARRIVED);
    memcpy(msg.session, s->id, sizeof msg.session);
    APP_STRING_PUT(msg.name, s->name);
    msg.address = s->address;
    msg.family = s->family;
    msg.n_sockets = s->n_fds;
    msg.flags = ev->n_fds ? APP_FLAG_STATE : 0;
    memcpy(fds, s->fds, s->n_fds * sizeof *fds);
    if (ev->n_fds) {
        fds[s->n_fds] = ev->fds[0];
    }
    app_conn_send(s->target, &msg, fds, s->n_fds + ev->n_fds);
}

static void
ready(struct held *s)
{
    tell(s->conn, s, APP_GONE, 0, "moved");
    tell(s->target, s, APP_OWNED, 0, "");
    s->conn = s->target;
    s->target = NULL;
    moved(s, 0, "");
}

static void
refused(struct held *s, const struct app_event *ev)
{
    if (s->target != s->conn) {
        tell(s->target, s, APP_GONE, ECANCELED, "refused");
    }
    tell(s->conn, s, APP_RESUME, ECANCELED, ev->msg.reason);
    s->target = NULL;
    moved(s, ECANCELED, ev->msg.reason);
}

static const char *
member(const struct json *json, const char *name)
{
    const struct json *m = shash_find_data(json_object(json), name);

    return m && m->type == JSON_STRING ? json_string(m) : "";
}

static void
call_sessions(struct app_conn *conn)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    const struct held *h;

    ds_put_cstr(&s, "{\"rows\":[");
    LIST_FOR_EACH(h, node, &sessions) {
        char address[INET6_ADDRSTRLEN];

        inet_ntop(AF_INET6, &h->address, address, sizeof address);
        ds_put_format(
            &s,
            "%s{\"name\":\"%s\",\"sockets\":%" PRIuSIZE
            ",\"address\":\"%s\",\"pid\":%ld}",
            h == CONTAINER_OF(ovs_list_front(&sessions), struct held, node)
                ? ""
                : ",",
            h->name, h->n_fds, address, (long int) app_conn_pid(h->conn));
    }
    ds_put_cstr(&s, "]}");
    result(conn, ds_cstr(&s));
    ds_destroy(&s);
}

/* An answer that is longer than a message. */
static void
call_log(struct app_conn *conn)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct app_message msg;
    int fd;

    ds_put_cstr(&s, "{\"rows\":[");
    for (int i = 0; i < 2000; i++) {
        ds_put_format(&s, "%s{\"time\":\"%d\",\"event\":\"nothing\"}",
                      i ? "," : "", i);
    }
    ds_put_cstr(&s, "]}");
    if (!app_state_create(ds_cstr(&s), s.length, &fd)) {
        app_message_init(&msg, APP_RESULT);
        app_conn_send(conn, &msg, &fd, 1);
        close(fd);
    }
    ds_destroy(&s);
}

static void
call(struct app_event *ev)
{
    struct json *json = json_from_string(ev->msg.text);
    const char *name = json->type == JSON_OBJECT ? member(json, "call") : "";
    struct held *s;

    if (!strcmp(name, "sessions")) {
        call_sessions(ev->conn);
    } else if (!strcmp(name, "devices")) {
        result(ev->conn, "{\"rows\":[{\"name\":\"tv\",\"connected\":true,"
                         "\"groups\":[\"home\",\"all\"],\"port\":7}]}");
    } else if (!strcmp(name, "log")) {
        call_log(ev->conn);
    } else if (!strcmp(name, "watch")) {
        watcher = ev->conn;
    } else if (!strcmp(name, "move")) {
        LIST_FOR_EACH(s, node, &sessions) {
            if (!strcmp(s->name, member(json, "session"))) {
                move(s, member(json, "device"), member(json, "service"),
                     ev->conn, true);
                json_destroy(json);
                return;
            }
        }
        result(ev->conn, "{\"error\":\"no such session\"}");
    } else {
        result(ev->conn, "{\"error\":\"no such call\"}");
    }
    json_destroy(json);
}

static void
handle(struct app_event *ev)
{
    struct held *s = find(ev->msg.session);

    if (ev->msg.type == APP_HELLO && n_conns < ARRAY_SIZE(conns)) {
        conns[n_conns++] = ev->conn;
    } else if (ev->msg.type == APP_OPEN) {
        open_session(ev);
    } else if (ev->msg.type == APP_CALL) {
        call(ev);
    } else if (!s) {
        return;
    } else if (ev->msg.type == APP_ADD && s->n_fds < APP_SOCKETS_MAX) {
        s->cookies[s->n_fds] = ev->msg.socket;
        s->fds[s->n_fds++] = ev->fds[0];
        ev->n_fds = 0;
    } else if (ev->msg.type == APP_REMOVE) {
        remove_socket(s, ev->msg.socket);
    } else if (ev->msg.type == APP_MOVE) {
        move(s, ev->msg.device, ev->msg.service, ev->conn, false);
    } else if (ev->msg.type == APP_PAUSED && s->target) {
        paused(s, ev);
    } else if (ev->msg.type == APP_READY && s->target) {
        ready(s);
    } else if (ev->msg.type == APP_REFUSE && s->target) {
        refused(s, ev);
    } else if (ev->msg.type == APP_END) {
        end_session(s);
    }
}

static void
closed(struct app_conn *conn)
{
    struct held *s;

    if (watcher == conn) {
        watcher = NULL;
    }
    for (size_t i = 0; i < n_conns; i++) {
        if (conns[i] == conn) {
            n_conns--;
            memmove(&conns[i], &conns[i + 1], (n_conns - i) * sizeof *conns);
            break;
        }
    }
    LIST_FOR_EACH_SAFE(s, node, &sessions) {
        if (s->asker == conn) {
            s->asker = NULL;
        }
        if (s->conn == conn) {
            end_session(s);
        }
    }
}

int
main(int argc, char *argv[])
{
    struct app_event ev;
    struct app_conn *conn;
    char *error;

    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_WARN);
    if (argc != 2) {
        ovs_fatal(0, "usage: %s SOCKET", argv[0]);
    }
    if (app_server_open(argv[1], &server, &error)) {
        ovs_fatal(0, "%s", error);
    }
    for (;;) {
        app_server_run(server);
        while (app_server_next(server, &ev)) {
            handle(&ev);
            app_fds_close(ev.fds, ev.n_fds);
            free(ev.fds);
        }
        while ((conn = app_server_next_closed(server)) != NULL) {
            closed(conn);
        }
        app_server_wait(server);
        poll_block();
    }
}
