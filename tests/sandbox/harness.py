# SPDX-License-Identifier: Apache-2.0
"""What the sandbox tests are written with: a real ovs-vswitchd with dummy
devices, the driver (test-bridge.c) with its bridge object, frames, and a relay
between the two that answers in place of the switch."""

import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SCHEMAS = ["/usr/share/openvswitch/vswitch.ovsschema",
           "/usr/local/share/openvswitch/vswitch.ovsschema"]
DPID = "000000000000ba70"

KIND_ATTACHMENT, KIND_VIOLATION = 1, 3
MAC = {n: "02:00:00:00:00:%02x" % n for n in range(1, 10)}
PLACE = {n: "%d,%s" % (n, MAC[n]) for n in range(1, 10)}


def find_driver():
    for path in [os.environ.get("TEST_BRIDGE"),
                 "tests/sandbox/test-bridge",
                 os.path.join(HERE, "test-bridge")]:
        if path and os.access(path, os.X_OK):
            return os.path.abspath(path)
    sys.exit("run: no test-bridge: run `make check`, or set TEST_BRIDGE")


def check(condition, *about):
    if not condition:
        raise AssertionError(" ".join(str(x) for x in about))


def is_alive(pid):
    """Neither gone nor waiting for its parent to notice."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


# Frames.

def mac(s):
    return bytes.fromhex(s.replace(":", ""))


def ip(s):
    family = socket.AF_INET6 if ":" in s else socket.AF_INET
    return socket.inet_pton(family, s)


def arp(op, sha, spa, tha, tpa, src=None, dst="ff:ff:ff:ff:ff:ff", vlan=None):
    tag = struct.pack("!HH", 0x8100, vlan) if vlan else b""
    return (mac(dst) + mac(src or sha) + tag
            + struct.pack("!HHHBBH", 0x806, 1, 0x800, 6, 4, op)
            + mac(sha) + ip(spa) + mac(tha) + ip(tpa))


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def nd(type_, src_mac, src, dst, target, option=None, dst_mac=None, flags=0):
    body = struct.pack("!BBHI", type_, 0, 0, flags) + ip(target)
    if option:
        body += struct.pack("BB", 1 if type_ == 135 else 2, 1) + mac(option)
    pseudo = ip(src) + ip(dst) + struct.pack("!II", len(body), 58)
    body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    if not dst_mac:
        dst_mac = "33:33:" + ":".join("%02x" % b for b in ip(dst)[12:])
    return (mac(dst_mac) + mac(src_mac) + struct.pack("!H", 0x86dd)
            + struct.pack("!IHBB", 0x60000000, len(body), 58, 255)
            + ip(src) + ip(dst) + body)


def udp(src_mac, dst_mac, src, dst, vlan=None):
    payload = struct.pack("!HHHH", 1000, 2000, 12, 0) + b"data"
    tag = struct.pack("!HH", 0x8100, vlan) if vlan else b""
    if ":" in src:
        head = (struct.pack("!IHBB", 0x60000000, len(payload), 17, 64)
                + ip(src) + ip(dst))
        eth_type = 0x86dd
    else:
        head = (struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64,
                            17, 0) + ip(src) + ip(dst))
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        eth_type = 0x800
    return (mac(dst_mac) + mac(src_mac) + tag + struct.pack("!H", eth_type)
            + head + payload)


class Driver:
    """The bridge object, in a process of its own."""

    def __init__(self, sandbox, *options):
        self.log = open(os.path.join(sandbox.dir, "driver.log"), "ab")
        self.unixctl = os.path.join(sandbox.dir, "driver.ctl")
        self.process = subprocess.Popen(
            [find_driver(), "-vconsole:dbg" if sandbox.verbose
             else "-vconsole:info", "--unixctl=" + self.unixctl, *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
            text=True, bufsize=1)

    def batch(self, *commands):
        """Commands between which the bridge does not run."""
        self.process.stdin.write("".join(c + "\n" for c in commands))
        self.process.stdin.flush()
        for command in commands:
            self.answer(command)

    def __call__(self, command, fails=False):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.answer(command, fails)

    def answer(self, command, fails=False):
        lines = []
        while True:
            line = self.process.stdout.readline()
            check(line, command, "killed the driver")
            line = line.rstrip("\n")
            if line == "ok":
                check(not fails, command, "should fail")
                return lines
            elif line.startswith("error: "):
                check(fails, command + ":", line)
                return [line]
            lines.append(line)

    def stats(self):
        stats = dict(line.split(" ", 1) for line in self("stats"))
        return {k: int(v) if v.isdigit() else v for k, v in stats.items()}

    def packet(self):
        """Next packet-in: kind, in_port, frame."""
        fields = self("packet")[0].split()
        return int(fields[1]), int(fields[2]), bytes.fromhex(fields[3])

    def flush(self):
        """Flow-mods that it took."""
        before = self.stats()["n_flow_mods"]
        self("flush")
        return self.stats()["n_flow_mods"] - before

    def stop(self):
        self.process.stdin.close()
        code = self.process.wait(timeout=10)
        self.log.close()
        check(code == 0, "the driver ended with", code)


class Sandbox:
    def __init__(self, verbose=False):
        self.verbose = verbose
        self.dir = tempfile.mkdtemp(prefix="baton-sandbox-")
        self.env = dict(os.environ, OVS_RUNDIR=self.dir, OVS_DBDIR=self.dir,
                        OVS_LOGDIR=self.dir, OVS_SYSCONFDIR=self.dir,
                        PATH=":".join([os.environ.get("OVS_BIN", ""),
                                       os.environ["PATH"], "/usr/sbin",
                                       "/sbin"]))
        self.drivers = []
        self.daemons = {}
        self.protocol = "OpenFlow15"
        schema = next(s for s in SCHEMAS if os.path.exists(s))
        self.run("ovsdb-tool", "create", "conf.db", schema)
        self.db = "unix:%s/db.sock" % self.dir
        self.start("ovsdb-server", "--remote=p" + self.db, "conf.db")
        self.vsctl("--no-wait", "init")
        self.start_vswitchd()
        ports = []
        for n in range(1, 5):
            ports += ["--", "add-port", "br0", "p%d" % n, "--", "set",
                      "interface", "p%d" % n, "type=dummy",
                      "ofport_request=%d" % n,
                      "options:tx_pcap=%s/p%d.pcap" % (self.dir, n)]
        self.vsctl("add-br", "br0", "--", "set", "bridge", "br0",
                   "datapath-type=dummy", "fail-mode=secure",
                   "other-config:datapath-id=" + DPID,
                   "other-config:mac-aging-time=3600", *ports)

    def run(self, *args, timeout=20):
        result = subprocess.run(args, cwd=self.dir, env=self.env, text=True,
                                timeout=timeout, capture_output=True)
        check(result.returncode == 0, args, result.stdout, result.stderr)
        return result.stdout

    def start(self, name, *args):
        pidfile = os.path.join(self.dir, name + ".pid")
        self.run(name, "--detach", "--no-chdir", "--pidfile=" + pidfile,
                 "-vconsole:off", "--log-file=%s/%s.log" % (self.dir, name),
                 *args)
        with open(pidfile) as f:
            self.daemons[name] = int(f.read())

    def kill(self, name, signum=signal.SIGTERM):
        pid = self.daemons.pop(name)
        os.kill(pid, signum)
        os.kill(pid, signal.SIGCONT)
        deadline = time.time() + 10
        while is_alive(pid) and time.time() < deadline:
            time.sleep(0.01)

    def stop_vswitchd(self):
        """It is there and does nothing, for once."""
        os.kill(self.daemons["ovs-vswitchd"], signal.SIGSTOP)

    def continue_vswitchd(self):
        os.kill(self.daemons["ovs-vswitchd"], signal.SIGCONT)

    def warp(self, driver, ms):
        """Lets the driver's time pass, which is waiting for a command."""
        self.run("ovs-appctl", "-t", driver.unixctl, "time/warp", str(ms))

    def start_vswitchd(self):
        self.start("ovs-vswitchd", "--enable-dummy=override",
                   "--disable-system", self.db)

    def vsctl(self, *args):
        return self.run("ovs-vsctl", "--db=" + self.db, "--timeout=10", *args)

    def appctl(self, *args):
        return self.run("ovs-appctl", "-t", "ovs-vswitchd", *args)

    def ofctl(self, command, *args):
        return self.run("ovs-ofctl", "-O", self.protocol, command,
                        "unix:%s/br0.mgmt" % self.dir, *args)

    def flows(self):
        lines = self.ofctl("dump-flows", "--no-stats").splitlines()
        return sorted(line.strip() for line in lines if "actions=" in line)

    def trace(self, in_port, frame):
        """The datapath actions that a frame gets, for good."""
        out = self.appctl("ofproto/trace", "br0", "in_port=%d" % in_port,
                          "-generate", frame.hex())
        return re.search(r"Datapath actions: (.*)", out).group(1)

    def receive(self, port, frame):
        self.appctl("netdev-dummy/receive", "p%d" % port, frame.hex())

    def sent(self, port):
        """The frames that left by a port so far."""
        with open("%s/p%d.pcap" % (self.dir, port), "rb") as f:
            data = f.read()
        frames, at = [], 24
        while at + 16 <= len(data):
            n = struct.unpack_from("=I", data, at + 8)[0]
            frames.append(data[at + 16:at + 16 + n])
            at += 16 + n
        return frames

    def wait_sent(self, port, n):
        """Waits until n frames have left by a port, and returns them."""
        deadline = time.time() + 5
        while len(self.sent(port)) < n and time.time() < deadline:
            time.sleep(0.01)
        frames = self.sent(port)
        check(len(frames) == n, len(frames), "frames left by port", port,
              "not", n)
        return frames

    def open(self, *commands, target=None, options=()):
        """A driver with a bridge that begins with some flows."""
        driver = Driver(self, *options)
        self.drivers.append(driver)
        driver.batch("open %s %s" % (target or "unix:%s/br0.mgmt" % self.dir,
                                     DPID), *commands)
        return driver

    def ready(self, *commands):
        """A driver whose bridge has what most tests want: two pools, blocks
        of devices 1 and 2, sessions 10.0.0.5 and fd00::5 of 1 moved to 2."""
        driver = self.open("pipeline 10.0.0.0/24 fd00::/64",
                           "block 10.0.0.0/28 " + PLACE[1],
                           "block fd00::/120 " + PLACE[1],
                           "block 10.0.0.16/28 " + PLACE[2],
                           "block fd00::100/120 " + PLACE[2],
                           "session 10.0.0.5 %s %s" % (PLACE[2], PLACE[2]),
                           "session fd00::5 %s %s" % (PLACE[2], PLACE[2]),
                           *commands)
        driver("flush")
        driver("wait synchronised")
        return driver

    def stop(self, keep=False):
        for driver in self.drivers:
            if driver.process.poll() is None:
                driver.stop()
        for name in list(self.daemons):
            self.kill(name)
        if keep:
            print("kept", self.dir)
        else:
            shutil.rmtree(self.dir)

    def abort(self, keep):
        for driver in self.drivers:
            driver.process.kill()
        for name in list(self.daemons):
            self.kill(name, signal.SIGKILL)
        if keep:
            print("kept", self.dir)
        else:
            shutil.rmtree(self.dir)


