/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_ATTACHMENT_H
#define BATON_ATTACHMENT_H 1

/* The controller's half of the proof of where a device is attached: the
 * device must answer a nonce, sent to it over TLS, by a frame out of the port
 * at which it claims to be, and must read back over TLS a second nonce that
 * went out of that very port.  Each nonce is good once and for a second.
 *
 *     attachment_hurry(device, now);         when something changed
 *     attachment_run(device, ...);           from the main loop
 *     attachment_handle_frame(...);          a frame from a bridge
 *     if (attachment_handle_echo(...)) ...   "attach-echo" from the device
 *
 * Where a device's place has changed, its flows must be set anew. */

#include <stdbool.h>
#include <stdint.h>

#include "attachment-frame.h"

struct bridge;
struct bridge_packet;
struct device;
struct devices;
struct network;
struct policy;
struct uuid;

/* A connection was made or something changed: challenges soon. */
void attachment_restart(struct device *, long long int now);
void attachment_hurry(struct device *, long long int now);

void attachment_run(struct device *, struct network *, long long int now);
long long int attachment_next_deadline(const struct device *);

/* If 'packet' is a device's word, from where it is attached, that all it sent
 * before has passed: returns the device, and stores which transfer it says so
 * for.  Otherwise NULL. */
struct device *attachment_parse_flush(struct devices *, struct bridge *,
                                      const struct bridge_packet *,
                                      long long int now, struct uuid *);

/* Returns the device that lost its place to the one that sent the frame, or
 * NULL. */
struct device *attachment_handle_frame(struct devices *, struct network *,
                                       const struct policy *, struct bridge *,
                                       const struct bridge_packet *,
                                       long long int now);
/* True if device->place has changed.  With 'frozen', a place that was known
 * stays as it is. */
bool attachment_handle_echo(struct device *,
                            const uint8_t nonce[ATTACHMENT_NONCE_LEN],
                            bool frozen, long long int now);

/* For lan.c, where there is no bridge by which a nonce could come: is a proof
 * due?  One was asked for, and is waited for.  'device->attachment.candidate'
 * is proved: true if device->place has changed. */
bool attachment_is_due(const struct device *, long long int now);
void attachment_ask(struct device *, const char *lan, long long int now);
bool attachment_prove(struct device *, bool lan, bool frozen,
                      long long int now);

/* After a reload of 'policy': true if the device may no longer be where it
 * is, so that device->place was cleared. */
bool attachment_recheck(struct device *, const struct policy *,
                        long long int now);

/* Known, and the port is there, or it is a plain LAN. */
bool device_is_attached(const struct device *, const struct network *);

#endif /* controller/attachment.h */
