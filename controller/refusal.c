/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "refusal.h"

#include <stdarg.h>
#include <stdlib.h>

#include "device.h"
#include "jsonrpc.h"
#include "link.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(refusal);

void
refusal_set(struct refusal *r, const char *code, const char *format, ...)
{
    if (!r->code) {
        va_list args;

        va_start(args, format);
        r->code = code;
        r->reason = xvasprintf(format, args);
        va_end(args);
    }
}

void
refusal_reply(struct device *device, const struct jsonrpc_msg *msg,
              struct refusal *r)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(600, 100);

    VLOG_INFO_RL(&rl, "%s: \"%s\" refused: %s", device->name, msg->method,
                 r->reason);
    link_reply_error(device->link, msg, r->code, "%s", r->reason);
    free(r->reason);
}
