/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* The correspondent of pulse: plain sockets.
 *
 * Takes two connections (one, if nothing is to be queued).  On the first it
 * sends what the session is to leave unread, and checks what comes.  The
 * second it leaves alone, with next to no window, until the first has ended;
 * then it reads and checks all of that too, and prints a summary. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pulse-data.h"
#include "pulse.h"

static int
listen_at(uint16_t port)
{
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on)
        || bind(fd, (struct sockaddr *) &sin, sizeof sin) || listen(fd, 8)) {
        pulse_die("listen");
    }
    return fd;
}

static int
accept_one(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0) {
        pulse_die("accept");
    }
    return fd;
}

static void
send_all(int fd, uint32_t stream, uint32_t n)
{
    uint8_t *bytes = malloc(n + 1);

    if (!bytes) {
        pulse_die("malloc");
    }
    pulse_fill(bytes, n, stream, 0);
    for (uint32_t done = 0; done < n;) {
        ssize_t len = send(fd, bytes + done, n - done, MSG_NOSIGNAL);

        if (len <= 0) {
            pulse_die("send");
        }
        done += len;
    }
    free(bytes);
}

/* Reads and checks until the end; returns the number of bytes. */
static uint64_t
receive_all(int fd, uint32_t stream, uint64_t *wrong, const char **end)
{
    static uint8_t bytes[1 << 18];
    uint64_t offset = 0;
    ssize_t n;

    while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0) {
        *wrong += pulse_wrong(bytes, n, stream, offset);
        offset += n;
    }
    if (n < 0) {
        perror("pulse: recv");
        *end = "error";
    }
    return offset;
}

static void
serve(int records, int unsent, uint32_t queued)
{
    uint64_t received, unsent_received = 0, wrong = 0;
    const char *end = "fin";

    send_all(records, PULSE_UNREAD, queued / 2);
    received = receive_all(records, PULSE_RECORDS, &wrong, &end);
    if (unsent >= 0) {
        int size = 1 << 20;

        setsockopt(unsent, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        unsent_received = receive_all(unsent, PULSE_UNSENT, &wrong, &end);
        close(unsent);
    }
    close(records);
    printf("{\"received\":%" PRIu64 ",\"unsent_received\":%" PRIu64
           ",\"wrong\":%" PRIu64 ",\"end\":\"%s\"}\n",
           received, unsent_received, wrong, end);
    fflush(stdout);
}

void
pulse_far(uint16_t port, uint32_t queued)
{
    int listener = listen_at(port);
    int least = 1, much = 1 << 20;

    /* Inherited, and so known when the window is first told. */
    if (queued
        && setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &least, sizeof least)) {
        pulse_die("SO_RCVBUF");
    }
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        int records = accept_one(listener);
        int unsent = -1;

        if (queued) {
            setsockopt(records, SOL_SOCKET, SO_RCVBUF, &much, sizeof much);
            unsent = accept_one(listener);
        }
        serve(records, unsent, queued);
    }
}
