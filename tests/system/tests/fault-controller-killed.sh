#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The controller killed after a session has moved: the stream goes on.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

faults_up
make_file file 6000000
serve_on laptop
move laptop "$session" tv
rest
download file --limit-rate 4M
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 100000

mark_logs
kill_daemon controller
say "the controller is killed"
before=$(stat -c %s "$work/got-file")
wait_for 10 "bytes without a controller" \
    file_has_bytes "$work/got-file" $((before + 500000))
restart controller
wait_registered
assert_logged controller "1 moved sessions and [0-9]+ leases are in the database"
# The bridge had all that it needs.
assert_logged controller "br-home: [0-9]+ flows wanted, 0 flow-mods to send"
assert_whole_file() {
    wait_exit 30 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
}
assert_whole_file
rest

# Its owner gives it on, in the middle of the next download.
download file --limit-rate 4M
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 100000
move tv "$session" laptop
rest
assert_whole_file
end_session
