/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_NAME_DEVICES_H
#define BATON_NAME_DEVICES_H 1

/* What a device that answers questions about its own movable services (policy:
 * "answer: device") is told when it registers. */

struct json;
struct policy;

/* The "names" of a registration's answer; NULL: it answers none. */
struct json *name_devices_of(const struct policy *, const char *device);

#endif /* controller/name-devices.h */
