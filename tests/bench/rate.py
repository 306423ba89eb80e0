# SPDX-License-Identifier: Apache-2.0
"""How many sessions move in a second, over the whole system?

Several devices have many idle sessions each, with one TCP connection over
IPv6.  In a round all of them are moved at once, each device's to the next
one.  CPU time is the processes' own, user and system."""

import selectors
import time

import arrivals
import report
from agent import Agent, Controller
from application import Application
from sandbox import Failure, wait_for

SINK = "fd00:1::2"
PORT = "7100"
REST = 1.5              # Seconds between rounds: what was given is drained.
TIMEOUT = 120           # Seconds for a round.
SERVICES = """\
  herd:
    devices: ["*"]
    user: root
"""


def devices(args):
    return ["d%d" % i for i in range(1, args.devices + 1)]


def change_policy(text):
    """One block of addresses is enough for a device; it may move all of its
    sessions at once."""
    text = text.replace("block: 124", "block: 118")
    text = text[:text.index("detection:")]
    return text + ("detection:\n  probes: 0\n"
                   "limits:\n  introductions: 10000\n  offers: 10000\n")


class Processes:
    """CPU time of those that take part, in nanoseconds."""

    def __init__(self, sandbox, names):
        d = sandbox.directory
        self.files = {
            "controller": [d + "/controller/baton-controller.pid"],
            "agents": ["%s/hosts/%s/baton-agentd.pid" % (d, name)
                       for name in names],
            "switch": [d + "/ovs/ovs-vswitchd.pid"],
        }
        self.pids = {}
        for name, paths in self.files.items():
            self.pids[name] = []
            for path in paths:
                with open(path) as f:
                    self.pids[name].append(int(f.read()))

    def cpu(self):
        # A process's CPU clock, as clock_getcpuclockid(3) makes it.
        return {name: sum(time.clock_gettime_ns((~pid << 3) | 2)
                          for pid in pids)
                for name, pids in self.pids.items()}


def whereabouts(controller):
    """device: [session...], of those that rest."""
    where = {}
    for session in controller.call("baton/sessions")["sessions"]:
        if session["state"] == "settled":
            where.setdefault(session["owner"], []).append(
                session["session"])
    return where


def run_round(agents, where, names):
    """Moves all, at once.  Returns for each when it was done after the
    beginning, in seconds, and why others failed."""
    selector = selectors.DefaultSelector()
    begin = time.monotonic()
    waiting, done, failed = 0, [], []
    for i, name in enumerate(names):
        for session in where.get(name, []):
            agents[name].ask("move", session=session,
                             device=names[(i + 1) % len(names)])
            waiting += 1
        selector.register(agents[name], selectors.EVENT_READ)
    while waiting:
        ready = selector.select(TIMEOUT)
        if not ready:
            raise Failure("%d moves have not ended in %d s"
                          % (waiting, TIMEOUT))
        for key, _ in ready:
            try:
                key.fileobj.receive()
                done.append(time.monotonic() - begin)
            except Failure as failure:
                failed.append(str(failure))
            waiting -= 1
    return done, failed


def open_all(args, sandbox, names):
    program = args.build + "/tests/bench/herd"
    sink = Application(sandbox, "correspondent", program, "--sink", PORT)
    sink.line("ready")
    herds = [Application(sandbox, name, program, str(args.sessions), SINK,
                         PORT) for name in names]
    for herd in herds:
        herd.line("ready")
    return sink, herds


def run(args, sandbox):
    names = devices(args)
    total = args.devices * args.sessions
    report.progress("%d devices open %d sessions each" % (
        args.devices, args.sessions))
    sink, herds = open_all(args, sandbox, names)
    agents = {name: Agent(sandbox, name) for name in names}
    controller = Controller(sandbox)
    processes = Processes(sandbox, names)
    wait_for(20, "the sessions to be known", lambda: total == sum(
        len(sessions) for sessions in whereabouts(controller).values()))
    capture = arrivals.Capture(sandbox, args.build, "::",
                               sandbox.directory + "/arrivals")

    seconds, moves, failed, cpu, ends = 0, 0, [], {}, []
    for i in range(args.moves):
        report.progress("round %d of %d" % (i + 1, args.moves))
        where = whereabouts(controller)
        before, begin = processes.cpu(), time.monotonic()
        done, reasons = run_round(agents, where, names)
        seconds += time.monotonic() - begin
        for name, ns in processes.cpu().items():
            cpu[name] = cpu.get(name, 0) + ns - before[name]
        moves += len(done)
        ends += done
        failed += reasons
        time.sleep(REST)

    capture.stop()
    rst = sum(1 for r in capture.records()
              if r[arrivals.PROTO] == arrivals.TCP
              and r[arrivals.FLAGS] & arrivals.RST)
    spoke = sum(herd.summary()["sessions"] for herd in herds)

    def heard():
        summary = sink.summary()
        return summary if summary["good"] == total else None
    try:
        wait_for(5, "the sessions' words", heard)
        lost = 0
    except Failure:
        lost = total - sink.summary()["good"]
    if failed:
        report.say("%d moves failed; the last: %s" % (len(failed),
                                                      failed[-1]))
    case = {
        "name": "idle-%dx%d" % (args.devices, args.sessions),
        "sessions": total,
        "moves": moves,
        "moves_per_second": round(moves / seconds, 1),
        "cpu_us_per_move": {name: round(ns / 1000 / max(moves, 1), 1)
                            for name, ns in cpu.items()},
        "done_us": arrivals.summary_us([round(1e9 * end) for end in ends]),
        "failed": len(failed),
        "lost": lost,           # Sessions that do not speak any more.
        "rst": rst,
    }
    if args.json:
        report.write_json(args.json, "rate", [case])
    report.end_progress()
    report.print_table((
        ("case", "name"), ("moves", "moves"),
        ("a second", "moves_per_second"),
        ("CPU us/move: controller", "cpu_us_per_move.controller"),
        ("agents", "cpu_us_per_move.agents"),
        ("switch", "cpu_us_per_move.switch"), ("failed", "failed"),
        ("lost", "lost"), ("RST", "rst")), [case])
    return not failed and not lost and not rst and spoke == total
