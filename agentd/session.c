/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "session.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hash.h"
#include "packets.h"
#include "socket-state.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

static uint32_t
hash_address(const struct in6_addr *address)
{
    return hash_bytes(address, sizeof *address, 0);
}

void
sessions_init(struct sessions *sessions)
{
    hmap_init(&sessions->by_id);
    hmap_init(&sessions->by_address);
    ovs_list_init(&sessions->ending);
    ovs_list_init(&sessions->announcing);
}

void
sessions_destroy(struct sessions *sessions)
{
    struct session *s;

    HMAP_FOR_EACH_SAFE(s, id_node, &sessions->by_id) {
        session_destroy(sessions, s);
    }
    hmap_destroy(&sessions->by_id);
    hmap_destroy(&sessions->by_address);
}

struct session *
session_create(struct sessions *sessions, const struct uuid *id,
               const struct in6_addr *address, uint64_t epoch)
{
    struct session *s = xzalloc(sizeof *s);

    s->id = *id;
    s->address = *address;
    s->epoch = epoch;
    s->since = time_wall_msec();
    hmap_insert(&sessions->by_id, &s->id_node, uuid_hash(id));
    hmap_insert(&sessions->by_address, &s->address_node,
                hash_address(address));
    ovs_list_init(&s->ending_node);
    ovs_list_init(&s->announce_node);
    return s;
}

void
session_close_sockets(struct session *s)
{
    for (size_t i = 0; i < s->n_sockets; i++) {
        close(s->sockets[i].fd);
    }
    free(s->sockets);
    s->sockets = NULL;
    s->n_sockets = s->allocated_sockets = 0;
}

void
session_destroy(struct sessions *sessions, struct session *s)
{
    session_close_sockets(s);
    closing_uninit(&s->closing);
    hmap_remove(&sessions->by_id, &s->id_node);
    hmap_remove(&sessions->by_address, &s->address_node);
    ovs_list_remove(&s->ending_node);
    ovs_list_remove(&s->announce_node);
    free(s);
}

struct session *
session_find(const struct sessions *sessions, const struct uuid *id)
{
    struct session *s;

    HMAP_FOR_EACH_WITH_HASH(s, id_node, uuid_hash(id), &sessions->by_id) {
        if (uuid_equals(&s->id, id)) {
            return s;
        }
    }
    return NULL;
}

struct session *
session_find_address(const struct sessions *sessions,
                     const struct in6_addr *address)
{
    struct session *s;

    HMAP_FOR_EACH_WITH_HASH(s, address_node, hash_address(address),
                            &sessions->by_address) {
        if (ipv6_addr_equals(&s->address, address)) {
            return s;
        }
    }
    return NULL;
}

static bool
session_answers_to(const struct session *s, const char *what)
{
    char address[INET6_ADDRSTRLEN];
    char id[UUID_LEN + 1];

    snprintf(id, sizeof id, UUID_FMT, UUID_ARGS(&s->id));
    ipv6_string_mapped(address, &s->address);
    return (!strcmp(what, s->name) || !strcmp(what, address)
            || (strlen(what) >= 4 && !strncmp(what, id, strlen(what))));
}

struct session *
session_lookup(const struct sessions *sessions, const char *what,
               char **errorp)
{
    struct session *found = NULL;
    struct session *s;

    *errorp = NULL;
    HMAP_FOR_EACH(s, id_node, &sessions->by_id) {
        if (session_answers_to(s, what) && !s->ending) {
            if (found) {
                *errorp = xasprintf("more than one session is called \"%s\"; "
                                    "say which by its id",
                                    what);
                return NULL;
            }
            found = s;
        }
    }
    if (!found) {
        *errorp = xasprintf("no session is called \"%s\" on this device; "
                            "see `baton sessions`",
                            what);
    }
    return found;
}

/* Is 'fd' a socket of the network namespace that this process is in? */
static bool
is_of_our_namespace(int fd)
{
    struct stat theirs, ours;
    int ns = ioctl(fd, SIOCGSKNS);
    bool same;

    if (ns < 0) {
        return false;
    }
    same = (!fstat(ns, &theirs) && !stat("/proc/self/ns/net", &ours)
            && theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev);
    close(ns);
    return same;
}

