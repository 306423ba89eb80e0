#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main job, for real: a download and a stream of datagrams move between
two devices of a sandbox, and the correspondent notices nothing.

usage: main_job.py [--json FILE] [--moves N] [--megabytes N] [--rate N]
                   [--far DEVICE] BUILD SANDBOX

Prints what it does, a table, and the timeline of one transfer.  Fails if
anything was lost, twice or wrong.  The sandbox has devices laptop and tv; with
--far, the download is made again, and moves to DEVICE on another site and home.
"""

import argparse
import hashlib
import json
import os
import signal
import sys
import time

import arrivals
from application import Application
from sandbox import Failure, Sandbox, wait_for

PORT = "8080"
STREAM_PORT = "9000"
DEVICES = ("laptop", "tv")


def say(text):
    print("        " + text, flush=True)


def hash_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while chunk := f.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def make_file(path, size):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        while size:
            f.write(os.urandom(min(size, 1 << 20)))
            size -= min(size, 1 << 20)


class Traveller:
    """A session that moves to and fro."""

    def __init__(self, sandbox, session, devices=DEVICES):
        self.sandbox = sandbox
        self.devices = devices
        self.session = session
        self.at = 0
        self.moves = []         # (begin, end), nanoseconds, wall clock.

    def move(self):
        begin = time.time_ns()
        self.sandbox.run(self.devices[self.at], "baton", "move",
                         self.session, self.devices[1 - self.at])
        self.moves.append((begin, time.time_ns()))
        self.at = 1 - self.at
        show_progress(len(self.moves), "moved to " + self.devices[self.at])


def show_progress(n, text):
    if sys.stdout.isatty():
        print("\r        %3d  %-40s" % (n, text), end="", flush=True)
    elif n % 4 == 0:
        say("%3d  %s" % (n, text))


def end_progress():
    if sys.stdout.isatty():
        print("\r%60s\r" % "", end="")


def address_and_session(application):
    """What an example application says first: "address ADDRESS port PORT
    session SESSION"."""
    words = application.line("address").split()
    return words[1], words[-1]


def move_while(traveller, n, pause, process):
    """Moves at least n times, and on for as long as 'process' runs."""
    while process.poll() is None:
        deadline = time.monotonic() + pause
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        if process.poll() is None:
            traveller.move()
    end_progress()
    if process.returncode:
        raise Failure("curl: exit status %d" % process.returncode)
    if len(traveller.moves) < n:
        raise Failure("the stream ended after %d moves, before the %d that "
                      "were asked for" % (len(traveller.moves), n))


def run_tcp(args, sandbox, devices, moves):
    path = os.path.join(sandbox.directory, "files", "random.bin")
    size = args.megabytes * 1000 * 1000
    make_file(path, size)
    say("%s serves a file of %d MB of random bytes; curl downloads it"
        % (devices[0], args.megabytes))
    # At an even rate: the gaps between its packets are short, so that a
    # longer one shows.
    seconds = (moves + 1) * args.pause
    options = ("--root=" + os.path.dirname(path), "--port=" + PORT,
               "--rate=%d" % (size / seconds), "--service=files", "--accept")
    other = Application(sandbox, devices[1], "baton-serve", *options)
    serve = Application(sandbox, devices[0], "baton-serve", "--open", *options)
    address, session = address_and_session(serve)
    capture = arrivals.Capture(sandbox, args.build, address,
                               sandbox.directory + "/" + devices[1]
                               + ".arrivals")
    got = os.path.join(sandbox.directory, "got.bin")
    curl = sandbox.start("correspondent", "curl", "-sS", "--fail", "-o", got,
                         "http://%s:%s/random.bin" % (address, PORT))
    traveller = Traveller(sandbox, session, devices)
    move_while(traveller, moves, args.pause * 0.9, curl)
    records = capture.finish()
    times = [r[arrivals.TIME] for r in records
             if r[arrivals.PROTO] == arrivals.TCP and r[arrivals.LENGTH]]
    blackouts = arrivals.blackouts(times, traveller.moves)
    for application in (serve, other):
        application.end()
    return {
        "bytes": os.path.getsize(got),
        "sha256_match": hash_of(got) == hash_of(path),
        "moves": len(traveller.moves),
        "rst": sum(1 for r in records
                   if r[arrivals.PROTO] == arrivals.TCP
                   and r[arrivals.FLAGS] & arrivals.RST),
        "blackout_us": arrivals.summary_us(blackouts),
    }


