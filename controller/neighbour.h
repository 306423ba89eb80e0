/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_NEIGHBOUR_H
#define BATON_NEIGHBOUR_H 1

/* The next hops of sessions that are away from home.
 *
 * What a session's owner on another bridge sends comes out of the home
 * bridge's tunnel, and goes on to the next hop that it would have had at home:
 * a gateway, or a host of the subnet.  The transferring device tells which they
 * are and their link-layer addresses (its own neighbour entries), so that
 * nobody has to ask when the session moves.  From then on the bridge asks for
 * itself, by ARP and neighbour discovery from addresses that no host has:
 * before an entry ages, and for hosts that nobody told.
 *
 * Pure: what is to be done comes out as actions.
 *
 *     neighbours_learn(ns, ...);        a device said so
 *     neighbours_answer(ns, ...);       the neighbour itself did
 *     neighbours_want(ns, ...);         a packet waits for it
 *     neighbours_run(ns, now);
 *     while (neighbours_next_action(ns, &action)) { ... }
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "openvswitch/types.h"
#include "openvswitch/uuid.h"
#include "session-flows.h"

struct dp_packet;

#define NEIGHBOUR_REFRESH_MS 30000 /* From an answer to the next question. */
#define NEIGHBOUR_RETRY_MS 1000    /* Between questions without an answer. */
/* A host that does not answer so often is forgotten.  A gateway is not: there
 * is no other way. */
#define NEIGHBOUR_TRIES 5
/* A host that was not named for that long is forgotten, unless sessions are
 * away. */
#define NEIGHBOUR_KEEP_MS 60000
#define NEIGHBOURS_MAX 4096 /* Of all bridges. */

struct neighbours;

enum neighbour_action_type {
    NEIGHBOUR_ASK,   /* Send a question to the bridge's subnet. */
    NEIGHBOUR_SET,   /* Set its flow. */
    NEIGHBOUR_UNSET, /* Delete its flow. */
};

struct neighbour_action {
    enum neighbour_action_type type;
    char bridge[64];
    struct in6_addr address;
    struct uuid key;        /* Of its flow. */
    struct flow_prefix dst; /* What goes there. */
    struct eth_addr mac;
};

struct neighbours *neighbours_create(void);
void neighbours_destroy(struct neighbours *);

/* The next hop for what is off the subnet ('gateway'), or for itself.  'mac' is
 * zero if it is not known. */
void neighbours_learn(struct neighbours *, const char *bridge,
                      const struct in6_addr *address, bool gateway,
                      struct eth_addr mac, long long int now);
/* Returns false if nobody had asked. */
bool neighbours_answer(struct neighbours *, const char *bridge,
                       const struct in6_addr *address, struct eth_addr mac,
                       long long int now);
/* Stores the link-layer address of what to send 'dst' to; false if it is not
 * known (yet).  'on_link': it is in the bridge's subnet. */
bool neighbours_want(struct neighbours *, const char *bridge,
                     const struct in6_addr *dst, bool on_link,
                     struct eth_addr *mac, long long int now);
/* Sessions of the bridge are away, or none is: then nobody is asked, hosts are
 * forgotten, and gateways kept as they are. */
void neighbours_set_active(struct neighbours *, const char *bridge,
                           bool active, long long int now);
/* Sets all flows of 'bridge' anew, which has none. */
void neighbours_refresh(struct neighbours *, const char *bridge);
/* Forgets all of a bridge. */
void neighbours_forget(struct neighbours *, const char *bridge);

void neighbours_run(struct neighbours *, long long int now);
long long int neighbours_next_deadline(const struct neighbours *);
bool neighbours_next_action(struct neighbours *, struct neighbour_action *);

/* For people and tests: a walk. */
struct neighbour {
    const char *bridge;
    struct in6_addr address;
    bool gateway;
    struct flow_prefix dst;    /* What goes there. */
    struct eth_addr mac;       /* Zero: not known. */
    long long int answered_at; /* Milliseconds; 0: never. */
};
bool neighbours_next(const struct neighbours *, void **cookie,
                     struct neighbour *);

/* The frame that asks for 'address' in the name of a bridge with MAC address
 * 'mac'. */
void neighbour_compose(struct dp_packet *, const struct in6_addr *address,
                       struct eth_addr mac);
/* Is the frame an answer?  Stores whose. */
bool neighbour_parse(const void *, size_t, struct in6_addr *,
                     struct eth_addr *);

#endif /* controller/neighbour.h */
