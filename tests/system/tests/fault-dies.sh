#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Applications that die while their session moves, on either side.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

faults_up
make_file file 5000000
start() {
    serve_on laptop
    download file --limit-rate 3M
    curl=$pid
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 100000
    mark_logs
}

# die_at HOST POINT: the application on HOST dies while the agent of HOST
# stands at POINT.
die_at() {
    set_fault "$1" "$2" stop
    begin_move laptop "$session" tv
    wait_stopped "$1"
    # shellcheck disable=SC2046
    kill -KILL $(pids_of "$1" baton-serve)
    go_on "$1"
}

say "the target's, before it has the state: the session stays, and goes on"
for point in accepted state restored; do
    start
    die_at tv take/$point
    move_fails 'application'
    assert_told laptop controller tv
    rest
    assert_equal "$owner" laptop "who has it after $point"
    assert_whole
    end_session
done

say "the target's, after it was ready: the session ends with it"
for point in claim owned; do
    start
    die_at tv take/$point
    end_move 30 || true
    say "the asker is told: ${move_said:-(moved)}"
    assert_told laptop controller tv
    wait_for 20 "nothing to be left" all_gone
    wait_exit 20 "$curl" && fail "curl got all of it"
    say "curl is told: $(cat "$work/curl-file.err.txt")"
done

say "the transferring one, before go: the session ends with it"
for point in introduced offered accepted; do
    start
    die_at laptop give/$point
    move_fails 'ended|closed'
    assert_told laptop
    wait_for 20 "nothing to be left" all_gone
    wait_exit 20 "$curl" && fail "curl got all of it"
    say "curl is told: $(cat "$work/curl-file.err.txt")"
done

say "the transferring one, after go: the session is with the target"
for point in go captured state-sent released; do
    start
    die_at laptop give/$point
    move_succeeds
    assert_told laptop controller tv
    rest
    assert_equal "$owner" tv "who has it after $point"
    assert_whole
    end_session
done
assert_equal "$(pids_of laptop baton-serve)$(pids_of tv baton-serve)" "" \
    "applications left"
