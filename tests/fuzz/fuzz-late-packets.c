/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "late-packet.h"

#include "fuzz.h"

/* What an agent does with an IP packet that another machine sent.  It is taken
 * to be for its own destination, so that the checks behind that are reached. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fuzz_input in = { data, n };
    struct late_packet_info info;
    uint8_t *packet = fuzz_bytes(&in, n, &n);

    if (late_packet_parse(packet, n, &info)) {
        fuzz_check(info.size <= n && info.l4_ofs <= info.size);
        late_packet_is_for(packet, n, &info.dst);
        late_packet_is_for(packet, info.size, &info.dst);
        late_packet_complete(packet, &info);
    }
    free(packet);
    return 0;
}
