/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "agent-call.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app-socket.h"
#include "openvswitch/shash.h"
#include "timeval.h"
#include "util.h"

int
agent_call_open(const char *path, int *fdp, char **errorp)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    struct app_message hello;
    int error = 0;
    int fd;

    if (strlen(path) >= sizeof sun.sun_path) {
        *errorp = xasprintf("%s: name of a socket too long", path);
        return ENAMETOOLONG;
    }
    strcpy(sun.sun_path, path);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *) &sun, sizeof sun)) {
        error = errno;
    } else {
        app_message_init(&hello, APP_HELLO);
        APP_STRING_PUT(hello.name, program_name);
        error = app_socket_send(fd, &hello, NULL, 0);
    }
    if (error) {
        *errorp = xasprintf("%s: cannot connect to the agent: %s%s", path,
                            ovs_strerror(error),
                            error == ENOENT || error == ECONNREFUSED
                                ? "; does baton-agentd run?"
                                : "");
        if (fd >= 0) {
            close(fd);
        }
        return error;
    }
    *fdp = fd;
    return 0;
}

int
agent_call_send(int fd, const struct json *request, char **errorp)
{
    char *text = json_to_string(request, 0);
    struct app_message msg;
    int error = EMSGSIZE;

    app_message_init(&msg, APP_CALL);
    if (strlen(text) < sizeof msg.text) {
        strcpy(msg.text, text);
        msg.text_len = strlen(text);
        error = app_socket_send(fd, &msg, NULL, 0);
    }
    free(text);
    if (error) {
        *errorp = xasprintf("cannot ask the agent: %s", ovs_strerror(error));
    }
    return error;
}

/* Long answers come in a memfd. */
static struct json *
parse_reply(const struct app_message *msg, const int *fds, size_t n_fds)
{
    struct json *json;
    size_t size;
    char *text;
    void *p;

    if (!n_fds) {
        return json_from_string(msg->text);
    }
    if (app_state_check(fds[0], APP_STATE_MAX, &size) || !size) {
        return json_string_create("an answer that is not a sealed memfd");
    }
    p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fds[0], 0);
    if (p == MAP_FAILED) {
        return json_string_create("no memory for the answer");
    }
    text = xmemdup0(p, size);
    munmap(p, size);
    json = json_from_string(text);
    free(text);
    return json;
}

/* What 'json' and 'msg' say went wrong, or NULL. */
static char *
reply_error(const struct app_message *msg, const struct json *json)
{
    const struct json *e = NULL;

    if (json->type == JSON_STRING) {
        return xasprintf("the agent's answer makes no sense: %s",
                         json_string(json));
    } else if (json->type == JSON_OBJECT) {
        e = shash_find_data(json_object(json), "error");
    } else if (!msg->error) {
        return xstrdup("the agent's answer makes no sense");
    }
    if (e && e->type == JSON_STRING) {
        return xstrdup(json_string(e));
    } else if (e && e->type != JSON_NULL) {
        return json_to_string(e, 0);
    }
    return (!msg->error ? NULL
                        : xstrdup(msg->reason[0] ? msg->reason
                                                 : ovs_strerror(msg->error)));
}

static int
wait_readable(int fd, long long int deadline)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };

    for (;;) {
        long long int left = deadline == LLONG_MAX
                                 ? -1
                                 : MAX(deadline - time_wall_msec(), 0);
        int n = poll(&pfd, 1, MIN(left, INT_MAX));

        if (n > 0) {
            return 0;
        } else if (!n) {
            return ETIMEDOUT;
        } else if (errno != EINTR) {
            return errno;
        }
    }
}

int
agent_call_receive(int fd, int timeout, struct json **replyp, char **errorp)
{
    long long int deadline = timeout ? time_wall_msec() + timeout * 1000LL
                                     : LLONG_MAX;
    struct app_message msg;
    int fds[APP_FDS_MAX];
    struct json *json;
    size_t n_fds;
    int error;

    *replyp = NULL;
    do {
        error = wait_readable(fd, deadline);
        if (!error) {
            error = app_socket_recv(fd, &msg, fds, &n_fds);
        }
        if (!error && msg.type != APP_RESULT && msg.type != APP_ERROR) {
            app_fds_close(fds, n_fds);
            error = EAGAIN;
        }
    } while (error == EAGAIN);
    if (error) {
        *errorp = (error == ETIMEDOUT ? xasprintf(
                       "no answer from the agent in %d seconds", timeout)
                   : error == ECONNRESET
                       ? xstrdup("the agent closed the connection")
                       : xasprintf("the agent's answer: %s",
                                   ovs_strerror(error)));
        return error;
    }

    json = (msg.type == APP_ERROR ? json_object_create()
                                  : parse_reply(&msg, fds, n_fds));
    app_fds_close(fds, n_fds);
    *errorp = reply_error(&msg, json);
    if (*errorp) {
        json_destroy(json);
        return msg.error > 0 ? msg.error : EPROTO;
    }
    *replyp = json;
    return 0;
}
