/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_MAPPING_SERVICE_H
#define BATON_MAPPING_SERVICE_H 1

/* Movable services, each at one permanent address: how many sessions they
 * have, whether another may be mapped, and the flows that bring us its first
 * packet.
 *
 * Everything that a stranger can make us keep is counted here: sessions of a
 * service, those of them that are half open, those of one source, and how many
 * begin in a second.  A source that has too many is let pass by a flow of its
 * own for a while, so that it does not come to us with each packet; a service
 * that gets more than its rate or is full is *suspended*: the switch lets all
 * pass that is not mapped yet. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "mapping-flows.h"
#include "openvswitch/hmap.h"
#include "openvswitch/token-bucket.h"
#include "openvswitch/uuid.h"

struct mapping_services;
struct network;
struct policy;

/* Why a first packet was passed on as it was. */
enum mapping_passed {
    PASSED_RATE,      /* Too many in a second. */
    PASSED_SESSIONS,  /* The service has too many sessions... */
    PASSED_HALF_OPEN, /* ...or too many that are not more than a request. */
    PASSED_SOURCE,    /* The correspondent has too many. */
    PASSED_DEVICE,    /* The device is away, or said no. */
    PASSED_N
};
const char *mapping_passed_to_string(enum mapping_passed);

/* Sessions of one correspondent with one service. */
struct mapping_source {
    struct hmap_node node; /* In struct mapping_service, by 'address'. */
    struct in6_addr address;
    struct uuid key; /* Of the flow that lets it pass. */
    size_t n_sessions;
    long long int pass_until; /* Milliseconds; 0: it does not pass. */
};

struct mapping_service {
    struct hmap_node node; /* In struct mapping_services, by address, port. */
    struct uuid key;       /* Of its flows. */
    char *name;            /* As policy calls it. */
    char *service;         /* As which its sessions move. */
    char *device;
    char *bridge;
    struct flow_movable flows;
    unsigned int idle_s, half_open_s;
    unsigned int max_sessions, max_half_open, max_per_source, rate;
    unsigned int ready; /* Session addresses, at the device. */

    struct token_bucket tokens;
    struct hmap sources;
    size_t n_passing; /* Sources with a flow. */
    size_t n_sessions, n_half_open;
    long long int suspended_until; /* Milliseconds; 0: not suspended. */
    uint64_t n_mapped;             /* Since we began. */
    uint64_t n_passed[PASSED_N];
    uint64_t n_suspensions;
    uint64_t n_fragments; /* Of those who have sessions: not translated. */
    bool keep;            /* For mapping_services_configure(). */
};

struct mapping_services *mapping_services_create(void);
/* The services have no sessions any more. */
void mapping_services_destroy(struct mapping_services *);
/* Marks with 'keep' those that 'policy' has; of the others the flows go, and
 * the sessions are to end. */
void mapping_services_configure(struct mapping_services *, struct network *,
                                const struct policy *);
/* Forgets those that are not to be kept, and have no sessions any more. */
void mapping_services_sweep(struct mapping_services *, struct network *);
/* Ends suspensions.  Returns when to be called next; LLONG_MAX: never. */
long long int mapping_services_run(struct mapping_services *, struct network *,
                                   long long int now);
/* All flows of 'bridge' are to be set anew. */
void mapping_services_refresh(struct mapping_services *, struct network *,
                              const char *bridge);

struct mapping_service *mapping_service_find(const struct mapping_services *,
                                             uint8_t protocol,
                                             const struct in6_addr *permanent,
                                             uint16_t port);
struct mapping_service *mapping_service_next(const struct mapping_services *,
                                             const struct mapping_service *);

/* May another session of 'source' be mapped?  If not, it was counted, and what
 * there is to be done about it. */
bool mapping_service_admit(struct mapping_service *, struct network *,
                           const struct in6_addr *source, long long int now);
/* Lets all pass for 'ms'; 'why' is for the log. */
void mapping_service_suspend(struct mapping_service *, struct network *,
                             long long int now, int ms, const char *why);

/* A fragment from 'source' to 'permanent' was not translated: counts it with
 * the services of which 'source' has sessions.  IPPROTO_FRAGMENT: of any
 * protocol. */
void mapping_services_note_fragment(struct mapping_services *,
                                    uint8_t protocol,
                                    const struct in6_addr *permanent,
                                    const struct in6_addr *source);

/* Keeps the books: sessions come and go. */
void mapping_service_add(struct mapping_service *, const struct in6_addr *);
void mapping_service_remove(struct mapping_service *, const struct in6_addr *);

#endif /* controller/mapping-service.h */
