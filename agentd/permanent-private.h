/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_PERMANENT_PRIVATE_H
#define BATON_PERMANENT_PRIVATE_H 1

/* Between the files of permanent.h: permanent-table.c knows the addresses,
 * permanent-channel.c by which one the agent is reached; permanent-lend.c gives
 * one away, permanent-wake.c takes it back; permanent.c hears the controller
 * and has the loop. */

#include "openvswitch/list.h"
#include "permanent.h"
#include "permanent-store.h"

enum permanent_state {
    PERMANENT_HOME,
    PERMANENT_LENDING,
    PERMANENT_GIVING,
    PERMANENT_ASLEEP,
};

struct permanent {
    struct ovs_list node; /* In struct permanents. */
    enum permanent_state state;
    struct permanent_record r; /* What is written down while it sleeps. */

    /* GIVING, found written down: whether it has left the controller says, and
     * who holds it has until 'deadline' to show it. */
    bool unsure;

    /* LENDING. */
    char *target;
    struct app_conn *mover, *caller; /* As in struct handover. */
    long long int deadline;          /* time_msec(). */
    unsigned int registration;       /* The one by the address itself. */

    /* ASLEEP. */
    struct app_conn *waker; /* Told when it is awake. */
    uint64_t wake_id;       /* Request, or 0. */
    long long int ask_at;   /* time_msec() at which to ask for "wake", the
                             * address being ours by the controller's record;
                             * or 0. */
};

struct permanents {
    struct ovs_list own; /* struct permanent */
    char *file;          /* In the state directory. */
    char *listen;        /* For peers, as it was configured. */
};

/* permanent-table.c */

struct permanent *permanent_find_session(const struct agent *agent,
                                         const struct uuid *session);
struct permanent *permanent_find_address(const struct agent *agent,
                                         const struct in6_addr *address);
const char *permanent_text_of(const struct permanent *p);
void permanent_save(struct agent *agent);
/* What a former agent wrote down: the addresses that are not to be used. */
void permanent_load(struct agent *agent);
struct session *permanent_make_session(struct agent *agent,
                                       struct permanent *p, uint64_t epoch);

/* permanent-channel.c */

/* Where we listen for peers with 'address' in the place of 'p's own; NULL: we
 * do not listen at that. */
char *permanent_listen_at(const struct agent *agent, const struct permanent *p,
                          const struct in6_addr *address);
/* Does the channel to the controller go by this address? */
bool permanent_is_channel(const struct agent *agent,
                          const struct permanent *p);
/* Goes on by 'address', which is the temporary one, or 'p's own again. */
void permanent_move_channel(struct agent *agent, struct permanent *p,
                            const struct in6_addr *address);

/* permanent-lend.c */

/* The channel goes by the address itself again, and the temporary one goes,
 * once those that were connected to it have heard so. */
void permanent_return_temporary(struct agent *agent, struct permanent *p);
void permanent_run_lending(struct agent *agent, struct permanent *p);
void permanent_run_giving(struct agent *agent, struct permanent *p);

/* permanent-wake.c */

void permanent_wake_at(struct agent *agent, struct permanent *p,
                       uint64_t epoch, const char *reason);
void permanent_ask_to_wake(struct agent *agent, struct permanent *p);

#endif /* agentd/permanent-private.h */
