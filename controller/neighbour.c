/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "neighbour.h"

#include <limits.h>
#include <netinet/icmp6.h>
#include <stdlib.h>
#include <string.h>

#include "dp-packet.h"
#include "flow.h"
#include "hash.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "packets.h"
#include "util.h"
#include "uuid.h"

struct entry {
    struct hmap_node node; /* In struct neighbours, by bridge and address. */
    char bridge[64];
    struct in6_addr address;
    bool gateway;
    struct uuid key;
    struct eth_addr mac;    /* Zero: not known. */
    long long int named_at; /* Milliseconds: learnt, or wanted. */
    long long int answered_at;
    long long int ask_at; /* LLONG_MAX: not. */
    unsigned int misses;  /* Questions since the last answer. */
};

struct todo {
    struct ovs_list node; /* In struct neighbours. */
    struct neighbour_action action;
};

struct neighbours {
    struct hmap entries;
    struct ovs_list actions; /* struct todo */
};

struct neighbours *
neighbours_create(void)
{
    struct neighbours *ns = xzalloc(sizeof *ns);

    hmap_init(&ns->entries);
    ovs_list_init(&ns->actions);
    return ns;
}

static void
entry_destroy(struct neighbours *ns, struct entry *e)
{
    hmap_remove(&ns->entries, &e->node);
    free(e);
}

void
neighbours_destroy(struct neighbours *ns)
{
    if (ns) {
        struct todo *todo;
        struct entry *e;

        HMAP_FOR_EACH_SAFE(e, node, &ns->entries) {
            entry_destroy(ns, e);
        }
        hmap_destroy(&ns->entries);
        LIST_FOR_EACH_POP(todo, node, &ns->actions) {
            free(todo);
        }
        free(ns);
    }
}

static struct flow_prefix
prefix_of(const struct entry *e)
{
    struct flow_prefix prefix = { e->address, 128 };

    if (e->gateway && IN6_IS_ADDR_V4MAPPED(&e->address)) {
        in6_addr_set_mapped_ipv4(&prefix.addr, 0);
        prefix.plen = 96;
    } else if (e->gateway) {
        prefix.addr = in6addr_any;
        prefix.plen = 0;
    }
    return prefix;
}

static void
act(struct neighbours *ns, const struct entry *e,
    enum neighbour_action_type type)
{
    struct todo *todo = xzalloc(sizeof *todo);

    todo->action.type = type;
    ovs_strlcpy(todo->action.bridge, e->bridge, sizeof todo->action.bridge);
    todo->action.address = e->address;
    todo->action.key = e->key;
    todo->action.dst = prefix_of(e);
    todo->action.mac = e->mac;
    ovs_list_push_back(&ns->actions, &todo->node);
}

bool
neighbours_next_action(struct neighbours *ns, struct neighbour_action *action)
{
    struct todo *todo;

    if (ovs_list_is_empty(&ns->actions)) {
        return false;
    }
    todo = CONTAINER_OF(ovs_list_pop_front(&ns->actions), struct todo, node);
    *action = todo->action;
    free(todo);
    return true;
}

static uint32_t
hash_entry(const char *bridge, const struct in6_addr *address)
{
    return hash_string(bridge, hash_bytes(address, sizeof *address, 0));
}

static struct entry *
find_entry(const struct neighbours *ns, const char *bridge,
           const struct in6_addr *address)
{
    struct entry *e;

    HMAP_FOR_EACH_WITH_HASH(e, node, hash_entry(bridge, address),
                            &ns->entries) {
        if (ipv6_addr_equals(&e->address, address)
            && !strcmp(e->bridge, bridge)) {
            return e;
        }
    }
    return NULL;
}

static struct entry *
find_gateway(const struct neighbours *ns, const char *bridge, bool ip4)
{
    struct entry *e;

    HMAP_FOR_EACH(e, node, &ns->entries) {
        if (e->gateway && !IN6_IS_ADDR_V4MAPPED(&e->address) == !ip4
            && !strcmp(e->bridge, bridge)) {
            return e;
        }
    }
    return NULL;
}

