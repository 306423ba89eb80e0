# SPDX-License-Identifier: Apache-2.0
"""What does a controller cost that is killed and comes back?

Its database holds many moved sessions.  A live datagram stream of one that
really moved crosses everything.

  first       the bridge has none of their flows: all are sent
  restart     the controller is killed and started: the bridge's flows are
              compared, and nothing is sent
  ovs-ofctl   the same flows by `ovs-ofctl --bundle add-flows', for comparison

Times are from the connection with the bridge to "synchronised", and for the
restart also from the process's start."""

import ipaddress
import json
import os
import re
import signal
import socket
import subprocess
import time
import uuid

import report
from sandbox import PROGRAM, SOURCE, Failure, wait_for

DEVICES = ("laptop", "tv", "ghost")       # The last has no agent.
SERVICES = ""
POOL = "10.64.0.0/12"
FIRST = ipaddress.IPv4Address("10.66.0.0")      # Of the moved sessions.
CHUNK = 2000            # Rows of one transaction.
RATE = 1000             # Datagrams a second, each way.


def change_policy(text):
    """A pool that is large enough."""
    text = text + "limits:\n  sessions: 200000\n"
    return text.replace("\ndevices:\n", """
  many:
    bridge: br-home
    prefix: "%s"
    block: 24
devices:
""" % POOL, 1).replace('subnets: ["10.1.0.0/24"', 'subnets: ["%s", '
                       '"10.1.0.0/24"' % POOL, 1)


def sessions(first, end):
    """Numbers, each with a new id."""
    return [(i, str(uuid.uuid4())) for i in range(first, end)]


