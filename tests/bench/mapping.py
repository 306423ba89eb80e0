# SPDX-License-Identifier: Apache-2.0
"""What it costs to map sessions that begin on a permanent address.

A server on one device listens on two ports, of which one is movable, and the
correspondent opens connections to both, many at a time; each stays open.  Then
bulk TCP through both ports by iperf3, in turns.  Memory is what the processes
have more than before, divided by the sessions."""

import json
import re
import statistics

import mapping_learning
import mapping_many
import report
from rate import Processes
from sandbox import Failure, wait_for

DEVICES = ["laptop"] + mapping_many.DEVICES
# Each host of a bench has all others' processors: real-time daemons of 17 hosts
# on them would keep the correspondent waiting, and the switch.
OPTIONS = ["--movable=laptop", "--daemon-option=--no-realtime"]
SERVICES = ""
ADDRESS = "fd00:1::11"
PORTS = {"direct": 8081, "mapped": 8080}
AT_ONCE = (1, 64)       # Connections under way.
ROUNDS = 3              # Of bulk TCP, SECONDS each.
SECONDS = 4

SERVER = """
import resource, selectors, socket
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
selector, held = selectors.DefaultSelector(), []
for port in (8080, 8081):
    s = socket.socket(socket.AF_INET6)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("::", port))
    s.listen(4096)
    s.setblocking(False)
    selector.register(s, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in selector.select():
        try:
            while True:
                held.append(key.fileobj.accept()[0])
        except BlockingIOError:
            pass
"""

# Opens COUNT connections, AT_ONCE at a time, says how it went, and holds them
# until its standard input ends.
CLIENT = """
import errno, json, resource, selectors, socket, sys, time
address, port, count, at_once = sys.argv[1], *map(int, sys.argv[2:])
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
selector = selectors.DefaultSelector()
begun, took, held, failed, under_way = {}, [], [], 0, 0
start = time.monotonic()
while len(took) + failed < count:
    while under_way < at_once and len(took) + failed + under_way < count:
        s = socket.socket(socket.AF_INET6)
        s.setblocking(False)
        begun[s] = time.monotonic()
        if s.connect_ex((address, port)) not in (0, errno.EINPROGRESS):
            failed += 1
            continue
        selector.register(s, selectors.EVENT_WRITE)
        under_way += 1
    for key, _ in selector.select(10):
        s = key.fileobj
        selector.unregister(s)
        under_way -= 1
        if s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            failed += 1
            continue
        took.append(time.monotonic() - begun[s])
        held.append(s)
seconds = time.monotonic() - start
took.sort()
print(json.dumps({
    "connections": len(took), "failed": failed,
    "per_second": round(len(took) / seconds, 1),
    "connect_us": {"p50": round(1e6 * took[len(took) // 2]),
                   "p99": round(1e6 * took[len(took) * 99 // 100]),
                   "max": round(1e6 * took[-1])}}), flush=True)
sys.stdin.read()
"""


def change_policy(text):
    """Addresses enough, and no limit but those of the machine."""
    text = text.replace("fd00:1::5e55:0/112", "fd00:1:0:0:5e50::/76")
    text = text.replace("block: 124", "block: 88")
    text = re.sub(r"port: 8080, service: files",
                  "port: 8080, service: files, sessions: 1000000, "
                  "half-open: 1000000, per-source: 1000000, rate: 1000000, "
                  "ready: 512", text)
    text = mapping_many.change_policy(text)
    text = text[:text.index("detection:")]
    return text + ("detection:\n  probes: 0\n"
                   "limits:\n  sessions: 200000\n  packet-ins: 1000000\n")


def memory(sandbox):
    """KiB of each process."""
    d, kib = sandbox.directory, {}
    for name, path in (("controller", "/controller/baton-controller.pid"),
                       ("agent", "/hosts/laptop/baton-agentd.pid"),
                       ("switch", "/ovs/ovs-vswitchd.pid")):
        with open(d + path) as f:
            pid = f.read().strip()
        with open("/proc/%s/status" % pid) as f:
            kib[name] = int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))
    return kib


def movable(sandbox):
    rows = sandbox.table("switch", "baton-ctl", "--format=json", "movable")
    return next(row for row in rows if row["permanent"] == ADDRESS
                and row["protocol"] == "tcp")


def addresses_ready(sandbox):
    text = sandbox.run("laptop", "ovs-appctl", "-t", sandbox.directory
                       + "/hosts/laptop/baton-agentd.ctl", "agent/show")
    return json.loads(text)["ipv6_addresses_ready"] >= 500


def connect(sandbox, name, count, at_once, address=ADDRESS, learning=None):
    """Returns the case and the client, which holds its connections."""
    report.progress("%s: %d connections" % (name, count))
    processes = Processes(sandbox, ["laptop"])
    if learning:
        processes.pids["controller"] = [learning]
    before, mapped = memory(sandbox), movable(sandbox)["mapped"]
    cpu = processes.cpu()
    client = sandbox.start("correspondent", "python3", "-c", CLIENT, address,
                           str(PORTS.get(name, PORTS["direct"])), str(count),
                           str(at_once), stdout=-1)
    line = client.stdout.readline()
    if not line:
        raise Failure("the client ended")
    case = json.loads(line)
    case["cpu_us"] = {process: round((ns - cpu[process]) / 1000 / count, 1)
                      for process, ns in processes.cpu().items()}
    after = memory(sandbox)
    case["name"] = "connect-%s-%d" % (name, at_once)
    case["mapped"] = movable(sandbox)["mapped"] - mapped
    if name == "mapped":
        case["bytes_per_session"] = {
            process: round((after[process] - before[process]) * 1024 / count)
            for process in after}
        case["flows_per_session"] = 2
    return case, client


