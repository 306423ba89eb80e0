/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_TIMELINE_DRAW_H
#define BATON_TIMELINE_DRAW_H 1

/* The steps of one transfer, as the controller and both devices saw them, on
 * one clock, and a drawing of them.
 *
 *     struct timeline timeline;
 *     error = timeline_init(&timeline, json);
 *     if (!error) {
 *         timeline_draw(&timeline, &s);
 *         timeline_destroy(&timeline);
 *     }
 *
 * Processes of one host have one clock (CLOCK_MONOTONIC under one boot id).
 * Another host's is set against the controller's by the messages that went to
 * and fro, as NTP does it. */

#include <stdbool.h>
#include <stddef.h>

struct ds;
struct json;

enum timeline_side {
    TIMELINE_TRANSFERRING,
    TIMELINE_CONTROLLER,
    TIMELINE_TARGET,
    TIMELINE_N_SIDES
};

struct timeline_step {
    long long int us; /* Microseconds since 'prepare'. */
    enum timeline_side side;
    const char *name; /* Belongs to the JSON. */
};

struct timeline {
    const struct json *json;     /* What it was made of: has to live on. */
    struct timeline_step *steps; /* In the order of time. */
    size_t n;
    const char *devices[TIMELINE_N_SIDES]; /* Belong to the JSON. */
    bool apart[TIMELINE_N_SIDES];          /* On a host of its own... */
    long long int error[TIMELINE_N_SIDES]; /* ...to so many microseconds, or
                                            * -1: its clock is not known. */
};

/* From what "baton/timeline" answers.  Returns null, or what is wrong, which
 * the caller must free. */
char *timeline_init(struct timeline *, const struct json *);
void timeline_destroy(struct timeline *);

const char *timeline_side_to_string(enum timeline_side);

/* Appends lines of at most 79 columns. */
void timeline_draw(const struct timeline *, struct ds *);

#endif /* utilities/timeline-draw.h */
