/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "attachment-frame.h"

#include <string.h>

#include "fuzz.h"

/* Any frame: what parses is composed again to the same bytes, but for the
 * HMAC, and verifies only if that is the same too. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const uint8_t sa_key[SEAL_KEY_LEN];
    const size_t mac_ofs = ATTACHMENT_FRAME_LEN - SEAL_HASH_LEN;
    uint8_t again[ATTACHMENT_FRAME_LEN];
    struct attachment_frame f;

    if (!attachment_frame_parse(data, n, &f)) {
        return 0;
    }
    fuzz_check(n == ATTACHMENT_FRAME_LEN);
    attachment_frame_compose(&f, sa_key, again);
    fuzz_check(!memcmp(again, data, mac_ofs));
    fuzz_check(attachment_frame_verify(&f, sa_key)
               == !memcmp(again + mac_ofs, data + mac_ofs, SEAL_HASH_LEN));
    return 0;
}
