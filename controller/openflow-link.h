/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_OPENFLOW_LINK_H
#define BATON_OPENFLOW_LINK_H 1

/* An OpenFlow conversation with one switch: connecting (again, with backoff),
 * version, echoes.  What the messages mean is the bridge's affair.
 *
 * An active link connects and connects again; a passive one is an accepted
 * stream, and dies with it.  Each time around the main loop:
 *
 *     openflow_link_run(link);
 *     while ((msg = openflow_link_recv(link))) { ... ofpbuf_delete(msg); }
 *     ...
 *     openflow_link_wait(link);
 *
 * Nothing leaves before openflow_link_flush() or the next run. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openflow/openflow-common.h"

struct ofpbuf;
struct openflow_link;
struct stream;

/* 'peer_id': what the certificate must name if 'target' is TLS. */
struct openflow_link *openflow_link_open(const char *target,
                                         const char *peer_id);
/* Takes the stream.  The peer's name is for the caller to check. */
struct openflow_link *openflow_link_accept(struct stream *);
void openflow_link_close(struct openflow_link *);

void openflow_link_run(struct openflow_link *);
void openflow_link_wait(struct openflow_link *);

/* False once a passive link is dead; the caller closes it. */
bool openflow_link_is_alive(const struct openflow_link *);
/* Connected, and the version is agreed. */
bool openflow_link_is_connected(const struct openflow_link *);
/* Changes with each connection made or lost. */
unsigned int openflow_link_get_seqno(const struct openflow_link *);
enum ofp_version openflow_link_get_version(const struct openflow_link *);
const char *openflow_link_get_name(const struct openflow_link *);
/* The certificate's name; NULL without TLS. */
const char *openflow_link_get_peer_id(const struct openflow_link *);
/* Why the connection was lost or did not come about, or NULL. */
const char *openflow_link_get_error(const struct openflow_link *);

/* Drops the connection, saying why. */
void openflow_link_drop(struct openflow_link *, const char *reason);

/* From now on each connection begins with asking for the role of master, with
 * that generation_id: the switch takes it from whoever had it, and refuses who
 * comes with an earlier one.  0, as in the beginning: does not ask.  One for
 * the whole process, as it is one controller. */
void openflow_link_set_generation(uint64_t generation);
/* Has a switch refused it, since this was asked last?  It knows a later one.
 * Then the connection is dropped. */
bool openflow_link_was_refused(void);

/* Next message other than an echo, or NULL.  The caller owns it. */
struct ofpbuf *openflow_link_recv(struct openflow_link *);
/* Takes the message.  Without a connection it goes nowhere. */
void openflow_link_send(struct openflow_link *, struct ofpbuf *);
void openflow_link_flush(struct openflow_link *);
/* Bytes waiting to be written. */
size_t openflow_link_get_backlog(const struct openflow_link *);

#endif /* controller/openflow-link.h */
