/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_WIRE_H
#define BATON_WIRE_H 1

/* Integers and UUIDs as bytes in network order, at any alignment.
 *
 * Each wire_put_*() returns the byte after the one it wrote last; each
 * wire_get_*() reads from 'p', which the caller knows to be long enough. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "openvswitch/uuid.h"

static inline uint8_t *
wire_put_bytes(uint8_t *p, const void *bytes, size_t n)
{
    if (n) {
        memcpy(p, bytes, n);
    }
    return p + n;
}

static inline uint8_t *
wire_put_u8(uint8_t *p, uint8_t x)
{
    *p = x;
    return p + 1;
}

static inline uint8_t *
wire_put_u16(uint8_t *p, uint16_t x)
{
    return wire_put_u8(wire_put_u8(p, x >> 8), x);
}

static inline uint8_t *
wire_put_u32(uint8_t *p, uint32_t x)
{
    return wire_put_u16(wire_put_u16(p, x >> 16), x);
}

static inline uint8_t *
wire_put_u64(uint8_t *p, uint64_t x)
{
    return wire_put_u32(wire_put_u32(p, x >> 32), x);
}

/* The order of the UUID's text form. */
static inline uint8_t *
wire_put_uuid(uint8_t *p, const struct uuid *uuid)
{
    for (size_t i = 0; i < 4; i++) {
        p = wire_put_u32(p, uuid->parts[i]);
    }
    return p;
}

/* L2(x) of wire-protocol.rst: two bytes of length, then 'bytes'. */
static inline uint8_t *
wire_put_l2(uint8_t *p, const void *bytes, uint16_t n)
{
    return wire_put_bytes(wire_put_u16(p, n), bytes, n);
}

static inline uint16_t
wire_get_u16(const uint8_t *p)
{
    return (uint16_t) (p[0] << 8 | p[1]);
}

static inline uint32_t
wire_get_u32(const uint8_t *p)
{
    return (uint32_t) wire_get_u16(p) << 16 | wire_get_u16(p + 2);
}

static inline uint64_t
wire_get_u64(const uint8_t *p)
{
    return (uint64_t) wire_get_u32(p) << 32 | wire_get_u32(p + 4);
}

static inline void
wire_get_uuid(const uint8_t *p, struct uuid *uuid)
{
    for (size_t i = 0; i < 4; i++) {
        uuid->parts[i] = wire_get_u32(p + 4 * i);
    }
}

#endif /* lib/wire.h */
