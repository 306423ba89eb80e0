/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_POLICY_H
#define BATON_POLICY_H 1

/* The operator's YAML policy, read strictly into plain data.
 *
 * An unknown key, a wrong type, an overlap, a dangling name: policy_load()
 * returns NULL and "FILE:LINE:COLUMN: what is wrong; what was expected".
 * A loaded policy is read-only; pointers stay valid until policy_destroy().
 * To reload, load the new one, and destroy the old one once nothing points
 * into it: a file that is refused then costs nothing.
 *
 * baton-policy(5) describes the file, schemas/policy.schema.json its form. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sys/types.h>

#include "onward.h"
#include "openvswitch/shash.h"
#include "sset.h"

struct policy_prefix {
    struct in6_addr addr; /* Network address; IPv4 as IPv4-mapped. */
    unsigned int plen;    /* In the mapped form: IPv4's /24 is 120. */
};

/* Flow tables that a bridge keeps for Baton, from 'first_table' on: more than
 * it needs now, so that it can grow without a change of policy. */
#define POLICY_BRIDGE_TABLES 16

/* How sessions get to devices on other bridges: through one tunnel port on
 * each bridge. */
enum policy_tunnel_type {
    POLICY_TUNNEL_NONE, /* Sessions of this bridge stay on it. */
    POLICY_TUNNEL_VXLAN,
    POLICY_TUNNEL_GENEVE,
    POLICY_TUNNEL_GRE,
};

struct policy_tunnel {
    enum policy_tunnel_type type;
    struct in6_addr address; /* Of this end; IPv4 as IPv4-mapped. */
    uint16_t udp_port;       /* Where the others send to; 0 for GRE. */
    unsigned int mtu;        /* Of the way between the ends, in bytes. */
    char *port_name;         /* Of the bridge's port. */
};

/* The largest IP packet, in bytes, that fits into the tunnel whole. */
unsigned int policy_tunnel_payload(const struct policy_tunnel *);
/* "vxlan": as in the policy, and as Open vSwitch calls the interface. */
const char *policy_tunnel_type_to_string(enum policy_tunnel_type);

/* A network on which devices are: a bridge of ours, or a plain LAN. */
struct policy_bridge {
    char *name;
    bool lan;           /* Plain LAN: no switch of ours.  Of what follows only
                           * 'lan_by_policy' and 'subnets' count. */
    bool lan_by_policy; /* A device is on it if 'bridge' says so; otherwise,
                           * if it talks to us from one of the subnets. */
    uint64_t datapath_id;
    char *target; /* "unix:..." to connect to; NULL: it comes. */
    struct policy_prefix *subnets;
    size_t n_subnets;
    uint8_t first_table; /* Default 0. */
    int forward_table;   /* -1: NORMAL. */
    char *ovsdb;         /* "unix:..."; NULL: beside 'target', or unknown. */
    struct in6_addr *gateways; /* At most one of each family. */
    size_t n_gateways;
    struct policy_tunnel tunnel;
};

struct policy_pool {
    char *name;
    const struct policy_bridge *bridge;
    struct policy_prefix prefix; /* Inside one of the bridge's. */
    unsigned int block_plen;     /* Of a leased block, mapped form; at
                                         * least prefix.plen.  Of an IPv6 block
                                         * 65,536 addresses are used. */
    unsigned int lease_s;        /* Lifetime of a block's lease. */
    unsigned int rest_s;         /* Quarantine of an address. */
};

/* An address of a device's own, which is no session's. */
struct policy_permanent {
    struct in6_addr addr;
    const struct policy_bridge *bridge; /* In one of whose subnets it is. */
};

struct policy_device {
    char *name;
    struct sset groups;
    char *bridge; /* Pinned place (bridge or LAN), or NULL. */
    char *port;   /* Pinned port name, or NULL. */
    struct policy_permanent *permanent;
    size_t n_permanent;
    bool permanent_moves;         /* May they be transferred? */
    unsigned int permanent_lease; /* Seconds that a target has one for, unless
                                   * it renews it. */
    /* Where its own end of a tunnel may be, while it is behind no bridge.
     * None: it cannot be reached so. */
    struct policy_prefix *tunnel;
    size_t n_tunnel;
};

struct policy_rule { /* Who may move what to whom: first match. */
    bool allow;
    char *from, *to;            /* "*", DEVICE or "@GROUP". */
    char *service;              /* "*" or a service. */
    struct onward_right onward; /* The most that goes along with it. */
};

struct policy_service {
    char *name;
    struct sset devices; /* Devices, @groups or "*" where it runs. */
    bool any_user;       /* Otherwise 'user' only. */
    char *user;          /* NULL if 'any_user'. */
    char **command;      /* NULL-terminated argv to start, or NULL. */
};

/* A service that correspondents find at a device's permanent address, and whose
 * sessions get addresses of their own nonetheless: the bridge translates. */
struct policy_movable {
    char *name;
    char *service;       /* As which its sessions move. */
    struct sset devices; /* Devices, @groups or "*" that have it. */
    bool any_address;    /* Otherwise at 'address' only. */
    struct in6_addr address;
    uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP. */
    uint16_t port;

