/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "device-link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "acceptor.h"
#include "device.h"
#include "jsonrpc.h"
#include "link.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "policy.h"
#include "stream.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(device_link);

/* Connections accepted in one turn, for each place that is listened at. */
#define ACCEPT_MAX 16
/* Messages taken from one connection in one turn, so that no device starves
 * the others. */
#define MESSAGES_MAX 64
/* Milliseconds to "register". */
#define REGISTER_TIMEOUT 5000
/* Connections that have not registered, at most. */
#define STRANGERS_MAX 256
/* Milliseconds after which a listener that failed is tried again. */
#define LISTEN_RETRY 1000

struct device_conn {
    struct ovs_list node; /* In struct device_links. */
    struct link *link;
    struct device *device;   /* NULL until bound. */
    long long int deadline;  /* To register; milliseconds. */
    unsigned int n_messages; /* In this turn. */
    bool replaced;           /* Its device has another connection. */
};

struct listening {
    struct ovs_list node; /* In struct device_links. */
    char *target;
    struct pstream *pstream; /* NULL: could not be opened. */
    struct acceptor acceptor;
    long long int retry_at; /* Milliseconds, while NULL. */
    bool keep;              /* For device_links_configure(). */
};

struct device_links {
    struct ovs_list listening; /* struct listening */
    struct ovs_list conns;     /* struct device_conn */
    struct device_conn *next;  /* Where device_links_next() goes on. */
    bool more;                 /* Somebody had more than MESSAGES_MAX. */
};

struct device_links *
device_links_create(void)
{
    struct device_links *links = xzalloc(sizeof *links);

    ovs_list_init(&links->listening);
    ovs_list_init(&links->conns);
    return links;
}

static void
conn_destroy(struct device_links *links, struct device_conn *conn)
{
    if (links->next == conn) {
        links->next = NULL;
    }
    ovs_list_remove(&conn->node);
    link_close(conn->link);
    free(conn);
}

static void
listening_destroy(struct listening *listening)
{
    ovs_list_remove(&listening->node);
    pstream_close(listening->pstream);
    free(listening->target);
    free(listening);
}

void
device_links_destroy(struct device_links *links)
{
    if (links) {
        struct listening *listening;
        struct device_conn *conn;

        LIST_FOR_EACH_SAFE(conn, node, &links->conns) {
            conn_destroy(links, conn);
        }
        LIST_FOR_EACH_SAFE(listening, node, &links->listening) {
            listening_destroy(listening);
        }
        free(links);
    }
}

static void
configure_target(struct device_links *links, const char *target)
{
    struct listening *listening;

    LIST_FOR_EACH(listening, node, &links->listening) {
        if (!strcmp(listening->target, target)) {
            listening->keep = true;
            return;
        }
    }
    listening = xzalloc(sizeof *listening);
    listening->target = xstrdup(target);
    listening->keep = true;
    ovs_list_push_back(&links->listening, &listening->node);
}

void
device_links_configure(struct device_links *links, const struct policy *policy)
{
    struct listening *listening;
    const char *target;

    LIST_FOR_EACH(listening, node, &links->listening) {
        listening->keep = false;
    }
    SSET_FOR_EACH(target, &policy->devices_listen) {
        configure_target(links, target);
    }
    LIST_FOR_EACH_SAFE(listening, node, &links->listening) {
        if (!listening->keep) {
            listening_destroy(listening);
        }
    }
}

static size_t
count_strangers(const struct device_links *links)
{
    const struct device_conn *conn;
    size_t n = 0;

    LIST_FOR_EACH(conn, node, &links->conns) {
        n += !conn->device;
    }
    return n;
}

static void
drop_oldest_stranger(struct device_links *links)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(6, 6);
    struct device_conn *conn;

    LIST_FOR_EACH(conn, node, &links->conns) {
        if (!conn->device) {
            VLOG_WARN_RL(&rl,
                         "%s: closed: it has not registered, nor have %d "
                         "others",
                         link_get_name(conn->link), STRANGERS_MAX - 1);
            conn_destroy(links, conn);
            return;
        }
    }
}

static void
accept_conn(struct device_links *links, struct stream *stream)
{
    struct device_conn *conn;

    /* The oldest makes room, so that none can keep all others out. */
    if (count_strangers(links) >= STRANGERS_MAX) {
        drop_oldest_stranger(links);
    }
    conn = xzalloc(sizeof *conn);
    conn->link = link_accept(stream, "device/");
    conn->deadline = time_msec() + REGISTER_TIMEOUT;
    ovs_list_push_back(&links->conns, &conn->node);
}

