#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every deadline of a transfer, on each side, when the other side is silent.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

faults_up
expect_log 'the controller did not answer for 15 minutes'
expect_log 'no response to inactivity probe'
make_file file 40000000
serve_on laptop
warm_up --limit-rate 400K

# silent_at DAEMON POINT: a move to tv begins, and DAEMON stands still there.
silent_at() {
    say "$1 is silent at $2"
    mark_logs
    set_fault "$1" "$2" stop
    begin_move laptop "$session" tv
    wait_stopped "$1"
}

# too_early DAEMON MSEC: after so much time nothing has been decided.
too_early() {
    warp "$1" "$2"
    sleep 0.2
    ! process_ended "$mover" || fail "over already: $(cat "$work/mover.txt")"
}

# stays: the session is laptop's, as if nothing had been.
stays() {
    rest
    assert_equal "$owner" laptop "who has it"
}

say "INTRODUCING: 5 s"
silent_at controller controller/introduce
too_early laptop 4000
warp laptop 1500
move_fails 'the controller did not answer'
go_on controller
wait_registered
stays
assert_told laptop controller

say "OFFERED: 30 s; EXPECTED: 30 s"
silent_at tv take/offer
too_early laptop 28000
warp laptop 3000
move_fails 'tv.* did not answer|target did not answer'
go_on tv
stays
assert_told laptop controller tv

say "PAUSING: 1 s"
# shellcheck disable=SC2046
kill -STOP $(pids_of laptop baton-serve)
mark_logs
begin_move laptop "$session" tv
# The notice may have gone out meanwhile: then the controller's second counts.
move_fails 'the application did not pause|claim did not come in time'
# shellcheck disable=SC2046
kill -CONT $(pids_of laptop baton-serve)
stays
assert_told laptop controller tv

say "PREPARING: 2 s; a late go is ignored"
silent_at controller controller/redirect
too_early laptop 1000
warp laptop 1500
move_fails 'the controller did not answer'
go_on controller
wait_registered
stays
assert_told laptop controller tv

say "WAITING: 5 s; the controller's 1 s"
silent_at laptop give/go
warp tv 6000
warp controller 1500
assert_logged controller 'the state did not come|claim did not come in time'
go_on laptop
move_fails 'the state did not come|claim did not come in time'
stays
assert_told laptop controller tv

say "GONE: 1 s without a claim"
silent_at tv take/restored
warp controller 1500
move_fails 'claim did not come in time'
go_on tv
stays
assert_told laptop controller tv

say "MUTED: 1 s without the application"
start_on tv slow baton-serve --root="$sandbox/files" --service=files --accept
slow=$pid
wait_for 5 "its start" on tv sh -c 'ss -xp | grep -q baton-serve'
sleep 0.3
silent_at tv take/restored
kill -STOP "$slow"
go_on tv
sleep 0.1
warp tv 1500
move_fails 'did not get ready|claim did not come in time'
kill -CONT "$slow"
stays
assert_told laptop controller tv
kill "$slow"
wait_exit 5 "$slow" || true

say "introduced: 35 s without prepare"
silent_at laptop give/accepted
warp controller 36000
assert_logged controller 'prepare did not come in time'
go_on laptop
move_fails 'prepare did not come in time'
stays
assert_told laptop controller tv

say "CLAIMED, FROZEN: no end of their own for long"
silent_at controller controller/claim
warp tv 600000
warp laptop 600000
sleep 0.2
! process_ended "$mover" || fail "over already: $(cat "$work/mover.txt")"
go_on controller
move_succeeds
rest
assert_equal "$owner" tv "who has it"
assert_told laptop controller tv
wait_registered
move tv "$session" laptop
rest

kill "$curl"
wait_exit 5 "$curl" || true
assert_no_more_fds

say "FROZEN: 15 minutes without the controller: lost, silently"
download file --limit-rate 400K
curl=$pid
rm -f "$work/got-file"
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 100000
silent_at laptop give/captured
kill -STOP "$(daemon_pid controller)"
# Nobody restores it: the target is gone as well.
kill_daemon tv
go_on laptop
sleep 0.3
warp laptop 800000
sleep 0.3
! process_ended "$mover" || fail "over already: $(cat "$work/mover.txt")"
warp laptop 120000
move_fails 'the controller did not answer'
assert_logged laptop 'did not answer for 15 minutes; the session is lost'
kill -CONT "$(daemon_pid controller)"
restart tv
sleep 1
warp tv 16000
wait_for 20 "nothing to be left on the devices" nothing_on_devices
kill -0 "$curl" || fail "curl was told"
kill "$curl"
