/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "timeline-draw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "util.h"
#include "unit.h"

#define HEAD                                                                \
    "{\"transfer\":\"11111111-2222-3333-4444-555555555555\","               \
    "\"address\":\"10.1.0.130\",\"name\":\"download\",\"from\":\"laptop\"," \
    "\"to\":\"tv\",\"epoch\":3,\"outcome\":\"committed\",\"reason\":\"\","  \
    "\"sides\":["
#define SIDE(ROLE, DEVICE, BOOT, STEPS, COUNTERS)                       \
    "{\"role\":\"" ROLE "\",\"device\":\"" DEVICE "\",\"boot\":\"" BOOT \
    "\",\"steps\":[" STEPS "],\"counters\":{" COUNTERS "}}"

static struct json *
parse(const char *text)
{
    struct json *json = json_from_string(text);

    CU_ASSERT_EQUAL_FATAL(json->type, JSON_OBJECT);
    return json;
}

static void
check_step(const struct timeline *timeline, size_t i, long long int us,
           enum timeline_side side, const char *name)
{
    CU_ASSERT_FATAL(i < timeline->n);
    CU_ASSERT_EQUAL(timeline->steps[i].us, us);
    CU_ASSERT_EQUAL(timeline->steps[i].side, side);
    CU_ASSERT_STRING_EQUAL(timeline->steps[i].name, name);
}

