/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "whole-state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit.h"
#include "util.h"

static int
state_of(const char *text)
{
    int fd = -1;

    CU_ASSERT_FATAL(!app_state_create(text, strlen(text), &fd));
    return fd;
}

static void
fill(struct whole_part parts[2])
{
    memset(parts, 0, 2 * sizeof parts[0]);
    ovs_strlcpy(parts[0].service, "files", APP_NAME_LEN);
    ovs_strlcpy(parts[0].name, "film", APP_NAME_LEN);
    parts[0].sockets[0] = 2;
    parts[0].sockets[1] = 0;
    parts[0].n_sockets = 2;
    parts[0].state_fd = state_of("where it was");
    ovs_strlcpy(parts[1].service, "stream", APP_NAME_LEN);
    parts[1].sockets[0] = 1;
    parts[1].n_sockets = 1;
    parts[1].state_fd = -1;
}

static void
check_text(int fd, const char *expected)
{
    size_t n = strlen(expected), size;
    char *p;

    CU_ASSERT_FATAL(!app_state_check(fd, APP_STATE_MAX, &size));
    CU_ASSERT_EQUAL_FATAL(size, n);
    p = mmap(NULL, n, PROT_READ, MAP_SHARED, fd, 0);
    CU_ASSERT_FATAL(p != MAP_FAILED);
    CU_ASSERT(!memcmp(p, expected, n));
    munmap(p, n);
}

static void
test_there_and_back(void)
{
    struct whole_part parts[2], *got;
    size_t n;
    int fd;

    fill(parts);
    CU_ASSERT_FATAL(!whole_state_join(parts, 2, &fd));
    CU_ASSERT_FATAL(!whole_state_split(fd, 3, &got, &n));
    CU_ASSERT_EQUAL_FATAL(n, 2);
    CU_ASSERT_STRING_EQUAL(got[0].service, "files");
    CU_ASSERT_STRING_EQUAL(got[0].name, "film");
    CU_ASSERT_EQUAL(got[0].n_sockets, 2);
    CU_ASSERT(got[0].sockets[0] == 2 && got[0].sockets[1] == 0);
    check_text(got[0].state_fd, "where it was");
    CU_ASSERT_STRING_EQUAL(got[1].service, "stream");
    CU_ASSERT_STRING_EQUAL(got[1].name, "");
    CU_ASSERT(got[1].n_sockets == 1 && got[1].sockets[0] == 1);
    CU_ASSERT_EQUAL(got[1].state_fd, -1);
    whole_parts_free(got, n);
    close(fd);
    close(parts[0].state_fd);
}

static void
test_nobody(void)
{
    struct whole_part *got;
    size_t n;
    int fd;

    CU_ASSERT_FATAL(!whole_state_join(NULL, 0, &fd));
    CU_ASSERT_FATAL(!whole_state_split(fd, 0, &got, &n));
    CU_ASSERT_EQUAL(n, 0);
    whole_parts_free(got, n);
    close(fd);
}

static int
split(const void *bytes, size_t size, size_t n_sockets)
{
    struct whole_part *got;
    size_t n;
    int error, fd;

    CU_ASSERT_FATAL(!app_state_create(bytes, size, &fd));
    error = whole_state_split(fd, n_sockets, &got, &n);
    if (!error) {
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < got[i].n_sockets; j++) {
                CU_ASSERT(got[i].sockets[j] < n_sockets);
            }
        }
    } else {
        CU_ASSERT(!got && !n);
    }
    whole_parts_free(got, n);
    close(fd);
    return error;
}

/* Cut, longer, and with each byte changed. */
static void
test_changed(void)
{
    struct whole_part parts[2];
    size_t size;
    uint8_t *copy, *p;
    int fd;

    fill(parts);
    CU_ASSERT_FATAL(!whole_state_join(parts, 2, &fd));
    CU_ASSERT_FATAL(!app_state_check(fd, APP_STATE_MAX, &size));
    p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    CU_ASSERT_FATAL(p != MAP_FAILED);
    copy = xzalloc(size + 1);
    memcpy(copy, p, size);
    munmap(p, size);

    CU_ASSERT(!split(copy, size, 3));
    for (size_t i = 0; i < size; i++) {
        CU_ASSERT_EQUAL(split(copy, i, 3), EPROTO);
    }
    CU_ASSERT_EQUAL(split(copy, size + 1, 3), EPROTO);
    for (size_t i = 0; i < size; i++) {
        static const uint8_t values[] = { 0, 1, 2, 3, 0x7f, 0x80, 0xff };
        uint8_t old = copy[i];

        for (size_t j = 0; j < ARRAY_SIZE(values); j++) {
            copy[i] = values[j];
            split(copy, size, 3);
        }
        copy[i] = old;
    }
    free(copy);
    close(fd);
    close(parts[0].state_fd);
}

/* A socket belongs to one application. */
static void
test_sockets(void)
{
    struct whole_part parts[2], *got;
    size_t n;
    int fd;

    fill(parts);
    CU_ASSERT_FATAL(!whole_state_join(parts, 2, &fd));
    CU_ASSERT_EQUAL(whole_state_split(fd, 2, &got, &n), EPROTO);
    close(fd);
    parts[1].sockets[0] = 2;
    CU_ASSERT_FATAL(!whole_state_join(parts, 2, &fd));
    CU_ASSERT_EQUAL(whole_state_split(fd, 3, &got, &n), EPROTO);
    close(fd);
    close(parts[0].state_fd);
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "there and back", test_there_and_back },
        { "an address without applications", test_nobody },
        { "cut and changed", test_changed },
        { "sockets", test_sockets },
    };

    return unit_run("whole-state", tests, ARRAY_SIZE(tests));
}
