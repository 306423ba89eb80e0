/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_OUTCOME_H
#define BATON_OUTCOME_H 1

/* Tells devices what became of a transfer: "owned", "released", "aborted",
 * "pending", "unexpect".  Who is not connected asks later. */

#include <stdbool.h>
#include <stdint.h>

struct controller;
struct device;
struct onward_right;
struct record;
struct transfer;
struct uuid;

/* Tells the party 'name' of a transfer that was decided just now: 'method' is
 * one of the first three.  'reason' and the right may be NULL. */
void outcome_tell(struct controller *, const struct transfer *,
                  const char *name, const char *method, const char *reason,
                  const struct onward_right *);

/* Answers 'device' about a transfer of a session begun at 'epoch', which has
 * been decided: 'record' is above that epoch. */
void outcome_answer(struct controller *, struct device *,
                    const struct uuid *transfer, const struct record *,
                    bool target);
/* "pending". */
void outcome_answer_pending(struct device *, const struct uuid *transfer);
/* Nothing comes, or goes, by 'transfer'. */
void outcome_unexpect(struct device *, const struct uuid *transfer,
                      const char *reason);
/* The same, to the party 'name'. */
void outcome_answer_party(struct controller *, const struct transfer *,
                          const char *name, const struct record *,
                          bool target);
/* Both: the transferring device may wait for a target that is gone. */
void outcome_unexpect_both(struct controller *, const struct transfer *);

#endif /* controller/outcome.h */
