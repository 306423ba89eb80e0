/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_TRANSFER_H
#define BATON_TRANSFER_H 1

/* The transfers of sessions, as the controller sees them: the state machine
 * that is drawn in transfer.c.
 *
 * It is pure.  Events go in by function calls; what is to be done about them
 * comes out as a queue of actions that the caller pulls and carries out:
 *
 *     transfer_prepare(ts, t, &secret, hash, now);        (any event)
 *     while (transfers_next_action(ts, &action)) {
 *         switch (action.type) { ... }
 *     }
 *
 * It knows no device, no switch, no database, no ticket: the caller has
 * checked what a message claims before it becomes an event.  'now' is in
 * milliseconds, monotonic.
 *
 * A transfer that is over stays for a while, the last TRANSFER_HISTORY of
 * them: its timeline and its counters are what people ask for. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/types.h"
#include "openvswitch/uuid.h"
#include "ticket.h"

struct json;

#define TRANSFER_HISTORY 1000   /* Transfers kept when they are over. */
#define TRANSFER_OFFER_MS 35000 /* From introduction to prepare. */
#define TRANSFER_GONE_MS 1000   /* From go to claim. */
#define TRANSFER_FLUSH_MS 100   /* From claim to commit, without T's flush. */
#define TRANSFER_LATE_MS 250    /* After a commit, for what T sent before. */
/* The same since it was introduced: beyond it, one that is over is not worth a
 * look. */
#define TRANSFER_RECENT_MS (TRANSFER_OFFER_MS + 5000)
#define TRANSFER_RETRY_MS 50 /* Before a lost write is repeated. */

enum transfer_state {
    TRANSFER_SETTLED,  /* Introduced, or over. */
    TRANSFER_GONE,     /* T has been told to go. */
    TRANSFER_DECIDING, /* The one write is under way. */
    TRANSFER_DECIDED,  /* Written; the bridge has not answered. */
};

enum transfer_outcome {
    TRANSFER_OPEN, /* Not decided. */
    TRANSFER_COMMITTED,
    TRANSFER_ABORTED,
    TRANSFER_WITHDRAWN, /* Over without a decision, epoch as it was. */
};

/* Steps of a timeline. */
struct transfer_step {
    const char *name;   /* Static. */
    long long int usec; /* CLOCK_MONOTONIC. */
};
#define TRANSFER_MAX_STEPS 16

enum { TRANSFER_SIDE_T, TRANSFER_SIDE_G, TRANSFER_N_SIDES };

struct transfer {
    struct hmap_node node;         /* In struct transfers, by 'id'. */
    struct hmap_node session_node; /* By 'session', while it is not over. */
    struct ovs_list list_node;     /* In struct transfers, oldest first. */

    /* What it is about. */
    struct uuid id;
    struct uuid session;
    struct in6_addr address;
    uint64_t epoch;       /* At which it began. */
    char *from, *to;      /* T and G; 'to' may be empty: see ask. */
    char *name, *service; /* Of the session. */
    char *home;           /* Device that opened the session. */
    char *bridge;         /* Home bridge. */
    char *from_bridge;    /* Where T is; empty: not known. */
    char *to_bridge;      /* Where G is. */

    /* Where it stands. */
    enum transfer_state state;
    bool over;
    enum transfer_outcome outcome; /* Wanted while DECIDING, then true. */
    long long int deadline;        /* Milliseconds; LLONG_MAX: none. */
    char *reason;                  /* Of an abort or withdrawal, for people. */
    long long int decided_at;      /* Milliseconds: of the write; or 0. */
    bool claimed;                  /* GONE: a valid claim came. */
    bool flushed; /* T's last packets have passed its bridge. */
    bool writing; /* A write's reply is outstanding. */
    bool acked;   /* The bridge has answered. */
    bool revoked; /* By transfers_revoke(). */
    bool roams; /* By transfers_roam(): its owner goes on with it elsewhere. */

    /* From the ticket, once it was opened. */
    uint64_t sa_id; /* T's, under which it is sealed. */
    bool has_key;
    uint8_t session_key[SEAL_KEY_LEN];
    uint8_t ticket_hash[SEAL_HASH_LEN];
    enum onward onward; /* G's right to pass the session on. */
    uint8_t depth;

    /* For the caller's use. */
    uint64_t write_number; /* Of its record_begin_write(). */
    uint64_t flush_seqno;  /* Of its last bridge_flush(), at home. */
    uint64_t flush_from;   /* The same on T's bridge; 0: it is not needed. */
    uint64_t flush_to;     /* And on G's. */
    ofp_port_t left_port;  /* Roams: where its owner was, on 'from_bridge'; */
    struct eth_addr left_mac; /* OFPP_NONE: nowhere. */
    uint16_t left_vlan;       /* 0: untagged. */

    /* For people. */
    long long int began_wall; /* Milliseconds since 1970. */
    long long int began;      /* Milliseconds, monotonic. */
    struct transfer_step steps[TRANSFER_MAX_STEPS];
    size_t n_steps;
    struct json *device_steps[TRANSFER_N_SIDES]; /* As sent, or NULL. */
    struct json *counters[TRANSFER_N_SIDES];
};

enum transfer_action_type {
    TRANSFER_DO_REDIRECT,      /* Inbound to G, guard stays with T. */
    TRANSFER_DO_GO,            /* Answer T's prepare. */
    TRANSFER_DO_WRITE,         /* (from, epoch) to (winner, epoch + 1). */
    TRANSFER_DO_SETTLE,        /* Guard and inbound to the winner; ack it. */
    TRANSFER_DO_RESTORE,       /* Flows as the record says (write refused). */
    TRANSFER_DO_TELL_OWNED,    /* To G. */
    TRANSFER_DO_TELL_RELEASED, /* To T. */
    TRANSFER_DO_HOLD,          /* The address: it is the winner's session's. */
    TRANSFER_DO_TELL_ABORTED,  /* To both. */
    TRANSFER_DO_UNEXPECT,      /* To G. */
    TRANSFER_DO_ANSWER,        /* From the record, to both: others decided. */
    TRANSFER_DO_LOG,           /* It is over. */
};

