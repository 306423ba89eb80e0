/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_ACCEPTOR_H
#define BATON_ACCEPTOR_H 1

/* Accepting connections, for a process that may be without descriptors: then
 * a connection stays where it is, and a listening socket that has one wakes
 * poll_block() again and again.  An acceptor waits a little instead.
 *
 *     while (!acceptor_accept(&acceptor, pstream, &stream)) { ... }
 *     ...
 *     acceptor_wait(&acceptor, pstream);
 *
 * Starts as zeros.  Does not own the pstream. */

struct pstream;
struct stream;

/* Milliseconds. */
#define ACCEPTOR_PAUSE 100

struct acceptor {
    long long int again; /* time_msec() of the next try. */
};

/* As pstream_accept(); EAGAIN too after another error, for a while. */
int acceptor_accept(struct acceptor *, struct pstream *, struct stream **);
void acceptor_wait(const struct acceptor *, struct pstream *);

#endif /* lib/acceptor.h */
