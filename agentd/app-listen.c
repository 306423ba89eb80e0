/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "app-listen.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util.h"

static int
lock_path(const char *path, int *lock_fdp, char **errorp)
{
    char *name = xasprintf("%s.lock", path);
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int error = fd < 0 ? errno : 0;

    if (!error && flock(fd, LOCK_EX | LOCK_NB)) {
        error = errno == EWOULDBLOCK ? EADDRINUSE : errno;
        close(fd);
    }
    if (error == EADDRINUSE) {
        *errorp = xasprintf("%s: another agent is at work there (it holds "
                            "%s); stop it first, or give this one another "
                            "run directory",
                            path, name);
    } else if (error) {
        *errorp = xasprintf("%s: %s", name, ovs_strerror(error));
    } else {
        *lock_fdp = fd;
    }
    free(name);
    return error;
}

/* With the lock held, what is at 'path' is a dead agent's, unless somebody
 * answers there all the same. */
static int
remove_stale(const struct sockaddr_un *sun, char **errorp)
{
    struct stat s;
    int error = 0;
    int fd;

    if (lstat(sun->sun_path, &s)) {
        return 0;
    }
    if (!S_ISSOCK(s.st_mode)) {
        *errorp = xasprintf("%s: exists, and is not a socket; remove it",
                            sun->sun_path);
        return EEXIST;
    }
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        error = errno;
    } else {
        if (!connect(fd, (const struct sockaddr *) sun, sizeof *sun)
            || errno == EAGAIN) {
            error = EADDRINUSE;
        }
        close(fd);
    }
    if (error) {
        *errorp = xasprintf("%s: %s", sun->sun_path,
                            error == EADDRINUSE ? "another agent listens there"
                                                : ovs_strerror(error));
        return error;
    }
    return unlink(sun->sun_path) && errno != ENOENT ? errno : 0;
}

static int
listen_at(const char *path, int *fdp, char **errorp)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int error, fd;

    if (strlen(path) >= sizeof sun.sun_path) {
        *errorp = xasprintf("%s: name of a socket too long (at most %" PRIuSIZE
                            " bytes)",
                            path, sizeof sun.sun_path - 1);
        return ENAMETOOLONG;
    }
    strcpy(sun.sun_path, path);
    error = remove_stale(&sun, errorp);
    if (error) {
        return error;
    }
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *) &sun, sizeof sun)
        || chmod(path, 0666) || listen(fd, 64)) {
        error = errno;
        *errorp = xasprintf("%s: %s", path, ovs_strerror(error));
        if (fd >= 0) {
            close(fd);
        }
        return error;
    }
    *fdp = fd;
    return 0;
}

int
app_listen(const char *path, int *fdp, int *lock_fdp, char **errorp)
{
    int error;

    *errorp = NULL;
    *lock_fdp = -1;
    error = lock_path(path, lock_fdp, errorp);
    if (!error) {
        error = listen_at(path, fdp, errorp);
    }
    if (error) {
        if (*lock_fdp >= 0) {
            close(*lock_fdp);
        }
        if (!*errorp) {
            *errorp = xasprintf("%s: %s", path, ovs_strerror(error));
        }
    }
    return error;
}
