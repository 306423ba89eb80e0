/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_APP_LISTEN_H
#define BATON_APP_LISTEN_H 1

/* The socket at which applications find the agent, for one agent at a time.
 * Part of app-link.
 *
 * On success stores a listening socket, and a lock file's descriptor: as long
 * as it is open no other agent takes 'path'.  Whoever unlinks 'path' does so
 * before.  On failure a positive errno (EADDRINUSE: a live agent is there) and
 * a sentence in '*errorp'. */
int app_listen(const char *path, int *fdp, int *lock_fdp, char **errorp);

#endif /* agentd/app-listen.h */
