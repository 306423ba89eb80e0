#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A second controller stands by, and goes on when the first is killed.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

database_up
faults_up --db="$database"
expect_log 'no longer leads'
expect_log "devices and bridges are left alone"
make_file file 6000000
serve_on laptop
move laptop "$session" tv
rest

# Another one, with the same key and policy: it waits for its turn.
mkdir "$sandbox/standby"
start_on switch standby "$BATON_BUILD/controller/baton-controller" \
    --private-key="$sandbox/pki/c1-privkey.pem" \
    --certificate="$sandbox/pki/c1-cert.pem" \
    --ca-cert="$sandbox/pki/controller-trust.pem" --db="$database" \
    --unixctl="$sandbox/standby/ctl" --enable-dummy -vconsole:off -vfile:info \
    --log-file="$sandbox/standby/baton-controller.log" \
    "$sandbox/controller/policy.yaml"
standby=$pid
standby_says() {
    grep -E "$1" "$sandbox/standby/baton-controller.log"
}
wait_for 10 "the second controller" standby_says "db.sock: connected"
download file --limit-rate 3M
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 100000
! standby_says "leads" || fail "both lead"

warp laptop 10000
warp tv 10000
kill_daemon controller
wait_for 10 "the second to lead" standby_says "this controller leads"
wait_for 10 "the bridge" standby_says "br-home: [0-9]+ flows wanted, 0 flow-mods"
wait_registered
rest
assert_equal "$owner" tv "the owner"
move tv "$session" laptop
rest
wait_exit 30 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"

# The first comes back, and stands by; the second is killed.
restart controller
mark_logs
say "$(standby_says 'this controller leads' | tail -n 1)"
warp laptop 10000
warp tv 10000
kill -KILL "$(pids_of switch "$BATON_BUILD/controller/baton-controller" |
    grep -v "^$(daemon_pid controller)$")"
wait "$standby" 2> /dev/null || true
assert_logged controller "this controller leads"
wait_registered
move laptop "$session" tv
rest
end_session
