#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A9: without the right nobody passes a session on, whatever they ask or seal.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

devices=laptop,tv,phone,car
# What goes to car may come back at the most.
"$sandbox_program" policy --devices=$devices |
    sed -e '/^moves:/a\  - {from: laptop, to: car, allow: true, onward: back}' \
        > "$work/policy.yaml"
sandbox_up --devices=$devices --policy="$work/policy.yaml"
make_file file 30000000

# denied FROM TO REASON [OPTION...]
denied() {
    ! try_move "$1" "$session" "$2" "${@:4}" || fail "$1 gave it to $2"
    assert_match "$(cat "$work/move.txt")" "$3" "the reason"
    say "refused: $(cat "$work/move.txt")"
}

for option in --family=4 --family=6; do
    serve_on laptop $option
    slow_download file 1000000
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 500000

    say "more than policy allows"
    denied laptop car '"back" is the most that it may' --onward=any
    denied laptop car '"back" is the most that it may' --onward=group:1
    denied laptop tv 'no right to pass on' --onward=all
    move laptop "$session" car --onward=back
    denied car tv 'car may not pass the session on to tv'
    move car "$session" laptop

    say "further than it may go"
    move laptop "$session" tv --onward=any:1
    denied tv phone 'cannot give the right "any:1"' --onward=any:1
    denied tv phone 'cannot give the right "any"' --onward=any
    move tv "$session" phone --onward=back
    denied phone car 'phone may not pass the session on to car'
    move phone "$session" laptop

    say "not at all, nor back"
    move laptop "$session" tv --onward=none
    denied tv phone 'tv may not pass the session on, nor back'
    denied tv laptop 'tv may not pass the session on, nor back'
    ! process_ended "$pid" || fail "the download did not last"
    hurry
    wait_exit 60 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
    rm "$work/got-file"
    end_application tv baton-serve
    wait_for 15 "the session to end" no_session tv "$session"
done

say "a device that is no honest agent"
make_file small 30000000
serve_on laptop
slow_download small 1000000
wait_for 10 "the first bytes" file_has_bytes "$work/got-small" 500000
move laptop "$session" tv --onward=group:1
"$sandbox_program" stop "$sandbox" tv
expect_disconnects
rogue_on tv <<END
session = {"session": "$session", "address": "$address", "name": "x",
           "service": "files", "epoch": 1}

with Rogue(sandbox, "tv") as tv:
    registered, error = tv.register([dict(session, state="owner")])
    assert registered, error
    assert tv.attach(), "not attached"

    def introduce(target, **more):
        return tv.request("introduce", dict(session, target=target, **more))

    # No device shares a group with laptop.
    for target in ("phone", "car"):
        expect_error(introduce(target), "onward")
        expect_error(introduce(target, onward="any"), "onward")
        expect_error(introduce(target, home="tv"), "onward")
    expect_error(introduce("laptop", onward="much"), "onward")
    # There is no telling the controller that it began here.
    tv.notify("announce", dict(session, state="owner", home="tv"))
    expect_error(introduce("phone"), "onward")
END
"$sandbox_program" start "$sandbox" tv
wait_for 20 "tv to be there again" has_session tv "$session"

say "a ticket that says more than it may"
wait_for 10 "the way home" try_move tv "$session" laptop
move laptop "$session" phone --onward=any:2
"$sandbox_program" stop "$sandbox" phone
rogue_on phone <<END
import base64
import os
from sealing import terms, ticket

session = {"session": "$session", "address": "$address", "name": "x",
           "service": "files", "epoch": 3}
GROUP, ANY = 2, 3

with Rogue(sandbox, "phone") as phone:
    registered, error = phone.register([dict(session, state="owner")])
    assert registered, error
    assert phone.attach(), "not attached"
    for right, depth in ((ANY, 255), (ANY, 2), (GROUP, 2), (GROUP, 255)):
        made, error = phone.request("introduce",
                                    dict(session, target="car"))
        assert made, error
        assert made["onward"] == "any:1", made
        ad = terms(phone.sa_id, made["transfer"], session["session"],
                   session["address"], 3, "phone", "car")
        sealed = ticket(phone.sa_key, ad, made["transfer"], os.urandom(32),
                        right, depth)
        expect_error(phone.request("prepare", {
            "transfer": made["transfer"],
            "ticket": base64.b64encode(sealed).decode()}), "onward")
END
"$sandbox_program" start "$sandbox" phone
wait_for 20 "phone to be there again" has_session phone "$session"
wait_for 10 "passing on as it may" try_move phone "$session" car
! process_ended "$pid" || fail "the download did not last"
hurry
wait_exit 60 "$pid" || fail "curl: $(cat "$work/curl-small.err.txt")"
assert_same_bytes "$work/got-small" "$sandbox/files/small"
