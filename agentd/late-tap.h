/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_LATE_TAP_H
#define BATON_LATE_TAP_H 1

/* A standing AF_PACKET tap on one interface: IP packets sent to this host's
 * MAC address that pass a filter (see late-filter.h).  It is opened once and
 * kept, since closing one takes the kernel 16 ms.
 *
 *     late_tap_open("eth0", &tap);             nothing passes
 *     late_tap_set_filter(tap, entries, n);
 *     while (late_tap_next(tap, &packet)) ...
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct late_tap;
struct late_filter_entry;

struct late_tap_packet {
    uint8_t *data; /* The tap's: valid until the next call. */
    size_t n;      /* Bytes, with padding, if any. */
    bool partial;  /* The transport checksum is not complete. */
};

/* Returns 0 or a positive errno. */
int late_tap_open(const char *ifname, struct late_tap **);
void late_tap_close(struct late_tap *);

const char *late_tap_get_ifname(const struct late_tap *);
/* False once the interface was deleted, or made anew. */
bool late_tap_is_valid(const struct late_tap *);

void late_tap_set_filter(struct late_tap *, const struct late_filter_entry *,
                         size_t n);

/* The next packet.  False ends a run: there is no more, or there were about a
 * thousand and others want their turn. */
bool late_tap_next(struct late_tap *, struct late_tap_packet *);

/* Forgets all that waits.  The filter must let nothing in. */
void late_tap_drain(struct late_tap *);
void late_tap_wait(const struct late_tap *);

#endif /* agentd/late-tap.h */
