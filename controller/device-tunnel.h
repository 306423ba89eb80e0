/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_DEVICE_TUNNEL_H
#define BATON_DEVICE_TUNNEL_H 1

/* Tunnels from bridges straight to devices that are behind none: one for each
 * pair of device and bridge, with a network identifier of its own, while
 * sessions whose home is that bridge are at that device, or about to come.
 *
 * The device makes its end when it is told to, and says at which address.
 * That is not believed: a frame as large as fits goes through the tunnel to
 * that address, with a nonce and an HMAC under the device's security
 * association, and its answer has to come out of the tunnel, from that address,
 * with that identifier, under the same key.  So the device has both received
 * there and sent from there, at its own end; and the way takes frames of that
 * size.  Policy says at which addresses its end may be, and no two devices have
 * one at the same.  As long as the tunnel is wanted this is repeated, which
 * also keeps fresh what the bridge has to know for it (see tunnel-path.h).
 *
 *     if (device_tunnel_serves(c, device, "br-home", NULL)) ...
 *     device_tunnel_want(c, device, "br-home");
 *     if (device_tunnel_is_good(device, "br-home", now)) ...
 *
 * The rest of the controller sees a proved tunnel as a place on the bridge:
 * its tunnel port, with peer and key (session_path_place()).  Where a device
 * has a tunnel, it is used, though it be attached to a bridge meanwhile; but
 * then it has to answer at once, or its sessions follow it to the bridge. */

#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>

#include "attachment-frame.h"
#include "device.h"
#include "openvswitch/list.h"
#include "openvswitch/types.h"
#include "session-flows.h"

struct bridge;
struct bridge_packet;
struct controller;
struct device;
struct jsonrpc_msg;
struct message;
struct uuid;

#define DEVICE_TUNNEL_FIRST_MS 10     /* Between the first probes. */
#define DEVICE_TUNNEL_RETRY_MS 200    /* Later, until one is answered. */
#define DEVICE_TUNNEL_REFRESH_MS 5000 /* From then on. */
#define DEVICE_TUNNEL_GOOD_MS 12000   /* An answer counts for that long. */
#define DEVICE_TUNNEL_OPEN_MS 1000    /* Between two "tunnel-open". */
#define DEVICE_TUNNEL_DOUBT_MS 1000   /* For a device that came to a bridge. */

struct device_tunnel {
    struct ovs_list node; /* In struct device. */
    char bridge[64];
    uint32_t key; /* Network identifier; of this pair alone. */

    /* What is proved, and where flows point. */
    bool proved;
    struct in6_addr address;
    struct eth_addr mac;
    long long int good_at; /* Milliseconds; of the last answer. */

    /* What the device said last. */
    bool claimed;
    struct in6_addr claimed_address;
    struct eth_addr claimed_mac;
    char *error; /* Why it has no end, or NULL. */

    uint8_t nonce[ATTACHMENT_NONCE_LEN];
    bool out; /* A probe with 'nonce' is under way. */
    unsigned int tries;
    long long int probe_at; /* Milliseconds. */
    long long int open_at;  /* Milliseconds; of the next "tunnel-open". */
    unsigned int opens;     /* Without an answer. */
    bool retired;           /* The device is on a bridge again. */
    bool doubted;           /* It has been asked again since it is. */

    /* For device_tunnels_next_moved(). */
    bool moved;
    struct device_place former;
};

struct device_tunnel *device_tunnel_find(const struct device *,
                                         const char *bridge);

/* Is a session of 'bridge' to go to 'device' by a tunnel of its own?  If it has
 * one, or is behind no bridge and policy lets it have one.  If that fails for
 * want of a tunnel port or the like, stores a sentence in '*whyp' (if
 * nonnull), which the caller frees. */
bool device_tunnel_serves(const struct controller *, const struct device *,
                          const char *bridge, char **whyp);

/* The same, wherever the device is: does policy let it have one? */
bool device_tunnel_may(const struct controller *, const struct device *,
                       const char *bridge, char **whyp);

/* As a former controller had proved it: flows go on to point there.  It is
 * proved again when the device has registered, and is not good until then. */
void device_tunnel_restore(struct device *, const char *bridge, uint32_t key,
                           const struct in6_addr *, struct eth_addr);

/* Opens it, or tries an existing one again if it is not good. */
void device_tunnel_want(struct controller *, struct device *,
                        const char *bridge);
bool device_tunnel_is_good(const struct device *, const char *bridge,
                           long long int now);

/* Where it is as its bridge sees it: nowhere unless it is proved. */
struct flow_place device_tunnel_place(const struct controller *,
                                      const struct device_tunnel *);

/* For people: "br-home at 10.8.0.2" for each that is proved, "ready" if there
 * may be one, or an empty string.  The caller frees it. */
char *device_tunnels_describe(const struct controller *,
                              const struct device *);

/* The device has registered: it is told of its tunnels. */
void device_tunnels_registered(struct controller *, struct device *);
/* After a reload of policy, and when the device goes. */
void device_tunnels_recheck(struct controller *, struct device *);
void device_tunnels_destroy(struct device *);

/* A frame of ours that came out of a tunnel; true if it was an answer.  If it
 * is a device's word that all it sent for a transfer has passed, stores which,
 * and the device in '*flushedp'. */
bool device_tunnels_handle_packet(struct controller *, const struct bridge *,
                                  const struct bridge_packet *,
                                  struct device **flushedp, struct uuid *);

void device_tunnels_run(struct controller *, struct device *);
/* The next tunnel that is a new place of the device's, or no longer one, so
 * that sessions of that bridge are to follow; where the device was attached
 * before.  device->tunnels_moved says that any flow is to be set anew. */
bool device_tunnels_next_moved(struct device *, char bridge[64],
                               struct device_place *former);
long long int device_tunnels_next_deadline(const struct device *);

#endif /* controller/device-tunnel.h */
