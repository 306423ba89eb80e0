/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "methods.h"

#include <stdlib.h>
#include <string.h>

#include "controller.h"
#include "device-link.h"
#include "jsonrpc.h"
#include "link.h"
#include "message.h"
#include "method.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(methods);

struct method {
    const char *name;
    bool request; /* Otherwise a notification. */
    method_function *function;
};

/* All but "register", which is how a connection gets its device. */
static const struct method methods[] = {
    { "announce", false, method_announce },
    { "ended", false, method_ended },
    { "left", false, method_left },
    { "attach", false, method_attach },
    { "attach-echo", false, method_attach_echo },
    { "attach-lan", false, method_attach_lan },
    { "tunnel-ready", false, method_tunnel_ready },
    { "tunnel-idle", false, method_tunnel_idle },
    { "lease", true, method_lease },
    { "mapped", false, method_mapped },
    { "unmapped", false, method_unmapped },
    { "is-over", false, method_is_over },
    { "mappings", true, method_mappings },
    { "told", false, method_told },
    { "untold", false, method_untold },
    { "renew", true, method_renew },
    { "wake", true, method_wake },
    { "introduce", true, method_introduce },
    { "withdraw", false, method_withdraw },
    { "prepare", true, method_prepare },
    { "claim", false, method_claim },
    { "decline", false, method_decline },
    { "ask", false, method_ask },
    { "devices", true, method_devices },
    { "timeline", false, method_timeline },
    { "log", false, method_log },
    { "relay", false, method_relay },
};

static const struct method *
find_method(const struct jsonrpc_msg *msg)
{
    bool request = msg->type == JSONRPC_REQUEST;

    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        if (!strcmp(methods[i].name, msg->method)
            && methods[i].request == request) {
            return &methods[i];
        }
    }
    return NULL;
}

void
methods_dispatch(struct controller *c, struct device_conn *conn,
                 const struct jsonrpc_msg *msg)
{
    struct link *link = device_conn_link(conn);
    struct device *device = device_conn_device(conn);
    const struct method *method;

    if (msg->type != JSONRPC_REQUEST && msg->type != JSONRPC_NOTIFY) {
        VLOG_WARN("%s: an answer to nothing that was asked",
                  link_get_name(link));
        device_conn_drop(conn, "it answered what was not asked");
        return;
    }
    if (msg->type == JSONRPC_REQUEST && !strcmp(msg->method, "register")) {
        method_register(c, conn, msg);
        return;
    }
    method = find_method(msg);
    if (!device || !method || !link_msg_params(msg)) {
        VLOG_WARN("%s: %s: \"%s\"", link_get_name(link),
                  !method   ? "no such method"
                  : !device ? "not registered yet"
                            : "params are not one object",
                  msg->method);
        device_conn_drop(conn, "it sent a message of the wrong form");
        return;
    }

    struct message m = MESSAGE_INITIALIZER(link_msg_params(msg));
    method->function(c, device, msg, &m);
    free(m.error); /* If the method did not look. */
}
