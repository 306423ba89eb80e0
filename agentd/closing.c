/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "closing.h"

#include <linux/inet_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sock-diag.h"
#include "util.h"

struct closing_entry {
    struct inet_diag_sockid id;
    int family; /* On the wire. */
};

static void
set_end(const struct sockaddr_storage *ss, __be32 address[4], __be16 *port,
        int *family)
{
    if (ss->ss_family == AF_INET) {
        const struct sockaddr_in *sin = (const struct sockaddr_in *) ss;

        *family = AF_INET;
        memcpy(address, &sin->sin_addr, sizeof sin->sin_addr);
        *port = sin->sin_port;
    } else {
        const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *) ss;

        *port = sin6->sin6_port;
        if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
            *family = AF_INET;
            memcpy(address, &sin6->sin6_addr.s6_addr[12], 4);
        } else {
            *family = AF_INET6;
            memcpy(address, &sin6->sin6_addr, sizeof sin6->sin6_addr);
        }
    }
}

static bool
entry_init(struct closing_entry *e, int fd)
{
    struct sockaddr_storage local = { .ss_family = AF_UNSPEC };
    struct sockaddr_storage peer = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof local;
    int protocol = 0;

    memset(e, 0, sizeof *e);
    if (getsockname(fd, (struct sockaddr *) &local, &len)
        || (local.ss_family != AF_INET && local.ss_family != AF_INET6)) {
        return false;
    }
    len = sizeof peer;
    if (getpeername(fd, (struct sockaddr *) &peer, &len)) {
        return false;
    }
    len = sizeof protocol;
    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len)
        || protocol != IPPROTO_TCP) {
        return false;
    }
    set_end(&local, e->id.idiag_src, &e->id.idiag_sport, &e->family);
    set_end(&peer, e->id.idiag_dst, &e->id.idiag_dport, &e->family);
    e->id.idiag_cookie[0] = e->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    return true;
}

/* Returns false if it is gone, or owes nothing and never will. */
static bool
look(const struct closing_entry *e, size_t *owed)
{
    struct inet_diag_msg msg;

    if (!sock_diag_find(e->family, IPPROTO_TCP, &e->id, &msg)) {
        return false;
    }
    switch (msg.idiag_state) {
    case TCP_ESTABLISHED:
    case TCP_CLOSE_WAIT: return true; /* The application has not closed it. */

    case TCP_FIN_WAIT1:
    case TCP_CLOSING:
    case TCP_LAST_ACK: *owed += msg.idiag_wqueue; return true;

    default: return false;
    }
}

size_t
closing_owed(struct closing *c)
{
    size_t owed = 0;

    for (size_t i = 0; i < c->n;) {
        if (look(&c->entries[i], &owed)) {
            i++;
        } else {
            c->entries[i] = c->entries[--c->n];
        }
    }
    return owed;
}

void
closing_init(void)
{
    struct closing_entry nobody = { .family = AF_INET };
    size_t owed = 0;

    look(&nobody, &owed);
}

void
closing_note(struct closing *c, int fd)
{
    struct closing_entry e;

    if (!entry_init(&e, fd)) {
        return;
    }
    if (c->n >= c->allocated) {
        closing_owed(c); /* Most are gone. */
        if (c->n * 2 >= c->allocated) {
            c->entries = x2nrealloc(c->entries, &c->allocated,
                                    sizeof *c->entries);
        }
    }
    c->entries[c->n++] = e;
}

void
closing_uninit(struct closing *c)
{
    free(c->entries);
    memset(c, 0, sizeof *c);
}
