/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_ONWARD_H
#define BATON_ONWARD_H 1

/* The right to pass a session on, which the device where the session began
 * gives along with it:
 *
 *     none       the device that has it keeps it until it ends
 *     back       it may give it back to the device where it began
 *     group:N    also to the devices that are in a group with that one
 *     any:N      also to any other (that policy lets it move to)
 *
 * The depth N says how often: who gets a session that could be passed on N
 * times can pass it on N - 1 times.  Without ":N" there is no limit.  The way
 * back is no passing on and needs no depth; so "any:0" is "back".
 *
 * A right is narrower than another if it permits nothing that the other does
 * not.  Who got a session gives along what is left of its own right, or less;
 * the device where it began begins anew.  Plain C11; knows no device. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each permits what those before it do.  On the wire: Documentation. */
enum onward { ONWARD_NONE, ONWARD_BACK, ONWARD_GROUP, ONWARD_ANY };

#define ONWARD_DEPTH_ANY UINT8_MAX /* No limit. */

struct onward_right {
    enum onward onward;
    uint8_t depth; /* Times; 0 for ONWARD_NONE and ONWARD_BACK. */
};

/* No limit at all. */
#define ONWARD_RIGHT_ALL \
    ((struct onward_right){ ONWARD_ANY, ONWARD_DEPTH_ANY })

/* "any", "group:3".  False if 's' is nothing of the kind. */
bool onward_from_string(const char *s, struct onward_right *);
#define ONWARD_STRING_LEN 12 /* With the null. */
void onward_to_string(struct onward_right, char s[ONWARD_STRING_LEN]);
/* What is expected, for people. */
#define ONWARD_EXPECTED \
    "none, back, group, any, or group:N, any:N with N from 1 to 254"

/* The same right in the one form that it has here. */
struct onward_right onward_normalise(struct onward_right);
/* What both permit. */
struct onward_right onward_both(struct onward_right, struct onward_right);
/* What a device that got the session with this right can give along. */
struct onward_right onward_rest(struct onward_right);
/* Does 'a' permit nothing that 'b' does not? */
bool onward_is_within(struct onward_right a, struct onward_right b);

#endif /* lib/onward.h */
