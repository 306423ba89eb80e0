/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "handle.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

_Thread_local char handle_open_error[512];

int
handle_fail(struct baton *b, int error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(b ? b->error : handle_open_error, sizeof handle_open_error,
              format, args);
    va_end(args);
    errno = error;
    return -1;
}

void
handle_push(struct baton *b, const struct app_message *msg, const int *fds,
            size_t n_fds)
{
    size_t n = APP_MESSAGE_MIN + msg->text_len;
    struct pending *p = malloc(offsetof(struct pending, msg) + n);

    if (!p) {
        app_fds_close(fds, n_fds);
        return;
    }
    p->next = NULL;
    memcpy(&p->msg, msg, n);
    p->n_fds = n_fds;
    if (n_fds) {
        memcpy(p->fds, fds, n_fds * sizeof *fds);
    }
    *b->tail = p;
    b->tail = &p->next;
    channel_wake(b->channel);
}

bool
handle_pop(struct baton *b, struct app_message *msg, int *fds, size_t *n_fds)
{
    struct pending *p = b->head;

    if (!p) {
        return false;
    }
    memcpy(msg, &p->msg, APP_MESSAGE_MIN + p->msg.text_len);
    msg->text[msg->text_len] = '\0';
    memcpy(fds, p->fds, p->n_fds * sizeof *fds);
    *n_fds = p->n_fds;
    b->head = p->next;
    if (!b->head) {
        b->tail = &b->head;
    }
    free(p);
    return true;
}

void
handle_say_instead(struct baton_session *s, enum app_message_type type,
                   int error, const char *reason)
{
    struct app_message msg;

    session_message(s, &msg, type);
    msg.error = error;
    APP_STRING_PUT(msg.reason, reason);
    handle_push(s->baton, &msg, NULL, 0);
}

void
handle_send_hello(struct baton *b)
{
    struct app_message msg;

    app_message_init(&msg, APP_HELLO);
    APP_STRING_PUT(msg.service, b->service);
    APP_STRING_PUT(msg.name, program_invocation_short_name);
    for (struct baton_session *s = b->sessions; s; s = s->next) {
        msg.socket += s->state != SESSION_GONE && s->state != SESSION_REFUSED;
    }
    channel_send(b->channel, &msg, NULL, 0);
}

/* A new agent: shows it what there is. */
void
handle_introduce(struct baton *b)
{
    handle_send_hello(b);
    for (struct baton_session *s = b->sessions; s; s = s->next) {
        session_present(s, b->channel);
        if (s->state == SESSION_REFUSED) {
            handle_say_instead(s, APP_GONE, ECONNRESET,
                               "refused, and the agent "
                               "was started anew");
        }
        if (s->moving) {
            if (s->state == SESSION_OWNER) {
                handle_say_instead(s, APP_MOVED, ECONNRESET,
                                   "the agent was started "
                                   "anew before the move had begun");
            } else {
                s->move_lost = true;
            }
        }
    }
}

struct baton_session *
handle_find_session(struct baton *b, const uint8_t id[16])
{
    struct baton_session *s = b->sessions;

    while (s && memcmp(s->id, id, sizeof s->id)) {
        s = s->next;
    }
    return s;
}

void
handle_add_session(struct baton *b, struct baton_session *s)
{
    s->next = b->sessions;
    b->sessions = s;
}

void
handle_decline(struct baton *b, const uint8_t id[16],
               enum app_message_type type, const char *reason)
{
    struct app_message msg;

    app_message_init(&msg, type);
    memcpy(msg.session, id, sizeof msg.session);
    APP_STRING_PUT(msg.reason, reason);
    channel_send(b->channel, &msg, NULL, 0);
}

void
handle_send_paused(struct baton_session *s)
{
    struct app_message msg;

    session_message(s, &msg, APP_PAUSED);
    msg.flags = s->state_fd >= 0 ? APP_FLAG_STATE : 0;
    channel_send(s->baton->channel, &msg, &s->state_fd, s->state_fd >= 0);
}

void
handle_release_event(struct baton *b)
{
    if (b->state) {
        munmap(b->state, b->state_len);
        b->state = NULL;
    }
}
