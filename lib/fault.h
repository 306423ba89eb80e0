/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_FAULT_H
#define BATON_FAULT_H 1

/* Faults on purpose, for tests: a daemon that was configured with
 * --enable-fault-injection ends, stops or dawdles when it comes to a named
 * point, as `ovs-appctl -t TARGET fault/set POINT ACTION` says.  ACTION is
 *
 *     crash       SIGKILL, at once
 *     stop        SIGSTOP: goes on when somebody sends SIGCONT
 *     delay MSEC  sleeps that long, once
 *
 * Each acts once.  fault/list shows the points that were passed, and what is
 * set.  In other builds nothing of this exists. */

#include <config.h>

#ifdef ENABLE_FAULT_INJECTION
void fault_init(void);
void fault_point(const char *prefix, const char *name);
#else
static inline void
fault_init(void)
{
}

static inline void
fault_point(const char *prefix, const char *name)
{
    (void) prefix;
    (void) name;
}
#endif

#endif /* lib/fault.h */