static bool
sockaddr_is(const struct sockaddr_storage *ss, const struct in6_addr *address)
{
    struct in6_addr a;

    if (ss->ss_family == AF_INET) {
        in6_addr_set_mapped_ipv4(
            &a, ((const struct sockaddr_in *) ss)->sin_addr.s_addr);
    } else if (ss->ss_family == AF_INET6) {
        a = ((const struct sockaddr_in6 *) ss)->sin6_addr;
    } else {
        return false;
    }
    return ipv6_addr_equals(&a, address);
}

static bool
is_owned_by(int fd, uid_t uid)
{
    struct stat st;

    return !uid || (!fstat(fd, &st) && (st.st_uid == uid || !st.st_uid));
}

static int
session_put_socket(struct session *s, uid_t uid, int fd, bool adopt,
                   char **errorp)
{
    struct socket_state_info info;
    uint64_t cookie;
    socklen_t len = sizeof cookie;
    int error;

    *errorp = NULL;
    if (s->n_sockets >= SESSION_SOCKETS_MAX) {
        *errorp = xasprintf("a session has %d sockets at the most",
                            SESSION_SOCKETS_MAX);
        return EMFILE;
    }
    if (!is_of_our_namespace(fd)) {
        *errorp = xstrdup("not a socket of the agent's network namespace");
        return EINVAL;
    }
    if (!is_owned_by(fd, uid)) {
        *errorp = xstrdup("the socket belongs to another user");
        return EPERM;
    }
    error = socket_state_inspect(fd, &info, errorp);
    if (error) {
        return error;
    }
    if (!sockaddr_is(&info.local, &s->address)) {
        *errorp = xstrdup("the socket is not bound to the session's address");
        return EADDRNOTAVAIL;
    }
    error = adopt ? 0 : socket_state_check(fd, errorp);
    if (error) {
        return error;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len)) {
        *errorp = xasprintf("SO_COOKIE: %s", ovs_strerror(errno));
        return errno;
    }
    for (size_t i = 0; i < s->n_sockets; i++) {
        if (s->sockets[i].cookie == cookie) {
            *errorp = xstrdup("the socket was added before");
            return EEXIST;
        }
    }
    if (s->n_sockets >= s->allocated_sockets) {
        s->sockets = x2nrealloc(s->sockets, &s->allocated_sockets,
                                sizeof *s->sockets);
    }
    s->sockets[s->n_sockets++] = (struct session_socket){
        .fd = fd,
        .cookie = cookie,
        .datagram = info.kind == SOCKET_STATE_UDP,
    };
    return 0;
}

int
session_add_socket(struct session *s, uid_t uid, int fd, char **errorp)
{
    int error = session_put_socket(s, uid, fd, false, errorp);

    if (error) {
        close(fd);
    }
    return error;
}

int
session_adopt_socket(struct session *s, uid_t uid, int fd, char **errorp)
{
    int error = session_put_socket(s, uid, fd, true, errorp);

    if (error) {
        close(fd);
    }
    return error;
}

void
session_settle_sockets(struct session *s)
{
    for (size_t i = 0; i < s->n_sockets; i++) {
        socket_state_settle(s->sockets[i].fd, NULL);
    }
}

bool
session_remove_socket(struct session *s, uint64_t cookie)
{
    for (size_t i = 0; i < s->n_sockets; i++) {
        if (s->sockets[i].cookie == cookie) {
            if (s->sockets[i].held) {
                socket_state_hold_new(s->sockets[i].fd, false, NULL);
            }
            closing_note(&s->closing, s->sockets[i].fd);
            close(s->sockets[i].fd);
            memmove(&s->sockets[i], &s->sockets[i + 1],
                    (s->n_sockets - i - 1) * sizeof *s->sockets);
            s->n_sockets--;
            return true;
        }
    }
    return false;
}

void
session_id_to_bytes(const struct uuid *uuid, uint8_t bytes[16])
{
    for (int i = 0; i < 4; i++) {
        ovs_be32 part = htonl(uuid->parts[i]);

        memcpy(bytes + 4 * i, &part, 4);
    }
}

void
session_id_from_bytes(const uint8_t bytes[16], struct uuid *uuid)
{
    for (int i = 0; i < 4; i++) {
        ovs_be32 part;

        memcpy(&part, bytes + 4 * i, 4);
        uuid->parts[i] = ntohl(part);
    }
}

bool
session_set_give_onward(struct session *s, const char *onward)
{
    struct onward_right right;

    if (onward[0] && !onward_from_string(onward, &right)) {
        return false;
    }
    if (onward[0]) {
        onward_to_string(right, s->give_onward);
    } else {
        s->give_onward[0] = '\0';
    }
    return true;
}
