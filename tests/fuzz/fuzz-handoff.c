/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "handoff.h"
#include "packets.h"

#include "fuzz.h"

/* What a target does with an opened state. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fuzz_input in = { data, n };
    uint8_t *bytes = fuzz_bytes(&in, n, &n);
    struct in6_addr address;
    struct handoff handoff;
    char *error = NULL;

    in6_addr_set_mapped_ipv4(&address, htonl(0x0a010064));
    if (handoff_decode(bytes, n, &handoff, &error)) {
        fuzz_check(error != NULL);
        free(error);
    } else {
        fuzz_check(handoff.n_sockets <= HANDOFF_SOCKETS_MAX
                   && handoff.app_len <= HANDOFF_APP_STATE_MAX);
        free(handoff_check(&handoff, &address));
        handoff_uninit(&handoff);
    }
    free(bytes);
    return 0;
}
