/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "user-limit.h"

#include <stdlib.h>

#include "agent.h"
#include "controller-link.h"
#include "openvswitch/json.h"
#include "session.h"
#include "util.h"

/* What the last registration said; LLONG_MAX: nothing. */
static long long int
get_limit(const struct agent *agent)
{
    const struct json *registration = controller_link_get_registration(
        agent->controller);
    const struct json *limit = NULL;

    if (registration && registration->type == JSON_OBJECT) {
        limit = shash_find_data(json_object(registration), "user_sessions");
    }
    return limit && limit->type == JSON_INTEGER ? json_integer(limit)
                                                : LLONG_MAX;
}

bool
user_limit_permits(const struct agent *agent, uid_t uid, size_t n_waiting,
                   char **reasonp)
{
    long long int limit = get_limit(agent);
    long long int n = n_waiting;
    const struct session *s;

    *reasonp = NULL;
    if (!uid) {
        return true;
    }
    HMAP_FOR_EACH(s, id_node, &agent->sessions.by_id) {
        n += s->uid == uid;
    }
    if (n < limit) {
        return true;
    }
    *reasonp = xasprintf("this user has %lld sessions on this device, as many "
                         "as policy permits",
                         n);
    return false;
}
