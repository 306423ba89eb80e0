/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_SERVE_CONN_H
#define BATON_SERVE_CONN_H 1

/* One connection of baton-serve: what was read and not yet understood, what
 * was answered and not yet sent.  That is all of its state, so that a process
 * on another device goes on with it in the middle of a response.
 *
 * Does not know sessions.  'fd' is nonblocking. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http.h"
#include "state-bytes.h"

enum serve_wants {
    SERVE_READ,  /* Wait until it can be read. */
    SERVE_WRITE, /* Wait until it can be written. */
    SERVE_DONE,  /* Close it. */
};

struct serve_conn {
    int fd;
    int64_t active_ms;        /* When it last made progress. */
    bool keep_alive;          /* Another request may follow. */
    bool answering;           /* In the middle of a response. */
    bool lingering;           /* Said all; waiting for the other end. */
    int file;                 /* -1, or what is being sent, and... */
    char path[HTTP_PATH_MAX]; /* ...its name below the root, ... */
    uint64_t offset;          /* ...the next byte, ... */
    uint64_t remaining;       /* ...and how many there are to send. */
    size_t in_len;
    char in[HTTP_HEAD_MAX]; /* Read. */
    size_t out_len, out_sent;
    char out[HTTP_RESPONSE_MAX];
};

struct serve_conn *serve_conn_create(int fd, int64_t now_ms);
void serve_conn_destroy(struct serve_conn *); /* Closes 'fd'. */

/* Sets what a socket of this server has: nonblocking, no delay, short queue
 * of what is not yet sent (which would have to move with it). */
void serve_conn_prepare(int fd);

/* Does what can be done without waiting, but not for long. */
enum serve_wants serve_conn_run(struct serve_conn *, int root_fd,
                                int64_t now_ms);
enum serve_wants serve_conn_wants(const struct serve_conn *);

void serve_conn_encode(const struct serve_conn *, struct state_writer *);
/* Returns NULL, and what is wrong, if this cannot be gone on with here.  Does
 * not take 'fd' over then. */
struct serve_conn *serve_conn_decode(struct state_reader *, int fd,
                                     int root_fd, int64_t now_ms,
                                     const char **problem);

#endif /* utilities/serve-conn.h */
