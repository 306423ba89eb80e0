/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* What travels, cut and changed in every way; and what a target takes of it
 * (invariant I9).  Sockets' own form has tests of its own: here it is the port
 * and the peer of a fake. */

#include "handoff.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "address.h"
#include "packets.h"
#include "socket-state.h"
#include "unit.h"
#include "util.h"
#include "wire.h"

struct socket_state {
    struct socket_state_info info;
};

static struct in6_addr address;
static int n_states; /* Not yet destroyed. */

int __wrap_socket_state_encode(const struct socket_state *, uint8_t **,
                               size_t *, char **);
int
__wrap_socket_state_encode(const struct socket_state *state, uint8_t **bytes,
                           size_t *n, char **errorp)
{
    if (state->info.recv_queue > 100) {
        *errorp = xstrdup("too much");
        return EMSGSIZE;
    }
    *n = 1 + state->info.recv_queue;
    *bytes = xzalloc(*n);
    **bytes = state->info.recv_queue;
    return 0;
}

int __wrap_socket_state_decode(const uint8_t *, size_t, struct socket_state **,
                               char **);
int
__wrap_socket_state_decode(const uint8_t *bytes, size_t n,
                           struct socket_state **state, char **errorp)
{
    if (!n || bytes[0] != n - 1) {
        *errorp = xstrdup("wrong form");
        return EPROTO;
    }
    *state = xzalloc(sizeof **state);
    (*state)->info.recv_queue = n - 1;
    n_states++;
    return 0;
}

void __wrap_socket_state_destroy(struct socket_state *);
void
__wrap_socket_state_destroy(struct socket_state *state)
{
    if (state) {
        n_states--;
        free(state);
    }
}

void __wrap_socket_state_get_info(const struct socket_state *,
                                  struct socket_state_info *);
void
__wrap_socket_state_get_info(const struct socket_state *state,
                             struct socket_state_info *info)
{
    *info = state->info;
}

bool __wrap_address_is_local(const struct in6_addr *);
bool
__wrap_address_is_local(const struct in6_addr *a)
{
    struct in6_addr own;

    in6_addr_set_mapped_ipv4(&own, htonl(0x0a01000c));
    return ipv6_addr_equals(a, &own);
}

static struct handoff
make(size_t n_sockets, size_t app_len)
{
    struct handoff h;

    memset(&h, 0, sizeof h);
    memset(h.ticket_hash, 0x77, sizeof h.ticket_hash);
    h.sockets = xcalloc(n_sockets + 1, sizeof *h.sockets);
    for (size_t i = 0; i < n_sockets; i++) {
        h.sockets[i] = xzalloc(sizeof *h.sockets[i]);
        h.sockets[i]->info.recv_queue = i % 50;
        n_states++;
    }
    h.n_sockets = n_sockets;
    h.app_len = app_len;
    h.app_state = app_len ? xmalloc(app_len) : NULL;
    if (app_len) {
        memset(h.app_state, 0x66, app_len);
    }
    return h;
}

static void
test_there_and_back(void)
{
    static const size_t counts[][2] = {
        { 0, 0 }, { 1, 0 }, { 0, 7 }, { 128, 100000 }
    };

    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        struct handoff h = make(counts[i][0], counts[i][1]), got;
        char *error = NULL;
        uint8_t *bytes;
        size_t n;

        CU_ASSERT_EQUAL(handoff_encode(&h, &bytes, &n, &error), 0);
        CU_ASSERT_EQUAL_FATAL(handoff_decode(bytes, n, &got, &error), 0);
        CU_ASSERT_EQUAL(got.n_sockets, h.n_sockets);
        CU_ASSERT_EQUAL(got.app_len, h.app_len);
        CU_ASSERT(!memcmp(got.ticket_hash, h.ticket_hash, SEAL_HASH_LEN));
        CU_ASSERT(!h.app_len
                  || !memcmp(got.app_state, h.app_state, h.app_len));
        handoff_uninit(&got);
        handoff_uninit(&h);
        free(bytes);
    }
    CU_ASSERT_EQUAL(n_states, 0);
}

/* Cut at every byte, with every byte changed: refused, or something within
 * the limits; nothing leaks. */
static void
test_hostile(void)
{
    struct handoff h = make(3, 20), got;
    char *error = NULL;
    uint8_t *bytes;
    size_t n;

    CU_ASSERT_EQUAL(handoff_encode(&h, &bytes, &n, &error), 0);
    for (size_t i = 0; i < n; i++) {
        uint8_t *cut = xmemdup(bytes, i + !i);

        CU_ASSERT(handoff_decode(cut, i, &got, &error) != 0);
        CU_ASSERT_FATAL(error != NULL);
        free(error);
        error = NULL;
        free(cut);
    }
    for (size_t i = 0; i < n * 4; i++) {
        static const uint8_t xors[] = { 0x01, 0x80, 0xff, 0x7f };
        uint8_t *changed = xmemdup(bytes, n);

        changed[i / 4] ^= xors[i % 4];
        if (!handoff_decode(changed, n, &got, &error)) {
            CU_ASSERT(got.n_sockets <= HANDOFF_SOCKETS_MAX);
            CU_ASSERT(got.app_len <= HANDOFF_APP_STATE_MAX);
            handoff_uninit(&got);
        } else {
            CU_ASSERT_PTR_NOT_NULL(error);
            free(error);
        }
        error = NULL;
        free(changed);
    }
    /* More sockets than allowed, more bytes than there are. */
    wire_put_u16(bytes + 36, 129);
    CU_ASSERT(handoff_decode(bytes, n, &got, &error) != 0);
    free(error);
    wire_put_u16(bytes + 36, 3);
    wire_put_u32(bytes + 38, UINT32_MAX);
    CU_ASSERT(handoff_decode(bytes, n, &got, &error) != 0);
    free(error);
    free(bytes);
    handoff_uninit(&h);
    CU_ASSERT_EQUAL(n_states, 0);
}

