/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_SERVE_SESSION_H
#define BATON_SERVE_SESSION_H 1

/* A session of baton-serve: a listener and its connections.  One that the
 * bridge has mapped has one connection and no listener; what came to the
 * permanent address without being mapped is in a serving without a session,
 * which cannot move.
 *
 * All of its sockets are in an epoll set of its own, which the caller watches
 * only while the session runs: pausing it is one system call. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "baton/baton.h"
#include "serve-conn.h"

#define SERVING_CONNS_MAX (BATON_FDS_MAX - 1) /* The listener is one, too. */

struct serving {
    struct serving *next; /* The caller's. */
    bool running;         /* The caller's: neither paused nor muted. */
    struct baton_session *session; /* NULL: none. */
    int epoll_fd;   /* Data: the connection, or NULL for 'listener'. */
    bool accepting; /* There is room for more connections. */
    int listener;   /* -1: none. */
    uint16_t port;
    bool redirected; /* For one client: ends when that has been silent. */
    int64_t used_ms; /* When it last had a connection, then. */
    /* In the order in which they were added to the session. */
    struct serve_conn *conns[SERVING_CONNS_MAX];
    size_t n_conns;
};

struct serving *serving_create(struct baton_session *);
/* Closes its sockets, and ends the session, or what is left of it. */
void serving_destroy(struct serving *);

/* Makes a listener (0, or a positive errno); takes what waits on it. */
int serving_listen(struct serving *, uint16_t port);
void serving_accept(struct serving *);
/* Takes over a connection; false: it cannot (and is still the caller's). */
bool serving_add(struct serving *, int fd);
/* Was it mapped, and has it no connection any more?  Or redirected, and has
 * had none for a while? */
bool serving_is_over(struct serving *, int64_t now_ms);

void serving_run_conn(struct serving *, struct serve_conn *, int root_fd);
bool serving_has(const struct serving *, int fd);
void serving_close_fd(struct serving *, int fd);
/* Closes connections whose clients have gone silent. */
void serving_sweep(struct serving *, int64_t now_ms);

void serving_encode(const struct serving *, struct state_writer *);
/* Makes connections out of an event's descriptors and state.  Returns what is
 * wrong, or NULL.  Then all of the descriptors are its own; else those of
 * 'conns'. */
const char *serving_decode(struct serving *, int root_fd,
                           const struct baton_event *);

int64_t serve_now_ms(void);
/* epoll_ctl() that does not fail. */
void serve_watch(int epoll_fd, int op, int fd, uint32_t events, void *data);

#endif /* utilities/serve-session.h */
