/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_LEASE_REQUEST_H
#define BATON_LEASE_REQUEST_H 1

/* Asks the controller for the blocks that block.h says are needed. */

#include <stdbool.h>

struct agent;
struct jsonrpc_msg;

void lease_request_run(struct agent *);
void lease_request_wait(struct agent *);
/* True if 'msg' answered one. */
bool lease_request_handle(struct agent *, const struct jsonrpc_msg *);

#endif /* agentd/lease-request.h */
