/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIBBATON_HANDLE_H
#define LIBBATON_HANDLE_H 1

/* 'struct baton', and what the rooms that work on it share: baton.c (what
 * applications call) and events.c (what the agent says). */

#include <stdbool.h>

#include "app-socket.h"
#include "baton/baton.h"
#include "channel.h"
#include "session.h"

/* A message that came while another one was waited for, or that the library
 * itself says because no agent will. */
struct pending {
    struct pending *next;
    size_t n_fds;
    int fds[APP_FDS_MAX];
    struct app_message msg; /* Allocated only as far as it is filled. */
};

struct baton {
    struct channel *channel;
    char service[APP_NAME_LEN];
    char error[512];
    struct baton_session *sessions;
    uint64_t last_open; /* Number of the last OPEN. */
    struct pending *head, **tail;

    /* What the last event lent to the application. */
    char reason[APP_REASON_LEN];
    int fds[APP_FDS_MAX];
    void *state; /* Mapped. */
    size_t state_len;

    struct app_message msg; /* Too large for a stack. */
};

/* Why the last baton_open() of this thread failed. */
extern _Thread_local char handle_open_error[512];

/* Stores a sentence (of NULL, for baton_open()) and errno, and returns -1. */
int handle_fail(struct baton *, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Messages that wait for baton_next_event(). */
void handle_push(struct baton *, const struct app_message *, const int *fds,
                 size_t n_fds);
bool handle_pop(struct baton *, struct app_message *, int *fds, size_t *n_fds);

/* Says to the application, at its next baton_next_event(), what no agent can
 * say any more. */
void handle_say_instead(struct baton_session *, enum app_message_type,
                        int error, const char *reason);

/* To an agent.  What cannot be sent now is part of what the next one is
 * shown. */
void handle_send_hello(struct baton *);
void handle_introduce(struct baton *);
void handle_send_paused(struct baton_session *);
/* Answers that session 'id' is not wanted. */
void handle_decline(struct baton *, const uint8_t id[16],
                    enum app_message_type, const char *reason);

struct baton_session *handle_find_session(struct baton *,
                                          const uint8_t id[16]);
void handle_add_session(struct baton *, struct baton_session *);

/* Takes back what the last event lent to the application. */
void handle_release_event(struct baton *);

#endif /* lib/libbaton/handle.h */
