#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A11: the same, where the device answers for itself.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/system/mapped.sh
. "$(dirname "$0")/../mapped.sh"

"$sandbox_program" policy --plain-lan --movable=laptop |
    sed 's/^  listen: .*/  answer: device/' > "$work/told.yaml"
movable_up --plain-lan --policy="$work/told.yaml"
make_file file 20000000

# ask NAME TYPE [OPTION...]
ask() {
    on correspondent dig @10.1.0.11 +tries=1 +time=3 +short "$@"
}

status() {
    on correspondent dig @10.1.0.11 +tries=1 +time=3 "$@" |
        sed -n 's/.*status: \([A-Z]*\).*/\1/p'
}

none_unused() {
    no_session laptop "web for"
}

wait_for 5 "laptop to answer" ask laptop.move.example SOA
assert_equal "$(status web.laptop.move.example A)" SERVFAIL "nobody serves"
serve_mapped
first=$(ask web.laptop.move.example A)
assert_match "$first" '^10\.1\.0\.(12[89]|1[3-9][0-9]|2[0-9][0-9])$' "an address"
assert_match "$(ask WEB.laptop.move.example AAAA +tcp)" '^fd00:1::5e55:' "of IPv6"
assert_equal "$(ask ns.laptop.move.example A)" 10.1.0.11 "its own"
assert_equal "$(status nothing.laptop.move.example A)" NXDOMAIN "no such name"
assert_equal "$(status web.tv.move.example A)" REFUSED "another's zone"
wait_for 20 "unused addresses to go" none_unused
no_address laptop "$first" || fail "$first is still there"

for _ in {1..40}; do
    echo "web.laptop.move.example A"
done > "$work/questions"
on correspondent dig @10.1.0.11 +short -f "$work/questions" > "$work/answers"
assert_equal "$(grep -c . "$work/answers")" 40 "answers"
assert_equal "$(tail -n 1 "$work/answers")" 10.1.0.11 "the last of them"
wait_for 20 "unused addresses to go" none_unused

# Without the controller nobody opens sessions: the permanent address is told.
"$sandbox_program" stop "$sandbox" controller
expect_disconnects
permanent_told() {
    [ "$(ask web.laptop.move.example A)" = 10.1.0.11 ]
}
wait_for 10 "laptop to notice" permanent_told
"$sandbox_program" start "$sandbox" controller
session_told() {
    address=$(ask web.laptop.move.example A)
    [ -n "$address" ] && [ "$address" != 10.1.0.11 ]
}
wait_for 20 "a session's address again" session_told

slow_download file 2000000
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 500000
find_session laptop " $address "
moved() {
    try_move laptop "$session" tv
}
wait_for 15 "tv to be back, and the session to move" moved
wait_for 5 "its connection on tv" has_connections tv "$address" 1
hurry
wait_exit 20 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"
