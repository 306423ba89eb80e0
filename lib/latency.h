/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_LATENCY_H
#define BATON_LATENCY_H 1

#include <stdbool.h>

/* A daemon that works for microseconds at a time, and should begin at once:
 * while a session moves, its correspondent waits for nothing else.
 *
 * With 'realtime', the calling thread asks for the lowest real-time priority
 * (SCHED_RR, sched(7)), which needs CAP_SYS_NICE; the threads and processes
 * that it makes do not have it.  So that a fault, or a great deal of work,
 * cannot take a processor away from others, the kernel tells it after
 * LATENCY_BURST without rest (RLIMIT_RTTIME), and it goes back to the ordinary
 * class for LATENCY_PENANCE.  So it does when it has used more than LATENCY_SHARE
 * of a processor for LATENCY_WINDOW, with rests.
 *
 * Without, or where that is not permitted, it asks for short slices: with
 * EEVDF (Linux 6.12 and later, sched_setattr(2)) a shorter slice means an
 * earlier deadline, and no larger share. */
#define LATENCY_BURST 50000  /* Microseconds. */
#define LATENCY_PENANCE 1000 /* Milliseconds. */
#define LATENCY_WINDOW 1000  /* Milliseconds. */
#define LATENCY_SHARE 75     /* Per cent. */
#define LATENCY_ALERT 10     /* Milliseconds. */

void latency_init(bool realtime);
/* For a child process, before it executes another program that such a daemon
 * waits for: short slices and a raised priority, as far as permitted. */
void latency_init_child(void);
/* What follows is waited for: for LATENCY_ALERT from now on the host's idle
 * processors do not go to sleep (PM QoS, /dev/cpu_dma_latency, Linux's
 * Documentation/power/pm_qos_interface.rst), from which each of the dozen turns
 * of a transfer would have to wake one.  Nothing without 'realtime', or where
 * that is not permitted. */
void latency_alert(void);
/* Each time around the main loop. */
void latency_run(void);
void latency_wait(void);
/* Is the thread a real-time one now? */
bool latency_is_realtime(void);

#endif /* lib/latency.h */
