/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* agentd/session.c: the table, and what an application may put into it. */

#include "../../agentd/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../agentd/handover.h"
#include "packets.h"
#include "unit.h"
#include "util.h"
#include "uuid.h"

static struct sessions sessions;

static struct session *
make(unsigned int number, const char *name)
{
    struct uuid id = { { 0xabcd0000 + number, 0, 0, number } };
    struct in6_addr address;
    struct session *s;

    in6_addr_set_mapped_ipv4(&address, htonl(0x7f000000 + number));
    s = session_create(&sessions, &id, &address, 0);
    ovs_strlcpy(s->name, name, sizeof s->name);
    return s;
}

static void
lookup(const char *what, const struct session *expected)
{
    char *error;

    CU_ASSERT_PTR_EQUAL(session_lookup(&sessions, what, &error), expected);
    CU_ASSERT_EQUAL(!error, expected != NULL);
    free(error);
}

static void
test_lookup(void)
{
    struct session *film, *film2, *song;

    sessions_init(&sessions);
    film = make(1, "film");
    song = make(2, "song");
    lookup("film", film);
    lookup("song", song);
    lookup("127.0.0.2", song);
    lookup("abcd0001", film);
    lookup("abcd", NULL); /* More than one. */
    lookup("abc", NULL);  /* Too short. */
    lookup("", NULL);
    lookup("abcd0003", NULL);
    film2 = make(3, "film");
    lookup("film", NULL);
    film->ending = 1;
    lookup("film", film2);
    CU_ASSERT_PTR_EQUAL(session_find(&sessions, &song->id), song);
    CU_ASSERT_PTR_EQUAL(session_find_address(&sessions, &song->address), song);
    session_destroy(&sessions, song);
    lookup("song", NULL);
    sessions_destroy(&sessions);
}

static void
test_ids(void)
{
    struct uuid id = { { 0x01020304, 0x05060708, 0x090a0b0c, 0x0d0e0f10 } };
    uint8_t bytes[16];
    struct uuid again;

    session_id_to_bytes(&id, bytes);
    for (int i = 0; i < 16; i++) {
        CU_ASSERT_EQUAL(bytes[i], i + 1);
    }
    session_id_from_bytes(bytes, &again);
    CU_ASSERT(uuid_equals(&id, &again));
}

static int
udp_socket(uint32_t ip)
{
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(ip) };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    CU_ASSERT_FATAL(!bind(fd, (struct sockaddr *) &sin, sizeof sin));
    return fd;
}

static void
refuse(struct session *s, int fd, int expected)
{
    char *error = NULL;

    CU_ASSERT_EQUAL(session_add_socket(s, 0, fd, &error), expected);
    CU_ASSERT_PTR_NOT_NULL(error);
    free(error);
    /* It was the session's, so it is closed. */
    CU_ASSERT(fcntl(fd, F_GETFD) < 0);
}

static void
test_sockets(void)
{
    struct session *s;
    char *error = NULL;
    int fd, pipe_fds[2], pair[2];

    sessions_init(&sessions);
    s = make(1, "film");
    fd = udp_socket(0x7f000001);
    if (session_add_socket(s, 0, fd, &error)) {
        CU_ASSERT(geteuid() != 0); /* Who may not look at namespaces. */
        free(error);
        sessions_destroy(&sessions);
        return;
    }
    CU_ASSERT_EQUAL(s->n_sockets, 1);
    CU_ASSERT(s->sockets[0].datagram);
    refuse(s, dup(fd), EEXIST);
    refuse(s, udp_socket(0x7f000002), EADDRNOTAVAIL);
    refuse(s, udp_socket(0), EADDRNOTAVAIL);
    CU_ASSERT(!pipe(pipe_fds));
    close(pipe_fds[1]);
    refuse(s, pipe_fds[0], EINVAL);
    CU_ASSERT(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    close(pair[1]);
    error = NULL;
    CU_ASSERT(session_add_socket(s, 0, pair[0], &error) != 0);
    free(error);
    CU_ASSERT_EQUAL(s->n_sockets, 1);

    while (s->n_sockets < SESSION_SOCKETS_MAX) {
        error = NULL;
        CU_ASSERT_EQUAL_FATAL(
            session_add_socket(s, 0, udp_socket(0x7f000001), &error), 0);
    }
    refuse(s, udp_socket(0x7f000001), EMFILE);
    CU_ASSERT(!session_remove_socket(s, 1));
    CU_ASSERT(session_remove_socket(s, s->sockets[5].cookie));
    CU_ASSERT_EQUAL(s->n_sockets, SESSION_SOCKETS_MAX - 1);
    fd = s->sockets[7].fd;
    sessions_destroy(&sessions);
    CU_ASSERT(fcntl(fd, F_GETFD) < 0);
}

#define SOMEBODY 12345
#define ANOTHER 12346

/* A descriptor is its owner's to give. */
static void
test_owner(void)
{
    struct session *s;
    char *error = NULL;
    int theirs, roots;

    if (geteuid()) {
        return;
    }
    sessions_init(&sessions);
    s = make(1, "film");
    CU_ASSERT_FATAL(!seteuid(SOMEBODY));
    theirs = udp_socket(0x7f000001);
    CU_ASSERT_FATAL(!seteuid(0));
    roots = udp_socket(0x7f000001);
    CU_ASSERT_EQUAL(session_add_socket(s, ANOTHER, dup(theirs), &error),
                    EPERM);
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "another user"));
    free(error);
    CU_ASSERT_EQUAL(session_adopt_socket(s, ANOTHER, dup(theirs), &error),
                    EPERM);
    free(error);
    CU_ASSERT_EQUAL(session_add_socket(s, SOMEBODY, theirs, &error), 0);
    CU_ASSERT_EQUAL(session_add_socket(s, SOMEBODY, roots, &error), 0);
    CU_ASSERT_EQUAL_FATAL(s->n_sockets, 2);
    sessions_destroy(&sessions);
}

