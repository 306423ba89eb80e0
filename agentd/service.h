/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_SERVICE_H
#define BATON_SERVICE_H 1

/* Which application takes a session that comes for a service: one that waits
 * for it, or one that is started, as the policy that came with our
 * registration allows. */

#include <stdbool.h>
#include <sys/types.h>

struct agent;
struct app_conn;

/* On failure returns false and stores a sentence, which the caller frees. */
bool service_find_application(struct agent *, const char *service,
                              const char *from, struct app_conn **,
                              char **reasonp);
/* May programs of 'uid' have the sessions of a service? */
bool service_is_for(struct agent *, const char *service, uid_t uid,
                    char **reasonp);

#endif /* agentd/service.h */