static struct entry *
add_entry(struct neighbours *ns, const char *bridge,
          const struct in6_addr *address, long long int now)
{
    struct entry *e;

    if (hmap_count(&ns->entries) >= NEIGHBOURS_MAX) {
        return NULL;
    }
    e = xzalloc(sizeof *e);
    ovs_strlcpy(e->bridge, bridge, sizeof e->bridge);
    e->address = *address;
    e->ask_at = now;
    uuid_generate(&e->key);
    hmap_insert(&ns->entries, &e->node, hash_entry(bridge, address));
    return e;
}

static void
set_mac(struct neighbours *ns, struct entry *e, struct eth_addr mac)
{
    if (!eth_addr_equals(e->mac, mac)) {
        e->mac = mac;
        act(ns, e, NEIGHBOUR_SET);
    }
}

/* One gateway for a family: the first one, as long as it answers.  It is all
 * sessions' of the bridge, so that no device may put another in its place. */
static void
make_gateway(struct neighbours *ns, struct entry *e)
{
    struct entry *other = find_gateway(ns, e->bridge,
                                       IN6_IS_ADDR_V4MAPPED(&e->address));

    if (other && other != e) {
        if (other->answered_at && other->misses < NEIGHBOUR_TRIES) {
            return;
        }
        act(ns, other, NEIGHBOUR_UNSET);
        entry_destroy(ns, other);
    }
    if (!e->gateway) {
        if (!eth_addr_is_zero(e->mac)) {
            act(ns, e, NEIGHBOUR_UNSET);
            e->mac = eth_addr_zero;
        }
        e->gateway = true;
    }
}

void
neighbours_learn(struct neighbours *ns, const char *bridge,
                 const struct in6_addr *address, bool gateway,
                 struct eth_addr mac, long long int now)
{
    struct entry *e = find_entry(ns, bridge, address);

    if (!e) {
        e = add_entry(ns, bridge, address, now);
    }
    if (!e) {
        return;
    }
    if (gateway) {
        make_gateway(ns, e);
    }
    e->named_at = now;
    e->ask_at = MIN(e->ask_at, now);
    /* What the neighbour itself said lately counts for more than what a
     * device says of it. */
    if (!eth_addr_is_zero(mac) && !eth_addr_is_multicast(mac)
        && (!e->answered_at || e->misses)) {
        set_mac(ns, e, mac);
    }
}

bool
neighbours_answer(struct neighbours *ns, const char *bridge,
                  const struct in6_addr *address, struct eth_addr mac,
                  long long int now)
{
    struct entry *e = find_entry(ns, bridge, address);

    if (!e || !e->misses || eth_addr_is_zero(mac)
        || eth_addr_is_multicast(mac)) {
        return false;
    }
    e->misses = 0;
    e->answered_at = now;
    e->ask_at = now + NEIGHBOUR_REFRESH_MS;
    set_mac(ns, e, mac);
    return true;
}

bool
neighbours_want(struct neighbours *ns, const char *bridge,
                const struct in6_addr *dst, bool on_link, struct eth_addr *mac,
                long long int now)
{
    struct entry *e = (on_link ? find_entry(ns, bridge, dst)
                               : find_gateway(ns, bridge,
                                              IN6_IS_ADDR_V4MAPPED(dst)));

    if (!e && on_link) {
        e = add_entry(ns, bridge, dst, now);
    }
    if (!e) {
        return false;
    }
    e->named_at = now;
    e->ask_at = MIN(e->ask_at, now + NEIGHBOUR_RETRY_MS);
    *mac = e->mac;
    return !eth_addr_is_zero(e->mac);
}

void
neighbours_set_active(struct neighbours *ns, const char *bridge, bool active,
                      long long int now)
{
    struct entry *e;

    HMAP_FOR_EACH_SAFE(e, node, &ns->entries) {
        if (strcmp(e->bridge, bridge)) {
            continue;
        }
        if (active) {
            if (e->ask_at == LLONG_MAX) {
                e->ask_at = now;
            }
        } else if (e->gateway) {
            e->ask_at = LLONG_MAX;
        } else if (now >= e->named_at + NEIGHBOUR_KEEP_MS) {
            act(ns, e, NEIGHBOUR_UNSET);
            entry_destroy(ns, e);
        }
    }
}

