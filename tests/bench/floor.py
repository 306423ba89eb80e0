# SPDX-License-Identifier: Apache-2.0
"""The floor under a blackout: capturing and restoring the sockets; then, beside
each other, from a flow-mod to the first packet on the new port, and one durable
change of an ovsdb-server; with no protocol around them."""

import json
import os
import shutil
import subprocess

from sandbox import Failure, wait_for

FLOOR_SCHEMA = {"name": "Floor", "version": "1.0.0", "tables": {
    "Row": {"columns": {"value": {"type": "integer"}}, "isRoot": True}}}


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


def writes(build, sandbox, count):
    """Microseconds of each change of a database on the disk on which the
    controller has its own."""
    directory = sandbox.directory + "/floor"
    os.mkdir(directory)
    with open(directory + "/schema", "w") as f:
        json.dump(FLOOR_SCHEMA, f)
    sandbox.run("switch", "ovsdb-tool", "create", directory + "/db",
                directory + "/schema")
    server = sandbox.start(
        "switch", "ovsdb-server", "-vconsole:off", directory + "/db",
        "--remote=punix:%s/sock" % directory,
        "--unixctl=%s/ctl" % directory)
    try:
        wait_for(10, "ovsdb-server",
                 lambda: os.path.exists(directory + "/sock"))
        return numbers([build + "/tests/bench/floor-write",
                        "unix:%s/sock" % directory, str(count)])
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(directory)


def together(sockets_us, flows_us, writes_us):
    """Each of the first with the longer one of the others, in nanoseconds."""
    return [round(1000 * (s + max(f, w)))
            for s, f, w in zip(sockets_us, flows_us, writes_us)]
