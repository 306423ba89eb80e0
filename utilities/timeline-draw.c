/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "timeline-draw.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "util.h"

/* Columns of the drawing: time, three sides, bar. */
#define TIME_WIDTH 8
#define SIDE_WIDTH 14
#define BAR_WIDTH 24

static const char *const side_names[] = {
    [TIMELINE_TRANSFERRING] = "transferring",
    [TIMELINE_CONTROLLER] = "controller",
    [TIMELINE_TARGET] = "target",
};

const char *
timeline_side_to_string(enum timeline_side side)
{
    return side_names[side];
}

/* Reading. */

static const struct json *
member(const struct json *object, const char *name, enum json_type type)
{
    const struct json *value = NULL;

    if (object && object->type == JSON_OBJECT) {
        value = shash_find_data(json_object(object), name);
    }
    return value && value->type == type ? value : NULL;
}

static const char *
member_string(const struct json *object, const char *name)
{
    const struct json *value = member(object, name, JSON_STRING);

    return value ? json_string(value) : "";
}

/* Which side 'side' is, or TIMELINE_N_SIDES. */
static enum timeline_side
side_from_json(const struct json *side)
{
    const char *role = member_string(side, "role");

    for (int i = 0; i < TIMELINE_N_SIDES; i++) {
        if (!strcmp(role, side_names[i])) {
            return i;
        }
    }
    return TIMELINE_N_SIDES;
}

static void
add_steps(struct timeline *timeline, enum timeline_side side,
          const struct json *steps)
{
    size_t n = steps ? json_array(steps)->n : 0;

    timeline->steps = xrealloc(timeline->steps,
                               (timeline->n + n) * sizeof *timeline->steps);
    for (size_t i = 0; i < n; i++) {
        const struct json *pair = json_array(steps)->elems[i];
        if (pair->type == JSON_ARRAY && json_array(pair)->n == 2
            && json_array(pair)->elems[0]->type == JSON_STRING
            && json_array(pair)->elems[1]->type == JSON_INTEGER) {
            timeline->steps[timeline->n++] = (struct timeline_step){
                .us = json_integer(json_array(pair)->elems[1]),
                .side = side,
                .name = json_string(json_array(pair)->elems[0]),
            };
        }
    }
}

static const struct timeline_step *
find_step(const struct timeline *timeline, enum timeline_side side,
          const char *name)
{
    for (size_t i = 0; i < timeline->n; i++) {
        const struct timeline_step *step = &timeline->steps[i];
        if (step->side == side && !strcmp(step->name, name)) {
            return step;
        }
    }
    return NULL;
}

/* Putting on one clock. */

/* Sets the clock of 'side' against the controller's: the message 'there' went
 * to the controller, and then 'back' came from it, each of which both sides
 * noted.  Neither can have arrived before it was sent; the clock is taken to
 * be in the middle of what that leaves. */
static void
set_clock(struct timeline *timeline, enum timeline_side side,
          const char *there, const char *back)
{
    const struct timeline_step *sent, *received, *answered, *arrived;

    sent = find_step(timeline, side, there);
    received = find_step(timeline, TIMELINE_CONTROLLER, there);
    answered = find_step(timeline, TIMELINE_CONTROLLER, back);
    arrived = find_step(timeline, side, back);
    if (!sent || !received || !answered || !arrived) {
        timeline->error[side] = -1;
        return;
    }

    long long int most = received->us - sent->us;
    long long int least = answered->us - arrived->us;
    for (size_t i = 0; i < timeline->n; i++) {
        if (timeline->steps[i].side == side) {
            timeline->steps[i].us += least + (most - least) / 2;
        }
    }
    timeline->error[side] = MAX((most - least) / 2, 0);
}

/* Drops the steps of a side whose clock is not known. */
static void
drop_unknown(struct timeline *timeline)
{
    size_t n = 0;

    for (size_t i = 0; i < timeline->n; i++) {
        if (timeline->error[timeline->steps[i].side] >= 0) {
            timeline->steps[n++] = timeline->steps[i];
        }
    }
    timeline->n = n;
}

/* The step from which time counts. */
static const struct timeline_step *
find_start(const struct timeline *timeline)
{
    const struct timeline_step *start = find_step(
        timeline, TIMELINE_TRANSFERRING, "prepare");

    if (!start) {
        start = find_step(timeline, TIMELINE_CONTROLLER, "prepare");
    }
    return start ? start : timeline->n ? &timeline->steps[0] : NULL;
}

