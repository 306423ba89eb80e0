/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_HELD_ADDRESS_H
#define BATON_HELD_ADDRESS_H 1

/* Other devices' permanent addresses that are here: each by a lease, which is
 * renewed at a third of it.  The lease is counted from before it was asked
 * for, by this host's monotonic clock; the controller counts it from later,
 * and adds a margin.  When it is over the session ends here without a packet:
 * by then the address is not ours any more. */

#include <stdbool.h>

struct agent;
struct jsonrpc_msg;
struct session;
struct uuid;

void held_addresses_open(struct agent *);
void held_addresses_close(struct agent *);
void held_addresses_run(struct agent *);
void held_addresses_wait(struct agent *);
void held_addresses_registered(struct agent *);
bool held_addresses_handle_reply(struct agent *, const struct jsonrpc_msg *);

/* 's' is here for 'lifetime' seconds from 'since' (time_msec()).  0: nobody
 * knows; it is asked at once. */
void held_address_add(struct agent *, const struct session *,
                      unsigned int lifetime, long long int since);

/* It is this device's own, as the controller says now. */
void held_address_forget(struct agent *, const struct uuid *session);

#endif /* agentd/held-address.h */
