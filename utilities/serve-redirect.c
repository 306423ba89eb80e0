/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "serve-redirect.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http.h"

#define CLIENTS_MAX 64
#define IDLE_MS 10000

/* One who has asked, or will. */
struct client {
    int fd; /* Nonblocking. */
    int64_t deadline_ms;
    bool asked;    /* 'req' is there, and not answered. */
    bool answered; /* Said all; waiting for the other end. */
    struct http_request req;
    size_t in_len;
    char in[HTTP_HEAD_MAX];
};

struct redirector {
    int epoll_fd; /* 'listener' and clients. */
    int listener;
    struct client *clients[CLIENTS_MAX];
    size_t n_clients;
    struct client *next; /* Whose turn it is to be answered. */
};

static void
watch(struct redirector *r, int fd)
{
    struct epoll_event ev = { .events = EPOLLIN };

    epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

struct redirector *
redirector_open(uint16_t port)
{
    struct sockaddr_in6 any = { .sin6_family = AF_INET6,
                                .sin6_port = htons(port) };
    struct redirector *r = calloc(1, sizeof *r);
    int on = 1, off = 0;

    if (!r) {
        return NULL;
    }
    r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    r->listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                         0);
    setsockopt(r->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(r->listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(r->listener, (struct sockaddr *) &any, sizeof any)
        || listen(r->listener, SOMAXCONN)) {
        int error = errno;

        redirector_close(r);
        errno = error;
        return NULL;
    }
    watch(r, r->listener);
    return r;
}

static void
client_close(struct redirector *r, size_t i)
{
    close(r->clients[i]->fd);
    free(r->clients[i]);
    r->clients[i] = r->clients[--r->n_clients];
}

void
redirector_close(struct redirector *r)
{
    if (r) {
        while (r->n_clients) {
            client_close(r, 0);
        }
        close(r->listener);
        close(r->epoll_fd);
        free(r);
    }
}

int
redirector_fd(const struct redirector *r)
{
    return r->epoll_fd;
}

static void
accept_all(struct redirector *r, int64_t now_ms)
{
    int fd;

    while (r->n_clients < CLIENTS_MAX
           && (fd = accept4(r->listener, NULL, NULL,
                            SOCK_CLOEXEC | SOCK_NONBLOCK))
                  >= 0) {
        struct client *client = calloc(1, sizeof *client);

        if (!client) {
            close(fd);
            return;
        }
        client->fd = fd;
        client->deadline_ms = now_ms + IDLE_MS;
        r->clients[r->n_clients++] = client;
        watch(r, fd);
    }
}

/* False if it is over. */
static bool
run_client(struct client *client)
{
    char scrap[1024];
    bool scrapping = client->asked || client->answered;
    ssize_t n;

    do {
        n = recv(client->fd, scrapping ? scrap : client->in + client->in_len,
                 scrapping ? sizeof scrap : sizeof client->in - client->in_len,
                 0);
        if (n > 0 && !scrapping) {
            client->in_len += n;
            client->asked = http_parse(client->in, client->in_len,
                                       &client->req)
                            > 0;
            scrapping = client->asked;
        }
    } while (n > 0 || (n < 0 && errno == EINTR));
    return n < 0 && errno == EAGAIN;
}

void
redirector_run(struct redirector *r, int64_t now_ms)
{
    for (size_t i = r->n_clients; i--;) {
        if (!run_client(r->clients[i])
            || now_ms >= r->clients[i]->deadline_ms) {
            client_close(r, i);
        }
    }
    accept_all(r, now_ms);
}

bool
redirector_next(struct redirector *r, int *family)
{
    for (size_t i = 0; i < r->n_clients; i++) {
        struct client *client = r->clients[i];
        struct sockaddr_in6 local = { .sin6_family = AF_UNSPEC };
        socklen_t len = sizeof local;

        if (client->asked
            && !getsockname(client->fd, (struct sockaddr *) &local, &len)) {
            *family = (IN6_IS_ADDR_V4MAPPED(&local.sin6_addr) ? AF_INET
                                                              : AF_INET6);
            r->next = client;
            return true;
        }
    }
    return false;
}

void
redirector_answer(struct redirector *r, const char *origin)
{
    struct client *client = r->next;
    char text[HTTP_REDIRECT_MAX];
    size_t n;

    client->req.keep_alive = false;
    if (client->req.status || !origin) {
        n = http_response(text, client->req.status ? client->req.status : 503,
                          &client->req, 0, 0, 0);
    } else {
        n = http_redirect(text, &client->req, origin);
    }
    /* It is little, and the first that is sent: it fits. */
    if (send(client->fd, text, n, MSG_NOSIGNAL) < 0) {
        client->deadline_ms = 0;
    }
    /* close() would be a RST if something is unread. */
    shutdown(client->fd, SHUT_WR);
    client->asked = false;
    client->answered = true;
}