void
neighbours_refresh(struct neighbours *ns, const char *bridge)
{
    struct entry *e;

    HMAP_FOR_EACH(e, node, &ns->entries) {
        if (!strcmp(e->bridge, bridge) && !eth_addr_is_zero(e->mac)) {
            act(ns, e, NEIGHBOUR_SET);
        }
    }
}

void
neighbours_forget(struct neighbours *ns, const char *bridge)
{
    struct entry *e;

    HMAP_FOR_EACH_SAFE(e, node, &ns->entries) {
        if (!strcmp(e->bridge, bridge)) {
            act(ns, e, NEIGHBOUR_UNSET);
            entry_destroy(ns, e);
        }
    }
}

void
neighbours_run(struct neighbours *ns, long long int now)
{
    struct entry *e;

    HMAP_FOR_EACH_SAFE(e, node, &ns->entries) {
        if (now < e->ask_at) {
            continue;
        }
        if (!e->gateway && e->misses >= NEIGHBOUR_TRIES) {
            act(ns, e, NEIGHBOUR_UNSET);
            entry_destroy(ns, e);
            continue;
        }
        act(ns, e, NEIGHBOUR_ASK);
        e->misses++;
        /* A gateway that is away: not as often all the time. */
        e->ask_at = now
                    + (e->misses > NEIGHBOUR_TRIES ? NEIGHBOUR_REFRESH_MS
                                                   : NEIGHBOUR_RETRY_MS);
    }
}

long long int
neighbours_next_deadline(const struct neighbours *ns)
{
    long long int deadline = LLONG_MAX;
    const struct entry *e;

    HMAP_FOR_EACH(e, node, &ns->entries) {
        deadline = MIN(deadline, e->ask_at);
    }
    return ovs_list_is_empty(&ns->actions) ? deadline : LLONG_MIN;
}

bool
neighbours_next(const struct neighbours *ns, void **cookie,
                struct neighbour *neighbour)
{
    struct hmap_node *node = *cookie
                                 ? hmap_next(&ns->entries,
                                             &((struct entry *) *cookie)->node)
                                 : hmap_first(&ns->entries);
    struct entry *e;

    if (!node) {
        return false;
    }
    e = CONTAINER_OF(node, struct entry, node);
    *cookie = e;
    neighbour->bridge = e->bridge;
    neighbour->address = e->address;
    neighbour->gateway = e->gateway;
    neighbour->dst = prefix_of(e);
    neighbour->mac = e->mac;
    neighbour->answered_at = e->answered_at;
    return true;
}

/* Frames. */

void
neighbour_compose(struct dp_packet *packet, const struct in6_addr *address,
                  struct eth_addr mac)
{
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        /* Sender 0.0.0.0, as a probe of RFC 5227: it tells nobody anything,
         * and is answered. */
        compose_arp(packet, ARP_OP_REQUEST, mac, eth_addr_zero, true, 0,
                    in6_addr_get_mapped_ipv4(address));
    } else {
        struct in6_addr src;

        in6_generate_lla(mac, &src);
        compose_nd_ns(packet, mac, &src, address);
    }
}

bool
neighbour_parse(const void *data, size_t size, struct in6_addr *address,
                struct eth_addr *mac)
{
    struct dp_packet packet;
    struct flow flow;

    dp_packet_use_const(&packet, data, size);
    flow_extract(&packet, &flow);
    if (flow.dl_type == htons(ETH_TYPE_ARP) && flow.nw_proto == ARP_OP_REPLY) {
        in6_addr_set_mapped_ipv4(address, flow.nw_src);
        *mac = flow.arp_sha;
        return true;
    }
    if (flow.dl_type == htons(ETH_TYPE_IPV6) && flow.nw_proto == IPPROTO_ICMPV6
        && flow.tp_src == htons(ND_NEIGHBOR_ADVERT)) {
        *address = flow.nd_target;
        *mac = eth_addr_is_zero(flow.arp_tha) ? flow.dl_src : flow.arp_tha;
        return true;
    }
    return false;
}
