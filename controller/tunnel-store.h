/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_TUNNEL_STORE_H
#define BATON_TUNNEL_STORE_H 1

/* Devices' own tunnels (device-tunnel.h) in the database, where upkeep.h keeps
 * them: a row for each that is proved.
 *
 * A controller that starts finds them, so its bridges' flows into them stay as
 * they are; each is proved again as soon as its device has registered, and is
 * not offered to new sessions before. */

struct devices;
struct json;
struct ovsdb_idl;

void tunnel_store_load(const struct ovsdb_idl *, struct devices *);

/* Adds to 'ops' what makes the rows of 'device' what 'devices' has of it. */
void tunnel_store_write(const struct ovsdb_idl *, const struct devices *,
                        const char *device, struct json *ops);

#endif /* controller/tunnel-store.h */
