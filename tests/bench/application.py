# SPDX-License-Identifier: Apache-2.0
"""A program that runs in a sandbox while something is measured."""

import json
import os
import signal

from sandbox import Failure, wait_for


class Application:
    """A program in the sandbox, and what it printed, which goes to a file:
    nobody reads it while it is measured."""

    def __init__(self, sandbox, host, *argv):
        self.name = "%s on %s" % (argv[0].rpartition("/")[2], host)
        self.path = "%s/%s.out" % (sandbox.directory, self.name.replace(
            " ", "-"))
        with open(self.path, "wb") as output:
            self.process = sandbox.start(host, *argv, stdout=output)
        self.offset = 0

    def line(self, first=""):
        """Waits for the next line that begins so."""
        def look():
            with open(self.path) as f:
                f.seek(self.offset)
                for line in f:
                    if not line.endswith("\n"):
                        break
                    self.offset += len(line)
                    if line.startswith(first):
                        return line
            if self.process.poll() is not None:
                raise Failure("%s ended, status %d" % (
                    self.name, self.process.returncode))
            return None
        return wait_for(20, self.name, look)

    def summary(self):
        """What it says when it is asked."""
        self.offset = os.path.getsize(self.path)
        self.process.send_signal(signal.SIGUSR1)
        return json.loads(self.line("{"))

    def end(self):
        self.process.terminate()
        self.process.wait(10)
