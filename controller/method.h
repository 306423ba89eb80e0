/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_METHOD_H
#define BATON_METHOD_H 1

/* What devices ask over the device link: one function for each method of
 * Documentation/wire-protocol.rst.  A message whose form is wrong is logged
 * and ends the connection that it came by. */

#include <stdbool.h>

struct controller;
struct device;
struct device_conn;
struct jsonrpc_msg;
struct message;

/* A method: reads what it needs from the message 'm', and before it does
 * anything with that, checks message_finish() by method_is_good(). */
typedef void method_function(struct controller *, struct device *,
                             const struct jsonrpc_msg *, struct message *);

/* True if all that was read is well-formed; otherwise logs and drops the
 * connection. */
bool method_is_good(struct device *, const struct jsonrpc_msg *,
                    struct message *);

/* Answers what had to wait. */
void methods_run(struct controller *);

/* In device-methods.c. */
void method_register(struct controller *, struct device_conn *,
                     const struct jsonrpc_msg *);
method_function method_announce, method_ended, method_left;
method_function method_attach, method_attach_echo;
method_function method_lease;
/* Sends the device's security association, which was renewed. */
void methods_send_sa(struct controller *, struct device *);

/* In lan.c. */
method_function method_attach_lan;

/* In device-tunnel.c. */
method_function method_tunnel_ready, method_tunnel_idle;

/* In devices-method.c. */
method_function method_devices;

/* In introduce-methods.c. */
method_function method_introduce, method_withdraw, method_decline;

/* In transfer-methods.c. */
method_function method_prepare, method_claim, method_ask;

/* In mapping-methods.c. */
method_function method_mapped, method_unmapped, method_is_over;

/* In mapping-query.c. */
method_function method_mappings;

/* In name-methods.c. */
method_function method_told, method_untold;

/* In permanent.c. */
method_function method_renew, method_wake;

/* In report-methods.c. */
method_function method_relay, method_timeline, method_log;

#endif /* controller/method.h */
