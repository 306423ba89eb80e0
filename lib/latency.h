/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_LATENCY_H
#define BATON_LATENCY_H 1

/* A daemon that works for microseconds at a time, and should begin at once,
 * asks the scheduler for short slices: with EEVDF (Linux 6.12 and later,
 * sched_setattr(2), kernel/sched/syscalls.c) a shorter slice means an earlier
 * deadline, and no larger share.  Older kernels ignore it. */
void latency_ask_for_short_slices(void);

#endif /* lib/latency.h */
