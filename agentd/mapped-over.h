/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_MAPPED_OVER_H
#define BATON_MAPPED_OVER_H 1

/* The bridge has seen an RST, or a FIN from both ends, of a mapped session.  It
 * cannot check sequence numbers, and anybody may send what looks like the
 * correspondent's; whether a connection is over knows the kernel that has it.
 *
 * The controller asks ("over"); the kernel is asked, and again while what the
 * bridge saw may still be under way.  If the connection is over the controller
 * is told ("is-over"), and otherwise nothing. */

#include <stdbool.h>

struct agent;
struct jsonrpc_msg;
struct mapped_over;

struct mapped_over *mapped_over_create(void);
void mapped_over_destroy(struct mapped_over *);
bool mapped_over_handle_controller(struct agent *, const struct jsonrpc_msg *);
void mapped_over_run(struct agent *);
void mapped_over_wait(const struct agent *);

#endif /* agentd/mapped-over.h */
