/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "permanent-store.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "csum.h"
#include "message.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "seal.h"
#include "session.h"
#include "socket-state.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(permanent_store);

#define CONNECTIONS_MAX 4096

void
permanent_record_clear(struct permanent_record *r)
{
    free(r->connections);
    r->connections = NULL;
    r->n_connections = 0;
}

/* The file. */

static struct json *
connections_to_json(const struct permanent_record *r)
{
    struct json *array = json_array_create_empty();

    for (size_t i = 0; i < r->n_connections; i++) {
        const struct permanent_connection *c = &r->connections[i];
        struct json *json = json_object_create();

        message_put_integer(json, "port", c->port);
        message_put_address(json, "peer", &c->peer);
        message_put_integer(json, "peer_port", c->peer_port);
        json_array_add(array, json);
    }
    return array;
}

static struct json *
record_to_json(const struct permanent_record *r)
{
    struct json *json = json_object_create();

    message_put_uuid(json, "session", &r->session);
    message_put_address(json, "address", &r->own.address);
    message_put_string(json, "interface", r->own.ifname);
    message_put_integer(json, "prefix_length", r->own.plen);
    message_put_address(json, "temporary", &r->temporary);
    message_put_boolean(json, "asleep", r->asleep);
    message_put_boolean(json, "channel", r->channel);
    json_object_put(json, "connections", connections_to_json(r));
    return json;
}

void
permanent_store_save(const char *file,
                     const struct permanent_record *const *records, size_t n)
{
    struct json *array = json_array_create_empty();
    struct json *json = json_object_create();
    char *new = xasprintf("%s.new", file);
    char *text;
    FILE *stream;

    for (size_t i = 0; i < n; i++) {
        json_array_add(array, record_to_json(records[i]));
    }
    json_object_put(json, "away", array);
    text = json_to_string(json, JSSF_SORT);
    stream = fopen(new, "we");
    if (!stream || fputs(text, stream) < 0 || fflush(stream)
        || fsync(fileno(stream)) || rename(new, file)) {
        VLOG_WARN("%s: cannot be written (%s): an agent that is started anew "
                  "will not know which addresses sleep",
                  file, ovs_strerror(errno));
    }
    if (stream) {
        fclose(stream);
    }
    free(text);
    free(new);
    json_destroy(json);
}

static char *
connection_from_json(const struct json *json, struct permanent_connection *c)
{
    struct message m = MESSAGE_INITIALIZER(json);

    c->port = message_get_integer(&m, "port", 1, UINT16_MAX);
    message_get_address(&m, "peer", &c->peer);
    c->peer_port = message_get_integer(&m, "peer_port", 1, UINT16_MAX);
    return message_finish(&m);
}

static char *
record_from_json(const struct json *json, struct permanent_record *r)
{
    struct message m = MESSAGE_INITIALIZER(json);
    const struct json_array *connections;
    const char *ifname;
    char *error;

    memset(r, 0, sizeof *r);
    message_get_uuid(&m, "session", &r->session);
    message_get_address(&m, "address", &r->own.address);
    ifname = message_get_string(&m, "interface", sizeof r->own.ifname - 1);
    ovs_strlcpy(r->own.ifname, ifname, sizeof r->own.ifname);
    r->own.plen = message_get_integer(&m, "prefix_length", 0, 128);
    message_get_address(&m, "temporary", &r->temporary);
    r->asleep = message_get_boolean(&m, "asleep");
    r->channel = message_get_boolean(&m, "channel");
    connections = message_get_array(&m, "connections", CONNECTIONS_MAX);
    error = message_finish(&m);
    r->connections = xcalloc(connections->n + 1, sizeof *r->connections);
    for (size_t i = 0; i < connections->n && !error; i++) {
        error = connection_from_json(connections->elems[i],
                                     &r->connections[r->n_connections++]);
    }
    if (error) {
        permanent_record_clear(r);
    }
    return error;
}

