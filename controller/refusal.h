/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_REFUSAL_H
#define BATON_REFUSAL_H 1

/* How a device is told no. */

#include "openvswitch/compiler.h"

struct device;
struct jsonrpc_msg;

/* Why something is refused: a code for programs, a sentence for people. */
struct refusal {
    const char *code; /* NULL: it is not. */
    char *reason;
};

/* Keeps the first reason. */
void refusal_set(struct refusal *, const char *code, const char *format, ...)
    OVS_PRINTF_FORMAT(3, 4);
/* Tells 'device', and frees the reason. */
void refusal_reply(struct device *, const struct jsonrpc_msg *,
                   struct refusal *);

#endif /* controller/refusal.h */
