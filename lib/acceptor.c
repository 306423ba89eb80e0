/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "acceptor.h"

#include <errno.h>

#include "openvswitch/poll-loop.h"
#include "stream.h"
#include "timeval.h"

int
acceptor_accept(struct acceptor *acceptor, struct pstream *pstream,
                struct stream **streamp)
{
    int error;

    *streamp = NULL;
    if (time_msec() < acceptor->again) {
        return EAGAIN;
    }
    error = pstream_accept(pstream, streamp);
    if (error && error != EAGAIN) {
        acceptor->again = time_msec() + ACCEPTOR_PAUSE;
    }
    return error;
}

void
acceptor_wait(const struct acceptor *acceptor, struct pstream *pstream)
{
    if (time_msec() < acceptor->again) {
        poll_timer_wait_until(acceptor->again);
    } else {
        pstream_wait(pstream);
    }
}
