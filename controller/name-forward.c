/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "name-forward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "seal.h"
#include "socket-util.h"
#include "timeval.h"
#include "unaligned.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(name_forward);
static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(6, 6);

/* Questions that wait, milliseconds for which they do, and answers read in one
 * run. */
#define WAITING_MAX 1024
#define TIMEOUT 5000
#define RUN_MAX 64
#define ANSWER_MAX 4096
/* A header, without which a message is none. */
#define HEADER_LEN 12

struct waiting {
    struct hmap_node node;     /* In struct name_forward, by 'number'. */
    struct ovs_list list_node; /* The same, the oldest first. */
    uint16_t number, asked;    /* Under which it goes, and came. */
    struct name_forward_reply reply;
    long long int deadline; /* time_msec(). */
};

struct name_forward {
    struct in6_addr resolver;
    int fd; /* -1: none.  Connected. */
    struct hmap waiting;
    struct ovs_list oldest;
    struct ovs_list answered; /* struct waiting, by 'list_node'. */
};

static int
open_socket(struct name_forward *f)
{
    char text[INET6_ADDRSTRLEN];
    char *target;
    int error, fd;

    ipv6_string_mapped(text, &f->resolver);
    target = xasprintf(
        IN6_IS_ADDR_V4MAPPED(&f->resolver) ? "%s:53" : "[%s]:53", text);
    error = inet_open_active(SOCK_DGRAM, target, 53, NULL, &fd, 0);
    if (error && error != EAGAIN) {
        VLOG_WARN_RL(&rl, "%s: cannot be asked about other names (%s)", text,
                     ovs_strerror(error));
        fd = -1;
    }
    free(target);
    return fd;
}

struct name_forward *
name_forward_create(const struct in6_addr *resolver)
{
    struct name_forward *f = xzalloc(sizeof *f);

    f->resolver = *resolver;
    f->fd = open_socket(f);
    hmap_init(&f->waiting);
    ovs_list_init(&f->oldest);
    ovs_list_init(&f->answered);
    return f;
}

static void
forget(struct name_forward *f, struct waiting *w)
{
    hmap_remove(&f->waiting, &w->node);
    ovs_list_remove(&w->list_node);
}

void
name_forward_destroy(struct name_forward *f)
{
    struct name_forward_reply reply;
    struct waiting *w;

    if (!f) {
        return;
    }
    while (name_forward_next(f, &reply)) {
        ofpbuf_delete(reply.data);
    }
    LIST_FOR_EACH_SAFE(w, list_node, &f->oldest) {
        forget(f, w);
        free(w);
    }
    hmap_destroy(&f->waiting);
    if (f->fd >= 0) {
        close(f->fd);
    }
    free(f);
}

static struct waiting *
find(const struct name_forward *f, uint16_t number)
{
    struct waiting *w;

    HMAP_FOR_EACH_WITH_HASH(w, node, number, &f->waiting) {
        if (w->number == number) {
            return w;
        }
    }
    return NULL;
}

bool
name_forward_ask(struct name_forward *f, struct in6_addr server, uint16_t port,
                 const struct dns_asker *asker, const struct ofpbuf *question)
{
    struct ofpbuf *copy;
    struct waiting *w;
    ssize_t n;

    if (f->fd < 0) {
        f->fd = open_socket(f);
    }
    if (f->fd < 0 || hmap_count(&f->waiting) >= WAITING_MAX
        || question->size < HEADER_LEN) {
        return false;
    }
    w = xzalloc(sizeof *w);
    w->reply.server = server;
    w->reply.port = port;
    w->reply.to = *asker;
    w->asked = ntohs(get_unaligned_be16(question->data));
    do {
        seal_random(&w->number, sizeof w->number);
    } while (find(f, w->number));
    w->deadline = time_msec() + TIMEOUT;

    copy = ofpbuf_clone(question);
    put_unaligned_be16(copy->data, htons(w->number));
    n = send(f->fd, copy->data, copy->size, 0);
    ofpbuf_delete(copy);
    if (n < 0) {
        free(w);
        return false;
    }
    hmap_insert(&f->waiting, &w->node, w->number);
    ovs_list_push_back(&f->oldest, &w->list_node);
    return true;
}

void
name_forward_run(struct name_forward *f)
{
    struct waiting *w;

    for (int i = 0; f->fd >= 0 && i < RUN_MAX; i++) {
        uint8_t bytes[ANSWER_MAX];
        ssize_t n = recv(f->fd, bytes, sizeof bytes, MSG_TRUNC);

        if (n < 0 && errno != ECONNREFUSED) {
            break;
        } else if (n < HEADER_LEN || n > sizeof bytes
                   || !(bytes[2] & 0x80)) { /* Not an answer. */
            continue;
        }
        w = find(f, ntohs(get_unaligned_be16((ovs_be16 *) bytes)));
        if (w) {
            forget(f, w);
            put_unaligned_be16((ovs_be16 *) bytes, htons(w->asked));
            w->reply.data = ofpbuf_clone_data(bytes, n);
            ovs_list_push_back(&f->answered, &w->list_node);
        }
    }
    LIST_FOR_EACH_SAFE(w, list_node, &f->oldest) {
        if (time_msec() < w->deadline) {
            break;
        }
        forget(f, w);
        free(w);
    }
}

void
name_forward_wait(struct name_forward *f)
{
    if (f->fd >= 0) {
        poll_fd_wait(f->fd, POLLIN);
    }
    if (!ovs_list_is_empty(&f->oldest)) {
        poll_timer_wait_until(
            CONTAINER_OF(ovs_list_front(&f->oldest), struct waiting, list_node)
                ->deadline);
    }
    if (!ovs_list_is_empty(&f->answered)) {
        poll_immediate_wake();
    }
}

bool
name_forward_next(struct name_forward *f, struct name_forward_reply *reply)
{
    struct waiting *w;

    if (ovs_list_is_empty(&f->answered)) {
        return false;
    }
    w = CONTAINER_OF(ovs_list_pop_front(&f->answered), struct waiting,
                     list_node);
    *reply = w->reply;
    free(w);
    return true;
}
