/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIBBATON_SESSION_H
#define LIBBATON_SESSION_H 1

/* What libbaton remembers of a session, so that it can show it to an agent
 * that was started anew: see PRESENT in app-protocol.h.
 *
 *     OWNER --PAUSE--> PAUSING --answer--> PAUSED
 *       ^                 |                  |
 *       +-----RESUME------+------------------+--GONE--> GONE
 *
 *     ARRIVED --answer--> READY --OWNED--> OWNER
 *        |                  +------GONE--> GONE
 *        +--refusal--> REFUSED --GONE--> GONE
 */

#include <stdbool.h>
#include <stdint.h>

#include "app-socket.h"
#include "baton/baton.h"
#include "channel.h"
#include "onward.h"

enum session_state {
    SESSION_OWNER,
    SESSION_PAUSING, /* The application was told to pause. */
    SESSION_PAUSED,  /* It did. */
    SESSION_ARRIVED, /* Muted, with an application that prepares. */
    SESSION_READY,
    SESSION_REFUSED,
    SESSION_GONE,
};

struct session_socket {
    int fd;          /* The application's. */
    uint64_t cookie; /* Is 'fd' still the same socket? */
};

struct baton_session {
    struct baton_session *next;
    struct baton *baton;
    enum session_state state;
    bool moving;    /* BATON_MOVED is owed. */
    bool move_lost; /* ...by an agent that is no more. */
    uint8_t id[16];
    char id_text[37];
    char name[APP_NAME_LEN];
    char onward[ONWARD_STRING_LEN]; /* As it was opened with. */
    struct in6_addr address;        /* IPv4 as IPv4-mapped. */
    int family;
    struct baton_session_info info;
    bool mapped; /* See struct baton_mapping. */
    struct baton_mapping mapping;
    char mapping_owner[APP_NAME_LEN];
    int state_fd; /* The application's state while PAUSED. */
    size_t note_len;
    uint8_t note[APP_NOTE_LEN];
    size_t n_sockets;
    struct session_socket sockets[APP_SOCKETS_MAX];
};

/* Out of an OPENED or ARRIVED message.  NULL: no memory. */
struct baton_session *session_create(struct baton *,
                                     const struct app_message *);
void session_destroy(struct baton_session *);

void session_set_note(struct baton_session *, const struct app_message *);
void session_forget_state(struct baton_session *);

/* A message about the session. */
void session_message(const struct baton_session *, struct app_message *,
                     enum app_message_type);

/* Stores the socket's cookie.  0, or ENOTSOCK and the like. */
int session_socket_cookie(int fd, uint64_t *cookiep);
/* Is 'fd' bound to the session's address?  Returns what is wrong, or NULL. */
const char *session_check_socket(const struct baton_session *, int fd);
/* The index of 'fd', or -1. */
int session_find_socket(const struct baton_session *, int fd);
int session_find_cookie(const struct baton_session *, uint64_t);
void session_remove_socket(struct baton_session *, int index);

/* Takes what MAPPED says, and gives it to the application; NULL: nothing. */
void session_set_mapping(struct baton_session *, const struct app_mapping *);

/* Says what was said of passing on when the session was opened. */
void session_tell_onward(const struct baton_session *, struct channel *);
/* Shows the session to a new agent. */
void session_present(struct baton_session *, struct channel *);

#endif /* lib/libbaton/session.h */
