/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_TUNNEL_INTERFACE_H
#define BATON_TUNNEL_INTERFACE_H 1

/* A kernel VXLAN interface between this host and one bridge, by rtnetlink.
 *
 * It brings Ethernet frames to and from the bridge and is for nothing else:
 * it answers no ARP, has no link-local address, learns nothing, takes part in
 * no multicast.  From whom it accepts packets is another matter (see
 * tunnel-filter.h).
 *
 * Its name is made of the network identifier, and its alias tells the bridge,
 * so that the agent that starts after one that was killed finds it. */

#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "openvswitch/types.h"

#define TUNNEL_NAME_PREFIX "baton-"
#define TUNNEL_KEY_MAX 0xffffff

struct tunnel_interface {
    char ifname[16]; /* tunnel_interface_name(key) */
    char bridge[64];
    uint32_t key;          /* Network identifier: 1 to TUNNEL_KEY_MAX. */
    struct in6_addr peer;  /* The bridge's end. */
    struct in6_addr local; /* Ours, of the same family. */
    uint16_t udp_port;
    uint32_t mtu; /* Bytes of the largest IP packet inside. */
    struct eth_addr mac;
};

void tunnel_interface_name(uint32_t key, char ifname[16]);

/* Makes the interface and sets it up; deletes one of that name first.  Returns
 * 0 or a positive errno: EEXIST if another VXLAN interface of this host has
 * the network identifier. */
int tunnel_interface_add(const struct tunnel_interface *);
/* With it go its addresses and routes. */
void tunnel_interface_del(const char *ifname);
/* The local end has another address. */
int tunnel_interface_set_local(const struct tunnel_interface *);

/* The address by which this host reaches 'peer'. */
int tunnel_local_address(const struct in6_addr *peer, struct in6_addr *local);

/* All such interfaces of this host, for those that a former agent left.  The
 * caller frees the array. */
int tunnel_interface_list(struct tunnel_interface **, size_t *n);

#endif /* agentd/tunnel-interface.h */
