/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "peer-link.h"
#include "packet-queue.h"
#include "packets.h"

#include "fuzz.h"

/* A frame that came by way of the controller; and, with its body, late packets
 * that are queued and framed again. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fuzz_input in = { data, n };
    uint8_t *bytes = fuzz_bytes(&in, n, &n);
    struct packet_queue q, again;
    struct in6_addr address;
    struct peer_frame frame;
    size_t pos = 0, len;
    uint8_t *body;

    if (peer_frame_parse(bytes, n, "tv", &frame)) {
        fuzz_check(frame.len == n - PEER_HEADER_LEN && !frame.body[frame.len]);
        peer_frame_uninit(&frame);
    }

    in6_addr_set_mapped_ipv4(&address, htonl(0x0a010064));
    packet_queue_init(&q);
    packet_queue_init(&again);
    packet_queue_from_frame(&q, bytes, n, &address);
    while ((body = packet_queue_to_frame(&q, &pos, &len))) {
        fuzz_check(packet_queue_from_frame(&again, body, len, &address));
        free(body);
    }
    fuzz_check(again.n == q.n && again.bytes == q.bytes && !again.dropped);
    packet_queue_uninit(&q);
    packet_queue_uninit(&again);
    free(bytes);
    return 0;
}
