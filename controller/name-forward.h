/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_NAME_FORWARD_H
#define BATON_NAME_FORWARD_H 1

/* Questions about zones that are not ours, passed on to one resolver by UDP,
 * and its answers passed back.  Each goes under a number of its own, which is
 * random, and an answer counts only with that and from there: for a resolver
 * that is near.  Who asks by TCP gets an answer that is cut off, if it would
 * be so by UDP. */

#include <stdbool.h>
#include <stdint.h>

#include "dns-server.h"

struct name_forward;
struct ofpbuf;

struct name_forward_reply {
    struct in6_addr server; /* Of ours, that was asked. */
    uint16_t port;
    struct dns_asker to;
    struct ofpbuf *data; /* The caller deletes it. */
};

struct name_forward *name_forward_create(const struct in6_addr *resolver);
void name_forward_destroy(struct name_forward *);
/* False if it cannot, or too many wait. */
bool name_forward_ask(struct name_forward *, struct in6_addr server,
                      uint16_t port, const struct dns_asker *,
                      const struct ofpbuf *question);
void name_forward_run(struct name_forward *);
void name_forward_wait(struct name_forward *);
bool name_forward_next(struct name_forward *, struct name_forward_reply *);

#endif /* controller/name-forward.h */
