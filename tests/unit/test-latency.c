/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "latency.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "unit.h"
#include "util.h"

static long long int now = 1000;

long long int __wrap_time_msec(void);
long long int
__wrap_time_msec(void)
{
    return now;
}

static int
policy(void)
{
    return sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
}

/* Microseconds of this thread's processor time. */
static long long int
used_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

/* A thread that takes the processor for itself loses its priority while it
 * does, and gets it back later. */
static void
test_hogging(void)
{
    long long int began = used_us();

    CU_ASSERT(latency_is_realtime());
    CU_ASSERT_EQUAL(policy(), SCHED_RR);
    while (policy() == SCHED_RR) {
        /* The kernel looks at each tick, which may be 10 ms. */
        CU_ASSERT_FATAL(used_us() - began < 20 * LATENCY_BURST);
    }
    CU_ASSERT_EQUAL(policy(), SCHED_OTHER);
    CU_ASSERT(used_us() - began >= LATENCY_BURST / 2);
    CU_ASSERT(!latency_is_realtime());

    latency_run();
    now += LATENCY_PENANCE - 1;
    latency_run();
    CU_ASSERT_EQUAL(policy(), SCHED_OTHER);
    now++;
    latency_run();
    CU_ASSERT_EQUAL(policy(), SCHED_RR);
    CU_ASSERT(latency_is_realtime());
    usleep(1000); /* A rest, after which the kernel counts from the start. */
}

/* It happens again and again: the kernel raises the limit each time. */
static void
test_hogging_again(void)
{
    for (int i = 0; i < 2; i++) {
        test_hogging();
    }
}

/* Rests do not help it if they are too short. */
static void
test_share(void)
{
    long long int began;

    /* What went before is not counted. */
    now += LATENCY_WINDOW;
    latency_run();
    now += LATENCY_PENANCE;
    latency_run();
    CU_ASSERT_FATAL(latency_is_realtime());

    began = used_us();
    while (used_us() - began < LATENCY_WINDOW * 10 * LATENCY_SHARE) {
        long long int then = used_us();

        while (used_us() - then < LATENCY_BURST / 5) {
            continue;
        }
        usleep(50);
    }
    CU_ASSERT_EQUAL(policy(), SCHED_RR);
    now += LATENCY_WINDOW - 1;
    latency_run();
    CU_ASSERT_EQUAL(policy(), SCHED_RR);
    now++;
    latency_run();
    CU_ASSERT_EQUAL(policy(), SCHED_OTHER);
    CU_ASSERT(!latency_is_realtime());
    now += LATENCY_PENANCE;
    latency_run();
    CU_ASSERT_EQUAL(policy(), SCHED_RR);
    now += LATENCY_WINDOW;
    latency_run();
    CU_ASSERT_EQUAL(policy(), SCHED_RR);
}

/* Without the right to ask for more than it has, it still gives it back. */
static void
test_unprivileged(void)
{
    struct __user_cap_header_struct header = {
        .version = _LINUX_CAPABILITY_VERSION_3,
    };
    struct __user_cap_data_struct data[2];
    long long int began = used_us();

    CU_ASSERT_EQUAL_FATAL(syscall(SYS_capget, &header, data), 0);
    data[0].effective &= ~(1u << CAP_SYS_NICE);
    data[0].permitted &= ~(1u << CAP_SYS_NICE);
    CU_ASSERT_EQUAL_FATAL(syscall(SYS_capset, &header, data), 0);
    CU_ASSERT_EQUAL(policy(), SCHED_RR);
    while (policy() == SCHED_RR) {
        CU_ASSERT_FATAL(used_us() - began < 20 * LATENCY_BURST);
    }
    CU_ASSERT_EQUAL(policy(), SCHED_OTHER);
}

/* What it starts is ordinary. */
static void
test_children(void)
{
    int status = 0;
    pid_t pid = fork();

    if (!pid) {
        _exit(policy() == SCHED_OTHER ? 0 : 1);
    }
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT_EQUAL(status, 0);
}

/* Microseconds that a sleeping processor of the host may take to wake up. */
static int32_t
sleep_limit(void)
{
    int fd = open("/dev/cpu_dma_latency", O_RDONLY);
    int32_t usec = -1;

    CU_ASSERT_EQUAL(read(fd, &usec, sizeof usec), sizeof usec);
    close(fd);
    return usec;
}

/* Processors stay awake on the alert, and only then. */
static void
test_alert(void)
{
    time_t deadline = time(NULL) + 30;

    if (access("/dev/cpu_dma_latency", W_OK)) {
        return;
    }
    latency_alert();
    CU_ASSERT_EQUAL(sleep_limit(), 0);
    now += LATENCY_ALERT - 1;
    latency_alert();
    now += LATENCY_ALERT - 1;
    latency_run();
    CU_ASSERT_EQUAL(sleep_limit(), 0);
    now++;
    latency_run();
    while (!sleep_limit()) {
        /* Others on this host may be on the alert too, for a moment. */
        CU_ASSERT_FATAL(time(NULL) < deadline);
    }
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "children", test_children },
        { "hogging", test_hogging },
        { "hogging again", test_hogging_again },
        { "share", test_share },
        { "alert", test_alert },
        { "unprivileged", test_unprivileged }, /* It stays so. */
    };

    latency_init(true);
    if (!latency_is_realtime()) {
        return UNIT_SKIP; /* Not permitted here. */
    }
    return unit_run("latency", tests, ARRAY_SIZE(tests));
}
