/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#define RETRY_MIN_MS 10
#define RETRY_MAX_MS 1000

/* A message that waits for room in the socket. */
struct tx {
    struct tx *next;
    size_t n_fds;
    int fds[APP_FDS_MAX];   /* Owned duplicates. */
    struct app_message msg; /* Allocated only as far as it is filled. */
};

struct channel {
    char *path;              /* NULL: cannot connect again. */
    int sock;                /* -1: not connected. */
    int epoll_fd;            /* 'sock' and 'timer_fd'. */
    int timer_fd;            /* Expires when channel_recv() should run. */
    int retry_ms;            /* How long to wait before the next try. */
    bool lost;               /* ECONNRESET is still to be said. */
    struct tx *head, **tail; /* Not yet sent. */
};

static void
set_timer(struct channel *ch, int ms)
{
    struct itimerspec spec = { .it_value = {
                                   .tv_sec = ms / 1000,
                                   .tv_nsec = ms ? ms % 1000 * 1000000L : 1,
                               } };

    timerfd_settime(ch->timer_fd, 0, &spec, NULL);
}

static bool
timer_has_expired(struct channel *ch)
{
    uint64_t n;

    return read(ch->timer_fd, &n, sizeof n) == sizeof n;
}

static int
watch(struct channel *ch, int op, int fd, uint32_t events)
{
    struct epoll_event ev = { .events = events, .data.fd = fd };

    return epoll_ctl(ch->epoll_fd, op, fd, &ev) ? errno : 0;
}

static int
adopt(struct channel *ch, int sock)
{
    int error = watch(ch, EPOLL_CTL_ADD, sock, EPOLLIN);

    if (!error) {
        ch->sock = sock;
        ch->retry_ms = RETRY_MIN_MS;
    }
    return error;
}

static int
connect_to_agent(struct channel *ch)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int error, sock;

    if (!ch->path) {
        return ENOTCONN;
    } else if (strlen(ch->path) >= sizeof sun.sun_path) {
        return ENAMETOOLONG;
    }
    strcpy(sun.sun_path, ch->path);
    sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sock < 0) {
        return errno;
    }
    error = connect(sock, (struct sockaddr *) &sun, sizeof sun) ? errno : 0;
    if (!error) {
        error = adopt(ch, sock);
    }
    if (error) {
        close(sock);
    }
    return error;
}

static void
tx_pop(struct channel *ch)
{
    struct tx *tx = ch->head;

    ch->head = tx->next;
    if (!ch->head) {
        ch->tail = &ch->head;
    }
    app_fds_close(tx->fds, tx->n_fds);
    free(tx);
}

/* The connection is lost: what waits to be sent is of no use to another
 * agent. */
static void
disconnect(struct channel *ch)
{
    if (ch->sock >= 0) {
        epoll_ctl(ch->epoll_fd, EPOLL_CTL_DEL, ch->sock, NULL);
        close(ch->sock);
        ch->sock = -1;
        ch->lost = true;
    }
    while (ch->head) {
        tx_pop(ch);
    }
    channel_wake(ch);
}

int
channel_open(const char *path, int sock, struct channel **chp)
{
    struct channel *ch = calloc(1, sizeof *ch);
    int error;

    *chp = NULL;
    if (!ch) {
        return ENOMEM;
    }
    ch->sock = -1;
    ch->tail = &ch->head;
    ch->retry_ms = RETRY_MIN_MS;
    ch->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    ch->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    error = ch->epoll_fd < 0 || ch->timer_fd < 0 ? errno : 0;
    if (!error) {
        error = watch(ch, EPOLL_CTL_ADD, ch->timer_fd, EPOLLIN);
    }
    if (!error && path) {
        ch->path = strdup(path);
        error = ch->path ? 0 : ENOMEM;
    }
    if (!error) {
        error = sock >= 0 ? adopt(ch, sock) : connect_to_agent(ch);
    }
    if (error) {
        channel_close(ch);
        return error;
    }
    *chp = ch;
    return 0;
}

