# SPDX-License-Identifier: Apache-2.0
"""Many mapped sessions at once: set up, held, and taken away again.

One correspondent sends datagrams from many ports to the permanent addresses of
several devices, each of which sends them back from where they came to.  Each
port and device is a session.  Meanwhile a datagram stream, mapped before, goes
on, and every datagram of it has a number.  In the end the service is not in
the policy any more."""

import json
import os
import re
import time

import report
from rate import Processes
from sandbox import Failure, wait_for

DEVICES = ["d%d" % i for i in range(1, 17)]
STREAM_DEVICE = "laptop"
PORT, STREAM_PORT = 9100, 9000
WINDOW = 256            # Sessions that begin at once...
HELD_WINDOW = 32        # ...and datagrams under way, later.
RATE = 500              # Datagrams of the stream a second.
# IPv4: with thousands of IPv6 addresses the kernel takes longer and longer.
POOL = "10.64.0.0/12"
FIRST_PORT = 10000

# Every datagram goes back from the address to which it came.
ECHO = """
import socket, sys
IP_PKTINFO, SO_RCVBUFFORCE = 8, 33
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
s.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
s.bind(("", int(sys.argv[1])))
print("ready", flush=True)
while True:
    data, ancillary, _, peer = s.recvmsg(100, 100)
    to = ancillary[0][2][8:12]          # in_pktinfo: ifindex, local, address
    s.sendmsg([data], [(socket.IPPROTO_IP, IP_PKTINFO, bytes(4) + to
                        + bytes(4))], 0, peer)
"""

# For each two numbers on standard input, WINDOW and TIMES: so many datagrams of
# each session, one after the other has come back, and again after a second if
# it has not; WINDOW sessions at once.  Says how many have had all, and how long
# the first took.
CLIENT = """
import collections, json, resource, select, socket, sys, time
port, first, count = map(int, sys.argv[1:4])
addresses = sys.argv[4:]
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
sockets, poller = {}, select.epoll()
for i in range(count):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", first + i))
    s.setblocking(False)
    sockets[s.fileno()] = s
    poller.register(s, select.EPOLLIN)
sessions = [(fd, address) for fd in sockets for address in addresses]
print("ready", flush=True)
for line in sys.stdin:
    window, times = map(int, line.split())
    give_up = time.monotonic() + 1200
    start, took, again, answered = time.monotonic(), [], 0, 0
    to_do, sent, order = iter(sessions), {}, collections.deque()
    def send(session, nth, begun):
        now = time.monotonic()
        sent[session] = nth, begun or now
        order.append((now, nth, session))
        try:
            sockets[session[0]].sendto(b"word", (session[1], port))
        except BlockingIOError:
            pass                        # Again in a second.
    more = True
    while (more or sent) and time.monotonic() < give_up:
        while more and len(sent) < window:
            session = next(to_do, None)
            more = session is not None
            if more:
                send(session, 1, 0)
        for fd, _ in poller.poll(0.1, 1024):
            try:
                while True:
                    peer = sockets[fd].recvfrom(100)[1]
                    nth, begun = sent.pop((fd, peer[0]), (0, 0))
                    if nth == 1:
                        took.append(time.monotonic() - begun)
                    if nth and nth < times:
                        send((fd, peer[0]), nth + 1, 0)
                    answered += nth == times
            except BlockingIOError:
                pass
        while order and time.monotonic() - order[0][0] > 1:
            _, nth, session = order.popleft()
            if session in sent and sent[session][0] == nth:
                again += 1
                send(session, *sent[session])
    seconds = time.monotonic() - start
    took.sort()
    print(json.dumps({"answered": answered, "again": again,
        "seconds": round(seconds, 2),
        "answer_us": {"p50": round(1e6 * took[len(took) // 2]),
                      "p99": round(1e6 * took[len(took) * 99 // 100]),
                      "max": round(1e6 * took[-1])} if took else None}),
        flush=True)
"""

