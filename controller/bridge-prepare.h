/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_BRIDGE_PREPARE_H
#define BATON_BRIDGE_PREPARE_H 1

/* Sets up the one tunnel port of a bridge, over the bridge's OVSDB: the only
 * thing that Baton changes there, and only when an operator asks for it; and
 * undoes it.
 *
 *     bp = bridge_prepare_start(remote, datapath_id, tunnel);
 *     bridge_prepare_run(bp); bridge_prepare_wait(bp);
 *     if (bridge_prepare_is_done(bp, &error)) ...
 *
 * The port sends to where flows say, and takes what is sent to its address
 * (remote_ip=flow, key=flow).  As far as the bridge's own forwarding goes it
 * is in VLAN 4095, which nothing else is in: NORMAL neither floods into it nor
 * takes anything from it.  A port of that name that is there already is made
 * so, and what it was is noted in it:
 *
 *     external_ids of the port
 *     baton-made      datapath id: of a port that was not there
 *     baton-changed   datapath id: of one that was...
 *     baton-former    ...and what it was, as JSON
 *
 * Undoing takes the first away and makes the others what they were. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bridge_prepare;
struct policy_tunnel;

/* Milliseconds. */
#define BRIDGE_PREPARE_TIMEOUT 10000

struct bridge_prepare *bridge_prepare_start(const char *remote,
                                            uint64_t datapath_id,
                                            const struct policy_tunnel *);
/* 'bridge_prepare_n_undone': ports, once it is done. */
struct bridge_prepare *bridge_prepare_undo(const char *remote,
                                           uint64_t datapath_id);
size_t bridge_prepare_n_undone(const struct bridge_prepare *);
void bridge_prepare_destroy(struct bridge_prepare *);
void bridge_prepare_run(struct bridge_prepare *);
void bridge_prepare_wait(const struct bridge_prepare *);
/* True once it has ended; '*errorp' is then NULL, or what is wrong, and
 * stays the object's. */
bool bridge_prepare_is_done(const struct bridge_prepare *,
                            const char **errorp);

#endif /* controller/bridge-prepare.h */