class Relay(threading.Thread):
    """Between the bridge object and the switch; 'filter' may answer a message
    of the controller's in place of the switch (bytes), drop it (b"") or let
    it pass (None)."""

    def __init__(self, sandbox, filter_):
        super().__init__(daemon=True)
        self.sandbox = sandbox
        self.filter = filter_
        self.answered = 0       # When the switch last said something.
        self.path = os.path.join(sandbox.dir, "relay.sock")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.start()

    def run(self):
        while True:
            client, _ = self.listener.accept()
            switch = socket.socket(socket.AF_UNIX)
            switch.connect(os.path.join(self.sandbox.dir, "br0.mgmt"))
            threading.Thread(target=self.back, args=(switch, client),
                             daemon=True).start()
            threading.Thread(target=self.forth, args=(client, switch),
                             daemon=True).start()

    def back(self, switch, client):
        try:
            while data := switch.recv(65536):
                self.answered = time.monotonic()
                client.sendall(data)
        except OSError:
            pass
        client.close()

    def forth(self, client, switch):
        buffer = b""
        try:
            while data := client.recv(65536):
                buffer += data
                while len(buffer) >= 4:
                    n = struct.unpack_from("!H", buffer, 2)[0]
                    if len(buffer) < n:
                        break
                    message, buffer = buffer[:n], buffer[n:]
                    answer = self.filter(message)
                    if answer is None:
                        switch.sendall(message)
                    else:
                        client.sendall(answer)
        except OSError:
            pass
        switch.close()


def of_error(message, type_, code):
    return (message[:1] + struct.pack("!BH", 1, 12 + len(message[:64]))
            + message[4:8] + struct.pack("!HH", type_, code) + message[:64])


def relayed(sandbox, filter_):
    relay = Relay(sandbox, filter_)
    return sandbox.open("pipeline 10.0.0.0/24 fd00::/64",
                        "session 10.0.0.5 %s %s" % (PLACE[2], PLACE[2]),
                        target="unix:" + relay.path)
