/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* Which application takes a session: the registration is the test's, and so is
 * what waits. */

#include "service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "app-link.h"
#include "controller-link.h"
#include "openvswitch/json.h"
#include "unit.h"
#include "util.h"

static struct json *registration;
static struct agent agent;
static bool waiting, starts;
static uid_t asked_uid;
static char started[256];
static char object;
static struct app_conn *const conn = (struct app_conn *) &object;

const struct json *
__wrap_controller_link_get_registration(const struct controller_link *);
const struct json *
__wrap_controller_link_get_registration(
    const struct controller_link *cl OVS_UNUSED)
{
    return registration;
}

struct app_conn *__wrap_app_server_find(struct app_server *, const char *,
                                        uid_t);
struct app_conn *
__wrap_app_server_find(struct app_server *server OVS_UNUSED,
                       const char *service OVS_UNUSED, uid_t uid)
{
    asked_uid = uid;
    return waiting ? conn : NULL;
}

int __wrap_app_server_start(struct app_server *, const char *, char *const[],
                            uid_t, struct app_conn **, char **);
int
__wrap_app_server_start(struct app_server *server OVS_UNUSED,
                        const char *service OVS_UNUSED, char *const argv[],
                        uid_t uid OVS_UNUSED, struct app_conn **connp,
                        char **errorp)
{
    if (!starts) {
        *errorp = xstrdup("it does not start");
        return ENOENT;
    }
    started[0] = '\0';
    for (; *argv; argv++) {
        strncat(started, *argv, sizeof started - strlen(started) - 2);
        strcat(started, " ");
    }
    *connp = conn;
    return 0;
}

static void
set(const char *text)
{
    char *s = xstrdup(text);

    for (char *p = s; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    json_destroy(registration);
    registration = json_from_string(s);
    free(s);
}

/* Expects 'reason', or success if it is NULL. */
static void
find(const char *name, const char *from, const char *reason)
{
    struct app_conn *got = NULL;
    char *why;

    CU_ASSERT_EQUAL(service_find_application(&agent, name, from, &got, &why),
                    !reason);
    CU_ASSERT_EQUAL(!why, !reason);
    if (reason && why && !strstr(why, reason)) {
        printf("\"%s\" is not in \"%s\"\n", reason, why);
        CU_FAIL("wrong reason");
    }
    CU_ASSERT(reason || got == conn);
    free(why);
}

static void
test_waiting(void)
{
    waiting = true;
    set("{'services': [{'name': 'other', 'accept_from': []},"
        " {'name': 'files', 'accept_from': ['tv', 'laptop']}]}");
    find("files", "laptop", NULL);
    CU_ASSERT_EQUAL(asked_uid, (uid_t) -1);
    find("files", "phone", "policy lets no session");
    find("other", "laptop", "policy lets no session");
    find("", "laptop", "no service");
    find("x", "laptop", "no service");
    waiting = false;
    find("files", "laptop", "no application waits");
}

static void
test_user(void)
{
    waiting = true;
    set("{'services': [{'name': 'files', 'accept_from': ['tv'],"
        " 'user': 'root'}]}");
    find("files", "tv", NULL);
    CU_ASSERT_EQUAL(asked_uid, 0);
    set("{'services': [{'name': 'files', 'accept_from': ['tv'],"
        " 'user': 'no-such-user-here'}]}");
    find("files", "tv", "not on this device");
}

static void
test_started(void)
{
    waiting = false;
    starts = true;
    set("{'services': [{'name': 'files', 'accept_from': ['tv'],"
        " 'command': ['/bin/x', '-v', 'y']}]}");
    find("files", "tv", NULL);
    CU_ASSERT_STRING_EQUAL(started, "/bin/x -v y ");
    starts = false;
    find("files", "tv", "does not start");
}

/* The controller is trusted, but not to make no mistake. */
static void
test_odd_forms(void)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        "{'services': {}}",
        "{'services': [7, [], null, 'files']}",
        "{'services': [{'name': 'files'}]}",
        "{'services': [{'name': 'files', 'accept_from': 'tv'}]}",
        "{'services': [{'name': 'files', 'accept_from': [['tv'], 7]}]}",
        "{'services': [{'name': 'files', 'accept_from': ['tv'],"
        " 'command': 'x'}]}",
        "{'services': [{'name': 'files', 'accept_from': ['tv'],"
        " 'command': []}]}",
        "{'services': [{'name': 'files', 'accept_from': ['tv'],"
        " 'command': ['x', 7]}]}",
    };

    waiting = false;
    starts = true;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        set(texts[i]);
        find("files", "tv", "");
    }
    json_destroy(registration);
    registration = NULL;
    find("files", "tv", "no service");
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "waiting", test_waiting },
        { "user", test_user },
        { "started", test_started },
        { "odd forms", test_odd_forms },
    };

    return unit_run("service", tests, ARRAY_SIZE(tests));
}
