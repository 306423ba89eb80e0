/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_WHOLE_NOTE_H
#define BATON_WHOLE_NOTE_H 1

/* The notes (note.h) of the applications of a whole address.
 *
 * The address is one session, which is the agent's own, but each application
 * gets a note of its own, with its user and its service: only that user's
 * application of that service has the sockets, and only such a one is let in
 * again by what it shows. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct app_message;
struct note;
struct session;

/* The note of an application of 'uid' on 's', which is here. */
void whole_note_make(const struct session *s, uid_t, const char *service,
                     struct note *);

/* Makes the note in a message to the address as a whole, if there is one, that
 * of one application. */
void whole_note_address(struct app_message *, const uint8_t note_key[], uid_t,
                        const char *service);

/* May an application of 'service' show the note? */
bool whole_note_is_of(const struct note *, const char *service);

/* The session's own, of a note that an application has shown. */
void whole_note_common(const struct note *shown, struct note *);

#endif /* agentd/whole-note.h */
