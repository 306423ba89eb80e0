/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "controller-call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "dirs.h"
#include "jsonrpc.h"
#include "openvswitch/json.h"
#include "unixctl.h"
#include "util.h"

#define DEFAULT_TARGET "baton-controller"

/* Finds the socket of 'target'.  Returns null or an error. */
static char *
find_socket(const char *target, char **socketp)
{
    if (strchr(target, '/')) {
        *socketp = xstrdup(target);
        return NULL;
    }

    char *pidfile = xasprintf("%s/%s.pid", ovs_rundir(), target);
    pid_t pid = read_pidfile(pidfile);
    char *error = NULL;
    if (pid < 0) {
        error = xasprintf("%s is not running, or not with this run directory "
                          "(%s: %s).\nStart it with --pidfile, or name its "
                          "control socket with --target or $BATON_CONTROLLER",
                          target, pidfile, ovs_strerror(-pid));
    } else {
        *socketp = xasprintf("%s/%s.%ld.ctl", ovs_rundir(), target,
                             (long int) pid);
    }
    free(pidfile);
    return error;
}

static char *
transact(const char *socket, struct jsonrpc *client, const char *command,
         char *argv[], struct json **replyp)
{
    char *result = NULL;
    char *refusal = NULL;
    char *error = NULL;
    int argc = 0;

    while (argv[argc]) {
        argc++;
    }
    int retval = unixctl_client_transact(client, command, argc, argv, &result,
                                         &refusal);
    if (retval) {
        error = xasprintf("%s: the controller did not answer (%s)", socket,
                          ovs_retval_to_string(retval));
    } else if (refusal) {
        size_t n = strcspn(refusal, "\n");
        error = xmemdup0(refusal, n);
    } else {
        *replyp = json_from_string(result);
        if ((*replyp)->type == JSON_STRING) {
            error = xasprintf("%s: the answer to %s is not JSON: %s", socket,
                              command, json_string(*replyp));
            json_destroy(*replyp);
        }
    }
    free(result);
    free(refusal);
    return error;
}

char *
controller_call(const char *target, const char *command, char *argv[],
                struct json **replyp)
{
    if (!target) {
        target = getenv("BATON_CONTROLLER");
    }
    if (!target || !target[0]) {
        target = DEFAULT_TARGET;
    }

    char *socket = NULL;
    char *error = find_socket(target, &socket);
    if (error) {
        return error;
    }

    struct jsonrpc *client;
    int retval = unixctl_client_create(socket, &client);
    if (retval) {
        error = xasprintf("%s: no controller answers there (%s).\nStart "
                          "baton-controller, or name its control socket with "
                          "--target or $BATON_CONTROLLER",
                          socket, ovs_strerror(retval));
    } else {
        error = transact(socket, client, command, argv, replyp);
        jsonrpc_close(client);
    }
    free(socket);
    return error;
}
