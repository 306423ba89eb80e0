#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does the memory of a process hold some bytes?

usage: memory.py PID TEXT...    prints each TEXT that is there
"""

import sys


# AddressSanitizer reserves terabytes for what it knows of each byte.
LARGEST = 4 << 30


def regions(pid):
    with open("/proc/%d/maps" % pid) as maps:
        for line in maps:
            bounds, mode = line.split()[:2]
            begin, end = (int(x, 16) for x in bounds.split("-"))
            if (mode.startswith("r") and "[v" not in line
                    and end - begin < LARGEST):
                yield begin, end


def holds(pid, needles):
    found = set()
    overlap = max(len(n) for n in needles)
    with open("/proc/%d/mem" % pid, "rb", 0) as mem:
        for begin, end in regions(pid):
            tail = b""
            while begin < end:
                try:
                    mem.seek(begin)
                    chunk = mem.read(min(end - begin, 1 << 20))
                except OSError:
                    break
                if not chunk:
                    break
                window = tail + chunk
                found.update(n for n in needles if n in window)
                tail = window[-overlap:]
                begin += len(chunk)
    return found


if __name__ == "__main__":
    for needle in holds(int(sys.argv[1]),
                        [a.encode() for a in sys.argv[2:]]):
        print(needle.decode())
