/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_TUNNEL_PATH_H
#define BATON_TUNNEL_PATH_H 1

/* Does the tunnel from one bridge to another bring packets, the largest that
 * it should?
 *
 * While sessions are to go, or have gone, from one to the other, the
 * controller sends a frame as large as fits into the tunnel at one end, and
 * sees it come out at the other.  Besides telling whether there is a way, this
 * keeps what the bridge needs for it (the next hop of the tunnel itself) from
 * ageing: Open vSwitch drops what it has to look that up for.
 *
 *     tunnel_paths_want(tp, "br-home", "br-far", now);
 *     if (tunnel_path_is_good(tp, "br-home", "br-far", now)) ...
 *     tunnel_paths_run(tp, network, now);         from the main loop
 *     tunnel_paths_handle_packet(tp, ...);        BATON_FLOW_PROBE
 */

#include <stdbool.h>
#include <stddef.h>

struct bridge;
struct bridge_packet;
struct network;
struct tunnel_paths;

#define TUNNEL_PATH_FIRST_MS 10     /* Between the first probes. */
#define TUNNEL_PATH_RETRY_MS 200    /* Later, until one gets through. */
#define TUNNEL_PATH_REFRESH_MS 5000 /* From then on. */
#define TUNNEL_PATH_GOOD_MS 12000   /* What came through counts that long. */
#define TUNNEL_PATH_WANTED_MS 30000 /* Since it was last wanted. */

struct tunnel_paths *tunnel_paths_create(void);
void tunnel_paths_destroy(struct tunnel_paths *);

void tunnel_paths_want(struct tunnel_paths *, const char *from, const char *to,
                       long long int now);
bool tunnel_path_is_good(const struct tunnel_paths *, const char *from,
                         const char *to, long long int now);

void tunnel_paths_handle_packet(struct tunnel_paths *, const struct network *,
                                const struct bridge *,
                                const struct bridge_packet *,
                                long long int now);

void tunnel_paths_run(struct tunnel_paths *, struct network *,
                      long long int now);
long long int tunnel_paths_next_deadline(const struct tunnel_paths *);

/* For people: a walk; start with '*cookie' NULL. */
struct tunnel_path {
    const char *from, *to;
    bool good;
    long long int good_at; /* Milliseconds; 0: never. */
};
bool tunnel_paths_next(const struct tunnel_paths *, void **cookie,
                       struct tunnel_path *, long long int now);

#endif /* controller/tunnel-path.h */
