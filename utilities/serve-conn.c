/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "serve-conn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHUNK (128 * 1024) /* Bytes at once... */
#define CHUNKS_PER_RUN 2   /* ...and how often, before others' turn. */

enum {
    FLAG_KEEP_ALIVE = 1,
    FLAG_ANSWERING = 2,
    FLAG_LINGERING = 4,
    FLAG_FILE = 8,
};

struct serve_conn *
serve_conn_create(int fd, int64_t now_ms)
{
    struct serve_conn *c = calloc(1, sizeof *c);

    if (c) {
        c->fd = fd;
        c->file = -1;
        c->active_ms = now_ms;
    }
    return c;
}

void
serve_conn_destroy(struct serve_conn *c)
{
    if (c) {
        if (c->file >= 0) {
            close(c->file);
        }
        close(c->fd);
        free(c);
    }
}

void
serve_conn_prepare(int fd)
{
    int on = 1, lowat = CHUNK;

    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat);
}

/* Opens a regular file below 'root_fd'; the kernel sees to it that neither
 * ".." nor a symbolic link leads out. */
static int
open_beneath(int root_fd, const char *path, uint64_t *size)
{
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    struct stat s;
    int fd = syscall(SYS_openat2, root_fd, path, &how, sizeof how);

    if (fd < 0) {
        return -1;
    }
    if (fstat(fd, &s) || (!S_ISREG(s.st_mode) && !S_ISDIR(s.st_mode))) {
        close(fd);
        return -1;
    }
    if (S_ISDIR(s.st_mode)) {
        char *index;

        close(fd);
        if (strstr(path, "index.html")
            || asprintf(&index, "%s/index.html", path) < 0) {
            return -1;
        }
        fd = open_beneath(root_fd, index, size);
        free(index);
        return fd;
    }
    *size = s.st_size;
    return fd;
}

static void
close_file(struct serve_conn *c)
{
    if (c->file >= 0) {
        close(c->file);
        c->file = -1;
    }
    c->remaining = 0;
}

static void
answer(struct serve_conn *c, struct http_request *req, int root_fd)
{
    uint64_t size = 0, offset = 0, length = 0;
    int status = req->status;

    if (!status) {
        c->file = open_beneath(root_fd, req->path, &size);
        status = c->file < 0 ? 404 : http_range(req, size, &offset, &length);
    }
    c->out_len = http_response(c->out, status, req, size, offset, length);
    c->out_sent = 0;
    c->keep_alive = req->keep_alive;
    c->answering = true;
    if (status < 400 && !req->head && length) {
        memcpy(c->path, req->path, sizeof c->path);
        c->offset = offset;
        c->remaining = length;
    } else {
        close_file(c);
    }
}

/* Is there a whole request?  Then begins to answer it. */
static bool
next_request(struct serve_conn *c, int root_fd)
{
    struct http_request req;
    size_t n = http_parse(c->in, c->in_len, &req);

    if (!n) {
        return false;
    }
    c->in_len -= n;
    memmove(c->in, c->in + n, c->in_len);
    answer(c, &req, root_fd);
    return true;
}

/* Both return 1 (go on), 0 (would wait), -1 (close). */

static int
result(ssize_t n)
{
    return n > 0                        ? 1
           : n < 0 && errno == EINTR    ? 1
           : n < 0 && (errno == EAGAIN) ? 0
                                        : -1;
}

static int
send_some(struct serve_conn *c)
{
    ssize_t n;

    if (c->out_sent < c->out_len) {
        n = send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent,
                 MSG_NOSIGNAL | (c->remaining ? MSG_MORE : 0));
        if (n > 0) {
            c->out_sent += n;
        }
    } else {
        off_t offset = c->offset;

        n = sendfile(c->fd, c->file, &offset,
                     c->remaining < CHUNK ? c->remaining : CHUNK);
        if (n > 0) {
            c->offset += n;
            c->remaining -= n;
        }
    }
    return result(n);
}

