#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An agent killed at each step of a transfer and started again: TCP.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

faults_up
make_file file 6000000
serve_on laptop
move laptop "$session" tv
rest
move tv "$session" laptop
rest

# crash_at VICTIM POINT: the agent of VICTIM, in a move from $owner to $other,
# in the middle of a download.
crash_at() {
    local victim=$1 point=$2 begun=$SECONDS process
    rm -f "$work/got-file"
    mark_logs
    download file --limit-rate 4M
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 100000
    process=$(daemon_pid "$victim")
    set_fault "$victim" "$point" crash
    begin_move "$owner" "$session" "$other"
    wait_dead "$process"
    restart_and_rest "$victim"
    [ "$point" = give/move ] || assert_told controller > /dev/null
    [[ $point != give/* ]] || assert_told "$victim" > /dev/null
    wait_exit 20 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
    end_move 30 || true
    # One that was started for the session may wait for the next one.
    [ "$(pids_of "$other" baton-serve | wc -l)" -le 1 ] ||
        fail "servers left on $other"
    say "$victim killed at $point: $owner has it after" \
        "$((SECONDS - begun)) s; the asker: ${move_said:-(moved)}"
}

for point in move introduced connected offered accepted paused prepare go \
    captured state-sent released drained; do
    crash_at "$owner" "give/$point"
done
for point in offer accepted state restored ready claim owned unmuted \
    delivered; do
    crash_at "$other" "take/$point"
done
end_session
