/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_NOTE_H
#define BATON_NOTE_H 1

/* What an agent writes down about a session and leaves with the application
 * (see app-protocol.h), so that the agent that comes after a killed one knows
 * where it was.  Authenticated with a key that only this device's agents
 * have: an application can show a note or not, but not make one. */

#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sys/types.h>

#include "app-protocol.h"
#include "onward.h"
#include "openvswitch/uuid.h"
#include "seal.h"

enum note_role {
    NOTE_OWNER,  /* The session is this device's. */
    NOTE_GIVING, /* Perhaps frozen: ask as transferring. */
    NOTE_TAKING, /* Muted: ask as target. */
};

struct note {
    enum note_role role;
    struct uuid session;
    struct uuid transfer; /* Unless NOTE_OWNER. */
    struct in6_addr address;
    uint64_t epoch; /* At which the transfer began, or is owned. */
    uid_t uid;
    bool from_block;
    bool permanent; /* See whole.h. */
    char name[APP_NAME_LEN];
    char service[APP_NAME_LEN];
    char onward[ONWARD_STRING_LEN];
    char other[APP_NAME_LEN]; /* The other device of the transfer. */
};

/* Loads the key from 'file', or makes one there (mode 0600). */
int note_key_load(const char *file, uint8_t key[SEAL_KEY_LEN], char **errorp);

/* Stores it in 'msg'. */
void note_write(const struct note *, const uint8_t key[SEAL_KEY_LEN],
                struct app_message *);
/* False if there is none, or it is not this device's. */
bool note_read(const struct app_message *, const uint8_t key[SEAL_KEY_LEN],
               struct note *);

#endif /* agentd/note.h */