size_t
permanent_store_load(const char *file, struct permanent_record **recordsp)
{
    struct json *json;
    size_t n = 0;

    *recordsp = NULL;
    if (access(file, F_OK)) {
        return 0;
    }
    json = json_from_file(file);
    if (json->type == JSON_STRING) {
        VLOG_WARN("%s: %s", file, json_string(json));
    } else {
        struct message m = MESSAGE_INITIALIZER(json);
        const struct json_array *array = message_get_array(&m, "away", 256);
        char *error = message_finish(&m);

        *recordsp = xcalloc(array->n + 1, sizeof **recordsp);
        for (size_t i = 0; i < array->n && !error; i++) {
            error = record_from_json(array->elems[i], &(*recordsp)[n]);
            n += !error;
        }
        if (error) {
            VLOG_WARN("%s: %s", file, error);
            free(error);
        }
    }
    json_destroy(json);
    return n;
}

/* Connections. */

static uint16_t
get_end(const struct sockaddr_storage *ss, struct in6_addr *address)
{
    if (ss->ss_family == AF_INET) {
        const struct sockaddr_in *sin = (const struct sockaddr_in *) ss;

        in6_addr_set_mapped_ipv4(address, sin->sin_addr.s_addr);
        return ntohs(sin->sin_port);
    } else {
        const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *) ss;

        *address = sin6->sin6_addr;
        return ntohs(sin6->sin6_port);
    }
}

void
permanent_connection_set(struct permanent_connection *c,
                         const struct sockaddr_storage *local,
                         const struct sockaddr_storage *peer)
{
    struct in6_addr own;

    c->port = get_end(local, &own);
    c->peer_port = get_end(peer, &c->peer);
}

bool
permanent_connection_is_among(const struct permanent_connection *c,
                              const struct session *s)
{
    for (size_t i = 0; i < s->n_sockets; i++) {
        struct permanent_connection other;
        struct socket_state_info info;

        if (socket_state_inspect(s->sockets[i].fd, &info, NULL)
            || info.kind != SOCKET_STATE_TCP || !info.peer.ss_family) {
            continue;
        }
        permanent_connection_set(&other, &info.local, &info.peer);
        if (other.port == c->port && other.peer_port == c->peer_port
            && ipv6_addr_equals(&other.peer, &c->peer)) {
            return true;
        }
    }
    return false;
}

static uint16_t
checksum(const struct in6_addr *from, const struct in6_addr *to,
         const struct tcphdr *tcp)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(from);
    uint32_t sum = 0;

    sum = csum_continue(sum, v4 ? &from->s6_addr[12] : from->s6_addr,
                        v4 ? 4 : 16);
    sum = csum_continue(sum, v4 ? &to->s6_addr[12] : to->s6_addr, v4 ? 4 : 16);
    sum = csum_add16(sum, htons(IPPROTO_TCP));
    sum = csum_add16(sum, htons(sizeof *tcp));
    sum = csum_continue(sum, tcp, sizeof *tcp);
    return csum_finish(sum);
}

static socklen_t
make_sockaddr(struct sockaddr_storage *ss, const struct in6_addr *address)
{
    memset(ss, 0, sizeof *ss);
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        struct sockaddr_in *sin = (struct sockaddr_in *) ss;

        sin->sin_family = AF_INET;
        sin->sin_addr.s_addr = in6_addr_get_mapped_ipv4(address);
        return sizeof *sin;
    } else {
        struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *) ss;

        sin6->sin6_family = AF_INET6;
        sin6->sin6_addr = *address;
        return sizeof *sin6;
    }
}

void
permanent_connection_close(const struct in6_addr *address,
                           const struct permanent_connection *c)
{
    struct sockaddr_storage from, to;
    struct tcphdr tcp;
    socklen_t len;
    int fd;

    memset(&tcp, 0, sizeof tcp);
    tcp.th_sport = htons(c->port);
    tcp.th_dport = htons(c->peer_port);
    seal_random(&tcp.th_seq, sizeof tcp.th_seq); /* Hardly the right one. */
    tcp.th_off = sizeof tcp / 4;
    tcp.th_flags = TH_ACK;
    tcp.th_sum = checksum(address, &c->peer, &tcp);
    make_sockaddr(&to, &c->peer);
    len = make_sockaddr(&from, address);
    fd = socket(from.ss_family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0 || bind(fd, (struct sockaddr *) &from, len)
        || sendto(fd, &tcp, sizeof tcp, 0, (struct sockaddr *) &to, len) < 0) {
        VLOG_WARN("a connection that did not come back cannot be closed: %s",
                  ovs_strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
}
