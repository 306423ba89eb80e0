/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_WHOLE_STATE_H
#define BATON_WHOLE_STATE_H 1

/* The states of the applications of a whole address, as one: what travels as
 * the state of its one application (see whole.h).
 *
 *     bytes  field                                (network order)
 *         4  magic, "BWA1"
 *         2  number of parts, n
 *         n  times:
 *            1 + bytes: service; 1 + bytes: name
 *            2  number of sockets, m; m times 2: which of the session's
 *            1  is there a state?  4 + bytes: it
 *
 * The other device is not believed: split checks all of it. */

#include <stddef.h>
#include <stdint.h>

#include "app-protocol.h"
#include "app-socket.h"

#define WHOLE_PARTS_MAX 64

struct whole_part {
    char service[APP_NAME_LEN];
    char name[APP_NAME_LEN];
    uint16_t sockets[APP_SOCKETS_MAX];
    size_t n_sockets;
    int state_fd; /* Sealed memfd, or -1. */
};

/* Makes a sealed memfd of 'parts', which keep theirs.  0 or a positive
 * errno. */
int whole_state_join(const struct whole_part *, size_t n, int *fdp);
/* The reverse: EPROTO if it is none, or names another socket than the
 * 'n_sockets' first, or one twice. */
int whole_state_split(int fd, size_t n_sockets, struct whole_part **,
                      size_t *n);
void whole_parts_free(struct whole_part *, size_t n);

#endif /* agentd/whole-state.h */
