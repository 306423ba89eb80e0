# SPDX-License-Identifier: Apache-2.0
"""What the correspondent saw: reads the records of the program arrivals."""

import bisect
import signal
import struct
import subprocess

RECORD = struct.Struct("=QBBHII16sI")     # struct arrival in arrivals.c
TCP, UDP = 6, 17
RST = 0x04
TIME, PROTO, FLAGS, PORT, LENGTH, SEQ, PAYLOAD, GAP = range(8)


class Capture:
    """Runs arrivals at the correspondent from now until finish()."""

    def __init__(self, sandbox, build, address, path, *options):
        self.path = path
        self.process = sandbox.start(
            "correspondent", build + "/tests/bench/arrivals", *options,
            "eth0", address, path, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError("arrivals did not start")

    def stop(self):
        """Ends it; 'missed' says how many records are not there."""
        self.process.send_signal(signal.SIGINT)
        output = self.process.communicate(timeout=30)[0]
        self.missed = int(output)

    def records(self):
        """One after the other: there can be millions."""
        with open(self.path, "rb") as f:
            while data := f.read(RECORD.size << 12):
                yield from RECORD.iter_unpack(data)

    def finish(self):
        """Ends it and returns the records."""
        self.stop()
        return list(self.records())


def percentile(values, p):
    """Nearest rank."""
    ordered = sorted(values)
    if not ordered:
        return 0
    rank = -(-len(ordered) * p // 100)
    return ordered[max(0, min(len(ordered), int(rank)) - 1)]


def summary_us(values_ns):
    return {name: round(percentile(values_ns, p) / 1000, 1)
            for name, p in (("p50", 50), ("p99", 99), ("max", 100))}


def largest_gap(times, begin, end):
    """The largest time between two arrivals next to each other, of those
    that end after 'begin' and begin before 'end'."""
    i = max(1, bisect.bisect_left(times, begin))
    largest = 0
    while i < len(times) and times[i - 1] < end:
        largest = max(largest, times[i] - times[i - 1])
        i += 1
    return largest


def largest_gap_within(times, begin, end):
    """The same, of those that begin and end between the two."""
    i = bisect.bisect_left(times, begin) + 1
    largest = 0
    while i < len(times) and times[i] <= end:
        largest = max(largest, times[i] - times[i - 1])
        i += 1
    return largest


def blackouts(times, moves, usual=None):
    """For each of 'moves' (begin and end of it, nanoseconds), how much longer
    than usual nothing arrived.  What is usual: 'usual', or the median of the
    largest gaps in as long a time just before each move."""
    slack = 100_000_000        # What comes late is still of this move.
    if usual is None:
        before = [largest_gap(times, 2 * begin - end - slack, begin)
                  for begin, end in moves]
        usual = percentile(before, 50)
    return [max(0, largest_gap(times, begin, end + slack) - usual)
            for begin, end in moves]
