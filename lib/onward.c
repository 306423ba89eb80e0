/* SPDX-License-Identifier: Apache-2.0 */
#include "onward.h"

#include <stdio.h>
#include <string.h>

static const char *const names[] = {
    [ONWARD_NONE] = "none",
    [ONWARD_BACK] = "back",
    [ONWARD_GROUP] = "group",
    [ONWARD_ANY] = "any",
};

static uint8_t
least(uint8_t a, uint8_t b)
{
    return a < b ? a : b;
}

struct onward_right
onward_normalise(struct onward_right r)
{
    if (r.onward > ONWARD_BACK && !r.depth) {
        r.onward = ONWARD_BACK;
    }
    if (r.onward <= ONWARD_BACK) {
        r.depth = 0;
    }
    return r;
}

/* "3": 1 to 254, and nothing else. */
static bool
depth_from_string(const char *s, uint8_t *depth)
{
    size_t n = strlen(s);
    unsigned int value = 0;

    if (!n || n > 3 || strspn(s, "0123456789") != n || s[0] == '0') {
        return false;
    }
    for (; *s; s++) {
        value = value * 10 + (unsigned int) (*s - '0');
    }
    *depth = (uint8_t) value;
    return value < ONWARD_DEPTH_ANY;
}

bool
onward_from_string(const char *s, struct onward_right *r)
{
    size_t n = strcspn(s, ":");

    for (enum onward o = ONWARD_NONE; o <= ONWARD_ANY; o++) {
        if (strlen(names[o]) == n && !strncmp(names[o], s, n)) {
            r->onward = o;
            r->depth = o > ONWARD_BACK ? ONWARD_DEPTH_ANY : 0;
            return !s[n]
                   || (o > ONWARD_BACK
                       && depth_from_string(s + n + 1, &r->depth));
        }
    }
    return false;
}

void
onward_to_string(struct onward_right r, char s[ONWARD_STRING_LEN])
{
    r = onward_normalise(r);
    if (r.onward > ONWARD_BACK && r.depth != ONWARD_DEPTH_ANY) {
        snprintf(s, ONWARD_STRING_LEN, "%s:%u", names[r.onward], r.depth);
    } else {
        snprintf(s, ONWARD_STRING_LEN, "%s", names[r.onward]);
    }
}

struct onward_right
onward_both(struct onward_right a, struct onward_right b)
{
    a = onward_normalise(a);
    b = onward_normalise(b);
    a.onward = a.onward < b.onward ? a.onward : b.onward;
    a.depth = least(a.depth, b.depth);
    return onward_normalise(a);
}

struct onward_right
onward_rest(struct onward_right r)
{
    r = onward_normalise(r);
    if (r.depth && r.depth != ONWARD_DEPTH_ANY) {
        r.depth--;
    }
    return onward_normalise(r);
}

bool
onward_is_within(struct onward_right a, struct onward_right b)
{
    a = onward_normalise(a);
    b = onward_normalise(b);
    return a.onward <= b.onward && a.depth <= b.depth;
}
