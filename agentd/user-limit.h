/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_USER_LIMIT_H
#define BATON_USER_LIMIT_H 1

/* How many sessions one user's programs may open on this device: policy says
 * so (limits: user-sessions), that nobody takes all that the device may have.
 * Root is not limited. */

#include <stdbool.h>
#include <sys/types.h>

struct agent;

/* May 'uid' open one more, beside 'n_waiting' that it has asked for?  If not,
 * stores a sentence, which the caller frees. */
bool user_limit_permits(const struct agent *, uid_t uid, size_t n_waiting,
                        char **reasonp);

#endif /* agentd/user-limit.h */