static int
try_connect(const struct sockaddr_in *sin)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int retval = connect(fd, (const struct sockaddr *) sin, sizeof *sin);
    struct pollfd p = { .fd = fd, .events = POLLOUT };

    retval = retval && errno == EINPROGRESS && poll(&p, 1, 200) == 1 ? 0
                                                                     : retval;
    close(fd);
    return retval;
}

/* A listener that is taken out of a session while that pauses listens on. */
static void
test_removed_while_held(void)
{
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(0x7f000001) };
    socklen_t len = sizeof sin;
    struct session *s;
    char *error = NULL;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    sessions_init(&sessions);
    s = make(1, "film");
    CU_ASSERT_FATAL(!bind(fd, (struct sockaddr *) &sin, sizeof sin));
    CU_ASSERT_FATAL(!listen(fd, 5));
    CU_ASSERT_FATAL(!getsockname(fd, (struct sockaddr *) &sin, &len));
    if (session_add_socket(s, 0, dup(fd), &error)) {
        CU_ASSERT(geteuid() != 0);
        free(error);
    } else {
        give_hold_new_connections(s, true);
        CU_ASSERT(try_connect(&sin) != 0);
        CU_ASSERT(session_remove_socket(s, s->sockets[0].cookie));
        CU_ASSERT_EQUAL(try_connect(&sin), 0);
    }
    close(fd);
    sessions_destroy(&sessions);
}

/* What was written to a connection that has been closed is owed until the peer
 * has it. */
static void
test_closing(void)
{
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(0x7f000001) };
    socklen_t len = sizeof sin;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int ours = socket(AF_INET, SOCK_STREAM, 0), theirs;
    struct closing closing = { NULL, 0, 0 };
    static char data[1 << 16];
    size_t written = 0, got = 0;
    ssize_t n;

    CU_ASSERT_FATAL(!bind(listener, (struct sockaddr *) &sin, sizeof sin));
    CU_ASSERT_FATAL(!listen(listener, 1));
    CU_ASSERT_FATAL(!getsockname(listener, (struct sockaddr *) &sin, &len));
    CU_ASSERT_FATAL(!connect(ours, (struct sockaddr *) &sin, sizeof sin));
    theirs = accept(listener, NULL, NULL);
    CU_ASSERT_FATAL(theirs >= 0);
    while ((n = send(ours, data, sizeof data, MSG_DONTWAIT)) > 0) {
        written += n;
    }
    closing_note(&closing, listener); /* Not a connection. */
    CU_ASSERT_EQUAL(closing.n, 0);
    closing_note(&closing, ours);
    CU_ASSERT_EQUAL(closing_owed(&closing), 0); /* It may go on. */
    close(ours);
    CU_ASSERT(closing_owed(&closing) > 0);
    while ((n = recv(theirs, data, sizeof data, 0)) > 0) {
        got += n;
    }
    CU_ASSERT_EQUAL(got, written);
    for (int i = 0; i < 1000 && closing_owed(&closing); i++) {
        usleep(1000); /* For the last acknowledgement. */
    }
    CU_ASSERT_EQUAL(closing_owed(&closing), 0);
    CU_ASSERT_EQUAL(closing.n, 0);
    closing_uninit(&closing);
    close(theirs);
    close(listener);
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "lookup", test_lookup },
        { "ids", test_ids },
        { "sockets", test_sockets },
        { "owner", test_owner },
        { "closing", test_closing },
        { "removed while held", test_removed_while_held },
    };

    return unit_run("agent-session", tests, ARRAY_SIZE(tests));
}
