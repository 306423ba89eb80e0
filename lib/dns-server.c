/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "dns-server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dns-message.h"
#include "openvswitch/list.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "socket-util.h"
#include "stream.h"
#include "timeval.h"
#include "unaligned.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(dns_server);
static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(6, 6);

/* Datagrams read in one run, connections at once, and milliseconds that one may
 * be silent. */
#define RUN_MAX 64
#define CONNECTIONS_MAX 64
#define CONNECTION_IDLE 10000
/* Milliseconds after which sockets that could not be opened are tried again. */
#define RETRY 1000
/* Bytes of a question over TCP. */
#define QUESTION_MAX 4096

struct connection {
    struct ovs_list node; /* In struct dns_server. */
    uint64_t id;
    struct stream *stream;
    struct in6_addr address;
    struct ofpbuf in, out;
    long long int deadline; /* time_msec(). */
};

struct dns_server {
    struct in6_addr address;
    uint16_t port;
    int udp;                /* Negative: not open. */
    struct pstream *tcp;    /* NULL: not open. */
    long long int retry_at; /* time_msec() at which to try, if not open. */
    struct ovs_list connections;
    size_t n_connections;
    uint64_t last_id;
    struct ovs_list requests; /* struct queued. */
    size_t n_requests;
};

struct queued {
    struct ovs_list node;
    struct dns_request request;
};

/* Opening. */

struct dns_server *
dns_server_create(const struct in6_addr *address, uint16_t port)
{
    struct dns_server *server = xzalloc(sizeof *server);

    server->address = *address;
    server->port = port;
    server->udp = -1;
    ovs_list_init(&server->connections);
    ovs_list_init(&server->requests);
    return server;
}

const struct in6_addr *
dns_server_get_address(const struct dns_server *server)
{
    return &server->address;
}

static bool
is_open(const struct dns_server *server)
{
    return server->tcp != NULL;
}

static void
close_sockets(struct dns_server *server)
{
    pstream_close(server->tcp);
    server->tcp = NULL;
    if (server->udp >= 0) {
        close(server->udp);
        server->udp = -1;
    }
}

static void
open_sockets(struct dns_server *server)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(&server->address);
    char text[INET6_ADDRSTRLEN];
    char *target, *name;
    int error = 0;

    ipv6_string_mapped(text, &server->address);
    target = xasprintf("%u:%s%s%s", server->port, v4 ? "" : "[", text,
                       v4 ? "" : "]");
    server->udp = inet_open_passive(SOCK_DGRAM, target, -1, NULL, 0, true);
    if (server->udp < 0) {
        error = -server->udp;
    } else {
        name = xasprintf("ptcp:%s", target);
        error = pstream_open(name, &server->tcp, 0);
        free(name);
    }
    free(target);
    if (error) {
        VLOG_WARN_RL(&rl, "%s port %u: cannot listen for questions (%s)", text,
                     server->port, ovs_strerror(error));
        server->tcp = NULL;
        close_sockets(server);
        server->retry_at = time_msec() + RETRY;
    }
}

static void
connection_close(struct dns_server *server, struct connection *c)
{
    ovs_list_remove(&c->node);
    server->n_connections--;
    stream_close(c->stream);
    ofpbuf_uninit(&c->in);
    ofpbuf_uninit(&c->out);
    free(c);
}

void
dns_server_destroy(struct dns_server *server)
{
    struct dns_request request;
    struct connection *c;

    if (!server) {
        return;
    }
    while (dns_server_next(server, &request)) {
        ofpbuf_delete(request.data);
    }
    LIST_FOR_EACH_SAFE(c, node, &server->connections) {
        connection_close(server, c);
    }
    close_sockets(server);
    free(server);
}

/* Receiving. */

static void
queue(struct dns_server *server, const struct dns_asker *from,
      const void *data, size_t n)
{
    struct queued *queued = xzalloc(sizeof *queued);

    queued->request.from = *from;
    queued->request.data = ofpbuf_clone_data(data, n);
    ovs_list_push_back(&server->requests, &queued->node);
    server->n_requests++;
}

static void
read_sockaddr(const struct sockaddr_storage *ss, struct dns_asker *asker)
{
    memset(asker, 0, sizeof *asker);
    if (ss->ss_family == AF_INET) {
        const struct sockaddr_in *sin = ALIGNED_CAST(
            const struct sockaddr_in *, ss);

        in6_addr_set_mapped_ipv4(&asker->address, sin->sin_addr.s_addr);
        asker->port = ntohs(sin->sin_port);
    } else if (ss->ss_family == AF_INET6) {
        const struct sockaddr_in6 *sin6 = ALIGNED_CAST(
            const struct sockaddr_in6 *, ss);

        asker->address = sin6->sin6_addr;
        asker->port = ntohs(sin6->sin6_port);
    }
}

static void
run_udp(struct dns_server *server)
{
    for (int i = 0; i < RUN_MAX; i++) {
        uint8_t bytes[QUESTION_MAX];
        struct sockaddr_storage ss;
        struct dns_asker from;
        socklen_t len = sizeof ss;
        ssize_t n;

        memset(&ss, 0, sizeof ss);
        n = recvfrom(server->udp, bytes, sizeof bytes, MSG_TRUNC,
                     (struct sockaddr *) &ss, &len);
        if (n < 0) {
            return;
        }
        read_sockaddr(&ss, &from);
        /* From port 0 nobody asks, and to it nothing can be sent. */
        if (n <= sizeof bytes && from.port) {
            queue(server, &from, bytes, n);
        }
    }
    poll_immediate_wake();
}