void
channel_close(struct channel *ch)
{
    if (ch) {
        while (ch->head) {
            tx_pop(ch);
        }
        if (ch->sock >= 0) {
            close(ch->sock);
        }
        if (ch->timer_fd >= 0) {
            close(ch->timer_fd);
        }
        if (ch->epoll_fd >= 0) {
            close(ch->epoll_fd);
        }
        free(ch->path);
        free(ch);
    }
}

bool
channel_is_connected(const struct channel *ch)
{
    return ch->sock >= 0;
}

int
channel_fd(const struct channel *ch)
{
    return ch->epoll_fd;
}

void
channel_wake(struct channel *ch)
{
    set_timer(ch, 0);
}

static int
queue(struct channel *ch, const struct app_message *msg, const int *fds,
      size_t n_fds)
{
    size_t n = APP_MESSAGE_MIN + msg->text_len;
    struct tx *tx = malloc(offsetof(struct tx, msg) + n);

    if (!tx) {
        return ENOMEM;
    }
    tx->next = NULL;
    tx->n_fds = 0;
    memcpy(&tx->msg, msg, n);
    for (size_t i = 0; i < n_fds; i++) {
        int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);

        if (fd < 0) {
            int error = errno;

            app_fds_close(tx->fds, tx->n_fds);
            free(tx);
            return error;
        }
        tx->fds[tx->n_fds++] = fd;
    }
    if (!ch->head) {
        watch(ch, EPOLL_CTL_MOD, ch->sock, EPOLLIN | EPOLLOUT);
    }
    *ch->tail = tx;
    ch->tail = &tx->next;
    return 0;
}

int
channel_send(struct channel *ch, const struct app_message *msg, const int *fds,
             size_t n_fds)
{
    int error = EAGAIN;

    if (ch->sock < 0) {
        return ENOTCONN;
    }
    if (!ch->head) {
        error = app_socket_send(ch->sock, msg, fds, n_fds);
    }
    if (error == EAGAIN) {
        error = queue(ch, msg, fds, n_fds);
    } else if (error == EPIPE || error == ECONNRESET) {
        /* What the agent said last can still be read. */
        channel_wake(ch);
        error = ENOTCONN;
    }
    return error;
}

static void
flush(struct channel *ch)
{
    int error = 0;

    if (!ch->head) {
        return;
    }
    while (ch->head) {
        struct tx *tx = ch->head;

        error = app_socket_send(ch->sock, &tx->msg, tx->fds, tx->n_fds);
        if (error == EAGAIN) {
            return;
        }
        tx_pop(ch); /* Where it failed, recv will say so. */
    }
    watch(ch, EPOLL_CTL_MOD, ch->sock, EPOLLIN);
}

static int
reconnect(struct channel *ch)
{
    if (ch->lost) {
        ch->lost = false;
        set_timer(ch, ch->retry_ms);
        return ECONNRESET;
    }
    if (!timer_has_expired(ch)) {
        return EAGAIN;
    }
    if (!connect_to_agent(ch)) {
        return EISCONN;
    }
    if (ch->path) {
        ch->retry_ms *= 2;
        if (ch->retry_ms > RETRY_MAX_MS) {
            ch->retry_ms = RETRY_MAX_MS;
        }
        set_timer(ch, ch->retry_ms);
    }
    return EAGAIN;
}

int
channel_recv(struct channel *ch, struct app_message *msg, int fds[APP_FDS_MAX],
             size_t *n_fds)
{
    int error;

    *n_fds = 0;
    if (ch->sock < 0) {
        return reconnect(ch);
    }
    timer_has_expired(ch); /* A wake-up ends here. */
    flush(ch);
    error = app_socket_recv(ch->sock, msg, fds, n_fds);
    if (error && error != EAGAIN && error != EMFILE) {
        disconnect(ch);
        return reconnect(ch);
    }
    return error;
}

void
channel_wait(struct channel *ch, int ms)
{
    struct pollfd pfd = { .fd = ch->epoll_fd, .events = POLLIN };

    poll(&pfd, 1, ms);
}
