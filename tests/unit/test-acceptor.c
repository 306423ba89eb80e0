/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "acceptor.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "stream.h"
#include "timeval.h"
#include "unit.h"
#include "util.h"

static struct acceptor acceptor;
static struct pstream *pstream;

static void
set_descriptors(rlim_t max)
{
    struct rlimit limit;

    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = MIN(max, limit.rlim_max);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Without descriptors there is no connection, and no spinning. */
static void
test_no_descriptors(void)
{
    struct stream *client, *stream;
    struct rlimit old;
    int n_errors = 0;
    char *name;
    int turns;

    name = xasprintf("unix:%s", pstream_get_name(pstream) + 6);
    CU_ASSERT_EQUAL(acceptor_accept(&acceptor, pstream, &stream), EAGAIN);
    CU_ASSERT_EQUAL_FATAL(stream_open(name, &client, DSCP_DEFAULT), 0);
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &old), 0);
    long long int end = time_msec() + 3 * ACCEPTOR_PAUSE;
    for (turns = 0; time_msec() < end; turns++) {
        set_descriptors(0);
        int error = acceptor_accept(&acceptor, pstream, &stream);

        set_descriptors(old.rlim_cur);
        CU_ASSERT(error == EMFILE || error == EAGAIN);
        n_errors += error == EMFILE;
        acceptor_wait(&acceptor, pstream);
        poll_block();
    }
    CU_ASSERT(turns < 20);
    CU_ASSERT(n_errors >= 2);
    do {
        acceptor_wait(&acceptor, pstream);
        poll_block();
    } while (acceptor_accept(&acceptor, pstream, &stream) == EAGAIN);
    CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
    stream_close(stream);
    stream_close(client);
    free(name);
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "no descriptors", test_no_descriptors },
    };
    char dir[] = "/tmp/test-acceptor-XXXXXX";
    int retval = 1;
    char *name;

    if (!mkdtemp(dir)) {
        return 1;
    }
    name = xasprintf("punix:%s/socket", dir);
    if (!pstream_open(name, &pstream, DSCP_DEFAULT)) {
        retval = unit_run("acceptor", tests, ARRAY_SIZE(tests));
        pstream_close(pstream);
    }
    free(name);
    rmdir(dir);
    return retval;
}
