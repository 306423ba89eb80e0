/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_ROAMING_H
#define BATON_ROAMING_H 1

/* A device that proves to be in another place keeps its sessions: their flows
 * follow it.
 *
 * Each of its sessions that moved, and each that it opened on a bridge which it
 * has left, goes through the state machine of transfers, from the device to
 * itself (transfers_roam()): the flows of the new place are sent bridge by
 * bridge as a transfer's are, the far end of a tunnel first; once the bridges
 * have answered, the device is told how to send ("placed"); and the bridge
 * that was left goes on for a while with what is still in the tunnel.  A
 * session without a record, which is away from its home now, gets one.
 *
 * While a transfer of the device is under way its place does not change (see
 * attachment.h); the proof comes right after. */

struct announcement;
struct controller;
struct device;
struct device_place;

/* 'device' has proved where it is, or, with 'home', that it has a tunnel of its
 * own to that bridge or has lost it (then only the sessions of that home follow
 * it); before, it was at 'former'. */
void roaming_follow(struct controller *, const struct device *,
                    const char *home, const struct device_place *former);

/* It has shown a session, which is its own. */
void roaming_announced(struct controller *, struct device *,
                       const struct announcement *);

#endif /* controller/roaming.h */
