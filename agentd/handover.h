/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_HANDOVER_H
#define BATON_HANDOVER_H 1

/* One session's move, as this device sees it: the agent's half of the
 * transfer protocol.  handover.c holds what both sides share and passes on
 * what arrived; give.c is the transferring device's state machine, take.c the
 * target's.  Each is drawn at the top of its file. */

#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>

#include "app-protocol.h"
#include "foreign-route.h"
#include "handoff.h"
#include "note.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/uuid.h"
#include "packet-queue.h"
#include "peer-link.h"
#include "seal.h"
#include "state-seal.h"
#include "ticket.h"

struct agent;
struct app_conn;
struct app_event;
struct give_later;
struct json;
struct message;
struct jsonrpc_msg;
struct late_catch;
struct offered_socket;
struct session;
struct session_socket;

enum handover_state {
    /* Giving.  Until FROZEN the session is as it always was. */
    GIVE_INTRODUCING, /* Asked the controller to introduce us. */
    GIVE_CONNECTING,  /* To the target. */
    GIVE_OFFERED,
    GIVE_PAUSING,  /* Accepted; the application shall stop. */
    GIVE_SETTLING, /* What is in flight is acknowledged. */
    GIVE_PREPARING,
    GIVE_FROZEN,
    GIVE_DRAINING, /* Released: late packets go after it. */
    GIVE_RESUMED,  /* Aborted: late packets come back. */

    /* Taking. */
    TAKE_EXPECTED,  /* Announced by the controller. */
    TAKE_POSTPONED, /* Offered; our own draining must end. */
    TAKE_WAITING,   /* Accepted. */
    TAKE_MUTED,
    TAKE_CLAIMED,
    TAKE_OWNED,     /* Ours; late packets may still come. */
    TAKE_RETURNING, /* Not ours after all; late packets go back. */
    TAKE_KEEPING,   /* They wait for a transferring device that is away. */
};

/* Milliseconds. */
#define HANDOVER_INTRODUCE_TIMEOUT 5000
#define HANDOVER_CONNECT_TIMEOUT 2000
#define HANDOVER_OFFER_TIMEOUT 30000
#define HANDOVER_PAUSE_TIMEOUT 1000
#define HANDOVER_SETTLE_TIMEOUT 1000
#define HANDOVER_SETTLE_STALL 50
#define HANDOVER_PREPARE_TIMEOUT 2000
#define HANDOVER_ASK_MIN 100
#define HANDOVER_ASK_MAX 5000
#define HANDOVER_LOST_TIMEOUT (15 * 60 * 1000)
#define HANDOVER_DRAIN_TIMEOUT 1000
/* On a plain LAN: longer than anybody believes an entry that is wrong, as far
 * as we know (RFC 4861's REACHABLE_TIME, at most 45 s). */
#define HANDOVER_DRAIN_TIMEOUT_LAN 60000
/* For which what a target that is stopped has caught is waited for, unless it
 * says that it has nothing more. */
#define HANDOVER_RESUMED_TIMEOUT 30000
/* For which late packets are kept for a transferring device whose agent is
 * away: until it is back, and its application has shown the session to it. */
#define HANDOVER_KEEP_TIMEOUT 30000
#define HANDOVER_EXPECT_TIMEOUT 30000
#define HANDOVER_STATE_TIMEOUT 5000
#define HANDOVER_READY_TIMEOUT 1000
/* An address that was quiet this long may come back while it drains. */
#define HANDOVER_QUIET 30

#define HANDOVER_MAX_STEPS 24

struct handover {
    struct hmap_node node;     /* In agent->handovers, by 'transfer'. */
    struct ovs_list list_node; /* In agent->introducing, or, once ended,
                                * in agent->ended_handovers. */
    bool ended;                /* handover_destroy() was called. */
    struct agent *agent;
    enum handover_state state;
    long long int deadline; /* time_msec(), or LLONG_MAX. */

    /* The terms. */
    struct uuid transfer;
    struct uuid session_id;
    struct in6_addr address;
    struct foreign_route visit; /* Taking: how it leaves here. */
    char tunnel[64];            /* The same, by a tunnel of our own: to that
                                 * bridge; else empty. */
    uint64_t epoch;             /* At which it began. */
    char *other;                /* The other device. */
    char *other_certificate;    /* PEM. */
    char *endpoint;             /* Of the target. */
    char name[APP_NAME_LEN];
    char service[APP_NAME_LEN];

    struct onward_right onward; /* Giving: what goes along.  Taking, once it
                                 * is OWNED: what came along. */

    struct in6_addr mapped;       /* Taking: the permanent address on which the
                             * session began, if it is mapped. */
    unsigned int permanent_lease; /* Taking: seconds that we have the address,
                                   * which is a device's own; or 0. */
    long long int claimed_at;     /* Taking: time_msec() of our claim. */

