/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_FAIL_MODE_H
#define BATON_FAIL_MODE_H 1

/* What a bridge does while its controller is away: a bridge whose fail_mode
 * is not "secure" drops all flows then, and with them the sessions that have
 * moved.  OpenFlow does not tell; the bridge's OVSDB does (ovs-vswitchd.conf.db
 * (5), table Bridge), which is asked every few seconds. */

#include <stdbool.h>
#include <stdint.h>

struct fail_mode;

/* 'remote' is the OVSDB ("unix:.../db.sock"). */
struct fail_mode *fail_mode_open(const char *remote, uint64_t datapath_id);
void fail_mode_close(struct fail_mode *);
void fail_mode_run(struct fail_mode *);
void fail_mode_wait(struct fail_mode *);

/* Why the bridge must be refused, for people; NULL while there is no reason,
 * or the database has not answered yet. */
const char *fail_mode_get_refusal(const struct fail_mode *);

/* The OVSDB beside the management socket 'target' ("unix:DIR/NAME.mgmt"), as
 * Open vSwitch lays them out, or NULL if it is no such target.  The caller
 * frees it. */
char *fail_mode_guess_remote(const char *target);

#endif /* controller/fail-mode.h */
