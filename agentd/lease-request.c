/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "lease-request.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent.h"
#include "block.h"
#include "controller-link.h"
#include "jsonrpc.h"
#include "link.h"
#include "message.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(lease_request);

#define IN_USE_MAX 65536

static const int families[] = { AF_INET, AF_INET6 };

static bool
may_ask(const struct agent *agent)
{
    return (controller_link_is_registered(agent->controller)
            && controller_link_get_ifname(agent->controller)[0]);
}

void
lease_request_run(struct agent *agent)
{
    for (size_t i = 0; may_ask(agent) && i < ARRAY_SIZE(families); i++) {
        const struct block_lease *renewal;
        enum block_need need = block_needs(agent->blocks, families[i],
                                           &renewal);
        struct json *params;

        if (need == BLOCK_NEED_NOTHING) {
            continue;
        }
        params = json_object_create();
        message_put_integer(params, "family", families[i] == AF_INET ? 4 : 6);
        if (need == BLOCK_NEED_MORE) {
            message_put_boolean(params, "more", true);
        } else if (renewal) {
            message_put_prefix(params, "prefix", &renewal->prefix,
                               renewal->plen);
        }
        agent->lease_ids[i] = link_request(
            controller_link_get(agent->controller), "lease", params);
        block_asked(agent->blocks, families[i]);
    }
}

void
lease_request_wait(struct agent *agent)
{
    for (size_t i = 0; may_ask(agent) && i < ARRAY_SIZE(families); i++) {
        if (block_needs(agent->blocks, families[i], NULL)
            != BLOCK_NEED_NOTHING) {
            poll_immediate_wake();
        }
    }
}

static void
handle_lease(struct agent *agent, const struct json *result)
{
    struct message m = MESSAGE_INITIALIZER(result);
    const struct json_array *array;
    struct block_lease lease;
    struct in6_addr *in_use;

    memset(&lease, 0, sizeof lease);
    message_get_prefix(&m, "prefix", &lease.prefix, &lease.plen);
    lease.lifetime = message_get_integer(&m, "lifetime", 1, UINT32_MAX / 1000);
    lease.rest = message_get_integer(&m, "rest", 0, UINT32_MAX / 1000);
    lease.probes = message_get_integer(&m, "probes", 0, 10);
    lease.probe_interval = message_get_integer(&m, "probe_interval", 1, 10000);
    array = message_get_array(&m, "in_use", IN_USE_MAX);
    in_use = xcalloc(array->n + 1, sizeof *in_use);
    for (size_t i = 0; i < array->n; i++) {
        /* The reader takes members of objects. */
        struct json *wrap = json_object_create();
        struct message wm = MESSAGE_INITIALIZER(wrap);

        json_object_put(wrap, "address", json_clone(array->elems[i]));
        message_get_address(&wm, "address", &in_use[i]);
        free(message_finish(&wm));
        json_destroy(wrap);
    }
    lease.in_use = in_use;
    lease.n_in_use = array->n;
    char *error = message_finish(&m);

    if (error || block_lease(agent->blocks, &lease)) {
        VLOG_WARN("the controller's lease has the wrong form: %s",
                  error ? error : "prefix");
        free(error);
    }
    free(in_use);
}

bool
lease_request_handle(struct agent *agent, const struct jsonrpc_msg *msg)
{
    uint64_t id = link_msg_id(msg);

    for (size_t i = 0; id && i < ARRAY_SIZE(families); i++) {
        if (agent->lease_ids[i] != id) {
            continue;
        }
        agent->lease_ids[i] = 0;
        if (msg->type == JSONRPC_REPLY) {
            handle_lease(agent, msg->result);
        } else {
            VLOG_INFO("no block of IPv%d session addresses: %s",
                      families[i] == AF_INET ? 4 : 6,
                      link_msg_error_reason(msg));
            block_refused(agent->blocks, families[i]);
        }
        return true;
    }
    return false;
}
