/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_AGENT_H
#define BATON_AGENT_H 1

/* The agent of one device: what its modules share.  agent-loop.h has the loop
 * that they take their turns in. */

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
struct mapped_over;
struct nl_sock;
struct onward_store;
struct names;
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
    struct lan *lan;     /* See lan.h. */
    struct names *names; /* See names.h. */
    struct mapped_over *mapped_over;
    struct blocks *blocks;
    struct permanents *permanents;
    struct held_addresses *held; /* See held-address.h. */
    struct onward_store *onward_store;
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

    long long int told_next; /* time_msec(); see told.h. */

    struct address_leftover *leftovers; /* Of a former agent. */
    size_t n_leftovers;
    long long int leftover_deadline; /* time_msec(). */
};

#endif /* agentd/agent.h */
