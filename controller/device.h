/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_DEVICE_H
#define BATON_DEVICE_H 1

/* The devices that policy knows: what each proved of itself, and its
 * connection while it has one.
 *
 * A device stays here when its connection goes: its place on a bridge is
 * where its sessions' flows point, and the sessions outlive an agent.  It
 * leaves when policy no longer names it. */

#include <stdbool.h>
#include <stdint.h>

#include "attachment-frame.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/token-bucket.h"
#include "openvswitch/types.h"
#include "seal.h"
#include "session-flows.h"

struct jsonrpc_msg;
struct link;
struct policy;

#define DEVICE_NONCE_LEN 16 /* What a connection's claims are bound to. */
#define DEVICE_SA_GRACE 60  /* Seconds that a renewed SA lives on. */

/* A security association. */
struct device_sa {
    uint64_t id; /* 0: none. */
    uint8_t key[SEAL_KEY_LEN];
    long long int expires; /* Milliseconds, monotonic. */
};

/* Where a device is attached. */
struct device_place {
    bool known;
    char bridge[64];
    char port_name[64];
    ofp_port_t port;
    struct eth_addr mac;
    uint16_t vlan; /* In which it sends and is sent to; 0: untagged. */
};

/* How far the proof of its place has come: see attachment.c. */
enum attachment_state {
    ATTACHMENT_IDLE,
    ATTACHMENT_CHALLENGED, /* Waits for the answer frame. */
    ATTACHMENT_CANDIDATE,  /* Answered from elsewhere: waits a little. */
    ATTACHMENT_PROBED,     /* Waits for the probe's echo over TLS. */
};

struct attachment {
    enum attachment_state state;
    uint8_t nonce[ATTACHMENT_NONCE_LEN];
    uint8_t probe_nonce[ATTACHMENT_NONCE_LEN];
    struct device_place candidate;
    long long int deadline; /* Milliseconds; of 'state'. */
    long long int next_at;  /* Of the next challenge; while IDLE. */
    long long int backoff;  /* Milliseconds. */
    unsigned int misses;    /* In a row. */
    bool hurried;           /* While CHALLENGED: something changed since. */
    bool told;              /* This connection knows its place. */
    bool looked;            /* For sessions that need a tunnel: see
                             * device-tunnel.h. */
};

struct device {
    struct hmap_node node; /* In struct devices, by 'name'. */
    char *name;

    /* Of the connection, while registered. */
    struct link *link; /* NULL: not connected.  Not owned. */
    char *certificate; /* PEM. */
    char *endpoint;    /* "ssl:IP:PORT" for peers. */
    /* Requests for leases, of IPv4 and of IPv6, that are answered when the
     * lease is written. */
    struct jsonrpc_msg *lease_requests[2];
    uint8_t nonce[DEVICE_NONCE_LEN];
    struct device_sa sa;
    struct device_sa old_sa;     /* Renewed; lives on for what began before. */
    long long int registered_at; /* Wall clock, milliseconds. */

    /* Stays. */
    struct device_place place;
    struct attachment attachment;
    /* struct device_tunnel: of its own.  None are left when it is removed. */
    struct ovs_list tunnels;
    bool tunnels_moved;       /* Their flows are to follow. */
    long long int reclaim_at; /* Milliseconds; 0: not due.  When sessions
                                 * that it does not announce are over. */
    unsigned int n_registrations;
    /* What it may have aborted by asking: DEVICE_ABORT_COST each. */
    struct token_bucket aborts;
    /* What it may introduce: DEVICE_INTRODUCTION_COST each. */
    struct token_bucket introductions;
    bool leaving; /* No longer in policy: goes once it has no transfers. */
};

/* Tokens, of which there comes one a millisecond, and at most at once. */
#define DEVICE_ABORT_COST 10
#define DEVICE_ABORTS_MAX (256 * DEVICE_ABORT_COST)
/* Of as many tokens a millisecond as it may introduce in a second; a second's
 * at once. */
#define DEVICE_INTRODUCTION_COST 1000

struct devices {
    struct hmap devices; /* struct device */
    uint64_t last_sa_id;
};

void devices_init(struct devices *);
void devices_destroy(struct devices *);

struct device *device_find(const struct devices *, const char *name);
/* The same, if it is connected. */
struct device *device_find_connected(const struct devices *, const char *name);
/* Finds by a current security association. */
struct device *device_find_sa(const struct devices *, uint64_t sa_id);
struct device *device_add(struct devices *, const char *name);
void device_remove(struct devices *, struct device *);

/* A new connection is the device's: gives it a nonce and an SA.  The caller
 * has closed the one before. */
void device_connected(struct devices *, struct device *, struct link *,
                      const char *certificate, const char *endpoint,
                      unsigned int sa_lifetime_s, long long int now);
/* Gives a connected device another SA. */
void device_renew_sa(struct devices *, struct device *,
                     unsigned int sa_lifetime_s, long long int now);
void device_disconnected(struct device *);

/* The device's SA of that id, if it has not expired; else NULL. */
const struct device_sa *device_get_sa(const struct device *, uint64_t id,
                                      long long int now);

/* Where its flows point on 'bridge': OFPP_NONE if it is not there.  'device'
 * may be NULL. */
struct flow_place device_flow_place(const struct device *, const char *bridge);

#endif /* controller/device.h */
