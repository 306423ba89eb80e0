/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "serve-conn.h"

#include <fcntl.h>
#include <unistd.h>

#include "fuzz.h"
#include "stream.h"

/* What an application of another device calls the state of a connection or of
 * a stream, and what anybody calls a request. */

static void
fuzz_serve(struct state_reader *r)
{
    static int root_fd = -1;
    const char *problem;
    struct serve_conn *c;

    if (root_fd < 0) {
        root_fd = open("/usr/include", O_RDONLY | O_DIRECTORY);
    }
    c = serve_conn_decode(r, -1, root_fd, 0, &problem);
    if (c) {
        struct state_writer w = { .n = 0 };

        serve_conn_encode(c, &w);
        free(w.p);
        serve_conn_destroy(c);
    }
}

static void
fuzz_stream(struct state_reader *r)
{
    struct state_writer w = { .n = 0 };
    struct stream s;

    stream_init(&s, 1, 100, 0);
    stream_decode(&s, r);
    if (!r->failed) {
        uint8_t packet[100];
        uint64_t number;

        stream_packet(packet, sizeof packet, s.count.stream,
                      s.count.highest + 1, 0);
        stream_count(&s.count, packet, sizeof packet, &number);
        stream_count_lost(&s.count);
        stream_encode(&s, &w);
        free(w.p);
    }
    stream_destroy(&s);
}

static void
fuzz_http(const uint8_t *bytes, size_t n)
{
    struct http_request req;
    char buf[HTTP_RESPONSE_MAX];
    uint64_t offset, length;
    int status;

    if (!http_parse((const char *) bytes, n, &req)) {
        return;
    }
    status = req.status ? req.status
                        : http_range(&req, 1000, &offset, &length);
    if (!req.status) {
        http_response(buf, status, &req, 1000, offset, length);
        if (strstr(req.path, "../") || req.path[0] == '/'
            || offset + length > 1000) {
            abort();
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct state_reader r = { .p = bytes + 1, .n = n ? n - 1 : 0 };

    if (!n) {
        return 0;
    }
    switch (bytes[0] % 3) {
    case 0: fuzz_serve(&r); break;
    case 1: fuzz_stream(&r); break;
    case 2: fuzz_http(bytes + 1, n - 1); break;
    }
    return 0;
}
