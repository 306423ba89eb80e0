# SPDX-License-Identifier: Apache-2.0
"""A bridge beside br-home, on the same switch, under ovs-testcontroller: it
learns addresses, and sets an exact flow for each new flow that the switch tells
it of.  What it takes to have a controller in each connection, and no mapping."""

import os
import re
import shutil
import subprocess

import report
from sandbox import Failure, wait_for

PROGRAM, PACKAGE = "ovs-testcontroller", "openvswitch-testcontroller"
BRIDGE = "br-learn"
ADDRESSES = {"correspondent": "fd00:77::2", "laptop": "fd00:77::11"}
PORT = 6699


def find_program():
    """Where build-aux/install-deps has put it, if not in PATH; or None."""
    cache = os.environ.get("BATON_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),
        "baton")
    return shutil.which(PROGRAM, path=os.pathsep.join(
        [os.environ.get("PATH", os.defpath), cache + "/" + PACKAGE + "/bin"]))


def vsctl(sandbox, *argv):
    program = os.path.join(os.environ.get("OVS_BIN", ""), "ovs-vsctl")
    sandbox.run("switch", program, "--db=unix:%s/ovs/db.sock"
                % sandbox.directory, *argv)


def make_cable(sandbox, host):
    port = "l-" + host[:8]
    ns, switch = sandbox.netns(host), sandbox.netns("switch")
    for command in (
            ["ip", "-n", ns, "link", "add", "learn0", "type", "veth", "peer",
             "name", port, "netns", switch],
            # The userspace datapath does not complete checksums.
            ["ip", "netns", "exec", ns, "ethtool", "-K", "learn0", "tx",
             "off"],
            ["ip", "netns", "exec", switch, "ethtool", "-K", port, "tx",
             "off"],
            ["ip", "-n", ns, "address", "add", ADDRESSES[host] + "/64",
             "dev", "learn0", "nodad"],
            ["ip", "-n", ns, "link", "set", "learn0", "up"],
            ["ip", "-n", switch, "link", "set", port, "up"]):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    vsctl(sandbox, "add-port", BRIDGE, port)


def count_flows(sandbox):
    text = sandbox.run("switch", "ovs-ofctl", "dump-aggregate", BRIDGE)
    return int(re.search(r"flow_count=(\d+)", text).group(1))


class Learning:
    """Its bridge, with the correspondent and laptop, which listens, at it."""

    def __init__(self, sandbox, server_port):
        self.server_port = server_port
        report.progress(BRIDGE)
        vsctl(sandbox, "add-br", BRIDGE, "--", "set", "bridge", BRIDGE,
              "datapath_type=netdev", "fail_mode=secure")
        for host in ADDRESSES:
            make_cable(sandbox, host)
        self.process = sandbox.start("switch", find_program(),
                                     "ptcp:%d:127.0.0.1" % PORT)
        vsctl(sandbox, "set-controller", BRIDGE, "tcp:127.0.0.1:%d" % PORT)
        wait_for(20, "the bridge to learn", lambda: self.answers(sandbox))

    def answers(self, sandbox):
        if self.process.poll() is not None:
            raise Failure("%s ended" % PROGRAM)
        try:
            sandbox.run("correspondent", "nc", "-z", "-w", "1",
                        ADDRESSES["laptop"], str(self.server_port))
        except Failure:
            return False
        return True

    def pid(self):
        return self.process.pid
