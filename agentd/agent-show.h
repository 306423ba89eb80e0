/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_AGENT_SHOW_H
#define BATON_AGENT_SHOW_H 1

/* What an agent is and does, as one JSON object for `ovs-appctl agent/show'.
 * Nothing in it is secret. */

struct agent;
struct json;

struct json *agent_show(const struct agent *);

#endif /* agentd/agent-show.h */