class Bench:
    def __init__(self, args, sandbox):
        self.n = args.moved
        self.build = args.build
        self.sandbox = sandbox
        self.directory = sandbox.directory
        self.database = self.directory + "/controller/db/baton.db"
        self.log = self.directory + "/controller/baton-controller.log"

    def baton_sandbox(self, *argv):
        subprocess.run([PROGRAM, *argv], check=True, stdin=subprocess.DEVNULL,
                       env=dict(os.environ, BATON_BUILD=self.build))

    def pid(self, name):
        with open("%s/controller/%s.pid" % (self.directory, name)) as f:
            return int(f.read())

    def rss(self, name):
        """In bytes."""
        with open("/proc/%d/status" % self.pid(name)) as f:
            return int(re.search(r"VmRSS:\s*(\d+) kB", f.read()).group(1)) \
                * 1024

    def new_log(self, since):
        with open(self.log, errors="replace") as f:
            f.seek(since)
            return f.read()

    def kill(self):
        pid = self.pid("baton-controller")
        os.kill(pid, signal.SIGKILL)
        wait_for(10, "the controller's end",
                 lambda: not os.path.exists("/proc/%d" % pid))

    def start(self):
        """Starts the controller; seconds until the bridge is synchronised,
        from its start and from its connection."""
        since = os.path.getsize(self.log)
        began = time.time()
        self.baton_sandbox("start", self.directory, "controller")
        text = wait_for(120, "the bridge's synchronisation", lambda: (
            "bridge is synchronised" in self.new_log(since)
            and self.new_log(since)))

        def when(pattern):
            line = re.search(r"^(\S+)Z\|.*" + pattern, text, re.M)
            stamp = line.group(1)
            return time.mktime(time.strptime(
                stamp[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone \
                + float(stamp[19:])

        ready = when("bridge is synchronised")
        connected = when("br-home.mgmt: connected")
        wanted, sent = re.search(
            r"br-home: (\d+) flows wanted, (\d+) flow-mods", text).groups()
        return {"seconds": round(ready - connected, 3),
                "from_start_seconds": round(ready - began, 3),
                "flows": int(wanted), "flow_mods": int(sent)}

    def add_sessions(self, path):
        """By the server at that socket."""
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(path)
            for at in range(0, self.n, CHUNK):
                server.sendall(json.dumps({
                    "method": "transact", "id": at, "params": ["Baton"] + [
                        {"op": "insert", "table": "Session",
                         "uuid": session, "row": {
                            "session": ["uuid", session],
                            "address": str(FIRST + i), "epoch": 1,
                            "home": "laptop", "owner": "ghost",
                            "name": "film %d" % i, "service": "files",
                            "transfer": ["uuid", str(uuid.uuid4())],
                            "onward": "any"}}
                        for i, session in sessions(at, min(at + CHUNK,
                                                           self.n))],
                }).encode())
                answer = ""
                while True:
                    answer += server.recv(65536).decode()
                    try:
                        result = json.loads(answer)
                        break
                    except ValueError:
                        pass
                if result["error"] or any("error" in r
                                          for r in result["result"]):
                    raise Failure("the database: %s" % answer[-200:])

    def reference(self):
        """Seconds that ovs-ofctl takes for the same flows."""
        bridge = "unix:%s/ovs/br-home.mgmt" % self.directory
        ofctl = ["ovs-ofctl", "-O", "OpenFlow15"]
        text = subprocess.run(ofctl + ["dump-flows", bridge], check=True,
                              text=True, capture_output=True).stdout
        path = self.directory + "/flows.txt"
        with open(path, "w") as f:
            for line in text.splitlines():
                line = re.sub(r"(duration|n_packets|n_bytes|idle_age|"
                              r"hard_age)=[^,]*, ?", "", line).strip()
                if "actions=" in line:
                    f.write(line + "\n")
        subprocess.run(ofctl + ["del-flows", bridge, "cookie=0xba70000000000000"
                                "/0xffff000000000000"], check=True)
        began = time.monotonic()
        subprocess.run(ofctl + ["--bundle", "add-flows", bridge, path],
                       check=True)
        return round(time.monotonic() - began, 3)


class Stream:
    """Numbered datagrams both ways, on a session that moved."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        # Its session may get its address from any pool.
        sandbox.run("correspondent", "ip", "route", "add", POOL, "dev", "eth0")
        self.far = self.start("correspondent", "--correspondent",
                              "--port=9000")
        self.near = self.start("tv", "--service=stream", "--accept")
        laptop = self.start("laptop", "--service=stream", "--accept",
                            "--open", "--port=9000",
                            "--send=10.1.0.2:9000")
        line = wait_for(20, "the stream's session",
                        lambda: re.search(r"^address .*$",
                                          self.text(laptop), re.M))
        self.session = line.group(0).split()[-1]
        time.sleep(0.3)
        sandbox.run("laptop", "baton", "move", self.session, "tv")

    def start(self, host, *argv):
        path = self.sandbox.directory + "/stream-%s.txt" % host
        with open(path, "w") as f:
            process = self.sandbox.start(
                host, "baton-stream", "--rate=%d" % RATE, "--duration=600",
                *argv, stdout=f)
        process.path = path
        return process

    @staticmethod
    def text(process):
        with open(process.path) as f:
            return f.read()

    def summary(self, process):
        n = self.text(process).count("{")
        process.send_signal(signal.SIGUSR1)
        text = wait_for(10, "a summary", lambda: (
            self.text(process).count("{") > n and self.text(process)))
        return json.loads([line for line in text.splitlines()
                           if line.startswith("{")][-1])

    def lost(self):
        """Datagrams, both ways, until now; and those of them that the switch
        never saw, because a port's buffer was full."""
        time.sleep(0.5)
        far, near = self.summary(self.far), self.summary(self.near)
        if not far["received"] or not near["received"]:
            raise Failure("the stream does not go both ways")
        return {"to_correspondent": far["lost"], "to_device": near["lost"],
                "dropped_at_ports": self.sandbox.count_dropped()}


def difference(after, before):
    return {key: after[key] - before[key] for key in after}


def announce(bench, count):
    """Bytes that the controller needs for a session that never moved: ghost
    registers with so many, by hand."""
    before = bench.rss("baton-controller")
    script = """
import signal, sys, uuid, ipaddress
sys.path.insert(0, %r)
from rogue import Rogue
first = ipaddress.IPv4Address("10.72.0.0")
with Rogue(%r, "ghost") as ghost:
    for at in range(0, %d, 4000):
        for i in range(at, min(at + 4000, %d)):
            if at == 0:
                continue
            ghost.notify("announce", {
                "session": str(uuid.uuid4()), "address": str(first + i),
                "epoch": 0, "name": "film", "service": "files",
                "state": "owner"})
        if at == 0:
            ghost.register(sessions=[{
                "session": str(uuid.uuid4()), "address": str(first + i),
                "epoch": 0, "name": "film", "service": "files",
                "state": "owner"} for i in range(min(4000, %d))])
    signal.pause()
""" % (os.path.join(SOURCE, "tests", "system"), bench.directory, count, count,
       count)
    process = bench.sandbox.start("switch", "python3", "-c", script)
    def known():
        text = bench.sandbox.run("switch", "baton-ctl", "-f", "json",
                                 "devices")
        table = json.loads(text)
        rows = [dict(zip(table["headings"], row)) for row in table["data"]]
        return [row for row in rows if row["name"] == "ghost"
                and int(row["sessions"]) >= count]
    wait_for(60, "the announcements", known)
    result = round((bench.rss("baton-controller") - before) / count)
    process.terminate()
    return result


def server_rss(bench):
    with open(bench.directory + "/controller/db/ovsdb-server.pid") as f:
        pid = int(f.read())
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmRSS:\s*(\d+) kB", f.read()).group(1)) * 1024


def fill(bench):
    """By a server of our own, while no controller runs."""
    path = bench.directory + "/controller/db/db.sock"
    server = subprocess.Popen(
        ["ovsdb-server", bench.database, "--remote=punix:" + path,
         "--no-chdir", "-vconsole:off",
         "--unixctl=" + bench.directory + "/fill.ctl"],
        stdin=subprocess.DEVNULL)
    try:
        wait_for(10, "ovsdb-server", lambda: not subprocess.run(
            ["ovsdb-client", "list-dbs", "unix:" + path],
            capture_output=True).returncode)
        bench.add_sessions(path)
    finally:
        server.terminate()
        server.wait()


def measure(bench, stream):
    cases = []
    empty, empty_server = bench.rss("baton-controller"), server_rss(bench)
    bench.baton_sandbox("stop", bench.directory, "controller")
    report.progress("%d moved sessions into the database" % bench.n)
    fill(bench)

    report.progress("the first start")
    before = stream.lost()
    case = {"name": "first", "moves": bench.n, **bench.start()}
    case["lost"] = difference(stream.lost(), before)
    case["bytes_per_moved_session"] = round(
        (bench.rss("baton-controller") - empty) / bench.n)
    case["controller_bytes"] = bench.rss("baton-controller")
    case["ovsdb_server_bytes"] = server_rss(bench)
    case["ovsdb_server_bytes_per_session"] = round(
        (server_rss(bench) - empty_server) / bench.n)
    cases.append(case)

    report.progress("the restart")
    before = stream.lost()
    bench.kill()
    case = {"name": "restart", "moves": bench.n, **bench.start()}
    case["lost"] = difference(stream.lost(), before)
    case["controller_bytes"] = bench.rss("baton-controller")
    cases.append(case)

    report.progress("sessions that never moved")
    count = min(bench.n, 40000)
    case["bytes_per_unmoved_session"] = announce(bench, count)

    report.progress("the same by ovs-ofctl")
    bench.baton_sandbox("stop", bench.directory, "controller")
    reference = bench.reference()
    cases.append({"name": "ovs-ofctl", "moves": bench.n, "seconds": reference,
                  "flows": cases[0]["flows"]})
    for case in cases[:2]:
        case["ratio"] = round(case["seconds"] / reference, 2)
    return cases


def run(args, sandbox):
    bench = Bench(args, sandbox)
    bench.baton_sandbox("stop", bench.directory, "ghost")
    cases = measure(bench, Stream(sandbox))
    if args.json:
        report.write_json(args.json, "restart", cases)
    report.end_progress()
    report.print_table((
        ("case", "name"), ("flows", "flows"), ("flow-mods", "flow_mods"),
        ("seconds", "seconds"), ("from start", "from_start_seconds"),
        ("ratio", "ratio"), ("lost to device", "lost.to_device"),
        ("from it", "lost.to_correspondent"),
        ("B/moved", "bytes_per_moved_session"),
        ("B/unmoved", "bytes_per_unmoved_session"),
        ("ovsdb-server B/moved", "ovsdb_server_bytes_per_session")), cases)
    return not any(n for case in cases[:2] for n in case["lost"].values())
