#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A5: the controller takes a ticket only as it was sealed, once, in time.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

sandbox_up --devices=laptop,tv,phone
"$sandbox_program" stop "$sandbox" phone
expect_disconnects
expect_log 'ticket|claim|proof|phone'

rogue_on phone <<'END'
import base64
import os
from sealing import proof, terms, ticket

with Rogue(sandbox, "phone") as phone:
    registered, error = phone.register()
    assert registered, error
    assert phone.attach(), "not attached"
    lease, error = phone.request("lease", {"family": 4})
    assert lease, error
    address = lease["prefix"].split("/")[0]
    session = new_uuid()
    phone.notify("announce", {"session": session, "address": address,
                              "epoch": 0, "name": "x", "service": "files",
                              "state": "owner"})
    epoch = 0
    key = os.urandom(32)

    def introduce():
        made, error = phone.request("introduce", {
            "session": session, "address": address, "epoch": epoch,
            "name": "x", "target": "tv", "service": "files"})
        assert made, error
        return made["transfer"]

    def prepare(transfer, sealed):
        return phone.request("prepare", {
            "transfer": transfer,
            "ticket": base64.b64encode(sealed).decode()})

    def withdraw(transfer):
        phone.notify("withdraw", {"transfer": transfer, "reason": "test"})

    def good_terms(of, **other):
        what = dict(sa_id=phone.sa_id, transfer=of, session=session,
                    address=address, epoch=epoch, source="phone",
                    target="tv")
        what.update(other)
        return terms(**what)

    # One bit anywhere, or other terms, sealed as they should be.
    transfer = introduce()
    sealed = ticket(phone.sa_key, good_terms(transfer), transfer, key)
    bad = [b"", os.urandom(len(sealed)), sealed[:-1], sealed + b"\0"]
    for i in (0, 1, 8, 9, 24, 25, 40, 44, 50, 60, -49, -30, -17, -1):
        spoiled = bytearray(sealed)
        spoiled[i] ^= 1
        bad.append(bytes(spoiled))
    for other in (dict(sa_id=phone.sa_id ^ 1), dict(transfer=new_uuid()),
                  dict(session=new_uuid()), dict(address="10.1.0.129"),
                  dict(epoch=epoch + 1), dict(source="laptop"),
                  dict(target="laptop")):
        bad.append(ticket(phone.sa_key, good_terms(transfer, **other),
                          transfer, key))
    # Another's key.
    bad.append(ticket(os.urandom(32), good_terms(transfer), transfer, key))
    for spoiled in bad:
        expect_error(prepare(transfer, spoiled), "ticket",
                     "unknown-transfer")
        # A transfer may have ended by that.
        withdraw(transfer)
        transfer = introduce()

    # As it should be: it works, once.
    sealed = ticket(phone.sa_key, good_terms(transfer), transfer, key)
    gone, error = prepare(transfer, sealed)
    assert gone, error
    expect_error(prepare(transfer, sealed), "ticket", "unknown-transfer",
                 "busy")
    # Nobody claims it: it ends, and the epoch with it.
    aborted = phone.wait_note("aborted", 5)
    assert aborted and aborted["epoch"] == epoch + 1, aborted
    expect_error(prepare(transfer, sealed), "ticket", "unknown-transfer")
    old_epoch, epoch = epoch, aborted["epoch"]

    # Late: of the epoch before, for the transfer of now.
    transfer = introduce()
    expect_error(prepare(transfer, ticket(
        phone.sa_key, good_terms(transfer, epoch=old_epoch), transfer, key)),
        "ticket", "unknown-transfer")
    print("done")
END
