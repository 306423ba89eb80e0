/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "latency.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(latency);

/* Nanoseconds: the shortest slice that the kernel takes. */
#define SLICE 100000
/* For children: as much as a person would give. */
#define CHILD_NICE (-10)

/* <linux/sched/types.h>, which clashes with <sched.h>. */
struct slice_attr {
    uint32_t size;
    uint32_t sched_policy;
    uint64_t sched_flags;
    int32_t sched_nice;
    uint32_t sched_priority;
    uint64_t sched_runtime;
    uint64_t sched_deadline;
    uint64_t sched_period;
};

static pid_t thread;                 /* That latency_init() was called by. */
static volatile sig_atomic_t hogged; /* SIGXCPU came. */
static bool wanted;                  /* Real time, now or after the penance. */
static long long int again = LLONG_MAX; /* time_msec(), or LLONG_MAX. */
/* Of what it uses as a real-time thread, since 'window' (time_msec()). */
static long long int window;
static long long int window_used; /* Microseconds, as used_us() was then. */
/* PM QoS. */
static int sleep_fd = -1; /* Asks for nothing until it is written to. */
static long long int alert_until; /* time_msec(), or 0: not on the alert. */

static void
ask_for_short_slices(void)
{
    struct slice_attr attr;

    if (syscall(SYS_sched_getattr, 0, &attr, sizeof attr, 0)) {
        return;
    }
    attr.sched_runtime = SLICE;
    if (syscall(SYS_sched_setattr, 0, &attr, 0)) {
        VLOG_DBG("sched_setattr: %s", ovs_strerror(errno));
    }
}

/* Microseconds of processor time of this thread. */
static long long int
used_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

static void
begin_window(void)
{
    window = time_msec();
    window_used = used_us();
}

/* Without CAP_SYS_NICE (there may have been no more than a limit that permits
 * real time) a thread may go back to the ordinary class, but not clear
 * SCHED_RESET_ON_FORK. */
static void
go_ordinary(void)
{
    struct sched_param param = { .sched_priority = 0 };

    sched_setscheduler(thread, SCHED_OTHER | SCHED_RESET_ON_FORK, &param);
    hogged = 1;
}

/* The kernel's word: gives the processor back at once, whatever the main loop
 * is doing. */
static void
handle_sigxcpu(int signr OVS_UNUSED)
{
    int saved = errno;

    go_ordinary();
    errno = saved;
}

/* Returns 0 or a positive errno. */
static int
go_realtime(void)
{
    struct sched_param param = { .sched_priority = 1 };
    struct rlimit limit;

    /* The kernel raises the soft limit each time that it is reached. */
    if (getrlimit(RLIMIT_RTTIME, &limit)) {
        return errno;
    }
    limit.rlim_cur = MIN(limit.rlim_max, LATENCY_BURST);
    if (setrlimit(RLIMIT_RTTIME, &limit)
        || sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param)) {
        return errno;
    }
    begin_window();
    return 0;
}

/* The kernel begins to count anew at each rest, however short: who works all
 * the time, but for moments, is found here. */
static void
look_at_share(void)
{
    long long int elapsed = time_msec() - window;

    if (elapsed >= LATENCY_WINDOW) {
        if (used_us() - window_used > elapsed * 10 * LATENCY_SHARE) {
            go_ordinary();
        }
        begin_window();
    }
}

/* Asks that processors wake up in 'usec' at most; INT32_MAX is no wish. */
static void
limit_sleep(int32_t usec)
{
    if (write(sleep_fd, &usec, sizeof usec) != sizeof usec) {
        VLOG_INFO("/dev/cpu_dma_latency: %s", ovs_strerror(errno));
        close(sleep_fd);
        sleep_fd = -1;
    }
}

void
latency_init(bool realtime)
{
    struct sigaction action = { .sa_handler = handle_sigxcpu,
                                .sa_flags = SA_RESTART };
    int error;

    ask_for_short_slices();
    if (!realtime) {
        return;
    }
    thread = syscall(SYS_gettid);
    error = sigaction(SIGXCPU, &action, NULL) ? errno : go_realtime();
    wanted = !error;
    if (error) {
        VLOG_INFO("no real-time priority (%s): moves may take longer",
                  ovs_strerror(error));
    }
    sleep_fd = open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC);
    if (sleep_fd < 0) {
        VLOG_DBG("/dev/cpu_dma_latency: %s", ovs_strerror(errno));
    }
}

void
latency_alert(void)
{
    if (sleep_fd >= 0) {
        if (!alert_until) {
            limit_sleep(0);
        }
        alert_until = time_msec() + LATENCY_ALERT;
    }
}

void
latency_init_child(void)
{
    ask_for_short_slices();
    if (setpriority(PRIO_PROCESS, 0, CHILD_NICE)) {
        VLOG_DBG("setpriority: %s", ovs_strerror(errno));
    }
}

void
latency_run(void)
{
    if (wanted && again == LLONG_MAX && !hogged) {
        look_at_share();
    }
    if (OVS_UNLIKELY(hogged)) {
        hogged = 0;
        again = time_msec() + LATENCY_PENANCE;
        ask_for_short_slices();
        VLOG_DBG("too busy: not a real-time thread for %d ms",
                 LATENCY_PENANCE);
    }
    if (OVS_UNLIKELY(time_msec() >= again)) {
        again = LLONG_MAX;
        wanted = !go_realtime();
    }
    if (alert_until && time_msec() >= alert_until) {
        alert_until = 0;
        if (sleep_fd >= 0) {
            limit_sleep(INT32_MAX);
        }
    }
}

void
latency_wait(void)
{
    if (alert_until) {
        poll_timer_wait_until(alert_until);
    }
}

bool
latency_is_realtime(void)
{
    return wanted && again == LLONG_MAX && !hogged;
}
