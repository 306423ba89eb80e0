/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "method.h"

#include "controller.h"
#include "device.h"
#include "mapping.h"
#include "message.h"
#include "util.h"

#define REASON_MAX 255

void
method_mapped(struct controller *c, struct device *device,
              const struct jsonrpc_msg *msg, struct message *m)
{
    struct in6_addr address;
    struct uuid session;

    message_get_uuid(m, "session", &session);
    message_get_address(m, "address", &address);
    if (method_is_good(device, msg, m)) {
        mapping_mapped(c, device, &session, &address);
    }
}

void
method_unmapped(struct controller *c, struct device *device,
                const struct jsonrpc_msg *msg, struct message *m)
{
    struct uuid session;

    message_get_uuid(m, "session", &session);
    const char *code = message_get_name(m, "code");
    const char *reason = message_get_string(m, "reason", REASON_MAX);
    if (method_is_good(device, msg, m)) {
        mapping_unmapped(c, device, &session, code, reason);
    }
}

void
method_is_over(struct controller *c, struct device *device,
               const struct jsonrpc_msg *msg, struct message *m)
{
    struct in6_addr address;
    struct uuid session;

    message_get_uuid(m, "session", &session);
    message_get_address(m, "address", &address);
    if (method_is_good(device, msg, m)) {
        mapping_is_over(c, device, &session, &address);
    }
}
