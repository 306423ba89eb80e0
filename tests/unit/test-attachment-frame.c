/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "attachment-frame.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "packets.h"
#include "unit.h"
#include "util.h"

static uint8_t sa_key[SEAL_KEY_LEN];

static void
make_frame(enum attachment_kind kind, uint8_t frame[ATTACHMENT_FRAME_LEN])
{
    struct attachment_frame f = {
        .src = ETH_ADDR_C(02, 00, 00, 00, 00, 01),
        .dst = ETH_ADDR_C(02, 00, 00, 00, 00, 02),
        .kind = kind,
        .sa_id = 0x0102030405060708,
    };

    seal_random(sa_key, sizeof sa_key);
    memset(f.nonce, 0xaa, sizeof f.nonce);
    attachment_frame_compose(&f, sa_key, frame);
}

static void
check_round_trip(enum attachment_kind kind, struct eth_addr dst)
{
    uint8_t frame[ATTACHMENT_FRAME_LEN];
    struct attachment_frame f;

    make_frame(kind, frame);
    CU_ASSERT(attachment_frame_parse(frame, sizeof frame, &f));
    CU_ASSERT(f.kind == kind);
    CU_ASSERT(f.sa_id == 0x0102030405060708);
    CU_ASSERT(f.nonce[0] == 0xaa && f.nonce[15] == 0xaa);
    CU_ASSERT(eth_addr_equals(f.dst, dst));
    CU_ASSERT(attachment_frame_verify(&f, sa_key));

    sa_key[0] ^= 1;
    CU_ASSERT(!attachment_frame_verify(&f, sa_key));
}

static void
test_round_trip(void)
{
    struct eth_addr group = ETH_ADDR_C(03, 00, 00, ba, 70, 00);
    struct eth_addr unicast = ETH_ADDR_C(02, 00, 00, 00, 00, 02);

    check_round_trip(ATTACHMENT_ANSWER, group);
    check_round_trip(ATTACHMENT_PROBE, unicast);
    check_round_trip(ATTACHMENT_FLUSH, group);
    check_round_trip(ATTACHMENT_TUNNEL_PROBE, unicast);
    check_round_trip(ATTACHMENT_TUNNEL_ANSWER, group);
}

/* The form on the wire, byte by byte. */
static void
test_layout(void)
{
    static const uint8_t start[] = {
        0x03, 0x00, 0x00, 0xba, 0x70, 0x00, /* Destination. */
        0x02, 0x00, 0x00, 0x00, 0x00, 0x01, /* Source. */
        0x88, 0xb5, 'B',  'A',  'T',  'N',  1,    1,    0x01, 0x02, 0x03,
        0x04, 0x05, 0x06, 0x07, 0x08, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
        0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
    };
    uint8_t frame[ATTACHMENT_FRAME_LEN], mac[SEAL_HASH_LEN];
    struct iovec iov[] = {
        { "baton attach v1", 15 },
        { frame + 20, 24 }, /* SA id and nonce. */
        { frame + 6, 6 },   /* Source. */
    };

    make_frame(ATTACHMENT_ANSWER, frame);
    CU_ASSERT(!memcmp(frame, start, sizeof start));
    seal_hmac(sa_key, iov, ARRAY_SIZE(iov), mac);
    CU_ASSERT(!memcmp(frame + sizeof start, mac, sizeof mac));
    CU_ASSERT(sizeof start + sizeof mac == sizeof frame);
}

/* Whatever byte of a frame is changed: it is not parsed, or not verified.  The
 * destination of a probe is no part of what is sworn: it need only arrive. */
