/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "mapping-service.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "network.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "policy.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(mapping_service);

/* Milliseconds for which a service that is flooded or full is left alone, and
 * for which a source that has too much passes. */
#define SUSPEND_FLOOD 5000
#define PASS_SOURCE 10000
/* Sources of a service that pass by a flow of their own, at most. */
#define MAX_PASSING 64
/* Tokens of a session: there come 'rate' of them each millisecond. */
#define TOKENS 1000

struct mapping_services {
    struct hmap services;
};

const char *
mapping_passed_to_string(enum mapping_passed why)
{
    switch (why) {
    case PASSED_RATE: return "rate";
    case PASSED_SESSIONS: return "sessions";
    case PASSED_HALF_OPEN: return "half-open";
    case PASSED_SOURCE: return "per-source";
    case PASSED_DEVICE: return "device";
    case PASSED_N:
    default: OVS_NOT_REACHED();
    }
}

struct mapping_services *
mapping_services_create(void)
{
    struct mapping_services *services = xzalloc(sizeof *services);

    hmap_init(&services->services);
    return services;
}

static void
source_free(struct mapping_service *service, struct mapping_source *source)
{
    hmap_remove(&service->sources, &source->node);
    service->n_passing -= source->pass_until != 0;
    free(source);
}

static void
service_free(struct mapping_services *services,
             struct mapping_service *service)
{
    struct mapping_source *source;

    hmap_remove(&services->services, &service->node);
    HMAP_FOR_EACH_SAFE(source, node, &service->sources) {
        source_free(service, source);
    }
    hmap_destroy(&service->sources);
    free(service->name);
    free(service->service);
    free(service->device);
    free(service->bridge);
    free(service);
}

void
mapping_services_destroy(struct mapping_services *services)
{
    struct mapping_service *service;

    HMAP_FOR_EACH_SAFE(service, node, &services->services) {
        service_free(services, service);
    }
    hmap_destroy(&services->services);
    free(services);
}

static uint32_t
hash_service(uint8_t protocol, const struct in6_addr *permanent, uint16_t port)
{
    return hash_bytes(permanent, sizeof *permanent,
                      hash_2words(protocol, port));
}

struct mapping_service *
mapping_service_find(const struct mapping_services *services, uint8_t protocol,
                     const struct in6_addr *permanent, uint16_t port)
{
    uint32_t hash = hash_service(protocol, permanent, port);
    struct mapping_service *service;

    HMAP_FOR_EACH_WITH_HASH(service, node, hash, &services->services) {
        if (service->flows.protocol == protocol && service->flows.port == port
            && ipv6_addr_equals(&service->flows.permanent, permanent)) {
            return service;
        }
    }
    return NULL;
}

struct mapping_service *
mapping_service_next(const struct mapping_services *services,
                     const struct mapping_service *service)
{
    struct hmap_node *node = service ? hmap_next(&services->services,
                                                 &service->node)
                                     : hmap_first(&services->services);

    return node ? CONTAINER_OF(node, struct mapping_service, node) : NULL;
}

/* Flows. */

static void
set_flows(struct mapping_service *service, struct network *network)
{
    service->flows.open = !service->suspended_until;
    if (service->keep) {
        network_set_movable(network, service->bridge, &service->key,
                            &service->flows);
    }
}

static void
set_passing(struct mapping_service *service, struct network *network,
            const struct mapping_source *source)
{
    if (source->pass_until) {
        network_set_passing(network, service->bridge, &source->key,
                            &service->flows, &source->address);
    } else {
        network_unset(network, service->bridge, &source->key);
    }
}

/* No session of it begins any more. */
static void
unset_flows(struct mapping_service *service, struct network *network)
{
    struct mapping_source *source;

    network_unset(network, service->bridge, &service->key);
    HMAP_FOR_EACH_SAFE(source, node, &service->sources) {
        if (source->pass_until) {
            network_unset(network, service->bridge, &source->key);
            source->pass_until = 0;
            service->n_passing--;
            if (!source->n_sessions) {
                source_free(service, source);
            }
        }
    }
    service->suspended_until = 0;
}

void
mapping_services_refresh(struct mapping_services *services,
                         struct network *network, const char *bridge)
{
    struct mapping_service *service;
    struct mapping_source *source;

