/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "http.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"
#include "util.h"

static struct http_request req;

static size_t
parse(const char *s)
{
    return http_parse(s, strlen(s), &req);
}

/* The status of a GET of 'target'; the path is in 'req'. */
static int
get(const char *target)
{
    char s[4096];

    snprintf(s, sizeof s, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);
    CU_ASSERT_EQUAL(parse(s), strlen(s));
    return req.status;
}

static int
with_header(const char *header)
{
    char s[4096];

    snprintf(s, sizeof s, "GET / HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", header);
    CU_ASSERT_EQUAL(parse(s), strlen(s));
    return req.status;
}

static void
test_pieces(void)
{
    const char *s = "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\n";
    size_t n = strlen("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");

    for (size_t i = 0; i < n; i++) {
        CU_ASSERT_EQUAL(http_parse(s, i, &req), 0);
    }
    CU_ASSERT_EQUAL(parse(s), n);
    CU_ASSERT_EQUAL(req.status, 0);
    CU_ASSERT_STRING_EQUAL(req.path, "a");
    CU_ASSERT(req.keep_alive);
    CU_ASSERT(!req.head);
    CU_ASSERT_EQUAL(parse("\r\nHEAD / HTTP/1.0\n\n"), 19);
    CU_ASSERT_EQUAL(req.status, 0);
    CU_ASSERT(req.head);
    CU_ASSERT(!req.keep_alive);
    CU_ASSERT_STRING_EQUAL(req.path, ".");
}

static void
test_paths(void)
{
    CU_ASSERT_EQUAL(get("/a/b%20c?q#f"), 0);
    CU_ASSERT_STRING_EQUAL(req.path, "a/b c");
    CU_ASSERT_EQUAL(get("//./a//b/."), 0);
    CU_ASSERT_STRING_EQUAL(req.path, "a/b");
    CU_ASSERT_EQUAL(get("http://host:80/a"), 0);
    CU_ASSERT_STRING_EQUAL(req.path, "a");
    CU_ASSERT_EQUAL(get("/..."), 0);
    CU_ASSERT_EQUAL(get("/.."), 404);
    CU_ASSERT_EQUAL(get("/a/../b"), 404);
    CU_ASSERT_EQUAL(get("/%2e%2E/b"), 404);
    CU_ASSERT_EQUAL(get("/a%2f..%2fb"), 404);
    CU_ASSERT_EQUAL(get("/a%00b"), 400);
    CU_ASSERT_EQUAL(get("/a%"), 400);
    CU_ASSERT_EQUAL(get("/a%4"), 400);
    CU_ASSERT_EQUAL(get("/a%zz"), 400);
    CU_ASSERT_EQUAL(get("a"), 400);
    CU_ASSERT_EQUAL(get("*"), 400);
    CU_ASSERT_EQUAL(get("http://host"), 400);

    char path[HTTP_PATH_MAX + 2];

    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    CU_ASSERT_EQUAL(get(path), 414);
    path[HTTP_PATH_MAX - 1] = '\0';
    CU_ASSERT_EQUAL(get(path), 0);
}

static void
test_refusals(void)
{
    char *s = malloc(2 * HTTP_HEAD_MAX);

    parse("nonsense\r\n\r\n");
    CU_ASSERT_EQUAL(req.status, 400);
    CU_ASSERT(!req.keep_alive);
    parse("GET / HTTP/2.0\r\n\r\n");
    CU_ASSERT_EQUAL(req.status, 505);
    parse("GET / FTP/1.0\r\n\r\n");
    CU_ASSERT_EQUAL(req.status, 400);
    parse("POST / HTTP/1.1\r\nHost: x\r\n\r\n");
    CU_ASSERT_EQUAL(req.status, 405);
    parse("GET / HTTP/1.1\r\n\r\n");
    CU_ASSERT_EQUAL(req.status, 400);
    CU_ASSERT_EQUAL(with_header("Host: y"), 400);
    CU_ASSERT_EQUAL(with_header("Content-Length: 1"), 400);
    CU_ASSERT_EQUAL(with_header("Content-Length: 0"), 0);
    CU_ASSERT_EQUAL(with_header("Content-Length: x"), 400);
    CU_ASSERT_EQUAL(with_header("Transfer-Encoding: chunked"), 400);
    CU_ASSERT_EQUAL(with_header("Bad Name: x"), 400);
    CU_ASSERT_EQUAL(with_header(" folded"), 400);
    CU_ASSERT_EQUAL(with_header(": x"), 400);
    CU_ASSERT_EQUAL(with_header("no colon"), 400);
    CU_ASSERT_EQUAL(with_header("Connection: close"), 0);
    CU_ASSERT(!req.keep_alive);

    memset(s, 'x', 2 * HTTP_HEAD_MAX);
    CU_ASSERT_EQUAL(http_parse(s, HTTP_HEAD_MAX - 1, &req), 0);
    CU_ASSERT_EQUAL(http_parse(s, HTTP_HEAD_MAX, &req), HTTP_HEAD_MAX);
    CU_ASSERT_EQUAL(req.status, 431);
    free(s);
}

