/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "app-link.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app-check.h"
#include "app-listen.h"
#include "app-socket.h"
#include "app-start.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/token-bucket.h"
#include "openvswitch/util.h"
#include "openvswitch/vlog.h"
#include "process.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(app_link);

/* What one connection may do in a turn, and how far it may fall behind. */
#define MESSAGES_PER_TURN 64
#define TX_QUEUE_MAX 1024
/* Milliseconds to the next try where a connection could not be taken. */
#define ACCEPT_RETRY 100

/* A message that waits for room in the socket. */
struct app_tx {
    struct ovs_list node; /* In struct app_conn's 'tx'. */
    int *fds;             /* Owned duplicates. */
    size_t n_fds;
    struct app_message msg; /* Allocated only as far as it is filled. */
};

struct app_conn {
    struct ovs_list node;       /* In 'conns', 'closed' or 'dead'. */
    struct ovs_list ready_node; /* In 'ready', or empty. */
    struct app_server *server;
    int fd; /* -1: closed. */
    uid_t uid;
    pid_t pid;
    char service[APP_NAME_LEN];
    bool said_hello;
    bool started;               /* By app_server_start(). */
    bool child;                 /* 'pid' is ours to reap. */
    unsigned int budget;        /* Messages left in this turn. */
    struct token_bucket bucket; /* Of received messages. */
    bool throttled;             /* Not read until 'bucket' fills. */
    struct ovs_list tx;         /* Contains "struct app_tx"s. */
    size_t n_tx;
    uint32_t watched; /* Events that epoll looks for. */
    bool quick;       /* See app_conn_stops_quickly(). */
};

struct app_server {
    char *path;
    int fd;                   /* Listening socket. */
    int lock_fd;              /* Held as long as the server lives. */
    int epoll_fd;             /* Listening socket (data NULL) and conns. */
    long long int accept_at;  /* time_msec() of another try; or LLONG_MAX. */
    struct ovs_list conns;    /* Contains open "struct app_conn"s. */
    struct ovs_list closed;   /* To be told to the caller. */
    struct ovs_list dead;     /* Told; freed at the next run. */
    struct ovs_list ready;    /* By ready_node: may have messages. */
    struct ovs_list children; /* Contains "struct app_child"ren. */
};

/* A program that was started, until it is reaped. */
struct app_child {
    struct ovs_list node;
    pid_t pid;
    char *program;
};

static void
watch(struct app_conn *conn)
{
    uint32_t wanted = (conn->throttled ? 0 : EPOLLIN)
                      | (ovs_list_is_empty(&conn->tx) ? 0 : EPOLLOUT);

    if (wanted != conn->watched) {
        struct epoll_event ev = { .events = wanted, .data.ptr = conn };

        epoll_ctl(conn->server->epoll_fd, EPOLL_CTL_MOD, conn->fd, &ev);
        conn->watched = wanted;
    }
}

static struct app_conn *
conn_create(struct app_server *server, int fd, uid_t uid, pid_t pid)
{
    struct app_conn *conn = xzalloc(sizeof *conn);
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = conn };

    conn->server = server;
    conn->fd = fd;
    conn->uid = uid;
    conn->pid = pid;
    token_bucket_init(&conn->bucket, APP_MESSAGES_PER_MS, APP_MESSAGES_BURST);
    ovs_list_init(&conn->tx);
    ovs_list_init(&conn->ready_node);
    conn->watched = ev.events;
    if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &ev)) {
        VLOG_ERR("epoll_ctl: %s", ovs_strerror(errno));
        close(fd);
        free(conn);
        return NULL;
    }
    ovs_list_push_back(&server->conns, &conn->node);
    return conn;
}

static void
tx_destroy(struct app_conn *conn, struct app_tx *tx)
{
    ovs_list_remove(&tx->node);
    conn->n_tx--;
    app_fds_close(tx->fds, tx->n_fds);
    free(tx->fds);
    free(tx);
}

static void
unready(struct app_conn *conn)
{
    ovs_list_remove(&conn->ready_node);
    ovs_list_init(&conn->ready_node);
}

void
app_conn_close(struct app_conn *conn)
{
    struct app_tx *tx;

    if (conn->fd < 0) {
        return;
    }
    epoll_ctl(conn->server->epoll_fd, EPOLL_CTL_DEL, conn->fd, NULL);
    close(conn->fd);
    conn->fd = -1;
    unready(conn);
    LIST_FOR_EACH_SAFE(tx, node, &conn->tx) {
        tx_destroy(conn, tx);
    }
    ovs_list_remove(&conn->node);
    ovs_list_push_back(&conn->server->closed, &conn->node);
}

