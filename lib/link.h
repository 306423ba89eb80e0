/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_LINK_H
#define BATON_LINK_H 1

/* A JSON-RPC conversation over a stream whose peer was identified.
 *
 * An active link connects, and connects again with backoff when it is lost.
 * A passive link is one accepted connection, and dies with it.  On both, once
 * the TLS handshake is over, the peer's certificate name must begin with the
 * role that the caller expects ("device/", "controller/"), or the connection
 * is closed.
 *
 * Use, each time around the main loop:
 *
 *     link_run(link);
 *     while ((msg = link_recv(link))) { ... jsonrpc_msg_destroy(msg); }
 *     ...
 *     link_wait(link);
 *
 * What arrived is pulled by the caller; nothing calls back.  'seqno' changes
 * with each connection made or lost: compare it to notice either.  "echo" is
 * answered and sent inside.
 *
 * Messages carry keys, and libopenvswitch's jsonrpc logs messages whole at
 * DBG: links keep that module at INFO, against -v and vlog/set. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json;
struct jsonrpc_msg;
struct link;
struct stream;

struct link *link_open(const char *target, const char *role);
struct link *link_accept(struct stream *, const char *role);
void link_close(struct link *);

void link_run(struct link *);
void link_wait(struct link *);

/* True while a connection whose peer has the right role is there. */
bool link_is_connected(const struct link *);
/* False once a passive link is dead; the caller closes it. */
bool link_is_alive(const struct link *);
unsigned int link_get_seqno(const struct link *);
/* The peer's name without its role ("laptop"), or NULL before it is known. */
const char *link_get_peer(const struct link *);
/* The target or the remote's stream name, for logs. */
const char *link_get_name(const struct link *);
/* Why the connection was lost last, for people. */
const char *link_get_error(const struct link *);

/* Drops the connection (an active link then connects again), saying why. */
void link_drop(struct link *, const char *reason);

/* Next message, or NULL.  The caller owns it. */
struct jsonrpc_msg *link_recv(struct link *);

/* Each takes ownership of 'params' (an object; it is wrapped in an array).
 * Sent at once if the stream takes it, otherwise queued.  On a link without
 * connection nothing is sent and link_request() returns 0. */
void link_notify(struct link *, const char *method, struct json *params);
uint64_t link_request(struct link *, const char *method, struct json *params);

/* Answers 'request'. Takes 'result'. */
void link_reply(struct link *, const struct jsonrpc_msg *request,
                struct json *result);
void link_reply_error(struct link *, const struct jsonrpc_msg *request,
                      const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same with more members than "code" and "reason".  Takes 'error'. */
void link_reply_error_object(struct link *, const struct jsonrpc_msg *request,
                             struct json *error);

/* Bytes waiting to be sent. */
size_t link_get_backlog(const struct link *);

/* The object in params[0] of 'msg', or NULL if its form is wrong. */
const struct json *link_msg_params(const struct jsonrpc_msg *);
/* The number that link_request() returned for what this reply or error
 * answers, or 0. */
uint64_t link_msg_id(const struct jsonrpc_msg *);
/* "code" and "reason" of an error reply; never NULL. */
const char *link_msg_error_code(const struct jsonrpc_msg *);
const char *link_msg_error_reason(const struct jsonrpc_msg *);

#endif /* lib/link.h */
