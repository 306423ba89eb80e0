/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_PEER_LINK_H
#define BATON_PEER_LINK_H 1

/* Conversations with the agents of other devices: "The peer link" in
 * Documentation/wire-protocol.rst.
 *
 * Connections are made when they are wanted, kept while they are used, and
 * shared by all transfers between two devices, whichever of them connected.
 * A peer is who its certificate says.  Frames that arrived are pulled:
 *
 *     peers_run(peers);
 *     while (peers_next(peers, &frame)) { ...; peer_frame_uninit(&frame); }
 *     peers_wait(peers);
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/uuid.h"

enum peer_frame_type {
    PEER_MESSAGE = 1,
    PEER_WRAPPED_KEY,
    PEER_STATE_CHUNK,
    PEER_LATE_PACKETS,
    PEER_DRAINED,
};

#define PEER_HEADER_LEN 21 /* Length, type, transfer. */
#define PEER_FRAME_MAX (1u << 20)

struct peer_frame {
    enum peer_frame_type type;
    struct uuid transfer;
    char *from; /* Device that sent it. */
    uint8_t *body;
    size_t len;
};
void peer_frame_uninit(struct peer_frame *);

struct peers;

/* Listens on 'target' ("pssl:6655:10.1.0.2"). */
int peers_open(const char *target, struct peers **);
/* Listens there instead.  On failure everything is as it was. */
int peers_listen(struct peers *, const char *target);
/* Ends all connections. */
void peers_drop_all(struct peers *, const char *reason);
void peers_close(struct peers *);
void peers_run(struct peers *);
void peers_wait(struct peers *);

/* Where we listen, for registration: "ssl:10.1.0.2:6655".  The caller frees
 * it. */
char *peers_get_endpoint(const struct peers *);

/* Makes sure that there is a connection with 'device', or that one is being
 * made to 'endpoint'. */
void peers_connect(struct peers *, const char *device, const char *endpoint);
/* Ends the connections with 'device', which does not answer: the next transfer
 * makes a new one. */
void peers_drop(struct peers *, const char *device, const char *reason);
bool peers_is_connected(const struct peers *, const char *device);
/* Why the last attempt failed; NULL while there is hope. */
const char *peers_get_error(const struct peers *, const char *device);

/* Queues a frame for 'device' and sends what can be sent.  False if there is
 * no connection. */
bool peers_send(struct peers *, const char *device, enum peer_frame_type,
                const struct uuid *transfer, const void *body, size_t len);

/* Next frame, which the caller uninits, or false. */
bool peers_next(struct peers *, struct peer_frame *);

/* Frames outside of a connection: relayed by the controller.  compose returns
 * malloc'd bytes; parse copies, and returns false if the form is wrong. */
uint8_t *peer_frame_compose(enum peer_frame_type, const struct uuid *transfer,
                            const void *body, size_t len, size_t *n);
bool peer_frame_parse(const void *, size_t n, const char *from,
                      struct peer_frame *);

#endif /* agentd/peer-link.h */
