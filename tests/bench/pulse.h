/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PULSE_H
#define PULSE_H 1

/* Two programs in one: see pulse.c and pulse-far.c. */

#include <netinet/in.h>
#include <stdint.h>

#define PULSE_RECORD 24 /* Bytes that are sent at once. */

/* The correspondent's end: one session at a time, for ever. */
void pulse_far(uint16_t port, uint32_t queued) __attribute__((noreturn));

void pulse_die(const char *what) __attribute__((noreturn));

#endif /* tests/bench/pulse.h */
