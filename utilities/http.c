/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "http.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* A piece of the request. */
struct span {
    const char *p;
    size_t n;
};

static bool
span_equals(struct span s, const char *string)
{
    return s.n == strlen(string) && !memcmp(s.p, string, s.n);
}

static bool
span_equals_nocase(struct span s, const char *string)
{
    return s.n == strlen(string) && !strncasecmp(s.p, string, s.n);
}

static struct span
span_trim(struct span s)
{
    while (s.n && (*s.p == ' ' || *s.p == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) {
        s.n--;
    }
    return s;
}

/* Takes what comes before 'delimiter' out of '*rest'. */
static bool
span_split(struct span *rest, char delimiter, struct span *part)
{
    const char *end = memchr(rest->p, delimiter, rest->n);

    if (!end) {
        return false;
    }
    part->p = rest->p;
    part->n = end - rest->p;
    rest->p = end + 1;
    rest->n -= part->n + 1;
    return true;
}

static bool
next_line(struct span *rest, struct span *line)
{
    if (!span_split(rest, '\n', line)) {
        return false;
    }
    if (line->n && line->p[line->n - 1] == '\r') {
        line->n--;
    }
    return true;
}

static bool
parse_number(struct span s, uint64_t *x)
{
    *x = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (!isdigit((unsigned char) s.p[i]) || *x > UINT64_MAX / 10 - 1) {
            return false;
        }
        *x = *x * 10 + (s.p[i] - '0');
    }
    return s.n > 0;
}

/* What is not understood here is ignored, as RFC 9110 14.2 has it. */
static void
parse_range(struct span s, struct http_request *req)
{
    struct span unit, first;
    uint64_t a = UINT64_MAX, b = UINT64_MAX;

    if (!span_split(&s, '=', &unit) || !span_equals_nocase(unit, "bytes")
        || !span_split(&s, '-', &first)) {
        return;
    }
    first = span_trim(first);
    s = span_trim(s);
    if ((first.n && !parse_number(first, &a)) || (s.n && !parse_number(s, &b))
        || (!first.n && !s.n) || (first.n && s.n && b < a)) {
        return;
    }
    req->has_range = true;
    req->range_first = a;
    req->range_last = b;
}

static int
hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Appends one segment of a path.  Returns a status. */
static int
add_segment(const char *segment, size_t n, char *path, size_t *len)
{
    if (!n || (n == 1 && segment[0] == '.')) {
        return 0;
    } else if (n == 2 && !memcmp(segment, "..", 2)) {
        return 404; /* Nothing above the root is anyone's. */
    } else if (*len + n + 2 > HTTP_PATH_MAX) {
        return 414;
    }
    if (*len) {
        path[(*len)++] = '/';
    }
    memcpy(path + *len, segment, n);
    *len += n;
    return 0;
}

static int
parse_target(struct span s, struct http_request *req)
{
    char decoded[HTTP_HEAD_MAX];
    size_t n = 0, len = 0, start = 0;
    struct span part;
    int status = 0;

    if (s.n > 7 && !strncasecmp(s.p, "http://", 7)) {
        s.p += 7;
        s.n -= 7;
        if (span_split(&s, '/', &part)) {
            s.p--;
            s.n++;
        }
    }
    if (!s.n || s.p[0] != '/') {
        return 400;
    }
    for (size_t i = 0; i < s.n && s.p[i] != '?' && s.p[i] != '#'; i++) {
        int c = (unsigned char) s.p[i];

        if (c == '%') {
            if (i + 2 >= s.n || hex(s.p[i + 1]) < 0 || hex(s.p[i + 2]) < 0) {
                return 400;
            }
            c = hex(s.p[i + 1]) * 16 + hex(s.p[i + 2]);
            i += 2;
        }
        if (!c) {
            return 400;
        }
        decoded[n++] = c; /* Shorter than the request. */
    }
    for (size_t i = 0; i <= n && !status; i++) {
        if (i == n || decoded[i] == '/') {
            status = add_segment(decoded + start, i - start, req->path, &len);
            start = i + 1;
        }
    }
    if (!len) {
        req->path[len++] = '.';
    }
    req->path[len] = '\0';
    return status;
}

