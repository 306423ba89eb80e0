/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_AGENT_H
#define BATON_AGENT_H 1

/* The agent of one device: what its modules share, and the loop that pulls
 * from the lower ones (controller, peers, applications, taps) and passes on
 * to the upper ones (applications' requests, handovers, people's calls).
 *
 *     main() -> agent_run():  controller link ----+
 *                             peers --------------+--> handover
 *                             applications -------+--> app-requests, calls
 */

#include <stdbool.h>
#include <stdint.h>

#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "seal.h"
#include "session.h"

struct address_leftover;
struct app_server;
struct attachment;
struct blocks;
struct controller_link;
struct held_addresses;
struct identity;
struct json;
struct lan;
struct late_packets;
struct nl_sock;
struct peers;
struct permanents;
struct tunnel_ends;
struct whole;

struct agent {
    struct identity *identity;
    struct attachment *attachment;
    struct controller_link *controller;
    struct peers *peers;
    struct app_server *apps;
    struct late_packets *taps;
    struct lan *lan; /* See lan.h. */
    struct blocks *blocks;
    struct permanents *permanents;
    struct held_addresses *held; /* See held-address.h. */
    struct tunnel_ends *tunnels;
    struct whole *whole;
    uint8_t note_key[SEAL_KEY_LEN];
    char *boot_id; /* Times of one boot compare. */

    struct sessions sessions;
    struct hmap handovers;       /* struct handover, by transfer's id. */
    struct ovs_list introducing; /* struct handover without an id yet. */
    struct ovs_list ended_handovers;
    struct hmap highest;      /* struct highest: epochs seen. */
    struct ovs_list opens;    /* struct open_request: waiting applications.*/
    struct ovs_list calls;    /* struct call: people waiting. */
    struct ovs_list watchers; /* struct watcher. */
    struct ovs_list events;   /* struct event: what `baton log` shows. */
    size_t n_events;

    bool registered;           /* When the handovers ran last. */
    unsigned int registration; /* controller_link_get_seqno() last seen. */
    char tapped[16];           /* Interface that 'taps' has. */
    bool attached;             /* It is known at the moment where we are. */
    struct nl_sock *links;     /* Tells of interfaces that come up; or NULL. */
    uint64_t lease_ids[2];     /* Requests for blocks: IPv4, IPv6; or 0. */

    struct address_leftover *leftovers; /* Of a former agent. */
    size_t n_leftovers;
    long long int leftover_deadline; /* time_msec(). */
};

struct agent_config {
    const char *controller; /* "ssl:..." */
    const char *listen;     /* "pssl:...", for peers. */
    const char *socket;     /* Path, for applications. */
    const char *state_dir;
    const char *const *ifnames; /* NULL-terminated. */
    const char *private_key, *certificate, *ca_cert;
};

int agent_create(const struct agent_config *, struct agent **, char **errorp);
void agent_destroy(struct agent *);
void agent_run(struct agent *);
void agent_wait(struct agent *);

/* The highest epoch that this device has seen for a session: 0 if none. */
uint64_t agent_highest_epoch(const struct agent *, const struct uuid *session);
void agent_note_epoch(struct agent *, const struct uuid *session,
                      uint64_t epoch);
void agent_forget_epochs(struct agent *); /* At the end. */

/* The interface to which a former agent bound 'address'; empty string if it
 * did not. */
const char *agent_find_leftover(const struct agent *, const struct in6_addr *);

/* Takes away what a former agent left of 'address', which the controller says
 * is another device's and no application has shown. */
void agent_reclaim_leftover(struct agent *, const struct in6_addr *);

/* The controller is told of a session that was opened here or came. */
void agent_announce(struct agent *, const struct session *);
/* The controller's "epoch": what we hold at a lower one is another's, or has
 * that epoch. */
void agent_handle_epoch(struct agent *, const struct json *params);
struct json *agent_announcement(const struct session *);

/* Ends 'session' here: its application has closed it, or is gone.  The
 * address stays bound until its connections had time to close. */
void agent_end_session(struct agent *, struct session *);
/* Binds the address of a session that is ours where the others are. */
void agent_settle_address(struct agent *, struct session *);
/* Forgets 'session' without more: it has moved, or was lost. */
void agent_drop_session(struct agent *, struct session *);

#endif /* agentd/agent.h */
