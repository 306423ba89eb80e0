/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_PERMANENT_H
#define BATON_PERMANENT_H 1

/* This device's own (permanent) addresses, as far as policy names them, and
 * those of others that are here.
 *
 * Each own address is a session that began here and never ends.  It moves as
 * sessions do, and sleeps while it is elsewhere:
 *
 *        +------------- HOME <----------------------------------+
 *        | move           ^ could not begin, refused, aborted   |
 *        v                |                                     |
 *     LENDING ------------+  a temporary address is added, and  |
 *        | registered and    the channel to the controller, and |
 *        | attached by it    the peers', moves to that          |
 *        v                |                                     |
 *      GIVING ------------+  the transfer (give.c)              |
 *        | drained: the address is taken from the interface     |
 *        v                                                      |
 *      ASLEEP ---- "wake", or it came back (take.c) ------------+
 *                  the address is put back, the temporary one goes; what
 *                  was connected and did not come back is closed
 *
 * An own address that is away is written down in the state directory, so that
 * an agent that is started while it sleeps goes on: it is not to answer for
 * the address that the host's configuration has put back.
 *
 * Another device's address is here by a lease, which is renewed; at its end,
 * counted from before it was asked for, the address is let go of at once. */

#include <stdbool.h>

struct agent;
struct app_conn;
struct app_event;
struct handover;
struct in6_addr;
struct json;
struct jsonrpc_msg;
struct session;
struct uuid;

void permanents_open(struct agent *, const char *state_dir,
                     const char *listen);
/* Where to listen for peers: as configured, or at a temporary address. */
char *permanents_get_listen(const struct agent *);
void permanents_close(struct agent *);
void permanents_run(struct agent *);
void permanents_wait(struct agent *);
/* After a registration. */
void permanents_registered(struct agent *);
bool permanents_handle_controller(struct agent *, const struct jsonrpc_msg *);
void permanents_conn_closed(struct agent *, struct app_conn *);

/* The session of the own address of that family that is here; or NULL. */
struct session *permanent_find_home(struct agent *, int family);
/* Did the session begin here? */
bool permanent_is_home(const struct agent *, const struct uuid *session);

/* Begins to move an own address that is at home: give_start(), as soon as the
 * channel has moved.  Arguments as of that.  False if it cannot even begin. */
bool permanent_move(struct agent *, struct session *, const char *target,
                    struct app_conn *mover, struct app_conn *caller,
                    char **errorp);
/* Is it for permanent_move() to move? */
bool permanent_is_to_lend(const struct agent *, const struct session *);
/* The connections that go with the address, to be closed if they do not come
 * back. */
void permanent_note_connections(struct agent *, const struct session *);

/* The address has been released: an own one is taken from its interface. */
void permanent_hide(struct agent *, const struct in6_addr *);
/* The address has left: it sleeps, if it is an own one. */
void permanent_left(struct agent *, const struct in6_addr *);
/* A session's address is to be where it belongs; false: it is no own one. */
bool permanent_settle(struct agent *, struct session *);
/* An address of another device, or our own, is here by 'h'. */
void permanent_came(struct agent *, struct session *, const struct handover *);
/* The same, found with an application after a restart. */
void permanent_found(struct agent *, struct session *);

/* What people ask. */
void permanent_call_wake(struct agent *, struct app_conn *,
                         const char *address);
/* Lets go of a session that is here by a lease; false: it is none. */
bool permanent_release(struct agent *, struct session *);
/* Those that sleep, as rows of "sessions". */
void permanent_add_rows(const struct agent *, struct json *rows);

#endif /* agentd/permanent.h */