static int
compare_steps(const void *a_, const void *b_)
{
    const struct timeline_step *a = a_;
    const struct timeline_step *b = b_;

    return a->us < b->us ? -1 : a->us > b->us;
}

/* Sorts, and leaves the order of steps of the same time as it is. */
static void
sort_steps(struct timeline *timeline)
{
    for (size_t i = 1; i < timeline->n; i++) {
        struct timeline_step step = timeline->steps[i];
        size_t j = i;

        for (; j && compare_steps(&timeline->steps[j - 1], &step) > 0; j--) {
            timeline->steps[j] = timeline->steps[j - 1];
        }
        timeline->steps[j] = step;
    }
}

char *
timeline_init(struct timeline *timeline, const struct json *json)
{
    const struct json *sides = member(json, "sides", JSON_ARRAY);
    const char *boots[TIMELINE_N_SIDES] = { "", "", "" };

    if (!sides) {
        return xstrdup("the controller's answer is no timeline");
    }

    memset(timeline, 0, sizeof *timeline);
    timeline->json = json;
    timeline->devices[TIMELINE_TRANSFERRING] = member_string(json, "from");
    timeline->devices[TIMELINE_CONTROLLER] = "";
    timeline->devices[TIMELINE_TARGET] = member_string(json, "to");
    for (size_t i = 0; i < json_array(sides)->n; i++) {
        const struct json *side = json_array(sides)->elems[i];
        enum timeline_side which = side_from_json(side);
        if (which != TIMELINE_N_SIDES) {
            boots[which] = member_string(side, "boot");
            timeline->devices[which] = member_string(side, "device");
            add_steps(timeline, which, member(side, "steps", JSON_ARRAY));
        }
    }

    for (int i = 0; i < TIMELINE_N_SIDES; i++) {
        timeline->apart[i] = (boots[i][0]
                              && strcmp(boots[i], boots[TIMELINE_CONTROLLER]));
    }
    if (timeline->apart[TIMELINE_TRANSFERRING]) {
        set_clock(timeline, TIMELINE_TRANSFERRING, "prepare", "go");
    }
    if (timeline->apart[TIMELINE_TARGET]) {
        set_clock(timeline, TIMELINE_TARGET, "claim", "owned");
    }
    drop_unknown(timeline);
    sort_steps(timeline);

    const struct timeline_step *start = find_start(timeline);
    if (start) {
        long long int zero = start->us;
        for (size_t i = 0; i < timeline->n; i++) {
            timeline->steps[i].us -= zero;
        }
    }
    return NULL;
}

void
timeline_destroy(struct timeline *timeline)
{
    free(timeline->steps);
}

/* Drawing. */

