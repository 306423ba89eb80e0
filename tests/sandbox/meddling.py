# SPDX-License-Identifier: Apache-2.0
"""Somebody else changes Baton's flows on the bridge: it is noticed, put right,
counted, and said."""

import signal
import time

from harness import MAC, PLACE, Relay, check, of_error

SAID = "somebody else changes Baton's flows"
# So long after it has connected, what comes may still be of a former self.
FORGIVEN = 1001


def said(sandbox):
    return [line for line in sandbox.log("driver").splitlines()
            if SAID in line]


def wait_repaired(sandbox, driver, flows, n, seconds=30):
    """Until the flows are as they were, and so many were put right."""
    deadline = time.monotonic() + seconds
    while True:
        now = sandbox.flows()
        if now == flows and driver.stats()["n_repaired"] >= n:
            return
        check(time.monotonic() < deadline, driver.stats(),
              sorted(set(now) ^ set(flows))[:5])
        time.sleep(0.01)


def change_three(sandbox):
    """One goes, one is changed, one comes; and one that is not ours."""
    sandbox.ofctl("del-flows", "--strict",
                  "table=1,priority=300,ip,nw_src=10.0.0.5")
    sandbox.ofctl("mod-flows", "--strict",
                  "table=1,priority=300,arp,arp_spa=10.0.0.5 actions=drop")
    sandbox.ofctl("add-flow", "cookie=0xba70000000000002,table=1,priority=300,"
                  "ip,nw_src=10.0.0.6 actions=goto_table:4")
    sandbox.ofctl("add-flow", "table=1,priority=301,ip,nw_src=10.0.0.6 "
                  "actions=drop")


def meddling_test(sandbox, protocol):
    sandbox.vsctl("set", "bridge", "br0", "protocols=" + protocol)
    sandbox.protocol = protocol
    driver = sandbox.ready()
    sandbox.warp(driver, FORGIVEN)
    theirs = ["table=1,priority=301,ip,nw_src=10.0.0.6 actions=drop"]
    sandbox.ofctl("add-flow", theirs[0])
    flows = sandbox.flows()
    before = driver.stats()["n_flow_mods"]
    change_three(sandbox)
    wait_repaired(sandbox, driver, flows, 3)
    check(driver.stats()["n_repaired"] == 3, driver.stats())
    check(driver.stats()["n_flow_mods"] == before + 3, driver.stats())
    check(driver.stats()["status"].startswith("connected, OpenFlow"))

    # It is said when it begins, and then once a minute.
    check(len(said(sandbox)) == 1 and "1 removed" in said(sandbox)[0],
          said(sandbox))
    change_three(sandbox)
    wait_repaired(sandbox, driver, flows, 6)
    check(len(said(sandbox)) == 1, said(sandbox))
    sandbox.warp(driver, 60001)
    driver("sleep 10")
    check(len(said(sandbox)) == 2, said(sandbox))
    check("(1 removed, 2 changed, 2 added" in said(sandbox)[1], said(sandbox))
    sandbox.warp(driver, 60001)
    driver("sleep 10")
    check(len(said(sandbox)) == 2, said(sandbox))


def test_meddling(sandbox):
    """Flows that somebody removes, changes or adds are put right, and the log
    says so, once."""
    meddling_test(sandbox, "OpenFlow15")


def test_meddling_13(sandbox):
    """The same with OpenFlow 1.3."""
    meddling_test(sandbox, "OpenFlow13")


def test_meddling_not_our_own(sandbox):
    """What we do ourselves is told in short, one message a bundle at most, and
    is not taken for somebody else's; nor is what goes because it is idle."""
    driver = sandbox.open("pipeline 10.0.0.0/24",
                          options=("-vvconn:console:dbg",))
    driver("flush")
    sandbox.warp(driver, FORGIVEN)
    n = 20
    driver("session 10.0.0.5 %s %s" % (PLACE[1], PLACE[1]))
    driver("flush")
    began = len(sandbox.log("driver"))
    driver("bench 10.0.0.5 %s %s %d" % (PLACE[1], PLACE[2], n))
    log = sandbox.log("driver")[began:]
    events = [word for line in log.splitlines() for word in line.split()
              if word.startswith("event=")]
    check(set(events) == {"event=ABBREV"}, set(events))
    check(len(events) <= n, len(events))
    driver("unset 10.0.0.5")
    driver("flush")
    check(driver.stats()["n_repaired"] == 0, driver.stats())
    check(not said(sandbox), said(sandbox))


def test_meddling_all(sandbox):
    """All flows go at once: they are compared, and are there again."""
    driver = sandbox.ready("sessions 10.0.100.0 2000 " + PLACE[2])
    driver("flush")
    sandbox.warp(driver, FORGIVEN)
    flows = sandbox.flows()
    sandbox.ofctl("del-flows")
    wait_repaired(sandbox, driver, flows, len(flows))
    driver("wait synchronised")
    check(len(said(sandbox)) == 1, said(sandbox))


