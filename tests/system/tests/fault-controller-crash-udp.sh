#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The controller killed at each step of a transfer and started again: UDP.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

faults_up
rate=500
stream_up $rate 150

# crash_at POINT: in a move from $owner to $other.
crash_at() {
    local point=$1 process
    mark_logs
    process=$(daemon_pid controller)
    # They were connected long enough to try again at once.
    warp laptop 10000
    warp tv 10000
    set_fault controller "controller/$point" crash
    begin_move "$owner" "$session" "$other"
    wait_dead "$process"
    restart controller
    wait_registered
    rest
    end_move 30 || true
    stream_counts
    say "the controller killed at $point: $owner has it, $lost lost;" \
        "the asker: ${move_said:-(moved)}"
    # No process that holds datagrams was killed.
    [ "$lost" = 0 ] || fail "$lost lost at $point"
    wait_for 10 "datagrams both ways" both_go_on
}

for point in introduce prepare redirect go flushed claim flows written \
    released barrier owned settled; do
    crash_at $point
done
# A target that says nothing for too long: the controller aborts.
for point in abort flows aborted settled; do
    set_fault "$other" take/restored delay 1500
    crash_at $point
done
end_session baton-stream
