/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_MAPPING_PRIVATE_H
#define BATON_MAPPING_PRIVATE_H 1

/* Between the files of mapping.h: mapping-table.c has the mappings;
 * mapping-first.c begins them, mapping-device.c has what devices and
 * mapping-switch.c what switches say of them; mapping.c is the rest. */

#include <stddef.h>

#include "mapping.h"
#include "openflow/openflow.h"

struct dp_packet;

/* Milliseconds for which a service is left alone whose device cannot have its
 * sessions. */
#define SUSPEND_NOBODY 1000

/* A packet that waits for its mapping. */
struct held_packet {
    struct ovs_list node; /* In struct mapping. */
    struct dp_packet *packet;
    ofp_port_t in_port;
};

struct mappings {
    struct mapping_services *services;
    struct hmap by_tuple, by_address, by_session;
    struct ovs_list waiting;   /* Of ASKED and INSTALLING, oldest first... */
    long long int next_expiry; /* Milliseconds: mapping_services_run(). */

    /* Services that went from the policy lose their sessions. */
    bool sweeping;
    struct hmap_position sweep_at;
    size_t sweep_ended; /* Since the walk began anew. */

    /* Questions that were answered in this turn. */
    struct counted {
        char bridge[64];
        uint32_t xid;
    } * counted;
    size_t n_counted, allocated_counted;
};

/* mapping-table.c */

struct mapping *mapping_table_find_tuple(const struct mappings *ms,
                                         const struct mapping_service *service,
                                         const struct in6_addr *correspondent,
                                         uint16_t port);
struct mapping *mapping_table_find_address(const struct mappings *ms,
                                           const struct in6_addr *address);
struct mapping *mapping_table_find_session(const struct mappings *ms,
                                           const struct uuid *session);
struct mapping *mapping_table_find_flow(const struct mappings *ms,
                                        const struct flow_mapping *flow);
bool mapping_is_waiting(const struct mapping *m);
bool mapping_is_half_open(const struct mapping *m);
void mapping_set_state(struct mapping *m, enum mapping_state state);
void mapping_set_session(struct mappings *ms, struct mapping *m,
                         const struct uuid *session);
void mapping_set_address(struct mappings *ms, struct mapping *m,
                         const struct in6_addr *address);
struct mapping *mapping_create(struct mappings *ms,
                               struct mapping_service *service,
                               const struct in6_addr *correspondent,
                               uint16_t port);
void mapping_free(struct mappings *ms, struct mapping *m);

/* mapping-first.c */

void mapping_set_flows(struct controller *c, const struct mapping *m);
struct bridge *mapping_bridge_of(const struct controller *c,
                                 const struct mapping *m);
/* As it is, past the tables that map. */
void mapping_pass_on(struct bridge *bridge,
                     const struct bridge_packet *packet);
/* What was held goes on: translated, or as it is. */
void mapping_release(struct controller *c, struct mapping *m, bool translated);
struct device *mapping_owner_of(const struct controller *c,
                                const struct in6_addr *address);
void mapping_announce(struct controller *c, const struct device *device,
                      const struct mapping *m);
/* "map": 'again' if it is to put on the address that it had. */
void mapping_ask(struct device *device, const struct mapping *m, bool again);
void mapping_handle_first(struct controller *c, struct bridge *bridge,
                          const struct bridge_packet *packet);

/* mapping-device.c */

/* 'tell': whoever has the session is to end it. */
void mapping_end(struct controller *c, struct mapping *m, bool tell,
                 const char *reason);
/* The bridge saw what looks like its end: asks whoever has the session. */
void mapping_ask_over(struct controller *c, struct mapping *m);
/* The device does not have it: its first packets go on as they are. */
void mapping_give_up(struct controller *c, struct mapping *m);

/* mapping-switch.c */

void mapping_handle_news(struct controller *c,
                         const struct bridge_packet *packet);
void mapping_handle_fragment(struct controller *c,
                             const struct bridge_packet *packet);
void mapping_run_news(struct controller *c, struct bridge *bridge);

#endif /* controller/mapping-private.h */
