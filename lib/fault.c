/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "fault.h"

#ifdef ENABLE_FAULT_INJECTION
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(fault);

struct fault {
    unsigned int passed; /* How often. */
    char *action;        /* To be done the next time; or NULL. */
    int msec;            /* Of "delay". */
};

static struct shash faults = SHASH_INITIALIZER(&faults);

static struct fault *
fault_get(const char *point)
{
    struct fault *f = shash_find_data(&faults, point);

    if (!f) {
        f = xzalloc(sizeof *f);
        shash_add(&faults, point, f);
    }
    return f;
}

static bool
is_action(const char *point, const char *action, int argc)
{
    if (!strcmp(action, "drop") || !strcmp(action, "repeat")) {
        return !strncmp(point, "send/", 5);
    }
    return (!strcmp(action, "crash") || !strcmp(action, "stop")
            || (!strcmp(action, "delay") && argc > 3));
}

static void
fault_set(struct unixctl_conn *conn, int argc, const char *argv[],
          void *aux OVS_UNUSED)
{
    struct fault *f;

    if (!is_action(argv[1], argv[2], argc)) {
        unixctl_command_reply_error(
            conn, "crash, stop, or delay MSEC; for send/... drop or repeat");
        return;
    }
    f = fault_get(argv[1]);
    free(f->action);
    f->action = xstrdup(argv[2]);
    f->msec = argc > 3 ? atoi(argv[3]) : 0;
    unixctl_command_reply(conn, NULL);
}

static void
fault_list(struct unixctl_conn *conn, int argc OVS_UNUSED,
           const char *argv[] OVS_UNUSED, void *aux OVS_UNUSED)
{
    const struct shash_node **nodes = shash_sort(&faults);
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < shash_count(&faults); i++) {
        const struct fault *f = nodes[i]->data;

        ds_put_format(&ds, "%s %u %s\n", nodes[i]->name, f->passed,
                      f->action ? f->action : "-");
    }
    unixctl_command_reply(conn, ds_cstr(&ds));
    ds_destroy(&ds);
    free(nodes);
}

static void
fault_clear(struct unixctl_conn *conn, int argc OVS_UNUSED,
            const char *argv[] OVS_UNUSED, void *aux OVS_UNUSED)
{
    const struct shash_node *node;

    SHASH_FOR_EACH(node, &faults) {
        struct fault *f = node->data;

        free(f->action);
        f->action = NULL;
    }
    unixctl_command_reply(conn, NULL);
}

void
fault_init(void)
{
    unixctl_command_register("fault/clear", "", 0, 0, fault_clear, NULL);
    unixctl_command_register("fault/set", "POINT ACTION [MSEC]", 2, 3,
                             fault_set, NULL);
    unixctl_command_register("fault/list", "", 0, 0, fault_list, NULL);
}

/* Does what is to be done at 'point', or returns the action if that is the
 * caller's affair; the caller frees it. */
static char *
pass(const char *point)
{
    struct fault *f = fault_get(point);
    char *action = f->action;

    f->passed++;
    f->action = NULL;
    if (!action) {
        return NULL;
    }
    VLOG_INFO("fault at %s: %s", point, action);
    if (!strcmp(action, "crash")) {
        kill(getpid(), SIGKILL);
    } else if (!strcmp(action, "stop")) {
        kill(getpid(), SIGSTOP);
    } else if (!strcmp(action, "delay")) {
        struct timespec ts = { f->msec / 1000, f->msec % 1000 * 1000000L };

        nanosleep(&ts, NULL);
    }
    return action;
}

void
fault_point(const char *prefix, const char *name)
{
    char *point = xasprintf("%s/%s", prefix, name);

    for (char *p = point; *p; p++) {
        *p = *p == ' ' ? '-' : *p;
    }
    free(pass(point));
    free(point);
}

enum fault_message
fault_message(const char *name, const char *suffix)
{
    char *point = xasprintf("send/%s%s", name, suffix);
    char *action = pass(point);
    enum fault_message what = !action                     ? FAULT_SEND
                              : !strcmp(action, "drop")   ? FAULT_DROP
                              : !strcmp(action, "repeat") ? FAULT_REPEAT
                                                          : FAULT_SEND;

    free(action);
    free(point);
    return what;
}
#endif
