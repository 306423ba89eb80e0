#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Controller, agent and switch killed while sessions are mapped: they go on.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"
# shellcheck source=tests/system/mapped.sh
. "$(dirname "$0")/../mapped.sh"

# mapped_owner: of the session at $address, as the controller has it.
mapped_owner() {
    on switch baton-ctl --format=json mappings | python3 -c '
import json, sys
answer = json.load(sys.stdin)
for row in answer["data"]:
    row = dict(zip(answer["headings"], row))
    if row["address"] == sys.argv[1] and row["session"].strip("0-"):
        print(row["owner"])' "$address"
}

is_mapped_at() {
    [ "$(mapped_owner)" = "$1" ]
}

bytes_go_on() {
    local before
    before=$(stat -c %s "$work/got-file")
    wait_for 10 "bytes" file_has_bytes "$work/got-file" $((before + 500000))
}

killed_and_started() {
    say "$1 is killed"
    mark_logs
    kill_daemon "$1"
    bytes_go_on
    restart "$1"
    wait_registered
    bytes_go_on
    wait_for 10 "the mapping" is_mapped_at "$2"
    assert_equal "$(mapped_flows "$address")" 2 "flows of the session"
}

faults_up --movable=laptop
wait_for 10 "ready addresses" addresses_ready
make_file file 60000000

say "a service that knows nothing"
start_on laptop server python3 -m http.server --bind :: \
    --directory "$sandbox/files" 8080
server=$pid
wait_for 10 "the server" on laptop \
    curl -sS -I -o /dev/null http://10.1.0.11:8080/file
address=$(own_of 4)
slow_download file 2000000
curl=$pid
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 300000
find_mapped web-
killed_and_started controller laptop
killed_and_started laptop laptop
killed_and_started controller laptop
mark_logs
say "the switch is restarted"
"$sandbox_program" stop "$sandbox" switch
"$sandbox_program" start "$sandbox" switch
bytes_go_on
hurry
wait_exit 20 "$curl" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"
wait_for 30 "the session to end" no_mapped_flows "$address"
wait_for 10 "the address to go" no_address laptop "$address"
kill "$server"
wait_for 5 "the port to be free" free_port

say "a service that does, and its session has moved"
serve_mapped
address=$(own_of 4)
slow_download file 2000000
curl=$pid
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 300000
find_adopted
killed_and_started laptop laptop
move laptop "$session" tv
killed_and_started controller tv
killed_and_started tv tv
move tv "$session" laptop
killed_and_started controller laptop
hurry
wait_exit 20 "$curl" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"
wait_for 30 "the session to end" no_mapped_flows "$address"
