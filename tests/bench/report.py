# SPDX-License-Identifier: Apache-2.0
"""What the measuring programs say: a table for people, a file for machines.
All of them have one form:
{"bench": NAME, "cases": [{"name": ..., "moves": ..., ...}]}."""

import json
import sys


def write_json(path, bench, cases):
    with open(path, "w") as f:
        json.dump({"bench": bench, "cases": cases}, f, indent=2)
        f.write("\n")


def value(case, path):
    for name in path.split("."):
        case = case.get(name) if case is not None else None
    return "-" if case is None else str(case)


def print_table(columns, cases):
    """Columns are pairs of a heading and a member, with dots."""
    rows = [[heading for heading, _ in columns]]
    rows += [[value(case, path) for _, path in columns] for case in cases]
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
    print()
    for row in rows:
        print("  " + row[0].ljust(widths[0]) + "".join(
            "  " + cell.rjust(width)
            for cell, width in zip(row[1:], widths[1:])))
    sys.stdout.flush()


def progress(text):
    if sys.stderr.isatty():
        print("\r%-70s" % text, end="", file=sys.stderr, flush=True)


def end_progress():
    progress("")
    if sys.stderr.isatty():
        print("\r", end="", file=sys.stderr, flush=True)


def say(text):
    end_progress()
    print(text, flush=True)
