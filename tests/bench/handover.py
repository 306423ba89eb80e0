# SPDX-License-Identifier: Apache-2.0
"""How long does the correspondent hear nothing when a session moves?

Each case is a stream of its own.  Its session moves to and fro; between two
moves is as long a time without one, by which it can be compared.  A blackout
is the largest gap between arrivals around a move, less the sending interval;
the kernel at the correspondent notes the arrivals."""

import array
import json
import os
import time

import arrivals
import breakdown
import floor
import report
from agent import Agent, Controller
from application import Application
from sandbox import Failure

DEVICES = ("laptop", "tv")
CORRESPONDENT = "10.1.0.2"
SERVICES = """\
  pulse:
    devices: ["*"]
    user: root
"""

STALL_US = 200_000      # What a lost segment costs that nothing reports.
BULK_GAP_US = 100       # Shorter ones are not looked at in a bulk stream.
BULK_FLOOR = 65536      # Bytes in the queues of the floor beside it.
BREAKDOWN = 200         # Transfers, the last ones, that are looked into.
FLOORS = 300            # Times that the floor is measured at the most.


class Pulse:
    """A record each millisecond over TCP, with bytes that wait in the queues;
    or as much as goes."""
    kind = "tcp"

    def __init__(self, sandbox, build, queued, bulk=False):
        program = build + "/tests/bench/pulse"
        queue = "--queued=%d" % queued
        self.interval_us = 0 if bulk else 1000
        self.queued = queued
        self.far = Application(sandbox, "correspondent", program,
                               "--far=7000", queue)
        self.far.line("ready")
        tv = Application(sandbox, "tv", program)
        tv.line("ready")
        options = [queue] + ["--bulk"] * bulk
        laptop = Application(sandbox, "laptop", program,
                             "--open=%s:7000" % CORRESPONDENT, *options)
        words = laptop.line("address").split()
        self.address, self.session = words[1], words[-1]
        unread, unsent = int(words[3]), int(words[5])
        if unread != queued // 2 or unsent < queued // 2 * 3 // 4:
            raise Failure("the queues hold %d and %d bytes, not %d each"
                          % (unread, unsent, queued // 2))
        self.near = (laptop, tv)

    def finish(self, at):
        near = self.near[at].summary()
        far = json.loads(self.far.line("{"))
        half = self.queued // 2
        pairs = ((near["sent"], far["received"]), (half, near["unread"]),
                 (half, far["unsent_received"]))
        return {
            # Bytes: TCP has no packets.
            "lost": sum(max(0, sent - got) for sent, got in pairs),
            "duplicated": sum(max(0, got - sent) for sent, got in pairs),
            "reordered": 0,
            "wrong_bytes": near["wrong"] + far["wrong"],
        }

    def end(self):
        for application in self.near + (self.far,):
            application.end()


class Stream:
    """Numbered datagrams, both ways."""
    kind = "udp"
    queued = 0

    def __init__(self, sandbox, build, rate):
        program = build + "/utilities/baton-stream"
        self.interval_us = 1_000_000 / rate
        self.far = Application(sandbox, "correspondent", program,
                               "--correspondent", "--port=9000",
                               "--rate=%d" % rate)
        self.far.line("address")
        tv = Application(sandbox, "tv", program, "--service=stream",
                         "--accept")
        laptop = Application(sandbox, "laptop", program, "--service=stream",
                             "--accept", "--open", "--rate=%d" % rate,
                             "--send=%s:9000" % CORRESPONDENT)
        words = laptop.line("address").split()
        self.address, self.session = words[1], words[-1]
        self.near = (laptop, tv)

    def finish(self, at):
        both = self.near[at].summary(), self.far.summary()
        figures = {name: sum(side[name] for side in both)
                   for name in ("lost", "duplicated", "reordered")}
        figures["wrong_bytes"] = sum(side["wrong"] for side in both)
        if any(side["stale"] for side in both):
            figures["stale"] = sum(side["stale"] for side in both)
        return figures

    end = Pulse.end


# Name: what makes it, how long it goes on after a move, in seconds.
CASES = {
    "tcp-0k": (lambda *args: Pulse(*args, queued=0), 0.04),
    "tcp-16k": (lambda *args: Pulse(*args, queued=16 << 10), 0.04),
    "tcp-64k": (lambda *args: Pulse(*args, queued=64 << 10), 0.04),
    "tcp-128k": (lambda *args: Pulse(*args, queued=128 << 10), 0.04),
    "udp-1000": (lambda *args: Stream(*args, rate=1000), 0.04),
    "udp-5000": (lambda *args: Stream(*args, rate=5000), 0.04),
    "udp-20000": (lambda *args: Stream(*args, rate=20000), 0.04),
    "tcp-bulk": (lambda *args: Pulse(*args, queued=0, bulk=True), 0.35),
}


class Moves:
    """What was done, on the clock of the arrivals (CLOCK_REALTIME, ns)."""

    def __init__(self, sandbox, session, n, pause, name):
        agents = [Agent(sandbox, device) for device in DEVICES]
        self.unmoved, self.moved = [], []   # (begin, end)
        self.transfers, self.failed = [], []
        self.at = 0
        for i in range(n):
            begin = time.time_ns()
            time.sleep(pause)
            middle = time.time_ns()
            self.unmoved.append((begin, middle))
            self.move(agents, session)
            time.sleep(pause)
            self.moved.append((middle, time.time_ns()))
            if i % 10 == 9:
                report.progress("%s: %d of %d moves" % (name, i + 1, n))
        for agent in agents:
            agent.close()

    def move(self, agents, session):
        try:
            self.transfers.append(agents[self.at].move(
                session, DEVICES[1 - self.at]))
            self.at = 1 - self.at
        except Failure as failure:
            self.failed.append(str(failure))
            if len(self.failed) > 10 + len(self.transfers) // 10:
                raise


def blackouts(capture, moves, interval_us):
    """In nanoseconds: of each move, and of each time without one."""
    times = array.array("Q", (r[arrivals.TIME] for r in capture.records()
                              if r[arrivals.LENGTH]))
    interval = int(interval_us * 1000)
    moved = [arrivals.largest_gap(times, begin, end)
             for begin, end in moves.moved]
    unmoved = [arrivals.largest_gap_within(times, begin, end)
               for begin, end in moves.unmoved]
    return ([max(0, gap - interval) for gap in moved],
            [max(0, gap - interval) for gap in unmoved])


def bulk_blackouts(capture, moves):
    """The same where only gaps were noted: each belongs where it began."""
    gaps = sorted((r[arrivals.TIME] - 1000 * r[arrivals.GAP],
                   1000 * r[arrivals.GAP])
                  for r in capture.records()
                  if r[arrivals.LENGTH] and r[arrivals.GAP])

    def largest(windows):
        result, i = [], 0
        for begin, end in windows:
            while i < len(gaps) and gaps[i][0] < begin:
                i += 1
            here = [0]
            while i < len(gaps) and gaps[i][0] < end:
                here.append(gaps[i][1])
                i += 1
            result.append(max(here))
        return result
    return largest(moves.moved), largest(moves.unmoved)


def count_rst(capture):
    return sum(1 for r in capture.records()
               if r[arrivals.PROTO] == arrivals.TCP
               and r[arrivals.FLAGS] & arrivals.RST)


def run_case(args, sandbox, name):
    make, pause = CASES[name]
    bulk = name == "tcp-bulk"
    n_floors = min(FLOORS, args.moves)
    report.progress("%s: the floor" % name)
    flows_us = floor.flows(args.build, sandbox, DEVICES, -(-n_floors // 2))
    dropped = sandbox.count_dropped()
    application = make(sandbox, args.build)
    capture = arrivals.Capture(
        sandbox, args.build, application.address,
        sandbox.directory + "/arrivals",
        *["--gap=%d" % BULK_GAP_US] * bulk)
    moves = Moves(sandbox, application.session, args.moves, pause, name)
    time.sleep(0.5)             # For what is under way.
    figures = application.finish(moves.at)
    capture.stop()
    application.end()
    dropped = sandbox.count_dropped() - dropped
    # The other half: the host may be less quiet now than it was.
    flows_us += floor.flows(args.build, sandbox, DEVICES, n_floors // 2)
    sockets_us = floor.sockets(args.build, application.kind,
                               BULK_FLOOR if bulk else application.queued,
                               n_floors)
    writes_us = floor.writes(args.build, sandbox, n_floors)

    moved, unmoved = (bulk_blackouts(capture, moves) if bulk else
                      blackouts(capture, moves, application.interval_us))
    rst = count_rst(capture)
    os.unlink(capture.path)
    if capture.missed:
        raise Failure("%s: %d arrivals were not noted" % (name,
                                                          capture.missed))
    blackout = arrivals.summary_us(moved)
    floor_us = arrivals.summary_us(floor.together(sockets_us, flows_us,
                                                  writes_us))
    case = {
        "name": name,
        "moves": len(moves.transfers),
        "blackout_us": blackout,
        "floor_us": floor_us,
        "ratio_p50": round(blackout["p50"] / floor_us["p50"], 2),
        "lost": figures.pop("lost"),
        "duplicated": figures.pop("duplicated"),
        "reordered": figures.pop("reordered"),
        "rst": rst,
        "wrong_bytes": figures.pop("wrong_bytes"),
        "unmoved_us": arrivals.summary_us(unmoved),
        "floor_parts_us": {
            "sockets": arrivals.summary_us([1000 * x for x in sockets_us]),
            "flow": arrivals.summary_us([1000 * x for x in flows_us]),
            "write": arrivals.summary_us([1000 * x for x in writes_us])},
    }
    case.update(figures)
    if dropped:
        case["switch_dropped"] = dropped
    if bulk:
        case["stalls"] = {
            "over_us": STALL_US,
            "moved": sum(1 for ns in moved if ns >= 1000 * STALL_US),
            "unmoved": sum(1 for ns in unmoved if ns >= 1000 * STALL_US)}
    if moves.failed:
        case["failed"] = len(moves.failed)
        report.say("%s: %d moves failed; the last: %s" % (
            name, len(moves.failed), moves.failed[-1]))
    controller = Controller(sandbox)
    time.sleep(1)               # Devices report when they have drained.
    timelines = breakdown.collect(controller, moves.transfers[-BREAKDOWN:])
    controller.close()
    return case, timelines


COLUMNS = (
    ("case", "name"), ("moves", "moves"),
    ("blackout p50", "blackout_us.p50"), ("p99", "blackout_us.p99"),
    ("max", "blackout_us.max"), ("unmoved p50", "unmoved_us.p50"),
    ("p99", "unmoved_us.p99"), ("floor p50", "floor_us.p50"),
    ("ratio", "ratio_p50"), ("lost", "lost"), ("twice", "duplicated"),
    ("reord", "reordered"), ("RST", "rst"), ("wrong", "wrong_bytes"),
    ("port drops", "switch_dropped"))


def is_good(case):
    """What a full buffer at a port dropped, the switch has never seen."""
    dropped = case.get("switch_dropped", 0)
    if case["lost"] and dropped:
        print("\n  %s: of %d lost, %d were dropped at the switch's ports: it "
              "had too little CPU time" % (case["name"], case["lost"],
                                           dropped))
    return (case["lost"] <= dropped and not case["duplicated"]
            and not case["rst"] and not case["wrong_bytes"])


def run(args, sandbox):
    cases, timelines = [], {}
    for name in args.case or CASES:
        if name not in CASES:
            raise Failure("%s: no such case; there are: %s" % (
                name, " ".join(CASES)))
        case, timelines[name] = run_case(args, sandbox, name)
        cases.append(case)
        report.say("%-10s blackout p50 %7.0f us, p99 %7.0f, max %7.0f; "
                   "floor p50 %7.0f; ratio %.2f" % (
                       name, *case["blackout_us"].values(),
                       case["floor_us"]["p50"], case["ratio_p50"]))
        if args.json:
            report.write_json(args.json, "handover", cases)
    report.print_table(COLUMNS, cases)
    for case in cases:
        if "stalls" in case:
            print("\n  %s: %d of %d moves stalled %d ms or more; beside them, "
                  "%d of as many times without a move" % (
                      case["name"], case["stalls"]["moved"], case["moves"],
                      STALL_US // 1000, case["stalls"]["unmoved"]))
    if args.breakdown:
        for name, lines in timelines.items():
            breakdown.print_table(name, lines)
    return all([is_good(case) for case in cases])
