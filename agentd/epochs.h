/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_EPOCHS_H
#define BATON_EPOCHS_H 1

/* The highest epoch that this device has seen for each session: what claims to
 * be the session at a lower one is out of date (invariant I8). */

#include <stdint.h>

struct agent;
struct json;
struct uuid;

/* 0 if none was seen. */
uint64_t epochs_highest(const struct agent *, const struct uuid *session);
void epochs_note(struct agent *, const struct uuid *session, uint64_t epoch);
/* As a registration has them: an array of sessions and epochs. */
struct json *epochs_to_json(const struct agent *);
void epochs_forget(struct agent *); /* At the end. */

#endif /* agentd/epochs.h */
