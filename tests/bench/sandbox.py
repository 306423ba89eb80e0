# SPDX-License-Identifier: Apache-2.0
"""A sandbox (utilities/baton-sandbox), as the measuring programs use it."""

import json
import os
import re
import subprocess
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
PROGRAM = os.path.join(SOURCE, "utilities", "baton-sandbox")


class Failure(Exception):
    """What a person should be told; no traceback."""


class Sandbox:
    def __init__(self, directory):
        self.directory = directory
        self.processes = []

    def command(self, host, argv):
        return [PROGRAM, "exec", self.directory, host] + list(argv)

    def netns(self, host):
        """The name of its network namespace."""
        with open(self.directory + "/sandbox.conf") as f:
            settings = dict(line.rstrip("\n").split("=", 1) for line in f)
        return "baton-%s-%s" % (settings["id"], host)

    def start(self, host, *argv, **kwargs):
        """In the background: a subprocess.Popen."""
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(self.command(host, argv), **kwargs)
        self.processes.append(process)
        return process

    def run(self, host, *argv, timeout=60):
        """Until it ends: what it printed."""
        done = subprocess.run(self.command(host, argv), timeout=timeout,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              text=True)
        if done.returncode:
            raise Failure("%s: %s: exit status %d: %s" % (
                host, " ".join(argv), done.returncode,
                (done.stderr or done.stdout).strip()))
        return done.stdout

    def table(self, host, *argv):
        """The rows of a program's table, each a dictionary."""
        table = json.loads(self.run(host, *argv))
        return [dict(zip(table["headings"], row)) for row in table["data"]]

    def count_dropped(self):
        """Packets that the switch never saw: a port's buffer was full."""
        text = self.run("switch", "ss", "-0nmO")
        return sum(int(n) for n in re.findall(r":p-.*,d(\d+)\)", text))

    def end(self):
        """What is still running in the background ends."""
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(seconds, what, condition):
    """Until condition() is true; returns what it returned."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure("gave up waiting for " + what)
        time.sleep(0.02)
