/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "app-send.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "app-link.h"
#include "app-socket.h"
#include "note.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "session.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(app_send);

/* A message is large; one is enough, and is cleared up to its text. */
static struct app_message *
message_new(enum app_message_type type, const struct session *s)
{
    static struct app_message msg;

    memset(&msg, 0, APP_MESSAGE_MIN);
    msg.type = type;
    if (s) {
        session_id_to_bytes(&s->id, msg.session);
        msg.address = s->address;
        msg.family = address_family(&s->address);
        ovs_strlcpy(msg.name, s->name, sizeof msg.name);
        ovs_strlcpy(msg.service, s->service, sizeof msg.service);
        msg.flags |= s->mapped ? APP_FLAG_MAPPED : 0;
    }
    return &msg;
}

void
app_send_error(struct app_conn *conn, const struct session *s, uint64_t number,
               int error, const char *reason)
{
    if (conn) {
        struct app_message *msg = message_new(APP_ERROR, s);

        msg->socket = number;
        msg->error = error;
        ovs_strlcpy(msg->reason, reason, sizeof msg->reason);
        app_conn_send(conn, msg, NULL, 0);
    }
}

void
app_send_opened(struct app_conn *conn, const struct session *s,
                const struct note *note, const uint8_t note_key[],
                uint64_t number)
{
    struct app_message *msg = message_new(APP_OPENED, s);

    msg->socket = number;
    note_write(note, note_key, msg);
    app_conn_send(conn, msg, NULL, 0);
}

void
app_send_session(struct app_conn *conn, enum app_message_type type,
                 const struct session *s, const struct note *note,
                 const uint8_t note_key[], int error, const char *reason)
{
    if (conn) {
        struct app_message *msg = message_new(type, s);

        msg->error = error;
        if (reason) {
            ovs_strlcpy(msg->reason, reason, sizeof msg->reason);
        }
        if (note) {
            note_write(note, note_key, msg);
        }
        app_conn_send(conn, msg, NULL, 0);
    }
}

void
app_send_arrived(struct app_conn *conn, const struct session *s,
                 const struct note *note, const uint8_t note_key[],
                 int state_fd)
{
    struct app_message *msg = message_new(APP_ARRIVED, s);
    int fds[SESSION_SOCKETS_MAX + 1];
    size_t n = 0;

    for (size_t i = 0; i < s->n_sockets; i++) {
        fds[n++] = s->sockets[i].fd;
    }
    msg->n_sockets = n;
    if (state_fd >= 0) {
        fds[n++] = state_fd;
        msg->flags |= APP_FLAG_STATE;
    }
    note_write(note, note_key, msg);
    app_conn_send(conn, msg, fds, n);
}

void
app_send_mapped(struct app_conn *conn, const struct uuid *session,
                uint64_t number, int error, const struct app_mapping *mapping)
{
    struct app_message *msg = message_new(APP_MAPPED, NULL);

    session_id_to_bytes(session, msg->session);
    msg->socket = number;
    msg->error = error;
    if (mapping) {
        memcpy(msg->text, mapping, sizeof *mapping);
        msg->text_len = sizeof *mapping;
    }
    app_conn_send(conn, msg, NULL, 0);
}

/* Sends 'json' (taken) as the text of a RESULT, in a memfd if it is long. */
static void
send_result(struct app_conn *conn, int error, struct json *json)
{
    struct app_message *msg = message_new(APP_RESULT, NULL);
    char *s = json_to_string(json, 0);
    size_t n = strlen(s);
    int fd = -1;

    msg->error = error;
    if (n < sizeof msg->text) {
        memcpy(msg->text, s, n + 1);
        msg->text_len = n;
    } else {
        int retval = app_state_create(s, n, &fd);

        if (retval) {
            VLOG_WARN("cannot pass on a long result: %s",
                      ovs_strerror(retval));
            msg->error = EMSGSIZE;
            APP_STRING_PUT(msg->reason, "the answer is too long");
        }
    }
    app_conn_send(conn, msg, &fd, fd >= 0);
    if (fd >= 0) {
        close(fd);
    }
    free(s);
    json_destroy(json);
}

void
app_send_rows(struct app_conn *conn, struct json *rows)
{
    struct json *json = json_object_create();

    json_object_put(json, "rows", rows);
    if (conn) {
        send_result(conn, 0, json);
    } else {
        json_destroy(json);
    }
}

void
app_send_call_error(struct app_conn *conn, int error, const char *reason)
{
    if (conn) {
        struct json *json = json_object_create();

        json_object_put_string(json, "error", reason);
        send_result(conn, error ? error : EINVAL, json);
    }
}
