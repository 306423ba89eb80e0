/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_TOLD_H
#define BATON_TOLD_H 1

/* Sessions whose address a correspondent has been told by the name service
 * (see controller/names.h), before anybody has contacted it.
 *
 * The controller asks ("tell"): a ready address of the block is put on, where
 * the service, which listens on the wildcard address, takes what comes.  An
 * application that uses libbaton adopts the session when it does
 * (BATON_MAPPED); from then on that is as one that it opened.
 *
 * What no application has adopted in the time that the controller gives ends,
 * unless the kernel has a TCP connection on the address: of a service that does
 * not know libbaton, which cannot move.  That is looked at again each time.  An
 * agent that is started anew does not know them. */

#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>

#include "openvswitch/uuid.h"

struct agent;
struct jsonrpc_msg;

/* What is wanted. */
struct told_request {
    struct uuid session;
    const char *name, *service;
    int family;
    uint8_t protocol;
    uint16_t port;
    unsigned int unused_s;
};

/* Makes a session, and stores its address.  Returns NULL, or why not, a word:
 * "address" (none is ready), "nobody" (no service takes what comes). */
const char *told_make(struct agent *, const struct told_request *,
                      struct in6_addr *address);

bool told_handle_controller(struct agent *, const struct jsonrpc_msg *);
void told_run(struct agent *);
void told_wait(const struct agent *);

#endif /* agentd/told.h */
