/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_POLICY_H
#define BATON_POLICY_H 1

/* The operator's YAML policy, read strictly into plain data.
 *
 * An unknown key, a wrong type, an overlap, a dangling name: policy_load()
 * returns NULL and "FILE:LINE:COLUMN: what is wrong; what was expected".
 * A loaded policy is read-only; pointers stay valid until policy_destroy(). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sys/types.h>

#include "openvswitch/shash.h"
#include "sset.h"

struct policy_prefix {
    struct in6_addr addr;       /* Network address; IPv4 as IPv4-mapped. */
    unsigned int plen;          /* In the mapped form: IPv4's /24 is 120. */
};

struct policy_bridge {
    char *name;
    uint64_t datapath_id;
    char *target;               /* "unix:..." to connect to; NULL: it comes. */
    struct policy_prefix *subnets;
    size_t n_subnets;
    uint8_t first_table;        /* Default 0. */
    int forward_table;          /* -1: NORMAL. */
};

struct policy_pool {
    char *name;
    const struct policy_bridge *bridge;
    struct policy_prefix prefix;        /* Inside one of the bridge's. */
    unsigned int block_plen;            /* Of a leased block, mapped form. */
    unsigned int lease_s;               /* Lifetime of a block's lease. */
    unsigned int rest_s;                /* Quarantine of an address. */
};

struct policy_device {
    char *name;
    struct sset groups;
    char *bridge;               /* Pinned place, or NULL. */
    char *port;                 /* Pinned port name, or NULL. */
};

struct policy_rule {            /* Who may move what to whom: first match. */
    bool allow;
    char *from, *to;            /* "*", DEVICE or "@GROUP". */
    char *service;              /* "*" or a service. */
};

struct policy_service {
    char *name;
    struct sset devices;        /* Devices and @groups on which it runs. */
    bool any_user;              /* Otherwise 'user' only. */
    char *user;
    char **command;             /* NULL-terminated argv to start, or NULL. */
};

struct policy_limits {
    unsigned int introductions;         /* At once, of one device. */
    unsigned int offers;                /* Waiting, at one target. */
    unsigned int sessions;              /* Of one device. */
    unsigned int packet_ins;            /* A second, of one bridge. */
    uint64_t state_bytes;               /* Of one transfer. */
};

struct policy {
    char *file_name;
    struct sset devices_listen;     /* "pssl:6654:ADDR" for agents. */
    struct sset bridges_listen;     /* "pssl:6653", "ptcp:", "punix:". */
    struct shash bridges;           /* struct policy_bridge */
    struct shash pools;             /* struct policy_pool */
    struct shash devices;           /* struct policy_device */
    struct shash services;          /* struct policy_service */
    struct policy_rule *rules;
    size_t n_rules;
    struct policy_limits limits;
    unsigned int dad_probes;        /* RFC 5227, section 2.1.1. */
    unsigned int dad_interval_ms;
    unsigned int sa_lifetime_s;
};

struct policy *policy_load(const char *file_name, char **errorp);
void policy_destroy(struct policy *);

/* May a session for 'service' move from one device to another?  On refusal,
 * stores in '*why' (if nonnull) a sentence that the caller frees. */
bool policy_may_move(const struct policy *, const char *from, const char *to,
                     const char *service, char **why);
/* Does 'name' ("*", DEVICE, "@GROUP") cover 'device'? */
bool policy_covers(const struct policy *, const char *name,
                   const char *device);
bool policy_service_runs_on(const struct policy *,
                            const struct policy_service *,
                            const char *device);

#endif /* lib/policy.h */
