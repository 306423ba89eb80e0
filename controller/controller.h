/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_CONTROLLER_H
#define BATON_CONTROLLER_H 1

/* The controller as one object: what all its modules of the upper floor
 * (device-link, methods, mediator, ctl) work on, and its turn of the main
 * loop.
 *
 *     device-link   connections of devices, messages    -> methods
 *     methods       one function for each message       -> mediator, modules
 *     mediator      what the state machine wants done   -> modules
 *     guard         packets that a bridge refused       -> modules
 *
 *     lease, holder, record, upkeep, database, session,
 *     device, attachment, transfer, network              know none of these
 */

#include <stdbool.h>
#include <stdint.h>

#include "device.h"
#include "openvswitch/list.h"
#include "session.h"

struct database;
struct device_links;
struct holders;
struct identity;
struct leases;
struct mappings;
struct names;
struct neighbours;
struct network;
struct permanents;
struct policy;
struct record_store;
struct transfers;
struct tunnel_paths;
struct upkeep;

struct controller {
    struct database *database;
    unsigned int term; /* Of the database, in which we work; 0: we do not. */
    struct upkeep *upkeep;
    uint64_t upkeep_seqno; /* When leases were answered last. */

    char *policy_file;
    struct policy *policy;
    struct identity *identity;

    struct network *network;
    struct device_links *links;
    struct devices devices;
    struct session_cache sessions;
    struct leases *leases;
    struct holders *holders;
    struct record_store *records;
    struct transfers *transfers;
    struct permanents *permanents;
    struct mappings *mappings;
    struct ovs_list mapping_queries; /* See mapping-query.h. */
    struct names *names;
    struct ovs_list lingering;      /* See session-path.h. */
    struct hmap lingering_sessions; /* The same. */
    struct neighbours *neighbours;
    struct tunnel_paths *tunnel_paths;
    struct ovs_list prepares;      /* See ctl-bridge.h. */
    struct ovs_list detaches;      /* See ctl-detach.h. */
    struct ovs_list session_lists; /* See ctl-sessions.h. */
    struct ovs_list introductions; /* See introduction.h. */
    struct ovs_list waiting;       /* See next-hop.h. */
    long long int next_hops_look;  /* Milliseconds; the same. */

    /* Counters. */
    uint64_t n_passed_on;  /* Owners' packets that a stale megaflow sent
                                 * us. */
    uint64_t n_violations; /* Other guard violations. */
    uint64_t n_too_big;    /* Packets that fit into no tunnel. */
    uint64_t n_relayed;    /* Peer frames passed between devices. */
    long long int started; /* Wall clock, milliseconds. */
};

/* NULL and a message in '*errorp' if the policy or the identity is no good.
 * 'database' is a remote, such as "unix:/run/baton/db.sock": the controller
 * works while it leads there. */
struct controller *controller_create(const char *policy_file,
                                     const char *private_key,
                                     const char *certificate,
                                     const char *ca_cert, const char *database,
                                     char **errorp);
/* With 'detach', Baton's flows are deleted from the bridges. */
void controller_destroy(struct controller *, bool detach);
void controller_run(struct controller *);
void controller_wait(struct controller *);

/* Reads the policy anew.  On error the running one stays, and what is wrong is
 * returned, which the caller frees; otherwise NULL. */
char *controller_reload(struct controller *);

#endif /* controller/controller.h */
