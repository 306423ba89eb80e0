/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "tunnel-path.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "bridge.h"
#include "network.h"
#include "openvswitch/list.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "seal.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(tunnel_path);

/* Of the first probes, before TUNNEL_PATH_RETRY_MS. */
#define FIRST_TRIES 10

/* A probe: Ethernet header, then this, then zeros to the full size. */
static const uint8_t probe_magic[] = {
    'B', 'A', 'T', 'N', 'P', 'R', 'B', '1'
};
#define PROBE_MAGIC_LEN sizeof probe_magic
#define PROBE_NONCE_LEN 16

struct path {
    struct ovs_list node; /* In struct tunnel_paths. */
    char from[64], to[64];
    uint8_t nonce[PROBE_NONCE_LEN];
    bool out; /* Probes with that nonce are under way. */
    unsigned int tries;
    long long int good_at;
    long long int probe_at; /* Milliseconds. */
    long long int wanted_until;
};

struct tunnel_paths {
    struct ovs_list paths; /* struct path */
};

struct tunnel_paths *
tunnel_paths_create(void)
{
    struct tunnel_paths *tp = xzalloc(sizeof *tp);

    ovs_list_init(&tp->paths);
    return tp;
}

static void
path_destroy(struct path *path)
{
    ovs_list_remove(&path->node);
    free(path);
}

void
tunnel_paths_destroy(struct tunnel_paths *tp)
{
    if (tp) {
        struct path *path;

        LIST_FOR_EACH_SAFE(path, node, &tp->paths) {
            path_destroy(path);
        }
        free(tp);
    }
}

static struct path *
find_path(const struct tunnel_paths *tp, const char *from, const char *to)
{
    struct path *path;

    LIST_FOR_EACH(path, node, &tp->paths) {
        if (!strcmp(path->from, from) && !strcmp(path->to, to)) {
            return path;
        }
    }
    return NULL;
}

static bool
is_good(const struct path *path, long long int now)
{
    return path->good_at && now < path->good_at + TUNNEL_PATH_GOOD_MS;
}

void
tunnel_paths_want(struct tunnel_paths *tp, const char *from, const char *to,
                  long long int now)
{
    struct path *path = find_path(tp, from, to);

    if (!path) {
        path = xzalloc(sizeof *path);
        ovs_strlcpy(path->from, from, sizeof path->from);
        ovs_strlcpy(path->to, to, sizeof path->to);
        path->probe_at = now;
        ovs_list_push_back(&tp->paths, &path->node);
    }
    path->wanted_until = now + TUNNEL_PATH_WANTED_MS;
    if (!is_good(path, now)) {
        path->tries = 0;
        path->probe_at = MIN(path->probe_at, now);
    }
}

bool
tunnel_path_is_good(const struct tunnel_paths *tp, const char *from,
                    const char *to, long long int now)
{
    const struct path *path = find_path(tp, from, to);

    return path && is_good(path, now);
}

static void
probe(struct path *path, struct network *network)
{
    const struct flow_layout *from = network_layout(network, path->from);
    const struct flow_layout *to = network_layout(network, path->to);
    const struct in6_addr *peer = network_tunnel_address(network, path->to);
    struct bridge *bridge = network_find(network, path->from);
    struct eth_header *eth;
    size_t size;
    uint8_t *p;

    if (!bridge || !to || !peer || !bridge_is_synchronised(bridge)) {
        return;
    }
    size = ETH_HEADER_LEN + MIN(from->tunnel_mtu, to->tunnel_mtu);
    p = xzalloc(size);
    eth = (struct eth_header *) p;
    eth->eth_dst = to->mac;
    eth->eth_src = from->mac;
    eth->eth_type = htons(0x88b5);
    memcpy(p + ETH_HEADER_LEN, probe_magic, PROBE_MAGIC_LEN);
    if (!path->out) {
        /* Until one gets through they are all the same: on a slow way the
         * answer to an earlier one counts. */
        seal_random(path->nonce, sizeof path->nonce);
        path->out = true;
    }
    memcpy(p + ETH_HEADER_LEN + PROBE_MAGIC_LEN, path->nonce,
           sizeof path->nonce);
    bridge_send_tunnel(bridge, peer, 0, p, size);
    free(p);
}

void
tunnel_paths_run(struct tunnel_paths *tp, struct network *network,
                 long long int now)
{
    struct path *path;

    LIST_FOR_EACH_SAFE(path, node, &tp->paths) {
        if (now >= path->wanted_until) {
            path_destroy(path);
            continue;
        }
        if (now < path->probe_at) {
            continue;
        }
        if (path->good_at && path->tries == FIRST_TRIES) {
            VLOG_WARN("nothing comes through the tunnel from %s to %s",
                      path->from, path->to);
        }
        probe(path, network);
        path->probe_at = now
                         + (path->tries < FIRST_TRIES ? TUNNEL_PATH_FIRST_MS
                                                      : TUNNEL_PATH_RETRY_MS);
        path->tries++;
    }
}

void
tunnel_paths_handle_packet(struct tunnel_paths *tp,
                           const struct network *network,
                           const struct bridge *bridge,
                           const struct bridge_packet *packet,
                           long long int now)
{
    const char *from = network_find_tunnel(network, &packet->tun_src);
    const uint8_t *p = packet->data + ETH_HEADER_LEN;
    struct path *path;

    path = from ? find_path(tp, from, bridge_get_name(bridge)) : NULL;
    if (!path || !path->out
        || packet->size < ETH_HEADER_LEN + PROBE_MAGIC_LEN + PROBE_NONCE_LEN
        || memcmp(p, probe_magic, PROBE_MAGIC_LEN)
        || !seal_equal(p + PROBE_MAGIC_LEN, path->nonce, PROBE_NONCE_LEN)) {
        return;
    }
    if (!path->good_at || path->tries > FIRST_TRIES) {
        VLOG_INFO("the tunnel from %s to %s brings frames of %" PRIuSIZE
                  " bytes",
                  path->from, path->to, packet->size);
    }
    path->out = false;
    path->tries = 0;
    path->good_at = now;
    path->probe_at = now + TUNNEL_PATH_REFRESH_MS;
}

long long int
tunnel_paths_next_deadline(const struct tunnel_paths *tp)
{
    long long int deadline = LLONG_MAX;
    const struct path *path;

    LIST_FOR_EACH(path, node, &tp->paths) {
        deadline = MIN(deadline, MIN(path->probe_at, path->wanted_until));
    }
    return deadline;
}

bool
tunnel_paths_next(const struct tunnel_paths *tp, void **cookie,
                  struct tunnel_path *tunnel, long long int now)
{
    const struct path *path = *cookie;

    if (!path) {
        if (ovs_list_is_empty(&tp->paths)) {
            return false;
        }
        path = CONTAINER_OF(ovs_list_front(&tp->paths), struct path, node);
    } else if (ovs_list_back(&tp->paths) == &path->node) {
        return false;
    } else {
        path = CONTAINER_OF(path->node.next, struct path, node);
    }
    *cookie = CONST_CAST(struct path *, path);
    tunnel->from = path->from;
    tunnel->to = path->to;
    tunnel->good = is_good(path, now);
    tunnel->good_at = path->good_at;
    return true;
}
