# SPDX-License-Identifier: Apache-2.0
"""The floor under a blackout: capturing and restoring the sockets, and from a
flow-mod to the first packet on the new port, with no protocol around them."""

import subprocess

from sandbox import Failure


def numbers(argv):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, timeout=600)
    if done.returncode:
        raise Failure("%s: exit status %d" % (argv[0], done.returncode))
    return [float(line) for line in done.stdout.split()]


def sockets(build, kind, queued, count):
    """Microseconds of each capture and restore; 'kind' is tcp or udp."""
    return numbers([build + "/tests/bench/floor-socket", kind, str(queued),
                    str(count)])


def flows(build, sandbox, devices, count):
    """Microseconds from each flow-mod to the first packet."""
    argv = [build + "/tests/bench/floor-flow",
            sandbox.directory + "/ovs/br-home.mgmt",
            sandbox.netns("correspondent")]
    for device in devices:
        port = sandbox.run("switch", "ovs-vsctl", "--timeout=10",
                           "--db=unix:%s/ovs/db.sock" % sandbox.directory,
                           "get", "Interface", "p-" + device, "ofport")
        argv += [sandbox.netns(device), port.strip()]
    return numbers(argv + [str(count)])


def together(sockets_us, flows_us):
    """Each of the first with one of the second, in nanoseconds."""
    return [round(1000 * (s + f)) for s, f in zip(sockets_us, flows_us)]
