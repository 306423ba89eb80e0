/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_SESSION_H
#define BATON_SESSION_H 1

/* The sessions that this device holds: plain data and a table of it.
 *
 * What happens to a session when it moves is the handover's affair (see
 * handover.h), which a session points to while it lasts. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sys/types.h>

#include "app-protocol.h"
#include "closing.h"
#include "onward.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/uuid.h"

struct app_conn;
struct handover;

#define SESSION_SOCKETS_MAX 128

/* One socket of a session: a duplicate of the application's descriptor. */
struct session_socket {
    int fd;
    uint64_t cookie; /* SO_COOKIE. */
    bool held;       /* A listener that takes no new connections now. */
    bool datagram;   /* UDP: the catcher of its own datagrams. */
};

struct session {
    struct hmap_node id_node;      /* In struct sessions, by id... */
    struct hmap_node address_node; /* ...and by address. */
    struct ovs_list ending_node;   /* The same, if 'ending'... */
    struct ovs_list announce_node; /* ...and if 'announce_at'. */
    struct uuid id;
    struct in6_addr address;
    uint64_t epoch;
    char name[APP_NAME_LEN]; /* For people. */
    char service[APP_NAME_LEN];
    uid_t uid;           /* Whose it is here. */
    long long int since; /* time_wall_msec() at which it came here. */

    struct app_conn *conn;          /* Its application, or NULL. */
    struct session_socket *sockets; /* In the order of addition. */
    size_t n_sockets, allocated_sockets;
    struct closing closing; /* Connections that were taken out. */

    /* What may be done with it (see onward.h).  Empty: it began here. */
    char onward[ONWARD_STRING_LEN];
    /* What is to be given along.  Empty: all that may be. */
    char give_onward[ONWARD_STRING_LEN];

    bool introduced; /* Another device may have the address. */
    bool permanent;  /* Its address is a device's own. */
    bool mapped;     /* It began on the permanent address: see
                                * mapped.h. */
    struct in6_addr permanent_address; /* Which, then. */
    bool doubtful;   /* A higher epoch is known, but not whose: it is silent
                      * until the controller says. */
    bool from_block; /* Its address is of a block leased to us. */
    unsigned int told_s;       /* Seconds that it may be unused, and... */
    long long int told_until;  /* ...time_msec() at which it is over, if no
                               * application has it by then: see told.h. */
    char ifname[16];           /* Where the address is bound, or empty. */
    long long int announce_at; /* time_msec() at which the controller is told
                                * of it again, since it has not answered; or
                                * 0. */
    struct handover *handover; /* While it moves; else NULL. */
    long long int ending;      /* time_msec() at which its address goes, once
                                 * the application has closed it; or 0: see
                                 * keeper_end(). */
};

struct sessions {
    struct hmap by_id, by_address;
    struct ovs_list ending; /* The next one first. */
    struct ovs_list announcing;
};

void sessions_init(struct sessions *);
void sessions_destroy(struct sessions *);

struct session *session_create(struct sessions *, const struct uuid *id,
                               const struct in6_addr *, uint64_t epoch);
/* Closes its sockets (a descriptor of the application's may keep them). */
void session_destroy(struct sessions *, struct session *);

struct session *session_find(const struct sessions *, const struct uuid *);
struct session *session_find_address(const struct sessions *,
                                     const struct in6_addr *);
/* By id, the beginning of one, name or address, as a person says it.  On
 * failure returns NULL and stores a sentence, which the caller frees. */
struct session *session_lookup(const struct sessions *, const char *,
                               char **errorp);

/* Sets what is given along when it moves; "": all that may be.  False if that
 * is no right. */
bool session_set_give_onward(struct session *, const char *);

/* Adds 'fd', which the session owns from then on, whatever is returned.
 * Checks that it can move, is of this network namespace, and that its local
 * address is the session's: a descriptor comes from an application.  Its owner
 * (who made it, or fchown()) must be 'uid', whose application it is, or root,
 * who may have bound it for somebody; root may add anybody's. */
int session_add_socket(struct session *, uid_t uid, int fd, char **errorp);
/* The same for a socket that was added to the session before the agent was
 * started again, and may be frozen or muted. */
int session_adopt_socket(struct session *, uid_t uid, int fd, char **errorp);
/* After a transfer, when late datagrams are in: see socket_state_settle(). */
void session_settle_sockets(struct session *);
/* What was held of it is undone: the application may go on with it. */
bool session_remove_socket(struct session *, uint64_t cookie);
void session_close_sockets(struct session *);

/* The bytes of UUIDs as struct app_message carries them. */
void session_id_to_bytes(const struct uuid *, uint8_t bytes[16]);
void session_id_from_bytes(const uint8_t bytes[16], struct uuid *);

#endif /* agentd/session.h */