static void
accept_one(struct dns_server *server, struct stream *stream)
{
    struct sockaddr_storage ss;
    struct connection *c;
    struct dns_asker from;
    const char *name = stream_get_name(stream);
    char *target;

    memset(&ss, 0, sizeof ss);
    target = xstrdup(strchr(name, ':') ? strchr(name, ':') + 1 : "");
    if (server->n_connections >= CONNECTIONS_MAX
        || !inet_parse_active(target, 0, &ss, false, NULL)) {
        stream_close(stream);
    } else {
        read_sockaddr(&ss, &from);
        c = xzalloc(sizeof *c);
        c->id = ++server->last_id;
        c->stream = stream;
        c->address = from.address;
        c->deadline = time_msec() + CONNECTION_IDLE;
        ofpbuf_init(&c->in, 0);
        ofpbuf_init(&c->out, 0);
        ovs_list_push_back(&server->connections, &c->node);
        server->n_connections++;
    }
    free(target);
}

/* Takes whole questions out of what has come.  False if it is no good. */
static bool
parse_tcp(struct dns_server *server, struct connection *c)
{
    struct dns_asker from = { .address = c->address, .connection = c->id };

    while (c->in.size >= 2) {
        size_t n = ntohs(get_unaligned_be16(c->in.data));

        if (!n || n > QUESTION_MAX) {
            return false;
        } else if (c->in.size < 2 + n) {
            return true;
        }
        queue(server, &from, (uint8_t *) c->in.data + 2, n);
        ofpbuf_pull(&c->in, 2 + n);
        c->deadline = time_msec() + CONNECTION_IDLE;
    }
    return true;
}

/* False if the connection is over. */
static bool
run_connection(struct dns_server *server, struct connection *c)
{
    stream_run(c->stream);
    if (time_msec() >= c->deadline) {
        return false;
    }
    while (c->out.size) {
        int n = stream_send(c->stream, c->out.data, c->out.size);

        if (n == -EAGAIN) {
            break;
        } else if (n <= 0) {
            return false;
        }
        ofpbuf_pull(&c->out, n);
    }
    for (int i = 0; i < RUN_MAX && c->out.size < DNS_MESSAGE_MAX; i++) {
        uint8_t bytes[512];
        int n = stream_recv(c->stream, bytes, sizeof bytes);

        if (n == -EAGAIN) {
            return true;
        } else if (n <= 0) {
            return false;
        }
        ofpbuf_put(&c->in, bytes, n);
        if (!parse_tcp(server, c)) {
            return false;
        }
    }
    return true;
}

static void
run_tcp(struct dns_server *server)
{
    struct connection *c;
    struct stream *stream;

    while (!pstream_accept(server->tcp, &stream)) {
        accept_one(server, stream);
    }
    LIST_FOR_EACH_SAFE(c, node, &server->connections) {
        if (!run_connection(server, c)) {
            connection_close(server, c);
        }
    }
}

void
dns_server_run(struct dns_server *server)
{
    if (!is_open(server) && time_msec() >= server->retry_at) {
        open_sockets(server);
    }
    if (is_open(server)) {
        run_udp(server);
        run_tcp(server);
    }
}

void
dns_server_wait(struct dns_server *server)
{
    struct connection *c;

    if (!is_open(server)) {
        poll_timer_wait_until(server->retry_at);
        return;
    }
    poll_fd_wait(server->udp, POLLIN);
    pstream_wait(server->tcp);
    LIST_FOR_EACH(c, node, &server->connections) {
        stream_run_wait(c->stream);
        stream_recv_wait(c->stream);
        if (c->out.size) {
            stream_send_wait(c->stream);
        }
        poll_timer_wait_until(c->deadline);
    }
    if (server->n_requests) {
        poll_immediate_wake();
    }
}

bool
dns_server_next(struct dns_server *server, struct dns_request *request)
{
    struct queued *queued;

    if (ovs_list_is_empty(&server->requests)) {
        return false;
    }
    queued = CONTAINER_OF(ovs_list_pop_front(&server->requests), struct queued,
                          node);
    server->n_requests--;
    *request = queued->request;
    free(queued);
    return true;
}

/* Replying. */

static void
reply_udp(struct dns_server *server, const struct dns_asker *to,
          const void *data, size_t n)
{
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_port = htons(to->port) };
    struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
                                 .sin6_port = htons(to->port),
                                 .sin6_addr = to->address };
    bool v4 = IN6_IS_ADDR_V4MAPPED(&to->address);

    sin.sin_addr.s_addr = v4 ? in6_addr_get_mapped_ipv4(&to->address) : 0;
    if (sendto(server->udp, data, n, 0,
               v4 ? (struct sockaddr *) &sin : (struct sockaddr *) &sin6,
               v4 ? sizeof sin : sizeof sin6)
        < 0) {
        VLOG_DBG_RL(&rl, "an answer could not be sent (%s)",
                    ovs_strerror(errno));
    }
}

void
dns_server_reply(struct dns_server *server, const struct dns_asker *to,
                 const void *data, size_t n)
{
    struct connection *c;
    ovs_be16 length = htons(n);

    if (!n || n > DNS_MESSAGE_MAX || !is_open(server)) {
        return;
    } else if (!to->connection) {
        reply_udp(server, to, data, n);
        return;
    }
    LIST_FOR_EACH(c, node, &server->connections) {
        if (c->id == to->connection) {
            ofpbuf_put(&c->out, &length, sizeof length);
            ofpbuf_put(&c->out, data, n);
            poll_immediate_wake();
            return;
        }
    }
}