int
app_server_open(const char *path, struct app_server **serverp, char **errorp)
{
    struct epoll_event ev = { .events = EPOLLIN };
    struct app_server *server;
    int lock_fd, fd, error;

    *serverp = NULL;
    error = app_listen(path, &fd, &lock_fd, errorp);
    if (error) {
        return error;
    }

    server = xzalloc(sizeof *server);
    server->path = xstrdup(path);
    server->fd = fd;
    server->lock_fd = lock_fd;
    server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    server->accept_at = LLONG_MAX;
    ovs_list_init(&server->conns);
    ovs_list_init(&server->closed);
    ovs_list_init(&server->dead);
    ovs_list_init(&server->ready);
    ovs_list_init(&server->children);
    if (server->epoll_fd < 0
        || epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &ev)) {
        error = errno;
        *errorp = xasprintf("epoll: %s", ovs_strerror(error));
        app_server_close(server);
        return error;
    }
    *serverp = server;
    return 0;
}

static void
free_conns(struct ovs_list *list)
{
    struct app_conn *conn;

    LIST_FOR_EACH_POP(conn, node, list) {
        free(conn);
    }
}

void
app_server_close(struct app_server *server)
{
    struct app_child *child;
    struct app_conn *conn;

    if (!server) {
        return;
    }
    LIST_FOR_EACH_SAFE(conn, node, &server->conns) {
        app_conn_close(conn);
    }
    free_conns(&server->closed);
    free_conns(&server->dead);
    LIST_FOR_EACH_POP(child, node, &server->children) {
        free(child->program);
        free(child);
    }
    unlink(server->path); /* The lock is still ours. */
    close(server->fd);
    if (server->epoll_fd >= 0) {
        close(server->epoll_fd);
    }
    close(server->lock_fd);
    free(server->path);
    free(server);
}

/* Sending. */

static void
flush_tx(struct app_conn *conn)
{
    struct app_tx *tx;

    LIST_FOR_EACH_SAFE(tx, node, &conn->tx) {
        int error = app_socket_send(conn->fd, &tx->msg, tx->fds, tx->n_fds);

        if (error == EAGAIN) {
            break;
        } else if (error) {
            app_conn_close(conn);
            return;
        }
        tx_destroy(conn, tx);
    }
    watch(conn);
}

static void
queue_tx(struct app_conn *conn, const struct app_message *msg, const int *fds,
         size_t n_fds)
{
    struct app_tx *tx;

    if (conn->n_tx >= TX_QUEUE_MAX) {
        VLOG_WARN("pid %ld reads too slowly; closing its connection",
                  (long int) conn->pid);
        app_conn_close(conn);
        return;
    }
    tx = xmalloc(offsetof(struct app_tx, msg) + APP_MESSAGE_MIN
                 + msg->text_len);
    memcpy(&tx->msg, msg, APP_MESSAGE_MIN + msg->text_len);
    tx->fds = n_fds ? xmalloc(n_fds * sizeof *fds) : NULL;
    tx->n_fds = 0;
    ovs_list_push_back(&conn->tx, &tx->node);
    conn->n_tx++;
    for (size_t i = 0; i < n_fds; i++) {
        int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);

        if (fd < 0) {
            VLOG_ERR("pid %ld: cannot pass a descriptor: %s; closing",
                     (long int) conn->pid, ovs_strerror(errno));
            app_conn_close(conn);
            return;
        }
        tx->fds[tx->n_fds++] = fd;
    }
    watch(conn);
}

void
app_conn_send(struct app_conn *conn, const struct app_message *msg_,
              const int *fds, size_t n_fds)
{
    struct app_message *msg = CONST_CAST(struct app_message *, msg_);
    int error = EAGAIN;

    if (conn->fd < 0) {
        return;
    }
    msg->version = APP_PROTOCOL_VERSION;
    if (ovs_list_is_empty(&conn->tx)) {
        error = app_socket_send(conn->fd, msg, fds, n_fds);
    }
    if (error == EAGAIN) {
        queue_tx(conn, msg, fds, n_fds);
    } else if (error) {
        if (error != EPIPE && error != ECONNRESET) {
            VLOG_WARN("pid %ld: cannot send to it: %s", (long int) conn->pid,
                      ovs_strerror(error));
        }
        app_conn_close(conn);
    }
}

