/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "onward.h"

#include <string.h>

#include "unit.h"
#include "util.h"

static struct onward_right
right(const char *s)
{
    struct onward_right r = { ONWARD_NONE, 0 };

    CU_ASSERT_FATAL(onward_from_string(s, &r));
    return r;
}

static void
check(struct onward_right r, const char *expected)
{
    char s[ONWARD_STRING_LEN];

    onward_to_string(r, s);
    CU_ASSERT_STRING_EQUAL(s, expected);
}

static void
test_strings(void)
{
    static const char *const good[] = { "none",    "back",   "group",
                                        "group:1", "any",    "any:1",
                                        "any:9",   "any:10", "any:99",
                                        "any:100", "any:254" };
    static const char *const bad[] = {
        "",       "an",      "anyone", "any:",    "any:0",    "any:01",
        "any:-1", "any:255", "any:1 ", "any:999", "any:1000", "back:1",
        "none:1", "any :1",  "any:1x", "Any",     ":1",       "group:"
    };
    struct onward_right r;

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        check(right(good[i]), good[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        if (onward_from_string(bad[i], &r)) {
            CU_FAIL(bad[i]);
        }
    }
    CU_ASSERT_EQUAL(right("any").depth, ONWARD_DEPTH_ANY);
    CU_ASSERT_EQUAL(right("group:3").depth, 3);
}

/* Whatever bytes a ticket has. */
static void
test_normal_form(void)
{
    check((struct onward_right){ ONWARD_ANY, 0 }, "back");
    check((struct onward_right){ ONWARD_GROUP, 0 }, "back");
    check((struct onward_right){ ONWARD_BACK, 255 }, "back");
    check((struct onward_right){ ONWARD_NONE, 7 }, "none");
    CU_ASSERT(onward_is_within((struct onward_right){ ONWARD_NONE, 255 },
                               right("none")));
    CU_ASSERT(!onward_is_within((struct onward_right){ ONWARD_BACK, 0 },
                                right("none")));
}

static void
test_within(void)
{
    CU_ASSERT(onward_is_within(right("any"), ONWARD_RIGHT_ALL));
    CU_ASSERT(onward_is_within(right("group:3"), right("any:3")));
    CU_ASSERT(onward_is_within(right("back"), right("group:1")));
    CU_ASSERT(onward_is_within(right("any:3"), right("any")));
    CU_ASSERT(!onward_is_within(right("any"), right("any:254")));
    CU_ASSERT(!onward_is_within(right("group:4"), right("any:3")));
    CU_ASSERT(!onward_is_within(right("any:1"), right("group")));
    CU_ASSERT(!onward_is_within(right("group:1"), right("back")));
}

static void
test_both(void)
{
    check(onward_both(right("group"), right("any:3")), "group:3");
    check(onward_both(right("any:2"), right("any")), "any:2");
    check(onward_both(right("any:2"), right("back")), "back");
    check(onward_both(right("none"), right("any")), "none");
    check(onward_rest(right("any:2")), "any:1");
    check(onward_rest(right("group:1")), "back");
    check(onward_rest(right("any")), "any");
    check(onward_rest(right("any:254")), "any:253");
    check(onward_rest(right("back")), "back");
    check(onward_rest(right("none")), "none");
}

/* However often: what is left is always within what was. */
static void
test_never_wider(void)
{
    for (int o = ONWARD_NONE; o <= ONWARD_ANY; o++) {
        for (int depth = 0; depth <= UINT8_MAX; depth++) {
            struct onward_right r = { o, depth };

            CU_ASSERT(onward_is_within(onward_rest(r), r));
            CU_ASSERT(onward_is_within(onward_both(r, right("group:5")),
                                       right("group:5")));
            CU_ASSERT(onward_is_within(onward_both(r, right("group:5")), r));
        }
    }
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "in text", test_strings },
        { "in normal form", test_normal_form },
        { "within another", test_within },
        { "what both permit", test_both },
        { "never wider", test_never_wider },
    };

    return unit_run("onward", tests, ARRAY_SIZE(tests));
}