def learn(args, sandbox, cases):
    """The same connections through a bridge whose controller sets a flow for
    each, if that controller is installed."""
    if not mapping_learning.find_program():
        report.say("%s is not installed: not compared with it"
                   % mapping_learning.PROGRAM)
        return
    learning = mapping_learning.Learning(sandbox, PORTS["direct"])
    for at_once in AT_ONCE:
        flows = mapping_learning.count_flows(sandbox)
        case, client = connect(sandbox, "learning", count_of(args, at_once),
                               at_once, mapping_learning.ADDRESSES["laptop"],
                               learning.pid())
        case["flows"] = mapping_learning.count_flows(sandbox) - flows
        cases.append(case)


def bulk(sandbox):
    """Megabits a second, of each port."""
    speeds = {name: [] for name in PORTS}
    for i in range(ROUNDS):
        for name, port in PORTS.items():
            report.progress("bulk, round %d, %s" % (i + 1, name))
            server = sandbox.start("laptop", "iperf3", "-s", "-1", "-p",
                                   str(port), stdout=-3)
            wait_for(5, "iperf3", lambda: ":%d " % port in sandbox.run(
                "laptop", "ss", "-Htln"))
            out = sandbox.run("correspondent", "iperf3", "-6", "-J", "-R",
                              "-c", ADDRESS, "-p", str(port), "-t",
                              str(SECONDS))
            server.wait(10)
            speeds[name].append(json.loads(out)["end"]["sum_received"][
                "bits_per_second"] / 1e6)
    return speeds


def count_of(args, at_once):
    return args.mapped if at_once > 1 else min(args.mapped, 500)


def compare(cases):
    """Sessions a second, to those of the others."""
    rates = {case["name"]: case["per_second"] for case in cases}
    for case in cases:
        kind, _, at_once = case["name"].partition("-")[2].partition("-")
        if kind == "mapped":
            for other in ("direct", "learning"):
                rate = rates.get("connect-%s-%s" % (other, at_once))
                if rate:
                    case["rate_to_" + other] = round(case["per_second"]
                                                     / rate, 3)


def print_many(cases):
    report.print_table((
        ("case", "name"), ("a second", "per_second"), ("mapped", "mapped"),
        ("held", "mapped_held"), ("answered", "held.answered"),
        ("flows", "flows"), ("gone s", "gone_seconds"),
        ("bytes: controller", "bytes_per_session.controller"),
        ("agents", "bytes_per_session.agents"),
        ("switch", "bytes_per_session.switch"),
        ("lost: set up", "stream_set_up.lost"), ("held", "stream_held.lost"),
        ("away", "stream_take_away.lost"),
        ("longest gap us", "stream_set_up.longest_gap_us")), cases)


def run(args, sandbox):
    wait_for(30, "addresses", lambda: addresses_ready(sandbox))
    before = movable(sandbox)["mapped"]
    speeds = bulk(sandbox)
    if movable(sandbox)["mapped"] == before:
        raise Failure("nothing was mapped")
    server = sandbox.start("laptop", "python3", "-c", SERVER, stdout=-1)
    server.stdout.readline()
    cases = []
    for at_once in AT_ONCE:
        for name in PORTS:
            wait_for(60, "addresses", lambda: addresses_ready(sandbox))
            case, client = connect(sandbox, name, count_of(args, at_once),
                                   at_once)
            cases.append(case)
    learn(args, sandbox, cases)
    compare(cases)
    if args.many:
        cases.append(mapping_many.run(args, sandbox))
    direct, mapped = (statistics.median(speeds[name]) for name in PORTS)
    cases.append({"name": "bulk", "direct_mbit_s": round(direct, 1),
                  "mapped_mbit_s": round(mapped, 1),
                  "ratio": round(mapped / direct, 2)})
    if args.json:
        report.write_json(args.json, "mapping", cases)
    report.end_progress()
    report.print_table((
        ("case", "name"), ("connections", "connections"),
        ("mapped", "mapped"), ("a second", "per_second"),
        ("p50 us", "connect_us.p50"), ("p99", "connect_us.p99"),
        ("failed", "failed"), ("to direct", "rate_to_direct"),
        ("to learning", "rate_to_learning"), ("CPU us: controller", "cpu_us.controller"),
        ("agent", "cpu_us.agents"), ("switch", "cpu_us.switch"),
        ("bytes: controller", "bytes_per_session.controller"),
        ("agent", "bytes_per_session.agent"),
        ("switch", "bytes_per_session.switch"),
        ("Mbit/s direct", "direct_mbit_s"), ("mapped", "mapped_mbit_s"),
        ("ratio", "ratio")), [case for case in cases
                              if "connections" in case or "ratio" in case])
    print_many([case for case in cases if "sessions" in case])
    return not any(case.get("failed") for case in cases)
