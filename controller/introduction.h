/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_INTRODUCTION_H
#define BATON_INTRODUCTION_H 1

/* Introductions that wait until the way to a target on another subnet is
 * there: its bridge has acknowledged the flows that will deliver, and the
 * tunnel, to the bridge or to the target itself, has brought something both
 * ways.  All of this is before `prepare', so
 * that nothing is lost in a tunnel that does not work, or not yet. */

#include "ticket.h"

struct controller;
struct jsonrpc_msg;
struct transfer;

/* Milliseconds after which an introduction is refused. */
#define INTRODUCTION_PATIENCE 3000

/* Begins what the answer waits for: tunnels to the parties' bridges, or to
 * themselves. */
void introduction_prepare(struct controller *, const struct transfer *t);

/* Answers 'request' about 't' as soon as the way is there: at once if the
 * target is at the session's home. */
void introduction_answer(struct controller *, struct transfer *t,
                         const struct jsonrpc_msg *request,
                         struct onward_right);

void introductions_run(struct controller *);
void introductions_wait(struct controller *);
void introductions_destroy(struct controller *);

#endif /* controller/introduction.h */
