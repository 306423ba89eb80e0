/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "app-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* Room for the descriptors of a message, aligned as cmsghdr wants it. */
union fd_buffer {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(APP_FDS_MAX * sizeof(int))];
};

void
app_message_init(struct app_message *m, enum app_message_type type)
{
    memset(m, 0, APP_MESSAGE_MIN);
    m->text[0] = '\0';
    m->version = APP_PROTOCOL_VERSION;
    m->type = type;
}

void
app_string_put(char *dst, size_t size, const char *s)
{
    memset(dst, 0, size);
    for (size_t i = 0; s && s[i] && i + 1 < size; i++) {
        dst[i] = s[i];
    }
}

int
app_socket_send(int sock, const struct app_message *m, const int *fds,
                size_t n_fds)
{
    union fd_buffer control;
    struct iovec iov = {
        .iov_base = (void *) (uintptr_t) m,
        .iov_len = APP_MESSAGE_MIN + m->text_len,
    };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    ssize_t n;

    if (n_fds > APP_FDS_MAX || m->text_len > APP_TEXT_LEN) {
        return EINVAL;
    }
    if (n_fds) {
        struct cmsghdr *cmsg = &control.align;

        memset(&control, 0, CMSG_SPACE(n_fds * sizeof *fds));
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof *fds);
        memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof *fds);
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE(n_fds * sizeof *fds);
    }
    do {
        n = sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? errno : 0;
}

/* Takes the descriptors out of 'msg'; closes those that there is no room
 * for, and the few that may come of two control messages. */
static size_t
take_fds(struct msghdr *msg, int fds[APP_FDS_MAX])
{
    size_t n_fds = 0;

    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg;
         cmsg = CMSG_NXTHDR(msg, cmsg)) {
        if (cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS) {
            size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof *fds;

            for (size_t i = 0; i < n; i++) {
                int fd;

                memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof fd, sizeof fd);
                if (n_fds < APP_FDS_MAX) {
                    fds[n_fds++] = fd;
                } else {
                    close(fd);
                }
            }
        }
    }
    return n_fds;
}

static bool
string_ends(const char *s, size_t size)
{
    return memchr(s, '\0', size) != NULL;
}

static bool
message_has_form(const struct app_message *m, size_t n)
{
    return n >= APP_MESSAGE_MIN && m->version == APP_PROTOCOL_VERSION
           && m->text_len < APP_TEXT_LEN && n == APP_MESSAGE_MIN + m->text_len
           && m->note_len <= APP_NOTE_LEN && m->n_sockets <= APP_SOCKETS_MAX
           && string_ends(m->name, sizeof m->name)
           && string_ends(m->device, sizeof m->device)
           && string_ends(m->service, sizeof m->service)
           && string_ends(m->reason, sizeof m->reason);
}

int
app_socket_recv(int sock, struct app_message *m, int fds[APP_FDS_MAX],
                size_t *n_fds)
{
    union fd_buffer control;
    struct iovec iov = { .iov_base = m, .iov_len = sizeof *m };
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    int n_resets = 0;
    ssize_t n;

    *n_fds = 0;
    /* A peer that has ended without reading all that we sent: the kernel says
     * so once, before it hands out what that one had sent. */
    do {
        n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (n < 0
             && (errno == EINTR || (errno == ECONNRESET && !n_resets++)));
    if (n < 0) {
        return errno == EWOULDBLOCK ? EAGAIN : errno;
    }

    *n_fds = take_fds(&msg, fds);
    if (!n && !*n_fds) {
        return ECONNRESET;
    }
    int error = !message_has_form(m, n) || msg.msg_flags & MSG_TRUNC ? EPROTO
                : msg.msg_flags & MSG_CTRUNC                         ? EMFILE
                                                                     : 0;
    if (error != EPROTO) {
        m->text[m->text_len] = '\0';
    }
    if (error) {
        app_fds_close(fds, *n_fds);
        *n_fds = 0;
    }
    return error;
}

int
app_state_create(const void *bytes, size_t n, int *fdp)
{
    int error = 0;
    int fd;

    *fdp = -1;
    if (n > APP_STATE_MAX) {
        return EMSGSIZE;
    }
    fd = memfd_create("baton-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return errno;
    }
    for (size_t done = 0; done < n && !error;) {
        ssize_t k = write(fd, (const char *) bytes + done, n - done);

        if (k > 0) {
            done += k;
        } else if (k == 0 || errno != EINTR) {
            error = k ? errno : ENOSPC;
        }
    }
    if (!error && fcntl(fd, F_ADD_SEALS, STATE_SEALS) < 0) {
        error = errno;
    }
    if (error) {
        close(fd);
        return error;
    }
    *fdp = fd;
    return 0;
}

int
app_state_check(int fd, size_t max, size_t *sizep)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat s;

    if (seals < 0 || (seals & STATE_SEALS) != STATE_SEALS) {
        return EINVAL;
    }
    if (fstat(fd, &s) < 0) {
        return errno;
    }
    if (s.st_size < 0 || (uintmax_t) s.st_size > max) {
        return EMSGSIZE;
    }
    *sizep = s.st_size;
    return 0;
}

void
app_fds_close(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        close(fds[i]);
    }
}