# A numbered datagram every 1/RATE s; on a line of standard input, or when it
# ends, what became of those since the line before.
STREAM = """
import json, select, socket, sys, time
address, port, rate = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)    # SO_RCVBUFFORCE
s.connect((address, port))
s.setblocking(False)
number, sent, came, twice, last, gap = 0, {}, [], 0, None, 0
begin = time.monotonic()
def receive():
    global twice, last, gap
    try:
        while True:
            n = int(s.recv(100))
            now = time.monotonic()
            if last is not None:
                gap = max(gap, now - last)
            last = now
            if n in sent:
                came.append(now - sent.pop(n))
            else:
                twice += 1
    except BlockingIOError:
        pass
def wait(until):
    ready = True
    while ready and time.monotonic() < until:
        ready = select.select([s, sys.stdin], [], [],
                              max(0, until - time.monotonic()))[0]
        receive()
        if sys.stdin in ready:
            return sys.stdin.readline(), True
    return None, False
print("ready", flush=True)
while True:
    line, asked = wait(begin + number / rate)
    if asked:
        until = time.monotonic() + 2            # Those under way.
        while sent and time.monotonic() < until:
            select.select([s], [], [], 0.01)
            receive()
        came.sort()
        print(json.dumps({"sent": len(came) + len(sent), "lost": len(sent),
            "twice": twice, "longest_gap_us": round(1e6 * gap),
            "answer_us": {"p50": round(1e6 * came[len(came) // 2]),
                          "p99": round(1e6 * came[len(came) * 99 // 100])}
                         if came else None}), flush=True)
        if not line:
            break
        sent, came, twice, last, gap = {}, [], 0, None, 0
        begin, number = time.monotonic() - number / rate, number
    else:
        sent[number] = time.monotonic()
        try:
            s.send(b"%d" % number)
        except BlockingIOError:
            del sent[number]            # Nothing has left this host.
        number += 1
"""


class Talker:
    """A program that answers each line with one line of JSON."""

    def __init__(self, sandbox, host, *argv):
        self.process = sandbox.start(host, "python3", "-c", *argv, stdin=-1,
                                     stdout=-1)
        if self.process.stdout.readline() != b"ready\n":
            raise Failure("%s: a program of the bench ended" % host)

    def ask(self, text=""):
        self.process.stdin.write(("%s\n" % text).encode())
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise Failure("a program of the bench ended")
        return json.loads(line)


def address(device):
    """Its permanent address; baton-sandbox counts from 11."""
    return "10.1.0.%d" % (11 + ([STREAM_DEVICE] + DEVICES).index(device))


def change_policy(text):
    """Each device has a permanent address, and a service there, and there are
    addresses enough."""
    text = text.replace('subnets: ["10.1.0.0/24"',
                        'subnets: ["%s", "10.1.0.0/24"' % POOL)
    text = text.replace('prefix: "10.1.0.128/25"\n    block: 28',
                        'prefix: "%s"\n    block: 18' % POOL)
    for device in DEVICES:
        text = re.sub(r"(  %s: \{bridge: br-home, port: p-%s)\}"
                      % (device, device),
                      r'\1, permanent: {addresses: ["%s"]}}'
                      % address(device), text)
    return re.sub(
        r"(movable:\n)", r"\1  many: {devices: [%s], protocol: udp, port: %d, "
        "service: stream, sessions: 1000000, half-open: 1000000, per-source: "
        "1000000, rate: 1000000, ready: 1024, idle: 36000, "
        "half-open-idle: 300}\n" % (", ".join(DEVICES), PORT), text)


def memory(sandbox):
    """KiB of each process, those of the agents together."""
    d, kib = sandbox.directory, {}
    for name, paths in (
            ("controller", ["/controller/baton-controller.pid"]),
            ("agents", ["/hosts/%s/baton-agentd.pid" % device
                        for device in DEVICES]),
            ("switch", ["/ovs/ovs-vswitchd.pid"])):
        kib[name] = 0
        for path in paths:
            with open(d + path) as f:
                pid = f.read().strip()
            with open("/proc/%s/status" % pid) as f:
                kib[name] += int(re.search(r"VmRSS:\s+(\d+)",
                                           f.read()).group(1))
    return kib


def count_mapped(sandbox, column="sessions"):
    return sum(row[column] for row in sandbox.table(
        "switch", "baton-ctl", "--format=json", "movable")
        if row["movable"] == "many")


def count_flows(sandbox):
    text = sandbox.run("switch", "ovs-ofctl", "-O", "OpenFlow15", "dump-aggregate",
                       "br-home")
    return int(re.search(r"flow_count=(\d+)", text).group(1))


def count_addresses(sandbox):
    """Session addresses that the devices have on."""
    return sum(len(re.findall(r"inet 10\.(6[4-9]|7\d)\.", sandbox.run(
        device, "ip", "-4", "-o", "address", "show", timeout=120)))
        for device in DEVICES)