    HMAP_FOR_EACH(service, node, &services->services) {
        if (service->keep && !strcmp(service->bridge, bridge)) {
            set_flows(service, network);
            HMAP_FOR_EACH(source, node, &service->sources) {
                if (source->pass_until) {
                    set_passing(service, network, source);
                }
            }
        }
    }
}

/* Configuring. */

static void
set_string(char **p, const char *s)
{
    free(*p);
    *p = xstrdup(s);
}

static void
configure_service(struct mapping_services *services, struct network *network,
                  const struct policy_movable *movable, const char *device,
                  const struct policy_permanent *permanent)
{
    struct mapping_service *service = mapping_service_find(
        services, movable->protocol, &permanent->addr, movable->port);

    if (service && strcmp(service->bridge, permanent->bridge->name)) {
        network_unset(network, service->bridge, &service->key);
    }
    if (!service) {
        service = xzalloc(sizeof *service);
        hmap_init(&service->sources);
        uuid_generate(&service->key);
        service->flows.protocol = movable->protocol;
        service->flows.permanent = permanent->addr;
        service->flows.port = movable->port;
        hmap_insert(
            &services->services, &service->node,
            hash_service(movable->protocol, &permanent->addr, movable->port));
        token_bucket_init(&service->tokens, movable->rate,
                          movable->rate * TOKENS);
    }
    set_string(&service->name, movable->name);
    set_string(&service->service, movable->service);
    set_string(&service->device, device);
    set_string(&service->bridge, permanent->bridge->name);
    service->idle_s = movable->idle_s;
    service->half_open_s = movable->half_open_s;
    service->max_sessions = movable->sessions;
    service->max_half_open = movable->half_open;
    service->max_per_source = movable->per_source;
    service->rate = movable->rate;
    service->ready = movable->ready;
    token_bucket_set(&service->tokens, movable->rate, movable->rate * TOKENS);
    service->keep = true;
    set_flows(service, network);
}

void
mapping_services_configure(struct mapping_services *services,
                           struct network *network,
                           const struct policy *policy)
{
    const struct shash_node *mn, *dn;
    struct mapping_service *service;

    HMAP_FOR_EACH(service, node, &services->services) {
        service->keep = false;
    }
    SHASH_FOR_EACH(mn, &policy->movables) {
        SHASH_FOR_EACH(dn, &policy->devices) {
            const struct policy_device *device = dn->data;

            for (size_t i = 0; i < device->n_permanent; i++) {
                if (policy_movable_is_at(policy, mn->data, device->name,
                                         &device->permanent[i].addr)) {
                    configure_service(services, network, mn->data,
                                      device->name, &device->permanent[i]);
                }
            }
        }
    }
    HMAP_FOR_EACH(service, node, &services->services) {
        if (!service->keep) {
            unset_flows(service, network);
        }
    }
}

void
mapping_services_sweep(struct mapping_services *services,
                       struct network *network)
{
    struct mapping_service *service;

    HMAP_FOR_EACH_SAFE(service, node, &services->services) {
        if (!service->keep && !service->n_sessions) {
            unset_flows(service, network);
            service_free(services, service);
        }
    }
}

/* Limits. */

void
mapping_service_suspend(struct mapping_service *service,
                        struct network *network, long long int now, int ms,
                        const char *why)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(12, 12);
    char text[INET6_ADDRSTRLEN];

    ipv6_string_mapped(text, &service->flows.permanent);
    VLOG_INFO_RL(&rl,
                 "%s at %s of %s: %s; for %d ms new sessions are not mapped",
                 service->name, text, service->device, why, ms);
    service->n_suspensions++;
    service->suspended_until = MAX(service->suspended_until, now + ms);
    set_flows(service, network);
}

static uint32_t
hash_address(const struct in6_addr *address)
{
    return hash_bytes(address, sizeof *address, 0);
}

static struct mapping_source *
find_source(const struct mapping_service *service,
            const struct in6_addr *address)
{
    struct mapping_source *source;

    HMAP_FOR_EACH_WITH_HASH(source, node, hash_address(address),
                            &service->sources) {
        if (ipv6_addr_equals(&source->address, address)) {
            return source;
        }
    }
    return NULL;
}

static void
let_pass(struct mapping_service *service, struct network *network,
         struct mapping_source *source, long long int now)
{
    char text[INET6_ADDRSTRLEN];

