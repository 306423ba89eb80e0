/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_LAN_INTERFACE_H
#define BATON_LAN_INTERFACE_H 1

#include <stdbool.h>
#include <stddef.h>

#include "openvswitch/types.h"

struct json;

/* Which of the host's interfaces is on the LAN: the first one that is up and
 * has an address in one of 'subnets' (an array of prefixes in text form) and,
 * unless 'ifnames' is empty, is among these.  Stores its name and its MAC
 * address. */
bool lan_interface_find(const struct json *subnets, const char *const *ifnames,
                        size_t n_ifnames, char ifname[16], struct eth_addr *);

#endif /* agentd/lan-interface.h */
