#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A ticket used twice, late, or by another: it opens nothing.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

faults_up --devices=laptop,tv,phone
expect_log 'ticket|claim|phone|proof'
make_file file 20000000
serve_on laptop
warm_up --limit-rate 2M
"$sandbox_program" stop "$sandbox" phone
ctl=$(home_of controller).ctl

# phone is played by a client that keeps what it has said, and says it again.
rogue_on phone <<END
import base64
import os
import subprocess
from sealing import proof, terms, ticket

def warp(msec):
    subprocess.run(["ovs-appctl", "-t", "$ctl", "time/warp", str(msec)],
                   check=True, stdout=subprocess.DEVNULL)

class Phone(Rogue):
    def begin(self, sessions=()):
        result, error = self.register(sessions)
        assert result, error
        self.nonce = base64.b64decode(result["nonce"])
        assert self.attach(), "not attached"
        return self

    def introduce(self, epoch, target="tv"):
        made, error = self.request("introduce", dict(
            session, epoch=epoch, target=target))
        assert made, error
        return made["transfer"]

    def recorded(self, transfer, epoch, target="tv"):
        """The parameters of a prepare that is as it should be."""
        self.key = os.urandom(32)
        self.ad = terms(self.sa_id, transfer, session["session"],
                        session["address"], epoch, "phone", target)
        self.sealed = ticket(self.sa_key, self.ad, transfer, self.key)
        return {"transfer": transfer,
                "ticket": base64.b64encode(self.sealed).decode()}

phone = Phone(sandbox, "phone")
phone.begin()
lease, error = phone.request("lease", {"family": 4})
assert lease, error
session = {"session": new_uuid(), "name": "x", "service": "files",
           "address": lease["prefix"].split("/")[0]}
phone.notify("announce", dict(session, epoch=0, state="owner"))

print("used, and used again while it is under way")
transfer = phone.introduce(0)
prepare = phone.recorded(transfer, 0)
gone, error = phone.request("prepare", prepare)
assert gone, error
expect_error(phone.request("prepare", prepare), "ticket")

print("after its end: on the same connection")
aborted = phone.wait_note("aborted", 5)
assert aborted and aborted["epoch"] == 1, aborted
expect_error(phone.request("prepare", prepare), "ticket", "unknown-transfer")

print("for the next transfer of the session, under that one's name")
transfer = phone.introduce(1)
expect_error(phone.request("prepare", dict(prepare, transfer=transfer)),
             "ticket")

print("by the target, whose transfer it is not to prepare")
transfer = phone.introduce(1)
prepare = phone.recorded(transfer, 1)
with Rogue(sandbox, "laptop") as other:
    # That this ends laptop's own connection is another test's.
    registered, error = other.register()
    assert registered, error
    expect_error(other.request("prepare", prepare), "unknown-transfer")

print("by the same device on another connection: its key is another")
phone2 = Phone(sandbox, "phone")
phone2.begin([dict(session, epoch=1, state="owner")])
expect_error(phone2.request("prepare", prepare), "ticket",
             "unknown-transfer")
transfer = phone2.introduce(1)
expect_error(phone2.request("prepare", dict(prepare, transfer=transfer)),
             "ticket")
phone.socket.close()
phone = phone2

print("late: 35 s after the introduction")
transfer = phone.introduce(1)
prepare = phone.recorded(transfer, 1)
warp(36000)
expect_error(phone.request("prepare", prepare), "unknown-transfer")

print("later than the association lives")
transfer = phone.introduce(1)
prepare = phone.recorded(transfer, 1)
phone.notify("withdraw", {"transfer": transfer, "reason": "test"})
warp(3000000)
warp(700000)
while phone.pump(0.5):
    pass
transfer = phone.introduce(1)
stale = phone.recorded(transfer, 1)
expect_error(phone.request("prepare", stale), "ticket")

print("a claim of what nobody may claim")
for target in ("tv", "phone"):
    phone.notify("claim", {"transfer": transfer, "proof": base64.b64encode(
        proof(phone.key, phone.ad, transfer, phone.sealed,
              phone.nonce)).decode()})
result, error = phone.request("devices", {})
assert result, error
print("done")
END
wait_registered
rest
move "$owner" "$session" "$other"
rest
assert_whole
end_session
