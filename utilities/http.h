/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_HTTP_H
#define BATON_HTTP_H 1

/* As much of HTTP/1.1 (RFC 9112) as a server of files needs: requests without
 * a body, one range, keep-alive.  No input and output; trusts nothing. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX 8192     /* Bytes of a request. */
#define HTTP_PATH_MAX 1024     /* Bytes of a decoded path, with the null. */
#define HTTP_RESPONSE_MAX 1024 /* Bytes of what http_response() writes. */
#define HTTP_REDIRECT_MAX 4096 /* Bytes of what http_redirect() writes. */

struct http_request {
    int status; /* 0, or the error to answer with (400...). */
    bool head;  /* HEAD, not GET. */
    bool keep_alive;
    char path[HTTP_PATH_MAX]; /* Decoded, relative to the root, no "..";
                                 * "." for the root itself. */
    bool has_range;
    uint64_t range_first; /* UINT64_MAX: the last 'range_last' bytes. */
    uint64_t range_last;  /* UINT64_MAX: to the end. */
};

/* Parses one request at the beginning of 'n' bytes.  Returns how many bytes
 * it took, or 0 if it is not all there. */
size_t http_parse(const char *, size_t n, struct http_request *);

/* Which bytes of a file of 'size' bytes are asked for?  Returns 200, 206 or
 * 416. */
int http_range(const struct http_request *, uint64_t size, uint64_t *offset,
               uint64_t *length);

/* Writes the head of a response, and for errors (and 416) a short body too,
 * unless 'req' is a HEAD.  Returns its length. */
size_t http_response(char buf[HTTP_RESPONSE_MAX], int status,
                     const struct http_request *, uint64_t size,
                     uint64_t offset, uint64_t length);

/* Writes a response that sends the client to the same path at 'origin'
 * ("http://10.1.0.129:8080").  Returns its length. */
size_t http_redirect(char buf[HTTP_REDIRECT_MAX], const struct http_request *,
                     const char *origin);

#endif /* utilities/http.h */