def wait_counted(sandbox, event):
    """Until the switch has counted it; it looks once a second."""
    deadline = time.monotonic() + 5
    while sandbox.appctl("coverage/read-counter", event).strip() == "0":
        check(time.monotonic() < deadline, "no", event)
        time.sleep(0.05)


def test_meddling_paused(sandbox):
    """A switch that could not tell it all, because nobody listened, is asked
    for all of it."""
    driver = sandbox.ready("sessions 10.0.100.0 3000 " + PLACE[2])
    driver("flush")
    sandbox.warp(driver, FORGIVEN)
    flows = sandbox.flows()
    driver.process.send_signal(signal.SIGSTOP)
    sandbox.ofctl("del-flows")
    # Nobody is told of this one.
    sandbox.ofctl("add-flow", "cookie=0xba70000000000002,table=1,priority=300,"
                  "ip,nw_src=10.0.0.6 actions=goto_table:4")
    wait_counted(sandbox, "ofmonitor_pause")
    driver.process.send_signal(signal.SIGCONT)
    wait_repaired(sandbox, driver, flows, len(flows))
    driver("wait synchronised")
    wait_counted(sandbox, "ofmonitor_resume")


def test_meddling_meters(sandbox):
    """A meter that somebody deletes takes its flows along: all come back."""
    driver = sandbox.ready()
    sandbox.warp(driver, FORGIVEN)
    flows, meters = sandbox.flows(), sandbox.ofctl("dump-meters")
    sandbox.ofctl("del-meters")
    check(sandbox.flows() != flows or driver.stats()["n_repaired"])
    wait_repaired(sandbox, driver, flows, 1)
    check(sandbox.ofctl("dump-meters") == meters)
    check("refuses a flow" not in sandbox.log("driver"))


def test_meddling_fight(sandbox):
    """Somebody who does not cease costs us no more than so much."""
    driver = sandbox.ready("sessions 10.0.100.0 300 " + PLACE[2])
    driver("flush")
    sandbox.warp(driver, FORGIVEN)
    flows = sandbox.flows()

    def compared():
        return sandbox.log("driver").count("flow-mods to send")

    before = compared()
    # The driver's clock goes on by itself, some seconds at the most.
    for _ in range(20):
        sandbox.ofctl("del-flows")
        driver("sleep 20")
    check(1 <= compared() - before <= 3, compared() - before)
    sandbox.warp(driver, 60000)
    wait_repaired(sandbox, driver, flows, len(flows))


def silent(sandbox, *commands):
    """A driver whose switch knows no flow monitors."""
    def refuse(message):
        if message[1] == 18 and message[8:10] == b"\0\x10":
            return of_error(message, 1, 2)      # OFPBRC_BAD_MULTIPART

    driver = sandbox.open("pipeline 10.0.0.0/24 fd00::/64",
                          "session 10.0.0.5 %s %s" % (PLACE[2], PLACE[2]),
                          *commands, target="unix:" + Relay(sandbox,
                                                            refuse).path)
    driver("flush")
    driver("wait synchronised")
    check("no flow monitors" in sandbox.log("driver"))
    sandbox.warp(driver, FORGIVEN)
    return driver


def test_meddling_silent(sandbox):
    """A switch that does not tell is asked now and then."""
    driver = silent(sandbox)
    flows = sandbox.flows()
    n = sandbox.log("driver").count("flow-mods to send")
    sandbox.warp(driver, 30001)
    driver("sleep 20")
    change_three(sandbox)
    sandbox.ofctl("del-flows", "--strict",
                  "table=1,priority=301,ip,nw_src=10.0.0.6")
    check(sandbox.flows() != flows)
    sandbox.warp(driver, 30001)
    wait_repaired(sandbox, driver, flows, 3)
    check(len(said(sandbox)) == 1, said(sandbox))
    # Where there is nothing to put right, nothing is said of it.
    sandbox.warp(driver, 30001)
    driver("sleep 20")
    check(sandbox.log("driver").count("flow-mods to send") == n + 1)


def test_meddling_silent_many(sandbox):
    """Many flows are only counted, and asked for if there are fewer."""
    driver = silent(sandbox, "sessions 10.0.100.0 2000 " + PLACE[2])
    flows = sandbox.flows()
    n = sandbox.log("driver").count("flow-mods to send")
    sandbox.warp(driver, 30001)
    driver("sleep 50")
    check(sandbox.log("driver").count("flow-mods to send") == n)
    sandbox.ofctl("del-flows", "--strict",
                  "table=1,priority=300,ip,nw_src=10.0.100.7")
    sandbox.warp(driver, 30001)
    wait_repaired(sandbox, driver, flows, 1)
    driver("wait synchronised")
