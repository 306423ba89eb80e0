/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_TESTS_CONTROLLER_WORLD_H
#define BATON_TESTS_CONTROLLER_WORLD_H 1

/* A controller without wires: its own modules from the message to the record
 * are the real ones; links, bridges and time are the test's.
 *
 *     world_begin(POLICY);
 *     tv = world_connect("tv");          registered and attached
 *     world_request(tv, "lease", "{'family': 4}");
 *     msg = world_expect(tv, "result");
 *     ...
 *     world_end();
 *
 * The functions that are replaced are named in tests/automake.mk, as --wrap
 * options of the linker.  JSON is written with single quotes. */

#include <stdbool.h>
#include <stdint.h>

#include "attachment-frame.h"
#include "controller.h"
#include "flow.h"
#include "uuid.h"
#include "ticket.h"

struct json;

/* A fake device's end: also stands for its "struct link" and connection. */
struct agent {
    char name[64];
    struct device *device;   /* Bound by registration. */
    bool dropped;            /* The controller closed the connection. */
    struct json *inbox[256]; /* {"method": M, "params": OBJECT}. */
    size_t n_inbox;

    /* From registration. */
    uint64_t sa_id;
    uint8_t sa_key[SEAL_KEY_LEN];
    uint8_t nonce[16];

    ofp_port_t port; /* Where it really is. */
    struct eth_addr mac;
};

extern struct controller *world;
extern long long int world_now; /* time_msec(). */

/* What was sent through a tunnel last. */
struct world_tunnel {
    struct in6_addr peer;
    uint32_t key;
    size_t n; /* Bytes, of which the first are here. */
    uint8_t data[256];
};
extern struct world_tunnel world_tunnel;
extern bool world_synchronised; /* The one bridge. */
extern uint64_t world_flushed, world_acked;
extern bool world_certificate_good;
/* What was last set for a session, and how often anything was. */
extern struct flow_place world_guard, world_inbound;
extern unsigned int world_n_sent_through, world_n_sent_past_guard;
/* The last frame out of a port. */
extern uint8_t world_frame[ATTACHMENT_FRAME_LEN];
extern ofp_port_t world_frame_port;
/* Counts events in order: a message or a flush gets the next number. */
extern unsigned int world_clock, world_last_flush_at;

void world_begin(const char *policy);
void world_end(void);
/* A turn of the main loop, without wires. */
void world_run(void);
void world_advance(long long int ms);
/* The bridge answers all barriers. */
void world_ack(void);

struct agent *world_new_agent(const char *name, int port);
void world_register(struct agent *);
/* Answers the challenge that waits, from where it is, and echoes. */
void world_attach(struct agent *);
struct agent *world_connect(const char *name, int port);
/* Its connection goes. */
void world_disconnect(struct agent *);

void world_notify(struct agent *, const char *method, const char *params);
void world_request(struct agent *, const char *method, const char *params);
/* Sends 'params' if that is JSON at all, double quotes and all, over a
 * connection that is opened again if need be. */
void world_try(struct agent *, const char *method, const char *params,
               bool request);
/* Takes the oldest message of 'method' ("result", "error" for answers) out of
 * the inbox, and returns its params, which live until world_end(); NULL and a
 * failed check if there is none. */
const struct json *world_expect(struct agent *, const char *method);
/* Checks that there is none. */
void world_expect_none(struct agent *, const char *method);
void world_clear(struct agent *);

/* Members, for checks; "" or 0 if they are not there. */
const char *world_string(const struct json *, const char *name);
long long int world_integer(const struct json *, const char *name);
/* As base64, 'n' bytes. */
void world_bytes(const struct json *, const char *name, void *, size_t n);
char *world_base64(const void *, size_t n);

/* Sends the answer frame for 'nonce' in at 'port'. */
void world_answer_frame(const struct agent *, const uint8_t nonce[16],
                        ofp_port_t port, bool good);

/* A session of 'owner', announced. */
struct world_session {
    struct uuid id;
    struct in6_addr address;
    char id_text[UUID_LEN + 1], address_text[INET6_ADDRSTRLEN];
};
void world_open(struct agent *owner, struct world_session *);

/* A transfer, step by step. */
struct world_transfer {
    struct agent *from, *to;
    struct world_session *session;
    uint64_t epoch;
    struct uuid id;
    char id_text[UUID_LEN + 1];
    struct ticket_terms terms;
    struct ticket_secret secret;
    uint8_t ticket[TICKET_MAX];
    size_t ticket_len;
    uint8_t proof[SEAL_HASH_LEN];
};
/* False if it was refused; world_expect(from, "error") says why. */
bool world_introduce(struct world_transfer *, struct agent *from,
                     struct agent *to, struct world_session *, uint64_t epoch);
/* Seals the ticket, with 'from's SA. */
void world_seal(struct world_transfer *, enum onward, uint8_t depth);
void world_prepare(struct world_transfer *);
/* T's frame after its last packet, in at 'port'. */
void world_flush(struct world_transfer *, ofp_port_t port);
/* Makes the proof for 'to's connection, and claims by it. */
void world_prove(struct world_transfer *);
void world_claim(struct world_transfer *, struct agent *by);
void world_ask(struct world_transfer *, struct agent *by, const char *role);
/* All of it, to the end; checks that it went well. */
void world_move(struct agent *from, struct agent *to, struct world_session *,
                uint64_t epoch);

#endif /* tests/unit/controller-world.h */