def addresses_ready(sandbox, device):
    text = sandbox.run(device, "ovs-appctl", "-t", sandbox.directory
                       + "/hosts/%s/baton-agentd.ctl" % device, "agent/show")
    return json.loads(text)["ipv4_addresses_ready"] >= 1000


def cpu_ms(processes, before):
    return {name: round((ns - before[name]) / 1e6)
            for name, ns in processes.cpu().items()}


def take_away(sandbox):
    """Seconds until the policy without the service is all over."""
    path = sandbox.directory + "/controller/policy.yaml"
    with open(path) as f:
        text = f.read()
    text = "".join(line for line in text.splitlines(True)
                   if not line.startswith("  many: "))
    with open(path + ".new", "w") as f:
        f.write(text)
    os.rename(path + ".new", path)
    begin = time.monotonic()
    sandbox.run("switch", "baton-ctl", "-T", "300", "policy", "reload",
                timeout=300)
    return begin


def run(args, sandbox):
    """Returns the case."""
    count = args.many // len(DEVICES)
    total = count * len(DEVICES)
    case = {"name": "many-%d" % total, "sessions": total}
    servers = [Talker(sandbox, device, ECHO, str(PORT)) for device in DEVICES]
    servers.append(Talker(sandbox, STREAM_DEVICE, ECHO, str(STREAM_PORT)))
    client = Talker(sandbox, "correspondent", CLIENT, str(PORT),
                    str(FIRST_PORT), str(count), *map(address, DEVICES))
    stream = Talker(sandbox, "correspondent", STREAM, address(STREAM_DEVICE),
                    str(STREAM_PORT), str(RATE))
    for device in DEVICES:
        wait_for(60, "addresses", lambda: addresses_ready(sandbox, device))
    processes = Processes(sandbox, DEVICES)
    before, flows = memory(sandbox), count_flows(sandbox)
    time.sleep(3)
    case["stream_before"] = stream.ask()

    report.progress("%d sessions begin" % total)
    cpu = processes.cpu()
    case["set_up"] = client.ask("%d 2" % WINDOW)
    case["per_second"] = round(case["set_up"]["answered"]
                               / case["set_up"]["seconds"], 1)
    case["set_up"]["cpu_ms"] = cpu_ms(processes, cpu)
    case["stream_set_up"] = stream.ask()
    case["mapped"] = count_mapped(sandbox)
    case["flows"] = count_flows(sandbox) - flows
    after = memory(sandbox)
    case["bytes_per_session"] = {
        name: round((after[name] - before[name]) * 1024 / total)
        for name in after}

    report.progress("%d sessions go on" % total)
    # Whoever sent again is open, if the switch's queue to us had a place...
    wait_for(300, "the sessions to be open", lambda: not count_mapped(
        sandbox, "half_open") or not client.ask("%d 1" % HELD_WINDOW))
    # ...and then nothing is changed.
    case["held"] = client.ask("%d 1" % HELD_WINDOW)
    case["stream_held"] = stream.ask()
    case["mapped_held"] = count_mapped(sandbox)

    report.progress("%d sessions are taken away" % total)
    cpu = processes.cpu()
    begin = take_away(sandbox)
    case["reload_seconds"] = round(time.monotonic() - begin, 2)
    wait_for(600, "the flows' end",
             lambda: count_flows(sandbox) <= flows)
    case["flows_gone_seconds"] = round(time.monotonic() - begin, 2)
    wait_for(600, "the addresses' end", lambda: not count_addresses(sandbox))
    case["gone_seconds"] = round(time.monotonic() - begin, 2)
    case["take_away_cpu_ms"] = cpu_ms(processes, cpu)
    case["stream_take_away"] = stream.ask()
    end = memory(sandbox)
    case["bytes_left_per_session"] = {
        name: round((end[name] - before[name]) * 1024 / total)
        for name in end}
    case["failed"] = total - min(case["set_up"]["answered"], case["mapped"],
                                 case["held"]["answered"],
                                 case["mapped_held"])
    case["failed"] += sum(case[name]["lost"] for name in (
        "stream_set_up", "stream_held", "stream_take_away"))
    for talker in [stream, client] + servers:
        talker.process.terminate()
        talker.process.wait()
    return case
