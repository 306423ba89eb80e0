#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The controller killed while a session is on another subnet: it goes on there.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

faults_up --sites=2 --devices=laptop,tv@2
make_file file 20000000
serve_on laptop
move laptop "$session" tv
rest
download file --limit-rate 2M
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 100000
warp laptop 10000
warp tv 10000
mark_logs
kill_daemon controller
restart controller
wait_registered
before=$(stat -c %s "$work/got-file")
wait_for 10 "more bytes" file_has_bytes "$work/got-file" $((before + 1000000))
wait_exit 30 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"
say "$(new_log controller | grep -o '[^ ]*: [0-9]* flows wanted.*' | tr '\n' ';')"
download file
wait_exit 30 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
move tv "$session" laptop
rest
end_session