    /* Seconds without a packet after which a session is over. */
    unsigned int idle_s;
    unsigned int half_open_s; /* The same, before it is more than a request. */

    /* Of the service at one address; what is beyond them is not translated. */
    unsigned int sessions;
    unsigned int half_open;  /* Those that are not more than a request. */
    unsigned int per_source; /* Sessions of one correspondent. */
    unsigned int rate;       /* New ones a second. */

    /* Addresses of each family that a device keeps ready for it. */
    unsigned int ready;
};

/* The zone in which correspondents are told addresses of sessions with movable
 * services: "SERVICE.ZONE", "SERVICE.DEVICE.ZONE". */
struct policy_names {
    char *zone;              /* Without a dot at its end. */
    bool by_device;          /* Each device answers about "DEVICE.ZONE", at its
                              * permanent addresses, and not the controller. */
    struct in6_addr *listen; /* Of the controller's host. */
    size_t n_listen;
    uint16_t port;
    bool forwards; /* Questions about other zones go to 'forward_to'. */
    struct in6_addr forward_to;
    unsigned int ttl_s;
    unsigned int unused_s; /* An address that nobody uses is taken back. */
    /* Addresses for one asker in that time; new ones in a second. */
    unsigned int per_source, rate;
};

struct policy_limits {
    unsigned int introductions;     /* At once, of one device. */
    unsigned int introduction_rate; /* A second, of one device. */
    unsigned int offers;            /* Waiting, at one target. */
    unsigned int sessions;          /* Of one device. */
    unsigned int user_sessions;     /* Of one user of a device. */
    unsigned int packet_ins;        /* A second, of one bridge. */
    uint64_t state_bytes;           /* Of one transfer. */
};

struct policy {
    char *file_name;
    struct sset devices_listen; /* "pssl:6654:ADDR" for agents. */
    struct sset bridges_listen; /* "pssl:6653", "ptcp:", "punix:". */
    struct shash bridges;       /* struct policy_bridge, LANs too */
    struct shash pools;         /* struct policy_pool */
    struct shash devices;       /* struct policy_device */
    struct shash services;      /* struct policy_service */
    struct shash movables;      /* struct policy_movable */
    struct policy_names *names; /* Or NULL. */
    struct policy_rule *rules;
    size_t n_rules;
    struct policy_limits limits;
    unsigned int dad_probes; /* RFC 5227, section 2.1.1. */
    unsigned int dad_interval_ms;
    unsigned int sa_lifetime_s;
};

struct policy *policy_load(const char *file_name, char **errorp);
/* The same from 'n' bytes of text; 'file_name' is for errors. */
struct policy *policy_load_text(const char *file_name, const char *text,
                                size_t n, char **errorp);
void policy_destroy(struct policy *);

/* Is 'name' fit for a device, group, bridge, pool or service: 1 to 63 of
 * A-Z a-z 0-9 . _ -, not beginning with '.' or '-'? */
bool policy_name_is_valid(const char *name);

/* The plain LAN of that name, or NULL. */
const struct policy_bridge *policy_find_lan(const struct policy *,
                                            const char *name);
/* Is 'addr' in one of the network's subnets? */
bool policy_bridge_contains(const struct policy_bridge *,
                            const struct in6_addr *addr);

bool policy_prefix_contains(const struct policy_prefix *,
                            const struct in6_addr *);
bool policy_prefix_overlaps(const struct policy_prefix *,
                            const struct policy_prefix *);
/* "10.1.0.0/24", "fd00:1::/64".  The caller frees it. */
char *policy_prefix_to_string(const struct policy_prefix *);

/* May a session for 'service' move from one device to another?  On refusal,
 * stores in '*why' (if nonnull) a sentence that the caller frees. */
bool policy_may_move(const struct policy *, const char *from, const char *to,
                     const char *service, char **why);
/* The most that the target of such a move may do with the session; nothing if
 * the move is not allowed. */
struct onward_right policy_onward(const struct policy *, const char *from,
                                  const char *to, const char *service);
/* May the device's own end of a tunnel be at 'addr'? */
bool policy_may_tunnel(const struct policy *, const char *device,
                       const struct in6_addr *addr);
/* Are both in one group? */
bool policy_share_group(const struct policy *, const char *device,
                        const char *other);
/* The device that has 'addr' as an address of its own, or NULL; stores which
 * of them it is in '*permanent', if nonnull. */
const struct policy_device *
policy_find_permanent(const struct policy *, const struct in6_addr *addr,
                      const struct policy_permanent **permanent);
/* Does 'name' ("*", DEVICE, "@GROUP") cover 'device'?  Nothing covers a device
 * that the policy does not know. */
bool policy_covers(const struct policy *, const char *name,
                   const char *device);
/* Does 'device' have the movable service at 'addr', one of its own? */
bool policy_movable_is_at(const struct policy *, const struct policy_movable *,
                          const char *device, const struct in6_addr *addr);
/* Is 'device' one of those that have it? */
bool policy_movable_runs_on(const struct policy *,
                            const struct policy_movable *, const char *device);
bool policy_service_runs_on(const struct policy *,
                            const struct policy_service *, const char *device);

#endif /* lib/policy.h */