static int
parse_request_line(struct span line, struct http_request *req)
{
    struct span method, target;
    bool is_get;

    if (!span_split(&line, ' ', &method) || !span_split(&line, ' ', &target)
        || !method.n) {
        return 400;
    } else if (span_equals(line, "HTTP/1.1")) {
        req->keep_alive = true;
    } else if (line.n != 8 || memcmp(line.p, "HTTP/", 5)) {
        return 400;
    } else if (!span_equals(line, "HTTP/1.0")) {
        return 505;
    }
    is_get = span_equals(method, "GET");
    req->head = span_equals(method, "HEAD");
    if (!is_get && !req->head) {
        return 405;
    }
    return parse_target(target, req);
}

struct headers {
    int n_hosts;
    bool has_body;
    bool if_range;
    struct span range;
};

static int
parse_header(struct span line, struct http_request *req, struct headers *h)
{
    struct span name;
    uint64_t length;

    if (!span_split(&line, ':', &name) || !name.n) {
        return 400;
    }
    for (size_t i = 0; i < name.n; i++) {
        if ((unsigned char) name.p[i] <= ' ' || name.p[i] == 127) {
            return 400; /* Folding, and spaces that smuggle. */
        }
    }
    line = span_trim(line);
    if (span_equals_nocase(name, "host")) {
        h->n_hosts++;
    } else if (span_equals_nocase(name, "connection")) {
        if (span_equals_nocase(line, "close")) {
            req->keep_alive = false;
        } else if (span_equals_nocase(line, "keep-alive")) {
            req->keep_alive = true;
        }
    } else if (span_equals_nocase(name, "range")) {
        h->range = line;
    } else if (span_equals_nocase(name, "if-range")) {
        h->if_range = true;
    } else if (span_equals_nocase(name, "transfer-encoding")) {
        h->has_body = true;
    } else if (span_equals_nocase(name, "content-length")) {
        h->has_body |= !parse_number(line, &length) || length;
    }
    return 0;
}

/* Finds the empty line.  Returns the length of the head, or 0. */
static size_t
head_length(const char *p, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++) {
        if (p[i] == '\n'
            && (p[i + 1] == '\n'
                || (i + 2 < n && p[i + 1] == '\r' && p[i + 2] == '\n'))) {
            return i + (p[i + 1] == '\n' ? 2 : 3);
        }
    }
    return 0;
}

size_t
http_parse(const char *p, size_t n, struct http_request *req)
{
    struct headers h = { .n_hosts = 0 };
    struct span rest, line;
    size_t skipped = 0, length;
    bool is_11;
    int status;

    memset(req, 0, sizeof *req);
    while (n && (*p == '\r' || *p == '\n')) { /* RFC 9112 2.2. */
        p++;
        n--;
        skipped++;
    }
    length = head_length(p, n);
    if (!length) {
        if (n < HTTP_HEAD_MAX) {
            return 0;
        }
        req->status = 431;
        return skipped + n;
    }
    rest.p = p;
    rest.n = length;
    if (length > HTTP_HEAD_MAX) {
        req->status = 431;
        return skipped + length;
    }
    status = (!next_line(&rest, &line) || memchr(p, '\0', length)
                  ? 400
                  : parse_request_line(line, req));
    is_11 = req->keep_alive;
    while (next_line(&rest, &line) && line.n) {
        int error = parse_header(line, req, &h);

        status = status ? status : error;
    }
    if (!status && (h.has_body || h.n_hosts > 1 || (is_11 && !h.n_hosts))) {
        status = 400;
    }
    if (h.range.p && !h.if_range) {
        parse_range(h.range, req);
    }
    /* After these it is not known where the next request begins. */
    if (status && (status != 404 || h.has_body)) {
        req->keep_alive = false;
    }
    req->status = status;
    return skipped + length;
}