static void
send_error(struct app_conn *conn, const struct app_message *about, int error,
           const char *reason)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(60, 60);
    struct app_message msg;

    app_message_init(&msg, APP_ERROR);
    if (about) {
        memcpy(msg.session, about->session, sizeof msg.session);
        msg.socket = about->socket;
    }
    msg.error = error;
    APP_STRING_PUT(msg.reason, reason);
    VLOG_WARN_RL(&rl, "pid %ld, uid %ld: %s", (long int) conn->pid,
                 (long int) conn->uid, reason);
    app_conn_send(conn, &msg, NULL, 0);
}

/* Accepting. */

static unsigned int
count_uid(const struct app_server *server, uid_t uid)
{
    const struct app_conn *conn;
    unsigned int n = 0;

    LIST_FOR_EACH(conn, node, &server->conns) {
        n += conn->uid == uid;
    }
    return n;
}

/* Looks for connections again at 'when', or at once.  Who cannot take them,
 * for want of descriptors, would be woken by them all the time. */
static void
listen_again(struct app_server *server, long long int when)
{
    struct epoll_event ev = { .events = when ? 0 : EPOLLIN };

    epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, server->fd, &ev);
    server->accept_at = when ? when : LLONG_MAX;
}

static void
accept_conns(struct app_server *server)
{
    for (int i = 0; i < MESSAGES_PER_TURN; i++) {
        struct ucred cred;
        socklen_t len = sizeof cred;
        struct app_conn *conn;
        unsigned int max;
        int fd;

        fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
                static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);

                VLOG_ERR_RL(&rl, "%s: accept: %s", server->path,
                            ovs_strerror(errno));
                listen_again(server, time_msec() + ACCEPT_RETRY);
            }
            return;
        }
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len)) {
            VLOG_ERR("SO_PEERCRED: %s", ovs_strerror(errno));
            close(fd);
            continue;
        }
        max = APP_CONNS_PER_UID * (cred.uid ? 1 : 16);
        conn = conn_create(server, fd, cred.uid, cred.pid);
        if (conn && count_uid(server, cred.uid) > max) {
            send_error(conn, NULL, EUSERS,
                       "too many connections of this user to the agent");
            app_conn_close(conn);
        }
    }
}

int
app_server_connect(struct app_server *server, struct app_conn **connp,
                   int *fdp)
{
    int fds[2];

    *connp = NULL;
    *fdp = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                   fds)) {
        return errno;
    }
    *connp = conn_create(server, fds[0], geteuid(), getpid());
    if (!*connp) {
        close(fds[1]);
        return ENOMEM;
    }
    *fdp = fds[1];
    return 0;
}

/* Receiving. */

/* Receives one message of 'conn' into '*ev'.  Returns 0, EAGAIN when there is
 * nothing more (the connection may have been closed), or EINTR when this
 * message was not for the caller. */
static int
receive(struct app_conn *conn, struct app_event *ev)
{
    int fds[APP_FDS_MAX];
    const char *problem;
    int error = app_socket_recv(conn->fd, &ev->msg, fds, &ev->n_fds);

    switch (error) {
    case 0: break;
    case EAGAIN: return EAGAIN;
    case EMFILE:
        send_error(conn, &ev->msg, EMFILE,
                   "the descriptors of a message were "
                   "lost: the agent has too many open files");
        return EINTR;
    case EPROTO:
        send_error(conn, NULL, EPROTO,
                   "message of a wrong form, or of another version");
        app_conn_close(conn);
        return EAGAIN;
    default: app_conn_close(conn); return EAGAIN;
    }

    ev->conn = conn;
    ev->fds = fds;
    problem = app_check_event(ev, conn->said_hello);
    if (problem) {
        send_error(conn, &ev->msg, EPROTO, problem);
        app_fds_close(fds, ev->n_fds);
        app_conn_close(conn);
        return EAGAIN;
    }
    ev->fds = ev->n_fds ? xmemdup(fds, ev->n_fds * sizeof *fds) : NULL;
    if (ev->msg.type == APP_HELLO) {
        conn->said_hello = true;
        if (!conn->started) {
            ovs_strlcpy(conn->service, ev->msg.service, sizeof conn->service);
        }
    }
    return 0;
}

bool
app_server_next(struct app_server *server, struct app_event *ev)
{
    while (!ovs_list_is_empty(&server->ready)) {
        struct app_conn *conn = CONTAINER_OF(ovs_list_front(&server->ready),
                                             struct app_conn, ready_node);
        int error = EAGAIN;

        if (conn->budget && token_bucket_withdraw(&conn->bucket, 1)) {
            conn->budget--;
            error = receive(conn, ev);
        } else if (conn->budget) {
            conn->throttled = true;
            watch(conn);
        }
        if (error == EAGAIN) {
            unready(conn);
        } else if (!error) {
            return true;
        }
    }
    return false;
}

