#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The controller killed at each step of a transfer and started again: TCP.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

faults_up
make_file file 6000000
serve_on laptop
move laptop "$session" tv
rest
move tv "$session" laptop
rest

# crash_at POINT: in a move from $owner to $other, in the middle of a download.
crash_at() {
    local point=$1 begun=$SECONDS process
    rm -f "$work/got-file"
    mark_logs
    download file --limit-rate 4M
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 100000
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
    wait_exit 20 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
    end_move 30 || true
    say "the controller killed at $point: $owner has it after" \
        "$((SECONDS - begun)) s; the asker: ${move_said:-(moved)}"
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
end_session
