/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_TESTS_AGENT_WORLD_H
#define BATON_TESTS_AGENT_WORLD_H 1

/* Two agents without wires or kernels: the rooms of a handover are the real
 * ones, also what they seal; links, applications, addresses, taps, sockets and
 * time are the test's.
 *
 *     world_begin();
 *     move(); ...                       see test-handover.c
 *     world_controller(&world_t, "aborted", "{...}");
 *     world_frames(&world_t, &world_g);   what T has sent reaches G
 *     world_warp(1000);
 *     world_end();
 *
 * The functions that are replaced are named in tests/automake.mk, as --wrap
 * options of the linker.  JSON is written with single quotes. */

#include <stdbool.h>
#include <stdint.h>

#include "agent.h"
#include "app-protocol.h"
#include "handover.h"

#define WORLD_MAX 512

/* A socket of either agent: a descriptor of /dev/null, and what a kernel and
 * socket-state would know of it. */
struct world_socket {
    int fd; /* -1: unused. */
    bool datagram;
    uint16_t port;
    bool held, frozen, muted, discarded;
    unsigned int in_flight;      /* Segments not acknowledged. */
    unsigned int ids[WORLD_MAX]; /* Datagrams that wait in it. */
    size_t n_ids;
};

/* One device. */
struct world_end {
    struct agent agent;
    const char *name;

    /* What it has sent. */
    struct {
        char method[32];
        struct json *params;
        uint64_t id;
    } sent[WORLD_MAX]; /* To the controller. */
    size_t n_sent;
    struct {
        enum peer_frame_type type;
        struct uuid transfer;
        uint8_t *body;
        size_t len;
    } frames[WORLD_MAX]; /* To the other device. */
    size_t n_frames;
    struct {
        enum app_message_type type;
        int error;
        char reason[APP_REASON_LEN];
    } told[WORLD_MAX]; /* Its application. */
    size_t n_told;

    /* What is around it. */
    bool registered, connected;
    uint64_t next_id;
    bool output_closed;
    char bound[16]; /* Interface that has the address, or empty. */
    unsigned int n_catches;
    unsigned int tap[WORLD_MAX]; /* Packets that wait in the tap. */
    size_t n_tap;
    unsigned int delivered[WORLD_MAX]; /* Into its kernel. */
    size_t n_delivered;
    struct world_socket sockets[16];
    bool app_ready;
    bool app_quick; /* Stopped quickly the last time. */
    bool capture_fails;
    /* Set when something with the session's source could have left while it
     * must not. */
    bool spoke;
};

extern struct world_end world_t, world_g;
/* The security association of both with the controller, and the one that a
 * flush was sealed under. */
extern uint64_t world_sa_id, world_flush_sa_id;
extern uint8_t world_sa_key[SEAL_KEY_LEN], world_flush_sa_key[SEAL_KEY_LEN];
extern long long int world_now; /* time_msec(). */
/* When the agent's loop turns next: the earliest of its timers, or now if it
 * waits for a socket that has a datagram. */
long long int world_wakeup(struct world_end *);

void world_begin(void);
void world_end(void);
void world_warp(int ms); /* In steps of 10 ms, both agents running. */
void world_run(struct world_end *);

/* A session of T's with one TCP and one UDP socket. */
struct session *world_open(struct world_end *);
struct world_socket *world_socket(struct world_end *, bool datagram);
/* A datagram for the session reaches 'end', in a socket or else the tap. */
void world_datagram(struct world_end *, unsigned int id);
bool world_has(const unsigned int *ids, size_t n, unsigned int id);
size_t world_count(const struct world_end *, unsigned int id);

void world_controller(struct world_end *, const char *method,
                      const char *params, ...)
    __attribute__((format(printf, 3, 4)));
/* Answers the last request 'method'. */
void world_reply(struct world_end *, const char *method, const char *result,
                 ...) __attribute__((format(printf, 3, 4)));
void world_reply_error(struct world_end *, const char *method);
/* Answers the last "introduce". */
void world_reply_not_owner(struct world_end *, const char *owner, int epoch);
void world_frames(struct world_end *from, struct world_end *to);
void world_frame(struct world_end *from, struct world_end *to,
                 enum peer_frame_type, const void *, size_t);
void world_app(struct world_end *, enum app_message_type);
void world_app_closes(struct world_end *);

/* How often 'end' has said it since world_forget(). */
size_t world_sent(const struct world_end *, const char *method);
size_t world_told(const struct world_end *, enum app_message_type);
void world_forget(struct world_end *);

struct handover *world_handover(struct world_end *); /* Any, or NULL. */
uint8_t *world_packet(unsigned int id, size_t *n);   /* An IP packet. */

extern const struct uuid world_transfer;
extern struct app_conn *const world_mover;

#endif /* tests/unit/agent-world.h */
