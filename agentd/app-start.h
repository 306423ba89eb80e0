/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_APP_START_H
#define BATON_APP_START_H 1

/* Starts a program with one end of a socket pair as descriptor 3, in the
 * LISTEN_FDS convention.  Part of app-link, which looks after what was started.
 *
 * On success stores the agent's end in '*fdp' and the child's process id, for
 * the caller to reap.  Returns once the program runs, so that "no such file"
 * is known here; on failure a positive errno, and a sentence in '*errorp'. */

#include <sys/types.h>

int app_start(const char *socket_path, const char *service, char *const argv[],
              uid_t, int *fdp, pid_t *pidp, char **errorp);

#endif /* agentd/app-start.h */
