/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "whole-note.h"

#include <string.h>

#include "note.h"
#include "session.h"
#include "util.h"

void
whole_note_make(const struct session *s, uid_t uid, const char *service,
                struct note *note)
{
    memset(note, 0, sizeof *note);
    note->role = NOTE_OWNER;
    note->session = s->id;
    note->address = s->address;
    note->epoch = s->epoch;
    note->uid = uid;
    note->permanent = true;
    ovs_strlcpy(note->service, service, sizeof note->service);
    ovs_strlcpy(note->onward, s->onward, sizeof note->onward);
}

void
whole_note_address(struct app_message *msg, const uint8_t note_key[],
                   uid_t uid, const char *service)
{
    struct note note;

    if (note_read(msg, note_key, &note)) {
        note.uid = uid;
        ovs_strlcpy(note.service, service, sizeof note.service);
        note_write(&note, note_key, msg);
    }
}

bool
whole_note_is_of(const struct note *note, const char *service)
{
    return !strcmp(note->service, service);
}

void
whole_note_common(const struct note *shown, struct note *note)
{
    *note = *shown;
    note->uid = 0;
    note->service[0] = '\0';
}
