#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The bridge's connection, or its switch, lost in the middle of a transfer.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

faults_up
expect_log 'br-home'
expect_log 'ovs-vswitchd.log:'
expect_log 'ovsdb-server.log:'
expect_log '(vconn|openflow_link|stream_vconn|bridge)[^|]*\|WARN\|'
make_file file 30000000
serve_on laptop
warm_up --limit-rate 700K

bridge_is_synchronised() {
    new_log controller | grep -q 'bridge is synchronised'
}

# lose_at POINT COMMAND...: COMMAND while the controller stands at POINT in a
# move; then the bridge comes back.
lose_at() {
    local point=$1
    shift
    mark_logs
    # It was connected long enough to try again at once.
    warp controller 10000
    set_fault controller "controller/$point" stop
    begin_move "$owner" "$session" "$other"
    wait_stopped controller
    "$@"
    go_on controller
    end_move 30 || true
    say "$* at $point; the asker: $move_said"
    wait_for 20 "the bridge to be synchronised" bridge_is_synchronised
    assert_told controller
    rest
    say "$owner has it"
}

crash_switch() {
    local vswitchd
    vswitchd=$(cat "$sandbox/ovs/ovs-vswitchd.pid")
    kill -KILL "$vswitchd"
    wait_dead "$vswitchd"
    start_switch
}

start_switch() {
    ip netns exec "$(netns_of switch)" env OVS_RUNDIR="$sandbox/ovs" \
        OVS_LOGDIR="$sandbox/ovs" OVS_DBDIR="$sandbox/ovs" \
        ovs-vswitchd "unix:$sandbox/ovs/db.sock" --no-chdir --detach \
        --unixctl="$sandbox/ovs/ovs-vswitchd.ctl" \
        --pidfile="$sandbox/ovs/ovs-vswitchd.pid" -vconsole:off \
        --log-file="$sandbox/ovs/ovs-vswitchd.log" ||
        fail "ovs-vswitchd does not start again"
}

for point in introduce prepare redirect go claim flows written released \
    barrier; do
    lose_at $point crash_switch
done

# What is on it afterwards is what should be: as many flows of the session's
# as before, and none of anybody else's.
count_flows() {
    flows | grep -cwF "$address"
}
[ "$owner" = laptop ] || move "$owner" "$session" laptop
rest
after=$(count_flows)
move laptop "$session" tv
rest
move tv "$session" laptop
rest
assert_equal "$(count_flows)" "$after" "flows of the session"
say "without a bridge nothing moves"
vswitchd=$(cat "$sandbox/ovs/ovs-vswitchd.pid")
kill -KILL "$vswitchd"
wait_dead "$vswitchd"
mark_logs
! on laptop baton move "$session" tv > "$work/mover.txt" 2>&1 ||
    fail "it moved"
say "the asker is told: $(cat "$work/mover.txt")"
start_switch
wait_for 20 "the bridge to be synchronised" bridge_is_synchronised
wait_registered
wait_for 20 "a move" on laptop baton move "$session" tv
rest
move tv "$session" laptop
rest
assert_whole
assert_no_more_fds
end_session
