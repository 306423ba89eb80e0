/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_MAPPED_H
#define BATON_MAPPED_H 1

/* Sessions that began on this device's permanent address, for which the bridge
 * translates (see controller/mapping.h).
 *
 * The controller asks ("map") when a correspondent's first packet waits at the
 * bridge: a ready address of the block is put on, and the service, which
 * listens on the wildcard address, gets the packet there.  It need not know.
 *
 * If it does, it adopts the session by libbaton (BATON_MAPPED), and from then
 * on that is as one that it opened.  Until then nobody can move it, and it
 * lasts until the controller has seen its end ("unmap"). */

#include <stdbool.h>

struct agent;
struct app_event;
struct jsonrpc_msg;
struct session;

bool mapped_handle_controller(struct agent *, const struct jsonrpc_msg *);

/* The application that sent OPEN takes the session at the address that it
 * names. */
void mapped_handle_open(struct agent *, const struct app_event *);

/* Is it there because the controller said so to an agent that was started
 * again, and has no application shown it yet? */
bool mapped_is_placeholder(const struct session *);

/* After a registration. */
void mapped_registered(struct agent *);

#endif /* agentd/mapped.h */
