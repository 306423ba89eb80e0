/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_PERMANENT_H
#define BATON_PERMANENT_H 1

/* Devices' own addresses, as far as they move.
 *
 * A device's permanent address is a session that began on that device and
 * never ends: its id is made of the device's name and the address, its lessee
 * is the device (see lease.h), and it moves by the same transfers.  What is
 * different is here:
 *
 * - Who has it elsewhere has it by a lease, which it renews ("renew").  When
 *   that is over, or the device gives it up ("ended"), or the device at home
 *   wants it back and does not get it in time ("wake"), the controller
 *   revokes it: one write (owner, e) to (home, e + 1), the guard closed to
 *   the former owner beside it, and once the bridge has answered, the message
 *   "wake" to the device at home.
 * - The lessee counts its lease from before it asked, and stops at its end.
 *   The controller counts from when it was asked, and adds PERMANENT_MARGIN:
 *   so the one has stopped before the other gives the address back.
 * - At home, guard and redirect stand only while the device is connected: it
 *   must be able to come back by that very address, perhaps at another port.
 *   Devices that may still hold the address, from when they had it (a host that
 *   died with it and is back), are kept from it nevertheless, by their MAC
 *   addresses: see session_path_set_open().
 */

#include <stdbool.h>
#include <netinet/in.h>

struct controller;
struct device;
struct json;
struct link;
struct record;
struct refusal;
struct transfer;
struct uuid;

/* What is added to a lease of 'lifetime' seconds, in milliseconds: clocks that
 * run differently by a tenth, and a second. */
#define PERMANENT_MARGIN(LIFETIME) ((LIFETIME) *100LL + 1000)
/* Milliseconds for which an owner is asked to bring an address home. */
#define PERMANENT_RECALL 5000

struct permanents *permanents_create(void);
void permanents_destroy(struct permanents *);
void permanents_run(struct controller *);
void permanents_wait(const struct controller *);

/* The id of the session that the address is. */
void permanent_session(const char *device, const struct in6_addr *,
                       struct uuid *);
/* May a session with this id be on 'address'?  True for addresses that are no
 * device's own. */
bool permanent_matches(const struct controller *, const struct uuid *session,
                       const struct in6_addr *);
/* "permanent" of a registration: what the device has of its own. */
struct json *permanents_of(const struct controller *, const char *device);

/* May 'device' begin to give 'address' away?  (Nothing is said of addresses
 * that are no device's own.) */
void permanent_check_introduce(const struct controller *,
                               const struct device *, const struct in6_addr *,
                               struct refusal *);
/* Adds to "expect" for how many seconds the target will have it. */
void permanent_put_expect(const struct controller *, const struct transfer *,
                          struct json *params);
/* Is its device away, so that nothing is to hinder that one from coming back? */
bool permanent_is_open(const struct controller *, const struct record *);
/* 'device' is a holder of 'address' (holder.h): if that is permanent, also for
 * the next controller. */
void permanent_keep_holder(struct controller *, const struct in6_addr *address,
                           const char *device);
/* Has the device where it began asked for it? */
bool permanent_is_recalled(const struct controller *, const struct record *);

/* The owner renews its lease: for how many seconds. */
unsigned int permanent_renew(struct controller *, const struct record *);
/* The device at home wants it: its owner has so many milliseconds to bring it.
 * False if it is there already. */
bool permanent_recall(struct controller *, const struct record *,
                      unsigned int ms);
/* The owner has given it up: it is to be revoked, by mediator_act().  False if
 * it is no device's own. */
bool permanent_ended(struct controller *, const struct uuid *session,
                     const struct in6_addr *);
/* What is told instead of "owned" and "released" if 't' was a revocation;
 * false if not. */
bool permanent_tell_owned(struct controller *, const struct transfer *);
bool permanent_tell_released(struct controller *, const struct transfer *);

#endif /* controller/permanent.h */
