#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The controller, by way of which two devices move a session that cannot reach
# each other, is killed at each step and started again: no datagram is lost,
# since none was in it that the devices had not still.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

faults_up
stream_up 500 100
on laptop ip route add blackhole 10.255.0.12/32
on tv ip route add blackhole 10.255.0.11/32
for device in laptop tv; do
    on "$device" ss -K -H -tn dport = 6655 or sport = 6655 > /dev/null 2>&1 ||
        skip "the kernel closes no connections for ss -K"
done

crash_controller_at() {
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
    [ "$lost" = 0 ] || fail "$lost lost at $point"
    wait_for 10 "datagrams both ways" both_go_on
}

for point in redirect go flushed claim written barrier owned settled; do
    crash_controller_at $point
done
assert_match "$(cat "$sandbox/hosts/laptop/baton-agentd.log")" \
    'go by way of the controller' "the log"
for point in abort flows aborted; do
    set_fault "$other" take/restored delay 1500
    crash_controller_at $point
done
end_session baton-stream
