/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_ANNOUNCEMENT_H
#define BATON_ANNOUNCEMENT_H 1

/* What a device says of its own sessions, held against what the records and
 * the leases say.  A device that is right is entered into the session cache;
 * one that is wrong is told what is so. */

#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>

#include "openvswitch/uuid.h"

struct controller;
struct device;
struct message;

#define EPOCH_MAX (UINT64_C(1) << 53)
#define SESSION_NAME_MAX 255 /* Bytes of text for people. */

struct announcement {
    /* What the device says.  Strings belong to the message. */
    struct uuid session;
    struct in6_addr address;
    uint64_t epoch;
    const char *name;
    const char *service; /* May be empty. */
    bool mapped;         /* It has it because we asked: see mapping.h. */
    bool confirm;        /* It wants an answer in any case. */
    bool visits;         /* It sends from there as from another subnet. */

    /* What we know, from announcement_check(). */
    uint64_t known_epoch;
    bool known_owned;        /* Owned by that device, at 'known_epoch'. */
    const char *known_owner; /* Device; "" if nobody. */
};

/* Reads the members; the caller then looks at message_finish(). */
void announcement_read(struct message *, struct announcement *);
/* The same without "state". */
void announcement_read_session(struct message *, struct announcement *);

/* True if the session is the device's, at that epoch and address. */
bool announcement_check(struct controller *, const struct device *,
                        struct announcement *);
/* The same, and enters it into the cache if it is the device's. */
bool announcement_take(struct controller *, struct device *,
                       struct announcement *);

/* Around the announcements of a registration: what is not among them ended
 * while the device was away. */
void announcements_begin(struct controller *, struct device *);
void announcements_end(struct controller *, struct device *);

/* Ends the sessions whose owner was connected for long and never spoke of
 * them: their application is gone. */
void announcements_run(struct controller *);

#endif /* controller/announcement.h */