def run_udp(args, sandbox):
    say("laptop and the correspondent send each other %d datagrams a second"
        % args.rate)
    total = int(args.rate * (args.moves + 1) * args.pause)
    sending = ("--rate=%d" % args.rate, "--count=%d" % total)
    far = Application(sandbox, "correspondent", "baton-stream",
                      "--correspondent", "--port=" + STREAM_PORT, *sending)
    far.line("address")
    dropped = sandbox.count_dropped()
    capture = arrivals.Capture(sandbox, args.build, "0.0.0.0",
                               sandbox.directory + "/udp.arrivals")
    tv = Application(sandbox, "tv", "baton-stream", "--service=stream",
                     "--accept")
    laptop = Application(sandbox, "laptop", "baton-stream",
                         "--service=stream", "--accept", "--open",
                         "--port=" + STREAM_PORT,
                         "--send=10.1.0.2:" + STREAM_PORT, *sending)
    _, session = address_and_session(laptop)
    traveller = Traveller(sandbox, session)
    end = time.monotonic() + total / args.rate
    while time.monotonic() < end - args.pause:
        time.sleep(args.pause * 0.9)
        traveller.move()
    end_progress()

    # At the end all is counted, or does not come.
    here = (laptop, tv)[traveller.at]

    def all_counted():
        counts = far.summary(), here.summary()
        return counts if all(c["received"] + c["stale"] >= total
                             for c in counts) else None
    try:
        counts = wait_for(end - time.monotonic() + 5, "the datagrams",
                          all_counted)
    except Failure:
        counts = far.summary(), here.summary()
    records = [r for r in capture.finish()
               if r[arrivals.PROTO] == arrivals.UDP]
    blackouts = arrivals.blackouts([r[arrivals.TIME] for r in records],
                                   traveller.moves,
                                   1_000_000_000 // args.rate)
    for application in (laptop, tv, far):
        application.end()
    return {
        "sent": 2 * total,
        "lost": 2 * total - sum(c["received"] for c in counts),
        "duplicated": sum(c["duplicated"] for c in counts),
        "reordered": sum(c["reordered"] for c in counts),
        "wrong": sum(c["wrong"] for c in counts),
        "switch_dropped": sandbox.count_dropped() - dropped,
        "moves": len(traveller.moves),
        "blackout_us": arrivals.summary_us(blackouts),
    }


def run_udp_whole(args, sandbox):
    """A host that is too busy for the switch to empty its ports in time loses
    datagrams with or without moves: then once more, and again."""
    for left in (2, 1, 0):
        udp = run_udp(args, sandbox)
        if not udp["switch_dropped"] or not left:
            return udp
        say("%d packets were lost where the switch receives: once more"
            % udp["switch_dropped"])


def print_table(tcp, udp, far):
    head = ("session", "moves", "p50", "p99", "max", "lost", "twice",
            "reordered", "RST")
    line = "  %-22s %6s %9s %9s %9s %5s %6s %10s %4s"
    print()
    print("  What the correspondent saw (blackout in microseconds):")
    print(line % head)

    def row(name, figures, *rest):
        b = figures["blackout_us"]
        print(line % ((name, figures["moves"], b["p50"], b["p99"], b["max"])
                      + rest))
    row("TCP, %d MB" % (tcp["bytes"] // 1000000), tcp, "-", "-", "-",
        tcp["rst"])
    if far:
        row("to the other site", far, "-", "-", "-", far["rst"])
    row("UDP, %d sent" % udp["sent"], udp, udp["lost"], udp["duplicated"],
        udp["reordered"], "-")
    print()
    print("  SHA-256 of what curl got: "
          + ("the file's" if tcp["sha256_match"]
             and (not far or far["sha256_match"]) else "WRONG"))
    if udp["switch_dropped"]:
        print("  %d packets were lost where the switch receives: this host is "
              "too busy for it" % udp["switch_dropped"])
    print()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--moves", type=int, default=12)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--rate", type=int, default=5000)
    parser.add_argument("--pause", type=float, default=0.7,
                        help="seconds between moves")
    parser.add_argument("--far", metavar="DEVICE",
                        help="on another site, to which the download moves")
    parser.add_argument("build")
    parser.add_argument("sandbox")
    args = parser.parse_args()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sandbox = Sandbox(args.sandbox)
    try:
        tcp = run_tcp(args, sandbox, DEVICES, args.moves)
        udp = run_udp_whole(args, sandbox)
        far = None
        if args.far:
            say("again, to %s on the other site, through a tunnel, and home"
                % args.far)
            far = run_tcp(args, sandbox, (DEVICES[0], args.far),
                          max(2, args.moves // 2))
        print_table(tcp, udp, far)
        print(sandbox.run("switch", "baton-ctl", "transfer", "timeline",
                          "--last"))
        if args.json:
            with open(args.json, "w") as f:
                json.dump({"tcp": tcp, "udp": udp, "far": far}, f, indent=2)
                f.write("\n")
    except Failure as failure:
        print("main job: %s" % failure, file=sys.stderr)
        return 1
    finally:
        sandbox.end()
    good = (tcp["sha256_match"] and not tcp["rst"] and not udp["lost"]
            and not udp["duplicated"]
            and (not far or (far["sha256_match"] and not far["rst"])))
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
