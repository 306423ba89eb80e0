/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_CONTROLLER_LAN_H
#define BATON_CONTROLLER_LAN_H 1

/* Plain LANs, which have no bridge of ours: who is on which.
 *
 * No bridge can say there which port a frame came from, so a device's place is
 * believed for less: its certificate, and that policy has its connection's
 * address in a subnet of the LAN (a TCP connection, so that packets for that
 * address reach the device), or pins it there ("proof: policy").  The device
 * is asked for its MAC address, which only people look at, and answers by
 * which interface it is there.
 *
 *     if (!lan_challenge(c, device, now)) attachment_run(...);
 *
 * Whoever is believed can only say that a session is to be taken from the LAN
 * or brought there; whose a session is, is decided as everywhere. */

#include <stdbool.h>

struct controller;
struct device;

/* Asks 'device' if it is to be asked and a plain LAN may have it. */
bool lan_challenge(struct controller *, struct device *, long long int now);

#endif /* controller/lan.h */