struct transfer_action {
    enum transfer_action_type type;
    struct transfer *transfer; /* Valid until the next event. */
};

struct transfers;

struct transfers *transfers_create(void);
void transfers_destroy(struct transfers *);

/* What a new transfer is about. */
struct transfer_spec {
    struct uuid id; /* Random. */
    struct uuid session;
    struct in6_addr address;
    uint64_t epoch;
    const char *from, *to;
    const char *name, *service, *home;
    const char *bridge;
    const char *from_bridge, *to_bridge; /* NULL: not known. */
    uint64_t sa_id;
};

/* Events. */

/* T introduces G.  NULL if another transfer of the session is under way. */
struct transfer *transfers_introduce(struct transfers *,
                                     const struct transfer_spec *,
                                     long long int now);
/* T gives up, was refused, or is gone: only before prepare. */
void transfer_withdraw(struct transfers *, struct transfer *,
                       const char *reason);
/* T's ticket was opened and all checks passed.  False if it is not at the
 * state for that. */
bool transfer_prepare(struct transfers *, struct transfer *,
                      const struct ticket_secret *,
                      const uint8_t ticket_hash[SEAL_HASH_LEN],
                      long long int now);
/* G's proof was right.  False if it came too late. */
bool transfer_claim(struct transfers *, struct transfer *, long long int now);
/* All that T sent has passed its bridge. */
void transfer_flushed(struct transfers *, struct transfer *);
/* Aborts what T was told to go with; no effect in other states. */
void transfer_abort(struct transfers *, struct transfer *, const char *reason);
/* A bridge lost its connection: the home bridge, T's or G's. */
void transfers_bridge_lost(struct transfers *, const char *bridge);
/* The write ended. */
enum transfer_write {
    TRANSFER_WRITE_DONE,
    TRANSFER_WRITE_CONFLICT,
    TRANSFER_WRITE_LOST
};
void transfer_wrote(struct transfers *, struct transfer *, enum transfer_write,
                    long long int now);
/* The bridge has answered the bundle of TRANSFER_DO_SETTLE. */
void transfer_acked(struct transfers *, struct transfer *);
/* A device asks about a transfer 'spec' that is neither decided in the record
 * nor under way: it is aborted.  'spec->from' is the owner by the record.
 * NULL if another transfer of the session is under way: it will decide. */
struct transfer *transfers_abort_unknown(struct transfers *,
                                         const struct transfer_spec *);
/* Takes a session from its owner, spec->from, and gives it to spec->to, which
 * neither asked for nor is asked: a commit without the rest of a transfer.
 * NULL if one is under way that may have gone: first it ends. */
struct transfer *transfers_revoke(struct transfers *,
                                  const struct transfer_spec *,
                                  const char *reason);
/* The owner of a session, spec->from and spec->to, has proved to be in another
 * place: the flows follow it, by a decision that leaves the session where it
 * is.  What was introduced is withdrawn.  A roaming that is still under way
 * goes on to the new place: its flows are to be set once more.  NULL if the session is in a transfer that has
 * gone. */
struct transfer *transfers_roam(struct transfers *,
                                const struct transfer_spec *);
/* A device lost its connection or has another one: what was introduced from
 * it or to it is over; what has gone goes on, unless it still lacks the claim
 * of that device. */
void transfers_device_lost(struct transfers *, const char *device,
                           const char *reason);
/* A device is no longer in policy: ends what it was in. */
void transfers_device_gone(struct transfers *, const char *device,
                           const char *reason);

/* Deadlines.  transfers_next_deadline() may be early, never late. */
void transfers_run(struct transfers *, long long int now);
long long int transfers_next_deadline(const struct transfers *);

bool transfers_next_action(struct transfers *, struct transfer_action *);

/* Looking. */

struct transfer *transfers_find(const struct transfers *, const struct uuid *);
/* The one of 'session' that is not over. */
struct transfer *transfers_find_session(const struct transfers *,
                                        const struct uuid *session);
/* The one whose write has that number and no reply yet. */
struct transfer *transfers_find_write(const struct transfers *,
                                      uint64_t write_number);
/* Those that are not over: NULL gives the first. */
struct transfer *transfers_next_live(const struct transfers *,
                                     const struct transfer *);
/* All, oldest first: NULL gives the first. */
struct transfer *transfers_next(const struct transfers *,
                                const struct transfer *);
/* Newest first: NULL gives the newest. */
struct transfer *transfers_previous(const struct transfers *,
                                    const struct transfer *);
/* The one whose id begins with 's', if there is just one. */
struct transfer *transfers_find_partial(const struct transfers *,
                                        const char *s);
/* True between go and the end: a device's place must not change then.  (While
 * a session roams with it, it may.) */
bool transfers_involve(const struct transfers *, const char *device);
/* Introduced and not yet prepared, counted for one side. */
size_t transfers_count_offers(const struct transfers *, const char *device,
                              int side);
/* Who has it after the decision that is wanted or made. */
const char *transfer_winner(const struct transfer *);

void transfer_step(struct transfer *, const char *name);
const char *transfer_state_to_string(enum transfer_state);
const char *transfer_outcome_to_string(enum transfer_outcome);

struct transfer_totals {
    uint64_t introduced, prepared, committed, aborted, withdrawn, roamed;
};
void transfers_get_totals(const struct transfers *, struct transfer_totals *);

#endif /* controller/transfer.h */