    struct session *session; /* Taking: NULL before TAKE_MUTED. */
    bool relay;              /* Frames go by way of the controller. */
    long long int pausing;   /* Giving: time_usec() at which the application
                              * was asked to stop, or 0. */
    bool paused;             /* Giving: the application has stopped. */
    bool gone;               /* Giving: `go' has come. */
    uint64_t introduce_id, prepare_id; /* Requests, or 0. */

    size_t unsettled;       /* Bytes not acknowledged, when last seen. */
    long long int progress; /* time_msec() at which they became fewer. */

    /* Secrets, wiped at the end. */
    struct seal_keypair *keypair;
    uint8_t point[SEAL_POINT_LEN];
    uint8_t x[SEAL_HASH_LEN];
    uint8_t secret[SEAL_KEY_LEN];
    uint8_t session_key[SEAL_KEY_LEN];
    uint8_t ticket_hash[SEAL_HASH_LEN];
    uint64_t sa_id;               /* T's SA, as the ticket says... */
    uint8_t sa_key[SEAL_KEY_LEN]; /* ...which T keeps: it may be renewed. */
    struct state_opener *opener;
    uint64_t size_max;    /* Of the state, as offered. */
    uint64_t state_bytes; /* The same, by policy. */

    struct handoff handoff;

    /* Late packets.  Giving: those relayed, kept for an abort.  Taking: those
     * that T relayed before the session was ours. */
    struct late_catch *catch;
    struct packet_queue packets;
    bool settled;   /* Giving, RESUMED: the session's sockets are. */
    bool drained;   /* Giving, RESUMED: G has nothing more. */
    bool told;      /* Taking: the controller knows that it will not come. */
    bool resumed;   /* Taking: T says that late packets may come back. */
    size_t relayed; /* Giving: how many of 'packets' went out. */
    uint64_t n_relayed, n_delivered; /* Packets. */
    long long int last_late;         /* time_msec() of the last one. */
    long long int give_up_at;        /* However long the controller is away. */

    /* Giving, after the session struct is gone; taking: catchers. */
    struct session_socket *sockets;
    size_t n_sockets;

    struct offered_socket *offered; /* Datagram sockets that will come. */
    size_t n_offered;
    struct app_conn *conn; /* Taking: the application that will have it.*/
    uid_t uid;

    /* Who asked for the move (giving), each may be NULL. */
    struct app_conn *mover;  /* Told by APP_MOVED. */
    struct app_conn *caller; /* Told by APP_RESULT. */

    struct give_later *later; /* Taking: the move that comes next, or NULL. */

    long long int say_again; /* Giving, OFFERED and RESUMED: what was said;
                              * time_msec(), or LLONG_MAX. */
    long long int ask_at;    /* time_msec(), or LLONG_MAX. */
    int ask_interval;
    bool claimed_before; /* Found after a restart: no key, only ask. */

    struct {
        const char *name;
        long long int us; /* CLOCK_MONOTONIC. */
    } steps[HANDOVER_MAX_STEPS];
    size_t n_steps;
};

/* Called by agent.c. */
void handover_run(struct agent *);
void handover_wait(struct agent *);
void handover_handle_frame(struct agent *, const struct peer_frame *);
/* True if 'msg' was about a handover. */
bool handover_handle_controller(struct agent *, const struct jsonrpc_msg *);
/* From an application: PAUSED, READY, REFUSE.  Takes over the descriptors. */
void handover_handle_app(struct agent *, struct session *, struct app_event *);
void handover_conn_closed(struct agent *, struct app_conn *);
void handover_destroy_all(struct agent *);
/* The connection with the controller is gone: what has not been prepared, or
 * has no answer to that, will not move. */
void handover_controller_lost(struct agent *);
/* After a registration: those that wait for an answer ask again. */
void handover_registered(struct agent *);
/* After a restart: a session that an application shows, with its note. */
/* True if a handover that this agent knows has the note's address or transfer:
 * the note is older. */
bool handover_holds(const struct agent *, const struct note *);
void handover_adopt(struct agent *, struct session *, const struct note *);

/* Somebody else owns 'session': its sockets end silently, its address goes. */
void handover_discard_session(struct agent *, struct session *);

/* Begins to move 'session'; one that is still coming, as soon as it is here.
 * 'mover' or 'caller' is told the end.  Returns false, with a sentence in
 * '*errorp', if it cannot even begin. */
bool give_start(struct agent *, struct session *, const char *target,
                const char *service, struct app_conn *mover,
                struct app_conn *caller, char **errorp);

/* The rest of this header is for handover*.c, give*.c and take*.c. */

enum handover_outcome { HANDOVER_OWNED, HANDOVER_RELEASED, HANDOVER_ABORTED };