    service->n_passed[PASSED_SOURCE]++;
    if (source->pass_until || service->n_passing >= MAX_PASSING) {
        return;
    }
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(12, 12);

    VLOG_INFO_RL(&rl,
                 "%s: %s has %" PRIuSIZE " sessions; more are not "
                 "mapped for now",
                 service->name, ipv6_string_mapped(text, &source->address),
                 source->n_sessions);
    source->pass_until = now + PASS_SOURCE;
    service->n_passing++;
    set_passing(service, network, source);
}

bool
mapping_service_admit(struct mapping_service *service, struct network *network,
                      const struct in6_addr *address, long long int now)
{
    struct mapping_source *source = find_source(service, address);

    if (service->suspended_until) {
        service->n_passed[PASSED_RATE]++;
        return false;
    } else if (source && source->n_sessions >= service->max_per_source) {
        let_pass(service, network, source, now);
        return false;
    } else if (service->n_sessions >= service->max_sessions) {
        service->n_passed[PASSED_SESSIONS]++;
        mapping_service_suspend(service, network, now, SUSPEND_FLOOD,
                                "it has all the sessions that it may have");
        return false;
    } else if (service->n_half_open >= service->max_half_open) {
        service->n_passed[PASSED_HALF_OPEN]++;
        mapping_service_suspend(service, network, now, SUSPEND_FLOOD,
                                "too many sessions are half open");
        return false;
    } else if (!token_bucket_withdraw(&service->tokens, TOKENS)) {
        service->n_passed[PASSED_RATE]++;
        mapping_service_suspend(service, network, now, SUSPEND_FLOOD,
                                "too many sessions begin in a second");
        return false;
    }
    return true;
}

void
mapping_services_note_fragment(struct mapping_services *services,
                               uint8_t protocol,
                               const struct in6_addr *permanent,
                               const struct in6_addr *source)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(2, 2);
    struct mapping_service *service;
    char text[INET6_ADDRSTRLEN];

    HMAP_FOR_EACH(service, node, &services->services) {
        const struct mapping_source *s;

        if ((service->flows.protocol != protocol
             && protocol != IPPROTO_FRAGMENT)
            || !ipv6_addr_equals(&service->flows.permanent, permanent)) {
            continue;
        }
        s = find_source(service, source);
        if (s && s->n_sessions) {
            service->n_fragments++;
            VLOG_INFO_RL(&rl,
                         "%s: %s, which has sessions, sends fragments, which "
                         "are not translated",
                         service->name, ipv6_string_mapped(text, source));
        }
    }
}

void
mapping_service_add(struct mapping_service *service,
                    const struct in6_addr *address)
{
    struct mapping_source *source = find_source(service, address);

    if (!source) {
        source = xzalloc(sizeof *source);
        source->address = *address;
        uuid_generate(&source->key);
        hmap_insert(&service->sources, &source->node, hash_address(address));
    }
    source->n_sessions++;
    service->n_sessions++;
}

void
mapping_service_remove(struct mapping_service *service,
                       const struct in6_addr *address)
{
    struct mapping_source *source = find_source(service, address);

    service->n_sessions--;
    if (source && !--source->n_sessions && !source->pass_until) {
        source_free(service, source);
    }
}

static long long int
run_sources(struct mapping_service *service, struct network *network,
            long long int now)
{
    struct mapping_source *source;
    long long int next = LLONG_MAX;

    if (!service->n_passing) {
        return next;
    }
    HMAP_FOR_EACH_SAFE(source, node, &service->sources) {
        if (!source->pass_until) {
            continue;
        } else if (now < source->pass_until) {
            next = MIN(next, source->pass_until);
            continue;
        }
        source->pass_until = 0;
        service->n_passing--;
        set_passing(service, network, source);
        if (!source->n_sessions) {
            source_free(service, source);
        }
    }
    return next;
}

long long int
mapping_services_run(struct mapping_services *services,
                     struct network *network, long long int now)
{
    struct mapping_service *service;
    long long int next = LLONG_MAX;

    HMAP_FOR_EACH(service, node, &services->services) {
        long long int when = run_sources(service, network, now);

        next = MIN(next, when);
        if (!service->suspended_until) {
            continue;
        } else if (now < service->suspended_until) {
            next = MIN(next, service->suspended_until);
            continue;
        }
        service->suspended_until = 0;
        set_flows(service, network);
    }
    return next;
}