/* The range of a file of 10 bytes: what of it, or the status. */
static void
expect_range(const char *range, int status, uint64_t offset, uint64_t length)
{
    char header[128];
    uint64_t o, n;

    snprintf(header, sizeof header, "Range: %s", range);
    CU_ASSERT_EQUAL(with_header(header), 0);
    CU_ASSERT_EQUAL(http_range(&req, 10, &o, &n), status);
    if (status != 416) {
        CU_ASSERT_EQUAL(o, offset);
        CU_ASSERT_EQUAL(n, length);
    }
}

static void
test_ranges(void)
{
    uint64_t o, n;

    expect_range("bytes=0-0", 206, 0, 1);
    expect_range("bytes=2-5", 206, 2, 4);
    expect_range("bytes=2-", 206, 2, 8);
    expect_range("bytes=2-99", 206, 2, 8);
    expect_range("bytes=-3", 206, 7, 3);
    expect_range("bytes=-99", 206, 0, 10);
    expect_range("bytes=10-", 416, 0, 0);
    expect_range("bytes=-0", 416, 0, 0);
    expect_range("bytes=5-2", 200, 0, 10);
    expect_range("bytes=1-2,4-5", 200, 0, 10);
    expect_range("bytes=-", 200, 0, 10);
    expect_range("bytes", 200, 0, 10);
    expect_range("lines=1-2", 200, 0, 10);
    expect_range("bytes=99999999999999999999999-", 200, 0, 10);
    expect_range("bytes=1-2\r\nIf-Range: \"x\"", 200, 0, 10);

    with_header("Range: bytes=0-");
    CU_ASSERT_EQUAL(http_range(&req, 0, &o, &n), 416);
    with_header("Range: bytes=-1");
    CU_ASSERT_EQUAL(http_range(&req, 0, &o, &n), 416);
    with_header("X: y");
    CU_ASSERT_EQUAL(http_range(&req, 0, &o, &n), 200);
    CU_ASSERT_EQUAL(n, 0);
}

static void
test_responses(void)
{
    char buf[HTTP_RESPONSE_MAX];
    size_t n;

    get("/a.html");
    n = http_response(buf, 206, &req, 10, 2, 3);
    CU_ASSERT_EQUAL(n, strlen(buf));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf, "HTTP/1.1 206 Partial Content\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf, "Content-Range: bytes 2-4/10\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf, "Content-Length: 3\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf, "Content-Type: text/html\r\n"));
    CU_ASSERT_STRING_EQUAL(buf + n - 4, "\r\n\r\n");
    http_response(buf, 404, &req, 0, 0, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(buf, "Content-Length: 14\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf, "\r\n\r\n404 Not Found\n"));
    http_response(buf, 416, &req, 10, 0, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(buf, "Content-Range: bytes */10\r\n"));
    http_response(buf, 405, &req, 10, 0, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(buf, "Allow: GET, HEAD\r\n"));
    req.head = true;
    n = http_response(buf, 404, &req, 0, 0, 0);
    CU_ASSERT_STRING_EQUAL(buf + n - 4, "\r\n\r\n");
}

static void
test_redirect(void)
{
    char buf[HTTP_REDIRECT_MAX];
    char target[2048];
    size_t n;

    CU_ASSERT_EQUAL(get("/a%20b/c.txt"), 0);
    n = http_redirect(buf, &req, "http://10.1.0.129:8080");
    CU_ASSERT_EQUAL(n, strlen(buf));
    CU_ASSERT(!strncmp(buf, "HTTP/1.1 307 ", 13));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(buf, "\r\nLocation: http://10.1.0.129:8080/a%20b/c.txt\r\n"));
    CU_ASSERT_EQUAL(get("/"), 0);
    http_redirect(buf, &req, "http://[fd00::1]:8080");
    CU_ASSERT_PTR_NOT_NULL(
        strstr(buf, "\r\nLocation: http://[fd00::1]:8080/\r\n"));

    /* Nothing of a path becomes a header, and the longest fits. */
    CU_ASSERT_EQUAL(get("/x%0d%0aSet-Cookie:y"), 0);
    http_redirect(buf, &req, "http://h");
    CU_ASSERT_PTR_NULL(strstr(buf, "\r\nSet-Cookie"));
    memset(target, 0, sizeof target);
    target[0] = '/';
    for (int i = 1; i < HTTP_PATH_MAX - 1; i++) {
        target[i] = '!';
    }
    CU_ASSERT_EQUAL(get(target), 0);
    n = http_redirect(buf, &req, "http://h");
    CU_ASSERT(n < sizeof buf);
    CU_ASSERT_EQUAL(n, strlen(buf));
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "requests in pieces", test_pieces }, { "paths", test_paths },
        { "refusals", test_refusals },         { "ranges", test_ranges },
        { "responses", test_responses },       { "redirect", test_redirect },
    };

    return unit_run("http", tests, ARRAY_SIZE(tests));
}
