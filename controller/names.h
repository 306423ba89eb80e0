/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_NAMES_H
#define BATON_NAMES_H 1

/* The zone in which correspondents are told where movable services are: each
 * question for the address of one gets a session address made for it.
 *
 *     "web.ZONE A"      which device has it, and may the asker have more?
 *       "tell"          to the device, which puts a session address on
 *       "told"          from it: the answer
 *
 * An address that nobody uses is taken back by the device ("unused" seconds);
 * we only count them, for each asker and in all, since a question costs its
 * asker nothing.  Who has too many, and who asks while the device has no
 * address ready, is told the device's permanent address: the service is there
 * too, and beside a bridge its sessions are mapped (see mapping.h).
 *
 * Who asks again because an answer was lost gets the same one.  See
 * Documentation/names.rst. */

#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

struct controller;
struct device;
struct uuid;

struct names;

struct names_stats {
    uint64_t questions; /* Of the form of one. */
    uint64_t told;      /* Answered by an address made for it. */
    uint64_t limited;   /* By the permanent address instead. */
    uint64_t refused, forwarded;
    size_t unused; /* Told in the last 'unused' seconds. */
};

struct names *names_create(void);
void names_destroy(struct names *);
/* At start and after a reload. */
void names_configure(struct controller *);
void names_run(struct controller *);
void names_wait(struct controller *);
void names_get_stats(const struct names *, struct names_stats *);

/* 'device' has put an address on for 'session', or cannot. */
void names_told(struct controller *, struct device *,
                const struct uuid *session, const struct in6_addr *);
void names_untold(struct controller *, struct device *,
                  const struct uuid *session, const char *code,
                  const char *reason);

#endif /* controller/names.h */
