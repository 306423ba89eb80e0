/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_APP_SOCKET_H
#define BATON_APP_SOCKET_H 1

/* One 'struct app_message' with its descriptors through a SOCK_SEQPACKET
 * socket, and the memfds that carry state.
 *
 * Used by both ends of the conversation in app-protocol.h; plain C11, nothing
 * of libopenvswitch.  Functions never wait, and return 0 or a positive errno.
 *
 * What is received is checked for form only: length, version, string ends.
 * Which messages may come when is for the callers to say. */

#include <stdbool.h>
#include <stddef.h>

#include "app-protocol.h"

#define APP_SOCKETS_MAX 128               /* As BATON_FDS_MAX. */
#define APP_FDS_MAX (APP_SOCKETS_MAX + 1) /* And the state. */
#define APP_STATE_MAX (16u << 20)         /* As BATON_STATE_MAX. */

/* Zeros '*m' but for 'text', which is made empty, and fills in its version
 * and 'type'. */
void app_message_init(struct app_message *m, enum app_message_type type);

/* Copies 's' (NULL counts as empty), cut to 'size', with a null. */
void app_string_put(char *dst, size_t size, const char *s);
#define APP_STRING_PUT(DST, S) app_string_put(DST, sizeof(DST), S)

/* Sends.  The caller keeps 'fds'.  EAGAIN: the buffer is full. */
int app_socket_send(int sock, const struct app_message *, const int *fds,
                    size_t n_fds);

/* Receives one message, and its descriptors (close-on-exec) into 'fds', which
 * has room for APP_FDS_MAX; they are the caller's.  All strings in '*m' end
 * in a null.
 *
 * EAGAIN: none is there.  ECONNRESET: the other end is gone.  EPROTO: not a
 * message.  EMFILE: its descriptors did not arrive (none is stored), but '*m'
 * is good.  With EPROTO and EMFILE the message has been taken out of the
 * socket. */
int app_socket_recv(int sock, struct app_message *m, int fds[APP_FDS_MAX],
                    size_t *n_fds);

/* Makes a sealed memfd out of 'n' bytes. */
int app_state_create(const void *, size_t n, int *fdp);

/* Is 'fd' a memfd that can no longer change, of at most 'max' bytes?  If so,
 * stores its size. */
int app_state_check(int fd, size_t max, size_t *sizep);

/* Closes all. */
void app_fds_close(const int *fds, size_t n);

#endif /* lib/app-socket.h */
