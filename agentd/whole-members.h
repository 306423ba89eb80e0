/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_WHOLE_MEMBERS_H
#define BATON_WHOLE_MEMBERS_H 1

/* The applications of whole addresses: who they are, and how far each is with
 * what it was told.  For whole.c and whole-relay.c only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app-protocol.h"
#include "app-socket.h"
#include "openvswitch/list.h"
#include "openvswitch/uuid.h"

struct agent;
struct app_conn;

struct whole_member {
    struct ovs_list node; /* In struct whole_bundle. */
    struct app_conn *conn;
    char service[APP_NAME_LEN];
    char name[APP_NAME_LEN];
    uint64_t cookies[APP_SOCKETS_MAX]; /* SO_COOKIE of its sockets. */
    size_t n_cookies;
    bool done;    /* Has answered PAUSE or ARRIVED. */
    int state_fd; /* Its state, with PAUSED; or -1. */
};

/* One whole address. */
struct whole_bundle {
    struct ovs_list node; /* In struct whole. */
    struct uuid session;
    struct ovs_list members;
    bool pausing;     /* PAUSE was passed on. */
    bool arriving;    /* ARRIVED was passed on. */
    bool had_members; /* It ends with the last one. */
};

struct whole {
    int fd;                /* Our end. */
    struct app_conn *conn; /* The agent's. */
    struct ovs_list bundles;
};

/* The address of that session; NULL if nobody is known to be on it. */
struct whole_bundle *whole_bundle_find(const struct agent *,
                                       const struct uuid *session);
/* The same, made if there is none. */
struct whole_bundle *whole_bundle_get(struct agent *,
                                      const struct uuid *session);
void whole_bundle_destroy(struct whole_bundle *);

struct whole_member *whole_member_add(struct whole_bundle *, struct app_conn *,
                                      const char *service, const char *name);
void whole_member_remove(struct whole_member *);
void whole_member_forget_state(struct whole_member *);
/* NULL if there is none. */
struct whole_member *whole_member_find(const struct whole_bundle *,
                                       const struct app_conn *);
struct whole_member *whole_member_of_service(const struct whole_bundle *,
                                             const char *service);

#endif /* agentd/whole-members.h */
