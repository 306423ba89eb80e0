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
 * At points that are messages about to be sent, "send/NAME", also
 *
 *     drop        the message is not sent
 *     repeat      it is sent twice
 *
 * where NAME is that of the wire protocol; "NAME-reply" and "NAME-error" answer
 * a request.  Each acts once.  fault/list shows the points that were passed,
 * and what is set.  In other builds nothing of this exists. */

#include <config.h>

enum fault_message { FAULT_SEND, FAULT_DROP, FAULT_REPEAT };

#ifdef ENABLE_FAULT_INJECTION
void fault_init(void);
void fault_point(const char *prefix, const char *name);
/* What is to be done with the message 'name' and 'suffix'. */
enum fault_message fault_message(const char *name, const char *suffix);
#else
#define fault_init() ((void) 0)
#define fault_point(PREFIX, NAME) ((void) (PREFIX), (void) (NAME))
#define fault_message(NAME, SUFFIX) ((void) (NAME), FAULT_SEND)
#endif

#endif /* lib/fault.h */
