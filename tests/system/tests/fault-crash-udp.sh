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
say "$lost_total datagrams lost in all"

# Back to where it was: no more descriptors than then.
[ "$owner" = laptop ] || move "$owner" "$session" laptop
rest
[ "$(fds_of "$laptop")" -le "$held_laptop" ] ||
    fail "descriptors of the application on laptop: $(ls -l "/proc/$laptop/fd")"
[ "$(fds_of "$tv")" -le "$held_tv" ] ||
    fail "descriptors of the application on tv: $(ls -l "/proc/$tv/fd")"
end_session baton-stream
