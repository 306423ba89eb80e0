/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_APP_LINK_H
#define BATON_APP_LINK_H 1

/* The agent's end of the conversation with applications: a listening
 * AF_UNIX SOCK_SEQPACKET socket and its connections.
 *
 * Checks what can be checked without knowing sessions: form, version, string
 * ends, descriptors (count, MSG_CTRUNC), SO_PEERCRED.  What arrived is pulled.
 * Starts applications for services (LISTEN_FDS convention). */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "app-protocol.h"

struct app_server;
struct app_conn; /* Valid until app_server_next_closed(). */

struct app_event {
    struct app_conn *conn;
    struct app_message msg; /* Strings are null-terminated. */
    int *fds;               /* Sockets, then the state if flagged; the
                                 * receiver of the event owns and frees. */
    size_t n_fds;
};

/* Limits on what one user's programs may ask of the agent. */
#define APP_CONNS_PER_UID 64  /* Root: 16 times as many. */
#define APP_MESSAGES_PER_MS 5 /* A connection; more have to wait. */
#define APP_MESSAGES_BURST 5000

/* Fails with EADDRINUSE if a live agent listens there; removes what a dead
 * one left.  Anyone may connect: who may do what is for the session module to
 * say, by app_conn_uid(). */
int app_server_open(const char *path, struct app_server **, char **errorp);
void app_server_close(struct app_server *);
void app_server_run(struct app_server *);
void app_server_wait(struct app_server *);

/* Next message, or false.  Call it until it returns false in every turn of
 * the main loop: it is what reads from the connections.  HELLO is passed on
 * too.  A message that is wrong in itself is answered here. */
bool app_server_next(struct app_server *, struct app_event *);
/* Next connection that went away, also by app_conn_close() (the struct is
 * freed at the next app_server_run()), or NULL.  All of its messages have come
 * out of app_server_next() before. */
struct app_conn *app_server_next_closed(struct app_server *);

uid_t app_conn_uid(const struct app_conn *);
pid_t app_conn_pid(const struct app_conn *);
const char *app_conn_service(const struct app_conn *); /* From HELLO. */
/* A connection waiting for 'service' whose program has this uid ((uid_t) -1:
 * any), or NULL. */
struct app_conn *app_server_find(struct app_server *, const char *service,
                                 uid_t);

/* Makes a connection with ourselves: stores our end of it and the other. */
int app_server_connect(struct app_server *, struct app_conn **, int *fdp);

/* False while a program that was started has not said anything yet. */
bool app_conn_is_ready(const struct app_conn *);

/* An application that stopped within APP_QUICK_USEC the last time is asked to
 * stop at the last moment; any other one is given the time before it. */
#define APP_QUICK_USEC 5000
void app_conn_has_stopped(struct app_conn *, long long int usec);
bool app_conn_stops_quickly(const struct app_conn *);

/* Sends; queued when the socket is full, and the connection is closed when
 * too much is queued.  Descriptors are duplicated, the caller keeps its own.
 * version is filled in. */
void app_conn_send(struct app_conn *, const struct app_message *,
                   const int *fds, size_t n_fds);
void app_conn_close(struct app_conn *);

/* Starts argv[0] (an absolute name; argv NULL-terminated) as 'uid'
 * ((uid_t) -1: the agent's own) with one end of a connection as descriptor 3
 * (LISTEN_FDS=1, LISTEN_PID, LISTEN_FDNAMES=baton), which libbaton finds by
 * itself, and BATON_SOCKET and BATON_SERVICE in its environment for the day
 * that this agent goes away.  The connection counts as having said HELLO for
 * 'service'; its first own HELLO changes nothing. */
int app_server_start(struct app_server *, const char *service,
                     char *const argv[], uid_t, struct app_conn **,
                     char **errorp);

#endif /* agentd/app-link.h */
