/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "latency.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(latency);

/* Nanoseconds: the shortest slice that the kernel takes. */
#define SLICE 100000

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

void
latency_ask_for_short_slices(void)
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
