# SPDX-License-Identifier: Apache-2.0
"""Where the time of transfers goes: the mean of their timelines."""

import statistics

ZERO = ("transferring", "accepted")     # The application is asked to pause.
FIRST = ("transferring", "paused")


def collect(controller, transfers):
    """Of those that the controller remembers: for each a list of
    (side, step, microseconds)."""
    timelines = []
    for transfer in transfers:
        reply = controller.call("baton/timeline", transfer)
        steps = [(side["role"], name, usec) for side in reply["sides"]
                 for name, usec in side["steps"]]
        if len({side["boot"] for side in reply["sides"]}) == 1:
            timelines.append(sorted(steps, key=lambda step: step[2]))
    return timelines


def summarize(timelines):
    """Rows of (side, step, mean, p50 and p99 of the time since zero, mean of
    the time since the step before), in the order of time."""
    at, since = {}, {}
    for steps in timelines:
        zero = next((usec for side, name, usec in steps
                     if (side, name) == ZERO), None)
        if zero is None:
            continue
        before = zero
        for side, name, usec in steps:
            if usec < zero:
                continue
            at.setdefault((side, name), []).append(usec - zero)
            since.setdefault((side, name), []).append(usec - before)
            before = usec
    rows = []
    for key, values in at.items():
        values.sort()
        rows.append(key + (statistics.fmean(values),
                           statistics.median(values),
                           values[min(len(values) - 1,
                                      len(values) * 99 // 100)],
                           statistics.fmean(since[key]), len(values)))
    return sorted(rows, key=lambda row: row[3])


def print_table(title, timelines):
    rows = summarize(timelines)
    if not rows:
        return
    print()
    print("  %s: steps of %d transfers, microseconds since the application "
          "was asked to pause" % (title, len(timelines)))
    print("  %-13s %-12s %9s %9s %9s %12s" % ("side", "step", "mean", "p50",
                                             "p99", "since before"))
    for side, name, mean, p50, p99, since, n in rows:
        print("  %-13s %-12s %9.0f %9.0f %9.0f %12.0f%s" % (
            side, name, mean, p50, p99, since,
            "" if n == len(timelines) else "  (in %d)" % n))
