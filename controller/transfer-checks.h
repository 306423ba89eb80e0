/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_TRANSFER_CHECKS_H
#define BATON_TRANSFER_CHECKS_H 1

/* May this session go from here to there?  What "introduce" and "prepare" both
 * ask. */

#include <stdbool.h>

#include "transfer.h"

struct controller;
struct device;
struct record;
struct refusal;

/* May the owner by 'record' (NULL: the lessee) pass the session to 'to'? */
void transfer_check_onward(const struct controller *, const struct record *,
                           const char *to, struct refusal *);
/* The most that the owner may give along, as policy and its own right are
 * now; and whether 'asked' is within it. */
struct onward_right transfer_onward_limit(const struct controller *,
                                          const struct uuid *session,
                                          const char *from, const char *to,
                                          const char *service);
void transfer_check_given(struct onward_right asked, struct onward_right limit,
                          const char *from, struct refusal *);
/* Is 'name' there to take part, on the session's home bridge, 'bridge', on one
 * to which that has a tunnel, or behind no bridge, with a tunnel of its own or
 * the right to one? */
const struct device *transfer_check_device(const struct controller *,
                                           const char *name,
                                           const char *bridge,
                                           struct refusal *);
/* A transfer that could not be decided is not begun. */
void transfer_check_database(const struct controller *, struct refusal *);
/* Are the devices still on the bridges where they were introduced? */
void transfer_check_bridges(const struct controller *, const struct transfer *,
                            struct refusal *);
/* Do the tunnels of devices that are behind no bridge bring packets? */
void transfer_check_tunnels(const struct controller *, const struct transfer *,
                            struct refusal *);
bool transfer_bridge_is_ready(const struct controller *, const char *bridge);

/* The transfer of that id, if 'device' is the party that 'side' says
 * (negative: either). */
struct transfer *transfer_of_party(struct controller *, const struct device *,
                                   const struct uuid *, int side);

#endif /* controller/transfer-checks.h */
