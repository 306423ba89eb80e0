/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "method.h"

#include <stdlib.h>

#include "device.h"
#include "jsonrpc.h"
#include "link.h"
#include "message.h"
#include "openvswitch/vlog.h"

VLOG_DEFINE_THIS_MODULE(method);

bool
method_is_good(struct device *device, const struct jsonrpc_msg *msg,
               struct message *m)
{
    char *error = message_finish(m);

    if (error) {
        VLOG_WARN("%s: \"%s\" of the wrong form: %s", device->name,
                  msg->method, error);
        link_drop(device->link, "it sent a message of the wrong form");
        free(error);
        return false;
    }
    return true;
}