static void
run_listening(struct device_links *links, struct listening *listening)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(6, 6);
    struct stream *stream;
    int error;

    if (!listening->pstream && time_msec() >= listening->retry_at) {
        error = pstream_open(listening->target, &listening->pstream,
                             DSCP_DEFAULT);
        if (error) {
            listening->pstream = NULL;
            listening->retry_at = time_msec() + LISTEN_RETRY;
            VLOG_ERR_RL(&rl, "%s: cannot listen for devices (%s)",
                        listening->target, ovs_strerror(error));
        } else {
            VLOG_INFO("%s: listening for devices", listening->target);
        }
    }
    for (int i = 0; listening->pstream && i < ACCEPT_MAX; i++) {
        error = acceptor_accept(&listening->acceptor, listening->pstream,
                                &stream);
        if (error) {
            if (error != EAGAIN) {
                VLOG_WARN_RL(&rl, "%s: accept failed (%s)", listening->target,
                             ovs_strerror(error));
            }
            break;
        }
        accept_conn(links, stream);
    }
}

void
device_links_run(struct device_links *links)
{
    struct listening *listening;
    struct device_conn *conn;

    LIST_FOR_EACH(listening, node, &links->listening) {
        run_listening(links, listening);
    }
    LIST_FOR_EACH_SAFE(conn, node, &links->conns) {
        if (conn->replaced) {
            conn_destroy(links, conn);
            continue;
        }
        conn->n_messages = 0;
        link_run(conn->link);
        if (!conn->device && time_msec() >= conn->deadline
            && link_is_alive(conn->link)) {
            link_drop(conn->link, "it did not register in time");
        }
        if (!conn->device && !link_is_alive(conn->link)) {
            conn_destroy(links, conn);
        }
    }
    links->next = NULL;
    links->more = false;
}

void
device_links_wait(struct device_links *links)
{
    struct listening *listening;
    struct device_conn *conn;

    LIST_FOR_EACH(listening, node, &links->listening) {
        if (listening->pstream) {
            acceptor_wait(&listening->acceptor, listening->pstream);
        } else {
            poll_timer_wait_until(listening->retry_at);
        }
    }
    LIST_FOR_EACH(conn, node, &links->conns) {
        link_wait(conn->link);
        if (!conn->device) {
            poll_timer_wait_until(conn->deadline);
        }
        if (conn->replaced || !link_is_alive(conn->link)) {
            poll_immediate_wake();
        }
    }
    if (links->more) {
        poll_immediate_wake();
    }
}

static struct device_conn *
conn_after(struct device_links *links, const struct device_conn *conn)
{
    const struct ovs_list *node = conn ? conn->node.next : links->conns.next;

    return node == &links->conns
               ? NULL
               : CONTAINER_OF(node, struct device_conn, node);
}

struct device_conn *
device_links_next(struct device_links *links, struct jsonrpc_msg **msg)
{
    struct device_conn *conn = links->next ? links->next
                                           : conn_after(links, NULL);

    for (; conn; conn = conn_after(links, conn)) {
        if (conn->replaced) {
            continue;
        }
        if (conn->n_messages >= MESSAGES_MAX) {
            links->more = true;
            continue;
        }
        *msg = link_recv(conn->link);
        if (*msg) {
            conn->n_messages++;
            links->next = conn;
            return conn;
        }
    }
    links->next = NULL;
    return NULL;
}

struct device *
device_links_next_lost(struct device_links *links)
{
    struct device_conn *conn;

    LIST_FOR_EACH_SAFE(conn, node, &links->conns) {
        if (conn->device && !conn->replaced && !link_is_alive(conn->link)) {
            struct device *device = conn->device;

            conn_destroy(links, conn);
            return device;
        }
    }
    return NULL;
}

struct link *
device_conn_link(const struct device_conn *conn)
{
    return conn->link;
}

struct device *
device_conn_device(const struct device_conn *conn)
{
    return conn->device;
}

/* Closes what 'device' is connected by, but for 'keep'. */
static void
drop_conns(struct device_links *links, const struct device *device,
           const struct device_conn *keep, const char *reason)
{
    struct device_conn *conn;

    LIST_FOR_EACH(conn, node, &links->conns) {
        if (conn->device == device && conn != keep && !conn->replaced) {
            link_drop(conn->link, reason);
            conn->replaced = true;
            conn->device = NULL;
        }
    }
}

void
device_conn_bind(struct device_links *links, struct device_conn *conn,
                 struct device *device)
{
    drop_conns(links, device, conn, "the device registered again");
    conn->device = device;
}

void
device_conn_drop(struct device_conn *conn, const char *reason)
{
    link_drop(conn->link, reason);
}

void
device_links_forget(struct device_links *links, struct device *device,
                    const char *reason)
{
    drop_conns(links, device, NULL, reason);
}