struct handover *handover_create(struct agent *, enum handover_state);
void handover_destroy(struct handover *);
/* Frees those for which that was called; nobody walks among them now. */
void handover_free_ended(struct agent *);
/* This device has nothing of the address any more: so says it to the
 * controller, and handover_destroy(). */
void handover_leave(struct handover *);
void handover_say_left(struct handover *);
struct handover *handover_find(const struct agent *, const struct uuid *);
/* A handover that is over but for late packets, DRAINING or RETURNING, and
 * has this address. */
struct handover *handover_find_draining(const struct agent *,
                                        const struct in6_addr *);
/* The most bytes of state that the controller's message 'm' says a transfer
 * may have. */
uint64_t handover_get_state_bytes(struct message *);
void handover_set_state(struct handover *, enum handover_state, int timeout);
void handover_step(struct handover *, const char *name);
bool handover_send(struct handover *, enum peer_frame_type, const void *,
                   size_t);
bool handover_send_message(struct handover *, struct json *);
void handover_send_controller(struct handover *, const char *method,
                              const char *reason);
void handover_ask(struct handover *);
void handover_stop_asking(struct handover *);
void handover_start_asking(struct handover *);
void handover_report(struct handover *);
void handover_get_terms(const struct handover *, struct ticket_terms *);
void handover_get_note(const struct handover *, enum note_role, uint64_t epoch,
                       struct note *);
void handover_catch(struct handover *);
void handover_stop_catching(struct handover *);
/* Moves what the tap and the datagram sockets caught into 'packets'. */
void handover_collect(struct handover *);
/* Sends them to the other device, if there is a way to it; else they stay. */
void handover_relay_collected(struct handover *);
void handover_deliver(struct handover *);
void handover_close_sockets(struct handover *);
bool handover_is_giving(const struct handover *);
const char *handover_state_to_string(enum handover_state);

/* give-offer.c and give-freeze.c: what give.c does in single states. */
void give_offer(struct handover *);
void give_accepted(struct handover *, const struct json *);
void give_prepare(struct handover *);
void give_freeze(struct handover *);
bool give_is_settled(struct handover *);
void give_fail(struct handover *, int error, const char *reason);
void give_hold_new_connections(struct session *, bool hold);
void give_hide_address(struct agent *, const struct session *);

/* give-later.c: a move asked for while the session is coming. */
bool give_later(struct handover *, const char *target, const char *service,
                struct app_conn *mover, struct app_conn *caller);
void give_later_run(struct handover *);
long long int give_later_deadline(const struct handover *);
void give_later_start(struct handover *, struct session *);
void give_later_fail(struct handover *, int error, const char *reason);
void give_later_conn_closed(struct handover *, const struct app_conn *);

void give_run(struct handover *);
void give_handle_reply(struct handover *, const struct jsonrpc_msg *);
/* The answer to a request that nobody waits for any more: if it is an
 * introduction, the controller learns that nothing will come of it. */
void give_withdraw_late(struct agent *, const struct json *result);
void give_handle_message(struct handover *, const char *kind,
                         const struct json *);
void give_handle_late(struct handover *, const struct peer_frame *);
void give_handle_drained(struct handover *);
void give_pause(struct handover *);
void give_handle_paused(struct handover *, struct app_event *);
void give_handle_refuse(struct handover *, const char *reason);
void give_decided(struct handover *, enum handover_outcome, uint64_t epoch,
                  const char *reason);
void give_app_gone(struct handover *);
void give_finish_draining(struct handover *);
void give_resume_timeout(struct handover *);
void give_lost(struct handover *);
/* The end, for whoever asked for the move. */
void give_tell_asker(struct handover *, int error, const char *reason);
/* G need not keep what it caught any longer. */
void give_say_resumed(struct handover *);
void give_adopt(struct handover *);

/* take-offer.c and take-restore.c: what take.c does in single states. */
void take_reserve(struct handover *);
struct session *take_make_session(struct handover *);
char *take_restore_sockets(struct handover *);
void take_fail(struct handover *, const char *reason);
void take_refuse(struct handover *, const char *code, const char *format, ...)
    OVS_PRINTF_FORMAT(3, 4);

void take_expect(struct agent *, const struct json *params);
void take_run(struct handover *);
void take_handle_frame(struct handover *, const struct peer_frame *);
void take_handle_offer(struct handover *, const struct json *);
void take_handle_ready(struct handover *);
void take_handle_refuse(struct handover *, const char *reason);
void take_decided(struct handover *, enum handover_outcome, uint64_t epoch,
                  const char *reason);
void take_unexpect(struct handover *, const char *reason);
void take_finish_returning(struct handover *);
void take_handle_resumed(struct handover *);
void take_adopt(struct handover *);

#endif /* agentd/handover.h */
