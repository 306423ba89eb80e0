/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_SERVE_REDIRECT_H
#define BATON_SERVE_REDIRECT_H 1

/* The front door of baton-serve --redirect: takes requests at all addresses of
 * the device, and sends each client to an address that its caller names (HTTP
 * 307).
 *
 *     r = redirector_open(8000);
 *     watch redirector_fd(r) for reading;
 *     redirector_run(r, now);
 *     while (redirector_next(r, &family)) {
 *         ... redirector_answer(r, "http://10.1.0.129:8080");
 *     }
 *
 * Knows no sessions.  Clients that say nothing are closed after a while. */

#include <stdbool.h>
#include <stdint.h>

struct redirector;

/* NULL, with errno. */
struct redirector *redirector_open(uint16_t port);
void redirector_close(struct redirector *);
int redirector_fd(const struct redirector *);
void redirector_run(struct redirector *, int64_t now_ms);

/* Is there a whole request?  Stores the family of the address that its client
 * has used. */
bool redirector_next(struct redirector *, int *family);
/* Answers that one; 'origin' NULL: there is nobody (503). */
void redirector_answer(struct redirector *, const char *origin);

#endif /* utilities/serve-redirect.h */
