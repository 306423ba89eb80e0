/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_AGENT_LOOP_H
#define BATON_AGENT_LOOP_H 1

/* The loop of the agent, which pulls from the lower modules (controller, peers,
 * applications, taps) and passes on to the upper ones (applications'
 * requests, handovers, people's calls).
 *
 *     main() -> agent_loop_run():  controller link ----+
 *                                  peers --------------+--> handover
 *                                  applications -------+--> app-requests, calls
 */

struct agent;

struct agent_config {
    const char *controller; /* "ssl:..." */
    const char *listen;     /* "pssl:...", for peers. */
    const char *socket;     /* Path, for applications. */
    const char *state_dir;
    const char *const *ifnames; /* NULL-terminated. */
    const char *private_key, *certificate, *ca_cert;
};

/* Returns 0 or a positive errno; then '*errorp', which the caller frees, says
 * what was wrong. */
int agent_loop_create(const struct agent_config *, struct agent **,
                      char **errorp);
void agent_loop_destroy(struct agent *);
void agent_loop_run(struct agent *);
void agent_loop_wait(struct agent *);

#endif /* agentd/agent-loop.h */
