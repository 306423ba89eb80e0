/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "address.h"
#include "packets.h"
#include "socket-state.h"
#include "util.h"

#define MAGIC 0x42484f31u /* "BHO1" */

void
handoff_uninit(struct handoff *h)
{
    for (size_t i = 0; i < h->n_sockets; i++) {
        socket_state_destroy(h->sockets[i]);
    }
    free(h->sockets);
    if (h->app_state) {
        seal_wipe(h->app_state, h->app_len);
        free(h->app_state);
    }
    memset(h, 0, sizeof *h);
}

static uint8_t *
put32(uint8_t *p, uint32_t value)
{
    ovs_be32 be = htonl(value);

    memcpy(p, &be, sizeof be);
    return p + sizeof be;
}

int
handoff_encode(const struct handoff *h, uint8_t **bytesp, size_t *np,
               char **errorp)
{
    size_t n = 4 + SEAL_HASH_LEN + 2 + 4 + h->app_len;
    struct {
        uint8_t *bytes;
        size_t n;
    } *encoded = xcalloc(h->n_sockets + 1, sizeof *encoded);
    int error = 0;

    *bytesp = NULL;
    *np = 0;
    for (size_t i = 0; i < h->n_sockets && !error; i++) {
        error = socket_state_encode(h->sockets[i], &encoded[i].bytes,
                                    &encoded[i].n, errorp);
        n += 4 + encoded[i].n;
    }
    if (!error) {
        uint8_t *p = *bytesp = xmalloc(n);

        p = put32(p, MAGIC);
        memcpy(p, h->ticket_hash, SEAL_HASH_LEN);
        p += SEAL_HASH_LEN;
        *p++ = h->n_sockets >> 8;
        *p++ = h->n_sockets;
        for (size_t i = 0; i < h->n_sockets; i++) {
            p = put32(p, encoded[i].n);
            memcpy(p, encoded[i].bytes, encoded[i].n);
            p += encoded[i].n;
        }
        p = put32(p, h->app_len);
        if (h->app_len) {
            memcpy(p, h->app_state, h->app_len);
        }
        *np = n;
    }
    for (size_t i = 0; i < h->n_sockets; i++) {
        free(encoded[i].bytes);
    }
    free(encoded);
    return error;
}

/* Takes 'n' bytes from the front of what is left; NULL if there are less. */
static const uint8_t *
take(const uint8_t **p, size_t *left, size_t n)
{
    const uint8_t *start = *p;

    if (*left < n) {
        return NULL;
    }
    *p += n;
    *left -= n;
    return start;
}

static bool
take32(const uint8_t **p, size_t *left, uint32_t *value)
{
    const uint8_t *bytes = take(p, left, 4);
    ovs_be32 be;

    if (!bytes) {
        return false;
    }
    memcpy(&be, bytes, sizeof be);
    *value = ntohl(be);
    return true;
}

int
handoff_decode(const uint8_t *p, size_t left, struct handoff *h, char **errorp)
{
    const uint8_t *bytes;
    uint32_t value;
    size_t n;

    memset(h, 0, sizeof *h);
    if (!take32(&p, &left, &value) || value != MAGIC
        || !(bytes = take(&p, &left, SEAL_HASH_LEN))) {
        goto malformed;
    }
    memcpy(h->ticket_hash, bytes, SEAL_HASH_LEN);
    bytes = take(&p, &left, 2);
    if (!bytes) {
        goto malformed;
    }
    n = bytes[0] << 8 | bytes[1];
    if (n > HANDOFF_SOCKETS_MAX) {
        goto malformed;
    }
    h->sockets = xcalloc(n + 1, sizeof *h->sockets);
    for (size_t i = 0; i < n; i++) {
        int error;

        if (!take32(&p, &left, &value) || !(bytes = take(&p, &left, value))) {
            goto malformed;
        }
        error = socket_state_decode(bytes, value, &h->sockets[i], errorp);
        if (error) {
            handoff_uninit(h);
            return error;
        }
        h->n_sockets++;
    }
    if (!take32(&p, &left, &value) || value > HANDOFF_APP_STATE_MAX
        || value != left) {
        goto malformed;
    }
    if (value) {
        h->app_state = xmemdup(p, value);
        h->app_len = value;
    }
    return 0;

malformed:
    handoff_uninit(h);
    *errorp = xstrdup("the state has not the form of a session's state");
    return EPROTO;
}

