/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* What an agent does with an IP packet that another machine sent.  The address
 * is the packet's own destination, so that the checks behind it are reached.
 */

#include <stdlib.h>

#include "late-packet.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct late_packet_info info;

    if (late_packet_parse(data, n, &info)) {
        uint8_t *copy = xmemdup(data, info.size);

        ovs_assert(info.size <= n && info.l4_ofs <= info.size);
        late_packet_is_for(copy, info.size, &info.dst);
        late_packet_complete(copy, &info);
        free(copy);
    }
    return 0;
}