/* When the session went on, or, of one that has not, the last step. */
static const struct timeline_step *
find_end(const struct timeline *timeline)
{
    static const struct {
        enum timeline_side side;
        const char *name;
    } ends[] = {
        { TIMELINE_TARGET, "unmuted" },
        { TIMELINE_TRANSFERRING, "thawed" },
        { TIMELINE_CONTROLLER, "owned" },
        { TIMELINE_CONTROLLER, "aborted" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        const struct timeline_step *end = find_step(timeline, ends[i].side,
                                                    ends[i].name);
        if (end) {
            return end;
        }
    }
    return timeline->n ? &timeline->steps[timeline->n - 1] : NULL;
}

static size_t
bar_position(long long int us, long long int end)
{
    return end > 0 ? us * (BAR_WIDTH - 1) / end : 0;
}

/* A bar from the step before to this one, where both are in the time that is
 * drawn. */
static void
draw_bar(long long int before, long long int us, long long int end,
         struct ds *s)
{
    if (us < 0 || us > end) {
        return;
    }

    size_t from = bar_position(MAX(before, 0), end);
    size_t to = bar_position(us, end);
    ds_put_char_multiple(s, ' ', from);
    ds_put_char_multiple(s, '=', to - from);
    ds_put_char(s, '|');
}

static void
end_line(struct ds *s)
{
    while (ds_chomp(s, ' ')) {
        continue;
    }
    ds_put_char(s, '\n');
}

static void
draw_step(const struct timeline *timeline, size_t i, long long int end,
          struct ds *s)
{
    const struct timeline_step *step = &timeline->steps[i];

    ds_put_format(s, "%*lld ", TIME_WIDTH, step->us);
    for (int side = 0; side < TIMELINE_N_SIDES; side++) {
        ds_put_format(s, " %-*.*s", SIDE_WIDTH, SIDE_WIDTH,
                      side == step->side ? step->name : "");
    }
    ds_put_char(s, ' ');
    draw_bar(i ? timeline->steps[i - 1].us : 0, step->us, end, s);
    end_line(s);
}

static void
draw_title(const struct timeline *timeline, struct ds *s)
{
    const struct json *json = timeline->json;
    const char *name = member_string(json, "name");
    const char *reason = member_string(json, "reason");
    const struct json *epoch = member(json, "epoch", JSON_INTEGER);

    ds_put_format(s, "transfer %s: %s", member_string(json, "transfer"),
                  member_string(json, "outcome"));
    if (epoch) {
        ds_put_format(s, ", begun at epoch %" PRId64, json_integer(epoch));
    }
    ds_put_format(s, "\nsession %s%s%s%s from %s to %s\n",
                  member_string(json, "address"), name[0] ? " (" : "", name,
                  name[0] ? ")" : "", member_string(json, "from"),
                  member_string(json, "to"));
    if (reason[0]) {
        ds_put_format(s, "reason: %s\n", reason);
    }
    ds_put_char(s, '\n');
}

/* What cost the most: the step before which the longest time passed. */
static void
draw_slowest(const struct timeline *timeline, long long int end, struct ds *s)
{
    const struct timeline_step *slowest = NULL;
    long long int longest = 0;

    for (size_t i = 1; i < timeline->n; i++) {
        const struct timeline_step *step = &timeline->steps[i];
        long long int took = step->us - step[-1].us;
        if (step[-1].us >= 0 && step->us <= end && took > longest) {
            slowest = step;
            longest = took;
        }
    }
    if (slowest) {
        ds_put_format(s,
                      "%lld us from %s to %s; longest: %lld us before "
                      "\"%s\" (%s)\n",
                      end, find_start(timeline) ? "prepare" : "the start",
                      find_end(timeline)->name, longest, slowest->name,
                      side_names[slowest->side]);
    }
}

static void
draw_notes(const struct timeline *timeline, struct ds *s)
{
    for (int side = 0; side < TIMELINE_N_SIDES; side++) {
        if (timeline->error[side] < 0) {
            ds_put_format(s, "%s has a clock of its own: not shown\n",
                          timeline->devices[side]);
        } else if (timeline->apart[side]) {
            ds_put_format(s, "%s has a clock of its own: true to %lld us\n",
                          timeline->devices[side], timeline->error[side]);
        }
    }
}

/* What the devices counted. */
static void
draw_counters(const struct timeline *timeline, struct ds *s)
{
    const struct json *sides = member(timeline->json, "sides", JSON_ARRAY);

    for (size_t i = 0; i < json_array(sides)->n; i++) {
        const struct json *side = json_array(sides)->elems[i];
        const struct json *counters = member(side, "counters", JSON_OBJECT);
        if (!counters || shash_is_empty(json_object(counters))) {
            continue;
        }

        const struct shash_node **nodes = shash_sort(json_object(counters));
        ds_put_format(s, "late packets at %s:", member_string(side, "device"));
        for (size_t j = 0; j < shash_count(json_object(counters)); j++) {
            const struct json *value = nodes[j]->data;
            if (value->type == JSON_INTEGER) {
                ds_put_format(s, "%s %" PRId64 " %s", j ? "," : "",
                              json_integer(value), nodes[j]->name);
            }
        }
        free(nodes);
        ds_put_char(s, '\n');
    }
}

void
timeline_draw(const struct timeline *timeline, struct ds *s)
{
    const struct timeline_step *last = find_end(timeline);
    long long int end = last ? last->us : 0;

    draw_title(timeline, s);
    ds_put_format(s, "%*s ", TIME_WIDTH, "us");
    for (int side = 0; side < TIMELINE_N_SIDES; side++) {
        ds_put_format(s, " %-*s", SIDE_WIDTH, side_names[side]);
    }
    end_line(s);
    ds_put_format(s, "%*s ", TIME_WIDTH, "");
    for (int side = 0; side < TIMELINE_N_SIDES; side++) {
        ds_put_format(s, " %-*.*s", SIDE_WIDTH, SIDE_WIDTH,
                      timeline->devices[side]);
    }
    end_line(s);
    for (size_t i = 0; i < timeline->n; i++) {
        draw_step(timeline, i, end, s);
    }
    ds_put_char(s, '\n');
    draw_slowest(timeline, end, s);
    draw_notes(timeline, s);
    draw_counters(timeline, s);
}