struct app_conn *
app_server_next_closed(struct app_server *server)
{
    struct app_conn *conn;

    if (ovs_list_is_empty(&server->closed)) {
        return NULL;
    }
    conn = CONTAINER_OF(ovs_list_pop_front(&server->closed), struct app_conn,
                        node);
    ovs_list_push_back(&server->dead, &conn->node);
    return conn;
}

/* The loop. */

static void
reap_children(struct app_server *server)
{
    struct app_child *child;

    LIST_FOR_EACH_SAFE(child, node, &server->children) {
        int status;

        if (waitpid(child->pid, &status, WNOHANG) == child->pid) {
            char *text = process_status_msg(status);

            VLOG_INFO("%s (pid %ld): %s", child->program,
                      (long int) child->pid, text);
            free(text);
            ovs_list_remove(&child->node);
            free(child->program);
            free(child);
        }
    }
}

void
app_server_run(struct app_server *server)
{
    struct epoll_event evs[64];
    struct app_conn *conn;
    int n;

    free_conns(&server->dead);
    reap_children(server);
    LIST_FOR_EACH(conn, node, &server->conns) {
        if (conn->throttled) {
            conn->throttled = false;
            watch(conn);
        }
    }
    if (time_msec() >= server->accept_at) {
        listen_again(server, 0);
    }
    n = epoll_wait(server->epoll_fd, evs, ARRAY_SIZE(evs), 0);
    for (int i = 0; i < n; i++) {
        conn = evs[i].data.ptr;
        if (!conn) {
            accept_conns(server);
            continue;
        }
        if (evs[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
            conn->budget = MESSAGES_PER_TURN;
            unready(conn);
            ovs_list_push_back(&server->ready, &conn->ready_node);
        }
        if (evs[i].events & EPOLLOUT) {
            flush_tx(conn);
        }
    }
}

void
app_server_wait(struct app_server *server)
{
    const struct app_conn *conn;

    if (!ovs_list_is_empty(&server->closed)
        || !ovs_list_is_empty(&server->ready)) {
        poll_immediate_wake();
    }
    poll_fd_wait(server->epoll_fd, POLLIN);
    if (server->accept_at != LLONG_MAX) {
        poll_timer_wait_until(server->accept_at);
    }
    LIST_FOR_EACH(conn, node, &server->conns) {
        if (conn->throttled) {
            poll_timer_wait(1);
            break;
        }
    }
    if (!ovs_list_is_empty(&server->children)) {
        poll_timer_wait(1000); /* To reap them. */
    }
}

/* Looking. */

bool
app_conn_is_ready(const struct app_conn *conn)
{
    return conn->said_hello;
}

uid_t
app_conn_uid(const struct app_conn *conn)
{
    return conn->uid;
}

pid_t
app_conn_pid(const struct app_conn *conn)
{
    return conn->pid;
}

void
app_conn_has_stopped(struct app_conn *conn, long long int usec)
{
    conn->quick = usec < APP_QUICK_USEC;
}

bool
app_conn_stops_quickly(const struct app_conn *conn)
{
    return conn->quick;
}

const char *
app_conn_service(const struct app_conn *conn)
{
    return conn->service;
}

struct app_conn *
app_server_find(struct app_server *server, const char *service, uid_t uid)
{
    struct app_conn *conn;

    LIST_FOR_EACH(conn, node, &server->conns) {
        if ((conn->said_hello || conn->started) && service[0]
            && !strcmp(conn->service, service)
            && (uid == (uid_t) -1 || uid == conn->uid)) {
            return conn;
        }
    }
    return NULL;
}

int
app_server_start(struct app_server *server, const char *service,
                 char *const argv[], uid_t uid, struct app_conn **connp,
                 char **errorp)
{
    struct app_child *child;
    struct app_conn *conn;
    int error, fd;
    pid_t pid;

    *connp = NULL;
    error = app_start(server->path, service, argv, uid, &fd, &pid, errorp);
    if (error) {
        return error;
    }
    child = xmalloc(sizeof *child);
    child->pid = pid;
    child->program = xstrdup(argv[0]);
    ovs_list_push_back(&server->children, &child->node);

    conn = conn_create(server, fd, uid == (uid_t) -1 ? geteuid() : uid, pid);
    if (!conn) {
        *errorp = xstrdup("epoll failed");
        return ENOMEM;
    }
    conn->started = true;
    ovs_strlcpy(conn->service, service, sizeof conn->service);
    *connp = conn;
    return 0;
}