static bool
get_address(const struct sockaddr_storage *ss, struct in6_addr *address)
{
    if (ss->ss_family == AF_INET) {
        in6_addr_set_mapped_ipv4(
            address, ((const struct sockaddr_in *) ss)->sin_addr.s_addr);
        return true;
    } else if (ss->ss_family == AF_INET6) {
        *address = ((const struct sockaddr_in6 *) ss)->sin6_addr;
        return true;
    }
    return false;
}

bool
handoff_peer_is_acceptable(const struct sockaddr_storage *peer,
                           const struct in6_addr *address)
{
    struct in6_addr a;
    ovs_be32 ip;

    if (!get_address(peer, &a) || ipv6_addr_equals(&a, address)) {
        return false;
    }
    if (IN6_IS_ADDR_V4MAPPED(&a)) {
        ip = in6_addr_get_mapped_ipv4(&a);
        if (!ip || ip_is_multicast(ip) || ip == htonl(INADDR_BROADCAST)
            || (ntohl(ip) >> 24) == 127 || (ntohl(ip) >> 24) == 0) {
            return false;
        }
    } else if (IN6_IS_ADDR_UNSPECIFIED(&a) || IN6_IS_ADDR_LOOPBACK(&a)
               || IN6_IS_ADDR_MULTICAST(&a) || IN6_IS_ADDR_LINKLOCAL(&a)) {
        /* A link-local peer would bind the socket to a device. */
        return false;
    }
    return !address_is_local(&a);
}

char *
handoff_check(const struct handoff *h, const struct in6_addr *address)
{
    for (size_t i = 0; i < h->n_sockets; i++) {
        struct socket_state_info info;
        struct in6_addr local;

        socket_state_get_info(h->sockets[i], &info);
        if (!get_address(&info.local, &local)
            || !ipv6_addr_equals(&local, address)) {
            return xasprintf("socket %" PRIuSIZE " is not on the session's "
                             "address",
                             i);
        }
        if (info.kind == SOCKET_STATE_TCP && !info.peer.ss_family) {
            return xasprintf("socket %" PRIuSIZE " has no peer", i);
        }
        if (info.peer.ss_family
            && !handoff_peer_is_acceptable(&info.peer, address)) {
            return xasprintf("socket %" PRIuSIZE " has a peer that no session "
                             "may have",
                             i);
        }
    }
    return NULL;
}

int
handoff_state_to_fd(const struct handoff *h)
{
    int fd = memfd_create("baton-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    size_t done = 0;

    if (fd < 0) {
        return -errno;
    }
    while (done < h->app_len) {
        ssize_t n = write(fd, h->app_state + done, h->app_len - done);

        if (n < 0) {
            int error = errno;

            close(fd);
            return -error;
        }
        done += n;
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)) {
        int error = errno;

        close(fd);
        return -error;
    }
    lseek(fd, 0, SEEK_SET);
    return fd;
}

int
handoff_state_from_fd(struct handoff *h, int fd, char **errorp)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    int got = fcntl(fd, F_GET_SEALS);
    struct stat st;
    size_t done;

    if (got < 0 || (got & seals) != seals || fstat(fd, &st)) {
        *errorp = xstrdup("the application's state is not a sealed memfd");
        return EINVAL;
    }
    if (st.st_size > HANDOFF_APP_STATE_MAX) {
        *errorp = xasprintf("the application's state is %lld bytes; at most "
                            "%u can travel",
                            (long long int) st.st_size, HANDOFF_APP_STATE_MAX);
        return EMSGSIZE;
    }
    free(h->app_state);
    h->app_len = st.st_size;
    h->app_state = h->app_len ? xmalloc(h->app_len) : NULL;
    for (done = 0; done < h->app_len;) {
        ssize_t n = pread(fd, h->app_state + done, h->app_len - done, done);

        if (n <= 0) {
            *errorp = xasprintf("cannot read the application's state: %s",
                                n ? ovs_strerror(errno) : "it is too short");
            return n ? errno : EIO;
        }
        done += n;
    }
    return 0;
}
