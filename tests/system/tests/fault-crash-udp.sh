#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An agent killed at each step of a transfer and started again: UDP.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

faults_up
rate=500

stream_up $rate 150
held_laptop=$(fds_of "$laptop") held_tv=$(fds_of "$tv")

# crash_at VICTIM POINT
crash_at() {
    local victim=$1 point=$2 process
    mark_logs
    process=$(daemon_pid "$victim")
    set_fault "$victim" "$point" crash
    begin_move "$owner" "$session" "$other"
    wait_dead "$process"
    restart_and_rest "$victim"
    [ "$point" = give/move ] || assert_told controller > /dev/null
    [[ $point != give/* ]] || assert_told "$victim" > /dev/null
    end_move 30 || true
    stream_counts
    # Those that the dead process held, or that nobody was there to catch.
    [ "$lost" -le $((rate / 2)) ] || fail "$lost lost at $point"
    say "$victim killed at $point: $owner has it, $lost lost; the asker:" \
        "${move_said:-(moved)}"
    wait_for 10 "datagrams both ways" both_go_on
}

for point in move introduced connected offered accepted paused prepare go \
    captured state-sent released drained; do
    crash_at "$owner" "give/$point"
done
for point in offer accepted state restored ready claim owned unmuted \
    delivered; do
    crash_at "$other" "take/$point"
done
# Away for longer than the controller waits for a claim: what the target caught
# meanwhile is kept until there is somebody to have it.
aborted() {
    new_log controller | grep -q 'aborted, stays with'
}
keeps() {
    appctl "$other" agent/show | grep -q keeping
}
for point in go captured; do
    rest
    mark_logs
    process=$(daemon_pid "$owner")
    set_fault "$owner" give/$point crash
    begin_move "$owner" "$session" "$other"
    wait_dead "$process"
    wait_for 5 "the abort" aborted
    wait_for 5 "$other to keep what it caught" keeps
    restart_and_rest "$owner"
    end_move 30 || true
    stream_counts
    say "$owner away at $point: $lost lost"
    [ "$lost" -le 20 ] || fail "$lost lost while $owner was away"
    wait_for 10 "datagrams both ways" both_go_on
done
say "$lost_total datagrams lost in all"

# Back to where it was: no more descriptors than then.
[ "$owner" = laptop ] || move "$owner" "$session" laptop
rest
[ "$(fds_of "$laptop")" -le "$held_laptop" ] ||
    fail "descriptors of the application on laptop: $(ls -l "/proc/$laptop/fd")"
[ "$(fds_of "$tv")" -le "$held_tv" ] ||
    fail "descriptors of the application on tv: $(ls -l "/proc/$tv/fd")"
end_session baton-stream
