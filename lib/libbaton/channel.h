/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIBBATON_CHANNEL_H
#define LIBBATON_CHANNEL_H 1

/* libbaton's way to the agent: one socket, made anew when the agent goes
 * away, behind one descriptor that an application polls for reading whatever
 * happens to the socket.
 *
 * channel_recv() does all the work: it sends what waits, receives, and when it
 * is time tries to connect again.  It says ECONNRESET once each time that the
 * connection is lost, and EISCONN once each time that there is a new one: then
 * the caller introduces itself.  In between it says EAGAIN.
 *
 * Functions return 0 or a positive errno.  They never wait, but for
 * channel_wait(). */

#include <stdbool.h>

#include "app-socket.h"

struct channel;

/* 'sock' is a socket that is connected already, or -1: then connects to
 * 'path'.  A channel without 'path' ends when its socket does. */
int channel_open(const char *path, int sock, struct channel **);
void channel_close(struct channel *);

bool channel_is_connected(const struct channel *);
int channel_fd(const struct channel *);

/* Sends, or queues (with duplicates of 'fds').  ENOTCONN: there is no agent
 * now. */
int channel_send(struct channel *, const struct app_message *, const int *fds,
                 size_t n_fds);
int channel_recv(struct channel *, struct app_message *, int fds[APP_FDS_MAX],
                 size_t *n_fds);

/* Makes channel_fd() readable, though nothing may have come. */
void channel_wake(struct channel *);

/* Waits until channel_recv() has something to do, at most 'ms'. */
void channel_wait(struct channel *, int ms);

#endif /* lib/libbaton/channel.h */
