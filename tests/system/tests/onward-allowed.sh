#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A9: who got a session with the right to pass it on can, as far as that goes.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

devices=laptop,tv,phone,car
# car is in no group; laptop and phone are in one, laptop and tv in another.
"$sandbox_program" policy --devices=$devices |
    sed -e '/^  laptop:/s/}/, groups: [living, work]}/' \
        -e '/^  tv:/s/}/, groups: [living]}/' \
        -e '/^  phone:/s/}/, groups: [work]}/' > "$work/policy.yaml"
sandbox_up --devices=$devices --policy="$work/policy.yaml"
expect_disconnects
make_file file 30000000
serve_on laptop
slow_download file 1000000
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 500000

# onward_on DEVICE: the right that is shown there.
onward_on() {
    on "$1" baton --format=csv sessions | python3 -c '
import csv, sys
print(next(csv.DictReader(sys.stdin))["onward"])'
}

# right_is RIGHT OWNER: what the controller has.
right_is() {
    on switch baton-ctl --target="$sandbox/controller/baton-controller.ctl" \
        --format=csv sessions | python3 -c '
import csv, sys
row = next(csv.DictReader(sys.stdin))
sys.exit((row["onward"], row["owner"], row["home"]) != tuple(sys.argv[1:]))' \
        "$1" "$2" laptop
}

say "nothing said: as much as policy allows, which is all"
move laptop "$session" tv
assert_equal "$(onward_on tv)" any
right_is any tv || fail "the controller has another right"
move tv "$session" car
move car "$session" laptop

say "within the groups of where it began, whoever has it"
move laptop "$session" tv --onward=group
assert_equal "$(onward_on tv)" group
# tv and phone share none.
move tv "$session" phone
right_is group phone || fail "the controller has another right"
move phone "$session" tv --onward=group:1
assert_equal "$(onward_on tv)" group:1
move tv "$session" phone
assert_equal "$(onward_on phone)" back
move phone "$session" laptop

say "what was said at home is still so when it is back, and for a new agent"
move laptop "$session" tv
right_is group tv || fail "laptop has forgotten what it was told"
move tv "$session" laptop
"$sandbox_program" stop "$sandbox" laptop
"$sandbox_program" start "$sandbox" laptop
wait_for 15 "laptop to have the session" has_session laptop "$session"
wait_for 15 "laptop to be registered" on laptop baton devices
move laptop "$session" tv
right_is group tv || fail "laptop's new agent does not know it"
move tv "$session" laptop

say "back, and from there anew"
move laptop "$session" car --onward=back
right_is back car || fail "the controller has another right"
move car "$session" laptop
move laptop "$session" phone --onward=any:1
move phone "$session" car
move car "$session" laptop

! process_ended "$pid" || fail "the download did not last"
hurry
wait_exit 40 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"
