#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A controller that dies after it redirected and stays away costs no datagram.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

# away POINT: the controller is killed there.  The bridge sends to the target,
# which has not got the session, for as long as no controller comes.
away() {
    local controller device
    say "the controller is killed at $1"
    controller=$(daemon_pid controller)
    set_fault controller "$1" crash
    begin_move laptop "$session" tv
    wait_dead "$controller"
    is_redirected || say "    not yet redirected"
    end_move || true
    assert_match "$move_said" 'controller was lost' "the reason"
    for device in "${devices[@]}"; do
        warp "$device" 7000 # Longer than the state is waited for.
    done
    stream_counts
    wait_for 10 "datagrams both ways" both_go_on
    for device in "${devices[@]}"; do
        warp "$device" 7000
    done
    stream_counts
    wait_for 10 "datagrams both ways" both_go_on
    restart controller
    for device in "${devices[@]}"; do
        warp "$device" 10000 # It may try to connect again.
    done
    wait_registered
    rest
    assert_equal "$owner" laptop "who has the session"
    stream_counts
    wait_for 10 "datagrams both ways" both_go_on
    stream_counts
    assert_equal "$lost_total" 0 "lost"
}

is_redirected() {
    local mac
    mac=$(printf 0x%x0000 "0x$(mac_of tv | tr -d :)")
    flows | grep -F "nw_dst=$address " | grep -F "set_field:$mac->xreg7"
}

faults_up
stream_up 50 100000
away controller/redirect
