#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a killed agent left is taken away, also if the session is coming again.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

faults_up
stream_up 50 100000
agent=$(daemon_pid tv)
set_fault tv take/restored crash
begin_move laptop "$session" tv
wait_dead "$agent"
restart tv
end_move || true
rest_of_tv() {
    on tv ip -o address | grep -wF "$address"
}
rest_of_tv || fail "nothing was left"

say "another transfer is announced when its time is over, and comes to nothing"
set_fault laptop send/offer drop
begin_move laptop "$session" tv
announced() {
    appctl tv agent/show | grep '"state": "expected"'
}
wait_for 10 "it to be announced" announced
warp tv 16000
announced || say "    it was given up"
warp laptop 31000
! end_move || fail "it moved"
warp tv 60000
nothing_left() {
    ! rest_of_tv || { warp tv 5000; return 1; }
}
wait_for 5 "nothing to be left" nothing_left
rest
assert_equal "$owner" laptop "who has it"
stream_counts
wait_for 10 "datagrams both ways" both_go_on