static void
test_changed(void)
{
    for (int kind = ATTACHMENT_ANSWER; kind <= ATTACHMENT_PROBE; kind++) {
        uint8_t frame[ATTACHMENT_FRAME_LEN];
        struct attachment_frame f;

        make_frame(kind, frame);
        for (size_t i = kind == ATTACHMENT_PROBE ? 6 : 0; i < sizeof frame;
             i++) {
            for (int bit = 0; bit < 8; bit++) {
                frame[i] ^= 1 << bit;
                CU_ASSERT(!attachment_frame_parse(frame, sizeof frame, &f)
                          || !attachment_frame_verify(&f, sa_key));
                frame[i] ^= 1 << bit;
            }
        }
        CU_ASSERT(attachment_frame_parse(frame, sizeof frame, &f)
                  && attachment_frame_verify(&f, sa_key));
    }
}

static void
test_length(void)
{
    uint8_t frame[ATTACHMENT_FRAME_LEN + 1];
    struct attachment_frame f;

    make_frame(ATTACHMENT_ANSWER, frame);
    frame[ATTACHMENT_FRAME_LEN] = 0;
    for (size_t n = 0; n <= sizeof frame; n++) {
        uint8_t *copy = xmemdup(frame, n ? n : 1); /* For ASan. */

        CU_ASSERT(attachment_frame_parse(copy, n, &f)
                  == (n == ATTACHMENT_FRAME_LEN));
        free(copy);
    }
}

static void
test_addresses(void)
{
    uint8_t frame[ATTACHMENT_FRAME_LEN];
    struct attachment_frame f;

    make_frame(ATTACHMENT_ANSWER, frame);
    memset(frame + 6, 0, 6); /* From nobody. */
    CU_ASSERT(!attachment_frame_parse(frame, sizeof frame, &f));
    memset(frame + 6, 0xff, 6); /* From everybody. */
    CU_ASSERT(!attachment_frame_parse(frame, sizeof frame, &f));

    make_frame(ATTACHMENT_ANSWER, frame);
    memset(frame, 0x02, 6); /* An answer to one. */
    CU_ASSERT(!attachment_frame_parse(frame, sizeof frame, &f));
    make_frame(ATTACHMENT_PROBE, frame);
    memset(frame, 0xff, 6); /* A probe to all. */
    CU_ASSERT(!attachment_frame_parse(frame, sizeof frame, &f));
}

/* What goes through a tunnel is as large as fits. */
static void
test_filled_up(void)
{
    static uint8_t large[1464];
    uint8_t frame[ATTACHMENT_FRAME_LEN];
    struct attachment_frame f;

    for (int kind = ATTACHMENT_ANSWER; kind <= ATTACHMENT_TUNNEL_ANSWER;
         kind++) {
        make_frame(kind, frame);
        memcpy(large, frame, sizeof frame);
        CU_ASSERT(attachment_frame_parse(large, sizeof large, &f)
                  == (kind >= ATTACHMENT_TUNNEL_PROBE));
    }
}

/* An answer is not taken for a probe that somebody turns round, nor any kind
 * for another. */
static void
test_kinds_differ(void)
{
    for (int kind = ATTACHMENT_ANSWER; kind <= ATTACHMENT_TUNNEL_ANSWER;
         kind++) {
        uint8_t frame[ATTACHMENT_FRAME_LEN];
        struct attachment_frame f;

        make_frame(kind, frame);
        CU_ASSERT(attachment_frame_parse(frame, sizeof frame, &f));
        for (int other = ATTACHMENT_ANSWER; other <= ATTACHMENT_TUNNEL_ANSWER;
             other++) {
            f.kind = other;
            CU_ASSERT(attachment_frame_verify(&f, sa_key) == (other == kind));
        }
    }
}

static const struct unit_test tests[] = {
    { "compose, parse, verify", test_round_trip },
    { "a frame's form", test_layout },
    { "any bit changed", test_changed },
    { "wrong lengths", test_length },
    { "wrong addresses", test_addresses },
    { "filled up in tunnels", test_filled_up },
    { "an answer is no probe", test_kinds_differ },
};

int
main(void)
{
    return unit_run("attachment-frame", tests, ARRAY_SIZE(tests));
}