static int
receive_some(struct serve_conn *c)
{
    ssize_t n;

    if (c->lingering) {
        c->in_len = 0; /* Nobody reads it. */
    }
    if (c->in_len == sizeof c->in) {
        return 1; /* http_parse() says what it thinks of it. */
    }
    n = recv(c->fd, c->in + c->in_len, sizeof c->in - c->in_len, 0);
    if (n > 0) {
        c->in_len += n;
    }
    return result(n);
}

enum serve_wants
serve_conn_wants(const struct serve_conn *c)
{
    return c->answering ? SERVE_WRITE : SERVE_READ;
}

enum serve_wants
serve_conn_run(struct serve_conn *c, int root_fd, int64_t now_ms)
{
    for (int i = 0; i < CHUNKS_PER_RUN;) {
        int more;

        if (c->answering) {
            more = send_some(c);
            i++;
            if (c->out_sent == c->out_len && !c->remaining) {
                close_file(c);
                c->answering = false;
                if (!c->keep_alive) {
                    /* close() would be a RST if something is unread. */
                    shutdown(c->fd, SHUT_WR);
                    c->lingering = true;
                }
            }
        } else if (!c->lingering && next_request(c, root_fd)) {
            more = 1;
        } else {
            more = receive_some(c);
        }
        if (more < 0) {
            return SERVE_DONE;
        } else if (!more) {
            break;
        }
        c->active_ms = now_ms;
    }
    return serve_conn_wants(c);
}

void
serve_conn_encode(const struct serve_conn *c, struct state_writer *w)
{
    size_t path_len = c->remaining ? strlen(c->path) : 0;

    state_put_u(w,
                (c->keep_alive ? FLAG_KEEP_ALIVE : 0)
                    | (c->answering ? FLAG_ANSWERING : 0)
                    | (c->lingering ? FLAG_LINGERING : 0)
                    | (c->remaining ? FLAG_FILE : 0),
                1);
    state_put_u(w, c->offset, 8);
    state_put_u(w, c->remaining, 8);
    state_put_u(w, path_len, 2);
    state_put_u(w, c->in_len, 2);
    state_put_u(w, c->out_len - c->out_sent, 2);
    state_put(w, c->path, path_len);
    state_put(w, c->in, c->in_len);
    state_put(w, c->out + c->out_sent, c->out_len - c->out_sent);
}

/* Finds the file that the other device was sending. */
static const char *
find_file(struct serve_conn *c, int root_fd)
{
    uint64_t size;

    c->file = open_beneath(root_fd, c->path, &size);
    if (c->file < 0) {
        return "a file that is being sent is not here";
    } else if (c->offset > size || c->remaining > size - c->offset) {
        return "a file that is being sent is shorter here";
    }
    return NULL;
}

struct serve_conn *
serve_conn_decode(struct state_reader *r, int fd, int root_fd, int64_t now_ms,
                  const char **problem)
{
    struct serve_conn *c = serve_conn_create(fd, now_ms);
    unsigned int flags = state_get_u(r, 1);
    const void *path, *in, *out;
    size_t path_len;

    if (!c) {
        *problem = "no memory";
        return NULL;
    }
    c->offset = state_get_u(r, 8);
    c->remaining = state_get_u(r, 8);
    path_len = state_get_u(r, 2);
    c->in_len = state_get_u(r, 2);
    c->out_len = state_get_u(r, 2);
    path = state_get(r, path_len);
    in = state_get(r, c->in_len);
    out = state_get(r, c->out_len);

    *problem = NULL;
    if (r->failed || path_len >= sizeof c->path || c->in_len > sizeof c->in
        || c->out_len > sizeof c->out || !(flags & FLAG_FILE) != !c->remaining
        || (!(flags & FLAG_ANSWERING) && (c->remaining || c->out_len))) {
        *problem = "state that makes no sense";
    } else {
        memcpy(c->path, path, path_len);
        memcpy(c->in, in, c->in_len);
        memcpy(c->out, out, c->out_len);
        c->keep_alive = flags & FLAG_KEEP_ALIVE;
        c->answering = flags & FLAG_ANSWERING;
        c->lingering = flags & FLAG_LINGERING;
        if (c->remaining) {
            *problem = find_file(c, root_fd);
        }
    }
    if (*problem) {
        if (c->file >= 0) {
            close(c->file);
        }
        free(c);
        return NULL;
    }
    return c;
}