static void
test_encode_fails(void)
{
    struct handoff h = make(3, 0);
    char *error = NULL;
    uint8_t *bytes;
    size_t n;

    h.sockets[1]->info.recv_queue = 101;
    CU_ASSERT_EQUAL(handoff_encode(&h, &bytes, &n, &error), EMSGSIZE);
    CU_ASSERT_PTR_NULL(bytes);
    CU_ASSERT_PTR_NOT_NULL(error);
    free(error);
    handoff_uninit(&h);
}

static void
set(struct sockaddr_storage *ss, const char *ip)
{
    struct sockaddr_in *sin = (struct sockaddr_in *) ss;
    struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *) ss;

    memset(ss, 0, sizeof *ss);
    if (inet_pton(AF_INET, ip, &sin->sin_addr) == 1) {
        ss->ss_family = AF_INET;
    } else if (*ip) {
        CU_ASSERT_EQUAL(inet_pton(AF_INET6, ip, &sin6->sin6_addr), 1);
        ss->ss_family = AF_INET6;
    }
}

static void
check(const char *local, const char *peer, bool is_good)
{
    struct handoff h = make(1, 0);
    char *error;

    set(&h.sockets[0]->info.local, local);
    set(&h.sockets[0]->info.peer, peer);
    error = handoff_check(&h, &address);
    if (is_good != !error) {
        printf("local %s, peer %s: %s\n", local, peer,
               error ? error : "accepted");
        CU_FAIL("wrong");
    }
    free(error);
    handoff_uninit(&h);
}

static void
test_what_a_target_takes(void)
{
    check("10.1.0.100", "10.1.0.2", true);
    check("10.1.0.100", "192.0.2.1", true);
    check("::ffff:10.1.0.100", "::ffff:10.1.0.2", true);
    check("10.1.0.101", "10.1.0.2", false); /* Not the session's. */
    check("0.0.0.0", "10.1.0.2", false);
    check("", "10.1.0.2", false);
    check("::", "10.1.0.2", false);
    check("10.1.0.100", "10.1.0.100", false); /* Itself. */
    check("10.1.0.100", "10.1.0.12", false);  /* The target. */
    check("10.1.0.100", "127.0.0.1", false);
    check("10.1.0.100", "127.255.0.1", false);
    check("10.1.0.100", "::ffff:127.0.0.1", false);
    check("10.1.0.100", "::1", false);
    check("10.1.0.100", "::", false);
    check("10.1.0.100", "0.0.0.0", false);
    check("10.1.0.100", "0.1.2.3", false);
    check("10.1.0.100", "224.0.0.1", false);
    check("10.1.0.100", "255.255.255.255", false);
    check("10.1.0.100", "ff02::1", false);
    check("10.1.0.100", "fe80::1", false); /* Would bind to a device. */
    check("10.1.0.100", "", false);        /* TCP without a peer. */
}

static void
test_state_in_a_memfd(void)
{
    struct handoff h = make(0, 100000), got = make(0, 3);
    char *error = NULL;
    int fd = handoff_state_to_fd(&h);

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT(write(fd, "x", 1) < 0);
    CU_ASSERT_EQUAL(handoff_state_from_fd(&got, fd, &error), 0);
    CU_ASSERT_EQUAL_FATAL(got.app_len, 100000);
    CU_ASSERT(!memcmp(got.app_state, h.app_state, 100000));
    close(fd);

    /* Not sealed: it could change. */
    fd = memfd_create("x", MFD_ALLOW_SEALING);
    CU_ASSERT_EQUAL(handoff_state_from_fd(&got, fd, &error), EINVAL);
    free(error);
    CU_ASSERT(!ftruncate(fd, HANDOFF_APP_STATE_MAX + 1));
    CU_ASSERT(
        !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
    CU_ASSERT_EQUAL(handoff_state_from_fd(&got, fd, &error), EMSGSIZE);
    free(error);
    close(fd);
    fd = open("/dev/zero", O_RDONLY);
    CU_ASSERT_EQUAL(handoff_state_from_fd(&got, fd, &error), EINVAL);
    free(error);
    close(fd);
    handoff_uninit(&got);
    handoff_uninit(&h);
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "there and back", test_there_and_back },
        { "hostile", test_hostile },
        { "encode fails", test_encode_fails },
        { "what a target takes", test_what_a_target_takes },
        { "state in a memfd", test_state_in_a_memfd },
    };

    in6_addr_set_mapped_ipv4(&address, htonl(0x0a010064));
    return unit_run("handoff", tests, ARRAY_SIZE(tests));
}
