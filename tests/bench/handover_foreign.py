# SPDX-License-Identifier: Apache-2.0
"""The main job over two sites: how long does the correspondent hear nothing
when a session moves between a device at home and one behind a tunnel?

Cases, windows and figures are handover's.  The floor's flow-mods send to a port
at home and into the tunnel in turn, and the first packet is awaited at the far
end.  Beside it, how fast a session goes that has moved behind the tunnel, and
how fast iperf3 through a tunnel of the same two switches without Baton."""

import json
import re
import time

import floor
import handover
import report
from sandbox import Failure, wait_for

DEVICES = handover.DEVICES
OPTIONS = ["--sites=2"]
SITES = {"tv": 2}
SERVICES = handover.SERVICES
CASES = ["tcp-0k", "tcp-16k", "tcp-64k", "udp-1000", "udp-5000"]

FLOOR_KEY = 0xf1004
SECONDS = 5             # Of each measurement of a bulk stream.
BULK_BYTES = 4 << 30    # More than goes in that time.


def device_specs():
    return ["%s@%d" % (d, SITES[d]) if d in SITES else d for d in DEVICES]


def ofport(sandbox, site, port):
    return sandbox.run("switch", "ovs-vsctl", "--timeout=10",
                       "--db=unix:%s/ovs%s/db.sock" % (sandbox.directory,
                                                       site or ""),
                       "get", "Interface", port, "ofport").strip()


def flows(build, sandbox, devices, count):
    """Microseconds from each flow-mod to the first packet, at home and through
    the tunnel in turn: the slower of each two."""
    home, far = devices
    management = "%s/ovs2/br-site2.mgmt" % sandbox.directory
    match = ("table=0,priority=65535,tun_id=%d,in_port=%s"
             % (FLOOR_KEY, ofport(sandbox, 2, "baton-tun")))
    ofctl = ["switch2", "ovs-ofctl", "-O", "OpenFlow15"]
    sandbox.run(*ofctl, "add-flow", "unix:" + management,
                "cookie=0xf1005,%s,actions=output:%s"
                % (match, ofport(sandbox, 2, "p-" + far)))
    try:
        got = floor.numbers([
            build + "/tests/bench/floor-flow",
            sandbox.directory + "/ovs/br-home.mgmt",
            sandbox.netns("correspondent"),
            sandbox.netns(home), ofport(sandbox, 0, "p-" + home),
            sandbox.netns(far), "%s/10.2.0.3/%d" % (
                ofport(sandbox, 0, "baton-tun"), FLOOR_KEY),
            str(2 * count)])
    finally:
        sandbox.run(*ofctl, "--strict", "del-flows", "unix:" + management,
                    match)
    return [max(pair) for pair in zip(got[::2], got[1::2])]


def bytes_received(sandbox, address):
    """By the correspondent's one connection with 'address'."""
    text = sandbox.run("correspondent", "ss", "-tinH", "dst", address)
    found = re.search(r"bytes_received:(\d+)", text)
    if not found:
        raise Failure("no connection with %s" % address)
    return int(found.group(1))


def moved_rate(args, sandbox):
    """Mbit/s of a download whose session has moved into the tunnel."""
    with open(sandbox.directory + "/files/bulk", "wb") as f:
        f.truncate(BULK_BYTES)
    with open(sandbox.directory + "/serve.txt", "w+") as out:
        serve = sandbox.start(
            "laptop", args.build + "/utilities/baton-serve", "--port=8080",
            "--service=files", "--root=%s/files" % sandbox.directory,
            stdout=out)

        def words():
            with open(out.name) as f:
                return f.read().split()
        wait_for(10, "a session to serve", lambda: "session" in words()
                 or len(words()) > 5)
        address, session = words()[1], words()[5]
        curl = sandbox.start("correspondent", "curl", "-s", "-o", "/dev/null",
                             "http://%s:8080/bulk" % address)
        time.sleep(1)
        sandbox.run("laptop", "baton", "move", session, "tv")
        time.sleep(1)
        begin, before = time.monotonic(), bytes_received(sandbox, address)
        time.sleep(SECONDS)
        after = bytes_received(sandbox, address)
        rate = (after - before) * 8 / (time.monotonic() - begin) / 1e6
        for process in (curl, serve):
            process.terminate()
            process.wait()
    return rate


def cable(sandbox, host, switch, ovs, address):
    """Another interface of HOST's, on a bridge that forwards as it likes."""
    ns, sw = sandbox.netns(host), sandbox.netns(switch)
    port = "b-" + host[:12]
    ip = ["ip", "-n", ns]
    for argv in (
            ip + ["link", "add", "bare0", "type", "veth", "peer", "name",
                  port, "netns", sw],
            ip + ["addr", "add", address + "/24", "dev", "bare0"],
            ip + ["link", "set", "bare0", "mtu", "1450", "up"],
            ["ip", "-n", sw, "link", "set", port, "up"],
            ["ip", "netns", "exec", ns, "ethtool", "-K", "bare0", "tx", "off"],
            ["ip", "netns", "exec", sw, "ethtool", "-K", port, "tx", "off"]):
        floor.numbers(argv[:0] + ["sh", "-c", '"$0" "$@" >/dev/null']
                      + argv)
    other = "10.2.0.3" if ovs == "ovs" else "10.1.0.3"
    sandbox.run(switch, "ovs-vsctl", "--timeout=20",
                "--db=unix:%s/%s/db.sock" % (sandbox.directory, ovs),
                "add-br", "br-bare", "--", "set", "bridge", "br-bare",
                "datapath_type=netdev", "--", "add-port", "br-bare", port,
                "--", "add-port", "br-bare", "bare-tun", "--", "set",
                "interface", "bare-tun", "type=vxlan",
                "options:remote_ip=" + other, "options:key=77")


def bare_rate(sandbox):
    """Mbit/s of iperf3, in the direction of the download."""
    cable(sandbox, "correspondent", "switch", "ovs", "10.77.0.1")
    cable(sandbox, "tv", "switch2", "ovs2", "10.77.0.2")
    server = sandbox.start("correspondent", "iperf3", "-s", "-1",
                           stdout=open("/dev/null", "w"))
    wait_for(10, "the iperf3 server", lambda: ":5201" in sandbox.run(
        "correspondent", "ss", "-Htln"))
    text = sandbox.run("tv", "iperf3", "-c", "10.77.0.1", "-J", "-t",
                       str(SECONDS), "-O", "1")
    server.wait()
    return json.loads(text)["end"]["sum_received"]["bits_per_second"] / 1e6


def run(args, sandbox):
    floor.flows = flows
    args.case = args.case or CASES
    report.progress("bulk: a session behind the tunnel")
    moved = moved_rate(args, sandbox)
    report.progress("bulk: iperf3 through a bare tunnel")
    bare = bare_rate(sandbox)
    bulk = {"moved_mbit_s": round(moved, 1), "bare_mbit_s": round(bare, 1),
            "ratio": round(moved / bare, 2)}
    report.say("bulk: %(moved_mbit_s).0f Mbit/s moved behind the tunnel, "
               "%(bare_mbit_s).0f through a bare one: %(ratio).2f" % bulk)
    good = handover.run(args, sandbox)
    if args.json:
        with open(args.json) as f:
            result = json.load(f)
        result["bench"] = "handover-foreign"
        result["bulk"] = bulk
        with open(args.json, "w") as f:
            json.dump(result, f, indent=2)
            f.write("\n")
    return good