static void
test_one_host(void)
{
    struct json *json = parse(HEAD SIDE(
        "controller", "c1", "b",
        "[\"introduce\",100],[\"prepare\",1050],"
        "[\"go\",1100],[\"claim\",1700],[\"owned\",1800]",
        "") "," SIDE("transferring", "laptop", "b",
                     "[\"move\",90],[\"prepare\",1000],"
                     "[\"go\",1200],[\"captured\",1300],[\"drained\",9000]",
                     "\"relayed\":2,\"caught\":1") "," SIDE("target", "tv",
                                                            "b",
                                                            "[\"state\",1400],[\"claim\",1650],"
                                                            "[\"owned\",1900],[\"unmuted\",2000]",
                                                            "") "]}");
    struct timeline timeline;
    char *error = timeline_init(&timeline, json);

    CU_ASSERT_PTR_NULL_FATAL(error);
    CU_ASSERT_EQUAL(timeline.n, 14);
    check_step(&timeline, 0, -910, TIMELINE_TRANSFERRING, "move");
    check_step(&timeline, 1, -900, TIMELINE_CONTROLLER, "introduce");
    check_step(&timeline, 2, 0, TIMELINE_TRANSFERRING, "prepare");
    check_step(&timeline, 3, 50, TIMELINE_CONTROLLER, "prepare");
    check_step(&timeline, 12, 1000, TIMELINE_TARGET, "unmuted");
    check_step(&timeline, 13, 8000, TIMELINE_TRANSFERRING, "drained");
    for (int i = 0; i < TIMELINE_N_SIDES; i++) {
        CU_ASSERT(!timeline.apart[i]);
    }

    struct ds s = DS_EMPTY_INITIALIZER;
    timeline_draw(&timeline, &s);
    /* clang-format off */
    const char *expected =
          "transfer 11111111-2222-3333-4444-555555555555: committed, be"
          "gun at epoch 3\n"
          "session 10.1.0.130 (download) from laptop to tv\n"
          "\n"
          "      us  transferring   controller     target\n"
          "          laptop         c1             tv\n"
          "    -910  move\n"
          "    -900                 introduce\n"
          "       0  prepare                                      |\n"
          "      50                 prepare                       =|\n"
          "     100                 go                             =|\n"
          "     200  go                                             ==|\n"
          "     300  captured                                         ==|\n"
          "     400                                state               "
          " ===|\n"
          "     650                                claim               "
          "    =====|\n"
          "     700                 claim                              "
          "         ==|\n"
          "     800                 owned                              "
          "           ==|\n"
          "     900                                owned               "
          "             ==|\n"
          "    1000                                unmuted             "
          "               ===|\n"
          "    8000  drained\n"
          "\n"
          "1000 us from prepare to unmuted; longest: 250 us before \"cl"
          "aim\" (target)\n"
          "late packets at laptop: 1 caught, 2 relayed\n";
    /* clang-format on */
    if (strcmp(ds_cstr(&s), expected)) {
        puts(ds_cstr(&s));
    }
    CU_ASSERT_STRING_EQUAL(ds_cstr(&s), expected);

    /* No line is too long. */
    char *save = NULL;
    for (char *line = strtok_r(ds_cstr(&s), "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        CU_ASSERT(strlen(line) <= 79);
    }
    ds_destroy(&s);
    timeline_destroy(&timeline);
    json_destroy(json);
}

/* Three hosts: clocks are set by the messages between them. */
static void
test_clocks(void)
{
    struct json *json = parse(
        HEAD SIDE("controller", "c1", "b0",
                  "[\"prepare\",1000],[\"go\",1100],"
                  "[\"claim\",2000],[\"owned\",2200]",
                  "") ","
        /* True time is 500,000 less; 40 us one way, 60 us the other. */
        SIDE("transferring", "laptop", "b1",
             "[\"prepare\",500960],"
             "[\"go\",501160]",
             "") "," SIDE("target", "tv", "b2",
                          "[\"claim\",50],[\"unmuted\",300]", "") "]}");
    struct timeline timeline;

    CU_ASSERT_PTR_NULL_FATAL(timeline_init(&timeline, json));
    CU_ASSERT(timeline.apart[TIMELINE_TRANSFERRING]);
    CU_ASSERT_EQUAL(timeline.error[TIMELINE_TRANSFERRING], 50);
    /* The target never noted "owned": its clock is not known. */
    CU_ASSERT_EQUAL(timeline.error[TIMELINE_TARGET], -1);
    CU_ASSERT_EQUAL(timeline.n, 6);
    check_step(&timeline, 0, 0, TIMELINE_TRANSFERRING, "prepare");
    check_step(&timeline, 1, 50, TIMELINE_CONTROLLER, "prepare");
    check_step(&timeline, 2, 150, TIMELINE_CONTROLLER, "go");
    check_step(&timeline, 3, 200, TIMELINE_TRANSFERRING, "go");

    struct ds s = DS_EMPTY_INITIALIZER;
    timeline_draw(&timeline, &s);
    CU_ASSERT_PTR_NOT_NULL(strstr(ds_cstr(&s), "laptop has a clock of its "
                                               "own: true to 50 us"));
    CU_ASSERT_PTR_NOT_NULL(strstr(ds_cstr(&s), "tv has a clock of its own: "
                                               "not shown"));
    ds_destroy(&s);
    timeline_destroy(&timeline);
    json_destroy(json);
}

/* A transfer of which there is little to say is drawn all the same. */
static void
test_little(void)
{
    static const char *const texts[] = {
        "{\"sides\":[]}",
        "{\"sides\":[7,{},{\"role\":\"king\"}]}",
        "{\"sides\":[{\"role\":\"target\",\"steps\":[[1,2],[\"x\"],7,"
        "[\"y\",5]],\"counters\":{\"z\":\"w\"}}]}",
        HEAD SIDE("controller", "c1", "b", "[\"introduce\",5]", "") "]}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct json *json = parse(texts[i]);
        struct timeline timeline;
        CU_ASSERT_PTR_NULL_FATAL(timeline_init(&timeline, json));

        struct ds s = DS_EMPTY_INITIALIZER;
        timeline_draw(&timeline, &s);
        CU_ASSERT(s.length > 0);
        ds_destroy(&s);
        timeline_destroy(&timeline);
        json_destroy(json);
    }

    struct json *json = parse("{}");
    struct timeline timeline;
    char *error = timeline_init(&timeline, json);
    CU_ASSERT_PTR_NOT_NULL(error);
    free(error);
    json_destroy(json);
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "one_host", test_one_host },
        { "clocks", test_clocks },
        { "little", test_little },
    };

    return unit_run("timeline-draw", tests, ARRAY_SIZE(tests));
}