int
http_range(const struct http_request *req, uint64_t size, uint64_t *offset,
           uint64_t *length)
{
    *offset = 0;
    *length = size;
    if (!req->has_range) {
        return 200;
    } else if (req->range_first == UINT64_MAX) {
        uint64_t n = req->range_last < size ? req->range_last : size;

        *offset = size - n;
        *length = n;
    } else if (req->range_first < size) {
        uint64_t last = req->range_last < size ? req->range_last : size - 1;

        *offset = req->range_first;
        *length = last - req->range_first + 1;
    } else {
        *length = 0;
    }
    return *length ? 206 : 416;
}

static const char *
status_text(int status)
{
    switch (status) {
    case 200: return "OK";
    case 206: return "Partial Content";
    case 307: return "Temporary Redirect";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 414: return "URI Too Long";
    case 416: return "Range Not Satisfiable";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Internal Server Error";
    }
}

static const char *
content_type(const char *path)
{
    static const char *const types[][2] = {
        { ".css", "text/css" },          { ".html", "text/html" },
        { ".jpg", "image/jpeg" },        { ".js", "text/javascript" },
        { ".json", "application/json" }, { ".mp4", "video/mp4" },
        { ".png", "image/png" },         { ".svg", "image/svg+xml" },
        { ".txt", "text/plain" },
    };
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++) {
        if (!strcasecmp(dot, types[i][0])) {
            return types[i][1];
        }
    }
    return "application/octet-stream";
}

size_t
http_response(char buf[HTTP_RESPONSE_MAX], int status,
              const struct http_request *req, uint64_t size, uint64_t offset,
              uint64_t length)
{
    bool is_error = status >= 400;
    char body[64] = "";
    char range[96] = "";
    char date[64];
    time_t now = time(NULL);
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (status == 416) {
        snprintf(range, sizeof range, "Content-Range: bytes */%" PRIu64 "\r\n",
                 size);
    } else if (status == 206) {
        snprintf(range, sizeof range,
                 "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64
                 "\r\n",
                 offset, offset + length - 1, size);
    }
    if (is_error) {
        length = snprintf(body, sizeof body, "%d %s\n", status,
                          status_text(status));
    }
    return snprintf(buf, HTTP_RESPONSE_MAX,
                    "HTTP/1.1 %d %s\r\n"
                    "Date: %s\r\n"
                    "Server: baton-serve\r\n"
                    "Content-Type: %s\r\n"
                    "Content-Length: %" PRIu64 "\r\n"
                    "%s%s%sConnection: %s\r\n\r\n%s",
                    status, status_text(status), date,
                    is_error ? "text/plain" : content_type(req->path), length,
                    range, is_error ? "" : "Accept-Ranges: bytes\r\n",
                    status == 405 ? "Allow: GET, HEAD\r\n" : "",
                    req->keep_alive ? "keep-alive" : "close",
                    req->head ? "" : body);
}

/* Writes 'path' as it is in a URL.  Returns its length. */
static size_t
escape_path(char *buf, const char *path)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789-._~/";
    size_t n = 0;

    for (; *path; path++) {
        n += (strchr(plain, *path)
                  ? sprintf(buf + n, "%c", *path)
                  : sprintf(buf + n, "%%%02X", (unsigned char) *path));
    }
    return n;
}

size_t
http_redirect(char buf[HTTP_REDIRECT_MAX], const struct http_request *req,
              const char *origin)
{
    char path[3 * HTTP_PATH_MAX] = "";

    if (strcmp(req->path, ".")) {
        path[escape_path(path, req->path)] = '\0';
    }
    return snprintf(buf, HTTP_REDIRECT_MAX,
                    "HTTP/1.1 307 %s\r\n"
                    "Server: baton-serve\r\n"
                    "Location: %.128s/%s\r\n"
                    "Cache-Control: no-store\r\n"
                    "Content-Length: 0\r\n"
                    "Connection: close\r\n\r\n",
                    status_text(307), origin, path);
}
