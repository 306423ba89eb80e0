#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A8: only the device that owns a session can give notice that it moves.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

sandbox_up --devices=laptop,tv,phone
make_file file 60000000
serve_on laptop
slow_download file 2000000
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 500000
"$sandbox_program" stop "$sandbox" phone
expect_disconnects
expect_log 'phone'

# Moved once: the controller has a record of it.
move laptop "$session" tv
move tv "$session" laptop
epoch=$(on laptop baton --format=json sessions | python3 -c '
import json, sys
table = json.load(sys.stdin)
print(dict(zip(table["headings"], table["data"][0]))["epoch"])')

rogue_on phone <<END
import base64, os
session, address, epoch = "$session", "$address", int("$epoch")

def announcement(epoch):
    return {"session": session, "address": address, "epoch": epoch,
            "name": "x", "service": "files", "state": "owner"}

def introduction(epoch):
    return {"session": session, "address": address, "epoch": epoch,
            "name": "x", "target": "tv", "service": "files"}

# A certificate that is not the one it speaks of.
try:
    with Rogue(sandbox, "laptop", certificate="phone") as thief:
        thief.pem = open(sandbox + "/pki/laptop-cert.pem").read()
        expect_error(thief.register(), "name")
except (EOFError, ConnectionError, ssl.SSLError):
    print("closed as it should be")

for e in (epoch, epoch + 1, 0, 1 << 52):
    for sessions in ((), (announcement(e),)):
        try:
            with Rogue(sandbox, "phone") as phone:
                result, error = phone.register(sessions)
                if error:
                    print("refused as it should be:", error)
                    continue
                assert phone.attach(), "not attached"
                phone.notify("announce", announcement(e))
                expect_error(phone.request("introduce", introduction(e)),
                             "not-owner", "unknown-session", "address")
                phone.notify("ended", {"session": session,
                                       "address": address, "epoch": e})
                expect_error(phone.request("prepare", {
                    "transfer": new_uuid(),
                    "ticket": base64.b64encode(os.urandom(150)).decode()}),
                    "unknown-transfer")
                phone.notify("claim", {
                    "transfer": new_uuid(),
                    "proof": base64.b64encode(os.urandom(32)).decode()})
                expect_error(phone.request("introduce", introduction(e)),
                             "not-owner", "unknown-session", "address")
        except (EOFError, ConnectionError, ssl.SSLError):
            print("closed as it should be")
END

# Nothing of it had an effect.
assert_connections laptop 1
move laptop "$session" tv
hurry
wait_exit 20 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"
