/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
put_id_text(struct baton_session *s)
{
    char *p = s->id_text;

    for (int i = 0; i < 16; i++) {
        p += sprintf(p, "%s%02x",
                     i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                     s->id[i]);
    }
}

static void
put_info(struct baton_session *s)
{
    struct sockaddr_storage *ss = &s->info.address;

    s->info.id = s->id_text;
    s->info.name = s->name;
    ss->ss_family = s->family;
    if (s->family == AF_INET) {
        struct sockaddr_in *sin = (struct sockaddr_in *) ss;

        memcpy(&sin->sin_addr, &s->address.s6_addr[12], 4);
    } else {
        ((struct sockaddr_in6 *) ss)->sin6_addr = s->address;
    }
}

static void
put_end(struct sockaddr_storage *ss, const struct in6_addr *addr,
        uint16_t port)
{
    memset(ss, 0, sizeof *ss);
    if (IN6_IS_ADDR_V4MAPPED(addr)) {
        struct sockaddr_in *sin = (struct sockaddr_in *) ss;

        sin->sin_family = AF_INET;
        sin->sin_port = htons(port);
        memcpy(&sin->sin_addr, &addr->s6_addr[12], 4);
    } else {
        struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *) ss;

        sin6->sin6_family = AF_INET6;
        sin6->sin6_port = htons(port);
        sin6->sin6_addr = *addr;
    }
}

void
session_set_mapping(struct baton_session *s, const struct app_mapping *am)
{
    struct baton_mapping *m = &s->mapping;

    s->info.mapping = am ? m : NULL;
    if (am) {
        put_end(&m->permanent, &am->permanent, am->port);
        put_end(&m->correspondent, &am->correspondent, am->correspondent_port);
        APP_STRING_PUT(s->mapping_owner, am->owner);
        m->owner = s->mapping_owner;
        m->since = am->since;
        m->packets_in = am->packets_in;
        m->bytes_in = am->bytes_in;
        m->packets_out = am->packets_out;
        m->bytes_out = am->bytes_out;
    }
}

struct baton_session *
session_create(struct baton *baton, const struct app_message *msg)
{
    struct baton_session *s = calloc(1, sizeof *s);

    if (!s) {
        return NULL;
    }
    s->baton = baton;
    s->state_fd = -1;
    memcpy(s->id, msg->session, sizeof s->id);
    put_id_text(s);
    APP_STRING_PUT(s->name, msg->name);
    s->address = msg->address;
    s->family = msg->family;
    s->mapped = msg->flags & APP_FLAG_MAPPED;
    put_info(s);
    session_set_note(s, msg);
    return s;
}

void
session_destroy(struct baton_session *s)
{
    if (s) {
        session_forget_state(s);
        free(s);
    }
}

void
session_set_note(struct baton_session *s, const struct app_message *msg)
{
    if (msg->note_len <= sizeof s->note) {
        memcpy(s->note, msg->note, msg->note_len);
        s->note_len = msg->note_len;
    }
}

void
session_forget_state(struct baton_session *s)
{
    if (s->state_fd >= 0) {
        close(s->state_fd);
        s->state_fd = -1;
    }
}

void
session_message(const struct baton_session *s, struct app_message *msg,
                enum app_message_type type)
{
    app_message_init(msg, type);
    memcpy(msg->session, s->id, sizeof msg->session);
}

int
session_socket_cookie(int fd, uint64_t *cookiep)
{
    socklen_t len = sizeof *cookiep;

    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookiep, &len) ? errno : 0;
}

const char *
session_check_socket(const struct baton_session *s, int fd)
{
    struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof ss;
    struct in6_addr a = IN6ADDR_ANY_INIT;

    if (getsockname(fd, (struct sockaddr *) &ss, &len)) {
        return strerror(errno);
    }
    if (ss.ss_family == AF_INET) {
        const struct sockaddr_in *sin = (const struct sockaddr_in *) &ss;

        a.s6_addr[10] = a.s6_addr[11] = 0xff;
        memcpy(&a.s6_addr[12], &sin->sin_addr, 4);
    } else if (ss.ss_family == AF_INET6) {
        a = ((const struct sockaddr_in6 *) &ss)->sin6_addr;
    } else {
        return "not a socket of an IP protocol";
    }
    return memcmp(&a, &s->address, sizeof a)
               ? "not bound to the address of the session"
               : NULL;
}

int
session_find_socket(const struct baton_session *s, int fd)
{
    for (size_t i = 0; i < s->n_sockets; i++) {
        if (s->sockets[i].fd == fd) {
            return i;
        }
    }
    return -1;
}

int
session_find_cookie(const struct baton_session *s, uint64_t cookie)
{
    for (size_t i = 0; i < s->n_sockets; i++) {
        if (s->sockets[i].cookie == cookie) {
            return i;
        }
    }
    return -1;
}

void
session_remove_socket(struct baton_session *s, int index)
{
    s->n_sockets--;
    memmove(&s->sockets[index], &s->sockets[index + 1],
            (s->n_sockets - index) * sizeof s->sockets[0]);
}

/* Drops sockets that the application closed without saying so: their
 * descriptors' numbers may be something else's by now. */
static void
drop_closed_sockets(struct baton_session *s)
{
    for (size_t i = 0; i < s->n_sockets;) {
        uint64_t cookie;

        if (session_socket_cookie(s->sockets[i].fd, &cookie)
            || cookie != s->sockets[i].cookie) {
            session_remove_socket(s, i);
        } else {
            i++;
        }
    }
}

void
session_tell_onward(const struct baton_session *s, struct channel *channel)
{
    struct app_message msg;

    session_message(s, &msg, APP_ONWARD);
    APP_STRING_PUT(msg.name, s->onward);
    channel_send(channel, &msg, NULL, 0);
}

void
session_present(struct baton_session *s, struct channel *channel)
{
    struct app_message msg;
    int fds[APP_FDS_MAX];
    size_t n = 0;

    if (s->state == SESSION_REFUSED || s->state == SESSION_GONE) {
        return;
    }
    drop_closed_sockets(s);
    session_message(s, &msg, APP_PRESENT);
    APP_STRING_PUT(msg.name, s->name);
    msg.address = s->address;
    msg.family = s->family;
    msg.note_len = s->note_len;
    memcpy(msg.note, s->note, s->note_len);
    msg.n_sockets = s->n_sockets;
    for (; n < s->n_sockets; n++) {
        fds[n] = s->sockets[n].fd;
    }
    if (s->state == SESSION_PAUSED) {
        msg.flags |= APP_FLAG_PAUSED;
        if (s->state_fd >= 0) {
            msg.flags |= APP_FLAG_STATE;
            fds[n++] = s->state_fd;
        }
    } else if (s->state == SESSION_READY) {
        msg.flags |= APP_FLAG_READY;
    }
    channel_send(channel, &msg, fds, n);
    if (s->onward[0]) {
        session_tell_onward(s, channel);
    }
}
