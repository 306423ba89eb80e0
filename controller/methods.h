/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_METHODS_H
#define BATON_METHODS_H 1

/* What devices ask over the device link: which method is whose. */

struct controller;
struct device_conn;
struct jsonrpc_msg;

/* Handles 'msg', which came by 'conn'. */
void methods_dispatch(struct controller *, struct device_conn *,
                      const struct jsonrpc_msg *);

#endif /* controller/methods.h */
