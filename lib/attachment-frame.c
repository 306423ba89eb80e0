/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "attachment-frame.h"

#include <string.h>
#include <sys/uio.h>

#include "packets.h"
#include "util.h"
#include "wire.h"

#define FRAME_MAGIC "BATN"
#define FRAME_VERSION 1

static const struct eth_addr group = ETH_ADDR_C(03, 00, 00, ba, 70, 00);

static const char *
label_of(enum attachment_kind kind)
{
    switch (kind) {
    case ATTACHMENT_ANSWER: return "baton attach v1";
    case ATTACHMENT_PROBE: return "baton probe v1";
    case ATTACHMENT_FLUSH: return "baton flush v1";
    case ATTACHMENT_TUNNEL_PROBE: return "baton tunnel probe v1";
    case ATTACHMENT_TUNNEL_ANSWER: return "baton tunnel answer v1";
    }
    OVS_NOT_REACHED();
}

/* Is it addressed to one device? */
static bool
is_to_device(enum attachment_kind kind)
{
    return kind == ATTACHMENT_PROBE || kind == ATTACHMENT_TUNNEL_PROBE;
}

static void
compute_mac(const struct attachment_frame *f,
            const uint8_t sa_key[SEAL_KEY_LEN], uint8_t mac[SEAL_HASH_LEN])
{
    const char *label = label_of(f->kind);
    uint8_t buf[32 + 8 + ATTACHMENT_NONCE_LEN + ETH_ADDR_LEN];
    uint8_t *p = wire_put_bytes(buf, label, strlen(label));
    struct iovec iov;

    p = wire_put_u64(p, f->sa_id);
    p = wire_put_bytes(p, f->nonce, ATTACHMENT_NONCE_LEN);
    p = wire_put_bytes(p, &f->src, ETH_ADDR_LEN);
    iov.iov_base = buf;
    iov.iov_len = p - buf;
    seal_hmac(sa_key, &iov, 1, mac);
}

void
attachment_frame_compose(const struct attachment_frame *f,
                         const uint8_t sa_key[SEAL_KEY_LEN],
                         uint8_t frame[ATTACHMENT_FRAME_LEN])
{
    const struct eth_addr *dst = is_to_device(f->kind) ? &f->dst : &group;
    uint8_t *p = frame;

    p = wire_put_bytes(p, dst, ETH_ADDR_LEN);
    p = wire_put_bytes(p, &f->src, ETH_ADDR_LEN);
    p = wire_put_u16(p, ATTACHMENT_ETH_TYPE);
    p = wire_put_bytes(p, FRAME_MAGIC, 4);
    p = wire_put_u8(p, FRAME_VERSION);
    p = wire_put_u8(p, f->kind);
    p = wire_put_u64(p, f->sa_id);
    p = wire_put_bytes(p, f->nonce, ATTACHMENT_NONCE_LEN);
    compute_mac(f, sa_key, p);
}

bool
attachment_frame_parse(const void *frame, size_t n, struct attachment_frame *f)
{
    const uint8_t *p = frame;

    if (n < ATTACHMENT_FRAME_LEN || wire_get_u16(p + 12) != ATTACHMENT_ETH_TYPE
        || memcmp(p + 14, FRAME_MAGIC, 4) || p[18] != FRAME_VERSION
        || p[19] < ATTACHMENT_ANSWER || p[19] > ATTACHMENT_TUNNEL_ANSWER
        || (n != ATTACHMENT_FRAME_LEN && p[19] < ATTACHMENT_TUNNEL_PROBE)) {
        return false;
    }
    memcpy(&f->dst, p, ETH_ADDR_LEN);
    memcpy(&f->src, p + 6, ETH_ADDR_LEN);
    f->kind = p[19];
    f->sa_id = wire_get_u64(p + 20);
    memcpy(f->nonce, p + 28, ATTACHMENT_NONCE_LEN);
    memcpy(f->mac, p + 28 + ATTACHMENT_NONCE_LEN, SEAL_HASH_LEN);

    return !eth_addr_is_multicast(f->src) && !eth_addr_is_zero(f->src)
           && (is_to_device(f->kind) ? !eth_addr_is_multicast(f->dst)
                                     : eth_addr_equals(f->dst, group));
}

struct uuid
attachment_frame_transfer(const struct attachment_frame *f)
{
    struct uuid transfer;

    wire_get_uuid(f->nonce, &transfer);
    return transfer;
}

bool
attachment_frame_verify(const struct attachment_frame *f,
                        const uint8_t sa_key[SEAL_KEY_LEN])
{
    uint8_t mac[SEAL_HASH_LEN];
    bool ok;

    compute_mac(f, sa_key, mac);
    ok = seal_equal(mac, f->mac, SEAL_HASH_LEN);
    seal_wipe(mac, sizeof mac);
    return ok;
}
