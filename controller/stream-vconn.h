/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_STREAM_VCONN_H
#define BATON_STREAM_VCONN_H 1

/* An OpenFlow connection over a stream that the caller opened or accepted.
 *
 * libopenvswitch's own vconns hide their stream and with it the name in the
 * peer's certificate.  This one shows it; and it gathers what is sent, so
 * that a bundle goes out in one write: nothing leaves before
 * stream_vconn_flush() or vconn_run().  Everything else goes by vconn_*(). */

#include <stddef.h>
#include <stdint.h>

struct stream;
struct vconn;

/* Takes the stream, connected or connecting ('connect_status': 0 or EAGAIN,
 * as stream_connect() had it).  'allowed_versions' is a bitmap. */
struct vconn *stream_vconn_create(struct stream *, int connect_status,
                                  uint32_t allowed_versions);

/* The name in the peer's certificate; NULL without TLS. */
const char *stream_vconn_get_peer_id(const struct vconn *);

/* Writes what was gathered, as far as the stream takes it.  An error shows in
 * the next vconn_recv(). */
void stream_vconn_flush(struct vconn *);
/* Bytes gathered and not written. */
size_t stream_vconn_get_backlog(const struct vconn *);

#endif /* controller/stream-vconn.h */
