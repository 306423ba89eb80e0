#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A session that closes while it moves: by its correspondent, by itself.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

faults_up
expect_log 'cannot be captured: the connection has just been closed'
make_file file 8000000
make_file small 3000
serve_on laptop
warm_up --limit-rate 1M

# close_at HOST POINT SIGNAL: the correspondent's curl ends while HOST stands
# at POINT.
close_at() {
    say "curl ends ($3) while $1 is at $2"
    mark_logs
    rm -f "$work"/got-*
    download file --limit-rate 300K
    curl=$pid
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 100000
    set_fault "$1" "$2" stop
    begin_move "$owner" "$session" "$other"
    wait_stopped "$1"
    kill "-$3" "$curl"
    wait_exit 5 "$curl" || true
    sleep 0.05
    go_on "$1"
    end_move 30 || say "the asker is told: $move_said"
    rest
    # It is over for both, and the session serves the next one.
    wait_for 10 "the connection to close" no_connection "$owner"
    download small
    wait_exit 10 "$pid" || fail "curl: $(cat "$work/curl-small.err.txt")"
    assert_same_bytes "$work/got-small" "$sandbox/files/small"
    wait_for 10 "the connection to close" no_connection "$owner"
}

no_connection() {
    [ "$(connections "$1" "$address")" = 0 ]
}

wait_exit 30 "$curl" || fail "curl"
for point in give/introduced give/accepted give/prepare give/go \
    give/captured give/state-sent give/released; do
    close_at "$owner" $point TERM
done
for point in take/accepted take/state take/restored take/ready take/claim \
    take/owned; do
    close_at "$other" $point KILL
done
end_session

say "the application closes the session while it is offered"
serve_on laptop
mark_logs
set_fault tv take/offer stop
begin_move laptop "$session" tv
wait_stopped tv
kill "$pid"
wait_for 5 "its end" process_ended "$pid"
go_on tv
move_fails 'ended'
wait_for 20 "nothing to be left" all_gone
assert_told laptop controller tv
