/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "app-check.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "app-link.h"
#include "app-socket.h"
#include "message.h"
#include "unicode.h"
#include "util.h"

/* How many descriptors 'msg' must bring, or -1 if an application may not send
 * this type. */
static int
expected_fds(const struct app_message *msg)
{
    int state = msg->flags & APP_FLAG_STATE ? 1 : 0;

    switch ((enum app_message_type) msg->type) {
    case APP_HELLO:
    case APP_OPEN:
    case APP_REMOVE:
    case APP_MOVE:
    case APP_READY:
    case APP_REFUSE:
    case APP_END:
    case APP_CALL:
    case APP_ONWARD:
    case APP_MAPPING: return 0;
    case APP_ADD: return 1;
    case APP_PAUSED: return state;
    case APP_PRESENT: return msg->n_sockets + state;
    case APP_OPENED:
    case APP_ERROR:
    case APP_PAUSE:
    case APP_RESUME:
    case APP_GONE:
    case APP_ARRIVED:
    case APP_OWNED:
    case APP_MOVED:
    case APP_NOTE:
    case APP_RESULT:
    case APP_MAPPED:
    default: return -1;
    }
}

static void
clean_text(char *s)
{
    char *error = utf8_validate(s, NULL);
    bool utf8 = !error;

    free(error);
    for (; *s; s++) {
        unsigned char c = *s;

        if (c < 0x20 || c == 0x7f || (c & 0x80 && !utf8)) {
            *s = '?';
        } else if (c == 0xc2 && (unsigned char) s[1] < 0xa0) {
            s[0] = s[1] = '?'; /* U+0080 to U+009F: more of them. */
        }
    }
}

/* Names of devices and services; none is right too. */
static bool
name_is_good(const char *name)
{
    return !name[0] || message_name_is_valid(name);
}

/* The kernel says which socket it is.  By another's number an application
 * would take that one out of the session, or get it where the session goes. */
static bool
socket_is(int fd, uint64_t cookie)
{
    socklen_t len = sizeof(uint64_t);
    uint64_t real;

    return !getsockopt(fd, SOL_SOCKET, SO_COOKIE, &real, &len)
           && real == cookie;
}

const char *
app_check_event(struct app_event *event, bool said_hello)
{
    struct app_message *msg = &event->msg;
    int n = expected_fds(msg);
    size_t size;

    if (n < 0) {
        return "message of a type that applications do not send";
    } else if (n != event->n_fds) {
        return "message with a wrong number of descriptors";
    } else if ((msg->type == APP_HELLO) == said_hello) {
        return said_hello ? "HELLO twice" : "no HELLO at first";
    } else if ((msg->type == APP_PAUSED || msg->type == APP_PRESENT)
               && msg->flags & APP_FLAG_STATE
               && app_state_check(event->fds[n - 1], APP_STATE_MAX, &size)) {
        return "state is not a sealed memfd of at most 16 MiB";
    } else if (msg->type == APP_ADD
               && !socket_is(event->fds[0], msg->socket)) {
        return "ADD of a socket that is not the one it is said to be";
    } else if (!name_is_good(msg->service)) {
        return "message with a name that no service can have";
    } else if (!name_is_good(msg->device)) {
        return "message with a name that no device can have";
    }
    clean_text(msg->name);
    clean_text(msg->reason);
    return NULL;
}
