/* SPDX-License-Identifier: Apache-2.0 */

/* A move of a session that is still coming.  The device that gave it hears
 * before the target that it is done; who reads that and asks the target for
 * the next move may be there before `owned' is.  Such a move waits a while. */

#include <config.h>

#include "handover.h"

#include <errno.h>

#include "agent.h"
#include "app-send.h"
#include "timeval.h"
#include "util.h"

/* Milliseconds. */
#define LATER_TIMEOUT 1000

struct give_later {
    char *target, *service;
    struct app_conn *mover, *caller; /* As in struct handover. */
    long long int deadline;          /* time_msec(). */
};

bool
give_later(struct handover *h, const char *target, const char *service,
           struct app_conn *mover, struct app_conn *caller)
{
    struct give_later *later;

    if (h->later || handover_is_giving(h)) {
        return false;
    }
    later = xmalloc(sizeof *later);
    later->target = xstrdup(target);
    later->service = xstrdup(service);
    later->mover = mover;
    later->caller = caller;
    later->deadline = time_msec() + LATER_TIMEOUT;
    h->later = later;
    return true;
}

static void
later_destroy(struct give_later *later)
{
    free(later->target);
    free(later->service);
    free(later);
}

static void
later_fail(const struct handover *h, const struct give_later *later, int error,
           const char *reason)
{
    if (later->caller) {
        app_send_call_error(later->caller, error, reason);
    }
    if (later->mover) {
        struct session s = { .id = h->session_id, .address = h->address };

        app_send_session(later->mover, APP_MOVED, &s, NULL, NULL, error,
                         reason);
    }
}

void
give_later_fail(struct handover *h, int error, const char *reason)
{
    struct give_later *later = h->later;

    if (later) {
        h->later = NULL;
        later_fail(h, later, error, reason);
        later_destroy(later);
    }
}

void
give_later_start(struct handover *h, struct session *s)
{
    struct give_later *later = h->later;
    char *error;

    if (later) {
        h->later = NULL;
        if (!give_start(h->agent, s, later->target, later->service,
                        later->mover, later->caller, &error)) {
            later_fail(h, later, EINVAL, error);
            free(error);
        }
        later_destroy(later);
    }
}

void
give_later_run(struct handover *h)
{
    if (h->later && time_msec() >= h->later->deadline) {
        char *reason = xasprintf("the session is still moving from %s",
                                 h->other);

        give_later_fail(h, EBUSY, reason);
        free(reason);
    }
}

long long int
give_later_deadline(const struct handover *h)
{
    return h->later ? h->later->deadline : LLONG_MAX;
}

void
give_later_conn_closed(struct handover *h, const struct app_conn *conn)
{
    if (h->later) {
        h->later->mover = h->later->mover == conn ? NULL : h->later->mover;
        h->later->caller = h->later->caller == conn ? NULL : h->later->caller;
    }
}
