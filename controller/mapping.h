/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_MAPPING_H
#define BATON_MAPPING_H 1

/* Sessions that begin on a device's permanent address, of correspondents that
 * know no other: each gets a session address of its own, and the bridge
 * translates (see mapping-flows.h).
 *
 *     correspondent's first packet       held here
 *       "map" to the device              which puts a session address on
 *       "mapped" from it
 *       two flows, and their barrier
 *     the packet goes on, translated
 *
 *     ASKED --mapped--> INSTALLING --barrier--> HALF_OPEN --more than a--> OPEN
 *       |                   |                      |        request      |
 *       | unmapped, 1 s     | 2 s                  | idle        is-over |
 *       v                   v                      |                     v
 *     passed on           dropped, comes again     +---> over <--idle-- CLOSING
 *     untranslated                                         ^             |
 *                                                          +-- idle -----+
 *
 * When the bridge saw an RST, or a FIN from both ends, the device that has the
 * session is asked ("over"); only its word ("is-over") makes it CLOSING.
 *
 * OPEN sessions also end by idle time, and all by the word of the agent or of
 * whoever has the session then ("ended").
 *
 * What is beyond a limit is passed on untranslated: the service answers it at
 * the permanent address as if Baton were not there, with SYN cookies if its
 * kernel thinks so; only that it cannot move.  A service that gets more new
 * sessions than its rate lets through is left alone for a while, without a
 * packet to us (see mapping-service.h).
 *
 * The mappings themselves are on the switch: after a restart they are read
 * back from it.  Nothing of them is in the database. */

#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>

#include "mapping-service.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/types.h"
#include "openvswitch/uuid.h"

struct bridge;
struct bridge_packet;
struct controller;
struct device;
struct flow_mapping;
struct flow_news_item;
struct json;
struct mappings;
struct transfer;

enum mapping_state {
    MAPPING_ASKED,
    MAPPING_INSTALLING,
    MAPPING_HALF_OPEN,
    MAPPING_OPEN,
    MAPPING_CLOSING,
};

/* One direction. */
struct mapping_side {
    uint64_t packets, bytes;           /* Of flows that are no more... */
    uint64_t live_packets, live_bytes; /* ...and of the one that is, as last
                                        * counted. */
    long long int idle_at; /* Milliseconds: when its flow was idle; or 0. */
    bool fin;
};
enum { MAPPING_IN, MAPPING_OUT };

struct mapping {
    struct hmap_node tuple_node;   /* In struct mappings, by its 5-tuple. */
    struct hmap_node address_node; /* The same, by 'address', once known. */
    struct hmap_node session_node; /* The same, by 'session', if known. */
    struct ovs_list waiting_node;  /* The same, ASKED and INSTALLING. */
    struct mapping_service *service;
    struct uuid session; /* Zero: found on a switch, not announced yet. */
    struct uuid key;     /* Of its flows. */
    struct in6_addr correspondent;
    struct in6_addr address; /* The session's; any in ASKED. */
    uint16_t correspondent_port;
    enum mapping_state state;
    long long int since;    /* Wall clock, milliseconds. */
    long long int deadline; /* Milliseconds, of ASKED and INSTALLING. */
    uint64_t seqno;         /* INSTALLING: of its flows; 0: not flushed. */
    long long int asked_at; /* Milliseconds: whether it is over; or 0. */
    struct mapping_side sides[2];
    struct ovs_list held; /* Packets; see mapping.c. */
};

struct mappings *mappings_create(void);
void mappings_destroy(struct mappings *);
/* At start and after a reload. */
void mappings_configure(struct controller *);
void mappings_run(struct controller *);
void mappings_wait(struct controller *);

/* How many session addresses of each family 'device' is to have ready. */
unsigned int mapping_ready(const struct controller *, const char *device);
struct mapping_services *mappings_services(const struct mappings *);
size_t mappings_count(const struct mappings *);
const struct mapping *mapping_find_address(const struct mappings *,
                                           const struct in6_addr *);
/* 'm' has protocol, permanent, port, correspondent, correspondent_port. */
const struct mapping *mapping_find(const struct mappings *,
                                   const struct flow_mapping *m);
/* A walk; NULL gives the first. */
const struct mapping *mapping_next(const struct mappings *,
                                   const struct mapping *);
/* As its flows are, or would be. */
void mapping_to_flow(const struct mapping *, struct flow_mapping *);

/* Has 'bridge' told all counters that were asked for by 'xid', since the last
 * mappings_run() began? */
bool mappings_was_counted(const struct mappings *, const char *bridge,
                          uint32_t xid);

/* Packets of the kinds BATON_FLOW_MAPPING_*. */
void mapping_handle_packet(struct controller *, struct bridge *,
                           const struct bridge_packet *);

/* Translates an ICMP error about a mapped session, in place; any other frame
 * stays as it is. */
void mapping_translate_error(const struct controller *, void *frame, size_t);

/* 'device' has put an address on for 'session', or not. */
void mapping_mapped(struct controller *, struct device *,
                    const struct uuid *session, const struct in6_addr *);
void mapping_unmapped(struct controller *, struct device *,
                      const struct uuid *session, const char *code,
                      const char *reason);
/* 'device' has no connection of the session any more. */
void mapping_is_over(struct controller *, struct device *,
                     const struct uuid *session, const struct in6_addr *);
/* 'device' has announced a session; 'mapped': that it has it for us. */
void mapping_announced(struct controller *, struct device *,
                       const struct uuid *session, const struct in6_addr *,
                       bool mapped);
/* 'device' has registered and announced all that it has. */
void mapping_registered(struct controller *, struct device *);
/* Tells the target of 't' of the mapping that comes with the session. */
void mapping_put_expect(const struct controller *, const struct transfer *,
                        struct json *params);
/* A session ended. */
void mapping_session_ended(struct controller *, const struct in6_addr *);

#endif /* controller/mapping.h */
