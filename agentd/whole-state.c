/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "whole-state.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "app-socket.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"
#include "wire.h"

static const uint8_t magic[4] = { 'B', 'W', 'A', '1' };

/* Joining. */

static void
put_u16(struct ofpbuf *out, uint16_t x)
{
    wire_put_u16(ofpbuf_put_uninit(out, 2), x);
}

static void
put_string(struct ofpbuf *out, const char *s)
{
    uint8_t n = strlen(s);

    ofpbuf_put(out, &n, 1);
    ofpbuf_put(out, s, n);
}

/* Calls for the bytes of a sealed memfd; munmap()s after. */
static int
put_state(struct ofpbuf *out, int fd)
{
    size_t n;
    void *p;
    int error = app_state_check(fd, APP_STATE_MAX, &n);

    if (error) {
        return error;
    }
    wire_put_u32(ofpbuf_put_uninit(out, 4), n);
    if (n) {
        p = mmap(NULL, n, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED) {
            return errno;
        }
        ofpbuf_put(out, p, n);
        munmap(p, n);
    }
    return 0;
}

int
whole_state_join(const struct whole_part *parts, size_t n, int *fdp)
{
    struct ofpbuf out;
    int error = 0;

    ofpbuf_init(&out, 1024);
    ofpbuf_put(&out, magic, sizeof magic);
    put_u16(&out, n);
    for (size_t i = 0; i < n && !error; i++) {
        const struct whole_part *part = &parts[i];
        uint8_t has_state = part->state_fd >= 0;

        put_string(&out, part->service);
        put_string(&out, part->name);
        put_u16(&out, part->n_sockets);
        for (size_t j = 0; j < part->n_sockets; j++) {
            put_u16(&out, part->sockets[j]);
        }
        ofpbuf_put(&out, &has_state, 1);
        if (has_state) {
            error = put_state(&out, part->state_fd);
        }
    }
    if (!error) {
        error = app_state_create(out.data, out.size, fdp);
    }
    ofpbuf_uninit(&out);
    return error;
}

/* Splitting. */

/* The next 'n' bytes of 'in', or NULL. */
static const uint8_t *
get(struct ofpbuf *in, size_t n)
{
    return ofpbuf_try_pull(in, n);
}

static bool
get_u16(struct ofpbuf *in, size_t *x)
{
    const uint8_t *p = get(in, 2);

    *x = p ? wire_get_u16(p) : 0;
    return p != NULL;
}

static bool
get_string(struct ofpbuf *in, char s[APP_NAME_LEN])
{
    const uint8_t *n = get(in, 1);
    const uint8_t *p = n && *n < APP_NAME_LEN ? get(in, *n) : NULL;

    if (!p || memchr(p, '\0', *n)) {
        return false;
    }
    memcpy(s, p, *n);
    s[*n] = '\0';
    return true;
}

static bool
get_sockets(struct ofpbuf *in, struct whole_part *part, bool *used,
            size_t n_sockets)
{
    size_t n;

    if (!get_u16(in, &n) || n > APP_SOCKETS_MAX) {
        return false;
    }
    while (part->n_sockets < n) {
        size_t i;

        if (!get_u16(in, &i) || i >= n_sockets || used[i]) {
            return false;
        }
        used[i] = true;
        part->sockets[part->n_sockets++] = i;
    }
    return true;
}

static bool
get_state(struct ofpbuf *in, struct whole_part *part)
{
    const uint8_t *has_state = get(in, 1);
    const uint8_t *n, *p;

    if (!has_state || *has_state > 1) {
        return false;
    }
    if (!*has_state) {
        return true;
    }
    n = get(in, 4);
    p = n && wire_get_u32(n) <= APP_STATE_MAX ? get(in, wire_get_u32(n))
                                              : NULL;
    return p && !app_state_create(p, wire_get_u32(n), &part->state_fd);
}

static bool
split(struct ofpbuf *in, size_t n_sockets, struct whole_part **partsp,
      size_t *np)
{
    bool *used = xcalloc(n_sockets + 1, sizeof *used);
    const uint8_t *start = get(in, sizeof magic);
    size_t n;
    bool ok;

    ok = start && !memcmp(start, magic, sizeof magic) && get_u16(in, &n)
         && n <= WHOLE_PARTS_MAX;
    if (ok) {
        *partsp = xcalloc(n + 1, sizeof **partsp);
        while (ok && *np < n) {
            struct whole_part *part = &(*partsp)[(*np)++];

            part->state_fd = -1;
            ok = get_string(in, part->service) && get_string(in, part->name)
                 && get_sockets(in, part, used, n_sockets)
                 && get_state(in, part);
        }
    }
    free(used);
    return ok && !in->size;
}

int
whole_state_split(int fd, size_t n_sockets, struct whole_part **partsp,
                  size_t *np)
{
    struct ofpbuf in;
    size_t size;
    void *p;
    int error = app_state_check(fd, APP_STATE_MAX, &size);

    *partsp = NULL;
    *np = 0;
    if (error || !size) {
        return error ? error : EPROTO;
    }
    p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        return errno;
    }
    ofpbuf_use_const(&in, p, size);
    if (!split(&in, n_sockets, partsp, np)) {
        whole_parts_free(*partsp, *np);
        *partsp = NULL;
        *np = 0;
        error = EPROTO;
    }
    munmap(p, size);
    return error;
}

void
whole_parts_free(struct whole_part *parts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        app_fds_close(&parts[i].state_fd, parts[i].state_fd >= 0);
    }
    free(parts);
}
