/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "service.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "app-link.h"
#include "controller-link.h"
#include "message.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(service);

/* What the controller's policy says of 'name' on this device, or NULL. */
static const struct json *
find_service(struct agent *agent, const char *name)
{
    const struct json *registration = controller_link_get_registration(
        agent->controller);
    struct message m = MESSAGE_INITIALIZER(registration);
    const struct json_array *services;

    services = message_get_array(&m, "services", 4096);
    free(message_finish(&m));
    for (size_t i = 0; i < services->n; i++) {
        struct message sm = MESSAGE_INITIALIZER(services->elems[i]);
        const char *s = message_get_string(&sm, "name", 64);

        free(message_finish(&sm));
        if (!strcmp(s, name)) {
            return services->elems[i];
        }
    }
    return NULL;
}

static bool
accepts_from(const struct json *service, const char *device)
{
    struct message m = MESSAGE_INITIALIZER(service);
    const struct json_array *from = message_get_array(&m, "accept_from",
                                                      65536);

    free(message_finish(&m));
    for (size_t i = 0; i < from->n; i++) {
        if (from->elems[i]->type == JSON_STRING
            && !strcmp(json_string(from->elems[i]), device)) {
            return true;
        }
    }
    return false;
}

/* The user that 'service' is bound to: -1 for any.  False if this device does
 * not know the user. */
static bool
get_uid(const struct json *service, uid_t *uid, char **reasonp)
{
    struct message m = MESSAGE_INITIALIZER(service);
    const char *user = message_get_optional_string(&m, "user", 64);
    const struct passwd *pw;

    free(message_finish(&m));
    *uid = -1;
    if (!user) {
        return true;
    }
    pw = getpwnam(user);
    if (!pw) {
        *reasonp = xasprintf("the policy binds the service to user %s, who "
                             "is not on this device",
                             user);
        return false;
    }
    *uid = pw->pw_uid;
    return true;
}

/* The command to start, NULL-terminated; the strings belong to 'service'. */
static char **
get_command(const struct json *service)
{
    const struct json *command = shash_find_data(json_object(service),
                                                 "command");
    char **argv;

    if (!command || command->type != JSON_ARRAY || !command->array.n) {
        return NULL;
    }
    argv = xcalloc(command->array.n + 1, sizeof *argv);
    for (size_t i = 0; i < command->array.n; i++) {
        if (command->array.elems[i]->type != JSON_STRING) {
            free(argv);
            return NULL;
        }
        argv[i] = CONST_CAST(char *, json_string(command->array.elems[i]));
    }
    return argv;
}

bool
service_is_for(struct agent *agent, const char *name, uid_t uid,
               char **reasonp)
{
    const struct json *service = *name ? find_service(agent, name) : NULL;
    uid_t owner;

    *reasonp = NULL;
    if (!service) {
        *reasonp = xasprintf("no service \"%s\" runs on this device", name);
        return false;
    } else if (!get_uid(service, &owner, reasonp)) {
        return false;
    }
    if (uid && owner != (uid_t) -1 && owner != uid) {
        *reasonp = xasprintf("service \"%s\" is another user's", name);
        return false;
    }
    return true;
}

bool
service_find_application(struct agent *agent, const char *name,
                         const char *from, struct app_conn **connp,
                         char **reasonp)
{
    const struct json *service = *name ? find_service(agent, name) : NULL;
    char **argv;
    uid_t uid;

    *reasonp = NULL;
    if (!service) {
        *reasonp = xasprintf("no service \"%s\" runs on this device", name);
        return false;
    }
    if (!accepts_from(service, from)) {
        *reasonp = xasprintf("policy lets no session of service \"%s\" come "
                             "from %s",
                             name, from);
        return false;
    }
    if (!get_uid(service, &uid, reasonp)) {
        return false;
    }
    *connp = app_server_find(agent->apps, name, uid);
    if (*connp) {
        return true;
    }
    argv = get_command(service);
    if (!argv) {
        *reasonp = xasprintf("no application waits for service \"%s\"", name);
        return false;
    }
    app_server_start(agent->apps, name, argv, uid, connp, reasonp);
    free(argv);
    return !*reasonp;
}
